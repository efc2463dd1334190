"""Comparing two noisy scores: exact p against enumeration and SciPy, known answers, invariances, error rates."""

import itertools
import math
from dataclasses import astuple, fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from gnomon.stats import Estimate, order
from gnomon.stats.order import nulls

METHODS = [
    (method, paired)
    for paired, methods in (
        (False, ("mannwhitney", "permutation", "ks", "mean")),
        (True, ("wilcoxon", "sign_flip", "mean")),
    )
    for method in methods
]
RANKED = ["mannwhitney", "ks"]
EVEN = [-3.0, -1.0, 0.0, 0.5, 2.0, 7.0, math.inf, -math.inf]
ties = st.lists(st.integers(0, 3).map(float), min_size=4, max_size=6)
floats = st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=12)


def doubled_u(x, y):
    return sum((a > b) * 2 + (a == b) for a in x for b in y)


def ecdf_lead(x, y):
    return max(Fraction(sum(b <= k for b in y), len(y)) - Fraction(sum(a <= k for a in x), len(x)) for k in {*x, *y})


def enumerated(statistic, x, y):
    """P(T >= t) and P(T <= t) over all ways of choosing which of the pooled numbers are x."""
    pooled, observed = [*x, *y], statistic(x, y)
    found = []
    for chosen in itertools.combinations(range(len(pooled)), len(x)):
        first = [pooled[i] for i in chosen]
        found.append(statistic(first, [pooled[i] for i in range(len(pooled)) if i not in chosen]))
    return Fraction(sum(t >= observed for t in found), len(found)), Fraction(
        sum(t <= observed for t in found), len(found)
    )


def signed(statistic, d):
    found = [
        statistic([s * abs(v) for s, v in zip(signs, d, strict=True)])
        for signs in itertools.product((-1, 1), repeat=len(d))
    ]
    observed = statistic(d)
    return Fraction(sum(t >= observed for t in found), len(found)), Fraction(
        sum(t <= observed for t in found), len(found)
    )


def doubled_signed_rank(d):
    size = sorted(abs(v) for v in d)
    rank = {v: 2 * size.index(v) + size.count(v) + 1 for v in size}
    return sum(rank[abs(v)] for v in d if v > 0)


# ---- exact p


@given(ties, ties)
@settings(deadline=None, max_examples=40)
def test_unpaired_p_equals_enumeration_with_ties(x, y):
    found = order.compare(x, y)
    greater, less = enumerated(doubled_u, x, y)
    assert (found.p_greater, found.p_less) == pytest.approx((float(greater), float(less)), rel=1e-12)
    lead = order.compare(x, y, method="ks")
    assert lead.p_greater == pytest.approx(float(enumerated(ecdf_lead, x, y)[0]), rel=1e-12)
    assert lead.p_less == pytest.approx(float(enumerated(ecdf_lead, y, x)[0]), rel=1e-12)
    total = order.compare(x, y, method="permutation")
    greater, less = enumerated(lambda x, y: sum(x), x, y)
    assert (total.p_greater, total.p_less) == pytest.approx((float(greater), float(less)), rel=1e-12)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=5, max_size=9))
@settings(deadline=None, max_examples=60)
def test_paired_p_equals_enumeration_with_ties_and_zeros(pairs):
    x, y = zip(*pairs, strict=True)
    kept = [a - b for a, b in pairs if a != b]
    found = order.compare(x, y, paired=True)
    expected = signed(doubled_signed_rank, kept)
    assert (found.p_greater, found.p_less) == pytest.approx(tuple(map(float, expected)), rel=1e-12)
    flipped = order.compare(x, y, paired=True, method="sign_flip")
    expected = signed(sum, [a - b for a, b in pairs])
    assert (flipped.p_greater, flipped.p_less) == pytest.approx(tuple(map(float, expected)), rel=1e-12)


@pytest.mark.parametrize(("m", "n"), [(1, 20), (4, 4), (10, 10), (7, 31), (50, 50), (50, 12)])
def test_unpaired_p_equals_scipy_without_ties(m, n):
    rng = np.random.default_rng(m * 100 + n)
    for shift in (-1, 0, 0.7, 4):
        x, y = rng.normal(shift, 1, m), rng.normal(0, 1, n)
        found = order.compare(x, y)
        for p, side in ((found.p_greater, "greater"), (found.p_less, "less")):
            assert p == pytest.approx(oracle.mannwhitneyu(x, y, alternative=side, method="exact").pvalue, rel=1e-9)
        lead = order.compare(x, y, method="ks")
        assert lead.p_greater == pytest.approx(
            oracle.ks_2samp(x, y, alternative="less", method="exact").pvalue, rel=1e-9
        )
        assert lead.p_less == pytest.approx(
            oracle.ks_2samp(x, y, alternative="greater", method="exact").pvalue, rel=1e-9
        )


