"""`gnomon segment`: audit and prepare labelled images, train on them, predict masks, score masks, move models."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.errors import UserError
from gnomon.list_options import ListOptions
from gnomon.runs.terminal import print_json, say, show_table

if TYPE_CHECKING:
    from gnomon.runs.progress import Show

app = typer.Typer(
    help="Segment medical images and volumes: check the files, train, predict in the scanner's space, measure.\n\n"
    "Start with: gnomon segment audit DATA",
    no_args_is_help=True,
)

EXTRA = ("monai", "nibabel", "PIL", "onnx", "onnxruntime", "onnxscript")
"""What the extra `segment` installs, as it is imported."""

ERRORS_FOUND = 1
"""Exit code of an audit that found errors; 2 is a data set that cannot be audited at all."""

SHOWN = 20  # findings printed before the rest is only counted

Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A folder with images/ and labels/ (or masks/), or a JSON datalist."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="NAME=VALUE",
        help="Names of the masks' values, background first: --label background=0 cell=7.",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", help="What (...) captures in a case's name is its patient: --group '(patient[0-9]+)'."
    ),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run of gnomon segment train or import: its folder or id.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]


@app.command("audit", cls=ListOptions)
def audit_command(data: Data, labels: Labels = None, group: Group = None, as_json: Json = False) -> None:
    """Read every image and mask, and name each file that is wrong, before anything is trained. Nothing is changed.

    The exit code is 0 where the data are sound, 1 where errors were found, 2 where they cannot be audited.

    Example: gnomon segment audit wbc --label background=0 cytoplasm=128 nucleus=255
    """
    _require_extra()
    from gnomon.segment.audit import audit
    from gnomon.segment.reading import find_cases, parse_labels

    declared = parse_labels(labels or [])
    with _shown("audit", len(find_cases(data).cases)) as show:
        found = audit(data, labels=declared, group=group, show=show)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_audit(found.to_dict())
        if found.undeclared:
            say(f"The values are not 0 to {len(found.shares) - 1}; to name them: {found.how_to_name()}")
    if found.errors:
        raise typer.Exit(ERRORS_FOUND)


@app.command("prepare", cls=ListOptions)
def prepare_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder that is made: --out prepared.")],
    labels: Labels = None,
    group: Group = None,
    folds: Annotated[int, typer.Option(help="Parts that patients are dealt into, none of them split: --folds 5.")] = 5,
    spacing: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,Z", help="Resample volumes to this grid, in mm along right, front, up: --spacing 1,1,2."
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="Intensities that become -1 and 1, as for CT, in place of the rule: --window=-125,275.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="What the folds follow from: --seed 1.")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out the cases with errors, and list them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Audit the data and write them ready for training: folds by patient, one grid, one rule of intensities.

    Example: gnomon segment prepare hippocampus3d --out prepared --skip-bad --folds 5
    """
    _require_extra()
    from gnomon.segment.prepare import prepare
    from gnomon.segment.reading import find_cases, parse_labels

    settings: dict[str, Any] = {
        "labels": parse_labels(labels or []),
        "spacing": None if spacing is None else _numbers("--spacing", spacing, "1,1,2"),
        "window": None if window is None else _numbers("--window", window, "-125,275"),
    }
    with _shown("prepare", 2 * len(find_cases(data).cases)) as show:
        result = prepare(data, out, group=group, folds=folds, seed=seed, skip_bad=skip_bad, show=show, **settings)
    if as_json:
        print_json(result)
        return
    of_groups = "" if result["groups"] == result["cases"] else f" of {result['groups']} groups"
    left_out = f" ({result['excluded']} files with errors left out)" if result["excluded"] else ""
    say(f"{result['cases']} cases{left_out}{of_groups} in {result['folds']} folds, labels {_named(result['labels'])}")
    say(f"next: gnomon segment train --data {result['out']} --fold 0")


