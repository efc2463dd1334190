"""Preparing: one grid for one anatomy and back, the intensity rule, folds by group, refusals, and nothing half written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gnomon.errors import UserError
from gnomon.segment import reading
from gnomon.segment.prepare import Intensity, assign_folds, label_to_grid, load_dataset, prepare, to_grid
from gnomon.segment.reading import Case, Frame

RNG = np.random.default_rng(2)
SHAPE, SPACING = (11, 13, 9), (1.0, 1.5, 3.0)
ANATOMY = (RNG.random(SHAPE) * 900).astype(np.int16)
CLASSES = (ANATOMY // 300).astype(np.int16)
RAS = np.array([[1, 0, 0, -7.0], [0, 1.5, 0, 2], [0, 0, 3, 40], [0, 0, 0, 1]])


def real(name: str) -> Path:
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "segment" / name
    if not folder.is_dir():
        pytest.skip(f"the data set segment/{name} is not in GNOMON_DATA_DIR")
    return folder


def oriented(array: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """An array whose axes are R, A, S, and its affine, stored along other axes."""
    change = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    turned = nibabel.orientations.apply_orientation(array, change)
    return turned, RAS @ nibabel.orientations.inv_ornt_aff(change, array.shape)


def rotated(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ RAS


def doubled(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every slice twice, at half the distance, over the same extent."""
    affine = RAS.copy()
    affine[2, 2], affine[2, 3] = 1.5, RAS[2, 3] - 0.75
    return np.repeat(array, 2, axis=2), affine


def stored(path: Path, array: np.ndarray, affine: np.ndarray, slope: float | None = None) -> Path:
    volume = nibabel.Nifti1Image(array, affine)
    if slope is not None:
        volume.header.set_slope_inter(slope, 0)
    path.write_bytes(volume.to_bytes())
    return path


KEPT = {
    "RAS": oriented(ANATOMY, "RAS"),
    "LPS": oriented(ANATOMY, "LPS"),
    "ASR": oriented(ANATOMY, "ASR"),
    "PIL": oriented(ANATOMY, "PIL"),
    "oblique": (ANATOMY, rotated(20)),
}


# -- one grid ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [None, SPACING])
@pytest.mark.parametrize("name", KEPT)
def test_one_anatomy_is_one_array_whatever_axes_it_is_stored_along(tmp_path, name, spacing):
    image, frame = reading.read_image(stored(tmp_path / "a.nii", *KEPT[name]))
    array, restore = to_grid(image, frame, spacing)
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert np.array_equal(array[0], ANATOMY)
    back = restore(np.stack([array[0], -array[0]]))
    assert np.array_equal(back, np.stack([image, -image]))
    assert np.array_equal(restore(torch.from_numpy(array)), image[None])


def test_a_slope_gives_the_values_it_stands_for(tmp_path):
    image, frame = reading.read_image(stored(tmp_path / "a.nii", ANATOMY * 2, RAS, slope=0.5))
    assert np.array_equal(to_grid(image, frame)[0][0], ANATOMY)


@pytest.mark.parametrize("codes", ["RAS", "LPI"])
def test_doubled_slices_give_the_same_anatomy_and_the_same_mask_back(tmp_path, codes):
    image, affine = doubled(ANATOMY)
    classes = doubled(CLASSES)[0]
    change = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    affine = affine @ nibabel.orientations.inv_ornt_aff(change, image.shape)
    image, classes = (nibabel.orientations.apply_orientation(each, change) for each in (image, classes))
    image, frame = reading.read_image(stored(tmp_path / "a.nii", image, affine))
    array, restore = to_grid(image, frame, SPACING)
    assert array.shape == (1, *SHAPE)
    assert np.abs(array[0] - ANATOMY).max() < 1e-3
    assert np.array_equal(label_to_grid(classes, frame, SPACING), CLASSES)
    back = restore(np.eye(3, dtype=np.float32)[CLASSES].transpose(3, 0, 1, 2))
    assert back.shape == (3, *frame.shape)
    assert back.sum(axis=0) == pytest.approx(np.ones(frame.shape), abs=1e-5)
    assert np.array_equal(back.argmax(axis=0), classes)


