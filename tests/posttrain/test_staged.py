"""Whole runs with several attempts and stages: what they leave, that they are reproducible and resumable, and what is
refused before any time is spent."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import STAGED, TEXT, tiny

from gnomon.errors import UserError
from gnomon.models.policy import Policy
from gnomon.posttrain import engine as engines
from gnomon.posttrain import rescore, stages
from gnomon.posttrain.searcher import Searcher
from gnomon.runs import open_run, same_metrics
from gnomon.runs.progress import Progress
from gnomon.tasks.environment import SingleTurn, Step, Task

HERE = Path(__file__).parent
WARM = 24  # updates of the tiny recipe's warm start
TWICE = {"attempts": {"count": 2, "instruction": "?"}}


def staged(**sections):
    """The tiny recipe in two stages, with `sections` over it."""
    merged = dict(STAGED)
    for name, section in sections.items():
        both = isinstance(section, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **section} if both else section
    return merged


def make(folder, resume=False, start_of=None, page=False, **sections):
    """A run of the tiny recipe with `sections` over it; its report, the slowest part, only with `page`."""
    with pytest.MonkeyPatch.context() as patch:
        if not page:
            patch.setattr(stages, "_report", lambda run: None)
        quiet = Progress(quiet=True)
        return stages.run_recipe(tiny(**sections), out=folder, resume=resume, progress=quiet, start_of=start_of)


def weights(run):
    """The policies at the start, between the stages and at the end, to the last bit."""
    found = [path for path in run.path.rglob("policy/*.safetensors") if int(path.parts[-3]) - WARM in (0, 5, 12)]
    return {path.parts[-3]: path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A staged run, with what was trained on and against, as `run.batches` and `run.references`."""
    batches, references = [], []
    real_metrics, real_trainer, real_begin = engines.Engine._batch_metrics, stages.Trainer, Searcher.begin

    def watch(self, batch, step, waited, seconds):
        batches.append(batch)
        return real_metrics(self, batch, step, waited, seconds)

    class Watched(real_trainer):
        def __init__(self, recipe, policy, reference):
            super().__init__(recipe, policy, reference)
            kept = [{name: t.clone() for name, t in each.weights().items()} for each in (policy, reference)]
            references.append(("trainer", *kept))

    def begin(self, start, stage):
        real_begin(self, start, stage)
        references.append(("searcher", None, {n: t.clone() for n, t in self.reference.weights().items()}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines.Engine, "_batch_metrics", watch)
        patch.setattr(stages, "Trainer", Watched)
        patch.setattr(Searcher, "begin", begin)
        run = make(tmp_path_factory.mktemp("runs") / "whole", **STAGED)
    run.batches, run.references = batches, references
    return run


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


# -- what a staged run does ------------------------------------------------------------------------------------


def test_stages_follow_each_other_by_their_shares(whole):
    rows = whole.metrics()
    assert [row["step"] for row in rows] == list(range(1, WARM + 13))
    assert [row["stage"] for row in rows[WARM:]] == ["I"] * 5 + ["II"] * 7
    summary = whole.summary()
    assert summary["stages"] == {"I": 5, "II": 7}
    assert summary["steps"] == 12
    steps = sorted(int(path.name) for path in (whole.path / "checkpoints").iterdir())
    assert {WARM, WARM + 5, WARM + 12} <= set(steps)  # the start, the end of Stage I, the end


def test_both_stages_are_measured_by_turn(whole):
    learned = whole.metrics()[WARM:]
    for row in learned:
        for name in ("reward_turn1", "reward_turn2", "i_to_c", "c_to_i", "unchanged", "kl_turn1", "kl_turn2"):
            assert row[name] is not None, name
        assert row["reward_turn2"] - row["reward_turn1"] == pytest.approx(row["i_to_c"] - row["c_to_i"])
        assert row["reward"] == pytest.approx(row["reward_turn1"] + row["reward_turn2"])
    measured = [row for row in learned if "gradient_norm_turn1" in row]
    assert [row["step"] - WARM for row in measured] == [4, 9]  # every fourth update of each stage
    assert all(row["gradient_norm_turn2"] > 0 for row in measured)
    for row in measured:
        assert row["validation_delta"] == pytest.approx(row["validation_i_to_c"] - row["validation_c_to_i"])
        assert row["validation_accuracy"] == pytest.approx(row["validation_t1"] + row["validation_delta"])
    assert learned[0]["kl_turn1"] == pytest.approx(0, abs=1e-6)  # Stage I begins at the reference


def test_the_figures_of_self_correction_are_in_the_summary(whole):
    summary = whole.summary()
    for stage in ("before", "after"):
        figures = summary[f"attempts_{stage}"]
        assert {"t1", "t2", "delta", "i_to_c", "c_to_i", "fix_rate", "edit_ratio", "unchanged"} == figures.keys()
        assert figures["delta"]["value"] == pytest.approx(figures["i_to_c"]["value"] - figures["c_to_i"]["value"])
        assert figures["t2"]["value"] == summary[f"accuracy_{stage}"]["value"]
        for figure in figures.values():
            assert {"value", "low", "high", "n", "level", "method"} <= figure.keys()
    assert 0 < summary["preflight"]["fix_rate"]["value"] < 1
    assert summary["preflight"]["fix_rate"]["low"] > 0
    answered = [row for row in whole.evaluations() if row["mode"] == "greedy"]
    assert all(len(row["turns"]) == 2 for row in answered)


def test_the_reference_stays_the_base_model_and_the_policy_goes_on(whole):
    base = Policy.load(whole.path / "checkpoints" / str(WARM) / "policy").weights()
    between = Policy.load(whole.path / "checkpoints" / str(WARM + 5) / "policy").weights()
    assert [who for who, _, _ in whole.references] == ["trainer", "searcher", "trainer", "searcher"]
    assert all(same(reference, base) for _, _, reference in whole.references)
    begun = [policy for who, policy, _ in whole.references if who == "trainer"]
    assert same(begun[0], base)
    assert same(begun[1], between)
    assert not same(between, base)


def test_some_first_attempts_come_from_the_replay_to_be_read_only(whole):
    origins = [[{t.turns[0].origin for t in group} for group in batch.groups] for batch in whole.batches]
    assert all(len(origin) == 1 for batch in origins for origin in batch)
    offline = [sum(origin == {"replay"} for origin in batch) for batch in origins]
    assert offline[0] == 0  # nothing is there yet
    assert 0 < sum(offline[1:]) < 11 * 6 * 0.8
    for number, batch in enumerate(whole.batches):
        for group in batch.groups:
            contexts = [t.turns[0].action_ids for t in group]
            assert min(map(contexts.count, contexts)) >= 2
            assert {t.turns[1].origin for t in group} == {"policy"}
            assert {t.turns[1].policy_version for t in group} == {number}  # in sync, drawn by the weights of now
            if group[0].turns[0].origin == "replay":
                assert max(t.turns[0].policy_version for t in group) < number
                assert len(set(contexts)) > 1
    assert whole.summary()["staleness"]["max"] == 0.0  # what is only read makes nothing stale


# -- the same again --------------------------------------------------------------------------------------------


def test_same_seed_same_bytes(whole, tmp_path):
    again = make(tmp_path / "again", **STAGED)
    assert same_metrics(whole, again) == []
    assert weights(again) == weights(whole)
    assert len(weights(whole)) == 3
    assert (whole.path / "eval.jsonl").read_bytes() == (again.path / "eval.jsonl").read_bytes()
    assert same_metrics(whole, make(tmp_path / "other", **staged(seed=1, train={"steps": 2}))) != []


def test_lag_zero_is_sync(whole, tmp_path):
    run = make(tmp_path / "process", **staged(engine={"name": "process", "max_staleness": 0}))
    assert same_metrics(whole, run) == []
    mine, theirs = run.summary(), whole.summary()
    for name in ("samples", "tokens", "attempts_before", "attempts_after", "staleness", "stages", "preflight"):
        assert mine[name] == theirs[name], name
    assert weights(run) == weights(whole)


class Broken(Exception):
    """Stands in for whatever may end a process between two updates."""


def stopped(folder, patch, step, how, **sections):
    """A run that ends after update `step`: by Ctrl-C, which saves, or by a fault of ours, which does not."""
    real = stages._Job._keep_examples

    def stop(self, engine, at):
        real(self, engine, at)
        if at == WARM + step:
            if how == "fault":
                raise Broken
            self.interruption.asked = True

    with patch.context() as patched:
        patched.setattr(stages._Job, "_keep_examples", stop)
        with pytest.raises(KeyboardInterrupt if how == "interrupt" else Broken):
            make(folder, **sections)
    return open_run(folder)


@pytest.mark.parametrize(
    ("step", "how", "found"),
    [
        (2, "interrupt", 2),  # in Stage I
        (3, "fault", 0),  # in Stage I, before its first checkpoint: from the end of the warm start
        (5, "interrupt", 5),  # at its end
        (7, "fault", 5),  # in Stage II, before its first checkpoint: from the end of Stage I
        (10, "interrupt", 10),  # in Stage II
    ],
)
def test_a_run_stopped_in_either_stage_goes_on_as_if_nothing_had_been(whole, tmp_path, monkeypatch, step, how, found):
    run = stopped(tmp_path / "run", monkeypatch, step, how, **STAGED)
    assert run.state == "interrupted"
    assert run.latest_checkpoint()[0] == WARM + found
    run = make(tmp_path / "run", resume=True, **STAGED)
    assert same_metrics(whole, run) == []
    assert weights(run) == weights(whole)
    mine, theirs = run.summary(), whole.summary()
    for name in (
        "samples",
        "tokens",
        "attempts_before",
        "attempts_after",
        "preflight",
        "staleness_counts",
        "no_signal",
    ):
        assert mine[name] == theirs[name], name


def test_an_asynchronous_run_stopped_with_given_attempts_under_way_resumes_to_a_complete_one(tmp_path, monkeypatch):
    sections = staged(engine={"name": "process"})
    for attempt in range(5):  # the clock decides whether a call is under way just then: mostly one is
        run = stopped(tmp_path / f"run{attempt}", monkeypatch, 9, "interrupt", **sections)
        pending = json.loads((run.latest_checkpoint()[1] / "state.json").read_text())["engine"]["counters"]["pending"]
        if pending:
            break
    assert pending
    run = make(run.path, resume=True, **sections)
    assert [row["stage"] for row in run.metrics()[WARM:]] == ["I"] * 5 + ["II"] * 7
    assert sum(run.summary()["staleness_counts"].values()) >= 12 * 6 * 2


@pytest.mark.slow
def test_a_staged_run_killed_at_random_resumes_to_the_same_metrics(tmp_path):
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_trials.py"), str(tmp_path), "sync", "2", "3", "staged"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert sum(trial["kills"] for trial in result["trials"]) >= 2
    for trial in result["trials"]:
        assert (trial["state"], trial["differences"], trial["left"], trial["updates"]) == ("finished", [], [], 12)
        for name in ("attempts_before", "attempts_after", "preflight", "samples", "tokens"):
            assert trial["summary"][name] == result["whole"][name]


def test_a_warm_start_taken_over_is_the_one_that_would_have_been_made(whole, tmp_path):
    taken = make(tmp_path / "taken", start_of=whole, **STAGED)
    assert same_metrics(whole, taken) == []
    assert weights(taken) == weights(whole)
    sections = {**TWICE, "objective": {"name": "weighted_nll"}, "train": {"steps": 2}}
    others = {"attempts": {"count": 2, "instruction": "?", "offline_first_attempts": 0.0}, "sampling": {"samples": 4}}
    assert tiny(**{**sections, **others}).base() == tiny(**STAGED).base()
    lent, made = (
        make(tmp_path / name, start_of=start, **{**sections, **others}) for name, start in (("a", whole), ("b", None))
    )
    assert same_metrics(lent, made) == []


# -- variations ------------------------------------------------------------------------------------------------


def test_only_the_objectives_name_changes(whole, tmp_path):
    """One recipe of two attempts, four lines alike; the name alone chooses what is learnt from the same draws."""
    kept = {"shaping": 2.0, "kl": [0.1, 0.01]}
    losses, drawn = {}, set()
    for name in ("policy_gradient", "trajectory_balance", "weighted_nll"):
        sections = {**TWICE, "objective": {"name": name, **kept}, "sampling": {"samples": 2, "branches": 2}}
        run = make(tmp_path / name, start_of=whole, train={"steps": 3}, **sections)
        rows = run.metrics()[WARM:]
        losses[name] = [row["loss"] for row in rows]
        drawn.add((rows[0]["reward"], rows[0]["response_length"], rows[0]["kl_turn1"], rows[0]["i_to_c"]))
        assert all(row["gradient_norm"] > 0 for row in rows)
        assert rescore.rescore(run)[1] == []
    assert len(drawn) == 1
    assert len({tuple(row) for row in losses.values()}) == 3


def test_a_single_attempt_is_trained_and_two_are_graded(tmp_path):
    attempts = {"count": 2, "instruction": "?", "trained": 1}
    run = make(tmp_path / "run", attempts=attempts, objective={"name": "policy_gradient"}, train={"steps": 3})
    assert {len(row["turns"]) for row in run.trajectories()} == {1}
    assert {len(row["turns"]) for row in run.evaluations()} == {2}
    assert run.summary()["attempts_after"]["delta"]["n"] == 20
    assert run.summary()["preflight"] is None
    assert rescore.rescore(run)[1] == []


def test_three_attempts(tmp_path):
    sections = staged(
        attempts={"count": 3, "offline_first_attempts": 0.0},
        model={"context": 24},
        train={"steps": 4},
        stages=[
            {"name": "I", "objective": {"turn_weights": [0, 1, 1], "kl": [0.11, 0.01]}},
            {"name": "II", "objective": {"shaping": 10.0, "kl": [0.01]}},
        ],
    )
    run = make(tmp_path / "run", **sections)
    assert [row["stage"] for row in run.metrics()[WARM:]] == ["I", "I", "II", "II"]
    assert {len(row["turns"]) for row in run.trajectories()} == {3}
    figures = run.summary()["attempts_after"]
    assert figures["t3"]["value"] - figures["t1"]["value"] == pytest.approx(figures["delta"]["value"])
    assert "reward_turn3" in run.metrics()[-1]
    assert rescore.rescore(run)[1] == []


@pytest.mark.parametrize("several", [True, False])
def test_no_updates_grade_the_base_with_its_attempts(tmp_path, several):
    """Self-Refine: the base model is asked to try again, and nothing is trained."""
    sections = staged(train={"steps": 0}) if several else {**TWICE, "train": {"steps": 0}}
    run = make(tmp_path / "run", page=True, **sections)
    summary = run.summary()
    assert (summary["steps"], summary["samples"]) == (0, 0)
    assert summary["attempts_before"] == summary["attempts_after"]
    assert (run.path / "report.html").exists()


def test_a_stage_too_short_for_an_update_is_passed_over(tmp_path):
    sections = staged(train={"steps": 2}, stages=[{"name": "I", "share": 0.01}, {"name": "II"}])
    run = make(tmp_path / "run", **sections)
    assert [row["stage"] for row in run.metrics()[WARM:]] == ["II", "II"]
    assert run.summary()["stages"] == {"I": 0, "II": 2}


def test_an_encoder_decoder_is_trained_on_two_attempts_alike(tmp_path):
    run = make(tmp_path / "run", **staged(model={"kind": "encoder_decoder"}, train={"steps": 4}))
    assert run.state == "finished"
    row = run.metrics()[-1]
    assert row["effective_sample_size"] == pytest.approx(1.0, abs=1e-3)  # drawing and scoring agree on both turns


@pytest.mark.parametrize("keep", ["fixed", "end_right"])
def test_pairs_are_learnt_from(tmp_path, keep):
    objective = {"name": "weighted_nll", "keep": keep, "turn_weights": [0, 1], "kl": [0.1, 0]}
    sampling = {"answer": "paired", "samples": 8}
    run = make(tmp_path / "run", **TWICE, objective=objective, sampling=sampling, train={"steps": 4})
    rows = run.metrics()[WARM:]
    assert all(row["reward_turn2"] == 1.0 for row in rows)  # every second answer is a right one
    expected = [row["i_to_c"] if keep == "fixed" else 1.0 for row in rows]
    assert [row["weight"] for row in rows] == pytest.approx(expected)


# -- rescoring -------------------------------------------------------------------------------------------------


def test_rescoring_agrees_on_two_attempts_and_finds_a_changed_second_reward(whole, tmp_path, gnomon):
    import shutil

    result = json.loads(gnomon("runs", "rescore", str(whole.path), "--json").stdout)
    assert result["differences"] == []
    assert result["checked"] == len(whole.trajectories()) + len(whole.evaluations()) > 150
    forged = tmp_path / "forged"
    shutil.copytree(whole.path, forged)
    lines = (forged / "trajectories.jsonl").read_text().splitlines()
    row = json.loads(lines[3])
    row["turns"][1]["reward"] = 1.0 - row["turns"][1]["reward"]
    lines[3] = json.dumps(row)
    (forged / "trajectories.jsonl").write_text("\n".join(lines) + "\n")
    _, differences = rescore.rescore(open_run(forged))
    assert [(d.task_id, d.source) for d in differences] == [(row["task_id"], "trajectories.jsonl")]


# -- what does not learn, and what cannot begin ----------------------------------------------------------------


class Luck:
    """A null task: the right answer is a coin thrown once for each problem, and nothing in the prompt tells it."""

    name, pure, symbols = "luck", True, tuple("0123456789?!")

    def tasks(self, split):
        start = {"train": 1000, "validation": 2000, "test": 3000}[split]
        return [Task(f"{split}-{i}", split, {"number": start + i}) for i in range(400)]

    def right(self, task):
        return str(hashlib.sha256(task.hash.encode()).digest()[0] % 2)

    def start(self, task, seed):
        return SingleTurn(f"{task.payload['number']}?", lambda text: Step(float(text == self.right(task))))

    def demonstration(self, task, seed):
        return str(hashlib.sha256(f"{task.hash}/{seed}".encode()).digest()[0] % 2)


class Hopeless(Luck):
    """Nothing that anybody writes is right."""

    def right(self, task):
        return "no"


class Points(Luck):
    """Half a point for the other side of the coin."""

    def start(self, task, seed):
        right = self.right(task)
        return SingleTurn(
            f"{task.payload['number']}?",
            lambda text: Step(1.0 if text == right else 0.5, None, {"correct": text == right}),
        )


def named(cls):
    return {"name": f"{__name__}:{cls.__name__}"}


def test_a_null_task_shows_no_correction(tmp_path):
    """The second attempt cannot know better than the first: the interval of delta holds zero, as 95 % of them should."""
    held = 0
    for seed in range(3):
        sections = staged(
            task=named(Luck),
            seed=seed,
            train={"steps": 24, "checkpoint_every": 24, "evaluate_every": 24, "learning_rate": 3e-3},
            attempts={"instruction": "!"},
            evaluation={"n": 400},
        )
        summary = make(tmp_path / str(seed), **sections).summary()
        delta = summary["attempts_after"]["delta"]
        held += delta["low"] <= 0 <= delta["high"]
        assert abs(delta["value"]) < 0.12
    assert held >= 2


def test_a_base_that_never_mends_anything_is_refused_before_training(tmp_path, gnomon):
    recipe = tmp_path / "recipe.toml"
    lines = TEXT.replace(
        'name = "multiply"\ndigits = [1, 1]\nteacher_error = 0.4\nn_validation = 20\nn_test = 20',
        'name = "test_staged:Hopeless"',
    )
    recipe.write_text(lines + '\n[attempts]\ninstruction = "!"\n')
    command = ("posttrain", "run", str(recipe), "--out", str(tmp_path / "run"))
    first = gnomon(*command)
    assert first.exit_code == 2
    assert "The base never mended one of 512 wrong first attempts" in first.stderr
    run = open_run(tmp_path / "run")
    assert run.state == "failed"
    assert "never mended" in run.reason
    assert run.latest_checkpoint()[0] == WARM  # nothing of the warm start is lost
    assert {row["stage"] for row in run.metrics()} == {"warm_start"}
    second = gnomon(*command, "--resume")
    assert second.exit_code == 2
    assert "never mended" in second.stderr
    assert [row["step"] for row in open_run(tmp_path / "run").metrics()] == list(range(1, WARM + 1))


def test_a_base_that_is_never_right_has_nothing_to_pair(tmp_path):
    sections = {
        "task": named(Hopeless),
        "attempts": {"instruction": "!"},
        "objective": {"name": "weighted_nll", "keep": "fixed", "turn_weights": [0, 1]},
        "sampling": {"answer": "paired"},
    }
    with pytest.raises(UserError, match="answered none of 128 training tasks right in 4 attempts each"):
        make(tmp_path / "run", **sections)
    assert open_run(tmp_path / "run").state == "failed"


def test_tasks_that_give_nothing_end_the_run_instead_of_going_on_for_ever(tmp_path, monkeypatch):
    """Once under way: no attempt is right any more, or every attempt outgrows the context."""
    monkeypatch.setattr(stages._Job, "_preflight", lambda self: None)
    monkeypatch.setattr(engines, "FRUITLESS_LIMIT", 30)
    sections = {
        "task": named(Hopeless),
        "attempts": {"instruction": "!"},
        "objective": {"name": "weighted_nll", "keep": "fixed"},
        "sampling": {"answer": "paired"},
    }
    with pytest.raises(UserError, match="30 tasks in a row gave nothing to train on: no attempt was right"):
        make(tmp_path / "run", **sections)
    assert open_run(tmp_path / "run").latest_checkpoint()[0] == WARM


class Wordy(Luck):
    """One problem in five is written twice as long: thirteen tokens hold it and one answer of two, but not another."""

    @staticmethod
    def long(task):
        return task.payload["number"] % 5 == 0

    def start(self, task, seed):
        plain = super().start(task, seed)
        return SingleTurn(plain.prompt * (2 if self.long(task) else 1), plain.grade)


def test_attempts_that_outgrow_the_context_are_counted_and_reported(tmp_path):
    sections = staged(
        task=named(Wordy),
        attempts={"instruction": "!", "offline_first_attempts": 0.0},
        model={"context": 13},
        sampling={"max_tokens": 2, "prompts": 20},
        train={"steps": 4, "evaluate_every": 4},
        evaluation={"n": 40},
    )
    run = make(tmp_path / "run", page=True, **sections)
    summary = run.summary()
    long = {task.id for split in ("train", "test") for task in Wordy().tasks(split) if Wordy.long(task)}
    assert summary["too_long"] > 0
    assert summary["samples"] + 2 * summary["too_long"] > 4 * 20 * 4  # others were drawn in their place
    assert not {row["task_id"] for row in run.trajectories()} & long
    after = [row for row in run.evaluations() if (row["stage"], row["mode"]) == ("after", "greedy")]
    cut = [row for row in after if row.get("too_long")]
    assert {row["task_id"] for row in cut} == {row["task_id"] for row in after} & long
    assert summary["evaluation_too_long"] == len(cut) > 0
    assert all(len(row["turns"]) == 1 and not row["correct"] and row["answer"] == "" for row in cut)
    assert summary["attempts_after"]["t2"]["value"] == sum(row["correct"] for row in after) / 40
    assert summary["attempts_after"]["edit_ratio"]["n"] == 40 - len(cut)
    assert "does not fit the context" in (run.path / "report.html").read_text()
    assert rescore.rescore(run)[1] == []


def test_every_second_attempt_too_long_ends_with_a_sentence(tmp_path):
    with pytest.raises(UserError, match="too long for the model's context"):
        make(tmp_path / "run", **staged(model={"context": 11}, sampling={"max_tokens": 6}))


def test_a_reward_that_is_no_verdict_is_refused_and_a_binary_one_accepted(tmp_path, gnomon):
    sections = staged(task=named(Points), attempts={"instruction": "!"}, train={"steps": 2}, evaluation={"n": 20})
    with pytest.raises(UserError, match=r"'luck' rewards an answer with 0\.5.*attempts\.binary = true"):
        make(tmp_path / "graded", **sections)
    assert open_run(tmp_path / "graded").state == "failed"
    sections["attempts"] = {**sections["attempts"], "binary": True}
    run = make(tmp_path / "binary", **sections)
    assert {turn["reward"] for row in run.trajectories() for turn in row["turns"]} == {0.0, 1.0}


def test_one_problem_has_figures_without_an_interval(tmp_path):
    run = make(tmp_path / "run", page=True, **staged(train={"steps": 2}, evaluation={"n": 1, "n_curve": 1}))
    delta = run.summary()["attempts_after"]["delta"]
    assert (delta["n"], delta["low"]) == (1, None)
    assert delta["reason"]
