"""Any data set of the `reasoning-gym` package as a task: `reasoning_gym:NAME`. Needs the extra `[tasks]`."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field

from gnomon.config import Settings
from gnomon.errors import UserError
from gnomon.tasks.environment import SingleTurn, Step, Task


class ReasoningGym(Settings):
    """Items of one data set. Item i is made from seed + i there, so splits are ranges of one seed's items, and an item
    that occurs in two of them is left out of the later one. The package's scores are graded; 1 counts, nothing less."""

    pure: ClassVar[bool] = True
    symbols: ClassVar[None] = None

    dataset: str
    n_train: int = Field(5000, ge=1)
    n_validation: int = Field(300, ge=1)
    n_test: int = Field(500, ge=1)
    seed: int = 0

    @property
    def name(self) -> str:
        """`reasoning_gym:` and the data set's name."""
        return f"reasoning_gym:{self.dataset}"

    @cached_property
    def _source(self) -> Any:
        try:
            import reasoning_gym
        except ImportError as missing:
            raise UserError(
                "task reasoning_gym needs a package that is not here; pip install 'gnomon[tasks]' brings it."
            ) from missing
        size = self.n_test + self.n_validation + self.n_train
        try:
            return reasoning_gym.create_dataset(self.dataset, seed=self.seed, size=size)
        except ValueError as unknown:
            raise UserError(f"reasoning_gym has no data set {self.dataset!r} ({unknown}).") from unknown

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        splits: dict[str, list[Task]] = {"test": [], "validation": [], "train": []}
        cuts = (
            ("test", self.n_test),
            ("validation", self.n_test + self.n_validation),
            ("train", len(self._source)),
        )
        seen: set[str] = set()
        for index in range(len(self._source)):
            split = next(name for name, stop in cuts if index < stop)
            question = self._source[index]["question"]
            if question not in seen:
                seen.add(question)
                splits[split].append(Task(f"{self.dataset}-{index}", split, {"index": index, "question": question}))
        return {split: tuple(tasks) for split, tasks in splits.items()}

    def tasks(self, split: str) -> Sequence[Task]:
        """The items of a split."""
        return self._splits[split]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one answer."""
        entry = self._source[task.payload["index"]]

        def grade(action: str) -> Step:
            score = float(self._source.score_answer(answer=action.strip(), entry=entry))
            return Step(1.0 if score >= 1.0 else 0.0, components={"score": score})

        return SingleTurn(f"{task.payload['question']}\n", grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """The data set's own answer."""
        return str(self._source[task.payload["index"]]["answer"])