@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    held=st.tuples(*[st.floats(0.4, 4)] * 3),
    target=st.tuples(*[st.floats(0.4, 4)] * 3),
    codes=st.sampled_from(["RAS", "LPS", "ASR", "SAL", "IRP"]),
)
@settings(max_examples=25, deadline=None)
def test_resampling_keeps_the_extent_and_comes_back_to_the_shape(shape, held, target, codes):
    ornt = nibabel.orientations.axcodes2ornt(codes)
    affine = nibabel.orientations.inv_ornt_aff(ornt, shape) @ np.eye(4)
    affine = affine @ np.diag([*held, 1.0])
    frame = Frame(shape, affine, held)
    image = np.full(shape, 3.5)
    array, restore = to_grid(image, frame, target)
    axes = np.argsort(nibabel.io_orientation(affine)[:, 0])
    wanted = [shape[axis] * held[axis] / goal for axis, goal in zip(axes, target, strict=True)]
    for size, exact in zip(array.shape[1:], wanted, strict=True):
        assert size == max(1, round(exact)) or abs(exact % 1 - 0.5) < 1e-3
    assert array == pytest.approx(np.full(array.shape, 3.5))
    assert restore(np.repeat(array, 2, axis=0)) == pytest.approx(np.full((2, *shape), 3.5))


def test_linear_resampling_is_that_of_centres_at_equal_extent():
    ramp = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((12, 3, 3), np.float32)
    array, _ = to_grid(ramp, Frame((12, 3, 3), np.eye(4), (1.0, 1.0, 1.0)), (1.5, 1, 1))
    centres = (np.arange(8) + 0.5) * 1.5 - 0.5
    assert array[0, :, 0, 0] == pytest.approx(centres, abs=1e-5)
    line, frame = np.arange(12, dtype=np.int16)[:, None, None], Frame((12, 1, 1), np.eye(4), (1.0, 1.0, 1.0))
    nearest = label_to_grid(line, frame, (1.5, 1, 1))[:, 0, 0]
    assert np.array_equal(nearest, np.rint(centres))  # the voxel whose centre is nearest, not the one before
    assert np.array_equal(label_to_grid(line, frame, (0.5, 1, 1))[:, 0, 0], np.repeat(np.arange(12), 2))


def test_spacing_read_from_a_float32_header_changes_nothing(tmp_path):
    affine = np.diag([0.1 + 0.2, 0.7, 1 / 3, 1.0])
    image, frame = reading.read_image(stored(tmp_path / "a.nii", ANATOMY, affine))
    assert frame.spacing != (0.3, 0.7, 1 / 3)
    assert np.array_equal(to_grid(image, frame, (0.3, 0.7, 1 / 3))[0][0], ANATOMY)


def test_pictures_and_plain_arrays_only_get_their_channels_first():
    picture = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    array, restore = to_grid(picture, Frame((5, 7)))
    assert array.dtype == np.uint8
    assert np.array_equal(array, picture.transpose(2, 0, 1))
    assert restore(array) is array
    assert to_grid(picture[..., 0], Frame((5, 7)))[0].shape == (1, 5, 7)
    volume = RNG.random((5, 7, 4, 2))
    assert np.array_equal(to_grid(volume, Frame((5, 7, 4)))[0], np.moveaxis(volume, -1, 0))
    resampled, back = to_grid(volume, Frame((5, 7, 4), None, (1.0, 1.0, 2.0)), (1, 1, 1))
    assert resampled.shape == (2, 5, 7, 8)
    assert back(resampled).shape == (2, 5, 7, 4)
    with pytest.raises(UserError, match="no voxel spacing"):
        to_grid(volume, Frame((5, 7, 4)), (1, 1, 1))


# -- intensities ---------------------------------------------------------------------------------------------------


def test_integers_are_scaled_by_the_largest_value_of_their_type():
    rule = Intensity("type_range")
    assert rule.apply(np.array([[0, 51, 255]], np.uint8)) == pytest.approx(np.array([[-1, -0.6, 1]]))
    assert rule.apply(np.array([[0, 65535]], np.uint16)) == pytest.approx(np.array([[-1, 1]]))
    assert rule.apply(np.array([[0, 1]], np.uint8)).dtype == np.float32
    with pytest.raises(UserError, match="float64.*integers"):
        rule.apply(np.array([[0.5]]))


