"""`gnomon story`: read a story's file and show who, where and what; reports and exports; train what reads it."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.errors import UserError
from gnomon.list_options import ListOptions
from gnomon.runs.terminal import print_json, say, show_table

if TYPE_CHECKING:
    from gnomon.runs.store import Run
    from gnomon.story.document import Story
    from gnomon.story.records import Extraction
    from gnomon.story.reports import Report

app = typer.Typer(
    help="Read a story offline: its characters, places and events, what does not go together, and what to revise.\n\n"
    "Start with: gnomon story extract draft.md",
    no_args_is_help=True,
)

PROJECT = ".gnomon"
SHOWN = 20  # rows of each table before the rest is only counted
PATIENCE = 2.0  # seconds after which it is worth saying how far the reading is

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A story, .md .txt .docx .epub .fountain .html, or a .gnomon project."),
]
PackOption = Annotated[
    Path | None,
    typer.Option("--pack", help="The pack of gnomon story train-extractor to read with: --pack runs/mine/pack."),
]
Encoding = Annotated[
    str | None, typer.Option(help="The encoding of a text file that is not UTF-8: --encoding windows-1250.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]


@app.command("extract")
def extract_command(
    file: File,
    pack: PackOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write everything as tables into this folder, too: --csv tables.")
    ] = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Show the characters, places, events and continuity warnings of a story. Nothing leaves this machine.

    Example: gnomon story extract draft.md --csv tables
    """
    story, extraction = _read(file, pack, encoding)
    written = []
    if csv is not None:
        from gnomon.story.exports import write_tables

        written = write_tables(story, extraction, csv)
    if as_json:
        print_json(extraction.to_dict())
        return
    _print_extraction(story, extraction)
    if written:
        say(f"tables: {', '.join(str(path) for path in written)}")


@app.command("export")
def export_command(
    file: File,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="The text as md, txt, docx, shunn (standard manuscript), epub, fountain or html; what was found in it"
            " as json, graphml or timeline-csv; a project's preferences: --format docx.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file that is written: --out draft.docx.")],
    author: Annotated[
        str, typer.Option(help="Who stands on a manuscript's first page and in an epub: --author 'A. Writer'.")
    ] = "",
    redact: Annotated[
        bool, typer.Option("--redact", help="In preferences, put placeholders in the place of names.")
    ] = False,
    pack: PackOption = None,
    encoding: Encoding = None,
) -> None:
    """Write a story in another format, or what was found in it, or the log of what its writer chose.

    Example: gnomon story export draft.gnomon --format shunn --out manuscript.docx --author "A. Writer"
    """
    from gnomon.story.exports import EXPORTS
    from gnomon.story.formats import FORMATS, write

    if format not in (*FORMATS, *EXPORTS, "preferences"):
        raise UserError(f"--format {format}: there are {', '.join((*FORMATS, *EXPORTS, 'preferences'))}.")
    if redact and format != "preferences":
        raise UserError(f"--redact is for --format preferences; {format} keeps every name.")
    if file.resolve() == out.resolve():
        raise UserError(f"--out {out} is the story itself; name another file.")
    if format == "preferences":
        lines = _preferences(file, redact)
        _write(out, "".join(lines))
        say(f"{len(lines)} decided suggestion{'' if len(lines) == 1 else 's'}: {out}")
        return
    if format in EXPORTS:
        story, extraction = _read(file, pack, encoding)
        _write(out, EXPORTS[format](story, extraction))
    else:
        write(_story(file, encoding), out, format, author=author)
    say(f"{out}")


