"""The bootstrap: closed forms, clusters, strata, bias correction and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.stats import bootstrap, effective_sample_size


def mean_of(totals):
    return totals[:, 0] / totals[:, 1]


def rows(values):
    return np.column_stack([values, np.ones(len(values))])


def test_standard_error_of_a_mean():
    values = np.random.default_rng(0).normal(size=400)
    estimate = bootstrap(rows(values), mean_of, B=4000, seed=1)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.se == pytest.approx(values.std() / 20, rel=0.05)
    assert estimate.low < estimate.value < estimate.high


def test_clusters_widen_what_repeats_itself():
    values = np.random.default_rng(0).normal(size=60)
    repeated, cluster = np.repeat(values, 10), np.repeat(np.arange(60), 10)
    plain = bootstrap(rows(repeated), mean_of, seed=1)
    clustered = bootstrap(rows(repeated), mean_of, cluster=cluster, seed=1)
    once = bootstrap(rows(values), mean_of, seed=1)
    assert clustered.n_clusters == 60
    assert clustered.se == pytest.approx(once.se, rel=1e-9)
    assert plain.se < 0.5 * clustered.se


def test_strata_remove_the_spread_between_them():
    values = np.concatenate([np.zeros(50), np.ones(50)])
    strata = np.repeat([0, 1], 50)
    assert bootstrap(rows(values), mean_of, strata=strata).se == pytest.approx(0.0, abs=1e-12)
    assert bootstrap(rows(values), mean_of).se > 0.04


def test_bca_moves_the_interval_of_a_skewed_statistic():
    values = np.random.default_rng(3).exponential(size=40)
    percentile = bootstrap(rows(values), mean_of, seed=0)
    corrected = bootstrap(rows(values), mean_of, seed=0, method="bca")
    assert corrected.low > percentile.low
    assert corrected.high > percentile.high


def test_undefined_draws_are_counted():
    values = np.array([0.0, 0.0, 1.0])

    def ratio(totals):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(totals[:, 0] > 0, 1 / totals[:, 0], np.nan)

    estimate = bootstrap(values, ratio, B=500)
    assert "undefined" in estimate.reason
    assert np.isnan(estimate.draws).sum() == int(estimate.reason.split()[0]) > 0


def test_same_seed_same_draws_and_blocks_do_not_matter(monkeypatch):
    values = rows(np.arange(50.0))
    whole = bootstrap(values, mean_of, seed=4)
    monkeypatch.setattr("gnomon.stats.resample.BLOCK_BYTES", 8 * 50 * 7)
    assert np.array_equal(bootstrap(values, mean_of, seed=4).draws, whole.draws)
    assert not np.array_equal(bootstrap(values, mean_of, seed=5).draws, whole.draws)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sums": [1.0, float("nan")]}, "not finite"),
        ({"B": 0}, "B = 0"),
        ({"level": 1.0}, "level"),
        ({"method": "magic"}, "magic"),
        ({"cluster": [1, 1, 1]}, "one cluster"),
        ({"cluster": [1, 2]}, "2 entries for 3 rows"),
        ({"cluster": [1, 1, 2], "strata": [1, 2, 2]}, "cluster .*1.* lies in two strata"),
        ({"strata": [1, 2, 2]}, "stratum .*1.* has one cluster"),
    ],
)
def test_mistakes_are_named(arguments, words):
    settings = {"sums": [1.0, 2.0, 3.0], **arguments}
    with pytest.raises(ValueError, match=words):
        bootstrap(settings.pop("sums"), lambda totals: totals[:, 0], **settings)


def test_no_rows_is_undefined():
    assert bootstrap([], lambda totals: totals[:, 0]).value is None


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30), st.floats(-50, 50))
def test_effective_sample_size(weights, shift):
    size = effective_sample_size(weights)
    assert 1 - 1e-9 <= size <= len(weights) + 1e-9
    assert effective_sample_size(log_weights=np.log(weights) + shift) == pytest.approx(size)
    assert effective_sample_size([1.0] * len(weights)) == pytest.approx(len(weights))


def test_effective_sample_size_bounds_and_mistakes():
    assert effective_sample_size(log_weights=[0.0, -1e9, -1e9]) == pytest.approx(1.0)
    assert effective_sample_size([]) == 0.0
    for bad in ([1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="weights must be"):
            effective_sample_size(bad)
    with pytest.raises(ValueError, match="either"):
        effective_sample_size()
