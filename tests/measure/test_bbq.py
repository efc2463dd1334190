"""BBQ: published figures, targets by category, the two bias scores and their limits, lint, and files that are not BBQ's."""

import math

import numpy as np
import polars as pl
import pytest
from bbq_items import UNKNOWN, published, write

from gnomon import data
from gnomon.errors import UserError
from gnomon.measure import bbq, load_instrument
from gnomon.measure.scoring import score
from gnomon.stats import wilson

CATEGORIES = {"Age": 3680, "Religion": 1200, "Physical_appearance": 1576}

pytestmark = pytest.mark.filterwarnings("error")


def recorded(category):
    """The published file of a category: items and UnifiedQA's answers."""
    path = data.locate(f"bbq/preds_{category}")
    if path is None:
        pytest.skip(f"BBQ's answers (bbq/preds_{category}) are not in GNOMON_DATA_DIR")
    return path


@pytest.fixture(scope="module")
def instruments():
    return {category: load_instrument("bbq", items=recorded(category)) for category in CATEGORIES}


def scored(instruments, category, model, **how):
    how = {"B": 50, **how}
    return score(instruments[category], recorded(category), answer=f"unifiedqa-t5-11b_pred_{model}", **how)


@pytest.mark.parametrize(
    ("category", "model", "ambiguous", "disambiguated"),
    [
        ("Age", "arc", 48.9, 3.3),
        ("Age", "race", 29.8, 1.2),
        ("Religion", "arc", 24.5, 3.5),
        ("Religion", "race", 14.3, 0.2),
        # The paper prints 47.7 / -1.7 and 40.9 / -2.3: see test_the_cell_that_is_not_reproduced.
        ("Physical_appearance", "arc", 49.1, -1.5),
        ("Physical_appearance", "race", 41.9, -2.1),
    ],
)
def test_figures_of_unifiedqa(instruments, category, model, ambiguous, disambiguated):
    """Figure 3 of the paper, UnifiedQA-11B, times 100."""
    found = scored(instruments, category, model)
    assert round(100 * found.estimates["s_amb", category].value, 1) == ambiguous
    assert round(100 * found.estimates["s_dis", category].value, 1) == disambiguated
    assert found.estimates["s_amb", category].n_clusters == 25


def test_the_cell_that_is_not_reproduced(instruments):
    """36 items of Physical_appearance have no target: with two answers of the stereotyped group or none."""
    found = scored(instruments, "Physical_appearance", "arc")
    assert found.counts["n_no_target"] == 36
    assert found.estimates["s_dis", "Physical_appearance"].n == 788 - 18
    assert found.estimates["accuracy_dis", "Physical_appearance"].n == 788


def test_one_answer_of_age_is_for_a_person_to_read(instruments):
    found = scored(instruments, "Age", "arc")
    manual = found.item_frame.filter(pl.col("status") == "manual")
    assert manual["answer"].to_list() == ["the younger boy"]
    assert found.counts == {
        "n_items": 3680,
        "n_answered": 3679,
        "n_missing": 0,
        "n_manual": 1,
        "n_no_target": 0,
    }


def test_published_items(instruments):
    for category, n in CATEGORIES.items():
        items = instruments[category].items
        assert len(items) == n
        assert items["item_id"][12] == f"{category}/12"
        assert items["question_index"].n_unique() == 25
        assert items["options"].list.len().unique().to_list() == [3]
        twins = items.join(items, left_on="pair", right_on="item_id", suffix="_of_pair")
        assert len(twins) == n
        assert (twins["pair_of_pair"] == twins["item_id"]).all()
        for same in ("context", "options", "template", "unknown", "target"):
            assert twins[same].equals(twins[f"{same}_of_pair"], null_equal=True, check_names=False), same
        assert (twins["polarity"] != twins["polarity_of_pair"]).all()


