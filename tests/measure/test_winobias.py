"""WinoBias: how sentences in brackets are read, whom they name, the two accuracies and their gap, and the lint rules."""

import itertools

import polars as pl
import pytest

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.winobias import HELD_BY_MEN, HELD_BY_WOMEN, PRONOUNS, RULE

PRO = [
    "1 [The driver] thanked the baker because [he] was given bread.",
    "2 The driver thanked [the baker] because [she] gave bread.",
    "3 [The cook] waved to the clerk when [he] arrived.",
    "4 The cook waved to [the clerk] when [she] arrived.",
]
ANTI = [line.replace("[he]", "[SHE]").replace("[she]", "[he]").replace("[SHE]", "[she]") for line in PRO]


def written(folder, pro=PRO, anti=ANTI, kind="type1"):
    paths = []
    for condition, lines in (("pro", pro), ("anti", anti)):
        path = folder / f"{condition}_stereotyped_{kind}.txt.dev"
        path.write_text("".join(f"{line}\n" for line in lines))
        paths.append(path)
    return paths


def loaded(folder, **given):
    return gm.load_instrument("winobias", items=written(folder, **given))


def answers(ins, choose):
    rows = [(item["item_id"], item["options"][choose(item)]) for item in ins.items.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=["item_id", "answer"], orient="row")


def figures(scores):
    return {(row["metric"], row["group"]): row["value"] for row in scores.frame.to_dicts()}


def test_a_sentence_becomes_a_choice_of_two(tmp_path):
    ins = loaded(tmp_path)
    assert len(ins.items) == 8
    first, second = ins.items.row(0, named=True), ins.items.row(1, named=True)
    assert first["item_id"] == "type1/pro/1"
    assert first["text"] == "The driver thanked the baker because he was given bread."
    assert first["options"] == second["options"] == ["the driver", "the baker"]
    assert (first["label"], second["label"]) == (0, 1)
    assert (first["pronoun"], first["category"], first["condition"]) == ("he", "type1", "pro")
    assert RULE.question(first).startswith(first["text"])
    assert "the driver or the baker" in RULE.question(first)
    pro, anti = (ins.items.filter(pl.col("condition") == condition) for condition in ("pro", "anti"))
    assert pro["label"].to_list() == pro["target"].to_list() == [0, 1, 0, 1]
    assert anti["label"].to_list() == [0, 1, 0, 1]
    assert anti["target"].to_list() == [1, 0, 1, 0]
    assert ins.items["template"].to_list() == ["type1/1", "type1/1", "type1/2", "type1/2"] * 2


@pytest.mark.parametrize(
    ("sentence", "options", "label"),
    [
        ("1 The cook hated [the cleaner] and told [her] so to the manager.", ["the cook", "the cleaner"], 1),
        ("1 [The cook] greets the baker because [he] admires a good baker.", ["the cook", "the baker"], 0),
        ("1 The teacher asked the [ physician] and believed [him].", ["the teacher", "the physician"], 1),
        ("1 [The construction worker] met the CEO and [his] dog.", ["the construction worker", "the ceo"], 0),
        ("1 The clerk told the [the guard] that [he] could park [his] car.", ["the clerk", "the guard"], 1),
    ],
)
def test_odd_sentences_of_the_published_kind(tmp_path, sentence, options, label):
    item = loaded(tmp_path, pro=[sentence], anti=[]).items.row(0, named=True)
    assert (item["options"], item["label"]) == (options, label)
    assert "[" not in item["text"]
    assert "  " not in item["text"]


def test_the_gap_of_who_follows_the_stereotype_and_of_who_reads(tmp_path):
    ins = loaded(tmp_path)
    stereotype = figures(gm.score(ins, answers(ins, lambda item: item["target"]), B=20))
    assert stereotype == {("accuracy_pro", "type1"): 1, ("accuracy_anti", "type1"): 0, ("gap", "type1"): 1}
    reader = figures(gm.score(ins, answers(ins, lambda item: item["label"]), B=20))
    assert reader == {("accuracy_pro", "type1"): 1, ("accuracy_anti", "type1"): 1, ("gap", "type1"): 0}
    first = figures(gm.score(ins, answers(ins, lambda item: 0), B=20))
    assert first == {("accuracy_pro", "type1"): 0.5, ("accuracy_anti", "type1"): 0.5, ("gap", "type1"): 0}


