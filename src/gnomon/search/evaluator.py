"""Scores of untrained networks, measured again and again: what is redrawn, from which seeds, on which worker.

A measurement is one architecture's repeat v. Its batch follows from (seed, v), so that repeat v shows every
architecture the same batch (common random numbers), and its weights from (seed, architecture, v). Nothing depends on
the order of measurements, on the other rankers asked for, or on the number of workers. What is measured once is never
drawn again.
"""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from gnomon.compute import Executor, WorkerHandle, executor
from gnomon.errors import UserError
from gnomon.runs.files import append_lines, keep_lines, read_lines, write_atomic
from gnomon.runs.progress import Progress
from gnomon.search import rankers as known_rankers
from gnomon.search.spaces import Arch, Space
from gnomon.search.table import Table
from gnomon.seeds import derive

if TYPE_CHECKING:
    from gnomon.runs import Run
    from gnomon.search.rankers import Measured, Ranker

Vary = Literal["init", "batch", "both"]
VARY = ("init", "batch", "both")
SCORES = "scores.jsonl"
COLUMNS = ("arch", "ranker", "repeat", "score", "status", "init_seed", "batch_seed", "seconds")


@dataclass(frozen=True)
class Task:
    """One measurement: the rankers of `names` on repeat `repeat` of the architecture written `arch`."""

    arch: str
    repeat: int
    names: tuple[str, ...]
    init_seed: int
    batch_seed: int


class Scorer:
    """Measures; a worker's class. Data is loaded with the first ranker that needs some."""

    def __init__(self, space: Space, asked: Sequence["Ranker"], data: Any, batch_size: int, seed: int) -> None:
        self._space, self._data, self._batch_size, self._seed = space, data, batch_size, seed
        self._asked = {ranker.name: ranker for ranker in asked}
        self._batches: Any = None

    def score(self, task: Task) -> dict[str, "Measured"]:
        """What each ranker of `task` gave."""
        from gnomon.models.training import one_thread

        arch = self._space.decode(task.arch)
        inputs = labels = None
        if any("data" in self._asked[name].needs for name in task.names):
            from gnomon.search import inputs as data

            self._batches = self._batches or data.load(self._space, self._data, seed=self._seed)
            inputs, labels = self._batches.batch(self._batch_size, task.batch_seed)
        with one_thread():
            return known_rankers.measure(
                [self._asked[name] for name in task.names],
                partial(self._space.build, arch, seed=task.init_seed),
                inputs,
                labels,
                describe=partial(self._space.describe, arch),
                seed=task.init_seed,
            )


