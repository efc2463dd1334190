"""Search: walk through architectures with the comparator in every tournament, and say who ties with the winner.

Variation Matters (Rumiantsev and Coates, arXiv 2502.19657): the scores of an architecture are a random variable, and
one architecture is better than another only where `gnomon.stats.order` says so. What is found is a set, not only a
winner.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs.progress import Progress
from gnomon.search.searchers.aging_evolution import aging_evolution
from gnomon.search.searchers.freerea import freerea
from gnomon.search.searchers.greedy import greedy
from gnomon.search.searchers.racing import racing
from gnomon.search.searchers.random_walk import random_walk
from gnomon.search.searchers.search import Comparator, Finished, Search
from gnomon.search.table import Table, directions, nearest
from gnomon.seeds import derive
from gnomon.stats import order
from gnomon.stats.order.design import EXACT_UP_TO
from gnomon.stats.order.nulls import signed_rank_tails

if TYPE_CHECKING:
    from gnomon.runs import Run
    from gnomon.search.spaces import Space

METHODS = ("random", "rea", "greedy", "freerea", "racing")
WALKS = ("random", "racing")
"""The methods that need no mutation, and so no space."""

SHUFFLES = 200


@dataclass(frozen=True)
class Choice:
    """A winner among architectures in the order they were seen, and what is doubtful about it; architectures are text.

    `indistinguishable` are the winner and all it is not significantly better than, after Holm over the comparisons with
    it (`p_adjusted`). `contradictions` are candidates better than the winner: "better" is not transitive. `stability`
    is the share of 200 shuffled walks that each candidate wins. `repeats_to_tell` is about how many repeats would tell
    the nearest of the indistinguishable from the winner; None where there is none, or where it scores as high.
    `repeats_needed` is set where the correction for so many comparisons rules out that anyone is told from the winner,
    whatever the scores: with so many repeats of each they could be.
    `samples` are the scores that were compared, in the ranker's own direction, NaN where one is missing or infinite.
    """

    winner: str
    indistinguishable: list[str]
    contradictions: list[str]
    stability: dict[str, float]
    p_adjusted: dict[str, float]
    repeats_to_tell: int | None
    repeats_needed: int | None
    comparator: str
    alpha: float
    direction: int
    samples: dict[str, np.ndarray]

    def finalists(self, count: int) -> list[str]:
        """The winner, those that cannot be told from it, then the next best: at most `count`.

        The nearest come first, by P(winner better) + P(equal) / 2, then by their median.
        """
        directed = {text: self.direction * scores for text, scores in self.samples.items()}
        best = directed[self.winner]

        def distance(text: str) -> tuple[bool, float, float]:
            known = directed[text][~np.isnan(directed[text])]
            nearness = _superiority(best, directed[text])
            return text not in self.indistinguishable, nearness, -float(np.median(known)) if len(known) else np.inf

        return [self.winner, *sorted((text for text in directed if text != self.winner), key=distance)][:count]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: everything but the scores and their p-values."""
        return {
            "winner": self.winner,
            "indistinguishable": self.indistinguishable,
            "contradictions": self.contradictions,
            "stability": self.stability,
            "repeats_to_tell": self.repeats_to_tell,
            "repeats_needed": self.repeats_needed,
            "comparator": self.comparator,
            "alpha": self.alpha,
            "direction": self.direction,
        }


