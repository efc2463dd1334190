"""`gnomon dynamics`: fit a loss curve, compare two, measure what cancelled between two states, train with a probe."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.errors import UserError
from gnomon.runs.terminal import print_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gnomon.dynamics.changes import Changes
    from gnomon.dynamics.curves import Curve
    from gnomon.dynamics.deceleration import Deceleration
    from gnomon.runs import Run

app = typer.Typer(
    help="See when a loss stops falling fast, and what opposes its fall.\n\nStart with: gnomon dynamics fit loss.csv",
    no_args_is_help=True,
)

Metric = Annotated[
    str | None,
    typer.Option(help="The column with the loss, where not one alone has 'loss' in its name: --metric train/loss."),
]
X = Annotated[str | None, typer.Option("--x", help="The column with the steps or tokens: --x _step.")]
TokensPerStep = Annotated[
    float | None,
    typer.Option(help="How much of the axis is one step, where it counts tokens: --tokens-per-step 524288."),
]
Compat = Annotated[
    str | None, typer.Option(help="'paper' for the published estimator, which has no intervals: --compat paper.")
]
Smooth = Annotated[
    str,
    typer.Option(
        help="auto, paper (trailing window) or none. --compat paper --smooth none takes a curve that is smoothed and"
        " thinned out already, as the published ones are."
    ),
]
Skip = Annotated[
    int | None, typer.Option(help="Leave out so many steps at the start (by default by length): --skip 100.")
]
Until = Annotated[
    float | None, typer.Option(help="Leave out what comes after, such as a cooldown, on the log's axis: --until 50000.")
]
Breaks = Annotated[str, typer.Option(help="auto (chosen by BIC), 0, 1 or 2: --breaks 1.")]
Warmup = Annotated[
    int | None,
    typer.Option(help="Steps of learning-rate warm-up, where the log does not know, to warn near it: --warmup 2000."),
]
Bootstrap = Annotated[int, typer.Option(help="How many resamples give the intervals; 0 for none: --bootstrap 1000.")]
Level = Annotated[float, typer.Option(help="The level of the intervals: --level 0.9.")]
Seed = Annotated[int, typer.Option(help="What the resampling follows from: --seed 1.")]
Start = Annotated[
    float | None, typer.Option(help="With --compat paper: the step near which it looks for the break: --start 400.")
]
Out = Annotated[Path, typer.Option(help="The folder in which the run's own folder appears: --out runs.")]
NoRun = Annotated[bool, typer.Option("--no-run", help="Keep no run: gnomon dynamics fit loss.csv --no-run.")]
Plot = Annotated[Path | None, typer.Option(help="Also save the figure, as .svg or .png: --plot fit.svg.")]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output: gnomon dynamics fit loss.csv --json.")
]


@app.command("fit")
def fit_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Tables (.csv, .tsv), .jsonl, trainer_state.json, TensorBoard files or folders, W&B exports, runs.",
        ),
    ],
    metric: Metric = None,
    x: X = None,
    tokens_per_step: TokensPerStep = None,
    compat: Compat = None,
    smooth: Smooth = "auto",
    skip: Skip = None,
    until: Until = None,
    breaks: Breaks = "auto",
    warmup: Warmup = None,
    bootstrap: Bootstrap = 400,
    level: Level = 0.95,
    seed: Seed = 0,
    start: Start = None,
    out: Out = Path("runs"),
    no_run: NoRun = False,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """When did the loss stop falling fast, at which loss, and how fast does it fall since? One fit for each log.

    The answer may be "none". Intervals come from resampling the residuals; --compat paper is the published estimator.

    Example: gnomon dynamics fit loss.csv --warmup 2000
    """
    options = _fit_options(compat, smooth, skip, until, breaks, warmup, bootstrap, level, seed, start)
    _check_outputs(out, plot)
    fits = [_fit(source, metric, x, tokens_per_step, options) for source in sources]
    curves = [fitted.to_dict() for _, fitted in fits]
    settings = {"sources": [str(source) for source in sources], **_reading(metric, x, tokens_per_step), **options}

    def keep(run: "Run") -> dict[str, Any]:
        _log_curves(run, fits)
        _write(run, "fit.json", {"curves": curves})
        return {"curves": {curve["source"]: _figures(curve) for curve in curves}}

    def draw() -> "Figure":
        from gnomon.dynamics.pictures import curves_figure, drawn

        return curves_figure([drawn(curve, fitted) for curve, fitted in fits], curves)

    run = _keep(
        "fit", _stem(sources[0]), settings, seed=seed, out=None if no_run else out, plot=plot, write=keep, draw=draw
    )
    if as_json:
        print_json({"curves": curves, "run": run})
        return
    _show_curves(curves)
    _say_where(run, plot)


@app.command("compare")
def compare_command(
    a: Annotated[Path, typer.Argument(metavar="A", help="A log, as for gnomon dynamics fit.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The log that is set against it.")],
    metric: Metric = None,
    x: X = None,
    tokens_per_step: TokensPerStep = None,
    compat: Compat = None,
    smooth: Smooth = "auto",
    skip: Skip = None,
    until: Until = None,
    breaks: Breaks = "auto",
    warmup: Warmup = None,
    bootstrap: Bootstrap = 400,
    level: Level = 0.95,
    seed: Seed = 0,
    start: Start = None,
    out: Out = Path("runs"),
    no_run: NoRun = False,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Is run B better than run A because it decelerates later, at a lower loss, or less?

    The difference of the final losses (in logs) is split exactly into terms of L_d, r_d, t_d and T.

    Example: gnomon dynamics compare small.csv large.csv --plot gain.svg
    """
    from gnomon.dynamics.deceleration import compare

    options = _fit_options(compat, smooth, skip, until, breaks, warmup, bootstrap, level, seed, start)
    _check_outputs(out, plot)
    fits = [_fit(source, metric, x, tokens_per_step, options) for source in (a, b)]
    curves = [fitted.to_dict() for _, fitted in fits]
    both = all(fitted.verdict != "none" for _, fitted in fits)
    attribution = compare(fits[0][1], fits[1][1]).to_dict() if both else None
    result = {"a": curves[0], "b": curves[1], "attribution": attribution}
    settings = {"sources": [str(a), str(b)], **_reading(metric, x, tokens_per_step), **options}

    def keep(run: "Run") -> dict[str, Any]:
        _log_curves(run, fits)
        _write(run, "fit.json", result)
        named = {name: _figures(curve) for name, curve in zip("ab", curves, strict=True)}
        return {**named, "attribution": attribution}

    def draw() -> "Figure":
        from gnomon.dynamics.pictures import comparison_figure, drawn

        return comparison_figure([drawn(curve, fitted) for curve, fitted in fits], result)

    run = _keep(
        "compare",
        f"{_stem(a)}-{_stem(b)}",
        settings,
        seed=seed,
        out=None if no_run else out,
        plot=plot,
        write=keep,
        draw=draw,
    )
    if as_json:
        print_json({**result, "run": run})
        return
    _show_curves(curves)
    _show_attribution(result)
    _say_where(run, plot)


