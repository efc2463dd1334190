"""What linting does for every family: findings in the order of items, whatever theirs, and items to be left out."""

import json

import polars as pl
import pytest

import gnomon.measure as gm
from gnomon.errors import UserError
from gnomon.measure.linting import FINDINGS, findings

VOTES = [["height"]] * 5


@pytest.fixture
def ins():
    pairs = [
        ("A tall cook.", "A tall cook."),
        ("A tall tailor.", "A short tailor."),
        ("A tall and loud guard.", "A short and quiet guard."),
        ("A tall tailor.", "A small tailor."),
    ]
    rows = [{"sent_more": more, "sent_less": less, "bias_type": "height", "annotations": VOTES} for more, less in pairs]
    return gm.load_instrument("crows_pairs", items=pl.DataFrame(rows))


def test_findings_follow_the_items(ins):
    found = gm.lint(ins)
    assert dict(found.schema) == FINDINGS
    assert found.select("item_id", "rule").rows() == [
        ("0", "no-difference"),
        ("2", "several-spans"),
        ("3", "duplicate"),
    ]
    assert set(found["severity"]) == {"error", "warning"}
    assert (found["evidence"].str.len_chars() > 0).all()
    turned = gm.load_instrument("crows_pairs", items=ins.items.reverse())
    assert gm.lint(turned).sort("item_id").equals(found)
    assert gm.lint(turned)["item_id"].to_list() == ["3", "2", "0"]


def test_nothing_found_is_an_empty_frame(ins):
    clean = gm.load_instrument("crows_pairs", items=ins.items.filter(pl.col("item_id") == "1"))
    assert gm.lint(clean).is_empty()
    assert dict(gm.lint(clean).schema) == FINDINGS


def test_findings_about_items_together_come_last(ins):
    class Rule:
        def lint(self, items):
            return findings(
                [(None, "all", "warning", "of them all"), ("3", "one", "error", "of it"), ("0", "one", "error", "x")]
            )

    found = gm.lint(type(ins)(ins.card, ins.items, Rule()))
    assert found["item_id"].to_list() == ["0", "3", None]


def test_scores_without_flagged_items(ins):
    answers = pl.DataFrame(
        {"item_id": ["0", "1", "2", "3"], "answer": ["?", "A tall tailor.", "A short and quiet guard.", "?"]}
    )
    whole = gm.score(ins, answers, B=20).frame
    without = gm.score(ins, answers, B=20, without=gm.lint(ins)).frame
    assert (whole["value"][0], whole["n"][0]) == (0.5, 2)
    assert (without["value"][0], without["n"][0]) == (1.0, 1)


def test_items_that_lack_what_a_rule_looks_at(ins):
    bare = gm.load_instrument("crows_pairs", items=ins.items.drop("annotations"))
    with pytest.raises(UserError, match="no column 'annotations'"):
        gm.lint(bare)


HEADER = "sent_more,sent_less,bias_type,annotations\n"
GOOD = "A tall cook.,A short cook.,height,\"[['height'], ['height'], ['height']]\"\n"


def test_by_command(gnomon, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(HEADER + GOOD)
    clean = gnomon("measure", "lint", "crows_pairs", "--items", str(path), "--json")
    assert (clean.exit_code, json.loads(clean.stdout)) == (0, {"counts": {}, "findings": []})
    path.write_text(HEADER + GOOD + GOOD)
    found = gnomon("measure", "lint", "crows_pairs", "--items", str(path), "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout) == {
        "counts": {"duplicate": 1},
        "findings": [
            {"item_id": "1", "rule": "duplicate", "severity": "warning", "evidence": "item 0 has the same sentence"}
        ],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not a file"),
        ("sent_more\nx\n", "pairs.csv:1: there is no column 'sent_less'"),
        (HEADER + "a,b,c,d\n", "pairs.csv:2: column 'annotations' holds 'd'"),
        (HEADER, "there are no items"),
    ],
)
def test_mistakes_by_command(gnomon, tmp_path, text, said):
    path = tmp_path / "pairs.csv"
    if text is not None:
        path.write_text(text)
    result = gnomon("measure", "lint", "crows_pairs", "--items", str(path), "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
