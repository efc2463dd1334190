"""`gnomon represent`, `gnomon measure rake`, `gnomon data audit`: a sample or a corpus against a population."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gnomon.errors import UserError
from gnomon.runs.terminal import print_json, say, show_table

if TYPE_CHECKING:
    import polars as pl

    from gnomon.measure.mentioning import Mentioned
    from gnomon.measure.raking import Weighting
    from gnomon.measure.representation import RepresentationRatio
    from gnomon.runs import Run

MOST_SHOWN = 60
"""Cells that the terminal shows; --csv and --json have them all."""

Sample = Annotated[
    Path, typer.Argument(metavar="SAMPLE", help="One row a unit: .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz.")
]
Target = Annotated[Path, typer.Option(help="The population: one row a cell, with its count: --target census.csv.")]
TargetCount = Annotated[str, typer.Option(help="The target's column of counts: --target-count population.")]
Boot = Annotated[int, typer.Option(help="Resamples behind intervals and P: --boot 5000.")]
Seed = Annotated[int, typer.Option(help="What the resampling follows from: --seed 1.")]
Level = Annotated[float, typer.Option(help="The level of the intervals: --level 0.9.")]
Unmatched = Annotated[
    Literal["error", "drop"],
    typer.Option(help="What becomes of a level that the target does not have: error, or drop (counted)."),
]
Out = Annotated[Path | None, typer.Option(help="Keep a run with its report in this new folder: --out runs/first.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Also write the cells as a table: --csv cells.csv.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 where any cell is flagged under.")]


def represent(
    sample: Sample,
    target: Target,
    by: Annotated[
        list[str],
        typer.Option(help="Columns to cross, with commas; again for another table: --by age,sex --by sex,urban."),
    ],
    count: Annotated[
        str | None, typer.Option(help="The sample's column of counts, where it has some: --count n.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="The sample's column of design weights: --weight w.")] = None,
    target_count: TargetCount = "n",
    cluster: Annotated[
        str | None, typer.Option(help="The column that names independent units, as repeat donors: --cluster donor.")
    ] = None,
    ci: Annotated[str, typer.Option(help="bootstrap, exact or wilson: --ci exact.")] = "bootstrap",
    boot: Boot = 5000,
    seed: Seed = 4,
    level: Level = 0.95,
    unmatched: Unmatched = "error",
    target_error: Annotated[
        float, typer.Option(help="How far each count of the target may be off, as by rounding to 5: --target-error 4.")
    ] = 0.0,
    out: Out = None,
    csv: Csv = None,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Which groups does a sample under-represent against a population, and how sure is that?

    RR is a cell's share of the sample over its share of the population: below 0.75 is under, above 1.33 over.

    Example: gnomon represent sample.csv --target census.csv --by age,sex --target-count population
    """
    from gnomon.measure.representation import representation_ratio
    from gnomon.measure.representation_report import keep
    from gnomon.runs.progress import Progress

    _refuse_outputs(out, csv, (sample, target))
    columns = [[column.strip() for column in each.split(",")] for each in by]
    if any("" in each for each in columns):
        raise UserError(f"represent: --by {', '.join(by)} has an empty name; columns are joined by single commas.")
    with Progress(quiet=as_json or not sys.stderr.isatty()) as bar, bar.stage("resampling", 1, 0) as show:
        found = representation_ratio(
            sample,
            target,
            columns,
            count=count,
            weight=weight,
            target_count=target_count,
            cluster=cluster,
            ci=ci,
            B=boot,
            seed=seed,
            level=level,
            unmatched=unmatched,
            target_error=target_error,
        )
        show(1, "")
    settings = {
        "name": "represent",
        "seed": seed,
        "sample": str(sample),
        "target": str(target),
        "by": columns,
        "count": count,
        "weight": weight,
        "target_count": target_count,
        "cluster": cluster,
        "ci": ci,
        "boot": boot,
        "level": level,
        "unmatched": unmatched,
        "target_error": target_error,
    }
    run = None if out is None else keep(out, found, settings, {"sample": [sample], "target": [target]})
    _answer(found, run, csv, as_json, strict, {}, "rows")


