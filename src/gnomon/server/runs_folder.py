"""The folder of runs as the page sees it: which runs there are, a row for each, and a run's files.

Everything is only read. Runs may lie up to `DEPTH` folders deep, as those of a comparison do: an id is the path below
the folder, its names joined by "~" so that it is one segment of a URL. (A "~" or "!" in a name is written "!7E" or
"!21"; so are bytes that are no text, and the first letter of a run that is called as a call is. Other names are what
they are.) Links that lead out of the folder are not followed.
"""

import json
import os
import re
import stat
import threading
import time
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from gnomon.runs import open_run
from gnomon.runs.store import Run, is_written
from gnomon.server.failures import Failure
from gnomon.server.launching import Launcher
from gnomon.server.metrics_file import GrowingFile, MetricsFile
from gnomon.server.run_samples import EVALUATIONS, TRAJECTORIES, RunSamples, warm_start_steps

DEPTH = 3
MARKS = ("state.json", "recipe.toml")  # what makes a folder a run
READ = (*MARKS, "summary.json")  # what a row is made of
STATES = ("running", "finished", "interrupted", "failed")
CALLS = ("compare", "figures", "curves")  # /api/runs/compare is no run
MOST_INDEXED = 4  # files of metrics, and as many of samples, whose index is kept

File = TypeVar("File", bound=GrowingFile)
_UNSAFE = re.compile("[!~\udc80-\udcff]")  # the last are how Python holds bytes of a name that are no text
_WRITTEN = re.compile("!([0-9A-F]{2})")
Row = dict[str, Any]
Stamp = tuple[tuple[int, int, int] | None, ...]


class Broken(ValueError):
    """Why a folder's row cannot be made; one sentence."""


@dataclass(frozen=True)
class Known:
    """A row without its clock, and what its folder looked like when it was made."""

    stamp: Stamp
    row: Row
    ended: float | None


