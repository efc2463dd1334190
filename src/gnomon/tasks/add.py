"""Addition: `1234+5678=`, with a law that can make long chains of carries likely."""

import random
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field

from gnomon.config import Settings
from gnomon.tasks.digits import column_arithmetic, digits_of, written
from gnomon.tasks.environment import SingleTurn, Task, divide, exact

CHAIN = 0.6  # under the `long` law, the chance that a column's digits add up to just 9 and pass a carry on


class Add(Settings):
    """a + b with `digits` digits each.

    `carry = "uniform"` draws digits uniformly. `"long"` makes each column above the first add up to 9 with probability
    0.6, so that one carry runs through many columns.
    """

    name: ClassVar[str] = "add"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = "="
    symbols: ClassVar[Sequence[str]] = tuple("0123456789+=")

    digits: int = Field(4, ge=1, le=30)
    carry: Literal["uniform", "long"] = "uniform"
    reversed: bool = True
    teacher_error: float = Field(0.0, ge=0, le=1)
    n_train: int = Field(20_000, ge=1)
    n_validation: int = Field(500, ge=1)
    n_test: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        rng = random.Random(self.seed)
        wanted = self.n_train + self.n_validation + self.n_test
        pairs: dict[tuple[int, int], None] = {}
        for _ in range(20 * wanted):  # few digits have fewer distinct problems than asked for
            if len(pairs) == wanted:
                break
            pairs[self._draw(rng)] = None
        payloads = [{"a": a, "b": b} for a, b in pairs]
        return divide(payloads, _key, self.n_validation, self.n_test)

    def _draw(self, rng: random.Random) -> tuple[int, int]:
        a, b = [], []
        for column in range(self.digits):
            lowest = 1 if column == self.digits - 1 else 0
            x = rng.randint(lowest, 9)
            chained = self.carry == "long" and column > 0 and rng.random() < CHAIN and 9 - x >= lowest
            a.append(x)
            b.append(9 - x if chained else rng.randint(lowest, 9))
        return int(written(a, False)), int(written(b, False))

    def tasks(self, split: str) -> Sequence[Task]:
        """The problems of a split."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one answer, right or wrong."""
        a, b = task.payload["a"], task.payload["b"]
        return SingleTurn(f"{a}+{b}=", exact(written(digits_of(a + b), self.reversed)))

    def demonstration(self, task: Task, seed: int) -> str:
        """The teacher's answer."""
        columns = [x + y for x, y in zip(digits_of(task.payload["a"]), digits_of(task.payload["b"]), strict=True)]
        rng = random.Random(f"{seed}/{task.id}")
        return written(column_arithmetic(columns, self.teacher_error, rng), self.reversed)


def _key(payload: dict[str, int]) -> str:
    return f"{payload['a']}+{payload['b']}"