@app.command("train")
def train_command(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE.toml]", help="A recipe, such as recipes/segment-small.toml.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder made by gnomon segment prepare, in place of the recipe's: --data prepared."),
    ] = None,
    fold: Annotated[
        str,
        typer.Option(
            metavar="K|all|none",
            help="The fold to hold out and measure on; all: each in turn; none: train on everything: --fold 0.",
        ),
    ] = "0",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, its value in TOML: --set train.steps=500."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; by default a new one in runs/: --out runs/first.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Train on a prepared data set and measure on the fold that was held out; a page with overlays is written.

    Example: gnomon segment train recipes/segment-small.toml --data prepared --fold 0 --set 'model.name="unet"'
    """
    _require_extra()
    from gnomon.runs.progress import Progress
    from gnomon.segment.recipe import parse_fold, read_recipe

    held, settings = parse_fold(fold), read_recipe(recipe, overrides or [], data=data)
    from gnomon.segment.report import write_report
    from gnomon.segment.train import train

    progress = Progress()
    run = train(settings, fold=held, out=out, resume=resume, progress=progress)
    if not (run.path / "report.html").is_file():
        progress.say("writing the report")
        write_report(run)
    summary = run.summary() or {}
    if as_json:
        print_json(summary)
        return
    if summary["dice"] is not None:
        show_table(
            ["class", "Dice", "values", "undefined"],
            [
                [name, _estimate(found), found["n"], found["n_undefined"]]
                for name, found in (*summary["dice"].items(), ("mean of the classes", summary["mean_dice"]))
            ],
        )
    if summary["skipped_steps"]:
        say(f"{summary['skipped_steps']} steps were skipped: their loss or gradient was not finite")
    say(f"run: {run.path}")
    say(f"report: {run.path / 'report.html'}")


@app.command("predict")
def predict_command(
    run: Run,
    given: Annotated[Path, typer.Argument(metavar="INPUT", help="An image or a folder of images.")],
    out: Annotated[Path, typer.Option(help="The folder that is made: --out masks.")],
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over mirrored images, as far as training mirrored them.")
    ] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Write the entropy of each pixel too, in uncertainty/.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict masks on the images' own grid, with their affine and the labels' file values.

    Example: gnomon segment predict runs/first new-scans --out masks --uncertainty
    """
    _require_extra()
    from gnomon.segment.predict import find_inputs, predict_files

    with _shown("predict", len(find_inputs(given))) as show:
        result = predict_files(run, given, out, flips=flips, uncertainty=uncertainty, show=show)
    if as_json:
        print_json(result)
        return
    say(f"{result['cases']} masks in {result['out']}")


