"""A loss curve from whatever log a person has, and the same curve cleaned for a fit.

`read_curve` gives the points as they stand in the log; `clean` leaves out what no fit can use and counts it.
"""

import csv
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import UserError

if TYPE_CHECKING:
    import polars as pl

FEWEST_POINTS = 30  # fewer usable points than this are not fitted
STEP_NAMES = ("step", "_step", "global_step", "iteration")  # an axis so called counts optimiser steps
AXIS_NAMES = (*STEP_NAMES, "tokens")  # what the axis is looked for as, in this order
MISSING = ("", "null", "none", "na", "n/a", "-")  # cells that say that there is no value, in any case
READABLE = (
    "a table (.csv, .tsv), JSON lines (.jsonl), a trainer_state.json, a TensorBoard event file or folder,"
    " or a run's folder"
)
LISTED = 20  # names that an error lists at most
QUOTED = 60  # characters of a file that an error repeats at most

SAMPLE_SIZES = (400, 1600)  # W&B's `history()` gives about 500 rows, a plot at most 1500
UNEVEN_RATIO = 1.5  # neighbouring increments that differ by this factor are uneven...
UNEVEN_SHARE = 0.25  # ...and more than this share of them tells a random draw from a grid
ROUNDING = 1e-9  # increments below this part of the largest |x| are rounding, not steps

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """A loss over an axis, raw and in file order: `x` and `loss` are float64 arrays [n], NaN where a cell is missing.

    `x_name` and `metric` are what the log calls them. `unit` is how much of `x` is one step: 1.0 where the axis counts
    steps, tokens per step where those were given, None where `clean` has to guess. `settings` holds what the log knows
    of the training, with the names of our recipes (`settings["train"]["warmup"]`, `["steps"]`, `["schedule"]`).
    Raises ValueError where `x` and `loss` are not two vectors of one length.
    """

    x: Array
    loss: Array
    x_name: str = "step"
    metric: str = "loss"
    unit: float | None = 1.0
    source: str = "arrays"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        x, loss = np.asarray(self.x, dtype=float), np.asarray(self.loss, dtype=float)
        if x.ndim != 1 or x.shape != loss.shape:
            raise ValueError(f"A curve is two vectors of one length; x has shape {x.shape}, loss {loss.shape}.")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "loss", loss)


@dataclass(frozen=True)
class Flag:
    """Something a reader of the result has to know: a `code` for programs, a `message` for people."""

    code: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Cleaned:
    """The usable points of a curve. `x` [n] is in the units of the axis, `loss` [n] is finite and positive.

    `unit` is how much of `x` is one step, so `x / unit` counts steps. `n_raw` rows were read; `dropped` counts those
    left out as `nonfinite`, `nonpositive_step` or `repeated`, and n_raw = n + the three.
    """

    x: Array
    loss: Array
    unit: float
    unit_guessed: bool
    dropped: dict[str, int]
    flags: list[Flag]
    n_raw: int


