"""`gnomon search` as a person types it: what is printed, what is kept, and that a mistake is one sentence."""

import json

import numpy as np
import pytest
import tiny_rankers  # noqa: F401

A, B, C = "width=2;activation=relu;depth=1", "width=3;activation=relu;depth=2", "width=4;activation=tanh;depth=1"
TINY = ("--space", "tiny_space:Tiny")
FAST = ("--batch-size", "8")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scores(here):
    """A table of four architectures with ten repeats: two that cannot be told apart, two that can; one score failed."""
    rng = np.random.default_rng(0)
    lines = ["net,v,good,other,acc,group"]
    for name, mean, accuracy in (("a", 10.0, 90.0), ("b", 9.95, 91.0), ("c", 5.0, 70.0), ("d", 1.0, 60.0)):
        for v in range(10):
            other = "-1e8" if (name, v) == ("d", 3) else f"{rng.normal():.6f}"
            lines.append(f"{name},{v},{rng.normal(mean, 1):.6f},{other},{accuracy},x")
    (here / "scores.csv").write_text("\n".join(lines) + "\n")
    return "scores.csv"


def answer(result):
    """The one JSON document of a command."""
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def refused(result, here, before, *parts):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    message = result.stderr.strip().splitlines()[-1]
    for part in parts:
        assert part in message
    assert sorted(here.rglob("*")) == before


# -- lists -----------------------------------------------------------------------------------------------------------


def test_spaces_and_rankers_are_listed(gnomon):
    spaces = {row["name"]: row for row in answer(gnomon("search", "spaces", "--json"))["spaces"]}
    assert spaces["nb201"]["size"] == 15625
    assert spaces["nb201"]["options"] == {"channels": 16, "cells": 5, "classes": 10, "input_size": 32}
    rankers = {row["name"]: row for row in answer(gnomon("search", "rankers", "--json"))["rankers"]}
    assert rankers["ntk_condition"]["direction"] == -1
    assert rankers["synflow"]["varies_with"] == ["init"]
    assert rankers["params"]["varies_with"] == []
    assert "2006.04647" in rankers["nwot"]["source"]
    assert "nb201" in gnomon("search", "spaces").stdout
    assert "ntk_condition" in gnomon("search", "rankers").stdout


# -- score -----------------------------------------------------------------------------------------------------------


def test_scoring_keeps_scores_a_table_and_a_page(gnomon, here):
    result = answer(
        gnomon(
            "search", "score", *TINY, "--arch", A, C, "--ranker", "snip", "params", *FAST,
            "--repeats", "6", "--out", "run", "--json",
        )
    )  # fmt: skip
    assert (result["scores"], result["evaluated"], result["failed"]) == (14, 14, 0)
    assert result["rankers"]["snip"]["winner"] in (A, C)
    assert sum(result["rankers"]["snip"]["stability"].values()) == pytest.approx(1)
    assert 0 < result["rankers"]["snip"]["cv"]["low"] < result["rankers"]["snip"]["cv"]["value"]
    lines = (here / "run" / "scores.csv").read_text().splitlines()
    assert lines[0] == "arch,ranker,repeat,score,status,init_seed,batch_seed"
    assert len(lines) == 15
    assert lines[1:] == sorted(
        lines[1:], key=lambda line: (line.split(",")[0], line.split(",")[1], int(line.split(",")[2]))
    )
    page = (here / "run" / "report.html").read_text()
    for part in ("Scores of 2 architectures", "By snip", "Variation", "parameters", A):
        assert part in page
    assert answer(gnomon("runs", "show", "run", "--json"))["state"] == "finished"


def test_scoring_in_words_counts_failures_and_ends_well(gnomon, here):
    result = gnomon(
        "search", "score", *TINY, "--sample", "3", "--ranker", "raiser", "--ranker", "snip", *FAST, "--repeats", "5"
    )
    assert result.exit_code == 0, result.stderr
    assert "15 failed" in result.stdout
    (run,) = (here / "runs").iterdir()
    assert "15 failed: RuntimeError: not today nor tomorrow" in (run / "report.html").read_text()


