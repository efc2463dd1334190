"""From rows to figures: means under the policies, intervals over groups, tables, two folders, two models."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gnomon import stats
from gnomon.errors import UserError
from gnomon.runs.progress import Progress
from gnomon.segment.evaluating import (
    COLUMNS,
    Row,
    compare_cases,
    evaluate,
    read_rows,
    score_case,
    summarise,
    verdict,
    write_rows,
)
from gnomon.segment.metrics import METRICS, score

NAN = math.nan
LABELS = {"background": 0, "cell": 1, "nucleus": 2}


def row(
    case: str, dice: float, *, name: str = "cell", group: str | None = None, status: str = "ok", **more: Any
) -> Row:
    """A row of a Dice, with distances where there are some."""
    far = NAN if status != "ok" else 10 * (1 - dice)
    scores = {"dice": dice, "iou": dice / (2 - dice), "hd95": far, "assd": far / 2, "nsd": dice}
    counts = {"n_prediction": 5, "n_truth": 7, "diagonal": 50.0}
    return {"case": case, "group": group or case, "class": name, **scores, "status": status, **counts, **more}


def missed(case: str, **more: Any) -> Row:
    return row(case, 0.0, status="prediction_empty", n_prediction=0, **more)


def spurious(case: str, **more: Any) -> Row:
    return row(case, 0.0, status="truth_empty", n_truth=0, **more)


def absent(case: str, **more: Any) -> Row:
    return row(case, NAN, status="both_empty", n_prediction=0, n_truth=0, **more)


FIVE = [row("a", 0.9), row("b", 0.7), missed("c"), spurious("d"), absent("e")]


# Means and policies.


def test_means_leave_out_what_is_undefined_and_count_it():
    found = summarise(FIVE, classes=["cell"])
    cell = found["classes"]["cell"]
    assert (cell["dice"]["value"], cell["dice"]["n"], cell["dice"]["n_undefined"]) == (pytest.approx(0.4), 4, 1)
    assert (cell["hd95"]["value"], cell["hd95"]["n"], cell["hd95"]["n_undefined"]) == (pytest.approx(2.0), 2, 3)
    assert (cell["nsd"]["n"], cell["nsd"]["n_undefined"]) == (4, 1)
    assert (cell["n_both_empty"], cell["n_missed"], cell["n_spurious"]) == (1, 1, 1)
    assert found["cases"] == 5
    assert found["policy"]["both_empty"] == found["policy"]["missed"] == "exclude"
    assert "directed 95th" in found["policy"]["hd95"]
    assert found["mean_dice"]["value"] == pytest.approx(0.4)
    json.dumps(found, allow_nan=False)


def test_both_empty_one_counts_overlaps_as_one_and_nothing_else():
    cell = summarise(FIVE, classes=["cell"], both_empty="one")["classes"]["cell"]
    for metric in ("dice", "iou"):
        assert (cell[metric]["n"], cell[metric]["n_undefined"]) == (5, 0)
    assert cell["dice"]["value"] == pytest.approx((0.9 + 0.7 + 1) / 5)
    assert (cell["hd95"]["n"], cell["nsd"]["n"]) == (2, 4)


def test_missed_diagonal_counts_the_diagonal_for_missed_and_spurious():
    cell = summarise(FIVE, classes=["cell"], missed="diagonal")["classes"]["cell"]
    assert cell["hd95"]["value"] == pytest.approx((1 + 3 + 50 + 50) / 4)
    assert cell["assd"]["value"] == pytest.approx((0.5 + 1.5 + 50 + 50) / 4)
    assert (cell["hd95"]["n"], cell["hd95"]["n_undefined"]) == (4, 1)
    assert cell["dice"]["value"] == pytest.approx(0.4)


def test_the_mean_dice_is_the_mean_over_classes_of_their_means():
    rows = [
        row("a", 0.8),
        row("b", 0.6),
        row("a", 0.2, name="rare"),
        absent("b", name="rare"),
        absent("a", name="none"),
    ]
    found = summarise([*rows, absent("b", name="none")], classes=["cell", "rare", "none"])
    assert found["mean_dice"]["value"] == pytest.approx((0.7 + 0.2) / 2)
    assert (found["mean_dice"]["n"], found["mean_dice"]["n_undefined"]) == (3, 3)
    nothing = found["classes"]["none"]["dice"]
    assert (nothing["value"], nothing["low"], nothing["n"], nothing["n_undefined"]) == (None, None, 0, 2)
    assert nothing["reason"] == "no defined values"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("pqrs"), st.one_of(st.none(), st.floats(0, 1))), min_size=1, max_size=20))
def test_counts_add_up_and_intervals_hold_the_value(drawn: list[tuple[str, float | None]]):
    rows = [
        absent(str(i), group=group) if dice is None else row(str(i), dice, group=group)
        for i, (group, dice) in enumerate(drawn)
    ]
    found = summarise(rows, classes=["cell"])["classes"]["cell"]["dice"]
    known = [dice for _, dice in drawn if dice is not None]
    assert found["n"] + found["n_undefined"] == len(drawn)
    assert found["value"] == (pytest.approx(np.mean(known)) if known else None)
    if len({group for group, dice in drawn if dice is not None}) < 2:
        assert found["low"] is None
        assert found["reason"]
    else:
        assert found["low"] - 1e-12 <= found["value"] <= found["high"] + 1e-12


# Intervals.


def test_intervals_are_over_groups_and_not_over_cases():
    """Ten copies of each patient's case say no more than one."""
    dice = np.random.default_rng(0).uniform(0.4, 0.9, 12)
    single = [row(f"{i}", d) for i, d in enumerate(dice)]
    copies = [row(f"{i}.{k}", d, group=f"{i}") for i, d in enumerate(dice) for k in range(10)]
    naive = [{**each, "group": each["case"]} for each in copies]

    def width(rows: list[Row]) -> float:
        found = summarise(rows, classes=["cell"])["classes"]["cell"]["dice"]
        return found["high"] - found["low"]

    assert width(copies) == pytest.approx(width(single), rel=0.1)
    assert width(naive) < 0.45 * width(copies)