class Evaluator:
    """Scores of a space's architectures, measured when they are asked for and kept.

    `vary` says what is redrawn from repeat to repeat: the weights (`init`), the batch (`batch`) or both. With a `run`
    every score is stored in it at once, and what is stored there is not measured again. A source of scores for `find`;
    a context manager that ends its workers.
    """

    def __init__(
        self,
        space: Space,
        rankers: Sequence[str],
        *,
        data: Any = None,
        vary: Vary = "both",
        batch_size: int = 64,
        seed: int = 0,
        workers: int = 1,
        run: "Run | None" = None,
        progress: Progress | None = None,
    ) -> None:
        if not rankers:
            raise UserError("No ranker is asked for; there are " + ", ".join(known_rankers.names()) + ".")
        if vary not in VARY:
            raise UserError(f"vary = {vary!r} is not known; 'init', 'batch' or 'both'.")
        if workers < 1:
            raise UserError(f"workers = {workers} must be at least 1.")
        self._asked = {name: known_rankers.get(name) for name in rankers}
        if any("data" in ranker.needs for ranker in self._asked.values()):
            from gnomon.search import inputs

            inputs.check(space, data, batch_size)
        self.space, self.rankers, self.vary, self.seed = space, tuple(self._asked), vary, seed
        self.evaluated = 0
        self._making = (space, tuple(self._asked.values()), data, batch_size, seed)
        self._workers = workers
        if workers > 1:
            _check_sent(self._making)
        self._progress = progress or Progress(quiet=True)
        self._executor: Executor | None = None
        self._handles: list[WorkerHandle] = []
        self._scorer: Scorer | None = None
        self._rows: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._path: Path | None = None if run is None else run.path / SCORES
        if self._path is not None:
            keep_lines(self._path, lambda row: True)  # a killed run's torn last line must not grow a tail
            self._rows = {(row["arch"], row["ranker"], row["repeat"]): row for row in read_lines(self._path)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.close()
            self._executor, self._handles = None, []

    def direction(self, ranker: str) -> int:
        """+1 where larger scores of `ranker` are better, -1 where smaller ones are."""
        return self._asked[ranker].direction

    def varies(self, ranker: str) -> bool:
        """Whether repeats of `ranker` are measurements of their own."""
        return self._repeats_of(ranker, 2) > 1

    def samples(self, arch: Arch | str, ranker: str, n: int) -> np.ndarray:
        """The first `n` scores of `arch` [n], NaN where the ranker failed; what is not known yet is measured."""
        text = self._text(arch)
        self.prefetch([text], ranker, n)
        return self._known(text, ranker, n)

    def prefetch(self, archs: Sequence[Arch | str], ranker: str, n: int) -> None:
        """Measure the first `n` scores of several architectures, side by side where there are workers."""
        self._measure([self._text(arch) for arch in archs], (ranker,), n)

    def table(self, archs: Sequence[Arch | str], repeats: int) -> "ScoreTable":
        """The scores of `archs` by every ranker."""
        texts = list(dict.fromkeys(self._text(arch) for arch in archs))
        self._measure(texts, self.rankers, repeats)
        rows = [
            self._rows[text, ranker, repeat]
            for text in sorted(texts)
            for ranker in sorted(self.rankers)
            for repeat in range(self._repeats_of(ranker, repeats))
        ]
        return ScoreTable(self.space, rows, self.evaluated)

    def rows(self) -> list[dict[str, Any]]:
        """Every score there is, sorted by architecture, ranker and repeat."""
        return [self._rows[key] for key in sorted(self._rows)]

    def _text(self, arch: Arch | str) -> str:
        return self.space.encode(self.space.decode(arch) if isinstance(arch, str) else arch)

    def _repeats_of(self, ranker: str, repeats: int) -> int:
        """A ranker that does not vary with what is redrawn is measured once."""
        redrawn = ("init", "batch") if self.vary == "both" else (self.vary,)
        return repeats if set(redrawn) & set(self._asked[ranker].varies_with) else 1

    def _known(self, text: str, ranker: str, n: int) -> np.ndarray:
        measured = self._repeats_of(ranker, n)
        scores = [self._rows[text, ranker, repeat]["score"] for repeat in range(measured)]
        return np.array([np.nan if score is None else score for score in scores] * (n // measured), dtype=float)

    def _measure(self, texts: Sequence[str], names: Sequence[str], repeats: int) -> None:
        tasks = []
        for text in dict.fromkeys(texts):
            for repeat in range(repeats):
                missing = tuple(
                    name
                    for name in names
                    if repeat < self._repeats_of(name, repeats) and (text, name, repeat) not in self._rows
                )
                if missing:
                    init = ("init", text) if self.vary == "batch" else ("init", text, repeat)
                    batch = ("batch",) if self.vary == "init" else ("batch", repeat)
                    tasks.append(Task(text, repeat, missing, derive(self.seed, *init), derive(self.seed, *batch)))
        if not tasks:
            return
        with self._stored() as store:
            if len(tasks) == 1:  # as most of a search's questions are: no bar, no worker waits for work
                store(tasks[0], self._here().score(tasks[0]))
                return
            with self._progress.stage("measuring", len(tasks), 0) as show:
                for done, (task, measured) in enumerate(self._scored(tasks), start=1):
                    store(task, measured)
                    show(done, task.arch)

    def _here(self) -> Scorer:
        self._scorer = self._scorer or Scorer(*self._making)
        return self._scorer

    def _scored(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, dict[str, "Measured"]]]:
        if self._workers == 1:
            yield from ((task, self._here().score(task)) for task in tasks)
            return
        if self._executor is None:
            self._executor = executor("process", workers=self._workers)
            self._handles = [self._executor.start(Scorer, *self._making) for _ in range(self._workers)]
        todo, free = iter(tasks), list(self._handles)
        under_way: dict[Any, tuple[Task, WorkerHandle]] = {}
        while True:
            while free and (task := next(todo, None)) is not None:
                handle = free.pop()
                under_way[handle.call("score", task)] = task, handle
            if not under_way:
                return
            for call in self._executor.wait(list(under_way), None):
                task, handle = under_way.pop(call)
                free.append(handle)
                yield task, call.result()

    @contextmanager
    def _stored(self) -> Iterator[Any]:
        """A function that keeps what a task gave, in memory and in the run."""
        file = None if self._path is None else self._path.open("a", encoding="utf-8", newline="\n")

        def store(task: Task, measured: dict[str, "Measured"]) -> None:
            rows: list[dict[str, Any]] = [
                {
                    "arch": task.arch,
                    "ranker": name,
                    "repeat": task.repeat,
                    "score": measured[name].score,
                    "status": measured[name].status,
                    "init_seed": task.init_seed,
                    "batch_seed": task.batch_seed,
                    "seconds": round(measured[name].seconds, 6),
                }
                for name in task.names
            ]
            self._rows.update({(row["arch"], row["ranker"], row["repeat"]): row for row in rows})
            self.evaluated += len(rows)
            if file is not None:
                append_lines(file, rows)

        try:
            yield store
        finally:
            if file is not None:
                file.close()


def _check_sent(making: tuple[Any, ...]) -> None:
    """Raise UserError where something cannot be sent to a worker, such as a ranker defined inside a function."""
    try:
        pickle.dumps(making)
    except (pickle.PicklingError, AttributeError, TypeError) as fault:
        raise UserError(
            f"workers: space, rankers and data are sent to other processes, and one of them cannot be ({fault}); define"
            " it at a module's top level, or measure with workers = 1."
        ) from fault


class ScoreTable:
    """Scores as rows: `arch`, `ranker`, `repeat`, `score` (null where it failed), `status`, seeds and seconds."""

    def __init__(self, space: Space, rows: Sequence[dict[str, Any]], evaluated: int) -> None:
        import polars

        self._space = space
        self.rows = polars.DataFrame(
            {name: [row[name] for row in rows] for name in COLUMNS},
            schema={
                "arch": polars.String,
                "ranker": polars.String,
                "repeat": polars.Int64,
                "score": polars.Float64,
                "status": polars.String,
                "init_seed": polars.Int64,
                "batch_seed": polars.Int64,
                "seconds": polars.Float64,
            },
        )
        self.evaluated = evaluated
        self._table = Table.from_rows(self.rows)
        self.rankers = self._table.rankers

    @property
    def failed(self) -> int:
        """How many scores there are not."""
        return int(self.rows["score"].null_count())

    def samples(self, arch: Arch | str, ranker: str, n: int) -> np.ndarray:
        """The first `n` scores of an architecture [n], NaN where the ranker failed."""
        return self._table.samples(arch if isinstance(arch, str) else self._space.encode(arch), ranker, n)

    def write_csv(self, path: Path) -> None:
        """The scores without timings: the same bytes for the same measurements, however they were made."""
        write_atomic(path, self.rows.drop("seconds").write_csv())


def evaluate(
    space: Space,
    archs: Sequence[Arch | str],
    rankers: Sequence[str],
    *,
    data: Any = None,
    repeats: int = 10,
    vary: Vary = "both",
    batch_size: int = 64,
    seed: int = 0,
    workers: int = 1,
    run: "Run | None" = None,
    progress: Progress | None = None,
) -> ScoreTable:
    """Score every architecture `repeats` times by every ranker (Variation Matters, eq. 1: M_i = {r(arch_i, v)}).

    `data` is `digits`, `cifar10` or `tokens`, a pair (inputs, labels), or None for what the space takes by default.
    `run` keeps the scores as they come, and a resumed one measures only what is missing. Raises UserError for anything
    impossible before anything is measured; a ranker that fails has a status in its rows and no score.
    """
    if repeats < 1:
        raise UserError(f"repeats = {repeats} must be at least 1.")
    if not len(archs):
        raise UserError("There is no architecture to evaluate; at least one is needed.")
    with Evaluator(
        space,
        rankers,
        data=data,
        vary=vary,
        batch_size=batch_size,
        seed=seed,
        workers=workers,
        run=run,
        progress=progress,
    ) as evaluator:
        return evaluator.table(archs, repeats)
