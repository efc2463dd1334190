"""The representation ratio: how much of a sample each group makes up, divided by its share of the population.

For a cell g of a stratification, RR_g = (n_g/n) / (N_g/N), with n over the sample's complete cases of that
stratification and N over the target. The bins and the rule that flags a cell are those of the Canadian SARS-CoV-2
serosurveillance study (BMC Public Health 2025;25:2057). RR is one division of whole numbers, (n_g N)/(n N_g), and every
comparison of it with an edge is one of whole numbers too: shares in floating point would put what lies on an edge on
either side of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array, hstack

from gnomon.errors import UserError
from gnomon.measure import strata
from gnomon.measure.strata import CELL, CLUSTER, WEIGHT, Cells, Matched, N, Tally, Target
from gnomon.stats.arguments import check_level, check_resamples
from gnomon.stats.intervals import wilson
from gnomon.stats.resample import resamples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FUNCTION = "representation_ratio"
BINS = ("strongly under", "moderately under", "adequate", "moderately over", "strongly over")
"""RR < 1/2, [1/2, 3/4), [3/4, 4/3], (4/3, 2], > 2: whatever `under` and `over` are."""
FLAG = 0.95
"""A cell is flagged when its RR is beyond the limit with more than this probability."""
MOST_CELLS = 2000
"""More cells than this are never drawn at once; independent rows then get the exact method."""

RESULT = (
    *("stratification", "n", "sample_share", "target_n", "target_share", "expected", "rr", "low", "high"),
    *("p_under", "p_over", "bin", "flag", "method", "reason"),
)
RANGE = ("rr_min", "rr_max")
_COLUMNS_AT_ONCE = 250
_DENSE = 2**23  # numbers in a table of units by cells that is held in full: 64 MiB


@dataclass(frozen=True)
class RepresentationRatio:
    """Representation ratios of every cell, what they come to, and what a reader has to know.

    `frame` has one row a cell, in the target's order, one block for each stratification of `by`: the strata as text;
    `stratification` ("age x sex"); `n` (rows), `sample_share` (weighted where there are weights), `target_n`,
    `target_share`, `expected` (n_total x target_share); `rr` with its interval `low`, `high`; `p_under`, `p_over`, the
    probabilities that RR lies beyond the limits; `bin` (one of five, or "undefined"), `flag` ("under", "over", "none");
    `method`; `reason` (null, or why a figure is missing or a bound made otherwise); with a target error, `rr_min`
    and `rr_max`.

    `summary` has one row a stratification: `n_total` rows in cells, `n_missing` without a level, `n_unmatched` dropped;
    `cells` of the target, `cells_observed`, `cells_over_min_n`; `aarb` = 100 mean |p - q|/q over cells with q > 0,
    `dissimilarity` = 1/2 sum |p - q| (Duncan and Duncan 1955), `r_indicator` = 1 - 2 SD of n_g/N_g weighted by N_g
    (Schouten, Cobben and Bethlehem 2009; null where some n_g > N_g), and `share_flagged_under`, of `cells`.
    """

    frame: pl.DataFrame
    summary: pl.DataFrame
    notes: list[str]
    by: list[list[str]]
    _margins: Callable[[], pl.DataFrame] = field(repr=False, compare=False)

    def margins(self) -> pl.DataFrame:
        """`frame` for each variable alone, over the rows that have a value of it, whatever else they lack.

        Raises UserError where such a row has a level that the target lacks, as `representation_ratio` does.
        """
        return self._margins()

    def plot(self) -> "Figure":
        """The cells in the five bins: a strip for one variable, a heat map for two, several maps for three or more."""
        from gnomon.measure.representation_plot import heat_maps

        return heat_maps(self.frame, self.by)


@dataclass(frozen=True)
class _Settings:
    ci: str
    B: int
    seed: int
    level: float
    under: Fraction
    over: Fraction
    min_n: float
    unmatched: str
    target_error: float


@dataclass(frozen=True)
class _Counts:
    """A sample in the target's cells: rows and what they weigh, whole numbers (of any unit) where `whole`."""

    n: list[int]
    amounts: list[Any]
    total: Any
    whole: bool
    units: int
    """What was drawn independently: rows, or clusters."""


