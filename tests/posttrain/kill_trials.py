"""Run as a script: kill a tiny run at random moments with SIGKILL to its whole process group, resume, compare.

Arguments: folder, engine, number of trials, seed, and "staged" for a run of two stages with two attempts. Prints one
JSON object. A process of its own, because it forks.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

torch.set_num_threads(1)

from tiny import STAGED, tiny  # noqa: E402

from gnomon.posttrain import report, stages  # noqa: E402, F401  (imported here so that the forks need not)
from gnomon.runs import open_run, same_metrics  # noqa: E402
from gnomon.runs.progress import Progress  # noqa: E402


def start(folder, engine, resume, sections):
    """Fork a child in a process group of its own that makes the run; returns its pid."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            recipe = tiny(engine={"name": engine}, **sections)
            stages.run_recipe(recipe, out=folder, resume=resume, progress=Progress(quiet=True))
        except BaseException as fault:
            print(f"child failed: {fault!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return pid


def main(root, engine, trials, seed, sections):
    began = time.monotonic()
    _, status = os.waitpid(start(root / "whole", engine, False, sections), 0)
    assert status == 0
    took = time.monotonic() - began
    whole = open_run(root / "whole")
    rng = random.Random(seed)
    results = []
    for trial in range(trials):
        folder = root / f"trial-{trial}"
        kills, resume = 0, False
        for _ in range(2):  # kill the run, and then its continuation
            pid = start(folder, engine, resume, sections)
            time.sleep(rng.uniform(0.02, 0.95) * took)
            os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            kills += os.WIFSIGNALED(status)
            resume = (folder / "state.json").exists()
            if (folder / "summary.json").exists():
                break
        if not (folder / "summary.json").exists():
            _, status = os.waitpid(start(folder, engine, resume, sections), 0)
            assert status == 0, f"trial {trial} did not resume"
        run = open_run(folder)
        results.append(
            {
                "kills": kills,
                "state": run.state,
                "differences": same_metrics(whole, run)[:3],
                "updates": sum(row["stage"] != "warm_start" for row in run.metrics()),
                "summary": run.summary(),
                "left": sorted(p.name for p in folder.rglob(".*") if p.name != ".lock"),
            }
        )
    print(json.dumps({"whole": whole.summary(), "trials": results}))


if __name__ == "__main__":
    chosen = STAGED if sys.argv[5:] == ["staged"] else {}
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), chosen)