@dataclass(frozen=True)
class Found(Choice):
    """What a search found: the choice over everything it evaluated, in the order seen.

    `evaluations` (architecture, repeat) were made, on `distinct` architectures. `target` is what the source knows about
    the winner, looked up at the end; None where it knows nothing. `history` has {"event": "visit" | "start", "arch"}
    and {"event": "step", "arch", "parent", "tournament", "died"} in order.
    """

    evaluations: int
    distinct: int
    target: float | None
    history: list[dict[str, Any]]
    ranker: str
    method: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: everything but the history, the scores and their p-values."""
        return super().to_dict() | {
            "evaluations": self.evaluations,
            "distinct": self.distinct,
            "target": self.target,
            "ranker": self.ranker,
            "method": self.method,
        }


def find(
    space: "Space | None",
    scores: Any,
    *,
    ranker: str,
    method: str = "freerea",
    budget: int = 500,
    repeats: int = 10,
    alpha: float = 0.05,
    comparator: str = "mannwhitney",
    sequential: bool = False,
    looks: Sequence[int] = (4, 7, 10),
    population: int = 25,
    tournament: int = 5,
    seed: int = 0,
    run: "Run | None" = None,
    progress: Progress | None = None,
) -> Found:
    """Search `space` by the scores of one ranker.

    `scores` is a Table, an Evaluator, or anything with `rankers` and `samples(arch_text, ranker, n)`, NaN where the
    ranker failed. It may say which architectures it holds (`in`; a walk steps over the others), the `direction` of a
    ranker, whether it `varies`, the `target` of an architecture, and `prefetch` several side by side. `space` None
    walks the rows of a source that lists its `archs()`; only `random` and `racing` can.

    `budget` counts evaluations (architecture, repeat), each once, and is never exceeded; an architecture met again
    keeps its scores. The walk also ends after 20 proposals for each unit of budget. With `sequential` (always for
    `racing`) an architecture starts with looks[0] repeats and gets more while a comparison is undecided; the choice at
    the end compares what there is, which is one more look at `alpha`. `run` gets a line of metrics for each event (a
    resumed search begins again from the scores that are stored, so earlier lines are replaced), `progress` shows
    evaluations.

    The same arguments give the same history. Raises UserError for impossible settings, and UndecidableDesign where so
    few repeats could never decide, before anything is evaluated.
    """
    compared = check(
        space,
        scores,
        ranker=ranker,
        method=method,
        budget=budget,
        repeats=repeats,
        alpha=alpha,
        comparator=comparator,
        sequential=sequential,
        looks=looks,
        population=population,
        tournament=tournament,
    )
    direction = scores.direction(ranker) if hasattr(scores, "direction") else directions([ranker])[ranker]
    if run is not None:
        run.rewind(0)
    with (progress or Progress(quiet=True)).stage("searching", budget, 0) as show:
        search = Search(
            scores,
            space,
            ranker=ranker,
            direction=direction,
            comparator=compared,
            budget=budget,
            repeats=repeats,
            rng=np.random.default_rng(derive(seed, "search")),
            run=run,
            show=show,
        )
        try:
            if method == "rea":
                aging_evolution(search, population, tournament)
            elif method == "greedy":
                greedy(search, population)
            elif method == "freerea":
                freerea(search, population, tournament)
            elif compared.looks:
                racing(search)
            else:
                random_walk(search)
        except Finished:
            pass
    if not search.samples:
        raise UserError(f"None of the proposed architectures has scores by {ranker!r}; is this the table of the space?")
    choice = _choose(search.samples, compared, direction, seed)
    return Found(
        **vars(choice),
        evaluations=search.spent,
        distinct=len(search.samples),
        target=scores.target(choice.winner) if hasattr(scores, "target") else None,
        history=search.history,
        ranker=ranker,
        method=method,
    )


def choose(
    samples: Mapping[str, np.ndarray],
    *,
    direction: int = 1,
    comparator: str = "mannwhitney",
    alpha: float = 0.05,
    seed: int = 0,
) -> Choice:
    """The winner among architectures whose scores are there, in their order, with the set it cannot be told from.

    `direction` is -1 where smaller scores are better. Scores that are not finite are missing. Raises UndecidableDesign
    where a single comparison could never decide.
    """
    if not samples:
        raise UserError("choose: there are no architectures; at least one is needed.")
    arrays = {text: np.asarray(scores, dtype=float) for text, scores in samples.items()}
    compared = Comparator(comparator, alpha, (), min(len(scores) for scores in arrays.values()), False)
    directed = {text: np.where(np.isfinite(scores), direction * scores, np.nan) for text, scores in arrays.items()}
    return _choose(directed, compared, direction, seed)


def _choose(samples: Mapping[str, np.ndarray], comparator: Comparator, direction: int, seed: int) -> Choice:
    texts, arrays = list(samples), list(samples.values())
    if comparator.name == "mannwhitney":
        best = order.best_set(arrays, alpha=comparator.alpha, shuffles=SHUFFLES, seed=seed, missing="lowest")
    else:
        best = _best_set(arrays, comparator, seed)
    nearest_member = min(
        (_superiority(arrays[best.winner], arrays[index]) for index in best.members if index != best.winner),
        default=0.5,
    )
    return Choice(
        winner=texts[best.winner],
        indistinguishable=[texts[index] for index in best.members],
        contradictions=[texts[index] for index in best.contradictions],
        stability={texts[index]: share for index, share in best.stability.items()},
        p_adjusted=dict(zip(texts, best.p_adjusted.tolist(), strict=True)),
        repeats_to_tell=order.repeats_to_tell(nearest_member, alpha=comparator.alpha, comparisons=len(arrays) - 1)
        if nearest_member > 0.5
        else None,
        repeats_needed=best.repeats_needed,
        comparator=comparator.name,
        alpha=comparator.alpha,
        direction=direction,
        samples={text: direction * scores for text, scores in samples.items()},
    )


def _best_set(samples: Sequence[np.ndarray], comparator: Comparator, seed: int) -> order.BestSet:
    """`order.best_set`, which is Mann-Whitney's, for the other comparators."""
    k, alpha = len(samples), comparator.alpha
    p_values = _against(samples, comparator)
    beaten_by = lru_cache(maxsize=None)(lambda index: p_values(index)[0] < alpha)

    def walk(listed: np.ndarray) -> int:
        at = 0
        while (later := beaten_by(int(listed[at]))[listed[at + 1 :]]).any():
            at += 1 + int(later.argmax())
        return int(listed[at])

    winner = walk(np.arange(k))
    others = np.arange(k) != winner
    adjusted = np.ones(k)
    adjusted[others] = order.adjust(p_values(winner)[1][others])
    needed = None
    if comparator.name == "wilcoxon" and k > 1:
        pairs = max(min(len(samples[winner]), len(samples[index])) for index in range(k) if index != winner)
        fewest = order.repeats_needed(alpha, comparisons=k - 1, paired=True)
        needed = fewest if fewest > pairs else None
    rng = np.random.default_rng(derive(seed, "search", "shuffles"))
    won = np.bincount([walk(rng.permutation(k)) for _ in range(SHUFFLES)], minlength=k)
    return order.BestSet(
        winner=winner,
        members=np.flatnonzero(~others | (adjusted >= alpha)).tolist(),
        p_adjusted=adjusted,
        contradictions=np.flatnonzero(others & beaten_by(winner)).tolist(),
        stability={index: count / SHUFFLES for index, count in enumerate(won.tolist()) if count},
        repeats_needed=needed,
    )


