"""Runs as they lie on a disk, made without carrying one out."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w

STARTED = 1_700_000_000.0


def estimate(value: float, low: float, high: float, n: int = 100) -> dict[str, Any]:
    """An estimate as a summary holds it."""
    return {"value": value, "low": low, "high": high, "n": n, "method": "wilson", "level": 0.95}


def made(
    folder: Path,
    *,
    state: str = "finished",
    kind: str = "posttrain",
    seed: int = 0,
    started: float = STARTED,
    settings: dict[str, Any] | None = None,
    summary: dict[str, Any] | None = None,
    reason: str | None = None,
) -> Path:
    """A run's folder without logs; it ended 60 seconds after it began, if it did."""
    folder.mkdir(parents=True)
    given = {"name": "first", "seed": seed, "task": {"name": "multiply"}, "warm_start": {"steps": 10}}
    (folder / "recipe.toml").write_text(tomli_w.dumps(given if settings is None else settings))
    ended = None if state == "running" else started + 60
    kept = {"state": state, "kind": kind, "started": started, "pid": 1, "reason": reason, "ended": ended}
    (folder / "state.json").write_text(json.dumps(kept))
    (folder / "environment.json").write_text(json.dumps({"seed": seed, "command": ["gnomon", "quickstart"]}))
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def sample(step: int, version: int, *turns: tuple[str, str, float]) -> dict[str, Any]:
    """A stored trajectory; each turn is the prompt from the beginning, the answer, and its reward."""
    told = [
        {"prompt": prompt, "action": text, "reward": reward, "components": {}, "policy_version": version,
         "finish_reason": "eos", "behaviour_log_prob": -1.0}
        for prompt, text, reward in turns
    ]  # fmt: skip
    return {"step": step, "task_id": turns[0][0], "group_id": "0.0", "seed": 1, "turns": told}


def everything(root: Path) -> dict[str, Any]:
    """What lies below a folder, to see that nothing was changed: every file's bytes and time, every folder."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }
