"""A run: one job's folder, from its settings to its report.

Logs are appended line by line, everything else appears by atomic rename. A killed run is continued by rewinding the
logs to its last checkpoint. One process writes a run at a time.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gnomon.errors import UserError
from gnomon.runs import environment
from gnomon.runs.files import append_lines, keep_lines, read_lines, to_json, write_atomic

CLOCK = frozenset(
    {
        "time",
        "seconds",
        "cpu_seconds",
        "samples_per_second",
        "tokens_per_second",
        "trainer_idle",
        "searcher_idle",
    }
)
"""Metrics read off a clock: what two runs of the same settings may differ in."""

LOGS = ("metrics.jsonl", "trajectories.jsonl", "trajectories.1.jsonl", "eval.jsonl")
MOST_TRAJECTORIES = 10_000  # rows in trajectories.jsonl before it becomes trajectories.1.jsonl
KEPT_CHECKPOINTS = 2
PATIENCE_S = 1.0  # how long a lock may be held by those who only look before another process counts as its writer


class Run:
    """A run's folder. Made by `create` or `resume` for writing, by `open_run` for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: dict[str, Any] = _read_toml(path / "recipe.toml")
        stored = json.loads((path / "state.json").read_text(encoding="utf-8"))
        self.kind: str = stored["kind"]
        self.started: float = stored["started"]
        self.pinned: set[int] = set()
        self._files: dict[str, IO[str]] = {}
        self._lock: IO[str] | None = None
        self._outlets: list[Any] = []
        self._rows = 0

    # -- making and opening ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: Path | None,
        *,
        kind: str,
        name: str,
        settings: dict[str, Any],
        seed: int,
        outlets: Sequence[str] = (),
        root: Path = Path("runs"),
    ) -> "Run":
        """A new run in `path`, or in `root/NAME-TIME` where that is None. It appears whole or not at all.

        Raises UserError where `path` exists and is not empty.
        """
        import tomli_w

        from gnomon.runs.outlets import open_outlets

        folder = _new_folder(name, root) if path is None else Path(path)
        refuse_taken(folder)
        connected = open_outlets(outlets, folder, settings)
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        making.mkdir()
        try:
            write_atomic(making / "recipe.toml", tomli_w.dumps(_without_none(settings)))
            write_atomic(making / "environment.json", json.dumps(environment.describe(seed), indent=1))
            state = {
                "state": "running",
                "kind": kind,
                "started": time.time(),
                "pid": os.getpid(),
                "reason": None,
            }
            write_atomic(making / "state.json", json.dumps(state))
            if folder.exists():
                folder.rmdir()
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        run = cls(folder)
        run._outlets = connected
        run._take()
        return run

    @classmethod
    def resume(cls, path: str | Path, *, settings: dict[str, Any], outlets: Sequence[str] = ()) -> "Run":
        """An interrupted run, for writing on. Raises UserError where its settings are not `settings`."""
        from gnomon.runs.outlets import open_outlets

        run = open_run(path)
        if run.summary() is not None:
            raise UserError(f"{str(run.path)!r} has finished; there is nothing to resume.")
        differences = _differences(run.settings, _without_none(settings))
        if differences:
            key, stored, given = differences[0]
            more = f" (and {len(differences) - 1} more settings)" if len(differences) > 1 else ""
            raise UserError(
                f"{str(run.path)!r} was begun with {key} = {stored!r}, not {given!r}{more}; --resume needs the same"
                " settings."
            )
        run._outlets = open_outlets(outlets, run.path, settings)
        run._take()
        run.mark("running")
        return run

    def _take(self) -> None:
        """Become the one process that writes this run."""
        lock = (self.path / ".lock").open("a+")
        try:
            _lock(lock)
        except OSError as busy:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            lock.close()
            raise UserError(
                f"{str(self.path)!r} is being written by process {owner}; wait for it or stop it."
            ) from busy
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    # -- writing -----------------------------------------------------------------------------------------------

    def log(self, step: int, **values: Any) -> None:
        """One line of metrics at `step`; `time` is in seconds since the run began."""
        self._append("metrics.jsonl", [{"step": step, "time": round(time.time() - self.started, 3), **values}])
        for outlet in self._outlets:
            outlet.log(step, values)

    def log_trajectories(self, rows: Iterable[dict[str, Any]]) -> None:
        """Readable samples. The newest `MOST_TRAJECTORIES` and at most as many before them are kept."""
        listed = list(rows)
        if self._rows + len(listed) > MOST_TRAJECTORIES:
            self._close("trajectories.jsonl")
            (self.path / "trajectories.jsonl").replace(self.path / "trajectories.1.jsonl")
            self._rows = 0
        self._rows += len(listed)
        self._append("trajectories.jsonl", listed)

    def log_evaluation(self, rows: Iterable[dict[str, Any]]) -> None:
        """Graded answers, one a row."""
        self._append("eval.jsonl", rows)

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """A folder to fill; it becomes `checkpoints/STEP` when the block ends well, and vanishes otherwise.

        Older checkpoints but the last few and those in `pinned` are removed.
        """
        root = self.path / "checkpoints"
        root.mkdir(exist_ok=True)
        making, final = root / f".{step}.tmp", root / str(step)
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        try:
            yield making
            for file in making.rglob("*"):
                if file.is_file():
                    with file.open("rb") as opened:
                        os.fsync(opened.fileno())
            if final.exists():  # the same step again, after a resume: step aside before the new one moves in
                old = root / f".{step}.old"
                final.rename(old)
                making.rename(final)
                shutil.rmtree(old)
            else:
                making.rename(final)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        for old_step in self._steps()[:-KEPT_CHECKPOINTS]:
            if old_step not in self.pinned:
                shutil.rmtree(root / str(old_step))

    def latest_checkpoint(self) -> tuple[int, Path] | None:
        """The newest whole checkpoint as (step, folder)."""
        steps = self._steps()
        return (steps[-1], self.path / "checkpoints" / str(steps[-1])) if steps else None

    def _steps(self) -> list[int]:
        root = self.path / "checkpoints"
        return sorted(int(p.name) for p in root.iterdir() if p.name.isdigit()) if root.is_dir() else []

    def rewind(self, step: int) -> None:
        """Forget everything logged after `step`, and whatever a killed process left half done."""
        self._close()
        for name in LOGS:
            keep_lines(self.path / name, lambda row: row["step"] <= step)
        root = self.path / "checkpoints"
        for old in root.glob(".*.old"):  # killed between the two renames of `checkpoint`
            final = root / old.name[1:-4]
            if final.exists():
                shutil.rmtree(old)
            else:
                old.rename(final)
        for left in [*self.path.glob(".*.tmp"), *root.glob(".*.tmp")]:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self._rows = sum(1 for _ in read_lines(self.path / "trajectories.jsonl"))

    def finish(self, summary: dict[str, Any]) -> None:
        """Write `summary.json` and mark the run as finished."""
        write_atomic(self.path / "summary.json", to_json(summary) + "\n")
        self.mark("finished")
        for outlet in self._outlets:
            outlet.finish(summary)

    def mark(self, state: str, reason: str | None = None) -> None:
        """Set the state: `running`, `interrupted`, `failed` or `finished`."""
        stored = {
            "state": state,
            "kind": self.kind,
            "started": self.started,
            "pid": os.getpid(),
            "reason": reason,
            "ended": None if state == "running" else time.time(),
        }
        write_atomic(self.path / "state.json", json.dumps(stored))
        if state != "running":
            self._close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def _append(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        if name not in self._files:
            self._files[name] = (self.path / name).open("a", encoding="utf-8", newline="\n")
        append_lines(self._files[name], rows)

    def _close(self, name: str | None = None) -> None:
        for each in [name] if name is not None else list(self._files):
            if (file := self._files.pop(each, None)) is not None:
                file.close()

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`running`, `finished`, `interrupted` or `failed`; a running one whose process is gone is interrupted."""
        stored = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
        if stored["state"] == "running" and self._lock is None and not is_written(self.path):
            return "interrupted"
        return str(stored["state"])

    @property
    def reason(self) -> str | None:
        """Why a run failed or was interrupted, where that is known."""
        stored = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
        return stored["reason"]

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics' rows in order."""
        return list(read_lines(self.path / "metrics.jsonl"))

    def trajectories(self) -> list[dict[str, Any]]:
        """The stored samples, oldest first."""
        return [row for name in ("trajectories.1.jsonl", "trajectories.jsonl") for row in read_lines(self.path / name)]

    def evaluations(self) -> list[dict[str, Any]]:
        """The graded answers."""
        return list(read_lines(self.path / "eval.jsonl"))

    def summary(self) -> dict[str, Any] | None:
        """The figures of a finished run, None for any other."""
        path = self.path / "summary.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def is_written(folder: Path) -> bool:
    """Whether a process is writing the run in `folder`, which is only looked at: no file is made or changed.

    For an instant its lock is shared with whoever else looks; a writer who comes just then tries again.
    """
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _lock(file: IO[str]) -> None:
    """Lock `file` for the one who writes. Raises OSError where it stays locked for longer than a look takes."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(0.01)


def refuse_taken(folder: Path) -> None:
    """Raise UserError where no new run can be made in `folder`: to be asked before work that comes before the run."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{str(folder)!r} exists already; continue it with --resume, or give another folder with --out."
        )


