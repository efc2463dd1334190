"""`gnomon dynamics fit|compare|train` as a person types it, and that a mistake is one sentence that leaves nothing."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(result):
    """The one JSON document of a command."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(result, here, before, *parts):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    message = result.stderr.strip()
    for part in parts:
        assert part in message
    assert sorted(here.rglob("*")) == before
    return message


# -- fit and compare -----------------------------------------------------------------------------------------------

CURVE_KEYS = {
    "source", "metric", "x", "compat", "verdict", "t_d", "L_d", "r_d", "L_T_hat", "L_T", "T", "params", "se", "rsle",
    "n_raw", "n_used", "dropped", "flags", "selection",
}  # fmt: skip
ESTIMATE_KEYS = {"value", "low", "high", "level", "n", "method"}
FAST = ("--bootstrap", "50")


def broken(T=6000, t_d=700, r_d=0.03, L_d=3.0, c0=0.2, noise=0.01, seed=0):
    """Steps 1..T and a loss that decelerates at t_d."""
    x = np.arange(1, T + 1)
    f = 0.2
    log_y = np.log(L_d) - c0 * np.log(x / t_d) + (c0 - r_d) * f * np.logaddexp(0, np.log(x / t_d) / f)
    return x, np.exp(log_y + np.random.default_rng(seed).normal(0, noise, T))


def curve_file(path, x, loss, columns=("step", "loss")):
    pl.DataFrame({columns[0]: x, columns[1]: loss}).write_csv(path)
    return path


@pytest.fixture
def log(here):
    return curve_file("log.csv", *broken())


def test_a_fit_prints_the_documented_keys_and_nothing_else(log, gnomon, here):
    document = answer(gnomon("dynamics", "fit", log, "--json", "--no-run", *FAST))
    assert set(document) == {"curves", "run"}
    assert document["run"] is None
    (curve,) = document["curves"]
    assert curve.keys() >= CURVE_KEYS
    assert (curve["source"], curve["metric"], curve["x"], curve["compat"]) == ("log.csv", "loss", "step", None)
    assert curve["verdict"] == "deceleration"
    for name in ("t_d", "L_d", "r_d", "L_T_hat"):
        assert curve[name].keys() >= ESTIMATE_KEYS
        assert curve[name]["low"] < curve[name]["value"] < curve[name]["high"]
    assert curve["t_d"]["low"] < 700 < curve["t_d"]["high"]
    assert curve["params"].keys() >= {"b", "c0", "c1", "log_d1", "f1"}
    assert curve["dropped"].keys() >= {"nonfinite", "repeated", "nonpositive_step", "transient"}
    assert "bic" in curve["selection"]
    assert list(here.iterdir()) == [here / "log.csv"]


def test_a_fit_keeps_a_run_that_reports_again(log, gnomon, here):
    curve_file("other log.csv", *broken(seed=1, L_d=2.5))
    document = answer(
        gnomon("dynamics", "fit", log, "other log.csv", "--json", "--out", "kept", *FAST, "--plot", "f.svg")
    )
    assert [curve["source"] for curve in document["curves"]] == ["log.csv", "other log.csv"]
    run = Path(document["run"])
    assert run.parent == Path("kept")
    assert run.name.startswith("fit-log-")
    names = {path.name for path in run.iterdir()}
    assert names >= {"recipe.toml", "metrics.jsonl", "fit.json", "figure.svg", "report.html", "summary.json"}
    assert json.loads((run / "fit.json").read_text())["curves"] == document["curves"]
    assert Path("f.svg").read_text().startswith("<?xml")
    page = (run / "report.html").read_text()
    (run / "report.html").unlink()
    assert gnomon("runs", "report", str(run)).exit_code == 0
    assert (run / "report.html").read_text() == page
    listed = json.loads(gnomon("runs", "list", "--root", "kept", "--json").stdout)["runs"]
    assert [(row["kind"], row["state"]) for row in listed] == [("dynamics-fit", "finished")]
    assert "deceleration" in gnomon("runs", "show", str(run)).stdout


def test_by_default_runs_stand_below_runs(log, gnomon, here):
    document = answer(gnomon("dynamics", "fit", log, "--json", "--bootstrap", "0"))
    assert Path(document["run"]).parent == Path("runs")
    estimate = document["curves"][0]["t_d"]
    assert estimate["value"] == pytest.approx(700, rel=0.2)
    assert (estimate["low"], estimate["high"]) == (None, None)