class RunsFolder:
    """The runs below `root`. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.launcher = Launcher(self.root)
        self._known: dict[Path, Known] = {}
        self._metrics: OrderedDict[Path, MetricsFile] = OrderedDict()
        self._samples: OrderedDict[Path, GrowingFile] = OrderedDict()
        self._guard = threading.Lock()

    def close(self) -> None:
        """End the run that was begun from the page, where it still runs."""
        self.launcher.close()

    # -- finding ---------------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """A row for each run, the newest first, and then for each folder that is none.

        Only what has changed since the last call is read again; whether somebody still writes a run is always asked.
        """
        with self._guard:
            found = {folder: self._row(folder) for folder in self._folders()}
            self._known = {folder: self._known[folder] for folder in found if folder in self._known}
        rows = [*found.values(), *self._without_folder()]
        return sorted(rows, key=lambda row: (-(row["started"] or 0), row["id"]))

    def row(self, run: str) -> Row:
        """The row of one run. Raises Failure (404) where there is no such folder."""
        folder = self.locate(run)
        for row in self._without_folder():
            if row["id"] == run:
                return row
        with self._guard:
            return self._row(folder)

    def locate(self, run: str) -> Path:
        """The folder of the run called `run`, be it a whole run or not. Raises Failure (404) where there is none.

        A run that was begun here and is only starting has the folder that it is going to make.
        """
        names = [_WRITTEN.sub(_as_was, name) for name in run.split("~")]
        folder = self.root.joinpath(*names)
        plain = all(
            0 < len(name.encode("utf-8", "replace")) < 256 and name[0] != "." and not {"/", "\0"} & set(name)
            for name in names
        )
        there = plain and len(names) <= DEPTH and (folder.is_dir() or self.launcher.began(run))
        if not there or not self._inside(folder):
            raise Failure(404, "not_found", f"There is no run {run!r} in {self.root}.")
        return folder

    def open(self, run: str) -> Run:
        """The run called `run`, to be read. Raises Failure: 404 where there is none, 422 where it is broken."""
        row = self.row(run)
        if row["kind"] is None:
            raise Failure(422, "broken", row.get("error", f"{run!r} is only starting, and has no settings yet."))
        return open_run(self.locate(run))

    def file(self, run: str, name: str) -> Path | None:
        """The file `name` of a run; None where there is none, or only a link that leads out of the folder."""
        path = self.locate(run) / name
        return path if path.is_file() and self._inside(path) else None

    def metrics(self, run: str) -> MetricsFile:
        """The metrics of a run, whose index is kept while it is one of the last few that were asked for."""
        path = self.locate(run) / "metrics.jsonl"
        return self._kept(self._metrics, path if self._inside(path) else Path(os.devnull), MetricsFile)

    def samples(self, run: str) -> RunSamples:
        """The samples of a run."""
        settings = {} if self.row(run)["kind"] is None else self.open(run).settings
        found = {name: self.file(run, name) for name in (*TRAJECTORIES, *EVALUATIONS)}
        files = {name: self._kept(self._samples, path, GrowingFile) for name, path in found.items() if path}
        return RunSamples(files, warm_start_steps(settings))

    def checkpoints(self, run: str) -> list[int]:
        """The steps of a run's checkpoints."""
        return sorted(int(each.name) for each in _children(self.locate(run) / "checkpoints") if each.name.isdecimal())

    def _kept(self, files: OrderedDict[Path, File], path: Path, make: Callable[[Path], File]) -> File:
        with self._guard:
            file = files[path] = files.pop(path, None) or make(path)
            while len(files) > MOST_INDEXED:
                files.popitem(last=False)
            return file

    def id_of(self, folder: Path) -> str:
        """What the run in `folder` is called."""
        names = folder.relative_to(self.root).parts
        run = "~".join(_UNSAFE.sub(lambda found: f"!{ord(found[0]) & 0xFF:02X}", name) for name in names)
        return f"!{ord(run[0]):02X}{run[1:]}" if run in CALLS else run

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root.resolve())

    def _folders(self) -> Iterator[Path]:
        """The folders that have a row."""
        for child in _children(self.root):
            below = list(self._runs_below(child, 1))
            yield from below if below else [child]

    def _runs_below(self, folder: Path, depth: int) -> Iterator[Path]:
        """`folder` where it has a file that only a run has, and otherwise the runs in it."""
        if not folder.is_symlink() or self._inside(folder):
            if any((folder / name).exists() for name in MARKS):
                yield folder
            elif depth < DEPTH:
                for child in _children(folder):
                    yield from self._runs_below(child, depth + 1)

    def _without_folder(self) -> list[Row]:
        """The rows of runs that were begun here and are only starting, or died before they had a folder."""
        return [
            {**_nothing(name), "started": begun, "seconds": None}
            | ({"state": "running"} if why is None else {"state": "failed", "error": why})
            for name, begun, why in self.launcher.without_folder()
        ]

    # -- rows ------------------------------------------------------------------------------------------------------

    def _row(self, folder: Path) -> Row:
        stamp = tuple(self._stamp(folder / name) for name in READ)
        known = self._known.get(folder)
        if known is None or known.stamp != stamp:
            try:
                row, ended = self._read(folder, stamp)
            except Broken as broken:
                row, ended = {**_nothing(self.id_of(folder)), "error": str(broken)}, None
            known = self._known[folder] = Known(stamp, row, ended)
        state, seconds = known.row["state"], None
        if state == "running" and not is_written(folder):
            state = "interrupted"
        if (started := known.row["started"]) is not None:
            until = time.time() if state == "running" else known.ended
            if until is None:  # killed: the last that is known of it is when it logged something
                logged = self._stamp(folder / "metrics.jsonl") or stamp[0] or (0, 0, 0)
                until = logged[0] / 1e9
            seconds = max(0.0, until - started)
        return {**known.row, "state": state, "seconds": seconds}

    def _stamp(self, path: Path) -> tuple[int, int, int] | None:
        """What changes whenever the file does; None where there is none to be read."""
        try:
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode):
                found = path.stat() if self._inside(path) else found
        except OSError:
            return None
        usable = stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)
        return (found.st_mtime_ns, found.st_size, found.st_ino) if usable else None

    def _read(self, folder: Path, stamp: Stamp) -> tuple[Row, float | None]:
        """A run's row but for what the clock and the lock say, and when it ended. Raises Broken."""
        if folder.is_symlink() and not self._inside(folder):
            raise Broken(f"{folder.name!r} is a link out of the folder of runs, and is not followed.")
        for name in READ:
            if (folder / name).is_symlink() and not self._inside(folder / name):
                raise Broken(f"{name} of {folder.name!r} is a link out of the folder of runs, and is not followed.")
        missing = [name for name, found in zip(MARKS, stamp, strict=False) if found is None]
        if missing:
            raise Broken(f"{folder.name!r} is not a run: it has no {' and no '.join(missing)}.")
        state = _json_object(folder / "state.json")
        settings = _recipe(folder / "recipe.toml")
        summary = _json_object(folder / "summary.json") if stamp[2] is not None else {}
        for key, kinds in (("state", str), ("kind", str), ("started", int | float)):
            if not isinstance(state.get(key), kinds):
                raise Broken(f"state.json of {folder.name!r} has no {key} as a run's has.")
        if state["state"] not in STATES:
            raise Broken(f"state.json of {folder.name!r} says {state['state']!r}, not one of {', '.join(STATES)}.")
        task = settings.get("task")
        of_task = task.get("name") if isinstance(task, dict) else None
        seed = settings.get("seed")
        if seed is None and (path := folder / "environment.json").is_file() and self._inside(path):
            seed = _json_object(path).get("seed")
        row = {
            **_nothing(self.id_of(folder)),
            "name": _text(of_task) or _text(settings.get("name")),
            "kind": state["kind"],
            "state": state["state"],
            "started": float(state["started"]),
            "seed": seed if isinstance(seed, int) else None,
            "figure": figure(summary),
        }
        ended = state.get("ended")
        return row, float(ended) if isinstance(ended, int | float) else None


