"""Figures of fits, attributions, changes of loss and trainings, for `--plot` and for the reports.

Nothing here reads a person's files: fits are drawn from what `drawn` takes off them (and a run stores), the rest from
the JSON the commands print. Points are thinned, so that a page stays small however long the log was.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.dynamics.words import TERMS, short_names, slope_before
from gnomon.runs.report import CYCLE, INK, MUTED, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gnomon.dynamics.curves import Curve
    from gnomon.dynamics.deceleration import Deceleration

MOST_POINTS = 300  # of a log that are drawn; every one costs a hundred bytes of a page
LINE_POINTS = 120
BAND, LEVEL = 0.22, 0.12  # opacities of an interval's band and of a break's interval
LOW, HIGH = "#4b8b5a", "#c8642b"  # a loss that fell, one that rose

Parts = dict[str, dict[str, np.ndarray]]


def drawn(curve: "Curve", fitted: "Deceleration") -> Parts:
    """What is drawn of a fit, in steps: `log` (x, raw), `points` (x, fitted_to, fitted) and `line` (x, fitted, low,
    high; NaN where there is no interval)."""
    from gnomon.dynamics.curves import clean

    cleaned = clean(curve, keep_order=fitted.compat is not None)
    order = np.argsort(cleaned.x, kind="stable")
    x, raw = (cleaned.x / cleaned.unit)[order], cleaned.loss[order]
    kept = _thinned(x)
    steps, losses = fitted.points
    line = np.geomspace(steps.min(), steps.max(), LINE_POINTS)
    low, high = fitted.band(line)
    some = _thinned(steps)
    return {
        "log": {"x": x[kept], "raw": raw[kept]},
        "points": {"x": steps[some], "fitted_to": losses[some], "fitted": fitted.predict(steps[some])},
        "line": {"x": line, "fitted": fitted.predict(line), "low": low, "high": high},
    }


def _thinned(x: np.ndarray) -> np.ndarray:
    """Indices of at most `MOST_POINTS` of the sorted `x`, evenly in log x as far as there are points."""
    if len(x) <= MOST_POINTS:
        return np.arange(len(x))
    positive = np.flatnonzero(x > 0)
    wanted = np.geomspace(x[positive[0]], x[-1], MOST_POINTS)
    return np.unique(np.clip(np.searchsorted(x, wanted), positive[0], len(x) - 1))


# -- fits ------------------------------------------------------------------------------------------------------


def curves_figure(parts: Sequence[Parts], curves: Sequence[dict[str, Any]]) -> "Figure":
    """One curve with its residuals below, or several curves in one set of axes."""
    from matplotlib.figure import Figure

    if len(curves) == 1:
        figure = Figure(figsize=(8.6, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
        _curve(upper, parts[0], curves[0], CYCLE[0], segments=True)
        _residuals(lower, parts[0], curves[0])
        upper.legend(loc="upper right", frameon=False, fontsize=8, labelcolor=INK)
    else:
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        upper = lower = figure.subplots()
        _overlay(upper, parts, curves)
    _log_axes(upper, lower, parts)
    upper.set_ylabel(curves[0]["metric"])
    lower.set_xlabel("step")
    return figure


def comparison_figure(parts: Sequence[Parts], result: dict[str, Any]) -> "Figure":
    """Both curves, and beside them what their difference is made of."""
    from matplotlib.figure import Figure

    curves = [result["a"], result["b"]]
    if result["attribution"] is None:
        return curves_figure(parts, curves)
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _overlay(left, parts, curves, names=["A", "B"])
    _log_axes(left, left, parts)
    left.set_ylabel(curves[0]["metric"])
    left.set_xlabel("step")
    _attribution(right, result["attribution"])
    return figure


def _curve(axes: "Axes", parts: Parts, curve: dict[str, Any], colour: str, *, segments: bool) -> None:
    """Log, fitted points, fitted line with its band, the two straight lines, and the break with its interval."""
    log, points, line = parts["log"], parts["points"], parts["line"]
    axes.plot(log["x"], log["raw"], ".", color=MUTED, alpha=0.8, markersize=3, markeredgewidth=0, label="log")
    if len(points["x"]) < 0.8 * len(log["x"]):
        axes.plot(points["x"], points["fitted_to"], ".", color=colour, markersize=5, markeredgewidth=0, label="binned")
    if np.isfinite(line["low"]).any():
        axes.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=BAND, linewidth=0)
    axes.plot(line["x"], line["fitted"], color=colour, linewidth=1.6, label=_fit_label(curve, line))
    if segments and curve["verdict"] != "none":
        t_d, L_d = curve["t_d"]["value"], curve["L_d"]["value"]
        beyond = 2.0  # each slope is drawn a little past the break, so that they are seen to cross there
        reaches = (
            (slope_before(curve), line["x"][0], t_d * beyond),
            (curve["r_d"]["value"], t_d / beyond, curve["T"]),
        )
        for slope, *ends in reaches:
            x = np.array(ends)
            label = "the two slopes" if ends[0] < t_d / beyond else None
            axes.plot(x, L_d * (x / t_d) ** -slope, "--", color=HIGH, linewidth=1, label=label, zorder=3)
        axes.plot([t_d], [L_d], "o", color=HIGH, markersize=5, zorder=4)
        _mark_break(axes, curve)


def _fit_label(curve: dict[str, Any], line: dict[str, np.ndarray]) -> str:
    if not np.isfinite(line["low"]).any():
        return "fit"
    return "fit" if curve["t_d"] is None else f"fit, {curve['t_d']['level']:.0%} band"


def _mark_break(axes: "Axes", curve: dict[str, Any], *, label: bool = True) -> None:
    """The break as a line and its interval as a stripe over the whole height."""
    t_d = curve["t_d"]
    if t_d["low"] is not None:
        axes.axvspan(t_d["low"], t_d["high"], color=HIGH, alpha=LEVEL, linewidth=0)
    axes.axvline(t_d["value"], color=HIGH, linewidth=0.9, linestyle=":")
    if label:
        axes.annotate(
            f"$t_d$ = {t_d['value']:,.0f}",
            (t_d["value"], 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=INK,
        )


def _residuals(axes: "Axes", parts: Parts, curve: dict[str, Any]) -> None:
    points = parts["points"]
    left = 100 * np.log(points["fitted_to"] / points["fitted"])
    axes.axhline(0, color=MUTED, linewidth=0.8)
    marks: dict[str, Any] = (
        {"marker": ".", "markersize": 3, "markeredgewidth": 0} if len(left) <= MOST_POINTS // 2 else {}
    )
    axes.plot(points["x"], left, color=CYCLE[0], linewidth=0.8, **marks)
    if curve["verdict"] != "none":
        _mark_break(axes, curve, label=False)
    axes.set_ylabel("residual, %")
    most = 1.15 * max(float(np.abs(left).max()), 1e-6)
    axes.set_ylim(-most, most)
    dress(axes)


def _overlay(
    axes: "Axes", parts: Sequence[Parts], curves: Sequence[dict[str, Any]], names: Sequence[str] | None = None
) -> None:
    """Several curves: log, fit and band of each, the break as a point with the interval of its place."""
    labels = names or short_names([curve["source"] for curve in curves])
    for index, (part, curve) in enumerate(zip(parts, curves, strict=True)):
        colour, line = CYCLE[index % len(CYCLE)], part["line"]
        log = part["log"]
        some = slice(None, None, -(-len(log["x"]) * len(curves) // (2 * MOST_POINTS)))
        axes.plot(log["x"][some], log["raw"][some], ".", color=colour, alpha=0.55, markersize=2.6, markeredgewidth=0)
        if np.isfinite(line["low"]).any():
            axes.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=BAND, linewidth=0)
        dashes = ("-", "--", "-.", ":")[index // len(CYCLE) % 4]
        axes.plot(line["x"], line["fitted"], dashes, color=colour, linewidth=1.5, label=labels[index])
        if curve["verdict"] == "none":
            continue
        t_d, L_d = curve["t_d"], curve["L_d"]["value"]
        if t_d["low"] is not None:
            axes.plot([t_d["low"], t_d["high"]], [L_d, L_d], "-|", color=colour, linewidth=1.2, markersize=5)
        axes.plot([t_d["value"]], [L_d], "o", color=colour, markersize=5, markeredgecolor="white", zorder=4)
    axes.legend(loc="upper right", frameon=False, fontsize=8, labelcolor=INK)


def _log_axes(upper: "Axes", lower: "Axes", parts: Sequence[Parts]) -> None:
    """Logarithmic axes with numbers a person reads."""
    upper.set_yscale("log")
    upper.set_xscale("log")
    # What is fitted decides the range; what a log does before that would squeeze it.
    x_low = min(float(part["line"]["x"][0]) for part in parts)
    x_high = max(float(part["line"]["x"][-1]) for part in parts)
    shown = [part["log"]["raw"][part["log"]["x"] >= x_low] for part in parts] + [
        part["line"]["fitted"] for part in parts
    ]
    losses = np.concatenate(shown)
    lower_x, upper_x = x_low / (x_high / x_low) ** 0.03, x_high * (x_high / x_low) ** 0.03
    upper.set_xlim(lower_x, upper_x)
    margin = (losses.max() / losses.min()) ** 0.06
    upper.set_ylim(losses.min() / margin, losses.max() * margin)
    label_steps(lower)
    label_losses(upper)
    dress(upper)


def label_losses(axes: "Axes") -> None:
    """Plain numbers on a logarithmic y axis, wide or narrow."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    low, high = axes.get_ylim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)):
        ticks = [digit * 10.0**power for power in decades for digit in digits]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= 4:
            axes.yaxis.set_major_locator(FixedLocator(inside))
            break
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def label_steps(axes: "Axes") -> None:
    """Plain numbers on a logarithmic x axis: each decade, and 2 and 5 between where there is room."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    decades = math.log10(high / low)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _step(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _step(value: float) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _attribution(axes: "Axes", attribution: dict[str, Any]) -> None:
    """A waterfall: each term starts where the one before it ended; the last bar is their sum."""
    terms = {**attribution["terms"]}
    whole = attribution["delta_log_L_T_hat"]
    start = 0.0
    labels, reach = [], [0.0]
    for place, (name, term) in enumerate([*terms.items(), ("whole", whole)]):
        base = 0.0 if name == "whole" else start
        value = term["value"]
        axes.barh(
            place, value, left=base, height=0.58, color=LOW if value < 0 else HIGH, alpha=1 if name == "whole" else 0.75
        )
        if term["low"] is not None:
            axes.plot(
                [base + term["low"], base + term["high"]], [place, place], "-|", color=INK, markersize=7, linewidth=1
            )
            reach += [base + term["low"], base + term["high"]]
        if name != "whole":
            start += value
            axes.plot([start, start], [place, place + 1], ":", color=MUTED, linewidth=0.8)
            labels.append(TERMS[name].removeprefix("the "))
        reach += [base, base + value]
    labels.append("all of it")
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.axvline(0, color=MUTED, linewidth=0.8)
    width = max(reach) - min(reach)
    axes.set_xlim(min(reach) - 0.06 * width, max(reach) + 0.06 * width)
    axes.set_xlabel("difference of log L_T_hat, B minus A")
    dress(axes)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
    axes.locator_params(axis="x", nbins=5)


# -- changes of loss -------------------------------------------------------------------------------------------


def changes_figure(z: np.ndarray, result: dict[str, Any]) -> "Figure":
    """The changes' histogram beside D and its null."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2.6, 1))
    finite = z[np.isfinite(z)]
    # The middle 99 % decide the range; what lies beyond is gathered in the last bars, so that none is hidden.
    low, high = np.quantile(finite, [0.005, 0.995])
    edge = max(abs(float(low)), abs(float(high)), 1e-12)
    edges = np.linspace(-edge, edge, 61)
    counts, _ = np.histogram(np.clip(finite, -edge, edge), bins=edges)
    centres = (edges[1:] + edges[:-1]) / 2
    colours = [LOW if centre < 0 else HIGH for centre in centres]
    left.bar(centres, counts, width=edges[1] - edges[0], color=colours, alpha=0.8, linewidth=0)
    left.axvline(float(finite.mean()), color=INK, linewidth=1, label=f"mean {finite.mean():+.3g}")
    left.set_xlabel(f"change of loss per {result['unit']}; green fell, orange rose")
    left.set_ylabel(f"{result['unit']}s")
    left.legend(loc="upper right", frameon=False, fontsize=8, labelcolor=INK)
    dress(left)
    _cancelled(right, result)
    return figure


