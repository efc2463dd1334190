"""An instrument: its card, its items, and the rule that turns answers to them into figures."""

import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from gnomon import data
from gnomon.errors import UserError
from gnomon.measure import library, tables
from gnomon.runs.files import sha256

if TYPE_CHECKING:
    from gnomon.measure.library import Card
    from gnomon.stats import Estimate

ITEM_COLUMNS = ("item_id", "category", "text", "options", "label", "target")
"""What every instrument's items have, whatever its family adds."""


@dataclass(frozen=True)
class Source:
    """A file that items were read from, with its sha256 as it lies there."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Figure:
    """One metric of one group, as a function of sums over answered items.

    `rows` are the positions in the answered frame that count in it, `sums` (len(rows) x k) what each contributes, and
    `statistic` maps totals (B, k) to values (B,). `limit` is the estimate where the value has to be taken as a limit
    or is undefined for a reason the rule knows; it stands instead of a bootstrap.
    """

    metric: str
    group: str
    rows: np.ndarray
    sums: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray]
    limit: "Estimate | None" = None


class Rule(Protocol):
    """What a family of instruments knows: how its items are read, asked, checked and scored."""

    key: tuple[str, ...]
    """Columns of a responses file that name an item where there is no `item_id`; joined with "/"."""
    cluster: tuple[str, ...]
    """Columns of the items that name independent units, for the bootstrap."""
    likelihood_only: bool
    """Whether answers are choices by likelihood, so that a system that only writes text cannot answer."""

    def read(self, paths: Sequence[Path]) -> pl.DataFrame:
        """Items from the family's published files, plain or gzipped (`read_text` opens them).

        Raises UserError naming file, line and column.
        """

    def from_table(self, table: pl.DataFrame) -> pl.DataFrame:
        """Items from a frame with the published files' columns. Raises UserError naming column and row."""

    def question(self, item: dict[str, Any]) -> str:
        """What a system is shown before it answers with one of the item's `options`."""

    def figures(self, answered: pl.DataFrame, level: float) -> list[Figure]:
        """Every metric of every group. `answered` holds the items with `choice`, the option taken (null: none)."""

    def lint(self, items: pl.DataFrame) -> pl.DataFrame:
        """Findings: `item_id`, `rule`, `severity`, `evidence`."""


@dataclass(frozen=True)
class Instrument:
    """A card, its items and its rule.

    `items` has one row an item: `item_id` (text, unique), `category` (text, the group of a figure), `text`, `options`
    (list of text), `label` (position of the right option, null where there is none), `target` (position of the option
    that agrees with the stereotype, null where it cannot be told), and further columns of its family.
    """

    card: "Card"
    items: pl.DataFrame
    rule: Rule
    sources: tuple[Source, ...] = ()

    @property
    def name(self) -> str:
        """The instrument's name in the library."""
        return self.card.name


def load_instrument(name: "str | Path | Card", items: Any = None) -> Instrument:
    """The instrument `name` (of the library, or the path of a card file) with its items.

    `items` is the path of a published file of its family or a list of such paths, plain or gzipped; a frame (anything
    that `tables.scan_table` reads) with the columns of those files; or items as an instrument holds them (a frame, or
    the `items.parquet` of a run). None reads the data sets that the card names, through the registry `gnomon.data`.

    Raises UserError for a card that is unknown or lacks something, for items that cannot be read, and for items that
    are empty, are named twice, or lack a column; it names file, line and column.
    """
    card = name if isinstance(name, library.Card) else library.card(name)
    if card.family is None:
        raise UserError(
            f"load_instrument: the card {card.name!r} names no family, so nothing reads or scores its items; set family"
            f" to one of {', '.join(library.FAMILIES)}."
        )
    rule: Rule = import_module(f"gnomon.measure.{card.family}").RULE
    if items is None:
        if not card.data:
            raise UserError(
                f"load_instrument: the card {card.name!r} names no data to read; give items = a file of them."
            )
        paths = [data.fetch(entry) for entry in card.data]
        sources = tuple(Source(entry, sha256(path)) for entry, path in zip(card.data, paths, strict=True))
        return Instrument(card, _checked(rule.read(paths), f"items of {card.name!r}"), rule, sources)
    if isinstance(items, str | Path | list | tuple):
        given = [items] if isinstance(items, str | Path) else items
        if not given or not all(isinstance(each, str | Path) for each in given):
            raise UserError(f"load_instrument: items is {given!r:.60}; a list of one path or more is expected.")
        paths = [Path(each) for each in given]
        for path in paths:
            if not path.is_file():
                raise UserError(f"load_instrument: items names {str(path)!r}, which is not a file.")
        sources = tuple(Source(str(path), sha256(path)) for path in paths)
        where = ", ".join(map(str, paths))
        if len(paths) == 1 and paths[0].suffix == ".parquet":
            table = tables.scan_table(paths[0], function="load_instrument", argument="items").collect()
            return Instrument(card, _from_table(rule, table, where), rule, sources)
        return Instrument(card, _checked(rule.read(paths), where), rule, sources)
    table = tables.scan_table(items, function="load_instrument", argument="items").collect()
    return Instrument(card, _from_table(rule, table, "the frame of items"), rule)


