"""Whole runs: reproducible, resumable, the same with lag zero, honest about what does not learn."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny import tiny
from transformers import GPT2Config, GPT2LMHeadModel

from gnomon import tasks
from gnomon.errors import UserError
from gnomon.models.policy import Policy
from gnomon.models.tokenizers import symbol_tokenizer
from gnomon.posttrain import rescore, stages
from gnomon.runs import open_run, same_metrics
from gnomon.runs.progress import Progress
from gnomon.tasks.environment import SingleTurn, Step, Task

HERE = Path(__file__).parent
COUNTS = ("samples", "tokens", "steps", "accuracy_before", "accuracy_after", "improvement", "staleness")


def make(folder, resume=False, **sections):
    return stages.run_recipe(tiny(**sections), out=folder, resume=resume, progress=Progress(quiet=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make(tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_leaves_what_it_promises(whole):
    names = {path.name for path in whole.path.iterdir() if not path.name.startswith(".")}
    assert names == {
        "recipe.toml", "environment.json", "state.json", "metrics.jsonl", "trajectories.jsonl", "eval.jsonl",
        "checkpoints", "summary.json", "report.html",
    }  # fmt: skip
    summary = whole.summary()
    for name in ("accuracy_before", "accuracy_after", "improvement"):
        assert {"value", "low", "high", "n"} <= summary[name].keys()
        assert summary[name]["low"] <= summary[name]["value"] <= summary[name]["high"]
    assert summary["steps"] == 12
    assert summary["samples"] == 12 * 6 * 4
    assert summary["staleness"] == {"mean": 0.0, "p95": 0.0, "max": 0.0}
    assert (summary["engine"], summary["objective"], summary["seed"]) == ("sync", "trajectory_balance", 0)
    rows = whole.metrics()
    assert [row["step"] for row in rows] == list(range(1, 37))
    learned = [row for row in rows if row["stage"] == "rl"]
    for name in ("loss", "log_z", "kl", "entropy", "staleness", "no_signal", "effective_sample_size", "truncated"):
        assert all(row[name] is not None for row in learned), name
    assert sum("validation_accuracy" in row for row in learned) == 3


def test_same_seed_same_bytes_other_seed_others(whole, tmp_path):
    again = make(tmp_path / "again")
    assert same_metrics(whole, again) == []
    for one, other in zip(*(sorted(r.path.rglob("*.safetensors")) for r in (whole, again)), strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert (whole.path / "eval.jsonl").read_bytes() == (again.path / "eval.jsonl").read_bytes()
    assert same_metrics(whole, make(tmp_path / "other", seed=1)) != []


def test_runs_of_several_seeds_may_share_one_base(tmp_path):
    """`warm_start.seed` fixes the model that reinforcement learning starts from, and nothing after it."""
    short = {"train": {"steps": 2}, "warm_start": {"steps": 8, "seed": 7}}
    one, other = (make(tmp_path / str(seed), seed=seed, **short) for seed in (1, 2))
    bases = [run.path / "checkpoints" / "8" / "policy" / "model.safetensors" for run in (one, other)]
    assert bases[0].read_bytes() == bases[1].read_bytes()
    assert (
        tiny(seed=1, **short).base()
        == tiny(seed=2, **short).base()
        == tiny(seed=7, **{**short, "warm_start": {"steps": 8}}).base()
    )
    befores = [[row for row in run.evaluations() if row["stage"] == "before"] for run in (one, other)]
    assert befores[0] == befores[1]
    learned = [[row["entropy"] for row in run.metrics() if row["stage"] == "rl"] for run in (one, other)]
    assert learned[0] != learned[1]
    shared = stages.run_recipe(
        tiny(seed=2, **short), out=tmp_path / "shared", progress=Progress(quiet=True), start_of=one
    )
    assert same_metrics(shared, other) == []


def test_lag_zero_is_sync(whole, tmp_path):
    """The asynchronous engine with no staleness allowed and one searcher does what `sync` does."""
    run = make(tmp_path / "process", engine={"name": "process", "max_staleness": 0})
    assert same_metrics(whole, run) == []
    assert {name: run.summary()[name] for name in COUNTS} == {name: whole.summary()[name] for name in COUNTS}


@pytest.mark.slow
def test_a_run_killed_at_ten_moments_resumes_to_the_same_metrics(tmp_path):
    result = trials(tmp_path, "sync", 10, 1)
    assert sum(trial["kills"] for trial in result["trials"]) >= 10
    for trial in result["trials"]:
        assert trial["state"] == "finished"
        assert trial["differences"] == []
        assert trial["left"] == []
        assert {n: trial["summary"][n] for n in COUNTS} == {n: result["whole"][n] for n in COUNTS}


@pytest.mark.slow
def test_an_asynchronous_run_killed_at_random_resumes_to_a_complete_one(tmp_path):
    result = trials(tmp_path, "process", 4, 2)
    for trial in result["trials"]:
        assert trial["state"] == "finished"
        assert trial["updates"] == 12
        assert trial["left"] == []
        assert sum(trial["summary"]["staleness_counts"].values()) == 12 * 6 * 4


def trials(folder, engine, count, seed):
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_trials.py"), str(folder), engine, str(count), str(seed)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_killed_searcher_is_replaced_and_no_group_is_lost_or_used_twice(tmp_path, monkeypatch):
    from gnomon.posttrain.engine import Engine

    used = []
    real = Engine._batch_metrics

    def watch(self, batch, step, waited, seconds):
        used.extend(group[0].group_id for group in batch.groups)
        if step == 3:
            os.kill(self.searchers[0].process.pid, signal.SIGKILL)
        return real(self, batch, step, waited, seconds)

    monkeypatch.setattr(Engine, "_batch_metrics", watch)
    run = make(tmp_path / "run", engine={"name": "process", "searchers": 2})
    assert run.summary()["restarts"] >= 1
    assert len(used) == len(set(used)) == 12 * 6
    calls = sorted({int(group.split(".")[0]) for group in used})
    assert len(calls) - 1 <= max(calls) <= len(calls) + 6  # only what was under way at the end is missing


def test_staleness_keeps_its_bound(tmp_path):
    run = make(tmp_path / "run", engine={"name": "sync", "ahead": 3})
    rows = [row for row in run.metrics() if row["stage"] == "rl"]
    assert [row["staleness"] for row in rows] == [min(step, 3) for step in range(12)]
    run = make(tmp_path / "bounded", engine={"name": "process", "max_staleness": 1}, train={"sync_every": 2})
    assert run.summary()["staleness"]["max"] <= 1


def test_replayed_groups_are_drawn_again_and_counted(tmp_path):
    run = make(tmp_path / "run", replay={"recency": 0.5}, train={"steps": 8})
    rows = [row for row in run.metrics() if row["stage"] == "rl"]
    assert rows[0]["replayed"] == 0
    assert rows[-1]["replayed"] == 0.5
    assert run.summary()["staleness"]["max"] > 0


@pytest.mark.parametrize(
    "objective",
    [
        {"name": "policy_gradient", "baseline": "leave_one_out", "kl": 0.05},
        {"name": "policy_gradient", "baseline": "group_norm", "clip": 0.2, "aggregate": "token"},
        {"name": "policy_gradient", "baseline": "group_mean", "kl": 0.05, "kl_estimator": "k2"},
        {"name": "weighted_nll"},
        {"name": "trajectory_balance", "anchor": "behaviour", "log_z": "log_mean_exp", "beta_end": 0.05},
    ],
)
def test_only_the_objectives_lines_change(tmp_path, objective):
    run = make(tmp_path / "run", objective=objective, train={"steps": 3, "micro_batch": 8})
    losses = [row["entropy"] for row in run.metrics() if row["stage"] == "rl"]
    assert len(losses) == 3
    assert all(loss is not None for loss in losses)


def test_micro_batches_change_nothing_but_rounding(whole, tmp_path):
    for objective in ({}, {"name": "policy_gradient", "aggregate": "token", "clip": 0.2}):
        one, other = (
            make(tmp_path / f"{size}-{len(objective)}", objective=objective, train={"steps": 2, "micro_batch": size})
            for size in (512, 5)
        )
        rows = [[row for row in run.metrics() if row["stage"] == "rl"] for run in (one, other)]
        for a, b in zip(*rows, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
            assert a["gradient_norm"] == pytest.approx(b["gradient_norm"], rel=1e-3)


def test_an_encoder_decoder_is_post_trained_alike(tmp_path):
    run = make(tmp_path / "run", model={"kind": "encoder_decoder"}, train={"steps": 3})
    assert run.state == "finished"


def test_a_foreign_checkpoint_is_post_trained(tmp_path):
    """A GPT-2 folder written by transformers, whose padding equals its end token."""
    tokenizer = symbol_tokenizer("0123456789*=")
    tokenizer.pad_token = tokenizer.eos_token
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=16, n_embd=32, n_layer=1, n_head=2)
    config.eos_token_id = config.bos_token_id = config.pad_token_id = tokenizer.eos_token_id
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    run = make(tmp_path / "run", model={"path": str(tmp_path / "model")}, warm_start={"steps": 0}, train={"steps": 3})
    assert run.summary()["steps"] == 3
    assert Policy.load(run.path).model.config.model_type == "gpt2"


# -- what is learnt, and what is not ---------------------------------------------------------------------------

LEARNING = {
    "model": {"layers": 2, "width": 48, "heads": 2},
    "warm_start": {"steps": 600, "batch_size": 64, "learning_rate": 3e-3, "checkpoint_every": 1000},
    "train": {"steps": 150, "learning_rate": 2e-4, "checkpoint_every": 150, "evaluate_every": 150},
    "sampling": {"prompts": 16, "samples": 8},
    "evaluation": {"n": 200, "n_curve": 20},
}
FORGETFUL = {"digits": 2, "teacher_error": 0.4, "n_train": 6000, "n_validation": 40, "n_test": 200}


class Shuffled:
    """Addition whose rewards have been shuffled: they follow from task and text, but not from what is right."""

    pure = True
    name = "shuffled"

    def __init__(self, **settings):
        self.honest = tasks.get("add", **settings)
        self.symbols = self.honest.symbols
        self.tasks = self.honest.tasks
        self.demonstration = self.honest.demonstration

    def start(self, task, seed):
        honest = self.honest.start(task, seed)

        def grade(text):
            lot = hashlib.sha256(f"{task.id}/{text}".encode()).digest()[0] / 255
            return Step(float(lot < 0.3), components={"correct": float(honest.step(text).correct)})

        return SingleTurn(honest.prompt, grade)


@pytest.mark.slow
def test_it_improves_what_can_be_improved_and_shuffled_rewards_do_not(tmp_path):
    """Over three seeds the improvement's interval lies above zero; with shuffled rewards it never does."""
    for seed in range(3):
        honest = make(tmp_path / f"honest-{seed}", seed=seed, task={"name": "add", **FORGETFUL}, **LEARNING)
        shuffled = make(tmp_path / f"shuffled-{seed}", seed=seed, task=plain("Shuffled", **FORGETFUL), **LEARNING)
        assert honest.summary()["improvement"]["low"] > 0
        assert shuffled.summary()["improvement"]["low"] <= 0
        first, second = honest.summary(), shuffled.summary()
        assert first["accuracy_before"]["value"] == second["accuracy_before"]["value"]


