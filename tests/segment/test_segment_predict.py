"""Prediction: the network sees what it saw in training, and the mask lies on the image's own grid; refusals leave nothing."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gnomon import segment
from gnomon.errors import UserError
from gnomon.segment import networks
from gnomon.segment.batches import Batches
from gnomon.segment.predict import (
    MeanOfFolds,
    Segmenter,
    entropy,
    largest_pieces,
    load_model,
    padded,
    predict_files,
    save_members,
    save_model,
)
from gnomon.segment.prepare import Intensity
from gnomon.segment.recipe import ModelSettings, TrainSettings

LABELS = {"background": 0, "cytoplasm": 128, "nucleus": 255}
UNET = ModelSettings(name="unet", base_channels=8)
SPACING = (1.0, 1.5, 3.0)
RAS = np.array([[1, 0, 0, -7.0], [0, 1.5, 0, 2], [0, 0, 3, 40], [0, 0, 0, 1]])
ANATOMY = (100 * np.random.default_rng(4).integers(0, 9, (37, 45, 9))).astype(np.int16)


class Convolving(nn.Module):
    """A random network that sees 9 x 9 pixels and the windows' borders, so padding, axes and mirroring matter."""

    def __init__(self, channels: int = 1, classes: int = 3, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Conv2d(channels, 6, 5, padding=2)
            self.second = nn.Conv2d(6, classes, 5, padding=2)

    def forward(self, images: Tensor) -> Tensor:
        return 6 * self.second(self.first(images).tanh())


class Certain(nn.Module):
    """Pixel by pixel and without doubt: the class is 0 below -.3, 2 above .3, 1 between."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1e4))

    def forward(self, images: Tensor) -> Tensor:
        grey = images[:, :1]
        return torch.cat([-grey - 0.3, 0.3 - grey.abs(), grey - 0.3], 1).sign() * self.scale


def segmenter(network: nn.Module | None = None, **changes) -> Segmenter:
    made = Segmenter(
        network=Convolving() if network is None else network,
        labels=LABELS,
        channels=(1,),
        intensity=Intensity("type_range"),
        spacing=None,
        slice_axis=None,
        patch_size=(32, 32),
        flip_axes=(0, 1),
    )
    return replace(made, **changes)


def of_volumes(network: nn.Module | None = None, **changes) -> Segmenter:
    return segmenter(network, **{"intensity": Intensity("window", (0, 800)), "slice_axis": "axial", **changes})


def saved(folder: Path, made: Segmenter, model: ModelSettings = UNET) -> Path:
    """A run's folder with a network of random weights in the place of the segmenter's own."""
    network = networks.build(model, in_channels=max(made.channels), classes=len(made.labels), seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, replace(made, network=network), model)
    return folder


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def stored(path: Path, array: np.ndarray, affine: np.ndarray = RAS, slope: float | None = None) -> Path:
    volume = nibabel.Nifti1Image(array, affine)
    if slope is not None:
        volume.header.set_slope_inter(slope, 0)
    nibabel.save(volume, path)
    return path


def oriented(codes: str) -> tuple[np.ndarray, np.ndarray]:
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return apply_orientation(ANATOMY, change), RAS @ inv_ornt_aff(change, ANATOMY.shape)


def to_ras(mask: np.ndarray, codes: str) -> np.ndarray:
    return apply_orientation(mask, ornt_transform(axcodes2ornt(codes), axcodes2ornt("RAS")))


def oblique(degrees: float) -> np.ndarray:
    angle, turn = np.deg2rad(degrees), np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ RAS


def by_hand(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """Probabilities of a scaled image (C, H, W) as large as the patch or smaller, without windows."""
    height, width = image.shape[1:]
    rows, columns = np.minimum(np.arange(32), height - 1), np.minimum(np.arange(32), width - 1)
    with torch.no_grad():
        whole = network(torch.from_numpy(image[:, rows][:, :, columns][None])).softmax(1)
    return whole[0, :, :height, :width].numpy()


# -- what the network sees -----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 130), st.integers(1, 130))
def test_an_image_is_padded_as_a_crop_of_training_is(height, width):
    image = np.random.default_rng(height * 131 + width).random((2, height, width), dtype=np.float32)
    patch = (32 * (1 + height // 32), 32 * (1 + width // 32))  # larger than the image: the crop is all of it
    data = SimpleNamespace(dims=2, arrays=lambda case: (image, np.zeros((height, width), np.int16)))
    batches = Batches(data, ["only"], TrainSettings(patch_size=patch, batch_size=1, augment="none"), "axial")
    found = padded(image, patch)
    assert np.array_equal(found, batches(1)[0][0].numpy())
    assert np.array_equal(found[:, :height, :width], image)
    assert (found[:, height:] == found[:, height - 1 : height]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 32), st.integers(1, 32))
def test_a_small_image_is_predicted_as_training_showed_it(height, width):
    made = segmenter()
    image = picture(height, width)
    found = made.predict(image)
    expected = by_hand(made.network, (image[None] / np.float32(127.5) - 1).astype(np.float32))
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert found.labels.shape == found.entropy.shape == (height, width)


def test_windows_cover_a_large_image_and_weigh_one_in_all():
    image = picture(75, 101)
    found = segmenter(Certain()).predict(image)
    scaled = image / 127.5 - 1
    expected = np.select([scaled < -0.3, scaled > 0.3], [0, 255], 128)
    assert np.array_equal(found.labels, expected)
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-6)
    np.testing.assert_allclose(found.entropy, 0, atol=1e-6)


def test_windows_are_averaged_as_probabilities_under_gaussian_weights():
    from monai.data.utils import compute_importance_map

    made = segmenter(patch_size=(32, 32))
    image = picture(32, 48)
    found = made.predict(image).probabilities
    scaled = (image[None] / np.float32(127.5) - 1).astype(np.float32)
    weight = compute_importance_map((32, 32), mode="gaussian", sigma_scale=0.125).numpy()
    left, right = (by_hand(made.network, scaled[:, :, start : start + 32]) for start in (0, 16))
    total, mass = np.zeros((3, 32, 48)), np.zeros((32, 48))
    for start, part in ((0, left), (16, right)):
        total[:, :, start : start + 32] += weight * part
        mass[:, start : start + 32] += weight
    np.testing.assert_allclose(found, total / mass, atol=1e-5)


@pytest.mark.parametrize(("name", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_a_volume_is_cut_along_the_axis_of_training(name, axis):
    volume = ANATOMY[:30, :29]
    made = of_volumes(slice_axis=name, spacing=None)
    found = made.predict(volume).probabilities
    scaled = (volume / np.float32(400) - 1).astype(np.float32)
    for index in (0, volume.shape[axis] - 1):
        expected = by_hand(made.network, scaled.take(index, axis)[None])
        np.testing.assert_allclose(found.take(index, axis + 1), expected, atol=1e-5)


def test_several_volumes_are_channels(tmp_path):
    made = of_volumes(Convolving(channels=2), channels=(2,))
    parts = [stored(tmp_path / f"{k}.nii", (ANATOMY + k) % 800) for k in (0, 300)]
    found = made.predict(parts)
    direct = made.predict(np.stack([(ANATOMY + k) % 800 for k in (0, 300)], -1))
    np.testing.assert_allclose(found.probabilities, direct.probabilities, atol=1e-6)


def test_prediction_leaves_the_network_in_the_mode_it_was_in_but_never_trains_it():
    network = nn.Sequential(Convolving(), nn.BatchNorm2d(3)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    segmenter(network).predict(picture(40, 40))
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


# -- mirrored images -----------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from([(0,), (1,), (0, 1), (1, 0)]),
    st.sampled_from([0.0, 0.25, 0.5]),
)
def test_flips_make_the_prediction_exactly_equivariant(shape, axes, overlap):
    made = segmenter(flip_axes=axes, overlap=overlap)
    image = picture(*shape)
    found = made.predict(image, flips=True)
    for mirrored in {axes, axes[:1], axes[-1:]}:
        again = made.predict(np.flip(image, mirrored), flips=True)
        assert np.array_equal(np.flip(again.labels, mirrored), found.labels)
        places = tuple(axis + 1 for axis in mirrored)
        assert np.array_equal(np.flip(again.probabilities, places), found.probabilities)


def test_without_flips_the_same_network_is_not_equivariant():
    image = picture(75, 50)
    made = segmenter()
    assert (np.flip(made.predict(np.flip(image, 0)).labels, 0) != made.predict(image).labels).mean() > 0.01


def test_flips_are_the_mean_over_all_reflections():
    made, image = segmenter(), picture(40, 70)
    parts = [
        np.flip(made.predict(np.flip(image, axes)).probabilities, [axis + 1 for axis in axes])
        for axes in ([], [0], [1], [0, 1])
    ]
    np.testing.assert_allclose(made.predict(image, flips=True).probabilities, np.mean(parts, 0), atol=1e-6)


def test_flips_mirror_the_slices_of_a_volume():
    made = of_volumes(slice_axis="coronal", flip_axes=(1,))  # of a coronal slice (R, S): the third axis
    found = made.predict(ANATOMY, flips=True).labels
    assert np.array_equal(np.flip(made.predict(np.flip(ANATOMY, 2), flips=True).labels, 2), found)


def test_flips_are_refused_where_training_had_none():
    with pytest.raises(UserError, match="trained without flips"):
        segmenter(flip_axes=()).predict(picture(32, 32), flips=True)


# -- one anatomy, one mask -----------------------------------------------------------------------------------------

STORED = {
    "RAS": (*oriented("RAS"), None),
    "LPS": (*oriented("LPS"), None),
    "ASR": (*oriented("ASR"), None),
    "PIL": (*oriented("PIL"), None),
    "oblique": (ANATOMY, oblique(20), None),
    "slope": ((ANATOMY // 100).astype(np.int16), RAS, 100.0),
    "float": (ANATOMY.astype(np.float32), RAS, None),
}


@pytest.mark.parametrize("spacing", [None, (1.0, 2.0, 2.0)], ids=["as stored", "resampled"])
@pytest.mark.parametrize(
    "rule", [Intensity("window", (0, 800)), Intensity("percentiles")], ids=["window", "per volume"]
)
def test_one_anatomy_has_one_mask_however_it_is_stored(tmp_path, spacing, rule):
    run = saved(tmp_path / "run", of_volumes(spacing=spacing, intensity=rule))
    (tmp_path / "in").mkdir()
    for name, (array, affine, slope) in STORED.items():
        stored(tmp_path / "in" / f"{name}.nii.gz", array, affine, slope)
    told = []
    result = predict_files(run, tmp_path / "in", tmp_path / "out", show=lambda done, name: told.append((done, name)))
    assert result == {"cases": len(STORED), "out": str(tmp_path / "out")}
    assert told == list(enumerate(sorted(STORED), start=1))
    expected = np.asarray(nibabel.load(tmp_path / "out" / "RAS.nii.gz").dataobj)
    assert len(np.unique(expected)) > 1
    for name, (array, affine, _) in STORED.items():
        mask = nibabel.load(tmp_path / "out" / f"{name}.nii.gz")
        assert mask.shape == array.shape
        assert mask.get_data_dtype() == np.uint8
        np.testing.assert_allclose(mask.affine, affine, atol=1e-5)
        found = to_ras(np.asarray(mask.dataobj), name if name.isupper() else "RAS")
        assert (found != expected).mean() < (1e-3 if spacing else 1e-9), name


def test_doubled_slices_have_the_same_mask_twice(tmp_path):
    made = of_volumes(Certain(), spacing=SPACING)
    affine = RAS.copy()
    affine[2, 2], affine[2, 3] = 1.5, RAS[2, 3] - 0.75
    once = made.predict(stored(tmp_path / "once.nii", ANATOMY)).labels
    twice = made.predict(stored(tmp_path / "twice.nii", np.repeat(ANATOMY, 2, 2), affine)).labels
    assert len(np.unique(once)) == 3
    assert np.array_equal(twice, np.repeat(once, 2, 2))


# -- what is made of probabilities ---------------------------------------------------------------------------------


def test_entropy_is_in_nats():
    sure, even = np.array([1.0, 0, 0]), np.full(3, 1 / 3)
    found = entropy(np.stack([sure, even, [0.5, 0.5, 0]], 1))
    np.testing.assert_allclose(found, [0, np.log(3), np.log(2)], rtol=1e-6)


def test_largest_piece_of_each_class_is_kept():
    classes = np.array(
        [
            [1, 1, 0, 2, 0],
            [0, 0, 1, 0, 0],  # touches the piece above by a corner
            [0, 0, 0, 0, 2],
            [1, 1, 0, 2, 2],
        ]
    )
    kept = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 2], [0, 0, 0, 2, 2]])
    assert np.array_equal(largest_pieces(classes, 4), kept)
    image = np.where(classes == 0, 0, np.where(classes == 1, 128, 255)).astype(np.uint8)
    assert np.array_equal(segmenter(Certain()).predict(image).labels, image)
    expected = np.where(kept == 0, 0, np.where(kept == 1, 128, 255))
    assert np.array_equal(segmenter(Certain(), keep_largest=True).predict(image).labels, expected)


def test_folds_are_averaged_as_probabilities(tmp_path):
    made = segmenter(channels=(3,))
    image = picture(50, 40, 3)
    for fold in (0, 1):
        network = networks.build(UNET, in_channels=3, classes=3, seed=fold)
        (tmp_path / f"folds/{fold}").mkdir(parents=True)
        save_model(tmp_path / f"folds/{fold}", replace(made, network=network), UNET)
    with pytest.raises(UserError, match=r"no model\.json"):
        segment.load(tmp_path)  # not before all folds are there
    save_members(tmp_path, ["folds/0", "folds/1"])
    found = segment.load(tmp_path).predict(image, flips=True)
    parts = [segment.load(tmp_path / f"folds/{fold}").predict(image, flips=True).probabilities for fold in (0, 1)]
    assert np.abs(parts[0] - parts[1]).max() > 0.01
    np.testing.assert_allclose(found.probabilities, np.mean(parts, 0), atol=1e-6)


def test_mean_of_folds_takes_sure_networks():
    sure, other = Certain(), Certain()
    with torch.no_grad():
        other.scale *= -1
    images = torch.tensor([[[[-1.0, 1.0]]]])
    mean = MeanOfFolds([sure, other])(images).softmax(1)
    expected = (sure(images).softmax(1) + other(images).softmax(1)) / 2
    torch.testing.assert_close(mean, expected)


# -- a model on disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        ModelSettings(base_channels=8, stage_depths=(1, 1, 1, 1), bridge=("spatial", "channel", "channel", "channel")),
        UNET,
        ModelSettings(name="segresnet", base_channels=8),
    ],
    ids=lambda model: model.name,
)
def test_a_model_comes_back_as_it_was(tmp_path, model):
    network = networks.build(model, in_channels=3, classes=3, seed=5).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor += 0.1 * torch.rand(tensor.shape, generator=torch.Generator().manual_seed(1))
    made = segmenter(
        network,
        channels=(3,),
        intensity=Intensity("window", (10, 200.5)),
        overlap=0.25,
        flip_axes=(1,),
        keep_largest=True,
    )
    save_model(tmp_path, made, model)
    found = segment.load(tmp_path)
    for field in ("labels", "channels", "intensity", "spacing", "slice_axis", "patch_size", "overlap", "flip_axes"):
        assert getattr(found, field) == getattr(made, field), field
    assert found.keep_largest
    assert not found.network.training
    image = picture(40, 33, 3)
    np.testing.assert_allclose(found.predict(image).probabilities, made.predict(image).probabilities, atol=1e-5)


def test_labels_keep_their_order(tmp_path):
    labels = {"rest": 7, "z": 300, "a": 2}
    found = segment.load(saved(tmp_path, segmenter(labels=labels)))
    assert list(found.labels.items()) == list(labels.items())
    assert set(np.unique(found.predict(picture(40, 40)).labels)) <= {7, 300, 2}


def broken(folder: Path, how: str) -> None:
    weights, description = folder / "model.safetensors", folder / "model.json"
    state, content = load_file(weights), json.loads(description.read_text())
    first = max(state, key=lambda name: state[name].numel())
    if how == "missing":
        del state[first]
    elif how == "foreign":
        state["foreign.weight"] = torch.zeros(1)
    elif how == "shape":
        state[first] = state[first][:1]
    elif how == "key":
        content["patch_sizes"] = content.pop("patch_size")
    elif how == "value":
        content["overlap"] = 1.5
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif how == "absent":
        weights.unlink()
    elif how == "json":
        description.write_text("{")
    else:
        save_file(state, weights)
        description.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", r"model\.safetensors: 'model\..*' is missing, but"),
        ("foreign", r"model\.safetensors: 'foreign\.weight' is \(1,\), but .* no such tensor"),
        ("shape", r"model\.safetensors: 'model\..*' is \(1.*\), but .* \(.*\) is expected"),
        ("truncated", r"model\.safetensors cannot be read"),
        ("absent", r"model\.safetensors is missing"),
        ("key", r"model\.json: .*patch_size"),
        ("value", r"model\.json: overlap = 1\.5"),
        ("json", r"model\.json: this is not valid JSON"),
    ],
)
def test_a_damaged_model_is_refused_with_file_and_key(tmp_path, how, says):
    broken(saved(tmp_path, segmenter()), how)
    with pytest.raises(UserError, match=says):
        load_model(tmp_path)


def test_a_run_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no model\.json; a finished run"):
        segment.load(tmp_path / "nothing")


# -- files ---------------------------------------------------------------------------------------------------------


def written(folder: Path, **images: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in images.items():
        Image.fromarray(array).save(folder / f"{name}.png")
    return folder


def test_pictures_give_masks_entropy_and_a_record(tmp_path):
    run = saved(tmp_path / "run", segmenter(channels=(3,)))
    inputs = written(tmp_path / "in", b=picture(40, 51, 3), a=picture(20, 21, 3, seed=1))
    assert predict_files(run, inputs, tmp_path / "out", flips=True, uncertainty=True)["cases"] == 2
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"a.png", "b.png", "uncertainty/a.tif", "uncertainty/b.tif", "predictions.json"}
    record = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert record["labels"] == LABELS
    assert (record["flips"], record["networks"]) == (True, 1)
    made = segment.load(run)
    for case, name in zip(record["cases"], "ab", strict=True):
        expected = made.predict(inputs / f"{name}.png", flips=True)
        mask = Image.open(tmp_path / "out" / case["prediction"])
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask), expected.labels)
        shown = np.asarray(Image.open(tmp_path / "out" / case["uncertainty"]))
        assert shown.dtype == np.float32
        np.testing.assert_array_equal(shown, expected.entropy)
        assert case["pixels"] == {label: int((expected.labels == value).sum()) for label, value in LABELS.items()}
        assert case["mean_entropy"] == pytest.approx(float(expected.entropy.mean()))


def test_one_file_and_sixteen_bits_where_labels_need_them(tmp_path):
    run = saved(tmp_path / "run", segmenter(labels={"background": 999, "x": 300, "y": 7}))
    file = written(tmp_path / "in", only=picture(33, 20), other=picture(5, 5)) / "only.png"
    assert predict_files(run, file, tmp_path / "out")["cases"] == 1
    mask = np.asarray(Image.open(tmp_path / "out" / "only.png"))
    assert np.array_equal(mask, segment.load(run).predict(file).labels)
    assert mask.max() >= 300
    assert not (tmp_path / "out" / "uncertainty").exists()


def test_entropy_of_a_volume_lies_where_the_volume_lies(tmp_path):
    run = saved(tmp_path / "run", of_volumes())
    array, affine = oriented("ASR")
    predict_files(run, stored(tmp_path / "x.nii.gz", array, affine), tmp_path / "out", uncertainty=True)
    found = nibabel.load(tmp_path / "out" / "uncertainty" / "x.nii.gz")
    assert found.get_data_dtype() == np.float32
    np.testing.assert_allclose(found.affine, affine, atol=1e-5)
    expected = segment.load(run).predict(tmp_path / "x.nii.gz").entropy
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)


def volume_with_nan(folder: Path) -> None:
    array = ANATOMY.astype(np.float32)
    array[3, 2, 1] = np.nan
    stored(folder / "z.nii.gz", array)


def truncated(folder: Path) -> None:
    content = (folder / "a.png").read_bytes()
    (folder / "z.png").write_bytes(content[: len(content) // 2])


PICTURES = {
    "colour": (lambda folder: written(folder, z=picture(9, 9, 3)), r"z\.png has 3 channels \(RGB\), but .* with 1\b"),
    "volume": (
        lambda folder: stored(folder / "z.nii", ANATOMY),
        r"z\.nii is a volume \(37 x 45 x 9\), but .* pictures",
    ),
    "truncated": (truncated, r"z\.png cannot be read as PNG"),
    "two of a name": (lambda folder: Image.fromarray(picture(9, 9)).save(folder / "a.bmp"), r"two files named 'a'"),
    "real numbers": (
        lambda folder: Image.fromarray(np.ones((9, 9), np.float32)).save(folder / "z.tif"),
        r"z\.tif: .* float32, but the model was trained on integers",
    ),
}


@pytest.mark.parametrize("what", PICTURES)
def test_what_a_model_of_grey_pictures_cannot_take_leaves_nothing(tmp_path, what):
    spoil, says = PICTURES[what]
    run = saved(tmp_path / "run", segmenter())
    inputs = written(tmp_path / "in", a=picture(40, 40))
    spoil(inputs)
    with pytest.raises(UserError, match=says):
        predict_files(run, inputs, tmp_path / "results" / "out")
    assert not any((tmp_path / "results").rglob("*"))


def test_headers_are_looked_at_before_anything_is_predicted(tmp_path):
    run = saved(tmp_path / "run", segmenter())
    inputs = written(tmp_path / "in", a=picture(40, 40), z=picture(9, 9, 3))
    told = []
    with pytest.raises(UserError, match="z.png"):
        predict_files(run, inputs, tmp_path / "out", show=lambda *shown: told.append(shown))
    assert told == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda folder: written(folder, z=picture(9, 9)),
            r"z\.png is a picture \(9 x 9\), but the model takes volumes",
        ),
        (volume_with_nan, r"z\.nii\.gz holds nan at \[3, 2, 1\]"),
        (lambda folder: stored(folder / "z.nii", np.stack([ANATOMY] * 2, -1)), r"z\.nii has 2 channels, but"),
    ],
    ids=["picture", "nan", "two channels"],
)
def test_what_a_model_of_volumes_cannot_take_leaves_nothing(tmp_path, spoil, says):
    run = saved(tmp_path / "run", of_volumes())
    (tmp_path / "in").mkdir()
    stored(tmp_path / "in" / "a.nii.gz", ANATOMY)
    spoil(tmp_path / "in")
    with pytest.raises(UserError, match=says):
        predict_files(run, tmp_path / "in", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "run"]


def test_grey_is_refused_by_a_model_of_colours(tmp_path):
    run = saved(tmp_path / "run", segmenter(channels=(3,)))
    with pytest.raises(UserError, match=r"z\.png has one channel \(grey\), but the model takes images with 3"):
        predict_files(run, written(tmp_path / "in", z=picture(9, 9)), tmp_path / "out")


def test_impossible_requests_leave_nothing(tmp_path):
    run = saved(tmp_path / "run", segmenter(flip_axes=()))
    inputs = written(tmp_path / "in", a=picture(40, 40))
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    there = sorted(tmp_path.rglob("*"))
    for arguments, says in (
        ((run, tmp_path / "empty", tmp_path / "out"), "empty holds no image"),
        ((run, tmp_path / "absent", tmp_path / "out"), "absent does not exist"),
        ((run, tmp_path / "taken" / "mine.txt", tmp_path / "out"), "mine.txt is not in a format that is read"),
        ((tmp_path / "empty", inputs, tmp_path / "out"), "empty holds no model.json"),
        ((run, inputs, tmp_path / "taken"), "exists already"),
        ((run, inputs, tmp_path / "taken" / "mine.txt" / "out"), r"mine\.txt is no folder"),
    ):
        with pytest.raises(UserError, match=says):
            predict_files(*arguments)
    with pytest.raises(UserError, match="--flips: the model was trained without flips"):
        predict_files(run, inputs, tmp_path / "out", flips=True)
    assert sorted(tmp_path.rglob("*")) == there


def test_arrays_of_another_kind_are_refused():
    with pytest.raises(UserError, match=r"The image is a volume \(37 x 45 x 9\), but the model takes pictures"):
        segmenter().predict(ANATOMY)
    with pytest.raises(UserError, match="has 3 channels"):
        segmenter().predict(picture(9, 9, 3))
    for array, says in (
        (np.zeros((9, 9), complex), r"complex128 of shape \(9, 9\); pixels"),
        (np.zeros((0, 9)), r"float64 of shape \(0, 9\)"),
        (np.array([["a"]]), "<U1"),
    ):
        with pytest.raises(UserError, match=says):
            segmenter().predict(array)
    with pytest.raises(UserError, match="is a picture"):
        of_volumes().predict(ANATOMY[0])
    with pytest.raises(UserError, match=r"no voxel spacing.*spacing="):
        of_volumes(spacing=SPACING).predict(ANATOMY)
    assert of_volumes(spacing=SPACING).predict(ANATOMY, spacing=SPACING).labels.shape == ANATOMY.shape
    with pytest.raises(UserError, match="brings its own"):
        of_volumes().predict("x.nii", spacing=SPACING)