def rake(
    sample: Sample,
    target: Annotated[
        Path,
        typer.Option(
            help="The population's table; or a .json file {column: {level: count}} where only margins are known."
        ),
    ],
    margins: Annotated[str, typer.Option(help="The columns whose totals are to be met: --margins age,sex.")],
    out: Annotated[
        Path, typer.Option(help="Where the sample goes with its new column, .csv or .parquet: --out raked.csv.")
    ],
    weight: Annotated[
        str | None, typer.Option(help="The design weights to start from; 1 each without: --weight pw.")
    ] = None,
    target_count: TargetCount = "n",
    as_json: Json = False,
) -> None:
    """Weights whose totals agree with a population's margins, starting from the design weights.

    The table in --out is the sample with a column raked_weight. Exits with 1 where the margins could not be met; what
    was achieved is shown either way.

    Example: gnomon measure rake sample.csv --target census.csv --margins age,sex --weight pw --out raked.csv
    """
    import polars as pl

    from gnomon.measure import raking
    from gnomon.measure.tables import read_table

    if out.suffix not in (".csv", ".parquet"):
        raise UserError(f"rake: --out {out} must end in .csv or .parquet.")
    _refuse_outputs(None, out, (sample, target))
    table = read_table(sample, function="rake", argument="sample")
    if "raked_weight" in table.columns:
        raise UserError(
            f"rake: {str(sample)!r} has a column 'raked_weight' already; rename it, or give it as --weight."
        )
    result = raking.rake(
        table,
        _margins(target),
        [column.strip() for column in margins.split(",")],
        weight=weight,
        target_count=target_count,
    )
    _write_table(out, table.with_columns(raked_weight=pl.Series(result.weights)))
    if as_json:
        print_json(
            {
                "margins": result.frame.to_dicts(),
                "max_error": result.max_error,
                "converged": result.converged,
                "iterations": result.iterations,
                "deff": result.deff,
                "design_deff": result.design_deff,
                "n_eff": result.n_eff,
                "out": str(out),
            }
        )
    else:
        _show_margins(result, table.height)
        say(f"weights: {out}, column raked_weight")
    if not result.converged:
        say(
            f"the margins were not met after {result.iterations} rounds: the largest relative error is"
            f" {result.max_error:.3g}; the levels may contradict each other in this sample",
            warning=True,
        )
        raise typer.Exit(1)


