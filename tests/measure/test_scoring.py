"""Scores against a plain scorer and closed forms; replay, row order, pairing of draws, what is left out, examples."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from bbq_items import UNKNOWN, oracle, published, write

from gnomon.errors import UserError
from gnomon.measure import SimModel, lint, load_instrument, score
from gnomon.measure.scoring import clusters_of, figures_of
from gnomon.stats import survey_mean

pytestmark = pytest.mark.filterwarnings("error")

ROWS = published(questions=12, variants=3)
INS = load_instrument("bbq", items=pl.DataFrame(ROWS))
TWO = load_instrument("bbq", items=pl.DataFrame(ROWS + published("Shape", questions=12, variants=2)))
ANSWERS = SimModel(bias=0.4, unknown=0.3, accuracy=0.6, seed=5).respond(TWO)


def same(a, b):
    """Whether two scores are the same to the bit, draws and all."""
    assert a.frame.equals(b.frame, null_equal=True)
    assert a.draws.keys() == b.draws.keys()
    assert all(np.array_equal(draws, b.draws[name], equal_nan=True) for name, draws in a.draws.items())
    assert a.counts == b.counts
    return True


@pytest.mark.parametrize("seed", range(12))
def test_against_a_plain_scorer(seed):
    """Answers of any kind: options, some missing, some not to be read, and targets that cannot be told."""
    rng = np.random.default_rng(seed)
    rows = published(questions=rng.integers(1, 6).item(), variants=2)
    for row in rows:
        kind = rng.random()
        row["additional_metadata"]["stereotyped_groups"] = (
            ["Blue"] if kind < 0.7 else ["RED"] if kind < 0.9 else ["red", "blue"] if kind < 0.95 else []
        )
    given = {}
    for row in rows:
        kind = rng.random()
        given[row["example_id"]] = (
            row[f"ans{rng.integers(3)}"] if kind < 0.8 else None if kind < 0.9 else "both of them"
        )
    ins = load_instrument("bbq", items=pl.DataFrame(rows))
    table = pl.DataFrame({"category": "Colour", "example_id": list(given), "answer": list(given.values())})
    found = score(ins, table, B=20)
    readable = {name: None if answer == "both of them" else answer for name, answer in given.items()}
    expected = oracle(rows, readable)
    assert {metric: each.value for (metric, _), each in found.estimates.items()} == pytest.approx(expected, abs=1e-12)
    n_manual = sum(answer == "both of them" for answer in given.values())
    n_missing = sum(answer is None for answer in given.values())
    assert found.counts["n_manual"] == n_manual
    assert found.counts["n_missing"] == n_missing
    assert found.counts["n_answered"] == len(rows) - n_manual - n_missing
    assert found.counts["n_items"] == len(rows)


@pytest.fixture(scope="module")
def scores():
    return score(TWO, ANSWERS, B=400, seed=3)


def test_replay_from_files_is_the_same_to_the_bit(scores, tmp_path):
    recorded = scores.answers
    recorded.write_parquet(tmp_path / "responses.parquet")
    recorded.write_csv(tmp_path / "responses.csv")
    write(tmp_path / "responses.jsonl", recorded.to_dicts())
    write(tmp_path / "responses.jsonl.gz", recorded.to_dicts())
    for name in ("responses.parquet", "responses.csv", "responses.jsonl", "responses.jsonl.gz"):
        assert same(scores, score(TWO, tmp_path / name, B=400, seed=3)), name
    assert not np.array_equal(
        score(TWO, recorded, B=400, seed=4).draws["s_amb", "Shape"], scores.draws["s_amb", "Shape"]
    )


def test_neither_the_order_of_rows_nor_other_groups_change_a_figure(scores):
    shuffled = replace(TWO, items=TWO.items.sample(fraction=1, shuffle=True, seed=8))
    found = score(shuffled, ANSWERS.sample(fraction=1, shuffle=True, seed=9), B=400, seed=3)
    assert same(scores, found)
    assert found.examples(20).equals(scores.examples(20))
    alone = score(INS, ANSWERS.filter(pl.col("item_id").str.starts_with("Colour")), B=400, seed=3)
    assert alone.frame.equals(scores.frame.filter(group="Colour"), null_equal=True)


def test_draws_of_a_groups_metrics_pair_up():
    """Where every person taken is the stereotyped one, s_amb = 1 - accuracy_amb: in every resample."""
    items = TWO.items.with_columns(pick=pl.Series(np.random.default_rng(0).random(len(TWO.items)) < 0.4))
    option = pl.when("pick").then("unknown").otherwise("biased_option")
    answers = items.select("item_id", answer=pl.col("options").list.get(option))
    found = score(TWO, answers, B=300)
    lean, right = found.draws["s_amb", "Colour"], found.draws["accuracy_amb", "Colour"]
    assert np.ptp(lean) > 0
    np.testing.assert_allclose(lean, 1 - right, atol=1e-12)


def test_groups_are_resampled_independently():
    """Two groups with the same answers to the same items have the same value, but not the same draws."""
    ins = load_instrument("bbq", items=pl.DataFrame(ROWS + published("Shape", questions=12, variants=3)))
    pick = pl.Series(np.random.default_rng(1).integers(3, size=len(ROWS)).tolist() * 2)
    found = score(ins, ins.items.select("item_id", answer=pl.col("options").list.get(pl.lit(pick))), B=300)
    for metric in ("s_amb", "s_dis", "accuracy_amb"):
        assert found.estimates[metric, "Colour"].value == found.estimates[metric, "Shape"].value
        assert abs(np.corrcoef(found.draws[metric, "Colour"], found.draws[metric, "Shape"])[0, 1]) < 0.25


def test_error_by_cluster_is_that_of_a_clustered_mean():
    """Accuracy is a ratio of cluster totals: the bootstrap's error is the linearised one, but for noise."""
    items = INS.items.with_columns(number=pl.col("question_index").cast(int))
    option = pl.when(pl.col("number") % 4 < 2).then("label").otherwise((pl.col("label") + 1) % 3)
    answers = items.select("item_id", answer=pl.col("options").list.get(option))
    found = score(INS, answers, B=4000).estimates["accuracy_amb", "Colour"]
    asked = items.filter(context="ambig").with_columns(right=pl.col("number") % 4 < 2)
    linearised = survey_mean(asked["right"].cast(float), cluster=asked["question_index"])
    m = 12
    assert found.se == pytest.approx(linearised.se * ((m - 1) / m) ** 0.5, rel=0.05)
    naive = score(INS, answers, B=1000, cluster="item_id").estimates["accuracy_amb", "Colour"]
    assert naive.n_clusters == asked.height
    assert naive.se < 0.5 * found.se


