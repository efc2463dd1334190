"""Raking and post-stratification: published figures, closed forms, invariance to the bit, and every refusal."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import three_commands
from hypothesis import given, settings
from hypothesis import strategies as st

import gnomon.measure as gm
from gnomon.errors import UserError
from gnomon.stats import kish_deff

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def schools():
    """The stratified California schools and their population's counts by type and target met."""
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "measure" / "survey_api"
    if not folder.is_dir():
        pytest.skip("the California schools (measure/survey_api) are not in GNOMON_DATA_DIR")
    sample, population = (
        pl.read_csv(folder / name, null_values="NA", infer_schema_length=None)
        for name in ("api_strat.csv", "api_pop.csv.gz")
    )
    return sample, population.group_by("stype", "sch.wide").len("n")


def weighted_mean(frame, weights, column="api00"):
    return float(weights @ frame[column].to_numpy() / weights.sum())


def test_california_schools_from_flat_weights(schools):
    sample, target = schools
    raked = gm.rake(sample, target, ["stype", "sch.wide"])
    assert weighted_mean(sample, raked.weights) == pytest.approx(662.2117, abs=5e-5)
    assert raked.converged
    assert raked.weights.sum() == pytest.approx(6194)
    achieved = {(row["variable"], row["level"]): row["achieved"] for row in raked.frame.iter_rows(named=True)}
    wanted = {("stype", "E"): 4421, ("stype", "H"): 755, ("stype", "M"): 1018}
    wanted |= {("sch.wide", "Yes"): 5122, ("sch.wide", "No"): 1072}
    assert achieved == pytest.approx(wanted, rel=1e-10)
    assert raked.deff == pytest.approx(kish_deff(raked.weights))
    assert raked.n_eff == pytest.approx(200 / raked.deff)
    assert raked.design_deff == 1


def test_margins_alone_are_enough(schools):
    sample, target = schools
    margins = {"stype": {"E": 4421, "H": 755, "M": 1018}, "sch.wide": {"Yes": 5122, "No": 1072}}
    whole = gm.rake(sample, target, ["stype", "sch.wide"])
    assert gm.rake(sample, margins, ["stype", "sch.wide"]).weights.tolist() == whole.weights.tolist()


def test_design_weights_keep_their_proportions_inside_a_cell(schools):
    sample, target = schools
    rng = np.random.default_rng(0)
    sample = sample.with_columns(w=pl.Series(rng.uniform(0.5, 3, 200)))
    raked = gm.rake(sample, target, ["stype", "sch.wide"], weight="w")
    factor = pl.Series(raked.weights) / sample["w"]
    spread = (
        sample.with_columns(f=factor)
        .group_by("stype", "sch.wide")
        .agg((pl.col("f").max() / pl.col("f").min()).alias("s"))
    )
    assert spread["s"].to_list() == pytest.approx([1.0] * 6, rel=1e-12)
    assert factor.n_unique() >= 6
    assert raked.design_deff == pytest.approx(kish_deff(sample["w"]))
    assert raked.max_error <= 1e-10


def test_post_stratification_is_the_closed_form(schools):
    """Each weight is w N_g / (sum of w in g)."""
    sample, target = schools
    result = gm.post_stratify(sample, target, ["stype", "sch.wide"], weight="pw")
    expected = (
        sample.join(target, on=["stype", "sch.wide"], how="left", maintain_order="left")
        .with_columns(total=pl.col("pw").sum().over("stype", "sch.wide"))
        .select(pl.col("pw") * pl.col("n") / pl.col("total"))
    )
    assert result.weights == pytest.approx(expected.to_series().to_numpy(), rel=1e-13)
    assert (result.converged, result.iterations) == (True, 1)
    assert result.frame["variable"].unique().to_list() == ["stype x sch.wide"]
    assert set(result.frame["level"]) >= {"E x Yes", "M x No"}


def test_a_margin_may_be_crossed(schools):
    sample, target = schools
    crossed = gm.rake(sample, target, [["stype", "sch.wide"]])
    assert crossed.weights.tolist() == gm.post_stratify(sample, target, ["stype", "sch.wide"]).weights.tolist()