class CoinFlip:
    """A null task: what is right has nothing to do with the prompt, so nothing can be learnt but luck."""

    name = "coin"
    pure = True
    symbols = tuple("0123456789?")

    def tasks(self, split):
        start = {"train": 0, "validation": 1000, "test": 2000}[split]
        return [Task(f"{split}-{i}", split, {"number": start + i}) for i in range(400)]

    def _right(self, task):
        return str(int(task.hash, 16) % 2)

    def start(self, task, seed):
        return SingleTurn(f"{task.payload['number']}?", lambda text: Step(float(text == self._right(task))))

    def demonstration(self, task, seed):
        return str((int(task.hash, 16) + seed) % 2)


def test_a_null_task_shows_no_improvement(tmp_path):
    held = 0
    for seed in range(4):
        summary = make(
            tmp_path / str(seed),
            task={"name": f"{__name__}:CoinFlip"},
            seed=seed,
            train={"steps": 30, "checkpoint_every": 30},
            evaluation={"n": 400},
        ).summary()
        held += summary["improvement"]["low"] <= 0 <= summary["improvement"]["high"]
        assert summary["accuracy_after"]["value"] == pytest.approx(0.5, abs=0.12)
    assert held >= 3  # an interval at 95 % misses now and then; two misses of four would be a fault