def test_cluster_columns_are_taken_within_a_category(scores):
    assert scores.settings["cluster"] == ["category", "question_index"]
    assert same(scores, score(TWO, ANSWERS, B=400, seed=3, cluster="question_index"))
    by = score(TWO, ANSWERS, B=20, cluster=["question_index", "context"])
    assert by.settings["cluster"] == ["category", "question_index", "context"]
    assert by.estimates["s_amb", "Colour"].n_clusters == 12
    assert set(clusters_of(TWO.items, by.settings["cluster"])) >= {"Colour/1/ambig", "Shape/12/disambig"}


def test_frame_states_what_a_number_is_read_against(scores):
    assert scores.frame.columns == [
        *("metric", "group", "value", "low", "high", "level", "se", "n", "n_clusters", "method"),
        *("null", "minimum", "maximum", "direction", "reason"),
    ]
    row = scores.frame.filter(metric="accuracy_dis", group="Shape").row(0, named=True)
    assert (row["null"], row["minimum"], row["maximum"], row["direction"]) == (pytest.approx(1 / 3), 0, 1, "higher")
    assert row["low"] < row["value"] < row["high"]
    assert (row["n"], row["n_clusters"], row["level"]) == (96, 12, 0.95)
    stored = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert stored["instrument"] == "bbq"
    assert stored["estimates"] == scores.frame.to_dicts()
    assert stored["counts"] == scores.counts
    assert stored["settings"] == {
        "B": 400,
        "seed": 3,
        "level": 0.95,
        "cluster": ["category", "question_index"],
        "without": None,
    }


def test_scores_without_flagged_items():
    rows = published(questions=12)
    for row in rows[:4]:
        row["additional_metadata"]["stereotyped_groups"] = ["red", "blue"]
    ins = load_instrument("bbq", items=pl.DataFrame(rows))
    findings = lint(ins)
    assert findings["item_id"].to_list() == ["Colour/0", "Colour/1", "Colour/2", "Colour/3"]
    answers = SimModel(0.2).respond(ins)
    found = score(ins, answers, without=findings, B=50)
    assert found.settings["without"] == {"n_items": 4, "rules": ["target-undeterminable"]}
    assert found.counts["n_no_target"] == 0
    assert found.counts["n_items"] == len(rows) - 4 == len(found.answers) == len(found.instrument.items)
    kept = load_instrument("bbq", items=pl.DataFrame(rows[4:]))
    assert same(found, score(kept, answers[4:], B=50))
    assert same(score(ins, answers, B=50), score(ins, answers, B=50, without=findings.clear()))


def test_one_cluster_has_a_value_and_no_interval():
    ins = load_instrument("bbq", items=pl.DataFrame(published(questions=1)))
    found = score(ins, SimModel(0.2, seed=1).respond(ins), B=50)
    for estimate in found.estimates.values():
        assert estimate.value is not None
        assert (estimate.low, estimate.high, estimate.draws, estimate.n_clusters) == (None, None, None, 1)
        assert "one cluster" in estimate.reason
    assert found.draws == {}


