"""The page of a training: how good the masks of the held cases are, where they are wrong, and what it rests on.

The figures come from the run's `per_case.csv`; the few cases that are drawn are predicted again, each by the network
that did not see it.
"""

import json
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gnomon.errors import UserError
from gnomon.runs import Run, list_runs
from gnomon.runs.report import Report, flat
from gnomon.seeds import derive
from gnomon.segment import pictures, reading
from gnomon.segment.evaluating import Row, compare_cases, read_rows, summarise
from gnomon.segment.metrics import METRICS
from gnomon.segment.predict import load_model
from gnomon.segment.prepare import Dataset, load_dataset
from gnomon.segment.reading import Case, Problem
from gnomon.segment.recipe import Recipe
from gnomon.segment.train import KIND, members

BASELINE = "unet"
"""The network that any other is set beside."""

AT_RANDOM = 4
"""Cases that are drawn by lot, so that a page does not only show extremes."""

MEAN = "mean of the classes"

LISTED = 12
"""Rows of a table of cases or files; the rest is folded away."""


def write_report(run: Run) -> Path:
    """Write `report.html` of a finished training; returns its path.

    A finished training of a U-Net in the same folder of runs, on the same held cases, is set beside it. Raises
    UserError for a run of another kind and one that has not finished.
    """
    summary = run.summary()
    if run.kind != KIND:
        raise UserError(f"{str(run.path)!r} is of kind {run.kind!r}; a run of gnomon segment train is expected.")
    if summary is None:
        raise UserError(f"{str(run.path)!r} is {run.state} and has nothing to report yet; go on with it by --resume.")
    rows = read_rows(run.path / "per_case.csv")
    folder = Path(run.settings["data"]["path"])
    dataset = load_dataset(folder) if (folder / "dataset.json").is_file() else None
    page = Report(_title(summary), f"{run.path.name}: {_held(summary['fold'], dataset)}")
    if rows:
        _figures(page, run, summary, rows)
        _beside_baseline(page, run, summary, rows)
        _drawn(page, run, rows, dataset)
    else:
        page.sentence("Every case was trained on, so nothing was measured: no figure says how good these masks are.")
    _training(page, run, summary)
    _data(page, run, dataset)
    page.heading("Settings")
    page.facts(flat(run.settings))
    path = run.path / "report.html"
    page.write(path)
    return path


def _title(summary: dict[str, Any]) -> str:
    mean = summary["mean_dice"]
    return f"Segmentation by {summary['model']}" + ("" if mean is None else f": mean Dice {_estimate(mean)}")


def _held(fold: int | str, dataset: Dataset | None) -> str:
    if fold == "none":
        return "trained on all cases"
    of = "" if dataset is None else f" of {dataset.folds}"
    return f"every fold{of} measured by a network that did not see it" if fold == "all" else f"fold {fold}{of} held out"


# -- figures ---------------------------------------------------------------------------------------------------------


