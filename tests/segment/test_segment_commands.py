"""`gnomon segment` as a person types it: what is printed and kept, and that every mistake is one sentence."""

import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from segment_samples import TINY, pictures, volumes
from typer.testing import CliRunner

from gnomon.cli import build
from gnomon.models.transception import TransCeption, TransCeptionConfig, to_official
from gnomon.segment import commands, networks
from gnomon.segment.evaluating import read_rows
from gnomon.segment.predict import Segmenter, save_model
from gnomon.segment.prepare import Intensity
from gnomon.segment.recipe import ModelSettings

NAMED = ["--label", "ground=0", "--label", "disc=7"]
SHORT = [word for setting in (*TINY, "train.steps=4") for word in ("--set", setting)]


@pytest.fixture
def segment(gnomon):
    """Run `gnomon segment` in this process."""
    return lambda *arguments: gnomon("segment", *map(str, arguments))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures, prepared, and a finished training on them by command."""
    root = tmp_path_factory.mktemp("made")
    pictures(root)
    trained = ["train", "--data", str(root / "ready"), *SHORT, "--out", str(root / "run"), "--json"]
    result = CliRunner().invoke(build(), ["segment", *trained])
    assert result.exit_code == 0, result.output
    (root / "printed.json").write_text(result.stdout)
    return root


def answer(result):
    """The one JSON document of a command."""
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def refused(result, *parts, before=None, here=None):
    """Exit code 2, nothing on standard output, nothing written, and one sentence with `parts`."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    message = result.stderr.strip().splitlines()[-1]
    for part in parts:
        assert part in message, message
    assert message.startswith("error: ")
    if here is not None:
        assert sorted(here.rglob("*")) == before


def picture(path, shape=(40, 40, 3), seed=0, high=256, kind=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, high, shape).astype(kind)).save(path)


