"""Tables of losses: one row for each token, sequence or example, before and after, matched by their ids.

Columns: `id`, `loss`, and where wanted `group` (or the column `--group` names), `sequence` (which sequence a token
belongs to, so that intervals resample whole sequences) and `unit` (checked against the unit that was asked for).
CSV and TSV (also gzipped), JSON lines and Parquet. Ids are compared as text and never read as numbers.
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.dynamics.changes import Changes
from gnomon.errors import UserError

if TYPE_CHECKING:
    import polars as pl

FORMATS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl", ".parquet")


def is_table(path: Path) -> bool:
    """Whether a file is a table of losses, by its name."""
    return path.name.lower().endswith(FORMATS)


def read_changes(before: Path, after: Path, *, unit: str, group: str | None = None) -> Changes:
    """The losses of two tables, matched by id in the order of `before`.

    Raises UserError where a file is no such table, and, with the first three ids and their number, where ids are
    missing, repeated or different, or a loss is not a finite number.
    """
    first, second = (_read(path, unit, group) for path in (before, after))
    if group is not None and group not in first.columns and group not in second.columns:
        raise UserError(
            f"--group {group}: neither table has that column; {before} has {_listed(_parse(before).columns)}."
        )
    for one, other, path, lacking in ((first, second, before, after), (second, first, after, before)):
        if len(alone := one.join(other, on="id", how="anti", maintain_order="left")["id"]):
            raise UserError(
                f"{_ids(alone.to_list())} of {path} {'are' if len(alone) > 1 else 'is'} not in {lacking}; the same ids"
                " are expected in both tables."
            )
    both = first.join(second, on="id", how="inner", suffix="_after", maintain_order="left")
    return Changes(
        ids=both["id"].to_list(),
        before=both["loss"].to_numpy().copy(),
        after=both["loss_after"].to_numpy().copy(),
        groups=_label(both, group or "group", before, after),
        clusters=_label(both, "sequence", before, after),
    )


def _label(both: "pl.DataFrame", name: str, before: Path, after: Path) -> list[str] | None:
    """The labels of a column that one of the tables or both have; what is empty is `(none)`."""
    import polars as pl

    there = [column for column in (name, f"{name}_after") if column in both.columns]
    if not there:
        return None
    if len(there) == 2:
        different = both.filter(pl.col(there[0]).ne_missing(pl.col(there[1])))["id"].to_list()
        if different:
            raise UserError(
                f"{_ids(different)} {'have' if len(different) > 1 else 'has'} one {name!r} in {before} and another in"
                f" {after}; a thing belongs to one."
            )
    return both[there[0]].fill_null("(none)").to_list()


def _read(path: Path, unit: str, group: str | None) -> "pl.DataFrame":
    """A table as columns id (text), loss (float64) and those of its labels that it has (text)."""
    import polars as pl

    if not path.is_file():
        raise UserError(f"There is no table {str(path)!r}; a file with the columns id and loss is expected.")
    table = _parse(path)
    for name in ("id", "loss"):
        if name not in table.columns:
            raise UserError(f"{path} has no column {name!r}; its columns are {_listed(table.columns)}.")
    if table.is_empty():
        raise UserError(f"{path} has columns but no rows; one row for each {unit} is expected.")
    nested = [name for name, kind in table.schema.items() if kind.is_nested()]
    wanted = [name for name in ("id", "loss", group or "group", "sequence", "unit") if name in table.columns]
    if wrong := [name for name in wanted if name in nested]:
        raise UserError(f"{path}: column {wrong[0]!r} holds lists or objects; one value a row is expected.")
    texts = table.select(pl.col(wanted).cast(pl.String).replace("", None))
    if rows := (texts["id"].is_null().arg_true() + 1).to_list():
        listed = ", ".join(map(str, rows[:3])) + (" and others" if len(rows) > 3 else "")
        raise UserError(f"{path}: {len(rows)} {'rows have' if len(rows) > 1 else 'row has'} no id: row {listed}.")
    repeated = texts.filter(pl.col("id").is_duplicated())["id"].unique(maintain_order=True).to_list()
    if repeated:
        raise UserError(
            f"{path}: {_ids(repeated)} {'stand' if len(repeated) > 1 else 'stands'} there more than once; each id once"
            " is expected."
        )
    kept_exactly = table.schema["loss"].is_float()
    losses = (
        table["loss"].cast(pl.Float64)
        if kept_exactly
        else texts["loss"].str.strip_chars().cast(pl.Float64, strict=False)
    )
    wrong_ids = texts["id"].filter(~losses.is_finite().fill_null(False)).to_list()
    if wrong_ids:
        raise UserError(
            f"{path}: the loss of {_ids(wrong_ids)} is no finite number; a number is expected in every row."
        )
    if "unit" in wanted and (other := [name for name in texts["unit"].unique() if name != unit]):
        raise UserError(
            f"{path} holds losses of unit {other[0]!r}, but --unit says {unit!r}; different units are never compared."
        )
    return texts.with_columns(losses.alias("loss")).drop("unit", strict=False)


def _parse(path: Path) -> "pl.DataFrame":
    import polars as pl

    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            return pl.read_parquet(path)
        if name.endswith(".jsonl"):
            return _parse_lines(path)
        separator = "\t" if ".tsv" in name[-7:] else ","
        return pl.read_csv(path, separator=separator, infer_schema=False).rename(str.strip)
    except pl.exceptions.NoDataError as empty:
        raise UserError(f"{path} is empty; a header with id and loss, and a row for each id, are expected.") from empty
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as fault:
        reason = " ".join(str(fault).split("\n\n")[0].split())[:200]
        raise UserError(f"{path} could not be read as a table: {reason}.") from fault


def _parse_lines(path: Path) -> "pl.DataFrame":
    import polars as pl

    rows = []
    for number, row in json_lines(path):
        if "id" not in row or "loss" not in row:
            lacking = "id" if "id" not in row else "loss"
            raise UserError(f"{path}:{number}: this row has no {lacking!r}; its keys are {', '.join(row) or 'none'}.")
        if isinstance(row["loss"], bool) or not isinstance(row["loss"], int | float | str | None):
            raise UserError(f"{path}:{number}: loss = {row['loss']!r} is no number.")
        rows.append({key: _text(value) for key, value in row.items()})
    if not rows:
        raise UserError(f"{path} is empty; one JSON object with id and loss a line is expected.")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in columns}, schema=dict.fromkeys(columns, pl.String)
    )


def write_changes(changes: Changes, path: Path) -> None:
    """Write both losses, the change and the labels of every row as a Parquet table."""
    import io

    import polars as pl

    from gnomon.runs.files import write_atomic

    columns: dict[str, Any] = {"id": changes.ids, "before": changes.before, "after": changes.after, "change": changes.z}
    labels = {"group": changes.groups, "sequence": changes.clusters}
    columns |= {name: held for name, held in labels.items() if held is not None}
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    write_atomic(path, buffer.getvalue())


def json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a JSON-lines file with their line numbers. Raises UserError naming a line that is none."""
    rows = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise UserError(f"{path} is not text in UTF-8; one JSON object a line is expected.") from fault
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as fault:
            raise UserError(f"{path}:{number}: this line is not JSON ({fault.msg}).") from fault
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}: a JSON object is expected on each line, not {line.strip()[:40]!r}.")
        rows.append((number, row))
    return rows


def _text(value: Any) -> str | None:
    """A JSON value as the text it stands for; numbers keep every digit."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _listed(columns: list[str]) -> str:
    return ", ".join(repr(name[:40]) for name in columns[:20]) or "none"


def _ids(ids: list[str]) -> str:
    """The first three ids, and how many there are."""
    shown = ", ".join(repr(name) for name in ids[:3])
    return f"id {shown}" if len(ids) == 1 else f"{len(ids)} ids ({shown}{', ...' if len(ids) > 3 else ''})"