def clean(curve: Curve, *, keep_order: bool = False) -> Cleaned:
    """The usable points of `curve`, sorted by x, with one loss for each x.

    In this order: rows without a finite x and loss are dropped, then rows with x <= 0 (log x is fitted), then all but
    the last in file order of rows with one x (a restart logs its steps again; a NaN logged again does not win). With
    `keep_order` (the published estimator's way) only the first of these is done and the file's order stays.

    Flags: `nonfinite_dropped`, `repeated_steps`, `unsorted`, `unit_guessed` (the unit is then the smallest increment of
    x) and `downsampled`, raised here where 400 to 1600 points remain and more than a quarter of neighbouring increments
    differ by a factor over 1.5: what W&B draws at random looks so (0.57 of them where every second row was drawn, 0.8
    where few were), while a regular grid has none and a log-spaced one a tenth. Too few points before t_d is for the
    fit to say, which knows t_d.

    Raises UserError for a loss <= 0, naming the first such row, and where no usable point is left.
    """
    finite = np.isfinite(curve.x) & np.isfinite(curve.loss)
    impossible = np.flatnonzero(finite & (curve.loss <= 0))
    if impossible.size:
        row = int(impossible[0])
        raise UserError(
            f"{curve.source}: every loss must be positive, but in row {row + 1} ({curve.x_name} {curve.x[row]:g})"
            f" {curve.metric} is {curve.loss[row]:g}."
        )
    x, loss = curve.x[finite], curve.loss[finite]
    in_order = not np.any(np.diff(x) < 0)
    dropped = {"nonfinite": int((~finite).sum()), "repeated": 0, "nonpositive_step": 0}
    if not keep_order:
        positive = x > 0
        dropped["nonpositive_step"] = int((~positive).sum())
        x, loss = x[positive], loss[positive]
        x, from_end = np.unique(x[::-1], return_index=True)
        dropped["repeated"] = loss.size - x.size
        loss = loss[loss.size - 1 - from_end]
    if not x.size:
        reason = "" if not finite.any() else f" with {curve.x_name} > 0"
        raise UserError(
            f"{curve.source}: none of the {curve.x.size} values of {curve.metric!r} is a finite number{reason};"
            f" at least {FEWEST_POINTS} are needed."
        )

    flags = []
    if dropped["nonfinite"]:
        flags.append(
            Flag("nonfinite_dropped", f"{_rows(dropped['nonfinite'], curve)} without a finite number were left out.")
        )
    repeated = x.size - np.unique(x).size if keep_order else dropped["repeated"]
    if repeated:
        kept = "all of them are fitted" if keep_order else "the last one logged counts"
        flags.append(Flag("repeated_steps", f"{_rows(repeated, curve)} repeat a {curve.x_name}; {kept}."))
    if not in_order:
        kept = "and were left so" if keep_order else "and were sorted"
        flags.append(Flag("unsorted", f"The rows were not in the order of {curve.x_name} {kept}."))
    if not keep_order and _drawn_at_random(x):
        flags.append(
            Flag(
                "downsampled",
                f"{x.size} unevenly spaced points look like a random sample of the log (W&B's history() draws about"
                " 500, its plots up to 1500); the whole log gives a better fit.",
            )
        )
    unit = _smallest_increment(x) if curve.unit is None else curve.unit
    if curve.unit is None:
        flags.append(
            Flag(
                "unit_guessed",
                f"One step was taken to be {unit:g} of {curve.x_name}, its smallest increment; steps scale with it.",
            )
        )
    return Cleaned(x, loss, float(unit), curve.unit is None, dropped, flags, curve.x.size)


def _rows(count: int, curve: Curve) -> str:
    return f"{count} of {curve.x.size} rows"


def _smallest_increment(x: Array) -> float:
    increments = np.diff(np.unique(x))
    increments = increments[increments > ROUNDING * np.abs(x).max()]
    return float(increments.min()) if increments.size else 1.0


def _drawn_at_random(x: Array) -> bool:
    if not SAMPLE_SIZES[0] <= x.size <= SAMPLE_SIZES[1]:
        return False
    increments = np.diff(x)
    ratio = increments[1:] / increments[:-1]
    return bool(np.mean((ratio > UNEVEN_RATIO) | (ratio < 1 / UNEVEN_RATIO)) > UNEVEN_SHARE)


# -- reading -------------------------------------------------------------------------------------------------------


