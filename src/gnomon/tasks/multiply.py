"""Multiplication: `123*4=` is answered by the product's digits, least significant first by default."""

import random
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from pydantic import Field

from gnomon.config import Settings
from gnomon.tasks.digits import column_arithmetic, digits_of, written
from gnomon.tasks.environment import SingleTurn, Task, divide, exact

MOST = 200_000  # problems drawn where there are more


class Multiply(Settings):
    """a x b with `digits` digits each; `teacher_error` is the chance that the teacher forgets a carry."""

    name: ClassVar[str] = "multiply"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = "="
    symbols: ClassVar[Sequence[str]] = tuple("0123456789*=")

    digits: tuple[int, int] = (3, 1)
    reversed: bool = True
    teacher_error: float = Field(0.0, ge=0, le=1)
    n_validation: int = Field(500, ge=1)
    n_test: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        ranges = [range(10 ** (count - 1), 10**count) for count in self.digits]
        rng = random.Random(self.seed)
        total = len(ranges[0]) * len(ranges[1])
        chosen = rng.sample(range(total), min(total, MOST))
        pairs = [divmod(index, len(ranges[1])) for index in chosen]
        payloads = [{"a": ranges[0][i], "b": ranges[1][j]} for i, j in pairs]
        return divide(payloads, lambda p: f"{p['a']}*{p['b']}", self.n_validation, self.n_test)

    def tasks(self, split: str) -> Sequence[Task]:
        """The problems of a split: all of them, or 200,000 where there are more."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one answer, right or wrong."""
        a, b = task.payload["a"], task.payload["b"]
        return SingleTurn(f"{a}*{b}=", exact(written(digits_of(a * b), self.reversed)))

    def demonstration(self, task: Task, seed: int) -> str:
        """The teacher's answer."""
        a, b = digits_of(task.payload["a"]), digits_of(task.payload["b"])
        columns = [
            sum(a[i] * b[c - i] for i in range(len(a)) if 0 <= c - i < len(b)) for c in range(len(a) + len(b) - 1)
        ]
        rng = random.Random(f"{seed}/{task.id}")
        return written(column_arithmetic(columns, self.teacher_error, rng), self.reversed)
