"""The gate: rules that scores must satisfy, judged by their bootstrap draws, with "undecided" among the answers.

    rule = P( quantity < limit ) > required        (or > limit)
    quantity = metric | metric[group] | abs(metric) | abs(metric[group])

A rule says what must hold: `P(abs(s_amb) < 0.10) > 0.95` asks that the ambiguous bias score of every group lies within
0.10 of zero with a probability above 0.95. The probability is the share of bootstrap draws for which it holds.
"""

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.runs.files import to_json

if TYPE_CHECKING:
    from gnomon.measure.scoring import Scores

EXAMPLE = "P(abs(s_amb) < 0.10) > 0.95"

_WHOLE = re.compile(r"\s*P\s*\((?P<inner>.*)\)\s*(?P<sign>[<>=!]+)\s*(?P<required>\S+)\s*", re.DOTALL)
_INNER = re.compile(
    r"\s*(?P<abs>abs\s*\()?\s*(?P<metric>[\w.:-]+)\s*(\[(?P<group>[^\]]*)\])?\s*(?P<close>\))?"
    r"\s*(?P<sign>[<>=!]+)\s*(?P<limit>\S+)\s*"
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Requirement:
    """A rule as read: `quantity sign limit` must have a probability above `required`; `group` None means every one."""

    text: str
    metric: str
    group: str | None
    absolute: bool
    sign: str
    limit: float
    required: float

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Where the statement is true of `values`; undefined values (NaN) satisfy nothing."""
        quantity = np.abs(values) if self.absolute else values
        return np.asarray(quantity < self.limit if self.sign == "<" else quantity > self.limit)

    def within(self, low: float, high: float) -> bool | None:
        """Whether the statement is true (True) or false (False) all over [low, high]; None where it is both."""
        if self.absolute:
            high, low = max(abs(low), abs(high)), 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        ends = self.holds(np.array([low, high]))
        return bool(ends[0]) if ends[0] == ends[1] else None


@dataclass(frozen=True)
class Gate:
    """What a gate found.

    `verdict` is "pass", "fail" or "undecided". `rules` has one dictionary for each rule and group: `rule`, `metric`,
    `group`, `probability` (None where an interval decided), `required`, `value`, `low`, `high`, `verdict`, `reason`.
    """

    verdict: str
    rules: list[dict[str, Any]]
    rationale: str
    set_by: str
    instrument: str = field(default="measure", repr=False)

    def to_json(self) -> str:
        """One JSON object: `verdict`, `rules`, `rationale`, `set_by`."""
        return to_json(
            {"verdict": self.verdict, "rules": self.rules, "rationale": self.rationale, "set_by": self.set_by}
        )

    def to_junit(self) -> str:
        """JUnit XML: one test suite, a test case for each rule and group.

        What failed and what is undecided are both `<failure>`, told apart by `type`: no undecided gate is green.
        """
        bad = sum(found["verdict"] != "pass" for found in self.rules)
        counts = {"tests": str(len(self.rules)), "failures": str(bad), "errors": "0", "skipped": "0"}
        suite = ET.Element("testsuite", {"name": "gnomon measure gate", **counts})
        properties = ET.SubElement(suite, "properties")
        for name, value in (("verdict", self.verdict), ("rationale", self.rationale), ("set_by", self.set_by)):
            ET.SubElement(properties, "property", name=name, value=_xml(value))
        for found in self.rules:
            name = _xml(f"{found['rule']} [{found['group']}]")
            case = ET.SubElement(suite, "testcase", classname=_xml(self.instrument), name=name)
            if found["verdict"] != "pass":
                said = _xml(sentence(found))
                ET.SubElement(case, "failure", type=found["verdict"], message=said).text = said
        ET.indent(suite)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def gate(scores: "Scores | str | Path", rules: str | Sequence[str], *, rationale: str, set_by: str) -> Gate:
    """Judge `scores` (or the folder of a run that holds them) by `rules`.

    P is the share of all bootstrap draws of a figure for which the rule's statement holds; draws that are undefined
    count for neither side. P above the required probability: pass; the same of the opposite: fail; otherwise
    undecided, as is a figure that is undefined. A figure that was taken as a limit has no draws: its interval decides,
    pass where the statement is true all over it, fail where it is false all over it, provided the interval's level is
    at least the required probability. Without a group, every group of the metric must hold. The gate fails where a
    rule fails, else is undecided where one is, else passes.

    Raises a UserError for a rule that is not of the grammar, names a metric or group that was not scored, or has a
    limit beyond the metric's range; and where `rationale` or `set_by` says nothing.
    """
    texts = [rules] if isinstance(rules, str) else list(rules)
    if not texts:
        raise UserError(f"gate: rules is empty; at least one rule is needed, such as {EXAMPLE!r}.")
    for name, said, needed in (
        ("rationale", rationale, "why these limits"),
        ("set_by", set_by, "the name of who set them"),
    ):
        if not isinstance(said, str) or not said.strip():
            raise UserError(f"gate: {name} = {said!r} says nothing; {needed} is required and kept with the verdict.")
    asked = [parse(text) for text in texts]
    instrument, figures, draws = _figures_of(scores)
    found = [
        _judge(rule, figure, draws.get((figure["metric"], figure["group"])))
        for rule in asked
        for figure in _meant(rule, figures)
    ]
    verdicts = {one["verdict"] for one in found}
    overall = next((verdict for verdict in ("fail", "undecided") if verdict in verdicts), "pass")
    return Gate(overall, found, rationale.strip(), set_by.strip(), instrument)


def parse(rule: str) -> Requirement:
    """Read a rule. Raises a UserError, with a right rule in its sentence, for anything that is not one."""
    right = f"a rule reads {EXAMPLE!r}"

    def wrong(what: str) -> UserError:
        return UserError(f"gate: rule {rule!r} {what}; {right}.")

    whole = _WHOLE.fullmatch(rule) if isinstance(rule, str) else None
    if whole is None:
        raise wrong("is not of the form P(statement) > probability")
    inner = _INNER.fullmatch(whole["inner"])
    if inner is None:
        raise wrong(f"has the statement {whole['inner'].strip()!r}, which is not a metric, < or >, and a limit")
    if bool(inner["abs"]) != bool(inner["close"]):
        raise wrong("has a bracket that is not closed or not opened around its metric")
    if inner["sign"] not in ("<", ">"):
        raise wrong(f"compares by {inner['sign']!r}, but only < and > are known")
    if whole["sign"] != ">":
        raise wrong(f"asks for a probability {whole['sign']!r} {whole['required']}, but it must be above (>) one")
    limit, required = _number(inner["limit"]), _number(whole["required"])
    if limit is None:
        raise wrong(f"has the limit {inner['limit']!r}, which is not a number")
    if required is None or not 0.5 <= required < 1:
        raise wrong(f"requires the probability {whole['required']!r}, which must be a number from 0.5 to below 1")
    group = inner["group"]
    if group is not None and not group.strip():
        raise wrong("names no group between its brackets []")
    return Requirement(
        rule.strip(),
        inner["metric"],
        None if group is None else group.strip(),
        bool(inner["abs"]),
        inner["sign"],
        limit,
        required,
    )


def sentence(found: dict[str, Any]) -> str:
    """One of a gate's `rules` in words."""
    value = "undefined" if found["value"] is None else f"{found['value']:.3f}"
    interval = "" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]"
    chance = "" if found["probability"] is None else f", probability {found['probability']:.3f}"
    reason = "" if found["reason"] is None else f" ({found['reason']})"
    verdict, metric, group = found["verdict"], found["metric"], found["group"]
    return f"{verdict}: {metric} of {group} is {value}{interval}{chance}, required {found['required']:g}{reason}"


