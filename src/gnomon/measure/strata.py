"""Strata: the cells of a cross-classification, as a target population lists them and as the rows of a sample fill them.

Levels are text (`tables.as_levels`). The target's cells stand in the target's order; what is drawn at random goes by
`rank`, the order of the labels, so that no order of rows, categories or variables changes a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.measure.tables import as_levels, is_missing, need_amounts, need_column, scan_table

N, WEIGHT, CLUSTER, CELL = "__n", "__weight", "__cluster", "__cell"
"""Columns of our own beside a person's: rows counted, their weight, their cluster, the position of their cell."""
_STRATUM, _RANK = "__stratum", "__rank"


@dataclass(frozen=True)
class Target:
    """A population: `rows` holds the strata as levels and `N`, each count in whole units of 1/`scale`."""

    rows: pl.DataFrame
    scale: float
    kinds: dict[str, str]


@dataclass(frozen=True)
class Cells:
    """The target's cells of one stratification, in its order.

    `labels` holds their levels; `units` (k, Python's integers) their counts in whole units of 1/`scale`; `least` and
    `most` (k, in those units) what they may be when every count that went into them may be off by the target's error.
    """

    by: list[str]
    labels: pl.DataFrame
    units: list[int]
    scale: float
    least: np.ndarray
    most: np.ndarray
    unlabelled: int
    """Rows of the target that lack one of the levels, and so belong to no cell."""


@dataclass(frozen=True)
class Sample:
    """A sample: the strata as they came, and where given `N` (the row's count), `WEIGHT` and `CLUSTER`."""

    rows: pl.DataFrame
    kinds: dict[str, str]


@dataclass(frozen=True)
class Tally:
    """A sample counted: `strata` holds each combination of levels that occurs (null: missing) with its `N` rows,
    `rows` how many rows (`N`) share their combination, weight and cluster.
    """

    strata: pl.DataFrame
    rows: pl.DataFrame


@dataclass(frozen=True)
class Matched:
    """A sample's rows in a target's cells.

    `rows` counts (`N`) equal rows: those of one `CELL`, `WEIGHT` and `CLUSTER`, in the order of cells' labels (`CELL`
    is a position in `Cells.labels`). `n_missing` rows lack a level, `n_unmatched` have one that the target lacks.
    """

    rows: pl.DataFrame
    n_missing: int
    n_unmatched: int


def stratifications(by: Any, *, function: str, reserved: Sequence[str] = ()) -> list[list[str]]:
    """`by` as a list of cross-classifications, each a list of columns: one list of names is one of them.

    Raises UserError for anything else, an empty list, a column or a cross-classification named twice, and a column
    that has the name of one of the result's own (`reserved`).
    """
    listed = list(by) if isinstance(by, list | tuple) else None
    if listed and all(isinstance(name, str) for name in listed):
        listed = [listed]
    if not listed or not all(
        isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names) for names in listed
    ):
        raise UserError(
            f"{function}: by = {by!r} must list the columns to stratify by, as ['age', 'sex'], or several such lists."
        )
    crossed = [list(names) for names in listed]
    for names in crossed:
        if len(set(names)) < len(names):
            raise UserError(f"{function}: by names a column twice in {names}; each stands once.")
        if taken := [name for name in names if name in reserved]:
            raise UserError(
                f"{function}: by names column {taken[0]!r}, which is a name of the result's own; rename it in both"
                " tables."
            )
    if len({frozenset(names) for names in crossed}) < len(crossed):
        raise UserError(f"{function}: by holds the same stratification twice in {crossed}; each stands once.")
    return crossed


def read_target(target: Any, columns: Sequence[str], count: str, *, function: str) -> Target:
    """The population's counts by `columns`. Raises UserError for columns that are absent, counts that are not numbers
    of 0 or more or are all 0, no rows, and a cell that stands twice: equal in every column but the count.
    """
    frame = scan_table(target, function=function, argument="target").collect()
    for name in columns:
        need_column(frame, name, function=function, argument="by", where="target")
    need_column(frame, count, function=function, argument="target_count", where="target")
    if count in columns:
        raise UserError(f"{function}: column {count!r} is both a stratum and target_count; it can be one of them.")
    if frame.is_empty():
        raise UserError(f"{function}: target has no rows; one for each cell of the population is expected.")
    amounts = need_amounts(frame, count, function=function, argument="target_count", where="target")
    strata = frame.select(_levels(frame[name], function, "target") for name in columns)
    others = frame.drop(count, *columns)
    _refuse_twins(pl.concat([strata, others], how="horizontal"), function)
    units, scale = _in_units(amounts)
    return Target(strata.with_columns(units.alias(N)), scale, {name: _kind(frame[name].dtype) for name in columns})


