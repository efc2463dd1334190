"""The searcher: draws responses with its own copy of the policy, has them graded, scores them under the reference.

A plain class that knows nothing of processes. It takes newer weights when they are offered, at the start of each
call, and never waits for the trainer.
"""

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gnomon.errors import UserError
from gnomon.models.policy import Policy
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Task, Trajectory, Turn
from gnomon.seeds import derive
from gnomon.tasks.environment import Environment, Episode, Step, demonstrated


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
    """A trajectory under way: `rest_ids` is everything after its first prompt so far."""

    task: Task
    group_id: str
    seed: int
    episode: Episode
    prompt_ids: tuple[int, ...]
    rest_ids: tuple[int, ...] = ()
    turns: list[Turn] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    done: bool = False
    dropped: bool = False


class Searcher:
    """Samples and scores groups of responses with the newest weights it has been offered."""

    def __init__(self, settings: dict[str, Any], weights: Weights) -> None:
        """`settings` are a recipe's values; `weights` offers newer weights of the policy."""
        self.recipe = Recipe.model_validate(settings)
        self.environment: Environment = self.recipe.environment(training=True)
        self.tasks = self.environment.tasks("train")
        self.weights = weights
        self.version = -1

    def begin(self, start: str, stage: int) -> None:
        """Begin a stage: load the policy the run started from, which is the fixed reference, from its folder."""
        self.stage = self.recipe.parts()[stage][1]
        self.reference = Policy.load(start, dtype=self.recipe.model.dtype)
        self.policy = Policy.load(start, dtype=self.recipe.model.dtype)
        self.version = -1
        self.finished = time.perf_counter()

    def collect(
        self, call: int, task_indices: Sequence[int], given: Mapping[int, Sequence[Trajectory]] | None = None
    ) -> Collected:
        """Draw a group of responses for each of the training tasks at `task_indices`.

        Where `given` has trajectories for a place in `task_indices`, the group begins with their first turns.
        """
        began, cpu_began = time.perf_counter(), time.process_time()
        waited = began - self.finished
        if (offered := self.weights.latest(self.version)) is not None:
            self.version, tensors = offered
            self.policy.load_weights(tensors)
        rollout = Rollout(self.policy, self.environment, self.stage, self.version)
        chosen = [self.tasks[index] for index in task_indices]
        groups = rollout.groups(chosen, call, self.recipe.seed, given or {})
        groups = add_reference_log_probs(self.reference, groups)
        self.finished = time.perf_counter()
        return Collected(
            call=call,
            version=self.version,
            groups=groups,
            faults=tuple(rollout.faults),
            too_long=tuple(rollout.too_long),
            tokens=rollout.tokens,
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
        self.observed: dict[str, tuple[int, ...]] = {}
        self.decoded: dict[tuple[int, ...], str] = {}
        self.faults: list[Fault] = []
        self.too_long: list[str] = []
        self.tokens = 0  # drawn

    def groups(
        self,
        tasks: Sequence[Task],
        call: int,
        seed: int,
        given: Mapping[int, Sequence[Trajectory]] | None = None,
    ) -> tuple[tuple[Trajectory, ...], ...]:
        """`sampling.samples` trajectories, each in `sampling.branches` continuations, for each task.

        A trajectory that cannot be finished, because the environment fails or its prompt outgrows the context, is left
        out and counted. Left out as well are a continuation without another to be compared with, and an attempt without
        a right answer to be paired with.
        """
        opened: list[list[_Open]] = []
        for position, task in enumerate(tasks):
            group_id = f"{call}.{position}"
            firsts = (given or {}).get(position)
            if firsts is None:
                seeds = [derive(seed, "episode", group_id, k) for k in range(self.sampling.samples)]
                opened.append([o for s in seeds if (o := self._open(task, group_id, s)) is not None])
                continue
            group = []
            for first in firsts:  # in the episode that the turn was drawn in: whatever is random there is as it was
                if (trajectory := self._open(task, group_id, first.seed)) is not None:
                    group.append(trajectory)
                    self._answer(trajectory, replace(first.turns[0], origin="replay", reference_log_probs=None))
            opened.append(group)
        branches = self.sampling.branches
        for number in range(self.sampling.max_turns):
            for group in opened:
                if number == 1 and branches > 1:
                    forks = [self._fork(o) for o in group if not o.done for _ in range(branches - 1)]
                    group += [o for o in forks if o is not None]
            going = [o for group in opened for o in group if not o.done and len(o.turns) == number]
            if going:
                self._turn(going, derive(seed, "sample", call, number))
        return tuple(
            tuple(Trajectory(o.task.id, o.group_id, o.seed, tuple(o.turns)) for o in kept)
            for group in opened
            if (kept := self._finished(group))
        )

    def _finished(self, group: list[_Open]) -> list[_Open]:
        whole = [o for o in group if o.turns and not o.dropped]
        if self.sampling.branches == 1:
            return whole
        firsts = [o.turns[0].action_ids for o in whole]
        return [o for o in whole if firsts.count(o.turns[0].action_ids) > 1]

    def _open(self, task: Task, group_id: str, seed: int) -> _Open | None:
        try:
            episode = self.environment.start(task, seed)
        except UserError:
            raise
        except Exception as fault:
            self.faults.append(Fault(task.id, f"start raised {type(fault).__name__}: {fault}"))
            return None
        prompt_ids = self.encoded.get(episode.prompt)
        if prompt_ids is None:
            prompt_ids = self.encoded[episode.prompt] = tuple(self.policy.encode(episode.prompt))
        opened = _Open(task, group_id, seed, episode, prompt_ids)
        if not self.policy.fits(len(prompt_ids), self._limit(opened)):
            self.too_long.append(task.id)
            return None
        return opened

    def _fork(self, trajectory: _Open) -> _Open | None:
        """The same trajectory once more, its episode played again to where it stands."""
        try:
            episode = self.environment.start(trajectory.task, trajectory.seed)
            for text in trajectory.texts:
                episode.step(text)
        except UserError:
            raise
        except Exception as fault:
            self.faults.append(Fault(trajectory.task.id, f"playing again raised {type(fault).__name__}: {fault}"))
            return None
        return replace(trajectory, episode=episode, turns=list(trajectory.turns), texts=list(trajectory.texts))

    def _limit(self, trajectory: _Open) -> int:
        return getattr(trajectory.episode, "max_tokens", None) or self.sampling.max_tokens

    def _turn(self, going: list[_Open], seed: int) -> None:
        if self.sampling.answer == "teacher":
            demonstrated_now = [o for o in going if not getattr(o.episode, "latent", False)]
            for trajectory in demonstrated_now:
                # A group's warmups are weighed by one answer: a teacher that errs now and then gives them all the same.
                after_warmup = bool(trajectory.turns) and trajectory.turns[-1].latent
                its_seed = derive(seed, "teacher", trajectory.group_id) if after_warmup else trajectory.seed
                text = demonstrated(self.environment, trajectory.task, its_seed)[len(trajectory.turns)]
                self._answer(trajectory, self._written(trajectory, self.policy.encode_action(text)))
            going = [o for o in going if getattr(o.episode, "latent", False)]
        elif self.sampling.answer == "paired" and going and going[0].turns:
            self._pair(going, random.Random(seed))
            return
        # Trajectories that share all they have read share its prefill: the first turn of a group is one prompt.
        alike: dict[tuple[tuple[int, ...], tuple[int, ...], int], list[_Open]] = {}
        for trajectory in going:
            alike.setdefault((trajectory.prompt_ids, trajectory.rest_ids, self._limit(trajectory)), []).append(
                trajectory
            )
        for count, limit in sorted({(len(members), key[2]) for key, members in alike.items()}):
            chosen = {key: m for key, m in alike.items() if len(m) == count and key[2] == limit}
            samples = self.policy.sample(
                [key[0] for key in chosen],
                count,
                max_tokens=limit,
                temperature=self.sampling.temperature,
                seed=derive(seed, count, limit),
                prefixes=[key[1] for key in chosen],
            )
            self.tokens += sum(len(sample.token_ids) for sample in samples)
            members = [trajectory for shared in chosen.values() for trajectory in shared]
            for trajectory, sample in zip(members, samples, strict=True):
                turn = Turn(
                    trajectory.prompt_ids + trajectory.rest_ids,
                    sample.token_ids,
                    sample.log_probs,
                    self.version,
                    self.sampling.temperature,
                    sample.finish_reason,
                    0.0,
                    latent=getattr(trajectory.episode, "latent", False),
                )
                self._answer(trajectory, turn)

    def _pair(self, going: list[_Open], rng: random.Random) -> None:
        """Answer each attempt with a right one of its group, another where there is one (Pair-SFT)."""
        right: dict[str, list[_Open]] = {}
        for trajectory in going:
            if trajectory.turns[0].reward >= 1:
                right.setdefault(trajectory.group_id, []).append(trajectory)
        answers = {id(o): o.turns[0].action_ids for members in right.values() for o in members}
        for trajectory in going:
            members = right.get(trajectory.group_id, [])
            if not members:
                trajectory.dropped = True
                continue
            partner = rng.choice([o for o in members if o is not trajectory] or members)
            self._answer(trajectory, self._written(trajectory, answers[id(partner)]))

    def _written(self, trajectory: _Open, action_ids: Sequence[int]) -> Turn:
        """A teacher's action as a turn; it is certain, so its log-probabilities are 0."""
        action = tuple(action_ids)
        return Turn(
            trajectory.prompt_ids + trajectory.rest_ids,
            action,
            (0.0,) * len(action),
            self.version,
            self.sampling.temperature,
            "eos",
            0.0,
            origin="teacher",
        )

    def _answer(self, trajectory: _Open, turn: Turn) -> None:
        """Take the environment's step on a turn's action, and read what it says."""
        if not self.policy.fits(len(trajectory.prompt_ids), len(trajectory.rest_ids) + len(turn.action_ids)):
            self._outgrown(trajectory)
            return
        try:
            text = self.decoded.get(turn.action_ids)
            if text is None:
                text = self.decoded[turn.action_ids] = self.policy.decode(turn.action_ids)
            step = trajectory.episode.step(text)
            reward = checked_reward(step)
        except UserError:
            raise
        except Exception as fault:
            self.faults.append(Fault(trajectory.task.id, f"step raised {type(fault).__name__}: {fault}"))
            trajectory.done = trajectory.dropped = True
            return
        trajectory.turns.append(replace(turn, reward=reward, components=dict(step.components)))
        trajectory.texts.append(text)
        trajectory.done = step.done
        if not step.done:
            observation = self.observed.get(step.observation or "")
            if observation is None:
                observation = observe(self.policy, step.observation)
                self.observed[step.observation or ""] = observation
            trajectory.rest_ids = (*trajectory.rest_ids, *turn.action_ids, *observation)
            if not self.policy.fits(len(trajectory.prompt_ids), len(trajectory.rest_ids) + self._limit(trajectory)):
                self._outgrown(trajectory)

    def _outgrown(self, trajectory: _Open) -> None:
        self.too_long.append(trajectory.task.id)
        trajectory.done = trajectory.dropped = True


def observe(policy: Policy, observation: str | None) -> tuple[int, ...]:
    """Token ids of what an environment says between two actions.

    Raises UserError where the model's tokenizer has no way to write it: it would read a mark for the unknown instead.
    """
    ids = tuple(policy.tokenizer(observation or "", add_special_tokens=False)["input_ids"])
    unknown = policy.tokenizer.unk_token_id
    if unknown is not None and unknown in ids:
        raise UserError(
            f"The model's tokenizer cannot write {observation!r}; give the text that it was trained with"
            " (--instruction, attempts.instruction or latent.separator)."
        )
    return ids


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
    wanted: dict[tuple[tuple[int, ...], tuple[int, ...], float], list[float]] = {}
    for group in groups:
        for t in group:
            wanted[(t.prompt_ids, t.rest_ids, t.temperature)] = []
    keys = list(wanted)
    for temperature in {key[2] for key in keys}:
        alike = [key for key in keys if key[2] == temperature]
        scores = reference.log_probs([key[0] for key in alike], [key[1] for key in alike], temperature=temperature)
        for key, score in zip(alike, scores, strict=True):
            wanted[key] = score.tolist()

    def scored(t: Trajectory) -> Trajectory:
        values = wanted[(t.prompt_ids, t.rest_ids, t.temperature)]
        turns = zip(t.turns, t.spans, strict=True)
        return replace(t, turns=tuple(replace(turn, reference_log_probs=tuple(values[a:b])) for turn, (a, b) in turns))

    return tuple(tuple(scored(t) for t in group) for group in groups)