def test_the_interval_is_the_bootstrap_of_group_totals_and_follows_the_seed():
    rows = [row(f"{i}", d, group=f"{i % 5}") for i, d in enumerate(np.random.default_rng(1).uniform(0, 1, 20))]
    first, again, other = (summarise(rows, classes=["cell"], seed=s)["classes"]["cell"]["dice"] for s in (0, 0, 1))
    assert first == again
    assert first != other
    direct = stats.bootstrap(
        [[r["dice"], 1.0] for r in rows], lambda t: t[:, 0] / t[:, 1], cluster=[r["group"] for r in rows], seed=5
    )
    assert (first["low"], first["high"]) == pytest.approx((direct.low, direct.high), abs=0.02)
    assert first["n_clusters"] == 5


def test_one_patient_has_a_value_and_no_interval():
    found = summarise([row("a", 0.5, group="p"), row("b", 0.7, group="p")], classes=["cell"])["mean_dice"]
    assert found["value"] == pytest.approx(0.6)
    assert (found["low"], found["high"], found["reason"]) == (None, None, "one group has no interval")


def test_a_summary_of_no_rows_is_undefined():
    found = summarise([], classes=["cell"])
    assert found["cases"] == 0
    assert found["mean_dice"]["value"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"both_empty": "zero"}, "--both-empty zero: there is exclude and one"),
        ({"missed": "one"}, "--missed one: there is exclude and diagonal"),
        ({"classes": ["nucleus"]}, "case 'a' has a score of class 'cell'; the classes are nucleus"),
    ],
)
def test_summaries_refuse_unknown_policies_and_classes(options: dict[str, Any], words: str):
    with pytest.raises(UserError) as refused:
        summarise(FIVE, **({"classes": ["cell"]} | options))
    assert words in str(refused.value)


# Rows.