@pytest.mark.parametrize("n", [5, 10, 25, 50])
def test_paired_p_equals_scipy_without_ties(n):
    rng = np.random.default_rng(n)
    for shift in (-0.4, 0, 1):
        x, y = rng.normal(shift, 1, n), rng.normal(0, 1, n)
        found = order.compare(x, y, paired=True)
        for p, side in ((found.p_greater, "greater"), (found.p_less, "less")):
            assert p == pytest.approx(oracle.wilcoxon(x, y, alternative=side, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize("digits", [8, 1, 0])
def test_above_fifty_repeats_p_equals_scipys_normal_one(digits):
    rng = np.random.default_rng(digits)
    for m, n in ((51, 50), (3, 51), (200, 80)):
        x, y = rng.normal(0.3, 1, m).round(digits), rng.normal(0, 1, n).round(digits)
        found = order.compare(x, y)
        for p, side in ((found.p_greater, "greater"), (found.p_less, "less")):
            assert p == pytest.approx(oracle.mannwhitneyu(x, y, alternative=side, method="asymptotic").pvalue, rel=1e-9)
        lead = order.compare(x, y, method="ks").p_greater
        assert lead == pytest.approx(oracle.ks_2samp(x, y, alternative="less", method="asymp").pvalue, rel=1e-9)
    x, y = rng.normal(0.3, 1, 90).round(digits), rng.normal(0, 1, 90).round(digits)
    found = order.compare(x, y, paired=True)
    for p, side in ((found.p_greater, "greater"), (found.p_less, "less")):
        theirs = oracle.wilcoxon(x, y, alternative=side, method="asymptotic", correction=True).pvalue
        assert p == pytest.approx(theirs, rel=1e-9)


def test_at_fifty_repeats_exact_and_normal_p_nearly_agree():
    rng = np.random.default_rng(3)
    x, y = rng.normal(0.3, 1, 50).round(1), rng.normal(0, 1, 50).round(1)
    normal = oracle.mannwhitneyu(x, y, alternative="greater", method="asymptotic").pvalue
    exact = order.compare(x, y).p_greater
    assert exact == pytest.approx(normal, rel=0.02)
    assert exact != pytest.approx(normal, rel=1e-6)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 5), (10, 10), (13, 50)])
def test_the_table_equals_the_recursion_over_the_largest_value(m, n):
    def ways(m, n, memo={}):  # noqa: B006
        if (m, n) not in memo:
            if m == 0 or n == 0:
                memo[m, n] = [1]
            else:  # the largest of all is an x, which beats all n, or a y
                a, b = ways(m - 1, n), ways(m, n - 1)
                memo[m, n] = [
                    (a[u - n] if 0 <= u - n < len(a) else 0) + (b[u] if u < len(b) else 0) for u in range(m * n + 1)
                ]
        return memo[m, n]

    counts = ways(m, n)
    tail = [sum(counts[u:]) / math.comb(m + n, m) for u in range(m * n + 1)]
    assert nulls.rank_sum_tail(m, n).tolist() == pytest.approx(tail, rel=1e-13)
    assert nulls.rank_sum_tail(n, m) is nulls.rank_sum_tail(m, n)
    at_least, at_most = nulls.tied_rank_sum_tails(m, (1,) * (m + n))
    assert at_least[::2].tolist() == pytest.approx(tail, rel=1e-12)
    assert at_most[::2].tolist() == pytest.approx(tail[::-1], rel=1e-12)


def test_a_tabled_null_distribution_cannot_be_written_to():
    for table in (nulls.rank_sum_tail(4, 4), *nulls.tied_rank_sum_tails(4, (2, 6)), *nulls.signed_rank_tails((3, 2))):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


@pytest.mark.parametrize(("method", "paired", "n"), [("permutation", False, 12), ("sign_flip", True, 20)])
def test_sampled_p_is_near_the_exact_one_and_belongs_to_its_seed(method, paired, n):
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.6, 1, n), rng.normal(0, 1, n)
    found = order.compare(x, y, method=method, paired=paired, seed=4)
    assert found == order.compare(x, y, method=method, paired=paired, seed=4)
    assert found.p_greater != order.compare(x, y, method=method, paired=paired, seed=5).p_greater
    theirs = oracle.ttest_rel(x, y, alternative="greater") if paired else oracle.ttest_ind(x, y, alternative="greater")
    assert found.p_greater == pytest.approx(theirs.pvalue, abs=0.015)
    assert (found.p_greater * 10_000) == pytest.approx(round(found.p_greater * 10_000))
    apart = order.compare(x + 100, y, method=method, paired=paired)
    assert apart.p_greater == 1 / 10_000
    assert apart.p_less == 1


def test_a_sample_against_itself_is_the_same_in_both_directions():
    x = np.random.default_rng(0).normal(size=12)
    for method, paired in METHODS:
        found = order.compare(x, x, method=method, paired=paired)
        assert found.p_greater == found.p_less > 0.5
        assert found.decision == "undecided"


# ---- what holds for every method