def read_sample(
    sample: Any, columns: Sequence[str], *, count: str | None, weight: str | None, cluster: str | None, function: str
) -> Sample:
    """The columns of a sample that are asked for. Raises UserError for columns that are absent, no rows, counts that
    are not whole numbers, weights that are not numbers of 0 or more or are all 0, and rows without a cluster.
    """
    scanned = scan_table(sample, function=function, argument="sample")
    asked = {"count": count, "weight": weight, "cluster": cluster}
    for argument, name in [*(("by", name) for name in columns), *asked.items()]:
        if name is not None:
            need_column(scanned, name, function=function, argument=argument, where="sample")
    for argument in ("count", "weight"):
        if asked[argument] in columns or (
            asked[argument] is not None and list(asked.values()).count(asked[argument]) > 1
        ):
            raise UserError(f"{function}: column {asked[argument]!r} is {argument} and something else; it can be one.")
    wanted = dict.fromkeys([*columns, *(name for name in asked.values() if name is not None)])
    frame = scanned.select(list(wanted)).collect()
    if frame.is_empty():
        raise UserError(f"{function}: sample has no rows; at least one is needed.")
    kinds = {name: _kind(frame[name].dtype) for name in columns}
    rows = frame.select(columns)
    if count is not None:
        counts = need_amounts(frame, count, function=function, argument="count", where="sample")
        if (broken := counts != counts.floor()).any():
            at = int(broken.arg_max() or 0)
            raise UserError(
                f"{function}: column {count!r} of sample (count) is {counts[at]:g} in row {at + 1}; whole numbers are"
                " expected, and weights go into weight."
            )
        rows = rows.with_columns(counts.cast(pl.Int64).alias(N))
    if weight is not None:
        weights = need_amounts(frame, weight, function=function, argument="weight", where="sample")
        rows = rows.with_columns(weights.cast(pl.Float64).alias(WEIGHT))
    if cluster is not None:
        if (gaps := is_missing(frame[cluster])).any():
            at = int(gaps.arg_max() or 0)
            raise UserError(
                f"{function}: column {cluster!r} of sample (cluster) is missing in row {at + 1}; every row needs one."
            )
        rows = rows.with_columns(frame[cluster].alias(CLUSTER))
    return Sample(rows.filter(pl.col(N) > 0) if count is not None else rows, kinds)


def compared_as_text(sample: Sample, target: Target) -> list[str]:
    """A sentence for each column whose kinds differ between sample and target."""
    return [
        f"Column {name!r} holds {kind} in the sample and {target.kinds[name]} in the target; they are compared as text."
        for name, kind in sample.kinds.items()
        if kind != target.kinds[name] and "nothing" not in (kind, target.kinds[name])
    ]


def cells_of(target: Target, by: Sequence[str], error: float = 0.0) -> Cells:
    """The cells of `by` in the target's order, counts of other columns added up; `error` is what each may be off by."""
    names = list(by)
    complete = target.rows.drop_nulls(names)
    frame = complete.group_by(names, maintain_order=True).agg(
        pl.col(N).sum(),
        (pl.col(N) - error * target.scale).clip(lower_bound=0).sum().alias("least"),
        (pl.col(N) + error * target.scale).sum().alias("most"),
    )
    return Cells(
        names,
        frame.select(names),
        frame[N].to_list(),
        target.scale,
        frame["least"].to_numpy(),
        frame["most"].to_numpy(),
        target.rows.height - complete.height,
    )


def tally(sample: Sample, by: Sequence[str], *, function: str) -> Tally:
    """Count the rows of each combination of `by`, and of weight and cluster within it."""
    rows = sample.rows
    count = pl.col(N).sum() if N in rows.columns else pl.len().cast(pl.Int64).alias(N)
    counted = rows.group_by(by).agg(count).with_row_index(_STRATUM)
    levels = counted.with_columns(_levels(counted[name], function, "sample") for name in by)
    keys = [_STRATUM, *(name for name in (WEIGHT, CLUSTER) if name in rows.columns)]
    if len(keys) == 1:
        return Tally(levels, counted.select(_STRATUM, N))
    coded = rows.join(counted.select(*by, _STRATUM), on=list(by), how="left", nulls_equal=True)
    return Tally(levels, coded.drop(by).group_by(keys).agg(count))


