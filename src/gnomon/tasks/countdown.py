"""Countdown: reach a target from a few numbers with + - * /, each number used at most once."""

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from pydantic import Field

from gnomon.config import Settings
from gnomon.tasks.environment import SingleTurn, Step, Task, divide
from gnomon.tasks.expressions import evaluate


class Countdown(Settings):
    """`3,7,25>46:` is answered by an expression such as `25+3*7`; every target here can be reached."""

    name: ClassVar[str] = "countdown"
    pure: ClassVar[bool] = True
    symbols: ClassVar[Sequence[str]] = tuple("0123456789+-*/(),>:")

    numbers: int = Field(3, ge=2, le=6)
    largest: int = Field(25, ge=2, le=100)
    target: int = Field(100, ge=2, le=10_000)
    n_train: int = Field(10_000, ge=1)
    n_validation: int = Field(500, ge=1)
    n_test: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        rng = random.Random(self.seed)
        wanted = self.n_train + self.n_validation + self.n_test
        found: dict[str, dict[str, object]] = {}
        for _ in range(50 * wanted):
            if len(found) == wanted:
                break
            numbers = sorted(rng.randint(1, self.largest) for _ in range(self.numbers))
            solution, value = self._random_expression(numbers, rng)
            if value.denominator == 1 and 1 <= value <= self.target and int(value) not in numbers:
                payload = {"numbers": numbers, "target": int(value), "solution": solution}
                # One solution is kept for each problem: the problem, not the solution, tells tasks apart.
                found.setdefault(_key(payload), payload)
        payloads = list(found.values())
        return divide(payloads, _key, self.n_validation, self.n_test)

    def _random_expression(self, numbers: list[int], rng: random.Random) -> tuple[str, Fraction]:
        parts = [(str(number), Fraction(number)) for number in numbers]
        rng.shuffle(parts)
        while len(parts) > 1:
            (left, x), (right, y) = parts.pop(), parts.pop()
            operations = "+-*/" if y != 0 else "+-*"
            operation = rng.choice(operations)
            value = {"+": x + y, "-": x - y, "*": x * y, "/": x / y if y else x}[operation]
            parts.insert(0, (f"({left}{operation}{right})", value))
        text, value = parts[0]
        return text[1:-1], value

    def tasks(self, split: str) -> Sequence[Task]:
        """The problems of a split."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one expression."""
        numbers, target = task.payload["numbers"], task.payload["target"]

        def grade(action: str) -> Step:
            found = evaluate(action)
            if found is None:
                return Step(0.0, components={"valid": 0.0})
            value, used = found
            plain = all(text.isdigit() for text in used)
            allowed = plain and not Counter(map(int, used)) - Counter(numbers)
            return Step(float(allowed and value == target), components={"valid": float(allowed)})

        return SingleTurn(f"{','.join(map(str, numbers))}>{target}:", grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """The expression the problem was made from."""
        return str(task.payload["solution"])


def _key(payload: dict[str, object]) -> str:
    numbers = payload["numbers"]
    assert isinstance(numbers, list)
    return f"{','.join(map(str, numbers))}>{payload['target']}"
