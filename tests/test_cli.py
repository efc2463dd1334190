"""The command line: what a stranger types, right and wrong. A mistake is one sentence, exit code 2, nothing left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import TEXT


def command(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "gnomon", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished tiny run, made by the command, and what it printed."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.toml").write_text(TEXT)
    done = command("posttrain", "run", "tiny.toml", "--out", "runs/a", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_recipe_by_command_prints_one_json_object(finished):
    folder, done = finished
    summary = json.loads(done.stdout)
    assert summary["run"] == "runs/a"
    assert summary["improvement"]["n"] == 20
    assert "post-training: 12/12" in done.stderr
    assert json.loads((folder / "runs" / "a" / "summary.json").read_text())["steps"] == 12


def test_looking_at_runs(finished, gnomon, monkeypatch):
    folder, _ = finished
    monkeypatch.chdir(folder)
    listed = json.loads(gnomon("runs", "list", "--json").stdout)["runs"]
    assert [(row["id"], row["state"]) for row in listed] == [("a", "finished")]
    shown = json.loads(gnomon("runs", "show", "a", "--json").stdout)
    assert shown["environment"]["seed"] == 0
    assert shown["summary"]["steps"] == 12
    assert "improvement" in gnomon("runs", "show", "a").stdout
    compared = json.loads(gnomon("runs", "compare", "a", "a", "--json").stdout)["comparisons"]
    assert compared[0]["difference"]["value"] == 0.0
    rescored = json.loads(gnomon("runs", "rescore", "a", "--json").stdout)
    assert rescored["checked"] > 150
    assert rescored["differences"] == []
    (folder / "runs" / "a" / "report.html").unlink()
    assert gnomon("runs", "report", "a").stdout.strip().endswith("report.html")
    assert (folder / "runs" / "a" / "report.html").exists()


def test_evaluating_and_sampling_a_run(finished, gnomon, monkeypatch):
    folder, done = finished
    monkeypatch.chdir(folder)
    settings = ("--set", "digits=[1,1]", "--set", "n_validation=20", "--set", "n_test=20")
    result = json.loads(
        gnomon("evaluate", "runs/a", "--task", "multiply", *settings, "--max-tokens", "4", "--json").stdout
    )
    assert set(result) == {"task", "n", "accuracy", "sampled_accuracy", "seed"}
    assert result["n"] == 20
    assert result["accuracy"]["value"] == json.loads(done.stdout)["accuracy_after"]["value"]
    assert result["accuracy"]["method"] == "wilson"
    drawn = json.loads(gnomon("sample", "runs/a", "--prompt", "12*3=", "--n", "3", "--json").stdout)["samples"]
    assert len(drawn) == 3
    assert all(row["log_prob"] <= 0 for row in drawn)
    assert gnomon("sample", "runs/a", "--prompt", "12*3=", "--temperature", "0").exit_code == 0


def recipe(old, new):
    assert old in TEXT
    return TEXT.replace(old, new)


MISTAKES = {
    "unknown key": (TEXT + "\n[objective]\nbetta = 1\n", [], ["tiny.toml:", "objective.betta", "'beta'"]),
    "wrong type": (recipe("layers = 1", 'layers = "one"'), [], ["tiny.toml:13", "model.layers", "'one'", "integer"]),
    "groups of one": (recipe("samples = 4", "samples = 1"), [], ["sampling", "samples = 1", "at least 2"]),
    "group baseline, one sample": (
        recipe("samples = 4", "samples = 1") + '\n[objective]\nname = "policy_gradient"\n', [], ["samples = 1", "leave_one_out"],
    ),
    "beta of zero": (TEXT + "\n[objective]\nbeta = 0\n", [], ["objective.beta = 0", "greater than 0"]),
    "beta below zero by --set": (TEXT, ["--set", "objective.beta=-1"], ["--set objective.beta", "greater than 0"]),
    "no such checkpoint": (TEXT, ["--set", "model.path=./absent"], ["'./absent'", "config.json"]),
    "a folder that is no model": (TEXT, ["--set", "model.path=./plain"], ["'./plain'", "not a model"]),
    "unknown task": (recipe('name = "multiply"', 'name = "multipy"'), [], ["multipy", "did you mean 'multiply'"]),
    "unknown task setting": (recipe("digits = [1, 1]", "digit = [1, 1]"), [], ["digit", "'digits'"]),
    "unknown tracker": (TEXT, ["--set", 'trackers=["paper"]'], ["trackers", "tensorboard"]),
    "no such recipe": (None, [], ["tiny.toml", "does not exist"]),
    "not TOML": ("a = = 1", [], ["tiny.toml", "not valid TOML", "line 1"]),
    "resume of nothing": (TEXT, ["--resume"], ["There is no run 'out'"]),
    "an engine that is not here": (TEXT, ["--set", "engine.name=cloud"], ["engine.name", "'sync', 'process'"]),
    "heads that do not divide": (TEXT, ["--set", "model.heads=5"], ["model.heads = 5"]),
    "symbols for free text": (TEXT, ["--set", "task.name=gsm8k", "--set", "task.digits=[1,1]"], ["digits"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing(name, gnomon, tmp_path, monkeypatch):
    text, arguments, parts = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").mkdir()
    if text is not None:
        Path("tiny.toml").write_text(text)
    before = sorted(Path().rglob("*"))
    result = gnomon("posttrain", "run", "tiny.toml", "--out", "out", *arguments)
    assert result.exit_code == 2
    message = result.stderr.strip()
    for part in parts:
        assert part in message
    assert len(message.splitlines()) == 1
    assert sorted(Path().rglob("*")) == before


def test_a_mistake_has_no_traceback_and_exit_code_two(tmp_path):
    done = command("posttrain", "run", "absent.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: The recipe 'absent.toml' does not exist; the path of a TOML file is expected.\n"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "absent", "--task", "multiply"), "no checkpoint folder 'absent'"),
        (("sample", "absent", "--prompt", "1"), "no checkpoint folder 'absent'"),
        (("runs", "show", "absent"), "There is no run 'absent'"),
        (("runs", "compare", "absent"), "at least two"),
        (("runs", "rescore", "absent"), "There is no run"),
        (("data", "fetch", "absent"), "no data set 'absent'"),
        (("quickstart", "--set", "x.y=1", "--out", "out"), "x is not a known key"),
        (("quickstart", "--engine", "ray", "--out", "out"), "no executor 'ray'"),
    ],
)
def test_other_commands_mistakes(arguments, words, gnomon, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = gnomon(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_last_checkpoint_and_resumes(tmp_path):
    """A file-size limit stands in for a full disk: the operating system refuses to write on."""
    (tmp_path / "tiny.toml").write_text(TEXT)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from gnomon.runs.store import Run\n"
        "real = Run.log\n"
        "def log(self, step, **values):\n"
        "    if step == 31: resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "    real(self, step, **values)\n"
        "Run.log = log\n"
        "sys.argv = ['gnomon', 'posttrain', 'run', 'tiny.toml', '--out', 'out']\n"
        "from gnomon.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "File too large" in done.stderr
    resumed = command("posttrain", "run", "tiny.toml", "--out", "out", "--resume", "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["steps"] == 12
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 37))


def test_help_says_what_and_shows_an_example(gnomon):
    assert "quickstart" in gnomon("--help").stdout
    for arguments in (
        ("quickstart",), ("posttrain", "run"), ("evaluate",), ("sample",), ("tasks", "show"), ("tasks", "verify"),
        ("runs", "compare"), ("runs", "rescore"), ("data", "fetch"),
    ):  # fmt: skip
        text = gnomon(*arguments, "--help").stdout
        assert "Example: gnomon" in " ".join(text.split()), arguments


def test_importing_and_helping_load_nothing_heavy():
    script = (
        "import sys, gnomon, gnomon.cli\n"
        "gnomon.cli.build()\n"
        "print([m for m in ('torch', 'transformers', 'scipy', 'matplotlib', 'polars', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("represent",), "error: Missing argument 'SAMPLE'; see gnomon represent --help."),
        (("runs", "lits"), "error: No such command 'lits'"),
        (("measure", "run", "bbq", "--modle", "x"), "error: No such option: --modle"),
        (("runs", "list", "--root"), "error: Option '--root' requires an argument"),
    ],
)
def test_a_wrong_option_is_one_sentence(words, sentence):
    done = subprocess.run([sys.executable, "-m", "gnomon", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_a_group_without_a_command_shows_its_help():
    done = subprocess.run([sys.executable, "-m", "gnomon", "measure"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert "Usage: gnomon measure" in done.stdout