def test_two_by_two_keeps_the_odds_ratio():
    """Raking changes margins only: the odds ratio of the sample's table stays (Deming and Stephan 1940)."""
    table = {("a", "x"): 10, ("a", "y"): 20, ("b", "x"): 30, ("b", "y"): 15}
    rows = [cell for cell, count in table.items() for _ in range(count)]
    sample = pl.DataFrame(rows, schema=["u", "v"], orient="row")
    raked = gm.rake(sample, {"u": {"a": 0.7, "b": 0.3}, "v": {"x": 0.4, "y": 0.6}}, ["u", "v"])
    sums = sample.with_columns(w=pl.Series(raked.weights)).group_by("u", "v").agg(pl.col("w").sum())
    got = {row[:2]: row[2] for row in sums.iter_rows()}
    odds = got["a", "x"] * got["b", "y"] / (got["a", "y"] * got["b", "x"])
    assert odds == pytest.approx(10 * 15 / (20 * 30))
    assert raked.weights.sum() == pytest.approx(1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 60))
def test_order_of_rows_and_of_the_target_changes_nothing(seed, n):
    rng = np.random.default_rng(seed)
    sample = pl.DataFrame(
        {
            "u": [*"ab", *rng.choice([*"ab"], n)],
            "v": [*"yx", *rng.choice([*"xy"], n)],
            "w": rng.uniform(0.1, 5, n + 2),
        }
    )
    cells = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    target = pl.DataFrame([(*cell, float(rng.uniform(1, 9))) for cell in cells], schema=["u", "v", "n"], orient="row")
    order = rng.permutation(n + 2)
    one = gm.rake(sample, target, ["u", "v"], weight="w")
    other = gm.rake(sample[order], target.sample(fraction=1, shuffle=True, seed=seed), ["u", "v"], weight="w")
    assert other.weights.tolist() == one.weights[order].tolist()
    assert (other.deff, other.max_error, other.iterations) == (one.deff, one.max_error, one.iterations)
    assert one.max_error <= 1e-10 or not one.converged


def test_one_and_one_point_zero_and_text_are_one_level():
    target = {"age": {"1": 3.0, "2": 1.0}}
    weights = [gm.rake({"age": ages}, target, ["age"]).weights.tolist() for ages in ([1, 2], [1.0, 2.0], ["1", "2"])]
    assert weights == [[3.0, 1.0]] * 3


def test_margins_that_contradict_each_other_are_reported_and_not_hidden():
    """Both "a" rows are "x": "a" cannot weigh .9 where "x" weighs .2."""
    sample = {"u": ["a", "a", "b"], "v": ["x", "x", "y"]}
    result = gm.rake(sample, {"u": {"a": 0.9, "b": 0.1}, "v": {"x": 0.2, "y": 0.8}}, ["u", "v"])
    assert not result.converged
    assert result.iterations == 200
    assert result.max_error == pytest.approx(7.0)  # b weighs .8 for a target of .1
    assert result.frame.filter(pl.col("variable") == "v")["error"].to_list() == pytest.approx([0, 0])


def test_a_level_without_target_and_rows_is_no_matter():
    result = gm.rake({"u": ["a", "b"]}, {"u": {"a": 1, "b": 3, "c": 0}}, ["u"])
    assert result.weights.tolist() == [1, 3]
    assert result.frame.row(2) == ("u", "c", 0.0, 0.0, 0.0)


