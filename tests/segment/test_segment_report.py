"""The page of a training: complete, without scripts or network, and every drawn case is the one that its title names."""

import itertools
import json
import re
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from segment_samples import TINY, pictures, volumes

from gnomon.errors import UserError
from gnomon.runs import Run, open_run
from gnomon.segment import pictures as drawing
from gnomon.segment.evaluating import compare_cases, read_rows, score_case, write_rows
from gnomon.segment.metrics import HD95, score
from gnomon.segment.prepare import load_dataset, prepare
from gnomon.segment.reading import Frame
from gnomon.segment.recipe import read_recipe
from gnomon.segment.report import _grouped, find_baseline, write_report
from gnomon.segment.train import train


def trained(data, out, *settings, fold=0):
    return train(read_recipe(None, [*TINY, "train.steps=4", *settings], data=data), fold=fold, out=out)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures, two of them damaged, and a SegResNet trained on one of three folds."""
    root = tmp_path_factory.mktemp("report")
    pictures(root)
    (root / "raw" / "labels" / "p7.png").unlink()
    (root / "raw" / "images" / "p8.png").write_bytes(b"no <b>picture</b>")
    prepare(root / "raw", root / "sound", labels={"ground": 0, "disc": 7}, folds=3, skip_bad=True)
    trained(root / "sound", root / "runs" / "first", 'model.name="segresnet"')
    return root


def copied(made, folder):
    """The trained run once more, to be changed."""
    return open_run(shutil.copytree(made / "runs" / "first", folder / "run"))


def text_of(path):
    """What a reader sees, tags aside."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", path.read_text(), flags=re.S)).split())


def test_the_page_is_complete_and_needs_nothing_else(made):
    run = open_run(made / "runs" / "first")
    page = write_report(run)
    assert page == run.path / "report.html"
    source = page.read_text()
    assert "<script" not in source
    assert not re.findall(r"@import|url\((?!#)", source)
    links = re.findall(r'(?:href|src)="([^"]*)"', source)
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)

    text = text_of(page)
    mean = run.summary()["mean_dice"]
    assert f"Segmentation by segresnet: mean Dice {mean['value']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]" in text
    assert "fold 0 of 3 held out" in text
    assert HD95 in text
    for metric in ("HD95 (pixels)", "ASSD (pixels)", "IoU", "NSD", "undefined", "missed", "spurious"):
        assert metric in text
    assert "2 files left out for an error" in text
    assert "unpaired_image" in text
    assert "images/p8.png" in text
    assert "rare_label" not in text
    assert "bootstrapped over cases" in text
    assert "7, each taken for a patient of its own" in text
    assert "disc=7" in text
    for heading in ("Every class", "Beside a U-Net", "Cases", "Training", "Data", "Settings"):
        assert f"<h2>{heading}</h2>" in source


def test_the_same_run_gives_the_same_page(made):
    run = open_run(made / "runs" / "first")
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_the_drawn_cases_are_those_of_their_titles(made, monkeypatch):
    figures = []
    whole = drawing.cases
    monkeypatch.setattr(drawing, "cases", lambda shown, labels: figures.append(shown) or whole(shown, labels))
    run = open_run(made / "runs" / "first")
    write_report(run)
    stored = {row["case"]: row["dice"] for row in read_rows(run.path / "per_case.csv")}
    drawn = [(title, plane) for shown in figures for title, (plane,) in shown]
    assert len(drawn) == len(stored)
    for title, plane in drawn:
        case = re.search(r"(p\d)\n", title)[1]
        found = score(plane.prediction, plane.truth, classes=[7])[7]
        assert found.dice == pytest.approx(stored[case], abs=1e-12)
        assert title.endswith(f"Dice {stored[case]:.3f}")
        assert plane.entropy.shape == plane.truth.shape == plane.image.shape[:2]
    worst = figures[0][0][0]
    assert worst.startswith("worst: " + min(stored, key=lambda case: (stored[case], case)))
    best = figures[0][-1][0]
    assert best.startswith("best: " + max(stored, key=lambda case: (stored[case], case)))


