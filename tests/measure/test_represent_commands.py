"""`gnomon represent` and `gnomon data audit` as a person types them: what is printed, kept, refused, and never half kept."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import three_commands

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError

BOOT = ("--boot", "200")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A sample of a town and its census: older women are missing, one row has no sex, one level only in the census."""
    monkeypatch.chdir(tmp_path)
    cells = [("young", "f", 40), ("young", "m", 44), ("old", "f", 4), ("old", "m", 12)]
    rows = [(age, sex, number % 7, 1 + number % 3) for age, sex, n in cells for number in range(n)]
    sample = pl.DataFrame([*rows, ("old", None, 1, 1)], schema=["age", "sex", "donor", "w"], orient="row")
    sample.write_csv("sample.csv")
    pl.DataFrame(cells, schema=["age", "sex", "k"], orient="row").write_csv("counted.csv")
    target = [("young", "f", 400), ("young", "m", 400), ("old", "f", 300), ("old", "m", 200), ("oldest", "f", 60)]
    pl.DataFrame(target, schema=["age", "sex", "n"], orient="row").write_csv("census.csv")
    return tmp_path


def answer(result, code=0):
    assert result.exit_code == code, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


# -- represent ---------------------------------------------------------------------------------------------------------


def test_the_json_is_the_frame(gnomon, here):
    found = answer(
        gnomon("represent", "sample.csv", "--target", "census.csv", "--by", "age,sex", "--by", "sex", *BOOT, "--json")
    )
    expected = gm.representation_ratio("sample.csv", "census.csv", [["age", "sex"], ["sex"]], B=200)
    assert set(found) == {"cells", "summary", "notes"}
    assert found["cells"] == expected.frame.to_dicts()
    assert found["summary"] == expected.summary.to_dicts()
    assert found["notes"] == expected.notes
    flags = {
        (cell["age"], cell["sex"]): cell["flag"] for cell in found["cells"] if cell["stratification"] == "age x sex"
    }
    assert flags["old", "f"] == flags["oldest", "f"] == "under"
    assert found["summary"][0]["n_missing"] == 1


def test_options_reach_the_estimate(gnomon, here):
    arguments = ("--by", "age,sex", "--target", "census.csv", "--json", "--seed", "1", "--level", "0.8", *BOOT)
    expected = gm.representation_ratio(
        "sample.csv",
        "census.csv",
        ["age", "sex"],
        weight="w",
        cluster="donor",
        B=200,
        seed=1,
        level=0.8,
        target_error=4,
    )
    found = answer(
        gnomon("represent", "sample.csv", *arguments, "--weight", "w", "--cluster", "donor", "--target-error", "4")
    )
    assert found["cells"] == expected.frame.to_dicts()
    assert "rr_max" in found["cells"][0]
    exact = gm.representation_ratio("counted.csv", "census.csv", ["age", "sex"], count="k", ci="exact", level=0.8)
    found = answer(gnomon("represent", "counted.csv", *arguments, "--count", "k", "--ci", "exact"))
    assert found["cells"] == exact.frame.to_dicts()


def test_the_terminal_says_what_is_flagged_and_out_of_how_many(gnomon, here):
    result = gnomon("represent", "sample.csv", "--target", "census.csv", "--by", "age,sex", *BOOT)
    assert result.exit_code == 0
    assert "age x sex: 100 rows in 4 of 5 cells" in result.stdout
    assert "rows left out for a missing value: 1" in result.stdout
    assert "strongly under ▾" in result.stdout


def test_the_worst_cases_of_a_rounded_target_are_shown(gnomon, here):
    arguments = ("represent", "sample.csv", "--target", "census.csv", "--by", "sex", *BOOT)
    cell = answer(gnomon(*arguments, "--target-error", "4", "--json"))["cells"][0]
    shown = f"{cell['rr_min']:.2f} to {cell['rr_max']:.2f}"
    result = gnomon(*arguments, "--target-error", "4", "--out", "rounded")
    assert shown in result.stdout
    page = Path("rounded/report.html").read_text()
    assert shown in page
    assert "worst cases" in page
    assert "worst cases" not in gnomon(*arguments).stdout


def test_strict_exits_with_1_only_where_a_cell_is_flagged_under(gnomon, here):
    arguments = ("represent", "sample.csv", "--target", "census.csv", *BOOT, "--json", "--strict")
    assert answer(gnomon(*arguments, "--by", "age,sex"), code=1)["cells"]
    pl.DataFrame({"sex": ["f", "m"], "n": [1, 1]}).write_csv("even.csv")
    answer(gnomon("represent", "sample.csv", "--target", "even.csv", "--by", "sex", *BOOT, "--json", "--strict"))


