"""The page of a representation: the answer in words, the five bins as a picture, every cell with its interval, every
denominator, and what such numbers cannot say. And the run's folder that it is written from.

    cells.parquet    every cell          margins.parquet   each variable by itself
    terms.parquet    of an audit: which words stand for what, and how often they occur
    summary.json     denominators and summaries, notes, the sha256 of every input
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from gnomon.errors import UserError
from gnomon.measure.representation import RepresentationRatio
from gnomon.measure.representation_plot import heat_maps
from gnomon.measure.tables import write_parquet
from gnomon.runs import Run
from gnomon.runs.files import sha256
from gnomon.runs.report import Report, flat

KIND = "measure-represent"
CELLS, MARGINS, TERMS = "cells.parquet", "margins.parquet", "terms.parquet"
MOST_ROWS = 300
"""Cells in the page's table: beyond them, the furthest below 1. The run's folder has all."""
MOST_DRAWN = 2000
"""Cells that a picture can still show."""
MOST_NAMED = 12
WORDS_SHOWN = 8


def keep(
    out: Path,
    found: RepresentationRatio,
    settings: dict[str, Any],
    inputs: Mapping[str, Sequence[Path]],
    facts: dict[str, Any] | None = None,
    terms: pl.DataFrame | None = None,
) -> Run:
    """Keep what was found as the finished run `out`, with its report.

    `facts` and `terms` are an audit's: what was read, and the words with their counts. Raises UserError where `out`
    exists.
    """
    margins = found.margins()
    hashes = {role: {str(path): sha256(path) for path in paths} for role, paths in inputs.items()}
    run = Run.create(out, kind=KIND, name=settings["name"], settings=settings, seed=settings["seed"])
    write_parquet(run.path / CELLS, found.frame)
    write_parquet(run.path / MARGINS, margins)
    if terms is not None:
        write_parquet(run.path / TERMS, terms)
    rows = {row["stratification"]: row for row in found.summary.to_dicts()}
    summary = {"stratifications": rows, "notes": list(found.notes), "inputs": hashes}
    run.finish(summary if facts is None else {**summary, "texts": facts})
    write_report(run)
    return run


def write_report(run: Run) -> Path:
    """Write `report.html` of a finished run of gnomon represent or gnomon data audit; returns its path.

    Raises UserError for a run of another kind, or one that has not finished.
    """
    summary = run.summary()
    if run.kind != KIND:
        raise UserError(
            f"{str(run.path)!r} is of kind {run.kind!r}; a run of gnomon represent or data audit is expected."
        )
    if summary is None:
        raise UserError(
            f"{str(run.path)!r} is {run.state} and has nothing to report; start it again in another folder."
        )
    settings, texts = run.settings, summary.get("texts")
    frame = pl.read_parquet(run.path / CELLS)
    page = _opening(settings, frame, texts)
    for sentence in read_out(texts) if texts is not None else []:
        page.sentence(sentence)
    for note in summary["notes"]:
        page.sentence(f"Note: {note}")
    for columns in settings["by"]:
        _stratification(page, frame, columns, settings["level"])
    if texts is not None:
        _words(page, pl.read_parquet(run.path / TERMS))
    _denominators(page, list(summary["stratifications"].values()), "rows" if texts is None else "mentions")
    if any(len(columns) > 1 for columns in settings["by"]):
        _margins(page, pl.read_parquet(run.path / MARGINS), settings["level"])
    _reading(page, texts is not None)
    _limits(page, settings, texts)
    page.heading("Settings and inputs")
    page.facts(flat({**settings, "by": _crossed(settings["by"])}))
    page.table(
        ["input", "file", "sha256"],
        [[role, path, sha256] for role, files in summary["inputs"].items() for path, sha256 in files.items()],
    )
    path = run.path / "report.html"
    page.write(path)
    return path


# -- sentences that the terminal shares ------------------------------------------------------------------------------


def said(row: Mapping[str, Any], unit: str) -> list[str]:
    """A stratification's answer and its denominators, from its row of the summary. `unit` is what was counted."""
    measures = [f"{name} {form(row[key])}" for name, key, form in _measures(unit) if row[key] is not None]
    return [
        f"{row['stratification']}: {row['n_total']:,} {unit} in {row['cells_observed']} of {row['cells']} cells;"
        f" {row['share_flagged_under']:.0%} of the cells are flagged under.",
        f"Over all cells: {', '.join(measures)}.",
    ]


_MEASURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("AARB", "aarb", lambda value: f"{value:.1f} %"),
    ("dissimilarity", "dissimilarity", lambda value: f"{value:.3f}"),
    ("R-indicator", "r_indicator", lambda value: f"{value:.3f}"),
)


def _measures(unit: str) -> tuple[tuple[str, str, Callable[[float], str]], ...]:
    """What to say of a stratification; mentions are no responses, so they have no response rate."""
    return _MEASURES if unit == "rows" else _MEASURES[:2]


def read_out(texts: Mapping[str, Any]) -> list[str]:
    """What an audit read, and what of it counts."""
    sentences = [
        f"{texts['characters']:,} characters in {texts['texts']:,} texts were read; {texts['texts_with_mentions']:,} of"
        f" them mention a group of axis {texts['axis']!r}, {texts['mentions']:,} mentions in all."
    ]
    if texts["left_out"]:
        sentences.append(
            f"{texts['left_out']:,} of these mentions stand for no level of the target"
            f" ({', '.join(texts['groups_left_out'])}) and are left out."
        )
    if texts["empty"]:
        sentences.append(f"{texts['empty']:,} rows hold no text.")
    return sentences


def headers(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """The names of the columns of `cell_rows`."""
    worst = ["worst cases"] if "rr_min" in frame.columns else []
    return [*columns, "n", "sample", "target", "RR", "interval", *worst, "P under", "P over", "bin", "flag"]


def cell_rows(frame: pl.DataFrame, columns: Sequence[str]) -> list[list[str]]:
    """Cells as rows of text."""
    return [
        [
            *(str(row[column]) for column in columns),
            f"{row['n']:,}",
            _share(row["sample_share"]),
            _share(row["target_share"]),
            _number(row["rr"]),
            "" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}",
            *([f"{_number(row['rr_min'])} to {_number(row['rr_max'])}"] if "rr_min" in row else []),
            "" if row["p_under"] is None else f"{row['p_under']:.3f}",
            "" if row["p_over"] is None else f"{row['p_over']:.3f}",
            row["bin"],
            "" if row["flag"] in (None, "none") else row["flag"],
        ]
        for row in frame.iter_rows(named=True)
    ]


def term_rows(terms: pl.DataFrame) -> list[list[str]]:
    """For each level, how often it is mentioned and by which words, the most frequent first."""
    rows = []
    for (level,), group in terms.group_by("level", maintain_order=True):
        seen = group.filter(pl.col("n") > 0).sort("n", "term", descending=[True, False])
        shown = [f"{term} {n:,}" for term, n in seen.select("term", "n").head(WORDS_SHOWN).iter_rows()]
        if more := seen.height - len(shown):
            shown.append(f"and {more} more")
        name = "(no level, left out)" if level is None else str(level)
        rows.append([name, f"{int(group['n'].sum()):,}", ", ".join(shown) or f"none of {group.height} terms occurs"])
    return rows


# -- parts of the page -----------------------------------------------------------------------------------------------


def _opening(settings: Mapping[str, Any], frame: pl.DataFrame, texts: Mapping[str, Any] | None) -> Report:
    """The title, and which cells are credibly under or over."""
    population = f"against {Path(settings['target']).name}, by {_crossed(settings['by'])}"
    if texts is None:
        title = f"Who is in {Path(settings['sample']).name}, and who is missing"
        page = Report(title, f"Representation {population}")
    else:
        title = f"Who is mentioned: {texts['axis']} in {_several(settings['texts'])}"
        page = Report(title, f"Mentions {population}, words of {settings['lexicon']}")
    words = {"under": "under-represented", "over": "over-represented"}
    if texts is not None:
        words = {"under": "mentioned less than its share", "over": "mentioned more than its share"}
    for columns in settings["by"]:
        name = " x ".join(columns)
        cells = frame.filter(pl.col("stratification") == name)
        for flag, word in words.items():
            flagged = cells.filter(pl.col("flag") == flag).sort("rr", descending=flag == "over", maintain_order=True)
            page.sentence(_flagged(name, flagged, cells.height, columns, word))
    return page


