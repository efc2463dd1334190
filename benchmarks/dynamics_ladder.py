"""Do larger models decelerate at a lower loss and slow down less, here as in the paper, and does the size effect on
destructive interference survive its null?

Four sizes of `recipes/dynamics-ladder.toml`, several seeds each. Seeds share their batches across sizes, so a trend is
taken seed by seed (least squares on log10 of the number of parameters) and its interval is Student's t over seeds.
"""

import argparse
import itertools
import json
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from machine import machine, save

SIZES = {"1x32": (1, 32, 2), "2x64": (2, 64, 4), "2x96": (2, 96, 4), "3x128": (3, 128, 4)}
SPANS = ((32, 64), (128, 256), (512, 1024), (1024, 2048), (2048, 3000))


def train(size: str, seed: int, folder: Path) -> Path:
    """One run, or what there is of it already."""
    import torch

    from gnomon.config import load
    from gnomon.dynamics.recipe import Recipe
    from gnomon.dynamics.train import run_recipe
    from gnomon.runs.progress import Progress
    from gnomon.runs.store import list_runs

    torch.set_num_threads(1)
    layers, width, heads = SIZES[size]
    wanted = [f"train.seed={seed}", f"model.layers={layers}", f"model.width={width}", f"model.heads={heads}"]
    recipe = load(Recipe, Path(__file__).parent.parent / "recipes" / "dynamics-ladder.toml", wanted)
    found = list_runs(folder / size / str(seed))
    if found and found[-1].summary() is not None:
        return found[-1].path
    return run_recipe(
        recipe,
        root=folder / size / str(seed),
        resume=found[-1].path if found else None,
        progress=Progress(quiet=True),
    ).path


def figures(run: Path) -> dict[str, Any]:
    """What one run says: its fit, and D with its null at each span."""
    fit = json.loads((run / "fit.json").read_text(encoding="utf-8"))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    found: dict[str, Any] = {
        "parameters": summary["parameters"],
        "verdict": fit["verdict"],
        "L_T": fit["L_T"],
        "validation_loss": summary["validation_loss"]["value"],
        "curve": [row["loss"] for row in rows if row["stage"] == "train"],
        "spans": [row for row in rows if row["stage"] == "probe" and row.get("from") and row["kind"] == "loss"],
    }
    for name in ("t_d", "L_d", "r_d"):
        found[name] = None if fit[name] is None else fit[name]["value"]
    for row in found["spans"]:
        if (row["from"], row["step"]) in SPANS:
            at = f"{row['from']}-{row['step']}"
            found[f"D {at}"], found[f"D_null {at}"], found[f"M {at}"] = row["D"], row["D_null"], row["M"]
            found[f"log10(1-D) {at}"] = math.log10(1 - row["D"])
            found[f"log10 A {at}"] = math.log10(row["A"])
            found[f"gain {at}"] = -row["mean"]
    return found


def of_mean_curve(runs: list[dict[str, Any]], warmup: int) -> Any:
    """The fit of a size's mean curve over seeds (mean of log losses), which is less noisy than any one of them."""
    from gnomon.dynamics import fit

    log_loss = np.log([run["curve"] for run in runs]).mean(0)
    return fit(np.arange(1.0, log_loss.size + 1), np.exp(log_loss), warmup=warmup)


def trend(table: dict[str, list[dict[str, Any]]], name: str) -> Any:
    """Change of a figure for each tenfold of parameters: the mean over seeds of each seed's own slope."""
    from gnomon.stats import mean

    slopes = []
    for runs in zip(*table.values(), strict=True):
        points = [(math.log10(run["parameters"]), run[name]) for run in runs if run[name] is not None]
        if len(points) == len(table):
            x, y = np.array(points).T
            slopes.append(float(np.polyfit(x, y, 1)[0]))
    return mean(slopes)


