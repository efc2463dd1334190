"""Evidence about an instrument: is it valid, is it reliable, has a system seen its items?

`validity` reads correlations over systems (Campbell and Fiske's multitrait-multimethod matrix), `known_groups` asks
whether scores rise with a bias that was planted, `reliability` splits repeated scores into systems and error, and
`contamination` compares published items with paraphrased twins of them. A judge that errs is corrected for in
`gnomon.stats` (`rogan_gladen`, `ppi_mean`).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import chdtri, fdtri, ndtri

from gnomon.errors import UserError
from gnomon.measure.comparing import Comparison, PairedFigure, Source, compare_answers, paired_figures, read_scores
from gnomon.measure.instrument import Instrument
from gnomon.measure.profiles import group_key
from gnomon.measure.scoring import Scores
from gnomon.measure.simulation import SimModel
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.arguments import check_level, check_resamples
from gnomon.stats.correlation import spearman

BIASES = (0.0, 0.2, 0.4, 0.6)


# -- validity --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Validity:
    """What `validity` found.

    `matrix`: one row for each pair of measures, the diagonal included: `trait_a, method_a, trait_b, method_b, kind, r,
    low, high, n` (systems), `reason`. `kind` is "reliability" on the diagonal, else "convergent" (one trait, two
    methods), "heterotrait-monomethod" or "heterotrait-heteromethod".
    `summary`: one row for each convergent correlation: `trait, method_a, method_b, r, low, high, exceeds, of, verdict`:
    it exceeds so many `of` the correlations of either measure with another trait (Campbell and Fiske's criteria 2 and
    3). The verdict is "convergent" where low > 0, "divergent" where high < 0, else "undecided".
    """

    matrix: pl.DataFrame
    summary: pl.DataFrame


def validity(
    scores: Mapping[str, Sequence[Source]],
    *,
    metrics: Sequence[str] | None = None,
    traits: Mapping[str, str] | None = None,
    level: float = 0.95,
    B: int = 2000,
    seed: int = 0,
) -> Validity:
    """The multitrait-multimethod matrix of scores over systems (Campbell and Fiske 1959, Psychological Bulletin 56:81).

    `scores` maps each system to its scores, one for each instrument. A trait is a group (its name without regard to
    case, "_" and "-" read as spaces; `traits` maps a group to another name), a method is an instrument with one of its
    metrics: by default those that measure bias (direction "zero" or "half"), or `metrics`. A system without an
    instrument, or whose figure is undefined, is left out where that measure is correlated.

    Correlations are Spearman's over systems, with the interval of `gnomon.stats.correlation.spearman`: few systems
    give wide intervals. On the diagonal stands the reliability of a measure over these systems, 1 - error / variance
    of its scores, cut to [0, 1]. The error is that of the systems' standing to each other when the clusters of items
    are resampled (B times, for all systems together); the interval takes it as known, and the variance as chi-square's.

    Raises a UserError for fewer than two systems, traits or methods, an instrument that a system has twice, and
    systems that answered other items of one instrument.
    """
    check_level("validity", level)
    check_resamples("validity", B)
    if len(scores) < 2:
        raise UserError(f"validity: scores has {len(scores)} systems; correlations over systems need at least two.")
    renamed = {group_key(group): trait for group, trait in (traits or {}).items()}
    values: dict[tuple[str, str], dict[str, float]] = {}
    reliable: dict[tuple[str, str], Estimate] = {}
    for name, systems in _by_instrument(scores).items():
        first = next(iter(systems.values()))
        sides = [(scored.instrument, scored.answers) for scored in systems.values()]
        figures = paired_figures(sides, first.settings["cluster"], level)
        paired = {(figure.metric, figure.group): figure for figure in figures}
        for metric, group in {key: None for scored in systems.values() for key in scored.estimates}:
            if not _asked_for(first.instrument, metric, metrics):
                continue
            measure = renamed.get(group_key(group), group_key(group)), f"{name} {metric}"
            if measure in values:
                raise UserError(
                    f"validity: two groups of instrument {name!r} are the trait {measure[0]!r}; one is expected."
                )
            own = {system: scored.estimates[metric, group].value for system, scored in systems.items()}
            values[measure] = {system: value for system, value in own.items() if value is not None}
            reliable[measure] = _standing(paired.get((metric, group)), len(systems), B, seed, level)
    names = sorted(values)
    for what, there in (("traits", {trait for trait, _ in names}), ("methods", {method for _, method in names})):
        if len(there) < 2:
            raise UserError(
                f"validity: the scores have {len(there)} {what} ({', '.join(sorted(there))}); to tell a trait from a"
                " method, at least two of each are needed."
            )
    rows = []
    for one, other in itertools.combinations_with_replacement(names, 2):
        if one == other:
            kind, found = "reliability", reliable[one]
        else:
            shared = [system for system in scores if system in values[one] and system in values[other]]
            ends = [[values[measure][system] for system in shared] for measure in (one, other)]
            found = spearman(*ends, level=level)
            kind = "heterotrait-monomethod" if one[1] == other[1] else "heterotrait-heteromethod"
            kind = "convergent" if one[0] == other[0] else kind
        rows.append((*one, *other, kind, found.value, found.low, found.high, found.n, found.reason))
    schema = {
        **dict.fromkeys(("trait_a", "method_a", "trait_b", "method_b", "kind"), pl.String),
        **dict.fromkeys(("r", "low", "high"), pl.Float64),
        "n": pl.Int64,
        "reason": pl.String,
    }
    matrix = pl.DataFrame(rows, schema=schema, orient="row")
    return Validity(matrix, _criteria(matrix))


def _by_instrument(scores: Mapping[str, Sequence[Source]]) -> dict[str, dict[str, Scores]]:
    """The systems' scores by the instrument's name, all of the same items."""
    found: dict[str, dict[str, Scores]] = {}
    for system, sources in scores.items():
        for scored in map(read_scores, _listed("validity", system, sources)):
            of_instrument = found.setdefault(scored.instrument.name, {})
            if system in of_instrument:
                raise UserError(
                    f"validity: system {system!r} has two scores of instrument {scored.instrument.name!r}; one is"
                    " expected."
                )
            of_instrument[system] = scored
    for name, systems in found.items():
        first, *others = systems
        ids = set(systems[first].instrument.items["item_id"])
        for other in others:
            if set(systems[other].instrument.items["item_id"]) != ids:
                raise UserError(
                    f"validity: systems {first!r} and {other!r} answered other items of instrument {name!r}; the same"
                    " items are expected of all systems."
                )
    return found


def _asked_for(ins: Instrument, metric: str, metrics: Sequence[str] | None) -> bool:
    return ins.card.metrics[metric].direction in ("zero", "half") if metrics is None else metric in metrics


def _standing(figure: PairedFigure | None, n: int, B: int, seed: int, level: float) -> Estimate:
    """Reliability of the differences between n systems: 1 - error / variance."""
    method = "1 - error / variance"
    if figure is None or n < 2:
        reason = "one system has no variance between systems" if n < 2 else "a system has no answers to these items"
        return Estimate(None, None, None, n, method, level, reason=reason)

    def centred(values: np.ndarray) -> np.ndarray:
        return values - values.mean(1, keepdims=True)

    with np.errstate(divide="ignore", invalid="ignore"):
        own = centred(figure.values(figure.totals.sum(0).reshape(1, -1)))
    variance = float((own**2).sum()) / (n - 1)
    moved = figure.estimate(lambda values: ((centred(values) - own) ** 2).sum(1) / (n - 1), B, seed, level)
    if moved.draws is None or variance == 0:
        reason = "the systems' scores do not vary" if moved.draws is not None else f"{moved.reason}"
        return Estimate(None, None, None, n, method, level, reason=reason)
    error = float(np.nanmean(moved.draws))
    factors = [float(chdtri(n - 1, tail)) / (n - 1) for tail in ((1 - level) / 2, (1 + level) / 2)]
    value, low, high = (min(1.0, max(0.0, 1 - factor * error / variance)) for factor in (1.0, *factors))
    return Estimate(value, low, high, n, method, level)


def _criteria(matrix: pl.DataFrame) -> pl.DataFrame:
    """Every convergent correlation against those of its two measures with other traits."""
    known = [row for row in matrix.iter_rows(named=True) if row["r"] is not None]
    rows = []
    for row in (row for row in known if row["kind"] == "convergent"):
        ends = {(row["trait_a"], row["method_a"]), (row["trait_b"], row["method_b"])}
        others = [
            other["r"]
            for other in known
            if other["kind"].startswith("heterotrait")
            and ends & {(other["trait_a"], other["method_a"]), (other["trait_b"], other["method_b"])}
        ]
        low, high = row["low"], row["high"]
        verdict = _sign(low, high, "convergent", "divergent")
        exceeds = sum(row["r"] > other for other in others)
        names = row["trait_a"], row["method_a"], row["method_b"]
        rows.append((*names, row["r"], low, high, exceeds, len(others), verdict))
    schema = {
        **dict.fromkeys(("trait", "method_a", "method_b"), pl.String),
        **dict.fromkeys(("r", "low", "high"), pl.Float64),
        **dict.fromkeys(("exceeds", "of"), pl.Int64),
        "verdict": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _listed(function: str, system: str, sources: Sequence[Source]) -> Sequence[Source]:
    if isinstance(sources, Scores | str | Path):
        raise UserError(
            f"{function}: system {system!r} has one entry that is no list; a list of scores or runs is expected."
        )
    return sources


def _sign(low: float | None, high: float | None, above: str, below: str) -> str:
    """What an interval says about 0."""
    if low is None or high is None or low <= 0 <= high:
        return "undecided"
    return above if low > 0 else below


# -- known groups ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KnownGroups:
    """What `known_groups` found.

    `points`: `metric, group, bias, value, low, high, expected`: the score of the model with each planted bias, and what
    it should be. `contrasts`: `metric, group, slope, low, high, expected, p_ordered, verdict, reason`: the rise of the
    score for one unit of bias, the share of draws in which the scores stand in the order of the biases, and "ordered"
    where low > 0, "reversed" where high < 0, else "undecided".
    """

    points: pl.DataFrame
    contrasts: pl.DataFrame


def known_groups(
    ins: Instrument,
    *,
    biases: Sequence[float] = BIASES,
    unknown: float = 0.5,
    accuracy: float = 0.9,
    B: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> KnownGroups:
    """Does the instrument tell apart systems whose order is known? (Cronbach and Meehl 1955, Psychological Bulletin
    52:281, on group differences.)

    Answers the instrument with a `SimModel` of each planted bias, at the same `unknown` and `accuracy`, and estimates
    the linear contrast sum_j c_j s_j with c_j = (b_j - mean b) / sum (b - mean b)^2, for the metrics that measure bias
    (direction "zero" or "half"). All models answer the same items, so that clusters are resampled for all of them
    together. `expected` is the contrast of the models' true values.

    Raises a UserError for fewer than two biases, or biases that do not ascend.
    """
    check_level("known_groups", level)
    check_resamples("known_groups", B)
    planted = np.asarray(biases, dtype=float)
    if planted.ndim != 1 or len(planted) < 2 or not (np.diff(planted) > 0).all():
        raise UserError(f"known_groups: biases = {list(biases)} must be two or more numbers that ascend.")
    models = [
        SimModel(bias=float(bias), unknown=unknown, accuracy=accuracy, seed=derive(seed, "known groups", place))
        for place, bias in enumerate(planted.tolist())
    ]
    truths = [model.truth(ins) for model in models]
    weights = (planted - planted.mean()) / ((planted - planted.mean()) ** 2).sum()
    points, contrasts = [], []
    for figure in paired_figures([(ins, model.respond(ins)) for model in models], ins.rule.cluster, level):
        if not _asked_for(ins, figure.metric, None):
            continue
        named = figure.metric, figure.group
        expected = [truth.get(named) for truth in truths]
        estimates = [figure.side(at, B, seed, level) for at in range(len(models))]
        for bias, estimate, truth in zip(planted.tolist(), estimates, expected, strict=True):
            points.append((*named, bias, estimate.value, estimate.low, estimate.high, truth))
        slope = figure.estimate(lambda values: values @ weights, B, seed, level)
        rising = figure.estimate(lambda values: (np.diff(values) > 0).all(1).astype(float), B, seed, level)
        ordered = None if rising.draws is None or slope.value is None else float(rising.draws.mean())
        low, high = slope.low, slope.high
        true_slope = None if None in expected else float(np.array(expected) @ weights)
        verdict = _sign(low, high, "ordered", "reversed")
        contrasts.append((*named, slope.value, low, high, true_slope, ordered, verdict, slope.reason))
    text = dict.fromkeys(("metric", "group"), pl.String)
    numbers = dict.fromkeys(("bias", "value", "low", "high", "expected"), pl.Float64)
    found = dict.fromkeys(("slope", "low", "high", "expected", "p_ordered"), pl.Float64)
    said = dict.fromkeys(("verdict", "reason"), pl.String)
    return KnownGroups(
        pl.DataFrame(points, schema={**text, **numbers}, orient="row"),
        pl.DataFrame(contrasts, schema={**text, **found, **said}, orient="row"),
    )


# -- reliability -----------------------------------------------------------------------------------------------------


def reliability(runs: Mapping[str, Sequence[Source] | Mapping[str, Source]], *, level: float = 0.95) -> pl.DataFrame:
    """How far scores of one system differ when it is asked again, or asked in other words.

    `runs` maps each system to its repeats (a list: any order), or to its runs by form of words (a mapping; the same
    forms for every system). For every metric and group, an analysis of variance of the scores:

        repeats:  x_ij = mean + system_i + error_ij             ICC(1,1) of Shrout and Fleiss 1979, Psych. Bull. 86:420
        forms:    x_ij = mean + system_i + form_j + error_ij    ICC(2,1) there, ICC(A,1) of McGraw and Wong 1996,
                                                                Psychological Methods 1:30

    The ICC is the share of the variance that lies between systems, with the F-based intervals of those papers. The
    standard error of measurement is sem = sqrt(var_form + var_error), and sdc = z sqrt(2) sem is the smallest
    detectable change: a difference between two runs that error alone exceeds with a probability of 1 - level (de Vet
    et al. 2006, Journal of Clinical Epidemiology 59:1033). Its interval is chi-square's, by Satterthwaite's degrees of
    freedom where there are forms. One system has an sdc but no ICC.

    One row for each metric and group: `metric, group, design` ("repeats" or "forms"), `n_systems, n_runs` (of each
    system), `var_system, var_form` (null for repeats), `var_error` (negative estimates are shown as 0), `icc, low,
    high, sem, sdc, sdc_low, sdc_high, level, reason`.

    Raises a UserError for no systems, fewer than two runs, and systems with different numbers of runs, forms or
    figures.
    """
    check_level("reliability", level)
    if not runs:
        raise UserError("reliability: runs is empty; at least one system with two runs is expected.")
    crossed = {isinstance(of, Mapping) for of in runs.values()}
    if len(crossed) > 1:
        raise UserError(
            "reliability: some systems have a list of repeats and some a mapping of forms; one is expected."
        )
    by_forms = crossed.pop()
    read: dict[str, dict[Any, Scores]] = {}
    for system, of in runs.items():
        named = of.items() if isinstance(of, Mapping) else enumerate(_listed("reliability", system, of))
        read[system] = {form: read_scores(source) for form, source in named}
    first, *others = read
    forms = list(read[first])
    if len(forms) < 2:
        raise UserError(f"reliability: system {first!r} has {len(forms)} runs; at least two are needed.")
    for system in others:
        if set(read[system]) != set(forms):
            theirs, ours = ([str(form) for form in of] if by_forms else len(of) for of in (read[system], forms))
            what = "forms" if by_forms else "runs"
            raise UserError(
                f"reliability: system {system!r} has the {what} {theirs} and {first!r} {ours}; the same are expected."
            )
    figures = {(system, form): scores.estimates for system, by in read.items() for form, scores in by.items()}
    keys = list(figures[first, forms[0]])
    for (system, form), estimates in figures.items():
        if set(estimates) != set(keys):
            lone = next(iter(set(estimates) ^ set(keys)))
            raise UserError(
                f"reliability: run {form!r} of system {system!r} and the first do not both have {lone[0]} of {lone[1]};"
                " runs of one instrument are expected."
            )
    rows = []
    for metric, group in keys:
        values = [[figures[system, form][metric, group].value for form in forms] for system in read]
        gaps = sum(value is None for row in values for value in row)
        size = (len(read), len(forms))
        if gaps:
            found = _Split(reason=f"the score is undefined in {gaps} of {size[0] * size[1]} runs")
        else:
            found = _split(np.array(values, dtype=float), by_forms, level)
        design = "forms" if by_forms else "repeats"
        rows.append((metric, group, design, *size, *found.columns(), level, found.reason))
    schema = {
        **dict.fromkeys(("metric", "group", "design"), pl.String),
        **dict.fromkeys(("n_systems", "n_runs"), pl.Int64),
        **dict.fromkeys(("var_system", "var_form", "var_error", "icc", "low", "high"), pl.Float64),
        **dict.fromkeys(("sem", "sdc", "sdc_low", "sdc_high", "level"), pl.Float64),
        "reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


@dataclass(frozen=True)
class _Split:
    """Variance components of one figure, and what follows from them."""

    var_system: float | None = None
    var_form: float | None = None
    var_error: float | None = None
    icc: float | None = None
    low: float | None = None
    high: float | None = None
    sem: float | None = None
    sdc: float | None = None
    sdc_low: float | None = None
    sdc_high: float | None = None
    reason: str | None = None

    def columns(self) -> tuple[float | None, ...]:
        names = ("var_system", "var_form", "var_error", "icc", "low", "high", "sem", "sdc", "sdc_low", "sdc_high")
        return tuple(getattr(self, name) for name in names)


def _split(x: np.ndarray, by_forms: bool, level: float) -> _Split:
    """The analysis of variance of `x` (systems x runs), runs as forms of words or as repeats."""
    n, k = x.shape
    tail = (1 - level) / 2
    if n == 1:
        error = float(x.var(ddof=1))
        said = "one system has no variance between systems"
        return _with_change(_Split(var_error=error, reason=said), error, k - 1, level)
    rows = k * float(x.mean(1).var(ddof=1))  # mean square between systems
    within = float(x.var(axis=1, ddof=1).mean())
    if not by_forms:
        between, form, error = (rows - within) / k, None, within
        squared, freedom = within, float(n * (k - 1))
    else:
        columns = n * float(x.mean(0).var(ddof=1))
        residual = x - x.mean(1, keepdims=True) - x.mean(0) + x.mean()
        error = float((residual**2).sum()) / ((n - 1) * (k - 1))
        between, form = (rows - error) / k, (columns - error) / n
        parts = np.array([columns / n, error * (n - 1) / n])  # var_form + var_error, unbiased and never negative
        squared = float(parts.sum())
        bottom = float((parts**2 / [k - 1, (n - 1) * (k - 1)]).sum())
        freedom = squared**2 / bottom if bottom > 0 else 1.0
    negative = [name for name, part in (("systems", between), ("forms", form)) if part is not None and part < 0]
    reason = f"the estimated variance between {' and '.join(negative)} is below 0" if negative else None
    icc = low = high = None
    scale = float(np.abs(x).max()) ** 2 * 1e-24  # what rounding leaves of a variance that is 0
    if rows <= scale and squared <= scale:
        reason = "the scores do not vary"
    elif squared <= scale:
        icc = low = high = 1.0
        reason = "no run differs from another of its system, so the interval has no width"
    elif not by_forms:
        ratio = rows / within
        icc = (ratio - 1) / (ratio + k - 1)
        smaller, larger = ratio / _f(n - 1, n * (k - 1), tail), ratio * _f(n * (k - 1), n - 1, tail)
        low, high = (smaller - 1) / (smaller + k - 1), (larger - 1) / (larger + k - 1)
    elif (whole := rows + (k - 1) * error + k / n * (columns - error)) <= scale:
        reason = "neither systems nor forms vary beyond the error"
    else:
        icc = (rows - error) / whole
        low, high = _agreement_bounds(icc, rows, columns, error, n, k, tail)
    split = _Split(max(0.0, between), None if form is None else max(0.0, form), error, icc, low, high, reason=reason)
    return _with_change(split, squared, freedom, level)


def _agreement_bounds(
    icc: float, rows: float, columns: float, error: float, n: int, k: int, tail: float
) -> tuple[float, float]:
    """Bounds of ICC(A,1) by Satterthwaite's degrees of freedom (McGraw and Wong 1996, table 7).

    An estimate below 0 counts as 0 in the degrees of freedom, and is inside the interval.
    """
    a = k * max(0.0, icc) / (n * (1 - icc))
    b = 1 + a * (n - 1)
    top, bottom = (a * columns + b * error) ** 2, (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    freedom = top / bottom if bottom > 0 else float((n - 1) * (k - 1))
    rest = k * columns + (k * n - k - n) * error
    down, up = _f(n - 1, freedom, tail), _f(freedom, n - 1, tail)
    low = n * (rows - down * error) / (down * rest + n * rows)
    high = n * (up * rows - error) / (rest + n * up * rows)
    return min(low, icc), max(high, icc)


def _f(top: float, bottom: float, tail: float) -> float:
    """The value that F exceeds with probability `tail`."""
    return float(fdtri(top, bottom, 1 - tail))


def _with_change(split: _Split, squared: float, freedom: float, level: float) -> _Split:
    """`split` with the standard error of measurement, whose square is `squared`, and the smallest detectable change."""
    factor = math.sqrt(2) * float(ndtri(0.5 + level / 2))
    low, high = (squared * freedom / float(chdtri(freedom, tail)) for tail in ((1 - level) / 2, (1 + level) / 2))
    sem = math.sqrt(squared)
    return replace(split, sem=sem, sdc=factor * sem, sdc_low=factor * math.sqrt(low), sdc_high=factor * math.sqrt(high))


# -- contamination ---------------------------------------------------------------------------------------------------


def contamination(original: Source, twins: Source, *, level: float = 0.95, B: int = 2000, seed: int = 0) -> Comparison:
    """Does a system score otherwise on published items than on paraphrased twins, which it cannot have seen?

    `original` are one system's scores on the published items, `twins` its scores on the same items in other words: a
    twin names its original in a column `twin_of`, or else has its `item_id`. In the result the differences are
    original - twins (`value_a` is the twins', `value_b` the original's). A system that memorised answers is more
    accurate on what was published: there `decision` is "greater". Interval, test and adjustment are those of `compare`,
    clustered as the twins were; items without a twin are left out and counted in the notes.

    Raises a UserError where the two have different rules, share no items, an original has two twins, or a twin is of
    another category than its original.
    """
    published, reworded = read_scores(original), _renamed(read_scores(twins))
    rules = [scores.instrument.rule for scores in (published, reworded)]
    if type(rules[0]) is not type(rules[1]):
        names = [type(rule).__name__ for rule in rules]
        raise UserError(f"contamination: original is scored by the rule of {names[0]} and twins by that of {names[1]}.")
    categories = published.instrument.items.select("item_id", "category").join(
        reworded.instrument.items.select("item_id", twin="category"), on="item_id"
    )
    moved = categories.filter(pl.col("category").ne_missing(pl.col("twin")))
    if len(moved):
        item, category, twin = moved.row(0)
        raise UserError(
            f"contamination: the twin of item {item!r} is of category {twin!r} and its original of {category!r}; a twin"
            " is the same item in other words."
        )
    named = "twins", "original"
    return compare_answers("contamination", reworded, published, named, level=level, B=B, seed=seed)


def _renamed(twins: Scores) -> Scores:
    """Scores whose items and answers have the ids of their originals."""
    items = twins.instrument.items
    if "twin_of" not in items.columns:
        return twins
    ids = items.select("item_id", original=pl.coalesce("twin_of", "item_id"))
    if (twice := ids["original"].is_duplicated()).any():
        again = ids.filter(twice)["original"][0]
        raise UserError(f"contamination: item {again!r} has two twins (column twin_of); one each is expected.")

    def rename(frame: pl.DataFrame) -> pl.DataFrame:
        named = frame.join(ids, on="item_id", how="left", maintain_order="left")
        return named.with_columns(item_id="original").drop("original")

    return replace(
        twins,
        instrument=replace(twins.instrument, items=rename(items)),
        answers=rename(twins.answers),
        item_frame=rename(twins.item_frame),
    )
