"""The searcher: draws responses with its own copy of the policy, has them graded, scores them under the reference.

A plain class that knows nothing of processes. It takes newer weights when they are offered, at the start of each
call, and never waits for the trainer.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gnomon.models.policy import Policy
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Task, Trajectory, Turn
from gnomon.seeds import derive
from gnomon.tasks.environment import Environment, Episode, Step


class Weights(Protocol):
    """Where newer weights come from: a broadcast's receiving side."""

    def latest(self, after: int) -> tuple[int, dict[str, Any]] | None:
        """The newest (version, tensors), or None where nothing is newer than version `after`."""
        ...


@dataclass(frozen=True)
class Fault:
    """A trajectory that was dropped because the environment failed on it."""

    task_id: str
    reason: str


@dataclass(frozen=True)
class Collected:
    """What one call brought: whole groups, what was dropped, and what it cost in seconds."""

    call: int
    version: int
    groups: tuple[tuple[Trajectory, ...], ...]
    faults: tuple[Fault, ...] = ()
    too_long: tuple[str, ...] = ()  # tasks whose prompt does not fit the context
    tokens: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    waited: float = 0.0  # wall seconds without work before this call


@dataclass
class _Open:
    """A trajectory under way."""

    task: Task
    group_id: str
    seed: int
    episode: Episode
    prompt_ids: tuple[int, ...]
    turns: list[Turn] = field(default_factory=list)
    done: bool = False


class Searcher:
    """Samples and scores groups of responses with the newest weights it has been offered."""

    def __init__(self, settings: dict[str, Any], weights: Weights) -> None:
        """`settings` are a recipe's values; `weights` offers newer weights of the policy."""
        self.recipe = Recipe.model_validate(settings)
        self.environment: Environment = self.recipe.environment()
        self.tasks = self.environment.tasks("train")
        self.weights = weights
        self.version = -1

    def begin(self, start: str) -> None:
        """Load the policy the run starts from, which is also the fixed reference, from its folder."""
        self.reference = Policy.load(start, dtype=self.recipe.model.dtype)
        self.policy = Policy.load(start, dtype=self.recipe.model.dtype)
        self.finished = time.perf_counter()

    def collect(self, call: int, task_indices: Sequence[int]) -> Collected:
        """Draw a group of responses for each of the training tasks at `task_indices`."""
        began, cpu_began = time.perf_counter(), time.process_time()
        waited = began - self.finished
        if (offered := self.weights.latest(self.version)) is not None:
            self.version, tensors = offered
            self.policy.load_weights(tensors)
        rollout = Rollout(self.policy, self.environment, self.recipe, self.version)
        chosen = [self.tasks[index] for index in task_indices]
        groups = rollout.groups(chosen, call, self.recipe.seed)
        groups = add_reference_log_probs(self.reference, groups)
        self.finished = time.perf_counter()
        return Collected(
            call=call,
            version=self.version,
            groups=groups,
            faults=tuple(rollout.faults),
            too_long=tuple(rollout.too_long),
            tokens=sum(len(turn.action_ids) for group in groups for t in group for turn in t.turns),
            seconds=self.finished - began,
            cpu_seconds=time.process_time() - cpu_began,
            waited=waited,
        )