def draw(table: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """The ladder as four panels."""
    from matplotlib.cm import viridis
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    from gnomon.runs.report import dress

    plot = Figure(figsize=(10, 7.2), layout="constrained")
    panels = plot.subplots(2, 2)
    colours = [viridis(x) for x in np.linspace(0.05, 0.85, len(table))]
    for colour, (_, runs) in zip(colours, table.items(), strict=True):
        curves = np.array([run["curve"] for run in runs])
        edges = np.unique(np.geomspace(1, curves.shape[1], 60).astype(int))
        middle = [curves[:, a - 1 : max(a, b - 1)].mean() for a, b in itertools.pairwise(edges)]
        panels[0, 0].loglog(edges[:-1], middle, color=colour, label=f"{runs[0]['parameters'] / 1e3:,.0f}k parameters")
        decelerated = [run for run in runs if run["t_d"] is not None]
        panels[0, 0].plot([r["t_d"] for r in decelerated], [r["L_d"] for r in decelerated], "o", color=colour, ms=5)
        for panel, name in ((panels[0, 1], "L_d"), (panels[1, 0], "r_d")):
            panel.semilogx([r["parameters"] for r in decelerated], [r[name] for r in decelerated], "o", color=colour)
        steps = [row["step"] for row in runs[0]["spans"]]
        for name, style in (("D", "-"), ("D_null", ":")):
            values = np.array([[row[name] for row in run["spans"]] for run in runs]).mean(0)
            panels[1, 1].semilogx(steps, values, style, color=colour)
    panels[0, 0].set(xlabel="step", ylabel="training loss (nats per byte)", title="Loss; dots: (t_d, L_d) of each seed")
    panels[0, 0].legend(fontsize=8, frameon=False)
    panels[0, 1].set(xlabel="parameters", ylabel="L_d", title="Loss at the break")
    panels[1, 0].set(xlabel="parameters", ylabel="r_d", title="Slope after the break")
    panels[1, 1].set(xlabel="step (since half of it)", ylabel="D", title="Interference between bytes; dotted: its null")
    for panel in panels.ravel():
        dress(panel)
    counts = [runs[0]["parameters"] for runs in table.values()]
    for panel in (panels[0, 1], panels[1, 0]):
        panel.set_xticks(counts, [f"{count / 1e3:,.0f}k" for count in counts])
        panel.minorticks_off()
    panels[0, 0].set_yticks([1.5, 2, 3, 4, 6], ["1.5", "2", "3", "4", "6"])
    panels[0, 0].yaxis.set_minor_formatter(NullFormatter())
    plot.savefig(path, dpi=110)


def main() -> None:
    """Train what is not there yet, then print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--runs", type=Path, default=Path("runs/ladder"), help="where the runs are kept")
    arguments.add_argument("--figure", type=Path, help="also draw the ladder, as a PNG or SVG")
    given = arguments.parse_args()
    from gnomon.dynamics import compare
    from gnomon.stats import mean

    about = machine()
    # The largest first, so that no job is left alone at the end.
    jobs = [(size, seed, given.runs) for seed in range(given.seeds) for size in reversed(SIZES)]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        paths = dict(zip([job[:2] for job in jobs], pool.map(train, *zip(*jobs, strict=True)), strict=True))
    table = {size: [figures(paths[size, seed]) for seed in range(given.seeds)] for size in SIZES}

    numbers = [name for name, value in table["1x32"][0].items() if isinstance(value, float)]
    result: dict[str, Any] = {"machine": about, "seeds": given.seeds, "sizes": {}, "per_decade_of_parameters": {}}
    for size, runs in table.items():
        count = runs[0]["parameters"]
        verdicts = [run["verdict"] for run in runs]
        print(f"{size}: {count:,} parameters; {', '.join(verdicts)}")
        estimates = {
            name: mean([run[name] for run in runs if run[name] is not None]) for name in numbers if name != "parameters"
        }
        for name, estimate in estimates.items():
            print(f"  {name}: {estimate}")
        result["sizes"][size] = {
            "parameters": count,
            "verdicts": verdicts,
            "figures": {name: estimate.to_dict() for name, estimate in estimates.items()},
        }
    together = {size: of_mean_curve(runs, warmup=20) for size, runs in table.items()}
    for size, found in together.items():
        print(f"{size}, mean curve over seeds: {found.verdict}")
        for name in ("t_d", "L_d", "r_d", "L_T_hat"):
            print(f"  {name}: {getattr(found, name)}")
    result["mean_curves"] = {size: found.to_dict() for size, found in together.items()}
    attribution = compare(*(together[size] for size in (next(iter(SIZES)), list(SIZES)[-1])))
    print(f"smallest to largest: {attribution.to_dict()}")
    result["smallest_to_largest"] = attribution.to_dict()
    print("change for each tenfold of parameters")
    for name in numbers:
        slope = trend(table, name)
        print(f"  {name}: {slope}")
        result["per_decade_of_parameters"][name] = slope.to_dict()
    save("dynamics_ladder", result)
    if given.figure is not None:
        draw(table, given.figure)


if __name__ == "__main__":
    main()
