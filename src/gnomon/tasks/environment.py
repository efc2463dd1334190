"""What a task is: an environment gives a prompt, takes an action, and returns a reward per turn.

A verifier is pure: the same task and text earn the same reward, so that stored answers can be scored again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol


@dataclass(frozen=True)
class Task:
    """One problem. `hash` is that of the payload: duplicates and overlap between splits are found by it."""

    id: str
    split: str
    payload: dict[str, Any]

    @cached_property
    def hash(self) -> str:
        """sha256 of the payload as canonical JSON."""
        return hashlib.sha256(json.dumps(self.payload, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


@dataclass(frozen=True)
class Step:
    """What an action was answered with. `observation` is the text that follows it where the episode goes on.

    An answer counts as correct where `components["correct"]` is 1, or, without that entry, where the reward is 1.
    """

    reward: float
    observation: str | None = None
    components: dict[str, float] = field(default_factory=dict)
    done: bool = True

    @property
    def correct(self) -> bool:
        """Whether the action solved the task."""
        return bool(self.components.get("correct", self.reward) >= 1)


class Episode(Protocol):
    """A task under way.

    An episode may also have `max_tokens`, a bound on the next action's length (None: the recipe's), and `latent`, true
    while the next action is one that is not graded itself.
    """

    @property
    def prompt(self) -> str:
        """The text the first action answers."""
        ...

    def step(self, action: str) -> Step:
        """Grade an action, and say what follows."""
        ...


class Environment(Protocol):
    """A family of tasks with disjoint splits.

    An environment whose answers are judged together as well has `corpus_scores(tasks, answers, *, minus=None, seed=0)`:
    an Estimate by name, of those answers, or of the difference they make to the answers `minus`.
    """

    @property
    def name(self) -> str:
        """What the environment is called."""
        ...

    @property
    def pure(self) -> bool:
        """Whether the reward is a function of task and text alone."""
        ...

    @property
    def symbols(self) -> Sequence[str] | None:
        """The units that prompts and answers are written in, for a tokenizer; None where the text is free."""
        ...

    def tasks(self, split: str) -> Sequence[Task]:
        """The tasks of `train`, `validation` or `test`, always the same, in a shuffled order."""
        ...

    def start(self, task: Task, seed: int) -> Episode:
        """Begin an episode; `seed` decides whatever is random in it."""
        ...

    def demonstration(self, task: Task, seed: int) -> str:
        """The text of a teacher's answer, for supervised training.

        An environment whose episodes have several turns has `demonstrations` besides, one text for each turn.
        """
        ...


def demonstrated(environment: Environment, task: Task, seed: int) -> tuple[str, ...]:
    """The teacher's action of every turn."""
    several: Callable[[Task, int], Sequence[str]] | None = getattr(environment, "demonstrations", None)
    return (environment.demonstration(task, seed),) if several is None else tuple(several(task, seed))


@dataclass(frozen=True)
class SingleTurn:
    """An episode of one action, graded by a function of its text."""

    prompt: str
    grade: Callable[[str], Step]

    def step(self, action: str) -> Step:
        """The action's grade."""
        return self.grade(action)


def exact(expected: str) -> Callable[[str], Step]:
    """A grader that gives 1 for `expected` itself, blanks around it aside, and 0 for anything else."""

    def grade(action: str) -> Step:
        return Step(1.0 if action.strip() == expected else 0.0)

    return grade


def divide(
    payloads: Sequence[dict[str, Any]], key: Callable[[dict[str, Any]], str], n_validation: int, n_test: int
) -> dict[str, tuple[Task, ...]]:
    """Distinct payloads, already in shuffled order, as disjoint splits: test first, then validation, the rest train.

    Where there are few, each held-out split takes a quarter of them at most.
    """
    quarter = max(1, len(payloads) // 4)
    n_validation, n_test = min(n_validation, quarter), min(n_test, quarter)
    cuts = {
        "test": (0, n_test),
        "validation": (n_test, n_test + n_validation),
        "train": (n_test + n_validation, None),
    }
    return {
        split: tuple(Task(key(payload), split, payload) for payload in payloads[start:stop])
        for split, (start, stop) in cuts.items()
    }
