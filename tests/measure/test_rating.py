"""Agreement of raters in long tables: BBQ's published validation, small tables by hand, notes, and every refusal."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.rating import agreement, bbq_ratings

NAMES = {"unit": "unit", "rater": "rater", "value": "value"}


def long(rows, **more):
    return pl.DataFrame(rows, schema=["unit", "rater", "value"], orient="row").with_columns(**more)


def values(found):
    return dict(zip(found.frame["statistic"], found.frame["value"], strict=True))


@pytest.fixture(scope="module")
def published():
    path = data.locate("bbq/ratings")
    if path is None:
        pytest.skip("bbq/ratings is not in GNOMON_DATA_DIR")
    return bbq_ratings(path)


def test_bbqs_validation(published):
    assert published.columns == ["unit", "rater", "value", "correct", "is_filler"]
    assert (len(published), published["rater"].n_unique()) == (1750, 15)
    kept = published.filter(~pl.col("is_filler"))
    assert (len(kept), kept["unit"].n_unique()) == (1500, 300)
    assert round(100 * kept["correct"].mean(), 2) == 95.67
    found = agreement(published, **NAMES, exclude="is_filler", B=200)
    assert round(values(found)["alpha"], 4) == 0.8831
    assert found.frame["n"].to_list() == [300] * 4
    assert found.notes == ["250 ratings whose is_filler is true were left out."]
    by_hand = agreement(kept.drop("is_filler"), **NAMES, B=200)
    assert by_hand.frame.equals(found.frame)
    assert by_hand.notes == []


def test_fillers_left_in_are_noted(published):
    found = agreement(published, **NAMES, B=20)
    assert found.frame["n"].to_list() == [350] * 4
    assert len(found.notes) == 1
    assert "250 ratings of fillers" in found.notes[0]
    assert "exclude = 'is_filler'" in found.notes[0]
    none = published.filter(~pl.col("is_filler"))
    assert agreement(none, **NAMES, B=20).notes == []


def test_by_hand_with_two_raters():
    """Ten units, two raters, four cells 4, 1, 2, 3: p_o = 0.7, Cohen's p_e = 0.6 0.5 + 0.4 0.5 = 0.5, kappa 0.4."""
    pairs = [("yes", "yes")] * 4 + [("no", "yes")] * 1 + [("yes", "no")] * 2 + [("no", "no")] * 3
    rows = [(f"u{i}", rater, said) for i, pair in enumerate(pairs) for rater, said in zip("ab", pair, strict=True)]
    found = values(agreement(long(rows), **NAMES, B=50))
    assert list(found) == ["alpha", "fleiss_kappa", "cohen_kappa", "gwet_ac1", "raw_agreement"]
    assert found["raw_agreement"] == pytest.approx(0.7)
    assert found["cohen_kappa"] == pytest.approx(0.4)
    chance = 0.55**2 + 0.45**2
    assert found["fleiss_kappa"] == pytest.approx((0.7 - chance) / (1 - chance))
    assert found["gwet_ac1"] == pytest.approx((0.7 - 2 * 0.55 * 0.45) / (1 - 2 * 0.55 * 0.45))
    assert found["alpha"] == pytest.approx(1 - 19 * (2 * 3) / (2 * 11 * 9))


def test_raw_agreement_is_the_mean_share_of_equal_pairs():
    rows = [("u", r, v) for r, v in zip("abcd", "xxyy", strict=True)] + [
        ("v", r, v) for r, v in zip("abc", "xxx", strict=True)
    ]
    found = agreement(long([*rows, ("w", "a", "z")]), **NAMES, B=50)
    assert values(found)["raw_agreement"] == pytest.approx((2 / 6 + 1) / 2)
    assert found.notes == ["1 of 3 units have a single rating, which no agreement can be seen in."]