@app.command("report", cls=ListOptions)
def report_command(
    file: File,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="passive_characters, mergeable_characters, removable_places, lulls, order_of_telling, broken_travel,"
            " viewpoint, only_protagonist_knows or cast_audit.",
        ),
    ],
    protagonist: Annotated[
        str | None,
        typer.Option(help="For only_protagonist_knows, in the place of who acts most: --protagonist Anna."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="NAME=GROUP", help="For cast_audit, a character's group: --group Anna=women Tom=men."
        ),
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="For cast_audit, a CSV file with columns character,group: --groups cast.csv.")
    ] = None,
    pack: PackOption = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Answer one of the questions writers plan with, each row with its evidence in the text.

    Example: gnomon story report draft.md passive_characters
    """
    from gnomon.story.reports import check_report, make_report, read_groups

    options: dict[str, Any] = {}
    if protagonist is not None:
        options["protagonist"] = protagonist
    if group or groups is not None:
        options["groups"] = read_groups(group or [], groups)
    check_report(name, options)
    story, extraction = _read(file, pack, encoding)
    found = make_report(name, story, extraction, **options)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_report(found)


@app.command("train-extractor", cls=ListOptions)
def train_extractor_command(
    language: Annotated[str, typer.Option(help="What the pack is to read: --language en or ro.")],
    out: Annotated[Path, typer.Option(help="The run's folder, the pack in its pack/: --out runs/mine.")],
    recipe: Annotated[
        Path | None,
        typer.Argument(metavar="[RECIPE.toml]", help="A recipe, such as recipes/story-extractor-en.toml."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="What every random number follows from: --seed 1.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, its value in TOML: --set fiction.epochs=2."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Train the small models that read stories, from public corpora, and score them on works they have not seen.

    Example: gnomon story train-extractor --language en --out runs/extractor --seed 1
    """
    from gnomon.runs.progress import Progress
    from gnomon.story.training import read_recipe, train_extractor

    settings = read_recipe(language, recipe, overrides or [], seed=seed)
    run = train_extractor(settings, out=out, resume=resume, progress=Progress())
    if as_json:
        print_json(run.summary() or {})
    else:
        _print_scores(run)


# -- what is read ----------------------------------------------------------------------------------------------------


def _read(file: Path, pack: Path | None, encoding: str | None) -> "tuple[Story, Extraction]":
    """The story in a file or project, and what is found in it; a project's facts hold, and it keeps what was parsed."""
    from gnomon.story.extracting import Extractor
    from gnomon.story.packs import load

    chosen = load(path=pack) if pack is not None else None
    with _Progress(file) as show:
        if file.suffix != PROJECT:
            from gnomon.story.formats import read

            story = read(file, encoding, language=chosen.language if chosen is not None else "auto")
            return story, Extractor(chosen or load(story.language)).extract(story, show=show)
        from gnomon.story.project import Project

        _refuse_encoding(file, encoding)
        with Project.open(file) as project:
            story = project.story
            chosen = chosen or load(story.language)
            extraction = Extractor(chosen).extract(
                story, facts=tuple(project.facts.values()), known=project.analyses(chosen.hash), show=show
            )
            if pack is None:
                project.keep_analyses(extraction)
            return story, extraction


def _story(file: Path, encoding: str | None) -> "Story":
    if file.suffix != PROJECT:
        from gnomon.story.formats import read

        return read(file, encoding)
    from gnomon.story.project import Project

    _refuse_encoding(file, encoding)
    with Project.open(file) as project:
        return project.story


def _refuse_encoding(file: Path, encoding: str | None) -> None:
    if encoding is not None:
        raise UserError(f"{file} is a project, whose text needs no --encoding; leave it out.")


def _preferences(file: Path, redact: bool) -> list[str]:
    """The lines of a project's preference log."""
    from gnomon.runs.files import to_json
    from gnomon.story.project import Project

    if file.suffix != PROJECT:
        raise UserError(f"{file}: preferences are kept in a {PROJECT} project, not in a story's file.")
    with Project.open(file) as project:
        return [to_json(line) + "\n" for line in project.preference_lines(redact=redact)]


def _write(path: Path, content: str) -> None:
    from gnomon.runs.files import write_atomic

    try:
        write_atomic(path, content)
    except OSError as fault:
        raise UserError(f"{path}: cannot be written: {(fault.strerror or str(fault)).lower()}.") from fault


class _Progress:
    """Shows how much of a story is parsed once that takes longer than a moment."""

    def __init__(self, file: Path) -> None:
        from contextlib import ExitStack

        self._name, self._began = f"reading {file.name}", time.monotonic()
        self._stack = ExitStack()
        self._show: Any = None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *fault: Any) -> None:
        self._stack.close()

    def __call__(self, done: int, total: int) -> None:
        if self._show is None:
            if done == total or time.monotonic() - self._began < PATIENCE:
                return
            from gnomon.runs.progress import Progress

            progress = self._stack.enter_context(Progress())
            self._show = self._stack.enter_context(progress.stage(self._name, total, done))
        self._show(done, "paragraphs")


# -- what is printed -------------------------------------------------------------------------------------------------


