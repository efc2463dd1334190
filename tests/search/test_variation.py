"""How much scores vary, whether they drift, and what of it repeats share: closed forms, enumeration, simulation."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from gnomon.errors import UserError
from gnomon.search import Table
from gnomon.search.variation import (
    coefficient_of_variation,
    coefficients,
    components,
    designs,
    drift,
    trend_p,
    variation,
)

REPEATS = Path(os.environ.get("GNOMON_DATA_DIR", "/nowhere"), "nas", "nb201_repeats.csv.gz")
# nb201_repeats: 75 cells, 10 repeats.
PUBLISHED_CV = {"nwot": 0.0026, "relu_dist": 0.0046, "eig_score": 0.041, "grad_norm": 0.118, "snip": 0.107}


@pytest.fixture(scope="module")
def repeats():
    if not REPEATS.is_file():
        pytest.skip("the repeated scores (nas/nb201_repeats.csv.gz) are not in GNOMON_DATA_DIR")
    return Table(REPEATS, arch="net", scores=list(PUBLISHED_CV), repeat="v", target="val_acc")


def test_published_variation(repeats):
    found = variation(repeats)["scores"]
    for name, cv in PUBLISHED_CV.items():
        figures = found[name]
        assert (figures["archs"], figures["repeats"], figures["missing"]) == (75, 10, 0)
        assert figures["cv"]["value"] == pytest.approx(cv, rel=0.02)
        assert figures["cv"]["low"] < figures["cv"]["value"] < figures["cv"]["high"]
        assert not figures["drift"]["flagged"]
    per_arch = coefficients([repeats.samples(arch, "snip", 10) for arch in repeats.archs()])
    tau = kendalltau(per_arch, [repeats.target(arch) for arch in repeats.archs()]).statistic
    assert found["snip"]["kendall_cv_target"] == pytest.approx(tau)
    assert variation(repeats, lower=True)["scores"]["snip"]["kendall_cv_target"] == pytest.approx(-tau)


def test_what_repeats_share_in_published_scores(repeats):
    shares = {
        name: components([repeats.samples(arch, name, 10) for arch in repeats.archs()]).share
        for name in ("nwot", "eig_score", "grad_norm", "snip")
    }
    assert {round(share.value, 2) for share in shares.values()} == {0.31, 0.25, 0.36, 0.37}
    assert all(0.05 < share.low < share.value < share.high < 0.8 for share in shares.values())


def test_coefficients_by_hand():
    samples = [np.array([1.0, 2, 3]), np.array([-4.0, -4, -4]), np.array([5.0, math.nan]), np.array([-1.0, 1.0])]
    np.testing.assert_allclose(coefficients(samples), [0.5, 0, math.nan, math.nan])
    np.testing.assert_allclose(coefficients([10 * s for s in samples], "var"), [5, 0, math.nan, math.nan])
    found = coefficient_of_variation(samples)
    assert (found.value, found.n) == (0.25, 2)
    assert coefficient_of_variation(samples[:1]).low is None
    assert coefficient_of_variation(samples[2:]).value is None
    with pytest.raises(UserError, match="'std'"):
        coefficients(samples, "sd")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.1, 10), min_size=2, max_size=6),
    st.floats(0.01, 100),
    st.permutations(range(6)),
)
def test_the_coefficient_has_no_unit_and_no_order(scores, factor, order):
    x = np.array(scores)
    shuffled = x[[place for place in order if place < len(x)]]
    np.testing.assert_allclose(coefficients([shuffled * -factor]), coefficients([x]), rtol=1e-9, atol=1e-12)


def test_missing_scores_are_counted_and_left_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("net,s\na,1\na,3\na,-1e8\nb,2\nb,inf\nb,4\n")
    figures = variation(Table(path, arch="net", scores=["s"]))["scores"]["s"]
    assert (figures["archs"], figures["repeats"], figures["missing"]) == (2, 3, 2)
    expected = (math.sqrt(2) / 2 + math.sqrt(2) / 3) / 2
    assert figures["cv"]["value"] == pytest.approx(expected)
    assert figures["drift"] == {"tau": None, "p": 1.0, "flagged": False}  # no architecture has all its repeats
    assert figures["kendall_cv_target"] is None


def test_one_repeat_says_nothing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("net,s\na,1\nb,3\n")
    figures = variation(Table(path, arch="net", scores=["s"]))["scores"]["s"]
    assert figures["cv"]["value"] is None
    assert not figures["drift"]["flagged"]


@pytest.mark.parametrize("values", [[3, 1, 2, 5, 4], [1, 1, 2, 3, 3], [2, 1, 1, 1, 2, 3], [1, 1, 1, 1], [1, 2]])
def test_trend_p_against_all_orders(values):
    def score(listed):
        return sum(np.sign(b - a) for a, b in itertools.combinations(listed, 2))

    extreme = [abs(score(order)) >= abs(score(values)) for order in itertools.permutations(values)]
    assert trend_p(np.array(values)) == pytest.approx(np.mean(extreme), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(9)))
def test_trend_p_against_scipy(order):
    assert trend_p(np.array(order)) == pytest.approx(kendalltau(range(9), order, method="exact").pvalue, abs=1e-12)


def test_trend_p_of_many_repeats_is_normal(monkeypatch):
    values = np.random.default_rng(0).integers(0, 15, 50) + np.arange(50) // 8
    exact = trend_p(values)
    assert 0.001 < exact < 0.2
    monkeypatch.setattr("gnomon.search.variation.MOST_EXACT", 10)
    assert trend_p(values) == pytest.approx(exact, rel=0.01)


def test_scores_that_accumulate_over_repeats_drift():
    rng = np.random.default_rng(1)
    fresh = [rng.gamma(4, size=10) for _ in range(20)]
    assert drift([np.cumsum(scores) for scores in fresh]).p == pytest.approx(2 / math.factorial(10))
    assert drift(fresh).p > 0.01
    constant = drift([np.ones(10)] * 5)
    assert (constant.tau, constant.p) == (None, 1.0)


def test_shared_batches_are_not_taken_for_drift():
    rng = np.random.default_rng(2)
    flagged = 0
    for _ in range(400):
        shared = rng.normal(size=10)  # moves all architectures together, as a batch does
        flagged += drift(list(shared + 0.3 * rng.normal(size=(30, 10)))).p < 0.05
    assert flagged / 400 < 0.08


def test_drift_is_flagged_after_holm(tmp_path):
    rng = np.random.default_rng(3)
    names = ["counter", *(f"noise {i}" for i in range(9))]
    lines = ["net,v," + ",".join(names)]
    for arch, v in itertools.product(range(8), range(7)):
        lines.append(f"n{arch},{v},{v + rng.uniform(0, 0.5)}," + ",".join(map(str, rng.normal(size=9))))
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    found = variation(Table(path, arch="net", scores=names, repeat="v"))["scores"]
    assert [name for name in names if found[name]["drift"]["flagged"]] == ["counter"]
    assert found["counter"]["drift"]["p"] == pytest.approx(10 * 2 / math.factorial(7))  # the smallest of ten


def simulated(rng, archs, repeats, batch, rest):
    """Relative scores with known standard deviations, around means of any sign and size."""
    means = rng.uniform(1, 50, (archs, 1)) * rng.choice([-1, 1])
    return list(means * (1 + batch * rng.normal(size=(1, repeats)) + rest * rng.normal(size=(archs, repeats))))


@pytest.mark.parametrize(("batch", "rest"), [(0.02, 0.04), (0.0, 0.05), (0.03, 0.03)])
def test_known_components_are_found_and_covered(batch, rest):
    rng = np.random.default_rng(4)
    true = batch**2 / (batch**2 + rest**2)
    found = [components(simulated(rng, 25, 10, batch, rest)) for _ in range(400)]
    assert np.mean([each.batch**2 for each in found]) == pytest.approx(batch**2, abs=0.1 * batch**2 + 2e-5)
    assert np.mean([each.rest**2 for each in found]) == pytest.approx(rest**2, rel=0.03)
    covered = np.mean([each.share.low <= true <= each.share.high for each in found])
    assert covered > 0.92
    assert true == 0 or covered < 0.98  # at 0 the interval is one-sided


def test_components_that_cannot_be_known():
    assert components([np.arange(1.0, 5)]).share.value is None
    assert components([np.ones(1), np.ones(1)]).share.value is None
    assert components([]).share.value is None
    assert components([np.full(4, 2.0), np.full(4, 3.0)]).share.reason == "the scores do not vary"
    only_batches = components([1 + np.array([0.0, 0.1, 0.2])] * 3)
    assert only_batches.share.value == only_batches.share.high == 1
    gap = np.array([1.0, math.nan, 2.0])
    assert components([gap, *simulated(np.random.default_rng(0), 4, 3, 0.1, 0.1)]).share.n == 4


def test_two_designs_split_what_one_cannot():
    rng = np.random.default_rng(5)
    means = rng.uniform(1, 9, (60, 1))
    init = list(means * (1 + 0.06 * rng.normal(size=(60, 10))))
    batch = list(means * (1 + 0.03 * rng.normal(size=(60, 10))))
    found = designs(init, batch)
    assert found.init_share.low < 0.8 < found.init_share.high
    assert found.init_share.high - found.init_share.low < 0.1
    assert found.init.value == pytest.approx(0.973 * 0.06, rel=0.08)  # c4(10): ten repeats underrate a deviation
    assert found.batch.value == pytest.approx(0.973 * 0.03, rel=0.08)
    assert designs([np.ones(3)] * 4, [np.ones(3)] * 4).init_share.value is None
    with pytest.raises(UserError, match="the same ones"):
        designs(init, batch[:-1])