@app.command("probe")
def probe_command(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A table of losses, or a checkpoint's folder.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The same, later.")],
    unit: Annotated[
        str | None,
        typer.Option(help="What one loss belongs to (needed): token, sequence or example, as in --unit token."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="The texts for two checkpoints: a .jsonl with 'text' in each row, or a .txt, whose texts stand between"
            " blank lines (or one a line, where it has none): --data validation.jsonl."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="A column to group by, where it is not called 'group': --group language."),
    ] = None,
    level: Level = 0.95,
    seed: Seed = 0,
    out: Out = Path("runs"),
    no_run: NoRun = False,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """How much of the change between two states cancels out, and which groups gained and lost?

    Two tables of losses (.csv, .tsv, .jsonl, .parquet) with the columns id and loss, matched by id in any order. Beside
    them may stand group, sequence (of a token: intervals then resample whole sequences), and unit.

    Or two checkpoints of a transformers causal language model, with texts: losses are then taken here, in nats, per
    token or averaged over each text. A long text is read in windows of the model's context.

    Example: gnomon dynamics probe step1000.csv step2000.csv --unit sequence --group language
    """
    from gnomon.dynamics.interference import UNITS

    if unit not in UNITS:
        given = "is missing" if unit is None else f"{unit} is not known"
        raise UserError(f"--unit {given}; one of {', '.join(UNITS)} says what one loss belongs to.")
    _check_level_and_seed(level, seed)
    _check_outputs(out, plot)
    changes, short = _changes(before, after, unit, data, group)
    from gnomon.dynamics.changes import measure

    result = {
        **measure(changes, unit=unit, level=level, seed=seed),
        "before": str(before),
        "after": str(after),
        "skipped": len(short),
    }
    settings = {
        "before": str(before),
        "after": str(after),
        "unit": unit,
        "data": None if data is None else str(data),
        "group": group,
        "level": level,
        "seed": seed,
    }

    def keep(run: "Run") -> dict[str, Any]:
        from gnomon.dynamics.loss_tables import write_changes

        run.log(0, stage="probe", kind="loss", split="eval", **{key: result[key] for key in EVENT})
        _write(run, "probe.json", result)
        write_changes(changes, run.path / "changes.parquet")
        return {key: result[key] for key in ("unit", "n")} | result["estimates"]

    def draw() -> "Figure":
        from gnomon.dynamics.pictures import changes_figure

        return changes_figure(changes.z, result)

    run = _keep(
        "probe", _stem(after), settings, seed=seed, out=None if no_run else out, plot=plot, write=keep, draw=draw
    )
    if as_json:
        print_json({**result, "run": run})
        return
    _show_changes(result, short)
    _say_where(run, plot)


NO_BREAK = "\N{NO-BREAK SPACE}"
EVENT = ("unit", "n", "D", "M", "mean", "D_null", "A", "z")


@app.command("train")
def train_command(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, such as recipes/dynamics-toy.toml.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting: --set train.steps=640.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the interrupted run in this folder: --resume runs/toy-1.")
    ] = None,
    out: Out = Path("runs"),
    no_run: NoRun = False,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Train a small decoder from nothing with a probe looking on, and see its loss decelerate and its changes oppose.

    Example: gnomon dynamics train recipes/dynamics-toy.toml
    """
    import tempfile

    import torch

    from gnomon.config import load
    from gnomon.dynamics.recipe import Recipe
    from gnomon.runs.progress import Progress

    torch.set_num_threads(1)
    if no_run and resume is not None:
        raise UserError("--no-run keeps nothing, so it cannot be given with --resume.")
    _check_outputs(out, plot)
    settings = load(Recipe, recipe, overrides or [])
    from gnomon.dynamics.train import result, run_recipe

    with tempfile.TemporaryDirectory() as nowhere:
        root = Path(nowhere) if no_run else out
        run = run_recipe(settings, root=root, resume=resume, progress=Progress())
        answer = result(run)
        if plot is not None:
            from gnomon.dynamics.pictures import training_figure

            _save(plot, training_figure(run.metrics(), answer["fit"]))
    folder = None if no_run else str(run.path)
    if as_json:
        print_json({**answer, "run": folder})
        return
    _show_training(answer)
    _say_where(folder, plot)


# -- what was asked for ------------------------------------------------------------------------------------------


def _fit_options(
    compat: str | None,
    smooth: str,
    skip: int | None,
    until: float | None,
    breaks: str,
    warmup: int | None,
    bootstrap: int,
    level: float,
    seed: int,
    start: float | None,
) -> dict[str, Any]:
    """The options of a fit by the names of `deceleration.fit`, which checks them and names the flag."""
    return {
        "compat": compat,
        "smooth": smooth,
        "skip": "auto" if skip is None else skip,
        "until": until,
        "breaks": int(breaks) if breaks.isdecimal() else breaks,
        "warmup": warmup,
        "bootstrap": bootstrap,
        "level": level,
        "seed": seed,
        "start": start,
    }


def _check_level_and_seed(level: float, seed: int) -> None:
    if not 0 < level < 1:
        raise UserError(f"--level {level:g} is impossible; a number between 0 and 1 is expected, such as 0.95.")
    if seed < 0:
        raise UserError(f"--seed {seed} is impossible; a whole number from 0 up is expected.")


def _reading(metric: str | None, x: str | None, tokens_per_step: float | None) -> dict[str, Any]:
    return {"metric": metric, "x": x, "tokens_per_step": tokens_per_step}


def _check_outputs(out: Path, plot: Path | None) -> None:
    """Raises UserError where a figure or a run could not be written, before anything is done."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; a folder is expected, in which the run's folder appears.")
    if plot is None:
        return
    if plot.suffix.lower() not in (".svg", ".png"):
        raise UserError(f"--plot {plot}: figures are saved as .svg or .png, by the name's ending.")
    if plot.is_dir() or not plot.parent.is_dir():
        raise UserError(
            f"--plot {plot}: {plot if plot.is_dir() else plot.parent} is no {'file' if plot.is_dir() else 'folder'}."
        )