def test_few_repeats_are_measured_and_said_to_decide_nothing(gnomon, here):
    result = answer(
        gnomon("search", "score", *TINY, "--sample", "3", "--ranker", "snip", *FAST, "--repeats", "3", "--json")
    )
    assert result["rankers"]["snip"]["winner"] is None
    assert "at least 4 repeats" in result["rankers"]["snip"]["undecidable"]


def test_a_scoring_that_was_stopped_goes_on_with_the_same_bytes(gnomon, here):
    command = ("search", "score", *TINY, "--sample", "4", "--ranker", "snip", "--ranker", "dice", *FAST, "--json")
    whole = answer(gnomon(*command, "--out", "whole"))
    answer(gnomon(*command, "--out", "stopped"))
    stopped = here / "stopped"
    lines = (stopped / "scores.jsonl").read_text().splitlines(keepends=True)
    (stopped / "scores.jsonl").write_text("".join(lines[:30]) + lines[30][:15])  # as a kill leaves it
    for made in ("scores.csv", "summary.json", "report.html"):
        (stopped / made).unlink()
    state = json.loads((stopped / "state.json").read_text())
    (stopped / "state.json").write_text(json.dumps({**state, "state": "running"}))
    before = sorted(here.rglob("*"))
    refused(gnomon(*command, "--out", "stopped"), here, before, "exists already", "--resume")
    refused(gnomon(*command, "--out", "stopped", "--resume", "--seed", "1"), here, before, "seed = 0, not 1")
    resumed = answer(gnomon(*command, "--out", "stopped", "--resume"))
    assert resumed["evaluated"] == whole["evaluated"] - 30
    assert (stopped / "scores.csv").read_bytes() == (here / "whole" / "scores.csv").read_bytes()


# -- a table ---------------------------------------------------------------------------------------------------------


def test_variation_of_a_table(gnomon, scores):
    result = answer(
        gnomon(
            "search", "variation", scores, "--arch", "net", "--score", "good", "--score", "other", "--repeat", "v",
            "--target", "acc", "--json",
        )
    )["scores"]  # fmt: skip
    assert (result["good"]["archs"], result["good"]["repeats"], result["good"]["missing"]) == (4, 10, 0)
    assert result["other"]["missing"] == 1
    assert result["good"]["cv"]["low"] < result["good"]["cv"]["value"] < result["good"]["cv"]["high"]
    assert result["good"]["kendall_cv_target"] < 0  # a spread of one is most of a small mean
    assert result["good"]["drift"]["flagged"] is False
    assert result["good"]["drift"]["p"] > 0.05
    words = gnomon("search", "variation", scores, "--arch", "net", "--score", "good", "--cv", "var")
    assert words.exit_code == 0


def test_the_truth_of_a_table(gnomon, here):
    lines = ["net,params,score,loss", *(f"n{i},{i},{(i * 7) % 12},{3 - i / 10}" for i in range(12))]
    (here / "t.csv").write_text("\n".join(lines) + "\n")
    result = answer(
        gnomon("search", "table", "t.csv", "--arch", "net", "--target", "loss", "--lower", "--score", "score",
               "--score", "params", "--json")
    )  # fmt: skip
    assert result["architectures"] == 12
    assert result["scores"]["params"]["spearman"]["value"] == pytest.approx(1)
    assert result["scores"]["score"]["beats_params"] is False
    assert result["scores"]["params"]["argmax"] == "n11"
    assert result["scores"]["params"]["argmax_target"] == pytest.approx(1.9)
    assert (
        "no"
        in gnomon("search", "table", "t.csv", "--arch", "net", "--target", "loss", "--lower", "--score", "score").stdout
    )


def test_two_architectures_of_a_table(gnomon, scores):
    compare = ("search", "compare", scores)
    clear = answer(gnomon(*compare, "a", "d", "--arch", "net", "--score", "good", "--json"))
    assert (clear["decision"], clear["n_x"], clear["n_y"], clear["method"]) == ("greater", 10, 10, "mannwhitney")
    assert clear["p_greater"] == pytest.approx(1 / 184756)
    assert clear["superiority"]["low"] == pytest.approx(0.8, abs=0.01)
    close = answer(gnomon(*compare, "a", "b", "--arch", "net", "--score", "good", "--paired", "--json"))
    assert (close["decision"], close["paired"], close["method"]) == ("undecided", True, "wilcoxon")
    failed = answer(gnomon(*compare, "c", "d", "--arch", "net", "--score", "other", "--json"))
    assert (failed["missing_x"], failed["missing_y"]) == (0, 1)
    assert "not distinguishable" in gnomon(*compare, "a", "b", "--arch", "net", "--score", "good").stdout


