"""Agreement of raters against published answers, written-out double sums, enumeration and the jackknife."""

import itertools
import math
import time
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.stats import Estimate, cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha

pytestmark = pytest.mark.filterwarnings("error")

LEVELS = ("nominal", "ordinal", "interval", "ratio")
OBSERVERS = """1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""
EXAMPLE = [
    list(unit)
    for unit in zip(
        *([None if mark == "." else int(mark) for mark in line.split()] for line in OBSERVERS.splitlines()), strict=True
    )
]
RATINGS = st.one_of(st.none(), st.integers(0, 4))
TABLES = st.integers(2, 5).flatmap(lambda raters: st.lists(st.lists(RATINGS, min_size=raters, max_size=raters)))


def brute_alpha(table, level):
    """Krippendorff's definition as it is written: every ordered pair of ratings of a unit, then of all ratings."""
    units = [[value for value in unit if value is not None] for unit in table]
    units = [unit for unit in units if len(unit) >= 2]
    pool = [value for unit in units for value in unit]
    counts = Counter(pool)

    def d(c, k):
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return (c - k) ** 2
        if level == "ratio":
            return 0.0 if c == k else ((c - k) / (c + k)) ** 2
        low, high = min(c, k), max(c, k)
        return (sum(counts[g] for g in range(low, high + 1)) - (counts[c] + counts[k]) / 2) ** 2

    observed = sum(d(*pair) / (len(unit) - 1) for unit in units for pair in itertools.permutations(unit, 2))
    expected = sum(d(*pair) for pair in itertools.permutations(pool, 2)) / max(1, len(pool) - 1)
    return 1 - observed / expected if expected else None


def test_krippendorffs_example():
    published = {"nominal": 0.743421, "ordinal": 0.815388, "interval": 0.849107, "ratio": 0.797403}
    for level, value in published.items():
        alpha = krippendorff_alpha(EXAMPLE, level)
        assert alpha.value == pytest.approx(value, abs=5e-7)
        assert (alpha.n, alpha.low, alpha.reason) == (11, None, None)
        assert str(alpha) == f"{value:.3f} (no interval)"
        assert brute_alpha(EXAMPLE, level) == pytest.approx(value, abs=5e-7)


@settings(deadline=None, max_examples=150)
@given(TABLES, st.sampled_from(LEVELS))
def test_alpha_is_the_double_sum(table, level):
    alpha, expected = krippendorff_alpha(table, level), brute_alpha(table, level)
    assert alpha.n == sum(sum(value is not None for value in unit) >= 2 for unit in table)
    if expected is None:
        assert alpha.value is None
        assert alpha.reason
    else:
        assert alpha.value == pytest.approx(expected, abs=1e-9)
    letters = [[None if value is None else "abcde"[value] for value in unit] for unit in table]
    if level in ("nominal", "ordinal"):
        assert krippendorff_alpha(letters, level) == alpha


def test_ratings_come_in_any_container():
    text = [[None if value is None else f"choice {value}" for value in unit] for unit in EXAMPLE]
    expected = krippendorff_alpha(EXAMPLE).value
    numbers = np.array(EXAMPLE, dtype=float)
    for table in (
        text,
        numbers,
        np.array(text, dtype=object),
        pl.DataFrame(numbers.tolist(), orient="row", nan_to_null=True),
        pl.DataFrame(text, orient="row"),
        [[math.nan if value is None else value for value in unit] for unit in text],
        [["unit" if value == 1 else value for value in unit] for unit in EXAMPLE],
    ):
        assert krippendorff_alpha(table).value == pytest.approx(expected, abs=1e-12)


class NotAvailable:
    """A missing mark like pandas': not even unequal to itself, it refuses to be true or false."""

    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


def test_a_mark_that_is_neither_equal_nor_unequal_is_missing():
    table = np.array([[NotAvailable() if value is None else value for value in unit] for unit in EXAMPLE], dtype=object)
    assert krippendorff_alpha(table, "interval") == krippendorff_alpha(EXAMPLE, "interval")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "table", [[[1, 1, 2], [2, 3, None], [4, 4, 3]], [[1, 1, 2], [1, 2, 1], [4, 4, 3]], [[0, 0], [0, 0], [0, 2]]]
)
def test_resampled_alphas_are_those_of_resampled_units(level, table):
    """Three units have 27 equally likely resamples: the draws hold their alphas, each as often as it should be."""
    resamples = list(itertools.product(table, repeat=3))
    alphas = [brute_alpha(list(units), level) for units in resamples]
    shares = Counter("undefined" if alpha is None else round(alpha, 9) for alpha in alphas)
    B = 20_000
    alpha = krippendorff_alpha(table, level, ci="bootstrap", B=B, seed=3)
    drawn = Counter("undefined" if math.isnan(draw) else round(draw, 9) for draw in alpha.draws)
    assert set(drawn) == set(shares)
    for value, count in shares.items():
        p = count / 27
        assert drawn[value] / B == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / B))
    low, high = np.nanquantile(alpha.draws, [0.025, 0.975])
    assert (alpha.low, alpha.high, alpha.n, alpha.level) == (low, high, 3, 0.95)
    assert alpha.method == f"krippendorff-{level}, bootstrap-percentile"