def representation_ratio(
    sample: Any,
    target: Any,
    by: Sequence[str] | Sequence[Sequence[str]],
    *,
    count: str | None = None,
    weight: str | None = None,
    target_count: str = "n",
    cluster: str | None = None,
    ci: str = "bootstrap",
    B: int = 5000,
    seed: int = 4,
    level: float = 0.95,
    under: float | Fraction = 3 / 4,
    over: float | Fraction = 4 / 3,
    min_n: float = 25,
    unmatched: str = "error",
    target_error: float = 0.0,
) -> RepresentationRatio:
    """Representation ratio of every cell of `by`, with intervals and the probability of lying beyond `under` or `over`.

    `sample` has a row for each person (or, with `count`, for so many equal ones), `target` a row for each cell of the
    population with `target_count`; both are anything `tables.read_table` reads. `by` is one cross-classification,
    ["age", "sex"], or several, [["age", "sex"], ["sex", "urban"]]. Target columns outside `by` are summed over. A row
    of the sample that lacks a level of a stratification is left out of that one only, and counted.

    `weight`: each row's share of the sample; weight 0 counts in n only. `cluster`: rows that came together (the
    donations of one donor), which are resampled together. `ci`:

    - "bootstrap": B resamples of rows after the complete-case filter, percentile interval. For independent rows without
      weights the resampled counts are Multinomial(n, n_g/n), so counts are drawn, not rows; with weights or clusters,
      counts of equal rows or equal clusters. Independent rows in more than 2,000 cells get "exact".
    - "exact": the same bootstrap in its limit, quantiles and tails of Binomial(n, n_g/n).
    - "wilson": Wilson's interval of the share; probabilities as "exact". Both are for independent rows without weights.

    A cell nobody is in has RR 0 and p_under 1, and for `high` Wilson's upper bound of 0 out of n (of n clusters; with
    weights, of Kish's effective n). A cell whose target share is 0 has no RR. `target_error`: each target count may be
    off by so much (4 for random rounding to base 5); `rr_min` and `rr_max` are then the worst cases, no count below 0.

    `unmatched`: what to do with rows whose level or cell the target lacks, "error" or "drop". A float limit means the
    simplest fraction that it stands for (4/3, 0.8). The result does not depend on the order of rows, categories or
    variables, nor on rows being counted already. Raises UserError for what cannot be meant; it names column and value.
    """
    crossed = strata.stratifications(by, function=FUNCTION, reserved=[*RESULT, *RANGE])
    chosen = _settings(ci, B, seed, level, under, over, min_n, unmatched, target_error)
    if ci != "bootstrap" and (weight is not None or cluster is not None):
        given = "weight" if weight is not None else "cluster"
        raise UserError(f"{FUNCTION}: ci = {ci!r} is for independent rows without weights; with {given}, 'bootstrap'.")
    columns = list(dict.fromkeys(name for names in crossed for name in names))
    population = strata.read_target(target, columns, target_count, function=FUNCTION)
    rows = strata.read_sample(sample, columns, count=count, weight=weight, cluster=cluster, function=FUNCTION)
    tallies = [strata.tally(rows, names, function=FUNCTION) for names in crossed]
    notes = strata.compared_as_text(rows, population)
    blocks = [_block(tallied, population, names, chosen) for tallied, names in zip(tallies, crossed, strict=True)]

    def margins() -> pl.DataFrame:
        first = {
            name: tallied for tallied, names in reversed(list(zip(tallies, crossed, strict=True))) for name in names
        }
        return _stacked([_block(first[name], population, [name], chosen)[0] for name in columns], columns)

    return RepresentationRatio(
        _stacked([frame for frame, _, _ in blocks], columns),
        pl.DataFrame([summary for _, summary, _ in blocks], schema_overrides={"r_indicator": pl.Float64}),
        notes + [note for _, _, found in blocks for note in found],
        crossed,
        margins,
    )