def mask(path, value=7, shape=(40, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(shape, np.uint8)
    array[5:20, 5:20] = value
    Image.fromarray(array).save(path)


def volume(path, shape=(12, 12, 6), affine=None, kind=np.uint8, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(shape, kind)
    array[3:8, 3:8, 2:4] = value
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


def model(folder, channels, slice_axis=None):
    """A run with a network that has learned nothing."""
    settings = ModelSettings(name="unet", base_channels=8)
    segmenter = Segmenter(
        network=networks.build(settings, in_channels=channels, classes=2, seed=0).eval(),
        labels={"ground": 0, "disc": 7},
        channels=(channels,),
        intensity=Intensity("type_range"),
        spacing=None,
        slice_axis=slice_axis,
        patch_size=(32, 32),
        flip_axes=(),
    )
    folder.mkdir(parents=True)
    save_model(folder, segmenter, settings)
    return folder


SMALL = TransCeptionConfig(num_classes=3, base_channels=8, stage_depths=(1, 1, 1, 1))


def official():
    """An official checkpoint of a small network."""
    torch.manual_seed(0)
    return {name: tensor.contiguous() for name, tensor in to_official(TransCeption(SMALL).eval()).items()}


# -- what is printed ---------------------------------------------------------------------------------------------------


def test_every_command_explains_itself_without_a_heavy_import_and_measuring_needs_no_monai(tmp_path):
    for number in range(3):
        picture(tmp_path / "data" / "images" / f"{number}.png", seed=number)
        mask(tmp_path / "data" / "labels" / f"{number}.png", value=1)
    program = f"""
import sys
from typer.testing import CliRunner
from gnomon.cli import build
from gnomon.segment import commands
app = build()
run = lambda *words: CliRunner().invoke(app, ["segment", *words], env={{"COLUMNS": "300"}})
for command in commands.app.registered_commands:
    text = run(command.name, "--help").stdout
    assert f"Example: gnomon segment {{command.name}} " in text, (command.name, text)
heavy = {{"numpy", "torch", "monai", "nibabel", "PIL", "matplotlib", "scipy", "onnx"}} & set(sys.modules)
assert not heavy, heavy
data = {str(tmp_path / "data")!r}
assert run("audit", data).exit_code == 0
assert run("evaluate", data + "/labels", data + "/labels").exit_code == 0
assert "monai" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_the_extra_every_command_says_how_to_get_it(segment, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "monai", None)
    for words in (
        ["audit", tmp_path],
        ["prepare", tmp_path, "--out", tmp_path / "x"],
        ["train", "--data", tmp_path],
        ["predict", tmp_path, tmp_path, "--out", tmp_path / "x"],
        ["evaluate", tmp_path, tmp_path],
        ["export", tmp_path, "--to", tmp_path / "x.onnx"],
        ["import", tmp_path, "--out", tmp_path / "x"],
    ):
        refused(segment(*words), "monai", "pip install 'gnomon[segment]'")
    assert not list(tmp_path.iterdir())


def test_audit_exits_by_what_it_finds(segment, made, here):
    found = answer(segment("audit", made / "raw", *NAMED, "--json"))
    assert set(found) >= {
        *("cases", "images", "masks", "dims", "channels", "labels"),
        *("intensity", "shapes", "spacing", "errors", "warnings"),
    }
    assert (found["cases"], found["dims"], found["channels"], found["errors"]) == (9, 2, 3, [])
    assert found["labels"]["7"]["name"] == "disc"
    assert found["labels"]["7"]["cases"] == 9

    picture(here / "data" / "images" / "a.png")
    picture(here / "data" / "images" / "b.png", seed=1)
    mask(here / "data" / "masks" / "b.png", value=1)
    result = segment("audit", "data", "--json")
    assert result.exit_code == 1
    (error,) = json.loads(result.stdout)["errors"]
    assert (error["code"], error["file"]) == ("unpaired_image", "images/a.png")
    shown = segment("audit", "data")
    assert shown.exit_code == 1
    assert "unpaired_image" in shown.stdout

    refused(segment("audit", "nowhere", "--json"), "nowhere", "does not exist")


def test_audit_prints_how_to_name_values(segment, made):
    assert "--label background=0 --label NAME=7" in segment("audit", made / "raw").stdout


def test_an_audit_of_many_faults_counts_what_it_does_not_print(segment, here):
    for number in range(commands.SHOWN + 5):
        picture(here / "data" / "images" / f"{number:02}.png", shape=(33, 33), seed=number)
    mask(here / "data" / "masks" / "00.png", shape=(33, 33), value=1)
    shown = segment("audit", "data").stdout
    assert shown.count("unpaired_image") == commands.SHOWN
    assert "and 4 more errors" in shown


def test_prepare_prints_what_it_made(segment, made, here):
    result = answer(segment("prepare", made / "raw", "--out", "ready", "--folds", "3", *NAMED, "--json"))
    assert set(result) == {"cases", "excluded", "folds", "groups", "labels", "out"}
    assert (result["cases"], result["folds"], result["out"]) == (9, 3, "ready")
    stored = json.loads((here / "ready" / "dataset.json").read_text())
    assert stored["labels"] == result["labels"] == {"ground": 0, "disc": 7}
    shown = segment("prepare", made / "raw", "--out", "again", "--folds", "3", "--label", "ground=0", "disc=7")
    assert "9 cases in 3 folds" in shown.stdout
    assert "gnomon segment train --data again" in shown.stdout


def test_window_and_spacing_are_read_as_numbers(segment, here):
    for number in range(2):
        volume(here / "data" / "images" / f"{number}.nii.gz", kind=np.int16, value=100 + number)
        volume(here / "data" / "labels" / f"{number}.nii.gz")
    answer(
        segment(
            *("prepare", "data", "--out", "ready", "--folds", "2", "--json"),
            *("--window", "-125,275", "--spacing", "2,2,1"),
        )
    )
    stored = json.loads((here / "ready" / "dataset.json").read_text())
    assert stored["intensity"] == {"kind": "window", "window": [-125.0, 275.0]}
    assert stored["spacing"] == [2.0, 2.0, 1.0]


def test_training_prints_its_summary_and_a_finished_one_is_left_as_it_is(segment, made):
    printed = (made / "printed.json").read_text()
    summary = json.loads(printed)
    assert summary == json.loads((made / "run" / "summary.json").read_text())
    assert set(summary) >= {
        *("model", "params", "steps", "seconds", "seed", "fold"),
        *("skipped_steps", "dice", "mean_dice"),
    }
    assert (summary["model"], summary["steps"], summary["fold"], summary["skipped_steps"]) == ("unet", 4, 0, 0)
    assert set(summary["dice"]) == {"disc"}
    assert {"value", "low", "high", "n", "n_undefined"} <= set(summary["dice"]["disc"])
    before = {path: path.stat().st_mtime_ns for path in (made / "run").rglob("*")}
    again = segment("train", "--data", made / "ready", *SHORT, "--out", made / "run", "--resume", "--json")
    assert again.exit_code == 0
    assert again.stdout == printed
    assert {path: path.stat().st_mtime_ns for path in (made / "run").rglob("*")} == before


def test_a_report_that_a_kill_prevented_is_written_when_the_run_is_resumed(segment, made):
    page = made / "run" / "report.html"
    text = page.read_text()
    page.unlink()
    shown = segment("train", "--data", made / "ready", *SHORT, "--out", made / "run", "--resume")
    assert shown.exit_code == 0
    assert page.read_text() == text
    assert "disc" in shown.stdout
    assert "report.html" in shown.stdout


def test_predict_and_evaluate(segment, made, here):
    raw = made / "raw"
    predicted = answer(segment("predict", made / "run", raw / "images", "--out", "masks", "--uncertainty", "--json"))
    assert predicted == {"cases": 9, "out": "masks"}
    assert (here / "masks" / "uncertainty" / "p0.tif").is_file()
    with Image.open(here / "masks" / "p0.png") as found, Image.open(raw / "images" / "p0.png") as image:
        assert found.size == image.size
        assert set(np.unique(np.asarray(found))) <= {0, 7}
    assert "1 masks in one" in segment("predict", made / "run", raw / "images" / "p3.png", "--out", "one").stdout

    (here / "types.csv").write_text("id,group\n" + "".join(f"p{n},{'odd' if n % 2 else 'even'}\n" for n in range(9)))
    scores = answer(
        segment(
            *("evaluate", "masks", raw / "labels", *NAMED, "--by", "types.csv", "--group", "p(.)"),
            *("--missed", "diagonal", "--both-empty", "one", "--spacing", "0.5,0.5", "--tolerance", "1", "--json"),
        )
    )
    assert set(scores) == {"cases", "unit", "policy", "classes", "mean_dice", "groups"}
    assert (scores["cases"], scores["unit"]) == (9, "mm")
    assert (scores["policy"]["both_empty"], scores["policy"]["missed"]) == ("one", "diagonal")
    assert set(scores["classes"]["disc"]) == {
        *("dice", "iou", "hd95", "assd", "nsd"),
        *("n_both_empty", "n_missed", "n_spurious"),
    }
    assert {"value", "low", "high", "n", "n_undefined"} <= set(scores["classes"]["disc"]["hd95"])
    assert {name: of["cases"] for name, of in scores["groups"].items()} == {"even": 5, "odd": 4}

    shown = segment("evaluate", "masks", raw / "labels", *NAMED, "--out", "scores").stdout
    text = " ".join(shown.split())
    assert "HD95: the larger of the two directed 95th percentiles" in text
    assert "--both-empty exclude, --missed exclude" in text
    assert len((here / "scores" / "per_case.csv").read_text().splitlines()) == 10


def test_two_runs_are_compared_over_the_cases_of_both(gnomon, made, here):
    other = [*SHORT, "--set", "train.seed=1", "--out", "other", "--json"]
    answer(gnomon("segment", "train", "--data", str(made / "ready"), *other))
    found = answer(gnomon("runs", "compare", str(made / "run"), "other", "--json"))["comparisons"][0]
    assert (found["metric"], found["only_a"], found["only_b"]) == ("dice", 0, 0)
    assert found["cases"] == len({row["case"] for row in read_rows(made / "run" / "per_case.csv")})
    assert set(found["classes"]) == {"disc"}
    said = gnomon("runs", "compare", str(made / "run"), "other").stdout
    assert said.startswith("all classes together: ")
    assert "disc: " in said


def test_group_makes_intervals_over_patients(segment, here):
    for number in range(6):
        mask(here / "truth" / f"s{number % 2}_{number}.png", value=1)
        mask(here / "found" / f"s{number % 2}_{number}.png", value=1)
    alone = answer(segment("evaluate", "found", "truth", "--json"))["classes"]["1"]["dice"]
    grouped = answer(segment("evaluate", "found", "truth", "--group", "^(s.)", "--json"))["classes"]["1"]["dice"]
    assert (alone["n"], alone["n_clusters"]) == (6, 6)
    assert (grouped["n"], grouped["n_clusters"]) == (6, 2)


def test_a_checkpoint_is_imported_used_and_exported_again(segment, here):
    save_file(official(), here / "official.safetensors")
    made = answer(
        segment("import", "official.safetensors", "--out", "published", "--label", "rest=0", "a=5", "b=9", "--json")
    )
    assert made["out"] == "published"
    assert made["params"] == sum(tensor.numel() for tensor in TransCeption(SMALL).parameters())
    picture(here / "new" / "x.png", shape=(50, 60))
    answer(segment("predict", "published", "new", "--out", "masks", "--json"))
    with Image.open(here / "masks" / "x.png") as found:
        assert found.size == (60, 50)
        assert set(np.unique(np.asarray(found))) <= {0, 5, 9}
    sent = answer(segment("export", "published", "--to", "again.safetensors", "--json"))
    assert sent == {"path": "again.safetensors", "tensors": len(official())}
    again = load_file(here / "again.safetensors")
    assert {name for name, tensor in official().items() if torch.equal(tensor, again[name])} == set(again)


def test_an_export_to_onnx_prints_one_line(segment, tmp_path, capfd):
    model(tmp_path / "run", 3)
    result = answer(segment("export", tmp_path / "run", "--to", tmp_path / "new" / "model.onnx", "--json"))
    assert result == {"path": str(tmp_path / "new" / "model.onnx"), "max_abs_diff": pytest.approx(0, abs=1e-3)}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.onnx"]
    assert capfd.readouterr() == ("", "")  # exporters print past what a command's test catches


# -- mistakes, row by row of the table in the specification ------------------------------------------------------------


def test_prepare_refuses_data_with_errors_unless_told(segment, here):
    for number in range(4):
        picture(here / "data" / "images" / f"{number}.png", seed=number)
    for number in range(2):
        mask(here / "data" / "labels" / f"{number}.png", value=1)
    before = sorted(here.rglob("*"))
    words = ("prepare", "data", "--folds", "2", "--out", "ready", "--json")
    refused(segment(*words), "2 errors", "images/2.png has no mask", "--skip-bad", before=before, here=here)
    assert answer(segment(*words, "--skip-bad"))["excluded"] == 2


def test_prepare_asks_for_names(segment, made, here):
    words = ("prepare", made / "raw", "--out", "ready")
    refused(segment(*words), "the label values 0, 7", "--label background=0 --label NAME=7", before=[], here=here)
    refused(segment(*words, "--label", "tumour"), "--label tumour", "NAME=VALUE", before=[], here=here)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--folds", "10"], ["--folds 10", "9"]),
        (["--folds", "1"], ["--folds 1", "2"]),
        (["--group", "patient(.)"], ["patient(.)", "'p0'"]),
        (["--group", "p(."], ["no regular expression", "'p0'"]),
        (["--spacing", "1,x,1"], ["--spacing 1,x,1", "--spacing=1,1,2"]),
        (["--spacing", "1,1"], ["--spacing 1,1", "X,Y,Z"]),
        (["--spacing", "1,1,1"], ["--spacing 1,1,1", "pictures"]),
        (["--window", "wide"], ["--window wide", "--window=-125,275"]),
        (["--window", "5,1"], ["--window 5,1", "LOW below HIGH"]),
    ],
)
def test_prepare_refuses_settings_that_do_not_fit(segment, made, here, words, parts):
    refused(segment("prepare", made / "raw", "--out", "ready", *NAMED, *words), *parts, before=[], here=here)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--set", "train.stepz=5"], ["--set train.stepz", "'steps'"]),
        (["--set", "train.steps=many"], ["train.steps", "'many'", "integer"]),
        (["--set", "train.lr=0"], ["train.lr", "0", "greater than 0"]),
        (["--set", "train.patch_size=[100, 96]"], ["train.patch_size", "100", "32", "96"]),
        (["--set", "model.base_channels=12"], ["model.base_channels", "12", "8"]),
        (["--set", "model.name=vnet"], ["model.name", "'vnet'", "'unet'"]),
        (["--set", "train.batch_size=1", "--set", "model.name=transception"], ["train.batch_size = 1", "64"]),
        (["--fold", "3"], ["--fold 3", "0 to 2"]),
        (["--fold", "-1"], ["--fold -1", "'all'"]),
        (["--fold", "first"], ["--fold first", "'none'"]),
        (["--resume"], ["--resume", "--out"]),
    ],
)
def test_train_refuses_before_it_starts(segment, made, here, words, parts):
    refused(segment("train", "--data", made / "ready", *SHORT, *words), *parts, before=[], here=here)


def test_train_names_the_recipes_line(segment, made, here):
    (here / "own.toml").write_text(f'[data]\npath = "{made / "ready"}"\n\n[train]\nlr = "fast"\n')
    refused(segment("train", "own.toml"), "own.toml:5: train.lr", "'fast'")
    refused(segment("train"), "--data")
    (here / "empty").mkdir()
    refused(segment("train", "--data", "empty"), "data.path = 'empty'", "dataset.json")


def test_a_run_that_exists_is_not_written_over(segment, made):
    words = ("train", "--data", made / "ready", *SHORT, "--out", made / "run")
    before = sorted(made.rglob("*"))
    refused(segment(*words), str(made / "run"), "--resume", before=before, here=made)
    refused(segment(*words, "--resume", "--set", "train.seed=5"), "train.seed", "5", before=before, here=made)
    refused(segment(*words, "--resume", "--fold", "1"), "fold", before=before, here=made)


def test_predict_refuses_what_the_model_does_not_take(segment, here):
    colour, grey = model(here / "colour", 3), model(here / "grey", 1)
    picture(here / "rgb.png")
    picture(here / "grey.png", shape=(40, 40))
    volume(here / "volume.nii.gz")
    picture(here / "both" / "a.png")
    picture(here / "both" / "a.bmp")
    picture(here / "bad" / "a.png")
    (here / "bad" / "b.png").write_bytes(b"not a picture")
    (here / "empty").mkdir()
    before = sorted(here.rglob("*"))
    for run, given, parts in (
        ("empty", "rgb.png", ["empty", "model.json"]),
        (colour, "grey.png", ["grey.png", "one channel (grey)", "takes images with 3"]),
        (grey, "rgb.png", ["rgb.png", "3 channels (RGB)", "takes images with 1"]),
        (colour, "volume.nii.gz", ["volume.nii.gz", "volume", "pictures"]),
        (colour, "bad", ["bad/b.png"]),
        (colour, "empty", ["empty"]),
        (colour, "both", ["'a'", "a.bmp", "a.png"]),
        (colour, "nothing.png", ["nothing.png", "does not exist"]),
    ):
        refused(segment("predict", run, given, "--out", "masks", "--json"), *parts, before=before, here=here)
    refused(segment("predict", colour, "rgb.png", "--out", "masks", "--flips"), "--flips", before=before, here=here)
    refused(segment("predict", colour, "rgb.png", "--out", "bad"), "'bad'", "--out", before=before, here=here)


def test_evaluate_refuses_masks_that_do_not_belong_together(segment, here):
    mask(here / "truth" / "a.png", value=1)
    mask(here / "truth" / "b.png", value=1)
    mask(here / "alone" / "a.png", value=1)
    mask(here / "small" / "a.png", value=1, shape=(30, 40))
    mask(here / "small" / "b.png", value=1)
    mask(here / "strange" / "a.png", value=9)
    mask(here / "strange" / "b.png", value=1)
    volume(here / "placed" / "v.nii.gz")
    volume(here / "moved" / "v.nii.gz", affine=np.diag([1.0, 1, 2, 1]))
    (here / "types.csv").write_text("id,group\na,x\n")
    before = sorted(here.rglob("*"))
    for words, parts in (
        (["alone", "truth"], ["b.png", "no partner", "alone"]),
        (["small", "truth"], ["small/a.png", "(30, 40)", "(40, 40)"]),
        (["moved", "placed"], ["moved/v.nii.gz", "affines"]),
        (["strange", "truth"], ["strange/a.png", "9", "--label"]),
        (["truth", "truth", "--spacing", "1,1,1"], ["--spacing 1,1,1", "3 numbers", "2 axes"]),
        (["truth", "truth", "--spacing", "1;1"], ["--spacing 1;1", "--spacing=0.5,0.5"]),
        (["truth", "truth", "--by", "types.csv"], ["types.csv", "'b'"]),
        (["truth", "truth", "--both-empty", "zero"], ["--both-empty zero", "exclude and one"]),
        (["truth", "truth", "--missed", "zero"], ["--missed zero", "exclude and diagonal"]),
        (["truth", "truth", "--tolerance", "-1"], ["--tolerance -1"]),
        (["truth", "truth", "--group", "x(.)"], ["--group 'x(.)'", "'a'"]),
        (["truth", "nowhere"], ["nowhere"]),
    ):
        refused(segment("evaluate", *words, "--out", "scores", "--json"), *parts, before=before, here=here)


def test_import_refuses_what_is_no_checkpoint(segment, here):
    good = official()
    first, *_ = (name for name in good if name.startswith("decoder_2"))
    (here / "text.pth").write_text("not a checkpoint")
    save_file({**good, "head.weight": torch.zeros(1)}, here / "foreign.safetensors")
    save_file({name: tensor for name, tensor in good.items() if name != first}, here / "missing.safetensors")
    save_file({**good, first: good[first][..., :-1].contiguous()}, here / "tampered.safetensors")
    save_file(good, here / "good.safetensors")
    (here / "evil.pth").write_bytes(pickle.dumps(_Hostile()))
    before = sorted(here.rglob("*"))
    for words, parts in (
        (["text.pth"], ["text.pth"]),
        (["nothing.pth"], ["nothing.pth", "does not exist"]),
        (["foreign.safetensors"], ["foreign.safetensors", "head.weight"]),
        (["missing.safetensors"], ["missing.safetensors", first]),
        (["tampered.safetensors"], ["tampered.safetensors", first]),
        (["good.safetensors", "--label", "a=0", "b=1"], ["3 classes", "2 labels"]),
        (["evil.pth"], ["evil.pth"]),
    ):
        refused(segment("import", words[0], "--out", "run", *words[1:]), *parts, before=before, here=here)


class _Hostile:
    def __reduce__(self):
        return Path.touch, (Path("owned"),)


def test_export_refuses_other_formats_and_networks(segment, here):
    run = model(here / "colour", 3)
    (here / "there.onnx").write_text("mine")
    before = sorted(here.rglob("*"))
    for to, parts in (
        ("model.pt", ["--to model.pt", ".onnx"]),
        ("there.onnx", ["there.onnx", "exists"]),
        ("model.safetensors", ["TransCeption", ".onnx"]),
    ):
        refused(segment("export", run, "--to", to), *parts, before=before, here=here)


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_to_the_same_weights(segment, made, tmp_path):
    words = ["train", "--data", str(made / "ready"), *SHORT, "--set", "train.steps=40", "--json"]
    words += ["--set", "train.validate_every=40"]
    whole = answer(segment(*words, "--out", tmp_path / "whole"))
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "gnomon", "segment", *words, "--out", str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while not (killed / "checkpoints" / "6").is_dir() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "summary.json").exists()
    resumed = answer(segment(*words, "--out", killed, "--resume"))
    assert resumed["dice"] == whole["dice"]
    assert (killed / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    steps = [json.loads(line)["step"] for line in (killed / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 41))


def test_volumes_keep_their_grid_from_file_to_mask(segment, tmp_path):
    volumes(tmp_path)
    summary = answer(
        segment("train", "--data", tmp_path / "ready", *SHORT, "--fold", "all", "--out", tmp_path / "run", "--json")
    )
    assert summary["fold"] == "all"
    assert summary["mean_dice"]["n"] == 4
    answer(segment("predict", tmp_path / "run", tmp_path / "raw" / "images", "--out", tmp_path / "masks", "--json"))
    given = nibabel.load(tmp_path / "raw" / "images" / "v0.nii.gz")
    found = nibabel.load(tmp_path / "masks" / "v0.nii.gz")
    assert found.shape == given.shape
    np.testing.assert_allclose(found.affine, given.affine)
    scores = answer(segment("evaluate", tmp_path / "masks", tmp_path / "raw" / "labels", "--json"))
    assert scores["unit"] == "mm"
