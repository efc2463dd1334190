"""Mentions: whole words, longest first, case-folded; every kind of source; streamed; refusals in one sentence."""

import gzip
import json
import tracemalloc
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.mentioning import count_mentions, read_lexicon, text_files, with_levels, words

LEXICON = {
    "colour": {"red": ["red", "scarlet"], "blue": ["blue", "sky blue", "navy-blue"]},
    "weather": {"clear": ["sky blue sunshine", "sunny"]},
}


def counts(texts, lexicon=LEXICON, **options):
    found = gm.mentions(texts, lexicon, **options)
    assert found.columns == ["text_id", "axis", "group", "n"]
    return {row[:3]: row[3] for row in found.iter_rows()}


def total(text, term, lexicon=None):
    return sum(counts([text], lexicon or {"a": {"g": [term]}}).values())


# -- what is a mention -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "term", "n"),
    [
        ("Caucasian", "asian", 0),
        ("Asian, ASIAN; (asian)", "Asian", 3),
        ("a five-year-old boy", "old", 0),
        ("the old-fashioned way", "old", 0),
        ("old--and young", "old", 1),
        ("word -old- word", "old", 1),
        ("an old—very old–man", "old", 2),
        ("a 20-year-old", "20-year-old", 1),
        ("a 20\u2011year\u2011old", "20-year-old", 1),
        ("the woman's hat, the woman’s hat", "woman", 2),
        ("a Jehovah's Witness and a Jehovah’s  witness", "Jehovah's Witness", 2),
        ("hard of\nhearing", "hard of hearing", 1),
        ("hard of", "hard of hearing", 0),
        ("_old_ and *old*", "old", 2),
        ("STRASSE, Straße", "straße", 2),
        ("Bahá'í, Baha\u0301'i\u0301", "Bahá'í", 2),
        ("old old old", "old", 3),
        ("LGBTQ+ and lgbtq", "LGBTQ+", 2),
        ("", "old", 0),
    ],
)
def test_whole_words_without_regard_to_case(text, term, n):
    assert total(text, term) == n


def test_the_longest_term_counts_and_only_it():
    assert counts(["a sky blue door, a blue door, a navy-blue door"]) == {("0", "colour", "blue"): 3}
    assert counts(["sky blue sunshine"]) == {("0", "weather", "clear"): 1}
    assert counts(["sky blue sun"]) == {("0", "colour", "blue"): 1}


def test_the_term_that_begins_first_counts():
    lexicon = {"a": {"one": ["x y"], "two": ["y z w"]}}
    assert counts(["x y z w"], lexicon) == {("0", "a", "one"): 1}


def test_a_term_of_several_axes_counts_in_each():
    lexicon = {"a": {"g": ["queue"]}, "b": {"h": ["queue"]}}
    assert counts(["a queue"], lexicon) == {("0", "a", "g"): 1, ("0", "b", "h"): 1}


