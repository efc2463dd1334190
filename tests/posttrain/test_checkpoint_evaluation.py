"""Grading a checkpoint by command, with one attempt or several, as its run had it or otherwise."""

import json

import pytest
from tiny import STAGED, tiny

from gnomon import tasks
from gnomon.errors import UserError
from gnomon.models.policy import Policy
from gnomon.posttrain import stages
from gnomon.posttrain.attempts import attempt_figures
from gnomon.posttrain.checkpoint_evaluation import as_trained, evaluate_policy
from gnomon.posttrain.evaluation import grade, held_out
from gnomon.runs.progress import Progress

ESTIMATE = {"value", "low", "high", "level", "n", "method"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two attempts."""
    staged = {key: value for key, value in STAGED.items() if key != "stages"}
    folder = tmp_path_factory.mktemp("runs") / "attempts"
    return stages.run_recipe(tiny(**staged, train={"steps": 2}), out=folder, progress=Progress(quiet=True))


def test_the_contract_of_two_attempts(run, gnomon):
    done = gnomon("evaluate", str(run.path), "--task", "multiply", "--attempts", "2", "--n", "15", "--json")
    result = json.loads(done.stdout)
    assert set(result) == {
        "task", "n", "t1", "t2", "delta", "i_to_c", "c_to_i", "fix_rate", "edit_ratio", "unchanged", "seed",
    }  # fmt: skip
    assert (result["task"], result["n"], result["seed"]) == ("multiply", 15, 0)
    for name in ("t1", "t2", "delta", "i_to_c", "c_to_i", "edit_ratio", "unchanged"):
        assert result[name].keys() >= ESTIMATE
        assert result[name]["n"] == 15
    assert result["delta"]["value"] == pytest.approx(result["t2"]["value"] - result["t1"]["value"])
    assert result["delta"]["value"] == pytest.approx(result["i_to_c"]["value"] - result["c_to_i"]["value"])


def test_what_the_command_does_not_say_is_taken_from_the_run(run, gnomon):
    """The run's digits, instruction, attempts and answer length: the same figures as grading by hand."""
    result = json.loads(gnomon("evaluate", str(run.path), "--task", "multiply", "--n", "20", "--json").stdout)
    settings = {key: value for key, value in run.settings["task"].items() if key != "name"}
    environment = tasks.TwoAttempt(tasks.get("multiply", **settings), "?")
    problems = held_out(environment, "test", 20)
    graded = grade(Policy.load(run.path), environment, problems, max_tokens=4, mode="greedy", seed=0)
    by_hand = attempt_figures(graded, attempts=2, seed=0)
    assert result["t2"] == by_hand["t2"].to_dict()
    assert result["delta"] == by_hand["delta"].to_dict()


def test_a_checkpoint_inside_a_run_belongs_to_it(run):
    inside = next((run.path / "checkpoints").glob("*/policy"))
    assert as_trained(str(inside), "multiply", {}).attempts.instruction == "?"
    assert as_trained(str(inside), "multiply", {}).task.model_extra["digits"] == [1, 1]
    assert as_trained(str(inside), "multiply", {"digits": [2, 1]}).task.model_extra["digits"] == [2, 1]
    other = as_trained(str(inside), "add", {})
    assert (other.attempts, other.task.model_extra) == (None, {})


def test_one_attempt_of_a_run_with_two(run):
    recipe = as_trained(str(run.path), "multiply", {}, attempts=1)
    result = evaluate_policy(Policy.load(run.path), recipe, n=10, seed=0)
    assert set(result) == {"task", "n", "accuracy", "sampled_accuracy", "seed"}


def test_three_attempts_and_a_graded_reward(run):
    """A graded reward is a verdict here, and room is made for all attempts in the context."""
    recipe = as_trained(str(run.path), "multiply", {}, attempts=3, max_tokens=3)
    result = evaluate_policy(Policy.load(run.path), recipe, n=10, seed=0)
    assert {"t1", "t2", "t3", "delta"} <= result.keys()
    assert result["delta"]["value"] == pytest.approx(result["t3"]["value"] - result["t1"]["value"])


def test_episodes_that_outgrow_the_context_are_counted(run):
    recipe = as_trained(str(run.path), "multiply", {}, attempts=3, max_tokens=8)
    result = evaluate_policy(Policy.load(run.path), recipe, n=10, seed=0)
    assert result["too_long"] > 0
    assert result["t3"]["value"] <= 1 - result["too_long"] / 10


def test_impossible_gradings_are_refused(run, gnomon):
    with pytest.raises(UserError, match="--attempts 2"):
        as_trained(str(run.path), "multiply", {}, attempts=1, instruction="again")
    holds_separator = gnomon("evaluate", str(run.path), "--task", "multiply", "--attempts", "2", "--instruction", "=")
    assert holds_separator.exit_code == 2
    assert "sets the answer off" in holds_separator.stderr
    unwritable = gnomon("evaluate", str(run.path), "--task", "multiply", "--attempts", "2", "--instruction", "hm")
    assert unwritable.exit_code == 2
    assert "cannot write" in unwritable.stderr


def test_several_warmups_at_test_time(tmp_path, gnomon):
    recipe = tiny(
        latent={"max_tokens": 2, "separator": "|", "n_warmups": 1},
        objective={"name": "latent_marginal"},
        sampling={"answer": "teacher"},
        train={"steps": 1},
        warm_start={"steps": 4},
    )
    stages.run_recipe(recipe, out=tmp_path / "warm", progress=Progress(quiet=True))
    command = ("evaluate", str(tmp_path / "warm"), "--task", "multiply", "--n", "10", "--json")
    assert "accuracy_n" not in json.loads(gnomon(*command).stdout)
    several = json.loads(gnomon(*command, "--n-warmups", "3").stdout)
    assert several["accuracy_n"].keys() >= ESTIMATE
    assert several["accuracy_n"]["n"] == 10


def test_warmups_are_refused_where_there_are_none(run, gnomon):
    refused = gnomon("evaluate", str(run.path), "--task", "multiply", "--n-warmups", "3")
    assert refused.exit_code == 2
    assert "no run with [latent]" in refused.stderr


def test_a_single_problem_has_no_interval_and_says_so(run, gnomon):
    shown = gnomon("evaluate", str(run.path), "--task", "multiply", "--n", "1")
    assert shown.exit_code == 0
    assert "delta" in shown.stdout
