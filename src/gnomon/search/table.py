"""Scores that are there already: a CSV file with one row for each architecture and repeat, or an evaluator's rows.

A source of scores for `find`, `variation` and `truth`. Texts are compared without the spaces around them. A value that
is empty, NaN or one of `missing` is a score there is not: it is NaN here, and ranks below every number.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from gnomon.errors import UserError

if TYPE_CHECKING:
    import polars as pl

MISSING = (-1e8,)
"""What a score that failed is written as besides an empty cell and NaN: NAS-Bench-Suite-Zero's sentinel."""


@dataclass(frozen=True)
class _Column:
    """One ranker's scores, architecture after architecture: those of architecture i begin at `first[i]`."""

    values: np.ndarray
    first: np.ndarray
    count: np.ndarray
    constant: bool = False  # measured once, because nothing that is redrawn moves it


class Table:
    """Scores of architectures by one or more rankers, each in one or more repeats, and where known a target.

    `arch` names the column of architectures, `scores` those of scores: names, or a mapping from name to direction (+1
    where larger is better, -1 where smaller is); otherwise the direction is that of the ranker of that name, and +1
    where there is none. `repeat` names the column that numbers the repeats; without it, rows of one architecture are
    its repeats in the file's order. `where` maps columns to the value that chosen rows have there. Raises UserError
    for a file, column, value or row that is not as it should be.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        arch: str,
        scores: Sequence[str] | Mapping[str, int],
        repeat: str | None = None,
        target: str | None = None,
        missing: Sequence[float] = MISSING,
        where: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(scores, str) or not len(scores):
            raise UserError(f"scores = {scores!r} must list one column of scores or more.")
        frame = read(path, where)
        wanted = [arch, *scores, *([repeat] if repeat is not None else []), *([target] if target is not None else [])]
        for name in wanted:
            require_column(frame, name, path)
        self.path: Path | None = Path(path)
        self._name_archs(texts(frame, arch, path))
        if repeat is None:
            rows = np.argsort(self._index, kind="stable")
        else:
            labels = _labels(frame, repeat, path)
            rows = np.lexsort((labels, self._index))
            self._no_repeat_twice(labels[rows], frame[repeat].to_list(), rows, repeat)
        columns = {name: numbers(frame, name, path, missing) for name in scores}
        self._targets = None if target is None else self._one_target(numbers(frame, target, path, missing), target)
        count = np.bincount(self._index, minlength=len(self._archs))
        first = np.cumsum(count) - count
        self._columns = {name: _Column(values[rows], first, count) for name, values in columns.items()}
        self._directions = directions(scores)

    @classmethod
    def from_rows(cls, frame: "pl.DataFrame") -> Self:
        """A table of an evaluator's rows: columns `arch`, `ranker`, `repeat` and `score` (null where it failed).

        A ranker with one row for each architecture beside rankers with more of them, or one that depends on nothing,
        does not vary: it has as many equal scores as are asked for.
        """
        table = cls.__new__(cls)
        table.path, table._targets = None, None
        table._name_archs(frame["arch"].to_list())
        names = frame["ranker"].unique(maintain_order=True).to_list()
        ranker, repeat = frame["ranker"].to_numpy(), frame["repeat"].to_numpy()
        values = frame["score"].cast(float).fill_null(math.nan).to_numpy()
        most = int(np.max(repeat, initial=0)) + 1
        table._columns, table._directions = {}, directions(names)
        for name in names:
            rows = np.flatnonzero(ranker == name)
            rows = rows[np.lexsort((repeat[rows], table._index[rows]))]
            count = np.bincount(table._index[rows], minlength=len(table._archs))
            once = int(count.max()) == 1 and (most > 1 or not _varies(name))
            table._columns[name] = _Column(values[rows], np.cumsum(count) - count, count, once)
        return table

    @property
    def rankers(self) -> list[str]:
        """The names of the scores."""
        return list(self._columns)

    def archs(self) -> list[str]:
        """Every architecture once, in the order of the file."""
        return list(self._archs)

    def __contains__(self, arch: str) -> bool:
        return arch in self._archs

    def direction(self, ranker: str) -> int:
        """+1 where larger scores of `ranker` are better, -1 where smaller ones are."""
        self._column(ranker)
        return self._directions[ranker]

    def varies(self, ranker: str) -> bool:
        """Whether repeats of `ranker` are measurements of their own."""
        return not self._column(ranker).constant

    def repeats(self, arch: str, ranker: str) -> int:
        """How many scores of `arch` by `ranker` there are, missing ones counted."""
        return int(self._column(ranker).count[self._place(arch)])

    def require_repeats(self, ranker: str, n: int) -> None:
        """Raise UserError where an architecture has fewer than `n` repeats."""
        column = self._column(ranker)
        if not column.constant and (few := column.count < n).any():
            self.samples(list(self._archs)[int(np.argmax(few))], ranker, n)

    def samples(self, arch: str, ranker: str, n: int) -> np.ndarray:
        """The first `n` scores of `arch` by `ranker` [n], NaN where there is none.

        Raises UserError for an architecture or ranker that the table lacks, and for more repeats than it holds.
        """
        column = self._column(ranker)
        place = self._place(arch)
        count = int(column.count[place])
        start = int(column.first[place])
        if column.constant and count:
            return np.repeat(column.values[start], n)
        if n > count:
            raise UserError(
                f"{self._called} holds {count} repeat{'s' * (count != 1)} of {arch!r} by {ranker!r}, fewer than the {n}"
                " asked for."
            )
        return column.values[start : start + n].copy()

    def target(self, arch: str) -> float | None:
        """The truth about `arch`, None where the table does not know it."""
        if self._targets is None:
            return None
        value = float(self._targets[self._place(arch)])
        return value if math.isfinite(value) else None

    def _name_archs(self, listed: Sequence[str]) -> None:
        self._archs: dict[str, int] = {}
        for text in listed:
            self._archs.setdefault(text, len(self._archs))
        self._index = np.array([self._archs[text] for text in listed], dtype=int)

    def _no_repeat_twice(self, labels: np.ndarray, written: Sequence[str], rows: np.ndarray, repeat: str) -> None:
        arch = self._index[rows]
        if (same := (arch[1:] == arch[:-1]) & (labels[1:] == labels[:-1])).any():
            at = int(np.argmax(same))
            raise UserError(
                f"{self.path}: {list(self._archs)[arch[at]]!r} with {repeat} = {written[rows[at]]} stands more than"
                " once: choose rows with --where."
            )

    def _one_target(self, values: np.ndarray, target: str) -> np.ndarray:
        found = np.full(len(self._archs), math.nan)
        found[self._index[::-1]] = values[::-1]  # the first row of each
        other = ~((values == found[self._index]) | (np.isnan(values) & np.isnan(found[self._index])))
        if other.any():
            arch = list(self._archs)[self._index[int(np.argmax(other))]]
            raise UserError(
                f"{self.path}: {arch!r} stands more than once with different {target!r}: choose rows with --where."
            )
        return found

    @property
    def _called(self) -> str:
        return "The table" if self.path is None else str(self.path)

    def _column(self, ranker: str) -> _Column:
        if ranker not in self._columns:
            raise UserError(f"{self._called} has no scores by {ranker!r}; {nearest(ranker, self.rankers)}")
        return self._columns[ranker]

    def _place(self, arch: str) -> int:
        if arch not in self._archs:
            raise UserError(f"{self._called} has no architecture {arch!r}; {nearest(arch, list(self._archs))}")
        return self._archs[arch]


def read(path: str | Path, where: Mapping[str, str] | None = None) -> "pl.DataFrame":
    """The rows of a .csv or .csv.gz file that `where` chooses, every cell as text without the spaces around it."""
    import polars as pl

    path = Path(path)
    if not path.name.lower().endswith((".csv", ".csv.gz")):
        raise UserError(f"{path} is not named as a table; a .csv or .csv.gz file is expected.")
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.csv*")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.5)
        raise UserError(f"There is no file {str(path)!r}" + (f"; near it lies {', '.join(near)}." if near else "."))
    try:
        frame = pl.read_csv(path, infer_schema=False).rename(lambda name: name.strip("\ufeff \t"))
    except pl.exceptions.NoDataError as empty:
        raise UserError(f"{path} is empty; a header and one row for each architecture are expected.") from empty
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as fault:
        reason = " ".join(str(fault).split("\n\n")[0].split())[:200]
        raise UserError(f"{path} could not be read as a table: {reason}.") from fault
    if frame.is_empty():
        raise UserError(f"{path} has a header but no rows; one row for each architecture is expected.")
    frame = frame.with_columns(pl.all().str.strip_chars())
    for column, value in (where or {}).items():
        require_column(frame, column, path)
        chosen = frame.filter(pl.col(column) == str(value).strip())
        if chosen.is_empty():
            there = frame[column].drop_nulls().unique(maintain_order=True).to_list()
            raise UserError(f"{path}: no row has {column} = {value!r}; {nearest(str(value), there)}")
        frame = chosen
    return frame


def require_column(frame: "pl.DataFrame", name: str, path: str | Path) -> None:
    """Raise UserError with the nearest names where `frame` has no column `name`."""
    if name not in frame.columns:
        raise UserError(f"{path} has no column {name!r}; {nearest(name, frame.columns)}")


def texts(frame: "pl.DataFrame", name: str, path: str | Path) -> list[str]:
    """A column of names. Raises UserError where one is empty."""
    listed: list[str] = frame[name].replace("", None).to_list()
    if None in listed:
        raise UserError(f"{path}: row {listed.index(None) + 1} of the chosen rows has no {name!r}.")  # type: ignore[arg-type]
    return listed


def numbers(frame: "pl.DataFrame", name: str, path: str | Path, missing: Sequence[float] = MISSING) -> np.ndarray:
    """A column of numbers [rows], NaN for what is empty, NaN or one of `missing`. Raises UserError for other text."""
    import polars as pl

    given = frame[name].replace("", None)
    parsed = given.cast(pl.Float64, strict=False)
    if (wrong := parsed.is_null() & given.is_not_null() & (given.str.to_lowercase() != "nan")).any():
        row = int(wrong.arg_max() or 0)
        raise UserError(f"{path}: {name} = {given[row]!r} in row {row + 1} of the chosen rows is not a number.")
    values = parsed.fill_null(math.nan).to_numpy().copy()
    values[np.isin(values, missing)] = math.nan
    return values


def nearest(name: str, known: Sequence[str]) -> str:
    """The names of `known` most like `name`, or the first few, as the end of a sentence."""
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return "the nearest are " + ", ".join(map(repr, near)) + "." if len(near) > 1 else f"did you mean {near[0]!r}?"
    shown = ", ".join(map(repr, known[:12])) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"there are {shown}." if known else "there is none."


def _labels(frame: "pl.DataFrame", repeat: str, path: str | Path) -> np.ndarray:
    """What repeats are sorted by: numbers where all are, else the texts' alphabetical places."""
    listed = texts(frame, repeat, path)
    try:
        return np.array([float(text) for text in listed])
    except ValueError:
        return np.unique(listed, return_inverse=True)[1]


def directions(scores: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """The direction of every score: as given, that of the ranker of its name, or +1."""
    if isinstance(scores, Mapping):
        for name, direction in scores.items():
            if direction not in (1, -1):
                raise UserError(f"scores: the direction of {name!r} is {direction!r}; +1 or -1 is expected.")
        return {name: int(direction) for name, direction in scores.items()}
    from gnomon.search import rankers

    known = set(rankers.names())
    return {name: rankers.get(name).direction if name in known else 1 for name in scores}


def _varies(name: str) -> bool:
    from gnomon.search import rankers

    return name not in rankers.names() or bool(rankers.get(name).varies_with)
