"""How much faster is the asynchronous engine to the same number of updates, and what does it cost in CPU?

The same recipe from the same start, `sync` and `process` in turn, pair by pair; median of the pairs' ratios. One
searcher and one trainer, so two cores are needed and nothing else should be running. Loading the searcher (some three
seconds, which a warm start hides) is reported beside the updates, not in them.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine, save


def run(start: str, engine: str, steps: int, folder: Path) -> dict[str, float]:
    """One run by the command; wall and CPU seconds of the reinforcement learning itself, from its own summary."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable, "-m", "gnomon", "quickstart", "--engine", engine, "--out", str(folder), "--json",
        "--set", f'model.path="{start}"', "--set", "warm_start.steps=0", "--set", "control.supervised=false",
        "--set", f"train.steps={steps}", "--set", "train.evaluate_every=1000", "--set", "train.checkpoint_every=1000",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(done.stdout)
    return {
        "wall": summary["seconds"],
        "cpu": summary["cpu_seconds"],
        "startup": summary["startup_seconds"],
        "whole_command_cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "trainer_idle": summary["trainer_idle"],
        "searcher_idle": summary["searcher_idle"],
        "publish_share": summary["publish_share"],
        "samples_per_second": summary["samples_per_second"],
        "accuracy": summary["accuracy_after"]["value"],
    }


def main() -> None:
    """Five pairs, their medians and ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--start", required=True, help="a warm-started policy, such as a quickstart's run's")
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=160)
    given = arguments.parse_args()
    about, root = machine(), Path(tempfile.mkdtemp())
    results: dict[str, list[dict[str, float]]] = {"sync": [], "process": []}
    for pair in range(given.pairs):
        for engine, rows in results.items():
            rows.append(run(given.start, engine, given.steps, root / f"{engine}-{pair}"))
    ratios = {
        name: [a[name] / b[name] for a, b in zip(results["sync"], results["process"], strict=True)]
        for name in ("wall", "cpu")
    }
    for engine, rows in results.items():
        medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        print(engine, {name: round(value, 3) for name, value in medians.items()})
    for name, values in ratios.items():
        print(
            f"sync / process, {name} seconds to {given.steps} updates: median {statistics.median(values):.2f}"
            f" (from {min(values):.2f} to {max(values):.2f}, {len(values)} pairs)"
        )
    save("posttrain_async", {"machine": about, "steps": given.steps, "runs": results, "sync_over_process": ratios})


if __name__ == "__main__":
    main()
