"""A file of JSON lines that may grow while it is read: its lines by number, and its numbers thinned for a chart.

Only complete lines count; the half-written end is left for the next look. What was read once is kept as an index (where
lines end, the columns that were asked for), so that the next look reads only what was appended.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np
import polars as pl

from gnomon.runs.files import to_json
from gnomon.server.failures import Failure

BLOCK = 8 * 2**20  # bytes that are read at a time
MOST_NUMBERS = 32 * 10**6  # numbers that are kept of one file, 8 bytes each; the columns asked for last stay
MOST_SHAPES = 10_000  # kinds of lines whose names are remembered
SOME = 1_000  # of so many lines one is looked at for names, whatever its shape
TAIL = 256  # bytes before the indexed end that must be what they were

_OFFSETS = 2**40  # a position is (generation * _OFFSETS + bytes); both together are a whole number to JavaScript, too
_GENERATIONS = 2**13 - 1
_NUMERALS = b"0123456789.+-"


class GrowingFile:
    """The complete lines of a file of JSON lines, by number. Safe to use from several threads; a missing file is empty.

    A *position* is a whole number that stands for a place between two lines of this very file: 0 is the start, and
    after the file was replaced or cut (as by a resumed run, which forgets what came after its checkpoint), positions
    from before are known to be of another one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._rewritten = 0  # how often the file changed before its indexed end while staying the same file
        self._identity: tuple[int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self._ends = np.zeros(0, np.int64)  # where each line ends, its line feed included
        self._tail = b""

    @contextmanager
    def _looked(self) -> Iterator[IO[bytes]]:
        """The file, opened, with the index brought up to what is in it now."""
        with self._guard, _open(self.path) as file:
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) != self._identity:
                self._identity = found.st_dev, found.st_ino
                self._forget()
            elif (
                found.st_size < self._end
                or os.pread(file.fileno(), TAIL, self._end - len(self._tail))[: len(self._tail)] != self._tail
            ):
                self._rewritten += 1
                self._forget()
            self._index(file.fileno())
            yield file

    def _index(self, file: int) -> None:
        at, ends = self._end, [self._ends]
        while block := os.pread(file, BLOCK, at):
            ends.append(np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + (at + 1))
            at += len(block)
        if any(len(found) for found in ends[1:]):
            self._ends = np.concatenate(ends)
            begin = max(0, self._end - TAIL)
            self._tail = os.pread(file, self._end - begin, begin)

    @property
    def _end(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _begin(self, line: int) -> int:
        """Where a line begins."""
        return int(self._ends[line - 1]) if line else 0

    # -- positions -------------------------------------------------------------------------------------------------

    def end(self) -> int:
        """The position after the last complete line there is now."""
        with self._looked():
            return self._position(len(self._ends))

    def _position(self, line: int) -> int:
        return self._generation * _OFFSETS + self._begin(line) if line else 0

    @property
    def _generation(self) -> int:
        return 1 + crc32(repr((self._identity, self._rewritten)).encode()) % _GENERATIONS

    def _line_at(self, position: int) -> tuple[int, bool]:
        """The number of the line at a position, and whether the position was of another file, now gone.

        Raises Failure (422) where no line begins there.
        """
        generation, offset = divmod(position, _OFFSETS)
        if offset == 0:
            return 0, False
        if generation and (generation != self._generation or offset > self._end):
            return 0, True
        before = int(np.searchsorted(self._ends, offset))
        if before == len(self._ends) or self._ends[before] != offset:
            raise Failure(422, "invalid", f"since: no line begins at {position}; send `next` as it was given.", "since")
        return before + 1, False

    # -- lines -----------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many complete lines there are."""
        with self._looked():
            return len(self._ends)

    def lines(self, first: int, last: int) -> list[bytes]:
        """The lines from number `first` to `last`, exclusive, as far as there are such."""
        with self._looked() as file:
            return list(self._lines(file, first, min(last, len(self._ends))))

    def after(self, position: int, most: int) -> tuple[list[tuple[int, bytes]], bool]:
        """At most `most` lines after a position, each with the position after it; and whether they start anew.

        They do where the position was of a file that has been replaced since.
        """
        with self._looked() as file:
            first, reset = self._line_at(position)
            last = min(first + most, len(self._ends))
            numbered = enumerate(self._lines(file, first, last), start=first + 1)
            return [(self._position(number), line) for number, line in numbered], reset

    def _lines(self, file: IO[bytes], first: int, last: int) -> Iterator[bytes]:
        for start, end in self._blocks(first, last):
            yield from self._read(file, start, end).split(b"\n")[:-1]

    def _read(self, file: IO[bytes], first: int, last: int) -> bytes:
        begin = self._begin(first)
        return os.pread(file.fileno(), self._begin(last) - begin, begin)

    def _blocks(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The lines from `first` to `last` in pieces of about `BLOCK` bytes."""
        while first < last:
            upto = int(np.searchsorted(self._ends, self._begin(first) + BLOCK, side="right"))
            upto = min(max(upto, first + 1), last)
            yield first, upto
            first = upto


class MetricsFile(GrowingFile):
    """A run's `metrics.jsonl`."""

    def _forget(self) -> None:
        super()._forget()
        self._columns: dict[str, np.ndarray] = {}  # as far as they were asked for; what was asked for last comes last
        self._names: dict[str, None] = {}
        self._shapes: set[bytes] = set()
        self._searched = 0  # lines whose names are known

    def names(self) -> list[str]:
        """The names that have numbers (or null, where one was not finite) in some line; `step` and `time` aside.

        A line is looked into where, but for its numerals, none was like it, and every thousandth one in any case.
        """
        with self._looked() as file:
            self._find_names(file)
            return list(self._names)

    def _find_names(self, file: IO[bytes]) -> None:
        for first, last in self._blocks(self._searched, len(self._ends)):
            block = self._read(file, first, last)
            shapes = block.translate(None, _NUMERALS).split(b"\n")[:-1]
            new = set(shapes) - self._shapes
            chosen = set(range(0, len(shapes), SOME))
            for shape in list(new)[: max(0, MOST_SHAPES - len(self._shapes))]:
                self._shapes.add(shape)
                chosen.add(shapes.index(shape))
            for line in sorted(chosen):
                row = json_object(self._read(file, first + line, first + line + 1)) or {}
                for name, value in row.items():
                    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
                        self._names.setdefault(name)
            self._searched = last
        for name in ("step", "time"):
            self._names.pop(name, None)

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The numbers of each of `names` (any, `step` and `time` too), line by line; NaN where a line has none."""
        with self._looked() as file:
            return self._read_columns(file, names)

    def _read_columns(self, file: IO[bytes], names: Sequence[str]) -> dict[str, np.ndarray]:
        lines = len(self._ends)
        by_length: dict[int, list[str]] = {}
        for name in dict.fromkeys(names):
            by_length.setdefault(len(self._columns.get(name, ())), []).append(name)
        for known, group in by_length.items():
            parts = {name: [self._columns.get(name, np.zeros(0))] for name in group}
            for first, last in self._blocks(known, lines):
                found = _numbers(self._read(file, first, last), group, last - first)
                for name in group:
                    parts[name].append(found[name])
            for name in group:
                self._columns.pop(name, None)
                self._columns[name] = np.concatenate(parts[name])
        asked = {name: self._columns[name] for name in names}
        while lines * len(self._columns) > MOST_NUMBERS and len(self._columns) > len(asked):
            del self._columns[next(iter(self._columns))]
        return asked

    def answer(self, names: Sequence[str] | None, since: int, points: int | None) -> str:
        """The rows after position `since` as JSON: `{"next", "rows"}`, and `"reset": true` where they start anew.

        A row has `step`, `time` and those of `names` that its line has, or all where `names` is None. With `points`,
        more than twice as many rows are thinned (`thinned`). A line that is no JSON object has no row.
        """
        with self._looked() as file:
            first, reset = self._line_at(since)
            lines = len(self._ends)
            texts: Iterable[bytes]
            if points is None or lines - first <= 2 * points:
                texts = self._lines(file, first, lines)
            else:
                if names is None:
                    self._find_names(file)
                columns = self._read_columns(file, list(self._names) if names is None else names)
                kept = thinned([column[first:] for column in columns.values()], lines - first, points) + first
                texts = (self._read(file, line, line + 1) for line in kept.tolist())
            rows = ",".join(shown for text in texts if (shown := _shown(text, names)) is not None)
            again = '"reset":true,' if reset else ""
            return f'{{"next":{self._position(lines)},{again}"rows":[{rows}]}}'


def thinned(columns: Sequence[np.ndarray], rows: int, points: int) -> np.ndarray:
    """Which of `rows` rows to draw: at most 2 x `points` of them, in order, such that a chart shows every extreme.

    Rows without any of the numbers are left out, unless none has any. The others are put into buckets of equal count,
    and of each bucket the first and the last row are kept, and the rows with the least and the greatest value of every
    column: 2 + 2 x columns rows at most. So k columns share points / (1 + k) buckets, and at least one: to have them
    fine, ask for few names at a time. Columns are as long as `rows`, with NaN where there is nothing.
    """
    filled = [column for column in columns if np.isfinite(column).any()]
    carrying = np.flatnonzero(np.logical_or.reduce([np.isfinite(each) for each in filled])) if filled else None
    if carrying is None:
        carrying = np.arange(rows)
    if len(carrying) <= 2 * points:
        return carrying
    edges = np.linspace(0, len(carrying), max(1, points // (1 + len(filled))) + 1).astype(np.int64)
    kept = [edges[:-1], edges[1:] - 1]
    for column in filled:
        values = column[carrying]
        finite = np.isfinite(values)
        for worst, extreme in ((np.inf, np.argmin), (-np.inf, np.argmax)):
            bounded = np.where(finite, values, worst)
            found = [begin + extreme(bounded[begin:end]) for begin, end in pairwise(edges)]
            kept.append(np.array([each for each in found if finite[each]], np.int64))
    return carrying[np.unique(np.concatenate(kept))]


def _numbers(block: bytes, names: Sequence[str], lines: int) -> dict[str, np.ndarray]:
    """The numbers of some names in so many lines of JSON."""
    try:
        frame = pl.read_ndjson(block, schema=dict.fromkeys(names, pl.Float64), ignore_errors=True)
    except pl.exceptions.ComputeError:  # a line is broken
        frame = pl.DataFrame()
    if frame.height == lines:
        return {name: frame[name].fill_null(np.nan).to_numpy() for name in names}
    rows = [json_object(line) or {} for line in block.split(b"\n")[:-1]]
    return {name: np.array([_number(row.get(name)) for row in rows]) for name in names}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan


def json_object(line: bytes) -> dict[str, Any] | None:
    """A line's object, None where it is no JSON object."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _shown(line: bytes, names: Sequence[str] | None) -> str | None:
    if (row := json_object(line)) is None:
        return None
    wanted = row if names is None else {name: row[name] for name in names if name in row}
    return to_json({"step": row.get("step"), "time": row.get("time"), **wanted})


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with (path if path.exists() else Path(os.devnull)).open("rb") as file:
        yield file