@given(floats, floats, st.sampled_from(METHODS))
@settings(deadline=None, max_examples=150)
def test_the_other_way_round_is_the_mirror_image(x, y, chosen):
    method, paired = chosen
    if paired:
        n = min(len(x), len(y))
        x, y = (x[:n] * 2)[: max(n, 5)], (y[:n] * 2)[: max(n, 5)]
    one = order.compare(x, y, method=method, paired=paired)
    other = order.compare(y, x, method=method, paired=paired)
    assert (one.p_greater, one.p_less, one.p_value) == (other.p_less, other.p_greater, other.p_value)
    names = {"greater": "less", "less": "greater", "undecided": "undecided"}
    assert one.decision == names[other.decision]
    assert one.superiority.value == pytest.approx(1 - other.superiority.value, abs=1e-12)
    assert one.superiority.low == pytest.approx(1 - other.superiority.high, abs=1e-12)
    if one.p_greater != one.p_less:
        assert one.crossing == other.crossing
    assert 0 < one.p_greater + one.p_less
    assert one.p_value == min(1, 2 * min(one.p_greater, one.p_less))


def test_sampled_draws_mirror_too():
    rng = np.random.default_rng(8)
    for m, n in ((12, 12), (9, 15), (60, 55)):
        x, y = rng.normal(size=m), rng.normal(size=n).round(1)
        one, other = order.compare(x, y, method="permutation"), order.compare(y, x, method="permutation")
        assert (one.p_greater, one.p_less) == (other.p_less, other.p_greater)
        shuffled = order.compare(rng.permutation(x), rng.permutation(y), method="permutation")
        assert (shuffled.p_greater, shuffled.p_less) == (one.p_greater, one.p_less)


@given(ties, ties, st.sampled_from(RANKED), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=80)
def test_rank_methods_know_only_the_order(x, y, method, random):
    at = sorted(random.sample(range(-1000, 1000), 4))
    before = order.compare(x, y, method=method)
    for moved in (
        {float(i): float(v) for i, v in enumerate(at)},
        dict(zip(range(4), (-math.inf, -1.0, 5e-324, math.inf), strict=True)),
    ):
        assert order.compare([moved[v] for v in x], [moved[v] for v in y], method=method) == before
    random.shuffle(x)
    random.shuffle(y)
    assert order.compare(x, y, method=method) == before


@given(
    st.lists(st.sampled_from([*EVEN, math.nan]), min_size=4, max_size=8),
    st.lists(st.sampled_from([*EVEN, math.nan]), min_size=4, max_size=8),
    st.sampled_from([0.02, 0.05, 0.3]),
)
@settings(deadline=None, max_examples=200)
def test_better_is_compare_for_lowest(x, y, alpha):
    assert order.better(x, y, missing="lowest", alpha=alpha) == (
        order.compare(x, y, missing="lowest", alpha=alpha).decision == "greater"
    )


@given(
    st.one_of(floats, ties, st.lists(st.integers(-2, 2), min_size=4, max_size=60)),
    st.one_of(floats, ties, st.lists(st.floats(), min_size=4, max_size=60)),
    st.sampled_from([0.001, 0.014, 1 / 70, 0.05, 0.2, 0.49]),
    st.sampled_from([list, np.array, tuple]),
)
@settings(deadline=None, max_examples=150)
def test_better_is_compare(x, y, alpha, kind):
    def outcome(ask):
        try:
            return ask()
        except ValueError as refused:
            return type(refused), str(refused)

    x, y = kind(x), kind(y)
    assert outcome(lambda: order.better(x, y, alpha=alpha)) == outcome(
        lambda: order.compare(x, y, alpha=alpha).decision == "greater"
    )


@pytest.mark.parametrize(("method", "paired"), METHODS)
def test_better_is_compare_for_every_method(method, paired):
    rng = np.random.default_rng(2)
    found = set()
    for shift in (-2, 0, 1, 2) * 5:
        x, y = rng.normal(shift, 1, 8), rng.normal(0, 1, 8)
        answer = order.better(x, y, method=method, paired=paired)
        assert answer == (order.compare(x, y, method=method, paired=paired).decision == "greater")
        found.add(answer)
    assert found == {True, False}


def test_every_threshold_between_two_attainable_p():
    """Around each attainable p of 5 against 5, `better` must turn exactly where p < alpha does."""
    y = np.arange(5) * 2.0
    for x in itertools.combinations(np.arange(-1, 11) + 0.5, 5):
        p = order.compare(x, y).p_greater
        if 0.004 < p < 0.4:
            assert not order.better(x, y, alpha=p)
            assert order.better(x, y, alpha=math.nextafter(p, 1))


@pytest.mark.parametrize("digits", [3, 0])
def test_better_turns_where_p_does_above_fifty_repeats(digits):
    rng = np.random.default_rng(9)
    x, y = rng.normal(0.5, 1, 60).round(digits), rng.normal(0, 1, 40).round(digits)
    p = order.compare(x, y).p_greater
    assert 1e-6 < p < 0.4
    assert not order.better(x, y, alpha=p)
    assert order.better(x, y, alpha=math.nextafter(p, 1))


# ---- known answers


def test_three_against_three_can_never_be_below_one_twentieth():
    assert order.smallest_p(3) == 0.05
    with pytest.raises(
        order.UndecidableDesign, match="3 repeats against 3.*smallest possible p is 0.05.*at least 4"
    ) as e:
        order.compare([7, 8, 9], [1, 2, 3])
    assert (e.value.smallest_p, e.value.threshold, e.value.repeats_needed) == (0.05, 0.05, 4)
    assert order.compare([7, 8, 9], [1, 2, 3], alpha=0.051).p_greater == 0.05


