"""The page of a training: complete, without scripts or network, and every drawn case is the one that its title names."""

import json
import re

import nibabel
import numpy as np
import pytest
from segment_samples import TINY, pictures, volumes

from gnomon.errors import UserError
from gnomon.runs import Run, open_run
from gnomon.segment import pictures as drawing
from gnomon.segment.evaluating import read_rows
from gnomon.segment.metrics import HD95, score
from gnomon.segment.reading import Frame
from gnomon.segment.recipe import read_recipe
from gnomon.segment.report import find_baseline, write_report
from gnomon.segment.train import train


def trained(data, out, *settings, fold=0):
    return train(read_recipe(None, [*TINY, "train.steps=4", *settings], data=data), fold=fold, out=out)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures, two of them damaged, and a SegResNet trained on one of three folds."""
    from gnomon.segment.prepare import prepare

    root = tmp_path_factory.mktemp("report")
    pictures(root)
    (root / "raw" / "labels" / "p7.png").unlink()
    (root / "raw" / "images" / "p8.png").write_bytes(b"no <b>picture</b>")
    prepare(root / "raw", root / "sound", labels={"ground": 0, "disc": 7}, folds=3, skip_bad=True)
    trained(root / "sound", root / "runs" / "first", 'model.name="segresnet"')
    return root


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
    assert "segresnet minus unet in dice" in text
    assert f"{unet.summary()['params']:,}" in text
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
    from gnomon.segment.evaluating import score_case, write_rows

    run = trained(made / "sound", tmp_path / "run", "train.steps=2")
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