def test_volumes_are_clipped_to_percentiles_and_standardised_by_channel():
    volume = RNG.lognormal(size=(2, 9, 8, 7)) * np.array([1, 1e5])[:, None, None, None]
    found = Intensity("percentiles").apply(volume)
    for channel, values in zip(found, volume, strict=True):
        clipped = np.clip(values, *np.percentile(values, [0.5, 99.5]))
        assert channel == pytest.approx((clipped - clipped.mean()) / clipped.std(), abs=1e-4)
    assert np.array_equal(Intensity("percentiles").apply(np.full((1, 4, 4, 4), 7)), np.zeros((1, 4, 4, 4)))


def test_a_window_is_clipped_and_becomes_minus_one_to_one():
    rule = Intensity("window", (-100, 300))
    assert rule.apply(np.array([[-900, -100, 0, 300, 4000]], np.int16)) == pytest.approx(
        np.array([[-1, -1, -0.5, 1, 1]])
    )
    assert rule.to_dict() == {"kind": "window", "window": [-100, 300]}
    given = np.array([[1, 2]], np.float32)
    rule.apply(given)
    assert np.array_equal(given, [[1, 2]])


# -- folds ---------------------------------------------------------------------------------------------------------


def cases_of(sizes: list[int], folds: dict[int, int] | None = None) -> list[Case]:
    return [
        Case(f"g{group}-{n}", (), Path("m"), f"g{group}", (folds or {}).get(group))
        for group, size in enumerate(sizes)
        for n in range(size)
    ]


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=30), data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_group_is_split_no_fold_is_empty_and_folds_are_balanced(sizes, data):
    folds = data.draw(st.integers(2, len(sizes)))
    seed = data.draw(st.integers(0, 99))
    found = assign_folds(cases_of(sizes), folds, seed)
    assert [case.id for case in found] == [case.id for case in cases_of(sizes)]
    by_group: dict[str, set] = {}
    held = [0] * folds
    for case in found:
        by_group.setdefault(case.group, set()).add(case.fold)
        held[case.fold] += 1
    assert all(len(folds_of) == 1 for folds_of in by_group.values())
    assert min(held) > 0
    assert max(held) - min(held) <= max(sizes)
    assert found == assign_folds(cases_of(sizes), folds, seed)


def test_folds_follow_the_seed_and_the_largest_group_goes_first():
    def folds(seed: int) -> list[int]:
        return [case.fold for case in assign_folds(cases_of([1] * 20), 4, seed)]

    assert sorted(folds(0)) == sorted([0, 1, 2, 3] * 5)
    assert folds(0) == folds(0) != folds(1)
    sizes = [1, 1, 1, 1, 1, 5, 1]  # one fold for the large group, the other for all small ones but one
    held = np.bincount([case.fold for case in assign_folds(cases_of(sizes), 2, 3)])
    assert sorted(held) == [5, 6]


def test_folds_that_the_data_give_are_kept():
    found = assign_folds(cases_of([2, 2, 1, 3], {0: 2, 1: 0}), 3, 0)
    assert {case.group: case.fold for case in found if case.group in ("g0", "g1")} == {"g0": 2, "g1": 0}
    assert {case.fold for case in found} == {0, 1, 2}
    every = assign_folds(cases_of([2, 2, 1], {0: 2, 1: 0, 2: 1}), 5, 0)
    assert [case.fold for case in every] == [2, 2, 0, 0, 1]


@pytest.mark.parametrize(
    ("sizes", "folds", "given", "match"),
    [
        ([1, 1, 1], 4, None, r"--folds 4: .* number of groups, 3,"),
        ([1, 1, 1], 1, None, r"--folds 1: at least 2"),
        ([1, 1, 1], 2, {0: 2}, r"--folds 2: the data name fold 2"),
        ([1, 1, 1, 1], 4, {0: 1, 1: 1, 2: 1}, r"--folds 4: fold 2 stays empty"),
        ([1, 1], 5, {0: 0, 1: 2}, r"fold 1 stays empty"),
        ([1, 1], 5, {0: 0, 1: 0}, r"every case into fold 0"),
    ],
)
def test_folds_that_cannot_be_are_refused(sizes, folds, given, match):
    with pytest.raises(UserError, match=match):
        assign_folds(cases_of(sizes, given), folds, 0)
    split = [Case("a", (), Path("m"), "p", 0), Case("b", (), Path("m"), "p", 1)]
    with pytest.raises(UserError, match="group 'p' into the folds 0 and 1"):
        assign_folds(split, 2, 0)


# -- whole data sets -----------------------------------------------------------------------------------------------