def test_without_json_a_table_with_intervals_and_flags_in_words(log, gnomon, here):
    arguments = ("dynamics", "fit", log, "--no-run", *FAST, "--warmup", "600")
    curve = answer(gnomon(*arguments, "--json"))["curves"][0]
    assert "near_warmup" in [flag["code"] for flag in curve["flags"]]
    out = gnomon(*arguments).stdout
    t_d = curve["t_d"]
    assert f"{t_d['value']:,.0f} [{t_d['low']:,.0f}, {t_d['high']:,.0f}]" in out
    assert curve["flags"][0]["message"] in out
    assert "deceleration" in out


def test_what_is_not_there_is_said(gnomon, here):
    """A pure power law: verdict none, exit 0, nulls, and a table without figures of a break."""
    x = np.arange(1, 5001)
    loss = 9 * x**-0.1 * np.exp(np.random.default_rng(0).normal(0, 0.01, 5000))
    curve_file("law.csv", x, loss)
    document = answer(gnomon("dynamics", "fit", "law.csv", "--json", *FAST, "--plot", "law.png"))
    curve = document["curves"][0]
    assert curve["verdict"] == "none"
    assert [curve[name] for name in ("t_d", "L_d", "r_d", "L_T_hat")] == [None] * 4
    assert (Path(document["run"]) / "report.html").exists()
    assert "No deceleration is found" in gnomon("dynamics", "fit", "law.csv", "--no-run", *FAST).stdout
    curve_file("log.csv", *broken())
    compared = gnomon("dynamics", "compare", "law.csv", "log.csv", "--json", *FAST)
    assert answer(compared)["attribution"] is None
    assert "needs a break in both" in gnomon("dynamics", "compare", "law.csv", "log.csv", "--no-run", *FAST).stdout


def test_a_break_that_is_not_sure_says_why(gnomon, here):
    """The curve ends 2.5 t_d after its start: uncertain, with the reason; and with two breaks asked for, an answer."""
    curve_file("short.csv", *broken(T=1750))
    arguments = ("dynamics", "fit", "short.csv", *FAST)
    assert answer(gnomon(*arguments, "--json", "--no-run"))["curves"][0]["verdict"] == "uncertain"
    out = gnomon(*arguments, "--no-run").stdout
    assert "may decelerate" in out
    assert "times as far as the break, and 3 times are asked for" in out
    two = answer(gnomon(*arguments, "--json", "--breaks", "2"))
    assert "Two breaks were fitted." in (Path(two["run"]) / "report.html").read_text()
    x = np.arange(1, 3001)
    curve_file("law.csv", x, 9 * x**-0.1 * np.exp(np.random.default_rng(4).normal(0, 0.02, 3000)))
    forced = gnomon("dynamics", "fit", "law.csv", "--bootstrap", "20", "--no-run", "--breaks", "1").stdout
    assert "by BIC a break loses" in forced


def test_a_comparison_adds_up_and_keeps_a_run(log, gnomon, here):
    curve_file("b.csv", *broken(L_d=2.4, r_d=0.05, seed=2))
    arguments = ("dynamics", "compare", log, "b.csv", "--bootstrap", "100", "--out", "kept")
    document = answer(gnomon(*arguments, "--json", "--plot", "c.svg"))
    assert set(document) == {"a", "b", "attribution", "run"}
    assert document["a"].keys() >= CURVE_KEYS
    attribution = document["attribution"]
    assert set(attribution["terms"]) == {"L_d", "r_d", "t_d", "T"}
    whole = attribution["delta_log_L_T_hat"]
    assert sum(term["value"] for term in attribution["terms"].values()) == pytest.approx(whole["value"], abs=1e-12)
    logs = [math.log(document[name]["L_T_hat"]["value"]) for name in "ab"]
    assert whole["value"] == pytest.approx(logs[1] - logs[0], abs=1e-12)
    assert whole["low"] < whole["value"] < whole["high"] < 0
    assert attribution["terms"]["L_d"]["value"] == pytest.approx(math.log(2.4 / 3.0), abs=0.05)
    run = Path(document["run"])
    assert run.name.startswith("compare-log-b-")
    page = (run / "report.html").read_text()
    share = attribution["terms"]["L_d"]["value"] / whole["value"]
    assert f"{share:.0%} is a lower loss at the break" in page
    assert f"{share:.0%} is a lower loss at the break" in gnomon(*arguments).stdout
    assert Path("c.svg").exists()