def _flagged(name: str, flagged: pl.DataFrame, cells: int, columns: Sequence[str], word: str) -> str:
    """Which cells of a stratification are credibly under or over, by name."""
    if flagged.is_empty():
        return f"{name}: none of {cells} cells is credibly {word}."
    named = [
        f"{', '.join(str(row[column]) for column in columns)} (RR {_number(row['rr'])})"
        for row in flagged.head(MOST_NAMED).iter_rows(named=True)
    ]
    more = f" and {flagged.height - MOST_NAMED} more" if flagged.height > MOST_NAMED else ""
    if flagged.height > 1:
        word = word.replace("its share", "their share")
    verb = "is" if flagged.height == 1 else "are"
    return f"{name}: {flagged.height} of {cells} cells {verb} credibly {word}: {'; '.join(named)}{more}."


def _stratification(page: Report, frame: pl.DataFrame, columns: Sequence[str], level: float) -> None:
    """The picture and the table of one stratification."""
    name = " x ".join(columns)
    cells = frame.filter(pl.col("stratification") == name)
    page.heading(name)
    if cells.height <= MOST_DRAWN:
        page.figure(
            heat_maps(cells, [list(columns)]),
            "RR of each cell in five bins, from red (strongly under) over cream (adequate) to blue (strongly over); a"
            " triangle down marks a cell flagged under, a triangle up one flagged over.",
        )
    shown = cells if cells.height <= MOST_ROWS else cells.sort("rr", nulls_last=True).head(MOST_ROWS)
    page.table([_with_level(header, level) for header in headers(shown, columns)], cell_rows(shown, columns))
    if shown.height < cells.height:
        page.sentence(f"Shown are the {shown.height} cells with the smallest RR of {cells.height}; {CELLS} has all.")
    for reason, count in cells["reason"].drop_nulls().value_counts(sort=True).iter_rows():
        page.sentence(f"{count} {'cell' if count == 1 else 'cells'}: {reason}.")
    methods = cells["method"].drop_nulls().unique().sort()
    page.sentence(f"Intervals: {'; '.join(methods)}.")


def _words(page: Report, terms: pl.DataFrame) -> None:
    """An audit's evidence: which words made the counts."""
    page.heading("The words behind the counts")
    page.sentence(
        "A count is only as good as its words. Where one word carries a level, ask what it is said of: a person, or a"
        " house, a wine, a friendship."
    )
    page.table(["level", "mentions", "words"], term_rows(terms))
    for (level,), group in terms.group_by("level", maintain_order=True):
        total = int(group["n"].sum())
        most = group.sort("n", "term", descending=[True, False]).row(0, named=True)
        if level is not None and total and most["n"] / total > 0.5 and group.height > 1:
            page.sentence(f"{most['n'] / total:.0%} of the mentions of {level} are the one word {most['term']!r}.")


def _denominators(page: Report, summary: Sequence[Mapping[str, Any]], unit: str) -> None:
    page.heading("Denominators and summaries")
    rows = []
    for row in summary:
        over = row["cells_over_min_n"]
        rows.append(
            [
                row["stratification"],
                f"{row['n_total']:,}",
                f"{row['n_missing']:,}",
                f"{row['n_unmatched']:,}",
                f"{row['cells_observed']} of {row['cells']}",
                f"{over} ({over / row['cells']:.0%}, {_of(over, row['cells_observed'])})",
                *("" if row[key] is None else form(row[key]) for _, key, form in _measures(unit)),
                f"{row['share_flagged_under']:.0%}",
            ]
        )
    page.table(
        [
            "stratification",
            unit,
            "no level",
            "not in target",
            "cells seen",
            "n > 25",
            *(name for name, _, _ in _measures(unit)),
            "flagged under",
        ],
        rows,
    )
    page.sentence(
        f"Every share under 'sample' is out of these {unit}, which have a level in every variable of the"
        f" stratification; {unit} without a level, and with one that the target lacks, are left out. Cells with n above"
        " 25 are given with their share of all cells and of those seen. AARB, the average absolute relative bias, is"
        " the mean of |sample share - target share| / target share over cells; dissimilarity is the share of"
        f" {unit} that would have to change cells to match the target."
    )
    if unit == "rows":
        page.sentence(
            "The R-indicator is 1 minus twice the standard deviation of the response rate n / N over cells, 1 where all"
            " cells answered alike; there is none where some cell has more rows than people."
        )


