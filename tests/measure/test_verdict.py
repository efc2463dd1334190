"""The gate: the grammar of rules, verdicts of planted systems, limits, runs' folders, JSON and JUnit."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from evidence_items import instrument, scored
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.measure.scoring import Scores, score
from gnomon.measure.simulation import SimModel
from gnomon.measure.verdict import Gate, gate, parse, sentence
from gnomon.stats import Estimate

WHY = {"rationale": "agreed in review", "set_by": "A. Person"}


def scores_of(estimates: dict[tuple[str, str], Estimate]) -> Scores:
    """Scores that hold these estimates and nothing else."""
    made = scored(instrument(("Hats",), templates=2, copies=1), lambda item: 0, B=2)
    return replace(made, estimates=estimates)


def drawn(value, draws, **more):
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Estimate(value, low, high, 100, "bootstrap-percentile", draws=np.asarray(draws, float), **more)


# -- grammar ---------------------------------------------------------------------------------------------------------


def test_rules_of_the_specification():
    one = parse("P(s_amb < 0.10) > 0.95")
    assert (one.metric, one.group, one.absolute, one.sign, one.limit, one.required) == (
        "s_amb", None, False, "<", 0.10, 0.95,
    )  # fmt: skip
    assert parse("P(abs(s_amb) < 0.10) > 0.95").absolute
    assert parse("P(s_amb[Age] < 0.1) > 0.95").group == "Age"
    both = parse("  P ( abs( s_dis[Sexual orientation] )>-1e-1 )>.5 ")
    assert (both.metric, both.group, both.absolute, both.sign, both.limit, both.required) == (
        "s_dis", "Sexual orientation", True, ">", -0.1, 0.5,
    )  # fmt: skip


def test_a_group_may_hold_the_signs_of_the_grammar():
    assert parse("P(s_amb[age < 30 (all)] < 0.1) > 0.95").group == "age < 30 (all)"


@settings(max_examples=50)
@given(
    metric=st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True),
    group=st.none() | st.from_regex(r"[A-Za-z][A-Za-z <>()=_.-]{0,8}[A-Za-z]", fullmatch=True),
    absolute=st.booleans(),
    sign=st.sampled_from("<>"),
    limit=st.floats(-1, 1),
    required=st.floats(0.5, 1, exclude_max=True),
)
def test_what_is_written_is_read(metric, group, absolute, sign, limit, required):
    quantity = metric + (f"[{group}]" if group else "")
    quantity = f"abs({quantity})" if absolute else quantity
    rule = parse(f"P({quantity} {sign} {limit!r}) > {required!r}")
    assert (rule.metric, rule.group, rule.absolute, rule.sign) == (metric, group, absolute, sign)
    assert (rule.limit, rule.required) == (limit, required)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("s_amb < 0.1", "form P(statement) > probability"),
        ("P(s_amb < 0.1)", "form P(statement) > probability"),
        ("P(s_amb < 0.1) > 0.95 today", "form P(statement) > probability"),
        ("", "form P(statement) > probability"),
        (0.95, "form P(statement) > probability"),
        ("P(s_amb <= 0.1) > 0.95", "'<='"),
        ("P(s_amb = 0.1) > 0.95", "'='"),
        ("P(s_amb < 0.1) >= 0.95", "must be above (>) one"),
        ("P(s_amb < 0.1) < 0.95", "must be above (>) one"),
        ("P(s_amb < 0.1) > 95%", "'95%'"),
        ("P(s_amb < 0.1) > 0.49", "from 0.5 to below 1"),
        ("P(s_amb < 0.1) > 1", "from 0.5 to below 1"),
        ("P(s_amb < 0.1) > nan", "from 0.5 to below 1"),
        ("P(s_amb < ten) > 0.95", "'ten'"),
        ("P(s_amb < 1e999) > 0.95", "'1e999'"),
        ("P(abs(s_amb < 0.1) > 0.95", "bracket"),
        ("P(s_amb) < 0.1) > 0.95", "bracket"),
        ("P(s_amb[] < 0.1) > 0.95", "names no group"),
        ("P(s_amb[Age < 0.1) > 0.95", "'s_amb[Age < 0.1'"),
        ("P(max(s_amb) < 0.1) > 0.95", "'max(s_amb) < 0.1'"),
    ],
)
def test_a_wrong_rule_is_told_in_one_sentence_with_a_right_one(rule, names):
    with pytest.raises(UserError) as told:
        parse(rule)
    said = str(told.value)
    assert names in said
    assert said.endswith("a rule reads 'P(abs(s_amb) < 0.10) > 0.95'.")
    assert "\n" not in said


# -- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("below", "required", "verdict"),
    [(96, 0.95, "pass"), (95, 0.95, "undecided"), (5, 0.95, "undecided"), (4, 0.95, "fail"), (51, 0.5, "pass")],
)
def test_p_is_the_share_of_draws_and_must_be_above(below, required, verdict):
    draws = [0.05] * below + [0.15] * (100 - below)
    found = gate(scores_of({("s_amb", "Hats"): drawn(0.1, draws)}), f"P(s_amb < 0.1) > {required}", **WHY)
    assert found.verdict == verdict
    assert found.rules[0]["probability"] == below / 100
    assert found.rules[0]["required"] == required


def test_a_draw_on_the_limit_does_not_satisfy_the_rule():
    found = gate(scores_of({("s_amb", "Hats"): drawn(0.1, [0.1] * 100)}), "P(s_amb < 0.1) > 0.9", **WHY)
    assert (found.verdict, found.rules[0]["probability"]) == ("fail", 0.0)


def test_abs_looks_at_both_sides():
    draws = [-0.3] * 97 + [0.0] * 3
    scores = scores_of({("s_amb", "Hats"): drawn(-0.3, draws)})
    assert gate(scores, "P(s_amb < 0.1) > 0.95", **WHY).verdict == "pass"
    assert gate(scores, "P(abs(s_amb) < 0.1) > 0.95", **WHY).verdict == "fail"
    assert gate(scores, "P(abs(s_amb) > 0.1) > 0.95", **WHY).verdict == "pass"


def test_undefined_draws_count_for_neither_side():
    draws = [0.0] * 94 + [np.nan] * 6
    found = gate(scores_of({("s_dis", "Hats"): drawn(0.0, draws)}), "P(s_dis < 0.1) > 0.95", **WHY)
    assert (found.verdict, found.rules[0]["probability"]) == ("undecided", 0.94)
    found = gate(scores_of({("s_dis", "Hats"): drawn(0.0, draws)}), "P(s_dis > 0.1) > 0.95", **WHY)
    assert (found.verdict, found.rules[0]["probability"]) == ("undecided", 0.0)


def test_without_a_group_every_group_must_hold_and_fail_outweighs_undecided():
    good, unclear, bad = [0.0] * 100, [0.0] * 60 + [0.5] * 40, [0.5] * 100
    estimates = {("s_amb", name): drawn(0.1, draws) for name, draws in (("A", good), ("B", unclear), ("C", bad))}
    rule = "P(s_amb < 0.1) > 0.95"
    everything = gate(scores_of(estimates), rule, **WHY)
    assert [found["verdict"] for found in everything.rules] == ["pass", "undecided", "fail"]
    assert everything.verdict == "fail"
    del estimates["s_amb", "C"]
    assert gate(scores_of(estimates), rule, **WHY).verdict == "undecided"
    assert gate(scores_of(estimates), "P(s_amb[A] < 0.1) > 0.95", **WHY).verdict == "pass"
    two = gate(scores_of(estimates), ["P(s_amb[A] < 0.1) > 0.95", "P(s_amb[B] > 0.1) > 0.95"], **WHY)
    assert [found["group"] for found in two.rules] == ["A", "B"]


def test_an_undefined_metric_is_undecided_with_its_reason():
    nothing = Estimate(None, None, None, 0, "bootstrap-percentile", reason="every answer is UNKNOWN")
    found = gate(scores_of({("s_dis", "Hats"): nothing}), "P(s_dis < 0.1) > 0.5", **WHY)
    assert found.verdict == "undecided"
    assert found.rules[0]["reason"] == "every answer is UNKNOWN"


def test_all_unknown_is_decided_by_the_interval():
    """0 of 200 ambiguous answers: Wilson's upper bound is 1.9 %, z^2/(n + z^2)."""
    ins = instrument(("Hats",))
    scores = scored(ins, lambda item: 2)
    bound = 1.959964**2 / (200 + 1.959964**2)
    assert bound == pytest.approx(0.018846, abs=1e-6)
    for rule, verdict in (
        ("P(abs(s_amb) < 0.02) > 0.95", "pass"),
        ("P(s_amb < 0.02) > 0.95", "pass"),
        ("P(s_amb > -0.02) > 0.95", "pass"),
        ("P(abs(s_amb) < 0.01) > 0.95", "undecided"),
        ("P(abs(s_amb) > 0.02) > 0.95", "fail"),
        ("P(s_amb > 0.02) > 0.95", "fail"),
        ("P(abs(s_amb) < 0.02) > 0.99", "undecided"),
        ("P(s_dis < 0.5) > 0.95", "undecided"),
    ):
        found = gate(scores, rule, **WHY)
        assert (rule, found.verdict) == (rule, verdict)
        assert found.rules[0]["probability"] is None
        assert found.rules[0]["reason"]
    assert gate(scores, "P(abs(s_amb) < 0.02) > 0.95", **WHY).rules[0]["high"] == pytest.approx(bound, abs=1e-6)
    strict = scored(ins, lambda item: 2, level=0.99)
    assert gate(strict, "P(abs(s_amb) < 0.04) > 0.99", **WHY).verdict == "pass"