class Rollout:
    """Plays tasks through the environment with a policy, all trajectories of a turn in one batch."""

    def __init__(self, policy: Policy, environment: Environment, recipe: Recipe, version: int) -> None:
        self.policy = policy
        self.environment = environment
        self.sampling = recipe.sampling
        self.version = version
        # A group's trajectories share their prompt, and often their answers: each text is tokenised once.
        self.encoded: dict[str, tuple[int, ...]] = {}
        self.decoded: dict[tuple[int, ...], str] = {}
        self.faults: list[Fault] = []
        self.too_long: list[str] = []

    def groups(self, tasks: Sequence[Task], call: int, seed: int) -> tuple[tuple[Trajectory, ...], ...]:
        """`sampling.samples` trajectories for each task; a group in which fewer than one survived is left out."""
        opened: list[list[_Open]] = []
        for position, task in enumerate(tasks):
            group_id = f"{call}.{position}"
            seeds = [derive(seed, "episode", group_id, k) for k in range(self.sampling.samples)]
            group = [o for s in seeds if (o := self._open(task, group_id, s)) is not None]
            if group:
                opened.append(group)
        everyone = [trajectory for group in opened for trajectory in group]
        for turn in range(self.sampling.max_turns):
            going = [trajectory for trajectory in everyone if not trajectory.done]
            if not going:
                break
            self._turn(going, derive(seed, "sample", call, turn))
        return tuple(
            tuple(Trajectory(o.task.id, o.group_id, o.seed, tuple(o.turns)) for o in group if o.turns)
            for group in opened
            if any(o.turns for o in group)
        )

    def _open(self, task: Task, group_id: str, seed: int) -> _Open | None:
        try:
            episode = self.environment.start(task, seed)
        except Exception as fault:
            self.faults.append(Fault(task.id, f"start raised {type(fault).__name__}: {fault}"))
            return None
        prompt_ids = self.encoded.get(episode.prompt)
        if prompt_ids is None:
            prompt_ids = self.encoded[episode.prompt] = tuple(self.policy.encode(episode.prompt))
        if len(prompt_ids) + self.sampling.max_tokens > self.policy.context:
            self.too_long.append(task.id)
            return None
        return _Open(task, group_id, seed, episode, prompt_ids)

    def _turn(self, going: list[_Open], seed: int) -> None:
        # Trajectories that share a prompt share its prefill: the first turn of a group is one prompt.
        prompts: dict[tuple[int, ...], list[_Open]] = {}
        for trajectory in going:
            prompts.setdefault(trajectory.prompt_ids, []).append(trajectory)
        for count in sorted({len(members) for members in prompts.values()}):
            alike = {ids: members for ids, members in prompts.items() if len(members) == count}
            samples = self.policy.sample(
                list(alike),
                count,
                max_tokens=self.sampling.max_tokens,
                temperature=self.sampling.temperature,
                seed=derive(seed, count),
            )
            members = [trajectory for shared in alike.values() for trajectory in shared]
            for trajectory, sample in zip(members, samples, strict=True):
                self._answer(trajectory, sample.token_ids, sample.log_probs, sample.finish_reason)

    def _answer(
        self,
        trajectory: _Open,
        action_ids: tuple[int, ...],
        log_probs: tuple[float, ...],
        finish_reason: str,
    ) -> None:
        try:
            text = self.decoded.get(action_ids)
            if text is None:
                text = self.decoded[action_ids] = self.policy.decode(action_ids)
            step = trajectory.episode.step(text)
            reward = checked_reward(step)
        except Exception as fault:
            self.faults.append(Fault(trajectory.task.id, f"step raised {type(fault).__name__}: {fault}"))
            trajectory.turns.clear()
            trajectory.done = True
            return
        trajectory.turns.append(
            Turn(
                trajectory.prompt_ids,
                action_ids,
                log_probs,
                self.version,
                self.sampling.temperature,
                finish_reason,
                reward,
                dict(step.components),
            )
        )
        trajectory.done = step.done
        if not step.done:
            observation = self.policy.tokenizer(step.observation or "", add_special_tokens=False)["input_ids"]
            trajectory.prompt_ids = (*trajectory.prompt_ids, *action_ids, *observation)
            if len(trajectory.prompt_ids) + self.sampling.max_tokens > self.policy.context:
                self.too_long.append(trajectory.task.id)
                trajectory.done = True


def checked_reward(step: Step) -> float:
    """The step's reward as a finite float. Raises ValueError saying what came instead."""
    if isinstance(step.reward, bool) or not isinstance(step.reward, int | float):
        raise ValueError(f"the reward is {step.reward!r}, not a number")
    if not math.isfinite(step.reward):
        raise ValueError(f"the reward is {step.reward}, not a finite number")
    return float(step.reward)


def add_reference_log_probs(
    reference: Policy, groups: Sequence[tuple[Trajectory, ...]]
) -> tuple[tuple[Trajectory, ...], ...]:
    """The groups with each turn's log-probabilities under the reference. Equal sequences are scored once."""
    from dataclasses import replace

    wanted: dict[tuple[tuple[int, ...], tuple[int, ...], float], tuple[float, ...]] = {}
    for group in groups:
        for trajectory in group:
            for turn in trajectory.turns:
                wanted[(turn.prompt_ids, turn.action_ids, turn.temperature)] = ()
    keys = list(wanted)
    for temperature in {key[2] for key in keys}:
        alike = [key for key in keys if key[2] == temperature]
        scores = reference.log_probs([key[0] for key in alike], [key[1] for key in alike], temperature=temperature)
        for key, score in zip(alike, scores, strict=True):
            wanted[key] = tuple(score.tolist())
    return tuple(
        tuple(
            replace(
                trajectory,
                turns=tuple(
                    replace(turn, reference_log_probs=wanted[(turn.prompt_ids, turn.action_ids, turn.temperature)])
                    for turn in trajectory.turns
                ),
            )
            for trajectory in group
        )
        for group in groups
    )
