"""Scoring a run's stored answers again: a pure verifier must give every one the reward it got."""

import json
import math
from dataclasses import dataclass
from typing import Any

from gnomon.errors import UserError
from gnomon.posttrain.evaluation import Graded
from gnomon.posttrain.recipe import Recipe
from gnomon.runs import Run
from gnomon.tasks.environment import Environment, Task


@dataclass(frozen=True)
class Difference:
    """A stored reward that scoring again does not confirm."""

    source: str
    task_id: str
    step: int
    stored: float
    rescored: float


def rescore(run: Run) -> tuple[int, list[Difference]]:
    """Score every stored trajectory and graded answer of `run` again: (how many, the differences).

    Raises UserError where the environment is not pure: its reward does not follow from task and text.
    """
    if run.kind != "posttrain":
        raise UserError(
            f"{str(run.path)!r} is of kind {run.kind!r}; only post-training runs hold rewards to score again."
        )
    recipe = Recipe.model_validate(run.settings)
    environment: Environment = recipe.environment()
    trained_in: Environment = recipe.environment(training=True)
    if not environment.pure:
        raise UserError(
            f"The environment {recipe.task.name!r} is not pure: its reward depends on more than task and text, so"
            " stored rewards cannot be checked."
        )
    tasks = {task.id: task for split in ("train", "validation", "test") for task in environment.tasks(split)}
    differences: list[Difference] = []
    rows = run.trajectories()
    for row in rows:
        rewards = _play(trained_in, _task(tasks, row["task_id"]), row["seed"], [t["action"] for t in row["turns"]])
        for turn, rescored in zip(row["turns"], rewards, strict=True):
            _compare(differences, "trajectories.jsonl", row, turn["reward"], rescored)
    graded = run.evaluations()
    for row in graded:
        said = Graded.from_row(row).turns
        rewards = _play(environment, _task(tasks, row["task_id"]), 0, [turn.action for turn in said])
        for turn, rescored in zip(said, rewards, strict=True):
            _compare(differences, "eval.jsonl", row, turn.reward, rescored)
    return len(rows) + len(graded), differences


def _task(tasks: dict[str, Task], task_id: str) -> Task:
    if task_id not in tasks:
        raise UserError(f"The run names task {task_id!r}, which its environment no longer has.")
    return tasks[task_id]


def _play(environment: Environment, task: Task, seed: int, actions: list[str]) -> list[float]:
    episode = environment.start(task, seed)
    return [float(episode.step(action).reward) for action in actions]


def _compare(found: list[Difference], source: str, row: dict[str, Any], stored: float, rescored: float) -> None:
    if not math.isclose(stored, rescored, rel_tol=1e-9, abs_tol=1e-12):
        found.append(Difference(source, row["task_id"], row["step"], stored, rescored))


def to_json(run: Run, checked: int, differences: list[Difference]) -> str:
    """One JSON object: the run, how many rewards were checked, and each difference."""
    return json.dumps({"run": str(run.path), "checked": checked, "differences": [d.__dict__ for d in differences]})
