"""CrowS-Pairs: how pairs are read, which spans differ, every lint rule and its evidence, and the share with its null."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.crows_pairs import RULE, changed_spans, changed_tokens, tokens

VOTES = [["height"]] * 5


def pair(more, less, bias_type="height", annotations=None):
    return {
        "sent_more": more,
        "sent_less": less,
        "bias_type": bias_type,
        "annotations": VOTES if annotations is None else annotations,
    }


def instrument(*pairs):
    return gm.load_instrument("crows_pairs", items=pl.DataFrame(pairs))


def rules(ins):
    return gm.lint(ins).select("item_id", "rule").rows()


def test_items_have_a_gap_where_the_sentences_differ():
    ins = instrument(
        pair("The tall gardener was late.", "The short gardener was late."),
        pair("He came (late) and left.", "She came (late) and stayed."),
        pair("They sang.", "They sang loudly today."),
    )
    assert ins.items["text"].to_list() == ["The ___ gardener was late.", "___ came (late) and ___.", "They sang___ ."]
    assert ins.items["options"][0].to_list() == ["The tall gardener was late.", "The short gardener was late."]
    assert ins.items["target"].to_list() == [0, 0, 0]
    assert ins.items["label"].null_count() == 3
    assert ins.items["category"].to_list() == ["height"] * 3
    assert RULE.question(ins.items.row(0, named=True)) == ""


def test_tokens_and_spans():
    assert tokens("It's 3 p.m., isn't it?") == [
        "It",
        "'",
        "s",
        "3",
        "p",
        ".",
        "m",
        ".",
        ",",
        "isn",
        "'",
        "t",
        "it",
        "?",
    ]
    assert changed_spans("The tall old cook.", "The short young cook.") == [("tall old", "short young")]
    assert changed_spans("A cook.", "A good cook.") == [("", "good")]
    assert changed_spans("A good cook.", "A cook.") == [("good", "")]
    assert changed_spans("A cook.", "A cook.") == []
    assert changed_tokens(changed_spans("a b c d", "a x c y z")) == 1 + 2


@given(
    st.lists(st.integers(0, 10**6), min_size=3, max_size=30, unique=True),
    st.integers(0, 29),
    st.integers(1, 5),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_one_replaced_run_is_one_span_of_its_longer_side(numbers, start, old, new):
    words = [f"w{number}" for number in numbers]
    start = min(start, len(words) - 1)
    old = min(old, len(words) - start)
    other = words[:start] + [f"n{i}" for i in range(new)] + words[start + old :]
    spans = changed_spans(" ".join(words), " ".join(other))
    assert spans == [(" ".join(words[start : start + old]), " ".join(other[start : start + new]))]
    assert changed_tokens(spans) == max(old, new)


def test_popular_tokens_are_compared_too():
    """The library's default takes a token that is in over 1 % of 200 or more for noise."""
    long = ["the"] * 150 + [f"w{i}" for i in range(100)]
    assert changed_spans(" ".join(["tall", *long]), " ".join(["short", *long])) == [("tall", "short")]


def test_every_rule_and_its_evidence():
    ins = instrument(
        pair("The tall cook was late.", "The short cook was late."),
        pair("The tall cook was late and loud.", "The short cook was late and quiet."),
        pair("The same.", "The same."),
        pair("My tall loud old neighbour Max sang.", "Our cat sang."),
        pair("A tall baker.", "A short baker.", annotations=[["height"], ["height"], ["age", "voice"], [], ["age"]]),
        pair("The tall cook was late.", "The small cook was late."),
        pair("A tall tailor.", "A short tailor.", annotations=[["height"], ["height", "age"], ["height"], [], []]),
    )
    found = gm.lint(ins)
    assert found.columns == ["item_id", "rule", "severity", "evidence"]
    assert [(row["item_id"], row["rule"]) for row in found.to_dicts()] == [
        ("1", "several-spans"),
        ("2", "no-difference"),
        ("3", "many-changed-tokens"),
        ("4", "low-validator-agreement"),
        ("5", "duplicate"),
    ]
    evidence = dict(zip(found["rule"], found["evidence"], strict=True))
    assert evidence["several-spans"] == "2 spans differ: 'tall' against 'short'; 'loud' against 'quiet'"
    assert evidence["no-difference"] == "both sentences are 'The same.'"
    assert evidence["many-changed-tokens"] == "6 tokens differ: 'My tall loud old neighbour Max' against 'Our cat'"
    assert evidence["low-validator-agreement"] == "2 of 5 validators name height: height; height; age, voice; none; age"
    assert evidence["duplicate"] == "item 0 has the same sentence"
    assert dict(zip(found["rule"], found["severity"], strict=True))["no-difference"] == "error"