def test_planted_systems():
    """s_amb = (1 - 0.5) b: 0.3 is over the limit of 0.1, 0 is within it, and few items tell neither."""
    ins, rule = instrument(copies=12), "P(abs(s_amb) < 0.10) > 0.95"
    biased = score(ins, SimModel(0.6, seed=1).respond(ins), B=500)
    fair = score(ins, SimModel(0.0, seed=1).respond(ins), B=500)
    assert gate(biased, rule, **WHY).verdict == "fail"
    assert gate(fair, rule, **WHY).verdict == "pass"
    few = instrument(templates=4, copies=1)
    assert gate(score(few, SimModel(0.2, seed=1).respond(few), B=500), rule, **WHY).verdict == "undecided"


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_rule_and_its_opposite_never_both_hold(draws, limit, required):
    scores = scores_of({("s_amb", "Hats"): drawn(0.0, draws)})
    less, more = (gate(scores, f"P(abs(s_amb) {sign} {limit!r}) > {required}", **WHY) for sign in "<>")
    assert {less.verdict, more.verdict} != {"pass"}
    if less.verdict == "pass":
        assert more.verdict == "fail"


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("P(bias < 0.1) > 0.9", "names the metric 'bias'; the metrics scored are s_amb, s_dis"),
        ("P(s_amb[Boats] < 0.1) > 0.9", "names the group 'Boats'; the groups scored are Hats, Shoes"),
        ("P(s_amb < 10) > 0.9", "s_amb lies between -1 and 1 (papers may print it times 100)"),
        ("P(abs(s_amb) > -0.1) > 0.9", "abs(s_amb) lies between 0 and 1"),
        ("P(accuracy_amb > -0.1) > 0.9", "accuracy_amb lies between 0 and 1"),
    ],
)
def test_rules_that_the_scores_cannot_answer(rule, sentence):
    with pytest.raises(UserError) as told:
        gate(scored(instrument(), lambda item: 0), rule, **WHY)
    assert sentence in str(told.value)


