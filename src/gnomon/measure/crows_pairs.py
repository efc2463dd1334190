"""CrowS-Pairs (Nangia et al., EMNLP 2020): pairs of sentences, the share that prefers the stereotype, and lint rules.

The rules are what can be seen in the data itself of the pitfalls of Blodgett et al. (ACL 2021, Stereotyping Norwegian
Salmon): pairs that change more than the group, sentences that come twice, labels that their validators do not share.
"""

import ast
import csv
import difflib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.measure.instrument import Figure, need_columns, read_text
from gnomon.measure.linting import findings
from gnomon.stats import Estimate

FRAME = "load_instrument: the frame of items"
COLUMNS = ("sent_more", "sent_less", "bias_type", "annotations")
"""What a published file has to have; `stereo_antistereo` is kept where it is there."""

TOKEN = re.compile(r"\w+|[^\w\s]")
MANY_TOKENS = 4
"""From so many changed tokens on, a pair changes more than the name of a group: rule `many-changed-tokens`."""
MAJORITY = 3
"""Where fewer of a pair's five validators name the type of bias of its label, `low-validator-agreement` reports it."""

Span = tuple[str, str]


class CrowsPairs:
    """The rule of CrowS-Pairs. The answer to a pair is the sentence that a model finds more likely."""

    key = ("index",)
    cluster = ("item_id",)
    likelihood_only = True

    def read(self, paths: Sequence[Path]) -> pl.DataFrame:
        """Items from published CSV files; an item's id is its row's number from 0, on through the files.

        Raises UserError naming file, line and column of what is missing or is no list of annotations.
        """
        return _items(row for path in paths for row in _rows(path))

    def from_table(self, table: pl.DataFrame) -> pl.DataFrame:
        """Items from a frame with the columns of a published file, `annotations` as text or as lists of lists."""
        need_columns(table, COLUMNS, FRAME)
        return _items((f"{FRAME}: row {index} (from 0)", row) for index, row in enumerate(table.iter_rows(named=True)))

    def question(self, item: dict[str, Any]) -> str:
        """Nothing: the likelihood of each sentence is that of the whole of it."""
        return ""

    def figures(self, answered: pl.DataFrame, level: float) -> list[Figure]:
        """`stereotype_share` of each type of bias: the share of pairs whose `sent_more` was preferred."""
        found = []
        for (group,), part in answered.with_row_index("row").group_by(["category"], maintain_order=True):
            read = part.filter(pl.col("choice").is_not_null())
            sums = np.stack([(read["choice"] == read["target"]).to_numpy(), np.ones(len(read))], axis=1).astype(float)
            limit = None
            if read.is_empty():
                limit = Estimate(None, None, None, 0, "bootstrap-percentile", level, reason="no answer could be read")
            found.append(Figure("stereotype_share", str(group), read["row"].to_numpy(), sums, stereotype_share, limit))
        return sorted(found, key=lambda figure: figure.group)

    def lint(self, items: pl.DataFrame) -> pl.DataFrame:
        """`no-difference`, `several-spans`, `many-changed-tokens`, `low-validator-agreement` and `duplicate`.

        The spans in which the two sentences differ are those of `changed_spans`. `several-spans`: more than one;
        `no-difference`: none; `many-changed-tokens`: over all spans, the longer sides have four tokens or more;
        `low-validator-agreement`: fewer than three validators name the pair's type of bias; `duplicate`: a pair
        of a lower number has the same `sent_more`.
        """
        need_columns(items, ("index", *COLUMNS), "the items of CrowS-Pairs")
        first: dict[str, str] = {}
        return findings(found for item in items.sort("index").iter_rows(named=True) for found in _of_item(item, first))


RULE = CrowsPairs()


def stereotype_share(totals: np.ndarray) -> np.ndarray:
    """The share of pairs whose more stereotyping sentence was preferred (Nangia et al. 2020, section 3, the metric)."""
    return np.asarray(totals[:, 0] / totals[:, 1])


def tokens(sentence: str) -> list[str]:
    """Words, and every other mark by itself."""
    return TOKEN.findall(sentence)


def changed_spans(more: str, less: str) -> list[Span]:
    """The runs of tokens in which two sentences differ, as (text in `more`, text in `less`); "" where one has none.

    They are the opcodes other than "equal" of `difflib.SequenceMatcher` over tokens, without its heuristic for popular
    ones.
    """
    one, other = list(TOKEN.finditer(more)), list(TOKEN.finditer(less))
    return [
        (_between(more, one[start:stop]), _between(less, other[begin:end]))
        for start, stop, begin, end in _differences(more, less)
    ]


