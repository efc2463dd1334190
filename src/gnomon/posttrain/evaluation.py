"""Grading a policy on held-out tasks: one greedy answer each, one sampled answer each, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gnomon.models.policy import Policy
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.intervals import mean, wilson
from gnomon.tasks.environment import Environment, Task

BATCH = 256  # prompts decoded together


@dataclass(frozen=True)
class Graded:
    """One answer to one task."""

    task_id: str
    prompt: str
    answer: str
    correct: bool
    reward: float
    mode: str  # "greedy" or "sampled"

    def to_row(self, step: int, stage: str) -> dict[str, Any]:
        """A line of `eval.jsonl`."""
        return {"step": step, "stage": stage, **self.__dict__}


def grade(
    policy: Policy,
    environment: Environment,
    tasks: Sequence[Task],
    *,
    max_tokens: int,
    mode: str,
    seed: int,
    max_turns: int = 8,
) -> list[Graded]:
    """Answer each task once, greedily (`mode="greedy"`) or by one draw at temperature 1 (`"sampled"`).

    A task whose prompt does not fit the context counts as wrong, with an empty answer.
    """
    graded: list[Graded] = []
    temperature = 0.0 if mode == "greedy" else 1.0
    for start in range(0, len(tasks), BATCH):
        some = tasks[start : start + BATCH]
        episodes = [environment.start(task, derive(seed, "evaluate", task.id)) for task in some]
        prompts = [policy.encode(episode.prompt) for episode in episodes]
        rewards, correct, answers = [0.0] * len(some), [False] * len(some), [""] * len(some)
        going = [i for i in range(len(some)) if len(prompts[i]) + max_tokens <= policy.context]
        for turn in range(max_turns):
            samples = policy.sample(
                [prompts[i] for i in going],
                max_tokens=max_tokens,
                temperature=temperature,
                seed=derive(seed, mode, start, turn),
            )
            still = []
            for i, sample in zip(going, samples, strict=True):
                answers[i] = policy.decode(sample.token_ids)
                step = episodes[i].step(answers[i])
                rewards[i] += float(step.reward)
                correct[i] = step.correct
                observation = policy.tokenizer(step.observation or "", add_special_tokens=False)["input_ids"]
                prompts[i] = [*prompts[i], *sample.token_ids, *observation]
                if not step.done and len(prompts[i]) + max_tokens <= policy.context:
                    still.append(i)
            going = still
            if not going:
                break
        graded += [
            Graded(task.id, episode.prompt, answer, right, reward, mode)
            for task, episode, answer, right, reward in zip(some, episodes, answers, correct, rewards, strict=True)
        ]
    return graded


def accuracy(graded: Sequence[Graded]) -> Estimate:
    """Share of right answers with its Wilson interval."""
    return wilson(sum(g.correct for g in graded), len(graded))


def mean_reward(graded: Sequence[Graded]) -> Estimate:
    """Mean reward per task with its t interval."""
    return mean([g.reward for g in graded])


def held_out(environment: Environment, split: str, n: int) -> Sequence[Task]:
    """The first `n` tasks of a split (all where it has fewer); splits come in a shuffled, fixed order."""
    return environment.tasks(split)[:n]