def match(tallied: Tally, cells: Cells, *, unmatched: str, function: str) -> Matched:
    """The rows of a tally in the target's cells, which may be by fewer columns than the tally.

    Rows that lack a level are counted and left out. Rows in no cell of the target are too where `unmatched` is "drop";
    where it is "error" they raise a UserError that names column, level and how many they are.
    """
    complete = tallied.strata.drop_nulls(cells.by)
    n_missing = int(tallied.strata[N].sum()) - int(complete[N].sum())
    if complete.is_empty():
        raise UserError(f"{function}: no row of sample has a value of {_and(cells.by)}; at least one is needed.")
    places = cells.labels.with_row_index(CELL).sort(sorted(cells.by)).with_row_index(_RANK)
    joined = complete.join(places, on=cells.by, how="left")
    outside = joined.filter(pl.col(CELL).is_null())
    if outside.height and unmatched == "error":
        raise UserError(_unmatched(outside, cells, function))
    inside = joined.filter(pl.col(CELL).is_not_null()).select(_STRATUM, _RANK, CELL)
    if inside.is_empty():
        raise UserError(f"{function}: no row of sample is in a cell of target by {_and(cells.by)}.")
    rows = tallied.rows.join(inside, on=_STRATUM)
    rows = rows.group_by(column for column in rows.columns if column not in (_STRATUM, N)).agg(pl.col(N).sum())
    rows = rows.sort([_RANK, *([WEIGHT] if WEIGHT in rows.columns else []), N]).drop(_RANK)
    return Matched(rows, n_missing, int(outside[N].sum()))


def whole_units(values: np.ndarray) -> tuple[np.ndarray, float] | None:
    """`values` as whole numbers of 1/scale, and scale, a power of ten: 44.21 is 4421 of 1/100. None where there is none
    with all digits, or where they would add up to more than a float holds exactly.
    """
    for digits in range(16):
        scale = 10.0**digits
        units = np.rint(values * scale)
        if units.sum() > 2**53:
            return None
        if (units / scale == values).all():
            return units.astype(np.int64), scale
    return None


def _in_units(amounts: pl.Series) -> tuple[pl.Series, float]:
    """Counts as whole units of 1/scale; where no power of ten serves, to 15 digits of their sum."""
    if amounts.dtype.is_integer():
        return amounts.cast(pl.Int64), 1.0
    values = amounts.cast(pl.Float64).to_numpy()
    if (found := whole_units(values)) is not None:
        return pl.Series(found[0]), found[1]
    scale = 2.0 ** np.floor(52 - np.log2(values.sum()))
    return pl.Series(np.rint(values * scale).astype(np.int64)), scale


def _levels(column: pl.Series, function: str, where: str) -> pl.Series:
    try:
        return as_levels(column)
    except UserError as wrong:
        raise UserError(f"{function}: in {where}, {wrong}") from None


def _kind(kind: pl.DataType) -> str:
    if isinstance(kind, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if kind == pl.Null:
        return "nothing"
    if kind.is_integer():
        return "whole numbers"
    if kind.is_float() or kind.is_decimal():
        return "floating-point numbers"
    return "truth values" if kind == pl.Boolean else str(kind)


def _refuse_twins(rows: pl.DataFrame, function: str) -> None:
    """Raise UserError where two rows of the target, without their counts, are the same."""
    twins = rows.is_duplicated()
    if twins.any():
        first = rows.row(int(twins.arg_max() or 0), named=True)
        cell = ", ".join(f"{name} = {value!r}" for name, value in first.items())
        raise UserError(f"{function}: target holds the cell {cell} twice; each stands once, or differs in a column.")


def _unmatched(outside: pl.DataFrame, cells: Cells, function: str) -> str:
    advice = "add it to target, or leave such rows out with unmatched='drop'"
    for name in cells.by:
        strangers = outside.join(cells.labels.select(name).unique(), on=name, how="anti")
        if strangers.height:
            worst = strangers.group_by(name).agg(pl.col(N).sum()).sort([N, name], descending=[True, False])
            others = worst.height - 1
            more = f" and {others} more level{'s' if others > 1 else ''}" if others else ""
            return (
                f"{function}: column {name!r} of sample has the level {worst[name][0]!r} (n = {worst[N][0]}){more},"
                f" which target lacks; {advice}."
            )
    worst = (
        outside.group_by(cells.by)
        .agg(pl.col(N).sum())
        .sort([N, *cells.by], descending=[True] + [False] * len(cells.by))
    )
    cell = ", ".join(f"{name} = {worst[name][0]!r}" for name in cells.by)
    return f"{function}: sample has rows in the cell {cell} (n = {worst[N][0]}), which target lacks; {advice}."


def _and(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))
