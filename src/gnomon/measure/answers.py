"""Recorded answers to an instrument, and which option each one takes.

The reading rule never guesses: an answer that is not plainly one of the item's options is *manual*, for a person to
read, and stays out of every figure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from gnomon.errors import UserError
from gnomon.measure.tables import as_levels, need_column, read_table

if TYPE_CHECKING:
    from gnomon.measure.instrument import Instrument

SHORTEST_PREFIX = 12
"""Characters from which on an answer may be an option that a length limit cut off."""

STATUSES = ("read", "manual", "missing")


def read_answers(
    ins: "Instrument", responses: Any, item: str | Sequence[str] | None = None, answer: str = "answer"
) -> pl.DataFrame:
    """Answers to the items of `ins`, one row for each item in the items' order.

    `responses` is a frame or path as `tables.read_table` takes. `item` names the column, or the columns to be joined by
    "/", that say which item was answered; None takes `item_id` where there is one, else the family's own key. `answer`
    names the column of answers.

    Columns of the result: `item_id`, `answer` (as recorded), `choice` (position of the option taken, null unless read)
    and `status`:

    - `read`: in lower case, with spaces collapsed and final full stops dropped, the answer equals exactly one option,
      or, at 12 characters or more, equals none and is the beginning of exactly one;
    - `manual`: any other answer, as one that names both people of a question;
    - `missing`: no answer, or an empty one.

    Raises UserError for a column that is absent, an item answered twice, and an answer to no item.
    """
    table = read_table(responses, function="score", argument="responses")
    columns = _item_columns(ins, table, item)
    for name, argument in (*((column, "item") for column in columns), (answer, "answer")):
        need_column(table, name, function="score", argument=argument, where="the table of responses")
    given = pl.DataFrame({"answer": as_levels(table[answer])}).with_columns(
        item_id=_joined([as_levels(table[name]) for name in columns])
    )
    _check(ins, given, columns)
    rows = ins.items.select("item_id", "options").with_row_index("row")
    recorded = rows.select("row", "item_id").join(given, on="item_id", how="left", maintain_order="left")
    cleaned = recorded.select("row", cleaned=_plain(pl.col("answer")), given=pl.col("answer").str.strip_chars() != "")
    options = (
        rows.select("row", "options", position=pl.int_ranges(pl.col("options").list.len()))
        .explode("options", "position")
        .with_columns(option=_plain(pl.col("options")))
        .join(cleaned.filter("given"), on="row")
    )
    equal = options.filter(pl.col("option") == pl.col("cleaned"))
    long_enough = pl.col("cleaned").str.len_chars() >= SHORTEST_PREFIX
    begun = options.filter(long_enough & pl.col("option").str.starts_with(pl.col("cleaned")))
    begun = begun.join(equal, on="row", how="anti")
    taken = (
        pl.concat([equal, begun])
        .group_by("row")
        .agg(pl.col("position").first(), alternatives=pl.len())
        .filter(pl.col("alternatives") == 1)
        .select("row", choice="position")
    )
    return (
        recorded.with_columns(given=cleaned["given"])
        .join(taken, on="row", how="left", maintain_order="left")
        .select(
            "item_id",
            "answer",
            "choice",
            status=pl.when(pl.col("choice").is_not_null())
            .then(pl.lit("read"))
            .when("given")
            .then(pl.lit("manual"))
            .otherwise(pl.lit("missing")),
        )
    )


def _item_columns(ins: "Instrument", table: pl.DataFrame, item: str | Sequence[str] | None) -> list[str]:
    if item is None:
        return ["item_id"] if "item_id" in table.columns else list(ins.rule.key)
    return [item] if isinstance(item, str) else list(item)


def _joined(parts: list[pl.Series]) -> pl.Series:
    """Ids from their parts; null where a part is."""
    return pl.select(pl.concat_str(parts, separator="/")).to_series()


def _plain(text: pl.Expr) -> pl.Expr:
    """Lower case, spaces collapsed, none at the ends, no final full stops."""
    return text.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars(" ").str.strip_chars_end(" .")


def _check(ins: "Instrument", given: pl.DataFrame, columns: list[str]) -> None:
    named = " and ".join(map(repr, columns))
    gaps = given["item_id"].is_null()
    if gaps.any():
        row = int(gaps.arg_max() or 0) + 1
        raise UserError(f"score: responses name no item in row {row} (columns {named}); each row needs one.")
    twice = given["item_id"].is_duplicated()
    if twice.any():
        again = given["item_id"].filter(twice)[0]
        raise UserError(f"score: responses answer item {again!r} twice (columns {named}); one answer an item is read.")
    strange = given.join(ins.items, on="item_id", how="anti", maintain_order="left")
    if len(strange):
        raise UserError(
            f"score: responses answer {strange['item_id'][0]!r} (columns {named}), which is no item of {ins.name}"
            + (f", nor are {len(strange) - 1} more" if len(strange) > 1 else "")
            + f"; its items are named as {ins.items['item_id'][0]!r}."
        )