def read_curve(
    source: str | Path,
    metric: str | None = None,
    x: str | None = None,
    tokens_per_step: float | None = None,
) -> Curve:
    """The loss curve in `source`, told by what it is (names and content, gzipped or not):

    * a table with a header line: comma, tab or semicolon. W&B's CSV export is one: `..__MIN` and `..__MAX` are left
      aside and the metric may be named with or without its run (`name - train/loss`);
    * JSON lines, an object each: the rows that hold the metric are the curve;
    * Hugging Face's `trainer_state.json`, its folder, a checkpoint's folder or the folder of several checkpoints (the
      newest, which holds the whole history). The metric is `loss` unless another is asked for: `eval_loss` and
      `train_loss` stand beside it. Warm-up is read off the logged learning rate (the step of its first maximum);
    * a TensorBoard event file, or a folder with the event files of one run, below it at any depth: every scalar, old
      style or new. Steps that the writer itself purged (`purge_step`) are gone. TensorBoard stores float32;
    * a run of ours: a metric is `loss`, or `STAGE/loss` where several stages have one. Stage `train` is taken where it
      has a finite loss (a `dynamics train` run, whose probe rows are not its curve), else the only stage that has
      one; a post-training run has several (`warm_start/loss`, `rl/loss`, `control/loss`), which are different
      quantities, so nothing is guessed and `metric` is asked for. `x` counts the run's own steps. `settings["train"]`
      are those of the stage that was read.

    The metric is otherwise the only column with "loss" in its name; the axis is `x`, or the first column there is of
    step, _step, global_step, iteration and tokens (any case, also as `trainer/global_step`). `unit` is
    `tokens_per_step` where given, 1 where the axis counts steps, else None. Cells that are empty, null, NaN or infinite
    become NaN or infinite, and a header repeated among the rows NaN: `clean` counts them. Nothing else is left out.

    Raises UserError for what cannot be read, for a cell that is no number, and where metric or axis are not clear, with
    the names there are and the option that chooses one.
    """
    if tokens_per_step is not None and not (math.isfinite(tokens_per_step) and tokens_per_step > 0):
        raise UserError(f"--tokens-per-step = {tokens_per_step:g}, but it should be a number above 0.")
    path = _found(Path(source))
    log = _folder(path, metric, x) if path.is_dir() else _file(path, metric, x)
    counts_steps = _last_part(log.x_name) in STEP_NAMES
    unit = float(tokens_per_step) if tokens_per_step is not None else 1.0 if counts_steps else None
    return Curve(log.x, log.loss, log.x_name, log.metric, unit, str(source), log.settings)


@dataclass(frozen=True, eq=False)
class _Log:
    """What a reader found: the parts of a Curve that do not depend on what was asked."""

    x_name: str
    x: Array
    metric: str
    loss: Array
    settings: dict[str, Any] = field(default_factory=dict)


def _found(path: Path) -> Path:
    """`path`, or the run of that id below runs/, as for the other commands."""
    if path.exists():
        return path
    if _is_run(Path("runs") / path):
        return Path("runs") / path
    raise UserError(f"{path}: there is no such file or folder; {READABLE} is expected.")


def _is_run(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / "recipe.toml").is_file()


def _folder(folder: Path, metric: str | None, x: str | None) -> _Log:
    if _is_run(folder):
        return _run(folder, metric, x)
    if (state := _newest_state(folder)) is not None:
        return _trainer_state(state, _text(state), metric, x)
    if files := sorted(path for path in folder.rglob("*tfevents*") if path.is_file()):
        return _tensorboard(folder, files, metric, x)
    there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    raise UserError(
        f"{folder}: this folder is no run, and holds no trainer_state.json and no TensorBoard event files;"
        + (f" it holds {_listed(there)}, and a single file can be given." if there else " it is empty.")
    )


def _newest_state(folder: Path) -> Path | None:
    """The `trainer_state.json` of a folder or of its newest `checkpoint-STEP`; a later one holds the earlier's rows."""
    if (own := folder / "trainer_state.json").is_file():
        return own
    steps = {
        int(path.parent.name.removeprefix("checkpoint-")): path
        for path in folder.glob("checkpoint-*/trainer_state.json")
        if path.parent.name.removeprefix("checkpoint-").isdigit()
    }
    return steps[max(steps)] if steps else None


def _file(path: Path, metric: str | None, x: str | None) -> _Log:
    if "tfevents" in path.name:
        return _tensorboard(path, [path], metric, x)
    if path.name == "metrics.jsonl" and _is_run(path.parent):
        return _run(path.parent, metric, x)
    text = _text(path)
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending in (".csv", ".tsv") or (ending not in (".jsonl", ".json") and text.lstrip()[:1] not in ("{", "[")):
        return _table(path, text, metric, x)
    if ending == ".jsonl" or _is_row(text):
        return _from_rows(path, _json_lines(path, text), metric, x)
    return _trainer_state(path, text, metric, x)