def pictures(root: Path, count: int = 6, values: tuple[int, ...] = (0, 7, 3)) -> Path:
    for place in ("images", "masks"):
        (root / place).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(
            root / "images" / f"p{number // 2}_{number}.png"
        )
        mask = np.array(values)[rng.integers(0, len(values), (40, 36))].astype(np.uint8)
        Image.fromarray(mask).save(root / "masks" / f"p{number // 2}_{number}.png")
    return root


LABELS = {"background": 0, "tumour": 7, "edema": 3}


def test_pictures_become_arrays_with_class_indices(tmp_path):
    data = pictures(tmp_path / "data")
    told = prepare(data, tmp_path / "out", labels=LABELS, group=r"(p\d)", folds=3, seed=4)
    assert told == {"cases": 6, "excluded": 0, "folds": 3, "groups": 3, "labels": LABELS, "out": str(tmp_path / "out")}
    dataset = load_dataset(tmp_path / "out")
    assert (dataset.dims, dataset.channels, dataset.folds, dataset.seed) == (2, 3, 3, 4)
    assert (dataset.labels, dataset.spacing, dataset.intensity) == (LABELS, None, Intensity("type_range"))
    assert list(dataset.labels) == list(LABELS)
    assert len({(case.group, case.fold) for case in dataset.cases}) == 3
    for case in dataset.cases:
        image, label = dataset.arrays(case.id)
        pixels, mask = np.array(Image.open(case.image[0])), np.array(Image.open(case.label))
        assert (image.dtype, label.dtype) == (np.float32, np.int16)
        assert image == pytest.approx((pixels.transpose(2, 0, 1) / 255 - 0.5) / 0.5, abs=1e-6)
        assert np.array_equal(np.array([0, 7, 3])[label], mask)
        label[0, 0] = 2  # a map of its own: the file stays as it is
        assert np.array_equal(np.array([0, 7, 3])[dataset.arrays(case.id)[1]], mask)
    content = json.loads((tmp_path / "out" / "dataset.json").read_text())
    named = {
        "format",
        "dims",
        "channels",
        "labels",
        "spacing",
        "intensity",
        "folds",
        "seed",
        "cases",
        "excluded",
        "warnings",
    }
    assert set(content) == named
    assert set(content["cases"][0]) == {"id", "image", "label", "group", "fold"}