def test_what_designs_need():
    assert order.repeats_needed() == 4
    assert order.smallest_p(4) == 1 / 70
    assert order.repeats_needed(0.05, comparisons=50) == 7
    assert order.repeats_needed(0.05, paired=True) == 5
    assert order.smallest_p(5, paired=True) == 1 / 32
    assert order.smallest_p(4, 10) == 1 / 1001
    assert order.smallest_p(600, 700) == pytest.approx(0, abs=1e-300)
    assert order.smallest_p(2, 999) == pytest.approx(1 / math.comb(1001, 2), rel=1e-9)


def test_complete_separation_of_ten_and_ten():
    found = order.superiority(range(10, 20), range(10))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.80, abs=0.005)
    assert found.n == 20
    mirrored = order.superiority(range(10), range(10, 20))
    assert (mirrored.value, mirrored.low) == (0, 0)
    assert mirrored.high == pytest.approx(1 - found.low)


@pytest.mark.parametrize(
    ("wins", "m", "n"), [(50, 10, 10), (85, 10, 10), (12, 3, 4), (1, 3, 4), (1500, 50, 40), (1, 1, 1)]
)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_newcombes_interval_is_where_its_inequality_holds(wins, m, n, level):
    a = wins / (m * n)
    x = [-1.0] * m  # any sample with this U: raise the x one after the other over the y
    y = [float(i) for i in range(n)]
    for i in range(m):
        x[i] = min(n, max(0, wins - i * n)) - 0.5
    found = order.superiority(x, y, level=level)
    assert found.value == pytest.approx(a)
    z2, spare = oracle.norm.ppf(0.5 + level / 2) ** 2, (m + n) / 2 - 1
    t = np.linspace(0, 1, 200_003)[1:-1]
    inside = t[(a - t) ** 2 <= z2 * t * (1 - t) * (1 + spare * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)]
    assert (found.low, found.high) == pytest.approx((inside.min(), inside.max()), abs=2e-5)


def test_cliffs_delta_is_twice_superiority_less_one():
    x, y = [1.0, 2, 2, 5, 9], [0.0, 2, 3, 3]
    a, delta = order.superiority(x, y), order.cliffs_delta(x, y)
    wins = sum(p > q for p in x for q in y)
    losses = sum(p < q for p in x for q in y)
    assert delta.value == pytest.approx((wins - losses) / 20)
    assert (delta.value, delta.low, delta.high) == pytest.approx(tuple(2 * v - 1 for v in (a.value, a.low, a.high)))
    assert order.compare(x, y).cliffs_delta == delta
    assert order.compare(x, y).superiority == a


def test_paired_superiority_is_wilsons_share_of_pairs_won_with_ties_half():
    from gnomon.stats import wilson

    whole = order.superiority([1, 2, 3, 4, 9, 9], [0, 0, 0, 0, 10, 10], paired=True)
    theirs = wilson(4, 6)
    assert (whole.value, whole.low, whole.high, whole.n) == (theirs.value, theirs.low, theirs.high, 6)
    half = order.superiority([1, 2, 3, 5], [0, 0, 3, 7], paired=True)
    assert half.value == 2.5 / 4
    p, z2 = 2.5 / 4, oracle.norm.ppf(0.975) ** 2
    for bound in (half.low, half.high):  # the roots of Wilson's equation
        assert (p - bound) ** 2 == pytest.approx(z2 * bound * (1 - bound) / 4, abs=1e-12)


def test_shift_is_the_median_difference_with_the_inverted_test_as_interval():
    rng = np.random.default_rng(0)
    for m, n in ((4, 4), (7, 10), (12, 9)):
        x, y = rng.normal(1, 1, m), rng.normal(0, 1, n)
        found = order.shift(x, y)
        assert found.value == pytest.approx(np.median(np.subtract.outer(x, y)))
        for d in np.linspace(-4, 6, 401):
            rejected = min(order.compare(x, y + d).p_greater, order.compare(x, y + d).p_less) <= 0.025
            assert rejected == (not found.low <= d <= found.high), d


def test_paired_shift_inverts_the_signed_rank_test():
    rng = np.random.default_rng(1)
    x, y = rng.normal(1, 1, 9), rng.normal(0, 1, 9)
    found = order.shift(x, y, paired=True)
    d = x - y
    assert found.value == pytest.approx(np.median([(a + b) / 2 for i, a in enumerate(d) for b in d[i:]]))
    for at in np.linspace(-3, 5, 401):
        test = order.compare(x, y + at, paired=True)
        assert (min(test.p_greater, test.p_less) <= 0.025) == (not found.low <= at <= found.high), at


def test_shift_where_no_interval_of_the_level_exists():
    found = order.shift([1, 2, 4], [0, 0.5, 0.75])
    assert (found.value, found.low, found.high) == (1.5, None, None)
    assert "too few" in found.reason
    whole = order.shift([1, 2, 4], [0, 0.5, 0.75], level=0.9)  # P(U = 0) is exactly 0.05
    assert (whole.low, whole.high) == (0.25, 4)