# -- bad input -------------------------------------------------------------------------------------------------


class Faulty(CoinFlip):
    """An environment whose step fails on some tasks, in a way that is chosen."""

    def __init__(self, *, how, share):
        self.how = how
        self.share = share

    def start(self, task, seed):
        if int(task.hash, 16) % 100 >= self.share * 100 or task.split != "train":
            return super().start(task, seed)

        def step(text):
            if self.how == "raises":
                raise RuntimeError("the verifier broke")
            return Step({"nan": float("nan"), "text": "much"}[self.how])

        return SingleTurn(f"{task.payload['number']}?", step)


@pytest.mark.parametrize(("how", "words"), [("raises", "verifier broke"), ("nan", "nan"), ("text", "'much'")])
def test_an_environment_that_fails_often_stops_the_run_resumably(tmp_path, how, words):
    task = {"name": f"{__name__}:Faulty", "how": how, "share": 0.5}
    sections = {"task": task, "evaluation": {"n": 20}}
    with pytest.raises(UserError, match=r"failed on \d+ of \d+ trajectories.*task 'train-\d+'") as caught:
        make(tmp_path / "run", **sections)
    assert words in str(caught.value)
    run = open_run(tmp_path / "run")
    assert run.state == "failed"
    assert run.latest_checkpoint() is not None


def test_an_environment_that_fails_seldom_is_counted(tmp_path):
    task = {"name": f"{__name__}:Faulty", "how": "nan", "share": 0.02}
    run = make(tmp_path / "run", task=task, sampling={"prompts": 24}, train={"steps": 6}, evaluation={"n": 20})
    assert run.summary()["faults"] >= 0
    assert run.summary()["steps"] == 6


