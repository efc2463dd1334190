"""Counts as whole units: exact for decimals, and as good as a float for what is none."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.measure import representation_ratio
from gnomon.measure.strata import cells_of, read_target, whole_units


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.integers(0, 5))
def test_decimals_are_whole_units(numbers, digits):
    values = np.array([number / 10**digits for number in numbers])
    units, scale = whole_units(values)
    assert [Fraction(int(unit), int(scale)) for unit in units] == [Fraction(number, 10**digits) for number in numbers]
    assert scale <= 10**digits


def test_what_no_power_of_ten_serves_has_none():
    assert whole_units(np.array([1 / 3])) is None
    assert whole_units(np.array([0.1, 2.0**53])) is None


@pytest.mark.parametrize("factor", [1 / 3, 1e-30 / 7, 1e30 / 7, 0.1])
def test_a_target_of_any_unit_gives_the_same_ratios(factor):
    counts = np.array([3.0, 7.0, 90.0])
    sample = pl.DataFrame({"g": ["a", "b", "c"], "n": [5, 6, 9]})
    plain, scaled = (
        representation_ratio(sample, {"g": ["a", "b", "c"], "n": each}, ["g"], count="n", B=200, target_error=error)
        for each, error in ((counts, 2), (counts * factor, 2 * factor))
    )
    assert scaled.frame["target_n"].to_numpy() == pytest.approx(counts * factor)
    for name in ("target_share", "rr", "low", "high", "rr_min", "rr_max"):
        assert scaled.frame[name].to_numpy() == pytest.approx(plain.frame[name].to_numpy())


def test_cells_stand_in_the_targets_order_and_are_summed_without_the_unlabelled():
    target = {"g": ["z", "a", "z", None], "year": [1, 1, 2, 1], "n": [0.1, 0.5, 0.2, 9.0]}
    cells = cells_of(read_target(target, ["g"], "n", function="f"), ["g"])
    assert cells.labels["g"].to_list() == ["z", "a"]
    assert (cells.units, cells.scale, cells.unlabelled) == ([3, 5], 10.0, 1)