def test_the_published_table_by_command(gnomon, here):
    """Five published curves: t_d equal, the rest within 1e-4, standard errors within 1e-3."""
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "zsl"
    if not folder.is_dir():
        pytest.skip("the published curves (zsl) are not in GNOMON_DATA_DIR")
    expected = json.loads((folder / "expected.json").read_text())
    sources = [str(folder / f"{name}.csv") for name in expected]
    done = gnomon("dynamics", "fit", *sources, "--compat", "paper", "--smooth", "none", "--json", "--no-run")
    for curve, published in zip(answer(done)["curves"], expected.values(), strict=True):
        assert curve["compat"] == "paper"
        assert curve["t_d"]["value"] == published["t_d"]
        assert curve["t_d"]["low"] is None
        for name in ("L_d", "r_d", "L_T_hat"):
            assert curve[name]["value"] == pytest.approx(published[name], rel=1e-4)
        for name in ("b", "c0", "c1", "log_d1", "f1"):
            assert curve["params"][name] == pytest.approx(published[name], rel=1e-4)
            assert curve["se"][name] == pytest.approx(published["se"][name], rel=1e-3)
        for name in ("rsle", "L_T", "T"):
            assert curve[name] == pytest.approx(published[name], rel=1e-4)
    shown = gnomon("dynamics", "fit", sources[0], "--compat", "paper", "--smooth", "none", "--no-run").stdout
    assert "5,877" in shown
    assert "4.05" in shown


def test_the_options_reach_the_fit(gnomon, here):
    x, loss = broken()
    pl.DataFrame({"tokens": x * 512, "eval/loss": loss, "train/loss": loss * 0.9}).write_csv("t.csv")
    arguments = ("dynamics", "fit", "t.csv", "--metric", "train/loss", "--x", "tokens", "--json", "--no-run")
    whole = answer(gnomon(*arguments, "--tokens-per-step", "512", "--bootstrap", "0"))["curves"][0]
    assert (whole["T"], whole["metric"], whole["x"]) == (6000, "train/loss", "tokens")
    cut = answer(gnomon(*arguments, "--tokens-per-step", "512", "--bootstrap", "0", "--until", str(512 * 3000)))
    assert cut["curves"][0]["T"] == 3000
    skipped = answer(gnomon(*arguments, "--tokens-per-step", "512", "--bootstrap", "0", "--skip", "1000"))
    assert skipped["curves"][0]["dropped"]["transient"] > whole["dropped"]["transient"]
    none = answer(gnomon(*arguments, "--tokens-per-step", "512", "--bootstrap", "0", "--breaks", "0"))
    assert none["curves"][0]["verdict"] == "none"
    intervals = [
        answer(gnomon(*arguments, "--bootstrap", "40", "--level", level, "--seed", seed))["curves"][0]["r_d"]
        for level, seed in (("0.9", "0"), ("0.5", "0"), ("0.9", "1"), ("0.9", "0"))
    ]
    assert [interval["level"] for interval in intervals] == [0.9, 0.5, 0.9, 0.9]
    assert intervals[0]["high"] - intervals[0]["low"] > intervals[1]["high"] - intervals[1]["low"]
    assert intervals[0] != intervals[2]
    assert intervals[0] == intervals[3]