@pytest.mark.parametrize("missing", ["rationale", "set_by"])
@pytest.mark.parametrize("said", ["", "  \n", None])
def test_who_and_why_are_required(missing, said):
    with pytest.raises(UserError, match=missing):
        gate(scored(instrument(), lambda item: 0), "P(s_amb < 0.1) > 0.9", **{**WHY, missing: said})


def test_no_rules_are_refused():
    with pytest.raises(UserError, match="rules is empty"):
        gate(scored(instrument(), lambda item: 0), [], **WHY)


# -- what is stored --------------------------------------------------------------------------------------------------


def test_a_folder_gives_the_same_gate_as_its_scores(tmp_path):
    scores = score(ins := instrument(), SimModel(0.3, seed=2).respond(ins), B=300)
    (tmp_path / "scores.json").write_text(json.dumps(scores.to_dict()))
    pl.concat(
        pl.DataFrame({"metric": metric, "group": group, "draw": range(len(draws)), "value": draws})
        for (metric, group), draws in scores.draws.items()
    ).sample(fraction=1, shuffle=True, seed=1).write_parquet(tmp_path / "draws.parquet")
    rules = ["P(abs(s_amb) < 0.2) > 0.95", "P(s_dis[Hats] < 0.1) > 0.6"]
    assert gate(tmp_path, rules, **WHY) == gate(scores, rules, **WHY)
    (tmp_path / "draws.parquet").unlink()
    with pytest.raises(UserError, match=r"holds no draws\.parquet"):
        gate(str(tmp_path), rules, **WHY)
    with pytest.raises(UserError, match=r"holds no scores\.json"):
        gate(tmp_path / "absent", rules, **WHY)


