"""GSM8K (Cobbe et al. 2021): the word problems, and the calculations inside their worked solutions."""

import json
import random
import re
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from pydantic import Field

from gnomon import data
from gnomon.config import Settings
from gnomon.tasks.environment import SingleTurn, Step, Task
from gnomon.tasks.expressions import evaluate, number

CALCULATION = re.compile(r"<<([^=<>]*)=([^<>]*)>>")
MARKED = re.compile(r"(?:####|\\boxed\{)\s*\$?\s*(-?[\d,]*\.?\d+)")


class GSM8K(Settings):
    """Word problems. The answer counts only where it is marked, after `####` or in `\\boxed{}`; the last counts."""

    name: ClassVar[str] = "gsm8k"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = "####"
    symbols: ClassVar[None] = None

    n_validation: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        train = [(f"train-{i}", row) for i, row in enumerate(_rows("gsm8k/train"))]
        test = [(f"test-{i}", row) for i, row in enumerate(_rows("gsm8k/test"))]
        rng = random.Random(self.seed)
        rng.shuffle(train)
        rng.shuffle(test)
        parts = {"test": test, "validation": train[: self.n_validation], "train": train[self.n_validation :]}
        return {split: tuple(Task(key, split, row) for key, row in rows) for split, rows in parts.items()}

    def tasks(self, split: str) -> Sequence[Task]:
        """The official test problems, and the official training problems less a validation part."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one worked solution."""
        expected = number(task.payload["answer"].rpartition("####")[2])

        def grade(action: str) -> Step:
            marks = MARKED.findall(action)
            found = number(marks[-1]) if marks else None
            right = float(found is not None and found == expected)
            return Step(right, components={"marked": float(found is not None)})

        return SingleTurn(f"[MATH TASK] Problem:\n{task.payload['question']}\n\nSolution:\n", grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """The data set's worked solution, its calculator marks left out."""
        return CALCULATION.sub("", task.payload["answer"])


class GSM8KEquations(Settings):
    """The steps `<<48/2=24>>` of the worked solutions: `48/2=` is answered by `24`.

    Held out are the calculations of the official test problems that no training problem has. Only calculations that are
    right, of at most `longest` characters, whose value has at most two decimals, are kept.
    """

    name: ClassVar[str] = "gsm8k_equations"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = "="
    symbols: ClassVar[Sequence[str]] = tuple("0123456789+-*/().=")

    longest: int = Field(12, ge=3, le=40)
    n_validation: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        train, test = self._calculations("gsm8k/train"), self._calculations("gsm8k/test")
        rng = random.Random(self.seed)
        known = sorted(train.items())
        new = sorted((expression, value) for expression, value in test.items() if expression not in train)
        rng.shuffle(known)
        rng.shuffle(new)
        parts = {"test": new, "validation": known[: self.n_validation], "train": known[self.n_validation :]}
        return {
            split: tuple(Task(e, split, {"expression": e, "value": v}) for e, v in rows)
            for split, rows in parts.items()
        }

    def _calculations(self, name: str) -> dict[str, str]:
        found = {}
        for row in _rows(name):
            for expression, _ in CALCULATION.findall(row["answer"]):
                text = expression.replace(" ", "").removeprefix("+")
                read = evaluate(text) if 3 <= len(text) <= self.longest else None
                # A lone number is no calculation, and a value that does not end cannot be written down.
                if read is not None and len(read[1]) > 1 and (read[0] * 100).denominator == 1:
                    found[text] = f"{float(read[0]):.2f}".rstrip("0").rstrip(".")
        return found

    def tasks(self, split: str) -> Sequence[Task]:
        """The calculations of a split."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one number; however it is written, its value counts."""
        expected = number(task.payload["value"])

        def grade(action: str) -> Step:
            found = number(action)
            return Step(float(found is not None and found == expected))

        return SingleTurn(f"{task.payload['expression']}=", grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """The value."""
        return str(task.payload["value"])


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in data.read_text(name).splitlines()]