def _number(text: str) -> float | None:
    read = float(text) if _NUMBER.fullmatch(text) else math.nan
    return read if math.isfinite(read) else None


def _xml(text: str) -> str:
    """`text` without the characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def _figures_of(
    scores: "Scores | str | Path",
) -> tuple[str, list[dict[str, Any]], dict[tuple[str, str], np.ndarray]]:
    """The instrument's name, every figure as a row of `Scores.frame`, and the draws of those that have some."""
    if not isinstance(scores, str | Path):
        return scores.instrument.name, scores.frame.to_dicts(), scores.draws
    folder = Path(scores)
    for name in ("scores.json", "draws.parquet"):
        if not (folder / name).is_file():
            raise UserError(
                f"gate: {str(folder)!r} holds no {name}; Scores or the folder of a finished measure run is expected."
            )
    try:
        stored = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        drawn = pl.read_parquet(folder / "draws.parquet").sort("metric", "group", "draw", maintain_order=True)
    except (ValueError, pl.exceptions.PolarsError) as fault:
        raise UserError(
            f"gate: scores.json or draws.parquet of {str(folder)!r} is damaged ({str(fault).splitlines()[0]}); run the"
            " instrument again, with the run's responses.parquet if its answers are wanted."
        ) from fault
    parts = drawn.partition_by("metric", "group", as_dict=True, maintain_order=True)
    draws = {(str(metric), str(group)): part["value"].to_numpy() for (metric, group), part in parts.items()}
    return str(stored["instrument"]), stored["estimates"], draws


