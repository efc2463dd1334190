"""Agreement of people (or models) who rated the same units, and the raters of BBQ's own validation.

Ratings are long: one row for each rating, with its unit, its rater, its value, and any further columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.measure.tables import as_levels, need_column, read_table
from gnomon.stats import Estimate
from gnomon.stats.agreement import cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha
from gnomon.stats.resample import bootstrap

FILLER = "is_filler"
QUESTIONS = range(1, 6)
"""BBQ's raters answered five questions a task."""


@dataclass(frozen=True)
class Agreement:
    """What `agreement` found.

    `frame` has a row for each statistic: statistic, value, low, high, level, n (units with two ratings or more),
    method, reason. `notes` are sentences about what the ratings hold.
    """

    frame: pl.DataFrame
    notes: list[str]


def agreement(
    frame: Any,
    *,
    unit: str,
    rater: str,
    value: str,
    exclude: str | None = None,
    level: str = "nominal",
    B: int = 2000,
    seed: int = 0,
) -> Agreement:
    """Agreement of ratings in a long table (a frame or a path, as `tables.read_table` takes).

    `unit`, `rater` and `value` name its columns; rows whose column `exclude` is true are left out. The statistics:
    `alpha`, Krippendorff's on `level` (nominal, ordinal, interval, ratio), with a bootstrap over units; `fleiss_kappa`,
    and `cohen_kappa` where there are two raters; `gwet_ac1`; `raw_agreement`, the mean over units of the share of pairs
    of ratings that are equal, with a bootstrap over units. The last four take labels as they are, whatever the level.

    A rating without a value is missing. A note says so, and where a column `is_filler` is true in rows that were left
    in, where all raters are one, and where units have a single rating.

    Raises UserError for a column that is absent, a unit or rater that is missing, two ratings of a unit by one rater,
    an `exclude` that does not hold true and false, and as `krippendorff_alpha`.
    """
    function = "agreement"
    table = read_table(frame, function=function, argument="frame")
    wanted = {"unit": unit, "rater": rater, "value": value} | ({} if exclude is None else {"exclude": exclude})
    for argument, name in wanted.items():
        need_column(table, name, function=function, argument=argument, where="the table of ratings")
    notes = []
    if exclude is not None:
        left_out = _truth(table[exclude], "exclude")
        table = table.filter(~left_out)
        notes.append(f"{int(left_out.sum())} ratings whose {exclude} is true were left out.")
    if exclude != FILLER and FILLER in table.columns and (fillers := int(_truth(table[FILLER], FILLER).sum())):
        notes.append(
            f"{fillers} ratings of fillers ({FILLER} is true) were left in and make agreement another figure;"
            f" exclude = {FILLER!r} leaves them out."
        )
    if level == "ordinal" and table[value].dtype == pl.String:
        order = " < ".join(map(repr, sorted(table[value].drop_nulls().unique())[:8]))
        notes.append(f"Ratings are text and were ordered as text is, {order}; give numbers for another order.")
    ratings = pl.DataFrame({"unit": as_levels(table[unit]), "rater": as_levels(table[rater])}).with_columns(
        value=table[value].fill_nan(None) if table[value].dtype.is_float() else table[value]
    )
    wide = _wide(ratings, {"unit": unit, "rater": rater})
    given = np.array([[each is not None for each in row] for row in wide], dtype=bool).reshape(wide.shape)
    if missing := int(ratings["value"].null_count()):
        notes.append(f"{missing} ratings have no {value} and count as missing.")
    if single := int((given.sum(1) == 1).sum()):
        notes.append(f"{single} of {len(wide)} units have a single rating, which no agreement can be seen in.")
    found = {
        "alpha": krippendorff_alpha(wide, level, ci="bootstrap", B=B, seed=seed),
        "fleiss_kappa": fleiss_kappa(wide),
    }
    if wide.shape[1] == 2:
        found["cohen_kappa"] = cohen_kappa(wide[:, 0], wide[:, 1])
    found["gwet_ac1"] = gwet_ac1(wide)
    found["raw_agreement"] = _raw_agreement(wide, given, B, seed)
    return Agreement(_frame(found), notes)


