"""A data set made ready for training: audited, split into folds by group, on one grid, with arrays that load at once.

A prepared folder holds `dataset.json` and, for each case, `arrays/ID.image.npy` and `arrays/ID.label.npy`: channels
first, volumes in RAS at the target spacing with the intensity rule applied, pictures as in the file. Prediction goes
through the same `to_grid` and `Intensity`, so what a network sees is the same in both.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from gnomon.config import Settings, validate
from gnomon.errors import UserError
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.progress import Show
from gnomon.seeds import derive
from gnomon.segment import reading
from gnomon.segment.audit import Audit, audit
from gnomon.segment.output import require_free, whole_folder
from gnomon.segment.reading import Case, Frame, Problem

if TYPE_CHECKING:
    from monai.transforms import Compose

FORMAT = "gnomon-segment-1"

Restore = Callable[[Any], np.ndarray]


@dataclass(frozen=True)
class Intensity:
    """How an image's values become what a network sees. `kind` is one of three:

    - `type_range`: integers divided by the largest value of their type (255, 65535), then (x - .5) / .5;
    - `percentiles`: clipped to the .5 and 99.5 percentiles of each channel, then to mean 0 and deviation 1;
    - `window`: clipped to `window` = (low, high), which becomes -1 to 1.
    """

    kind: Literal["type_range", "percentiles", "window"]
    window: tuple[float, float] | None = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """`image` (C, ...), in the type of its file, as float32 of the same shape.

        Raises UserError where the rule is for integers and the image has others.
        """
        from monai.transforms import ClipIntensityPercentiles, Compose, NormalizeIntensity, ScaleIntensityRange

        if self.kind == "type_range":
            if image.dtype.kind not in "iu":
                raise UserError(f"The image holds values of type {image.dtype}, but the model was trained on integers.")
            rule: Any = ScaleIntensityRange(0, np.iinfo(image.dtype).max, -1, 1)
        elif self.kind == "window":
            assert self.window is not None
            rule = ScaleIntensityRange(*self.window, -1, 1, clip=True)
        else:
            rule = Compose(
                [ClipIntensityPercentiles(0.5, 99.5, channel_wise=True), NormalizeIntensity(channel_wise=True)]
            )
        return np.asarray(rule(np.array(image, dtype=np.float32)), dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"kind": self.kind, "window": None if self.window is None else list(self.window)}


# -- one grid ------------------------------------------------------------------------------------------------------


def to_grid(image: np.ndarray, frame: Frame, spacing: Sequence[float] | None = None) -> tuple[np.ndarray, Restore]:
    """An image as read, channels first on the network's grid, and the way back.

    `image` is (H, W), (H, W, C), (X, Y, Z) or (X, Y, Z, C). A volume with an affine is turned to the nearest RAS axes;
    with `spacing` (mm) it is resampled linearly: its extent is kept and axis i has round(shape_i spacing_i / s_i)
    voxels. Pictures, and volumes that need neither, keep their type; others become float32.
    `restore(probabilities)` takes (K, ...) on this grid, array or tensor, back to (K, *frame.shape).
    """
    channels_first = image[None] if image.ndim == len(frame.shape) else np.moveaxis(image, -1, 0)
    transform = _grid(frame, spacing, labels=False)
    if transform is None:
        return np.ascontiguousarray(channels_first), lambda probabilities: np.asarray(probabilities)
    from monai.data import MetaTensor

    turned = transform(_placed(channels_first, frame))

    def restore(probabilities: Any) -> np.ndarray:
        given = MetaTensor(probabilities, meta=turned.meta, applied_operations=list(turned.applied_operations))
        return np.ascontiguousarray(transform.inverse(given).numpy())

    return np.ascontiguousarray(turned.numpy()), restore


def label_to_grid(classes: np.ndarray, frame: Frame, spacing: Sequence[float] | None = None) -> np.ndarray:
    """A map of class indices on the grid that `to_grid` gives its image, resampled by the nearest voxel."""
    transform = _grid(frame, spacing, labels=True)
    if transform is None:
        return classes
    return np.rint(transform(_placed(classes[None], frame)).numpy()[0]).astype(classes.dtype)


def _placed(channels_first: np.ndarray, frame: Frame) -> Any:
    from monai.data import MetaTensor

    given = np.ascontiguousarray(channels_first, dtype=np.float32)
    return MetaTensor(given, affine=np.eye(4) if frame.affine is None else frame.affine)


def _grid(frame: Frame, spacing: Sequence[float] | None, *, labels: bool) -> "Compose | None":
    """The invertible transforms onto the grid; None where there is nothing to do."""
    turned = _turned(frame)
    sizes = None
    if spacing is not None:
        if frame.spacing is None:
            raise UserError("The image has no voxel spacing, which resampling needs: give it with spacing=.")
        sizes = [
            max(1, round(round(frame.shape[axis] * frame.spacing[axis] / target, 3)))  # float32 headers: 1 is .9999999
            for axis, target in zip(turned, spacing, strict=True)
        ]
        if sizes == [frame.shape[axis] for axis in turned]:
            sizes = None
    if frame.affine is None and sizes is None:
        return None
    from monai.transforms import Compose, Orientation, Resize

    steps: list[Any] = []
    if frame.affine is not None:
        steps.append(Orientation("RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))))
    if sizes is not None:
        steps.append(Resize(sizes, mode="nearest-exact") if labels else Resize(sizes, mode="trilinear"))
    return Compose(steps)


def _turned(frame: Frame) -> list[int]:
    """Which axis of the file becomes the first, second and third in RAS."""
    if frame.affine is None:
        return list(range(len(frame.shape)))
    import nibabel

    return [int(axis) for axis in np.argsort(nibabel.io_orientation(frame.affine)[:, 0])]


# -- the prepared data set -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dataset:
    """A prepared data set.

    `labels` are name to file value in the order of class indices; `spacing` is the target in mm in RAS order, None
    where voxels were kept; every case has its group and fold, and the paths of its original files.
    """

    dims: int
    channels: int
    labels: dict[str, int]
    spacing: tuple[float, ...] | None
    intensity: Intensity
    folds: int
    seed: int
    cases: tuple[Case, ...]
    excluded: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    path: Path

    def arrays(self, case_id: str) -> tuple[np.ndarray, np.ndarray]:
        """The image (C, H, W) or (C, X, Y, Z), float32 as a network takes it, and its class indices, int16.

        Volumes are mapped from the disk: only what is used is read.
        """
        image, label = (_mapped(_array_file(self.path, case_id, what)) for what in ("image", "label"))
        return (self.intensity.apply(image) if self.dims == 2 else image), label


def load_dataset(folder: str | Path) -> Dataset:
    """The data set that `prepare` wrote to `folder`. Raises UserError where there is none or it is not whole."""
    folder = Path(folder)
    file = folder / "dataset.json"
    if not file.is_file():
        raise UserError(f"{folder} holds no dataset.json; a folder made by gnomon segment prepare is expected.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"{file}: this is not valid JSON: {fault}.") from fault
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{file} is not of format {FORMAT!r}; a folder made by gnomon segment prepare is expected.")
    stored = validate(DatasetFile, content, source=str(file))
    dataset = Dataset(
        dims=stored.dims,
        channels=stored.channels,
        labels=stored.labels,
        spacing=stored.spacing,
        intensity=stored.intensity,
        folds=stored.folds,
        seed=stored.seed,
        cases=tuple(_case(entry) for entry in stored.cases),
        excluded=stored.excluded,
        warnings=stored.warnings,
        path=folder,
    )
    for case in dataset.cases:
        for what in ("image", "label"):
            _mapped(_array_file(folder, case.id, what))
    return dataset


class CaseEntry(Settings):
    """A case in `dataset.json`; a list of images are the channels of one."""

    id: str
    image: str | tuple[str, ...]
    label: str
    group: str
    fold: int


class DatasetFile(Settings):
    """`dataset.json`, as `Dataset` describes it."""

    format: Literal["gnomon-segment-1"]
    dims: Literal[2, 3]
    channels: int
    labels: Annotated[dict[str, int], Field(min_length=2)]
    spacing: tuple[float, float, float] | None
    intensity: Intensity
    folds: int
    seed: int
    cases: Annotated[tuple[CaseEntry, ...], Field(min_length=1)]
    excluded: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def _case(entry: CaseEntry) -> Case:
    images = (entry.image,) if isinstance(entry.image, str) else entry.image
    return Case(entry.id, tuple(map(Path, images)), Path(entry.label), entry.group, entry.fold)


def _mapped(file: Path) -> np.ndarray:
    """An array on the disk, of which only what is used is read. Raises UserError where it is missing or not whole."""
    try:
        return np.asarray(np.load(file, mmap_mode="c"))
    except (OSError, ValueError, EOFError) as fault:
        reason = "is damaged" if file.is_file() else "is missing"
        raise UserError(f"{file} {reason}; prepare the data set again.") from fault


def _array_file(folder: Path, case_id: str, what: str) -> Path:
    return folder / "arrays" / f"{case_id}.{what}.npy"


# -- preparing -----------------------------------------------------------------------------------------------------


def prepare(
    data: str | Path,
    out: str | Path,
    *,
    labels: Mapping[str, int] | None = None,
    group: str | None = None,
    folds: int = 5,
    spacing: Sequence[float] | None = None,
    window: Sequence[float] | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    show: Show | None = None,
) -> dict[str, Any]:
    """Audit `data` and write the prepared data set to the folder `out`, which appears whole or not at all.

    `labels` and `group` are as in `audit`. Groups are put into `folds` folds (see `assign_folds`). `spacing` (x, y, z
    in mm, in RAS order) resamples volumes; `window` (low, high) replaces the intensity rule. `skip_bad` leaves out
    cases with errors instead of refusing them. `show` is called with (files done, id): every case twice, once while it
    is audited and once while its arrays are written.

    Returns `cases excluded folds groups labels out`: numbers, the labels, and the folder. Raises UserError for data
    with errors, labels that are not 0..K-1 and have no names, and settings that do not fit the data.
    """
    folder = Path(out)
    require_free(folder)
    if window is not None and (len(window) != 2 or not -math.inf < window[0] < window[1] < math.inf):
        raise UserError(f"--window {_listed(window)}: LOW,HIGH with LOW below HIGH is expected.")
    if spacing is not None and (len(spacing) != 3 or not all(0 < s < math.inf for s in spacing)):
        raise UserError(f"--spacing {_listed(spacing)}: three lengths X,Y,Z in mm, all above 0, are expected.")
    found = audit(data, labels=labels, group=group, show=show)
    _require_sound(data, found, skip_bad)
    if spacing is not None and found.dims == 2:
        raise UserError(f"--spacing {_listed(spacing)}: {data} holds pictures, which have no spacing to change.")
    cases = assign_folds(found.usable, folds, seed)
    count = 1 + max(case.fold for case in cases if case.fold is not None)
    if window is not None:
        intensity = Intensity("window", (float(window[0]), float(window[1])))
    else:
        intensity = Intensity("type_range" if found.dims == 2 and found.whole else "percentiles")
    stored = {
        "format": FORMAT,
        "dims": found.dims,
        "channels": found.channels,
        "labels": found.labels,
        "spacing": None if spacing is None else [float(s) for s in spacing],
        "intensity": intensity.to_dict(),
        "folds": count,
        "seed": seed,
        "cases": [_entry(case) for case in cases],
        "excluded": [problem.to_dict() for problem in found.errors],
        "warnings": [problem.to_dict() for problem in found.warnings],
    }
    with whole_folder(folder) as making:
        (making / "arrays").mkdir()
        for number, case in enumerate(cases, start=len(found.cases.cases) + 1):
            _write_arrays(making, case, list(found.labels.values()), spacing, intensity)
            if show is not None:
                show(number, case.id)
        write_atomic(making / "dataset.json", to_json(stored))
    return {
        "cases": len(cases),
        "excluded": len(found.errors),
        "folds": count,
        "groups": len({case.group for case in cases}),
        "labels": found.labels,
        "out": str(folder),
    }


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _require_sound(data: str | Path, found: Audit, skip_bad: bool) -> None:
    if found.errors and not skip_bad:
        number = f"{len(found.errors)} errors, the first" if len(found.errors) > 1 else "one error"
        raise UserError(
            f"{data} has {number}: {found.errors[0].message.rstrip('.')}; correct them, or leave these cases out with"
            " --skip-bad."
        )
    if found.undeclared:
        values = ", ".join(map(str, sorted(found.shares)))
        raise UserError(
            f"{data} has the label values {values}, which are not 0 to {len(found.shares) - 1}; name them, as in"
            f" {found.how_to_name()}."
        )
    if not found.usable:
        raise UserError(f"{data} has no case without an error; nothing is left to prepare.")
    if len(found.labels) < 2:
        raise UserError(f"{data} has no label but the background in any mask; one more is expected.")


def assign_folds(cases: Sequence[Case], folds: int, seed: int) -> tuple[Case, ...]:
    """The cases, each with a fold: groups are shuffled, then the largest goes first to the emptiest fold.

    A group is never split, and a fold that the data give a case is kept for its group. Raises UserError where `folds`
    is below 2 or above the number of groups, or the data's folds split a group or leave one of their numbers empty.
    """
    sizes = Counter[str](str(case.group) for case in cases)
    given: dict[str, int] = {}
    for case in cases:
        if case.fold is not None and given.setdefault(str(case.group), case.fold) != case.fold:
            raise UserError(
                f"The data put the group {case.group!r} into the folds {given[str(case.group)]} and {case.fold};"
                " a group belongs into one."
            )
    waiting = sorted(set(sizes) - set(given))
    if not waiting:
        folds = 1 + max(given.values())
        if folds < 2:
            raise UserError("The data put every case into fold 0; at least two folds are expected.")
    elif not 2 <= folds <= len(sizes):
        raise UserError(f"--folds {folds}: at least 2 and at most the number of groups, {len(sizes)}, are expected.")
    elif given and max(given.values()) >= folds:
        raise UserError(f"--folds {folds}: the data name fold {max(given.values())}; folds count from 0.")
    held = [0] * folds
    for name, fold in given.items():
        held[fold] += sizes[name]
    shuffled = [waiting[i] for i in np.random.default_rng(derive(seed, "folds")).permutation(len(waiting))]
    for name in sorted(shuffled, key=lambda name: -sizes[name]):
        given[name] = held.index(min(held))
        held[given[name]] += sizes[name]
    if 0 in held:
        raise UserError(
            f"--folds {folds}: fold {held.index(0)} stays empty, since the data put {len(sizes) - len(waiting)} of"
            f" {len(sizes)} groups elsewhere; fewer folds are expected."
        )
    return tuple(Case(case.id, case.image, case.label, case.group, given[str(case.group)]) for case in cases)


def _entry(case: Case) -> dict[str, Any]:
    images = [str(path.resolve()) for path in case.image]
    assert case.label is not None
    return {
        "id": case.id,
        "image": images[0] if len(images) == 1 else images,
        "label": str(case.label.resolve()),
        "group": case.group,
        "fold": case.fold,
    }


def _write_arrays(
    folder: Path, case: Case, values: list[int], spacing: Sequence[float] | None, intensity: Intensity
) -> None:
    assert case.label is not None
    image, frame = reading.read_case_image(case.image)
    mask, _ = reading.read_mask(case.label)
    array, _ = to_grid(image, frame, spacing)
    order = np.argsort(values)
    classes = order[np.searchsorted(np.array(values)[order], mask)].astype(np.int16)
    np.save(_array_file(folder, case.id, "image"), array if len(frame.shape) == 2 else intensity.apply(array))
    np.save(_array_file(folder, case.id, "label"), label_to_grid(classes, frame, spacing))
