"""Weights that bring a sample's margins to a population's: raking, and post-stratification as its one-margin case.

Both start from the design weights and multiply every row of a cell by one factor. They lump no levels, trim no weights,
and report what was achieved and what it cost. How an estimate's error changes by it is another matter, which only
replicate weights answer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.measure.strata import cells_of, read_target
from gnomon.measure.tables import as_levels, need_amounts, need_column, read_table
from gnomon.stats.survey import kish_deff

SAME_TOTAL = 1e-9
"""How far, relatively, the totals of two margins may lie apart and still count as one population's."""


@dataclass(frozen=True)
class Weighting:
    """Weights of a sample's rows and what they achieve.

    `weights` [rows] add up to the target's total. `frame` has one row for each level of each margin: `variable`,
    `level`, `target`, `achieved` (the sum of the weights there) and `error`, which is achieved / target - 1.
    `max_error` is the largest of them without its sign. `deff` is Kish's design effect of the weights and `n_eff` the
    number of equally weighted rows that are worth as much, rows / deff. `design_deff` is the same of the weights that
    raking started from.
    """

    weights: np.ndarray
    frame: pl.DataFrame
    max_error: float
    converged: bool
    iterations: int
    deff: float
    n_eff: float
    design_deff: float


def rake(
    sample: Any,
    target: Any,
    margins: Sequence[str | Sequence[str]],
    *,
    weight: str | None = None,
    target_count: str = "n",
    max_iter: int = 200,
    tol: float = 1e-10,
) -> Weighting:
    """Weights whose sums over every level of every margin are the target's (Deming and Stephan 1940, Annals of
    Mathematical Statistics 11(4); "iterative proportional fitting").

    In turn for each margin, all weights of a level are multiplied by target / (their sum); this is repeated until no
    level is further than `tol` from its target, relatively, or `max_iter` times. Rows that agree in every margin get
    one factor, so design weights (`weight`, a column of `sample`; 1 where None) keep their proportions there.

    `sample` is a table, one row a unit (`tables.read_table` says what may be one). `target` is a table with the
    margins' columns and a count (`target_count`), whose other columns are summed over; or, where only margins are
    known, {"stype": {"E": 4421, "H": 755}, "wide": {"Yes": ...}}. `margins` lists columns; a list in it is a margin of
    cells: ["region", ["age", "sex"]].

    Raises UserError, naming variable and level, for a level with a target and no rows (or none with a weight above 0),
    rows without a level or without a target, and margins with different totals; and for weights or counts that are
    not numbers of 0 or more.
    """
    if isinstance(margins, str) or not margins:
        raise UserError(f"rake: margins = {margins!r} must be a list of columns, as ['age', 'sex'] is.")
    wanted = [(margin,) if isinstance(margin, str) else tuple(margin) for margin in margins]
    return _fit("rake", "margins", sample, target, wanted, weight, target_count, max_iter, tol)


def post_stratify(
    sample: Any, target: Any, by: Sequence[str], *, weight: str | None = None, target_count: str = "n"
) -> Weighting:
    """Weights whose sums over every cell of the cross-classification `by` are the target's (Holt and Smith 1979,
    Journal of the Royal Statistical Society A 142(1)).

    Arguments, result and errors are those of `rake`; one pass is exact.
    """
    if isinstance(by, str) or not by:
        raise UserError(f"post_stratify: by = {by!r} must be a list of columns, as ['age', 'sex'] is.")
    return _fit("post_stratify", "by", sample, target, [tuple(by)], weight, target_count, 1, 1e-10)