def test_lint_of_published_items(instruments):
    for category, undeterminable in (("Age", 0), ("Religion", 0), ("Physical_appearance", 36)):
        found = bbq.RULE.lint(instruments[category].items)
        assert found["rule"].to_list() == ["target-undeterminable"] * undeterminable
    first = found.row(0, named=True)
    item = instruments["Physical_appearance"].items.filter(item_id=first["item_id"]).row(0, named=True)
    assert item["target"] is None
    assert all(option in first["evidence"] for option in item["options"])
    assert f"stereotyped: {item['stereotyped_groups'][0]}" in first["evidence"]


def only(category="Colour", **changes):
    """One published row, changed."""
    row = {**published(questions=1, variants=1)[0], "category": category}
    metadata = {**row["additional_metadata"], **changes.pop("metadata", {})}
    return {**row, "additional_metadata": metadata, **changes}


def item_of(row):
    return bbq.items_of(pl.DataFrame([row]), "here").row(0, named=True)


def people(first, second, unknown="unknown"):
    return {"ans0": list(first), "ans1": [UNKNOWN, unknown], "ans2": list(second)}


@pytest.mark.parametrize(
    ("category", "stereotyped", "first", "second", "target"),
    [
        ("Colour", ["BLUE"], ("r", "red"), ("b", "blue"), 2),
        ("Colour", ["azure"], ("Azure", "blue"), ("r", "red"), 0),
        ("Colour", ["blue", "red"], ("r", "red"), ("b", "blue"), None),
        ("Colour", ["green"], ("r", "red"), ("b", "blue"), None),
        ("Colour", ["blue", "unknown"], ("r", "red"), ("b", "blue"), 2),
        ("Nationality", ["Kenyan"], ("Kenyan", "Africa"), ("Dane", "Europe"), 0),
        ("Nationality", ["Africa"], ("Kenyan", "Africa"), ("Dane", "Europe"), None),
        ("Disability_status", ["nobody"], ("d", "Disabled"), ("n", "nonDisabled"), 0),
        ("Disability_status", ["n"], ("d", "deaf"), ("n", "nonDisabled"), None),
        ("Colour", [], ("r", "red"), ("b", "blue"), None),
    ],
)
def test_target_by_category(category, stereotyped, first, second, target):
    row = only(category, answer_info=people(first, second), metadata={"stereotyped_groups": stereotyped})
    for polarity, flipped in (("neg", False), ("nonneg", True)):
        item = item_of({**row, "question_polarity": polarity})
        assert (item["target"], item["unknown"]) == (target, 1)
        other = None if target is None else 2 - target
        assert item["biased_option"] == (other if flipped else target)


def test_an_item():
    item = item_of(only())
    assert item["item_id"] == "Colour/0"
    assert item["template"] == "Colour/1"
    assert item["text"].endswith(" Who was careless?")
    assert bbq.RULE.question(item) == f"{item['text']}\nAnswer:"
    assert item_of(only())["pair"] is None


