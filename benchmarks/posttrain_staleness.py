"""What does a sample's age cost? Final accuracy against staleness for trajectory balance at two betas, RLOO and GRPO.

The `sync` engine with `engine.ahead = L` trains every batch exactly L updates after it was drawn, so lag is set, not
hoped for. All objectives start from the same warm-started policy (one for each seed) and share every other setting.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from gnomon.compute import executor
from machine import machine, save

LAGS = (0, 1, 4, 16, 64)
OBJECTIVES: dict[str, list[str]] = {
    "TB, beta 0.2": ["objective.beta=0.2"],
    "TB, beta 0.05": ["objective.beta=0.05"],
    "RLOO": ["objective.name=policy_gradient", "objective.baseline=leave_one_out"],
    "GRPO, clip 0.2": [
        "objective.name=policy_gradient",
        "objective.baseline=group_norm",
        "objective.clip=0.2",
        "objective.aggregate=token",
    ],
}
RECIPE = Path(__file__).parent.parent / "recipes" / "quickstart.toml"


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One run of the quickstart's recipe with the job's settings, or its summary where it is there already."""
    import torch

    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe
    from gnomon.posttrain.stages import run_recipe
    from gnomon.runs import open_run
    from gnomon.runs.progress import Progress

    torch.set_num_threads(1)
    folder = Path(job["folder"])
    if not (folder / "summary.json").exists():
        recipe = load(Recipe, RECIPE, ["engine.name=sync", "control.supervised=false", *job["set"]])
        run_recipe(recipe, out=folder, resume=folder.exists(), progress=Progress(quiet=True))
    return {**job, "summary": open_run(folder).summary()}


def main() -> None:
    """Run everything that is not there yet, then print the table and draw the figure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=160)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--runs", type=Path, help="where the runs are kept, to go on after an interruption")
    arguments.add_argument("--figure", type=Path, default=Path("docs/figures/staleness.svg"))
    given = arguments.parse_args()
    about = machine()
    root = given.runs or Path(tempfile.mkdtemp())
    with executor("process", workers=given.workers) as workers:
        starts = [
            {"folder": str(root / f"start-{s}"), "set": [f"seed={s}", "train.steps=1", "train.checkpoint_every=1"]}
            for s in range(given.seeds)
        ]
        workers.map(run, starts)
        jobs = []
        for seed in range(given.seeds):
            start = next((root / f"start-{seed}" / "checkpoints").glob("1100/policy"))
            for name, objective in OBJECTIVES.items():
                jobs += [
                    {
                        "folder": str(root / f"{name.replace(', ', '-').replace(' ', '')}-{lag}-{seed}"),
                        "objective": name,
                        "lag": lag,
                        "seed": seed,
                        "set": [
                            f"seed={seed}", f'model.path="{start}"', "warm_start.steps=0", f"engine.ahead={lag}",
                            "engine.max_staleness=1000", f"train.steps={given.steps}", "train.checkpoint_every=1000",
                            "train.evaluate_every=1000", *objective,
                        ],
                    }
                    for lag in LAGS
                ]  # fmt: skip
        done = workers.map(run, jobs)
    report(done, about, given.figure)


def report(done: list[dict[str, Any]], about: dict[str, Any], figure_path: Path) -> None:
    """The table (mean over seeds with its t interval), the figure, and the JSON."""
    from gnomon.runs.files import write_atomic
    from gnomon.runs.report import figure, svg
    from gnomon.stats import mean

    table: dict[str, dict[str, dict[str, Any]]] = {}
    for measure in ("accuracy_after", "sampled_accuracy_after"):
        for name in OBJECTIVES:
            for lag in LAGS:
                values = [j["summary"][measure]["value"] for j in done if (j["objective"], j["lag"]) == (name, lag)]
                row = table.setdefault(measure, {}).setdefault(name, {})
                row[str(lag)] = {**mean(values).to_dict(), "seeds": values}
    before = mean([j["summary"]["sampled_accuracy_before"]["value"] for j in done if j["lag"] == 0])
    print(f"sampled held-out accuracy after training (before: {before}), by staleness in updates")
    for name, row in table["sampled_accuracy_after"].items():
        cells = [
            f"{row[str(lag)]['value']:.2f} [{row[str(lag)]['low']:.2f}, {row[str(lag)]['high']:.2f}]" for lag in LAGS
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    plot, axes = figure(7.2, 3.2)
    for index, (name, row) in enumerate(table["sampled_accuracy_after"].items()):
        xs = [i + 0.06 * (index - 1.5) for i in range(len(LAGS))]
        for x, lag in zip(xs, LAGS, strict=True):
            axes.plot([x] * len(row[str(lag)]["seeds"]), row[str(lag)]["seeds"], ".", color=f"C{index}", alpha=0.5)
        axes.plot(xs, [row[str(lag)]["value"] for lag in LAGS], color=f"C{index}", label=name)
    axes.set_xticks(range(len(LAGS)), [str(lag) for lag in LAGS])
    axes.set_ylim(0, 1)
    axes.set_xlabel("staleness of every sample, in updates")
    axes.set_ylabel("sampled held-out accuracy")
    axes.legend(frameon=False, fontsize=8)
    figure_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(figure_path, svg(plot))
    save("posttrain_staleness", {"machine": about, "before": before.to_dict(), **table})


if __name__ == "__main__":
    main()
