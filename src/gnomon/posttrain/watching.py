"""A probe from another room as an observer of this one's updates: what it looks at, where its events go, what it costs.

Post-training knows a probe by its shape only; the command line says which class it is (`gnomon.dynamics.Probe`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gnomon.models import training
from gnomon.models.policy import Policy
from gnomon.posttrain.evaluation import held_out
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.replay import Group
from gnomon.posttrain.searcher import Rollout
from gnomon.posttrain.task_losses import task_losses, turn_labels
from gnomon.posttrain.warm_start import Batch, Demonstrations, demonstration_losses
from gnomon.runs import Run
from gnomon.seeds import derive
from gnomon.tasks.environment import Environment


class Probe(training.Observer, Protocol):
    """What a probe can do besides observing: end, go on after a resume, and say how many looks it left out."""

    skipped: int

    def finish(self, step: int) -> None:
        """Nothing follows after update `step`."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        ...


MakeProbe = Callable[..., Probe]
STATE = "probe.safetensors"


class Watch:
    """A probe around the updates of one part of a run: the warm start, or one of the recipe's stages.

    Steps come in counted from 0 and are the probe's from 1. `seconds` and `cpu_seconds` are what watching has taken;
    whoever times an update takes them off again.
    """

    def __init__(self, name: str, probe: Probe) -> None:
        self.name = name
        self.probe = probe
        self.seconds = self.cpu_seconds = 0.0

    @contextmanager
    def step(self, step: int, batch: Any) -> Iterator[None]:
        """Around the update that follows `step` others of this part, on `batch`."""
        wall, cpu = time.perf_counter(), time.process_time()
        with self.probe.step(step + 1, batch):
            self._took(wall, cpu)
            yield
            wall, cpu = time.perf_counter(), time.process_time()
        self._took(wall, cpu)

    def _took(self, wall: float, cpu: float) -> None:
        self.seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu

    def finish(self, steps: int) -> None:
        """This part of the run has ended, after `steps` updates."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.probe.finish(steps)
        self._took(wall, cpu)

    def figures(self) -> dict[str, float]:
        """What is kept of it in the run's state: probes that the budget left out, and what the others cost."""
        return {"skipped": self.probe.skipped, "cpu_seconds": self.cpu_seconds}

    def save(self, folder: Path) -> None:
        """Write the probe's state into a checkpoint's folder."""
        save_file(self.probe.state(), folder / STATE)

    def load(self, folder: Path, figures: dict[str, float]) -> None:
        """Go on from what `save` wrote and `figures` said then."""
        self.probe.restore(load_file(folder / STATE))
        self.cpu_seconds = figures["cpu_seconds"]


def watch_demonstrations(make: MakeProbe, recipe: Recipe, environment: Environment, policy: Policy, run: Run) -> Watch:
    """A watch over the warm start: one loss for each demonstration, the mean over its tokens.

    It looks at the batch trained on, and at a batch of demonstrations of validation tasks that stays the same.
    """

    def losses(model: torch.nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        return demonstration_losses(policy, batch)

    seed = derive(recipe.base_seed, "probe", "warm_start")
    answers = Demonstrations(recipe, environment, policy, seed, "validation")
    answers.size = min(answers.size, len(answers.tasks))
    batch = answers(0) if answers.size else None
    return _watch("warm_start", make, recipe, policy, losses, run, 0, unit="sequence", batch=batch)


def watch_tasks(
    make: MakeProbe,
    name: str,
    stage: Recipe,
    environment: Environment,
    policy: Policy,
    start: Path,
    run: Run,
    behind: int,
) -> Watch:
    """A watch over a stage, `behind` updates of the run being behind it: one loss for each task and turn, labelled by
    turn.

    It looks at the batch trained on, and at as many groups of validation tasks, drawn once by the policy that the stage
    begins with, which lies in the folder `start`. `environment` is the one that is trained in.
    """

    def losses(model: torch.nn.Module, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        return task_losses(policy, groups, contexts=stage.sampling.branches > 1, at_once=stage.train.micro_batch)

    tasks = held_out(environment, "validation", stage.sampling.prompts)
    rollout = Rollout(Policy.load(start, dtype=stage.model.dtype), environment, stage, 0)
    groups = rollout.groups(tasks, 0, derive(stage.seed, "probe", name))
    return _watch(
        name, make, stage, policy, losses, run, behind, unit="example", batch=groups or None, groups=turn_labels
    )


def _watch(
    name: str, make: MakeProbe, recipe: Recipe, policy: Policy, losses: Any, run: Run, behind: int, **more: Any
) -> Watch:
    """Events go to the run's metrics, each as a row whose step counts over the whole run, as in every row."""
    assert recipe.probe is not None

    def log(event: dict[str, Any]) -> None:
        rest = {key: value for key, value in event.items() if key != "step"}
        if rest.get("from") is not None:
            rest["from"] += behind
        run.log(behind + event["step"], stage="probe", watched=name, **rest)

    settings = recipe.probe
    return Watch(name, make(policy.model, losses, every=settings.every, budget=settings.budget, on_event=log, **more))