def test_a_run_keeps_cells_hashes_and_a_page_that_can_be_written_again(gnomon, here):
    found = answer(
        gnomon(
            "represent",
            "sample.csv",
            "--target",
            "census.csv",
            "--by",
            "age,sex",
            *BOOT,
            "--out",
            "run",
            "--csv",
            "c.csv",
            "--json",
        )
    )
    assert found["run"] == "run"
    run = here / "run"
    kept = pl.read_parquet(run / "cells.parquet")
    assert kept.to_dicts() == found["cells"]
    assert pl.read_csv("c.csv").columns == kept.columns
    summary = json.loads((run / "summary.json").read_text())
    sha256 = hashlib.sha256(Path("sample.csv").read_bytes()).hexdigest()
    assert summary["inputs"]["sample"] == {"sample.csv": sha256}
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    assert gnomon("runs", "report", "run").exit_code == 0
    assert (run / "report.html").read_bytes() == page
    assert gnomon("runs", "show", "run").exit_code == 0


def test_a_long_table_shows_the_cells_furthest_below(gnomon, here):
    pl.DataFrame({"town": [str(i % 90) for i in range(300)]}).write_csv("towns.csv")
    pl.DataFrame({"town": [str(i) for i in range(100)], "n": [5] * 100}).write_csv("all.csv")
    result = gnomon("represent", "towns.csv", "--target", "all.csv", "--by", "town", "--ci", "exact")
    assert "the 60 cells with the smallest RR of 100" in result.stdout