def _figures(page: Report, run: Run, summary: dict[str, Any], rows: Sequence[Row]) -> None:
    model = load_model(members(run)[0].path)
    unit = "pixels" if model.slice_axis is None else "mm"
    names = list(dict.fromkeys(row["class"] for row in rows))
    found = summarise(rows, classes=names, seed=run.settings["seed"], unit=unit)
    groups = len({row["group"] for row in rows})
    grouped = groups < found["cases"]
    page.sentence(
        f"{found['cases']} held cases{f' of {groups} groups (patients)' if grouped else ''}."
        f" Intervals are at 95 %, bootstrapped over {'groups' if grouped else 'cases'}, and say how far other cases"
        " like these may differ; not how far another training would, for which several seeds are needed."
    )
    if run.settings["train"]["keep"] == "best":
        page.sentence(
            "The weights were chosen on these very cases (train.keep = 'best'): the figures are a little too good."
        )
    page.heading("Every class")
    table = [[name, *(_estimate(each[metric]) for metric in METRICS)] for name, each in found["classes"].items()]
    table.append([MEAN, _estimate(found["mean_dice"]), *[""] * 4])
    page.table(["class", "Dice", "IoU", f"HD95 ({unit})", f"ASSD ({unit})", "NSD"], table)
    policy = found["policy"]
    page.sentence(
        f"{policy['hd95']}; other definitions are in use and give other figures. ASSD: mean distance of the surfaces,"
        f" both directions pooled. NSD: share of the surfaces within {policy['tolerance']:g} {unit} of each other."
        " What is undefined is left out of a mean and counted: Dice, IoU and NSD where a class is in neither mask,"
        " distances where it is in one only (missed, or spurious) or in neither. Missed and spurious ones count as 0 in"
        " Dice, IoU and NSD."
    )
    page.table(
        [
            "class",
            "cases with Dice",
            "undefined",
            "cases with distances",
            "undefined",
            "missed",
            "spurious",
            "in neither",
        ],
        [
            [
                name,
                *(each[metric][count] for metric in ("dice", "hd95") for count in ("n", "n_undefined")),
                each["n_missed"],
                each["n_spurious"],
                each["n_both_empty"],
            ]
            for name, each in found["classes"].items()
        ],
    )
    values = {
        name: [row["dice"] for row in rows if row["class"] == name and math.isfinite(row["dice"])] for name in names
    }
    page.figure(pictures.strips(values), "Dice of every held case (dots) and the mean (bar).")
    worst = sorted(_dice_by_case(rows).items(), key=lambda item: item[1])
    by_case: dict[str, list[Row]] = {}
    for row in rows:
        by_case.setdefault(row["case"], []).append(row)
    page.sentence("The cases, the worst first:")
    listed = [
        [
            case,
            *([by_case[case][0]["group"]] if grouped else []),
            f"{dice:.3f}",
            *(_figure(row["dice"]) for row in by_case[case]),
            ", ".join(f"{row['class']} {_STATUS[row['status']]}" for row in by_case[case] if row["status"] != "ok"),
        ]
        for case, dice in worst
    ]
    _long_table(page, ["case", *(["group"] if grouped else []), "mean Dice", *names, ""], listed, "cases")


_STATUS = {"prediction_empty": "missed", "truth_empty": "spurious", "both_empty": "in neither mask"}