def test_resamples_of_one_and_the_same_fraction_are_undefined():
    """12 x 0.1 / 12 is not 0.1: rounding must not give a resample of equal ratings an alpha."""
    alpha = krippendorff_alpha([*[[0.1] * 3] * 3, [0.7, 0.3, 0.7]], "interval", ci="bootstrap", B=500)
    undefined = int(np.isnan(alpha.draws).sum())
    assert undefined / 500 == pytest.approx(0.75**4, abs=0.1)
    assert alpha.reason == f"{undefined} of 500 resamples were undefined"


def noisy_table(rng, units=300, raters=5, right=0.8):
    truth = rng.integers(0, 5, (units, 1))
    table = np.where(rng.random((units, raters)) < right, truth, rng.integers(0, 5, (units, raters))).astype(float)
    table[rng.random(table.shape) < 0.1] = math.nan
    return table


@pytest.mark.parametrize("level", LEVELS)
def test_no_order_of_units_or_raters_matters(level):
    rng = np.random.default_rng(0)
    table = noisy_table(rng, 60)
    shuffled = rng.permuted(table[rng.permutation(60)], axis=1)
    one, other = (krippendorff_alpha(rows, level, ci="bootstrap", B=200, seed=1) for rows in (table, shuffled))
    assert one == other
    assert np.array_equal(one.draws, other.draws)
    assert not np.array_equal(krippendorff_alpha(table, level, ci="bootstrap", B=200, seed=2).draws, one.draws)


def test_the_bootstrap_of_alpha_is_quick():
    table = noisy_table(np.random.default_rng(0))
    ratios = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(50):
            krippendorff_alpha(table)
        middle = time.perf_counter()
        krippendorff_alpha(table, ci="bootstrap", B=2000)
        ratios.append(40 * (middle - start) / (time.perf_counter() - middle))
    assert max(ratios) > 20


def test_cohens_kappa_of_a_published_table():
    """Fleiss, Cohen and Everitt 1969, table 1 (shares of 200 units): kappa 0.429, standard error 0.054."""
    shares = {
        "aa": 0.53,
        "ab": 0.05,
        "ac": 0.02,
        "ba": 0.11,
        "bb": 0.14,
        "bc": 0.05,
        "ca": 0.01,
        "cb": 0.06,
        "cc": 0.03,
    }
    pairs = [pair for pair, share in shares.items() for _ in range(round(200 * share))]
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    kappa = cohen_kappa(first, second)
    assert kappa.value == pytest.approx(0.429, abs=5e-4)
    assert kappa.se == pytest.approx(0.054, abs=5e-4)
    assert kappa.n == 200
    assert kappa.value - kappa.low == pytest.approx(kappa.high - kappa.value)
    assert (kappa.high - kappa.low) / kappa.se == pytest.approx(2 * 1.97196, abs=1e-4)
    with_gaps = cohen_kappa([*first, "a", None, None], [*second, math.nan, "b", None])
    assert with_gaps == kappa
    assert cohen_kappa(second, first).value == pytest.approx(kappa.value)


