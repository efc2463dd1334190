"""What a policy wrote while it was trained, one shape for every kind of run, and how stale it was."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from gnomon.server.metrics_file import GrowingFile, MetricsFile, json_object

TRAJECTORIES = ("trajectories.1.jsonl", "trajectories.jsonl")  # the older ones first
EVALUATIONS = ("eval.jsonl",)

Sample = dict[str, Any]


class RunSamples:
    """The stored samples of one run, by number. `warm_start` is the number of updates before its first sample."""

    def __init__(self, files: dict[str, GrowingFile], warm_start: int) -> None:
        self._warm_start = warm_start
        self.source: str | None = None
        self._parts: list[tuple[GrowingFile, int]] = []
        for source, names in (("trajectories", TRAJECTORIES), ("evaluations", EVALUATIONS)):
            self._parts = [(files[name], files[name].count()) for name in names if name in files]
            # Other rooms keep other things in eval.jsonl: figures of a validation, say.
            if self.total and (source == "trajectories" or "answer" in next(self._rows(0, 1), {})):
                self.source = source
                return
        self._parts = []

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(count for _, count in self._parts)

    def page(self, offset: int, limit: int, correct: bool | None) -> dict[str, Any]:
        """`limit` samples from number `offset` on; where `correct` is given, of those that are so, or are not."""
        if correct is None:
            total, rows = self.total, list(self._samples(offset, offset + limit))
        else:
            found = [each for each in self._samples(0, self.total) if each["correct"] is correct]
            total, rows = len(found), found[offset : offset + limit]
        return {"total": total, "offset": offset, "from": self.source, "rows": rows}

    def staleness(self) -> Counter[int]:
        """How many samples were so many updates old when they were trained on."""
        if self.source != "trajectories":
            return Counter()
        ages = (each["staleness"] for each in self._samples(0, self.total))
        return Counter(age for age in ages if age is not None)

    def _samples(self, first: int, last: int) -> Iterator[Sample]:
        make = self._of_training if self.source == "trajectories" else _of_evaluation
        for index, row in enumerate(self._rows(first, last), start=first):
            yield {"index": index, **make(row)}

    def _rows(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        for file, count in self._parts:
            for line in file.lines(max(first, 0), min(last, count)):
                yield json_object(line) or {}
            first, last = first - count, last - count

    def _of_training(self, row: dict[str, Any]) -> Sample:
        turns, read = [], ""
        for turn in row.get("turns", []):
            whole = turn.get("prompt", "")  # from the beginning of the episode
            turns.append({**_turn(turn), "prompt": whole.removeprefix(read)})
            read = whole + turn.get("action", "")
        step, rewards = row.get("step"), [turn["reward"] or 0.0 for turn in turns]
        version = row["turns"][-1].get("policy_version") if turns else None
        age = None if version is None or step is None else step - self._warm_start - 1 - version
        return {
            "step": step,
            "task": row.get("task_id"),
            "group": row.get("group_id"),
            "stage": None,
            "mode": None,
            "prompt": turns[0]["prompt"] if turns else None,
            "turns": turns,
            "reward": sum(rewards) if turns else None,
            "correct": rewards[-1] >= 1 if turns else None,
            "version": version,
            "staleness": age if age is not None and age >= 0 else None,
        }


def _of_evaluation(row: dict[str, Any]) -> Sample:
    last = {"action": row.get("answer"), "reward": row.get("reward")}
    turns = [_turn(turn) for turn in row.get("turns") or [last]]
    turns[0]["prompt"] = row.get("prompt")
    return {
        "step": row.get("step"),
        "task": row.get("task_id"),
        "group": None,
        "stage": row.get("stage"),
        "mode": row.get("mode"),
        "prompt": row.get("prompt"),
        "turns": turns,
        "reward": row.get("reward"),
        "correct": row.get("correct"),
        "version": None,
        "staleness": None,
    }


def _turn(turn: dict[str, Any]) -> dict[str, Any]:
    reward, finish = turn.get("reward"), turn.get("finish_reason")
    return {"prompt": None, "text": turn.get("action") or "", "reward": reward, "finish_reason": finish}


def staleness(summary: dict[str, Any], samples: RunSamples, metrics: MetricsFile) -> dict[str, Any]:
    """The histogram of staleness, from the best source there is: see `run_shapes.Staleness`."""
    if counts := summary.get("staleness_counts"):
        return _histogram({int(age): count for age, count in counts.items()}, "summary")
    if ages := samples.staleness():
        return _histogram(ages, "trajectories")
    column = metrics.columns(["staleness"])["staleness"]
    rounded = np.rint(column[np.isfinite(column)]).astype(int)
    return _histogram(Counter(rounded.tolist()), "metrics" if len(rounded) else None)


def _histogram(counts: dict[int, int], source: str | None) -> dict[str, Any]:
    return {"bins": [{"staleness": age, "count": counts[age]} for age in sorted(counts)], "from": source}


def warm_start_steps(settings: dict[str, Any]) -> int:
    """How many updates of a run come before reinforcement learning."""
    section = settings.get("warm_start")
    steps = section.get("steps") if isinstance(section, dict) else None
    return steps if isinstance(steps, int) else 0
