"""Images, volumes and masks on disk: which belong together, what they hold, where they lie in space.

Pictures (PNG, BMP, TIFF, JPEG) have the axes (H, W), volumes (NIfTI, DICOM series) the axes (X, Y, Z) as stored.
Nothing is scaled, turned or resampled here. A file that cannot be used ends in one sentence that names it.
"""

import gzip
import importlib.util
import io
import itertools
import json
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs.files import write_atomic

_PICTURES = {
    ".png": ["PNG"],
    ".bmp": ["BMP"],
    ".tif": ["TIFF"],
    ".tiff": ["TIFF"],
    ".jpg": ["JPEG"],
    ".jpeg": ["JPEG"],
}
_VOLUMES = (".nii", ".nii.gz")
_READABLE = "PNG, BMP, TIFF, JPEG, NIfTI (.nii, .nii.gz) or a folder for each DICOM series"

Sources = Sequence[Path]


@dataclass(frozen=True, eq=False)
class Frame:
    """Where an array lies in space.

    `shape` holds the spatial axes only, two of a picture and three of a volume. `affine` (4, 4) leads from voxel
    indices to millimetres in RAS; `spacing` is the distance of neighbouring voxels along each axis, in millimetres.
    A picture has neither.
    """

    shape: tuple[int, ...]
    affine: np.ndarray | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Case:
    """An image (several volumes: its channels), its mask where there is one, and what it belongs to.

    `group` names what is never split between folds (a patient); `fold` is set where the data choose it.
    """

    id: str
    image: tuple[Path, ...]
    label: Path | None
    group: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Problem:
    """An error or a warning about one file: `message` is a sentence with the file and the value that is wrong."""

    code: str
    file: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """As JSON holds it."""
        return {"code": self.code, "file": self.file, "message": self.message}


@dataclass(frozen=True)
class Cases:
    """What lies in a data set, in the order of ids.

    `cases` are all that have an image, `label` None where no mask was found. `label_names` are the data's own, name to
    file value, background first. `problems` are the files without a partner. `images` and `masks` count files.
    """

    cases: tuple[Case, ...]
    label_names: dict[str, int] | None
    problems: tuple[Problem, ...]
    images: int
    masks: int
    root: Path

    def name_of(self, path: Path) -> str:
        """`path` as messages call it: relative to the data where it lies below them."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


# -- finding -------------------------------------------------------------------------------------------------------


def stem(path: str | Path) -> str:
    """A file's name without its extension; `.nii.gz` is one extension."""
    name = Path(path).name
    return name[: len(name) - len(_extension(name))]


def _extension(name: str) -> str:
    lowered = name.lower()
    known = next((end for end in (".nii.gz", *_VOLUMES, *_PICTURES) if lowered.endswith(end)), None)
    return name[-len(known) :] if known else Path(name).suffix