def test_fleiss_kappa_of_a_published_table():
    """The textbook table of 10 units and 14 raters with five labels: kappa 0.210."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    ratings = [[label for label, count in zip("abcde", unit, strict=True) for _ in range(count)] for unit in counts]
    kappa = fleiss_kappa(ratings)
    assert kappa.value == pytest.approx(0.210, abs=5e-4)
    assert kappa.n == 10


def test_gwets_answers_on_krippendorffs_example():
    """Gwet's own program prints AC1 0.77544 and Fleiss' kappa 0.76117 for these ratings, one of them alone in its unit."""
    assert gwet_ac1(EXAMPLE).value == pytest.approx(0.77544, abs=5e-6)
    assert fleiss_kappa(EXAMPLE).value == pytest.approx(0.76117, abs=5e-6)
    assert gwet_ac1(EXAMPLE).n == fleiss_kappa(EXAMPLE).n == 11


def shares_of(table):
    rated = [[value for value in unit if value is not None] for unit in table]
    rated = [unit for unit in rated if unit]
    names = sorted({value for unit in rated for value in unit})
    pi = [sum(unit.count(q) / len(unit) for unit in rated) / len(rated) for q in names]
    agreeing = [
        sum(a == b for a, b in itertools.permutations(unit, 2)) / (len(unit) * (len(unit) - 1))
        for unit in rated
        if len(unit) > 1
    ]
    return pi, sum(agreeing) / len(agreeing)


@settings(deadline=None, max_examples=100)
@given(TABLES)
def test_fleiss_and_ac1_are_their_definitions(table):
    fleiss, ac1 = fleiss_kappa(table), gwet_ac1(table)
    paired = [value for unit in table if sum(v is not None for v in unit) > 1 for value in unit if value is not None]
    if len(set(paired)) < 2:
        assert fleiss.value is None
        assert ac1.value is None
        assert fleiss.reason == ac1.reason
        return
    pi, observed = shares_of(table)
    for estimate, expected in (
        (fleiss, sum(share**2 for share in pi)),
        (ac1, sum(share * (1 - share) for share in pi) / (len(pi) - 1)),
    ):
        assert estimate.value == pytest.approx((observed - expected) / (1 - expected), abs=1e-9)
        if estimate.low is not None:
            assert estimate.low <= estimate.value <= estimate.high <= 1
    complete = [unit for unit in table if None not in unit]
    if complete and len(complete) == len(table) and len(table[0]) == 2:
        n = 2 * len(table)
        alpha = krippendorff_alpha(table).value
        assert alpha == pytest.approx(1 - (1 - fleiss.value) * (n - 1) / n, abs=1e-9)


def test_ac1_holds_where_kappa_collapses():
    a, b = [1] * 118 + [0] * 7, [1] * 113 + [0] * 5 + [1] * 7
    table = np.column_stack([a, b])
    assert cohen_kappa(a, b).value < 0 < 0.85 < gwet_ac1(table).value


def weighted(name, units, w):
    """A coefficient of units that count w times each, from its definition."""
    if name == "cohen":
        units = [unit[:2] for unit in units]
    names = sorted({value for unit in units for value in unit})
    shares = np.array([[unit.count(q) / len(unit) for q in names] for unit in units])
    several = np.array([len(unit) > 1 for unit in units])
    agreeing = [sum(a == b for a, b in itertools.permutations(u, 2)) / max(1, len(u) * (len(u) - 1)) for u in units]
    observed = np.average(agreeing, weights=w * several)
    pi = np.average(shares, axis=0, weights=w)
    if name == "ac1":
        expected = (pi * (1 - pi)).sum() / (len(names) - 1)
    elif name == "fleiss":
        expected = (pi**2).sum()
    else:
        first, second = (
            np.average([[u[side] == q for q in names] for u in units], axis=0, weights=w) for side in (0, 1)
        )
        expected = first @ second
    return (observed - expected) / (1 - expected)


@pytest.mark.parametrize("name", ["cohen", "fleiss", "ac1"])
def test_standard_errors_are_those_of_numerical_derivatives(name):
    """The delta method, with every unit's influence from a small change of its weight."""
    rng = np.random.default_rng(5)
    units = [[int(v) for v in unit] for unit in np.minimum(rng.poisson(0.8, (60, 1)) + rng.poisson(0.3, (60, 3)), 3)]
    if name != "cohen":
        units = [unit[: rng.integers(1, 4)] for unit in units]
    table = [unit + [None] * (3 - len(unit)) for unit in units]
    estimate = {
        "cohen": lambda: cohen_kappa([unit[0] for unit in table], [unit[1] for unit in table]),
        "fleiss": lambda: fleiss_kappa(table),
        "ac1": lambda: gwet_ac1(table),
    }[name]()
    n, step = len(units), 1e-5
    influence = [
        n * (weighted(name, units, 1 + step * side) - weighted(name, units, 1 - step * side)) / (2 * step)
        for side in np.eye(n)
    ]
    assert estimate.value == pytest.approx(weighted(name, units, np.ones(n)))
    assert estimate.se == pytest.approx(math.sqrt(np.square(influence).sum() / (n * (n - 1))), rel=1e-6)