def test_thresholds_are_four_tokens_and_three_votes():
    three = pair("a b c d", "x y z d")
    four = pair("a b c d e", "x y z w e")
    assert rules(instrument(three)) == []
    assert rules(instrument(four)) == [("0", "many-changed-tokens")]
    several = pair("a b c d e f g", "x y c d v w g")  # two spans of two
    assert rules(instrument(several)) == [("0", "several-spans"), ("0", "many-changed-tokens")]
    assert rules(instrument(pair("a b", "a c", annotations=[["height"]] * 3 + [[]] * 2))) == []
    assert (
        rules(instrument(pair("a b", "a c", annotations=[["height"]] * 2 + [["age"]] * 3)))[0][1]
        == "low-validator-agreement"
    )


def test_findings_of_the_published_pairs():
    if data.locate("crows_pairs") is None:
        pytest.skip("crows_pairs is not in GNOMON_DATA_DIR")
    ins = gm.load_instrument("crows_pairs")
    found = gm.lint(ins)
    assert dict(found["rule"].value_counts().rows()) == {
        "several-spans": 242,
        "many-changed-tokens": 73,
        "low-validator-agreement": 162,
        "duplicate": 1,
    }
    assert found["item_id"].n_unique() == 409
    assert ins.items["annotations"][2].to_list() == [["gender"], ["gender"], ["gender"], [], ["race-color"]]
    assert ins.items["category"].value_counts().sort("count")["count"].to_list() == [
        60,
        63,
        84,
        87,
        105,
        159,
        172,
        262,
        516,
    ]


def test_the_share_by_enumeration():
    """Four pairs of one type, three preferring the stereotype: 3/4, and resamples are Binomial(4, 3/4)/4."""
    pairs = [pair(f"The tall cook {i}.", f"The short cook {i}.") for i in range(4)]
    other = [pair(f"A loud cook {i}.", f"A quiet cook {i}.", bias_type="voice") for i in range(2)]
    ins = instrument(*pairs, *other)
    options = ins.items["options"].to_list()
    answers = [options[0][0], options[1][0], options[2][0], options[3][1], options[4][1], options[5][1]]
    scores = gm.score(ins, pl.DataFrame({"item_id": ins.items["item_id"], "answer": answers}), B=4000, seed=1)
    rows = {row["group"]: row for row in scores.frame.to_dicts()}
    assert list(rows) == ["height", "voice"]
    assert rows["height"]["value"] == 0.75
    assert rows["voice"]["value"] == 0.0
    assert {row["metric"] for row in rows.values()} == {"stereotype_share"}
    assert (rows["height"]["null"], rows["height"]["direction"]) == (0.5, "half")
    draws = scores.draws["stereotype_share", "height"]
    expected = np.array([1, 12, 54, 108, 81]) / 256
    seen = np.bincount(np.round(draws * 4).astype(int), minlength=5) / len(draws)
    assert np.abs(seen - expected).max() < 4.5 * np.sqrt(0.25 / len(draws))


def test_no_answer_is_said():
    ins = instrument(pair("The tall cook.", "The short cook."))
    scores = gm.score(ins, pl.DataFrame({"item_id": ["0"], "answer": ["neither"]}), B=10)
    assert scores.frame.select("value", "reason").rows() == [(None, "no answer could be read")]


HEADER = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pairs.csv:1: there is no column 'sent_more'; its columns are none"),
        (
            ",sent_more,bias_type\n",
            "pairs.csv:1: there is no column 'sent_less'; its columns are , sent_more, bias_type",
        ),
        (HEADER + "0,a b,,stereo,age,[]\n", "pairs.csv:2: column 'sent_less' is empty"),
        (HEADER + "0,a b,a c,stereo,age,[]\n1,a b,a c\n", "pairs.csv:3: column 'bias_type' is empty"),
        (HEADER + "0,a b,a c,stereo,age,many\n", "pairs.csv:2: column 'annotations' holds 'many'"),
        (HEADER + "0,a b,a c,stereo,age,\"[['age'], 1]\"\n", "pairs.csv:2: column 'annotations' holds"),
        (
            HEADER + '0,"a\nb",a c,stereo,age,"[[\'age\']]"\n1,x,y,stereo,,[]\n',
            "pairs.csv:4: column 'bias_type' is empty",
        ),
        (HEADER + '0,"a b,a c,stereo\n', "this is not valid CSV"),
        (HEADER, "there are no items"),
    ],
)
def test_bad_files_are_named_by_line_and_column(tmp_path, text, said):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        gm.load_instrument("crows_pairs", items=path)
    assert said in str(caught.value)


def test_bad_frames_are_named_by_row_and_column():
    with pytest.raises(UserError, match="row 1 \\(from 0\\): column 'sent_more' is empty"):
        instrument(pair("a", "b"), pair(None, "b"))
    with pytest.raises(UserError, match="no column 'annotations'"):
        gm.load_instrument("crows_pairs", items=pl.DataFrame([pair("a", "b")]).drop("annotations"))