def _margins(page: Report, margins: pl.DataFrame, level: float) -> None:
    """Each variable by itself."""
    page.heading("Each variable by itself")
    variables = margins["stratification"].unique(maintain_order=True)
    named = margins.select(pl.col("stratification").alias("variable"), pl.coalesce(*variables).alias("level"))
    rows = pl.concat([named, margins.drop(*variables)], how="horizontal").head(MOST_ROWS)
    columns = ["variable", "level"]
    page.table([_with_level(header, level) for header in headers(rows, columns)], cell_rows(rows, columns))


def _reading(page: Report, audit: bool) -> None:
    page.heading("How to read this page")
    share, people = ("mentions", "group") if audit else ("sample", "cell")
    page.sentence(
        f"RR is a {people}'s share of the {share} divided by its share of the population: 1 is as many as there should"
        " be, 0.5 half as many. A cell is flagged under where P(RR < 0.75) is above 95 % over resamples, and over where"
        " P(RR > 1.33) is; a cell without a flag may be adequate, or too small to tell, and its interval says which."
    )
    page.sentence(
        "Each cell is judged by itself: of cells whose true RR is just 0.75, about one in twenty is flagged by chance."
    )
    if not audit:
        page.sentence(
            "The rule is that of the Canadian SARS-CoV-2 serosurveillance study (BMC Public Health 2025;25:2057). Its"
            " six studies had 1,321,675 specimens in all, from 11,050 to 1,035,580 each, and still 67 % of the age and"
            " sex cells of racialised minorities lay below 0.75 (65 % in the preprint): size does not make a sample"
            " representative."
        )


def _limits(page: Report, settings: Mapping[str, Any], texts: Mapping[str, Any] | None) -> None:
    page.heading("What these numbers cannot say")
    if texts is not None:
        for sentence in (
            "Words are counted, not people. One person may be mentioned a hundred times, and a person whom no word of"
            " the lexicon names is not counted at all.",
            "People name what they take to be out of the ordinary (Gordon and Van Durme 2013, on reporting bias), so a"
            " low share may mean that a group is missing, or that it is the norm that needs no word. The ratio serves"
            " axes whose groups share out everybody and are all named alike; it misleads where one group goes unnamed.",
            "A mention is not a portrayal: these counts do not say whether a group is spoken of well, at length, or at"
            " all by itself.",
            f"The target is a choice: {Path(settings['target']).name} should be the population that is to be served,"
            " and another target gives another answer.",
            "The intervals resample whole documents: they say how much the ratio would move with other documents like"
            " these, not with other sources, and nothing of words that the lexicon lacks or that mean something else.",
        ):
            page.sentence(sentence)
        return
    cluster = settings.get("cluster")
    basis = "take rows to be independent" if cluster is None else f"resample whole clusters of {cluster}"
    for sentence in (
        "An adequate share is not an unbiased sample: those of a group who took part may differ from those who did not."
        " Weights (gnomon measure rake) restore shares, never that.",
        f"The intervals {basis}. They do not know of wrong levels, of people whom the sampling frame misses, or"
        " of errors in the target's counts"
        + (
            f"; for those, rr_min and rr_max in {CELLS} are the worst cases of counts off by"
            f" {settings['target_error']:g}."
            if settings.get("target_error")
            else "."
        ),
        "The target has to be the population that the sample stands for: restricted to the same places, ages and time.",
    ):
        page.sentence(sentence)


# -- odds and ends of the folder and of figures ------------------------------------------------------------------------


def _with_level(header: str, level: float) -> str:
    return f"{level:.0%} interval" if header == "interval" else header


def _crossed(by: Sequence[Sequence[str]]) -> str:
    return "; ".join(" x ".join(columns) for columns in by)


def _several(texts: Sequence[str]) -> str:
    names = [Path(text).name for text in texts]
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _of(part: int, whole: int) -> str:
    return "none" if whole == 0 else f"{part / whole:.0%}"