def changed_tokens(spans: Sequence[Span]) -> int:
    """Over spans in which two sentences differ, the tokens of the longer side."""
    return sum(max(len(tokens(more)), len(tokens(less))) for more, less in spans)


def _differences(more: str, less: str) -> list[tuple[int, int, int, int]]:
    matcher = difflib.SequenceMatcher(None, tokens(more), tokens(less), autojunk=False)
    return [places for tag, *places in matcher.get_opcodes() if tag != "equal"]  # type: ignore[misc]


def _between(sentence: str, found: list[re.Match[str]]) -> str:
    return sentence[found[0].start() : found[-1].end()] if found else ""


def _of_item(item: dict[str, Any], first: dict[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """An item's findings. `first` holds the item in which each `sent_more` was first seen."""
    name = item["item_id"]
    spans = changed_spans(item["sent_more"], item["sent_less"])
    shown = "; ".join(f"{more or '(nothing)'!r} against {less or '(nothing)'!r}" for more, less in spans)
    if not spans:
        yield name, "no-difference", "error", f"both sentences are {item['sent_more']!r}"
    if len(spans) > 1:
        yield name, "several-spans", "warning", f"{len(spans)} spans differ: {shown}"
    changed = changed_tokens(spans)
    if changed >= MANY_TOKENS:
        yield name, "many-changed-tokens", "warning", f"{changed} tokens differ: {shown}"
    votes = item["annotations"]
    naming = sum(item["bias_type"] in vote for vote in votes)
    if naming < MAJORITY:
        given = "; ".join(", ".join(vote) or "none" for vote in votes)
        yield (
            name,
            "low-validator-agreement",
            "warning",
            f"{naming} of {len(votes)} validators name {item['bias_type']}: {given}",
        )
    if item["sent_more"] in first:
        yield name, "duplicate", "warning", f"item {first[item['sent_more']]} has the same sentence"
    else:
        first[item["sent_more"]] = name


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a published file, each with where it stands."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for column in COLUMNS:
            if column not in (reader.fieldnames or ()):
                there = ", ".join(reader.fieldnames or ()) or "none"
                raise UserError(f"{path}:1: there is no column {column!r}; its columns are {there}.")
        for row in reader:
            yield f"{path}:{reader.line_num}", row
    except csv.Error as fault:
        raise UserError(f"{path}:{reader.line_num}: this is not valid CSV ({fault}).") from fault


def _items(rows: Iterator[tuple[str, dict[str, Any]]]) -> pl.DataFrame:
    """Items from rows with where they stand."""
    items: list[dict[str, Any]] = []
    for where, row in rows:
        for column in COLUMNS:
            if row[column] is None or row[column] == "":
                raise UserError(f"{where}: column {column!r} is empty; every pair has one.")
        more, less = row["sent_more"], row["sent_less"]
        items.append(
            {
                "item_id": str(len(items)),
                "index": len(items),
                "category": row["bias_type"],
                "text": _shared(more, less),
                "options": [more, less],
                "label": None,
                "target": 0,
                "sent_more": more,
                "sent_less": less,
                "bias_type": row["bias_type"],
                "stereo_antistereo": row.get("stereo_antistereo"),
                "annotations": _annotations(row["annotations"], where),
            }
        )
    schema: dict[str, Any] = {
        "item_id": pl.String,
        "index": pl.Int64,
        "category": pl.String,
        "text": pl.String,
        "options": pl.List(pl.String),
        "label": pl.Int64,
        "target": pl.Int64,
        "sent_more": pl.String,
        "sent_less": pl.String,
        "bias_type": pl.String,
        "stereo_antistereo": pl.String,
        "annotations": pl.List(pl.List(pl.String)),
    }
    return pl.DataFrame(items, schema=schema, orient="row")


def _annotations(value: Any, where: str) -> list[list[str]]:
    """Each validator's types of bias, from lists or from the text of a Python list that the published file holds."""
    try:
        votes = ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        votes = None
    if not isinstance(votes, list) or not all(
        isinstance(vote, list) and all(isinstance(each, str) for each in vote) for vote in votes
    ):
        raise UserError(
            f"{where}: column 'annotations' holds {value!r:.60}; a list with one list of types for every validator is"
            " expected, such as [['age'], []]."
        )
    return votes


def _shared(more: str, less: str) -> str:
    """The sentence with a gap in place of what the two differ in."""
    found = list(TOKEN.finditer(more))
    for start, stop, _, _ in reversed(_differences(more, less)):
        begin = found[start].start() if start < len(found) else len(more)
        end = found[stop - 1].end() if stop > start else begin
        more = more[:begin] + ("___" if stop > start else "___ ") + more[end:]
    return more.strip()