class Overlap(CoinFlip):
    def tasks(self, split):
        return [Task(f"{split}-{i}", split, {"number": i}) for i in range(9)]


def plain(name, **settings):
    return {"name": f"{__name__}:{name}", **settings}


def test_test_tasks_in_training_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="training task 'train-0' is also held out as 'test-0'"):
        make(tmp_path / "run", task=plain("Overlap"))
    assert list(tmp_path.iterdir()) == []


class Wordy(CoinFlip):
    """One task in five has a prompt that no context of 16 tokens holds."""

    def start(self, task, seed):
        plain_episode = super().start(task, seed)
        return SingleTurn(plain_episode.prompt * (6 if int(task.hash, 16) % 5 == 0 else 1), plain_episode.grade)


def test_some_prompts_too_long_are_left_out_and_counted(tmp_path):
    run = make(tmp_path / "run", task=plain("Wordy"), train={"steps": 6}, evaluation={"n": 40})
    assert run.summary()["steps"] == 6
    assert run.summary()["too_long"] > 0
    assert run.summary()["too_long"] % 4 == 0  # whole groups
    assert "does not fit the context" in (run.path / "report.html").read_text()
    wordy = [row for row in run.evaluations() if len(row["prompt"]) > 16]
    assert wordy
    assert not any(row["correct"] for row in wordy)


class Silent(CoinFlip):
    def start(self, task, seed):
        return SingleTurn(f"{task.payload['number']}?", lambda text: Step(0.0))


def test_groups_without_signal_are_said_never_a_crash(tmp_path, capsys):
    run = stages.run_recipe(tiny(task=plain("Silent"), train={"steps": 4}), out=tmp_path / "run")
    assert run.summary()["no_signal"] == 1.0
    assert "no signal" in capsys.readouterr().err
    assert "no signal" in (run.path / "report.html").read_text()


def test_prompts_too_long_are_counted_and_reported(tmp_path):
    with pytest.raises(UserError, match="too long for the model's context"):
        make(tmp_path / "run", sampling={"max_tokens": 14})


def test_three_updates_that_are_not_finite_end_the_run_at_its_last_checkpoint(tmp_path, monkeypatch):
    from gnomon.posttrain.trainer import Trainer

    real = Trainer.loss

    def broken(self, scored, step):
        loss = real(self, scored, step)
        bad = step in (1, 5, 6, 7)
        return type(loss)(loss.value * (float("nan") if bad else 1.0), loss.metrics)

    monkeypatch.setattr(Trainer, "loss", broken)
    with pytest.raises(UserError, match="three updates in a row"):
        make(tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert run.state == "failed"
    assert run.latest_checkpoint()[0] == 24 + 4
    weights = Policy.load(run.latest_checkpoint()[1]).weights()
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_a_resume_with_other_settings_is_refused(whole, tmp_path):
    with pytest.raises(UserError, match="has finished"):
        make(whole.path, resume=True)
    with pytest.raises(UserError, match="There is no run"):
        make(tmp_path / "absent", resume=True)
    with pytest.raises(UserError, match="exists already"):
        make(whole.path)


# -- rescoring -------------------------------------------------------------------------------------------------


def test_rescoring_confirms_an_honest_run_and_finds_a_changed_reward(whole, tmp_path):
    import shutil

    checked, differences = rescore.rescore(whole)
    assert checked > 150
    assert differences == []
    forged = tmp_path / "forged"
    shutil.copytree(whole.path, forged)
    lines = (forged / "trajectories.jsonl").read_text().splitlines()
    row = json.loads(lines[3])
    row["turns"][0]["reward"] += 0.5
    lines[3] = json.dumps(row)
    (forged / "trajectories.jsonl").write_text("\n".join(lines) + "\n")
    _, differences = rescore.rescore(open_run(forged))
    assert [(d.task_id, d.source) for d in differences] == [(row["task_id"], "trajectories.jsonl")]


class Moody(CoinFlip):
    pure = False


def test_an_impure_environment_is_not_rescored(tmp_path):
    run = make(tmp_path / "run", task=plain("Moody"), train={"steps": 2}, evaluation={"n": 10})
    with pytest.raises(UserError, match="not pure"):
        rescore.rescore(run)


# -- by command ------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_in_a_checkpoint_and_a_report_and_resumes(tmp_path, whole):
    from tiny import TEXT

    (tmp_path / "tiny.toml").write_text(TEXT.replace("steps = 24", "steps = 2000"))
    command = [sys.executable, "-m", "gnomon", "posttrain", "run", "tiny.toml", "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.read_text().count("\n") > 20:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    run = open_run(tmp_path / "run")
    assert run.state == "interrupted"
    step = run.latest_checkpoint()[0]
    assert step >= 20
    assert (run.path / "report.html").exists()
