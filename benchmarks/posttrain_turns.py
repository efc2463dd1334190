"""What does a second turn cost? CPU seconds per trained token of two attempts, against a single one.

The same task, model and number of samples; one arm trains on the first attempt alone, the other on both. A trained
token is a token that the policy drew and the update learned from. Both arms start from one warm start and take turns;
the ratio is that of each pair, with the norms of each turn's gradient measured as often as the recipe says.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine, save

RECIPES = Path(__file__).parent.parent / "recipes" / "score"
LIMIT = 1.15


def run(recipe: str, folder: Path, *settings: str) -> dict[str, float]:
    """One run by the command; its CPU seconds and tokens, from its own summary."""
    command = [sys.executable, "-m", "gnomon", "posttrain", "run", str(RECIPES / f"{recipe}.toml"), "--json"]
    for setting in ("evaluation.n=50", "evaluation.n_curve=50", *settings):
        command += ["--set", setting]
    command += ["--out", str(folder)]
    summary = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return {
        "cpu_seconds": summary["cpu_seconds"],
        "tokens": summary["tokens"],
        "microseconds_per_token": 1e6 * summary["cpu_seconds"] / max(1, summary["tokens"]),
    }


def main() -> None:
    """The pairs, their medians and the ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=80)
    given = arguments.parse_args()
    about, root = machine(), Path(tempfile.mkdtemp())
    run("self_refine", root / "start")
    common = (
        f'model.path="{root / "start"}"', "warm_start.steps=0", f"train.steps={given.steps}", "sampling.branches=1",
        "sampling.samples=16",
    )  # fmt: skip
    results: dict[str, list[dict[str, float]]] = {"single_turn": [], "multi_turn": []}
    for pair in range(given.pairs):
        for recipe, rows in results.items():
            rows.append(run(recipe, root / f"{recipe}-{pair}", *common))
    for recipe, rows in results.items():
        print(recipe, {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]})
    ratios = [
        two["microseconds_per_token"] / one["microseconds_per_token"]
        for one, two in zip(results["single_turn"], results["multi_turn"], strict=True)
    ]
    print(
        f"two turns / one, CPU seconds per trained token: median {statistics.median(ratios):.2f} (from"
        f" {min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs; the limit is {LIMIT})"
    )
    save("posttrain_turns", {"machine": about, "steps": given.steps, "runs": results, "two_turns_over_one": ratios})


if __name__ == "__main__":
    main()