def read_text(path: str | Path) -> str:
    """The text of a published file of items, plain or gzipped. Raises UserError where it cannot be read."""
    path = Path(path)
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UserError(f"{path}: byte {fault.start} is not UTF-8; a text file in UTF-8 is expected.") from fault
    except (OSError, EOFError, zlib.error) as fault:
        raise UserError(
            f"{path}: the file cannot be read ({fault}); a text file, plain or gzipped, is expected."
        ) from fault


def need_columns(table: pl.DataFrame, columns: Sequence[str], where: str) -> None:
    """Raise UserError for the first of `columns` that `table` lacks, with those it has; `where` names the table."""
    for column in columns:
        if column not in table.columns:
            raise UserError(f"{where}: there is no column {column!r}; its columns are {', '.join(table.columns)}.")


def _from_table(rule: Rule, table: pl.DataFrame, where: str) -> pl.DataFrame:
    """Items of a frame that holds them as an instrument does, or as their authors published them."""
    return _checked(table if "item_id" in table.columns else rule.from_table(table), where)


def _checked(items: pl.DataFrame, where: str) -> pl.DataFrame:
    """`items` with the types that every instrument's items have, refused where they are no items."""
    need_columns(items, ITEM_COLUMNS, where)
    if items.is_empty():
        raise UserError(f"{where}: there are no items; at least one is expected.")
    if items["options"].dtype != pl.List(pl.String):
        raise UserError(f"{where}: column 'options' is {items['options'].dtype}; lists of text are expected.")
    for column in ("label", "target"):
        if not (items[column].dtype.is_integer() or items[column].dtype == pl.Null):
            raise UserError(f"{where}: column {column!r} is {items[column].dtype}; positions in options are expected.")
    items = items.with_columns(
        pl.col("item_id", "category", "text").cast(pl.String), pl.col("label", "target").cast(pl.Int64)
    )
    for column in ("item_id", "category", "text", "options"):
        if items[column].null_count():
            row = items[column].is_null().arg_max()
            raise UserError(f"{where}: column {column!r} is empty in row {row} (from 0); every item needs one.")
    repeated = items.filter(pl.col("item_id").is_duplicated())
    if len(repeated):
        raise UserError(f"{where}: item_id {repeated['item_id'][0]!r} is there twice; every item has its own.")
    few = items.filter(
        (pl.col("options").list.len() < 2) | pl.col("options").list.eval(pl.element().is_null()).list.any()
    )
    if len(few):
        raise UserError(f"{where}: item {few['item_id'][0]!r} has fewer than two options, or an empty one.")
    for column in ("label", "target"):
        outside = items.filter((pl.col(column) < 0) | (pl.col(column) >= pl.col("options").list.len()))
        if len(outside):
            item = outside.row(0, named=True)
            raise UserError(
                f"{where}: item {item['item_id']!r} has {column} = {item[column]}, but its options are numbered from"
                f" 0 to {len(item['options']) - 1}."
            )
    return items