def test_a_case_becomes_one_row_for_each_class_but_the_background():
    truth = np.array([[0, 128, 128], [0, 255, 255]])
    prediction = np.array([[0, 0, 128], [0, 0, 128]])
    labels = {"background": 0, "cytoplasm": 128, "nucleus": 255}
    rows = score_case("007", prediction, truth, labels=labels, spacing=(3.0, 4.0), group="p")
    assert [tuple(r) for r in rows] == [COLUMNS] * 2
    assert [(r["case"], r["group"], r["class"], r["status"]) for r in rows] == [
        ("007", "p", "cytoplasm", "ok"),
        ("007", "p", "nucleus", "prediction_empty"),
    ]
    scored = score(prediction, truth, classes=[128], spacing=(3.0, 4.0))[128]
    assert [rows[0][metric] for metric in METRICS] == [getattr(scored, metric) for metric in METRICS]
    assert rows[0]["diagonal"] == pytest.approx(math.hypot(3, 8))
    assert score_case("007", prediction, truth, labels=labels)[0]["group"] == "007"


def test_rows_are_read_back_as_they_were(tmp_path: Path):
    rows = [row('x,"1"', 1 / 3, name="left, lower"), *FIVE, row("g", 0.1 + 0.2, group="p")]
    write_rows(rows, tmp_path / "per_case.csv")
    back = read_rows(tmp_path / "per_case.csv")
    assert [list(r) for r in back] == [list(COLUMNS)] * len(rows)
    for before, after in zip(rows, back, strict=True):
        for column in COLUMNS:
            same = before[column] == after[column] or (math.isnan(before[column]) and math.isnan(after[column]))
            assert same, column
            assert type(before[column]) is type(after[column])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("iou", "jaccard", "has no column 'iou'"),
        ("prediction_empty", "lost", ":4: status is 'lost'"),
        ("50.0", "wide", ":2: diagonal is 'wide'"),
        ("50.0", "", ":2: diagonal is ''"),
    ],
)
def test_a_table_that_is_none_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str):
    write_rows(FIVE, tmp_path / "per_case.csv")
    text = (tmp_path / "per_case.csv").read_text()
    assert old in text
    (tmp_path / "per_case.csv").write_text(text.replace(old, new))
    with pytest.raises(UserError) as refused:
        read_rows(tmp_path / "per_case.csv")
    assert words in str(refused.value)


def test_a_table_of_other_letters_is_named(tmp_path: Path):
    write_rows([row("z\u00fcrich", 0.5)], tmp_path / "per_case.csv")
    assert read_rows(tmp_path / "per_case.csv")[0]["case"] == "z\u00fcrich"
    text = (tmp_path / "per_case.csv").read_text(encoding="utf-8")
    (tmp_path / "per_case.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"per_case\.csv could not be read as a CSV table in UTF-8"):
        read_rows(tmp_path / "per_case.csv")


def test_a_table_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"no table .*per_case\.csv"):
        read_rows(tmp_path / "per_case.csv")


# Two folders.


def blob(seed: int, *shape: int) -> np.ndarray:
    """A cell of class 1 with a nucleus of class 2, somewhere."""
    centre = [n / 2 + np.random.default_rng([seed, axis]).uniform(-2, 2) for axis, n in enumerate(shape)]
    distance = np.sqrt(sum((x - c) ** 2 for x, c in zip(np.indices(shape), centre, strict=True)))
    return ((distance < 6) + (distance < 3).astype(int)).astype(np.uint8)