def _settings(
    ci: str,
    B: int,
    seed: int,
    level: float,
    under: float | Fraction,
    over: float | Fraction,
    min_n: float,
    unmatched: str,
    target_error: float,
) -> _Settings:
    check_level(FUNCTION, level)
    check_resamples(FUNCTION, B)
    if ci not in ("bootstrap", "exact", "wilson"):
        raise UserError(f"{FUNCTION}: ci = {ci!r} is not known; 'bootstrap', 'exact' or 'wilson'.")
    if unmatched not in ("error", "drop"):
        raise UserError(f"{FUNCTION}: unmatched = {unmatched!r} is not known; 'error' or 'drop'.")
    if not (isinstance(seed, int | np.integer) and seed >= 0):
        raise UserError(f"{FUNCTION}: seed = {seed!r} must be a whole number, 0 or more.")
    if not 0 < under <= over < math.inf:
        raise UserError(f"{FUNCTION}: under = {under} and over = {over} must be limits of a ratio, 0 < under <= over.")
    if not 0 <= target_error < math.inf:
        raise UserError(f"{FUNCTION}: target_error = {target_error} must be a count, 0 or more.")
    if not 0 <= min_n < math.inf:
        raise UserError(f"{FUNCTION}: min_n = {min_n} must be a number of rows, 0 or more.")
    return _Settings(
        ci, int(B), int(seed), level, _simplest(under), _simplest(over), min_n, unmatched, float(target_error)
    )


def _simplest(limit: float | Fraction) -> Fraction:
    """The fraction of small denominator that a float stands for, where there is one: 4/3 for 1.3333333333333333."""
    near = Fraction(limit).limit_denominator(10**6)
    return near if float(near) == limit else Fraction(limit)


def _stacked(blocks: list[pl.DataFrame], columns: list[str]) -> pl.DataFrame:
    """Blocks of several stratifications; a variable is null in those it is not part of."""
    ordered = [*columns, *(name for name in blocks[0].columns if name in (*RESULT, *RANGE))]
    return pl.concat(blocks, how="diagonal").select(ordered)


def _block(
    tallied: Tally, population: Target, by: list[str], chosen: _Settings
) -> tuple[pl.DataFrame, dict[str, Any], list[str]]:
    """One stratification: its rows of the frame, its row of the summary, its notes."""
    cells = strata.cells_of(population, by, chosen.target_error)
    matched = strata.match(tallied, cells, unmatched=chosen.unmatched, function=FUNCTION)
    counts = _counts(matched, len(cells.units))
    name, notes = " x ".join(by), []
    method = chosen.ci
    weighted, clustered = WEIGHT in matched.rows.columns, CLUSTER in matched.rows.columns
    if method == "bootstrap" and len(cells.units) > MOST_CELLS and not weighted and not clustered:
        method = "exact"
        notes.append(
            f"{name} has {len(cells.units):,} cells, more than {MOST_CELLS:,}: intervals and probabilities are exact,"
            " those of the bootstrap in its limit."
        )
    if matched.n_missing:
        notes.append(f"{name}: rows left out for a missing value: {matched.n_missing:,}.")
    if matched.n_unmatched:
        notes.append(f"{name}: rows dropped, as the target has no such cell: {matched.n_unmatched:,}.")
    if cells.unlabelled:
        notes.append(f"{name}: rows of the target without a value, in no cell: {cells.unlabelled:,}.")
    if clustered:
        notes.append(f"{name}: {counts.units:,} clusters were resampled, not rows.")
    low, high, p_under, p_over = _uncertainty(matched, counts, cells, method, chosen)
    frame = _frame(cells, counts, method, (low, high, p_under, p_over), name)
    if chosen.target_error > 0:
        frame = frame.with_columns(*_worst_cases(cells, counts))
    summary = _summary(frame, cells, counts, matched, chosen.min_n, name)
    return frame, summary, notes


def _counts(matched: Matched, k: int) -> _Counts:
    rows = matched.rows
    cell, n = rows[CELL].to_numpy(), rows[N].to_numpy()
    amount, whole = _amount(rows)
    weighed = amount * n
    units = rows[CLUSTER].n_unique() if CLUSTER in rows.columns else int(n.sum())
    if units == 1 and CLUSTER in rows.columns:
        raise UserError(
            f"{FUNCTION}: sample has one cluster only, {rows[CLUSTER][0]!r}, so nothing can be resampled; at least two"
            " are needed."
        )
    if not weighed.any():
        raise UserError(f"{FUNCTION}: weight is 0 in every row that has a cell; some weight above 0 is needed.")
    amounts = np.bincount(cell, weighed, minlength=k)
    return _Counts(
        np.bincount(cell, n, minlength=k).astype(int).tolist(),
        amounts.astype(int).tolist() if whole else amounts.tolist(),
        int(weighed.sum()) if whole else float(weighed.sum()),
        whole,
        units,
    )


