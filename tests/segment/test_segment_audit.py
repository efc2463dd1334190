"""The audit: every code on a planted fault, found by file name; the two real sets; what cannot be audited; its speed."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from gnomon.errors import UserError
from gnomon.segment.audit import audit

CELLS = {"background": 0, "cytoplasm": 128, "nucleus": 255}


def real(name: str) -> Path:
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "segment" / name
    if not folder.is_dir():
        pytest.skip(f"the data set segment/{name} is not in GNOMON_DATA_DIR")
    return folder


def pictures(root: Path, count: int = 6, values: tuple[int, ...] = (0, 1, 2)) -> Path:
    """A sound set of RGB pictures 40 x 48, every value in every mask."""
    for place in ("images", "masks"):
        (root / place).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / "images" / f"c{number}.png")
        mask = np.array(values)[rng.integers(0, len(values), (40, 48))].astype(np.uint8)
        Image.fromarray(mask).save(root / "masks" / f"c{number}.png")
    return root


def volumes(root: Path, count: int = 6) -> Path:
    """A sound set of volumes 20 x 22 x 18 at 1 x 1 x 2 mm."""
    for place in ("images", "labels"):
        (root / place).mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        store(root / "images" / f"v{number}.nii.gz", rng.random((20, 22, 18), dtype=np.float32) * 100)
        store(root / "labels" / f"v{number}.nii.gz", rng.integers(0, 3, (20, 22, 18)).astype(np.uint8))
    return root


def store(path: Path, array: np.ndarray, affine=None) -> None:
    nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0]) if affine is None else affine).to_filename(path)


def loaded(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def only(found, kind: str) -> tuple[str, str, str]:
    """The one problem of the errors or warnings there are."""
    problems = getattr(found, kind)
    assert len(problems) == 1, [problem.to_dict() for problem in problems]
    return problems[0].code, problems[0].file, problems[0].message


def test_sound_sets_have_no_errors_and_no_warnings(tmp_path):
    for data in (pictures(tmp_path / "p"), volumes(tmp_path / "v")):
        found = audit(data)
        assert (found.errors, found.warnings) == ((), ())
        assert len(found.usable) == 6
        assert found.labels == {"background": 0, "1": 1, "2": 2}


# -- errors --------------------------------------------------------------------------------------------------------


def damage(root: Path, code: str) -> tuple[str, str]:
    """Plant one error in case 3 of a sound set; returns the file at fault and what its message must hold."""
    image, mask = root / "images" / "c3.png", root / "masks" / "c3.png"
    volume, label = root / "images" / "v3.nii.gz", root / "labels" / "v3.nii.gz"
    if code == "unpaired_image":
        mask.unlink()
        return "images/c3.png", "'c3'"
    if code == "unpaired_mask":
        image.unlink()
        return "masks/c3.png", "'c3'"
    if code == "unreadable":
        image.write_bytes(image.read_bytes()[:500])
        return "images/c3.png", "cannot be read as PNG"
    if code == "unreadable mask":
        label.write_bytes(label.read_bytes()[:200])
        return "labels/v3.nii.gz", "cannot be read as NIfTI"
    if code == "unreadable name":
        Image.open(image).copy().save(image, "JPEG")
        return "images/c3.png", "not what its name says"
    if code == "shape_mismatch":
        Image.fromarray(np.zeros((40, 47), np.uint8)).save(mask)
        return "masks/c3.png", "(40, 47)"
    if code == "shape_mismatch turned":
        store(label, loaded(label).transpose(1, 0, 2))
        return "labels/v3.nii.gz", "(22, 20, 18)"
    if code == "affine_mismatch":
        store(label, loaded(label), np.array([[1, 0, 0, 0], [0, 1, 0, 0.25], [0, 0, 2, 0], [0, 0, 0, 1.0]]))
        return "labels/v3.nii.gz", "0.25 in row 2, column 4"
    if code == "label_not_declared":
        changed = np.array(Image.open(mask))
        changed[:2, 0] = 9
        Image.fromarray(changed).save(mask)
        return "masks/c3.png", "9 (2 pixels)"
    if code == "label_not_integer":
        store(label, loaded(label).astype(np.float32) * 0.5)
        return "labels/v3.nii.gz", "0.5"
    if code == "mask_not_grey":
        Image.open(image).save(mask)
        return "masks/c3.png", "3 channels"
    if code == "channels_differ":
        Image.open(image).convert("L").save(image)
        return "images/c3.png", "1 channel, but most images have 3"
    if code == "nonfinite":
        changed = loaded(volume).copy()
        changed[4, 5, 6] = np.inf
        store(volume, changed)
        return "images/v3.nii.gz", "inf at [4, 5, 6]"
    assert code == "mixed_dims"
    image.unlink()
    mask.unlink()
    store(root / "images" / "c3.nii.gz", np.ones((20, 22, 18), np.float32))
    store(root / "masks" / "c3.nii.gz", np.ones((20, 22, 18), np.uint8))
    return "images/c3.nii.gz", "3 dimensions, but most images have 2"


ERRORS = (
    *("unpaired_image", "unpaired_mask", "unreadable", "unreadable mask", "unreadable name", "shape_mismatch"),
    *("shape_mismatch turned", "affine_mismatch", "label_not_declared", "label_not_integer", "mask_not_grey"),
    *("channels_differ", "nonfinite", "mixed_dims"),
)
IN_VOLUMES = ("unreadable mask", "shape_mismatch turned", "affine_mismatch", "label_not_integer", "nonfinite")


@pytest.mark.parametrize("planted", ERRORS)
@pytest.mark.parametrize("declared", [True, False])
def test_every_error_is_found_by_its_file(tmp_path, planted, declared):
    root = volumes(tmp_path) if planted in IN_VOLUMES else pictures(tmp_path)
    file, holds = damage(root, planted)
    found = audit(root, labels={"background": 0, "a": 1, "b": 2} if declared else None)
    code, at, message = only(found, "errors")
    assert (code, at) == (planted.split()[0], file)
    assert holds in message
    assert Path(file).name in message
    assert "\n" not in message
    assert [case.id[1:] for case in found.usable] == ["0", "1", "2", "4", "5"]


def test_a_case_has_one_error_the_first_in_reading_order(tmp_path):
    root = pictures(tmp_path)
    image, mask = root / "images" / "c1.png", root / "masks" / "c1.png"
    Image.open(image).convert("L").save(image)
    Image.open(root / "images" / "c2.png").save(mask)
    (root / "masks" / "c4.png").unlink()
    (root / "images" / "c4.png").write_bytes(b"x")
    found = audit(root)
    assert [(p.code, p.file) for p in found.errors] == [
        ("unpaired_image", "images/c4.png"),
        ("mask_not_grey", "masks/c1.png"),
    ]


def test_an_affine_may_differ_by_a_thousandth(tmp_path):
    root = volumes(tmp_path)
    label = root / "labels" / "v3.nii.gz"
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    for shift, errors in ((0.0009, 0), (0.0011, 1)):
        affine[0, 3] = shift
        store(label, loaded(label), affine)
        assert len(audit(root).errors) == errors


def test_channels_of_one_case_must_share_their_grid_and_files_listed_must_exist(tmp_path):
    root = volumes(tmp_path)
    store(root / "short.nii", np.ones((20, 22, 17), np.float32))
    store(root / "moved.nii", np.ones((20, 22, 18), np.float32), np.diag([1.0, 1.5, 2.0, 1.0]))
    pairs = [[f"images/v{number}.nii.gz"] * 2 for number in range(5)]
    pairs[1][1], pairs[2][1], pairs[3][1] = "short.nii", "moved.nii", "absent.nii"
    entries = [{"image": pair, "label": f"labels/v{n}.nii.gz", "group": "g"} for n, pair in enumerate(pairs)]
    (root / "list.json").write_text(json.dumps(entries))
    found = audit(root / "list.json")
    assert [(p.code, p.file) for p in found.errors] == [
        ("shape_mismatch", "short.nii"),
        ("affine_mismatch", "moved.nii"),
        ("unreadable", "absent.nii"),
    ]
    assert found.channels == 2
    assert [(case.id, case.group) for case in found.usable] == [("v0", "g"), ("v4", "g")]


# -- warnings ------------------------------------------------------------------------------------------------------


def test_the_same_pixels_under_two_names_are_a_leak_across_groups(tmp_path):
    root = pictures(tmp_path)
    Image.open(root / "images" / "c1.png").save(root / "images" / "c4.bmp")
    (root / "images" / "c4.png").unlink()
    code, file, message = only(audit(root), "warnings")
    assert (code, file) == ("duplicate_image", "images/c4.bmp")
    assert "images/c1.png" in message
    assert "leak" in message
    assert "leak" not in only(audit(root, group="(c)"), "warnings")[2]


def test_one_image_of_another_scale_is_named(tmp_path):
    root = volumes(tmp_path)
    store(root / "images" / "v2.nii.gz", np.random.default_rng(9).random((20, 22, 18)) * 12_000)
    code, file, message = only(audit(root), "warnings")
    assert (code, file) == ("intensity_scale", "images/v2.nii.gz")
    assert "times the median maximum" in message
    store(root / "images" / "v2.nii.gz", np.random.default_rng(9).random((20, 22, 18)) * 9_900)
    assert audit(root).warnings == ()


def test_a_mask_with_background_only_is_named(tmp_path):
    root = pictures(tmp_path)
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(root / "masks" / "c5.png")
    code, file, message = only(audit(root), "warnings")
    assert (code, file) == ("empty_mask", "masks/c5.png")
    assert "background (0)" in message


def test_a_label_in_four_cases_is_rare_and_in_five_is_not(tmp_path):
    root = pictures(tmp_path)
    for number, rare in ((0, False), (1, True)):
        mask = np.array(Image.open(root / "masks" / f"c{number}.png"))
        Image.fromarray(np.where(mask == 2, 1, mask).astype(np.uint8)).save(root / "masks" / f"c{number}.png")
        found = audit(root)
        assert bool(found.warnings) == rare
    code, file, message = only(found, "warnings")
    assert (code, file) == ("rare_label", "masks/c2.png")
    assert "'2' (2) is in 4 of 6 masks" in message
    never = audit(root, labels={"background": 0, "a": 1, "b": 2, "c": 3})
    assert ("rare_label", "") in [(p.code, p.file) for p in never.warnings]
    assert never.to_dict()["labels"]["3"] == {"name": "c", "share": 0.0, "cases": 0}


def test_another_spacing_is_named(tmp_path):
    root = volumes(tmp_path)
    for number, thick in ((2, 2.5), (4, 5.0)):
        for place in ("images", "labels"):
            path = root / place / f"v{number}.nii.gz"
            store(path, loaded(path), np.diag([1.0, 1.0, thick, 1.0]))
    found = audit(root)
    code, file, message = only(found, "warnings")
    assert (code, file) == ("spacing_differs", "images/v4.nii.gz")
    assert "1 x 1 x 5 mm" in message
    assert "1 x 1 x 2 mm" in message
    assert "1 more" in message
    assert found.spacing == {"min": [1, 1, 2], "median": [1, 1, 2], "max": [1, 1, 5]}


def test_a_tiny_image_is_named_and_a_stack_of_few_slices_is_not(tmp_path):
    root = pictures(tmp_path / "p")
    for place, mode in (("images", "RGB"), ("masks", "L")):
        Image.open(root / place / "c0.png").convert(mode).crop((0, 0, 31, 40)).save(root / place / "c0.png")
    code, file, message = only(audit(root), "warnings")
    assert (code, file) == ("tiny_image", "images/c0.png")
    assert "40 x 31" in message
    root = volumes(tmp_path / "v")
    for number, cut in ((0, np.s_[:, :, :4]), (1, np.s_[:9, :9, :9])):
        for place in ("images", "labels"):
            path = root / place / f"v{number}.nii.gz"
            store(path, loaded(path)[cut])
    assert only(audit(root), "warnings")[:2] == ("tiny_image", "images/v1.nii.gz")


# -- values --------------------------------------------------------------------------------------------------------


def test_counts_shares_and_ranges_are_those_of_the_files(tmp_path):
    root = pictures(tmp_path, count=7)
    with_alpha = np.dstack([np.array(Image.open(root / "images" / "c1.png")), np.full((40, 48), 9, np.uint8)])
    Image.fromarray(with_alpha).save(root / "images" / "c1.png")
    masks = np.stack([np.array(Image.open(file)) for file in sorted((root / "masks").iterdir())])
    told = audit(root).to_dict()
    labels = told.pop("labels")
    assert labels == {
        str(value): {"name": name, "share": pytest.approx((masks == value).mean()), "cases": 7}
        for value, name in enumerate(("background", "1", "2"))
    }
    assert told == {
        "cases": 7,
        "images": 7,
        "masks": 7,
        "dims": 2,
        "channels": 3,
        "alpha": 1,
        "intensity": {"min": 0.0, "max": 255.0},
        "shapes": {"min": [40, 48], "median": [40, 48], "max": [40, 48]},
        "spacing": None,
        "errors": [],
        "warnings": [],
    }
    assert json.loads(json.dumps(labels)) == labels


def test_values_that_are_not_counted_from_zero_ask_for_names_unless_they_are_strays(tmp_path):
    root = pictures(tmp_path / "named", values=(0, 128, 255))
    found = audit(root)
    assert found.errors == ()
    assert found.undeclared == (128, 255)
    assert found.how_to_name() == "--label background=0 --label NAME=128 --label NAME=255"
    mask = np.array(Image.open(root / "masks" / "c3.png"))
    mask[0, 0] = 77
    Image.fromarray(mask).save(root / "masks" / "c3.png")
    assert audit(root).undeclared == (77, 128, 255)
    found = audit(root, labels=CELLS)
    assert only(found, "errors")[:2] == ("label_not_declared", "masks/c3.png")
    assert found.undeclared == ()
    negative = volumes(tmp_path / "negative")
    label = negative / "labels" / "v1.nii.gz"
    store(label, loaded(label).astype(np.int16) - 1)
    assert only(audit(negative), "errors")[:2] == ("label_not_declared", "labels/v1.nii.gz")


def test_labels_that_say_nothing_are_refused(tmp_path):
    root = pictures(tmp_path)
    for labels in ({"background": 0}, {"background": 0, "a": 0}):
        with pytest.raises(UserError, match=r"labels = .* each with its own value"):
            audit(root, labels=labels)
    with pytest.raises(UserError, match="'c0'"):
        audit(root, group="(x)")


def test_nothing_is_changed_and_progress_is_shown(tmp_path):
    root = volumes(tmp_path)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in root.rglob("*") if file.is_file()}
    seen = []
    audit(root, show=lambda done, status: seen.append((done, status)))
    assert seen == [(n + 1, f"v{n}") for n in range(6)]
    assert before == {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in root.rglob("*") if file.is_file()}


# -- real sets -----------------------------------------------------------------------------------------------------


def test_the_hippocampus_set_lacks_two_files_and_has_no_common_scale():
    found = audit(real("hippocampus3d"))
    assert {(p.code, p.file) for p in found.errors} == {
        ("unpaired_image", "images/hippocampus_118.nii.gz"),
        ("unpaired_mask", "labels/hippocampus_010.nii.gz"),
    }
    code, file, message = only(found, "warnings")
    assert code == "intensity_scale"
    assert "1.7043e+06" in message
    assert float(loaded(real("hippocampus3d") / file).max()) == found.intensity["max"] == pytest.approx(1_704_295.25)
    told = found.to_dict()
    assert (told["cases"], told["images"], told["masks"], told["dims"], told["channels"]) == (180, 181, 181, 3, 1)
    assert [round(100 * told["labels"][v]["share"], 2) for v in "012"] == [94.76, 2.73, 2.52]
    assert {told["labels"][v]["cases"] for v in "012"} == {180}


def test_the_cell_set_is_clean():
    for labels in (CELLS, None):
        found = audit(real("wbc"), labels=labels)
        assert (found.errors, found.warnings) == ((), ())
        told = found.to_dict()
        assert (told["cases"], told["dims"], told["channels"]) == (200, 2, 3)
        assert [round(100 * told["labels"][v]["share"], 1) for v in ("0", "128", "255")] == [68.2, 19.3, 12.5]
        assert found.undeclared == (() if labels else (128, 255))


def test_faults_planted_in_the_cell_set_are_found(tmp_path):
    root = tmp_path / "wbc"
    for place in ("images", "masks"):
        shutil.copytree(real("wbc") / place, root / place)
    (root / "masks" / "003.png").unlink()
    Image.open(root / "images" / "008.bmp").convert("L").save(root / "images" / "008.bmp")
    shutil.copy(root / "images" / "009.bmp", root / "images" / "010.bmp")
    mask = np.array(Image.open(root / "masks" / "012.png"))
    mask[5, 5] = 200
    Image.fromarray(mask).save(root / "masks" / "012.png")
    found = audit(root, labels=CELLS)
    assert {(p.code, p.file) for p in found.errors} == {
        ("unpaired_image", "images/003.bmp"),
        ("channels_differ", "images/008.bmp"),
        ("label_not_declared", "masks/012.png"),
    }
    assert only(found, "warnings")[:2] == ("duplicate_image", "images/010.bmp")
    assert len(found.usable) == 197


def test_180_volumes_take_less_than_five_seconds_and_no_monai():
    data = real("hippocampus3d")
    program = (
        "import sys, time\nfrom gnomon.segment.audit import audit\nstart = time.process_time()\naudit(sys.argv[1])\n"
        "print(time.process_time() - start, 'monai' in sys.modules, 'torch' in sys.modules)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True)
    seconds, monai, torch = done.stdout.split()
    assert (monai, torch) == ("False", "False")
    assert float(seconds) < 5, f"{seconds} s of CPU time, {time.monotonic() - start:.1f} s in all"
