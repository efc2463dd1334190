"""`gnomon measure`: a library of instruments, answers to them, scores, and the decisions that rest on scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.errors import UserError
from gnomon.list_options import ListOptions
from gnomon.runs.terminal import print_json, say, show_table

if TYPE_CHECKING:
    from gnomon.measure.instrument import Instrument

app = typer.Typer(
    help="Measure how a system treats social groups, with an instrument that says what it is for, and let a build fail"
    " on the answer.\n\nStart with: gnomon measure run bbq --model sim:bias=0.3",
    no_args_is_help=True,
)
card_app = typer.Typer(help="What an instrument is: look at its card, or check one of your own.", no_args_is_help=True)
app.add_typer(card_app, name="card")

PASS, FAIL, UNDECIDED = 0, 1, 3
"""Exit codes of the gate; 2 is a mistake in the command."""

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="An instrument of gnomon measure list, or the path of a card: bbq.")
]
Items = Annotated[
    list[Path] | None,
    typer.Option(
        "--items", help="Published files of its items, or items.parquet of a run; else the ones fetched before."
    ),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run of gnomon measure run: its folder or its id.")]
Boot = Annotated[int, typer.Option("--boot", help="Bootstrap resamples: --boot 2000.")]
Seed = Annotated[int, typer.Option(help="What every random number follows from: --seed 1.")]
Level = Annotated[float, typer.Option(help="Level of the intervals: --level 0.9.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]


@app.command("list")
def list_command(
    licence: Annotated[
        list[str] | None, typer.Option("--licence", help="Only what is under this licence: --licence 'CC BY 4.0'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the instruments, their licences and until when their cards hold. Example: gnomon measure list"""
    from gnomon.measure import library

    rows = library.list_instruments(licence or None).to_dicts()
    if as_json:
        print_json({"instruments": rows})
        return
    if not rows:
        say(f"No instrument is under {', '.join(licence or [])}; gnomon measure list shows all.")
        return
    show_table(
        ["instrument", "title", "languages", "licence", "card holds until"],
        [
            [
                row["name"],
                row["title"],
                ", ".join(row["languages"]),
                row["licence"] + (" (share-alike)" if row["share_alike"] else ""),
                f"{row['valid_until']}{' (expired)' if row['expired'] else ''}",
            ]
            for row in rows
        ],
    )


@card_app.command("show")
def card_show_command(name: Name, as_json: Json = False) -> None:
    """Show what an instrument measures, what it is for and what not, and its critiques.

    Example: gnomon measure card show bbq
    """
    from dataclasses import asdict

    from gnomon.measure import library

    card = library.card(name)
    values = asdict(card)
    if as_json:
        print_json(values)
        return
    say(f"{card.title} ({card.name})")
    for key, value in values.items():
        if key in ("name", "title", "metrics") or value in (None, "", ()):
            continue
        if isinstance(value, tuple):
            say(f"\n{key}:")
            for each in value:
                say(f"  - {_words(each)}")
        else:
            say(f"\n{key}: {_words(value)}")
    say("")
    show_table(
        ["metric", "null", "range", "best", "meaning"],
        [
            [
                metric.name,
                f"{metric.null:.3g}",
                f"{metric.minimum:g} to {metric.maximum:g}",
                metric.direction,
                _words(metric.meaning),
            ]
            for metric in card.metrics.values()
        ],
    )


@card_app.command("lint")
def card_lint_command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A card (TOML), or the name of one of the library.")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings, as of an expired card, fail too.")] = False,
    as_json: Json = False,
) -> None:
    """Check a card: what is missing or wrong is named, and the exit code is 1.

    Example: gnomon measure card lint my-card.toml --strict
    """
    from gnomon.measure import library

    findings = library.lint_card(file)
    if as_json:
        print_json({"findings": findings.to_dicts()})
    elif findings.is_empty():
        say(f"{file}: nothing is missing.")
    else:
        show_table(["field", "severity", "what is wrong"], findings.select("field", "severity", "message").rows())
    if (findings["severity"] == "error").any() or (strict and len(findings)):
        raise typer.Exit(FAIL)


@app.command("lint", cls=ListOptions)
def lint_command(name: Name, items: Items = None, as_json: Json = False) -> None:
    """Check an instrument's items by its rules; the exit code is 1 when there are findings.

    Example: gnomon measure lint crows_pairs --items crows_pairs_anonymized.csv
    """
    from gnomon.measure import linting

    findings = linting.lint(_instrument(name, items))
    counts = dict(findings.group_by("rule", maintain_order=True).len().sort("rule").rows())
    if as_json:
        print_json({"counts": counts, "findings": findings.to_dicts()})
    else:
        show_table(["rule", "findings"], [[rule, n] for rule, n in counts.items()])
        say("Evidence for each, which repeats texts of items: --json." if counts else "No rule finds fault.")
    if counts:
        raise typer.Exit(FAIL)


