"""Grading a policy on held-out tasks: one greedy (or beam) episode each, one sampled episode each, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gnomon.models.policy import Policy, Sample, TokenIds
from gnomon.posttrain.searcher import observe
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.intervals import mean, wilson
from gnomon.tasks.environment import Environment, Task

BATCH = 256  # prompts decoded together


@dataclass(frozen=True)
class Answered:
    """One turn of a graded episode."""

    action: str
    correct: bool
    reward: float
    latent: bool = False


@dataclass(frozen=True)
class Graded:
    """One task's episode. `answer` and `correct` are those of its last turn, `reward` is the sum over its turns.

    `too_long` where the prompt outgrew the context before the episode was over: what is missing counts as wrong.
    """

    task_id: str
    prompt: str
    turns: tuple[Answered, ...]
    mode: str  # "greedy" or "sampled"; for warmups also "n_warmups", "shuffled", "filler" or "nothing"
    too_long: bool = False

    @property
    def answer(self) -> str:
        """The last answer, empty where the episode was cut short."""
        return "" if self.too_long or not self.turns else self.turns[-1].action

    @property
    def correct(self) -> bool:
        """Whether the last answer is right."""
        return not self.too_long and bool(self.turns) and self.turns[-1].correct

    @property
    def reward(self) -> float:
        """Summed over the turns."""
        return sum(turn.reward for turn in self.turns)

    def to_row(self, step: int, stage: str) -> dict[str, Any]:
        """A line of `eval.jsonl`; `turns` is there where there are several."""
        row = {
            "step": step,
            "stage": stage,
            "task_id": self.task_id,
            "prompt": self.prompt,
            "answer": self.answer,
            "correct": self.correct,
            "reward": self.reward,
            "mode": self.mode,
        }
        if len(self.turns) > 1 or self.too_long:
            row |= {"turns": [turn.__dict__ for turn in self.turns], "too_long": self.too_long}
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Graded":
        """What `to_row` wrote."""
        turns = (
            [Answered(**turn) for turn in row["turns"]]
            if "turns" in row
            else [Answered(row["answer"], row["correct"], row["reward"])]
        )
        return cls(row["task_id"], row["prompt"], tuple(turns), row["mode"], row.get("too_long", False))


def grade(
    policy: Policy,
    environment: Environment,
    tasks: Sequence[Task],
    *,
    max_tokens: int,
    mode: str,
    seed: int,
    max_turns: int = 8,
    beams: int = 1,
) -> list[Graded]:
    """Play each task once, greedily (`mode="greedy"`) or by one draw at temperature 1 (`"sampled"`).

    With `beams` above 1, greedy answers that are graded come from a beam search; a warmup never does.
    """
    graded: list[Graded] = []
    for start in range(0, len(tasks), BATCH):
        some = tasks[start : start + BATCH]
        episodes: list[Any] = [environment.start(task, derive(seed, "evaluate", task.id)) for task in some]
        prompts = [policy.encode(episode.prompt) for episode in episodes]
        rests: list[list[int]] = [[] for _ in some]
        turns: list[list[Answered]] = [[] for _ in some]

        def limit(i: int, episodes: list[Any] = episodes) -> int:
            return getattr(episodes[i], "max_tokens", None) or max_tokens

        going = list(range(len(some)))
        too_long: set[int] = set()
        for turn in range(max_turns):
            cut = {i for i in going if not policy.fits(len(prompts[i]), len(rests[i]) + limit(i))}
            too_long |= cut
            going = [i for i in going if i not in cut]
            if not going:
                break
            read, written, most = [prompts[i] for i in going], [rests[i] for i in going], max(map(limit, going))
            if mode == "greedy":
                free = any(getattr(episodes[i], "latent", False) for i in going)
                samples = likeliest(policy, read, written, max_tokens=most, beams=1 if free else beams)
            else:
                seed_here = derive(seed, mode, start, turn)
                samples = policy.sample(read, max_tokens=most, temperature=1.0, seed=seed_here, prefixes=written)
            still = []
            for i, sample in zip(going, samples, strict=True):
                ids = sample.token_ids[: limit(i)]
                action, latent = policy.decode(ids), getattr(episodes[i], "latent", False)
                step = episodes[i].step(action)
                turns[i].append(Answered(action, step.correct and not latent, float(step.reward), latent))
                if not step.done:
                    rests[i] += [*ids, *observe(policy, step.observation)]
                    still.append(i)
            going = still
        graded += [
            Graded(task.id, episode.prompt, tuple(said), mode, i in too_long)
            for i, (task, episode, said) in enumerate(zip(some, episodes, turns, strict=True))
        ]
    return graded


def likeliest(
    policy: Policy, prompts: Sequence[TokenIds], prefixes: Sequence[TokenIds], *, max_tokens: int, beams: int
) -> list[Sample]:
    """An action for each prompt and prefix: the greedy one, or a beam search's where `beams` is above 1."""
    if beams > 1:
        return policy.beam(prompts, beams, max_tokens=max_tokens, prefixes=prefixes)
    return policy.sample(prompts, max_tokens=max_tokens, temperature=0.0, prefixes=prefixes)


def accuracy(graded: Sequence[Graded]) -> Estimate:
    """Share of right answers with its Wilson interval."""
    return wilson(sum(g.correct for g in graded), len(graded))


def mean_reward(graded: Sequence[Graded]) -> Estimate:
    """Mean reward per task with its t interval."""
    return mean([g.reward for g in graded])


def held_out(environment: Environment, split: str, n: int) -> Sequence[Task]:
    """The first `n` tasks of a split (all where it has fewer); splits come in a shuffled, fixed order."""
    return environment.tasks(split)[:n]