def save(path: Path, mask: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1), shift: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        Image.fromarray(mask).save(path)
    else:
        affine = np.diag([*spacing, 1.0])
        affine[0, 3] = shift
        nibabel.save(nibabel.Nifti1Image(mask, affine), path)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Six true masks, and predictions that are moved by 0, 1 or 2 pixels."""
    for i in range(6):
        mask = blob(i, 24, 20)
        save(tmp_path / "truth" / f"{i:03}.png", mask)
        save(tmp_path / "predictions" / f"{i:03}.png", np.roll(mask, i % 3, axis=0))
    return tmp_path / "predictions", tmp_path / "truth"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_two_folders_of_pictures(pictures: tuple[Path, Path]):
    predictions, truth = pictures
    (predictions / "predictions.json").write_text("{}")
    found = evaluate(*pictures)
    assert (found["cases"], found["unit"], list(found["classes"])) == (6, "pixels", ["1", "2"])
    by_hand = [
        score(pixels(predictions / f"{i:03}.png"), pixels(truth / f"{i:03}.png"), classes=[1, 2]) for i in range(6)
    ]
    for name in ("1", "2"):
        for metric in METRICS:
            mean = found["classes"][name][metric]
            assert mean["value"] == pytest.approx(np.mean([getattr(each[int(name)], metric) for each in by_hand]))
            assert (mean["n"], mean["n_undefined"]) == (6, 0)
            assert mean["low"] <= mean["value"] <= mean["high"]
    json.dumps(found, allow_nan=False)


def test_the_same_masks_as_volumes_in_millimetres(tmp_path: Path):
    for i in range(3):
        mask = blob(i, 18, 18, 16)
        save(tmp_path / "truth" / f"v{i}.nii.gz", mask, spacing=(2, 1, 1))
        save(tmp_path / "predictions" / f"v{i}.nii", np.roll(mask, 1, axis=0), spacing=(2, 1, 1))
    found = evaluate(tmp_path / "predictions", tmp_path / "truth", labels=LABELS)
    assert (found["unit"], list(found["classes"])) == ("mm", ["cell", "nucleus"])
    assert found["classes"]["cell"]["hd95"]["value"] == pytest.approx(2.0, abs=1e-6)
    wider = evaluate(tmp_path / "predictions", tmp_path / "truth", labels=LABELS, spacing=(4, 2, 2), tolerance=4)
    assert wider["classes"]["cell"]["hd95"]["value"] == pytest.approx(4.0, abs=1e-6)
    assert wider["classes"]["cell"]["nsd"]["value"] == pytest.approx(found["classes"]["cell"]["nsd"]["value"])
    assert wider["policy"]["tolerance"] == 4


def test_labels_name_file_values_and_the_policies_reach_the_means(tmp_path: Path):
    empty = np.zeros((8, 8), np.uint8)
    cell = empty.copy()
    cell[2:5, 2:5] = 128
    for name, prediction, truth in (("a", cell, cell), ("b", empty, cell), ("c", empty, empty)):
        save(tmp_path / "p" / f"{name}.png", prediction)
        save(tmp_path / "t" / f"{name}.png", truth)
    options: dict[str, Any] = {"labels": {"background": 0, "cell": 128}}
    plain = evaluate(tmp_path / "p", tmp_path / "t", **options)["classes"]["cell"]
    assert (plain["dice"]["value"], plain["dice"]["n"], plain["dice"]["n_undefined"]) == (0.5, 2, 1)
    assert (plain["n_missed"], plain["n_both_empty"]) == (1, 1)
    counted = evaluate(tmp_path / "p", tmp_path / "t", both_empty="one", missed="diagonal", spacing=(1, 3), **options)
    assert counted["classes"]["cell"]["dice"]["value"] == pytest.approx(2 / 3)
    assert counted["classes"]["cell"]["hd95"]["value"] == pytest.approx(math.hypot(7, 21) / 2)
    assert counted["unit"] == "mm"


def test_patients_are_told_by_a_regular_expression(pictures: tuple[Path, Path]):
    for folder in pictures:
        for i, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"patient{i // 2}_slice{i % 2}.png")
    assert evaluate(*pictures)["mean_dice"]["n_clusters"] == 6
    assert evaluate(*pictures, group=r"patient(\d+)")["mean_dice"]["n_clusters"] == 3
    refused("--group 'slice7(.)' does not match the id 'patient0_slice0'", *pictures, group="slice7(.)")


def test_a_pictures_spacing_is_across_and_down(tmp_path: Path):
    truth = np.zeros((20, 30), np.uint8)
    truth[5:10, 5:10] = 1
    for axis, distance in ((0, 6), (1, 2)):  # two pixels down, and two pixels across
        save(tmp_path / f"t{axis}" / "a.png", truth)
        save(tmp_path / f"p{axis}" / "a.png", np.roll(truth, 2, axis=axis))
        found = evaluate(tmp_path / f"p{axis}", tmp_path / f"t{axis}", spacing=(1, 3))
        assert found["classes"]["1"]["hd95"]["value"] == pytest.approx(distance)


def test_results_are_written_whole_and_read_back(pictures: tuple[Path, Path], tmp_path: Path):
    found = evaluate(*pictures, out=tmp_path / "scores")
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["evaluation.json", "per_case.csv"]
    assert json.loads((tmp_path / "scores/evaluation.json").read_text()) == found
    rows = read_rows(tmp_path / "scores/per_case.csv")
    assert len(rows) == 12
    again = summarise(rows, classes=["1", "2"])
    assert again["classes"] == found["classes"]
    with pytest.raises(UserError, match="exists already"):
        evaluate(*pictures, out=tmp_path / "scores")
    with pytest.raises(UserError, match=r"per_case\.csv is no folder"):
        evaluate(*pictures, out=tmp_path / "scores" / "per_case.csv" / "out")


def test_subgroups_have_the_same_figures_each(pictures: tuple[Path, Path], tmp_path: Path):
    table = tmp_path / "groups.csv"
    table.write_text("\ufeffid,group\n0,small\n1,small\n002,large\n3,large\n4,large\n005,large\n99,huge\n")
    found = evaluate(*pictures, by=table)
    assert list(found["groups"]) == ["large", "small"]
    assert [found["groups"][name]["cases"] for name in ("large", "small")] == [4, 2]
    small = [
        score(pixels(pictures[0] / f"00{i}.png"), pixels(pictures[1] / f"00{i}.png"), classes=[1])[1].dice
        for i in (0, 1)
    ]
    assert found["groups"]["small"]["classes"]["1"]["dice"]["value"] == pytest.approx(np.mean(small))
    assert found["groups"]["small"].keys() == found.keys() - {"groups"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no table"),
        ("", "has the columns none"),
        ("id\n000\n", "has the columns id; id and group are expected"),
        ("id,age,kind\n000,3,a\n", "has the columns id, age, kind"),
        ("id,group\n000,a\n000,b\n", "puts the id '000' into 'a' and 'b'"),
        ("id,group\n000,a\n001\n", "row 3: '001' has no 'group'"),
        ("id,group\n000,a\n", "no row for the case '001' (and 4 more)"),
    ],
)
def test_tables_of_subgroups_that_are_wrong(
    pictures: tuple[Path, Path], tmp_path: Path, content: str | None, words: str
):
    if content is not None:
        (tmp_path / "groups.csv").write_text(content)
    refused(words, *pictures, by=tmp_path / "groups.csv")


def refused(words: str, predictions: Path, truth: Path, **options: Any) -> None:
    """One sentence, and nothing written."""
    out = truth.parent / "scores"
    with pytest.raises(UserError) as fault:
        evaluate(predictions, truth, **({"out": out} | options))
    assert words in str(fault.value)
    assert str(fault.value).endswith(".")
    assert not out.exists()


def test_a_missing_partner_on_either_side_is_named(pictures: tuple[Path, Path]):
    predictions, truth = pictures
    (predictions / "003.png").unlink()
    refused("truth/003.png has no partner in", *pictures)
    (predictions / "extra.png").write_bytes((truth / "003.png").read_bytes())
    (truth / "003.png").unlink()
    refused("predictions/extra.png has no partner in", *pictures)
    refused("There is no folder", predictions / "nowhere", truth)


def test_other_shapes_are_named_with_both(pictures: tuple[Path, Path]):
    save(pictures[0] / "004.png", blob(4, 20, 24))
    refused("004.png has shape (20, 24) and", *pictures)


def test_undeclared_values_are_named_with_the_file_and_the_labels(pictures: tuple[Path, Path]):
    predictions, truth = pictures
    save(predictions / "005.png", np.where(blob(5, 24, 20) == 2, 7, 0).astype(np.uint8))
    refused(
        "predictions/005.png holds the value 7, which is no label; the labels are background=0, 1=1, 2=2", *pictures
    )
    refused("truth/000.png holds the value 2, which is no label", *pictures, labels={"background": 0, "cell": 1})
    for path in truth.iterdir():
        save(path, np.where(pixels(path) == 2, 255, pixels(path)))
    refused("hold the values 0, 1, 255; without --label they must be 0, 1, 2 and so on", *pictures)
    for path in truth.iterdir():
        save(path, np.zeros((24, 20), np.uint8))
    refused("There is no class beside background", *pictures)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spacing": (1, 1, 1)}, "--spacing 1,1,1 has 3 numbers, but"),
        ({"spacing": (1, 0)}, "--spacing 1,0: finite numbers above 0"),
        ({"tolerance": -2}, "--tolerance -2: a distance of at least 0"),
        ({"both_empty": "0"}, "--both-empty 0"),
        ({"missed": "zero"}, "--missed zero"),
    ],
)
def test_impossible_options_are_named(pictures: tuple[Path, Path], options: dict[str, Any], words: str):
    refused(words, *pictures, **options)


def test_volumes_that_lie_elsewhere_or_lack_a_spacing(tmp_path: Path):
    mask = blob(0, 16, 16, 16)
    save(tmp_path / "t/a.nii.gz", mask)
    save(tmp_path / "p/a.nii.gz", mask, shift=5)
    refused("lie differently in space", tmp_path / "p", tmp_path / "t")
    save(tmp_path / "p/a.nii.gz", mask, spacing=(1, 1, 1.2))
    refused("lie differently in space", tmp_path / "p", tmp_path / "t")
    save(tmp_path / "p/a.nii.gz", mask, shift=5e-4)
    assert evaluate(tmp_path / "p", tmp_path / "t")["mean_dice"]["value"] == 1
    for folder in "pt":
        save(tmp_path / folder / "b.png", blob(0, 16, 16))
    refused("t/a.nii.gz has a spacing and", tmp_path / "p", tmp_path / "t")


def test_a_file_that_is_no_mask_is_named(pictures: tuple[Path, Path]):
    (pictures[0] / "002.png").write_bytes((pictures[1] / "002.png").read_bytes()[:40])
    refused("predictions/002.png", *pictures)


def test_progress_says_where_it_is(pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    with Progress() as progress:
        evaluate(*pictures, progress=progress)
    captured = capsys.readouterr()
    assert "check: 6/6" in captured.err
    assert "score: 6/6" in captured.err
    assert captured.out == ""


def test_evaluation_loads_neither_monai_nor_torch(pictures: tuple[Path, Path]):
    code = (
        "import sys; from gnomon.segment.evaluating import evaluate; evaluate(*sys.argv[1:]);"
        " assert not {'monai', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, *map(str, pictures)], check=True)


def test_cells_by_type_with_the_table_that_lies_beside_them(tmp_path: Path):
    data = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "segment/wbc"
    if not data.is_dir():
        pytest.skip("the white blood cells (segment/wbc) are not in GNOMON_DATA_DIR")
    masks = sorted((data / "masks").iterdir())[:30]
    for path in masks:
        for folder in ("p", "t"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / folder)
    save(tmp_path / "p" / masks[0].name, np.roll(pixels(masks[0]), 3, axis=1))
    labels = {"background": 0, "cytoplasm": 128, "nucleus": 255}
    found = evaluate(tmp_path / "p", tmp_path / "t", labels=labels, by=data / "class_labels.csv")
    assert sum(part["cases"] for part in found["groups"].values()) == 30
    perfect = [name for name, part in found["groups"].items() if part["mean_dice"]["value"] == 1]
    assert len(perfect) == len(found["groups"]) - 1
    assert 0.8 < found["classes"]["nucleus"]["dice"]["low"] < 1
    assert found["classes"]["nucleus"]["hd95"]["value"] == pytest.approx(3 / 30, abs=0.02)


# Two models.


def models(gain: float, *, cases: int = 12, noise: float = 0.02) -> tuple[list[Row], list[Row]]:
    """The same cases under two models, the first better by `gain` in Dice."""
    rng = np.random.default_rng(0)
    base, jitter = rng.uniform(0.4, 0.8, cases), rng.normal(0, noise, cases)
    first = [row(f"{i}", float(d + gain + e)) for i, (d, e) in enumerate(zip(base, jitter, strict=True))]
    return first, [row(f"{i}", float(d)) for i, d in enumerate(base)]


def test_the_better_model_is_named_with_its_effect():
    a, b = models(0.1)
    found = compare_cases(a, b)
    cell = found["classes"]["cell"]
    assert (cell["decision"], cell["n"], cell["n_undefined"]) == ("a", 12, 0)
    assert cell["difference"]["low"] < 0.1 < cell["difference"]["high"]
    assert cell["difference"]["level"] == pytest.approx(0.95)
    assert cell["superiority"]["value"] == 1
    assert cell["p_greater"] == pytest.approx(2.0**-12)
    assert found["mean"]["decision"] == "a"
    assert compare_cases(b, a)["classes"]["cell"]["decision"] == "b"
    assert "A is better" in verdict(found)[0]
    json.dumps(found, allow_nan=False)


def test_smaller_distances_are_better():
    a, b = models(0.1)
    found = compare_cases(a, b, metric="hd95")["classes"]["cell"]
    assert found["decision"] == "a"
    assert found["difference"]["value"] < 0
    assert found["p_less"] < 0.025 < found["p_greater"]


def test_a_model_is_not_told_from_itself_or_from_noise():
    a, _ = models(0)
    assert compare_cases(a, a)["classes"]["cell"]["decision"] == "undecided"
    found = compare_cases(*models(0))
    assert found["mean"]["decision"] == "undecided"
    assert found["mean"]["difference"]["low"] < 0 < found["mean"]["difference"]["high"]
    assert "cannot be told apart" in verdict(found, "unet", "transception")[0]


def test_the_error_of_a_wrong_decision_is_held():
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(300):
        x, y = rng.uniform(0.2, 0.9, (2, 10))
        pair = [[row(str(i), float(d)) for i, d in enumerate(dice)] for dice in (x, y)]
        wrong += compare_cases(*pair)["mean"]["decision"] != "undecided"
    assert wrong <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)


def test_patients_and_not_cases_are_the_pairs():
    a, b = models(0.1, cases=40)
    for rows in (a, b):
        for i, each in enumerate(rows):
            each["group"] = f"p{i % 4}"
    found = compare_cases(a, b)["classes"]["cell"]
    assert (found["decision"], found["n"]) == ("undecided", 4)
    assert "4 pairs can never decide" in found["reason"]
    assert found["difference"]["value"] == pytest.approx(0.1, abs=0.03)
    assert any("undecided" in line and "4 groups" in line for line in verdict(compare_cases(a, b)))


def test_undefined_cases_leave_in_pairs_unless_a_policy_counts_them():
    a, b = models(0.1)
    a[0], b[0] = missed("0"), row("0", 0.5)
    a[1], b[1] = absent("1"), absent("1")
    plain = compare_cases(a, b, metric="hd95")["classes"]["cell"]
    assert (plain["n"], plain["n_undefined"]) == (10, 2)
    counted = compare_cases(a, b, metric="hd95", missed="diagonal")["classes"]["cell"]
    assert (counted["n"], counted["n_undefined"]) == (11, 1)
    nothing = compare_cases([absent("0")], [absent("0")])
    assert nothing["mean"]["decision"] == "undecided"
    assert "no case has a value" in verdict(nothing)[0]


def test_cases_of_one_model_only_are_left_out_and_counted():
    a, b = models(0.1)
    found = compare_cases(a[2:], b[:-1])
    assert (found["cases"], found["only_a"], found["only_b"]) == (9, 1, 2)
    assert "3 cases" in verdict(found)[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_truth": 9}, "case '0', class 'cell': n_truth is 9 in A and 7 in B"),
        ({"group": "p"}, "group is p in A and 0 in B"),
        ({"class": "other"}, "has a score of class 'other' in A and none in B"),
        ({"case": "1"}, "case '1', class 'cell' stands in A twice"),
    ],
)
def test_tables_of_different_cases_are_refused(change: dict[str, Any], words: str):
    a, b = models(0.1)
    a[0] |= change
    with pytest.raises(UserError) as fault:
        compare_cases(a, b)
    assert words in str(fault.value)


def test_comparisons_refuse_no_common_case_and_unknown_metrics():
    a, b = models(0.1)
    with pytest.raises(UserError, match="no case in common"):
        compare_cases(a, [{**each, "case": "x" + each["case"]} for each in b])
    with pytest.raises(UserError, match="metric = 'jaccard' is not known; there are dice, iou"):
        compare_cases(a, b, metric="jaccard")
    with pytest.raises(UserError, match="in B and none in A"):
        compare_cases(a, [*b, row("0", 0.5, name="other")])
