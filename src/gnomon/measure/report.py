"""The page of a measurement: what was measured and what for, every figure with its interval, what it rests on.

Texts of items, which may offend, stand behind a warning that the reader has to open.
"""

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gnomon.measure.linting import lint
from gnomon.measure.running import read_run
from gnomon.measure.scoring import Scores, score
from gnomon.measure.simulation import equivalent_bias
from gnomon.runs import Run
from gnomon.runs.report import INK, MUTED, Report, dress, flat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES, FINDINGS = 10, 20
"""Templates, and findings of a rule, that are shown with their texts."""

WHERE_BEST = {
    "zero": "best at {null:g}",
    "half": "best at {null:g}",
    "higher": "the higher the better",
    "lower": "the lower the better",
}


def write_report(run: Run, scores: Scores | None = None) -> Path:
    """Write `report.html` of a run of `gnomon measure run`; returns its path.

    `scores` are the run's, read from it where they are not given. Raises UserError for a run of another kind, and one
    that has no scores yet.
    """
    scores = read_run(run)[1] if scores is None else scores
    card = scores.instrument.card
    page = Report(card.title, _subtitle(run, scores))
    if card.content_warning:
        page.sentence(f"Content: {_words(card.content_warning)} Texts of items are folded away below.")
    page.sentence(f"Meant for: {_listed(card.intended_uses)}.")
    page.sentence(f"Not meant for: {_listed(card.unsupported_uses)}.")
    _figures(page, scores)
    _meaning(page, scores)
    _worst(page, scores)
    _purpose(page, scores)
    _denominators(page, scores)
    _lint(page, scores)
    _basis(page, run, scores)
    path = run.path / "report.html"
    page.write(path)
    return path


