"""Pronunciation (CMUdict): letters in, phones out, graded by the edit distance between phone sequences."""

import random
import re
from collections.abc import Sequence
from functools import cached_property
from string import ascii_lowercase
from typing import Any, ClassVar

from pydantic import Field

from gnomon import data
from gnomon.config import Settings
from gnomon.stats.edits import edit_distance
from gnomon.tasks.environment import SingleTurn, Step, Task

ENTRY = re.compile(r"([a-z']+)(?:\(\d+\))? (.+)")


class G2P(Settings):
    """`hello:` is answered by ` HH AH L OW`. The reward is one minus the phone error rate against the nearest of the
    word's pronunciations (not below 0); correct is a pronunciation without error.

    `stress` keeps the stress marks of vowels (`OW1`). Words have between `shortest` and `longest` letters.
    """

    name: ClassVar[str] = "g2p"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = ":"

    stress: bool = False
    shortest: int = Field(3, ge=1)
    longest: int = Field(12, ge=1)
    n_validation: int = Field(2000, ge=1)
    n_test: int = Field(5000, ge=1)
    seed: int = 0

    @property
    def symbols(self) -> Sequence[str]:
        """Letters, and each phone with the blank before it."""
        phones = [line.split() for line in data.read_text("cmudict/phones").splitlines()]
        units = []
        for phone, kind in phones:
            stressed = self.stress and kind == "vowel"
            units += [f" {phone}{mark}" for mark in "012"] if stressed else [f" {phone}"]
        return (*ascii_lowercase, "'", ":", *units)

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        words: dict[str, list[str]] = {}
        for line in data.read_text("cmudict").splitlines():
            entry = ENTRY.fullmatch(line.partition(" #")[0].strip())
            if entry and self.shortest <= len(entry[1]) <= self.longest:
                phones = entry[2] if self.stress else re.sub(r"\d", "", entry[2])
                if phones not in (known := words.setdefault(entry[1], [])):
                    known.append(phones)
        listed = sorted(words.items())
        random.Random(self.seed).shuffle(listed)
        payloads: list[dict[str, Any]] = [{"word": word, "phones": phones} for word, phones in listed]
        cut = self.n_test + self.n_validation
        parts = {
            "test": payloads[: self.n_test],
            "validation": payloads[self.n_test : cut],
            "train": payloads[cut:],
        }
        return {split: tuple(Task(p["word"], split, p) for p in rows) for split, rows in parts.items()}

    def tasks(self, split: str) -> Sequence[Task]:
        """The words of a split; all pronunciations of a word are one task."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one pronunciation."""
        references = [phones.split() for phones in task.payload["phones"]]

        def grade(action: str) -> Step:
            phones = action.split()
            rate = min(edit_distance(phones, reference) / len(reference) for reference in references)
            return Step(max(0.0, 1.0 - rate), components={"correct": float(rate == 0), "phone_error_rate": rate})

        return SingleTurn(f"{task.payload['word']}:", grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """The dictionary's first pronunciation."""
        return " " + str(task.payload["phones"][0])