x_, y_ = broken(300)
LOSSES = "\n".join(f"{a},{b}" for a, b in zip(x_, y_, strict=True))
CURVE_MISTAKES = {
    "no such file": (None, ["bad.csv", "no such file"]),
    "empty": ("", ["bad.csv", "empty"]),
    "header only": ("step,loss\n", ["bad.csv", "no row"]),
    "binary": (b"\x00\xff\xfe\x01" * 50, ["bad.csv", "binary"]),
    "no loss column": (f"step,value\n{LOSSES}", ["bad.csv", "'value'", "--metric"]),
    "several loss columns": ("step,a_loss,b_loss\n1,2,3\n", ["bad.csv", "'a_loss', 'b_loss'", "--metric"]),
    "no step column": (f"when,loss\n{LOSSES}", ["bad.csv", "'when'", "--x"]),
    "all words": ("step,loss\n" + "\n".join(f"{i},x" for i in range(1, 100)), ["bad.csv", "30"]),
    "all NaN": ("step,loss\n" + "\n".join(f"{i},nan" for i in range(1, 100)), ["bad.csv", "30"]),
    "29 points": ("step,loss\n" + "\n".join(f"{i},{9 / i}" for i in range(1, 30)), ["30"]),
    "a loss of zero": (f"step,loss\n{LOSSES}\n301,0\n", ["bad.csv", "must be positive", "301"]),
    "a negative loss": (f"step,loss\n0,-1\n{LOSSES}", ["bad.csv", "must be positive", "row 1"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["fit", "compare", "compat"])
@pytest.mark.parametrize("name", CURVE_MISTAKES)
def test_a_mistaken_log_is_refused(name, kind, log, gnomon, here):
    content, parts = CURVE_MISTAKES[name]
    if content is not None:
        Path("bad.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(here.rglob("*"))
    arguments = {
        "fit": ("fit", log, "bad.csv"),
        "compare": ("compare", log, "bad.csv"),
        "compat": ("fit", "bad.csv", "--compat", "paper"),
    }[kind]
    result = gnomon("dynamics", *arguments, "--bootstrap", "0", "--plot", "x.svg")
    message = refused(result, here, before, *parts)
    assert len(message.splitlines()) == 1


def test_a_line_of_json_that_does_not_parse_is_named(gnomon, here):
    Path("bad.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss"\n')
    refused(gnomon("dynamics", "fit", "bad.jsonl"), here, [here / "bad.jsonl"], "bad.jsonl:2", "JSON")


@pytest.mark.parametrize("kind", ["fit", "compare"])
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--metric", "accuracy"), ["accuracy", "'step', 'loss'", "--metric"]),
        (("--x", "time"), ["time", "'step', 'loss'", "--x"]),
        (("--tokens-per-step", "0"), ["--tokens-per-step = 0", "above 0"]),
        (("--tokens-per-step", "-2"), ["--tokens-per-step = -2", "above 0"]),
        (("--tokens-per-step", "nan"), ["--tokens-per-step = nan", "above 0"]),
        (("--bootstrap", "-1"), ["--bootstrap -1", "from 0 up"]),
        (("--skip", "-1"), ["--skip -1", "from 0 up"]),
        (("--warmup", "-1"), ["--warmup -1", "from 0 up"]),
        (("--until", "0"), ["--until 0", "above 0"]),
        (("--compat", "papers"), ["--compat papers", "'paper'"]),
        (("--smooth", "mean"), ["--smooth mean", "'auto', 'paper' or 'none'"]),
        (("--breaks", "3"), ["--breaks 3", "'auto', 0, 1 or 2"]),
        (("--level", "95"), ["--level 95", "between 0 and 1"]),
        (("--seed", "-1"), ["--seed -1", "from 0 up"]),
        (("--start", "0", "--compat", "paper"), ["--start 0", "above 0"]),
        (("--start", "400"), ["--start", "--compat paper"]),
        (("--plot", "x.pdf"), ["--plot x.pdf", ".svg or .png"]),
        (("--plot", "no/x.svg"), ["--plot no/x.svg", "no folder"]),
        (("--out", "log.csv"), ["--out log.csv", "folder"]),
        (("--skip", "5990"), ["30"]),
        (("--until", "20"), ["30"]),
    ],
)  # fmt: skip
def test_a_mistaken_option_is_refused(arguments, parts, kind, log, gnomon, here):
    sources = (log,) if kind == "fit" else (log, log)
    refused(gnomon("dynamics", kind, *sources, *arguments), here, [here / "log.csv"], *parts)


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(lambda x: np.full(len(x), 2.5), id="constant"),
        pytest.param(lambda x: 1 + 0.001 * x, id="rising"),
        pytest.param(lambda x: 9 * x**-0.1, id="noiseless power law"),
    ],
)
def test_a_curve_without_a_break_is_an_answer(loss, gnomon, here):
    x = np.arange(1, 1001)
    curve_file("c.csv", x, loss(x))
    document = answer(gnomon("dynamics", "fit", "c.csv", "--json", "--bootstrap", "20", "--plot", "c.svg"))
    assert document["curves"][0]["verdict"] == "none"
    assert (Path(document["run"]) / "report.html").exists()


def test_a_log_with_gaps_and_repeats_is_counted_flagged_and_fitted(gnomon, here):
    x, loss = broken()
    rows = [f"{a},{b}" for a, b in zip(x, loss, strict=True)]
    rows[100], rows[200], rows[300] = "101,nan", "201,", "301,inf"
    rows = [*rows[3000:], "0,4.0", *rows[:3000], *rows[1000:1010]]
    Path("messy.csv").write_text("step,loss\n" + "\n".join(rows) + "\n")
    curve = answer(gnomon("dynamics", "fit", "messy.csv", "--json", "--no-run", "--bootstrap", "0"))["curves"][0]
    dropped = curve["dropped"]
    assert (dropped["nonfinite"], dropped["repeated"], dropped["nonpositive_step"]) == (3, 10, 1)
    assert {"nonfinite_dropped", "repeated_steps", "unsorted"} <= {flag["code"] for flag in curve["flags"]}
    assert curve["verdict"] == "deceleration"
    assert curve["n_raw"] == 6011


