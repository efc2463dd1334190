"""Corrections of a judge that errs: hand-worked answers, identities, coverage where the naive interval fails, refusals."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.stats import ppi_mean, rogan_gladen, wilson
from gnomon.stats.intervals import mean

pytestmark = pytest.mark.filterwarnings("error")

Z = 1.959963984540054


def test_rogan_gladen_by_hand():
    """q = 0.3, se = 0.9, sp = 0.8: p = (0.3 + 0.8 - 1)/0.7 = 1/7."""
    p = rogan_gladen(60, 200, true_positive=45, n_positive=50, true_negative=80, n_negative=100)
    error = math.sqrt(0.21 / 200 + 0.09 / 50 / 49 + (6 / 7) ** 2 * 0.16 / 100) / 0.7
    assert (p.value, p.se) == pytest.approx((1 / 7, error))
    assert (p.low, p.high) == pytest.approx((max(0, 1 / 7 - Z * error), 1 / 7 + Z * error))
    assert (p.n, p.method, p.level) == (200, "rogan-gladen", 0.95)


def test_a_judge_that_never_errs_leaves_the_share_alone():
    p = rogan_gladen(60, 200, true_positive=50, n_positive=50, true_negative=9, n_negative=9)
    assert (p.value, p.se) == pytest.approx((0.3, wilson(60, 200).se))


def test_values_stay_between_0_and_1():
    known = {"true_positive": 45, "n_positive": 50, "true_negative": 80, "n_negative": 100}
    below, above = rogan_gladen(10, 200, **known), rogan_gladen(198, 200, **known)
    assert (below.value, below.low, above.value, above.high) == (0, 0, 1, 1)
    assert below.se == pytest.approx(math.sqrt(0.05 * 0.95 / 200 + 0.16 / 100) / 0.7)
    assert 0 < below.high < above.low < 1
    nothing = rogan_gladen(0, 200, true_positive=5, n_positive=5, true_negative=5, n_negative=5)
    assert (nothing.value, nothing.high) == (0, 0)
    assert "no width" in nothing.reason


COUNTS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, COUNTS, COUNTS)
def test_turning_every_answer_round_turns_the_estimate_round(sample, positives, negatives):
    (k, n), (tp, n1), (tn, n0) = sample, positives, negatives
    one = rogan_gladen(k, n, true_positive=tp, n_positive=n1, true_negative=tn, n_negative=n0)
    other = rogan_gladen(n - k, n, true_positive=tn, n_positive=n0, true_negative=tp, n_negative=n1)
    if tp * n0 + tn * n1 <= n1 * n0:
        assert one.value is None is other.value
        assert "is not above 1" in one.reason
    else:
        assert 0 <= one.low <= one.value <= one.high <= 1
        assert (one.value, one.se) == pytest.approx((1 - other.value, other.se))
        assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n": 0, "positive": 0}, "n is 0"),
        ({"n_positive": 0, "true_positive": 0}, "n_positive is 0"),
        ({"n_negative": 0, "true_negative": 0}, "n_negative is 0"),
        ({"true_positive": 3, "true_negative": 7}, r"sensitivity 3/10 \+ specificity 7/10 is not above 1"),
        ({"true_positive": 1, "true_negative": 9, "n_positive": 10}, "is not above 1"),
    ],
)
def test_a_judge_that_says_nothing_is_undefined(changed, words):
    arguments = {"n": 20, "true_positive": 9, "n_positive": 10, "true_negative": 8, "n_negative": 10, **changed}
    p = rogan_gladen(arguments.pop("positive", 5), arguments.pop("n"), **arguments)
    assert (p.value, p.low, p.high) == (None, None, None)
    assert re.search(words, p.reason)


def test_coverage_of_rogan_gladen_where_the_raw_share_fails():
    rng = np.random.default_rng(0)
    truth, se, sp, runs = 0.2, 0.85, 0.9, 2000
    held = naive = 0
    for _ in range(runs):
        k = rng.binomial(500, truth * se + (1 - truth) * (1 - sp))
        tp, tn = rng.binomial(200, se), rng.binomial(300, sp)
        p = rogan_gladen(k, 500, true_positive=tp, n_positive=200, true_negative=tn, n_negative=300)
        held += p.low <= truth <= p.high
        raw = wilson(k, 500)
        naive += raw.low <= truth <= raw.high
    assert 0.935 <= held / runs <= 0.97
    assert naive / runs < 0.6


def test_ppi_by_hand():
    y, judge, more = [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0, 1.0]
    estimate = ppi_mean(y, judge, more)
    error = math.sqrt(0.3 / 5 + (2 / 3) / 4)
    assert (estimate.value, estimate.se) == pytest.approx((0.6, error))
    assert (estimate.low, estimate.high) == pytest.approx((0.6 - Z * error, 0.6 + Z * error))
    assert (estimate.n, estimate.method) == (4, "ppi")
    assert ppi_mean(y, judge, more, level=0.5).high < estimate.high


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20), st.floats(-3, 3))
def test_a_constant_judge_is_no_judge(y, constant):
    n = len(y)
    estimate = ppi_mean(y, [constant] * n, [constant] * 50)
    assert estimate.value == pytest.approx(np.mean(y), abs=1e-9)
    assert estimate.se == pytest.approx(np.std(y, ddof=1) / math.sqrt(n), abs=1e-9)


def test_coverage_of_ppi_where_trusting_the_judge_fails():
    """The judge is biased upwards: its mean is wrong, the labels alone are wide, both together are right and narrower."""
    rng = np.random.default_rng(1)
    runs, held, naive, widths = 2000, 0, 0, []
    for _ in range(runs):
        signal = rng.normal(size=2100)
        judge = signal + 0.2
        y = signal[:100] + rng.normal(scale=0.4, size=100)
        estimate = ppi_mean(y, judge[:100], judge[100:])
        held += estimate.low <= 0 <= estimate.high
        trusting, labels_only = mean(judge[100:]), mean(y)
        naive += trusting.low <= 0 <= trusting.high
        widths.append((estimate.high - estimate.low) / (labels_only.high - labels_only.low))
    assert 0.93 <= held / runs <= 0.965
    assert naive / runs < 0.01
    assert np.mean(widths) < 0.5


def test_ppi_without_units_is_undefined():
    assert ppi_mean([], [], [1.0, 2.0]).reason == "no labelled units"
    assert ppi_mean([1.0, 2.0], [1.0, 2.0], []).reason == "no unlabelled units"
    for estimate in (ppi_mean([2.0], [1.0], [1.0, 2.0]), ppi_mean([2.0, 1.5], [1.0, 0.5], [1.5])):
        assert (estimate.value, estimate.low) == (2.5, None)
        assert "has no variance" in estimate.reason


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ppi_mean([1.0], [1.0, 2.0], [1.0]), "ppi_mean: y_labelled has 1 units and judge_labelled 2"),
        (lambda: ppi_mean([math.nan], [1.0], [1.0]), "ppi_mean: y_labelled is missing"),
        (lambda: ppi_mean([1.0], [math.inf], [1.0]), "judge_labelled is inf"),
        (lambda: ppi_mean([1.0], [1.0], ["yes"]), "judge_unlabelled holds 'yes'"),
        (lambda: ppi_mean([1.0], [1.0], [1.0], level=1.0), "ppi_mean: level = 1.0"),
        (
            lambda: rogan_gladen(5, 3, true_positive=1, n_positive=1, true_negative=1, n_negative=1),
            "rogan_gladen: 5 successes of 3",
        ),
        (
            lambda: rogan_gladen(1, 3, true_positive=2, n_positive=1, true_negative=1, n_negative=1),
            r"true_positive of n_positive\): 2 successes of 1",
        ),
        (
            lambda: rogan_gladen(1, 3, true_positive=1, n_positive=1, true_negative=-1, n_negative=1),
            r"true_negative of n_negative\): -1 successes of 1",
        ),
        (
            lambda: rogan_gladen(math.nan, 3, true_positive=1, n_positive=1, true_negative=1, n_negative=1),
            "nan successes of 3",
        ),
        (
            lambda: rogan_gladen(1, 3, true_positive=1, n_positive=1, true_negative=1, n_negative=1, level=0),
            "rogan_gladen: level = 0",
        ),
    ],
)
def test_mistakes_are_value_errors_that_name_them(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