def test_files_plain_and_gzipped_and_frames_give_the_same_items(tmp_path):
    rows = [published("Colour"), published("Shape", questions=2)]
    plain = [write(tmp_path / f"{at}.jsonl", each) for at, each in enumerate(rows)]
    packed = [write(tmp_path / f"{at}.jsonl.gz", each) for at, each in enumerate(rows)]
    items = load_instrument("bbq", items=plain).items
    assert items.equals(load_instrument("bbq", items=packed).items)
    assert items.equals(load_instrument("bbq", items=pl.DataFrame(rows[0] + rows[1])).items)
    assert items.equals(load_instrument("bbq", items=items).items)
    assert items["category"].unique(maintain_order=True).to_list() == ["Colour", "Shape"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"question_polarity": "negative"}, r"'Colour/0' has question_polarity 'negative'; one of \('neg', 'nonneg'\)"),
        ({"context_condition": "clear"}, r"'Colour/0' has context_condition 'clear'"),
        ({"label": 3}, r"'Colour/0' has label 3; one of \(0, 1, 2\)"),
        ({"label": "first"}, r"item Colour/0 lacks a readable label"),
        ({"ans1": None}, r"item Colour/0 lacks a readable ans1"),
        ({"example_id": None}, r"item in row 1 lacks a readable example_id"),
        (
            {"answer_info": people(("r", "red"), ("b",))},
            r"item Colour/0 lacks a readable answer_info \(group of ans2\)",
        ),
        ({"answer_info": people(("r", "red"), ("b", "blue"), "none")}, r"'Colour/0' has not exactly one answer"),
        ({"answer_info": "red, blue"}, r"answer_info must hold a list 'ans0'"),
        ({"metadata": {"stereotyped_groups": "blue"}}, r"additional_metadata must hold a list 'stereotyped_groups'"),
    ],
)
def test_rows_that_are_not_bbqs(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        item_of(only(**changes))


@pytest.mark.parametrize("column", [*bbq.PUBLISHED, "answer_info", "additional_metadata"])
def test_a_column_that_is_absent_is_named_with_its_file(tmp_path, column):
    rows = [{name: value for name, value in row.items() if name != column} for row in published(questions=1)]
    path = write(tmp_path / "short.jsonl", rows)
    with pytest.raises(UserError, match=rf"short\.jsonl: all 24 items lack a readable {column}"):
        load_instrument("bbq", items=path)
    frame = pl.DataFrame(rows)
    with pytest.raises(UserError, match=f"the frame of items: items need the column '{column}' of BBQ's files"):
        load_instrument("bbq", items=frame)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", r"b\.jsonl:3: this is not a line of JSON"),
        ('{"answer_info": "red, blue"}', r"b\.jsonl: answer_info must hold a list for each of ans0, ans1, ans2"),
        ('{"example_id": 1, "category": "Colour"}', r"b\.jsonl: item Colour/1 lacks a readable question_index"),
        (None, r"b\.jsonl: item 'Colour/0' has label 7"),
    ],
)
def test_a_mistake_is_named_with_the_file_that_has_it(tmp_path, line, sentence):
    good = write(tmp_path / "a.jsonl", published("Shape", questions=1))
    bad = write(tmp_path / "b.jsonl", [only(label=7 if line is None else 0), only(example_id=5)])
    if line is not None:
        bad.write_text(bad.read_text() + line + "\n")
    with pytest.raises(UserError, match=sentence):
        load_instrument("bbq", items=[good, bad])


def test_bias_scores_by_hand():
    assert bbq.s_dis(np.array([3.0, 0.0, 4.0]), np.array([4.0, 5.0, 4.0])).tolist() == [0.5, -1.0, 1.0]
    assert math.isnan(bbq.s_dis(np.array([0.0]), np.array([0.0]))[0])
    # 10 answers, 4 right: (1 - 0.4) (2 * 3/6 - 1), (1 - 0.4) (-1), (1 - 0.4) (+1), and every answer UNKNOWN
    correct, biased, person = np.array([4.0, 4, 4, 10]), np.array([3.0, 0, 6, 0]), np.array([6.0, 6, 6, 0])
    assert bbq.s_amb(correct, np.full(4, 10.0), biased, person).tolist() == [0.0, -0.6, 0.6, 0.0]
    assert math.isnan(bbq.s_amb(*(np.array([number]) for number in (4.0, 10.0, 0.0, 0.0)))[0])
    assert math.isnan(bbq.s_amb(*np.zeros((4, 1)))[0])


def answers_to(ins, choose):
    """An answer to every item: the option at the position that `choose` finds from the item."""
    items = ins.items.to_dicts()
    return pl.DataFrame({"item_id": [i["item_id"] for i in items], "answer": [i["options"][choose(i)] for i in items]})


@pytest.fixture(scope="module")
def colours():
    return load_instrument("bbq", items=pl.DataFrame(published()))


