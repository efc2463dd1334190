"""Rank correlations: SciPy as the oracle, closed forms, what is undefined, and the intervals' coverage."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.stats.correlation import kendall, partial_spearman, spearman

numbers = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=5, max_size=40)


@given(numbers)
def test_values_are_those_of_scipy_ties_included(pairs):
    x, y = np.array(pairs, dtype=float).T
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert spearman(x, y).value is None
        assert kendall(x, y).value is None
        return
    assert spearman(x, y).value == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
    assert kendall(x, y).value == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)


@given(numbers)
def test_intervals_hold_the_value_and_mirror(pairs):
    x, y = np.array(pairs, dtype=float).T
    for function in (spearman, kendall):
        found, mirrored = function(x, y), function(x, -y)
        if found.value is None or found.low is None:
            continue
        assert -1 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1
        assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_the_interval_by_hand():
    # r = 0.5 with n = 28: z = 0.5493, se = sqrt(1.125 / 25)
    rng = np.random.default_rng(0)
    x = rng.normal(size=28)
    found = spearman(x, x + rng.normal(size=28))
    z, se = np.arctanh(found.value), np.sqrt((1 + found.value**2 / 2) / 25)
    assert (found.low, found.high) == pytest.approx((np.tanh(z - 1.959964 * se), np.tanh(z + 1.959964 * se)), abs=1e-6)


def test_partial_is_the_correlation_of_residual_ranks():
    rng = np.random.default_rng(1)
    z = rng.normal(size=200)
    x, y = z + rng.normal(size=200), z + rng.normal(size=200)
    ranks = [scipy.stats.rankdata(v) for v in (x, y, z)]
    left = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    assert partial_spearman(x, y, z).value == pytest.approx(np.corrcoef(*left)[0, 1])
    assert abs(partial_spearman(x, y, z).value) < spearman(x, y).value - 0.2
    assert partial_spearman(x, y, x).value is None


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_coverage(rho):
    rng = np.random.default_rng(7)
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's correlation of a bivariate normal
    inside = 0
    for _ in range(400):
        x = rng.normal(size=40)
        found = spearman(x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=40))
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 400 <= 0.985


def test_too_few_and_wrong_input():
    assert spearman([], []).reason == "fewer than two pairs"
    three = spearman([1, 2, 3], [1, 3, 2])
    assert (three.value, three.low) == (pytest.approx(0.5), None)
    perfect = spearman(range(10), range(10))
    assert perfect.value == 1.0
    assert perfect.high == pytest.approx(1)
    with pytest.raises(UserError, match=r"\(2,\) and \(3,\) are no pairs"):
        spearman([1, 2], [1, 2, 3])
    with pytest.raises(UserError, match="second list is NaN at position 1"):
        kendall([1, 2], [1, np.nan])
