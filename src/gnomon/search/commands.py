"""`gnomon search`: score untrained networks, ask a table of scores what it knows, search a space, export the winner."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnomon.errors import UserError
from gnomon.list_options import ListOptions
from gnomon.runs.terminal import print_json, say, show_table

if TYPE_CHECKING:
    from gnomon.search.table import Table

app = typer.Typer(
    help="Choose among untrained architectures from noisy scores, and say which cannot be told apart.\n\n"
    "Start with: gnomon search score --space nb201 --sample 8 --ranker nwot params",
    no_args_is_help=True,
)

SpaceName = Annotated[
    str, typer.Option("--space", help="A space of gnomon search spaces, or module:Class: --space nb201.")
]
MaybeSpace = Annotated[
    str | None, typer.Option("--space", help="A space of gnomon search spaces, or module:Class: --space nb201.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the space, its value in TOML: --set cells=1 --set widths=[32,48,64]."),
]
Data = Annotated[
    str | None, typer.Option(help="digits, cifar10 or tokens; by default what the space takes: --data digits.")
]
Repeats = Annotated[int, typer.Option(help="How often each architecture is measured: --repeats 10.")]
Vary = Annotated[str, typer.Option(help="What is drawn anew each time: init, batch or both: --vary init.")]
BatchSize = Annotated[int, typer.Option(help="Examples a network is shown: --batch-size 64.")]
Seed = Annotated[int, typer.Option(help="What every random number follows from: --seed 1.")]
Workers = Annotated[
    int, typer.Option(help="Processes that measure, one thread each; the result is the same: --workers 2.")
]
Out = Annotated[Path | None, typer.Option(help="The run's folder; by default a new one in runs/: --out runs/first.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A table: .csv or .csv.gz, one row a score.")]
ArchColumn = Annotated[str, typer.Option("--arch", help="The column that names the architecture: --arch net.")]
ScoreColumns = Annotated[
    list[str], typer.Option("--score", help="A column with scores, or several: --score nwot snip.")
]
RepeatColumn = Annotated[
    str | None,
    typer.Option("--repeat", help="The column that numbers the repeats; without it the rows' order does: --repeat v."),
]
Where = Annotated[list[str] | None, typer.Option(help="Only rows where a column has this value: --where task=cifar10.")]
Missing = Annotated[
    list[float] | None, typer.Option(help="A number that stands for 'failed' (-1e8 by default): --missing -1.")
]
Lower = Annotated[bool, typer.Option("--lower", help="Smaller targets are better, as perplexities are.")]


@app.command("spaces")
def spaces_command(as_json: Json = False) -> None:
    """List the spaces with their options. Example: gnomon search spaces"""
    import inspect

    from gnomon.search import spaces

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "size": _size(name),
            "options": {
                key: None if value is inspect.Parameter.empty else value for key, value in spaces.options(name).items()
            },
        }
        for name in spaces.names()
    ]
    if as_json:
        print_json({"spaces": rows})
        return
    show_table(
        ["space", "architectures", "options and their defaults (--set)"],
        [
            [
                row["name"],
                row["size"] or "",
                ", ".join(_setting(key, value) for key, value in row["options"].items()),
            ]
            for row in rows
        ],
    )


@app.command("rankers")
def rankers_command(as_json: Json = False) -> None:
    """List the rankers: which way is better, what they vary with and need. Example: gnomon search rankers"""
    from gnomon.search import rankers

    found = [rankers.get(name) for name in rankers.names()]
    rows: list[dict[str, Any]] = [
        {
            "name": ranker.name,
            "direction": ranker.direction,
            "varies_with": sorted(ranker.varies_with),
            "needs": sorted(ranker.needs),
            "source": ranker.source,
        }
        for ranker in found
    ]
    if as_json:
        print_json({"rankers": rows})
        return
    show_table(
        ["ranker", "better", "varies with", "source"],
        [
            [
                row["name"],
                "larger" if row["direction"] > 0 else "smaller",
                ", ".join(row["varies_with"]) or "nothing",
                row["source"],
            ]
            for row in rows
        ],
    )


@app.command("score", cls=ListOptions)
def score_command(
    space: SpaceName,
    ranker: Annotated[list[str], typer.Option("--ranker", help="A ranker, or several: --ranker nwot params.")],
    options: Options = None,
    arch: Annotated[list[str] | None, typer.Option("--arch", help="An architecture as text, or several.")] = None,
    sample: Annotated[
        int | None, typer.Option(help="Draw so many different architectures instead: --sample 20.")
    ] = None,
    data: Data = None,
    repeats: Repeats = 10,
    vary: Vary = "both",
    batch_size: BatchSize = 64,
    seed: Seed = 0,
    workers: Workers = 1,
    out: Out = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Score untrained architectures again and again, and say which of them cannot be told apart.

    Every score is kept in a run, which goes on where it was stopped; scores.csv and report.html appear at its end.

    Example: gnomon search score --space nb201 --set cells=1 --sample 12 --ranker nwot params --workers 2
    """
    from gnomon.runs.progress import Progress
    from gnomon.search.recipe import read_scoring
    from gnomon.search.scoring import run_scoring

    settings = read_scoring(
        {
            "seed": seed,
            "space": {"name": space, "options": _options(options)},
            "archs": arch or [],
            "sample": sample,
            "rankers": ranker,
            "repeats": repeats,
            "evaluate": {"data": data, "vary": vary, "batch_size": batch_size},
        }
    )
    run, evaluated = run_scoring(settings, out=out, resume=resume, workers=workers, progress=Progress())
    summary = run.summary() or {}
    if as_json:
        print_json({"run": str(run.path), "evaluated": evaluated, **summary})
        return
    show_table(
        ["ranker", "variation (CV)", "first", "cannot be told from it", "failed"],
        [
            [
                name,
                _span(figures["cv"]),
                figures["winner"] or "",
                figures["undecidable"]
                or ", ".join(a for a in figures["indistinguishable"] if a != figures["winner"])
                or "none",
                sum(figures["failed"].values()),
            ]
            for name, figures in summary["rankers"].items()
        ],
    )
    say(f"{summary['scores']} scores, {evaluated} of them measured now, {summary['failed']} failed")
    say(f"report: {run.path / 'report.html'}")