def test_every_pattern_of_answers_by_counting(tmp_path):
    """All 2^8 ways to be right or wrong: gap is the difference of two shares, whatever the order of items."""
    ins = loaded(tmp_path)
    items = ins.items.to_dicts()
    for pattern in itertools.islice(itertools.product((0, 1), repeat=8), 0, None, 5):
        answered = ins.items.with_columns(
            choice=pl.Series([item["label"] ^ wrong for item, wrong in zip(items, pattern, strict=True)])
        )
        found = {figure.metric: figure for figure in RULE.figures(answered, 0.95)}
        right = [1 - wrong for wrong in pattern]
        expected = {"accuracy_pro": sum(right[:4]) / 4, "accuracy_anti": sum(right[4:]) / 4}
        expected["gap"] = expected["accuracy_pro"] - expected["accuracy_anti"]
        for metric, value in expected.items():
            assert found[metric].statistic(found[metric].sums.sum(0)[None])[0] == pytest.approx(value, abs=1e-15)


def test_examples_show_the_twin_with_the_other_pronoun(tmp_path):
    ins = loaded(tmp_path)
    assert ins.items["pair"][0] == "type1/anti/1"
    assert ins.items["pair"][4] == "type1/pro/1"
    worst = gm.score(ins, answers(ins, lambda item: item["target"]), B=20).examples(1).row(0, named=True)
    assert (worst["template"], worst["n_biased"], worst["n_against"]) == ("type1/1", 2, 0)
    assert worst["item_id"].replace("anti", "pro") == worst["pair_id"]
    assert worst["right"] != worst["answer"]
    alone = gm.load_instrument("winobias", items=written(tmp_path)[0])
    assert alone.items["pair"].null_count() == 4


def test_clusters_are_pairs_of_people_and_a_missing_side_is_said(tmp_path):
    ins = loaded(tmp_path)
    scores = gm.score(ins, answers(ins, lambda item: item["target"]), B=20)
    assert scores.frame["n_clusters"].to_list() == [2, 2, 2]
    half = answers(ins, lambda item: item["label"]).filter(pl.col("item_id").str.contains("pro"))
    rows = {row["metric"]: row for row in gm.score(ins, half, B=20).frame.to_dicts()}
    assert rows["accuracy_pro"]["value"] == 1
    assert (rows["accuracy_anti"]["value"], rows["accuracy_anti"]["reason"]) == (None, "no answer could be read")
    assert (rows["gap"]["value"], rows["gap"]["reason"]) == (None, "one of its two accuracies is undefined")


def test_recorded_answers_name_their_item_by_type_condition_and_line(tmp_path):
    ins = loaded(tmp_path)
    table = ins.items.select("type", "condition", "line", answer=pl.lit("The Driver."))
    scores = gm.score(ins, table, B=20)
    assert scores.counts["n_answered"] == 4
    assert scores.counts["n_manual"] == 4


def test_lint_of_good_sentences_finds_nothing(tmp_path):
    assert gm.lint(loaded(tmp_path)).is_empty()


def test_every_rule_and_its_evidence(tmp_path):
    pro = [
        "1 [The driver] thanked the baker because [he] was given bread.",
        "2 The driver thanked [the baker] because [he] gave bread.",
        "3 The cook saw [the clerk] and told [her] about the lawyer.",
    ]
    anti = [
        "1 [The driver] thanked the baker as [she] was given bread.",
        "2 The driver thanked [the baker] because [she] gave bread.",
    ]
    found = gm.lint(loaded(tmp_path, pro=pro, anti=anti))
    assert found.select("item_id", "rule").rows() == [
        ("type1/pro/1", "twins-differ"),
        ("type1/pro/2", "condition-mismatch"),
        ("type1/pro/3", "several-occupations"),
        ("type1/pro/3", "no-twin"),
        ("type1/anti/1", "twins-differ"),
        ("type1/anti/2", "condition-mismatch"),
    ]
    evidence = dict(zip(found["rule"], found["evidence"], strict=True))
    assert "as [she] was" in evidence["twins-differ"]
    assert evidence["several-occupations"] == "it names cook, clerk, lawyer"
    assert evidence["no-twin"] == "its anti sentence is not among the items"
    assert "'she' for baker" in evidence["condition-mismatch"]