def _fit(
    source: Path, metric: str | None, x: str | None, tokens_per_step: float | None, options: dict[str, Any]
) -> "tuple[Curve, Deceleration]":
    from gnomon.dynamics.curves import read_curve
    from gnomon.dynamics.deceleration import fit

    curve = read_curve(source, metric, x, tokens_per_step)
    return curve, fit(curve, **options)


def _changes(before: Path, after: Path, unit: str, data: Path | None, group: str | None) -> "tuple[Changes, list[str]]":
    """The losses of two tables or of two checkpoints, and the names of texts too short to have any."""
    from gnomon.dynamics.loss_tables import FORMATS, is_table, read_changes

    for path in (before, after):
        if not path.exists():
            raise UserError(
                f"There is no {str(path)!r}; a table of losses ({', '.join(FORMATS)}) or a checkpoint's folder."
            )
        if path.is_file() and not is_table(path):
            raise UserError(f"{path} is no table of losses by its name; {', '.join(FORMATS)} are.")
    if before.is_dir() != after.is_dir():
        raise UserError(f"{before} and {after}: two tables or two checkpoints are expected, not one of each.")
    if not before.is_dir():
        if data is not None:
            raise UserError("--data is for two checkpoints; tables hold their losses already.")
        return read_changes(before, after, unit=unit, group=group), []
    if data is None:
        raise UserError("--data is missing; two checkpoints need texts (.jsonl or .txt) to take losses of.")
    if unit == "example":
        raise UserError("--unit example does not fit a language model's checkpoints; token or sequence does.")
    from gnomon.dynamics.checkpoints import losses_of, read_texts
    from gnomon.runs.progress import Progress

    return losses_of(before, after, read_texts(data, group), unit=unit, progress=Progress())


