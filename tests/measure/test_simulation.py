"""Systems of known bias: closed forms, a long run of answers, randomness by item, and the bias that a score means."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from bbq_items import published

from gnomon import data
from gnomon.errors import UserError
from gnomon.measure import SimModel, card, equivalent_bias, load_instrument, score
from gnomon.measure.instrument import Instrument

pytestmark = pytest.mark.filterwarnings("error")

INS = load_instrument("bbq", items=pl.DataFrame(published(questions=30, variants=8)))
SETTINGS = [(0.3, 0.4, 0.9), (-0.6, 0.2, 0.5), (0.0, 0.5, 0.9), (1.0, 0.7, 0.2), (0.2, 0.0, 0.0)]


def lopsided():
    """Items of which two thirds of the labels agree with the stereotype."""
    told = INS.items.filter(context="disambig")
    agree, differ = (
        told.filter(same)
        for same in (pl.col("label") == pl.col("biased_option"), pl.col("label") != pl.col("biased_option"))
    )
    return replace(INS, items=pl.concat([INS.items.filter(context="ambig"), agree, differ.head(len(agree) // 2)]))


@pytest.mark.parametrize(("b", "u", "a"), SETTINGS)
def test_truth_in_closed_form(b, u, a):
    """With half of the labels biased (the specification's formulas), and with their own share."""
    person = (1 - a) * (1 - u)
    found = SimModel(bias=b, unknown=u, accuracy=a).truth(INS)
    assert found["accuracy_amb", "Colour"] == pytest.approx(u)
    assert found["s_amb", "Colour"] == pytest.approx((1 - u) * b)
    assert found["s_dis", "Colour"] == pytest.approx(person * b / (a + person))
    assert found["accuracy_dis", "Colour"] == pytest.approx(a + person / 2)
    third = SimModel(bias=b, unknown=u, accuracy=a).truth(lopsided())
    assert third["s_dis", "Colour"] == pytest.approx((a / 3 + person * b) / (a + person))
    assert third["accuracy_dis", "Colour"] == pytest.approx(a + person * (1 + b / 3) / 2)


@pytest.mark.parametrize(("b", "u", "a"), SETTINGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_of_its_answers_are_the_truth_within_chance(b, u, a, seed):
    model = SimModel(bias=b, unknown=u, accuracy=a, seed=seed)
    for ins in (INS, lopsided()):
        found = score(ins, model.respond(ins), cluster="item_id", B=400)
        truth = model.truth(ins)
        assert truth.keys() == found.estimates.keys()
        for name, estimate in found.estimates.items():
            assert abs(estimate.value - truth[name]) <= 4.5 * estimate.se + 1e-12, name


def test_an_answer_belongs_to_its_item():
    model = SimModel(bias=0.3, seed=4)
    everyone = model.respond(INS)
    some = replace(INS, items=INS.items.sample(fraction=0.3, shuffle=True, seed=1))
    assert model.respond(some).join(everyone, on=["item_id", "answer"]).height == len(some.items)
    assert everyone.equals(model.respond(INS))
    assert not everyone.equals(replace(model, seed=5).respond(INS))
    # neighbouring seeds and ids are independent
    other = replace(model, seed=5).respond(INS)
    agree = (everyone["answer"] == other["answer"]).mean()
    assert 0.4 < agree < 0.8


def test_extreme_models():
    unknown = INS.items.select(answer=pl.col("options").list.get("unknown"))["answer"]
    label = INS.items.select(answer=pl.col("options").list.get("label"))["answer"]
    ambiguous = INS.items["context"] == "ambig"
    silent = SimModel(0.5, unknown=1, accuracy=0).respond(INS)["answer"]
    assert (silent == unknown).all()
    attentive = SimModel(0.5, unknown=1, accuracy=1).respond(INS)["answer"]
    assert (attentive == label).all()
    assert ("s_dis", "Colour") not in SimModel(0.5, unknown=1, accuracy=0).truth(INS)
    leaning = SimModel(1, unknown=0, accuracy=1).respond(INS)
    biased = INS.items.select(answer=pl.col("options").list.get("biased_option"))["answer"]
    assert (leaning["answer"] == biased).filter(ambiguous).all()


def test_memorised_items_are_answered_right():
    known = INS.items["item_id"].gather_every(2).to_list()
    model = SimModel(0.8, unknown=0.0, accuracy=0.1, memorised=[*known, "of another instrument"])
    found = score(INS, model.respond(INS), B=20).item_frame
    assert found.filter(pl.col("item_id").is_in(known))["correct"].all()
    rest = found.filter(~pl.col("item_id").is_in(known))
    assert rest["correct"].mean() < 0.6
    without = replace(model, memorised=None).respond(INS)
    assert (
        model.respond(INS)
        .filter(~pl.col("item_id").is_in(known))
        .equals(without.filter(~pl.col("item_id").is_in(known)))
    )


def test_without_a_target_all_persons_are_alike():
    items = INS.items.with_columns(target=pl.lit(None, pl.Int64), biased_option=pl.lit(None, pl.Int64))
    ins = replace(INS, items=items)
    model = SimModel(1.0, unknown=0.25, accuracy=0.0)
    found = score(ins, model.respond(ins), B=20).item_frame.filter(context="disambig")
    people = found.filter(pl.col("choice") != pl.col("unknown"))
    assert 0.7 < len(people) / len(found) < 0.8
    assert 0.45 < (people["choice"] == people["label"]).mean() < 0.55
    assert ("s_amb", "Colour") not in model.truth(ins)


def pairs(n=2000):
    """Invented sentence pairs, as CrowS-Pairs holds them: no right answer and no UNKNOWN."""
    from gnomon.measure.crows_pairs import RULE

    options = pl.Series([[f"Blue people shout, {at}.", f"Red people shout, {at}."] for at in range(n)])
    items = pl.DataFrame({"item_id": [str(at) for at in range(n)], "category": "colour", "text": ""}).with_columns(
        options=options, label=pl.lit(None, pl.Int64), target=pl.lit(0, pl.Int64)
    )
    return Instrument(card("crows_pairs"), items, RULE)


def test_pairs_without_a_right_answer():
    ins, model = pairs(), SimModel(bias=0.5)
    truth = model.truth(ins)
    assert set(truth.values()) == {0.75}
    found = score(ins, model.respond(ins), B=400, cluster="item_id")
    assert truth.keys() == found.estimates.keys()
    for name, estimate in found.estimates.items():
        assert abs(estimate.value - truth[name]) < 4.5 * estimate.se
    rows = equivalent_bias(found).to_dicts()
    assert [row["b"] for row in rows] == [pytest.approx(2 * row["value"] - 1) for row in rows]


def test_sentences_for_and_against_a_stereotype():
    """WinoBias: always a right answer and no UNKNOWN, so accuracy_pro = a + (1 - a)(1 + b)/2 and gap = (1 - a) b."""
    if data.locate("winobias/pro_type1") is None:
        pytest.skip("WinoBias (winobias/pro_type1) is not in GNOMON_DATA_DIR")
    ins, model = load_instrument("winobias"), SimModel(bias=0.4, accuracy=0.6)
    truth = model.truth(ins)
    for group in ("type1", "type2"):
        assert truth["accuracy_pro", group] == pytest.approx(0.6 + 0.4 * 0.7)
        assert truth["accuracy_anti", group] == pytest.approx(0.6 + 0.4 * 0.3)
        assert truth["gap", group] == pytest.approx(0.4 * 0.4)
    found = score(ins, model.respond(ins), B=400)
    for name, estimate in found.estimates.items():
        assert abs(estimate.value - truth[name]) < 4.5 * estimate.se
    for row in equivalent_bias(found).to_dicts():
        right = sum(found.estimates[metric, row["group"]].value for metric in ("accuracy_pro", "accuracy_anti"))
        assert row["b"] == pytest.approx(row["value"] / (2 - right))


def exact(weights):
    """Answers in exact proportions: of each kind of item (ambiguous, label biased or not) so many of each answer."""
    plan = []
    for context, agrees, counts in weights:
        asked = INS.items.filter(pl.col("context") == context)
        if agrees is not None:
            asked = asked.filter((pl.col("label") == pl.col("biased_option")) == agrees)
        other = 3 - pl.col("unknown") - pl.col("biased_option")
        chosen = [kind for kind, count in counts.items() for _ in range(count)]
        plan.append(
            asked.head(len(chosen))
            .with_columns(chosen=pl.Series(chosen))
            .with_columns(
                choice=pl.when(chosen="biased")
                .then("biased_option")
                .when(chosen="unknown")
                .then("unknown")
                .otherwise(other)
            )
        )
    items = pl.concat(plan)
    answers = items.select("item_id", answer=pl.col("options").list.get("choice"))
    return score(replace(INS, items=items.drop("chosen", "choice")), answers, B=50, cluster="item_id")


@pytest.mark.parametrize("lopsided", [False, True])
def test_equivalent_bias_is_the_bias_of_a_model_with_the_same_score(lopsided):
    """Expected numbers of answers of a = 1/2, u = 1/2, b = 1/2: of 32, 16 read the context, 8 UNKNOWN, 6 and 2."""
    agreeing = {"biased": 22, "unknown": 8, "other": 2}
    differing = {"biased": 6, "unknown": 8, "other": 18}
    if lopsided:
        agreeing = {kind: 3 * count for kind, count in agreeing.items()}
    found = exact(
        [
            ("ambig", None, {"biased": 6, "unknown": 8, "other": 2}),
            ("disambig", True, agreeing),
            ("disambig", False, differing),
        ]
    )
    bias = equivalent_bias(found)
    assert bias.columns == ["metric", "group", "value", "b", "low", "high"]
    assert bias["metric"].to_list() == ["s_amb", "s_dis"]
    assert bias["b"].to_list() == [pytest.approx(0.5), pytest.approx(0.5)]
    for row in bias.to_dicts():
        assert -1 <= row["low"] < row["b"] < row["high"] <= 1
    truth = SimModel(0.5, unknown=0.5, accuracy=0.5).truth(found.instrument)
    for metric in ("s_amb", "s_dis"):
        assert found.estimates[metric, "Colour"].value == pytest.approx(truth[metric, "Colour"])


def test_equivalent_bias_of_scores_that_no_model_has():
    silent = exact(
        [("ambig", None, {"unknown": 16}), ("disambig", True, {"biased": 4}), ("disambig", False, {"other": 4})]
    )
    rows = {row["metric"]: row for row in equivalent_bias(silent).to_dicts()}
    assert rows["s_amb"] == {"metric": "s_amb", "group": "Colour", "value": 0.0, "b": None, "low": None, "high": None}
    assert (rows["s_dis"]["value"], rows["s_dis"]["b"]) == (0.0, None)
    leaning = exact(
        [
            ("ambig", None, {"biased": 16}),
            ("disambig", True, {"other": 4}),
            ("disambig", False, {"biased": 1, "other": 4}),
        ]
    )
    assert {row["metric"]: row["b"] for row in equivalent_bias(leaning).to_dicts()}["s_amb"] == 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bias": 1.5}, r"SimModel: bias = 1\.5 must lie in \[-1, 1\]"),
        ({"bias": float("nan")}, "bias = nan"),
        ({"bias": 0, "unknown": -0.1}, r"unknown = -0\.1 must lie in \[0, 1\]"),
        ({"bias": 0, "accuracy": 2}, "accuracy = 2"),
    ],
)
def test_settings_out_of_range(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        SimModel(**settings)


def test_a_run_of_all_seeds_has_the_interval_it_promises():
    """The cluster bootstrap at 90 % holds the truth in about 90 of 100 runs (30 clusters, independent items)."""
    model = SimModel(bias=0.3, unknown=0.5, accuracy=0.8)
    truth = model.truth(INS)["s_amb", "Colour"]
    runs = [score(INS, replace(model, seed=seed).respond(INS), B=200, level=0.9) for seed in range(60)]
    held = [run.estimates["s_amb", "Colour"].low <= truth <= run.estimates["s_amb", "Colour"].high for run in runs]
    assert np.mean(held) > 0.9 - 3.5 * (0.09 / 60) ** 0.5