def test_json_has_the_names_of_the_specification():
    found = gate(scored(instrument(), lambda item: item["biased_option"]), "P(s_dis < 0.5) > 0.9", **WHY)
    stored = json.loads(found.to_json())
    assert list(stored) == ["verdict", "rules", "rationale", "set_by"]
    assert list(stored["rules"][0]) == [
        "rule", "metric", "group", "probability", "required", "value", "low", "high", "verdict", "reason",
    ]  # fmt: skip
    assert stored["rules"] == found.rules
    assert (stored["verdict"], stored["rationale"], stored["set_by"]) == ("fail", *WHY.values())


def test_junit_is_red_for_fail_and_for_undecided():
    estimates = {
        ("s_amb", name): drawn(0.1, draws)
        for name, draws in (("A", [0.0] * 100), ("B & <C>\x00", [0.0] * 60 + [0.5] * 40), ("D", [0.5] * 100))
    }
    found = gate(scores_of(estimates), "P(s_amb < 0.1) > 0.95", rationale='"limits" & <why>\x1b', set_by="Ünal")
    suite = ET.fromstring(found.to_junit().encode())
    assert suite.tag == "testsuite"
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3", "failures": "2", "errors": "0",
    }  # fmt: skip
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [
        "P(s_amb < 0.1) > 0.95 [A]", "P(s_amb < 0.1) > 0.95 [B & <C>\ufffd]", "P(s_amb < 0.1) > 0.95 [D]",
    ]  # fmt: skip
    assert all(case.get("classname") == "bbq" for case in cases)
    assert [[failure.get("type") for failure in case] for case in cases] == [[], ["undecided"], ["fail"]]
    assert cases[2][0].get("message") == sentence(found.rules[2]) == cases[2][0].text
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties == {"verdict": "fail", "rationale": '"limits" & <why>\ufffd', "set_by": "Ünal"}


@settings(max_examples=50)
@given(st.text(max_size=20))
def test_junit_is_xml_whatever_the_names(text):
    found = {"rule": text, "metric": "m", "group": text, "probability": 0.5, "required": 0.9, "value": 0.1}
    rule = {**found, "low": None, "high": None, "verdict": "undecided", "reason": text}
    ET.fromstring(Gate("undecided", [rule], text, text, text).to_junit().encode())


def test_few_independent_units_are_said():
    draws = np.full(100, -0.5)
    for units, said in ((2, True), (4, True), (5, False), (25, False)):
        made = scores_of({("s_amb", "Hats"): drawn(-0.5, draws, n_clusters=units)})
        found = gate(made, "P(s_amb < 0.1) > 0.95", **WHY).rules[0]
        assert (found["verdict"], "independent units" in (found["reason"] or "")) == ("pass", said)


def test_a_damaged_run_is_no_verdict(tmp_path):
    scored(instrument(("Hats",), templates=2, copies=1), lambda item: 0, B=2)
    (tmp_path / "scores.json").write_text("{")
    (tmp_path / "draws.parquet").write_text("no table")
    with pytest.raises(UserError, match="damaged"):
        gate(tmp_path, "P(s_amb < 0.1) > 0.95", **WHY)