def _is_readable(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return _is_series(path)
    return path.name.lower().endswith((*_PICTURES, *_VOLUMES))


def _is_series(folder: Path) -> bool:
    return any(file.suffix.lower() == ".dcm" for file in folder.iterdir())


def find_images(folder: str | Path) -> dict[str, Path]:
    """The images, volumes or masks directly in `folder`, by name without extension, in the order of names.

    Raises UserError where there is no such folder, nothing readable in it, or two files of one name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {str(folder)!r}; a folder of images is expected.")
    found = _listed(folder)
    if not found:
        raise UserError(f"{folder} holds no image; files are read that are {_READABLE}.")
    return found


def _listed(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if _is_readable(path):
            name = path.name if path.is_dir() else stem(path)
            if name in found:
                raise UserError(
                    f"{folder} holds two files named {name!r}, {found[name].name} and {path.name}; one is expected."
                )
            found[name] = path
    return dict(sorted(found.items()))


def find_cases(data: str | Path) -> Cases:
    """The cases of `data`: a folder with `images/` and `labels/` or `masks/`, or a JSON datalist.

    A datalist is a list of `{"image", "label", "group"?, "fold"?}`, or an object that holds one as `training` and may
    name its `labels`; paths are relative to the file, and `image` may be a list of volumes, which become channels.
    Raises UserError for what cannot be audited: no such folder, nothing in it, broken JSON, two files of one name.
    """
    path = Path(data)
    if path.is_dir():
        return _cases_of_folder(path)
    if path.suffix.lower() == ".json":
        return _cases_of_datalist(path)
    reason = "is neither a folder nor a .json file" if path.exists() else "does not exist"
    raise UserError(f"{path} {reason}; a folder with images/ and labels/, or a JSON datalist, is expected.")


def _cases_of_folder(root: Path) -> Cases:
    places = [root / name for name in ("labels", "masks") if (root / name).is_dir()]
    if not (root / "images").is_dir() or not places:
        missing = "images/" if places else "labels/ or masks/" if (root / "images").is_dir() else "images/ and labels/"
        lists = ", ".join(sorted(file.name for file in root.glob("*.json")))
        hint = f"; or give its datalist ({lists}) itself" if lists else ""
        raise UserError(f"{root} holds no folder {missing}; images/ and labels/ (or masks/) are expected{hint}.")
    if len(places) > 1:
        raise UserError(f"{root} holds both labels/ and masks/; one folder of masks is expected.")
    images, masks = _listed(root / "images"), _listed(places[0])
    if not images and not masks:
        deeper = any(path.is_dir() for folder in (root / "images", places[0]) for path in folder.iterdir())
        hint = "; files in folders below images/ belong into a JSON datalist" if deeper else ""
        raise UserError(f"{root} holds no image and no mask; files are read that are {_READABLE}{hint}.")
    cases = tuple(Case(name, (image,), masks.get(name)) for name, image in images.items())
    found = Cases(cases, None, (), len(images), len(masks), root)
    problems = [_unpaired_image(found, case) for case in cases if case.label is None]
    problems += [_unpaired_mask(found, mask) for name, mask in masks.items() if name not in images]
    return Cases(cases, None, tuple(problems), len(images), len(masks), root)


def _unpaired_image(found: Cases, case: Case) -> Problem:
    file = found.name_of(case.image[0])
    return Problem("unpaired_image", file, f"{file} has no mask of the name {case.id!r}.")


def _unpaired_mask(found: Cases, mask: Path) -> Problem:
    file = found.name_of(mask)
    return Problem("unpaired_mask", file, f"{file} has no image of the name {stem(mask)!r}.")


def _cases_of_datalist(path: Path) -> Cases:
    content = _json(path)
    names = None
    if isinstance(content, dict):
        names = _names(path, content.get("labels"))
        content = content.get("training")
    if not isinstance(content, list):
        raise UserError(
            f'{path}: a list of {{"image", "label"}}, or an object that holds one as "training", is expected.'
        )
    entries = [_entry(path, number, entry) for number, entry in enumerate(content, start=1)]
    if not entries:
        raise UserError(f'{path} lists no case; entries of {{"image", "label"}} are expected.')
    entries.sort(key=lambda case: case.id)
    ids = [case.id for case in entries]
    if len(set(ids)) < len(ids):  # files of several folders: their folders tell them apart
        entries = sorted((_told_by_folder(path.parent, case) for case in entries), key=lambda case: case.id)
    for first, second in itertools.pairwise(entries):
        if first.id == second.id:
            files = f"{first.image[0]} and {second.image[0]}"
            raise UserError(f"{path} lists two cases named {first.id!r} ({files}); each name is expected once.")
    found = Cases(tuple(entries), names, (), 0, 0, path.parent)
    with_image = tuple(case for case in entries if case.image)
    problems = [_unpaired_image(found, case) for case in with_image if case.label is None]
    problems += [_unpaired_mask(found, case.label) for case in entries if not case.image and case.label is not None]
    masks = sum(case.label is not None for case in entries)
    return Cases(with_image, names, tuple(problems), len(with_image), masks, path.parent)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as fault:
        raise UserError(f"There is no file {str(path)!r} to read; a JSON datalist is expected.") from fault
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: this is not valid JSON: {fault}.") from fault


def _names(path: Path, labels: Any) -> dict[str, int] | None:
    """Name to value, from the Decathlon's value to name or from name to value."""
    if labels is None:
        return None
    if isinstance(labels, dict) and labels:
        pairs = [(str(name), value) for value, name in labels.items()]
        if not all(re.fullmatch(r"-?\d+", str(value)) for _, value in pairs):
            pairs = [(name, value) for value, name in pairs]
        if all(re.fullmatch(r"-?\d+", str(value)) for _, value in pairs):
            values = sorted({name: int(value) for name, value in pairs}.items(), key=lambda pair: pair[1])
            if len(values) == len(labels) == len({value for _, value in values}):
                return dict(values)
    raise UserError(f'{path}: labels = {labels!r:.80}; names by value are expected, as {{"0": "background", ...}}.')


def _entry(path: Path, number: int, entry: Any) -> Case:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict):
        raise UserError(f'{where} is {entry!r:.60}; {{"image": ..., "label": ...}} is expected.')
    image, label = entry.get("image"), entry.get("label")
    listed = [image] if isinstance(image, str) else image if isinstance(image, list) else []
    if not all(isinstance(part, str) and part for part in listed) or not (image is None or listed):
        raise UserError(f"{where}: image = {image!r:.60}; a path, or a list of paths, is expected.")
    if label is not None and (not isinstance(label, str) or not label):
        raise UserError(f"{where}: label = {label!r:.60}; a path is expected.")
    if not listed and label is None:
        raise UserError(f"{where} has neither image nor label; both are expected.")
    group, fold = entry.get("group"), entry.get("fold")
    if group is not None and (isinstance(group, bool) or not isinstance(group, str | int)):
        raise UserError(f"{where}: group = {group!r:.60}; a name is expected.")
    if fold is not None and (isinstance(fold, bool) or not isinstance(fold, int) or fold < 0):
        raise UserError(f"{where}: fold = {fold!r:.60}; a whole number from 0 is expected.")
    files = tuple(path.parent / part for part in listed)
    mask = None if label is None else path.parent / label
    named = files[0] if files else mask
    assert named is not None
    return Case(stem(named), files, mask, None if group is None else str(group), fold)