def _dice_by_case(rows: Sequence[Row]) -> dict[str, float]:
    """The mean Dice over the classes of each case that has one."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if math.isfinite(row["dice"]):
            found.setdefault(row["case"], []).append(row["dice"])
    return {case: float(np.mean(values)) for case, values in found.items()}


def find_baseline(run: Run, rows: Sequence[Row]) -> tuple[Run, list[Row]] | None:
    """The newest finished U-Net in the folder of `run` that was measured on the same cases, and its scores."""
    if run.settings["model"]["name"] == BASELINE:
        return None
    for other in reversed(list_runs(run.path.parent)):
        if (
            other.kind == KIND
            and other.settings["model"]["name"] == BASELINE
            and other.settings["fold"] == run.settings["fold"]
            and other.summary() is not None
        ):
            theirs = read_rows(other.path / "per_case.csv")
            if _truths(theirs) == _truths(rows):
                return other, theirs
    return None


def _truths(rows: Sequence[Row]) -> set[tuple[str, str, str, int]]:
    return {(row["case"], row["group"], row["class"], row["n_truth"]) for row in rows}


def _beside_baseline(page: Report, run: Run, summary: dict[str, Any], rows: Sequence[Row]) -> None:
    if summary["model"] == BASELINE:
        return
    page.heading("Beside a U-Net")
    found = find_baseline(run, rows)
    if found is None:
        page.sentence(
            "No U-Net was trained on this fold in the same folder of runs. On a few hundred cases it is often as good,"
            " and several times cheaper, so no figure above says much before it was. To train one:"
        )
        page.facts(
            {
                "train it": _baseline_command(run),
                "this page again": f"gnomon runs report {run.path}",
            }
        )
        return
    other, theirs = found
    baseline = other.summary() or {}
    page.table(
        ["model", "run", "parameters", "steps x batch", "seconds"],
        [
            [
                figures["model"],
                each.path.name,
                f"{figures['params']:,}",
                f"{figures['steps']:,} x {each.settings['train']['batch_size']}",
                f"{figures['seconds']:,.0f}",
            ]
            for each, figures in ((run, summary), (other, baseline))
        ],
    )
    result = compare_cases(rows, theirs)
    better = {"a": summary["model"], "b": BASELINE, "undecided": "cannot be told apart"}
    compared = [
        (name, summary["dice"][name], baseline["dice"][name], result["classes"][name]) for name in baseline["dice"]
    ]
    compared.append((MEAN, summary["mean_dice"], baseline["mean_dice"], result["mean"]))
    page.table(
        ["class", f"Dice, {summary['model']}", f"Dice, {BASELINE}", "difference", "better", "p"],
        [
            [
                name,
                _estimate(own),
                _estimate(others),
                _estimate(found["difference"], "+"),
                better[found["decision"]],
                "" if found["reason"] else f"{min(found['p_greater'], found['p_less']):.2g}",
            ]
            for name, own, others, found in compared
        ],
    )
    grouped = len({row["group"] for row in rows}) < len({row["case"] for row in rows})
    page.sentence(
        f"Difference: {summary['model']} minus {BASELINE} in Dice, paired over"
        f" {'groups (patients)' if grouped else 'cases'}: the Hodges-Lehmann estimate, which a few very bad ones move"
        " less than they move the means, with its 95 % interval. Better: by the signed-rank test, one-sided at"
        f" {result['alpha']:g}."
    )
    for reason in dict.fromkeys(found["reason"] for *_, found in compared if found["reason"]):
        page.sentence(f"Undecided: {reason.rstrip('.')}.")


def _baseline_command(run: Run) -> str:
    """The command that trains a U-Net with the data and the training settings of `run`."""
    settings = run.settings
    defaults = Recipe.model_validate({"data": {"path": settings["data"]["path"]}}).model_dump(mode="json")
    differing = [
        f"{table}.{key}={json.dumps(value, separators=(',', ':'))}"
        for table in ("data", "train", "predict")
        for key, value in settings[table].items()
        if value != defaults[table][key]
    ]
    options = [word for setting in (f"model.name={BASELINE}", *differing) for word in ("--set", setting)]
    words = [
        "gnomon",
        "segment",
        "train",
        "--data",
        settings["data"]["path"],
        "--fold",
        str(settings["fold"]),
        *options,
    ]
    return shlex.join([*words, "--out", str(run.path.parent / BASELINE)])


# -- cases -----------------------------------------------------------------------------------------------------------


def _drawn(page: Report, run: Run, rows: Sequence[Row], dataset: Dataset | None) -> None:
    page.heading("Cases")
    if dataset is None or not all(
        file.exists() for case in dataset.cases for file in (*case.image, case.label) if file
    ):
        page.sentence("The images are no longer where they were when this page was written, so no case is drawn.")
        return
    dice = _dice_by_case(rows)
    ordered = sorted(dice, key=lambda case: (dice[case], case))
    if not ordered:
        page.sentence("No case holds any of the classes, in the truth or as predicted, so none is drawn.")
        return
    places = {0: "worst", 1: "next worst", (len(ordered) - 1) // 2: "median", len(ordered) - 1: "best"}
    chosen = {ordered[place]: name for place, name in sorted(places.items()) if place < len(ordered)}
    others = [case for case in ordered if case not in chosen]
    lot = np.random.default_rng(derive(run.settings["seed"], "report"))
    by_lot = [others[i] for i in lot.permutation(len(others))[:AT_RANDOM]]
    cases = {case.id: case for case in dataset.cases}
    structures = dict(list(dataset.labels.items())[1:])
    predictors = _Predictors(run, structures)
    what = "Solid lines: the truth. Dashed lines and tint: the prediction, whose smallest specks have the tint only."
    what += " Below, the entropy of the prediction: black where a class is certain, bright where none is likelier,"
    what += f" {math.log(len(dataset.labels)):.2f} nats."
    if dataset.dims == 3:
        what += " Sections pass through the largest structure; R and A mark the patient's right and front."
    for intro, titles in (
        ("From the worst to the best by mean Dice. ", chosen),
        ("Drawn by lot among the others. ", dict.fromkeys(by_lot, "")),
    ):
        if titles:
            shown = [
                (f"{name + ': ' if name else ''}{case}\nDice {dice[case]:.3f}", predictors.planes(cases[case]))
                for case, name in titles.items()
            ]
            page.figure(pictures.cases(shown, structures), intro + what)


class _Predictors:
    """The networks of a run, each for the cases that it was not trained on."""

    def __init__(self, run: Run, structures: dict[str, int]) -> None:
        self.structures = structures
        self.by_fold = {member.settings["fold"]: load_model(member.path) for member in members(run)}
        if torch.cuda.is_available():
            for segmenter in self.by_fold.values():
                segmenter.network.to("cuda")

    def planes(self, case: Case) -> list[pictures.Plane]:
        """What is drawn of `case`."""
        assert case.label is not None
        image, frame = reading.read_case_image(case.image)
        truth, _ = reading.read_mask(case.label)
        found = self.by_fold[case.fold].predict_array(image, frame, str(case.image[0]))
        return pictures.planes(image, frame, truth, found.labels, found.entropy, list(self.structures.values()))


# -- training and data -----------------------------------------------------------------------------------------------


def _training(page: Report, run: Run, summary: dict[str, Any]) -> None:
    page.heading("Training")
    named = {_name_of(member): member for member in members(run)}
    page.figure(
        pictures.curves(
            {name: member.metrics() for name, member in named.items()},
            {name: member.evaluations() for name, member in named.items()},
        ),
        "Loss of every step, and its running mean"
        + ("; beside it the mean Dice of the held cases with its interval." if summary["dice"] else "."),
    )
    facts = {
        "parameters": f"{summary['params']:,}",
        "seconds": f"{summary['seconds']:,.0f}",
        "share of them spent waiting for data": f"{summary['loading_share']:.1%}",
        "steps skipped, loss or gradient not finite": summary["skipped_steps"],
    }
    kept = {name: (member.summary() or summary)["kept_step"] for name, member in named.items()}
    if any(step != summary["steps"] for step in kept.values()):
        facts["weights kept from step"] = ", ".join(map(str, kept.values()))
    page.facts(facts)


def _name_of(member: Run) -> str:
    return f"fold {member.settings['fold']}"


def _data(page: Report, run: Run, dataset: Dataset | None) -> None:
    page.heading("Data")
    if dataset is None:
        page.sentence(f"{run.settings['data']['path']} holds no prepared data set (any more).")
        return
    sizes = Counter(case.fold for case in dataset.cases)
    kind = dataset.intensity.kind
    rule = {
        "type_range": "0 to the largest value of the type becomes -1 to 1",
        "percentiles": "clipped to the .5 and 99.5 percentiles, then mean 0 and deviation 1, image by image",
        "window": f"clipped to {dataset.intensity.window}, which becomes -1 to 1",
    }[kind]
    page.facts(
        {
            "prepared": dataset.path,
            "images": f"{'pictures' if dataset.dims == 2 else 'volumes'} with {dataset.channels}"
            f" channel{'' if dataset.channels == 1 else 's'}",
            "cases": _grouped(dataset),
            "cases by fold": ", ".join(f"{fold}: {sizes[fold]}" for fold in range(dataset.folds)),
            "labels": ", ".join(f"{name}={value}" for name, value in dataset.labels.items()),
            **({} if dataset.spacing is None else {"resampled to (mm)": " x ".join(f"{s:g}" for s in dataset.spacing)}),
            "intensities": rule,
        }
    )
    _problems(page, dataset.excluded, "files left out for an error", "No file was left out.")
    _problems(page, dataset.warnings, "warnings of the audit", "The audit had no warnings.")


def _grouped(dataset: Dataset) -> str:
    """How many cases there are, of how many patients."""
    groups = len({case.group for case in dataset.cases})
    if groups == len(dataset.cases):
        return f"{groups}, each taken for a patient of its own"
    return f"{len(dataset.cases)} of {groups} groups (patients)"


def _problems(page: Report, problems: Sequence[Problem], what: str, none: str) -> None:
    if not problems:
        page.sentence(none)
        return
    page.sentence(f"{len(problems)} {what}:")
    _long_table(page, ["code", "file", ""], [[each.code, each.file, each.message] for each in problems], "files")


def _long_table(page: Report, headers: Sequence[str], rows: Sequence[Sequence[Any]], what: str) -> None:
    """A table whose rows after the first `LISTED` are folded away."""
    page.table(headers, rows[:LISTED])
    if rest := rows[LISTED:]:
        with page.folded(f"{len(rest)} more {what}"):
            page.table(headers, rest)


# -- words -----------------------------------------------------------------------------------------------------------


def _estimate(found: dict[str, Any], sign: str = "") -> str:
    """A value with its interval; `sign` "+" shows that it is a difference."""
    if found["value"] is None:
        return "undefined"
    interval = "" if found["low"] is None else f" [{_figure(found['low'], sign)}, {_figure(found['high'], sign)}]"
    return f"{_figure(found['value'], sign)}{interval}"


def _figure(value: float, sign: str = "") -> str:
    """Three digits after the point of a share, fewer of longer distances."""
    return (
        "undefined" if not math.isfinite(value) else f"{value:{sign}.3f}" if abs(value) <= 1 else f"{value:{sign}.3g}"
    )
