"""The page: well formed and self-contained, the answer first, every denominator there, and honest about its limits."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

import gnomon.measure as gm
from gnomon.errors import UserError
from gnomon.measure.representation_report import keep, write_report
from gnomon.runs import Run, open_run


class Text(HTMLParser):
    """The words of a page, and whether its tags close."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.words, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not {"style", "svg"} & set(self.open):
            self.words.append(text)


def read(run):
    page = (run.path / "report.html").read_text(encoding="utf-8")
    parser = Text()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.tags
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    return " ".join(parser.words), page


def settings(**more):
    return {"name": "represent", "seed": 4, "sample": "a/sample.csv", "target": "census.csv", "level": 0.95} | more


def representation(tmp_path, sample, target, by, **options):
    found = gm.representation_ratio(sample, target, by, B=200, **options)
    return keep(tmp_path / "run", found, settings(by=found.by, **options), {"sample": []})


@pytest.fixture
def town():
    sample = {"age": ["young"] * 84 + ["old"] * 16 + ["old"], "sex": [*"fm"] * 42 + ["m"] * 15 + ["f", None]}
    target = {"age": ["young", "young", "old", "old", "<oldest>"], "sex": [*"fmfm", "f"], "n": [400, 400, 300, 200, 60]}
    return sample, target


def test_the_answer_stands_first_and_every_denominator_is_there(tmp_path, town):
    words, page = read(representation(tmp_path, *town, [["age", "sex"], ["sex"]]))
    first, rest = words.split("Denominators and summaries")
    assert "2 of 5 cells are credibly under-represented: <oldest>, f (RR 0.00); old, f" in first
    assert "&lt;oldest&gt;" in page
    assert first.count("95% interval") == 2
    assert page.count("<svg") == 2
    assert "rows left out for a missing value: 1" in first
    for column in ("no level", "not in target", "cells seen", "AARB", "R-indicator"):
        assert column in rest
    assert "4 of 5" in rest
    assert "Each variable by itself" in rest


def test_the_study_and_the_limits_are_told(tmp_path, town):
    words, _ = read(representation(tmp_path, *town, ["age", "sex"]))
    for fact in ("1,321,675", "67 %", "65 % in the preprint", "2025;25:2057"):
        assert fact in words
    assert "An adequate share is not an unbiased sample" in words
    assert "take rows to be independent" in words


def test_clusters_and_target_errors_are_named(tmp_path, town):
    sample, target = town
    sample = sample | {"donor": [i % 9 for i in range(101)]}
    words, _ = read(representation(tmp_path, sample, target, ["sex"], cluster="donor", target_error=4.0))
    assert "resample whole clusters of donor" in words
    assert "counts off by 4" in words
    assert "Each variable by itself" not in words


def test_thousands_of_cells_make_a_page_that_opens(tmp_path):
    places = [str(i) for i in range(3000)]
    words, page = read(
        representation(tmp_path, {"place": places[:2500]}, {"place": places, "n": [1] * 3000}, ["place"])
    )
    assert "<svg" not in page
    assert "Shown are the 300 cells with the smallest RR of 3000" in words
    assert len(page) < 300_000


def test_an_audit_shows_its_words_and_has_limits_of_its_own(tmp_path):
    mentioned = {"id": ["a", "a", "b", "c"], "colour": ["red", "blue", "blue", "blue"], "n": [1, 30, 20, 30]}
    found = gm.representation_ratio(
        mentioned, {"colour": ["red", "blue"], "n": [1, 1]}, ["colour"], count="n", cluster="id", B=200
    )
    facts = {"axis": "colour", "texts": 9, "empty": 1, "characters": 1000, "texts_with_mentions": 3, "mentions": 84}
    facts |= {"left_out": 3, "groups_left_out": ["other"]}
    terms = pl.DataFrame(
        {"group": ["red", "blue", "blue", "other"], "term": ["red", "blue", "navy", "green"], "n": [1, 79, 1, 3], "level": ["red", "blue", "blue", None]}
    )  # fmt: skip
    described = settings(name="audit", texts=["x/corpus.jsonl"], lexicon="words.csv", by=[["colour"]])
    del described["sample"]
    run = keep(tmp_path / "run", found, described, {"texts": []}, facts, terms)
    words, page = read(run)
    assert "1 of 2 cells is credibly mentioned less than its share: red" in words
    assert "3 of these mentions stand for no level of the target (other)" in words
    assert "99% of the mentions of blue are the one word 'blue'" in words
    assert "(no level, left out)" in words
    assert "Words are counted, not people" in words
    assert "Gordon and Van Durme" in words
    assert "R-indicator" not in words
    assert "serosurveillance" not in words
    assert json.loads((run.path / "summary.json").read_text())["texts"] == facts
    assert write_report(open_run(run.path)).read_text(encoding="utf-8") == page


def test_only_finished_runs_of_this_kind_have_a_page(tmp_path):
    other = Run.create(tmp_path / "other", kind="search-run", name="x", settings={"seed": 0}, seed=0)
    with pytest.raises(UserError, match="search-run"):
        write_report(other)
    begun = Run.create(tmp_path / "begun", kind="measure-represent", name="x", settings={"seed": 0}, seed=0)
    with pytest.raises(UserError, match="nothing to report"):
        write_report(begun)


def test_a_folder_that_exists_is_left_alone(tmp_path, town):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        representation(tmp_path, *town, ["age", "sex"])
    assert [path.name for path in Path(tmp_path / "run").iterdir()] == ["notes.txt"]
