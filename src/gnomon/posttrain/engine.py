"""The asynchronous engine (TBA): searchers draw ahead of the trainer, at a pace that bounds how stale samples get.

`sync` and `process` are this one loop over another executor. Searchers are admitted, never cut off: a new call is
issued only while what waits and what is under way will be used within `batches_ahead` updates, so nothing that was
drawn has to be thrown away. With no batch ahead the two engines do the same things in the same order.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.compute import Broadcast, Call, Executor, WorkerDied, WorkerHandle
from gnomon.errors import UserError
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Task, Trajectory
from gnomon.posttrain.replay import Batch, Replay
from gnomon.posttrain.searcher import Collected, Fault, Searcher
from gnomon.posttrain.trainer import Trainer, no_signal_share
from gnomon.posttrain.watching import Watch
from gnomon.seeds import derive

FAULT_LIMIT = 0.05  # share of trajectories an environment may fail on before the run stops
FRUITLESS_LIMIT = 1000  # tasks in a row without a group to train on before the run stops
RESTART_LIMIT = 5  # deaths of searchers in a row, without a result between them, before the run stops


@dataclass
class Counters:
    """What a run has done so far; saved with every checkpoint."""

    next_call: int = 0
    pending: list[dict[str, Any]] = field(default_factory=list)  # calls issued, not yet answered
    samples: int = 0
    tokens: int = 0
    faults: int = 0
    first_fault: str = ""
    too_long: int = 0
    restarts: int = 0
    startup_seconds: float = 0.0
    seconds: float = 0.0
    trainer_waited: float = 0.0
    trainer_cpu: float = 0.0
    publish_seconds: float = 0.0
    searcher_busy: float = 0.0
    searcher_waited: float = 0.0
    searcher_cpu: float = 0.0
    no_signal_groups: float = 0.0
    groups: int = 0
    skipped_updates: int = 0
    staleness: dict[str, int] = field(default_factory=dict)  # updates of age -> samples used at that age

    def staleness_summary(self) -> dict[str, float]:
        """Mean, 95th percentile and maximum of the age in updates over all samples used."""
        if not self.staleness:
            return {"mean": 0.0, "p95": 0.0, "max": 0.0}
        ages = np.array([int(age) for age in self.staleness])
        counts = np.array(list(self.staleness.values()))
        order = np.argsort(ages)
        ages, counts = ages[order], counts[order]
        p95 = ages[np.searchsorted(np.cumsum(counts), 0.95 * counts.sum())]
        return {
            "mean": float((ages * counts).sum() / counts.sum()),
            "p95": float(p95),
            "max": float(ages[-1]),
        }


@dataclass(frozen=True)
class Request:
    """A call to a searcher: the tasks to play, and by place the trajectories whose first turns are given."""

    index: int
    tasks: list[int]
    given: dict[int, list[Trajectory]]
    worker: WorkerHandle

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for a checkpoint."""
        given = {str(place): [t.to_dict() for t in firsts] for place, firsts in self.given.items()}
        return {"index": self.index, "tasks": self.tasks, "given": given}


