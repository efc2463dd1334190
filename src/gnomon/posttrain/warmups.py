"""What warmups are worth (warmup generations, arXiv 2502.12304): answers after several, how much they say, controls.

x is a prompt, c a warmup, y the teacher's answer and l(c) = log p(y|x,c), summed over y's tokens, its end included.
A model can gain from a warmup because of what it says, or only because it is given more tokens. So l(c) is set against
l of a warmup that was written for another problem, and answers are given again after a greedy warmup is replaced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp

from gnomon.errors import UserError
from gnomon.models.policy import Policy
from gnomon.posttrain.evaluation import BATCH, Answered, Graded, accuracy, likeliest
from gnomon.posttrain.searcher import observe
from gnomon.runs import Run
from gnomon.runs.files import read_lines, to_json, write_atomic
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.intervals import mean, paired_difference
from gnomon.stats.resample import bootstrap
from gnomon.stats.weights import effective_sample_size
from gnomon.tasks.environment import Environment, Task, demonstrated
from gnomon.tasks.wrappers import Latent, wrapped

SAMPLES = 8  # warmups drawn for each problem to be weighed
REPLACEMENTS = ("shuffled", "filler", "nothing")
STAGES = {"before": "warmups_before", "after": "warmups"}  # when warmups are studied, and their name in a summary
TOO_FEW = "fewer than two problems have room for a warmup and an answer"

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Weighed:
    """One problem's K drawn warmups: `own` [K] is l(c_k), `others` [K] is l of warmups drawn for other problems.

    `lengths` [K] are in tokens, the end token included; `distinct` counts different warmups. Where the context has no
    room for the longest warmup and the answer (`too_long`) there is nothing but the prompt and the answer.
    """

    task_id: str
    prompt: str
    target: str
    warmups: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    own: tuple[float, ...] = ()
    others: tuple[float, ...] = ()
    distinct: int = 0
    too_long: bool = False

    @property
    def gain(self) -> float:
        """The mean over warmups of l(c) - l(c of another problem), in nats."""
        return float(np.mean(self.own) - np.mean(self.others))


class Study:
    """Held-out problems, and what is asked of a policy's warmups on them. Same seed, same answers."""

    def __init__(
        self,
        policy: Policy,
        environment: Environment,
        tasks: Sequence[Task],
        *,
        max_tokens: int,
        beams: int = 1,
        seed: int = 0,
    ) -> None:
        """`max_tokens` bounds an answer, `beams` above 1 makes answers those of a beam search.

        Raises UserError where `environment` asks for no warmup, or the tokenizer cannot write separator or filler.
        """
        latent = wrapped(environment, Latent)
        if latent is None:
            raise UserError(f"{environment.name!r} asks for no warmup; gnomon.tasks.Latent around it would.")
        self.policy = policy
        self.environment = environment
        self.tasks = tasks
        self.max_tokens = max_tokens
        self.beams = beams
        self.seed = seed
        self.longest: int = latent.max_tokens  # of a warmup
        self.separator = observe(policy, latent.separator)
        self.filler = observe(policy, latent.filler)
        self.prompts = [self._episode(task).prompt for task in tasks]
        self.prompt_ids = policy.encode_many(self.prompts)
        self.open = [i for i, ids in enumerate(self.prompt_ids) if policy.fits(len(ids), self.longest)]

    # -- what is asked -----------------------------------------------------------------------------------------

    def answers(self, n: int) -> list[Graded]:
        """The answer to each problem after one greedy and `n` - 1 drawn warmups.

        Each warmup c_k is followed by an answer; of the distinct answers the one with the highest log mean_k p(y|x,c_k)
        over all n warmups is given, the earlier where two are equal.
        """
        drawn = self._warmups(n - 1, temperature=1.0) if n > 1 else {}
        tried = {i: [self._greedy[i], *drawn.get(i, [])] for i in self.open}
        roomy = [i for i in self.open if all(self._room(i, warmup) for warmup in tried[i])]
        answered = self._answered([(i, warmup) for i in roomy for warmup in tried[i]])
        options = {i: list(dict.fromkeys(answered[i, warmup] for warmup in tried[i])) for i in roomy}
        scores = self._log_probs(
            [(i, c, y) for i in roomy if len(options[i]) > 1 for c in tried[i] for y in options[i]]
        )
        graded = []
        for i in range(len(self.tasks)):
            if i not in options:
                graded.append(self._graded(i, tried[i][0] if i in tried else None, None, "n_warmups"))
                continue
            chosen = options[i][0]
            if len(options[i]) > 1:
                chosen = options[i][likeliest_answer([[scores[i, c, y] for c in tried[i]] for y in options[i]])]
            after = next(warmup for warmup in tried[i] if answered[i, warmup] == chosen)
            graded.append(self._graded(i, after, chosen, "n_warmups"))
        return graded

    def replaced(self) -> dict[str, list[Graded]]:
        """Answers after each greedy warmup is replaced: by the one of another problem (`shuffled`), by the filler
        repeated to the same length and ended alike (`filler`), and by an empty one (`nothing`)."""
        greedy = self._greedy
        other = derangement(len(self.open), self._rng("shuffled")) if len(self.open) > 1 else []
        instead: dict[str, dict[int, Ids]] = {
            "shuffled": {i: greedy[self.open[j]] for i, j in zip(self.open, other, strict=False)},
            "filler": {i: self._filled(warmup) for i, warmup in greedy.items()},
            "nothing": dict.fromkeys(self.open, (self.policy.eos,)),
        }
        found = {}
        for mode in REPLACEMENTS:
            pairs = [(i, warmup) for i, warmup in instead[mode].items() if self._room(i, warmup)]
            answered = self._answered(pairs)
            warmups = instead[mode]
            found[mode] = [
                self._graded(i, warmups.get(i), answered.get((i, warmups.get(i, ()))), mode)
                for i in range(len(self.tasks))
            ]
        return found

    def weighed(self, samples: int = SAMPLES) -> list[Weighed]:
        """`samples` warmups drawn at temperature 1 for each problem, with l of the teacher's answer after its own and,
        draw by draw, after those of other problems."""
        targets = [
            demonstrated(self.environment, task, derive(self.seed, "teacher", task.id))[-1] for task in self.tasks
        ]
        target_ids = [tuple(self.policy.encode_action(text)) for text in targets]
        roomy = [
            i
            for i in self.open
            if self.policy.fits(len(self.prompt_ids[i]), self.longest + len(self.separator) + len(target_ids[i]))
        ]
        drawn = self._warmups(samples, temperature=1.0)
        others: dict[int, list[Ids]] = {i: [] for i in roomy}
        for k in range(samples if len(roomy) > 1 else 0):
            for i, j in zip(roomy, derangement(len(roomy), self._rng("others", k)), strict=True):
                others[i].append(drawn[roomy[j]][k])
        scores = self._log_probs([(i, c, target_ids[i]) for i in roomy for c in drawn[i] + others[i]])
        rows = []
        for i, task in enumerate(self.tasks):
            if i not in others:
                rows.append(Weighed(task.id, self.prompts[i], targets[i], too_long=True))
                continue
            rows.append(
                Weighed(
                    task.id,
                    self.prompts[i],
                    targets[i],
                    tuple(self.policy.decode(c) for c in drawn[i]),
                    tuple(len(c) for c in drawn[i]),
                    tuple(scores[i, c, target_ids[i]] for c in drawn[i]),
                    tuple(scores[i, c, target_ids[i]] for c in others[i]),
                    len(set(drawn[i])),
                )
            )
        return rows

    # -- how it is found out -----------------------------------------------------------------------------------

    def _episode(self, task: Task) -> Any:
        return self.environment.start(task, derive(self.seed, "evaluate", task.id))

    def _rng(self, *purpose: str | int) -> np.random.Generator:
        return np.random.default_rng(derive(self.seed, *purpose))

    def _rest(self, warmup: Ids) -> Ids:
        return warmup + self.separator

    def _room(self, i: int, warmup: Ids) -> bool:
        return self.policy.fits(len(self.prompt_ids[i]), len(self._rest(warmup)) + self.max_tokens)

    def _filled(self, warmup: Ids) -> Ids:
        """Filler in the place of every token but the end."""
        end = warmup[-1:] if warmup[-1] == self.policy.eos else ()
        count = len(warmup) - len(end)
        return (self.filler * count)[:count] + end

    @cached_property
    def _greedy(self) -> dict[int, Ids]:
        return {i: warmups[0] for i, warmups in self._warmups(1, temperature=0.0).items()}

    def _warmups(self, n: int, temperature: float) -> dict[int, list[Ids]]:
        """`n` warmups for each problem whose prompt leaves room for one."""
        found: dict[int, list[Ids]] = {}
        for start in range(0, len(self.open), BATCH):
            some = self.open[start : start + BATCH]
            samples = self.policy.sample(
                [self.prompt_ids[i] for i in some],
                n,
                max_tokens=self.longest,
                temperature=temperature,
                seed=derive(self.seed, "warmups", start),
            )
            for place, i in enumerate(some):
                found[i] = [sample.token_ids for sample in samples[place * n : (place + 1) * n]]
        return found

    def _answered(self, pairs: Sequence[tuple[int, Ids]]) -> dict[tuple[int, Ids], Ids]:
        """The answer to a problem after a warmup, for each such pair."""
        distinct = list(dict.fromkeys(pairs))
        found = {}
        for start in range(0, len(distinct), BATCH):
            some = distinct[start : start + BATCH]
            samples = likeliest(
                self.policy,
                [self.prompt_ids[i] for i, _ in some],
                [self._rest(warmup) for _, warmup in some],
                max_tokens=self.max_tokens,
                beams=self.beams,
            )
            found.update({pair: sample.token_ids for pair, sample in zip(some, samples, strict=True)})
        return found

    def _log_probs(self, triples: Sequence[tuple[int, Ids, Ids]]) -> dict[tuple[int, Ids, Ids], float]:
        """log p(y|x,c) for (problem, c, y), each distinct one scored once."""
        distinct = list(dict.fromkeys(triples))
        distinct.sort(
            key=lambda triple: len(self.prompt_ids[triple[0]]) + len(triple[1]) + len(triple[2])
        )  # less padding
        found = {}
        for start in range(0, len(distinct), BATCH):
            some = distinct[start : start + BATCH]
            scores = self.policy.log_probs(
                [self.prompt_ids[i] for i, _, _ in some], [self._rest(warmup) + y for _, warmup, y in some]
            )
            for triple, score in zip(some, scores, strict=True):
                found[triple] = float(score[len(self._rest(triple[1])) :].double().sum())
        return found

    def _graded(self, i: int, warmup: Ids | None, answer: Ids | None, mode: str) -> Graded:
        """A problem's episode with this warmup and answer; without one of them the context had no room for it."""
        task, turns = self.tasks[i], []
        episode = self._episode(task)
        if warmup is not None:
            text = self.policy.decode(warmup)
            turns.append(Answered(text, correct=False, reward=float(episode.step(text).reward), latent=True))
        if warmup is not None and answer is not None:
            text = self.policy.decode(answer)
            step = episode.step(text)
            turns.append(Answered(text, step.correct, float(step.reward)))
        return Graded(task.id, self.prompts[i], tuple(turns), mode, too_long=answer is None)


