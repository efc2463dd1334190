"""A trained network used: from an image as it lies on disk to a mask on the same grid.

A picture, or every slice of a volume, is padded right and bottom with the values at its edge as in training, covered
with windows of the training's patch size, and its probabilities are averaged under Gaussian weights. A volume's
probabilities are resampled and turned back to the file's own axes before the most probable class is taken.

A run's model is two files, `model.safetensors` and `model.json` (`ModelFile`), written by `save_model`. A run over all
folds has a model in a folder for each, and a `model.json` that lists these folders (`save_members`).
"""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gnomon.config import Settings, validate
from gnomon.errors import UserError
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.progress import Show
from gnomon.segment import networks, reading
from gnomon.segment.output import require_free, whole_folder
from gnomon.segment.prepare import Intensity, to_grid
from gnomon.segment.reading import Frame
from gnomon.segment.recipe import SLICE_AXES, ModelSettings

FORMAT: Final = "gnomon-segment-model-1"

WINDOWS = 16  # patches that pass the network at once

Positive = Annotated[int, Field(gt=0)]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
SliceAxis = Literal["axial", "coronal", "sagittal"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of one image, on the image's own grid.

    `labels` (H, W) or (X, Y, Z) holds file values of the labels, `probabilities` (K, ...) a map for each of the K
    classes in the order of the labels, and `entropy` that of the probabilities at each pixel, in nats.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    entropy: np.ndarray


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A network and all that belongs to using it.

    `network` maps (B, C, *patch_size) to logits (B, K, *patch_size); `labels` give its K classes' names and file
    values, background first; `channels` are the numbers of channels that an image may have. `spacing` (mm, in RAS
    order) is the grid of volumes, None to keep theirs, and `slice_axis` how they are cut, None for a model of pictures.
    `overlap` is the share of a window that its neighbour covers too; `flip_axes` are the axes of a picture or slice
    (0 = height) along which training mirrored it; `keep_largest` leaves of each structure its largest piece only.
    """

    network: nn.Module
    labels: dict[str, int]
    channels: tuple[int, ...]
    intensity: Intensity
    spacing: tuple[float, ...] | None
    slice_axis: SliceAxis | None
    patch_size: tuple[int, int]
    overlap: float = 0.5
    flip_axes: tuple[int, ...] = ()
    keep_largest: bool = False

    def predict(
        self,
        image: np.ndarray | str | Path | Sequence[Path],
        *,
        spacing: Sequence[float] | None = None,
        flips: bool = False,
    ) -> Prediction:
        """Predict a file, a volume whose channels are several files, or an array as it would be read from a file.

        Arrays are (H, W) or (H, W, C) for a model of pictures and (X, Y, Z) or (X, Y, Z, C) for one of volumes, with
        axes in RAS order and `spacing` in mm where the model resamples. `flips` averages over all reflections along
        `flip_axes`. Raises UserError for what cannot be read and for an image of another kind than the model's.
        """
        if isinstance(image, np.ndarray):
            if image.dtype.kind not in "biuf" or not image.size:
                raise UserError(
                    f"The image is {image.dtype} of shape {image.shape}; pixels with real values are expected."
                )
            axes = 2 if self.slice_axis is None else 3
            given = None if spacing is None else tuple(map(float, spacing))
            flat = self.slice_axis is None and image.ndim == 3 and image.shape[2] not in (*self.channels, 1, 2, 3, 4)
            frame = Frame(image.shape[: 3 if flat else axes], None, given)
            return self.predict_array(image, frame, "The image", flips=flips)
        if spacing is not None:
            raise UserError("spacing is given for an image that is read from a file, which brings its own.")
        paths = (Path(image),) if isinstance(image, str | Path) else tuple(image)
        array, frame = reading.read_case_image(paths)
        return self.predict_array(array, frame, str(paths[0]), flips=flips)

    def predict_array(self, array: np.ndarray, frame: Frame, name: str, *, flips: bool = False) -> Prediction:
        """As `predict`, of an array that `reading` gave with its `frame`; errors call it `name`."""
        self.require(frame, 1 if array.ndim == len(frame.shape) else array.shape[-1], name)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise UserError(f"{name} holds {array[place]:g} at {list(place)}; finite intensities are expected.")
        on_grid, restore = to_grid(array, frame, self.spacing)
        try:
            scaled = self.intensity.apply(on_grid)
        except UserError as fault:
            raise UserError(f"{name}: {fault}") from fault
        probabilities = restore(self.probabilities(scaled, flips=flips))
        classes = probabilities.argmax(0)
        if self.keep_largest:
            classes = largest_pieces(classes, len(self.labels))
        values = np.array(list(self.labels.values()), dtype=np.int32)
        return Prediction(values[classes], probabilities, entropy(probabilities))

    def probabilities(self, image: np.ndarray, *, flips: bool = False) -> np.ndarray:
        """Probabilities (K, ...) of an image (C, H, W) or (C, X, Y, Z) that is on the network's grid and scaled."""
        self.require_flips(flips)
        axes = self.flip_axes if flips else ()
        if self.slice_axis is None:
            return self._averaged(image[None], axes)[0]
        axis = SLICE_AXES[self.slice_axis]
        slices = self._averaged(np.moveaxis(image, axis + 1, 0), axes)
        return np.moveaxis(slices, 0, axis + 1)

    def require(self, frame: Frame, channels: int, name: str) -> None:
        """Raises UserError, which calls the image `name`, where it is not of the kind that the model takes."""
        kind, wanted = ("volume", "pictures") if len(frame.shape) == 3 else ("picture", "volumes")
        if (len(frame.shape) == 2) != (self.slice_axis is None):
            shape = " x ".join(map(str, frame.shape))
            raise UserError(f"{name} is a {kind} ({shape}), but the model takes {wanted}.")
        if channels not in self.channels:
            takes = " or ".join(map(str, self.channels))
            raise UserError(f"{name} has {_channels(channels)}, but the model takes images with {takes}.")
        if self.spacing is not None and frame.spacing is None:
            raise UserError(f"{name} has no voxel spacing, which the model's grid needs; give it with spacing=.")

    def require_flips(self, flips: bool) -> None:
        """Raises UserError where `flips` are asked for and training had none."""
        if flips and not self.flip_axes:
            raise UserError("--flips: the model was trained without flips, so mirrored images mean nothing to it.")

    def _averaged(self, images: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        """The mean of the probabilities over all reflections of `images` (N, C, H, W) along `axes`.

        Halves are added in pairs that a reflection only swaps, so a mirrored image has exactly the mirrored mean.
        """
        if not axes:
            return self._windowed(images)
        axis = axes[0] + 2
        straight = self._averaged(images, axes[1:])
        mirrored = np.flip(self._averaged(np.flip(images, axis), axes[1:]), axis)
        return (straight + mirrored) / 2

    def _windowed(self, images: np.ndarray) -> np.ndarray:
        """Probabilities (N, K, H, W) of `images` (N, C, H, W)."""
        from monai.inferers import sliding_window_inference

        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                probabilities = sliding_window_inference(
                    torch.from_numpy(padded(images, self.patch_size)),
                    self.patch_size,
                    WINDOWS,
                    lambda windows: self.network(windows).softmax(1),
                    overlap=self.overlap,
                    mode="gaussian",
                    sw_device=device,
                    device="cpu",
                )
        finally:
            self.network.train(training)
        assert isinstance(probabilities, Tensor)
        height, width = images.shape[2:]
        return probabilities[..., :height, :width].numpy()


def padded(images: np.ndarray, patch_size: Sequence[int]) -> np.ndarray:
    """`images` (..., H, W), padded right and bottom with the values at the edge to `patch_size` where they are smaller.

    Training pads its crops in the same way. Padding on both sides, which a sliding window does by itself, shows the
    network what it never saw: a model fell from a Dice of .72 to .16 by it.
    """
    missing = [max(0, patch - size) for patch, size in zip(patch_size, images.shape[-2:], strict=True)]
    widths = [(0, 0)] * (images.ndim - 2) + [(0, more) for more in missing]
    return np.ascontiguousarray(np.pad(images, widths, mode="edge"))


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """The entropy -sum p ln p over the first axis, in nats: 0 where a class is certain, ln K where none is likelier."""
    from scipy.special import entr

    return np.asarray(entr(probabilities).sum(0), dtype=np.float32)


def largest_pieces(classes: np.ndarray, count: int) -> np.ndarray:
    """A map of `count` classes in which each but 0 keeps its largest connected piece, and the rest becomes 0.

    Pixels that share a corner are connected.
    """
    from scipy import ndimage

    kept = np.zeros_like(classes)
    for index in range(1, count):
        pieces, found = ndimage.label(classes == index, structure=np.ones((3,) * classes.ndim))
        if found:
            kept[pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()] = index
    return kept


def _channels(count: int) -> str:
    return {1: "one channel (grey)", 3: "3 channels (RGB)"}.get(count, f"{count} channels")


# -- a model on disk -----------------------------------------------------------------------------------------------


class ModelFile(Settings):
    """`model.json` of one network: how it is built, and what a `Segmenter` needs beside it."""

    format: Literal["gnomon-segment-model-1"] = FORMAT
    model: ModelSettings
    labels: Annotated[dict[str, int], Field(min_length=2)]
    channels: Annotated[tuple[Positive, ...], Field(min_length=1)]
    intensity: Intensity
    spacing: tuple[Length, Length, Length] | None
    slice_axis: SliceAxis | None
    patch_size: tuple[Positive, Positive]
    overlap: Annotated[float, Field(ge=0, lt=1)]
    flip_axes: tuple[Literal[0, 1], ...]
    keep_largest: bool


class MembersFile(Settings):
    """`model.json` of a run over all folds: the folders of its models, relative to its own."""

    format: Literal["gnomon-segment-model-1"] = FORMAT
    members: Annotated[tuple[str, ...], Field(min_length=1)]


class MeanOfFolds(nn.Module):
    """Several networks as one: its logits are the logarithm of the mean of their probabilities."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> logits (B, K, H, W)."""
        logs = torch.stack([member(images).log_softmax(1) for member in self.members])
        return logs.logsumexp(0) - math.log(len(self.members))


def save_model(folder: str | Path, segmenter: Segmenter, model: ModelSettings) -> None:
    """Write `model.safetensors` and then `model.json` to `folder`, each whole or not at all.

    `model` is what the segmenter's network was built from.
    """
    from safetensors.torch import save

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in segmenter.network.state_dict().items()}
    stored = {
        "format": FORMAT,
        "model": model.model_dump(mode="json"),
        "labels": segmenter.labels,
        "channels": segmenter.channels,
        "intensity": segmenter.intensity.to_dict(),
        "spacing": segmenter.spacing,
        "slice_axis": segmenter.slice_axis,
        "patch_size": segmenter.patch_size,
        "overlap": segmenter.overlap,
        "flip_axes": segmenter.flip_axes,
        "keep_largest": segmenter.keep_largest,
    }
    write_atomic(Path(folder) / "model.safetensors", save(state))
    write_atomic(Path(folder) / "model.json", to_json(stored) + "\n")


def save_members(folder: str | Path, members: Sequence[str]) -> None:
    """Write the `model.json` of a run that predicts with the mean of the models in the folders `members` below it."""
    write_atomic(Path(folder) / "model.json", to_json({"format": FORMAT, "members": list(members)}) + "\n")


def load(run: str | Path) -> Segmenter:
    """The model of a run, by its folder or its id below `runs/`: in eval mode, on the CPU.

    A run over all folds gives one network, the mean of its folds. Raises UserError where there is no model, or one of
    its files is damaged or does not fit the others.
    """
    folder = next((place for place in (Path(run), Path("runs") / run) if (place / "model.json").is_file()), None)
    if folder is None:
        raise UserError(
            f"{run} holds no model.json; a finished run of gnomon segment train, or one of gnomon segment import, is"
            " expected."
        )
    return load_model(folder)


def load_model(folder: str | Path) -> Segmenter:
    """The model that `save_model` or `save_members` wrote to `folder`, as `load` gives it."""
    file = Path(folder) / "model.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"{file} cannot be read; a model written by gnomon segment is expected.") from fault
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"{file}: this is not valid JSON: {fault}.") from fault
    if isinstance(content, dict) and "members" in content:
        members = [load_model(Path(folder) / name) for name in validate(MembersFile, content, source=str(file)).members]
        return replace(members[0], network=MeanOfFolds([member.network for member in members]).eval())
    stored = validate(ModelFile, content, source=str(file))
    network = networks.build(stored.model, in_channels=max(stored.channels), classes=len(stored.labels), seed=0)
    _load_weights(network, Path(folder) / "model.safetensors")
    return Segmenter(
        network=network.eval(),
        labels=stored.labels,
        channels=stored.channels,
        intensity=stored.intensity,
        spacing=stored.spacing,
        slice_axis=stored.slice_axis,
        patch_size=stored.patch_size,
        overlap=stored.overlap,
        flip_axes=stored.flip_axes,
        keep_largest=stored.keep_largest,
    )