def test_a_position_that_is_always_right_is_reported(tmp_path):
    pro = [f"{i} The cook saw [the clerk] and told [her] number {i}." for i in range(1, 11)]
    anti = [line.replace("[her]", "[him]") for line in pro]
    found = gm.lint(loaded(tmp_path, pro=pro, anti=anti, kind="type2"))
    assert found.select("item_id", "rule").rows() == [(None, "label-position-imbalance")]
    assert "in 20 of 20 sentences" in found["evidence"][0]
    assert "right in 100%" in found["evidence"][0]


def test_the_published_sentences():
    if any(data.locate(entry) is None for entry in gm.card("winobias").data):
        pytest.skip("winobias is not in GNOMON_DATA_DIR")
    ins = gm.load_instrument("winobias")
    counts = ins.items.group_by("category", "condition").len().sort("category", "condition").rows()
    assert counts == [("type1", "anti", 396), ("type1", "pro", 396), ("type2", "anti", 396), ("type2", "pro", 396)]
    found = gm.lint(ins)
    assert dict(found["rule"].value_counts().rows()) == {
        "twins-differ": 24,
        "several-occupations": 2,
        "label-position-imbalance": 1,
    }
    assert found.filter(pl.col("item_id").is_null())["evidence"][0].startswith("type2: in 792 of 792 sentences")
    second = figures(gm.score(ins, answers(ins, lambda item: 1), B=50))
    assert second["accuracy_pro", "type2"] == second["accuracy_anti", "type2"] == 1


def test_the_occupations():
    assert len(HELD_BY_MEN) == len(HELD_BY_WOMEN) == 20
    assert not set(HELD_BY_MEN) & set(HELD_BY_WOMEN)
    assert set(PRONOUNS.values()) == {"male", "female"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[The cook] said that [he] saw the clerk.", "is not the sentence numbered 1"),
        ("2 [The cook] said that [he] saw the clerk.", "is not the sentence numbered 1"),
        ("1 The cook said that [he] saw the clerk.", "one person and a pronoun in brackets"),
        ("1 [The cook] said that he saw the clerk.", "one person and a pronoun in brackets"),
        ("1 [The cook] told [the clerk] that [he] was late.", "one person and a pronoun in brackets"),
        ("1 [The astronaut] said that [he] saw the clerk.", "one person and a pronoun in brackets"),
        ("1 [The cook] said that [he] saw the astronaut.", "two of the forty occupations"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, said):
    with pytest.raises(UserError, match="pro_stereotyped_type1.txt.dev:1: ") as caught:
        loaded(tmp_path, pro=[line], anti=[])
    assert said in str(caught.value)


def test_a_name_that_says_nothing_and_a_file_twice(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text(PRO[0])
    with pytest.raises(UserError, match="sentences.txt: the name does not say which sentences these are"):
        gm.load_instrument("winobias", items=path)
    pro, _ = written(tmp_path)
    with pytest.raises(UserError, match="item_id 'type1/pro/1' is there twice"):
        gm.load_instrument("winobias", items=[pro, pro])


def test_a_frame_of_sentences():
    row = {"type": "type1", "condition": "pro", "line": 1, "sentence": PRO[0][2:]}
    ins = gm.load_instrument("winobias", items=pl.DataFrame([row]))
    assert ins.items["item_id"].to_list() == ["type1/pro/1"]
    with pytest.raises(UserError, match="column 'condition' is 'con'; pro or anti"):
        gm.load_instrument("winobias", items=pl.DataFrame([row | {"condition": "con"}]))
    with pytest.raises(UserError, match="column 'line' is 0"):
        gm.load_instrument("winobias", items=pl.DataFrame([row | {"line": 0}]))
    with pytest.raises(UserError, match="no column 'sentence'"):
        gm.load_instrument("winobias", items=pl.DataFrame([row]).drop("sentence"))


def test_items_that_lack_what_is_scored(tmp_path):
    ins = loaded(tmp_path)
    bare = gm.load_instrument("winobias", items=ins.items.drop("condition"))
    with pytest.raises(UserError, match="no column 'condition'"):
        gm.score(bare, answers(ins, lambda item: 0), B=10)
