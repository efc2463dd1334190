"""Two groups of finished runs compared in one figure: by function, by command, and what is refused."""

import json

import pytest

from gnomon.errors import UserError
from gnomon.posttrain.over_seeds import compare_groups, figures_of
from gnomon.runs import Run, open_run
from gnomon.stats import order

NEW = [0.75, 0.74, 0.78, 0.71, 0.77, 0.76]
OLD = [0.70, 0.69, 0.72, 0.73, 0.68, 0.66]


def summary(value):
    accuracy = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 20, "method": "wilson"}
    return {"task": "x", "good": True, "seed": None, "accuracy": accuracy, "test": {"loss": 1 - value, "rows": [1, 2]}}


def make(folder, seed, figures, kind="posttrain", settings=None):
    run = Run.create(folder, kind=kind, name="x", settings={"seed": seed} if settings is None else settings, seed=0)
    if figures is not None:
        run.finish(figures)
    else:
        run.mark("interrupted")
    return run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two recipes over six seeds, in folders `new0` ... `old5`."""
    folder = tmp_path_factory.mktemp("groups")
    for name, values in (("new", NEW), ("old", OLD)):
        for seed, value in enumerate(values):
            make(folder / f"{name}{seed}", seed, summary(value))
    return folder


def group(root, name, seeds=range(6)):
    return [open_run(root / f"{name}{seed}") for seed in seeds]


def test_the_figures_of_a_summary():
    assert figures_of(summary(0.75)) == {"accuracy": 0.75, "test.loss": 0.25}
    undefined = {"accuracy": {"value": None, "low": None, "high": None}, "steps": 3, "deep": {"er": {"n": 1.5}}}
    assert figures_of(undefined) == {"accuracy": None, "steps": 3, "deep.er.n": 1.5}


def test_two_groups_are_compared_as_the_numbers_are(root):
    result = compare_groups(group(root, "new"), group(root, "old"), figure="accuracy")
    assert [row["value"] for row in result["a"]] == NEW
    assert [row["seed"] for row in result["b"]] == list(range(6))
    assert result["a"][2]["run"] == str(root / "new2")
    plain = order.compare(NEW, OLD).to_dict()
    assert {key: result[key] for key in plain} == plain
    assert result["decision"] == "greater"
    assert result["shift"] == order.shift(NEW, OLD).to_dict()
    lower = compare_groups(group(root, "new"), group(root, "old"), figure="test.loss", alpha=0.02)
    assert (lower["decision"], lower["alpha"]) == ("less", 0.02)


def test_pairs_are_made_by_seed_whatever_the_order(root):
    result = compare_groups(
        group(root, "new", (4, 0, 2, 1, 3)), group(root, "old", range(5)), figure="accuracy", paired=True
    )
    assert [row["seed"] for row in result["a"]] == [row["seed"] for row in result["b"]] == [0, 1, 2, 3, 4]
    plain = order.compare(NEW[:5], OLD[:5], paired=True).to_dict()
    assert {key: result[key] for key in plain} == plain
    assert (result["method"], result["n_x"]) == ("wilcoxon", 5)
    assert result["shift"] == order.shift(NEW[:5], OLD[:5], paired=True).to_dict()


def test_one_shared_figure_is_found_and_any_kind_of_run_will_do(tmp_path):
    for i in range(4):
        make(
            tmp_path / f"a{i}", i, {"loss": {"value": 1.0 + i, "low": 0, "high": 9}, "steps": 3}, kind="dynamics-train"
        )
        make(tmp_path / f"b{i}", i, {"loss": 11.0 + i, "samples": 3}, kind="search-run")
    found = compare_groups(group(tmp_path, "a", range(4)), group(tmp_path, "b", range(4)))
    assert (found["figure"], found["decision"]) == ("loss", "less")


def test_the_command_says_who_is_better(root, gnomon, monkeypatch):
    monkeypatch.chdir(root)
    new, old = [f"new{i}" for i in range(6)], [f"old{i}" for i in range(6)]
    said = gnomon("runs", "compare", *new, "--against", *old, "--figure", "accuracy").stdout
    assert "A: 0.75, 0.74" in said
    assert "A is better: its accuracy is larger, p = 0.00433" in said
    assert "Not at every value" not in said
    assert "A minus B: +0.055 [+0.02, +0.09]" in said
    assert "A is larger in 94% of all pairs [62%, 99%]" in said
    lower = gnomon("runs", "compare", *new, "--figure", "test.loss", "--lower", "--against", *old).stdout
    assert "A is better: its test.loss is smaller" in lower
    assert (
        "B is better: its test.loss is larger"
        in gnomon("runs", "compare", *new, "--against", *old, "--figure", "test.loss").stdout
    )
    many = gnomon(
        "runs", "compare", *new[:4], "--against", "old0", "new4", "--against=old3", "new5", "--figure", "accuracy"
    )
    assert "cannot be told apart in accuracy at 4 runs against 4" in many.stdout
    assert "seeds of each (power 0.8)" in many.stdout
    pairs = gnomon(
        "runs", "compare", *new, "--figure", "accuracy", "--against", *old, "--paired", "--alpha", "0.016"
    ).stdout
    assert "cannot be told apart in accuracy at 6 pairs" in pairs
    assert "power" not in pairs


def test_the_command_prints_one_json_object(root, gnomon, monkeypatch):
    monkeypatch.chdir(root)
    said = gnomon("runs", "compare", *[f"new{i}" for i in range(6)], "--against", *[f"old{i}" for i in range(6)],
                  "--figure", "accuracy", "--paired", "--alpha", "0.04", "--json").stdout  # fmt: skip
    result = json.loads(said)
    assert {
        "figure",
        "a",
        "b",
        "decision",
        "p_greater",
        "superiority",
        "cliffs_delta",
        "crossing",
        "shift",
    } <= result.keys()
    assert (result["alpha"], result["paired"], result["figure"]) == (0.04, True, "accuracy")
    assert result["shift"]["low"] < result["shift"]["value"] < result["shift"]["high"]


REFUSED = {
    "too few seeds": (("new0 new1 new2", "old0 old1 old2", "--figure accuracy"), "3 runs against 3 can never.*at least 4 seeds"),
    "too few pairs": (("new0 new1 new2 new3", "old0 old1 old2 old3", "--figure accuracy --paired"), "4 pairs of runs.*5 seeds"),
    "no figure": (("new0 new1", "old0 old1", ""), "--figure is needed.*accuracy, test.loss"),
    "unknown figure": (("new0", "old0", "--figure acuracy"), "acuracy.*did you mean 'accuracy'.*accuracy, test.loss"),
    "a part of an estimate": (("new0", "old0", "--figure accuracy.low"), "accuracy.low"),
    "figure of some": (("new0", "other", "--figure test.loss"), "'other' has no such number.*accuracy"),
    "undefined figure": (("new0", "undefined", "--figure accuracy"), "'undefined': accuracy is undefined"),
    "unfinished": (("new0", "unfinished", "--figure accuracy"), "'unfinished' is interrupted.*finished runs"),
    "absent": (("new0", "absent", "--figure accuracy"), "There is no run 'absent'"),
    "seed without partner": (("new0 new1", "old0 old2", "--figure accuracy --paired"), "'new1' with seed 1 has no partner"),
    "one seed twice": (("new0 again", "old0 old1", "--figure accuracy --paired"), "'new0' and 'again'.*seed 0"),
    "no seed": (("new0 seedless", "old0 old1", "--figure accuracy --paired"), "'seedless' has no setting 'seed'"),
    "twice": (("new0 new1", "old0 ./new0", "--figure accuracy"), "new0' stands twice"),
    "alpha": (("new0 new1", "old0 old1", "--figure accuracy --alpha 0.5"), "alpha = 0.5"),
    "nothing against": (("new0", "", "--figure accuracy"), "There is no run '--figure'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, root, gnomon, monkeypatch):
    monkeypatch.chdir(root)
    for folder, seed, figures, settings in (
        ("other", 0, {"accuracy": 0.5}, None),
        ("undefined", 0, {"accuracy": {"value": None, "low": None, "high": None}}, None),
        ("unfinished", 0, None, None),
        ("again", 0, summary(0.7), None),
        ("seedless", 0, summary(0.7), {"name": "x"}),
    ):
        if not (root / folder).exists():
            make(root / folder, seed, figures, settings=settings)
    (runs, against, options), sentence = REFUSED[name]
    arguments = ("runs", "compare", *runs.split(), "--against", *against.split(), *options.split())
    said = gnomon(*arguments)
    assert said.exit_code == 2
    assert said.stdout == ""
    assert "\n" not in said.stderr.strip()
    with pytest.raises(UserError, match=sentence):
        raise UserError(said.stderr)


def test_options_of_groups_need_a_second_group(root, gnomon, monkeypatch):
    monkeypatch.chdir(root)
    for options in (("--figure", "accuracy"), ("--paired",), ("--lower",), ("--alpha", "0")):
        said = gnomon("runs", "compare", "new0", "old0", *options)
        assert said.exit_code == 2
        assert f"{options[0]} compares two groups" in said.stderr
    assert gnomon("runs", "compare", "new0", "--against").exit_code == 2
