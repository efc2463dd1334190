"""Reliability: the published example of Shrout and Fleiss, a hand-worked table, coverage of the F-based intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from evidence_items import instrument, scored
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from gnomon.errors import UserError
from gnomon.measure.evidence import _split, reliability
from gnomon.measure.scoring import Scores, score
from gnomon.measure.simulation import SimModel
from gnomon.stats import Estimate

SHROUT_AND_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Four judges of six targets (Shrout and Fleiss 1979, table 2)."""

BASE = None


def scores_of(value: float | None, metric: str = "s_amb") -> Scores:
    global BASE
    BASE = BASE or scored(instrument(("Hats",), templates=2, copies=1), lambda item: 0, B=2)
    estimate = Estimate(value, None, None, 8, "given", reason=None if value is not None else "none")
    return replace(BASE, estimates={(metric, "Hats"): estimate})


def repeats(table, **settings):
    return reliability({f"system {i}": [scores_of(x) for x in row] for i, row in enumerate(table)}, **settings).row(
        0, named=True
    )


def forms(table, **settings):
    return reliability(
        {f"system {i}": {f"form {j}": scores_of(x) for j, x in enumerate(row)} for i, row in enumerate(table)},
        **settings,
    ).row(0, named=True)


def test_repeats_of_shrout_and_fleiss():
    """Printed there: BMS 11.24, WMS 6.26, ICC(1,1) = .17; the interval by its formula: -.13 to .72."""
    found = repeats(SHROUT_AND_FLEISS)
    assert found["icc"] == pytest.approx(0.1657, abs=5e-5)
    assert (found["low"], found["high"]) == (pytest.approx(-0.1329, abs=5e-5), pytest.approx(0.7226, abs=5e-5))
    assert found["var_error"] == pytest.approx(6.2639, abs=5e-5)
    assert found["var_system"] == pytest.approx((11.2417 - 6.2639) / 4, abs=5e-5)
    assert (found["var_form"], found["design"], found["n_systems"], found["n_runs"]) == (None, "repeats", 6, 4)


def test_forms_of_shrout_and_fleiss():
    """Printed there: JMS 32.49, EMS 1.02, ICC(2,1) = .29; the interval: .02 to .76."""
    found = forms(SHROUT_AND_FLEISS)
    assert found["icc"] == pytest.approx(0.2898, abs=5e-5)
    assert (found["low"], found["high"]) == (pytest.approx(0.0188, abs=5e-5), pytest.approx(0.7611, abs=5e-5))
    assert found["var_error"] == pytest.approx(1.0194, abs=5e-5)
    assert found["var_form"] == pytest.approx((32.4861 - 1.0194) / 6, abs=5e-5)
    assert found["var_system"] == pytest.approx((11.2417 - 1.0194) / 4, abs=5e-5)
    assert found["sem"] == pytest.approx(math.sqrt(found["var_form"] + found["var_error"]))


def test_a_table_by_hand():
    """Systems 1, 1, 3 / 4, 6, 5 / 8, 9, 8: means 5/3, 5, 25/3, so MSB = 3 (100/9) = 100/3; the squares within are 8/3,
    2 and 2/3, so MSW = (16/3)/6 = 8/9; F = 37.5; ICC = (37.5 - 1)/(37.5 + 2)."""
    found = repeats([[1, 1, 3], [4, 6, 5], [8, 9, 8]])
    assert found["var_error"] == pytest.approx(8 / 9)
    assert found["var_system"] == pytest.approx((100 / 3 - 8 / 9) / 3)
    assert found["icc"] == pytest.approx(36.5 / 39.5)
    low, high = 37.5 / oracle.f.ppf(0.975, 2, 6), 37.5 * oracle.f.ppf(0.975, 6, 2)
    assert (found["low"], found["high"]) == (
        pytest.approx((low - 1) / (low + 2)),
        pytest.approx((high - 1) / (high + 2)),
    )
    assert found["sem"] == pytest.approx(math.sqrt(8 / 9))
    assert found["sdc"] == pytest.approx(1.959964 * math.sqrt(2 * 8 / 9), rel=1e-6)
    assert found["sdc_low"] == pytest.approx(found["sdc"] * math.sqrt(6 / oracle.chi2.ppf(0.975, 6)))
    assert found["sdc_high"] == pytest.approx(found["sdc"] * math.sqrt(6 / oracle.chi2.ppf(0.025, 6)))
    narrower = repeats([[1, 1, 3], [4, 6, 5], [8, 9, 8]], level=0.5)
    assert found["low"] < narrower["low"] < found["icc"] < narrower["high"] < found["high"]


def test_forms_by_hand():
    """A constant added by a form is error of agreement: rows 0, 2 / 4, 6 give MSR = 16, MSC = 4, MSE = 0."""
    found = forms([[0.0, 2.0], [4.0, 6.0]])
    assert (found["var_system"], found["var_form"], found["var_error"]) == (
        pytest.approx(8),
        pytest.approx(2),
        pytest.approx(0, abs=1e-12),
    )
    assert found["icc"] == pytest.approx(0.8)
    assert found["sem"] == pytest.approx(math.sqrt(2))
    as_repeats = repeats([[0.0, 2.0], [4.0, 6.0]])
    assert as_repeats["sem"] == pytest.approx(math.sqrt(2))


