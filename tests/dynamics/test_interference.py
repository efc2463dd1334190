"""The statistic D with its null and alignment, groups, and the first-order identity."""

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gnomon.dynamics import destructive_interference, first_order_decomposition
from gnomon.dynamics.interference import Sums, by_group

numbers = st.lists(st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6), min_size=1, max_size=40)


def test_a_case_by_hand():
    found = destructive_interference([3.0, -1.0, 0.0, math.nan, -1.0], unit="example")
    assert (found.n, found.n_zero, found.n_nonfinite) == (4, 1, 1)
    assert found.D == pytest.approx(1 - 1 / 5)
    assert found.M == pytest.approx(5 / 4)
    assert found.mean == pytest.approx(1 / 4)
    assert found.D_null == pytest.approx(1 - math.sqrt(2 / math.pi) * math.sqrt(11) / 5)
    assert found.A == pytest.approx((1 / 5) / (math.sqrt(2 / math.pi) * math.sqrt(11) / 5))
    assert found.z == pytest.approx(1 / math.sqrt(11))


def test_extremes():
    assert destructive_interference([1.0, 2.0, 0.5], unit="token").D == 0
    assert destructive_interference([1.0, -1.0], unit="token").D == 1
    nothing = destructive_interference([0.0, 0.0], unit="token")
    assert math.isnan(nothing.D)
    assert math.isnan(nothing.A)
    assert nothing.M == 0
    assert nothing.n_zero == 2
    assert nothing.to_dict()["D"] is None
    empty = destructive_interference([], unit="token")
    assert empty.n == 0
    assert empty.to_dict()["M"] is None


@given(numbers, st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_order_and_scale_do_not_matter(values, scale, random):
    one = destructive_interference(values, unit="token")
    shuffled = [scale * value for value in values]
    random.shuffle(shuffled)
    other = destructive_interference(shuffled, unit="token")
    if one.M == 0:
        assert other.M == 0
        return
    for name in ("D", "D_null", "A", "z"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6, abs=1e-9)
    assert other.M == pytest.approx(scale * one.M)
    assert abs(one.mean) == pytest.approx((1 - one.D) * one.M, rel=1e-6, abs=1e-9 * one.M)
    assert 0 <= one.D <= 1
    assert 0 <= one.D_null <= 1


@pytest.mark.parametrize("copies", [2, 9, 100])
def test_repeating_a_batch_keeps_d_and_moves_the_null(copies):
    values = np.random.default_rng(0).normal(0.1, 1, size=37)
    one = destructive_interference(values, unit="example")
    many = destructive_interference(np.tile(values, copies), unit="example")
    assert many.D == pytest.approx(one.D, abs=1e-12)
    assert 1 - many.D_null == pytest.approx((1 - one.D_null) / math.sqrt(copies))
    assert many.A == pytest.approx(one.A * math.sqrt(copies))


def test_the_null_is_what_random_signs_give():
    rng = np.random.default_rng(1)
    magnitudes = np.abs(rng.normal(size=32))
    signs = rng.choice([-1.0, 1.0], size=(20_000, 32))
    drawn = 1 - np.abs(signs @ magnitudes) / magnitudes.sum()
    expected = destructive_interference(magnitudes, unit="example").D_null
    # The normal approximation of E|sum| errs by about a hundredth of it at n = 32.
    assert drawn.mean() == pytest.approx(expected, abs=0.004)


def test_the_null_of_two_numbers_by_enumeration_is_approximate_only():
    # Signs of (1, 1): |sum| is 2 or 0, so E D = 1/2; the normal approximation says 1 - sqrt(2/pi)/sqrt(2).
    assert destructive_interference([1.0, 1.0], unit="example").D_null == pytest.approx(1 - 1 / math.sqrt(math.pi))


def test_sums_add_up():
    values = np.random.default_rng(2).normal(size=50)
    parts = Sums.of(values[:20]) + Sums.of(values[20:])
    whole = destructive_interference(values, unit="token")
    assert parts.interference("token").D == pytest.approx(whole.D, abs=1e-14)
    assert parts.n == 50


def test_sums_are_taken_in_float64():
    # In float32 the small changes would vanish beside the large one.
    values = torch.tensor([1e8, *([1.0] * 1000), -1e8], dtype=torch.float32)
    found = destructive_interference(values, unit="token")
    assert found.mean * found.n == 1000


def test_rounded_losses_are_flagged():
    rng = np.random.default_rng(3)
    changes = torch.tensor(rng.normal(0, 0.05, size=2000), dtype=torch.float32)
    assert destructive_interference(changes, unit="token").flags == ()
    rounded = (3.0 + changes).to(torch.bfloat16).float() - 3.0
    assert destructive_interference(rounded, unit="token").flags == ("quantised",)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit = 'word' is not known; 'token', 'sequence' or 'example'"):
        destructive_interference([1.0], unit="word")
    with pytest.raises(TypeError):
        destructive_interference([1.0])


def test_groups_by_hand():
    rows = by_group([-2.0, -1.0, 1.0, 3.0, math.nan], ["b", "a", "a", "b", "a"], unit="sequence")
    assert [row.group for row in rows] == ["a", "b"]
    a, b = rows
    assert (a.n, a.sum, a.D, a.share_of_gain, a.share_of_loss) == (2, 0.0, 1.0, 1 / 3, 1 / 4)
    assert (b.n, b.sum, b.mean) == (2, 1.0, 0.5)
    assert b.D == pytest.approx(1 - 1 / 5)
    assert b.share_of_gain == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="2 labels for 3 values"):
        by_group([1.0, 2.0, 3.0], ["a", "b"], unit="token")