# -- train ---------------------------------------------------------------------------------------------------------

RECIPE = """
name = "tiny"
[data]
context = 16
[model]
layers = 1
width = 16
heads = 2
[train]
steps = 60
batch_size = 4
warmup = 5
[probe]
sequences = 8
gradients = "exact"
"""


@pytest.mark.slow
def test_training_by_command(gnomon, here):
    Path("tiny.toml").write_text(RECIPE)
    document = answer(gnomon("dynamics", "train", "tiny.toml", "--json", "--out", "kept", "--plot", "t.png"))
    assert document.keys() >= {"run", "fit", "probe"}
    assert document["fit"].keys() >= CURVE_KEYS - {"source", "metric", "x"}
    events = document["probe"]
    assert {"step", "kind", "split", "unit", "n", "D", "M", "mean", "D_null", "A", "z"} <= events[0].keys()
    assert [event["step"] for event in events if event.get("from")] == [2, 4, 8, 16, 32, 60]
    run = Path(document["run"])
    assert run.parent == Path("kept")
    assert (run / "report.html").exists()
    assert Path("t.png").exists()
    refit = answer(gnomon("dynamics", "fit", str(run), "--json", "--no-run", "--bootstrap", "0"))["curves"][0]
    assert refit["T"] == 60
    assert refit["verdict"] == document["fit"]["verdict"]
    before = sorted(here.rglob("*"))
    shown = gnomon("dynamics", "train", "tiny.toml", "--no-run", "--set", "probe.gradients=off")
    assert shown.exit_code == 0
    assert "held-out loss per token" in shown.stdout
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "arguments", "parts"),
    [
        (RECIPE.replace("steps =", "step ="), (), ["tiny.toml:10", "train.step", "'steps'"]),
        (RECIPE, ("--set", "probe.unit=word"), ["--set probe.unit", "'token'"]),
        (None, (), ["tiny.toml", "does not exist"]),
        (RECIPE, ("--no-run", "--resume", "runs/a"), ["--no-run", "--resume"]),
        (RECIPE, ("--resume", "runs/a"), ["There is no run 'runs/a'"]),
        (RECIPE, ("--plot", "x.jpg"), ["--plot x.jpg"]),
        (RECIPE, ("--set", "data.text=absent.txt"), ["absent.txt"]),
    ],
)
def test_a_mistaken_training_is_refused(text, arguments, parts, gnomon, here):
    if text is not None:
        Path("tiny.toml").write_text(text)
    before = sorted(here.rglob("*"))
    refused(gnomon("dynamics", "train", "tiny.toml", *arguments), here, before, *parts)


# -- help ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["fit", "compare", "probe", "train"])
def test_help_shows_an_example_of_the_command_and_of_each_option(command, gnomon):
    from typer.main import get_command

    from gnomon.cli import build

    assert f"Example: gnomon dynamics {command} " in " ".join(gnomon("dynamics", command, "--help").stdout.split())
    options = get_command(build()).commands["dynamics"].commands[command].params
    for option in options:
        if option.param_type_name == "option" and option.name != "help":
            assert any(name in option.help for name in option.opts), option.opts


def test_usage_errors_of_the_command_line_exit_with_two(gnomon, here):
    for arguments in (("fit",), ("compare", "a.csv"), ("fit", "a.csv", "--no-such"), ("fit", "a.csv", "--skip", "x")):
        assert gnomon("dynamics", *arguments).exit_code == 2


def test_help_and_the_fit_of_a_log_import_nothing_that_they_do_not_need(log):
    """In a fresh interpreter: help needs no numerics at all, and a fit no torch."""
    heavy = "('torch', 'scipy', 'polars', 'matplotlib', 'transformers')"
    script = (
        "import sys\n"
        "from gnomon.cli import build\n"
        "try: build()(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)\n"
    )

    def imported(*arguments):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
        return done.stderr.strip().splitlines()[-1]

    assert imported("dynamics", "fit", "--help") == "[]"
    assert "torch" not in imported("dynamics", "fit", log, "--no-run", "--json", "--bootstrap", "10")
