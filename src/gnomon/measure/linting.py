"""Linting of an instrument's items: what every family's rules share, and `lint`, which applies them.

A rule finds what makes a figure hard to defend: an item whose target cannot be told, a pair that changes more than the
group, answers that always stand in one place. What no rule can judge is on the card's checklist.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from gnomon.measure.instrument import Instrument

FINDINGS = {"item_id": pl.String, "rule": pl.String, "severity": pl.String, "evidence": pl.String}
"""Columns of findings. `item_id` is null where a finding is about items together; severities: "error", "warning"."""


def lint(ins: Instrument) -> pl.DataFrame:
    """Findings about an instrument's items: `item_id`, `rule`, `severity`, `evidence`, in the order of the items.

    A finding says why in `evidence`: the spans, the answers, the votes. An "error" makes an item's answer meaningless,
    a "warning" makes it hard to defend. `score(..., without=findings)` leaves the items of findings out.
    """
    found = findings(ins.rule.lint(ins.items).iter_rows())
    place = ins.items.select("item_id").with_row_index("place")
    return found.join(place, on="item_id", how="left").sort("place", nulls_last=True, maintain_order=True).drop("place")


def findings(rows: Iterable[Sequence[str | None]]) -> pl.DataFrame:
    """A frame of findings from rows (item_id, rule, severity, evidence), in their order."""
    return pl.DataFrame(list(rows), schema=FINDINGS, orient="row")