@pytest.mark.parametrize(("m", "n"), [(50, 50), (60, 45)])
def test_shift_above_fifty_repeats_hardly_changes(m, n):
    rng = np.random.default_rng(4)
    x, y = rng.normal(0.5, 1, m), rng.normal(0, 1, n)
    found = order.shift(x, y)
    theirs = [
        d
        for d in np.linspace(-0.5, 1.5, 401)
        if oracle.mannwhitneyu(x, y + d, method="asymptotic", use_continuity=True).pvalue > 0.05
    ]
    assert (found.low, found.high) == pytest.approx((theirs[0], theirs[-1]), abs=0.02)
    paired = order.shift(rng.normal(0.5, 1, 70), np.zeros(70), paired=True)
    assert paired.low < paired.value < paired.high


def test_equivalence_is_two_one_sided_tests():
    x = np.linspace(0, 1, 10)
    found = order.equivalent(x, x + 0.05, 1.0)
    assert found.equivalent
    assert found.margin == 1.0
    both = order.compare(x, x + 0.05 - 1).p_greater, order.compare(x, x + 0.05 + 1).p_less
    assert found.p_value == max(both)
    assert not order.equivalent(x, x, 0.1).equivalent
    assert not order.equivalent(x, x + 5, 1.0).equivalent
    one_sided = order.equivalent(x, x - 5, 1.0)
    assert not one_sided.equivalent
    assert one_sided.p_value > 0.9


def test_crossing_is_none_where_the_order_holds_everywhere():
    assert order.compare([5, 6, 7, 8], [1, 2, 3, 4]).crossing == 0
    assert order.compare([1, 2, 3, 4], [5, 6, 7, 8]).crossing == 0
    wide, narrow = [-10, -9, 5, 6, 7, 8, 9, 10], [0, 1, 2, 3, 4, 0.5, 1.5, 2.5]
    found = order.compare(wide, narrow)
    assert found.p_greater < found.p_less
    assert found.crossing == 2 / 8
    assert order.compare(narrow, wide).crossing == 2 / 8
    assert order.compare([0, 0, 3, 3], [1, 1, 2, 2]).crossing == 0.5


def test_the_crossing_at_equal_p_is_that_of_x():
    x, y = [0, 3, 6, 7], [1, 2, 4, 5, 8]
    found, other = order.compare(x, y), order.compare(y, x)
    assert found.p_greater == found.p_less == other.p_greater
    assert (found.crossing, other.crossing) == (0.25, pytest.approx(0.3))


# ---- sequential looks


def test_thresholds_of_the_default_looks():
    apart = order.sequential(np.arange(10) + 100, np.arange(10))
    assert (apart.decision, apart.n_x, apart.n_y, apart.alpha) == ("greater", 4, 4, pytest.approx(0.02))
    assert apart.p_greater == 1 / 70
    same = order.sequential(np.arange(10), np.arange(10))
    assert (same.decision, same.n_x, same.alpha) == ("undecided", 10, pytest.approx(0.015))


def test_looks_decide_by_their_own_threshold():
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(200):
        x, y = rng.normal(0.9, 1, 10), rng.normal(0, 1, 10)
        for n, threshold in ((4, 0.02), (7, 0.015), (10, 0.015)):
            once = order.compare(x[:n], y[:n], alpha=threshold)
            if once.decision != "undecided":
                break
        found = order.sequential(x, y)
        assert (found.decision, found.n_x, found.p_greater) == (once.decision, n, once.p_greater)
        seen.add((found.decision, found.n_x))
    assert {("greater", 4), ("greater", 7), ("greater", 10), ("undecided", 10)} <= seen


def test_scores_are_asked_only_as_far_as_needed():
    asked = []

    def scores(name, offset):
        def first(n):
            asked.append((name, n))
            return np.arange(n) + offset

        return first

    order.sequential(scores("x", 100), scores("y", 0))
    assert asked == [("x", 4), ("y", 4)]
    asked.clear()
    order.sequential(scores("x", 0.5), scores("y", 0), looks=(5, 9))
    assert asked == [("x", 5), ("y", 5), ("x", 9), ("y", 9)]
    asked.clear()
    order.sequential(scores("x", 100), np.arange(10))
    assert asked == [("x", 4)]


def test_a_look_too_early_is_refused_before_anything_is_asked():
    def never(n):
        raise AssertionError(f"asked for {n}")

    with pytest.raises(order.UndecidableDesign, match="look after 4") as e:
        order.sequential(never, never, looks=(4, 6, 8, 10), alpha=0.025)
    assert e.value.threshold == pytest.approx(0.01)
    assert e.value.repeats_needed == 5
    with pytest.raises(order.UndecidableDesign, match="4 pairs at the look after 4.*at least 6 pairs"):
        order.sequential(never, never, paired=True)
    with pytest.raises(order.UndecidableDesign, match="look after 9"):  # the later look is the one too early
        order.sequential(never, never, looks=(8, 9, 1000), alpha=0.015)


