"""`gnomon quickstart`, `gnomon posttrain`, `gnomon evaluate`, and `gnomon runs rescore`."""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.errors import UserError
from gnomon.runs.terminal import print_json, say

if TYPE_CHECKING:
    from gnomon.posttrain.recipe import Recipe
    from gnomon.posttrain.watching import MakeProbe
    from gnomon.runs import Run

PROBE: str | None = None
"""The "module:Class" that serves a recipe's [probe] section; the command line sets it, for it is another room's."""

app = typer.Typer(help="Post-train a language model with reinforcement learning.", no_args_is_help=True)

Set = Annotated[list[str] | None, typer.Option("--set", help="Override a setting, as in --set train.steps=200.")]
Out = Annotated[Path | None, typer.Option(help="The run's folder; by default a new one below runs/.")]
Base = Annotated[Path | None, typer.Option(help="A recipe to stand in for the one that RECIPE extends.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; progress on standard error.")]


def quickstart(
    out: Out = None,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    engine: Annotated[str | None, typer.Option(help="process (default), sync or ray.")] = None,
    overrides: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Train a small language model from scratch, improve it by asynchronous reinforcement learning, measure it.

    Nothing is downloaded; it takes under three minutes on two cores. Example: gnomon quickstart --out runs/first
    """
    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe

    chosen = [f"seed={seed}", *([f'engine.name="{engine}"'] if engine else []), *(overrides or [])]
    recipe = Path(__file__).with_name("quickstart.toml")
    _carry_out(load(Recipe, recipe, chosen), out=out, resume=resume, as_json=as_json)


@app.command("run")
def run_command(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, such as recipes/g2p.toml.")],
    overrides: Set = None,
    base: Base = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Carry out a recipe: warm start, reinforcement learning, evaluation, report.

    Example: gnomon posttrain run recipes/g2p.toml --set train.steps=200 --out runs/g2p
    """
    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe

    _carry_out(load(Recipe, recipe, overrides or [], base=base), out=out, resume=resume, as_json=as_json)


@app.command("compare")
def compare_command(
    folder: Annotated[Path, typer.Argument(help="A folder of recipes.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to this, exclusive, for every recipe.")] = 3,
    overrides: Set = None,
    base: Base = None,
    against: Annotated[str | None, typer.Option(help="The recipe that the others are set against.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many runs at a time, each on one core in the sync engine.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Where the runs and the report go; by default below runs/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what has finished in --out and go on.")] = False,
    as_json: Json = False,
) -> None:
    """Run every recipe of a folder with several seeds and set the figures side by side, with intervals.

    Example: gnomon posttrain compare recipes/score --seeds 5 --jobs 2 --out runs/score
    """
    import torch

    torch.set_num_threads(1)
    from gnomon.posttrain.comparison import compare_recipes, show

    result = compare_recipes(
        folder,
        seeds=seeds,
        out=out,
        resume=resume,
        overrides=overrides or [],
        base=base,
        against=against,
        jobs=jobs,
        probe=_probe(),
    )
    if as_json:
        print(json.dumps(result))
        return
    for recipe, figures in result["recipes"].items():
        print(recipe)
        for name, estimate in figures.items():
            print(f"  {name.replace('_', ' ')}: {show(estimate)}")
    for arm, reason in result["failed"].items():
        print(f"{arm} failed: {reason}")
    print(f"report: {result['out']}/report.html")


def _carry_out(recipe: "Recipe", *, out: Path | None, resume: bool, as_json: bool) -> None:
    import torch

    torch.set_num_threads(1)  # two intra-op threads collapse on a busy machine; searchers are processes of their own
    from gnomon.posttrain.stages import run_recipe

    run = run_recipe(recipe, out=out, resume=resume, probe=None if recipe.probe is None else _probe())
    summary = run.summary() or {}
    if as_json:
        print(json.dumps({"run": str(run.path), **summary}))
    else:
        show_summary(run, summary)


def _probe() -> "MakeProbe | None":
    if PROBE is None:
        return None
    module, name = PROBE.split(":")
    found: MakeProbe = getattr(import_module(module), name)
    return found


def show_summary(run: "Run", summary: dict[str, Any]) -> None:
    """The figures of a finished run as a table on standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table("held-out accuracy", "greedy answers", "sampled answers", title=f"{summary['task']}: {run.path.name}")
    for label, stage in (("before", "before"), ("after", "after"), ("supervised control", "control")):
        if f"accuracy_{stage}" in summary:
            table.add_row(label, _span(summary[f"accuracy_{stage}"]), _span(summary[f"sampled_accuracy_{stage}"]))
    console = Console()
    console.print(table)
    n = summary["accuracy_after"]["n"]
    console.print(f"improvement {_span(summary['improvement'], sign=True)} on the same {n} problems")
    for name, figure in summary.get("scores_improvement", {}).items():
        after = _span(summary["scores_after"][name])
        console.print(f"{name} {after}, improvement {_span(figure, sign=True)}", soft_wrap=True)
    if "improvement_over_control" in summary:
        console.print(f"over the control {_span(summary['improvement_over_control'], sign=True)}, at equal CPU time")
    for stage in ("before", "after"):
        if attempts := summary.get(f"attempts_{stage}"):
            shown = ", ".join(f"{name} {_span(attempts[name], sign=name == 'delta')}" for name in ("t1", "t2", "delta"))
            console.print(f"attempts {stage}: {shown}", soft_wrap=True)
    staleness = summary["staleness"]
    console.print(
        f"{summary['steps']} steps, {summary['samples']} samples at {summary['samples_per_second']:.0f} a second;"
        f" staleness mean {staleness['mean']:.1f}, p95 {staleness['p95']:.0f}, max {staleness['max']:.0f} updates;"
        f" idle: trainer {summary['trainer_idle']:.0%}, searchers {summary['searcher_idle']:.0%}"
    )
    console.print(f"report: {run.path / 'report.html'}", soft_wrap=True)


def _span(estimate: dict[str, Any], sign: bool = False) -> str:
    if estimate["value"] is None:
        return f"undefined ({estimate['reason']})"
    form = "{:+.3f}" if sign else "{:.3f}"
    if estimate["low"] is None:
        return f"{form.format(estimate['value'])} (no interval: {estimate['reason']})"
    low, high = form.format(estimate["low"]), form.format(estimate["high"])
    return f"{form.format(estimate['value'])} [{low}, {high}]"


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="A model folder, a run, or a hub id.")],
    task: Annotated[str, typer.Option(help="The task's name; gnomon tasks list shows them.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the task, as in digits=[3,1].")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="How many held-out problems.")] = 500,
    attempts: Annotated[
        int | None, typer.Option(min=1, help="Let the model answer this often, reading its earlier answers.")
    ] = None,
    instruction: Annotated[str | None, typer.Option(help="What it reads between two attempts.")] = None,
    n_warmups: Annotated[
        int | None, typer.Option(min=1, help="Try so many warmups and give the answer they make likeliest.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most this many tokens an answer.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Grade a model on a task's held-out problems: greedy and sampled accuracy with Wilson intervals.

    With --attempts 2: the accuracy of both attempts, and what the second did to the first. What is not given is taken
    from the recipe of the run that CHECKPOINT belongs to, where it does.

    Example: gnomon evaluate runs/score --task add --attempts 2 --n 500
    """
    import torch

    torch.set_num_threads(1)
    from gnomon.config import apply_overrides
    from gnomon.models.policy import Policy
    from gnomon.posttrain.checkpoint_evaluation import as_trained, evaluate_policy

    recipe = as_trained(
        checkpoint,
        task,
        apply_overrides({}, overrides or []),
        attempts=attempts,
        instruction=instruction,
        n_warmups=n_warmups,
        max_tokens=max_tokens,
    )
    result = evaluate_policy(Policy.load(checkpoint), recipe, n=n, seed=seed)
    if as_json:
        print(json.dumps(result))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "n", title=f"{task}: {checkpoint}")
    for name, figure in result.items():
        if isinstance(figure, dict):
            table.add_row(name.replace("_", " "), _span(figure, sign=name == "delta"), str(figure["n"]))
    Console().print(table)


