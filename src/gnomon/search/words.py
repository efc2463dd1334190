"""What came of a search or a scoring, in sentences that the command line and the report share."""

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 8  # architectures that a sentence lists before it counts the others


def outcome(summary: Mapping[str, Any]) -> list[str]:
    """A search's answer from its `summary.json`, the most important first."""
    used, whole = summary["evaluations"], summary["distinct"] * summary["repeats"]
    said = [
        f"{summary['winner']} comes first by {summary['ranker']}.",
        indistinguishable(
            summary["winner"],
            summary["indistinguishable"],
            repeats=summary["repeats"],
            alpha=summary["alpha"],
            needed=summary["repeats_to_tell"],
            comparator=summary["comparator"],
        ),
    ]
    if (less := summary["measured_less"]) and summary["comparator"] != "mean":
        said.append(
            f"{less} of them were measured fewer than {summary['repeats']} times, because no comparison on the way"
            " asked for more; the correction for all the architectures seen asks more of them than so few can show."
        )
    if summary["target"] is not None:
        said.append(f"Its target, looked up only now, is {summary['target']:.6g}.")
    if summary["contradictions"]:
        said.append(contradiction(summary["winner"], summary["contradictions"]))
    said.append(
        f"{used} evaluations were made on {summary['distinct']} architectures, of the {whole} that"
        f" {summary['repeats']} {'repeat' if summary['repeats'] == 1 else 'repeats'} of each would take."
    )
    if summary["failed"]:
        said.append(failures(summary["failed"]))
    if summary["ranker_target"] is not None:
        said.append(
            f"Over the architectures seen the rank correlation of {summary['ranker']} with the target is"
            f" {span(summary['ranker_target'], sign=True)} (better is up)."
        )
    if summary["parameters"] is not None:
        said += parameters(summary["ranker"], summary["ranker_target"], summary["parameters"])
    if summary["trained"] is not None:
        said.append(summary["trained"]["sentence"])
    return said


def indistinguishable(
    winner: str,
    members: Sequence[str],
    *,
    repeats: int,
    alpha: float,
    needed: int | None,
    comparator: str,
) -> str:
    """Who cannot be told from the winner, and about how many repeats would tell the nearest of them (`needed`)."""
    if comparator == "mean":
        return "The comparator is the mean, which always decides and says nothing of chance."
    others = [arch for arch in members if arch != winner]
    level = f"one-sided at {alpha:g} after Holm's correction"
    if not others:
        return f"It is told from every other architecture seen ({level}, V = {repeats})."
    words = f"These {len(members)} cannot be told apart at V = {repeats} ({level}): {listed([winner, *others])}."
    if needed is None:
        return f"{words} The nearest of them scores as high as the winner: no number of repeats would tell it apart."
    return f"{words} About {needed} repeats of each would tell the nearest of them from the winner."


def contradiction(winner: str, archs: Sequence[str]) -> str:
    """The order is not transitive, which is said and not hidden."""
    return (
        f"The order is not transitive: {listed(archs)} {'is' if len(archs) == 1 else 'are'} significantly better than"
        f" {winner}, which became the winner over others."
    )


def failures(failed: Mapping[str, int]) -> str:
    """How many scores there are not, and why."""
    reasons = "; ".join(f"{count} {status}" for status, count in failed.items())
    return f"{sum(failed.values())} scores are missing and were ranked last, never averaged in: {reasons}."


def parameters(ranker: str, own: Mapping[str, Any] | None, beside: Mapping[str, Any]) -> list[str]:
    """What counting parameters would have said, and whether the ranker is worth more."""
    rank = beside["spearman"]
    said = []
    if rank["value"] is not None:
        said.append(
            f"Over the architectures seen the rank correlation of {ranker} with the number of parameters is"
            f" {span(rank, sign=True)}; the largest of them is {beside['largest']} with"
            f" {beside['largest_params']:,.0f} parameters (the winner has {beside['winner_params']:,.0f})."
        )
    counted = beside.get("params_target")
    if own and counted and own["value"] is not None and counted["value"] is not None:
        verdict = "is no better than" if own["value"] <= counted["value"] else "is above"
        warning = "Warning: here" if own["value"] <= counted["value"] else "Here"
        largest = beside["largest_target"]
        said.append(
            f"{warning} {ranker} {verdict} counting parameters, whose rank correlation with the target is"
            f" {span(counted, sign=True)}"
            + ("." if largest is None else f"; the largest architecture seen has a target of {largest:.6g}.")
        )
    return said


def listed(archs: Sequence[str]) -> str:
    """Architectures as a list that stays readable."""
    shown = ", ".join(archs[:SHOWN])
    return shown if len(archs) <= SHOWN else f"{shown} and {len(archs) - SHOWN} more"


def span(estimate: Mapping[str, Any] | None, sign: bool = False) -> str:
    """An estimate's dictionary as text."""
    if estimate is None or estimate["value"] is None:
        return "undefined" if estimate is None else f"undefined ({estimate['reason']})"
    form = "{:+.3g}" if sign else "{:.3g}"
    if estimate["low"] is None:
        return form.format(estimate["value"])
    low, high = form.format(estimate["low"]), form.format(estimate["high"])
    return f"{form.format(estimate['value'])} [{low}, {high}]"