def test_a_mistake_at_one_look_ends_the_asking():
    asked = []

    def broken(n):
        asked.append(n)
        return [math.nan] * n

    with pytest.raises(ValueError, match="x is missing"):
        order.sequential(broken, range(10))
    assert asked == [4]


def test_a_look_that_missing_numbers_empty_is_passed_over():
    x = np.array([math.nan, math.nan, math.nan, math.nan, 11, 12, 13, 14, 15, 16, 17, 18])
    found = order.sequential(x, np.arange(12), looks=(4, 8, 12), missing="drop", alpha=0.1)
    assert (found.n_x, found.n_y, found.decision) == (4, 8, "greater")
    assert (found.missing_x, found.missing_y) == (4, 0)
    with pytest.raises(ValueError, match="empty"):
        order.sequential([math.nan] * 10, np.arange(10), missing="drop")


# ---- missing numbers, odd inputs


def test_missing_numbers_rank_below_everything_and_tie_with_each_other():
    nan = math.nan
    x, y = [nan, nan, 1.0, 2.0, 3.0], [-math.inf, nan, 0.5, -math.inf, 1.0]
    as_numbers = {"x": [-2, -2, 1, 2, 3], "y": [-1, -2, 0.5, -1, 1]}
    found, expected = order.compare(x, y, missing="lowest"), order.compare(as_numbers["x"], as_numbers["y"])
    assert (found.p_greater, found.p_less, found.crossing) == (expected.p_greater, expected.p_less, expected.crossing)
    assert found.superiority == expected.superiority
    assert (found.missing_x, found.missing_y, found.n_x, found.n_y) == (2, 1, 5, 5)
    assert order.superiority(x, y, missing="lowest").value == expected.superiority.value
    assert order.better([1, 2, 3, 4], [nan] * 4, missing="lowest")
    assert order.better([-math.inf] * 4, [nan] * 4, missing="lowest")
    assert not order.better([nan] * 4, [nan] * 4, missing="lowest")


def test_missing_numbers_in_pairs():
    nan, inf = math.nan, math.inf
    x, y = [nan, nan, 5.0, inf, -inf, 3.0, inf], [nan, -inf, nan, inf, 2.0, 1.0, -inf]
    # 0, lower, higher, 0, lower, 2, higher: the four infinite ones tie
    found = order.compare(x, y, paired=True, missing="lowest")
    expected = order.compare([0, -9, 9, 0, -9, 2, 9], [0] * 7, paired=True)
    assert (found.p_greater, found.p_less) == (expected.p_greater, expected.p_less)
    assert found.superiority.value == (3 + 1) / 7
    dropped = order.compare([1, nan, 3, 4, 5, 6, 7], [0, 1, nan, 1, 1, 1, 1], paired=True, missing="drop")
    assert (dropped.n_x, dropped.n_y, dropped.missing_x, dropped.missing_y) == (5, 5, 1, 1)
    assert dropped.p_greater == 1 / 32


def test_dropped_numbers_count_against_the_design():
    with pytest.raises(order.UndecidableDesign, match="3 repeats against 4"):
        order.compare([1, 2, 3, math.nan], [4, 5, 6, 7], missing="drop", alpha=0.02)
    found = order.compare([1, 2, 3, math.nan, 9], [4, 5, 6, 7], missing="drop")
    assert (found.n_x, found.n_y, found.missing_x) == (4, 4, 1)


@pytest.mark.parametrize("method", ["mannwhitney", "ks", "permutation", "mean"])
def test_many_kinds_of_numbers(method):
    plain = order.compare([1.0, 0, 1, 1, 1], [0.0, 0, 1, 0, 0], method=method)
    for kind in (bool, int, np.float32, np.int8, np.uint64, Fraction):
        found = order.compare([kind(v) for v in (1, 0, 1, 1, 1)], [kind(v) for v in (0, 0, 1, 0, 0)], method=method)
        assert found == plain
    assert (
        order.compare(np.array([1, 0, 1, 1, 1], np.float16), [False, False, True, False, False], method=method) == plain
    )
    assert order.better((1, None, 3, 4, 5), [0.1, 0.2, 0.3, 0.4], missing="drop")


@pytest.mark.parametrize(("method", "paired"), METHODS)
@pytest.mark.parametrize("scale", [1e308, 1e-310])
def test_extreme_magnitudes(method, paired, scale):
    x, y = np.array([1.5, 1.2, 1.7, 1.1, 1.6, 1.3]), np.array([0.1, -1.5, 0.4, -1.2, -1.7, 0.2])
    found = order.compare(x * scale, y * scale, method=method, paired=paired)
    usual = order.compare(x, y, method=method, paired=paired)
    assert found.decision == usual.decision == "greater"
    assert found.p_greater == pytest.approx(usual.p_greater)


