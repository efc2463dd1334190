"""The pages of the four kinds of runs of this room, made from what the run's folder holds and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.dynamics import pictures
from gnomon.dynamics.words import (
    TERMS,
    attribution_cannot,
    attribution_found,
    changes_cannot,
    changes_found,
    fit_cannot,
    fit_found,
    listed,
    number,
    percent,
    selection_found,
    short_names,
    span,
    training_cannot,
    training_found,
)
from gnomon.runs import Run
from gnomon.runs.files import write_atomic
from gnomon.runs.report import Report, flat, svg

OWN_PAGES = 6  # of several curves, so many get a figure of their own
MOVED_MOST = 5  # things of a probe that are named


def write_report(run: Run) -> Path:
    """Write `report.html` of a run of kind dynamics-fit, -compare, -probe or -train, and return its path."""
    page = {
        "dynamics-fit": _fit_page,
        "dynamics-compare": _compare_page,
        "dynamics-probe": _probe_page,
        "dynamics-train": _train_page,
    }[run.kind](run)
    page.heading("Settings")
    page.facts(flat(run.settings))
    path = run.path / "report.html"
    page.write(path)
    return path


def _read(run: Run, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.path / name).read_text(encoding="utf-8"))
    return content


def _drawn(run: Run) -> list[pictures.Parts]:
    """What `pictures.drawn` gave for each curve, from the run's metrics."""
    found: list[dict[str, dict[str, list[float]]]] = []
    for row in run.metrics():
        while len(found) <= row["curve"]:
            found.append({})
        columns = found[row["curve"]].setdefault(row["stage"], {})
        for name, value in row.items():
            if name not in ("step", "time", "stage", "curve"):
                columns.setdefault(name, []).append(np.nan if value is None else value)
    return [{part: {k: np.array(v) for k, v in columns.items()} for part, columns in parts.items()} for parts in found]


# -- fits ------------------------------------------------------------------------------------------------------


def _fit_page(run: Run) -> Report:
    curves, parts = _read(run, "fit.json")["curves"], _drawn(run)
    names = short_names([curve["source"] for curve in curves])
    report = Report("Loss deceleration", listed(names, 8))
    if len(curves) > 1:
        report.heading("All curves")
        report.figure(
            pictures.curves_figure(parts, curves),
            "Points are the log, lines the fits with the bands of their intervals; a dot is the break on the first"
            " straight line, with the interval of its step.",
        )
        _table_of_curves(report, names, curves)
    for place, (curve, part, name) in enumerate(zip(curves, parts, names, strict=True)):
        _curve_section(report, curve, part, name if len(curves) > 1 else "What was found", figure=place < OWN_PAGES)
    return report


def _curve_section(report: Report, curve: dict[str, Any], part: pictures.Parts, name: str, *, figure: bool) -> None:
    report.heading(name)
    for sentence in fit_found(curve):
        report.sentence(sentence)
    if figure:
        report.figure(
            pictures.curves_figure([part], [curve]),
            "Both axes are logarithmic. Dashed: the two slopes, which meet at the break; shaded: the interval of its"
            " step. Below: what the fit leaves over, in per cent of the loss.",
        )
    _estimates(report, curve)
    report.heading("What this cannot tell")
    for sentence in fit_cannot(curve):
        report.sentence(sentence)