def audit(
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXTS...",
            help="Tables (.parquet, .csv, .jsonl), plain texts (.txt), folders of them, names of gnomon data list.",
        ),
    ],
    lexicon: Annotated[
        str,
        typer.Option(
            help="Which words stand for which group: a table of axis, group, term, or holisticbias/descriptors."
        ),
    ],
    target: Annotated[Path, typer.Option(help="The population: one row a level, with its count: --target ages.csv.")],
    axis: Annotated[
        str | None, typer.Option(help="The lexicon's axis, where the target has columns for several: --axis age.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="The target's column of levels, where it is not the axis's name: --by age_group.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--map", help="A table of group, level: which level each group stands for; empty leaves it out."),
    ] = None,
    target_count: TargetCount = "n",
    text: Annotated[str, typer.Option(help="The column that holds the texts of a table: --text content.")] = "text",
    id: Annotated[
        str | None, typer.Option(help="The column that names independent texts, as authors; else each row is one.")
    ] = None,
    cut: Annotated[
        int, typer.Option(help="Cut plain text into documents of about so many characters; 0: each file is one.")
    ] = 5000,
    boot: Boot = 5000,
    seed: Seed = 4,
    level: Level = 0.95,
    unmatched: Unmatched = "error",
    out: Out = None,
    csv: Csv = None,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Which groups do texts mention, against their shares of a population? Words are counted, not people.

    Intervals resample whole documents, since mentions cluster in them.

    Example: gnomon data audit corpus.jsonl --lexicon words.csv --target census.csv --axis gender
    """
    import polars as pl

    from gnomon import data
    from gnomon.measure import mentioning
    from gnomon.measure.representation import representation_ratio
    from gnomon.measure.representation_report import keep
    from gnomon.measure.tables import need_column, read_table
    from gnomon.runs.progress import Progress

    sources: list[str | Path] = [each if each in data.FILES else Path(each) for each in texts]
    files = mentioning.text_files(sources)
    named = data.fetch(lexicon) if lexicon in data.FILES else Path(lexicon)
    given = [path for path in (named, target, mapping) if path is not None]
    _refuse_outputs(out, csv, (*files, *given))
    words = mentioning.read_lexicon(lexicon)
    population = read_table(target, function="audit", argument="--target")
    axis = _axis(words, population, axis, by)
    column = by or axis
    levels = mentioning.with_levels(words, axis, mapping)
    need_column(population, column, function="audit", argument="--by", where=repr(str(target)))

    size = sum(path.stat().st_size for path in files)
    with Progress(quiet=as_json) as progress, progress.stage("reading, MB", max(1, size // 10**6), 0) as show:
        read = 0

        def watch(more: int) -> None:
            nonlocal read
            before, read = read, read + more
            if read // 10**6 > before // 10**6:
                show(read // 10**6, "")

        counted = mentioning.count_mentions(sources, words, text=text, id=id, cut=cut, watch=watch)
    of_axis = counted.mentions.filter(pl.col("axis") == axis).join(levels, on="group", how="left")
    if of_axis["level"].null_count() == of_axis.height:
        raise UserError(
            f"audit: none of {counted.texts} texts mentions a group of axis {axis!r} that stands for a level of"
            f" {column!r}; the lexicon may be in another language, or --text name another column."
        )
    mentioned = of_axis.drop_nulls("level").group_by("text_id", "level", maintain_order=True).agg(pl.col("n").sum())
    found = representation_ratio(
        mentioned.rename({"level": column}) if column != "level" else mentioned,
        population,
        [column],
        count="n",
        cluster="text_id",
        target_count=target_count,
        B=boot,
        seed=seed,
        level=level,
        unmatched=unmatched,
    )
    terms = (
        counted.terms.filter(pl.col("axis") == axis).drop("level", strict=False).join(levels, on="group", how="left")
    )
    facts = _facts(counted, of_axis, axis)
    settings = {
        "name": "audit",
        "seed": seed,
        "texts": texts,
        "lexicon": lexicon,
        "target": str(target),
        "axis": axis,
        "by": [[column]],
        "map": None if mapping is None else str(mapping),
        "target_count": target_count,
        "text": text,
        "id": id,
        "cut": cut,
        "boot": boot,
        "level": level,
        "unmatched": unmatched,
    }
    inputs = {"texts": files, "lexicon": [named], "target": [target]} | ({} if mapping is None else {"map": [mapping]})
    run = None if out is None else keep(out, found, settings, inputs, facts, terms)
    more = {"texts": facts, "terms": terms.filter(pl.col("n") > 0).sort("n", descending=True).to_dicts()}
    if not as_json:
        _show_terms(terms)
    _answer(found, run, csv, as_json, strict, more, "mentions")


def _axis(words: "pl.DataFrame", population: "pl.DataFrame", axis: str | None, by: str | None) -> str:
    """The axis that is audited: the one asked for, or the only one that the target has a column for."""
    axes = words["axis"].unique(maintain_order=True).to_list()
    if axis is not None:
        return axis
    if by is not None and len(axes) == 1:
        return str(axes[0])
    there = [each for each in axes if each in population.columns]
    if len(there) != 1:
        known, columns = ", ".join(map(repr, axes)), ", ".join(map(repr, population.columns))
        raise UserError(
            f"audit: say with --axis which axis is meant: the lexicon has {known}, and the target the columns"
            f" {columns}."
        )
    return str(there[0])


def _facts(counted: "Mentioned", of_axis: "pl.DataFrame", axis: str) -> dict[str, Any]:
    """What was read, and what of it counts."""
    import polars as pl

    left = of_axis.filter(pl.col("level").is_null())
    return {
        "axis": axis,
        "texts": counted.texts,
        "empty": counted.empty,
        "characters": counted.characters,
        "texts_with_mentions": of_axis["text_id"].n_unique(),
        "mentions": int(of_axis["n"].sum()),
        "left_out": int(left["n"].sum()),
        "groups_left_out": left["group"].unique(maintain_order=True).sort().to_list(),
    }


def _margins(target: Path) -> Any:
    """A target file: a table, or margins as a JSON object of objects."""
    if target.suffix != ".json":
        return target
    import json

    try:
        read = json.loads(target.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise UserError(f"rake: --target {target} cannot be read as JSON ({fault}).") from fault
    if not isinstance(read, dict) or not read or not all(isinstance(value, dict) for value in read.values()):
        raise UserError(f"rake: --target {target} must be an object of objects, {{column: {{level: count}}}}.")
    return read


# -- what is kept --------------------------------------------------------------------------------------------------


def _refuse_outputs(out: Path | None, file: Path | None, inputs: tuple[Path, ...]) -> None:
    """Before anything is computed: a run's folder that is there already, a file that would overwrite an input."""
    if out is not None and out.exists():
        raise UserError(f"--out {out} exists already; name another folder.")
    if file is None:
        return
    if not file.parent.is_dir():
        raise UserError(f"{file} cannot be written: there is no folder {str(file.parent)!r}.")
    if file.is_dir() or any(file.resolve() == each.resolve() for each in inputs):
        what = "is a folder" if file.is_dir() else "is one of the inputs"
        raise UserError(f"{file} cannot be written: it {what}; name another file.")


def _write_table(path: Path, frame: "pl.DataFrame") -> None:
    import io

    from gnomon.runs.files import write_atomic

    if path.suffix == ".parquet":
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        write_atomic(path, buffer.getvalue())
    else:
        write_atomic(path, frame.write_csv())


# -- what is said --------------------------------------------------------------------------------------------------


def _answer(
    found: "RepresentationRatio",
    run: "Run | None",
    csv: Path | None,
    as_json: bool,
    strict: bool,
    more: dict[str, Any],
    unit: str,
) -> None:
    """Print what was found and end with the exit code that --strict asks for."""
    if csv is not None:
        _write_table(csv, found.frame)
    if as_json:
        kept = {} if run is None else {"run": str(run.path)}
        cells, summary = found.frame.to_dicts(), found.summary.to_dicts()
        print_json({"cells": cells, "summary": summary, "notes": list(found.notes), **more, **kept})
    else:
        from gnomon.measure.representation_report import read_out, said

        _show_cells(found)
        for row in found.summary.iter_rows(named=True):
            for sentence in said(row, unit):
                say(sentence)
        for note in found.notes:
            say(f"note: {note}")
        for sentence in read_out(more["texts"]) if "texts" in more else []:
            say(sentence)
        if run is not None:
            say(f"report: {run.path / 'report.html'}")
    if strict and "under" in set(found.frame["flag"]):
        raise typer.Exit(1)


def _show_cells(found: "RepresentationRatio") -> None:
    """A table of each stratification; where it is long, the cells that are furthest below 1."""
    for columns in found.by:
        name = " x ".join(columns)
        cells = found.frame.filter(found.frame["stratification"] == name)
        shown = cells if cells.height <= MOST_SHOWN else cells.sort("rr", nulls_last=True).head(MOST_SHOWN)
        worst = ["worst cases"] if "rr_min" in shown.columns else []
        headers = [*columns, "n", "sample", "target", "RR [interval]", *worst, "bin"]
        show_table(headers, _cell_rows(shown, columns), narrow=True)
        if shown.height < cells.height:
            say(f"{name}: the {shown.height} cells with the smallest RR of {cells.height}; --csv and --json have all")
    say("▾ flagged under, ▴ flagged over: beyond the limit with a probability above 95 %")


def _cell_rows(cells: "pl.DataFrame", columns: list[str]) -> list[list[str]]:
    """Cells as narrow rows of text: a flag is a triangle behind the bin; P stands in --csv and --json."""
    marks = {"under": " ▾", "over": " ▴"}
    return [
        [
            *(str(row[column]) for column in columns),
            f"{row['n']:,}",
            f"{row['sample_share']:.1%}",
            f"{row['target_share']:.1%}",
            "" if row["rr"] is None else f"{row['rr']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
            *_worst_cases(row),
            row["bin"] + marks.get(row["flag"], ""),
        ]
        for row in cells.iter_rows(named=True)
    ]


def _worst_cases(row: dict[str, Any]) -> list[str]:
    """The range of RR under the target's error, where one was named."""
    if "rr_min" not in row:
        return []
    return ["" if row["rr_min"] is None else f"{row['rr_min']:.2f} to {row['rr_max']:.2f}"]


def _show_terms(terms: "pl.DataFrame") -> None:
    from gnomon.measure.representation_report import term_rows

    show_table(["level", "mentions", "the words behind them"], term_rows(terms))


def _show_margins(result: "Weighting", rows: int) -> None:
    show_table(
        ["variable", "level", "target", "achieved", "relative error"],
        [
            [row["variable"], row["level"], f"{row['target']:,.6g}", f"{row['achieved']:,.6g}", f"{row['error']:+.1e}"]
            for row in result.frame.iter_rows(named=True)
        ],
    )
    say(
        f"design effect of the weights (Kish): {result.deff:.4g}, {result.design_deff:.4g} before; the {rows} rows are"
        f" worth {result.n_eff:.1f} equally weighted ones"
    )