def test_all_values_equal_decide_nothing():
    for method, paired in METHODS:
        found = order.compare([2.0] * 8, [2.0] * 8, method=method, paired=paired)
        assert (found.decision, found.p_greater, found.p_less) == ("undecided", 1, 1)
        assert found.superiority.value == 0.5
    for method in RANKED:
        assert order.compare([math.inf] * 60, [math.inf] * 70, method=method).p_value == 1
    assert order.compare([1.0] * 60, [1.0] * 60, paired=True).p_value == 1


def test_the_smallest_sizes():
    assert order.compare([5.0], range(20), alpha=0.4).n_x == 1
    assert order.compare([50.0], range(20)).decision == "greater"
    with pytest.raises(order.UndecidableDesign, match="1 repeat against 1 "):
        order.better([1.0], [0.0])
    with pytest.raises(order.UndecidableDesign, match="1 pair "):
        order.better([1.0], [0.0], paired=True)
    assert order.compare([1.0], [0.0], method="mean").decision == "greater"
    alone = order.superiority([1.0], [0.0])
    assert alone.value == 1
    assert 0 < alone.low < 0.3


def test_the_mean_decides_whatever_the_sizes_unless_equal():
    assert order.compare([0, 10, 0.0], [3.0], method="mean").decision == "greater"
    assert order.compare([1, 2, 3.0], [2, 2.0], method="mean").decision == "undecided"
    assert order.better([1e308, 1e308], [1e308, 0.9e308], method="mean")
    assert order.compare([1, 5], [2, 2], paired=True, method="mean").decision == "greater"


def test_a_comparison_as_json():
    import json

    found = order.compare([1, 2, 3, 4.0], [0, 1, 2, 9.0])
    plain = json.loads(json.dumps(found.to_dict()))
    assert list(plain) == [f.name for f in fields(order.Comparison)]
    assert plain["superiority"]["value"] == found.superiority.value
    assert plain["decision"] == "undecided"


# ---- bad input