def _estimates(report: Report, curve: dict[str, Any]) -> None:
    rows = [
        ("t_d", "step at which the loss decelerates", span(curve["t_d"], whole=True)),
        ("L_d", "loss there, on the first slope", span(curve["L_d"])),
        ("r_d", "slope after it (log loss by log step)", span(curve["r_d"])),
        ("L_T_hat", "loss the two slopes lead to at the last step", span(curve["L_T_hat"])),
        ("L_T", "last loss of the curve that was fitted", number(curve["L_T"])),
    ]
    if curve["verdict"] != "none":
        report.table(["", "what it is", "value"], rows)
    se = curve["se"] or {}
    if curve["params"]:
        report.table(
            ["parameter", "value", *(["standard error"] if se else [])],
            [
                [name, f"{value:.5g}", *([f"{se[name]:.3g}" if se.get(name) is not None else ""] if se else [])]
                for name, value in curve["params"].items()
                if value is not None
            ],
        )
    dropped = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in curve["dropped"].items() if count)
    report.facts(
        {
            "verdict": curve["verdict"],
            "last step": f"{curve['T']:,.0f}",
            "rows read": f"{curve['n_raw']:,}",
            "points fitted": f"{curve['n_used']:,}",
            "rows left out": dropped or "none",
            "residuals (rsle)": f"{curve['rsle']:.4g}",
            "estimator": "published (compat paper)" if curve["compat"] else "log bins",
            **({"intervals": curve["t_d"]["method"]} if curve["t_d"] and curve["t_d"]["low"] is not None else {}),
        }
    )
    if chosen := selection_found(curve):
        report.sentence(chosen)
    for flag in curve["flags"]:
        report.sentence(f"Note: {flag['message']}")


def _table_of_curves(report: Report, names: list[str], curves: list[dict[str, Any]]) -> None:
    report.table(
        ["curve", "verdict", "t_d", "L_d", "r_d", "L_T_hat", "L_T"],
        [
            [
                name,
                curve["verdict"],
                *(span(curve[key], whole=key == "t_d") for key in ("t_d", "L_d", "r_d", "L_T_hat")),
                number(curve["L_T"]),
            ]
            for name, curve in zip(names, curves, strict=True)
        ],
    )


def _compare_page(run: Run) -> Report:
    result, parts = _read(run, "fit.json"), _drawn(run)
    curves = [result["a"], result["b"]]
    names = short_names([curve["source"] for curve in curves])
    report = Report("What makes the difference", f"A: {names[0]}; B: {names[1]}")
    report.heading("What was found")
    for sentence in attribution_found(result):
        report.sentence(sentence)
    report.figure(
        pictures.comparison_figure(parts, result),
        "Left: both logs with their fits, bands and breaks. Right: the difference of the final losses, term by term;"
        " the last bar is their sum. Left of zero is a lower loss.",
    )
    if (attribution := result["attribution"]) is not None:
        whole = attribution["delta_log_L_T_hat"]
        rows = [
            [TERMS[name], span(term, sign=True), percent(term["value"] / whole["value"]) if whole["value"] else ""]
            for name, term in attribution["terms"].items()
        ]
        report.table(
            ["term", "difference of log L_T_hat", "share"], [*rows, ["all of it", span(whole, sign=True), "100%"]]
        )
    report.heading("What this cannot tell")
    for sentence in attribution_cannot(result):
        report.sentence(sentence)
    report.heading("The two fits")
    _table_of_curves(report, names, curves)
    for curve, part, name in zip(curves, parts, names, strict=True):
        _curve_section(report, curve, part, name, figure=True)
    return report


# -- changes of loss -------------------------------------------------------------------------------------------


def _probe_page(run: Run) -> Report:
    import polars as pl

    result = _read(run, "probe.json")
    table = pl.read_parquet(run.path / "changes.parquet")
    report = Report("What changed, and what cancelled", f"{result['before']} to {result['after']}, by {result['unit']}")
    report.heading("What was found")
    for sentence in changes_found(result):
        report.sentence(sentence)
    report.figure(
        pictures.changes_figure(table["change"].to_numpy(), result),
        "Left: how many changed by how much; the outermost bars hold all beyond them. Right: the share of all movement"
        " that cancels, beside what random signs would cancel.",
    )
    labels = {
        "D": "share of movement that cancels",
        "D_null": "what random signs would cancel",
        "A": "alignment: (1 - D) / (1 - D_null)",
        "M": "mean size of a change",
        "mean": "mean change",
    }
    report.table(
        ["", "what it is", f"per {result['unit']}, n = {result['n']:,}"],
        [[name, text, span(result["estimates"][name], sign=name == "mean")] for name, text in labels.items()],
    )
    first = result["estimates"]["D"]
    clusters = result["n_clusters"]
    report.facts(
        {
            "intervals": f"{first['level']:.0%}, {first['method']}"
            + ("" if clusters is None else f" over {clusters:,} sequences"),
            "unchanged": f"{result['n_zero']:,}",
            "texts too short": f"{result['skipped']:,}",
        }
    )
    if result["groups"]:
        _groups_section(report, result)
    report.heading("What moved most")
    for title, descending in (("Losses that fell most", False), ("Losses that rose most", True)):
        rows = table.sort("change", descending=descending, maintain_order=True).head(MOVED_MOST)
        columns = [name for name in ("id", "group", "before", "after", "change") if name in table.columns]
        report.sentence(f"{title}:")
        report.table(
            columns,
            [
                [
                    f"{row[name]:+.4g}"
                    if name == "change"
                    else row[name]
                    if name in ("id", "group")
                    else number(row[name])
                    for name in columns
                ]
                for row in rows.iter_rows(named=True)
            ],
        )
    report.sentence("All of them are in changes.parquet, beside this page.")
    report.heading("What this cannot tell")
    for sentence in changes_cannot(result):
        report.sentence(sentence)
    return report


