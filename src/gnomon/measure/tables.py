"""Tables as people bring them (frames of several makers, columns, files), read as Polars; and cells read as levels.

Every source of one table gives the same levels: a whole number is the same level whether it is written 1, 1.0 or "1",
and `NA` and empty text are missing. In a CSV file a column is of numbers where every cell is one; numbers that begin
with a nought, as codes of regions do ("01"), stay text.
"""

import difflib
import gzip
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.runs.files import write_atomic
from gnomon.stats.arguments import missing

MISSING = ("NA", "")
"""Text that stands for a value there is not."""

_KINDS = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".json")


def read_table(source: Any, *, function: str, argument: str) -> pl.DataFrame:
    """`source` as a Polars frame, missing marks (`NA`, empty text) as null.

    `source` is a Polars frame or lazy frame, a pandas frame, an object with `__arrow_c_stream__`, a mapping from names
    to columns, or a path: .parquet, .csv, .csv.gz, or JSON lines as .jsonl, .jsonl.gz or .json. `function` and
    `argument` say in an error what was asked for. Raises UserError for anything else, for a file that is absent or not
    as its name says, and for columns of unequal length.
    """
    return scan_table(source, function=function, argument=argument).with_columns(_without_marks(pl.String)).collect()


def scan_table(source: Any, *, function: str, argument: str) -> pl.LazyFrame:
    """`read_table` for who reads a few columns of many rows: lazy, and text as it is (`as_levels` knows the marks)."""
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), function, argument)
    if type(source).__module__.split(".")[0] == "pandas" and hasattr(source, "columns"):
        return _from_columns([(str(name), source[name]) for name in _once(source.columns, function, argument)])
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source).lazy()
    if isinstance(source, Mapping):
        try:
            return _from_columns([(str(name), values) for name, values in source.items()])
        except (pl.exceptions.ShapeError, TypeError) as fault:
            lengths = ", ".join(f"{name!r} {_length(values)}" for name, values in source.items())
            raise UserError(
                f"{function}: {argument} must map names to columns of one length; it has {lengths}."
            ) from fault
    raise UserError(
        f"{function}: {argument} is of type {type(source).__name__}; a Polars or pandas frame, an Arrow table, a"
        " mapping of columns, or a path is expected."
    )


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write `frame` so that `path` holds either what it held before or all of this."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def need_column(frame: pl.DataFrame | pl.LazyFrame, name: str, *, function: str, argument: str, where: str) -> None:
    """Raise UserError, listing the columns there are, unless `frame`, called `where` in the sentence, has `name`.

    `argument` is the argument (or option) that named the column.
    """
    there = frame.collect_schema().names()
    if name in there:
        return
    near = difflib.get_close_matches(str(name), there, n=1)
    shown = ", ".join(map(repr, there[:30])) + (f" and {len(there) - 30} more" if len(there) > 30 else "")
    raise UserError(
        f"{function}: {argument} names column {name!r}, which {where} does not have; it has {shown or 'no columns'}"
        + (f" (did you mean {near[0]!r}?)." if near else ".")
    )


def need_amounts(frame: pl.DataFrame, name: str, *, function: str, argument: str, where: str) -> pl.Series:
    """A column of weights or counts: numbers, none missing, infinite or below 0, and not all of them 0.

    Raises UserError that names the column, and the row (from 1) where one is wrong. `where` as in `need_column`.
    """
    need_column(frame, name, function=function, argument=argument, where=where)
    column = frame[name]
    at = f"{function}: column {name!r} of {where} ({argument})"
    if not column.dtype.is_numeric():
        strange = column.filter(column.is_not_null() & column.cast(pl.Float64, strict=False).is_null())
        first = (strange if len(strange) else column.drop_nulls()).head(1).to_list()
        raise UserError(f"{at} holds {first[0] if first else None!r:.60}; numbers of 0 or more are expected.")
    if column.dtype.is_decimal():
        column = column.cast(pl.Float64)
    wrong = column.is_null()
    if column.dtype.is_float():
        wrong |= ~column.is_finite().fill_null(False)
    wrong |= (column < 0).fill_null(False)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise UserError(f"{at} is {_said(column[row])} in row {row + 1}; numbers of 0 or more are expected.")
    if not (column > 0).any():
        raise UserError(f"{at} is 0 everywhere; some number above 0 is needed.")
    return column