def _told_by_folder(root: Path, case: Case) -> Case:
    named = case.image[0] if case.image else case.label
    assert named is not None
    below = named.relative_to(root) if named.is_relative_to(root) else named
    parts = [part for part in below.parent.parts if part not in ("/", "..")]
    return Case("_".join([*parts, stem(named)]), case.image, case.label, case.group, case.fold)


# -- labels and groups ---------------------------------------------------------------------------------------------


def parse_labels(given: Sequence[str]) -> dict[str, int] | None:
    """`["background=0", "tumour=2"]` as name to file value, first the background; None where nothing is given.

    Raises UserError for anything but NAME=VALUE with a whole number, and for a name or value that comes twice.
    """
    labels: dict[str, int] = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        if not equals or not name.strip() or not re.fullmatch(r"\s*-?\d+\s*", value):
            raise UserError(f"--label {text}: NAME=VALUE with a whole number is expected, as in --label tumour=2.")
        if name.strip() in labels or int(value) in labels.values():
            raise UserError(f"--label {text}: the name or the value is given twice; each is expected once.")
        labels[name.strip()] = int(value)
    if len(labels) == 1:
        raise UserError(f"--label {given[0]} is the only one; the background first and one more are expected.")
    return labels or None


def group_of(cases: Iterable[Case], expression: str | None) -> dict[str, str]:
    """Each case's group: the first capture of `expression` on its id, else the data's, else the case itself.

    Raises UserError where `expression` is no regular expression, captures nothing, or does not fit an id.
    """
    cases = list(cases)
    if expression is None:
        return {case.id: case.id if case.group is None else case.group for case in cases}
    example = f"an id is {cases[0].id!r}" if cases else "there is no case"
    try:
        pattern = re.compile(expression)
    except re.error as fault:
        raise UserError(f"--group {expression!r} is no regular expression ({fault}); {example}.") from fault
    if not pattern.groups:
        raise UserError(f"--group {expression!r} captures nothing; put what names the group in (...), {example}.")
    groups: dict[str, str] = {}
    for case in cases:
        match = pattern.search(case.id)
        if match is None or match[1] is None:
            raise UserError(f"--group {expression!r} does not match the id {case.id!r}; every id must have a group.")
        groups[case.id] = match[1]
    return groups


