"""Does TransCeption segment better than MONAI's U-Net in the same time, on small data? Two public sets, several seeds.

`recipes/segment-cells.toml` and `recipes/segment-hippocampus.toml` on the sets they name, which must lie in the
folder of GNOMON_DATA_DIR. The U-Net gets as many steps as take the CPU time of TransCeption's, by the time of a step
of each, measured in turn in one process. Each network's learning rate is the better of two on fold 1 after a third of
its steps; all that is reported is of fold 0, which chose nothing. Dice is a mean over cases, then over seeds with
Student's t interval; the difference is paired over cases (means over seeds), signed ranks.
"""

import argparse
import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine, save

ROOT = Path(__file__).parent.parent
EXAMPLES = {
    "cells": ("segment/wbc", ["background=0", "cytoplasm=128", "nucleus=255"]),
    "hippocampus": ("segment/hippocampus3d", ["background=0", "anterior=1", "posterior=2"]),
}
NETWORKS = ("transception", "unet")
RATES = (1e-3, 4e-3)
TIMED = 12  # steps of each network whose median is its time


def prepared(example: str, folder: Path) -> Path:
    """The example's data, prepared once."""
    from gnomon.segment.prepare import prepare
    from gnomon.segment.reading import parse_labels

    where, labels = EXAMPLES[example]
    out = folder / f"{example}-data"
    if not (out / "dataset.json").is_file():
        data = Path(os.environ["GNOMON_DATA_DIR"]) / where
        prepare(data, out, labels=parse_labels(labels), group=None, folds=5, seed=0, skip_bad=True)
    return out


def recipe_of(example: str, data: Path, network: str, **settings: Any) -> Any:
    """The example's recipe for one network, with settings of `train` replaced."""
    from gnomon.segment.recipe import read_recipe

    overrides = [f'model.name="{network}"', "train.threads=1", *(f"train.{k}={v}" for k, v in settings.items())]
    return read_recipe(ROOT / "recipes" / f"segment-{example}.toml", overrides, data=data)


def step_seconds(example: str, data: Path) -> dict[str, float]:
    """CPU seconds of a step of each network on the example's batches, in turn in one process."""
    import torch

    from gnomon.segment import networks
    from gnomon.segment.batches import Batches
    from gnomon.segment.losses import LOSSES
    from gnomon.segment.prepare import load_dataset

    torch.set_num_threads(1)
    dataset = load_dataset(data)
    made = {}
    for network in NETWORKS:
        recipe = recipe_of(example, data, network)
        built = networks.build(recipe.model, in_channels=dataset.channels, classes=len(dataset.labels), seed=0)
        made[network] = (built, torch.optim.AdamW(built.parameters(), lr=1e-4), recipe)
    batches = Batches(dataset, [case.id for case in dataset.cases], recipe.train, recipe.data.slice_axis)
    found: dict[str, list[float]] = {network: [] for network in NETWORKS}
    for step in range(1, TIMED + 1):
        images, labels = batches(step)
        for network, (built, optimizer, recipe) in made.items():
            begun = time.process_time()
            optimizer.zero_grad()
            LOSSES[recipe.train.loss](built(images), labels).backward()
            optimizer.step()
            found[network].append(time.process_time() - begun)
    return {network: median(times) for network, times in found.items()}


def trained(example: str, data: Path, network: str, fold: int, out: Path, settings: dict[str, Any]) -> Path:
    """One training, gone on with where it was interrupted; its folder."""
    from gnomon.runs.progress import Progress
    from gnomon.segment.train import train

    recipe = recipe_of(example, data, network, **settings)
    resume = (out / "state.json").is_file()
    return train(recipe, fold=fold, out=out, resume=resume, progress=Progress(quiet=True)).path


def mean_dice(run: Path) -> float:
    """Mean Dice over classes of a finished run's held cases."""
    from gnomon.runs import open_run

    return float((open_run(run).summary() or {})["mean_dice"]["value"])