def _meant(rule: Requirement, figures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures that a rule speaks of."""
    of_metric = [figure for figure in figures if figure["metric"] == rule.metric]
    if not of_metric:
        there = ", ".join(dict.fromkeys(figure["metric"] for figure in figures))
        raise UserError(f"gate: rule {rule.text!r} names the metric {rule.metric!r}; the metrics scored are {there}.")
    meant = [figure for figure in of_metric if rule.group in (None, figure["group"])]
    if not meant:
        there = ", ".join(figure["group"] for figure in of_metric)
        raise UserError(f"gate: rule {rule.text!r} names the group {rule.group!r}; the groups scored are {there}.")
    lowest, highest = of_metric[0]["minimum"], of_metric[0]["maximum"]
    if rule.absolute:
        lowest, highest = 0.0, max(abs(lowest), abs(highest))
    if not lowest <= rule.limit <= highest:
        quantity = f"abs({rule.metric})" if rule.absolute else rule.metric
        raise UserError(
            f"gate: rule {rule.text!r} has the limit {rule.limit:g}, but {quantity} lies between {lowest:g} and"
            f" {highest:g} (papers may print it times 100), so a limit in that range is needed."
        )
    return meant


def _and(said: str, reason: str | None) -> str:
    return said if reason is None else f"{said}; {reason}"


def _judge(rule: Requirement, figure: dict[str, Any], draws: np.ndarray | None) -> dict[str, Any]:
    probability, reason = None, figure["reason"]
    if figure["value"] is None or (draws is None and figure["low"] is None):
        verdict, reason = "undecided", reason or "the figure has neither draws nor an interval"
    elif draws is not None:
        true, defined = rule.holds(draws), np.isfinite(draws)
        probability, opposite = float(true.mean()), float((defined & ~true).mean())
        verdict = "pass" if probability > rule.required else "fail" if opposite > rule.required else "undecided"
        if (units := figure["n_clusters"]) is not None and 0.5**units >= 1 - rule.required:
            reason = _and(f"{units} independent units, so few that they may agree by chance", reason)
        if verdict == "undecided":
            said = f"the opposite has probability {opposite:.3f}, so the sample is too small to tell"
            reason = _and(said, reason)
    elif figure["level"] < rule.required:
        verdict = "undecided"
        level = figure["level"]
        reason = _and(f"an interval at level {level:g} cannot show a probability above {rule.required:g}", reason)
    else:
        whole = rule.within(figure["low"], figure["high"])
        verdict = "undecided" if whole is None else "pass" if whole else "fail"
        reason = _and("decided by the interval", reason)
    return {
        "rule": rule.text,
        "metric": figure["metric"],
        "group": figure["group"],
        "probability": probability,
        "required": rule.required,
        "value": figure["value"],
        "low": figure["low"],
        "high": figure["high"],
        "verdict": verdict,
        "reason": reason,
    }