# -- reading -------------------------------------------------------------------------------------------------------


def read_image(path: str | Path) -> tuple[np.ndarray, Frame]:
    """A picture (H, W) or (H, W, 3) in the file's type, or a volume (X, Y, Z) with its slope applied, and its frame.

    A palette becomes the colours it stands for, and an alpha channel is dropped. A volume with a fourth axis has its
    channels there. Raises UserError for what cannot be read.
    """
    path = Path(path)
    if _is_picture(path):
        array = _pixels(path, as_mask=False)
        return array, Frame(array.shape[:2])
    return _read_volume(path)


def read_mask(path: str | Path) -> tuple[np.ndarray, Frame]:
    """A mask's file values as integers, (H, W) or (X, Y, Z), and its frame.

    A palette image gives its indices, and three equal channels count as grey. Raises UserError for other colours, for
    values that are not whole, and for what cannot be read.
    """
    values, frame = read_mask_as_stored(path)
    if values.ndim > len(frame.shape):
        raise UserError(f"{path} is in colour or has several channels; a mask with one value per pixel is expected.")
    fraction = first_fraction(values)
    if fraction is not None:
        raise UserError(f"{path} holds the value {fraction:g}; whole numbers are expected in a mask.")
    return as_integers(values), frame


def read_case_image(image: Sources) -> tuple[np.ndarray, Frame]:
    """The image of a case: one file as `read_image`, several volumes stacked on a last axis.

    Raises UserError where the volumes differ in shape or affine.
    """
    array, frame = read_image(image[0])
    if len(image) == 1:
        return array, frame
    parts = [array]
    for path in image[1:]:
        part, other = read_image(path)
        if part.shape != array.shape or not same_affine(frame, other):
            raise UserError(
                f"{path} has shape {part.shape} and {image[0]} has {array.shape}; channels must share their grid."
            )
        parts.append(part)
    return np.stack(parts, axis=-1), frame


def read_header(path: str | Path) -> tuple[Frame, int]:
    """The frame of an image and its number of channels, without reading pixels where the format allows that."""
    path = Path(path)
    if _is_picture(path):
        with _opened(path) as image:
            grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;")
            return Frame((image.height, image.width)), 1 if grey else 3
    if path.is_dir():
        return _read_series(path)[1], 1
    _require_volume(path)
    import nibabel

    try:
        volume = nibabel.load(path)
    except _broken() as fault:
        raise _unreadable(path, fault) from fault
    shape = _volume_shape(path, volume.shape)
    return _frame(path, shape[:3], np.asarray(volume.affine, float)), shape[3] if len(shape) == 4 else 1


def has_alpha(path: str | Path) -> bool:
    """Whether a picture has an alpha channel, which reading drops."""
    path = Path(path)
    if not _is_picture(path):
        return False
    with _opened(path) as image:
        return image.mode in ("LA", "La", "PA", "RGBA", "RGBa")


def read_mask_as_stored(path: str | Path) -> tuple[np.ndarray, Frame]:
    """A mask before it is judged: as `read_mask`, but in any type, and with its channels where they differ."""
    path = Path(path)
    if not _is_picture(path):
        return _read_volume(path)
    array = _pixels(path, as_mask=True)
    if array.ndim == 3 and all(np.array_equal(array[..., 0], array[..., c]) for c in range(1, array.shape[2])):
        array = array[..., 0]
    return array, Frame(array.shape[:2])


def first_fraction(values: np.ndarray) -> float | None:
    """The first value that is not a whole number, None where all are."""
    if values.dtype.kind != "f":
        return None
    wrong = ~np.isfinite(values) | (values != np.rint(values)) | (np.abs(values) >= 2**31)
    return float(values[np.unravel_index(int(np.argmax(wrong)), wrong.shape)]) if wrong.any() else None


def as_integers(values: np.ndarray) -> np.ndarray:
    """Whole numbers that may be stored as floats, as integers."""
    return values.astype(np.int32) if values.dtype.kind == "f" else values


