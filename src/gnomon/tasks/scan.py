"""SCAN (Lake & Baroni 2018): commands into action sequences, with splits that ask for composition."""

import random
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field

from gnomon import data
from gnomon.config import Settings
from gnomon.tasks.environment import SingleTurn, Task, exact

COMMANDS = [
    "after",
    "and",
    "around",
    "jump",
    "left",
    "look",
    "opposite",
    "right",
    "run",
    "thrice",
    "turn",
    "twice",
    "walk",
]
ACTIONS = ("I_JUMP", "I_LOOK", "I_RUN", "I_TURN_LEFT", "I_TURN_RIGHT", "I_WALK")


class Scan(Settings):
    """` jump twice :` is answered by ` I_JUMP I_JUMP`. `variant` names the official split."""

    name: ClassVar[str] = "scan"
    pure: ClassVar[bool] = True
    separator: ClassVar[str] = " :"
    symbols: ClassVar[Sequence[str]] = tuple(f" {word}" for word in (*COMMANDS, *ACTIONS, ":"))

    variant: Literal["simple", "length", "addprim_jump"] = "simple"
    n_validation: int = Field(500, ge=1)
    seed: int = 0

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        train, test = self._pairs("train"), self._pairs("test")
        rng = random.Random(self.seed)
        rng.shuffle(train)
        rng.shuffle(test)
        parts = {"test": test, "validation": train[: self.n_validation], "train": train[self.n_validation :]}
        return {split: tuple(Task(p["command"], split, p) for p in rows) for split, rows in parts.items()}

    def _pairs(self, part: str) -> list[dict[str, Any]]:
        """Distinct command and action pairs; the published training files repeat some commands."""
        pairs = {}
        for line in data.read_text(f"scan/{self.variant}/{part}").splitlines():
            command, _, actions = line.removeprefix("IN: ").partition(" OUT: ")
            pairs[command] = {"command": command, "actions": actions}
        return list(pairs.values())

    def tasks(self, split: str) -> Sequence[Task]:
        """The official test commands, and the official training commands less a validation part."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one action sequence, right or wrong."""
        return SingleTurn(f" {task.payload['command']} :", exact(task.payload["actions"]))

    def demonstration(self, task: Task, seed: int) -> str:
        """The right actions."""
        return f" {task.payload['actions']}"