class Engine:
    """Runs a stage's updates after the other, yielding after each; owns searchers and replay.

    Updates are counted over all stages: a policy's version is the number of updates behind it.
    """

    def __init__(self, recipe: Recipe, executor: Executor, tasks: Sequence[Task]) -> None:
        self.whole = recipe
        self.recipe = recipe.parts()[0][1]  # of the stage under way
        self.executor = executor
        self.n_tasks = len(tasks)
        self.places = {task.id: place for place, task in enumerate(tasks)}
        offline = recipe.attempts is not None and recipe.attempts.offline_first_attempts > 0
        self.replay = Replay(recipe.replay, max_staleness=recipe.engine.max_staleness, remember=offline)
        self.counters = Counters()
        self.searchers: list[WorkerHandle] = []
        self.broadcast: Broadcast | None = None
        self.calls: dict[Call, Request] = {}
        self.deaths_in_a_row = 0
        self.fruitless = 0  # tasks in a row that brought no group to train on
        self.start = ""
        self.stage = 0
        self.first = self.last = 0  # the stage's updates, counted over all stages
        self.published = -1
        self.place = 0  # how many tasks have been handed out
        self.epoch, self.order = -1, np.empty(0, dtype=int)
        self.last_batch = Batch((), fresh=0, replayed=0)
        self.inline_cpu = 0.0  # CPU seconds that searchers took from this very process since the last batch

    def launch(self, weights: dict[str, Any]) -> None:
        """Start the searchers' processes, so that they load while the trainer still does other things."""
        self.broadcast = self.executor.broadcast(weights)
        settings = self.whole.model_dump(mode="json")
        self.searchers = [
            self.executor.start(Searcher, settings, self.broadcast.receiver())
            for _ in range(self.recipe.engine.searchers)
        ]

    def updates(
        self, trainer: Trainer, start: Path, stage: int, first: int, done: int = 0, watch: Watch | None = None
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """The updates of a stage, which begins after `first` of them and of which `done` are behind it.

        Yields (updates over all stages, metrics) after each. `start` holds the reference policy. What `watch` takes is
        left out of every clock.
        """
        assert self.broadcast is not None
        self.start, self.stage = str(start), stage
        self.recipe = trainer.recipe
        self.first, self.last = first, first + self.recipe.train.steps
        # Searchers that are still loading are waited for here, before the first update's clock starts.
        began = time.perf_counter()
        for call in [searcher.call("begin", self.start, stage) for searcher in self.searchers]:
            call.result()
        self.counters.startup_seconds += time.perf_counter() - began
        self._publish(first + done, trainer)
        for request in self.counters.pending:
            given = {int(p): [Trajectory.from_dict(t) for t in firsts] for p, firsts in request["given"].items()}
            self._issue(request["index"], request["tasks"], given)
        self.counters.pending = []
        every = self.recipe.train.sync_every
        for step in range(first + done, self.last):
            began, cpu = time.perf_counter(), time.process_time()
            batch = self._next_batch(step)
            waited = time.perf_counter() - began
            self.last_batch = batch
            measured = (step + 1 - first) % self.recipe.train.evaluate_every == 0
            several = len(batch.groups[0][0].turns) > 1
            watched = (watch.seconds, watch.cpu_seconds) if watch is not None else (0.0, 0.0)
            with watch.step(step - first, batch.groups) if watch is not None else nullcontext():
                metrics = trainer.update(batch.groups, step - first, per_turn=measured and several)
            if watch is not None:
                watched = (watch.seconds - watched[0], watch.cpu_seconds - watched[1])
            if trainer.skipped_in_a_row >= 3:
                raise UserError(
                    f"Loss or gradient were not finite in three updates in a row (the last is update {step + 1});"
                    " the last good checkpoint stands, and a lower train.learning_rate may hold."
                )
            publish_began = time.perf_counter()
            if (step + 1 - first) % every == 0 or step + 1 == self.last:
                self._publish(step + 1, trainer)
            self.counters.publish_seconds += time.perf_counter() - publish_began
            seconds = time.perf_counter() - began - watched[0]
            self.counters.seconds += seconds
            self.counters.trainer_waited += waited
            # The inline executor runs searchers in this process: their time is not the trainer's.
            inline = self.recipe.engine.name == "sync"
            searcher_cpu = self.inline_cpu if inline else 0.0
            self.counters.trainer_cpu += time.process_time() - cpu - searcher_cpu - watched[1]
            self.counters.skipped_updates = trainer.skipped
            self._receive(timeout=0.0)
            yield step + 1, {**metrics, **self._batch_metrics(batch, step, waited, seconds)}
        # What is left over was drawn as this stage's settings say: it is none of the next one's.
        while self.calls:
            self._receive(timeout=None)
        self.replay.fresh.clear()

    def _publish(self, version: int, trainer: Trainer) -> None:
        assert self.broadcast is not None
        if version > self.published:
            self.broadcast.publish(version, trainer.policy.weights())
            self.published = version

    def _next_batch(self, step: int) -> Batch:
        """Wait until enough fresh groups are there, keeping searchers busy meanwhile."""
        sampling = self.recipe.sampling
        self.inline_cpu = 0.0
        self._receive(timeout=0.0)
        while True:
            self.replay.drop_stale(step)
            self._admit(step)
            self._receive(timeout=0.0)
            needed = self.replay.fresh_needed(sampling.prompts, step)
            missing = needed - len(self.replay.fresh)
            if missing <= 0:
                break
            if not self.calls:  # what was drawn fell short (failures, drops): ask for just what is missing
                self._draw_more(min(missing, self._per_call()))
            self._receive(timeout=None)
        seed = derive(self.recipe.seed, "batch", step)
        return self.replay.draw(sampling.prompts, sampling.samples, step, seed)

    def _per_call(self) -> int:
        return -(-self.recipe.sampling.prompts // self.recipe.engine.searchers)

    def _admit(self, step: int) -> None:
        """Issue calls while their groups will be used within `batches_ahead` updates of the weights they use, and
        before the stage ends."""
        share = self.replay.fresh_share(self.recipe.sampling.prompts)
        size = min(self._per_call(), share)
        behind = step - self.published
        while True:
            backlog = len(self.replay.fresh) + sum(len(request.tasks) for request in self.calls.values())
            ahead = (backlog + size - 1) // share
            if behind + ahead > self.recipe.batches_ahead or step + ahead >= self.last:
                return
            self._draw_more(size)

    def _draw_more(self, size: int) -> None:
        index = self.counters.next_call
        self.counters.next_call += 1
        offline = self._offline(size, index)
        tasks = self._schedule(size - len(offline))
        given = {len(tasks) + place: firsts for place, (_, firsts) in enumerate(offline)}
        self._issue(index, [*tasks, *(task for task, _ in offline)], given)

    def _offline(self, size: int, index: int) -> list[tuple[int, list[Trajectory]]]:
        """Tasks whose first attempts are taken from the replay, as (task, trajectories with distinct first turns)."""
        attempts = self.whole.attempts
        if attempts is None or attempts.offline_first_attempts == 0:
            return []
        share = attempts.offline_first_attempts
        rng = np.random.default_rng(derive(self.whole.seed, "offline", index))
        wanted = int(rng.binomial(size, share))
        found = []
        for task in self.replay.some_tasks(wanted, rng):
            firsts = {t.turns[0].action_ids: t for t in self.replay.responses(task)}
            order = rng.permutation(len(firsts))[: self.recipe.sampling.samples]
            if len(firsts) > 1:
                found.append((self.places[task], [list(firsts.values())[i] for i in order]))
        return found

    def _schedule(self, size: int) -> list[int]:
        """Indices of the next `size` tasks: consecutive places in a sequence of seeded permutations of all tasks."""
        chosen = []
        for position in range(self.place, self.place + size):
            epoch, offset = divmod(position, self.n_tasks)
            if epoch != self.epoch:
                rng = np.random.default_rng(derive(self.recipe.seed, "tasks", epoch))
                self.epoch, self.order = epoch, rng.permutation(self.n_tasks)
            chosen.append(int(self.order[offset]))
        self.place += size
        return chosen

    def _issue(self, index: int, tasks: list[int], given: dict[int, list[Trajectory]]) -> None:
        load = Counter(id(request.worker) for request in self.calls.values())
        worker = min(self.searchers, key=lambda each: load[id(each)])
        cpu = time.process_time()
        call = worker.call("collect", index, tasks, given)
        self.inline_cpu += time.process_time() - cpu
        self.calls[call] = Request(index, tasks, given, worker)

    def _receive(self, timeout: float | None) -> None:
        """Take in every finished call; wait for one where `timeout` is None. A dead searcher is restarted."""
        for call in self.executor.wait(list(self.calls), timeout):
            if call not in self.calls:
                continue
            request = self.calls.pop(call)
            try:
                collected: Collected = call.result()
            except WorkerDied as death:
                self._revive(request.worker, death)
                self._issue(request.index, request.tasks, request.given)
                continue
            self.deaths_in_a_row = 0
            self._take(collected, len(request.tasks))

    def _revive(self, worker: WorkerHandle, death: WorkerDied) -> None:
        self.deaths_in_a_row += 1
        self.counters.restarts += 1
        if self.deaths_in_a_row > RESTART_LIMIT:
            raise UserError(f"Searchers died {self.deaths_in_a_row} times without a result between: {death}") from death
        if not worker.alive:
            worker.restart()
            worker.call("begin", self.start, self.stage)

    def _take(self, collected: Collected, tasks: int) -> None:
        counters = self.counters
        counters.samples += sum(len(group) for group in collected.groups)
        counters.tokens += collected.tokens
        counters.searcher_busy += collected.seconds
        counters.searcher_waited += collected.waited
        counters.searcher_cpu += collected.cpu_seconds
        counters.too_long += len(collected.too_long)
        self._count_faults(collected.faults)
        if not collected.groups and counters.too_long and not counters.samples:
            raise UserError(
                f"No prompt fits: with sampling.max_tokens = {self.recipe.sampling.max_tokens} every prompt so far is"
                f" too long for the model's context ({counters.too_long} trajectories); shorten one or the other."
            )
        usable = [g for g in collected.groups if len(g) > 1 or not self.recipe.objective.needs_groups]
        self.replay.add(usable)
        self.fruitless = 0 if usable else self.fruitless + tasks
        if self.fruitless >= FRUITLESS_LIMIT:
            paired = self.recipe.sampling.answer == "paired"
            reason = "no attempt was right, so none could be paired" if paired else "every trajectory was left out"
            raise UserError(
                f"{self.fruitless} tasks in a row gave nothing to train on: {reason} ({counters.too_long} outgrew the"
                f" context, the environment failed on {counters.faults}). A longer warm start, easier tasks or a larger"
                " context would give some; the last checkpoint stands."
            )

    def _count_faults(self, faults: Sequence[Fault]) -> None:
        counters = self.counters
        counters.faults += len(faults)
        if faults and not counters.first_fault:
            counters.first_fault = f"task {faults[0].task_id!r}: {faults[0].reason}"
        seen = counters.samples + counters.faults
        if counters.faults > FAULT_LIMIT * seen:
            raise UserError(
                f"The environment failed on {counters.faults} of {seen} trajectories (at most"
                f" {FAULT_LIMIT:.0%} are tolerated), first on {counters.first_fault}. Mend it and use --resume."
            )

    def _batch_metrics(self, batch: Batch, step: int, waited: float, seconds: float) -> dict[str, float]:
        counters = self.counters
        ages = [step - t.policy_version for group in batch.groups for t in group]
        for age in ages:
            counters.staleness[str(age)] = counters.staleness.get(str(age), 0) + 1
        no_signal = no_signal_share(batch.groups) if self.recipe.sampling.answer == "policy" else 0.0
        counters.no_signal_groups += no_signal * len(batch.groups)
        counters.groups += len(batch.groups)
        distinct = sum(len({t.action_ids for t in group}) for group in batch.groups)
        return {
            "staleness": float(np.mean(ages)),
            "staleness_max": float(max(ages)),
            "no_signal": no_signal,
            "duplicates": 1.0 - distinct / len(ages),
            "replayed": batch.replayed / len(batch.groups),
            "replay_size": float(self.replay.size + sum(map(len, self.replay.fresh))),
            "dropped_stale": float(self.replay.dropped_stale.total()),
            "samples": float(counters.samples),
            "tokens": float(counters.tokens),
            "trainer_idle": waited / seconds,
            "searcher_idle": self.searcher_idle,
            "samples_per_second": len(ages) / seconds,
        }

    @property
    def searcher_idle(self) -> float:
        """Share of the searchers' time that they had nothing to do."""
        whole = self.counters.searcher_busy + self.counters.searcher_waited
        return self.counters.searcher_waited / whole if whole else 0.0

    def state(self) -> dict[str, Any]:
        """Everything besides policy, optimiser and replay that a resumed run needs."""
        self.counters.pending = [request.to_dict() for request in self.calls.values()]
        return {
            "counters": dict(self.counters.__dict__),
            "place": self.place,
            "dropped_stale": dict(self.replay.dropped_stale),
        }

    def last_batch_examples(self, count: int) -> Sequence[Trajectory]:
        """The first trajectories of the batch last trained on, one of each group."""
        return [group[0] for group in self.last_batch.groups[:count]]

    def restore(self, state: dict[str, Any], replay: Path) -> None:
        """Continue from what `state` and the replay's `save` wrote."""
        self.counters = Counters(**state["counters"])
        self.place = state["place"]
        self.replay.load(replay)