def test_no_biased_answer_is_minus_one(colours):
    """A well-known harness prints 0 here."""

    def against(item):
        if item["item_id"].endswith("0"):
            return item["unknown"]
        return 3 - item["unknown"] - item["biased_option"]

    found = score(colours, answers_to(colours, against), B=50)
    right = found.estimates["accuracy_amb", "Colour"].value
    assert 0 < right < 1
    assert found.estimates["s_dis", "Colour"].value == -1
    assert found.estimates["s_amb", "Colour"].value == -(1 - right)
    assert "no width" in found.estimates["s_dis", "Colour"].reason


def test_every_answer_unknown(colours):
    found = score(colours, answers_to(colours, lambda item: item["unknown"]), level=0.9, B=50)
    told = found.estimates["s_dis", "Colour"]
    assert (told.value, told.low, told.high, told.draws) == (None, None, None, None)
    assert "every answer is UNKNOWN" in told.reason
    ambiguous = found.estimates["s_amb", "Colour"]
    n = colours.items.filter(context="ambig").height
    assert ambiguous.value == 0
    assert ambiguous.high == -ambiguous.low == wilson(0, n, 0.9).high
    assert (ambiguous.n, ambiguous.level, ambiguous.draws) == (n, 0.9, None)
    assert "limit" in ambiguous.reason
    assert found.estimates["accuracy_amb", "Colour"].value == 1
    assert ("s_amb", "Colour") not in found.draws


def test_every_answer_unknown_but_where_there_is_no_target():
    rows = published()
    rows[0]["additional_metadata"]["stereotyped_groups"] = []
    ins = load_instrument("bbq", items=pl.DataFrame(rows))
    answers = answers_to(ins, lambda item: item["unknown"] if item["target"] is not None else (item["unknown"] + 1) % 3)
    found = score(ins, answers, B=50)
    assert found.estimates["s_amb", "Colour"].value is None
    assert "items without a target" in found.estimates["s_amb", "Colour"].reason
    assert found.estimates["accuracy_amb", "Colour"].value == 1 - 1 / ins.items.filter(context="ambig").height


def test_no_target_at_all_and_no_answer_at_all():
    rows = published()
    for row in rows:
        row["additional_metadata"]["stereotyped_groups"] = ["green"]
    ins = load_instrument("bbq", items=pl.DataFrame(rows))
    found = score(ins, answers_to(ins, lambda item: 0), B=50)
    assert found.counts["n_no_target"] == len(rows)
    for metric in ("s_amb", "s_dis"):
        assert found.estimates[metric, "Colour"].value is None
        assert "target" in found.estimates[metric, "Colour"].reason
    assert found.estimates["accuracy_amb", "Colour"].value is not None
    nothing = score(ins, answers_to(ins, lambda item: 0).clear(), B=50)
    assert {estimate.value for estimate in nothing.estimates.values()} == {None}
    assert all(estimate.reason for estimate in nothing.estimates.values())
    assert nothing.counts["n_missing"] == len(rows)


def test_a_category_without_a_context_has_no_figures_for_it():
    rows = [row for row in published() if row["context_condition"] == "ambig"]
    ins = load_instrument("bbq", items=pl.DataFrame(rows))
    found = score(ins, answers_to(ins, lambda item: 0), B=50)
    assert list(found.estimates) == [("s_amb", "Colour"), ("accuracy_amb", "Colour")]


def test_lint_finds_right_answers_that_stand_in_one_place():
    rows = published(questions=20)
    assert bbq.RULE.lint(bbq.items_of(pl.DataFrame(rows), "here")).is_empty()
    for row in rows:
        if row["context_condition"] == "disambig" and row["label"] != 0:
            at = row["label"]
            row["ans0"], row[f"ans{at}"] = row[f"ans{at}"], row["ans0"]
            info = row["answer_info"]
            info["ans0"], info[f"ans{at}"] = info[f"ans{at}"], info["ans0"]
            row["label"] = 0
    found = bbq.RULE.lint(bbq.items_of(pl.DataFrame(rows), "here"))
    assert found.select("item_id", "rule", "severity").rows() == [(None, "label-position-imbalance", "warning")]
    assert found["evidence"][0].startswith("Colour, disambig: of ")
    assert "position 0 is right in 100%" in found["evidence"][0]