def _print_extraction(story: "Story", extraction: "Extraction") -> None:
    from gnomon.story.exports import tables

    found = tables(story, extraction)
    words = sum(any(letter.isalnum() for letter in word) for word in story.text.split())
    say(
        f"{story.title}: {words:,} words, {_counted(len(story.scenes), 'scene')}, language {extraction.language};"
        f" read in {extraction.stats['seconds']:.1f} s"
    )
    if extraction.language == "ro":
        say("Romanian is experimental: expect more mistakes than in English.")
    elif extraction.language != "en":
        say("There is no pack for this language: names by their capital letters only, and no events.")
    people = _rows(found["characters"], "mentions")
    _table(
        "characters",
        ["character", "also called", "mentions", "acts", "undergoes", "speeches"],
        [[row["name"], row["aliases"], *(row[key] for key in ("mentions", "acts", "undergoes", "speeches"))]
         for row in people],
    )  # fmt: skip
    names = {place.id: place.name for place in extraction.places}
    _table(
        "places",
        ["place", "in", "mentions", "events"],
        [[row["name"], names.get(row["within"]), row["mentions"], row["events"]]
         for row in _rows(found["places"], "events")],
    )  # fmt: skip
    kinds = Counter(event.kind for event in extraction.events).most_common()
    moved = sum(event.time is not None and event.time.relation == "earlier" for event in extraction.events)
    say(
        f"{_counted(len(extraction.events), 'event')} ({', '.join(f'{n:,} {kind}' for kind, n in kinds)});"
        f" {moved:,} told as having happened earlier"
        if extraction.events
        else "no events"
    )
    say(
        f"{_counted(len(extraction.speeches), 'speech', 'speeches')},"
        f" {sum(speech.speaker is not None for speech in extraction.speeches):,} with a known speaker"
    )
    for fact in extraction.lost:
        say(f"a fact that the text no longer answers to: {fact.kind} {_subject(fact.subject)}", warning=True)
    if not extraction.warnings:
        say("no continuity warnings")
        return
    say(f"{_counted(len(extraction.warnings), 'continuity warning')}:")
    for warning in extraction.warnings[:SHOWN]:
        say(f"  {warning.kind}: {warning.message}")
        for start, end in warning.spans:
            say(f"    {start}: {_quote(story.text, start, end)}")
    if len(extraction.warnings) > SHOWN:
        say(f"  and {len(extraction.warnings) - SHOWN} more; --json gives all")


def _rows(table: tuple[list[str], list[list[Any]]], by: str) -> list[dict[str, Any]]:
    """Rows as dicts, the most of `by` first."""
    header, rows = table
    return sorted((dict(zip(header, row, strict=True)) for row in rows), key=lambda row: -row[by])


def _table(what: str, header: list[str], rows: list[list[Any]]) -> None:
    if not rows:
        say(f"no {what}")
        return
    show_table(header, rows[:SHOWN])
    if len(rows) > SHOWN:
        say(f"and {len(rows) - SHOWN} more {what}; --csv DIR or --json gives all")


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _subject(subject: Any) -> str:
    return repr(subject.quote) if hasattr(subject, "quote") else str(subject)


def _quote(text: str, start: int, end: int) -> str:
    quote = " ".join(text[start:end].split())
    return quote if len(quote) <= 100 else f"{quote[:99]}…"


def _print_report(found: "Report") -> None:
    say(found.title)
    say(found.meaning)
    if not found.rows:
        say(found.nothing)
        return
    show_table(
        [*found.columns, "where"],
        [
            [*(_cell(each) for each in row.values), "\n".join(f"{span.start}: {span.quote}" for span in row.spans[:3])]
            for row in found.rows[:SHOWN]
        ],
    )
    if len(found.rows) > SHOWN:
        say(f"and {len(found.rows) - SHOWN} more; --json gives all")


def _cell(value: Any) -> Any:
    if isinstance(value, dict):  # an estimate
        if value["value"] is None:
            return f"undefined ({value['reason']})"
        if value["low"] is None:
            return f"{value['value']:.3f}"
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value:.2f}" if isinstance(value, float) else value


def _print_scores(run: "Run") -> None:
    rows = list(_scores(run.summary() or {}))
    if rows:
        show_table(["score", "value [95%]"], rows)
    say(f"run: {run.path}")
    say(f"pack: {run.path / 'pack'}")


def _scores(values: dict[str, Any], under: str = "") -> Iterator[tuple[str, str]]:
    """The estimates of a summary, however deep."""
    for name, value in values.items():
        if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
            yield f"{under}{name}", _cell(value)
        elif isinstance(value, dict):
            yield from _scores(value, f"{under}{name} ")
