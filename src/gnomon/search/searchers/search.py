"""A search under way: what has been evaluated and what it cost, who beats whom, and what happened in which order.

The five searchers of this folder ask it for architectures never seen, for evaluations and for the best of a few. It
ends them with `Finished` when the budget or the proposals are used up.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs.progress import Show
from gnomon.stats import order

if TYPE_CHECKING:
    from gnomon.runs import Run
    from gnomon.search.spaces import Arch, Space

PROPOSALS = 20  # per unit of budget: a walk that keeps meeting known architectures ends
SIDE_BY_SIDE = 32  # architectures that a source with workers is asked for at once


class Finished(Exception):
    """The search is over: the budget cannot pay the next evaluation, or too many proposals were known or lacking."""


class Comparator:
    """Whether one architecture's scores are better than another's, by name: larger is better, NaN is the worst.

    `mannwhitney` takes repeats as unpaired, `wilcoxon` takes repeat v of one with repeat v of the other, which were
    shown the same batch; both rank a missing score below every number. `mean` compares means and always decides unless
    they are equal; a candidate with a missing score is below every one without.
    """

    NAMES = ("mannwhitney", "wilcoxon", "mean")

    def __init__(self, name: str, alpha: float, looks: Sequence[int], repeats: int, sequential: bool) -> None:
        if name not in self.NAMES:
            raise UserError(f"comparator = {name!r} is not known; there are {', '.join(self.NAMES)}.")
        self.name, self.alpha = name, alpha
        self.looks = tuple(looks) if sequential else ()
        self.rules: dict[str, Any] = {
            "method": name,
            "paired": name == "wilcoxon",
            "alpha": alpha,
            "missing": "lowest",
        }
        if sequential and name == "mean":
            raise UserError("comparator = 'mean' decides at the first look, so it cannot be sequential; leave one out.")
        if sequential and self.looks and self.looks[-1] != repeats:
            scaled = tuple(sorted({max(1, round(n * repeats / self.looks[-1])) for n in self.looks}))
            raise UserError(
                f"looks = {self.looks} end after {self.looks[-1]} repeats, but repeats = {repeats}; they end together,"
                f" as looks = {scaled} would."
            )
        self._decides(repeats)

    def _decides(self, repeats: int) -> None:
        """Raise UndecidableDesign, before anything is evaluated, where no scores could ever decide."""
        equal = np.zeros(repeats)
        if self.looks:
            order.sequential(equal, equal, looks=self.looks, **self.rules)
        else:
            order.better(equal, equal, **self.rules)

    def better(self, x: np.ndarray, y: np.ndarray) -> bool:
        """Whether `x` beats `y`; paired scores of unequal number are compared on those that both have."""
        if self.name == "mean":
            return self.mean(x) > self.mean(y)
        return order.better(*self._matched(x, y), **self.rules)

    def p_values(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """The one-sided p of "`x` beats `y`" and of "`y` beats `x`"."""
        found = order.compare(*self._matched(x, y), **self.rules)
        return found.p_greater, found.p_less

    @staticmethod
    def mean(scores: np.ndarray) -> float:
        """The mean, below every number where a score is missing."""
        total = math.fsum(scores.tolist())
        return -math.inf if math.isnan(total) else total / len(scores)

    def _matched(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = min(len(x), len(y)) if self.rules["paired"] else None
        return x[:both], y[:both]


class Search:
    """What a searcher works with.

    `source` has the scores, `space` the moves (None: the rows of a source that lists its `archs()`). Scores count
    `direction` times; what is not finite is missing. `repeats` scores are taken of each architecture, or with looks
    looks[0] of them and more while a comparison is undecided.
    """

    def __init__(
        self,
        source: Any,
        space: "Space | None",
        *,
        ranker: str,
        direction: int,
        comparator: Comparator,
        budget: int,
        repeats: int,
        rng: np.random.Generator,
        run: "Run | None" = None,
        show: Show = lambda done, status: None,
    ) -> None:
        self.space, self.rng, self.budget, self.comparator = space, rng, budget, comparator
        self.samples: dict[str, np.ndarray] = {}
        self.history: list[dict[str, Any]] = []
        self.spent = 0
        self._source, self._ranker, self._direction = source, ranker, direction
        self._once = not source.varies(ranker) if hasattr(source, "varies") else False
        self._first = comparator.looks[0] if comparator.looks else repeats
        self._archs: dict[str, Arch] = {}
        self._proposals = 0
        self._run, self._show = run, show
        self._spelled = _spellings(source, space)

    # -- architectures -----------------------------------------------------------------------------------------

    def unseen(self) -> Iterator[str]:
        """Architectures never evaluated before, in random order, as long as they are met and can be paid."""
        given: set[str] = set()
        if self.space is None:
            rows = self._source.archs()
            for place in self.rng.permutation(len(rows)):
                if self.room() < 1:
                    return
                yield rows[int(place)]
            return
        while True:
            try:
                text = self.propose(self.space.sample(self.rng))
            except Finished:
                return
            if text is not None and text not in self.samples and text not in given:
                given.add(text)
                yield text

    def propose(self, arch: "Arch") -> str | None:
        """The text of a proposed architecture as the source writes it, None where that lacks it; raises Finished."""
        assert self.space is not None
        self._proposals += 1
        if self.room() < 1 or self._proposals > PROPOSALS * self.budget:
            raise Finished
        text = self._text(arch)
        if not self._holds(text):
            return None
        self._archs[text] = arch
        return text

    def arch(self, text: str) -> "Arch":
        """The architecture that was proposed with this text."""
        return self._archs[text]

    def exhausted(self, text: str) -> bool:
        """Whether every neighbour of an architecture has been evaluated, or is lacking."""
        assert self.space is not None
        neighbours = (self._text(arch) for arch in self.space.neighbours(self.arch(text)))
        return all(other in self.samples or not self._holds(other) for other in neighbours)

    def _text(self, arch: "Arch") -> str:
        assert self.space is not None
        text = self.space.encode(arch)
        return self._spelled.get(text, text)

    def _holds(self, text: str) -> bool:
        return not hasattr(self._source, "__contains__") or text in self._source

    # -- evaluations -------------------------------------------------------------------------------------------

    def room(self) -> int:
        """How many architectures the rest of the budget pays, at their first repeats."""
        return (self.budget - self.spent) // self._cost(0, self._first)

    def enter(self, texts: Sequence[str]) -> None:
        """Evaluate architectures for the first time, side by side where the source can; known ones cost nothing."""
        new = [text for text in texts if text not in self.samples]
        if len(new) > 1 and hasattr(self._source, "prefetch"):
            self._source.prefetch(new, self._ranker, self._first)
        for text in new:
            self.grow(text, self._first)

    def grow(self, text: str, n: int) -> np.ndarray:
        """At least the first `n` scores of an architecture, directed [n]; raises Finished where the budget is short."""
        known = self.samples.get(text)
        have = 0 if known is None else len(known)
        if have < n:
            cost = self._cost(have, n)
            if self.spent + cost > self.budget:
                raise Finished
            scores = np.asarray(self._source.samples(text, self._ranker, n), dtype=float)
            if scores.shape != (n,):
                raise UserError(
                    f"{self._ranker!r}: the source gave scores of shape {scores.shape} for {text!r}; {n} repeats were"
                    " asked for."
                )
            self.samples[text] = np.where(np.isfinite(scores), self._direction * scores, np.nan)
            self.spent += cost
            self._show(self.spent, text)
        return self.samples[text][:n]

    def _cost(self, have: int, n: int) -> int:
        """Evaluations from `have` to `n` repeats: what does not vary is measured once."""
        return (0 if have else 1) if self._once else n - have

    # -- comparisons -------------------------------------------------------------------------------------------

    def better(self, x: str, y: str) -> bool:
        """Whether architecture `x` beats `y`, with as many repeats as it takes where comparisons are sequential."""
        if x == y:
            return False
        if not self.comparator.looks:
            return self.comparator.better(self.samples[x], self.samples[y])
        found = order.sequential(
            lambda n: self.grow(x, n), lambda n: self.grow(y, n), looks=self.comparator.looks, **self.comparator.rules
        )
        return found.decision == "greater"

    def best(self, texts: Sequence[str]) -> str:
        """Stat-MAX (Variation Matters, algorithm 1): the incumbent goes only when it is beaten."""
        incumbent = texts[0]
        for text in texts[1:]:
            if self.better(text, incumbent):
                incumbent = text
        return incumbent

    def draw(self, texts: Sequence[str], size: int) -> list[str]:
        """A tournament: `size` of `texts`, or all where there are fewer, drawn without replacement."""
        chosen = self.rng.choice(len(texts), size=min(size, len(texts)), replace=False)
        return [texts[int(place)] for place in chosen]

    # -- what happened -----------------------------------------------------------------------------------------

    def record(self, event: str, arch: str, **more: Any) -> None:
        """Write down an event, in the run too where there is one."""
        entry = {"event": event, "arch": arch, **more}
        self.history.append(entry)
        if self._run is not None:
            self._run.log(len(self.history), **entry, evaluations=self.spent)


def _spellings(source: Any, space: "Space | None") -> dict[str, str]:
    """How a table writes architectures that the space writes otherwise; architectures of no other space count.

    One architecture that the space knows says how all are written. Raises UserError where there is none.
    """
    if space is None or not hasattr(source, "archs"):
        return {}
    wrong: UserError | None = None
    rows = source.archs()
    for text in rows:
        try:
            if space.encode(space.decode(text)) == text:
                return {}
            break
        except UserError as mistake:
            wrong = wrong or mistake
    else:
        raise UserError(f"The table has no architecture of space {space.name!r}: {wrong}")
    found = {}
    for text in rows:
        try:
            found[space.encode(space.decode(text))] = text
        except UserError:
            continue
    return found