@app.command("run", cls=ListOptions)
def run_command(
    name: Name,
    items: Items = None,
    responses: Annotated[
        Path | None, typer.Option(help="Recorded answers (.parquet, .csv, .jsonl, each also .gz): --responses a.csv.")
    ] = None,
    answer: Annotated[str, typer.Option(help="The column of recorded answers: --answer reply.")] = "answer",
    item: Annotated[
        str | None, typer.Option(help="The columns that name an item, by default item_id: --item category,example_id.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Ask a system: sim:bias=0.3,unknown=0.4,accuracy=0.9, policy:DIR or http(s)://HOST:PORT/v1?model=NAME.",
        ),
    ] = None,
    model_name: Annotated[
        str | None, typer.Option(help="The server's model, where the address does not say it: --model-name NAME.")
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Requests that a server gets at a time: --concurrency 8.")] = 4,
    profile: Annotated[
        Path | None, typer.Option(help="A use case that the system is told besides (TOML): --profile clinic.toml.")
    ] = None,
    boot: Boot = 2000,
    seed: Seed = 0,
    level: Level = 0.95,
    cluster: Annotated[
        str | None,
        typer.Option(help="Columns of items that belong together, else the instrument's own: --cluster COL."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default a new one in runs/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Refuse to ask a server, as GNOMON_OFFLINE=1 does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Answer an instrument, or read recorded answers; score them; keep everything in a run with a page.

    The key of a server is read from the environment variable GNOMON_API_KEY and from nowhere else.

    Example: gnomon measure run bbq --items preds_Age.jsonl.gz --responses answers.csv --answer reply

    A system: gnomon measure run bbq --model http://localhost:8000/v1?model=NAME --out runs/bbq
    """
    from gnomon.measure import responding
    from gnomon.measure.running import read_run, run_instrument

    if responses is not None and (
        offered := [o for o, v in (("--model-name", model_name), ("--profile", profile)) if v]
    ):
        raise UserError(f"{offered[0]} belongs to --model; recorded answers (--responses) are read as they are.")
    if model is not None and item is not None:
        raise UserError("--item names columns of --responses; a --model is asked by the items' own ids.")
    if responses is None and model is None:
        raise UserError("Give the answers by --responses FILE, or a system to ask by --model SPEC.")
    if responses is not None and model is not None:
        raise UserError("--responses and --model are both given; answers come from one of them.")
    system = (
        None
        if model is None
        else responding.parse_model(model, model_name=model_name, concurrency=concurrency, offline=offline)
    )
    run = run_instrument(
        _instrument(name, items),
        responses=responses,
        item=None if item is None else _columns("--item", item),
        answer=answer,
        model=system,
        profile=profile,
        cluster=None if cluster is None else _columns("--cluster", cluster),
        B=boot,
        seed=seed,
        level=level,
        out=out,
        offline=offline,
        resume=resume,
    )
    _, scores = read_run(run)
    rows = scores.frame.to_dicts()
    if as_json:
        print_json(
            {"instrument": scores.instrument.name, "estimates": rows, "counts": scores.counts, "run": str(run.path)}
        )
        return
    show_table(
        ["metric", "group", f"value [{level:.0%}]", "null", "range", "best", "n", "units"],
        [
            [
                row["metric"],
                row["group"],
                _span(row),
                f"{row['null']:.3g}",
                f"{row['minimum']:g} to {row['maximum']:g}",
                row["direction"],
                row["n"],
                row["n_clusters"],
            ]
            for row in rows
        ],
        narrow=True,
    )
    counts = scores.counts
    say(
        f"{counts['n_items']} items: {counts['n_answered']} answers read, {counts['n_manual']} for a person to read,"
        f" {counts['n_missing']} missing; {counts['n_no_target']} items have no target"
    )
    if counts["n_manual"] > counts["n_items"] / 20:
        say(
            f"{counts['n_manual']} answers are not plainly one of their options and stand in no figure: look at some in"
            " the report before you trust the others",
            warning=True,
        )
    say(f"report: {run.path / 'report.html'}")


@app.command("agreement")
def agreement_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Ratings, one a row (.parquet, .csv, .jsonl, each also .gz).")
    ],
    unit: Annotated[str, typer.Option(help="The column that names what was rated: --unit item_id.")],
    rater: Annotated[str, typer.Option(help="The column that names who rated it: --rater annotator.")],
    value: Annotated[str, typer.Option(help="The column of ratings: --value label.")],
    exclude: Annotated[
        str | None, typer.Option(help="A true/false column; rows where it is true are left out: --exclude is_filler.")
    ] = None,
    level: Annotated[str, typer.Option(help="Scale of the ratings: nominal, ordinal, interval or ratio.")] = "nominal",
    boot: Boot = 2000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """How far do raters agree, beyond chance? Krippendorff's alpha, kappa, Gwet's AC1, raw agreement.

    Example: gnomon measure agreement ratings.csv --unit item_id --rater annotator --value label
    """
    from gnomon.measure import rating

    found = rating.agreement(file, unit=unit, rater=rater, value=value, exclude=exclude, level=level, B=boot, seed=seed)
    rows = found.frame.to_dicts()
    if as_json:
        print_json({"statistics": rows, "notes": found.notes})
        return
    show_table(
        ["statistic", "value [95%]", "units", "why"],
        [[row["statistic"], _span(row), row.get("n"), row.get("reason")] for row in rows],
    )
    for note in found.notes:
        say(note)


@app.command("gate", cls=ListOptions)
def gate_command(
    run: RunName,
    rule: Annotated[
        list[str], typer.Option("--rule", help="What must hold, or several: --rule 'P(abs(s_amb) < 0.10) > 0.95'.")
    ],
    rationale: Annotated[str, typer.Option(help="Why these limits; kept with the verdict.")],
    set_by: Annotated[str, typer.Option(help="Who set them; kept with the verdict.")],
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML for a build server: --junit gate.xml.")] = None,
    as_json: Json = False,
) -> None:
    """Do the scores of a run keep to limits? Exit code 0: they do; 1: they do not; 3: too little data to tell.

    Example: gnomon measure gate runs/bbq --rule 'P(abs(s_amb) < 0.10) > 0.95' --rationale 'our policy' --set-by Ada
    """
    from gnomon.measure import verdict
    from gnomon.measure.running import open_scored
    from gnomon.runs.files import write_atomic

    if junit is not None and not junit.absolute().parent.is_dir():
        raise UserError(f"--junit {str(junit)!r}: there is no folder {str(junit.parent)!r} to write it in.")
    found = verdict.gate(open_scored(run).path, rule, rationale=rationale, set_by=set_by)
    if junit is not None:
        write_atomic(junit, found.to_junit())
    if as_json:
        print(found.to_json())
    else:
        for each in found.rules:
            say(verdict.sentence(each))
        say(f"{found.verdict}: limits set by {found.set_by}, because: {found.rationale}")
    raise typer.Exit({"pass": PASS, "fail": FAIL, "undecided": UNDECIDED}[found.verdict])


@app.command("compare")
def compare_command(
    a: Annotated[str, typer.Argument(metavar="A", help="A run of gnomon measure run: its folder or its id.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The run that is compared with it, on the items of both.")],
    boot: Boot = 2000,
    seed: Seed = 0,
    level: Level = 0.95,
    as_json: Json = False,
) -> None:
    """How do two systems differ on the same items? Paired differences, B minus A, Holm-adjusted.

    Example: gnomon measure compare runs/bbq-before runs/bbq-after
    """
    from gnomon.measure.comparing import compare
    from gnomon.measure.running import open_scored

    found = compare(open_scored(a).path, open_scored(b).path, level=level, B=boot, seed=seed)
    rows = found.frame.to_dicts()
    if as_json:
        print_json({"differences": rows, "notes": found.notes})
        return
    show_table(
        ["metric", "group", f"b - a [{level:.0%}]", "p, Holm", "b is", "items"],
        [
            [
                row["metric"],
                row["group"],
                _span({**row, "value": row["difference"]}),
                "" if row["p_holm"] is None else f"{row['p_holm']:.3g}",
                row["decision"],
                row["n_items"],
            ]
            for row in rows
        ],
    )
    for note in found.notes:
        say(note)


@app.command("coverage", cls=ListOptions)
def coverage_command(
    name: Name,
    items: Items = None,
    groups: Annotated[
        str | None, typer.Option(help="The use case's groups, with weights or without: --groups Age=3,Religion=1.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option(help="A use case that names its groups: --profile clinic.toml.")
    ] = None,
    seed: Seed = 0,
    level: Level = 0.95,
    as_json: Json = False,
) -> None:
    """Does an instrument ask about the groups of a use case, in proportion? Absent groups are flagged.

    Example: gnomon measure coverage bbq --groups Age,Religion,Gender_identity
    """
    from gnomon.measure import profiles

    if (groups is None) == (profile is None):
        raise UserError("Give the use case's groups by --groups A,B or by a --profile that names them, one of the two.")
    wanted = profiles.load_profile(profile) if profile is not None else _weights(groups or "")
    ins = _instrument(name, items)
    frame = profiles.coverage(ins, wanted, level=level, seed=seed)
    rows = frame.to_dicts()
    if as_json:
        print_json({"groups": rows})
        return
    show_table(
        ["group", "items", "share", "ratio to its weight", "bin", "flag"],
        [
            [
                row["group"],
                row["n"],
                "" if row["share"] is None else f"{row['share']:.3f}",
                _span({**row, "value": row["rr"]}),
                row["bin"],
                row["flag"],
            ]
            for row in rows
        ],
    )
    if absent := [row["group"] for row in rows if row["flag"] == "absent"]:
        say(
            f"absent: {', '.join(absent)}; its items are of {', '.join(ins.items['category'].unique().sort())}, the"
            f" groups on its card are {', '.join(ins.card.groups)}"
        )


@app.command("reliability")
def reliability_command(
    systems: Annotated[
        list[str],
        typer.Argument(metavar="SYSTEM=RUN,RUN...", help="A system and its runs, or several: bot=runs/a,runs/b."),
    ],
    forms: Annotated[
        str | None,
        typer.Option(
            help="Names of the forms of words that the runs of each system had, in order: --forms plain,formal."
        ),
    ] = None,
    level: Level = 0.95,
    as_json: Json = False,
) -> None:
    """How far does a score move when the system is asked again, or in other words? ICC and smallest detectable change.

    Example: gnomon measure reliability bot=runs/bot-1,runs/bot-2 other=runs/other-1,runs/other-2
    """
    from gnomon.measure import evidence

    frame = evidence.reliability(_systems(systems, forms), level=level)
    rows = frame.to_dicts()
    if as_json:
        print_json({"figures": rows})
        return
    show_table(
        ["metric", "group", "systems", "runs", f"ICC [{level:.0%}]", "smallest detectable change"],
        [
            [
                row["metric"],
                row["group"],
                row["n_systems"],
                row["n_runs"],
                _span({**row, "value": row["icc"]}),
                _span({"value": row["sdc"], "low": row["sdc_low"], "high": row["sdc_high"]}),
            ]
            for row in rows
        ],
        narrow=True,
    )
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        of = [f"{row['metric']} of {row['group']}" for row in rows if row["reason"] == reason]
        say(f"{'all' if len(of) == len(rows) else ', '.join(of)}: {reason}")


def _instrument(name: str, items: list[Path] | None) -> "Instrument":
    """An instrument with the items given, or with the registry's that lie on this machine: nothing is fetched."""
    from gnomon import data
    from gnomon.measure import library
    from gnomon.measure.instrument import load_instrument

    if items:
        return load_instrument(name, items=items)
    card = library.card(name)
    if absent := [each for each in card.data if data.locate(each) is None]:
        raise UserError(
            f"The items of {card.name!r} are not on this machine: give --items FILE, or fetch them first by gnomon data"
            f" fetch {' '.join(absent)}."
        )
    return load_instrument(card)


def _columns(option: str, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UserError(f"{option} {text!r} holds an empty name; columns are given as {option} a,b.")
    return names


def _weights(text: str) -> dict[str, float]:
    """Groups with their weights; a group without one has weight 1."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, separator, weight = (piece.strip() for piece in part.partition("="))
        if not name or name in found:
            problem = "is there twice" if name else "is empty"
            raise UserError(f"--groups {text!r}: group {name!r} {problem}; groups are given as A,B or A=3,B=1.")
        try:
            found[name] = float(weight) if separator else 1.0
        except ValueError as fault:
            raise UserError(f"--groups {text!r}: the weight {weight!r} of {name!r} is not a number.") from fault
    return found


def _systems(given: list[str], forms: str | None) -> dict[str, Any]:
    """Systems with the folders of their runs, as repeats or by form."""
    from gnomon.measure.running import open_scored

    named = None if forms is None else _columns("--forms", forms)
    found: dict[str, Any] = {}
    for text in given:
        system, separator, runs = text.partition("=")
        listed = [run.strip() for run in runs.split(",")]
        if not separator or not system.strip() or not all(listed) or system.strip() in found:
            raise UserError(f"{text!r} is not a system of its own with its runs; expected as in bot=runs/a,runs/b.")
        if named is not None and len(named) != len(listed):
            raise UserError(
                f"{text!r} has {len(listed)} runs, but --forms names {len(named)}; one run a form is expected."
            )
        paths = [open_scored(run).path for run in listed]
        found[system.strip()] = paths if named is None else dict(zip(named, paths, strict=True))
    return found


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(each)}" for key, each in value.items())
    return " ".join(str(value).split())


def _span(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "undefined"
    interval = "" if row.get("low") is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.3f}{interval}"