def test_volumes_of_one_anatomy_become_the_same_arrays(tmp_path):
    for place in ("images", "labels"):
        (tmp_path / "data" / place).mkdir(parents=True)
    kinds = [
        *((name, *KEPT[name], None) for name in KEPT),
        ("doubled", *doubled(ANATOMY), None),
        ("slope", ANATOMY * 2, RAS, 0.5),
    ]
    for name, image, affine, slope in kinds:
        stored(tmp_path / "data" / "images" / f"{name}.nii", image, affine, slope)
        stored(
            tmp_path / "data" / "labels" / f"{name}.nii", (image // (600 if slope else 300)).astype(np.uint8), affine
        )
    prepare(tmp_path / "data", tmp_path / "out", folds=2, spacing=SPACING)
    dataset = load_dataset(tmp_path / "out")
    assert (dataset.dims, dataset.spacing, dataset.intensity.kind) == (3, SPACING, "percentiles")
    expected = Intensity("percentiles").apply(ANATOMY[None].astype(np.float32))
    for case in dataset.cases:
        image, label = dataset.arrays(case.id)
        assert image == pytest.approx(expected, abs=1e-5), case.id
        assert np.array_equal(label, CLASSES), case.id
        assert label.dtype == np.int16


def test_several_volumes_and_a_window_through_a_datalist(tmp_path):
    for number in range(4):
        for kind in ("t1", "t2"):
            stored(tmp_path / f"{number}_{kind}.nii", ANATOMY + number + (kind == "t2"), RAS)
        stored(tmp_path / f"{number}_m.nii", CLASSES.astype(np.uint8), RAS)
    entries = [
        {"image": [f"{n}_t1.nii", f"{n}_t2.nii"], "label": f"{n}_m.nii", "group": f"p{n % 2}", "fold": n % 2}
        for n in range(4)
    ]
    (tmp_path / "list.json").write_text(
        json.dumps({"labels": {"0": "rest", "1": "one", "2": "two"}, "training": entries})
    )
    told = prepare(tmp_path / "list.json", tmp_path / "out", window=(0, 1000))
    assert (told["folds"], told["groups"], told["labels"]) == (2, 2, {"rest": 0, "one": 1, "two": 2})
    dataset = load_dataset(tmp_path / "out")
    assert dataset.channels == 2
    assert dataset.intensity == Intensity("window", (0.0, 1000.0))
    image, _ = dataset.arrays("3_t1")
    assert image[1] == pytest.approx((ANATOMY + 4) / 500 - 1, abs=1e-5)
    assert [path.name for path in dataset.cases[3].image] == ["3_t1.nii", "3_t2.nii"]


def test_pictures_of_real_numbers_are_standardised(tmp_path):
    data = pictures(tmp_path / "data", values=(0, 1))
    for file in list((data / "images").iterdir()):
        pixels = np.array(Image.open(file).convert("L"), np.float32) / 9
        file.unlink()
        Image.fromarray(pixels).save(file.with_suffix(".tif"))
    prepare(data, tmp_path / "out", folds=2)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.intensity.kind == "percentiles"
    assert dataset.arrays("p0_0")[0].mean() == pytest.approx(0, abs=1e-4)


def test_bad_cases_are_refused_or_left_out_and_listed(tmp_path):
    data = pictures(tmp_path / "data")
    (data / "masks" / "p0_1.png").unlink()
    (data / "images" / "p1_2.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"2 errors, the first: images/p0_1\.png .*--skip-bad"):
        prepare(data, tmp_path / "out", labels=LABELS, folds=2)
    assert not (tmp_path / "out").exists()
    told = prepare(data, tmp_path / "out", labels=LABELS, folds=2, skip_bad=True)
    assert (told["cases"], told["excluded"]) == (4, 2)
    dataset = load_dataset(tmp_path / "out")
    assert [(p.code, p.file) for p in dataset.excluded] == [
        ("unpaired_image", "images/p0_1.png"),
        ("unreadable", "images/p1_2.png"),
    ]
    assert [case.id for case in dataset.cases] == ["p0_0", "p1_3", "p2_4", "p2_5"]
    assert sorted(p.code for p in dataset.warnings) == ["rare_label", "rare_label"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"labels": None},
            r"label values 0, 3, 7, which are not 0 to 2; .*--label background=0 --label NAME=3 --label NAME=7",
        ),
        ({"folds": 7}, r"--folds 7: .* 6,"),
        ({"folds": 1}, r"--folds 1: at least 2"),
        ({"group": "(x)"}, r"'p0_0'"),
        ({"group": "("}, r"no regular expression"),
        ({"window": (5, 5)}, r"--window 5,5"),
        ({"window": (float("nan"), 5)}, r"--window nan,5"),
        ({"spacing": (1, 0, 1)}, r"--spacing 1,0,1"),
        ({"spacing": (1, 1)}, r"--spacing 1,1:"),
        ({"spacing": (1, 1, 1)}, r"--spacing 1,1,1: .* pictures"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence_and_write_nothing(tmp_path, options, match):
    data = pictures(tmp_path / "data")
    with pytest.raises(UserError, match=match) as caught:
        prepare(data, tmp_path / "out", **{"labels": LABELS, **options})
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_no_usable_case_and_no_label_but_the_background_are_refused(tmp_path):
    data = pictures(tmp_path / "data", values=(0,))
    with pytest.raises(UserError, match="no label but the background"):
        prepare(data, tmp_path / "out")
    for file in (data / "masks").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="no case without an error"):
        prepare(data, tmp_path / "out", labels=LABELS, skip_bad=True)


def test_a_folder_that_exists_is_left_alone(tmp_path):
    data = pictures(tmp_path / "data")
    (tmp_path / "out").mkdir()
    prepare(data, tmp_path / "out", labels=LABELS, folds=2)
    before = (tmp_path / "out" / "dataset.json").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        prepare(data, tmp_path / "out", labels=LABELS, folds=3)
    assert (tmp_path / "out" / "dataset.json").read_bytes() == before


def test_a_place_where_nothing_can_be_made_is_refused_before_the_audit(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"--out .*file/below/out: .*file is no folder; another place is expected"):
        prepare(tmp_path / "absent", tmp_path / "file" / "below" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    data = pictures(tmp_path / "data")
    for out in ("a", "b"):
        prepare(data, tmp_path / out, labels=LABELS, folds=2, seed=1)
    content = [
        {f.relative_to(tmp_path / out): f.read_bytes() for f in (tmp_path / out).rglob("*.*")} for out in ("a", "b")
    ]
    assert content[0] == content[1]
    assert len(content[0]) == 13


KILLED = """
import os, signal, sys
from gnomon.segment.prepare import prepare
def show(done, status):
    if done == 6 + 4:
        os.kill(os.getpid(), signal.SIGKILL)
prepare(sys.argv[1], sys.argv[2], labels={"background": 0, "tumour": 7, "edema": 3}, folds=2, show=show)
"""


def test_a_killed_preparation_leaves_no_data_set_and_the_next_one_cleans_up(tmp_path):
    data = pictures(tmp_path / "data")
    done = subprocess.run([sys.executable, "-c", KILLED, str(data), str(tmp_path / "out")])
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.iterdir())) == 2  # the data and what it was making
    prepare(data, tmp_path / "out", labels=LABELS, folds=2)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}
    assert len(load_dataset(tmp_path / "out").cases) == 6