@app.command("variation", cls=ListOptions)
def variation_command(
    file: File,
    arch: ArchColumn,
    score: ScoreColumns,
    repeat: RepeatColumn = None,
    target: Annotated[
        str | None, typer.Option(help="The column with the truth, such as trained accuracy: --target val_acc.")
    ] = None,
    lower: Lower = False,
    cv: Annotated[
        Literal["std", "var"], typer.Option(help="std (standard deviation / |mean|) or var (variance / |mean|).")
    ] = "std",
    missing: Missing = None,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """How much do scores vary from repeat to repeat, and do they drift, which exchangeable repeats cannot?

    Example: gnomon search variation scores.csv --arch net --score nwot --score snip --repeat v --target val_acc
    """
    from gnomon.search.variation import variation

    table = _read_table(file, arch, score, repeat=repeat, target=target, missing=missing, where=where)
    result = variation(table, cv=cv, lower=lower)
    if as_json:
        print_json(result)
        return
    show_table(
        ["score", "architectures", "repeats", "missing", f"CV ({cv})", "drift", "Kendall of CV and target"],
        [
            [
                name,
                figures["archs"],
                figures["repeats"],
                figures["missing"],
                _span(figures["cv"]),
                f"{'yes' if figures['drift']['flagged'] else 'no'} (p = {_figure(figures['drift']['p'])})",
                _figure(figures["kendall_cv_target"]),
            ]
            for name, figures in result["scores"].items()
        ],
    )
    if drifting := [name for name, figures in result["scores"].items() if figures["drift"]["flagged"]]:
        say(f"drift: {', '.join(drifting)} change with the repeat's number, so the repeats are not exchangeable")


@app.command("table", cls=ListOptions)
def table_command(
    file: File,
    arch: ArchColumn,
    target: Annotated[str, typer.Option(help="The column with the truth: --target val_accuracy.")],
    score: ScoreColumns,
    lower: Lower = False,
    space: MaybeSpace = None,
    options: Options = None,
    where: Where = None,
    missing: Missing = None,
    as_json: Json = False,
) -> None:
    """Does a score find good architectures in a table that knows the truth, and more than their parameters do?

    A --score that is no column is computed from the architecture by --space, as params and macs can be.

    Example: gnomon search table nb201.csv.gz --arch net --target val_accuracy --score nwot --score params
    """
    from gnomon.search.truth import truth

    result = truth(
        file,
        arch=arch,
        target=target,
        scores=score,
        lower=lower,
        space=None if space is None else _space(space, options),
        where=_where(where),
        missing=_missing(missing),
    )
    if as_json:
        print_json(result)
        return
    show_table(
        ["score", "missing", "Spearman", "in the top tenth", "Kendall", "target at its best", "more than parameters"],
        [
            [
                name,
                figures["missing"],
                _span(figures["spearman"]),
                _figure(figures["spearman_top10"]),
                _figure(figures["kendall"]),
                f"{_figure(figures['argmax_target'])} at {figures['argmax']}",
                {None: "", True: "yes", False: "no"}[figures["beats_params"]],
            ]
            for name, figures in result["scores"].items()
        ],
    )


@app.command("compare", cls=ListOptions)
def compare_command(
    file: File,
    a: Annotated[str, typer.Argument(metavar="A", help="An architecture as the table writes it.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The one that it is compared with.")],
    arch: ArchColumn,
    score: Annotated[str, typer.Option(help="The column with the scores: --score nwot.")],
    repeat: RepeatColumn = None,
    paired: Annotated[bool, typer.Option("--paired", help="Repeat v of A belongs to repeat v of B.")] = False,
    alpha: Annotated[float, typer.Option(help="One-sided error in each direction: --alpha 0.05.")] = 0.05,
    where: Where = None,
    missing: Missing = None,
    as_json: Json = False,
) -> None:
    """Are A's scores stochastically larger than B's, smaller, or not distinguishable?

    Example: gnomon search compare scores.csv "(0, 0, 0, 0, 3, 2)" "(2, 2, 2, 2, 2, 2)" --arch net --score nwot
    """
    from gnomon.stats import order

    table = _read_table(file, arch, [score], repeat=repeat, missing=missing, where=where)
    x, y = (table.samples(each, score, table.repeats(each, score)) for each in (a, b))
    found = order.compare(x, y, paired=paired, alpha=alpha, missing="lowest")
    if as_json:
        print_json(found.to_dict())
        return
    words = {"greater": "larger than", "less": "smaller than", "undecided": "not distinguishable from"}
    say(
        f"{a} is {words[found.decision]} {b} by {score}: p = {found.p_value:.4g} ({found.method}, {found.n_x} and"
        f" {found.n_y} repeats)"
    )
    say(f"P(A > B) + P(A = B) / 2 = {found.superiority}; the distributions cross by {found.crossing:.3f}")
    if missing_scores := found.missing_x + found.missing_y:
        say(f"{missing_scores} scores are missing and were ranked last")


@app.command("run")
def run_command(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE.toml]", help="A recipe; what is given here counts more.")
    ] = None,
    space: MaybeSpace = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An option of the space, or with a dot one of the recipe: --set cells=1 --set train.steps=500.",
        ),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Search on a table's scores instead of measuring.")] = None,
    arch: Annotated[str | None, typer.Option("--arch", help="The table's column of architectures: --arch net.")] = None,
    repeat: RepeatColumn = None,
    target: Annotated[
        str | None, typer.Option(help="The table's column with the truth, looked up at the end: --target val_acc.")
    ] = None,
    lower: Lower = False,
    where: Where = None,
    method: Annotated[
        str | None, typer.Option(help="random, rea, greedy, freerea (the default) or racing: --method racing.")
    ] = None,
    ranker: Annotated[str | None, typer.Option(help="The ranker, or the table's column: --ranker nwot.")] = None,
    comparator: Annotated[
        str | None, typer.Option(help="mannwhitney (the default), wilcoxon (paired by batch) or mean.")
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Measure a candidate only as often as it takes to decide.")
    ] = False,
    budget: Annotated[int | None, typer.Option(help="Evaluations (architecture, repeat) in all: --budget 500.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Repeats of an architecture: --repeats 10.")] = None,
    alpha: Annotated[float | None, typer.Option(help="One-sided error in each direction: --alpha 0.05.")] = None,
    data: Data = None,
    vary: Annotated[str | None, typer.Option(help="What is drawn anew each time: init, batch or both.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a network is shown: --batch-size 64.")] = None,
    seed: Annotated[int | None, typer.Option(help="What every random number follows from: --seed 1.")] = None,
    workers: Workers = 1,
    out: Out = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Search a space, or a table, with a comparator inside every tournament; the answer is a set, not only a winner.

    Example: gnomon search run --space nb201 --set cells=1 --ranker nwot --method racing --budget 200 --workers 2

    On a table: gnomon search run --table scores.csv --arch net --repeat v --ranker nwot --method racing
    """
    from gnomon.runs.progress import Progress
    from gnomon.search.recipe import read_search
    from gnomon.search.searching import run_search

    given = {
        "seed": seed,
        "space": None if space is None else {"name": space},
        "table": {
            "file": None if table is None else str(table),
            "arch": arch,
            "repeat": repeat,
            "target": target,
            "lower": lower or None,
            "where": _where(where),
        },
        "search": {
            "method": method,
            "ranker": ranker,
            "comparator": comparator,
            "sequential": sequential or None,
            "budget": budget,
            "repeats": repeats,
            "alpha": alpha,
        },
        "evaluate": {"data": data, "vary": vary, "batch_size": batch_size},
    }
    settings = read_search(recipe, given, options or [])
    run = run_search(settings, out=out, resume=resume, workers=workers, progress=Progress())
    summary = run.summary() or {}
    if as_json:
        print_json(summary)
        return
    from gnomon.search.words import outcome

    for sentence in outcome(summary):
        say(sentence)
    say(f"report: {run.path / 'report.html'}")


@app.command("report")
def report_command(
    run: Annotated[str, typer.Argument(metavar="DIR", help="A run of gnomon search score or run.")],
    comparator: Annotated[
        str | None, typer.Option(help="Decide with another comparator than the run's: --comparator wilcoxon.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Decide with another error: --alpha 0.025.")] = None,
    as_json: Json = False,
) -> None:
    """Write a run's report.html again from its stored scores; nothing is measured.

    Example: gnomon search report runs/search-20260101-120000 --comparator wilcoxon
    """
    from gnomon.runs import open_run
    from gnomon.search.report import write_report

    path = write_report(open_run(run), comparator=comparator, alpha=alpha)
    if as_json:
        print_json({"report": str(path)})
        return
    say(str(path))


@app.command("export")
def export_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run of gnomon search run over decoder-lm.")],
    to: Annotated[Path, typer.Option(help="The folder that is made: --to models/found.")],
    seed: Annotated[int, typer.Option(help="What the weights follow from: --seed 1.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a search's winner as an ordinary model folder, ready for gnomon posttrain run.

    Example: gnomon search export runs/search-20260101-120000 --to models/found
    """
    from gnomon.search.export import export

    path = export(run, to, seed=seed)
    if as_json:
        print_json({"model": str(path)})
        return
    say(str(path))