def _cancelled(axes: "Axes", result: dict[str, Any]) -> None:
    D = result["estimates"]["D"]
    if D["value"] is not None:
        axes.bar([0], [D["value"]], width=0.5, color=CYCLE[0], alpha=0.85)
        if D["low"] is not None:
            axes.plot([0, 0], [D["low"], D["high"]], "-_", color=INK, markersize=8, linewidth=1.1)
        axes.bar([1], [result["D_null"]], width=0.5, color=MUTED, alpha=0.6)
        for place, value in ((0, D["value"]), (1, result["D_null"])):
            axes.annotate(f"{value:.3f}", (place, 0.03), ha="center", fontsize=8, color="white")
    axes.set_xticks([0, 1], ["D", "D_null\n(random signs)"])
    axes.set_ylim(0, 1.02)
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylabel("share of movement that cancels")
    dress(axes)


def groups_figure(result: dict[str, Any]) -> "Figure":
    """Each group's mean change with its interval, and its share of all gain and of all loss."""
    from matplotlib.figure import Figure

    groups = sorted(result["groups"], key=lambda group: -abs(group["sum"]))[:24]
    groups.sort(key=lambda group: group["mean"])
    places = np.arange(len(groups))
    figure = Figure(figsize=(8.6, 0.9 + 0.3 * len(groups)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, group in zip(places, groups, strict=True):
        mean = group["estimates"]["mean"]
        colour = LOW if mean["value"] < 0 else HIGH
        if mean["low"] is not None:
            left.plot([mean["low"], mean["high"]], [place, place], "-", color=colour, linewidth=1.6)
        left.plot([mean["value"]], [place], "o", color=colour, markersize=5)
    left.axvline(0, color=MUTED, linewidth=0.8)
    left.axvline(result["mean"], color=INK, linewidth=0.8, linestyle=":")
    left.set_yticks(places, [_clipped(group["group"]) for group in groups])
    left.invert_yaxis()
    left.set_xlabel("mean change of loss (dotted: of all)")
    shares = [[group[name] or 0.0 for group in groups] for name in ("share_of_gain", "share_of_loss")]
    right.barh(places, [-share for share in shares[0]], height=0.6, color=LOW, alpha=0.8)
    right.barh(places, shares[1], height=0.6, color=HIGH, alpha=0.8)
    right.axvline(0, color=MUTED, linewidth=0.8)
    most = 1.1 * max([*shares[0], *shares[1], 0.01])
    right.set_xlim(-most, most)
    right.set_xlabel("share of all gain (left) and of all loss (right)")
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    right.xaxis.set_major_locator(MaxNLocator(5))
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0%}"))
    for axes in (left, right):
        dress(axes)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
    left.locator_params(axis="x", nbins=5)
    right.tick_params(axis="y", length=0)
    return figure


def _clipped(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"


# -- a training, watched ---------------------------------------------------------------------------------------


def training_figure(rows: Sequence[dict[str, Any]], fit: dict[str, Any] | None) -> "Figure":
    """Loss, D with its null, A, and M beside |mean|, over the steps of a run with a probe.

    `rows` are the run's metrics. Where there are changes from t to 2t these are drawn strong, those of one step weak.
    """
    from matplotlib.figure import Figure

    trained = [(row["step"], row["loss"]) for row in rows if row.get("stage") == "train" and row.get("loss")]
    series = {name: events for name, events in loss_events(rows).items() if events}
    figure = Figure(figsize=(8.6, 7.4), layout="constrained")
    panels = list(figure.subplots(4, 1, sharex=True, height_ratios=(1.5, 1.1, 1, 1)))
    loss, D, A, M = panels
    for panel in panels:
        panel.set_xscale("log")
        dress(panel)
        if fit is not None and fit["verdict"] != "none":
            _mark_break(panel, fit, label=panel is loss)
    if trained:
        steps, losses = (np.array(values, dtype=float) for values in zip(*trained, strict=True))
        kept = _thinned(steps)
        loss.plot(steps[kept], losses[kept], color=CYCLE[0], linewidth=1)
        loss.set_yscale("log")
        loss.set_ylim(losses.min() * 0.95, losses.max() * 1.05)
        label_losses(loss)
    loss.set_ylabel("training loss")
    for (name, events), colour in zip(series.items(), CYCLE, strict=False):
        strong = name == next(iter(series))
        style: dict[str, Any] = {"color": colour, "markersize": 3.5, "linewidth": 1.4 if strong else 0.9}
        style["alpha"] = 1.0 if strong else 0.75
        x = [event["step"] for event in events]
        column = {key: _column(events, key) for key in ("D", "D_null", "A", "M", "mean")}
        D.plot(x, column["D"], "o-", label=name, **style)
        D.plot(x, column["D_null"], "--", **{**style, "linewidth": 0.9})
        A.plot(x, column["A"], "o-", **style)
        M.plot(x, column["M"], "o-", **style)
        M.plot(x, np.abs(column["mean"]), ":", **style)
    D.set_ylim(0, 1.02)
    D.set_ylabel("D\n(dashed: D_null)")
    A.set_yscale("log")
    A.axhline(1, color=MUTED, linewidth=0.9)
    A.set_ylabel("alignment A")
    M.set_yscale("log")
    M.set_ylabel("M\n(dotted: |mean|)")
    M.set_xlabel("step (the later one of each change)")
    label_steps(M)
    for panel in (A, M):
        _plain_logs(panel)
    if series:
        handles, labels = D.get_legend_handles_labels()
        figure.legend(
            handles,
            [f"change of loss: {label}" for label in labels],
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
        )
    return figure


def loss_events(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """A probe's events of changes of loss, by kind: held-out from t to 2t, held-out and training batch by one step."""
    events = [row for row in rows if row.get("stage") == "probe" and row.get("kind") == "loss"]
    return {
        "held out, t to 2t": [e for e in events if e["split"] == "eval" and e.get("from") is not None],
        "held out, one step": [e for e in events if e["split"] == "eval" and e.get("from") is None],
        "batch, one step": [e for e in events if e["split"] == "train" and e.get("from") is None],
    }


def _column(events: Sequence[dict[str, Any]], key: str) -> np.ndarray:
    return np.array([math.nan if event.get(key) is None else event[key] for event in events], dtype=float)


def _plain_logs(axes: "Axes") -> None:
    """Plain numbers at the decades of a logarithmic y axis, and between them where there is hardly one decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 100 else (1,), numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def layers_figure(events: Sequence[dict[str, Any]]) -> "Figure":
    """Alignment A of the gradients, layer by layer (rows) at each probed step (columns)."""
    from matplotlib.colors import BoundaryNorm
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(layer["layer"] for event in events for layer in event["layers"]))
    found = [{layer["layer"]: layer["A"] for layer in event["layers"]} for event in events]
    A = np.array([[math.nan if row.get(name) is None else row[name] for row in found] for name in names], dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log2(A)
    most = max(1.0, math.ceil(float(np.nanmax(np.abs(np.where(np.isfinite(logs), logs, np.nan)), initial=0.0))))
    figure = Figure(figsize=(8.6, 1.3 + 0.19 * len(names)), layout="constrained")
    axes = figure.subplots()
    bounds = np.linspace(-most, most, 17)
    mesh = axes.pcolormesh(
        np.arange(len(events) + 1), np.arange(len(names) + 1), logs, cmap="RdBu_r", norm=BoundaryNorm(bounds, 256)
    )
    axes.set_yticks(np.arange(len(names)) + 0.5, [_clipped_left(name) for name in names], fontsize=7)
    shown = np.arange(len(events))[:: max(1, len(events) // 12)]
    axes.set_xticks(shown + 0.5, [_step(events[place]["step"]) for place in shown])
    axes.invert_yaxis()
    axes.set_xlabel("step")
    ticks = np.arange(-most, most + 1, math.ceil(most / 3))
    bar = figure.colorbar(mesh, ax=axes, ticks=ticks, pad=0.01)
    bar.ax.set_yticklabels([f"{2.0**tick:.3g}" for tick in ticks], fontsize=7, color=INK)
    bar.set_label("A (1: independent signs)", color=INK, fontsize=8)
    bar.outline.set_visible(False)
    dress(axes)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(visible=False)
    return figure


def _clipped_left(name: str) -> str:
    return name if len(name) <= 36 else "…" + name[-35:]


def matrix_figure(matrix: dict[str, Any]) -> "Figure":
    """The zero-sum matrix: how a step on one group (rows) changes the mean loss of another (columns)."""
    from matplotlib.figure import Figure

    labels, Z = matrix["labels"], np.array(matrix["Z"], dtype=float)
    size = len(labels)
    figure = Figure(figsize=(2.6 + 0.62 * size, 1.5 + 0.42 * size), layout="constrained")
    axes = figure.subplots()
    most = float(np.abs(Z).max()) or 1.0
    axes.pcolormesh(np.arange(size + 1), np.arange(size + 1), Z, cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.85)
    names = [_clipped(label) for label in labels]
    axes.set_xticks(
        np.arange(size) + 0.5,
        names,
        rotation=30 if max(map(len, names)) > 8 else 0,
        ha="right" if max(map(len, names)) > 8 else "center",
    )
    axes.set_yticks(np.arange(size) + 0.5, names)
    axes.invert_yaxis()
    axes.set_xlabel("changes the mean loss of")
    axes.set_ylabel("a step on")
    if size <= 12:
        for u in range(size):
            for v in range(size):
                dark = abs(Z[u, v]) > 0.55 * most
                axes.text(
                    v + 0.5,
                    u + 0.5,
                    f"{Z[u, v]:+.2g}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if dark else "black",
                )
    dress(axes)
    axes.grid(visible=False)
    return figure