def same_affine(one: Frame, other: Frame, tolerance: float = 1e-3) -> bool:
    """Whether no entry of two affines differs by more than `tolerance`; frames without one agree with any."""
    if one.affine is None or other.affine is None:
        return True
    return bool(np.max(np.abs(one.affine - other.affine)) <= tolerance)


def _is_picture(path: Path) -> bool:
    return path.name.lower().endswith(tuple(_PICTURES)) and not path.is_dir()


def _broken() -> tuple[type[Exception], ...]:
    """What nibabel and Pillow raise for a file that is truncated or damaged."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from PIL import Image

    return (
        *(OSError, EOFError, ValueError, SyntaxError, IndexError, OverflowError, MemoryError, TypeError),
        *(struct.error, zlib.error, ImageFileError, HeaderDataError, Image.DecompressionBombError),
    )


def _unreadable(path: Path, fault: Exception) -> UserError:
    from nibabel.filebasedimages import ImageFileError
    from PIL import UnidentifiedImageError

    if not path.exists() or not path.stat().st_size:
        reason = "is empty" if path.exists() else "does not exist"
        return UserError(f"{path} {reason}; an image, a volume or a mask is expected there.")
    kind = _PICTURES.get(path.suffix.lower(), ["NIfTI"])[0]
    if isinstance(fault, ImageFileError | UnidentifiedImageError):
        return UserError(f"{path} cannot be read as {kind}: its content is not what its name says.")
    reason = " ".join(str(fault).replace(f"{str(path)!r}", "the file").replace(str(path), "the file").split())
    return UserError(f"{path} cannot be read as {kind} ({(reason or type(fault).__name__).rstrip('.')[:120]}).")


def _opened(path: Path) -> Any:
    from PIL import Image

    try:
        image = Image.open(path, formats=_PICTURES[path.suffix.lower()])
        pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except _broken() as fault:
        raise _unreadable(path, fault) from fault
    if pages > 1:
        image.close()
        raise UserError(f"{path} holds {pages} pages; one image in a file is expected.")
    return image


def _pixels(path: Path, *, as_mask: bool) -> np.ndarray:
    with _opened(path) as image:
        raw = _raw_mode(image)
        colours = ";16" in raw and not image.mode.startswith("I")
        if colours and raw[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16"):
            raise UserError(f"{path} stores its 16-bit pixels as {raw.split(';')[0]}; grey, RGB or RGBA is expected.")
        try:
            image.load()
            if colours:
                return _sixteen_bit_colours(path, image, raw)
            mode = image.mode
            if mode in ("P", "PA"):
                image = image if as_mask and mode == "P" else image.getchannel("P") if as_mask else image.convert("RGB")
            elif mode == "1" and as_mask:
                return np.asarray(image).astype(np.uint8)
            elif mode in ("1", "LA", "La"):
                image = image.convert("L")
            elif mode not in ("L", "RGB", "I", "F") and not mode.startswith("I;"):
                image = image.convert("RGB")
            array = np.asarray(image)
        except _broken() as fault:
            raise _unreadable(path, fault) from fault
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _raw_mode(image: Any) -> str:
    """Pillow's name for the layout of the pixels in the file."""
    if not image.tile:
        return ""
    arguments = image.tile[0].args
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _sixteen_bit_colours(path: Path, image: Any, raw: str) -> np.ndarray:
    """Colours of 16 bits, of which Pillow keeps the upper byte: the lower is read with the bytes taken as swapped."""
    upper = np.asarray(image)[..., :3]
    native = "B" if sys.byteorder == "big" else "L"
    order = native if raw[-1] == "N" else raw[-1]
    swapped = raw[:-1] + {"B": "L", "L": "B"}[order]
    with _opened(path) as again:
        again.tile = [
            tile._replace(args=(swapped, *tile.args[1:]) if isinstance(tile.args, tuple) else swapped)
            for tile in again.tile
        ]
        again.load()
        lower = np.asarray(again)[..., :3]
    return upper.astype(np.uint16) << 8 | lower


def _volume_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Three axes, or four where the last holds channels."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    shape = (*shape, *(1,) * (3 - len(shape)))
    if len(shape) > 4 or 0 in shape:
        raise UserError(f"{path} has shape {shape}; a volume (X, Y, Z), or (X, Y, Z, channels), is expected.")
    return shape


