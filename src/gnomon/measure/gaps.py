"""Did an adjustment bring sources together? Gaps between them, cell by cell, before and after, with intervals.

Adjusted estimates need not agree better: two studies may differ in what weighting cannot see. So both directions are
counted here: cells in which sources came closer, and cells in which they moved apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtri

from gnomon.errors import UserError
from gnomon.measure.tables import need_column, read_table
from gnomon.stats.arguments import check_level
from gnomon.stats.intervals import wilson

NAME = "concordance"


@dataclass(frozen=True)
class Concordance:
    """Gaps between sources under each method.

    `frame`: the cell columns, `source_a`, `source_b`, `method`, `gap` (a - b), `low`, `high`, and `closer`: whether
    |gap| is smaller than that of the reference method in the same cell between the same sources (null on the
    reference's own rows, and where either gap is missing).

    `summary`, one row for each other method: `method`, `cells` (gaps compared), `closer`, `farther`, `share_closer`
    with `low` and `high`, and `mean_change`, the mean of |gap| - |gap of the reference| (below 0: closer).
    """

    frame: pl.DataFrame
    summary: pl.DataFrame


def concordance(
    frame: Any,
    *,
    cell: str | Sequence[str],
    source: str,
    method: str,
    value: str,
    se: str,
    reference: str,
    level: float = 0.95,
) -> Concordance:
    """Compare estimates of several sources in the same cells, under several methods, with a `reference` method.

    `frame` (a table, see `tables.read_table`) has one row for each cell, source and method, with the estimate in column
    `value` and its standard error in `se`. `cell` is a column or several. A missing value gives no gap, a missing
    standard error no interval.

    The interval of a gap is normal, (a - b) +/- z sqrt(se_a^2 + se_b^2): the sources are taken to be independent.
    `share_closer` has Wilson's interval over cells, as if they were drawn independently; cells of one survey are not
    quite, so read it as a lower bound of the doubt. Rows are sorted by cell, sources and method, the reference first.

    Raises UserError for an absent column, a cell without a name, the same cell, source and method twice, fewer than
    two sources, a reference that is none of the methods, values that are not finite numbers, and errors below 0.
    """
    check_level(NAME, level)
    table = read_table(frame, function=NAME, argument="frame").fill_nan(None)
    cells = [cell] if isinstance(cell, str) else list(cell)
    if not cells:
        raise UserError(f"{NAME}: cell is empty; at least one column that names the cells is needed.")
    named = [
        *(("cell", column) for column in cells),
        ("source", source),
        ("method", method),
        ("value", value),
        ("se", se),
    ]
    for argument, column in named:
        need_column(table, column, function=NAME, argument=argument, where="frame")
    keys = [*cells, source, method]
    parts = [*keys, value, se]
    if repeated := [column for column in parts if parts.count(column) > 1]:
        raise UserError(
            f"{NAME}: column {repeated[0]!r} has two parts at once; cell, source, method, value, se differ."
        )
    if taken := [column for column in cells if column in (*_GAPS, "value", "se")]:
        raise UserError(f"{NAME}: cell column {taken[0]!r} has the name of a column of the result; rename it.")
    for argument, column in named[:-2]:
        if table[column].null_count():
            raise UserError(
                f"{NAME}: column {column!r} ({argument}) is missing in some rows; every row needs its name."
            )
    for argument, column in named[-2:]:
        _check_numbers(table[column], argument)
    table = table.with_columns(pl.col(source, method).cast(pl.String), pl.col(value, se).cast(pl.Float64))
    if (twice := table.filter(table.select(keys).is_duplicated())).height:
        where = ", ".join(f"{key} {twice[key][0]!r}" for key in keys)
        raise UserError(f"{NAME}: {where} is in {twice.height} rows; one estimate for each cell, source and method.")
    sources, methods = sorted(table[source].unique()), sorted(table[method].unique())
    if len(sources) < 2:
        raise UserError(f"{NAME}: column {source!r} names {len(sources)} source; a gap needs two.")
    if reference not in methods:
        raise UserError(
            f"{NAME}: reference {reference!r} is none of the methods in column {method!r}; they are"
            f" {', '.join(map(repr, methods))}."
        )
    gaps = _gaps(table, cells, source, method, value, se, sources, level)
    base = gaps.filter(pl.col("method") == reference).select(*cells, "source_a", "source_b", before=pl.col("gap").abs())
    gaps = gaps.join(base, on=[*cells, "source_a", "source_b"], how="left").with_columns(
        closer=pl.when(pl.col("method") != reference).then(pl.col("gap").abs() < pl.col("before")),
        first=pl.col("method") != reference,
    )
    gaps = gaps.sort(*cells, "source_a", "source_b", "first", "method")
    summary = [_summarise(gaps, other, level) for other in methods if other != reference]
    return Concordance(gaps.drop("before", "first"), pl.DataFrame(summary, schema=_SUMMARY, orient="row"))


_GAPS = ("source_a", "source_b", "method", "gap", "low", "high", "closer")
_SUMMARY = {
    "method": pl.String,
    "cells": pl.Int64,
    "closer": pl.Int64,
    "farther": pl.Int64,
    "share_closer": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "mean_change": pl.Float64,
}


def _gaps(
    table: pl.DataFrame,
    cells: list[str],
    source: str,
    method: str,
    value: str,
    se: str,
    sources: list[str],
    level: float,
) -> pl.DataFrame:
    half = float(ndtri(0.5 + level / 2))
    one = {
        name: table.filter(pl.col(source) == name).select(
            *cells, pl.col(method).alias("method"), pl.col(value).alias("value"), pl.col(se).alias("se")
        )
        for name in sources
    }
    pairs = []
    for a, b in combinations(sources, 2):
        both = one[a].join(one[b], on=[*cells, "method"], how="inner", suffix="_b")
        gap, error = pl.col("value") - pl.col("value_b"), (pl.col("se") ** 2 + pl.col("se_b") ** 2).sqrt()
        pairs.append(
            both.select(
                *cells,
                source_a=pl.lit(a),
                source_b=pl.lit(b),
                method=pl.col("method"),
                gap=gap,
                low=gap - half * error,
                high=gap + half * error,
            )
        )
    return pl.concat(pairs)


def _summarise(gaps: pl.DataFrame, method: str, level: float) -> tuple[Any, ...]:
    rows = gaps.filter((pl.col("method") == method) & pl.col("closer").is_not_null())
    change = (rows["gap"].abs() - rows["before"]).to_numpy()
    closer, farther = int((change < 0).sum()), int((change > 0).sum())
    share = wilson(closer, rows.height, level)
    mean = float(np.mean(change)) if rows.height else None
    return method, rows.height, closer, farther, share.value, share.low, share.high, mean


def _check_numbers(column: pl.Series, argument: str) -> None:
    if not column.dtype.is_numeric():
        raise UserError(f"{NAME}: column {column.name!r} ({argument}) holds {column.dtype}; numbers are expected.")
    numbers = column.cast(pl.Float64).drop_nulls()
    if (~numbers.is_finite()).any():
        raise UserError(
            f"{NAME}: column {column.name!r} ({argument}) holds an infinite number; finite ones are expected."
        )
    if argument == "se" and (numbers < 0).any():
        raise UserError(f"{NAME}: column {column.name!r} (se) holds {numbers.min()!r}; standard errors are 0 or more.")