def test_perfect_agreement_says_that_its_interval_has_no_width():
    table = [[1, 1], [2, 2], [1, 1], [3, None]]
    for estimate in (
        krippendorff_alpha(table, ci="bootstrap", B=50),
        fleiss_kappa(table),
        gwet_ac1(table),
        cohen_kappa([1, 2, 1], [1, 2, 1]),
    ):
        assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)
        assert "no width" in estimate.reason
    assert "of 50 resamples were undefined" in krippendorff_alpha(table, ci="bootstrap", B=50).reason


UNDEFINED = {
    "equal": ([[1, 1], [1, 1], [1, None]], "all ratings are equal"),
    "equal among pairs": ([["x", "x"], ["x", "x"], ["y", None]], "all ratings are equal"),
    "no pairs": ([[1, None], [None, 2]], "no unit has two ratings"),
    "one rater": ([[1], [2]], "no unit has two ratings"),
    "nothing given": ([[None, None], [None, None]], "no ratings"),
    "no units": ([], "no ratings"),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_undefined_agreement_has_a_reason(case):
    table, words = UNDEFINED[case]
    estimates = [fleiss_kappa(table), gwet_ac1(table)]
    for level in LEVELS if case != "equal among pairs" else ("nominal", "ordinal"):
        estimates += [krippendorff_alpha(table, level), krippendorff_alpha(table, level, ci="bootstrap", B=5)]
    if table and len(table[0]) == 2:
        estimates.append(cohen_kappa([unit[0] for unit in table], [unit[1] for unit in table]))
    for estimate in estimates:
        assert isinstance(estimate, Estimate)
        assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
        assert words in estimate.reason
    assert cohen_kappa([], []).reason == "no ratings"


def test_one_unit_has_a_value_without_interval():
    table = [[1, 2, 2], [None, None, 3]]
    for estimate in (krippendorff_alpha(table, ci="bootstrap"), fleiss_kappa(table), gwet_ac1(table)):
        assert estimate.value is not None
        assert (estimate.low, estimate.n) == (None, 1)
        assert "one unit" in estimate.reason


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: krippendorff_alpha([["a", "b"]], "interval"), "krippendorff_alpha: ratings hold 'a'; .*'interval'"),
        (lambda: krippendorff_alpha([["a", 1.0]], "ratio"), "'a'.*'ratio' needs numbers"),
        (lambda: krippendorff_alpha([["a", 1.0]], "ordinal"), "mix text with numbers"),
        (lambda: krippendorff_alpha([[-1, 2]], "ratio"), "ratings hold -1"),
        (lambda: krippendorff_alpha([[math.inf, 2]], "interval"), "hold inf"),
        (lambda: krippendorff_alpha([[1, 2]], "cardinal"), "level = 'cardinal'"),
        (lambda: krippendorff_alpha([[1, 2]], ci="exact"), "ci = 'exact'"),
        (lambda: krippendorff_alpha([[1, 2]], B=0), "krippendorff_alpha: B = 0"),
        (lambda: krippendorff_alpha([[1, 2]], ci="bootstrap", B=2.5), "B = 2.5"),
        (lambda: krippendorff_alpha([1, 2, 3]), r"ratings has shape \(3,\)"),
        (lambda: krippendorff_alpha([[1, 2], [3]]), "ragged"),
        (lambda: krippendorff_alpha([["a", "b"], ["c"]]), "ragged"),
        (lambda: krippendorff_alpha(np.array([["a", math.nan]])), "NumPy writes a missing value"),
        (lambda: fleiss_kappa([1, 2]), "fleiss_kappa: ratings has shape"),
        (lambda: gwet_ac1([1, 2]), "gwet_ac1: ratings has shape"),
        (lambda: cohen_kappa([1, 2], [1]), "cohen_kappa: a has 2 ratings and b 1"),
        (lambda: cohen_kappa([[1, 2]], [[1, 2]]), r"a has shape \(1, 2\)"),
    ],
)
def test_mistakes_are_value_errors_that_name_them(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_interval_of_alpha_at_another_level():
    rows = [[1, 1], [1, 2], [2, 2], [2, 2], [1, 1], [2, 1], [1, 1], [2, 2]]
    whole, same, narrow = (krippendorff_alpha(rows, ci=ci, B=400) for ci in ("bootstrap", 0.95, 0.5))
    assert whole == same
    assert (narrow.level, whole.level) == (0.5, 0.95)
    assert whole.low < narrow.low < narrow.value < narrow.high < whole.high
    for wrong in ("half", 1.5, True):
        with pytest.raises(UserError, match="krippendorff_alpha: (ci|level) = "):
            krippendorff_alpha(rows, ci=wrong)