def test_one_system_has_a_smallest_change_and_no_icc():
    found = repeats([[0.1, 0.2, 0.3]])
    assert found["sem"] == pytest.approx(0.1)
    assert found["icc"] is None
    assert "one system" in found["reason"]
    assert (found["n_systems"], found["n_runs"]) == (1, 3)


def test_edges_say_what_they_are():
    same = repeats([[0.1, 0.1], [0.3, 0.3]])
    assert (same["icc"], same["low"], same["high"], same["sdc"]) == (1.0, 1.0, 1.0, pytest.approx(0, abs=1e-9))
    assert "no run differs" in same["reason"]
    crossed = forms([[1.0, -1.0], [-1.0, 1.0]])
    assert (crossed["icc"], crossed["reason"]) == (None, "neither systems nor forms vary beyond the error")
    flat = repeats([[0.2, 0.2], [0.2, 0.2]])
    assert (flat["icc"], flat["reason"]) == (None, "the scores do not vary")
    negative = repeats([[0.1, 0.3], [0.3, 0.1]])
    assert negative["icc"] == pytest.approx(-1)
    assert (negative["var_system"], "below 0" in negative["reason"]) == (0, True)
    undefined = repeats([[0.1, None], [0.3, 0.1]])
    assert (undefined["icc"], undefined["sdc"]) == (None, None)
    assert undefined["reason"] == "the score is undefined in 1 of 4 runs"


@settings(max_examples=25)
@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(st.lists(st.integers(-20, 20), min_size=k, max_size=k), min_size=2, max_size=6)
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([forms, repeats]),
)
def test_order_shift_and_scale(table, random, design):
    base = design(table)
    shuffled = [list(row) for row in table]
    random.shuffle(shuffled)
    moved = design([[3 * x + 7 for x in row] for row in shuffled])
    for name in ("icc", "low", "high"):
        assert (base[name] is None) == (moved[name] is None)
        if base[name] is not None:
            assert moved[name] == pytest.approx(base[name], abs=1e-6)
    assert moved["sdc"] == pytest.approx(3 * base["sdc"], abs=1e-6)
    if base["icc"] is not None:
        assert base["low"] - 1e-9 <= base["icc"] <= base["high"] + 1e-9


@pytest.mark.parametrize("by_forms", [False, True])
def test_intervals_cover(by_forms):
    """95 % intervals of the ICC, and of the smallest change, over 600 simulated tables: within 3 SE of 95 %."""
    rng = np.random.default_rng(3)
    n, k, trials = 8, 4, 600
    var_form = 0.5 if by_forms else 0.0
    icc, sdc = 2 / (3 + var_form), 1.959964 * math.sqrt(2 * (1 + var_form))
    inside = np.zeros(2)
    for _ in range(trials):
        table = rng.normal(0, math.sqrt(2), (n, 1)) + rng.normal(0, 1, (n, k))
        table += rng.normal(0, math.sqrt(var_form), (1, k))
        found = _split(table, by_forms, 0.95)
        inside += [found.low <= icc <= found.high, found.sdc_low <= sdc <= found.sdc_high]
    three = 3 * math.sqrt(0.95 * 0.05 / trials)
    assert abs(inside[0] / trials - 0.95) < three
    assert inside[1] / trials > 0.95 - three - (0.02 if by_forms else 0)


def test_repeats_of_planted_systems():
    """Four models 0.3 apart are told apart by 100 templates; the error is that of binomial answers."""
    ins = instrument(("Hats",), templates=50, copies=2)
    runs = {
        f"b = {bias}": [score(ins, SimModel(bias, seed=10 * at + run).respond(ins), B=2) for run in range(4)]
        for at, bias in enumerate((-0.45, -0.15, 0.15, 0.45))
    }
    found = reliability(runs).filter(metric="s_amb").row(0, named=True)
    # s_amb of 400 answers, half UNKNOWN: about 200 signs of variance 1, times (1 - u)^2
    expected = math.sqrt(0.5**2 / 200)
    assert found["sdc_low"] < 1.959964 * math.sqrt(2) * expected < found["sdc_high"]
    assert found["low"] > 0.8
    assert set(reliability(runs)["metric"]) == {"s_amb", "s_dis", "accuracy_amb", "accuracy_dis"}


def test_refusals():
    one, two = scores_of(0.1), scores_of(0.2)
    other = scores_of(0.1, "s_dis")
    for runs, said in (
        ({}, "runs is empty"),
        ({"A": [one]}, "'A' has 1 runs"),
        ({"A": "runs/one"}, "system 'A' has one entry that is no list"),
        ({"A": [one, two], "B": [one]}, "'B' has the runs 1 and 'A' 2"),
        ({"A": {"x": one, "y": two}, "B": {"x": one, "z": two}}, r"'B' has the forms \['x', 'z'\]"),
        ({"A": [one, two], "B": {"x": one, "y": two}}, "a mapping of forms"),
        ({"A": [one, other]}, "do not both have"),
    ):
        with pytest.raises(UserError, match=said):
            reliability(runs)
    with pytest.raises(UserError, match="level"):
        reliability({"A": [one, two]}, level=1)