def _groups_section(report: Report, result: dict[str, Any]) -> None:
    report.heading("Groups")
    groups = sorted(result["groups"], key=lambda group: group["mean"])
    shown = len(groups) > 24
    report.figure(
        pictures.groups_figure(result),
        "Left: each group's mean change with its interval. Right: its part of all loss that fell (green) and of all"
        " that rose (orange)." + (" The 24 groups that moved most." if shown else ""),
    )
    report.table(
        ["group", "n", "mean change", "D", "D_null", "A", "M", "of all gain", "of all loss"],
        [
            [
                group["group"],
                f"{group['n']:,}",
                span(group["estimates"]["mean"], sign=True),
                span(group["estimates"]["D"]),
                _plain(group["D_null"], ".3f"),
                _plain(group["A"], ".2f"),
                _plain(group["M"], ".4g"),
                "" if group["share_of_gain"] is None else percent(group["share_of_gain"]),
                "" if group["share_of_loss"] is None else percent(group["share_of_loss"]),
            ]
            for group in groups
        ],
    )


def _plain(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


# -- trainings -------------------------------------------------------------------------------------------------


def _train_page(run: Run) -> Report:
    rows = run.metrics()
    done = (run.path / "fit.json").is_file()
    fit = _read(run, "fit.json") if done else None
    report = Report("A training, watched", run.path.name)
    report.heading("What was found")
    if fit is None:
        report.sentence(f"The training has not finished ({run.state}), so its loss curve is not fitted.")
    for sentence in [*(fit_found(fit) if fit else []), *training_found(rows)]:
        report.sentence(sentence)
    figure = pictures.training_figure(rows, fit)
    write_atomic(run.path / "figure.svg", svg(figure))
    report.figure(
        figure,
        "Loss, and how far changes of loss cancel (D, beside the D_null of random signs), how aligned they are (A, 1"
        " for independent signs) and how large (M); dotted: the break, shaded: its interval.",
    )
    report.heading("What this cannot tell")
    for sentence in [*(fit_cannot(fit) if fit else []), *training_cannot(rows)]:
        report.sentence(sentence)
    if fit is not None:
        report.heading("The loss curve")
        _estimates(report, fit)
    _events_section(report, rows)
    _gradients_section(report, rows)
    if (run.path / "zero_sum.json").is_file():
        _matrix_section(report, _read(run, "zero_sum.json"))
    if (summary := run.summary()) is not None:
        report.heading("What it took")
        told = {name: value for name, value in summary.items() if value is not None and name not in TOLD}
        report.facts({name.replace("_", " "): _figure(value) for name, value in told.items()})
    return report


TOLD = ("verdict", "t_d", "L_d", "r_d", "L_T", "last_interference")  # of a training's summary, further up the page


def _events_section(report: Report, rows: list[dict[str, Any]]) -> None:
    for name, events in pictures.loss_events(rows).items():
        if not events:
            continue
        first = events[0]
        report.heading(f"Changes of loss: {name}")
        report.sentence(f"By {first['unit']}, n = {first['n']:,}.")
        since = [] if first.get("from") is None else ["from"]
        report.table(
            [*since, "step", "D", "D_null", "A", "M", "mean"],
            [
                [
                    *(f"{event[key]:,}" for key in [*since, "step"]),
                    *(_plain(event[key], form) for key, form in FORMS),
                ]
                for event in _some(events)
            ],
        )
        if first.get("groups"):
            _group_events(report, events)


FORMS = (("D", ".3f"), ("D_null", ".3f"), ("A", ".2f"), ("M", ".4g"), ("mean", "+.4g"))


def _some(events: list[dict[str, Any]], most: int = 40) -> list[dict[str, Any]]:
    """At most so many events, evenly spread, the last among them."""
    if len(events) <= most:
        return events
    return [events[round(place)] for place in np.linspace(0, len(events) - 1, most)]


def _group_events(report: Report, events: list[dict[str, Any]]) -> None:
    last = events[-1]
    span_ = f"step {last['from']:,} to {last['step']:,}" if last.get("from") is not None else f"step {last['step']:,}"
    report.sentence(f"By group, at the last of them ({span_}):")
    report.table(
        ["group", "n", "mean", "D", "D_null", "A", "M", "of all gain", "of all loss"],
        [
            [
                group["group"],
                f"{group['n']:,}",
                _plain(group["mean"], "+.4g"),
                _plain(group["D"], ".3f"),
                _plain(group["D_null"], ".3f"),
                _plain(group["A"], ".2f"),
                _plain(group["M"], ".4g"),
                *("" if group[key] is None else percent(group[key]) for key in ("share_of_gain", "share_of_loss")),
            ]
            for group in last["groups"]
        ],
    )


def _gradients_section(report: Report, rows: list[dict[str, Any]]) -> None:
    events = [row for row in rows if row.get("stage") == "probe" and row.get("kind") == "gradient"]
    if not events:
        return
    report.heading("Gradients that oppose each other")
    first = events[0]
    report.sentence(
        f"Interference of the gradients of {first['n']:,} {first['unit']}s, coordinate by coordinate, at the weights"
        " before each probed step."
    )
    report.table(
        ["step", "D", "D_null", "A", "D pooled", "coordinates", "dead"],
        [
            [
                f"{event['step']:,}",
                _plain(event["D"], ".4f"),
                _plain(event["D_null"], ".4f"),
                _plain(event["A"], ".3f"),
                _plain(event["D_pooled"], ".4f"),
                f"{event['n_coordinates']:,}" if event.get("n_coordinates") is not None else "",
                f"{event['n_dead']:,}" if event.get("n_dead") is not None else "",
            ]
            for event in _some(events)
        ],
    )
    layered = [event for event in events if event.get("layers") and event["A"] is not None]
    if layered:
        report.figure(
            pictures.layers_figure(_some(layered, 24)),
            "Alignment of the gradients, layer by layer: red above 1 (a shared direction), blue below 1 (more"
            " opposed than random signs).",
        )


def _matrix_section(report: Report, matrix: dict[str, Any]) -> None:
    report.heading("What one group's step does to another")
    report.figure(
        pictures.matrix_figure(matrix),
        f"Change of the mean loss of a group (columns) by a step of size {matrix['lr']:g} along another's gradient"
        " (rows). Negative, blue, helps; positive, red, harms.",
    )
    labels, Z = matrix["labels"], np.array(matrix["Z"])
    against = [
        f"{labels[u]} and {labels[v]}"
        for u in range(len(labels))
        for v in range(u + 1, len(labels))
        if Z[u, v] > 0 and Z[v, u] > 0
    ]
    report.sentence(
        f"In conflict, each harming the other: {listed(against, 8)}."
        if against
        else "No two groups are in conflict: a step on one does not harm another and be harmed by it."
    )


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return span(value) if "low" in value else ", ".join(f"{key} {_figure(item)}" for key, item in value.items())
    return number(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