def _frame(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> Frame:
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if not np.isfinite(affine).all() or not spacing.all() or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-6:
        raise UserError(f"{path} has the affine {affine.tolist()}; one that can be inverted is expected.")
    return Frame(tuple(shape), affine, tuple(float(s) for s in spacing))


def _read_volume(path: Path) -> tuple[np.ndarray, Frame]:
    if path.is_dir():
        return _read_series(path)
    _require_volume(path)
    import nibabel

    try:
        volume = nibabel.load(path)
        array = np.asanyarray(volume.dataobj)
    except _broken() as fault:
        raise _unreadable(path, fault) from fault
    if array.dtype.kind not in "iuf":
        raise UserError(f"{path} holds values of type {array.dtype}; integers or real numbers are expected.")
    array = array.reshape(_volume_shape(path, array.shape))
    frame = _frame(path, array.shape[:3], np.asarray(volume.affine, dtype=float))
    return np.asarray(array, dtype=array.dtype.newbyteorder("=")), frame


def _require_volume(path: Path) -> None:
    if not path.name.lower().endswith(_VOLUMES):
        reason = "is not in a format that is read" if path.exists() else "does not exist"
        raise UserError(f"{path} {reason}; expected is {_READABLE}.")


def _read_series(folder: Path) -> tuple[np.ndarray, Frame]:
    if importlib.util.find_spec("pydicom") is None:
        raise UserError(f"{folder} is a DICOM series, which needs pydicom: pip install pydicom.")
    from monai.data import PydicomReader

    faults: tuple[type[Exception], ...] = (*_broken(), AttributeError, KeyError, RuntimeError, UserWarning)
    reader = PydicomReader(fname_regex=r".*\.(dcm|DCM)$")
    try:
        with warnings.catch_warnings():
            # slices that MONAI would leave out, or put at the origin, with no more than a warning
            warnings.filterwarnings("error", "Failed to read|slice: |PydicomReader")
            array, meta = reader.get_data(reader.read(str(folder)))
    except faults as fault:
        raise UserError(f"{folder} cannot be read as a DICOM series ({' '.join(str(fault).split())[:120]}).") from fault
    array = np.asarray(array)
    array = array.reshape(_volume_shape(folder, array.shape))
    return array, _frame(folder, array.shape[:3], np.asarray(meta["affine"], dtype=float))


# -- writing -------------------------------------------------------------------------------------------------------


def write_mask(path: str | Path, array: np.ndarray, frame: Frame) -> None:
    """Write a mask's file values in the smallest integer type: .png (8 or 16 bit), or .nii or .nii.gz with the affine.

    The file appears whole or not at all. Raises UserError for values that the format cannot hold.
    """
    path = Path(path)
    low, high = int(array.min()), int(array.max())
    if path.name.lower().endswith(".png"):
        if low < 0 or high > 65535:
            raise UserError(
                f"{path} cannot hold the label value {low if low < 0 else high}; 0 to 65535 fit into a PNG."
            )
        write_atomic(path, _png(array.astype(np.uint8 if high < 256 else np.uint16)))
        return
    kinds = (np.uint8, np.int8, np.uint16, np.int16, np.int32)
    kind = next((k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max), None)
    if kind is None:
        raise UserError(f"{path} cannot hold the label values {low} to {high}; 32-bit integers are expected.")
    write_volume(path, array.astype(kind), frame)


def write_volume(path: str | Path, array: np.ndarray, frame: Frame) -> None:
    """Write a volume (X, Y, Z) in its own type to .nii or .nii.gz with the affine of `frame`; whole or not at all."""
    import nibabel

    affine = np.diag([*(frame.spacing or (1.0, 1.0, 1.0)), 1.0]) if frame.affine is None else frame.affine
    volume = nibabel.Nifti1Image(array, affine)
    volume.header.set_xyzt_units("mm")
    content = volume.to_bytes()
    zipped = str(path).lower().endswith(".gz")
    write_atomic(path, gzip.compress(content, compresslevel=6, mtime=0) if zipped else content)


def _png(array: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()