@given(numbers, st.integers(1, 4), st.integers(0, 10_000))
def test_groups_add_up_to_the_whole(values, count, seed):
    labels = np.random.default_rng(seed).integers(count, size=len(values))
    rows = by_group(values, labels, unit="token")
    assert sum(row.n for row in rows) == len(values)
    assert math.fsum(row.sum for row in rows) == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-6)
    if any(value < 0 for value in values):
        assert math.fsum(row.share_of_gain for row in rows) == pytest.approx(1)


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 10_000))
def test_the_first_order_identity(n, p, seed):
    rng = np.random.default_rng(seed)
    gradients, update = rng.normal(size=(n, p)), rng.normal(size=p)
    parts = first_order_decomposition(gradients, update)
    assert parts.C_dl == pytest.approx(parts.C_g * parts.C_uG / parts.C_ug, abs=1e-10)
    assert parts.C_dl == pytest.approx(1 - destructive_interference(gradients @ update, unit="example").D, abs=1e-10)
    for value in (parts.C_g, parts.C_uG, parts.C_ug, parts.C_dl):
        assert 0 <= value <= 1 + 1e-12


def test_the_decomposition_by_hand():
    parts = first_order_decomposition([[1.0, 2.0], [-1.0, 2.0]], [1.0, 0.5])
    # p = [[1, 1], [-1, 1]]: sums over examples (0, 2), over coordinates (2, 0)
    assert (parts.C_g, parts.C_uG, parts.C_ug, parts.C_dl) == (0.5, 1.0, 0.5, 1.0)
    with pytest.raises(ValueError, match=r"\(N, P\) and an update of shape \(P,\)"):
        first_order_decomposition([[1.0, 2.0]], [1.0])


def test_published_means_follow_from_d_and_m():
    folder = os.environ.get("GNOMON_DATA_DIR")
    path = Path(folder or "", "zsl", "interference.csv")
    if not path.is_file():
        pytest.skip("the published interference curves (zsl/interference.csv) are not in GNOMON_DATA_DIR")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 50
    for row in rows:
        assert float(row["abs_mean"]) == pytest.approx((1 - float(row["D"])) * float(row["M"]), abs=2e-6)