def _space(name: str, options: list[str] | None) -> Any:
    from gnomon.search import spaces

    return spaces.get(name, **_options(options))


def _options(given: list[str] | None) -> dict[str, Any]:
    from gnomon.config import apply_overrides

    return apply_overrides({}, given or [])


def _where(given: list[str] | None) -> dict[str, str]:
    found = {}
    for each in given or []:
        column, separator, value = each.partition("=")
        if not separator or not column.strip():
            raise UserError(f"--where {each}: expected column=value, as in --where task=cifar10.")
        found[column.strip()] = value.strip()
    return found


def _missing(given: list[float] | None) -> tuple[float, ...]:
    return tuple(given) if given else (-1e8,)


def _read_table(
    file: Path,
    arch: str,
    scores: list[str],
    *,
    repeat: str | None,
    missing: list[float] | None,
    where: list[str] | None,
    target: str | None = None,
) -> "Table":
    from gnomon.search.table import Table

    return Table(
        file, arch=arch, scores=scores, repeat=repeat, target=target, missing=_missing(missing), where=_where(where)
    )


def _size(name: str) -> int | None:
    """A space's size with its default options, None where it needs some or does not know."""
    from gnomon.search import spaces

    try:
        return spaces.get(name).size
    except UserError:
        return None


def _setting(key: str, value: Any) -> str:
    """An option as --set takes it; its name alone where it has no default."""
    if isinstance(value, tuple | list):
        return f"{key}=[{','.join(map(str, value))}]"
    return key if value is None else f"{key}={value}"


def _span(estimate: dict[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return ""
    if estimate.get("low") is None:
        return _figure(estimate["value"])
    return f"{estimate['value']:.3g} [{estimate['low']:.3g}, {estimate['high']:.3g}]"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