def test_a_run_over_all_folds_draws_each_case_by_the_network_that_did_not_see_it(made, monkeypatch, tmp_path):
    figures = []
    whole = drawing.cases
    monkeypatch.setattr(drawing, "cases", lambda shown, labels: figures.append(shown) or whole(shown, labels))
    run = trained(made / "sound", tmp_path / "all", "train.steps=2", fold="all")
    page = write_report(run)
    stored = {row["case"]: row["dice"] for row in read_rows(run.path / "per_case.csv")}
    assert len(stored) == 7
    titles = [title for shown in figures for title, _ in shown]
    assert len(titles) == 7
    for shown in figures:
        for title, (plane,) in shown:
            found = score(plane.prediction, plane.truth, classes=[7])[7]
            assert found.dice == pytest.approx(stored[re.search(r"(p\d)\n", title)[1]], abs=1e-12)
    assert "every fold of 3 measured by a network that did not see it" in text_of(page)
    for name in ("fold 0", "fold 1", "fold 2"):
        assert f"<!-- {name} -->" in page.read_text()


def test_the_baseline_is_named_where_it_was_run_on_the_same_cases_and_asked_for_where_not(made, tmp_path):
    run = open_run(made / "runs" / "first")
    rows = read_rows(run.path / "per_case.csv")
    assert find_baseline(run, rows) is None
    asked = text_of(write_report(run))
    assert "No U-Net was trained on this fold" in asked
    command = re.search(r"gnomon segment train (.*?) this page again", asked)[1]
    assert f"--data {made / 'sound'} --fold 0 --set model.name=unet" in command
    assert "&#x27;train.patch_size=[32,32]&#x27;" in command or "train.patch_size=[32,32]" in command
    assert "train.steps=4" in command
    assert "train.lr" not in command

    trained(made / "sound", made / "runs" / "other-fold", fold=1)
    (made / "runs" / "half").mkdir()
    assert find_baseline(run, rows) is None
    unet = trained(made / "sound", made / "runs" / "unet")
    found = find_baseline(run, rows)
    assert found is not None
    assert found[0].path == unet.path
    text = text_of(write_report(run))
    assert "No U-Net was trained" not in text
    assert "Difference: segresnet minus unet in Dice, paired over cases" in text
    assert f"{unet.summary()['params']:,}" in text
    compared = compare_cases(rows, read_rows(unet.path / "per_case.csv"))
    for gap in (compared["classes"]["disc"]["difference"], compared["mean"]["difference"]):
        assert f"{gap['value']:+.3f}" in text
    assert "cannot be told apart" in text
    assert "Undecided: 3 pairs can never decide" in text  # a fold of three cases
    assert ".. " not in text
    other = [{**row, "n_truth": row["n_truth"] + 1} for row in rows]
    assert find_baseline(run, other) is None
    assert "Beside a U-Net" not in text_of(write_report(unet))


def test_without_a_held_fold_nothing_is_claimed(made, tmp_path):
    run = trained(made / "sound", tmp_path / "none", "train.steps=2", fold="none")
    text = text_of(write_report(run))
    assert "nothing was measured" in text
    assert "trained on all cases" in text
    assert "Segmentation by unet" in text
    for claim in ("Every class", "Beside a U-Net", "held cases"):
        assert claim not in text


def test_a_page_can_be_written_when_the_data_are_gone(made, tmp_path):
    pictures(tmp_path)
    run = trained(tmp_path / "ready", tmp_path / "run", "train.steps=2")
    (tmp_path / "raw").rename(tmp_path / "moved")
    assert "no case is drawn" in text_of(write_report(run))
    (tmp_path / "ready").rename(tmp_path / "elsewhere")
    assert "no prepared data set (any more)" in text_of(write_report(run))