def _load_weights(network: nn.Module, file: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(file)
    except (OSError, SafetensorError) as fault:
        reason = "is missing" if not file.exists() else f"cannot be read ({' '.join(str(fault).split())[:120]})"
        raise UserError(f"{file} {reason}; the weights that belong to its model.json are expected.") from fault
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    for name in (*expected, *state):
        if name not in state or name not in expected or state[name].shape != expected[name]:
            has = f"is {tuple(state[name].shape)}" if name in state else "is missing"
            wants = f"{tuple(expected[name])} is expected" if name in expected else "the network has no such tensor"
            raise UserError(f"{file}: {name!r} {has}, but by its model.json {wants}.")
    network.load_state_dict(state)


# -- files ---------------------------------------------------------------------------------------------------------


def find_inputs(given: str | Path) -> dict[str, Path]:
    """The images of a folder, or the one that is given (a file, or the folder of a DICOM series), by name.

    Raises UserError where there is nothing to read, or two files have one name.
    """
    path = Path(given)
    if not path.exists():
        raise UserError(f"{path} does not exist; an image, or a folder of images, is expected.")
    if path.is_dir() and not any(file.suffix.lower() == ".dcm" for file in path.iterdir()):
        return reading.find_images(path)
    return {path.name if path.is_dir() else reading.stem(path): path}


def predict_files(
    run: str | Path,
    given: str | Path,
    out: str | Path,
    *,
    flips: bool = False,
    uncertainty: bool = False,
    show: Show | None = None,
) -> dict[str, Any]:
    """Predict the image or the folder of images `given` with the model of `run`; returns `cases` (a number) and `out`.

    The folder `out` appears whole or not at all, with `NAME.png` for a picture or `NAME.nii.gz` for a volume,
    `uncertainty/NAME.tif` or `.nii.gz` (entropy in nats, float32) where it is asked for, and `predictions.json`. All
    inputs are looked at before the first is predicted. `show` is called with (images done, name). A GPU is used where
    there is one. Raises UserError for a run without a model, `flips` where training had none, an input that cannot be
    read or is of another kind than the model's, and an `out` that is not empty.
    """
    folder = Path(out)
    require_free(folder)
    inputs = find_inputs(given)
    segmenter = load(run)
    segmenter.require_flips(flips)
    for path in inputs.values():
        segmenter.require(*reading.read_header(path), str(path))
    if torch.cuda.is_available():
        segmenter.network.to("cuda")
    with whole_folder(folder) as making:
        cases = []
        for number, (name, path) in enumerate(inputs.items(), start=1):
            cases.append(_predict_file(segmenter, name, path, making, flips=flips, uncertainty=uncertainty))
            if show is not None:
                show(number, name)
        stored = {
            "run": str(run),
            "labels": segmenter.labels,
            "flips": flips,
            "networks": len(segmenter.network.members) if isinstance(segmenter.network, MeanOfFolds) else 1,
            "entropy_unit": "nats",
            "cases": cases,
        }
        write_atomic(making / "predictions.json", to_json(stored) + "\n")
    return {"cases": len(inputs), "out": str(folder)}


def _predict_file(
    segmenter: Segmenter, name: str, path: Path, folder: Path, *, flips: bool, uncertainty: bool
) -> dict[str, Any]:
    """Writes what is predicted of one file; returns its entry in predictions.json."""
    array, frame = reading.read_image(path)
    prediction = segmenter.predict_array(array, frame, str(path), flips=flips)
    picture = segmenter.slice_axis is None
    mask = f"{name}.png" if picture else f"{name}.nii.gz"
    reading.write_mask(folder / mask, prediction.labels, frame)
    entry: dict[str, Any] = {"id": name, "image": str(path), "prediction": mask}
    if uncertainty:
        (folder / "uncertainty").mkdir(exist_ok=True)
        entry["uncertainty"] = f"uncertainty/{name}.tif" if picture else f"uncertainty/{name}.nii.gz"
        if picture:
            write_atomic(folder / entry["uncertainty"], _tiff(prediction.entropy))
        else:
            reading.write_volume(folder / entry["uncertainty"], prediction.entropy, frame)
    counts = {label: int((prediction.labels == value).sum()) for label, value in segmenter.labels.items()}
    return {**entry, "pixels": counts, "mean_entropy": float(prediction.entropy.mean())}


def _tiff(array: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="TIFF")
    return buffer.getvalue()
