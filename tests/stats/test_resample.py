"""The bootstrap: closed forms, clusters, strata, bias correction and what it refuses."""

import math
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

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
        ({"B": 1.5}, "B = 1.5"),
        ({"sums": ["a", "b", "c"]}, "not a number"),
        ({"sums": [[[1.0]], [[2.0]]]}, r"shape \(2, 1, 1\)"),
        ({"sums": [[1.0], [2.0, 3.0]]}, "ragged"),
        ({"sums": [1.0]}, "there is one row"),
        ({"cluster": ["x", "x", "x"]}, "one cluster, 'x'"),
        ({"cluster": ["x", None, "y"]}, "cluster is missing at position 1"),
        ({"strata": [1.0, 1.0, float("nan")]}, "strata is missing at position 2"),
        ({"copies": [1, 1]}, "copies has 2 entries for 3 rows"),
        ({"copies": [1, 1, 0.5]}, "copies holds a broken number"),
        ({"copies": [1, 1, 1], "cluster": [1, 2, 3]}, "copies and cluster"),
        ({"cluster": [1, 2]}, "2 entries for 3 rows"),
        ({"cluster": [1, 1, 2], "strata": [1, 2, 2]}, "cluster .*1.* lies in two strata"),
        ({"strata": [1, 2, 2]}, "stratum .*1.* has one cluster"),
    ],
)
def test_mistakes_are_named(arguments, words):
    settings = {"sums": [1.0, 2.0, 3.0], **arguments}
    with pytest.raises(ValueError, match=words):
        bootstrap(settings.pop("sums"), lambda totals: totals[:, 0], **settings)


def test_rows_that_stand_for_several_are_drawn_one_by_one():
    """Copies have the distribution of the rows written out: their standard error is that of the mean."""
    values, copies = np.array([0.0, 1.0, 5.0, 7.0]), np.array([10, 20, 3, 0])
    grouped = bootstrap(rows(values), mean_of, copies=copies, B=20_000, seed=1)
    written = np.repeat(values, copies)
    assert grouped.value == pytest.approx(written.mean())
    assert grouped.n == 33
    assert grouped.se == pytest.approx(written.std() / math.sqrt(33), rel=0.03)
    bca = bootstrap(rows(values), mean_of, copies=copies, seed=1, method="bca")
    left = (written.sum() - written) / 32
    assert (bca.low, bca.high) == pytest.approx(efrons_limits(bca, left), abs=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_sparse_sums_are_the_dense_ones(method):
    dense = np.random.default_rng(0).poisson(0.5, (40, 3)) + np.eye(40, 3)
    cluster, strata = np.arange(40) // 4, np.arange(40) // 20
    for settings in ({}, {"cluster": cluster}, {"cluster": cluster, "strata": strata}):
        one, other = (
            bootstrap(sums, lambda t: t[:, 0] / t.sum(1), B=300, method=method, **settings)
            for sums in (dense, csr_array(dense))
        )
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12)


def test_strata_draw_the_same_in_any_blocks(monkeypatch):
    values, strata = rows(np.arange(50.0)), np.arange(50) // 10
    whole = bootstrap(values, mean_of, strata=strata, seed=4)
    monkeypatch.setattr("gnomon.stats.resample.BLOCK_BYTES", 8 * 50 * 7)
    assert np.array_equal(bootstrap(values, mean_of, strata=strata, seed=4).draws, whole.draws)


def efrons_limits(estimate, left):
    """The limits of an estimate's draws from its delete-one values."""
    normal, draws = NormalDist(), estimate.draws
    z0 = normal.inv_cdf(np.mean(np.where(draws < estimate.value, 1, np.where(draws == estimate.value, 0.5, 0))))
    off = np.mean(left) - left
    a = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    z = [z0 + normal.inv_cdf(tail) for tail in ((1 - estimate.level) / 2, (1 + estimate.level) / 2)]
    return np.quantile(draws, [normal.cdf(z0 + each / (1 - a * each)) for each in z])


@pytest.mark.parametrize("strata", [None, np.arange(30) % 2])
def test_bca_is_efrons_formula(strata):
    """Written out: bias from the share below (half of the ties), acceleration from deleting one cluster at a time."""
    rng = np.random.default_rng(8)
    values = np.round(rng.exponential(size=90) * (1 + 3 * (np.arange(90) // 3 % 2)))
    cluster = np.arange(90) // 3
    of_row = None if strata is None else strata[cluster]
    bca = bootstrap(rows(values), mean_of, cluster=cluster, strata=of_row, seed=2, method="bca", level=0.9)

    group = np.zeros(90, int) if of_row is None else of_row
    left = []
    for c in range(30):
        size = len(set(cluster[group == group[3 * c]]))
        w = np.where(group == group[3 * c], size / (size - 1), 1.0) * (cluster != c)
        left.append(np.average(values, weights=w))
    assert (bca.low, bca.high) == pytest.approx(efrons_limits(bca, left), abs=1e-9)


def test_what_is_not_finite_is_undefined_without_a_warning():
    with np.errstate(all="raise"):
        some = bootstrap([0.0, 0.0, 1.0], lambda t: 1 / t[:, 0], B=400, method="bca")
        none = bootstrap([0.0, 0.0, 0.0], lambda t: 1 / t[:, 0], B=50)
        nan = bootstrap([0.0, 0.0, 0.0], lambda t: t[:, 0] / t[:, 0], B=50, method="bca")
        clean = bootstrap([1.0, 2.0], lambda t: t[:, 0], B=50)
    assert some.reason.endswith("of 400 resamples were undefined")
    assert math.isfinite(some.high)
    assert none.value is nan.value is None
    assert none.reason == "the statistic is undefined"
    assert clean.reason is None


def test_a_statistic_that_is_undefined_without_any_one_cluster_has_no_acceleration():
    def both(totals):
        return np.where((totals > 0).all(1), totals.sum(1), np.nan)

    estimate = bootstrap(np.eye(2), both, B=200, method="bca")
    assert (estimate.value, estimate.low, estimate.high) == (2, 2, 2)


def test_a_statistic_gives_one_value_for_each_resample():
    with pytest.raises(ValueError, match=r"statistic gives shape \(\) for totals of shape \(1, 1\)"):
        bootstrap([1.0, 2.0], lambda totals: totals.sum())


@pytest.mark.parametrize("shape", [(400_000, 2), (30, 50_000)])
def test_memory_stays_small(shape):
    sums = np.random.default_rng(0).random(shape)
    sums[:, -1] = 1
    tracemalloc.start()
    bootstrap(sums, lambda t: t[:, 0] / t[:, -1], B=12, method="bca")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_coverage_of_the_cluster_bootstrap_where_rows_fail():
    rng = np.random.default_rng(21)
    cluster, runs, held, naive = np.repeat(np.arange(40), 8), 300, 0, 0
    for run in range(runs):
        values = np.repeat(rng.normal(size=40), 8) + rng.normal(size=320)
        clustered = bootstrap(rows(values), mean_of, cluster=cluster, B=400, seed=run)
        held += clustered.low <= 0 <= clustered.high
        plain = bootstrap(rows(values), mean_of, B=100, seed=run)
        naive += plain.low <= 0 <= plain.high
    assert 0.90 <= held / runs <= 0.975
    assert naive / runs < 0.7


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