def likeliest_answer(log_probs: Sequence[Sequence[float]]) -> int:
    """Which of A answers is the likeliest over n warmups: `log_probs` is [A, n], log p(y_a|x,c_k).

    The criterion is log mean_k p(y|x,c_k); the first of equal ones is taken.
    """
    return int(np.argmax(logsumexp(np.asarray(log_probs, dtype=float), axis=1)))


def derangement(n: int, rng: np.random.Generator) -> list[int]:
    """A random order of `n` places in which none keeps its own: along one random cycle through all of them."""
    if n < 2:
        raise UserError(f"derangement: {n} places cannot all change; at least two are needed.")
    cycle = rng.permutation(n)
    moved = np.empty(n, dtype=int)
    moved[cycle] = np.roll(cycle, -1)
    return [int(place) for place in moved]


def warmup_figures(
    graded: Mapping[str, Sequence[Graded]], weighed: Sequence[Weighed], *, seed: int = 0
) -> dict[str, Estimate]:
    """What warmups do on held-out problems, from answers by mode (`greedy`, `shuffled`, `filler`, `nothing`, and
    `n_warmups` where several were tried) and the problems' weighed warmups.

    `information`: mean of l(c) - l(c of another problem) in nats, bootstrap over problems. `effective_sample_size`: of
    the weights softmax(l) over a problem's K warmups, a count from 1 to K. `distinct`: share of different warmups among
    the K; `warmup_length` in tokens. `accuracy` after the greedy warmup, `accuracy_n` after several. `over_shuffled`,
    `over_filler`, `over_nothing`: accuracy minus that after the greedy warmup is replaced, paired over the problems
    that have room for an answer either way.
    """
    there = [row for row in weighed if not row.too_long]
    compared = [row.gain for row in there if row.others]
    figures = {
        "information": _bootstrap_mean(compared, seed),
        "effective_sample_size": mean([effective_sample_size(log_weights=row.own) for row in there]),
        "distinct": mean([row.distinct / len(row.own) for row in there]),
        "warmup_length": mean([float(np.mean(row.lengths)) for row in there]),
        "accuracy": accuracy(graded["greedy"]),
    }
    if "n_warmups" in graded:
        figures["accuracy_n"] = accuracy(graded["n_warmups"])
    for mode in REPLACEMENTS:
        pairs = zip(graded[mode], graded["greedy"], strict=True)
        both = [(other.correct, own.correct) for other, own in pairs if not (other.too_long or own.too_long)]
        figures[f"over_{mode}"] = paired_difference([o for o, _ in both], [own for _, own in both], seed=seed)
    return figures


def _bootstrap_mean(values: Sequence[float], seed: int) -> Estimate:
    if len(values) < 2:
        return Estimate(None, None, None, len(values), "bootstrap-percentile", reason=TOO_FEW)
    return bootstrap(np.asarray(values), lambda totals: totals[:, 0] / len(values), seed=seed)


# -- in a run ----------------------------------------------------------------------------------------------------


def store(run: Run, stage: str, weighed: Sequence[Weighed]) -> None:
    """Write a stage's weighed warmups beside the run's other records, a problem a line."""
    write_atomic(run.path / _file(stage), "".join(to_json(asdict(row)) + "\n" for row in weighed))


def stored(run: Run, stage: str) -> list[Weighed]:
    """What `store` wrote; nothing where a run has not come so far."""
    rows: list[dict[str, Any]] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in read_lines(run.path / _file(stage))
    ]
    return [Weighed(**row) for row in rows]


def _file(stage: str) -> str:
    return f"warmups_{stage}.jsonl"