def test_a_page_needs_a_finished_training(tmp_path):
    other = Run.create(tmp_path / "other", kind="segment-import", name="x", settings={"seed": 0}, seed=0)
    with pytest.raises(UserError, match="segment-import"):
        write_report(other)
    begun = Run.create(tmp_path / "begun", kind="segment-train", name="x", settings={"seed": 0}, seed=0)
    with pytest.raises(UserError, match="--resume"):
        write_report(begun)


def test_undefined_values_are_counted_on_the_page(made, tmp_path):
    """A table in which one class was missed, spurious, and in neither mask once each."""
    run = copied(made, tmp_path)
    square, nothing = np.zeros((20, 20), int), np.zeros((20, 20), int)
    square[4:9, 4:9] = 7
    pairs = {"p0": (square, square), "p1": (nothing, square), "p2": (square, nothing), "p3": (nothing, nothing)}
    rows = [row for case, (p, t) in pairs.items() for row in score_case(case, p, t, labels={"ground": 0, "disc": 7})]
    write_rows(rows, run.path / "per_case.csv")
    page = write_report(run).read_text()
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
    assert ["disc", "3", "1", "1", "3", "1", "1", "1"] in cells
    assert ["p1", "0.000", "0.000", "disc missed"] in cells
    assert ["p2", "0.000", "0.000", "disc spurious"] in cells


def test_groups_are_said_to_be_groups(made, tmp_path):
    """Three held cases of two patients."""
    run = copied(made, tmp_path)
    rows = read_rows(run.path / "per_case.csv")
    for place, row in enumerate(rows):
        row["group"] = f"patient{place // 2}"
    write_rows(rows, run.path / "per_case.csv")
    text = text_of(write_report(run))
    assert "3 held cases of 2 groups (patients)" in text
    assert "bootstrapped over groups" in text
    assert "patient1" in text
    data = load_dataset(made / "sound")
    grouped = [replace(case, group=f"patient{place // 2}") for place, case in enumerate(data.cases)]
    assert _grouped(replace(data, cases=grouped)) == "7 of 4 groups (patients)"


# -- sections through volumes --------------------------------------------------------------------------------------------


def oriented(codes, array, spacing=(1.0, 1.0, 1.0)):
    """An array in RAS and the frame it has when it is stored along other axes, as (array, frame)."""
    volume = nibabel.Nifti1Image(array, np.diag([*spacing, 1.0]))
    ras, wanted = nibabel.io_orientation(volume.affine), nibabel.orientations.axcodes2ornt(codes)
    stored = volume.as_reoriented(nibabel.orientations.ornt_transform(ras, wanted))
    frame = Frame(stored.shape, stored.affine, tuple(float(s) for s in stored.header.get_zooms()))
    return np.asarray(stored.dataobj), frame