ALPHABET = st.lists(
    st.sampled_from(["red", "Sky", "blue", "sunny", "sunshine", "scarlet", "the", "navy-blue"]), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(ALPHABET)
def test_against_a_reading_word_by_word(spoken):
    """An oracle that tries every term at every place."""
    terms = {
        tuple(words(term)): (axis, group)
        for axis, groups in LEXICON.items()
        for group, ts in groups.items()
        for term in ts
    }
    expected, at, low = Counter(), 0, [word.lower() for word in spoken]
    while at < len(low):
        fits = [term for term in terms if tuple(low[at : at + len(term)]) == term]
        longest = max(fits, key=len, default=None)
        if longest is not None:
            expected[("0", *terms[longest])] += 1
        at += len(longest) if longest else 1
    assert counts([" ".join(spoken)]) == dict(expected)


def test_the_published_descriptors():
    if data.locate("holisticbias/descriptors") is None:
        pytest.skip("holisticbias/descriptors is not in GNOMON_DATA_DIR")
    lexicon = read_lexicon("holisticbias/descriptors")
    assert lexicon["axis"].n_unique() == 13
    assert lexicon.filter(pl.col("axis") == "age")["group"].unique(maintain_order=True).to_list() == [
        "child", "young", "middle_aged", "old", "adult",
    ]  # fmt: skip
    found = counts(
        ["A middle-aged teacher, two elderly neighbours and a hard-of-hearing teenager."], "holisticbias/descriptors"
    )
    assert found == {("0", "ability", "auditory"): 1, ("0", "age", "middle_aged"): 1, ("0", "age", "old"): 1}


def test_novels_are_cut_into_documents_and_terms_are_told():
    if data.locate("litbank/sherlock_holmes") is None:
        pytest.skip("litbank/sherlock_holmes is not in GNOMON_DATA_DIR")
    lexicon = read_lexicon({"kin": {"brother": ["brother", "brothers"], "sister": ["sister", "sisters"]}})
    found = count_mentions("litbank/sherlock_holmes", lexicon)
    whole = data.read_text("litbank/sherlock_holmes")
    spoken = Counter(words(whole))
    assert dict(found.terms.select("term", "n").iter_rows()) == {term: spoken[term] for term in lexicon["term"]}
    assert found.terms["n"].sum() == found.mentions["n"].sum() == 42
    assert found.characters == len(whole)
    assert 80 < found.texts < 125


# -- where texts come from ---------------------------------------------------------------------------------------------

TEXTS = ["red and blue", "nothing", "", None, "Blue blue RED"]
EXPECTED = {
    ("0", "colour", "red"): 1,
    ("0", "colour", "blue"): 1,
    ("4", "colour", "red"): 1,
    ("4", "colour", "blue"): 2,
}


def test_rows_come_in_the_order_of_texts_and_lexicon():
    assert gm.mentions(TEXTS, LEXICON).rows() == [
        ("0", "colour", "red", 1), ("0", "colour", "blue", 1), ("4", "colour", "red", 1), ("4", "colour", "blue", 2),
    ]  # fmt: skip


@pytest.fixture
def kinds(tmp_path):
    frame = pl.DataFrame({"text": TEXTS, "by": ["ann", "bob", "bob", "bob", "ann"]})
    lines = "".join(json.dumps(row) + "\n" for row in frame.iter_rows(named=True))
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text(lines)
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    return tmp_path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.jsonl", "t.jsonl.gz"])
def test_every_kind_of_table_gives_the_same(kinds, name):
    assert counts(kinds / name) == EXPECTED
    by_author = {("ann", "colour", "red"): 2, ("ann", "colour", "blue"): 3}
    assert counts(kinds / name, id="by") == by_author
    assert counts(str(kinds / name), id="by") == by_author
    assert count_mentions(kinds / name, read_lexicon(LEXICON)).empty == 2


@pytest.mark.parametrize("make", [lambda f: f, lambda f: f.lazy(), lambda f: f.to_dict(as_series=False)])
def test_every_kind_of_frame_gives_the_same(make):
    assert counts(make(pl.DataFrame({"text": TEXTS}))) == EXPECTED
    assert counts(make(pl.DataFrame({"body": TEXTS})), text="body") == EXPECTED


def test_texts_of_several_tables_do_not_share_their_names(kinds):
    found = counts([str(kinds / "t.csv"), str(kinds / "t.jsonl")])
    assert found["t.csv:4", "colour", "blue"] == found["t.jsonl:4", "colour", "blue"] == 2
    assert len(found) == 8


def test_a_cell_of_a_table_may_be_long_and_hold_lines(tmp_path):
    long = "word " * 60_000 + "\nred"
    pl.DataFrame({"text": [long, "blue"]}).write_csv(tmp_path / "long.csv")
    assert counts(tmp_path / "long.csv") == {("0", "colour", "red"): 1, ("1", "colour", "blue"): 1}


def test_plain_text_is_cut_at_empty_lines(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("red one\n\nred two\n\nblue three\n", encoding="utf-8")
    assert counts(path, cut=5) == {
        ("book.txt:0", "colour", "red"): 1, ("book.txt:1", "colour", "red"): 1, ("book.txt:2", "colour", "blue"): 1,
    }  # fmt: skip
    assert counts(path, cut=12) == {("book.txt:0", "colour", "red"): 2, ("book.txt:1", "colour", "blue"): 1}
    assert counts(path, cut=0) == {("book.txt", "colour", "red"): 2, ("book.txt", "colour", "blue"): 1}


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
@pytest.mark.parametrize("cut", [0, 7, 40, 1000])
def test_no_cut_ever_parts_a_word(tmp_path, cut, end):
    """Lines without an empty one between them, and one line without end."""
    path = tmp_path / "lines.txt"
    path.write_bytes(("scarlet-ish scarlet sunny" + end).encode() * 300)
    found = count_mentions(path, read_lexicon(LEXICON), cut=cut)
    assert dict(found.terms.select("term", "n").filter(pl.col("n") > 0).iter_rows()) == {"scarlet": 300, "sunny": 300}
    assert (found.texts == 1) == (cut == 0)
    assert found.characters <= 300 * len("scarlet-ish scarlet sunny" + end)


def test_a_folder_is_its_plain_texts(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "b.txt").write_text("\ufeffred")
    (tmp_path / "in" / "a.txt.gz").write_bytes(gzip.compress(b"blue blue"))
    (tmp_path / "other.md").write_text("red")
    assert counts(tmp_path, cut=0) == {("b.txt", "colour", "red"): 1, ("in/a.txt.gz", "colour", "blue"): 2}
    assert [path.name for path in text_files(tmp_path)] == ["b.txt", "a.txt.gz"]


def test_a_big_file_is_not_held(tmp_path):
    path = tmp_path / "big.txt"
    path.write_text(("red " + "z" * 4000 + " blue\n\n") * 1_500)
    read = []
    tracemalloc.start()
    found = count_mentions(path, read_lexicon(LEXICON), cut=20_000, watch=read.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.mentions["n"].sum() == 3_000
    assert sum(read) == path.stat().st_size
    assert peak < path.stat().st_size / 2


# -- levels ------------------------------------------------------------------------------------------------------------


def test_a_group_is_its_own_level_or_what_the_mapping_says(tmp_path):
    lexicon = read_lexicon(LEXICON)
    assert with_levels(lexicon, "colour").rows() == [("red", "red"), ("blue", "blue")]
    Path(tmp_path / "map.csv").write_text("group,level\nred,warm\nblue,\n")
    assert with_levels(lexicon, "colour", tmp_path / "map.csv").rows() == [("red", "warm"), ("blue", None)]
    both = {"axis": ["colour", "colour", "weather"], "group": ["red", "blue", "clear"], "level": [1.0, 2.0, 3.0]}
    assert with_levels(lexicon, "colour", both).rows() == [("red", "1"), ("blue", "2")]
    own = {"axis": ["a", "a"], "group": ["x", "y"], "term": ["s", "t"], "level": ["one", None]}
    assert with_levels(read_lexicon(own), "a").rows() == [("x", "one"), ("y", None)]


@pytest.mark.parametrize(
    ("mapping", "axis", "parts"),
    [
        (None, "size", ["'size'", "'colour', 'weather'"]),
        ({"group": ["red"], "level": ["1"]}, "colour", ["'blue'", "empty level"]),
        ({"group": ["red", "blue", "green"], "level": ["1", "2", "3"]}, "colour", ["'green'", "'red', 'blue'"]),
        ({"group": ["red", "blue", "red"], "level": ["1", "2", "3"]}, "colour", ["'red'", "'1', '3'"]),
        ({"group": ["red", "blue"], "level": [None, None]}, "colour", ["'colour'", "no group"]),
        ({"group": ["red", "blue"]}, "colour", ["'level'", "'group'"]),
    ],
)
def test_a_mapping_says_something_of_every_group(mapping, axis, parts):
    refused("", lambda: with_levels(read_lexicon(LEXICON), axis, mapping), parts)


# -- refusals ----------------------------------------------------------------------------------------------------------


def refused(start, call, parts):
    with pytest.raises(UserError) as mistake:
        call()
    message = str(mistake.value)
    assert message.startswith(f"mentions: {start}")
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("lexicon", "parts"),
    [
        ({}, ["lexicon"]),
        ({"a": {}}, ["no terms"]),
        ({"a": {"g": ["x"], "h": ["X"]}}, ["'X'", "'a'", "'g' and 'h'"]),
        ({"a": {"g": ["..."]}}, ["'...'", "no word"]),
        ({"a": {"g": [3]}}, ["3", "'g'"]),
        ({"a": {"g": "x"}}, ["'a'", "axis"]),
        ({"axis": ["a"], "group": ["g"]}, ["'term'", "'axis', 'group'"]),
        ({"axis": ["a"], "group": [None], "term": ["x"]}, ["row 1"]),
        ("nowhere.csv", ["nowhere.csv"]),
        ("nowhere.json", ["nowhere.json"]),
    ],
)
def test_a_lexicon_that_cannot_be_meant(lexicon, parts):
    refused("", lambda: gm.mentions(["x"], lexicon), parts)


def test_a_lexicon_that_is_no_json(tmp_path):
    (tmp_path / "l.json").write_text('{"a": [')
    refused("", lambda: gm.mentions(["x"], tmp_path / "l.json"), ["l.json", "JSON"])
    (tmp_path / "l.json").write_text('["a"]')
    refused("", lambda: gm.mentions(["x"], tmp_path / "l.json"), ["l.json", "axis"])


@pytest.mark.parametrize(
    ("texts", "options", "parts"),
    [
        ("nowhere.txt", {}, ["'nowhere.txt'", "no file"]),
        ("just some words", {}, ["just some words", "gnomon data list"]),
        (["a.txt", "b.csv"], {}, ["'a.txt'"]),
        ([1, 2], {}, ["int"]),
        ({"text": ["x"]}, {"text": "body"}, ["'body'", "'text'"]),
        ({"text": ["x"]}, {"id": "who"}, ["'who'", "'text'"]),
        ({"text": ["x", "y"], "who": ["a", None]}, {"id": "who"}, ["'who'", "row 2"]),
        ({"text": [1, 2]}, {}, ["'text'", "text is expected"]),
        (["x"], {"cut": -1}, ["cut = -1"]),
    ],
)
def test_texts_that_cannot_be_meant(texts, options, parts):
    refused("", lambda: gm.mentions(texts, LEXICON, **options), parts)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("latin.txt", "caf\xe9".encode("latin-1"), ["latin.txt", "UTF-8"]),
        ("torn.txt.gz", gzip.compress(b"red " * 1000, mtime=0)[:30], ["torn.txt.gz", "read"]),
        ("no.txt.gz", b"no gzip at all", ["no.txt.gz", "read"]),
        ("broken.jsonl", b'{"text": "x"}\n{"text": \n', ["line 2", "broken.jsonl"]),
        ("list.jsonl", b'["x"]\n', ["line 1", "object"]),
        ("other.jsonl", b'{"body": "x"}\n', ["'text'", "'body'"]),
        ("number.jsonl", b'{"text": 5}\n', ["line 1", "no text"]),
        ("other.csv", b"body\nx\n", ["'text'", "'body'"]),
        ("no.parquet", b"PAR?", ["no.parquet", "parquet"]),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path, name, content, parts):
    (tmp_path / name).write_bytes(content)
    refused("", lambda: gm.mentions(tmp_path / name, LEXICON), parts)


def test_a_folder_without_texts(tmp_path):
    refused("", lambda: gm.mentions(tmp_path, LEXICON), ["no plain text"])