# -- run -------------------------------------------------------------------------------------------------------------


def test_a_search_on_a_table(gnomon, scores, here):
    command = (
        "search",
        "run",
        "--table",
        scores,
        "--arch",
        "net",
        "--repeat",
        "v",
        "--target",
        "acc",
        "--ranker",
        "good",
    )
    result = answer(gnomon(*command, "--method", "random", "--budget", "40", "--out", "run", "--json"))
    assert result == json.loads((here / "run" / "summary.json").read_text())
    assert result["winner"] in ("a", "b")
    assert set(result["indistinguishable"]) == {"a", "b"}
    assert result["target"] == {"a": 90.0, "b": 91.0}[result["winner"]]
    assert (result["evaluations"], result["distinct"]) == (40, 4)
    assert result["method"] == "random"
    assert result["comparator"] == "mannwhitney"
    assert "These 2 cannot be told apart at V = 10" in (here / "run" / "report.html").read_text()


@pytest.mark.parametrize("counted", [True, False])
def test_the_truth_stands_beside_a_search_on_a_table(gnomon, here, counted):
    # The score points the wrong way; parameters, where the table counts them, point the right one.
    lines = ["net,v,s,acc" + ",params" * counted]
    for i in range(8):
        lines += [f"n{i},{v},{100 - 10 * i + v / 100},{50 + i}" + f",{1000 + i}" * counted for v in range(4)]
    (here / "t.csv").write_text("\n".join(lines) + "\n")
    command = ("search", "run", "--table", "t.csv", "--arch", "net", "--repeat", "v", "--target", "acc", "--ranker", "s",
               "--method", "random", "--repeats", "4", "--budget", "32", "--out", "run")  # fmt: skip
    result = gnomon(*command)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((here / "run" / "summary.json").read_text())
    assert summary["winner"] == "n0"
    assert summary["ranker_target"]["value"] == pytest.approx(-1)
    page = (here / "run" / "report.html").read_text()
    assert "Beside parameters and truth" in page
    if counted:
        assert summary["parameters"]["params_target"]["value"] == pytest.approx(1)
        assert summary["parameters"]["largest_target"] == 57
        assert "Warning: here s is no better than counting parameters" in " ".join(result.stdout.split())
        assert "Warning: here s is no better than counting parameters" in page
    else:
        assert summary["parameters"] is None
        assert "Warning" not in result.stdout


def test_a_search_on_networks_with_two_workers_resumed(gnomon, here):
    command = (
        "search", "run", *TINY, "--ranker", "snip", "--method", "rea", "--budget", "60", "--repeats", "5", *FAST,
        "--set", "search.population=4", "--set", "search.tournament=2", "--json",
    )  # fmt: skip
    whole = answer(gnomon(*command, "--out", "whole"))
    assert whole["evaluations"] <= 60
    assert whole["parameters"]["spearman"]["value"] is not None
    assert answer(gnomon(*command, "--out", "two", "--workers", "2")) == whole
    cut = here / "cut"
    answer(gnomon(*command, "--out", "cut"))
    lines = (cut / "scores.jsonl").read_text().splitlines(keepends=True)
    (cut / "scores.jsonl").write_text("".join(lines[:23]) + '{"arch": "wid')
    for made in ("found.json", "summary.json", "report.html"):
        (cut / made).unlink()
    state = json.loads((cut / "state.json").read_text())
    (cut / "state.json").write_text(json.dumps({**state, "state": "running"}))
    assert answer(gnomon(*command, "--out", "cut", "--resume")) == whole
    for name in ("metrics.jsonl", "found.json"):
        rows = [(here / folder / name).read_text().splitlines() for folder in ("whole", "cut")]
        strip = [[{k: v for k, v in json.loads(row).items() if k != "time"} for row in each] for each in rows]
        assert strip[0] == strip[1]