def bbq_ratings(path: str | Path) -> pl.DataFrame:
    """The ratings of BBQ's validation, `mturk_validations_finalval.csv` (plain or gzipped), long.

    Columns: `unit` ("Age/12": category and example_id; a filler is "filler/Age/15", its category and template),
    `rater`, `value` (the answer chosen, "ans_0" to "ans_2"), `correct` (whether it is the label), `is_filler`
    (`ex_id` is NA: a question that is not from BBQ). 300 items and 50 fillers, five ratings each, by 15 raters.

    Agreement is meant without the fillers: `agreement(..., exclude="is_filler")`. Raises UserError for a file that is
    not there or lacks a column.
    """
    table = read_table(path, function="bbq_ratings", argument="path")
    parts = []
    for number in QUESTIONS:
        names = {
            "value": f"Answer.q{number}",
            "uid": f"q{number}_uid",
            "label": f"q{number}_label",
            "category": f"q{number}_cat",
            "example": f"q{number}_ex_id",
        }
        for name in ("anon_id", *names.values()):
            need_column(table, name, function="bbq_ratings", argument="path", where=str(path))
        question = table.select(
            rater=as_levels(table["anon_id"]), **{column: as_levels(table[name]) for column, name in names.items()}
        )
        parts.append(question)
    item = pl.format("{}/{}", "category", "example")
    return pl.concat(parts).select(
        unit=pl.when(pl.col("example").is_null()).then(pl.format("filler/{}/{}", "category", "uid")).otherwise(item),
        rater="rater",
        value="value",
        correct=pl.col("value") == pl.format("ans_{}", "label"),
        is_filler=pl.col("example").is_null(),
    )


def _truth(column: pl.Series, argument: str) -> pl.Series:
    """A column as truth values, from those, from 0 and 1, or from the words; missing is false."""
    levels = as_levels(column).str.to_lowercase()
    strange = levels.drop_nulls().filter(~levels.drop_nulls().is_in(["true", "false", "1", "0"]))
    if len(strange):
        raise UserError(
            f"agreement: {argument} names column {column.name!r}, which holds {strange[0]!r:.60}; true or false is"
            " expected."
        )
    return levels.is_in(["true", "1"]).fill_null(False)


def _wide(ratings: pl.DataFrame, names: dict[str, str]) -> np.ndarray:
    """Ratings as a table, units x raters, both in the order of their names; None where there is none."""
    for column, name in names.items():
        if ratings[column].null_count():
            row = ratings[column].is_null().arg_max()
            raise UserError(
                f"agreement: column {name!r} ({column}) is missing in row {row} (from 0); every rating has one."
            )
    twice = ratings.filter(pl.struct("unit", "rater").is_duplicated())
    if len(twice):
        first = twice.row(0, named=True)
        raise UserError(
            f"agreement: rater {first['rater']!r} rated unit {first['unit']!r} twice; one rating is expected (do units"
            " of several kinds have one name?)."
        )
    units, raters = (sorted(ratings[column].unique()) for column in ("unit", "rater"))
    rows, columns = ({label: place for place, label in enumerate(labels)} for labels in (units, raters))
    table = np.full((len(units), len(raters)), None, dtype=object)
    for label, who, said in ratings.iter_rows():
        table[rows[label], columns[who]] = said
    return table


def _raw_agreement(wide: np.ndarray, given: np.ndarray, B: int, seed: int) -> Estimate:
    """The mean over units of the share of pairs of ratings that are equal."""
    shares = []
    for row in wide[given.sum(1) >= 2] if len(wide) else ():
        said = [each for each in row if each is not None]
        counts = np.array([said.count(each) for each in dict.fromkeys(said)])
        shares.append((counts * (counts - 1)).sum() / (len(said) * (len(said) - 1)))
    if not shares:
        return Estimate(None, None, None, 0, "pairs", reason="no unit has two ratings")
    if len(shares) == 1:
        return Estimate(float(shares[0]), None, None, 1, "pairs", reason="one unit with two ratings has no interval")
    sums = np.stack([np.array(sorted(shares)), np.ones(len(shares))], axis=1)
    return bootstrap(sums, lambda totals: totals[:, 0] / totals[:, 1], B=B, seed=seed)


def _frame(found: dict[str, Estimate]) -> pl.DataFrame:
    columns: Sequence[str] = ("value", "low", "high", "level", "n", "method", "reason")
    schema: dict[str, Any] = {
        "statistic": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "level": pl.Float64,
        "n": pl.Int64,
        "method": pl.String,
        "reason": pl.String,
    }
    rows = [{"statistic": name} | {key: estimate.to_dict()[key] for key in columns} for name, estimate in found.items()]
    return pl.DataFrame(rows, schema=schema)