def figures(runs: dict[str, list[Path]]) -> dict[str, Any]:
    """Dice of each class and their mean by network over seeds, and the paired difference over cases."""
    import numpy as np

    from gnomon.runs import open_run
    from gnomon.segment.evaluating import compare_cases, read_rows
    from gnomon.stats import mean

    found: dict[str, Any] = {}
    averaged = {}
    for network, paths in runs.items():
        summaries = [open_run(path).summary() or {} for path in paths]
        by_class = {name: [each["dice"][name]["value"] for each in summaries] for name in summaries[0]["dice"]}
        by_class["mean"] = [each["mean_dice"]["value"] for each in summaries]
        found[network] = {
            "params": summaries[0]["params"],
            "steps": summaries[0]["steps"],
            "seconds": [each["seconds"] for each in summaries],
            "dice": {name: {**mean(values).to_dict(), "seeds": values} for name, values in by_class.items()},
        }
        tables = [read_rows(path / "per_case.csv") for path in paths]
        averaged[network] = [
            {**rows[0], "dice": float(np.mean([row["dice"] for row in rows]))} for rows in zip(*tables, strict=True)
        ]
    result = compare_cases(averaged["transception"], averaged["unet"])
    found["transception minus unet"] = {"mean": result["mean"], **result["classes"]}
    return found


def example_result(example: str, folder: Path, seeds: int, jobs: int, share: float) -> dict[str, Any]:
    """Everything of one example."""
    data = prepared(example, folder)
    seconds = step_seconds(example, data)
    whole = recipe_of(example, data, "transception").train.steps
    steps = {
        "transception": max(2, round(whole * share)),
        "unet": max(2, round(whole * share * seconds["transception"] / seconds["unet"])),
    }
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:

        def start(network: str, fold: int, name: str, **settings: Any) -> Any:
            settings.setdefault("validate_every", settings["steps"])
            out = folder / example / network / name
            return pool.submit(trained, example, data, network, fold, out, settings)

        tried = {
            (network, rate): start(network, 1, f"rate-{rate:g}", steps=math.ceil(steps[network] / 3), lr=rate)
            for network in NETWORKS
            for rate in RATES
        }
        dice = {key: mean_dice(future.result()) for key, future in tried.items()}
        rate = {network: max(RATES, key=lambda lr, network=network: dice[network, lr]) for network in NETWORKS}
        futures = {
            network: [
                start(network, 0, f"seed-{seed}", steps=steps[network], lr=rate[network], seed=seed)
                for seed in range(seeds)
            ]
            for network in NETWORKS
        }
        runs = {network: [future.result() for future in each] for network, each in futures.items()}
    return {
        "step_cpu_seconds": seconds,
        "learning_rate": rate,
        "tried_on_fold_1": {f"{network} {lr:g}": value for (network, lr), value in dice.items()},
        **figures(runs),
    }


def main() -> None:
    """Train what is missing, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", nargs="*", default=list(EXAMPLES), help="cells, hippocampus; by default both")
    parser.add_argument("--out", type=Path, default=Path("runs/segment-baselines"), help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one thread each")
    parser.add_argument("--share", type=float, default=1.0, help="of the recipe's steps, to see it go")
    chosen = parser.parse_args()
    about = machine()
    for example in chosen.examples:
        result = example_result(example, chosen.out, chosen.seeds, chosen.jobs, chosen.share)
        print(f"{example}: a step takes", {name: round(value, 3) for name, value in result["step_cpu_seconds"].items()})
        for network in NETWORKS:
            each = result[network]
            said = "  ".join(
                f"{name} {d['value']:.3f} [{d['low']:.3f}, {d['high']:.3f}]" for name, d in each["dice"].items()
            )
            print(f"  {network}, {each['steps']} steps at {result['learning_rate'][network]:g}: {said}")
        for name, found in result["transception minus unet"].items():
            gap = found["difference"]
            print(f"  difference, {name}: {gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]")
        save(f"segment_baselines_{example}", {"machine": about, "seeds": chosen.seeds, **result})


if __name__ == "__main__":
    main()
