"""Sorting: `7305:` is answered by the same digits in rising order."""

import random
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from pydantic import Field

from gnomon.config import Settings
from gnomon.tasks.environment import SingleTurn, Task, divide, exact


class Sort(Settings):
    """Sort `length` digits; `teacher_error` is the chance that the teacher swaps two neighbours of the answer."""

    name: ClassVar[str] = "sort"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = ":"
    symbols: ClassVar[Sequence[str]] = tuple("0123456789:")

    length: int = Field(8, ge=2, le=64)
    teacher_error: float = Field(0.0, ge=0, le=1)
    n_train: int = Field(20_000, ge=1)
    n_validation: int = Field(500, ge=1)
    n_test: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        rng = random.Random(self.seed)
        wanted = self.n_train + self.n_validation + self.n_test
        total = 10**self.length
        if total < 1 << 62:
            numbers = rng.sample(range(total), min(total, wanted))
        else:  # more than `sample` can count
            numbers = list(dict.fromkeys(rng.randrange(total) for _ in range(wanted)))
        payloads = [{"items": f"{number:0{self.length}d}"} for number in numbers]
        return divide(payloads, lambda p: str(p["items"]), self.n_validation, self.n_test)

    def tasks(self, split: str) -> Sequence[Task]:
        """The problems of a split."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one answer, right or wrong."""
        items = task.payload["items"]
        return SingleTurn(f"{items}:", exact("".join(sorted(items))))

    def demonstration(self, task: Task, seed: int) -> str:
        """The teacher's answer."""
        items = sorted(task.payload["items"])
        rng = random.Random(f"{seed}/{task.id}")
        if rng.random() < self.teacher_error:
            place = rng.randrange(len(items) - 1)
            items[place], items[place + 1] = items[place + 1], items[place]
        return "".join(items)