@pytest.fixture
def head():
    """A volume in RAS whose brightest voxels lie in the patient's right, front and top corner of their sections."""
    truth = np.zeros((9, 11, 7), np.int16)
    truth[3:7, 4:9, 2:5] = 1
    truth[3, 4, 1] = 2
    image = np.zeros((9, 11, 7), np.float32)
    image[-1], image[:, -1], image[:, :, -1] = 10, 20, 30
    return image, truth


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASR", "PIL"])
def test_sections_look_the_same_however_a_volume_is_stored(head, codes):
    image, truth = head
    stored, frame = oriented(codes, image, (1.0, 2.0, 4.0))
    mask, _ = oriented(codes, truth, (1.0, 2.0, 4.0))
    axial, coronal, sagittal = drawing.planes(stored, frame, mask, mask, mask.astype(float), [1, 2])
    assert [plane.name for plane in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert [plane.truth.shape for plane in (axial, coronal, sagittal)] == [(11, 9), (7, 9), (7, 11)]
    assert [plane.aspect for plane in (axial, coronal, sagittal)] == pytest.approx([2, 4, 2])
    assert [plane.left for plane in (axial, coronal, sagittal)] == ["R", "R", "A"]
    # the front is up in the axial section, the head in the others; the right, or the front, is on the left
    np.testing.assert_array_equal(axial.image[0, 1:], axial.image[0, -1])
    assert axial.image[0, 4] > axial.image[4, 0] > axial.image[4, -1]
    assert coronal.image[0, 4] > coronal.image[4, 0] > coronal.image[4, -1]
    assert sagittal.image[0, 4] > sagittal.image[4, 0] > sagittal.image[4, -1]
    for plane in (axial, coronal, sagittal):
        assert (plane.truth == 1).any()  # through the larger structure
        np.testing.assert_array_equal(plane.truth, plane.prediction)
        np.testing.assert_array_equal(plane.truth, plane.entropy)
    expected = np.flip(truth[:, :, 2].T)
    np.testing.assert_array_equal(axial.truth, expected)


def test_sections_pass_where_the_structure_is_largest_and_through_the_prediction_where_the_truth_has_none(head):
    image, truth = head
    truth[:] = 0
    truth[2:4, 3:5, 5] = 1
    truth[1:8, 2:9, 3] = 1
    frame = Frame(image.shape, np.eye(4), (1.0, 1.0, 1.0))
    axial, *_ = drawing.planes(image, frame, truth, truth * 0, image, [1])
    np.testing.assert_array_equal(axial.truth, np.flip(truth[:, :, 3].T))
    axial, *_ = drawing.planes(image, frame, truth * 0, truth, image, [1])
    np.testing.assert_array_equal(axial.prediction, np.flip(truth[:, :, 3].T))
    axial, *_ = drawing.planes(image, frame, truth * 0, truth * 0, image, [1])
    assert axial.image.shape == (11, 9)


def test_colours_stay_and_other_intensities_are_stretched():
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (8, 9, 3)).astype(np.uint8)
    mask = np.zeros((8, 9), int)
    (plane,) = drawing.planes(colours, Frame((8, 9)), mask, mask, mask, [1])
    np.testing.assert_allclose(plane.image, colours / 255)
    deep = rng.integers(3000, 4000, (40, 40)).astype(np.uint16)
    (plane,) = drawing.planes(deep, Frame((40, 40)), deep, deep, deep, [1])
    assert (plane.image.min(), plane.image.max()) == (0, 1)
    flat = np.full((8, 9), 7, np.uint8)
    (plane,) = drawing.planes(flat, Frame((8, 9)), mask, mask, mask, [1])
    assert np.isfinite(plane.image).all()


def test_large_images_are_thinned_out_and_small_ones_kept(monkeypatch):
    from gnomon.runs.report import svg

    monkeypatch.setattr(drawing, "PIXELS", 40)

    def size(side):
        image = np.random.default_rng(0).random((side, side))
        mask = (image > 0.5).astype(int)
        plane = drawing.Plane("", image, mask, mask, image)
        return len(svg(drawing.cases([("a", [plane])], {"x": 1})))

    assert size(80) < 1.2 * size(40)
    assert size(40) > 1.5 * size(20)


def test_volumes_are_drawn_in_three_sections(tmp_path, monkeypatch):
    figures = []
    whole = drawing.cases
    monkeypatch.setattr(drawing, "cases", lambda shown, labels: figures.append(shown) or whole(shown, labels))
    volumes(tmp_path)
    run = trained(tmp_path / "ready", tmp_path / "run", "train.steps=2")
    text = text_of(write_report(run))
    assert "HD95 (mm)" in text
    assert "Sections pass through the largest structure" in text
    (shown,) = figures
    stored = json.loads((run.path / "model.json").read_text())
    assert stored["slice_axis"] == "axial"
    for _, of_case in shown:
        assert [plane.name for plane in of_case] == ["axial", "coronal", "sagittal"]
        assert all(plane.truth.any() for plane in of_case)


