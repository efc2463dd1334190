"""Agreement of raters: Krippendorff's alpha on four scales, Cohen's and Fleiss' kappa, Gwet's AC1.

A table of ratings is units x raters, None or NaN where a rater gave none; text, numbers and truth values are labels.
Where agreement is undefined (everybody gave one and the same label, no unit has two ratings) the value is None.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import stdtrit

from gnomon.errors import UserError
from gnomon.stats.arguments import as_array, check_level, check_resamples, column, missing
from gnomon.stats.estimate import Estimate
from gnomon.stats.resample import bootstrap

LEVELS = ("nominal", "ordinal", "interval", "ratio")
CONFIDENCE = 0.95
NO_RATINGS = "no ratings"
NO_PAIRS = "no unit has two ratings"
ALL_EQUAL = "all ratings are equal, so there is nothing to agree about"
NO_WIDTH = "no two ratings of a unit differ, so the interval has no width"


def krippendorff_alpha(
    ratings: Any, level: str = "nominal", *, ci: str | float | None = None, B: int = 2000, seed: int = 0
) -> Estimate:
    """Krippendorff's alpha of a table of ratings, units x raters (Krippendorff 2011, Computing Krippendorff's
    Alpha-Reliability; the coincidences of section E).

        alpha = 1 - sum o_ck d_ck / sum e_ck d_ck,   o_ck = sum over units (pairs c, k in u) / (m_u - 1),
        e_ck = n_c (n_k - [c = k]) / (n - 1)

    d_ck is [c != k] on the `nominal` level, (c - k)^2 on `interval`, ((c - k)/(c + k))^2 on `ratio` (numbers from 0 up)
    and (sum_{g = c..k} n_g - (n_c + n_k)/2)^2 on `ordinal`, where text is in alphabetical order. `n` counts the units
    with two ratings or more; the others say nothing.

    `ci`, a number such as .95, gives the percentile interval at that level over B resamples of those units;
    "bootstrap" stands for .95.

    Raises a UserError for an unknown level or ci, text or infinite numbers on interval and ratio, negative numbers on
    ratio, a table that is not two-dimensional.
    """
    name = "krippendorff_alpha"
    if level not in LEVELS:
        raise UserError(f"{name}: level = {level!r} is not known; there are {', '.join(LEVELS)}.")
    confidence = CONFIDENCE if ci == "bootstrap" else ci
    if isinstance(confidence, bool | str):
        raise UserError(f"{name}: ci = {ci!r} is not known; None, 'bootstrap' or a level such as 0.95.")
    if confidence is not None:
        check_level(name, confidence)
    check_resamples(name, B)
    codes, values = _codes(name, _table(name, ratings), ordered=level == "ordinal")
    scale = np.arange(len(values)) if level in ("nominal", "ordinal") else _scale(name, level, values)
    method = f"krippendorff-{level}"
    paired = codes[(codes >= 0).sum(1) >= 2]
    if reason := _undefined(codes, paired):
        return Estimate(None, None, None, len(paired), method, reason=reason)
    if confidence is None:
        rows, alpha = _contributions(paired, scale, level)
        return Estimate(float(alpha(rows.sum(0)[None])[0]), None, None, len(paired), method)
    if len(paired) == 1:
        rows, alpha = _contributions(paired, scale, level)
        reason = "one unit with two ratings cannot be resampled"
        return Estimate(float(alpha(rows.sum(0)[None])[0]), None, None, 1, method, reason=reason)
    # Units with the same ratings contribute the same, so there are as many kinds of row as patterns, in any order.
    patterns, copies = np.unique(np.sort(paired, axis=1), axis=0, return_counts=True)
    rows, alpha = _contributions(patterns, scale, level)
    found = bootstrap(rows, alpha, copies=copies, B=B, seed=seed, level=confidence)
    reason = "; ".join(filter(None, [NO_WIDTH if found.value == 1 else None, found.reason])) or None
    return replace(found, method=f"{method}, {found.method}", reason=reason)


def cohen_kappa(a: Any, b: Any) -> Estimate:
    """Cohen's kappa of two raters over the same units (Cohen 1960, Educational and Psychological Measurement 20:37).

        kappa = (p_o - p_e)/(1 - p_e),   p_e = sum over labels of (share in a)(share in b)

    Units that one of the two did not rate are left out; `n` counts the others. The interval at 95 % is Student's t
    with the variance of Fleiss, Cohen and Everitt (1969, Psychological Bulletin 72:323), with n - 1 in place of n.
    Raises a UserError for lists of unequal length.
    """
    one = column("cohen_kappa", "a", a, None)
    other = column("cohen_kappa", "b", b, None)
    if len(one) != len(other):
        raise UserError(f"cohen_kappa: a has {len(one)} ratings and b {len(other)}; the same units are expected.")
    if one.dtype.kind != other.dtype.kind:
        one, other = one.astype(object), other.astype(object)
    codes, values = _codes("cohen_kappa", np.stack([one, other], axis=1))
    paired = codes[(codes >= 0).all(1)]
    if reason := _undefined(codes, paired):
        return Estimate(None, None, None, len(paired), "cohen", reason=reason)
    first, second = paired.T
    in_first, in_second = (np.bincount(rater, minlength=len(values)) / len(paired) for rater in (first, second))
    expected = float(in_first @ in_second)
    return _chance_corrected(
        "cohen", len(paired), (first == second).astype(float), expected, in_second[first] + in_first[second]
    )


def fleiss_kappa(ratings: Any) -> Estimate:
    """Fleiss' kappa of a table of ratings, units x raters (Fleiss 1971, Psychological Bulletin 76:378).

        kappa = (p_o - p_e)/(1 - p_e),   p_e = sum pi_q^2

    Units may have unequal numbers of ratings, as in Gwet (2014, Handbook of Inter-Rater Reliability, chapter 2): p_o is
    the mean over units with two ratings or more (`n` counts them) of the share of pairs that agree; pi_q is the mean
    over all rated units of the share of label q. Interval: see `gwet_ac1`. Interchangeable raters, nominal labels.
    """
    return _over_shares("fleiss_kappa", "fleiss", ratings)


def gwet_ac1(ratings: Any) -> Estimate:
    """Gwet's AC1 of a table of ratings, units x raters (Gwet 2008, British Journal of Mathematical and Statistical
    Psychology 61:29); it does not collapse, as the kappas do, where one label prevails.

        AC1 = (p_o - p_e)/(1 - p_e),   p_e = sum pi_q (1 - pi_q)/(Q - 1)

    with p_o, pi_q and `n` as in `fleiss_kappa`, Q the number of labels that were given. The interval at 95 % is
    Student's t with the variance linearised over units, as Gwet's (2008), cut at 1.
    """
    return _over_shares("gwet_ac1", "gwet-ac1", ratings)


def _over_shares(function: str, method: str, ratings: Any) -> Estimate:
    """Fleiss' kappa and AC1: p_o and p_e from each unit's shares of labels."""
    codes, values = _codes(function, _table(function, ratings))
    codes = codes[(codes >= 0).any(1)]
    given = (codes >= 0).sum(1)
    if reason := _undefined(codes, codes[given >= 2]):
        return Estimate(None, None, None, int((given >= 2).sum()), method, reason=reason)
    unit, rater = np.nonzero(codes >= 0)
    flat = np.bincount(unit * len(values) + codes[unit, rater], minlength=len(codes) * len(values))
    counts = flat.reshape(len(codes), len(values))
    shares = counts / given[:, None]
    share = shares.mean(0)
    agreeing = np.full(len(codes), math.nan)
    several = given >= 2
    agreeing[several] = (counts * (counts - 1)).sum(1)[several] / (given * (given - 1))[several]
    if method == "fleiss":
        return _chance_corrected(method, len(codes), agreeing, float(share @ share), 2 * shares @ share)
    others = len(values) - 1
    expected = float(share @ (1 - share)) / others
    return _chance_corrected(method, len(codes), agreeing, expected, shares @ (1 - 2 * share) / others)


def _chance_corrected(method: str, n: int, agreeing: np.ndarray, expected: float, slope: np.ndarray) -> Estimate:
    """(p_o - p_e)/(1 - p_e) with the delta method over n units.

    `agreeing`: each unit's share of pairs that agree, NaN with fewer than two ratings; `slope`: each unit's part in the
    derivative of p_e, up to a constant.
    """
    several = ~np.isnan(agreeing)
    pairs = int(several.sum())
    observed = float(agreeing[several].mean())
    value = (observed - expected) / (1 - expected)
    if pairs == 1:
        return Estimate(value, None, None, 1, method, reason="one unit with two ratings has no interval")
    in_observed = np.where(several, agreeing - observed, 0.0) * n / pairs
    influence = (in_observed - (1 - value) * (slope - slope.mean())) / (1 - expected)
    se = math.sqrt(float(influence @ influence) / (n * (n - 1)))
    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * se
    low, high = value - half, min(1.0, value + half)
    return Estimate(value, low, high, pairs, method, CONFIDENCE, se=se, reason=NO_WIDTH if observed == 1 else None)


def _contributions(codes: np.ndarray, scale: np.ndarray, level: str) -> tuple[csr_array, Any]:
    """Each unit's part in alpha as a sparse row, and alpha as a function of totals of such rows.

    A row holds the unit's observed disagreement, sum o_ck d_ck over c != k, and then its n_c for every label. On the
    ordinal level d depends on the n_c of the resample, so there the disagreement is kept apart for every pair (c, k).
    """
    units, labels = len(codes), len(scale)
    unit, rater = np.nonzero(codes >= 0)
    cells, count = np.unique(unit * labels + codes[unit, rater], return_counts=True)
    unit, code = np.divmod(cells, labels)
    given = np.bincount(unit, count)
    parts = []
    # Cells of a unit lie side by side, so those that are `apart` cells apart are all its pairs of different labels.
    for apart in range(1, int(np.bincount(unit).max())):
        first = np.flatnonzero(unit[apart:] == unit[:-apart])
        parts.append((first, first + apart))
    first, second = (np.concatenate(side) for side in zip(*parts, strict=True)) if parts else (np.zeros(0, int),) * 2
    held, low, high = unit[first], code[first], code[second]
    coincidence = 2 * count[first] * count[second] / (given[held] - 1)
    if level == "ordinal":
        kinds, pair = np.unique(low * labels + high, return_inverse=True)
        lower, upper = np.divmod(kinds, labels)
    else:
        pair, lower, upper = np.zeros(len(held), int), np.zeros(1, int), np.zeros(1, int)
        coincidence = coincidence * _squared_distance(scale[low], scale[high], level)
    width = len(lower)
    rows = csr_array(
        (
            np.concatenate([coincidence, count]),
            (np.concatenate([held, unit]), np.concatenate([pair, width + code])),
        ),
        shape=(units, width + labels),
    )

    def alpha(totals: np.ndarray) -> np.ndarray:
        disagreement, n_c = totals[:, :width], totals[:, width:]
        n = n_c.sum(1)
        if level == "ordinal":
            rank = np.cumsum(n_c, axis=1) - n_c / 2
            disagreement = disagreement * (rank[:, lower] - rank[:, upper]) ** 2
            expected = _spread(n_c, rank)
        elif level == "interval":
            expected = _spread(n_c, scale[None])
        elif level == "nominal":
            expected = n**2 - (n_c**2).sum(1)
        else:
            expected = np.zeros(len(n_c))
            for c in range(labels):
                expected += n_c[:, c] * (n_c @ _squared_distance(scale[c], scale, level))
        with np.errstate(divide="ignore", invalid="ignore"):
            value = 1 - (n - 1) * disagreement.sum(1) / expected
        return np.where((n_c > 0).sum(1) > 1, value, math.nan)

    return rows, alpha


def _squared_distance(c: Any, k: Any, level: str) -> np.ndarray:
    """d_ck of Krippendorff's levels but the ordinal one, for labels or their values."""
    if level == "nominal":
        return np.asarray(c != k, dtype=float)
    if level == "interval":
        return np.asarray((c - k) ** 2)
    total = np.asarray(c + k)
    return np.asarray(((c - k) / np.where(total == 0, 1.0, total)) ** 2)  # 0 and 0 are the same number