# -- what is kept ------------------------------------------------------------------------------------------------


def _keep(
    kind: str,
    name: str,
    settings: dict[str, Any],
    *,
    seed: int,
    out: Path | None,
    plot: Path | None,
    write: "Callable[[Run], dict[str, Any]]",
    draw: "Callable[[], Figure]",
) -> str | None:
    """Save the figure where one is asked for, and a run with its figure and report unless `out` is None."""
    figure = draw() if plot is not None or out is not None else None
    if plot is not None and figure is not None:
        _save(plot, figure)
    if out is None or figure is None:
        return None
    from gnomon.dynamics.report import write_report
    from gnomon.runs import Run

    run = Run.create(None, kind=f"dynamics-{kind}", name=f"{kind}-{name}", settings=settings, seed=seed, root=out)
    summary = write(run)
    _save(run.path / "figure.svg", figure)
    run.finish(summary)
    write_report(run)
    return str(run.path)


def _save(path: Path, figure: "Figure") -> None:
    import io

    from gnomon.runs.files import write_atomic
    from gnomon.runs.report import svg

    if path.suffix.lower() == ".svg":
        write_atomic(path, svg(figure))
        return
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, bbox_inches="tight", facecolor="white")
    write_atomic(path, buffer.getvalue())


def _write(run: "Run", name: str, document: dict[str, Any]) -> None:
    from gnomon.runs.files import to_json, write_atomic

    write_atomic(run.path / name, to_json(document) + "\n")


def _log_curves(run: "Run", fits: "list[tuple[Curve, Deceleration]]") -> None:
    """What the report draws: each curve's points, thinned, what was fitted, and the fitted line with its band."""
    from gnomon.dynamics.pictures import drawn

    for place, (curve, fitted) in enumerate(fits):
        for part, columns in drawn(curve, fitted).items():
            for values in zip(*columns.values(), strict=True):
                row = dict(zip(columns, map(float, values), strict=True))
                run.log(round(row["x"]), stage=part, curve=place, **row)


def _stem(path: Path) -> str:
    """A source's name as part of a folder's."""
    name = path.resolve().name
    for ending in (".gz", ".csv", ".tsv", ".jsonl", ".json", ".parquet"):
        name = name.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "curve"