def test_figures_of_recorded_answers(scores):
    figures, answered = figures_of(TWO, scores.answers)
    assert answered["item_id"].is_sorted()
    for figure in figures:
        value = float(figure.statistic(figure.sums.sum(0)[None])[0])
        assert value == scores.estimates[figure.metric, figure.group].value
        assert answered["category"].gather(figure.rows).unique().to_list() == [figure.group]


def test_examples_show_the_worst_template_its_item_and_the_minimal_pair():
    biased, against = ("Colour/3", "Colour/7"), "Colour/5"
    lean = (
        pl.when(pl.col("template").is_in(biased))
        .then("biased_option")
        .when((pl.col("template") == against) & (pl.col("polarity") == "neg"))
        .then(3 - pl.col("unknown") - pl.col("biased_option"))
        .when(pl.col("template") == "Colour/9")
        .then("target")  # the same person whatever the question: no lean
        .otherwise("label")
    )
    answers = INS.items.select("item_id", answer=pl.col("options").list.get(lean))
    found = score(INS, answers, B=20)
    shown = found.examples()
    assert shown["template"].to_list() == [*biased, against]
    first = shown.row(0, named=True)
    assert (first["rank"], first["n"], first["n_biased"], first["n_against"], first["net"]) == (1, 24, 18, 0, 18)
    item = INS.items.filter(item_id=first["item_id"]).row(0, named=True)
    assert first["text"] == item["text"]
    assert first["right"] == item["options"][item["label"]]
    assert first["answer"] == item["options"][item["biased_option"]] != first["right"]
    assert (first["biased"], first["pair_biased"]) == (True, True)
    pair = INS.items.filter(item_id=first["pair_id"]).row(0, named=True)
    assert (pair["context"], pair["options"]) == (item["context"], item["options"])
    assert pair["polarity"] != item["polarity"]
    assert first["pair_answer"] == pair["options"][pair["biased_option"]]
    third = shown.row(2, named=True)
    assert (third["net"], third["biased"], third["pair_biased"], third["pair_answer"]) == (-9, False, False, UNKNOWN)
    assert found.examples(1).equals(shown.head(1))
    nothing = score(INS, INS.items.select("item_id", answer=pl.col("options").list.get("label")), B=20)
    assert nothing.examples().is_empty()


def test_item_frame_holds_what_became_of_every_item(scores):
    frame = scores.item_frame
    assert frame["item_id"].to_list() == TWO.items["item_id"].to_list()
    right = frame.filter("correct")
    assert (right["choice"] == right["label"]).all()
    assert not frame.filter("failing")["correct"].any()
    assert not frame.filter("failing").filter(pl.col("choice") == pl.col("unknown")).height
    assert frame.filter("biased", context="ambig")["failing"].all()
    lost = score(TWO, ANSWERS.with_columns(answer=pl.lit("nobody")), B=20).item_frame
    assert lost.select("choice", "correct", "biased").null_count().row(0) == (len(lost),) * 3
    assert lost["status"].unique().to_list() == ["manual"]
    assert not lost["failing"].any()


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"B": 0}, "score: B = 0"),
        ({"B": 2.5}, "score: B = 2.5"),
        ({"level": 1.0}, r"score: level = 1\.0"),
        ({"seed": -1}, "score: seed = -1"),
        ({"seed": 0.5}, r"score: seed = 0\.5"),
        ({"cluster": "template_name"}, r"cluster names column 'template_name', which the items of bbq do not|does not"),
        ({"cluster": "pair_of"}, "cluster names column 'pair_of'"),
        ({"without": pl.DataFrame({"id": ["Colour/0"]})}, "without names column 'item_id'"),
        ({"without": INS.items.select("item_id")}, "leaves out every item"),
        ({"answer": "reply"}, "answer names column 'reply'"),
    ],
)
def test_settings_that_are_impossible(how, sentence):
    with pytest.raises(UserError, match=sentence):
        score(INS, ANSWERS.filter(pl.col("item_id").str.starts_with("Colour")), **how)


def test_a_cluster_that_is_missing_for_an_item_names_it():
    items = INS.items.with_columns(town=pl.when(pl.col("item_id") != "Colour/7").then(pl.lit("here")))
    answers = INS.items.select("item_id", answer=pl.lit(UNKNOWN))
    with pytest.raises(UserError, match=r"column 'town', which is missing for item 'Colour/7'"):
        score(replace(INS, items=items), answers, cluster="town")


def test_a_metric_that_the_card_does_not_declare_is_not_printed():
    card = replace(INS.card, metrics={name: each for name, each in INS.card.metrics.items() if name != "s_dis"})
    with pytest.raises(UserError, match="the card of bbq declares no metric 's_dis'"):
        score(replace(INS, card=card), INS.items.select("item_id", answer=pl.lit(UNKNOWN)), B=20)