def as_levels(series: pl.Series) -> pl.Series:
    """A column as text levels: 1, 1.0 and "1" alike, whole floats without ".0"; null, NaN, `NA` and "" are null.

    Raises UserError for a column of lists or structures.
    """
    kind = series.dtype
    if kind.is_nested() or kind == pl.Binary or kind == pl.Object:
        raise UserError(f"column {series.name!r} holds {kind}; text or numbers are expected as levels.")
    if kind.is_decimal():
        series, kind = series.cast(pl.Float64), pl.Float64()
    if kind.is_float():
        whole = series.is_finite() & (series == series.floor()) & (series.abs() < 2**53)
        text = series.fill_nan(None).cast(pl.String)
        return text.zip_with(~whole.fill_null(False), series.cast(pl.Int64, strict=False).cast(pl.String))
    return series.cast(pl.String).to_frame().select(_without_marks(pl.String)).to_series()


def is_missing(series: pl.Series) -> pl.Series:
    """Where a column holds null, NaN, `NA` or empty text."""
    if series.dtype.is_float():
        return series.is_null() | series.is_nan().fill_null(True)
    return series.is_null() | series.is_in(MISSING) if series.dtype == pl.String else series.is_null()


def _without_marks(kind: type[pl.String]) -> pl.Expr:
    columns = pl.col(kind)
    return pl.when(~columns.is_in(MISSING)).then(columns)


def _once(names: Iterable[Any], function: str, argument: str) -> list[Any]:
    listed = list(names)
    twice = [name for name in listed if listed.count(name) > 1]
    if twice:
        raise UserError(f"{function}: {argument} has column {twice[0]!r} twice; names must differ.")
    return listed


def _from_columns(columns: Sequence[tuple[str, Any]]) -> pl.LazyFrame:
    return pl.DataFrame([_series(name, values) for name, values in columns]).lazy()


def _series(name: str, values: Any) -> pl.Series:
    """A column from a list, an array, or a Polars or pandas column; what is not equal to itself (NaN, NA) is null."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    if isinstance(getattr(values, "dtype", None), np.dtype) and values.dtype.kind in "biufUM":
        return pl.Series(name, np.asarray(values))
    entries = list(values)
    boxed = np.empty(len(entries), dtype=object)
    boxed[:] = entries
    gaps = missing(boxed)
    entries = [None if gap else value for value, gap in zip(entries, gaps, strict=True)]
    if any(isinstance(value, str) for value in entries):
        entries = [int(value) if isinstance(value, float) and value.is_integer() else value for value in entries]
    return pl.Series(name, entries, strict=False)


def _length(values: Any) -> str:
    return str(len(values)) if hasattr(values, "__len__") and not isinstance(values, str) else f"= {values!r:.40}"


def _read_file(path: Path, function: str, argument: str) -> pl.LazyFrame:
    name = path.name.lower()
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*.*")] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"; near it lies {near[0]}" if near else ""
        raise UserError(f"{function}: {argument} = {str(path)!r} is not a file{hint}.")
    if not name.endswith(_KINDS):
        raise UserError(f"{function}: {argument} = {str(path)!r} must be one of {', '.join(_KINDS)}.")
    try:
        if name.endswith(".parquet"):
            lazy = pl.scan_parquet(path)
            lazy.collect_schema()
            return lazy
        content = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        if not content.strip():
            raise UserError(f"{function}: {argument} = {str(path)!r} is empty; a table is expected.")
        if name.endswith((".csv", ".csv.gz")):
            return _read_csv(content).lazy()
        return pl.read_ndjson(io.BytesIO(content), infer_schema_length=None).lazy()
    except (pl.exceptions.PolarsError, OSError, EOFError) as fault:
        reason = " ".join(str(fault).split("\n\n")[0].split())[:200].rstrip(".")
        kind = "JSON lines" if ".json" in name else name.removesuffix(".gz").rsplit(".", 1)[1]
        raise UserError(f"{function}: {argument} = {str(path)!r} cannot be read as {kind} ({reason}).") from fault


def _read_csv(content: bytes) -> pl.DataFrame:
    frame = pl.read_csv(io.BytesIO(content), infer_schema=False, null_values=list(MISSING))
    frame = frame.rename(lambda name: name.strip("\ufeff \t"))
    return frame.with_columns(_as_numbers(column) for column in frame)


def _as_numbers(text: pl.Series) -> pl.Series:
    """A column of numbers where every cell is one and none is a code that begins with a nought."""
    there = text.drop_nulls()
    if there.is_empty() or there.str.contains(r"^[+-]?0\d").any():
        return text
    for kind in (pl.Int64, pl.Float64):
        if there.cast(kind, strict=False).null_count() == 0:
            return text.cast(kind)
    return text


def _said(value: Any) -> str:
    return "missing" if value is None else f"{value:g}"