def picture(scores: Scores) -> "Figure":
    """Every metric on its whole range: a row a group, its interval, and the metric's null as a dashed line."""
    from matplotlib.figure import Figure

    parts = scores.frame.partition_by("metric", maintain_order=True)
    columns = min(2, len(parts))
    rows = -(-len(parts) // columns)
    tallest = max(len(part) for part in parts)
    plot = Figure(figsize=(4.6 * columns, rows * (0.75 + 0.28 * tallest)), layout="constrained")
    panels = plot.subplots(rows, columns, squeeze=False).ravel()
    for axes, part in zip(panels, parts, strict=False):
        dress(axes)
        axes.grid(axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
        axes.grid(axis="y", visible=False)
        metric = part.row(0, named=True)
        margin = 0.03 * (metric["maximum"] - metric["minimum"])
        axes.set_xlim(metric["minimum"] - margin, metric["maximum"] + margin)
        axes.axvline(metric["null"], color=INK, linestyle="--", linewidth=0.9, zorder=1)
        for at, row in enumerate(part.iter_rows(named=True)):
            if row["value"] is None:
                axes.text(metric["null"], at, " undefined", va="center", fontsize=8, color=MUTED)
                continue
            if row["low"] is not None:
                axes.plot([row["low"], row["high"]], [at, at], color="#2f6f9f", linewidth=2.2, solid_capstyle="butt")
            axes.plot([row["value"]], [at], "o", color="#c8642b", markersize=4.5)
        axes.locator_params(axis="x", nbins=4)
        axes.set_yticks(range(len(part)), part["group"].to_list())
        axes.set_ylim(len(part) - 0.5, -0.5)
        axes.set_title(f"{metric['metric']}  (null {metric['null']:.3g})", fontsize=9, color=INK, loc="left")
    for axes in panels[len(parts) :]:
        axes.set_visible(False)
    return plot


def _subtitle(run: Run, scores: Scores) -> str:
    model, counts = run.settings.get("model"), scores.counts
    if model is None:
        recorded = run.settings["responses"]
        who = f"recorded answers, {recorded['answer']} of {Path(recorded['file']).name}"
    elif model["kind"] == "sim":
        who = "a simulated system with " + ", ".join(f"{k} {model[k]:g}" for k in ("bias", "unknown", "accuracy"))
    elif model["kind"] == "policy":
        who = f"the model in {model['folder']}, by likelihood"
    else:
        who = f"{model['model']} at {model['address']}"
    told = f"; use case: {run.settings['profile']['name']}" if "profile" in run.settings else ""
    return f"{who}; {counts['n_answered']:,} of {counts['n_items']:,} answers could be read{told}"


def _figures(page: Report, scores: Scores) -> None:
    page.heading("Scores")
    level = scores.settings["level"]
    page.figure(
        picture(scores),
        f"Each score (orange) with its interval at {level:.0%} (blue) on the metric's whole range; dashed: the null,"
        " the value of a system without bias or knowledge.",
    )
    rows = [
        [
            row["metric"],
            row["group"],
            _span(row),
            f"{row['null']:.3g}",
            f"{row['minimum']:g} to {row['maximum']:g}, {WHERE_BEST[row['direction']].format(**row)}",
            row["n"],
            "" if row["n_clusters"] is None else row["n_clusters"],
        ]
        for row in scores.frame.iter_rows(named=True)
    ]
    page.table(["metric", "group", f"value [{level:.0%}]", "null", "range", "answers", "independent units"], rows)
    for metric in dict.fromkeys(metric for metric, _ in scores.estimates):
        page.sentence(f"{metric}: {scores.instrument.card.metrics[metric].meaning}")
    reasons = scores.frame.filter(pl.col("reason").is_not_null())
    for row in reasons.iter_rows(named=True):
        page.sentence(f"{row['metric']} of {row['group']}: {row['reason']}.")


def _meaning(page: Report, scores: Scores) -> None:
    found = equivalent_bias(scores)
    if found.is_empty():
        return
    page.heading("What a value means")
    page.sentence(
        "b is the bias of a simulated system with the same score, which answers UNKNOWN and reads the context as often"
        " as this one: where it guesses, it takes the stereotyped answer with probability (1 + b)/2. At b = 0"
        " it favours nobody, at b = 1 it always follows the stereotype, at b = -1 it always goes against it."
    )
    rows = [
        [
            row["metric"],
            row["group"],
            _number(row["value"]),
            _span({**row, "value": row["b"]}),
            "" if row["b"] is None else f"{50 * (1 + row['b']):.0f} of 100",
        ]
        for row in found.iter_rows(named=True)
    ]
    page.table(["metric", "group", "value", "equivalent bias b", "stereotyped answers among its guesses"], rows)
    page.sentence(
        "For s_dis, b allows for how many of the right answers agree with the stereotype: where these are not half, a"
        " system without bias scores beside 0, and a score near 0 may stand for a bias of the other sign."
    ) if (found["metric"] == "s_dis").any() else None
    if found["b"].null_count():
        page.sentence(
            "b is undefined where no such system has the score: it would never guess, or lean further than guesses can."
        )


def _worst(page: Report, scores: Scores) -> None:
    examples = scores.examples(EXAMPLES)
    page.heading("Where it leans most")
    if examples.is_empty():
        page.sentence("No template leans either way." if scores.counts["n_answered"] else "No answer could be read.")
        return
    page.sentence(
        "The templates whose failing answers (neither right nor UNKNOWN) lean furthest: with the stereotype, or, where"
        " net is negative, against it."
    )
    page.table(
        ["template", "answers", "with the stereotype", "against it", "net"],
        examples.select("template", "n", "n_biased", "n_against", "net").rows(),
    )
    paired = examples["pair_id"].null_count() < len(examples)
    columns = ("answer", "right answer", *(("the same with the question turned", "its answer") if paired else ()))
    with page.folded("Show one item of each, with its minimal pair: the texts repeat stereotypes and may offend"):
        page.examples(
            [
                {
                    "prompt": row["text"],
                    "answer": _said(row["answer"]),
                    "right answer": row["right"] or "none is right",
                    "the same with the question turned": row["pair_text"] or "no pair",
                    "its answer": _said(row["pair_answer"]) if row["pair_id"] else "",
                }
                for row in examples.iter_rows(named=True)
            ],
            columns,
        )


def _purpose(page: Report, scores: Scores) -> None:
    card = scores.instrument.card
    page.heading("What the instrument is")
    if card.valid_until < datetime.date.today():
        page.sentence(
            f"Its card expired on {card.valid_until}: whether it still measures what it says has to be reviewed."
        )
    page.facts(
        {
            "construct": card.construct,
            "systematization": card.systematization,
            "operationalization": card.operationalization,
            "critiques": _listed(card.critiques),
            "scope": card.scope,
            "groups": ", ".join(card.groups),
            "harms": ", ".join(card.harm_types),
            "language and region": f"{', '.join(card.languages)}; {card.region}",
            "licence": card.licence + ("; what is made of the items stays under it" if card.share_alike else ""),
            "valid until": card.valid_until,
        }
    )
    if card.checklist:
        page.sentence(f"For a person to judge, as no rule can: {_listed(card.checklist)}")


def _denominators(page: Report, scores: Scores) -> None:
    page.heading("Counts")
    counts = scores.counts
    page.sentence(
        f"{counts['n_items']:,} items: {counts['n_answered']:,} answers were read, {counts['n_manual']:,} are for a"
        f" person to read and stand in no figure, {counts['n_missing']:,} are missing and were not imputed."
        f" {counts['n_no_target']:,} items have no target that can be told; they count in accuracy, not in bias."
    )

    def of(status: str) -> pl.Expr:
        return (pl.col("status") == status).sum()

    per = (
        scores.item_frame.group_by("category")
        .agg(
            pl.len(),
            of("read"),
            of("manual").alias("manual"),
            of("missing").alias("missing"),
            pl.col("target").null_count(),
        )
        .sort("category")
    )
    page.table(["group", "items", "read", "for a person", "missing", "without a target"], per.rows())
    manual = scores.item_frame.filter(pl.col("status") == "manual")
    if len(manual):
        with page.folded(f"Show answers for a person to read ({len(manual):,}): they may offend"):
            page.table(["item", "answer"], manual.select("item_id", "answer").head(FINDINGS).rows())


def _lint(page: Report, scores: Scores) -> None:
    page.heading("Lint")
    findings = lint(scores.instrument)
    if findings.is_empty():
        page.sentence("No rule finds fault with the items.")
        return
    counts = findings.group_by("rule", "severity", maintain_order=True).agg(pl.len()).sort("rule")
    page.table(["rule", "severity", "findings"], counts.rows())
    flagged = findings["item_id"].drop_nulls().n_unique()
    if flagged == len(scores.answers):
        page.sentence("Every item is flagged, so there is no score without flagged items.")
    elif flagged:
        settings = {key: value for key, value in scores.settings.items() if key != "without"}
        rest = score(scores.instrument, scores.answers, **settings, without=findings)
        page.sentence(f"The scores with all items, and without the {flagged:,} that a rule flags:")
        whole = {(row["metric"], row["group"]): row for row in scores.frame.iter_rows(named=True)}
        left = {(row["metric"], row["group"]): row for row in rest.frame.iter_rows(named=True)}
        page.table(
            ["metric", "group", "all items", "answers", "without flagged items", "answers left"],
            [
                [
                    *key,
                    _span(row),
                    row["n"],
                    *((_span(left[key]), left[key]["n"]) if key in left else ("no item left", 0)),
                ]
                for key, row in whole.items()
            ],
        )
    with page.folded(f"Show the findings' evidence (at most {FINDINGS} a rule): the texts may offend"):
        shown = findings.group_by("rule", maintain_order=True).head(FINDINGS)
        page.table(
            ["rule", "item", "evidence"],
            [[row[1], row[0] or "", row[2]] for row in shown.select("item_id", "rule", "evidence").rows()],
        )


def _basis(page: Report, run: Run, scores: Scores) -> None:
    if "profile" in run.settings:
        page.heading("Use case")
        page.facts({key: value for key, value in flat(run.settings["profile"]).items() if key != "sha256"})
    page.heading("What it rests on")
    settings = scores.settings
    page.sentence(
        f"Intervals are percentiles of {settings['B']:,} resamples of independent units (items with the same"
        f" {' and '.join(settings['cluster'])}), seed {settings['seed']}. They say how far the scores would move with"
        " other templates of the same kind; they do not say whether these templates measure the construct."
    )
    page.table(["input", "sha256"], list(_hashes(run.settings)))
    left = {
        key: value for key, value in flat(run.settings).items() if not key.startswith(("profile.", "items.sources."))
    }
    page.facts({key: value for key, value in left.items() if "sha256" not in key})


def _hashes(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every input of a run with its sha256."""
    for name, sha256 in settings["items"]["sources"].items():
        yield f"items: {name}", sha256
    for what in ("responses", "profile"):
        if "sha256" in settings.get(what, {}):
            yield f"{what}: {settings[what]['file']}", settings[what]["sha256"]
    for name, sha256 in settings.get("model", {}).get("sha256", {}).items():
        yield f"model: {name}", sha256


def _span(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "undefined"
    interval = "" if row["low"] is None else f" [{_number(row['low'])}, {_number(row['high'])}]"
    return f"{_number(row['value'])}{interval}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _listed(texts: Sequence[str]) -> str:
    """Texts one after the other, numbered where there are several."""
    if len(texts) == 1:
        return _words(texts[0])
    return "; ".join(f"({at}) {_words(text).removesuffix('.')}" for at, text in enumerate(texts, start=1))


def _words(text: str) -> str:
    return " ".join(text.split())


def _said(answer: str | None) -> str:
    return "no answer" if answer is None else answer