def test_curves_leave_out_steps_without_a_loss():
    rows = [{"step": step, "loss": None if step == 3 else 1 / step} for step in range(1, 30)]
    (axes,) = drawing.curves({"fold none": rows}, {"fold none": []}).axes
    steps = axes.lines[0].get_xdata()
    assert 3 not in steps
    assert len(steps) == 28
    assert len(drawing.curves({"a": [{"step": 1, "loss": None}]}, {"a": []}).axes) == 1
    one = [{"step": 4, "mean_dice": {"value": 0.5, "low": 0.4, "high": 0.6}}]
    loss, dice = drawing.curves({"fold 0": rows}, {"fold 0": one}).axes
    assert dice.get_xlim() == loss.get_xlim()


# -- what is drawn over an image -----------------------------------------------------------------------------------------


def test_a_prediction_tints_its_pixels_and_no_others():
    grey = np.full((4, 5), 0.5)
    mask = np.zeros((4, 5), int)
    mask[1, 2], mask[3, 4] = 7, 9
    tinted = drawing._tinted(grey, mask, {7: "#ff0000", 9: "#0000ff"})
    share = drawing.TINT
    np.testing.assert_allclose(tinted[1, 2], [0.5 + 0.5 * share, 0.5 - 0.5 * share, 0.5 - 0.5 * share])
    np.testing.assert_allclose(tinted[3, 4], [0.5 - 0.5 * share, 0.5 - 0.5 * share, 0.5 + 0.5 * share])
    assert (tinted == 0.5).all(axis=-1).sum() == 18
    colours = np.random.default_rng(0).random((4, 5, 3))
    before = colours.copy()
    tinted = drawing._tinted(colours, mask, {7: "#ff0000"})
    np.testing.assert_array_equal(colours, before)
    assert (tinted != colours).any(axis=-1).sum() == 1


def test_outlines_leave_out_specks_and_small_holes_of_noise():
    whole = np.zeros((50, 40), bool)  # a speck is below 4 pixels
    whole[10:30, 10:30] = True
    noisy = whole.copy()
    noisy[2, 2:5] = noisy[45, 3] = True
    noisy[15, 15] = noisy[20, 20:23] = False
    np.testing.assert_array_equal(drawing._without_specks(noisy), whole)
    whole[2, 2:6] = True
    whole[20, 20:24] = False
    np.testing.assert_array_equal(drawing._without_specks(whole), whole)
    for same in (np.zeros((9, 9), bool), np.ones((9, 9), bool)):
        np.testing.assert_array_equal(drawing._without_specks(same), same)


def test_a_long_name_stays_above_its_own_case():
    image = np.zeros((8, 8))
    plane = drawing.Plane("", image, image, image, image)
    name = "sub-0123456789_ses-preoperative_acq-highres_run-02_T2w"
    plot = drawing.cases([(f"next worst: {name}\nDice 0.812", [plane]), ("b\nDice 1.000", [plane])], {"x": 1})
    title = plot.axes[0].get_title()
    assert max(map(len, title.split("\n"))) <= drawing.LETTERS
    assert title.replace("\n", "").replace(" ", "") == f"nextworst:{name}Dice0.812"
    assert title.endswith("\nDice 0.812")
    assert [text.get_text() for text in plot.legends[0].get_texts()] == ["x", "truth", "prediction"]


def seen(colour, lacking):
    """CIE L*a*b* of a colour as it is seen with a cone type `lacking` (Machado et al. 2009, severity 1)."""
    matrices = {
        "none": np.eye(3),
        "L": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "M": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "S": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrices[lacking]) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("lacking", ["none", "L", "M", "S"])
def test_no_two_structures_look_alike_to_readers_who_lack_a_cone_type(lacking):
    colours = [seen(colour, lacking) for colour in drawing.STRUCTURES]
    for count, least in ((6, 30), (9, 20)):  # 2 is just noticeable, side by side
        for a, b in itertools.combinations(colours[:count], 2):
            assert np.linalg.norm(a - b) > least
    assert len(colours) == 9
