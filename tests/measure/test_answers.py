"""Which option an answer takes: never guessed, and no row of answers passes that answers nothing."""

import polars as pl
import pytest
from bbq_items import published, write
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.measure import load_instrument
from gnomon.measure.answers import read_answers

pytestmark = pytest.mark.filterwarnings("error")

ITEMS = load_instrument("bbq", items=pl.DataFrame(published(questions=1, variants=2)))
FIRST = ITEMS.items.row(0, named=True)


def with_options(options):
    """The instrument with one item that has these options."""
    from dataclasses import replace

    items = ITEMS.items.head(1).with_columns(options=pl.Series([options]))
    return replace(ITEMS, items=items)


def read(options, answer):
    ins = with_options(options)
    row = read_answers(ins, pl.DataFrame({"item_id": [FIRST["item_id"]], "answer": [answer]})).row(0, named=True)
    assert row["answer"] == answer
    return row["choice"], row["status"]


RED, BLUE, NEITHER = "The red person.", "The blue person from the north", "Can't be determined"


@pytest.mark.parametrize(
    ("answer", "choice"),
    [
        ("The red person.", 0),
        ("the red person", 0),
        ("  THE   red\tperson .. ", 0),
        ("the\nred person", 0),
        ("The blue person from the north.", 1),
        ("the blue person from", 1),
        ("the blue per", 1),
        ("the blue pe", None),  # 11 characters may be the beginning of anything
        ("can't be det", 2),
        ("can't be de.", None),
        ("can't be determined from this", None),
        ("the red person and the blue person from the north", None),
        ("person from the north", None),
        ("red", None),
        (".", None),
        ("0", None),
    ],
)
def test_reading_rule(answer, choice):
    assert read([RED, BLUE, NEITHER], answer) == (choice, "manual" if choice is None else "read")


@pytest.mark.parametrize("answer", [None, "", "   "])
def test_no_answer_is_missing(answer):
    ins = with_options([RED, BLUE, NEITHER])
    row = read_answers(ins, pl.DataFrame({"item_id": [FIRST["item_id"]], "answer": [answer]}, strict=False)).row(0)
    assert row[2:] == (None, "missing")


def test_options_that_begin_alike():
    options = ["The grey person with a hat", "The grey person with a stick", "The grey person"]
    assert read(options, "The grey person") == (2, "read")  # equal to one, though it begins all three
    assert read(options, "The grey person with a") == (None, "manual")
    assert read(options, "The grey person with a s") == (1, "read")
    assert read(["Yes", "yes.", "No"], "yes") == (None, "manual")  # two options that read the same


@given(
    st.lists(st.text("ab. ", min_size=1, max_size=15), min_size=2, max_size=4),
    st.text("ab. ", min_size=1, max_size=15).filter(str.strip),
)
def test_reading_rule_against_a_plain_one(options, answer):
    def plain(text):
        return " ".join(text.lower().split()).rstrip(" .")

    equal = [at for at, option in enumerate(options) if plain(option) == plain(answer)]
    begun = [at for at, option in enumerate(options) if plain(option).startswith(plain(answer))]
    found = equal or (begun if len(plain(answer)) >= 12 else [])
    assert read(options, answer) == ((found[0], "read") if len(found) == 1 else (None, "manual"))


def answers(ids=None, texts=None, **columns):
    ids = ITEMS.items["item_id"].to_list() if ids is None else ids
    return pl.DataFrame({"item_id": ids, "answer": texts or ["Cannot be told"] * len(ids), **columns})


def test_one_row_an_item_in_the_items_order():
    found = read_answers(ITEMS, answers().sample(fraction=0.5, shuffle=True, seed=1))
    assert found["item_id"].to_list() == ITEMS.items["item_id"].to_list()
    assert found.schema == {"item_id": pl.String, "answer": pl.String, "choice": pl.Int64, "status": pl.String}
    assert sorted(found["status"].unique()) == ["missing", "read"]
    assert (found["status"] == "read").sum() == len(ITEMS.items) // 2


def test_items_are_named_by_the_familys_own_columns(tmp_path):
    rows = [{**row, "prediction": row["ans0"]} for row in published(questions=1, variants=2)]
    found = read_answers(ITEMS, write(tmp_path / "preds.jsonl.gz", rows), answer="prediction")
    assert found["choice"].unique().to_list() == [0]
    frame = pl.DataFrame(
        {
            "group": [row["category"] for row in rows],
            "number": [float(row["example_id"]) for row in rows],
            "said": ["red"] * len(rows),
        }
    )
    assert read_answers(ITEMS, frame, item=["group", "number"], answer="said")["status"].unique().to_list() == [
        "manual"
    ]
    named = frame.select(name=pl.format("{}/{}", "group", pl.col("number").cast(int)), answer="said")
    assert read_answers(ITEMS, named, item="name")["status"].unique().to_list() == ["manual"]


def test_answers_that_are_numbers_are_read_as_text():
    ins = with_options(["1", "2", "3"])
    assert read_answers(ins, pl.DataFrame({"item_id": [FIRST["item_id"]], "answer": [2.0]}))["choice"].to_list() == [1]


@pytest.mark.parametrize(
    ("table", "how", "sentence"),
    [
        (answers(["Colour/0", "Colour/3", "Colour/0"]), {}, "answer item 'Colour/0' twice"),
        (answers(["Colour/0", "Colour/99", "Colour/98"]), {}, "answer 'Colour/99' .* no item of bbq, nor are 1 more"),
        (answers(["Colour/0", None]), {}, "name no item in row 2"),
        (answers(), {"answer": "said"}, "answer names column 'said', which the table of responses does not have"),
        (answers(), {"item": "key"}, "item names column 'key'.* it has 'item_id', 'answer'"),
        (answers(), {"item": ["item_id", "part"]}, "item names column 'part'"),
        (answers().drop("item_id"), {}, "item names column 'category'"),
        (answers().rename({"answer": "Answer"}), {}, r"did you mean 'Answer'\?"),
        ("absent.csv", {}, "responses = 'absent.csv' is not a file"),
        (17, {}, "responses is of type int"),
    ],
)
def test_tables_that_are_no_answers(table, how, sentence):
    with pytest.raises(UserError, match=f"^score: .*{sentence}"):
        read_answers(ITEMS, table, **how)