GOOD = {"u": ["a", "b", "b"], "w": [1.0, 2.0, 0.0]}
TARGET = {"u": ["a", "b"], "n": [5, 6]}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"target": {"u": ["a", "b", "c"], "n": [1, 2, 3]}}, ["'c' of 'u'", "target of 3", "no rows"]),
        ({"target": {"u": ["a"], "n": [1]}}, ["'b' of 'u'", "2 rows", "no target"]),
        ({"target": {"u": {"a": 1, "b": 2}, "v": {"x": 4}}, "margins": ["u", "v"], "sample": GOOD | {"v": ["x"] * 3}}, ["'u'", "3", "'v'", "4"]),
        ({"sample": {"u": ["a", None, "b"]}}, ["no level of 'u'", "1 of 3"]),
        ({"target": {"u": ["a", "b", None], "n": [1, 2, 3]}}, ["1 rows of target", "'u'"]),
        ({"target": {"u": ["a", "a", "b"], "n": [1, 2, 3]}}, ["target", "'a'", "twice"]),
        ({"target": {"u": ["a", "b"], "n": [0, 3]}}, ["'a' of 'u'", "target of 0", "rows"]),
        ({"sample": {"u": ["a", "b"], "w": [1.0, 0.0]}, "weight": "w"}, ["'b' of 'u'", "weight 0"]),
        ({"target": {"u": ["a", "b"], "n": [-1, 3]}}, ["'n'", "-1"]),
        ({"target": {"u": ["a", "b"], "n": ["x", "y"]}}, ["'n'", "'x'"]),
        ({"target": {"u": ["a", "b"], "n": [0, 0]}}, ["'n'", "0 everywhere"]),
        ({"target": {"u": ["a", "b"]}}, ["'n'", "'u'"]),
        ({"target": {"u": [], "n": []}}, ["target has no rows"]),
        ({"target": {"v": {"a": 1}}}, ["'u'", "no margin", "'v'"]),
        ({"target": {"u": {"a": 1, "b": float("nan")}}}, ["'b'", "nan"]),
        ({"target": {"u": {"a": 1, "b": -2}}}, ["'b'", "-2"]),
        ({"target": {"u": {"a": 0, "b": 0}}}, ["'u'", "0 everywhere"]),
        ({"target": {"u": {1: 1, "1": 2}}}, ["'u'", "twice"]),
        ({"sample": {"u": []}}, ["sample has no rows"]),
        ({"weight": "pw"}, ["'pw'", "'u', 'w'"]),
        ({"sample": GOOD | {"w": [1.0, -2.0, 1.0]}, "weight": "w"}, ["'w'", "-2"]),
        ({"sample": GOOD | {"w": [1.0, None, 1.0]}, "weight": "w"}, ["'w'", "row 2"]),
        ({"sample": GOOD | {"w": [0.0, 0.0, 0.0]}, "weight": "w"}, ["'w'", "0 everywhere"]),
        ({"margins": ["x"]}, ["margins", "'x'", "'u', 'w'"]),
        ({"margins": []}, ["margins", "list"]),
        ({"margins": "u"}, ["margins", "list"]),
        ({"margins": ["u", "u"]}, ["'u' twice"]),
        ({"max_iter": 0}, ["max_iter = 0"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(change, parts):
    given_ = {"sample": GOOD, "target": TARGET, "margins": ["u"]} | change
    with pytest.raises(UserError) as refused:
        gm.rake(**given_)
    message = str(refused.value)
    assert message.startswith("rake: ")
    assert message.count("\n") == 0
    for part in parts:
        assert part in message


def test_post_stratify_names_itself_and_the_cell():
    sample = {"u": ["a", "b"], "v": ["x", "y"]}
    target = {"u": ["a", "b", "b"], "v": ["x", "y", "x"], "n": [1, 2, 3]}
    with pytest.raises(UserError, match=r"^post_stratify: level 'b x x' of 'u x v' has a target of 3 and no rows"):
        gm.post_stratify(sample, target, ["u", "v"])
    with pytest.raises(UserError, match="^post_stratify: by = 'u'"):
        gm.post_stratify(sample, target, "u")


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({"u": ["a", "a", "b", "b"], "v": ["x", "y", "x", "y"], "pw": [1, 2, 3, 4]}).write_csv("s.csv")
    pl.DataFrame({"u": ["a", "a", "b"], "v": ["x", "y", "y"], "n": [10, 20, 30]}).write_csv("t.csv")
    Path("m.json").write_text(json.dumps({"u": {"a": 30, "b": 30}, "v": {"x": 10, "y": 50}}))
    Path("impossible.json").write_text(json.dumps({"u": {"a": 1, "b": 1, "c": 1}}))
    return tmp_path


@pytest.mark.parametrize("target", ["t.csv", "m.json"])
@pytest.mark.parametrize("out", ["raked.csv", "raked.parquet"])
def test_the_command_writes_the_sample_with_its_weights(gnomon, files, target, out):
    result = gnomon(
        "measure", "rake", "s.csv", "--target", target, "--margins", "u,v", "--weight", "pw", "--out", out, "--json"
    )
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["converged"]
    table = pl.read_csv(out) if out.endswith(".csv") else pl.read_parquet(out)
    assert table.columns == ["u", "v", "pw", "raked_weight"]
    expected = gm.rake("s.csv", {"u": {"a": 30, "b": 30}, "v": {"x": 10, "y": 50}}, ["u", "v"], weight="pw")
    assert table["raked_weight"].to_list() == expected.weights.tolist()
    assert answer["deff"] == expected.deff


def test_the_command_shows_margins_and_what_they_cost(gnomon, files):
    result = gnomon("measure", "rake", "s.csv", "--target", "t.csv", "--margins", "u,v", "--out", "raked.csv")
    assert result.exit_code == 0
    assert "design effect" in result.stdout
    assert "raked_weight" in result.stdout


def test_margins_that_are_not_met_end_with_1_and_a_sentence(gnomon, files):
    pl.DataFrame({"u": ["a", "a", "b"], "v": ["x", "x", "y"]}).write_csv("stuck.csv")
    result = gnomon("measure", "rake", "stuck.csv", "--target", "m.json", "--margins", "u,v", "--out", "raked.csv")
    assert result.exit_code == 1
    assert "not met" in result.stderr
    assert Path("raked.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nowhere.csv", "--target", "t.csv", "--margins", "u", "--out", "o.csv"], ["nowhere.csv", "not a file"]),
        (["s.csv", "--target", "nowhere.json", "--margins", "u", "--out", "o.csv"], ["nowhere.json", "read"]),
        (["s.csv", "--target", "impossible.json", "--margins", "u", "--out", "o.csv"], ["'c' of 'u'"]),
        (["s.csv", "--target", "t.csv", "--margins", "u,w", "--out", "o.csv"], ["'w'", "'pw'"]),
        (["s.csv", "--target", "t.csv", "--margins", "u", "--out", "o.txt"], ["o.txt", ".parquet"]),
        (["s.csv", "--target", "t.csv", "--margins", "u", "--out", "s.csv"], ["s.csv", "inputs"]),
        (["s.csv", "--target", "t.csv", "--margins", "u", "--out", "absent/o.csv"], ["absent"]),
        (["s.csv", "--target", "t.csv", "--margins", "u", "--target-count", "pop", "--out", "o.csv"], ["'pop'", "'n'"]),
    ],
)
def test_a_mistake_on_the_command_line_writes_nothing(files, arguments, parts):
    before = {path: path.read_bytes() for path in files.rglob("*")}
    result = three_commands.invoke("measure", "rake", *arguments)
    assert isinstance(result.exception, UserError)
    assert result.stdout == ""
    for part in parts:
        assert part in str(result.exception)
    assert {path: path.read_bytes() for path in files.rglob("*")} == before


def test_a_mistake_is_exit_code_2_and_one_line(gnomon, files):
    result = gnomon("measure", "rake", "s.csv", "--target", "t.csv", "--margins", "nobody", "--out", "o.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'nobody'" in result.stderr


def test_a_write_that_fails_leaves_no_half_file(gnomon, files, monkeypatch):
    def full(descriptor):
        raise OSError("no space left on device")

    before = sorted(files.rglob("*"))
    monkeypatch.setattr("gnomon.runs.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        gnomon("measure", "rake", "s.csv", "--target", "t.csv", "--margins", "u", "--out", "raked.csv")
    assert sorted(files.rglob("*")) == before