@app.command("evaluate", cls=ListOptions)
def evaluate_command(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="A folder of predicted masks.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="A folder of true masks of the same names.")],
    labels: Labels = None,
    group: Group = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y[,Z]",
            help="Voxel size in mm, of a picture across and down, in place of the files': --spacing 0.5,0.5.",
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Distance that NSD forgives, in mm or pixels: --tolerance 2.")] = 2.0,
    both_empty: Annotated[
        str,
        typer.Option(
            metavar="exclude|one", help="Dice and IoU of a class in neither mask: left out, or 1: --both-empty one."
        ),
    ] = "exclude",
    missed: Annotated[
        str,
        typer.Option(
            metavar="exclude|diagonal",
            help="HD95 and ASSD of a class in one mask only: left out, or the image's diagonal: --missed diagonal.",
        ),
    ] = "exclude",
    by: Annotated[
        Path | None,
        typer.Option(
            metavar="GROUPS.csv", help="Subgroups too, from a table with the columns id and group: --by types.csv."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for per_case.csv and evaluation.json: --out scores.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score predicted masks against true ones: Dice, IoU, HD95, ASSD and NSD, with intervals over patients.

    What is undefined is left out of the means and counted. Masks are matched by file name without extension.

    Example: gnomon segment evaluate masks truth --label background=0 tumour=1 --missed diagonal --out scores
    """
    _require_extra()
    from gnomon.runs.progress import Progress
    from gnomon.segment.evaluating import evaluate
    from gnomon.segment.reading import parse_labels

    declared = parse_labels(labels or [])
    sizes = None if spacing is None else _numbers("--spacing", spacing, "0.5,0.5")
    with Progress() as progress:
        result = evaluate(
            predictions,
            truth,
            labels=declared,
            group=group,
            spacing=sizes,
            tolerance=tolerance,
            both_empty=both_empty,
            missed=missed,
            by=by,
            out=out,
            progress=progress,
        )
    if as_json:
        print_json(result)
        return
    _print_scores(result)
    for name, summary in result.get("groups", {}).items():
        say(f"\nsubgroup {name}: {summary['cases']} cases")
        _print_means(summary)
    if out is not None:
        say(f"scores of each case: {out / 'per_case.csv'}")


@app.command("export")
def export_command(
    run: Run,
    to: Annotated[
        Path,
        typer.Option(metavar="FILE", help=".onnx, or .safetensors with TransCeption's official keys: --to model.onnx."),
    ],
    as_json: Json = False,
) -> None:
    """Write a model for use elsewhere: ONNX, run by onnxruntime and compared first, or the official keys.

    Example: gnomon segment export runs/first --to model.onnx
    """
    _require_extra()
    from gnomon.runs.progress import Progress
    from gnomon.segment.export import export

    if to.suffix == ".onnx":
        Progress(quiet=as_json).say("writing the network as ONNX and running it with onnxruntime: about a minute")
    result = export(run, to)
    if as_json:
        print_json(result)
        return
    if "tensors" in result:
        say(f"{result['path']}: {result['tensors']} tensors under the official keys")
    else:
        say(f"{result['path']}: onnxruntime differs from torch by {result['max_abs_diff']:.1e} at most")


@app.command("import", cls=ListOptions)
def import_command(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="An official TransCeption checkpoint: .safetensors or .pth.")
    ],
    out: Annotated[Path, typer.Option(help="The run that is made: --out runs/published.")],
    labels: Labels = None,
    as_json: Json = False,
) -> None:
    """Make a run of an official TransCeption checkpoint, to predict with; only tensors are read, no code of it runs.

    Example: gnomon segment import synapse.pth --out runs/published
    """
    _require_extra()
    from gnomon.segment.export import import_checkpoint
    from gnomon.segment.reading import parse_labels

    result = import_checkpoint(checkpoint, out, labels=parse_labels(labels or []))
    if as_json:
        print_json(result)
        return
    say(f"{result['out']}: {result['params']:,} parameters")
    say(f"next: gnomon segment predict {result['out']} IMAGES --out masks")


# -- what is asked for -----------------------------------------------------------------------------------------------


def _require_extra() -> None:
    """Raises UserError where a package of the extra is not installed. Imports none of them."""
    from importlib.util import find_spec

    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise UserError(
            f"gnomon segment needs {', '.join(missing)}, not installed here; pip install 'gnomon[segment]' brings"
            " all of its packages."
        )


def _numbers(option: str, text: str, example: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"{option} {text}: numbers with commas between them are expected, as in {option}={example}."
        ) from None


@contextmanager
def _shown(name: str, total: int) -> "Iterator[Show]":
    from gnomon.runs.progress import Progress

    with Progress() as progress, progress.stage(name, total, 0) as show:
        yield show


# -- what is printed -------------------------------------------------------------------------------------------------


def _print_audit(found: dict[str, Any]) -> None:
    kinds = {2: "pictures", 3: "volumes", None: "images"}
    shapes = found["shapes"]
    say(
        f"{found['cases']} usable cases of {found['images']} images and {found['masks']} masks: {kinds[found['dims']]}"
        f" with {found['channels']} channel{'' if found['channels'] == 1 else 's'}"
    )
    if shapes is not None:
        say(f"size {_by_axis(shapes['min'])} to {_by_axis(shapes['max'])}, median {_by_axis(shapes['median'])}")
    if found["spacing"] is not None:
        say(f"spacing {_by_axis(found['spacing']['median'])} mm (median)")
    if found["intensity"] is not None:
        say(f"intensities from {found['intensity']['min']:g} to {found['intensity']['max']:g}")
    if found["alpha"]:
        say(f"{found['alpha']} images have an alpha channel, which is dropped")
    show_table(
        ["label", "value", "share of pixels", "cases"],
        [[each["name"], value, f"{each['share']:.2%}", each["cases"]] for value, each in found["labels"].items()],
    )
    for kind in ("errors", "warnings"):
        if problems := found[kind]:
            show_table([kind, "what"], [[each["code"], each["message"]] for each in problems[:SHOWN]])
            if len(problems) > SHOWN:
                say(f"and {len(problems) - SHOWN} more {kind}; --json lists all")
    if not found["errors"]:
        say("No errors.")


def _print_scores(result: dict[str, Any]) -> None:
    policy = result["policy"]
    say(f"{result['cases']} cases; distances in {result['unit']}")
    _print_means(result)
    show_table(
        ["class", "undefined Dice", "undefined distances", "missed", "spurious", "in neither mask"],
        [
            [
                name,
                each["dice"]["n_undefined"],
                each["hd95"]["n_undefined"],
                each["n_missed"],
                each["n_spurious"],
                each["n_both_empty"],
            ]
            for name, each in result["classes"].items()
        ],
    )
    say(f"{policy['hd95']}. NSD: share of the surfaces within {policy['tolerance']:g} {result['unit']}.")
    say(f"Policies: --both-empty {policy['both_empty']}, --missed {policy['missed']}; intervals: {policy['interval']}.")


def _print_means(result: dict[str, Any]) -> None:
    metrics = ("dice", "iou", "hd95", "assd", "nsd")
    rows = [[name, *(_estimate(each[metric]) for metric in metrics)] for name, each in result["classes"].items()]
    rows.append(["mean of the classes", _estimate(result["mean_dice"]), "", "", "", ""])
    stacked = [[cell.replace(" [", "\n[") for cell in row] for row in rows]  # six columns in eighty characters
    show_table(["class", "Dice", "IoU", "HD95", "ASSD", "NSD"], stacked)


def _by_axis(sizes: list[float]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)


def _named(labels: dict[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def _estimate(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "undefined"
    interval = "" if found["low"] is None else f" [{found['low']:.3g}, {found['high']:.3g}]"
    return f"{found['value']:.3g}{interval}"
