"""Against TRL's GRPO trainer: the same start, problems, learning rate, 32 prompts x 8 samples a step.

TRL runs in an environment of its own, which this script makes. Both are timed without their evaluations. TRL is given
one thread and two, and its better one counts; ours is the quickstart's recipe: one trainer, one searcher, one thread
each. Figures: samples per CPU second, and wall seconds to a held-out greedy accuracy.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import machine, save

HERE = Path(__file__).parent
PACKAGES = ("torch==2.13.0", "trl==1.16.0", "transformers==5.23.0")


def peer_python(folder: Path) -> str:
    """The interpreter of TRL's environment, made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for package in PACKAGES:  # torch first, so that no other build of it is drawn in
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", package], check=True)
    return str(python)


def problems(path: Path, n_validation: int) -> None:
    """The quickstart's training and validation problems with their answers, as JSON."""
    from gnomon import tasks

    honest = tasks.get("multiply", digits=[3, 1], reversed=True)
    rows = {
        split: [
            {"prompt": honest.start(t, 0).prompt, "answer": honest.demonstration(t, 0)} for t in honest.tasks(split)[:n]
        ]
        for split, n in (("train", None), ("validation", n_validation))
    }
    path.write_text(json.dumps(rows))


def ours(start: str, seed: int, steps: int, folder: Path, n_validation: int) -> list[dict[str, float]]:
    """Our points: cumulative seconds of updates (waiting included), CPU seconds of all processes, accuracy."""
    command = [
        sys.executable, "-m", "gnomon", "quickstart", "--seed", str(seed), "--out", str(folder), "--json",
        "--set", f'model.path="{start}"', "--set", "warm_start.steps=0", "--set", "control.supervised=false",
        "--set", f"train.steps={steps}", "--set", "train.evaluate_every=8", "--set", "train.checkpoint_every=1000",
        "--set", f"evaluation.n_curve={n_validation}",
    ]  # fmt: skip
    summary = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    points, seconds, samples = [], 0.0, 0
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        seconds += 256 / row["samples_per_second"]
        samples += 256
        if "validation_accuracy" in row:
            points.append(
                {"step": row["step"], "seconds": seconds, "samples": samples, "accuracy": row["validation_accuracy"]}
            )
    points[-1]["cpu_seconds"] = summary["cpu_seconds"]
    return points


def seconds_to(points: list[dict[str, float]], accuracy: float) -> float | None:
    """Seconds until the accuracy was first measured, None where it never was."""
    return next((p["seconds"] for p in points if p["accuracy"] >= accuracy), None)


def main() -> None:
    """Each seed: TRL with one thread, with two, and ours; then ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--start", required=True, help="a warm-started policy's folder")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=160)
    arguments.add_argument("--accuracy", type=float, default=0.9)
    arguments.add_argument("--environment", type=Path, default=HERE / ".envs" / "trl")
    given = arguments.parse_args()
    about, python, root = machine(), peer_python(given.environment), Path(tempfile.mkdtemp())
    problems(root / "problems.json", 200)
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        row: dict[str, Any] = {"ours": ours(given.start, seed, given.steps, root / f"ours-{seed}", 200)}
        for threads in (1, 2):
            command = [
                python, str(HERE / "peers" / "trl_grpo.py"), "--model", given.start, "--problems",
                str(root / "problems.json"), "--out", str(root / "trl"), "--steps", str(given.steps),
                "--seed", str(seed), "--threads", str(threads),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row[f"trl_{threads}"] = json.loads(done.stdout.strip().splitlines()[-1])["points"]
        rows.append(row)
        for name, points in row.items():
            last = points[-1]
            reached = seconds_to(points, given.accuracy)
            print(
                f"seed {seed} {name}: {last['samples'] / last['cpu_seconds']:.0f} samples per CPU second,"
                f" {last['samples'] / last['seconds']:.0f} per second, {given.accuracy} reached after"
                f" {'never' if reached is None else f'{reached:.1f} s'}, ends at {last['accuracy']:.3f}",
                flush=True,
            )
    save("posttrain_trl", {"machine": about, "packages": PACKAGES, "accuracy": given.accuracy, "seeds": rows})
    for threads in (1, 2):
        cpu = [
            (r["ours"][-1]["samples"] / r["ours"][-1]["cpu_seconds"])
            / (r[f"trl_{threads}"][-1]["samples"] / r[f"trl_{threads}"][-1]["cpu_seconds"])
            for r in rows
        ]
        wall = [(seconds_to(r[f"trl_{threads}"], given.accuracy), seconds_to(r["ours"], given.accuracy)) for r in rows]
        ratios = [round(a / b, 2) if a and b else None for a, b in wall]
        print(f"ours / TRL with {threads} threads: samples per CPU second {[round(x, 2) for x in cpu]}")
        print(f"TRL with {threads} threads / ours: seconds to {given.accuracy}: {ratios} (None: TRL never got there)")


if __name__ == "__main__":
    main()