def _text(path: Path) -> str:
    """What a file says, unpacked where it is gzipped."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as fault:  # gzip's own BadGzipFile is an OSError
        raise UserError(f"{path}: this file could not be read: {fault}.") from fault
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UserError(f"{path}: this is a binary file, not UTF-8 text; {READABLE} is expected.") from fault
    if "\0" in text:
        raise UserError(f"{path}: this is a binary file, not UTF-8 text; {READABLE} is expected.")
    if not text.strip():
        raise UserError(f"{path}: this file is empty; {READABLE} is expected.")
    return text


# -- which columns ---------------------------------------------------------------------------------------------------


def _metric_of(source: Path, names: Sequence[str], asked: str | None) -> str:
    """The column that is `asked` for, or the only one with "loss" in its name; `RUN - METRIC` are W&B's names."""
    if asked in names:
        return str(asked)
    found = [name for name in names if _could_be(name, asked)]
    if len(found) == 1:
        return found[0]
    if not found:
        problem = "no column has 'loss' in its name" if asked is None else f"there is no column {asked!r}"
        raise UserError(f"{source}: {problem}; name one of {_listed(names)} with --metric.")
    one_metric = len({_without_run(name) for name in found}) == 1
    what = "this export holds several runs" if one_metric else "several columns have 'loss' in their name"
    raise UserError(f"{source}: {what}; name one of {_listed(found)} with --metric.")


def _could_be(name: str, asked: str | None) -> bool:
    return "loss" in _without_run(name).casefold() if asked is None else asked in (name, _without_run(name))


def _without_run(name: str) -> str:
    return name.rsplit(" - ", 1)[-1]


def _axis_of(source: Path, names: Sequence[str], asked: str | None) -> str:
    if asked is not None:
        if asked in names:
            return asked
        raise UserError(f"{source}: there is no column {asked!r}; name one of {_listed(names)} with --x.")
    for spelling in (str.casefold, _last_part):
        for wanted in AXIS_NAMES:
            if found := [name for name in names if spelling(name) == wanted]:
                return found[0]
    raise UserError(
        f"{source}: no column is called {', '.join(AXIS_NAMES)}; name one of {_listed(names)} as the axis with --x."
    )


def _last_part(name: str) -> str:
    return name.rsplit("/", 1)[-1].casefold()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(repr(name) for name in names[:LISTED]) + more


# -- numbers ---------------------------------------------------------------------------------------------------------


def _numbers(source: Path, name: str, cells: Sequence[Any]) -> Array:
    """JSON values as float64; null is NaN, text is read as in a table."""
    import polars as pl

    if all(cell is None or type(cell) in (int, float) for cell in cells):
        try:
            return np.array(cells, dtype=float)
        except OverflowError:  # an integer beyond float64, which read as text is infinite
            pass
    texts = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
    return _text_numbers(source, name, pl.Series(texts, dtype=pl.String))


def _text_numbers(source: Path, name: str, cells: "pl.Series") -> Array:
    """Cells of text as float64. No value, and the column's own name (a header written again), are NaN."""
    import polars as pl

    stripped = cells.str.strip_chars()
    numbers = stripped.cast(pl.Float64, strict=False)
    words = (numbers.is_null() & ~stripped.str.to_lowercase().is_in([*MISSING, name.lower()])).fill_null(False)
    if words.any():
        row = words.arg_max() or 0
        good = int(numbers.is_finite().sum())
        raise UserError(
            f"{source}: row {row + 1} of {name!r} holds {stripped[row][:QUOTED]!r}, which is no number; {good} of its"
            f" {len(words)} cells are (at least {FEWEST_POINTS} are needed), and a cell without a value is left empty."
        )
    return numbers.fill_null(math.nan).to_numpy()


# -- tables ----------------------------------------------------------------------------------------------------------