def _fit(
    function: str,
    argument: str,
    sample: Any,
    target: Any,
    margins: Sequence[tuple[str, ...]],
    weight: str | None,
    target_count: str,
    max_iter: int,
    tol: float,
) -> Weighting:
    if not (max_iter >= 1 and tol > 0):
        raise UserError(f"{function}: max_iter = {max_iter} and tol = {tol} must be at least 1 and above 0.")
    if twice := [margin for margin in margins if margins.count(margin) > 1 or len(set(margin)) < len(margin)]:
        raise UserError(f"{function}: {argument} names {name_of(twice[0])!r} twice; once is enough.")
    frame = read_table(sample, function=function, argument="sample")
    for column in {column: None for margin in margins for column in margin}:
        need_column(frame, column, function=function, argument=argument, where="sample")
    if frame.is_empty():
        raise UserError(f"{function}: sample has no rows; at least one is needed.")
    design = np.ones(frame.height)
    if weight is not None:
        weights = need_amounts(frame, weight, function=function, argument="weight", where="sample")
        design = weights.cast(pl.Float64).to_numpy()
    levels = _read_margins(function, argument, target, margins, target_count)
    _refuse_different_totals(function, levels)
    codes = [_code(function, frame, margin, levels[margin]) for margin in margins]
    sums, cell, code_of_cell = _cells(codes, design)
    goals = [
        _goals(function, margin, levels[margin], code, design) for margin, code in zip(margins, codes, strict=True)
    ]

    factor = np.ones(len(sums))
    for iterations in range(1, max_iter + 1):  # noqa: B007
        for code, goal in zip(code_of_cell, goals, strict=True):
            now = np.bincount(code, sums * factor, len(goal))
            factor *= np.divide(goal, now, out=np.ones(len(goal)), where=now > 0)[code]
        achieved = [np.bincount(code, sums * factor, len(goal)) for code, goal in zip(code_of_cell, goals, strict=True)]
        errors = [
            np.divide(got, goal, out=np.ones(len(goal)), where=goal > 0) - 1
            for got, goal in zip(achieved, goals, strict=True)
        ]
        max_error = max(float(np.abs(error).max()) for error in errors)
        if max_error <= tol:
            break
    fitted = design * factor[cell]
    deff = kish_deff(np.sort(fitted))  # sorted, so that the order of rows does not reach the last bit
    report = pl.concat(
        levels[margin]
        .with_columns(achieved=pl.Series(got), error=pl.Series(error))
        .sort("place")
        .select(
            pl.lit(name_of(margin)).alias("variable"),
            pl.concat_str([f"level {at}" for at in range(len(margin))], separator=" x ").alias("level"),
            "target",
            "achieved",
            "error",
        )
        for margin, got, error in zip(margins, achieved, errors, strict=True)
    )
    return Weighting(
        fitted,
        report,
        max_error,
        max_error <= tol,
        iterations,
        deff,
        len(fitted) / deff,
        kish_deff(np.sort(design)),
    )


def name_of(margin: Sequence[str]) -> str:
    """A margin as a report writes it: "age x sex"."""
    return " x ".join(margin)


def _read_margins(
    function: str, argument: str, target: Any, margins: Sequence[tuple[str, ...]], target_count: str
) -> dict[tuple[str, ...], pl.DataFrame]:
    """Each margin's levels ("level 0", ...), sorted, with their `target` and their `place` in the target's order."""
    if isinstance(target, Mapping) and target and all(isinstance(value, Mapping) for value in target.values()):
        return {margin: _from_mapping(function, argument, target, margin) for margin in margins}
    frame = read_table(target, function=function, argument="target")
    columns = list(dict.fromkeys(column for margin in margins for column in margin))
    for column in columns:
        need_column(frame, column, function=function, argument=argument, where="target")
    population = read_target(frame, columns, target_count, function=function)
    found = {}
    for margin in margins:
        cells = cells_of(population, margin)
        if cells.unlabelled:
            raise UserError(
                f"{function}: {cells.unlabelled} rows of target have no level of {name_of(margin)!r}; leave them out or"
                " name it, for all margins are of one population."
            )
        labels = cells.labels.rename({column: f"level {at}" for at, column in enumerate(margin)})
        targets = pl.Series("target", [units / cells.scale for units in cells.units], dtype=pl.Float64)
        found[margin] = labels.with_columns(targets).with_row_index("place").sort(labels.columns)
    return found


