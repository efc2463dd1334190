"""From scored cases to figures: tables of cases, means with intervals over patients, two folders, two models.

A row is one class of one case, the scores of `metrics.score` beside their names. The rows are what is stored; means
are made of them under the two policies, and every mean says how many values it rests on and how many were undefined.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.progress import Progress
from gnomon.seeds import derive
from gnomon.segment.metrics import (
    DISTANCES,
    HD95,
    METRICS,
    OVERLAPS,
    STATUSES,
    check_spacing,
    check_tolerance,
    diagonal,
    score,
)
from gnomon.segment.output import require_free, whole_folder
from gnomon.stats import Estimate

Row = dict[str, Any]
"""One class of one case: `COLUMNS` by name. Scores that are undefined are NaN."""

COLUMNS = ("case", "group", "class", *METRICS, "status", "n_prediction", "n_truth", "diagonal")

BOTH_EMPTY = ("exclude", "one")
MISSED = ("exclude", "diagonal")

METHOD = "bootstrap-percentile"


# -- rows ------------------------------------------------------------------------------------------------------------


def score_case(
    case: str,
    prediction: Any,
    truth: Any,
    *,
    labels: Mapping[str, int],
    group: str | None = None,
    spacing: Sequence[float] | None = None,
    tolerance: float = 2.0,
) -> list[Row]:
    """The rows of one case: one for each of `labels` but the first, the background.

    `prediction` and `truth` hold file values, which `labels` names; the rest as in `metrics.score`. A case without
    `group` is a group of its own.
    """
    foreground = dict(list(labels.items())[1:])
    scores = score(prediction, truth, classes=foreground.values(), spacing=spacing, tolerance=tolerance)
    across = diagonal(np.shape(truth), spacing)
    return [
        {
            "case": case,
            "group": case if group is None else group,
            "class": name,
            **{metric: getattr(scores[value], metric) for metric in METRICS},
            "status": scores[value].status,
            "n_prediction": scores[value].n_prediction,
            "n_truth": scores[value].n_truth,
            "diagonal": across,
        }
        for name, value in foreground.items()
    ]


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as CSV; an undefined score is an empty cell. Numbers are read back as they were."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = (row[column] for column in COLUMNS)
        writer.writerow(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells])
    write_atomic(path, text.getvalue())


def read_rows(path: Path) -> list[Row]:
    """The rows that `write_rows` wrote. Raises UserError, with the line, for what is no such table."""
    if not path.is_file():
        raise UserError(f"There is no table {str(path)!r}; the per_case.csv of an evaluation is expected.")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            lacking = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if lacking:
                raise UserError(f"{path} has no column {lacking[0]!r}; the columns {', '.join(COLUMNS)} are expected.")
            return [_row(cells, f"{path}:{reader.line_num}") for cells in reader]
    except (UnicodeDecodeError, csv.Error) as fault:
        raise _no_table(path, fault) from fault


def _no_table(path: Path, fault: Exception) -> UserError:
    return UserError(f"{path} could not be read as a CSV table in UTF-8 ({fault}).")


def _row(cells: dict[str, str], where: str) -> Row:
    row: Row = {name: cells[name] for name in ("case", "group", "class", "status")}
    if row["status"] not in STATUSES:
        raise UserError(f"{where}: status is {row['status']!r}; one of {', '.join(STATUSES)} is expected.")
    for name in (*METRICS, "n_prediction", "n_truth", "diagonal"):
        kind: type = int if name.startswith("n_") else float
        try:
            row[name] = math.nan if name in METRICS and cells[name] == "" else kind(cells[name])
        except (TypeError, ValueError):
            raise UserError(f"{where}: {name} is {cells[name]!r}; a number is expected.") from None
    return {name: row[name] for name in COLUMNS}


# -- means -----------------------------------------------------------------------------------------------------------


def summarise(
    rows: Sequence[Row],
    *,
    classes: Iterable[str],
    both_empty: str = "exclude",
    missed: str = "exclude",
    seed: int = 0,
    unit: str = "pixels",
    tolerance: float = 2.0,
) -> dict[str, Any]:
    """Means over cases for each of `classes` (names, without background), ready for JSON.

    - `cases` (how many), `unit` of HD95 and ASSD, `policy`;
    - `classes.NAME.{dice,iou,hd95,assd,nsd}`: a mean over cases as an `Estimate` with `n`, the values it rests on, and
      `n_undefined`, those left out; `classes.NAME.{n_both_empty,n_missed,n_spurious}`;
    - `mean_dice`: the mean over classes of their mean Dice, classes that are undefined throughout left out; `n` and
      `n_undefined` count values of all classes.

    Intervals are bootstrapped over groups (patients), which are drawn whole, those without a defined value too; where
    fewer than two groups have one there is no interval. Under `both_empty="one"` Dice and IoU of a class that is empty
    on both sides count as 1; under `missed="diagonal"` HD95 and ASSD of a class that is empty on one side count as the
    image's physical diagonal. `unit` and `tolerance` are those the rows were scored with, to be printed.

    Raises UserError for an unknown policy and for a row of a class that is not asked for.
    """
    names = list(classes)
    _check_policies(both_empty, missed)
    if foreign := [row for row in rows if row["class"] not in names]:
        raise UserError(
            f"case {foreign[0]['case']!r} has a score of class {foreign[0]['class']!r}; the classes are"
            f" {', '.join(names)}."
        )
    counted = [_under_policy(row, both_empty, missed) for row in rows]
    by_class = {name: [row for row in counted if row["class"] == name] for name in names}
    return {
        "cases": len({row["case"] for row in rows}),
        "unit": unit,
        "policy": {
            "both_empty": both_empty,
            "missed": missed,
            "tolerance": tolerance,
            "hd95": HD95,
            "interval": "bootstrap over groups",
        },
        "classes": {
            name: {
                **{metric: _mean({name: own}, metric, derive(seed, "evaluate", name, metric)) for metric in METRICS},
                "n_both_empty": _count(own, "both_empty"),
                "n_missed": _count(own, "prediction_empty"),
                "n_spurious": _count(own, "truth_empty"),
            }
            for name, own in by_class.items()
        },
        "mean_dice": _mean(by_class, "dice", derive(seed, "evaluate", "mean_dice")),
    }


def _check_policies(both_empty: str, missed: str) -> None:
    for option, value, allowed in (("both-empty", both_empty, BOTH_EMPTY), ("missed", missed, MISSED)):
        if value not in allowed:
            raise UserError(f"--{option} {value}: there is {' and '.join(allowed)}.")


def _under_policy(row: Row, both_empty: str, missed: str) -> Row:
    """A row with what the policies count in the place of what is undefined."""
    if both_empty == "one" and row["status"] == "both_empty":
        return row | dict.fromkeys(OVERLAPS, 1.0)
    if missed == "diagonal" and row["status"] in ("prediction_empty", "truth_empty"):
        return row | dict.fromkeys(DISTANCES, row["diagonal"])
    return row


def _count(rows: Sequence[Row], status: str) -> int:
    return sum(row["status"] == status for row in rows)


def _mean(by_class: Mapping[str, Sequence[Row]], metric: str, seed: int) -> dict[str, Any]:
    """The mean over classes of the means over rows, its bootstrap interval over groups, and both counts."""
    from gnomon.stats.resample import bootstrap

    rows = [row for own in by_class.values() for row in own]
    defined = [row for row in rows if math.isfinite(row[metric])]
    known = sorted({row["class"] for row in defined})
    groups = {row["group"] for row in defined}

    def mean(totals: np.ndarray) -> np.ndarray:
        return np.asarray((totals[:, : len(known)] / totals[:, len(known) :]).mean(1))

    # The first half of the columns sums the values of each class, the second half counts them.
    sums = np.zeros((len(rows), 2 * len(known)))
    for i, row in enumerate(rows):
        if math.isfinite(row[metric]):
            column = known.index(row["class"])
            sums[i, [column, len(known) + column]] = row[metric], 1
    if not defined:
        found = Estimate(None, None, None, 0, METHOD, reason="no defined values")
    elif len(groups) == 1:
        value = float(mean(sums.sum(0)[None])[0])
        found = Estimate(value, None, None, len(defined), METHOD, n_clusters=1, reason="one group has no interval")
    else:
        found = bootstrap(sums, mean, cluster=[row["group"] for row in rows], seed=seed)
    return {**found.to_dict(), "n": len(defined), "n_undefined": len(rows) - len(defined)}


# -- two folders -----------------------------------------------------------------------------------------------------


def evaluate(
    predictions: str | Path,
    truth: str | Path,
    *,
    labels: Mapping[str, int] | None = None,
    group: str | None = None,
    spacing: Sequence[float] | None = None,
    tolerance: float = 2.0,
    both_empty: str = "exclude",
    missed: str = "exclude",
    by: str | Path | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a folder of predicted masks against a folder of true ones, matched by file name without extension.

    `labels` names the file values, the background first; without it the values must be 0 to K - 1 and are their own
    names. `spacing`, (x, y, z) of volumes and (x, y) of pictures, whose width x is their second axis, stands in for
    that of the files; where neither is known, distances are in pixels. `group` is a
    regular expression whose first capture on a file's name is its patient; without it every case is one. `by` is a CSV
    table that assigns cases (column `id`) to subgroups, which are then summarised one by one as well.

    Returns what `summarise` does, and under `groups` the same for each subgroup of `by`. With `out`, a folder that is
    new or empty, `evaluation.json` and the rows as `per_case.csv` are written there. All masks are checked before the
    first is scored. Raises UserError, and writes nothing, for a mask without a partner, shapes or affines that differ,
    values that are not declared, a spacing of another number of axes, spacing known of some masks only, a case that is
    missing in `by`.
    """
    from gnomon.segment.reading import Case, group_of, read_mask

    shown = Progress(quiet=True) if progress is None else progress
    _check_policies(both_empty, missed)
    check_tolerance(tolerance, "--tolerance")
    if out is not None:
        require_free(out)
    pairs = _matched(Path(predictions), Path(truth))
    groups = group_of([Case(case, (predicted,), true) for case, (predicted, true) in pairs.items()], group)
    subgroups = None if by is None else _subgroups(Path(by), list(pairs))
    declared, spacings = _checked(pairs, labels, spacing, shown)
    unit = "pixels" if next(iter(spacings.values())) is None else "mm"
    rows: list[Row] = []
    with shown.stage("score", len(pairs), 0) as show:
        for done, (case, (predicted, true)) in enumerate(pairs.items(), start=1):
            rows += score_case(
                case,
                read_mask(predicted)[0],
                read_mask(true)[0],
                labels=declared,
                group=groups[case],
                spacing=spacings[case],
                tolerance=tolerance,
            )
            show(done, case)

    def summary(own: Sequence[Row]) -> dict[str, Any]:
        return summarise(
            own,
            classes=list(declared)[1:],
            both_empty=both_empty,
            missed=missed,
            seed=seed,
            unit=unit,
            tolerance=tolerance,
        )

    result = summary(rows)
    if subgroups is not None:
        names = sorted(set(subgroups.values()))
        result["groups"] = {name: summary([row for row in rows if subgroups[row["case"]] == name]) for name in names}
    if out is not None:
        with whole_folder(Path(out)) as making:
            write_rows(rows, making / "per_case.csv")
            write_atomic(making / "evaluation.json", to_json(result) + "\n")
    return result


