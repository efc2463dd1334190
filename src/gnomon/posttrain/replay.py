"""The replay: what searchers found, and how the trainer's batches are drawn from it.

Two stores. *Fresh* groups, as drawn and in order of arrival, are each used once: they are the newest versions' tasks
and responses. *Memory* holds per task the responses seen, the same tokens once (newest kept), for drawing again in
proportion to exp(score / temperature). With `recency = 1` only fresh groups are used.
"""

import json
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.posttrain.recipe import ReplaySettings
from gnomon.posttrain.records import Trajectory
from gnomon.runs.files import write_atomic

Group = tuple[Trajectory, ...]


@dataclass(frozen=True)
class Batch:
    """Groups for one update, and how many of them were fresh and how many drawn again."""

    groups: tuple[Group, ...]
    fresh: int
    replayed: int


class Replay:
    """Bounded store of groups. Not thread-safe: the trainer's process owns it."""

    def __init__(self, settings: ReplaySettings, *, max_staleness: int | None = None, remember: bool = False) -> None:
        """With `remember`, memory is filled even where batches draw nothing from it: somebody else does."""
        self.settings = settings
        self.remembers = remember or settings.recency < 1
        self.max_staleness = max_staleness
        self.fresh: deque[Group] = deque()
        # Task ids from the least to the most recently visited; responses likewise within a task.
        self.memory: OrderedDict[str, OrderedDict[tuple[tuple[int, ...], ...], Trajectory]] = OrderedDict()
        self.size = 0
        self.duplicates = 0
        self.dropped_stale: Counter[str] = Counter()

    def add(self, groups: Sequence[Group]) -> None:
        """Take in new groups: they wait to be used, and go into memory once they have been."""
        self.fresh.extend(groups)

    def remember(self, trajectory: Trajectory) -> None:
        """Keep a response for drawing again, in place of an equal one, and make room for it."""
        responses = self.memory.setdefault(trajectory.task_id, OrderedDict())
        self.memory.move_to_end(trajectory.task_id)
        if responses.pop(trajectory.action_ids, None) is not None:
            self.duplicates += 1
            self.size -= 1
        responses[trajectory.action_ids] = trajectory
        self.size += 1
        if len(responses) > self.settings.per_task:
            responses.popitem(last=False)
            self.size -= 1
        while self.size > self.settings.capacity:
            oldest = next(iter(self.memory))
            self.memory[oldest].popitem(last=False)
            self.size -= 1
            if not self.memory[oldest]:
                del self.memory[oldest]

    def fresh_share(self, prompts: int) -> int:
        """How many of a batch's `prompts` groups are fresh ones: at least one."""
        return max(1, round(self.settings.recency * prompts))

    def drop_stale(self, version: int) -> None:
        """Discard fresh groups that have become older than `max_staleness`, counted by task."""
        if self.max_staleness is None:
            return
        kept: deque[Group] = deque()
        for group in self.fresh:
            if version - group[0].policy_version > self.max_staleness:
                self.dropped_stale[group[0].task_id] += 1
            else:
                kept.append(group)
        self.fresh = kept

    def fresh_needed(self, prompts: int, version: int) -> int:
        """How many fresh groups the next batch takes: its share, or all of it while memory cannot fill the rest."""
        again = prompts - self.fresh_share(prompts)
        return prompts - again if again and len(self._repeatable(version)) >= again else prompts

    def draw(self, prompts: int, samples: int, version: int, seed: int) -> Batch:
        """A batch of `prompts` groups for the trainer at `version`; `fresh_needed` of them must be waiting."""
        rng = np.random.default_rng(seed)
        fresh = [self.fresh.popleft() for _ in range(self.fresh_needed(prompts, version))]
        again = self._draw_again(prompts - len(fresh), samples, version, rng)
        if self.remembers:
            for group in fresh:
                for trajectory in group:
                    self.remember(trajectory)
        return Batch((*fresh, *again), fresh=len(fresh), replayed=len(again))

    def some_tasks(self, count: int, rng: np.random.Generator) -> list[str]:
        """`count` distinct tasks of the memory (all where it has fewer), drawn with equal chances."""
        known = list(self.memory)
        return [known[i] for i in rng.permutation(len(known))[:count]]

    def responses(self, task: str) -> list[Trajectory]:
        """The responses in memory to a task, the least recently seen first."""
        return list(self.memory.get(task, {}).values())

    def _repeatable(self, version: int) -> dict[str, list[Trajectory]]:
        """Per task the responses young enough to use, for the tasks that have two or more."""
        oldest = -1 if self.max_staleness is None else version - self.max_staleness
        usable = {
            task: [t for t in responses.values() if t.policy_version >= oldest]
            for task, responses in self.memory.items()
        }
        return {task: responses for task, responses in usable.items() if len(responses) >= 2}

    def _draw_again(self, count: int, samples: int, version: int, rng: np.random.Generator) -> list[Group]:
        if count == 0:
            return []
        candidates = self._repeatable(version)
        tasks = list(candidates)
        best = np.array([max(t.reward for t in candidates[task]) for task in tasks])
        groups = []
        for index in _softmax_draw(best, self.settings.temperature, count, rng):
            responses = candidates[tasks[index]]
            scores = np.array([t.reward for t in responses])
            chosen = _softmax_draw(scores, self.settings.temperature, min(samples, len(responses)), rng)
            groups.append(tuple(responses[i] for i in sorted(chosen)))
        return groups

    def save(self, path: Path) -> None:
        """Write everything, fresh groups first, one group a line."""
        rows: list[dict[str, Any]] = [{"fresh": [t.to_dict() for t in group]} for group in self.fresh]
        rows += [{"memory": [t.to_dict() for t in responses.values()]} for responses in self.memory.values()]
        rows.append({"duplicates": self.duplicates, "dropped_stale": dict(self.dropped_stale)})
        write_atomic(path, "".join(json.dumps(row) + "\n" for row in rows))

    def load(self, path: Path) -> None:
        """Read back what `save` wrote into this empty replay."""
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "fresh" in row:
                self.fresh.append(tuple(Trajectory.from_dict(item) for item in row["fresh"]))
            elif "memory" in row:
                for item in row["memory"]:
                    self.remember(Trajectory.from_dict(item))
            else:
                self.duplicates = row["duplicates"]
                self.dropped_stale = Counter(row["dropped_stale"])


def _softmax_draw(scores: np.ndarray, temperature: float, count: int, rng: np.random.Generator) -> list[int]:
    """`count` distinct indices, drawn one after the other in proportion to exp(score / temperature)."""
    keys = scores / temperature + rng.gumbel(size=len(scores))  # the Gumbel-top-k trick
    return [int(index) for index in np.argsort(-keys, kind="stable")[:count]]