NAN = math.nan
REFUSED = {
    "missing number": (lambda: order.compare([1, NAN, 3, 4], [1, 2, 3, 4]), r"x.*position 1.*lowest.*drop"),
    "missing number of y": (lambda: order.better([1, 2, 3, 4], [1, 2, 3, NAN]), r"y.*position 3.*lowest.*drop"),
    "empty": (lambda: order.compare([], [1, 2]), r"x is empty.*\(0,\)"),
    "two dimensions": (lambda: order.compare([1, 2], np.ones((2, 3))), r"y has shape \(2, 3\)"),
    "a number": (lambda: order.better(3.0, [1, 2]), r"x has shape \(\)"),
    "ragged": (lambda: order.better([[1], [1, 2]], [1, 2]), "x is ragged"),
    "text": (lambda: order.better(["a", "b"], [1, 2]), "x holds 'a' at position 0"),
    "text among numbers": (lambda: order.better([1, None, "b"], [1, 2]), "x holds 'b' at position 2"),
    "complex": (lambda: order.better([1j, 2], [1, 2]), "x holds 1j"),
    "too large": (lambda: order.better([10**400, 2], [1, 2]), "x holds 1000.*position 0"),
    "unequal pairs": (lambda: order.compare([1, 2], [1, 2, 3], paired=True), "paired.*x has 2 and y has 3"),
    "alpha": (lambda: order.compare([1], [2], alpha=0.5), r"alpha = 0.5.*0 and 0\.5"),
    "alpha of better": (lambda: order.better([1, 2, 3, 4.0], [1, 2, 3, 4.0], alpha=0), "alpha = 0 "),
    "alpha, not a number": (lambda: order.better([1, 2, 3, 4.0], [1, 2, 3, 4.0], alpha=NAN), "alpha = nan"),
    "level": (lambda: order.better([1, 2, 3, 4.0], [1, 2, 3, 4.0], level=1), "level = 1 "),
    "level of superiority": (lambda: order.superiority([1], [2], level=95), "level = 95"),
    "method": (lambda: order.better([1], [2], method="t"), "'t'.*paired=False.*mannwhitney"),
    "method for pairs": (lambda: order.compare([1], [2], method="wilcoxon"), "'wilcoxon'.*paired=False"),
    "method for no pairs": (lambda: order.compare([1], [2], method="ks", paired=True), "'ks'.*paired=True.*sign_flip"),
    "missing": (lambda: order.better([1] * 4, [2] * 4, missing="zero"), "'zero'.*raise, lowest, drop"),
    "infinite mean": (lambda: order.compare([1, math.inf], [2, 3], method="mean"), "x holds inf at position 1.*finite"),
    "missing mean": (
        lambda: order.compare([1, 2], [2, NAN], method="mean", missing="lowest"),
        "y holds nan at position 1.*finite",
    ),
    "infinite sums": (
        lambda: order.compare([1] * 4, [2, 2, 2, -math.inf], method="permutation"),
        "y holds -inf.*finite",
    ),
    "infinite shift": (lambda: order.shift([1, math.inf], [2, 3]), "shift needs finite"),
    "missing shift": (lambda: order.shift([1, NAN], [2, 3]), "x is missing"),
    "all dropped": (lambda: order.better([NAN], [2, 3], missing="drop"), "x is empty once"),
    "no looks": (lambda: order.sequential([1], [2], looks=()), "looks"),
    "looks that fall": (lambda: order.sequential([1], [2], looks=(4, 4)), r"looks = \(4, 4\)"),
    "looks from zero": (lambda: order.sequential([1], [2], looks=(0, 4)), "looks"),
    "half looks": (lambda: order.sequential([1], [2], looks=(4, 7.5)), "looks"),
    "too few for the looks": (lambda: order.sequential(range(8), range(10)), "x has 8 repeats.*10"),
    "too few scores": (lambda: order.sequential(lambda n: [1, 2], range(10)), r"x\(4\) gave 2"),
    "margin": (lambda: order.equivalent([1], [2], 0), "margin = 0"),
    "no margin": (lambda: order.equivalent([1], [2], NAN), "margin = nan"),
    "comparisons": (lambda: order.repeats_needed(comparisons=0), "comparisons = 0"),
    "sizes": (lambda: order.smallest_p(0), "n_x = 0"),
    "sizes of pairs": (lambda: order.smallest_p(4, 5, paired=True), "n_x = 4 and n_y = 5"),
    "share": (lambda: order.repeats_to_tell(1.5), "superiority = 1.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_one_sentence(name):
    call, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence) as refused:
        call()
    assert not isinstance(refused.value, order.UndecidableDesign)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_designs_that_sampling_cannot_resolve():
    x = np.arange(30.0)
    with pytest.raises(order.UndecidableDesign, match="no number would do.*rank method") as e:
        order.compare(x, x, method="permutation", alpha=1e-5)
    assert e.value.repeats_needed is None
    assert e.value.smallest_p == 1e-4
    with pytest.raises(order.UndecidableDesign, match="at least 8 repeats") as e:  # 8 against 8 is enumerated: 1/12,870
        order.compare(x, x, method="permutation", alpha=9e-5)
    assert order.compare(range(8), range(10, 18), method="permutation", alpha=9e-5).decision == "less"
    with pytest.raises(order.UndecidableDesign):
        order.compare(x, x, method="sign_flip", paired=True, alpha=5e-5)
    assert order.compare(x, x, alpha=1e-12).decision == "undecided"


def test_a_refusal_survives_the_way_between_processes():
    import pickle

    with pytest.raises(order.UndecidableDesign) as e:
        order.better([1, 2], [3, 4])
    again = pickle.loads(pickle.dumps(e.value))
    assert str(again) == str(e.value)
    assert (again.smallest_p, again.threshold, again.repeats_needed) == (1 / 6, 0.05, 4)


# ---- rates, by seeded simulation


def test_error_rates_under_no_difference():
    rng = np.random.default_rng(11)
    trials = 2_000
    x, y = rng.normal(size=(trials, 10)), rng.normal(size=(trials, 10))
    for kwargs, expected in (({}, 0.0446), ({"paired": True}, 0.0420)):
        assert all(
            abs(np.mean([order.better(a, b, **kwargs) for a, b in pair]) - expected) < 0.014
            for pair in (list(zip(x, y, strict=True)), list(zip(y, x, strict=True)))
        )
    coarse = [order.better(a, b) for a, b in zip(x.round(), y.round(), strict=True)]
    assert np.mean(coarse) < 0.05 + 0.014
    stopped = [order.sequential(a, b).decision for a, b in zip(x[:1000], y[:1000], strict=True)]
    assert np.mean([s == "greater" for s in stopped]) < 0.05
    assert np.mean([s != "undecided" for s in stopped]) < 0.1


def test_coverage_of_superiority_and_shift():
    rng = np.random.default_rng(12)
    trials = 1_500
    for a in (0.5, 0.8, 0.95):
        apart = math.sqrt(2) * oracle.norm.ppf(a)
        x, y = rng.normal(apart, 1, (trials, 10)), rng.normal(0, 1, (trials, 10))
        found = [order.superiority(p, q) for p, q in zip(x, y, strict=True)]
        assert 0.93 < np.mean([e.low <= a <= e.high for e in found]) < 0.985
        moved = [order.shift(p, q) for p, q in zip(x, y, strict=True)]
        assert 0.945 < np.mean([e.low <= apart <= e.high for e in moved]) < 0.985


@pytest.mark.parametrize("superior", [0.7, 0.85])
def test_the_repeats_to_tell_reach_about_the_power(superior):
    n = order.repeats_to_tell(superior)
    assert n == order.repeats_to_tell(1 - superior)
    rng = np.random.default_rng(13)
    apart = math.sqrt(2) * oracle.norm.ppf(superior)
    told = np.mean([order.better(rng.normal(apart, 1, n), rng.normal(0, 1, n)) for _ in range(1_500)])
    assert 0.72 < told < 0.9
    assert order.repeats_to_tell(0.5) is None
    assert order.repeats_to_tell(1.0) >= order.repeats_needed()
    assert order.repeats_to_tell(superior, comparisons=20) > n


def test_an_estimate_is_the_one_of_the_statistics_room():
    assert isinstance(order.shift([1, 2.0], [3, 4.0]), Estimate)
    assert len(astuple(order.equivalent(range(5), range(5), 1))) == 3