def test_a_recipe_says_what_is_searched_and_options_count_more(gnomon, here, scores):
    (here / "recipe.toml").write_text(
        'name = "mine"\n[table]\nfile = "scores.csv"\narch = "net"\nrepeat = "v"\n'
        '[search]\nranker = "good"\nmethod = "racing"\nbudget = 30\n'
    )
    result = answer(gnomon("search", "run", "recipe.toml", "--budget", "36", "--target", "acc", "--json"))
    assert result["method"] == "racing"
    assert 30 < result["evaluations"] <= 36 or result["distinct"] == 4
    assert result["target"] is not None
    stored = json.loads(next((here / "runs").glob("mine-*/found.json")).read_text())["samples"]
    assert result["measured_less"] == sum(len(stored[arch]) < 10 for arch in result["indistinguishable"])
    (run,) = (here / "runs").glob("mine-*")
    words = gnomon("search", "run", "recipe.toml", "--comparator", "wilcoxon", "--sequential")
    assert words.exit_code == 0, words.stderr
    assert "comes first by good" in words.stdout
    again = answer(gnomon("search", "report", str(run), "--alpha", "0.04", "--json"))
    assert "made again from the stored scores" in (here / again["report"]).read_text()
    pairs = gnomon("search", "report", str(run), "--comparator", "wilcoxon")  # some were measured four times only
    assert pairs.exit_code == 2
    assert "4 pairs can never decide" in pairs.stderr
    assert gnomon("runs", "report", str(run)).exit_code == 0
    assert "made again" not in (here / again["report"]).read_text()


@pytest.mark.parametrize("name", ["search-decoder-lm", "search-nb201"])
def test_the_shipped_recipes_are_sound(name):
    from pathlib import Path

    from gnomon.search import spaces
    from gnomon.search.recipe import read_search

    recipe = read_search(Path(__file__).parents[2] / "recipes" / f"{name}.toml", {}, [])
    space = spaces.get(recipe.space.name, **recipe.space.options)
    assert space.size > 50
    assert recipe.search.budget >= recipe.search.population * recipe.search.looks_or_default()[0]


@pytest.mark.parametrize("comparator", ["mannwhitney", "wilcoxon"])
@pytest.mark.parametrize("repeats", [5, 6, 7, 8, 9, 10, 12, 20, 33])
def test_the_looks_of_a_search_end_with_its_repeats_and_can_each_decide(comparator, repeats):
    from gnomon.search.recipe import SearchSettings
    from gnomon.stats import order

    settings = SearchSettings(ranker="snip", comparator=comparator, repeats=repeats)
    looks = settings.looks_or_default()
    assert looks[-1] == repeats
    assert len(looks) == 3 or repeats < 10
    zero = np.zeros(repeats)  # raises where a look could never decide
    order.sequential(zero, zero, looks=looks, paired=comparator == "wilcoxon")
    assert SearchSettings(ranker="snip", looks=(5, 10)).looks_or_default() == (5, 10)


def test_space_options_and_a_table_together(gnomon, here):
    lines = ["net,v,s"]
    for place, arch in enumerate((A, B, C)):
        lines += [f'"{arch}",{v},{place + v / 100}' for v in range(5)]
    (here / "t.csv").write_text("\n".join(lines) + "\n")
    result = answer(
        gnomon(
            "search", "run", *TINY, "--set", "widths=[2,3,4]", "--table", "t.csv", "--arch", "net", "--repeat", "v",
            "--ranker", "s", "--repeats", "5", "--method", "random", "--budget", "15", "--json",
        )
    )  # fmt: skip
    assert result["winner"] == C
    assert result["indistinguishable"] == [C]
    assert result["parameters"]["largest"] == B


# -- mistakes --------------------------------------------------------------------------------------------------------