def figure(summary: dict[str, Any]) -> dict[str, Any] | None:
    """A summary's main figure: `accuracy_after`, or the first estimate in it, however deep, under its dotted name."""
    found = dict(_estimates(summary))
    name = "accuracy_after" if "accuracy_after" in found else next(iter(found), None)
    return None if name is None else {"name": name, **{key: found[name].get(key) for key in _FIGURE}}


_FIGURE = ("value", "low", "high", "n")


def _estimates(summary: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in summary.items():
        if isinstance(value, dict):
            if {"value", "low", "high"} <= value.keys():
                yield prefix + key, value
            else:
                yield from _estimates(value, f"{prefix}{key}.")


def _nothing(run: str) -> Row:
    """The row of a folder of which nothing is known. One without a kind cannot be opened."""
    empty = dict.fromkeys(("kind", "started", "seconds", "seed", "figure"))
    return {"id": run, "name": None, "state": "broken", **empty}


def _as_was(code: re.Match[str]) -> str:
    number = int(code[1], 16)
    return chr(number if number < 0x80 else 0xDC00 + number)


def _children(folder: Path) -> list[Path]:
    """The folders in `folder`, hidden ones aside; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except OSError:
        return []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _json_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_contents(path))
    except ValueError as fault:
        raise Broken(f"{path.name} of {path.parent.name!r} is broken JSON: {fault}.") from fault
    if not isinstance(found, dict):
        raise Broken(f"{path.name} of {path.parent.name!r} is not a JSON object.")
    return found


def _contents(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise Broken(f"{path.name} of {path.parent.name!r} is not UTF-8 text.") from fault
    except OSError as fault:
        raise Broken(f"{path.name} of {path.parent.name!r} cannot be read: {fault.strerror}.") from fault


def _recipe(path: Path) -> dict[str, Any]:
    """A run's settings; tables below a table of their own are left out.

    The recipes of a folder differ in little, and reading TOML takes a millisecond each: so every table's text is read
    by itself, and once. What cannot be read so is read as a whole.
    """
    text = _contents(path)
    head, *tables = f"\n{text}".split("\n[")
    headings = [heading for table in tables if not (heading := table.split("\n", 1)[0]).startswith("[")]
    try:
        if len(set(headings)) < len(headings):
            return tomllib.loads(text)
        try:
            parts = [_table(head), *(_table(f"[{table}") for table in tables)]
        except tomllib.TOMLDecodeError:  # broken, or such a line stands in a text of several lines
            return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise Broken(f"{path.name} of {path.parent.name!r} is broken TOML: {fault}.") from fault
    settings: dict[str, Any] = {}
    for part in reversed(parts):
        settings |= part
    return settings


@lru_cache(maxsize=4096)
def _table(text: str) -> dict[str, Any]:
    return tomllib.loads(text)
