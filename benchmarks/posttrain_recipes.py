"""What do the recipes reach? Each over seeds, with the supervised control at equal CPU time beside it.

The test problems of every seed are the same, the training is not: figures are means over seeds with t intervals, and
the differences are taken seed by seed.
"""

import argparse
from pathlib import Path
from typing import Any

from machine import machine, save

RECIPES = ("quickstart", "g2p", "gsm8k_equations")


def run(recipe: Path, seed: int, folder: Path) -> dict[str, Any]:
    """One run, or its summary where it is there already."""
    import torch

    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe
    from gnomon.posttrain.stages import run_recipe
    from gnomon.runs import open_run
    from gnomon.runs.progress import Progress

    torch.set_num_threads(1)
    if not (folder / "summary.json").exists():
        settings = load(Recipe, recipe, [f"seed={seed}"])
        run_recipe(settings, out=folder, resume=folder.exists(), progress=Progress(quiet=True))
    return open_run(folder).summary() or {}


def main() -> None:
    """Run everything that is not there yet, then print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("recipes", nargs="*", default=list(RECIPES))
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="where the runs are kept")
    given = arguments.parse_args()
    from gnomon.stats import mean

    about, root = machine(), Path(__file__).parent.parent / "recipes"
    for name in given.recipes:
        runs = [run(root / f"{name}.toml", seed, given.runs / f"{name}-{seed}") for seed in range(given.seeds)]
        figures = {}
        for key in ("accuracy", "sampled_accuracy", "reward"):
            for stage in ("before", "after", "control"):
                if f"{key}_{stage}" in runs[0]:
                    figures[f"{key}_{stage}"] = mean([r[f"{key}_{stage}"]["value"] for r in runs])
        for key in ("improvement", "improvement_over_control"):
            if key in runs[0]:
                figures[key] = mean([r[key]["value"] for r in runs])
        for key in ("seconds", "cpu_seconds", "trainer_idle", "samples_per_second"):
            figures[key] = mean([r[key] for r in runs])
        print(name)
        for key, estimate in figures.items():
            print(f"  {key}: {estimate}")
        save(
            f"posttrain_{name}",
            {
                "machine": about,
                "seeds": given.seeds,
                "figures": {k: e.to_dict() for k, e in figures.items()},
                "runs": runs,
            },
        )


if __name__ == "__main__":
    main()