def _amount(rows: pl.DataFrame) -> tuple[np.ndarray, bool]:
    """What one row weighs, in whole numbers where there are such whose sums a float holds exactly."""
    if WEIGHT not in rows.columns:
        return np.ones(rows.height, dtype=np.int64), True
    weights = rows[WEIGHT].to_numpy()
    found = strata.whole_units(weights)
    if found is not None and float(found[0] @ rows[N].to_numpy().astype(float)) <= 2**53:
        return found[0], True
    return weights, False


def _uncertainty(
    matched: Matched, counts: _Counts, cells: Cells, method: str, chosen: _Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """low, high, p_under, p_over of every cell (k,); what has no target share is NaN."""
    population = sum(cells.units)
    defined = np.array([share > 0 for share in cells.units])
    seen = defined & (np.array(counts.amounts) > 0)
    factor = np.array([population / share if share else math.nan for share in cells.units])
    low, high = np.where(defined, 0.0, math.nan), np.full(len(factor), math.nan)
    p_under, p_over = np.where(defined, 1.0, math.nan), np.where(defined, 0.0, math.nan)
    high[defined & ~seen] = wilson(0, _effective(matched, counts), chosen.level).high
    places = np.flatnonzero(seen)
    if len(places):
        find = _resampled if method == "bootstrap" else _exact
        low[places], high[places], p_under[places], p_over[places] = find(matched, counts, cells, places, chosen)
    if method == "wilson":
        bounds = [wilson(counts.n[place], counts.total, chosen.level) for place in places]
        low[places], high[places] = [each.low for each in bounds], [each.high for each in bounds]
    return low * factor, high * factor, p_under, p_over


def _effective(matched: Matched, counts: _Counts) -> int:
    """How many independent rows the sample is worth, for the bound of a cell that has none."""
    if WEIGHT not in matched.rows.columns or CLUSTER in matched.rows.columns:
        return counts.units
    weight, n = matched.rows[WEIGHT].to_numpy(), matched.rows[N].to_numpy()
    return max(1, int((n @ weight) ** 2 / (n @ weight**2)))  # Kish 1965, Survey Sampling, section 11.7


def _exact(
    matched: Matched, counts: _Counts, cells: Cells, places: np.ndarray, chosen: _Settings
) -> tuple[np.ndarray, ...]:
    """Bounds of the shares and tails from Binomial(n, n_g/n), the limit of the row bootstrap."""
    from scipy.stats import binom

    n = counts.total
    share = np.array([counts.n[place] / n for place in places])
    tail = (1 - chosen.level) / 2
    below = _largest(chosen.under, cells, places, [n], strictly=True)[0]
    upto = _largest(chosen.over, cells, places, [n], strictly=False)[0]
    return (
        binom.ppf(tail, n, share) / n,
        binom.ppf(1 - tail, n, share) / n,
        binom.cdf(below, n, share),
        binom.sf(upto, n, share),
    )


def _resampled(
    matched: Matched, counts: _Counts, cells: Cells, places: np.ndarray, chosen: _Settings
) -> tuple[np.ndarray, ...]:
    """Bounds of the shares and tails over B resamples; a resample that weighs nothing is left out.

    At most 2,000 cells are drawn at once. Draws for further ones start from the same seed, so they are of the same
    resamples.
    """
    columns, matrix, times = _independent_units(matched, counts)
    column_of = {cell: column for column, cell in enumerate(columns)}
    found = np.empty((4, len(places)))
    one_stratum = np.broadcast_to(np.int64(0), len(times))
    tails = [(1 - chosen.level) / 2, (1 + chosen.level) / 2]
    for start in range(0, len(places), MOST_CELLS):
        drawn = slice(start, start + MOST_CELLS)
        wanted = [column_of[place] for place in places[drawn].tolist()]
        blocks = resamples(matrix[:, [*wanted, matrix.shape[1] - 1]], times, one_stratum, chosen.B, chosen.seed)
        draws = np.concatenate(list(blocks))
        draws = draws[draws[:, -1] > 0]
        if len(draws) == 0:
            raise UserError(f"{FUNCTION}: none of B = {chosen.B} resamples drew a row of weight above 0; take more.")
        for first in range(0, len(wanted), _COLUMNS_AT_ONCE):
            few = slice(first, min(first + _COLUMNS_AT_ONCE, len(wanted)))
            at = slice(start + first, start + few.stop)
            amounts, totals = draws[:, few], draws[:, -1]
            found[:2, at] = np.quantile(amounts / totals[:, None], tails, axis=0)
            found[2, at] = _beyond(amounts, totals, chosen.under, cells, places[at], counts.whole, below=True)
            found[3, at] = _beyond(amounts, totals, chosen.over, cells, places[at], counts.whole, below=False)
    return tuple(found)


def _independent_units(matched: Matched, counts: _Counts) -> tuple[list[int], Any, np.ndarray]:
    """What is drawn: cells that have rows, in the order of their labels; what each kind of unit (row, or cluster)
    adds to each of them and, in a last column, to the total (u x (cells + 1), sparse); and how many units of each kind
    there are (u,). Units that add the same are one kind, whatever they are called.
    """
    rows = matched.rows
    columns = rows[CELL].unique(maintain_order=True).to_list()
    names = pl.Series(columns, dtype=rows[CELL].dtype)
    entries = rows.with_columns(
        pl.col(CELL).replace_strict(names, pl.Series(range(len(columns)))).alias("__column"),
        pl.Series("__amount", _amount(rows)[0]),
    )
    if CLUSTER in rows.columns:
        entries = entries.with_columns(pl.col("__amount") * pl.col(N))
        entries = entries.group_by(CLUSTER, "__column", maintain_order=True).agg(pl.col("__amount").sum())
        kinds = (
            entries.group_by(CLUSTER, maintain_order=True)
            .agg(pl.concat_str("__column", "__amount", separator=":").str.join(" ").alias("__kind"))
            .group_by("__kind")
            .agg(pl.len().alias("__times"), pl.col(CLUSTER).min())
            .sort("__kind")
        )
        times = kinds["__times"].to_numpy().astype(np.int64)
        entries = entries.join(kinds.select(CLUSTER).with_row_index("__unit"), on=CLUSTER).sort("__unit", "__column")
        unit = entries["__unit"].to_numpy()
    else:
        times = rows[N].to_numpy()
        unit = np.arange(rows.height)
    amount = entries["__amount"].to_numpy().astype(float)
    matrix = csr_array((amount, (unit, entries["__column"].to_numpy())), shape=(len(times), len(columns)))
    matrix = csr_array(hstack([matrix, matrix.sum(axis=1)[:, None]]))
    # Sums of whole numbers are exact in any order, so a table that is nearly full may go through BLAS.
    full = counts.whole and matrix.nnz > math.prod(matrix.shape) / 10 and math.prod(matrix.shape) <= _DENSE
    return columns, matrix.toarray() if full else matrix, times


def _beyond(
    amounts: np.ndarray,
    totals: np.ndarray,
    edge: Fraction,
    cells: Cells,
    places: np.ndarray,
    whole: bool,
    *,
    below: bool,
) -> np.ndarray:
    """Share of resamples (B, cells) whose RR is below the edge, or above it."""
    if whole:
        distinct, which = np.unique(totals, return_inverse=True)
        limit = _largest(edge, cells, places, distinct.astype(int).tolist(), strictly=below)
        within = amounts <= (limit[0] if len(distinct) == 1 else limit[which])
        return np.asarray((within if below else ~within).mean(0))
    left = amounts * float(sum(cells.units) * edge.denominator)
    right = totals[:, None] * np.array([float(cells.units[place] * edge.numerator) for place in places])
    return np.asarray((left < right if below else left > right).mean(0))


def _largest(edge: Fraction, cells: Cells, places: np.ndarray, totals: list[int], *, strictly: bool) -> np.ndarray:
    """The largest whole amount of each cell with RR < edge, or <= edge unless `strictly` (totals x cells).

    a N / (t N_g) < x/y  is  a < x N_g t / (y N), a bound of whole numbers.
    """
    divisor = sum(cells.units) * edge.denominator
    factors = [cells.units[place] * edge.numerator for place in places]
    kind = np.int64 if max(totals) * max(factors) < 2**63 and divisor < 2**63 else object
    bound = np.array(totals, dtype=kind)[:, None] * np.array(factors, dtype=kind)
    return np.asarray((bound - strictly) // divisor).astype(float)


def _frame(cells: Cells, counts: _Counts, method: str, uncertainty: tuple[np.ndarray, ...], name: str) -> pl.DataFrame:
    population, n, total = sum(cells.units), sum(counts.n), counts.total
    defined = [share > 0 for share in cells.units]
    low, high, p_under, p_over = (pl.Series(values).fill_nan(None) for values in uncertainty)
    triples = list(zip(counts.amounts, cells.units, strict=True))
    frame = cells.labels.with_columns(
        pl.lit(name).alias("stratification"),
        pl.Series("n", counts.n, dtype=pl.Int64),
        pl.Series("sample_share", [amount / total for amount in counts.amounts], dtype=pl.Float64),
        pl.Series("target_n", cells.units if cells.scale == 1 else [share / cells.scale for share in cells.units]),
        pl.Series("target_share", [share / population for share in cells.units], dtype=pl.Float64),
        pl.Series("expected", [n * share / population for share in cells.units], dtype=pl.Float64),
        pl.Series(
            "rr",
            [(amount * population) / (total * share) if share else None for amount, share in triples],
            dtype=pl.Float64,
        ),
        low.alias("low"),
        high.alias("high"),
        p_under.alias("p_under"),
        p_over.alias("p_over"),
        pl.Series(
            "bin", [_bin(amount * population, total * share) if share else "undefined" for amount, share in triples]
        ),
    )
    flag = pl.when(pl.col("p_under") > FLAG).then(pl.lit("under")).when(pl.col("p_over") > FLAG).then(pl.lit("over"))
    return frame.with_columns(
        pl.when(pl.Series(defined)).then(flag.otherwise(pl.lit("none"))).alias("flag"),
        pl.lit(method).alias("method"),
        pl.when(~pl.Series(defined))
        .then(pl.lit("target share is 0"))
        .when(pl.col("sample_share") == 0)
        .then(
            pl.lit("nothing seen: flagged by the study's rule, whatever n; high, Wilson's upper bound, says how sure")
        )
        .alias("reason"),
    )


def _bin(sample: Any, target: Any) -> str:
    """The bin of RR = sample/target, by whole numbers where they are."""
    if 2 * sample < target:
        return BINS[0]
    if 4 * sample < 3 * target:
        return BINS[1]
    if 3 * sample <= 4 * target:
        return BINS[2]
    return BINS[3] if sample <= 2 * target else BINS[4]


def _worst_cases(cells: Cells, counts: _Counts) -> list[pl.Series]:
    """RR where the cell's own count is off by the error in one direction, all others in the other."""
    share = np.array([amount / counts.total for amount in counts.amounts])
    least, most = cells.least, cells.most
    others_least, others_most = math.fsum(least) - least, math.fsum(most) - most
    with np.errstate(divide="ignore", invalid="ignore"):
        rr_min = share / (most / (most + others_least))
        rr_max = np.where(share > 0, share / (least / (least + others_most)), 0.0)
    defined = pl.Series([share > 0 for share in cells.units])
    return [
        pl.select(pl.when(defined).then(pl.Series(values))).to_series().alias(name)
        for name, values in zip(RANGE, (rr_min, rr_max), strict=True)
    ]


def _summary(
    frame: pl.DataFrame, cells: Cells, counts: _Counts, matched: Matched, min_n: float, name: str
) -> dict[str, Any]:
    population, total, n = sum(cells.units), counts.total, counts.n
    pairs = list(zip(counts.amounts, cells.units, strict=True))
    gaps = [abs(amount * population - total * share) for amount, share in pairs]
    bias = [gap / (total * share) for gap, share in zip(gaps, cells.units, strict=True) if share]
    return {
        "stratification": name,
        "n_total": sum(n),
        "n_missing": matched.n_missing,
        "n_unmatched": matched.n_unmatched,
        "cells": len(n),
        "cells_observed": sum(count > 0 for count in n),
        "cells_over_min_n": sum(count > min_n for count in n),
        "aarb": 100 * math.fsum(bias) / len(bias),
        "dissimilarity": math.fsum(gap / (total * population) for gap in gaps) / 2,
        "r_indicator": _r_indicator(n, [units / cells.scale for units in cells.units]),
        "share_flagged_under": int((frame["flag"] == "under").sum()) / len(n),
    }


def _r_indicator(n: list[int], population: list[float]) -> float | None:
    if any(count > size for count, size in zip(n, population, strict=True)):
        return None
    total = math.fsum(population)
    mean = sum(n) / total
    squares = (size * (count / size - mean) ** 2 for count, size in zip(n, population, strict=True) if size)
    return 1 - 2 * math.sqrt(math.fsum(squares) / total)