def _matched(predictions: Path, truth: Path) -> dict[str, tuple[Path, Path]]:
    """Both masks of every case, by name."""
    from gnomon.segment.reading import find_images

    predicted, true = find_images(predictions), find_images(truth)
    for own, others, folder in ((true, predicted, predictions), (predicted, true, truth)):
        if alone := [name for name in own if name not in others]:
            more = f" (and {len(alone) - 1} more have none)" if len(alone) > 1 else ""
            raise UserError(
                f"{own[alone[0]]} has no partner in {folder}{more}; a mask named {alone[0]!r} is expected there."
            )
    return {name: (predicted[name], true[name]) for name in true}


def _checked(
    pairs: Mapping[str, tuple[Path, Path]],
    labels: Mapping[str, int] | None,
    spacing: Sequence[float] | None,
    progress: Progress,
) -> tuple[dict[str, int], dict[str, tuple[float, ...] | None]]:
    """The labels in force and each case's spacing, once every mask has been read and fits its partner."""
    from gnomon.segment.reading import read_mask, same_affine

    seen: dict[Path, set[int]] = {}
    spacings: dict[str, tuple[float, ...] | None] = {}
    with progress.stage("check", len(pairs), 0) as show:
        for done, (case, (predicted, true)) in enumerate(pairs.items(), start=1):
            (p, frame), (t, true_frame) = read_mask(predicted), read_mask(true)
            if p.shape != t.shape:
                raise UserError(f"{predicted} has shape {p.shape} and {true} has {t.shape}; the same is expected.")
            if not same_affine(frame, true_frame):
                raise UserError(
                    f"{predicted} and {true} lie differently in space: their affines are {_affine(frame.affine)} and"
                    f" {_affine(true_frame.affine)}; the same is expected."
                )
            if spacing is None:
                spacings[case] = true_frame.spacing or frame.spacing
            else:
                sizes = check_spacing(spacing, t.ndim, "--spacing", of=f"{true}'s {t.shape} pixels")
                spacings[case] = sizes if t.ndim == 3 else sizes[::-1]
            for path, mask in ((true, t), (predicted, p)):
                seen[path] = set(np.unique(mask).tolist())
            show(done, case)
    without = [case for case, own in spacings.items() if own is None]
    if 0 < len(without) < len(pairs):
        known = next(case for case, own in spacings.items() if own is not None)
        raise UserError(
            f"{pairs[known][1]} has a spacing and {pairs[without[0]][1]} has none; give one for all with --spacing."
        )
    declared = _numbered([seen[true] for _, true in pairs.values()]) if labels is None else dict(labels)
    if len(declared) < 2:
        raise UserError(f"There is no class beside {', '.join(declared)}: background and one more are expected.")
    for path, values in seen.items():
        if strange := sorted(values - set(declared.values())):
            named = ", ".join(f"{name}={value}" for name, value in declared.items())
            raise UserError(
                f"{path} holds the value {strange[0]}, which is no label; the labels are {named} (--label)."
            )
    return declared, spacings