def compare_runs(
    runs: Annotated[list[str], typer.Argument(help="Runs; without --against, the others are compared with the first.")],
    against: Annotated[
        list[str] | None,
        typer.Option(help="The runs that those before are compared with, as a group: --against runs/b*."),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(help="With --against: a number of summary.json by its dotted name: --figure accuracy_after."),
    ] = None,
    paired: Annotated[bool, typer.Option("--paired", help="With --against: pair the runs of equal seed.")] = False,
    alpha: Annotated[
        float | None, typer.Option(help="With --against: error in each direction, by default 0.05: --alpha 0.01.")
    ] = None,
    lower: Annotated[bool, typer.Option("--lower", help="With --against: a smaller figure is better.")] = False,
    as_json: Json = False,
) -> None:
    """Compare runs: two over the problems, items or cases of both, or two groups of runs over their seeds.

    Two runs or more, of one kind: paired over what both answered, each of the others with the first. With --against: is
    a figure larger in one group of finished runs, of any kind, than in the other, or can they not be told apart?

    Example: gnomon runs compare runs/a runs/b

    Example: gnomon runs compare runs/new* --against runs/old* --figure accuracy_after --paired
    """
    from gnomon.runs import open_run

    if against:
        from gnomon.posttrain.over_seeds import compare_groups, verdict

        groups = [[open_run(run) for run in group] for group in (runs, against)]
        result = compare_groups(*groups, figure=figure, paired=paired, alpha=0.05 if alpha is None else alpha)
        if as_json:
            print(json.dumps(result))
            return
        for name in ("a", "b"):
            print(f"{name.upper()}: {', '.join(format(row['value'], '.4g') for row in result[name])}")
        print("\n".join(verdict(result, lower=lower)))
        return
    grouped = {"--figure": figure is not None, "--paired": paired, "--alpha": alpha is not None, "--lower": lower}
    for option, given in grouped.items():
        if given:
            raise UserError(f"{option} compares two groups of runs; --against with the runs of the second is needed.")
    if len(runs) < 2:
        raise UserError("gnomon runs compare needs at least two runs.")
    from gnomon.posttrain.comparison import same_problems
    from gnomon.runs.commands import COMPARISONS

    first, *others = (open_run(run) for run in runs)
    if first.kind in COMPARISONS and all(other.kind == first.kind for other in others):
        module, function = COMPARISONS[first.kind].split(":")
        compared = [getattr(import_module(module), function)(first, other) for other in others]
        if as_json:
            print_json({"comparisons": [document for document, _ in compared]})
        else:
            say("\n".join(sentence for _, sentences in compared for sentence in sentences))
        return
    rows = [
        {"a": str(first.path), "b": str(other.path), "difference": same_problems(first, other).to_dict()}
        for other in others
    ]
    if as_json:
        print(json.dumps({"comparisons": rows}))
        return
    for row in rows:
        difference: Any = row["difference"]
        print(f"{row['b']} minus {row['a']}: {_span(difference, sign=True)} on {difference['n']} problems of both")


def rescore(
    run: Annotated[str, typer.Argument(help="A run's folder, or its id below runs/.")], as_json: Json = False
) -> None:
    """Score a run's stored answers again and report every reward that differs.

    Example: gnomon runs rescore runs/first
    """
    from gnomon.posttrain import rescore as scoring
    from gnomon.runs import open_run

    opened = open_run(run)
    checked, differences = scoring.rescore(opened)
    if as_json:
        print(scoring.to_json(opened, checked, differences))
        return
    print(f"{checked} stored answers scored again: {len(differences)} rewards differ")
    for difference in differences[:20]:
        print(
            f"  {difference.source}: task {difference.task_id} at step {difference.step}:"
            f" stored {difference.stored}, now {difference.rescored}"
        )