def _figures(curve: dict[str, Any]) -> dict[str, Any]:
    return {name: curve[name] for name in ("verdict", "t_d", "L_d", "r_d", "L_T_hat", "L_T", "T")}


# -- what is shown -----------------------------------------------------------------------------------------------


def _show_curves(curves: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from gnomon.dynamics.words import fit_found, short_names

    console = Console()
    names = short_names([curve["source"] for curve in curves])
    table = Table(
        "curve", "t_d (step)", "L_d", "r_d", "L_T_hat", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False
    )
    for name, curve in zip(names, curves, strict=True):
        cells = [_cell(curve[figure], whole=figure == "t_d") for figure in ("t_d", "L_d", "r_d", "L_T_hat")]
        table.add_row(f"{name}\n{curve['verdict']}", *cells)
    console.print(table)
    for name, curve in zip(names, curves, strict=True):
        text = f"{name}: " if len(curves) > 1 else ""
        console.print(text + " ".join(fit_found(curve)), soft_wrap=True, markup=False, highlight=False)
        for flag in curve["flags"]:
            console.print(f"  note: {flag['message']}", soft_wrap=True, markup=False, highlight=False)


def _show_attribution(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from gnomon.dynamics.words import TERMS, attribution_found, span

    console = Console()
    if (attribution := result["attribution"]) is not None:
        table = Table("difference of log L_T_hat, B minus A", "value")
        for name, term in attribution["terms"].items():
            table.add_row(TERMS[name], span(term, sign=True))
        table.add_row("all of it", span(attribution["delta_log_L_T_hat"], sign=True))
        console.print(table)
    for sentence in attribution_found(result):
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)


def _show_changes(result: dict[str, Any], short: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from gnomon.dynamics.words import changes_cannot, changes_found, listed, span

    console = Console()
    print(f"Changes of loss per {result['unit']}, n = {result['n']:,}")
    table = Table("figure", "value")
    for name in ("D", "D_null", "A", "M", "mean"):
        table.add_row(name, span(result["estimates"][name], sign=name == "mean"))
    console.print(table)
    if groups := result["groups"]:
        shown = sorted(groups, key=lambda group: -abs(group["sum"]))[:20]
        more = f", the {len(shown)} that moved most of {len(groups)}" if len(groups) > len(shown) else ""
        table = Table("group", "n", "mean change", "D", "of all gain", "of all loss", title=f"groups{more}")
        for group in shown:
            shares = [
                "" if group[name] is None else f"{group[name]:.1%}" for name in ("share_of_gain", "share_of_loss")
            ]
            own = group["estimates"]
            table.add_row(group["group"], f"{group['n']:,}", _cell(own["mean"], sign=True), _cell(own["D"]), *shares)
        console.print(table)
    if short:
        print(f"{len(short)} texts of fewer than two tokens have no loss and were left out: {listed(short, 3)}.")
    for sentence in [*changes_found(result), *changes_cannot(result)]:
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)


def _show_training(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    _show_curves([answer["fit"]])
    events = [event for event in answer["probe"] if event["kind"] == "loss" and event.get("from")]
    if not events:
        return
    first = events[0]
    title = f"changes of held-out loss per {first['unit']}, n = {first['n']:,}"
    table = Table("from step", "to step", "D", "D_null", "A", "M", "mean", title=title)
    for event in events:
        figures = [
            "" if event[name] is None else f"{event[name]:{form}}"
            for name, form in (("D", ".3f"), ("D_null", ".3f"), ("A", ".2f"), ("M", ".4g"), ("mean", "+.4g"))
        ]
        table.add_row(str(event["from"]), str(event["step"]), *figures)
    Console().print(table)


def _cell(estimate: dict[str, Any] | None, sign: bool = False, whole: bool = False) -> str:
    """A value with its interval below it, so that a table stays narrow."""
    from gnomon.dynamics.words import span

    value, _, interval = span(estimate, sign, whole=whole).partition(" [")
    return f"{value}\n[{interval.replace(' ', NO_BREAK)}" if interval else value


def _say_where(run: str | None, plot: Path | None) -> None:
    if plot is not None:
        print(f"figure: {plot}")
    if run is not None:
        print(f"report: {run}/report.html")