def test_a_fault_in_between_leaves_nothing(tmp_path):
    def show(done: int, status: str) -> None:
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(pictures(tmp_path / "data"), tmp_path / "out", labels=LABELS, folds=2, show=show)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no dataset\.json; .*gnomon segment prepare"):
        load_dataset(tmp_path)
    for content, match in (
        ("{", "not valid JSON"),
        ("[]", "not of format"),
        ('{"name": "Hippocampus"}', "not of format"),
    ):
        (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(UserError, match=match):
            load_dataset(tmp_path)
    prepare(pictures(tmp_path / "data"), tmp_path / "out", labels=LABELS, folds=2)
    array = tmp_path / "out" / "arrays" / "p2_4.label.npy"
    for content in (array.read_bytes()[:-3], b"?", b""):
        array.write_bytes(content)
        with pytest.raises(UserError, match=r"p2_4\.label\.npy is damaged; prepare"):
            load_dataset(tmp_path / "out")
    array.unlink()
    with pytest.raises(UserError, match=r"p2_4\.label\.npy is missing"):
        load_dataset(tmp_path / "out")
    file = tmp_path / "out" / "dataset.json"
    whole = json.loads(file.read_text())
    for change, match in (
        ({"folds": "two"}, r"dataset\.json: folds = 'two', but"),
        ({"cases": []}, r"dataset\.json: cases = \[\], but"),
        ({"cases": [{"id": "a"}]}, r"dataset\.json: cases\.0\.image is missing"),
        ({"intensity": {"kind": "gamma", "window": None}}, r"intensity\.kind = 'gamma'"),
    ):
        file.write_text(json.dumps(whole | change))
        with pytest.raises(UserError, match=match):
            load_dataset(tmp_path / "out")


def test_the_cell_set_prepares_with_names(tmp_path):
    data = real("wbc")
    with pytest.raises(UserError, match=r"0, 128, 255"):
        prepare(data, tmp_path / "out")
    told = prepare(data, tmp_path / "out", labels={"background": 0, "cytoplasm": 128, "nucleus": 255})
    assert (told["cases"], told["folds"], told["groups"]) == (200, 5, 200)
    dataset = load_dataset(tmp_path / "out")
    assert np.bincount([case.fold for case in dataset.cases]).tolist() == [40] * 5
    assert set(np.unique(dataset.arrays("003")[1])) == {0, 1, 2}


def test_the_hippocampus_set_prepares_without_its_two_bad_files(tmp_path):
    root, data = real("hippocampus3d"), tmp_path / "data"
    both = sorted({f.name for f in (root / "images").iterdir()} & {f.name for f in (root / "labels").iterdir()})
    for place, lone in (("images", "118"), ("labels", "010")):
        (data / place).mkdir(parents=True)
        for name in (*both[::12], f"hippocampus_{lone}.nii.gz"):
            (data / place / name).symlink_to(root / place / name)
    with pytest.raises(UserError, match=r"2 errors.*hippocampus_118"):
        prepare(data, tmp_path / "out")
    told = prepare(data, tmp_path / "out", skip_bad=True)
    assert (told["cases"], told["excluded"], told["folds"]) == (15, 2, 5)
    dataset = load_dataset(tmp_path / "out")
    assert {Path(p.file).name[12:15] for p in dataset.excluded} == {"118", "010"}
    for case in dataset.cases:
        image, label = dataset.arrays(case.id)
        assert np.array_equal(label, reading.read_mask(case.label)[0])
        assert image.mean() == pytest.approx(0, abs=1e-3)
        assert image.std() == pytest.approx(1, abs=1e-3)