def test_krippendorffs_example_from_a_long_file_on_every_level(tmp_path):
    observers = ["123321412...", "123322412 5.3".replace(" ", ""), ".33323422 51.".replace(" ", ""), "12332441251."]
    rows = [
        (unit, observer, int(said))
        for observer, ratings in enumerate(observers)
        for unit, said in enumerate(ratings)
        if said != "."
    ]
    path = tmp_path / "ratings.csv"
    long(rows).write_csv(path)
    for level, expected in (("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)):
        assert values(agreement(path, **NAMES, level=level, B=20))["alpha"] == pytest.approx(expected, abs=5e-7)


def test_neither_the_order_of_rows_nor_how_labels_are_written_changes_anything():
    rng = np.random.default_rng(5)
    rows = [
        (unit, rater, str(rng.choice(["x", "y", "z"])))
        for unit in range(30)
        for rater in range(4)
        if rng.random() < 0.8
    ]
    one = agreement(long(rows), **NAMES, B=100, seed=3)
    turned = agreement(long([rows[i] for i in rng.permutation(len(rows))]), **NAMES, B=100, seed=3)
    assert turned.frame.equals(one.frame)
    text = long(rows).with_columns(pl.col("unit").cast(pl.Float64), pl.col("rater").cast(pl.String))
    assert agreement(text, **NAMES, B=100, seed=3).frame.equals(one.frame)
    other = agreement(long(rows), **NAMES, B=100, seed=4)
    assert other.frame["value"].equals(one.frame["value"])
    assert not other.frame["low"].equals(one.frame["low"])


def test_intervals_hold_the_value(published):
    frame = agreement(published, **NAMES, exclude="is_filler", B=200).frame
    assert (frame["low"] < frame["value"]).all()
    assert (frame["value"] < frame["high"]).all()
    assert (frame["level"] == 0.95).all()


def test_undefined_agreement_is_null_with_a_reason():
    equal = long([(u, r, "x") for u in "uv" for r in "ab"])
    found = agreement(equal, **NAMES, B=20).frame
    alpha = found.row(0, named=True)
    assert (alpha["value"], "all ratings are equal" in alpha["reason"]) == (None, True)
    assert values(agreement(equal, **NAMES, B=20))["raw_agreement"] == 1
    single = agreement(long([("u", "a", "x"), ("v", "a", "y")]), **NAMES, B=20)
    assert set(single.frame["value"]) == {None}
    assert all("no unit has two ratings" in reason for reason in single.frame["reason"])
    one = agreement(long([("u", "a", "x"), ("u", "b", "y")]), **NAMES, B=20).frame
    assert one.filter(pl.col("statistic") == "raw_agreement").select("value", "low").rows() == [(0.0, None)]
    empty = agreement(long([("u", "a", "x")]).clear(), **NAMES, B=20)
    assert set(empty.frame["value"]) == {None}


def test_missing_ratings_are_counted():
    rows = [("u", "a", "x"), ("u", "b", "x"), ("v", "a", "y"), ("v", "b", None), ("w", "a", "NA"), ("w", "b", "y")]
    found = agreement(long(rows), **NAMES, B=20)
    assert found.notes[0] == "2 ratings have no value and count as missing."
    assert found.frame["n"][0] == 1


@pytest.mark.parametrize("truth", [[True, False], [1, 0], [1.0, 0.0], ["TRUE", "false"], ["true", None]])
def test_what_is_excluded_however_it_is_written(truth):
    rows = [(u, r, v) for u, v in (("u", "x"), ("v", "y"), ("w", "y")) for r in "ab"]
    left_out = [truth[0]] * 2 + [truth[1]] * 4
    found = agreement(long(rows, skip=pl.Series(left_out)), **NAMES, exclude="skip", B=20)
    assert found.frame["n"][0] == 2
    assert found.notes == ["2 ratings whose skip is true were left out."]


def test_bad_input_is_named():
    rows = [("u", "a", "x"), ("u", "b", "y"), ("v", "a", "x"), ("v", "b", "x")]
    with pytest.raises(UserError, match="unit names column 'item'.*'unit', 'rater', 'value'"):
        agreement(long(rows), unit="item", rater="rater", value="value")
    with pytest.raises(UserError, match="exclude names column 'is_filler'"):
        agreement(long(rows), **NAMES, exclude="is_filler")
    with pytest.raises(UserError, match="exclude names column 'value', which holds 'x'"):
        agreement(long(rows), **NAMES, exclude="value")
    with pytest.raises(UserError, match="rater 'a' rated unit 'u' twice"):
        agreement(long([*rows, ("u", "a", "x")]), **NAMES)
    with pytest.raises(UserError, match="column 'rater' \\(rater\\) is missing in row 4"):
        agreement(long([*rows, ("w", None, "x")]), **NAMES)
    with pytest.raises(UserError, match="level = 'rank' is not known"):
        agreement(long(rows), **NAMES, level="rank")
    with pytest.raises(UserError, match="level = 'interval' needs numbers"):
        agreement(long(rows), **NAMES, level="interval")
    with pytest.raises(UserError, match="B = 0"):
        agreement(long(rows), **NAMES, B=0)
    with pytest.raises(UserError, match="absent.csv' is not a file"):
        agreement("absent.csv", **NAMES)


def test_bad_rating_files_are_named(tmp_path):
    with pytest.raises(UserError, match="bbq_ratings: path = .*absent.csv' is not a file"):
        bbq_ratings(tmp_path / "absent.csv")
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(b"anon_id,Answer.q1\n1,ans_0\n"))
    with pytest.raises(UserError, match="names column 'q1_uid', which .*ratings.csv.gz does not have"):
        bbq_ratings(path)


def test_by_name_from_the_room():
    assert gm.agreement is agreement
    assert gm.bbq_ratings is bbq_ratings


OPTIONS = ["--unit", "unit", "--rater", "rater", "--value", "value"]


def test_by_command(gnomon, tmp_path):
    path = tmp_path / "ratings.csv"
    rows = [(u, r, v) for u, v in (("u", "x"), ("v", "y"), ("w", "x")) for r in "ab"]
    long(rows, is_filler=pl.Series([False] * 4 + [True] * 2)).write_csv(path)
    left_in = json.loads(gnomon("measure", "agreement", str(path), *OPTIONS, "--boot", "50", "--json").stdout)
    assert [row["statistic"] for row in left_in["statistics"]][:2] == ["alpha", "fleiss_kappa"]
    assert "2 ratings of fillers" in left_in["notes"][0]
    without = gnomon("measure", "agreement", str(path), *OPTIONS, "--exclude", "is_filler", "--boot", "50", "--json")
    assert json.loads(without.stdout)["statistics"][0]["n"] == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--unit", "item"], "unit names column 'item'"),
        (["--exclude", "filler"], "exclude names column 'filler'"),
        (["--level", "rank"], "level = 'rank' is not known"),
        (["--boot", "0"], "B = 0"),
    ],
)
def test_mistakes_by_command(gnomon, tmp_path, more, said):
    path = tmp_path / "ratings.csv"
    long([("u", "a", "x"), ("u", "b", "y")]).write_csv(path)
    result = gnomon("measure", "agreement", str(path), *OPTIONS, *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_text_in_an_order_of_its_own_is_noted():
    table = pl.DataFrame({"u": [1, 1, 2, 2], "r": ["a", "b"] * 2, "v": ["low", "medium", "high", "high"]})
    named = {"unit": "u", "rater": "r", "value": "v", "B": 20}
    assert "'high' < 'low' < 'medium'" in agreement(table, level="ordinal", **named).notes[-1]
    assert agreement(table, level="nominal", **named).notes == []