def _against(samples: Sequence[np.ndarray], comparator: Comparator) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """A function of one candidate: the p that each beats it, and that it beats each [candidates]."""
    lengths = {len(scores) for scores in samples}
    if comparator.name == "mean":
        means = np.array([comparator.mean(scores) for scores in samples])
        return lambda index: ((means <= means[index]).astype(float), (means >= means[index]).astype(float))
    if len(lengths) == 1 and max(lengths) <= EXACT_UP_TO:
        return partial(_signed_ranks, np.stack(samples), comparator)

    def one_by_one(index: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = [comparator.p_values(scores, samples[index]) for scores in samples]
        return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])

    return one_by_one


def _signed_ranks(stack: np.ndarray, comparator: Comparator, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Wilcoxon's signed ranks of all rows against one of them at once [candidates, repeats]."""
    n = stack.shape[1]
    d = stack - stack[index]
    sizes = np.sort(np.abs(d), axis=1)
    plain = (sizes[:, 0] > 0) & (np.diff(sizes, axis=1) > 0).all(axis=1)  # no zeros, no ties, nothing missing
    ranks = np.argsort(np.argsort(np.abs(d), axis=1), axis=1) + 1
    doubled = 2 * np.where(d > 0, ranks, 0).sum(axis=1)
    at_least, at_most = signed_rank_tails((1,) * n)
    above, below = at_least[doubled], at_most[doubled]
    for row in np.flatnonzero(~plain):
        above[row], below[row] = comparator.p_values(stack[row], stack[index])
    return above, below


def _superiority(x: np.ndarray, y: np.ndarray) -> float:
    """P(x better than y) + P(equal) / 2."""
    value = order.superiority(x, y, missing="lowest").value
    assert value is not None
    return value


def check(
    space: "Space | None",
    scores: Any,
    *,
    ranker: str,
    method: str = "freerea",
    budget: int = 500,
    repeats: int = 10,
    alpha: float = 0.05,
    comparator: str = "mannwhitney",
    sequential: bool = False,
    looks: Sequence[int] = (4, 7, 10),
    population: int = 25,
    tournament: int = 5,
    seed: int = 0,
) -> Comparator:
    """What `find` refuses before it evaluates anything, with its arguments; gives the comparator that it uses."""
    if method not in METHODS:
        raise UserError(f"method = {method!r} is not known; {nearest(method, METHODS)}")
    known = list(scores.rankers)
    if ranker not in known:
        raise UserError(f"There are no scores by ranker {ranker!r}; {nearest(ranker, known)}")
    if space is None and method not in WALKS:
        raise UserError(
            f"method = {method!r} mutates architectures, which needs a space; without one there are random and racing."
        )
    if space is None and not hasattr(scores, "archs"):
        raise UserError("Without a space, scores must be a table, whose rows can be walked.")
    for name, value in (("repeats", repeats), ("population", population), ("tournament", tournament)):
        if value < 1:
            raise UserError(f"{name} = {value} must be at least 1.")
    if tournament > population:
        raise UserError(
            f"tournament = {tournament} is more than population = {population}, from which it is drawn; at most"
            f" {population} fit."
        )
    compared = Comparator(comparator, alpha, looks, repeats, sequential or method == "racing")
    if budget < repeats:
        raise UserError(
            f"budget = {budget} does not pay one architecture's repeats; at least repeats = {repeats} is needed."
        )
    if isinstance(scores, Table):
        scores.require_repeats(ranker, repeats)
    return compared