def _from_mapping(
    function: str, argument: str, target: Mapping[str, Mapping[Any, Any]], margin: tuple[str, ...]
) -> pl.DataFrame:
    variable = name_of(margin)
    if len(margin) > 1 or variable not in target:
        raise UserError(
            f"{function}: {argument} names {variable!r}, for which target has no margin; it has"
            f" {', '.join(map(repr, target))}."
        )
    given = target[variable]
    levels = as_levels(pl.Series("level 0", list(given), strict=False))
    counts = []
    for level, count in zip(levels, given.values(), strict=True):
        if not isinstance(count, int | float) or isinstance(count, bool) or not (math.isfinite(count) and count >= 0):
            raise UserError(
                f"{function}: target of {variable!r}, level {level!r} is {count!r}; a number of 0 or more is expected."
            )
        counts.append(float(count))
    if levels.null_count() or levels.n_unique() < len(levels):
        raise UserError(f"{function}: target of {variable!r} has a level twice or one without a name; each needs one.")
    if not any(counts):
        raise UserError(f"{function}: target of {variable!r} is 0 everywhere; some level needs a count above 0.")
    return pl.DataFrame({"level 0": levels, "target": counts}).with_row_index("place").sort("level 0")


def _refuse_different_totals(function: str, levels: Mapping[tuple[str, ...], pl.DataFrame]) -> None:
    totals = {margin: math.fsum(frame["target"]) for margin, frame in levels.items()}
    (first, total), *others = totals.items()
    for margin, other in others:
        if abs(other - total) > SAME_TOTAL * max(other, total):
            raise UserError(
                f"{function}: the target adds up to {total:.12g} over the levels of {name_of(first)!r} but to"
                f" {other:.12g} over those of {name_of(margin)!r}; margins of one population, or shares, are expected."
            )


def _code(function: str, frame: pl.DataFrame, margin: tuple[str, ...], levels: pl.DataFrame) -> np.ndarray:
    """Each row's level of one margin, as its position in `levels`. Refuses rows without a level or without a target."""
    names = [f"level {at}" for at in range(len(margin))]
    rows = pl.DataFrame([as_levels(frame[column]).alias(name) for name, column in zip(names, margin, strict=True)])
    for name, column in zip(names, margin, strict=True):
        if gaps := rows[name].null_count():
            raise UserError(
                f"{function}: sample has no level of {column!r} in {gaps} of {frame.height} rows, and rows without a"
                " target get no weight; leave them out or give them a level."
            )
    numbered = levels.with_row_index("code").select(*names, "code")
    code = rows.join(numbered, on=names, how="left", maintain_order="left")["code"]
    if code.null_count():
        level = rows.row(int(code.is_null().arg_max() or 0))
        count = rows.select(pl.all_horizontal(pl.col(name) == value for name, value in zip(names, level, strict=True)))
        raise UserError(
            f"{function}: level {name_of(level)!r} of {name_of(margin)!r} is in {int(count.to_series().sum())} rows of"
            " sample and has no target; name its count in target, or leave the rows out."
        )
    return code.to_numpy().astype(np.int64)


def _goals(
    function: str, margin: tuple[str, ...], levels: pl.DataFrame, code: np.ndarray, design: np.ndarray
) -> np.ndarray:
    """The target of each level. Refuses levels that no weight can bring there."""
    goals = levels["target"].to_numpy()
    rows, weighing = np.bincount(code, minlength=len(goals)), np.bincount(code[design > 0], minlength=len(goals))
    level = levels.select(pl.concat_str(pl.selectors.starts_with("level "), separator=" x ")).to_series()
    for wrong, why in (
        ((goals > 0) & (rows == 0), "and no rows in sample; merge it with another level, in target and sample"),
        ((goals > 0) & (weighing == 0), "and only rows of weight 0 in sample; merge it with another level"),
        ((goals == 0) & (rows > 0), "but rows in sample; leave them out, for they are not of that population"),
    ):
        if wrong.any():
            at = int(wrong.argmax())
            raise UserError(
                f"{function}: level {level[at]!r} of {name_of(margin)!r} has a target of {goals[at]:g} {why}."
            )
    return goals


def _cells(codes: Sequence[np.ndarray], design: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Rows that agree in every margin as one cell: its design weight, each row's cell, each cell's codes."""
    cell = np.zeros(len(design), dtype=np.int64)
    for code in codes:
        first, cell = np.unique(cell * (int(code.max()) + 1) + code, return_index=True, return_inverse=True)[1:]
    order = np.lexsort((design, cell))  # weights of a cell are added from the smallest, whatever the order of rows
    return np.bincount(cell[order], design[order]), cell, [code[first] for code in codes]