def _affine(affine: np.ndarray | None) -> str:
    return "unknown" if affine is None else str(np.round(affine[:3], 4).tolist())


def _numbered(values: Iterable[set[int]]) -> dict[str, int]:
    """Labels that are their own names; refuses values other than 0 to K - 1."""
    held = sorted(set().union(*values))
    if held != list(range(len(held))):
        listed = ", ".join(map(str, held[:8])) + (", ..." if len(held) > 8 else "")
        raise UserError(
            f"The true masks hold the values {listed}; without --label they must be 0, 1, 2 and so on: name them, as in"
            f" --label background=0 --label tumour={held[-1]}."
        )
    return {"background" if value == 0 else str(value): value for value in held}


def _subgroups(path: Path, cases: Sequence[str]) -> dict[str, str]:
    """The subgroup of each case from a CSV table; an id such as 7 also stands for the case 007."""
    if not path.is_file():
        raise UserError(f"There is no table {str(path)!r}; a CSV file with the columns id and group is expected.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except (UnicodeDecodeError, csv.Error) as fault:
        raise _no_table(path, fault) from fault
    columns = [name.strip() for name in header]
    ids = columns.index("id") if "id" in columns else 0
    others = [at for at in range(len(columns)) if at != ids]
    if "group" in columns:
        others = [columns.index("group")]
    if len(others) != 1:
        raise UserError(f"{path} has the columns {', '.join(columns) or 'none'}; id and group are expected.")
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        if len(line) != len(columns) or not line[others[0]].strip():
            raise UserError(f"{path}, row {number}: {','.join(line)!r:.60} has no {columns[others[0]]!r}.")
        name, of = line[ids].strip(), line[others[0]].strip()
        if found.setdefault(name, of) != of:
            raise UserError(f"{path} puts the id {name!r} into {found[name]!r} and {of!r}; one is expected.")
    known = {case: case if case in found else case.lstrip("0") or "0" for case in cases}
    if lacking := [case for case in cases if known[case] not in found]:
        more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        raise UserError(f"{path} has no row for the case {lacking[0]!r}{more}; every case needs one.")
    return {case: found[known[case]] for case in cases}


# -- two models over the same cases ----------------------------------------------------------------------------------


def compare_cases(
    rows_a: Sequence[Row],
    rows_b: Sequence[Row],
    *,
    metric: str = "dice",
    both_empty: str = "exclude",
    missed: str = "exclude",
    alpha: float = 0.025,
) -> dict[str, Any]:
    """Which of two models segments the same cases better, class by class and over all classes, ready for JSON.

    Pairs are groups (patients): a group's value is the mean over its cases that both models have a value of, for `mean`
    over all their classes. Pairs are compared as random variables by the signed-rank test of `stats.order`, one-sided
    at `alpha` in each direction. Returned are `metric`, `policy`, `alpha`, `cases` (in common), `only_a`, `only_b`
    (cases left out for want of a partner), and for `mean` and each of `classes.NAME`:

    - `decision`: `a` or `b`, the model that is better (of HD95 and ASSD, smaller is better), or `undecided`, with the
      `reason` where no data of so few groups could decide;
    - `difference`: A minus B, the Hodges-Lehmann estimate in the metric's unit with its interval at 1 - 2 `alpha`, the
      one that inverts the test; `superiority`: the share of groups in which A has the larger value, ties half;
    - `p_greater`, `p_less`, `n` (groups) and `n_undefined` (cases without a value of either model).

    Raises UserError where no case is in common, or where a case has another truth or group in one table than in the
    other: then these are not the same cases.
    """
    if metric not in METRICS:
        raise UserError(f"metric = {metric!r} is not known; there are {', '.join(METRICS)}.")
    _check_policies(both_empty, missed)
    a, b = _by_case_and_class(rows_a, "A"), _by_case_and_class(rows_b, "B")
    cases = [{case for case, _ in table} for table in (a, b)]
    common = cases[0] & cases[1]
    if not common:
        empty = " One of them holds no case at all, as after --fold none." if not all(cases) else ""
        raise UserError(f"The two tables have no case in common; scores of the same cases are needed.{empty}")
    pairs: dict[str, list[tuple[Row, Row]]] = {}
    for (case, name), row in a.items():
        if case not in common:
            continue
        other = b.get((case, name))
        if other is None:
            raise UserError(f"case {case!r} has a score of class {name!r} in A and none in B; the same are needed.")
        for column in ("n_truth", "group"):
            if row[column] != other[column]:
                raise UserError(
                    f"case {case!r}, class {name!r}: {column} is {row[column]} in A and {other[column]} in B; scores"
                    " against the same truth are needed."
                )
        pair = _under_policy(row, both_empty, missed), _under_policy(other, both_empty, missed)
        pairs.setdefault(name, []).append(pair)
    if alone := [key for key in b if key[0] in common and key not in a]:
        raise UserError(
            f"case {alone[0][0]!r} has a score of class {alone[0][1]!r} in B and none in A; the same are needed."
        )
    return {
        "metric": metric,
        "policy": {"both_empty": both_empty, "missed": missed},
        "alpha": alpha,
        "cases": len(common),
        "only_a": len(cases[0] - common),
        "only_b": len(cases[1] - common),
        "mean": _compared(pairs, metric, alpha),
        "classes": {name: _compared({name: own}, metric, alpha) for name, own in pairs.items()},
    }


def _by_case_and_class(rows: Iterable[Row], which: str) -> dict[tuple[str, str], Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row["case"], row["class"]
        if key in found:
            raise UserError(f"case {key[0]!r}, class {key[1]!r} stands in {which} twice; every case once is expected.")
        found[key] = row
    return found


def _compared(pairs: Mapping[str, Sequence[tuple[Row, Row]]], metric: str, alpha: float) -> dict[str, Any]:
    from gnomon.stats import order

    every = [pair for own in pairs.values() for pair in own]
    known = [(a, b) for a, b in every if math.isfinite(a[metric]) and math.isfinite(b[metric])]
    groups: dict[str, list[tuple[float, float]]] = {}
    for a, b in known:
        groups.setdefault(a["group"], []).append((a[metric], b[metric]))
    counts = {"n": len(groups), "n_undefined": len(every) - len(known)}
    level = 1 - 2 * alpha
    if not groups:
        reason = "no case has a value of both models"
        nothing = Estimate(None, None, None, 0, "hodges-lehmann", level, reason=reason).to_dict()
        return _undecided(reason) | {"difference": nothing, "superiority": nothing} | counts
    x, y = np.array([np.mean(values, axis=0) for values in groups.values()]).T
    effect = {
        "difference": order.shift(x, y, paired=True, level=level).to_dict(),
        "superiority": order.superiority(x, y, paired=True, level=level).to_dict(),
    }
    try:
        found = order.compare(x, y, paired=True, alpha=alpha, level=level)
    except order.UndecidableDesign as refused:
        return _undecided(str(refused)) | effect | counts
    better = ("b", "a") if metric in DISTANCES else ("a", "b")
    decision = {"greater": better[0], "less": better[1], "undecided": "undecided"}[found.decision]
    return {
        "decision": decision,
        "reason": None,
        "p_greater": found.p_greater,
        "p_less": found.p_less,
        **effect,
        **counts,
    }


def _undecided(reason: str) -> dict[str, Any]:
    return {"decision": "undecided", "reason": reason, "p_greater": None, "p_less": None}


def compare_runs(a: Run, b: Run) -> tuple[dict[str, Any], list[str]]:
    """`compare_cases` of the Dice of two runs for `gnomon runs compare`: the document for a script, and sentences."""
    tables = []
    for run in (a, b):
        if not (table := run.path / "per_case.csv").is_file():
            raise UserError(f"{str(run.path)!r} has no per_case.csv: it is {run.state}, or no fold was held out.")
        tables.append(read_rows(table))
    result = compare_cases(*tables)
    return {"a": str(a.path), "b": str(b.path), **result}, verdict(result, str(a.path), str(b.path))


def verdict(result: Mapping[str, Any], a: str = "A", b: str = "B") -> list[str]:
    """What `compare_cases` found, in sentences; `a` and `b` are what to call the models."""
    names = {"a": a, "b": b}
    metric, alpha = result["metric"], result["alpha"]
    said = []
    for name, found in (("all classes together", result["mean"]), *result["classes"].items()):
        gap = found["difference"]
        if gap["value"] is None:
            said.append(f"{name}: nothing can be compared, because {found['reason']}.")
            continue
        interval = "no interval" if gap["low"] is None else f"[{gap['low']:+.3f}, {gap['high']:+.3f}]"
        effect = f"{a} minus {b} in {metric} {gap['value']:+.3f} {interval} over {found['n']} groups (patients)"
        if found["reason"] is not None:
            said.append(f"{name}: undecided; {effect}; {found['reason']}")
            continue
        p = min(found["p_greater"], found["p_less"])
        winner = names.get(found["decision"])
        answer = f"{a} and {b} cannot be told apart" if winner is None else f"{winner} is better"
        said.append(f"{name}: {answer}; {effect}, p = {p:.2g} (signed ranks, one-sided alpha {alpha:g}).")
    if left := result["only_a"] + result["only_b"]:
        said.append(f"{left} cases that only one of the two has were left out; {result['cases']} are in common.")
    return said