TABLE = ("search", "run", "--table", "scores.csv", "--arch", "net", "--repeat", "v", "--ranker", "good")


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (("search", "score", "--space", "nb2o1", "--sample", "2", "--ranker", "snip"), ["'nb2o1'", "did you mean 'nb201'"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snap"), ["'snap'", "snip"]),
        (("search", "score", *TINY, "--ranker", "snip"), ["--arch", "--sample"]),
        (("search", "score", *TINY, "--sample", "2", "--arch", A, "--ranker", "snip"), ["Either"]),
        (("search", "score", *TINY, "--arch", "width=7", "--ranker", "snip"), ["width = '7' is not one of 2, 3, 4"]),
        (("search", "score", *TINY, "--sample", "13", "--ranker", "snip"), ["13 different", "only 12"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--repeats", "0"), ["repeats = 0"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--vary", "x"), ["'x'", "'init', 'batch' or 'both'"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--data", "tokens"), ["'tokens'", "'digits'"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--batch-size", "1"), ["batch_size = 1", "at least 2"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--batch-size", "9999"), ["9999", "1797"]),
        (("search", "score", *TINY, "--set", "wide=3", "--sample", "2", "--ranker", "snip"), ["'wide'", "'widths'"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--resume"), ["--resume needs --out"]),
        (("search", "score", *TINY, "--sample", "2", "--ranker", "snip", "--out", "x", "--resume"), ["There is no run 'x'"]),
        (("search", "variation", "score.csv", "--arch", "net", "--score", "good"), ["score.csv", "scores.csv"]),
        (("search", "variation", "scores.csv", "--arch", "ne", "--score", "good"), ["'ne'", "'net'"]),
        (("search", "variation", "scores.csv", "--arch", "net", "--score", "god"), ["'god'", "'good'"]),
        (("search", "variation", "scores.csv", "--arch", "net", "--score", "good", "--where", "group=y"), ["group = 'y'", "'x'"]),
        (("search", "variation", "scores.csv", "--arch", "net", "--score", "good", "--where", "group"), ["--where group", "column=value"]),
        (("search", "table", "scores.csv", "--arch", "net", "--target", "acc", "--score", "good"), ["more than once", "--where"]),
        (("search", "compare", "scores.csv", "a", "z", "--arch", "net", "--score", "good"), ["'z'", "'a'"]),
        (("search", "compare", "scores.csv", "a", "b", "--arch", "net", "--score", "good", "--alpha", "0.7"), ["alpha = 0.7"]),
        ((*TABLE, "--method", "annealing"), ["search.method", "'annealing'", "racing"]),
        ((*TABLE, "--comparator", "ttest"), ["search.comparator", "'ttest'", "wilcoxon"]),
        ((*TABLE, "--repeats", "3", "--method", "random"), ["at least 4 repeats"]),
        ((*TABLE, "--repeats", "12", "--method", "random"), ["repeat", "10"]),
        ((*TABLE, "--budget", "9", "--method", "random"), ["budget = 9", "repeats = 10"]),
        ((*TABLE, "--method", "rea"), ["needs a space"]),
        (("search", "run", "--ranker", "snip"), ["space", "table"]),
        (("search", "run", *TINY, "--ranker", "snip", "--set", "search.population=3"), ["tournament = 5", "population = 3"]),
        (("search", "run", *TINY, "--arch", "net", "--ranker", "snip"), ["table.file is missing"]),
        ((*TABLE, "--set", "train.steps=100"), ["train", "no table"]),
        (("search", "run", "nowhere.toml"), ["'nowhere.toml' does not exist"]),
        (("search", "report", "nowhere"), ["There is no run 'nowhere'"]),
        (("search", "export", "nowhere", "--to", "m"), ["There is no run 'nowhere'"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_leaves_nothing(gnomon, here, scores, command, parts):
    before = sorted(here.rglob("*"))
    refused(gnomon(*command, "--json"), here, before, *parts)


def test_an_unfinished_run_has_no_report(gnomon, here):
    from gnomon.runs import Run

    Run.create(here / "r", kind="search-run", name="r", settings={"seed": 0}, seed=0).mark("interrupted")
    Run.create(here / "p", kind="posttrain", name="p", settings={"seed": 0}, seed=0).finish({})
    before = sorted(here.rglob("*"))
    refused(gnomon("search", "report", "r"), here, before, "is interrupted", "--resume")
    refused(gnomon("search", "report", "p"), here, before, "of kind 'posttrain'")