def open_run(path: str | Path, root: str | Path = "runs") -> Run:
    """A run by its folder, or by its id below `root`. Raises UserError where there is none."""
    for folder in (Path(path), Path(root) / path):
        if (folder / "state.json").is_file() and (folder / "recipe.toml").is_file():
            return Run(folder)
    raise UserError(
        f"There is no run {str(path)!r}: no such folder with a recipe.toml and state.json, here or in {root}/."
    )


def list_runs(root: str | Path = "runs") -> list[Run]:
    """Every run below `root`, the oldest first."""
    folder = Path(root)
    if not folder.is_dir():
        return []
    runs = [Run(path.parent) for path in folder.glob("*/state.json") if not path.parent.name.startswith(".")]
    return sorted(runs, key=lambda run: (run.started, run.path.name))


def same_metrics(a: Run, b: Run) -> list[str]:
    """Where two runs' metrics and answers differ, clocks aside: empty for two runs of the same settings in `sync`."""
    found = []
    for name, first, second in (
        ("metrics", a.metrics(), b.metrics()),
        ("evaluations", a.evaluations(), b.evaluations()),
        ("trajectories", a.trajectories(), b.trajectories()),
    ):
        if len(first) != len(second):
            found.append(f"{name}: {len(first)} rows against {len(second)}")
        for one, other in zip(first, second, strict=False):
            for key in sorted((one.keys() | other.keys()) - CLOCK):
                if one.get(key) != other.get(key):
                    found.append(f"{name}, step {one['step']}: {key} = {one.get(key)!r} against {other.get(key)!r}")
    return found


def _new_folder(name: str, root: Path) -> Path:
    stem = root / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder, count = stem, 1
    while folder.exists():
        count += 1
        folder = stem.with_name(f"{stem.name}-{count}")
    return folder


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(path.read_text(encoding="utf-8"))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _differences(stored: dict[str, Any], given: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    found = []
    for key in sorted(stored.keys() | given.keys()):
        one, other = stored.get(key), given.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append((prefix + key, one, other))
    return found