def _table(path: Path, text: str, metric: str | None, x: str | None) -> _Log:
    import polars as pl

    header = text.lstrip().partition("\n")[0]
    bare = re.sub(r'"[^"]*"', "", header)
    separator = max(",\t;", key=bare.count)
    options: dict[str, Any] = {"separator": separator, "infer_schema": False}
    data = text.encode()
    try:
        names = pl.read_csv(io.BytesIO(data), n_rows=0, **options).columns
        if all(_is_number(name) for name in names):
            raise UserError(f"{path}: the first line holds numbers; a header that names the columns is expected there.")
        bands = {name + end for name in names for end in ("__MIN", "__MAX")}  # W&B's, beside the column itself
        names = [name for name in names if name not in bands]
        metric, x = _metric_of(path, names, metric), _axis_of(path, names, x)
        frame = pl.read_csv(io.BytesIO(data), columns=list(dict.fromkeys((x, metric))), **options)
    except pl.exceptions.ComputeError as fault:
        raise UserError(f"{path}: {_ragged(text, separator) or str(fault).splitlines()[0][:QUOTED]}.") from fault
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines
    if not frame.height:
        raise UserError(f"{path}: there is a header and no row below it.")
    return _Log(x, _text_numbers(path, x, frame[x]), metric, _text_numbers(path, metric, frame[metric]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _ragged(text: str, separator: str) -> str | None:
    """Which line of a table has more cells than the header."""
    lines = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        columns = len(next(line for line in lines if line))
        for line in lines:
            if len(line) > columns:
                return f"line {lines.line_num} has {len(line)} cells under a header of {columns} columns"
    except csv.Error:  # broken in another way, for which Polars has the reason
        pass
    return None


# -- JSON ------------------------------------------------------------------------------------------------------------


def _is_row(text: str) -> bool:
    """Whether the first line alone is a row of JSON lines, and not a whole `trainer_state.json`."""
    try:
        first = json.loads(text.lstrip().partition("\n")[0])
    except ValueError:
        return False
    return isinstance(first, dict) and "log_history" not in first


def _json_lines(path: Path, text: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            row = json.loads(line)
        except ValueError as fault:
            raise UserError(f"{path}:{number}: this line is not valid JSON: {fault}.") from fault
        if not isinstance(row, dict):
            raise UserError(
                f"{path}:{number}: an object with names and values is expected, not {line.strip()[:QUOTED]!r}."
            )
        rows.append(row)
    return rows


def _from_rows(path: Path, rows: Sequence[dict[str, Any]], metric: str | None, x: str | None) -> _Log:
    """The rows that hold the metric, whatever else stands between them."""
    metric = _metric_of(path, _names(rows), metric)
    holding = [row for row in rows if metric in row]
    x = _axis_of(path, _names(holding), x)
    xs, losses = [row.get(x) for row in holding], [row[metric] for row in holding]
    return _Log(x, _numbers(path, x, xs), metric, _numbers(path, metric, losses))


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _trainer_state(path: Path, text: str, metric: str | None, x: str | None) -> _Log:
    try:
        state = json.loads(text)
    except ValueError as fault:
        raise UserError(f"{path}: this is not valid JSON: {fault}.") from fault
    rows = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: this JSON has no log_history with rows, so it is no trainer_state.json.")
    if not rows:
        raise UserError(f"{path}: its log_history is empty; a run that logged its loss is expected.")
    if metric is None and any("loss" in row for row in rows):
        metric = "loss"
    log = _from_rows(path, rows, metric, x)
    train = {"steps": state.get("max_steps"), "warmup": _logged_warmup(rows)}
    known = {name: value for name, value in train.items() if isinstance(value, int) and value >= 0}
    return _Log(log.x_name, log.x, log.metric, log.loss, {"train": known} if known else {})


def _logged_warmup(rows: Sequence[dict[str, Any]]) -> int | None:
    """The first step at which the learning rate was highest, 0 where it never rose; None where it was not logged."""
    rates = [(row["learning_rate"], row["step"]) for row in rows if row.keys() >= {"learning_rate", "step"}]
    if not rates or not all(isinstance(value, int | float) for pair in rates for value in pair):
        return None
    highest = max(rate for rate, _ in rates)
    first = next(place for place, (rate, _) in enumerate(rates) if rate == highest)
    return int(rates[first][1]) if first else 0


# -- a run of ours ---------------------------------------------------------------------------------------------------


def _run(folder: Path, metric: str | None, x: str | None) -> _Log:
    from gnomon.runs.store import open_run

    file = folder / "metrics.jsonl"
    text = _text(file) if file.is_file() else ""
    whole = text[: text.rfind("\n") + 1]  # a run that still goes on, or was killed, may end in half a line
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for row in _json_lines(file, whole):
        by_stage.setdefault(str(row.get("stage", "train")), []).append(row)
    available = {
        f"{stage}/{key}": (stage, key)
        for stage, rows in by_stage.items()
        for key in _names(rows)
        if key not in ("step", "time") and any(type(row.get(key)) in (int, float) for row in rows)
    }
    wanted = metric or "loss"
    candidates = [available[wanted]] if wanted in available else [at for at in available.values() if at[1] == wanted]
    candidates = [at for at in candidates if at[0] == "train"] or candidates
    if len(candidates) != 1:
        several = [f"{stage}/{key}" for stage, key in candidates]
        problem = f"several stages of this run have {wanted!r}" if several else f"this run logged no {wanted!r}"
        if not available:
            raise UserError(f"{folder}: {problem}, nor anything else.")
        raise UserError(f"{folder}: {problem}; name one of {_listed(several or list(available))} with --metric.")
    stage, key = candidates[0]
    log = _from_rows(folder, by_stage[stage], key, x)
    settings = open_run(folder).settings
    if stage not in ("train", "rl"):  # [train] is what those two follow
        settings = {**settings, "train": settings.get(stage, {})}
    return _Log(log.x_name, log.x, key if stage == "train" else f"{stage}/{key}", log.loss, settings)


# -- TensorBoard -----------------------------------------------------------------------------------------------------


def _tensorboard(source: Path, files: Sequence[Path], metric: str | None, x: str | None) -> _Log:
    """Every scalar of the one run in `source` that has the metric."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as missing:
        raise UserError(
            f"{source}: reading TensorBoard's files needs a package that is not here ({missing.name});"
            " pip install 'gnomon[trackers]' brings it."
        ) from missing

    runs: dict[Path, tuple[Any, list[str]]] = {}
    for place in [source] if source.is_file() else dict.fromkeys(file.parent for file in files):
        # 0 keeps every value; the default keeps 10,000, drawn at random.
        events = EventAccumulator(str(place), size_guidance={"scalars": 0, "tensors": 0}).Reload()
        runs[place] = (events, _scalar_names(events))
    names = list(dict.fromkeys(name for _, scalars in runs.values() for name in scalars))
    if not names:
        raise UserError(f"{source}: there is no scalar in its TensorBoard event files.")
    holding = {place: run for place, run in runs.items() if any(_could_be(name, metric) for name in run[1])}
    if len(holding) > 1:
        folders = _listed([str(place) for place in holding])
        raise UserError(f"{source}: this folder holds several runs; give one of {folders} as the source.")
    events, scalars = next(iter(holding.values()), (None, names))
    metric = _metric_of(source, scalars, metric)
    _axis_of(source, ["step"], x)
    steps, losses = _scalars(events, metric)
    back_to_start = (np.diff(steps) < 0) & (steps[1:] <= steps[0])
    if back_to_start.any() and source.is_dir():
        here = [str(file) for file in files if file.parent in holding]
        if len(here) > 1:
            raise UserError(
                f"{source}: {metric!r} begins anew at step {steps[0]:g}, so its event files hold several runs; give"
                f" one of {_listed(here)} as the source."
            )
    return _Log("step", steps, metric, losses)


def _scalar_names(events: Any) -> list[str]:
    """Old-style scalars, and those tensors which are new-style ones (texts and images are tensors too)."""
    tags = events.Tags()
    new = [name for name in tags["tensors"] if events.SummaryMetadata(name).plugin_data.plugin_name == "scalars"]
    return [*tags["scalars"], *new]


def _scalars(events: Any, name: str) -> tuple[Array, Array]:
    from tensorboard.util.tensor_util import make_ndarray

    if name in events.Tags()["scalars"]:
        values = [(event.step, event.value) for event in events.Scalars(name)]
    else:
        values = [(event.step, make_ndarray(event.tensor_proto).item()) for event in events.Tensors(name)]
    table = np.array(values, dtype=float)
    return table[:, 0], table[:, 1]
