"""Concordance: gaps and intervals written out, both directions counted, order of rows of no account, every refusal."""

import math

import polars as pl
import pytest
from scipy.stats import norm

import gnomon.measure as gm
from gnomon.errors import UserError
from gnomon.stats import wilson

ASK = {"cell": "age", "source": "study", "method": "how", "value": "p", "se": "se", "reference": "raw"}


def table(rows):
    return pl.DataFrame(rows, schema=["age", "study", "how", "p", "se"], orient="row")


ROWS = [
    (30, "blood", "raw", 0.10, 0.01), (30, "clinic", "raw", 0.20, 0.02),
    (30, "blood", "raked", 0.12, 0.02), (30, "clinic", "raked", 0.18, 0.02),  # closer: .10 -> .06
    (40, "blood", "raw", 0.30, 0.01), (40, "clinic", "raw", 0.25, 0.02),
    (40, "blood", "raked", 0.33, 0.01), (40, "clinic", "raked", 0.24, 0.02),  # farther: .05 -> .09
    (50, "blood", "raw", 0.40, 0.01), (50, "clinic", "raw", 0.40, 0.01),
    (50, "blood", "raked", None, 0.01), (50, "clinic", "raked", 0.40, 0.01),  # no gap
]  # fmt: skip


def test_gaps_and_intervals_written_out():
    found = gm.concordance(table(ROWS), **ASK)
    assert found.frame.columns == ["age", "source_a", "source_b", "method", "gap", "low", "high", "closer"]
    assert found.frame.select("age", "method").rows() == [
        (age, how) for age in (30, 40, 50) for how in ("raw", "raked")
    ]
    first = found.frame.row(0, named=True)
    half = norm.ppf(0.975) * math.hypot(0.01, 0.02)
    assert (first["source_a"], first["source_b"]) == ("blood", "clinic")
    assert first["gap"] == pytest.approx(-0.10)
    assert (first["low"], first["high"]) == pytest.approx((-0.10 - half, -0.10 + half))
    assert found.frame["closer"].to_list() == [None, True, None, False, None, None]


def test_both_directions_are_counted():
    summary = gm.concordance(table(ROWS), **ASK).summary.row(0, named=True)
    share = wilson(1, 2)
    assert summary["method"] == "raked"
    assert (summary["cells"], summary["closer"], summary["farther"]) == (2, 1, 1)
    assert (summary["share_closer"], summary["low"], summary["high"]) == (share.value, share.low, share.high)
    assert summary["mean_change"] == pytest.approx((-0.04 + 0.04) / 2, abs=1e-12)


def test_an_unchanged_gap_is_neither_closer_nor_farther():
    rows = [(1, source, how, value, 0.1) for how in ("raw", "raked") for source, value in (("a", 0.5), ("b", 0.25))]
    found = gm.concordance(table(rows), **ASK)
    summary = found.summary.row(0, named=True)
    assert (summary["cells"], summary["closer"], summary["farther"], summary["mean_change"]) == (1, 0, 0, 0)


def test_three_sources_make_three_pairs_and_a_level_its_own_width():
    rows = [(1, source, "raw", value, 0.1) for source, value in (("c", 0.1), ("a", 0.2), ("b", 0.4))]
    wide, narrow = gm.concordance(table(rows), **ASK).frame, gm.concordance(table(rows), **ASK, level=0.5).frame
    assert wide.select("source_a", "source_b").rows() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert wide["gap"].to_list() == pytest.approx([-0.2, 0.1, 0.3])
    assert (narrow["high"] - narrow["low"]).to_list() == pytest.approx([2 * norm.ppf(0.75) * math.hypot(0.1, 0.1)] * 3)
    assert gm.concordance(table(rows), **ASK).summary.is_empty()


def test_a_missing_error_gives_a_gap_without_interval():
    rows = [(1, "a", "raw", 0.2, None), (1, "b", "raw", 0.1, 0.1)]
    row = gm.concordance(table(rows), **ASK).frame.row(0, named=True)
    assert row["gap"] == pytest.approx(0.1)
    assert (row["low"], row["high"]) == (None, None)


def test_order_of_rows_changes_nothing():
    one = gm.concordance(table(ROWS), **ASK)
    for seed in range(5):
        other = gm.concordance(table(ROWS).sample(fraction=1, shuffle=True, seed=seed), **ASK)
        assert other.frame.equals(one.frame)
        assert other.summary.equals(one.summary)


def test_several_columns_may_name_a_cell():
    frame = table(ROWS).with_columns(sex=pl.lit("f"))
    found = gm.concordance(frame, **(ASK | {"cell": ["age", "sex"]}))
    assert found.frame.columns[:2] == ["age", "sex"]
    assert found.summary.equals(gm.concordance(table(ROWS), **ASK).summary)


@pytest.mark.parametrize(
    ("rows", "change", "parts"),
    [
        (ROWS, {"value": "share"}, ["value", "'share'", "'p'"]),
        (ROWS, {"reference": "ipw"}, ["'ipw'", "'raked', 'raw'"]),
        (ROWS, {"level": 1.0}, ["level = 1.0"]),
        (ROWS, {"cell": []}, ["cell is empty"]),
        (ROWS, {"cell": "study"}, ["'study'", "two parts"]),
        (ROWS[:1], {}, ["'study'", "1 source"]),
        ([*ROWS, ROWS[0]], {}, ["age 30", "study 'blood'", "how 'raw'", "2 rows"]),
        ([(None, "a", "raw", 0.1, 0.1), *ROWS], {}, ["'age' (cell)", "missing"]),
        ([(1, None, "raw", 0.1, 0.1), *ROWS], {}, ["'study' (source)", "missing"]),
        ([(1, "blood", "raw", 0.1, -0.1), *ROWS], {}, ["'se'", "-0.1"]),
        ([(1, "blood", "raw", math.inf, 0.1), *ROWS], {}, ["'p' (value)", "infinite"]),
        ([(1, "a", "raw", "x", 0.1)], {}, ["'p' (value)", "numbers"]),
    ],
)
def test_a_mistake_is_one_sentence(rows, change, parts):
    with pytest.raises(UserError) as refused:
        gm.concordance(table(rows), **(ASK | change))
    message = str(refused.value)
    assert message.startswith("concordance: ")
    for part in parts:
        assert part in message


def test_a_cell_column_named_like_the_result_is_refused():
    with pytest.raises(UserError, match="'gap'"):
        gm.concordance(table(ROWS).rename({"age": "gap"}), **(ASK | {"cell": "gap"}))