def _spread(n_c: np.ndarray, at: np.ndarray) -> np.ndarray:
    """sum over c, k of n_c n_k (at_c - at_k)^2, row by row."""
    n = n_c.sum(1)
    middle = (n_c * at).sum(1) / n
    return np.asarray(2 * n * (n_c * (at - middle[:, None]) ** 2).sum(1))


def _undefined(codes: np.ndarray, paired: np.ndarray) -> str | None:
    if not (codes >= 0).any():
        return NO_RATINGS
    if len(paired) == 0:
        return NO_PAIRS
    given = paired[paired >= 0]
    return ALL_EQUAL if (given == given[0]).all() else None


def _table(function: str, ratings: Any) -> np.ndarray:
    table = as_array(function, "ratings", ratings)
    if table.size == 0:
        return np.empty((0, 0))
    if table.ndim != 2:
        raise UserError(f"{function}: ratings has shape {table.shape}; units x raters, two dimensions, are expected.")
    return table


def _codes(function: str, table: np.ndarray, ordered: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Every rating as its index among the distinct ones, -1 where it is missing; and those, sorted."""
    if table.dtype.kind == "U" and (table == "nan").any():
        raise UserError(
            f"{function}: a text array holds 'nan', which is how NumPy writes a missing value among text; give None and"
            f" dtype=object instead."
        )
    given = ~missing(table)
    try:
        values, index = np.unique(table[given], return_inverse=True)
    except TypeError:
        if ordered:
            raise UserError(f"{function}: ratings mix text with numbers, which have no order.") from None
        items = table[given].tolist()
        names = sorted(set(items), key=lambda item: (type(item).__name__, str(item)))
        place = {name: position for position, name in enumerate(names)}
        values, index = np.array(names, dtype=object), np.array([place[item] for item in items])
    codes = np.full(table.shape, -1)
    codes[given] = index
    return codes, values


def _scale(function: str, level: str, values: np.ndarray) -> np.ndarray:
    """Labels as numbers on an interval or ratio scale."""
    text = [value for value in values.tolist() if isinstance(value, str | bytes)]
    try:
        if text or values.dtype.kind not in "biufO":
            raise TypeError
        scale = values.astype(float)
    except (TypeError, ValueError):
        shown = (text or values.tolist())[0]
        raise UserError(f"{function}: ratings hold {shown!r:.60}; level = {level!r} needs numbers.") from None
    if not np.isfinite(scale).all():
        raise UserError(f"{function}: ratings hold {scale[~np.isfinite(scale)][0]}; finite numbers are expected.")
    if level == "ratio" and (scale < 0).any():
        raise UserError(f"{function}: ratings hold {scale.min():g}; the ratio level has no numbers below 0.")
    return scale