GOOD = ("sample.csv", "--target", "census.csv", "--by", "age,sex")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("sample.csv", "--target", "census.csv", "--by", "age,region"), ["'region'", "'age'"]),
        (("sample.csv", "--target", "census.csv", "--by", "age,,sex"), ["--by", "empty"]),
        (("absent.csv", "--target", "census.csv", "--by", "age"), ["absent.csv"]),
        (("sample.csv", "--target", "absent.csv", "--by", "age"), ["absent.csv"]),
        (("stranger.csv", "--target", "census.csv", "--by", "age"), ["'age'", "'babies'", "n = 2"]),
        (("sample.csv", "--target", "twice.csv", "--by", "age,sex"), ["'old'", "twice"]),
        (("sample.csv", "--target", "negative.csv", "--by", "age,sex"), ["'n'", "-3"]),
        (("sample.csv", "--target", "words.csv", "--by", "age,sex"), ["'n'", "'many'"]),
        (("sample.csv", "--target", "zero.csv", "--by", "age,sex"), ["'n'", "0 everywhere"]),
        (("sample.csv", "--target", "none.csv", "--by", "age,sex"), ["no rows"]),
        (("nobody.csv", "--target", "census.csv", "--by", "age,sex"), ["no rows"]),
        ((*GOOD, "--weight", "nothing"), ["'nothing'", "'w'"]),
        (("badweight.csv", *GOOD[1:], "--weight", "w"), ["'w'", "-1"]),
        ((*GOOD, "--target-count", "population"), ["'population'", "'n'"]),
        ((*GOOD, "--boot", "0"), ["B = 0"]),
        ((*GOOD, "--level", "1.5"), ["level = 1.5"]),
        ((*GOOD, "--ci", "guess"), ["'guess'", "'wilson'"]),
        ((*GOOD, "--ci", "exact", "--weight", "w"), ["'exact'", "weight"]),
        ((*GOOD, "--target-error", "-1"), ["target_error"]),
        ((*GOOD, "--out", "there"), ["--out there exists"]),
        ((*GOOD, "--csv", "sample.csv"), ["sample.csv", "inputs"]),
        ((*GOOD, "--csv", "absent/cells.csv"), ["absent"]),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(here, arguments, parts):
    head = "age,sex,n\n"
    for name, content in {
        "stranger.csv": "age\nbabies\nbabies\nyoung\n",
        "twice.csv": head + "old,f,3\nold,f,4\n",
        "negative.csv": head + "old,f,-3\n",
        "words.csv": head + "old,f,many\n",
        "zero.csv": head + "old,f,0\n",
        "none.csv": head,
        "nobody.csv": "age,sex\n",
        "badweight.csv": "age,sex,w\nold,f,-1\n",
    }.items():
        Path(name).write_text(content)
    Path("there").mkdir()
    before = sorted(here.rglob("*"))
    result = three_commands.invoke("represent", *arguments)
    message = str(result.exception)
    assert isinstance(result.exception, UserError)
    assert result.stdout == ""
    assert "\n" not in message
    for part in parts:
        assert part in message
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [("represent", *GOOD, "--boot", "0"), ("data", "audit", "x.txt", "--lexicon", "l.csv", "--target", "census.csv")],
)
def test_a_mistake_is_exit_code_2_and_nothing_on_stdout(gnomon, here, arguments):
    before = sorted(here.rglob("*"))
    result = gnomon(*arguments, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert sorted(here.rglob("*")) == before


def test_unmatched_rows_may_be_dropped_and_are_counted(gnomon, here):
    Path("stranger.csv").write_text("age\nbabies\nbabies\nyoung\nold\n")
    arguments = (
        "represent",
        "stranger.csv",
        "--target",
        "census.csv",
        "--by",
        "age",
        "--unmatched",
        "drop",
        *BOOT,
        "--json",
    )
    assert answer(gnomon(*arguments))["summary"][0]["n_unmatched"] == 2


# -- audit -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Twelve texts in which blue is said three times as often as red; half of the population is red."""
    monkeypatch.chdir(tmp_path)
    texts = [
        {"text": "blue and BLUE, a blue-green; red" if i % 2 else "blue", "by": f"author {i % 6}"} for i in range(12)
    ]
    Path("texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts))
    Path("words.csv").write_text(
        "axis,group,term\ncolour,red,red\ncolour,blue,blue\ncolour,other,green\nsize,big,large\n"
    )
    Path("people.csv").write_text("colour,n\nred,50\nblue,50\n")
    Path("map.csv").write_text("group,level\nred,warm\nblue,cold\nother,\n")
    Path("levels.csv").write_text("heat,n\nwarm,1\ncold,1\n")
    return tmp_path


AUDIT = ("data", "audit", "texts.jsonl", "--lexicon", "words.csv", "--target", "people.csv", *BOOT)


def test_an_audit_is_the_ratio_of_mentions_clustered_by_text(gnomon, corpus):
    found = answer(gnomon(*AUDIT, "--json"))
    mentioned = gm.mentions("texts.jsonl", "words.csv").filter(pl.col("axis") == "colour").rename({"group": "colour"})
    expected = gm.representation_ratio(mentioned, "people.csv", ["colour"], count="n", cluster="text_id", B=200)
    assert found["cells"] == expected.frame.to_dicts()
    assert {cell["colour"]: cell["n"] for cell in found["cells"]} == {"red": 6, "blue": 18}
    assert found["terms"][0] == {"axis": "colour", "group": "blue", "term": "blue", "n": 18, "level": "blue"}
    assert (found["texts"]["texts"], found["texts"]["mentions"], found["texts"]["axis"]) == (12, 24, "colour")


def test_authors_may_be_the_independent_units(gnomon, corpus):
    found = answer(gnomon(*AUDIT, "--id", "by", "--json"))
    assert found["texts"]["texts"] == 6
    assert any("6 clusters" in note for note in found["notes"])


def test_a_mapping_names_levels_and_what_is_left_out_is_counted(gnomon, corpus):
    Path("more.txt").write_text("green green\n")
    arguments = (
        "data",
        "audit",
        "texts.jsonl",
        "more.txt",
        "--lexicon",
        "words.csv",
        "--target",
        "levels.csv",
        "--axis",
        "colour",
    )
    found = answer(gnomon(*arguments, "--by", "heat", "--map", "map.csv", *BOOT, "--json"))
    assert {cell["heat"]: cell["n"] for cell in found["cells"]} == {"warm": 6, "cold": 18}
    assert (found["texts"]["left_out"], found["texts"]["groups_left_out"]) == (2, ["other"])
    assert found["summary"][0]["n_total"] == 24


def test_an_audit_keeps_a_run_with_its_words(gnomon, corpus):
    result = gnomon(*AUDIT, "--out", "run", "--strict")
    assert result.exit_code == 1, result.output
    assert "blue 18" in result.stdout
    assert "24 mentions in 2 of 2 cells" in result.stdout
    assert "12 texts were read" in result.stdout
    assert pl.read_parquet("run/terms.parquet").filter(pl.col("term") == "red")["n"].to_list() == [6]
    inputs = json.loads(Path("run/summary.json").read_text())["inputs"]
    assert sorted(inputs) == ["lexicon", "target", "texts"]


def test_the_published_descriptors_on_a_novel(gnomon, corpus):
    if data.locate("holisticbias/descriptors") is None or data.locate("litbank/sherlock_holmes") is None:
        pytest.skip("holisticbias/descriptors or litbank/sherlock_holmes is not in GNOMON_DATA_DIR")
    Path("ages.csv").write_text("age,n\n10 to 19,3948810\n20 to 39,9146435\n40 to 64,12203905\n65 and over,5935625\n")
    Path("ages-map.csv").write_text(
        "group,level\nchild,10 to 19\nyoung,20 to 39\nmiddle_aged,40 to 64\nold,65 and over\nadult,\n"
    )
    found = answer(
        gnomon(
            "data", "audit", "litbank/sherlock_holmes", "--lexicon", "holisticbias/descriptors", "--target", "ages.csv",
            "--map", "ages-map.csv", *BOOT, "--json",
        )
    )  # fmt: skip
    assert {cell["age"]: cell["n"] for cell in found["cells"]} == {
        "10 to 19": 0,
        "20 to 39": 84,
        "40 to 64": 3,
        "65 and over": 88,
    }
    assert {cell["flag"] for cell in found["cells"] if cell["age"] in ("10 to 19", "40 to 64")} == {"under"}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"texts": "absent.txt"}, ["absent.txt", "no file"]),
        ({"texts": "litbank/no_such_book"}, ["no_such_book", "gnomon data list"]),
        ({"--lexicon": "absent.csv"}, ["absent.csv"]),
        ({"--target": "absent.csv"}, ["absent.csv"]),
        ({"--target": "levels.csv"}, ["--axis", "'colour', 'size'", "'heat'"]),
        ({"--axis": "shape"}, ["'shape'", "'colour', 'size'"]),
        ({"--axis": "size"}, ["'size'", "'colour'"]),
        ({"--by": "shade", "--axis": "colour"}, ["'shade'", "'colour'"]),
        ({"--map": "people.csv"}, ["'group'", "'colour'"]),
        ({"--text": "body"}, ["'body'", "'text'"]),
        ({"--id": "who"}, ["'who'", "'by'"]),
        ({"--lexicon": "silent.csv"}, ["none of 12 texts", "'colour'"]),
        ({"--lexicon": "stranger.csv"}, ["'colour'", "'blues'"]),
        ({"--cut": "-1"}, ["cut = -1"]),
        ({"--boot": "0"}, ["B = 0"]),
        ({"--csv": "texts.jsonl"}, ["inputs"]),
        ({"--out": "there"}, ["--out there exists"]),
    ],
)
def test_a_mistake_in_an_audit_is_one_sentence_and_writes_nothing(corpus, change, parts):
    Path("silent.csv").write_text("axis,group,term\ncolour,red,rouge\n")
    Path("stranger.csv").write_text("axis,group,term\ncolour,red,red\ncolour,blues,blue\n")
    Path("there").mkdir()
    options = {"texts": "texts.jsonl", "--lexicon": "words.csv", "--target": "people.csv", "--out": "run"} | change
    before = sorted(corpus.rglob("*"))
    arguments = [options.pop("texts"), *(word for pair in options.items() for word in pair)]
    result = three_commands.invoke("data", "audit", *arguments)
    assert isinstance(result.exception, UserError)
    assert result.stdout == ""
    for part in parts:
        assert part in str(result.exception)
    assert sorted(corpus.rglob("*")) == before


def test_one_text_alone_cannot_be_resampled(gnomon, corpus):
    Path("one.txt").write_text("blue red blue")
    result = gnomon("data", "audit", "one.txt", "--lexicon", "words.csv", "--target", "people.csv")
    assert result.exit_code == 2
    assert "one cluster only" in result.stderr


@pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="a pipe with a name is needed to stop a job in the middle of its text"
)
def test_a_job_that_is_killed_leaves_nothing_behind(corpus):
    """The text is a pipe: whoever reads it is surely in the middle of it when the kill comes."""
    os.mkfifo("endless.txt")
    before = sorted(corpus.rglob("*"))
    arguments = [
        "endless.txt",
        "--lexicon",
        "words.csv",
        "--target",
        "people.csv",
        "--out",
        "run",
        "--csv",
        "cells.csv",
    ]
    job = subprocess.Popen([sys.executable, "-m", "gnomon", "data", "audit", *arguments], stderr=subprocess.DEVNULL)
    with Path("endless.txt").open("w") as pipe:
        pipe.write("blue and red\n\n" * 1000)
        pipe.flush()
        job.send_signal(signal.SIGKILL)
        assert job.wait(20) == -signal.SIGKILL
    assert sorted(corpus.rglob("*")) == before
