"""Intervals against closed forms, oracles and their own promised coverage, counted exactly."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from gnomon.stats import Estimate
from gnomon.stats.intervals import exact, mean, paired_difference, proportion_difference, wilson

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(deadline=None)
def test_one_proportion_equals_the_oracle(counts, level):
    k, n = counts
    for ours, name in ((wilson, "wilson"), (exact, "exact")):
        theirs = oracle.binomtest(k, n).proportion_ci(level, method=name)
        mine = ours(k, n, level)
        assert mine == ours(k=k, n=n, level=level)
        assert mine.value == k / n
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        mirrored = ours(n - k, n, level)
        assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((mine.low, mine.high), abs=1e-12)


def binomial(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def test_coverage_of_one_proportion_by_enumeration():
    shares = np.linspace(0.02, 0.98, 49)
    for n in (10, 40, 200):
        covered = {
            method: [
                sum(w for k, w in enumerate(binomial(n, p)) if method(k, n).low <= p <= method(k, n).high)
                for p in shares
            ]
            for method in (wilson, exact)
        }
        assert min(covered[exact]) >= 0.95
        assert 0.94 <= np.mean(covered[wilson]) <= 0.965


@pytest.mark.parametrize(
    ("p1", "p2", "correlation"), [(0.5, 0.6, 0.4), (0.2, 0.5, 0.2), (0.8, 0.85, 0.6), (0.3, 0.3, 0.0)]
)
def test_coverage_of_a_paired_difference(p1, p2, correlation):
    rng = np.random.default_rng(7)
    both = p1 * p2 + correlation * math.sqrt(p1 * (1 - p1) * p2 * (1 - p2))
    cells = [both, p1 - both, p2 - both, 1 - p1 - p2 + both]
    assert min(cells) >= 0
    held = 0
    for counts in rng.multinomial(80, cells, size=2000):
        before = np.repeat([1, 1, 0, 0], counts)
        after = np.repeat([1, 0, 1, 0], counts)
        estimate = paired_difference(before, after)
        held += estimate.low <= p2 - p1 <= estimate.high
    assert 0.94 <= held / 2000 <= 0.985


def test_newcombe_paired_known_value():
    """Newcombe 1998, table II, cells (e, f, g, h) = (36, 12, 2, 0): method 10 gives 0.0569 to 0.3404."""
    first = [True] * 36 + [True] * 12 + [False] * 2
    second = [True] * 36 + [False] * 12 + [True] * 2
    estimate = paired_difference(second, first)
    assert estimate.value == pytest.approx(0.2)
    assert (estimate.low, estimate.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


def test_newcombe_unpaired_known_value():
    """Newcombe 1998, table II, 56/70 against 48/80: method 10 gives 0.0524 to 0.3339."""
    estimate = proportion_difference(48, 80, 56, 70)
    assert estimate.value == pytest.approx(0.2)
    assert (estimate.low, estimate.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_a_paired_difference_turns_round(pairs):
    before, after = zip(*pairs, strict=True)
    forward, back = paired_difference(before, after), paired_difference(after, before)
    assert forward.value == pytest.approx(-back.value)
    assert (forward.low, forward.high) == pytest.approx((-back.high, -back.low))
    assert -1 <= forward.low <= forward.value <= forward.high <= 1


def test_mean_is_students():
    values = [1.0, 2.0, 4.0, 8.5]
    theirs = oracle.ttest_1samp(values, 0).confidence_interval(0.9)
    mine = mean(values, 0.9)
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high))
    alone = mean([3.0])
    assert (alone.value, alone.low) == (3.0, None)
    assert str(alone) == "3.000 (no interval)"
    assert "one observation" in alone.reason


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wilson(5, 3), "5 successes of 3"),
        (lambda: exact(-1, 3), "-1 successes"),
        (lambda: wilson(1, 3, level=95), "level = 95"),
        (lambda: wilson(float("nan"), 3), "wilson: nan successes of 3"),
        (lambda: wilson("a", 3), "wilson: a successes of 3"),
        (lambda: paired_difference([1, 0], [1]), "2 items and after 1"),
        (lambda: paired_difference([0.5], [1]), "truth values"),
        (lambda: mean([1.0, float("nan")]), "finite"),
    ],
)
def test_mistakes_are_value_errors_that_name_them(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_nothing_observed_is_undefined_with_a_reason():
    for estimate in (wilson(0, 0), exact(0, 0), paired_difference([], []), mean([]), proportion_difference(0, 0, 1, 2)):
        assert estimate.value is None
        assert estimate.reason
        assert "undefined" in str(estimate)


def test_an_estimate_as_json_has_no_draws_and_no_infinities():
    estimate = Estimate(1.0, float("-inf"), 2.0, 3, "m", draws=np.ones(3))
    row = estimate.to_dict()
    assert "draws" not in row
    assert row["low"] is None
    assert estimate == Estimate(1.0, float("-inf"), 2.0, 3, "m")
