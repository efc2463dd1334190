"""Read a data set once and say what is wrong in which file, before anything is trained. Nothing is changed.

Errors make a case unusable; warnings are for a person to judge. Every one has a code, the file, and a sentence with the
value found.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs.progress import Show
from gnomon.segment import reading
from gnomon.segment.reading import Case, Cases, Frame, Problem

SCALE = 100
"""A largest maximum over so many times the median one means that images have no common scale."""

RARE = 5
"""A label in fewer cases than this is rare; a value in fewer masks, where no labels are declared, is a stray."""

TINY_PICTURE = 32
"""Shorter side below which a picture is tiny: the networks' coarsest stage has one position there."""

TINY_VOLUME = 16
"""A volume is tiny where two of its sides are below this; one alone may be a stack of few slices."""


@dataclass(frozen=True)
class Audit:
    """What was found.

    `usable` are the cases without an error, with their groups. `labels` name the file values, background first; they
    are the declared ones, else those found. `undeclared` are values that are not 0..K-1 where none were declared: not
    an error in any one file, but they must be named before the data are prepared. `shares` and `counts` are each
    value's share of all pixels and the number of cases that hold it, over usable cases.
    """

    cases: Cases
    usable: tuple[Case, ...]
    labels: dict[str, int]
    undeclared: tuple[int, ...]
    dims: int | None
    channels: int | None
    whole: bool
    shares: dict[int, float]
    counts: dict[int, int]
    alpha: int
    intensity: dict[str, float] | None
    shapes: dict[str, list[float]] | None
    spacing: dict[str, list[float]] | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON: `cases` counts the usable pairs, `alpha` the pictures whose alpha channel is dropped."""
        return {
            "cases": len(self.usable),
            "images": self.cases.images,
            "masks": self.cases.masks,
            "dims": self.dims,
            "channels": self.channels,
            "alpha": self.alpha,
            "labels": {
                str(value): {"name": name, "share": self.shares.get(value, 0.0), "cases": self.counts.get(value, 0)}
                for name, value in self.labels.items()
            },
            "intensity": self.intensity,
            "shapes": self.shapes,
            "spacing": self.spacing,
            "errors": [problem.to_dict() for problem in self.errors],
            "warnings": [problem.to_dict() for problem in self.warnings],
        }

    def how_to_name(self) -> str:
        """The options that would name the values found, with placeholders for the names."""
        first, *others = sorted(self.shares)
        return " ".join([f"--label background={first}", *(f"--label NAME={value}" for value in others)])


@dataclass
class _Found:
    """What reading one case told; `error` is the first thing wrong with it."""

    case: Case
    error: Problem | None = None
    frame: Frame | None = None
    channels: int = 0
    readable: bool = False
    whole: bool = False
    low: float = math.nan
    high: float = math.nan
    digest: bytes = b""
    alpha: bool = False
    values: dict[int, int] = field(default_factory=dict)


def audit(
    data: str | Path,
    *,
    labels: Mapping[str, int] | None = None,
    group: str | None = None,
    show: Show | None = None,
) -> Audit:
    """Read every image and mask of `data` once (`reading.find_cases` says what it may be).

    `labels` declare the file values, name to value with the background first, in place of the data's own; without
    either, values are expected to be 0..K-1. `group` is a regular expression whose first capture on a case's id names
    its group. `show` is called with (cases read, id). Raises UserError for what cannot be audited and for an expression
    that does not fit.
    """
    cases = reading.find_cases(data)
    groups = reading.group_of(cases.cases, group)
    declared = dict(labels) if labels else cases.label_names
    if declared is not None and (len(declared) < 2 or len(set(declared.values())) < len(declared)):
        raise UserError(f"labels = {declared}; the background and one more, each with its own value, are expected.")
    found = []
    for number, case in enumerate(cases.cases, start=1):
        found.append(_read(cases, case))
        if show is not None:
            show(number, case.id)
    dims = _most(len(each.frame.shape) for each in found if each.readable and each.frame is not None)
    channels = _most(each.channels for each in found if each.readable)
    undeclared: tuple[int, ...] = ()
    if declared is None:
        declared, undeclared = _labels_found(found)
        allowed = {*declared.values()}
    else:
        allowed = set(declared.values())
    for each in found:
        if each.error is None:
            each.error = _unlike_the_others(cases, each, dims, channels, allowed)
    paired = [each for each in found if each.case.label is not None]  # the others have their error already
    good = [each for each in paired if each.error is None]
    pixels = Counter[int]()
    holders = Counter[int]()
    for each in good:
        pixels.update(each.values)
        holders.update(each.values.keys())
    total = sum(pixels.values())
    in_space = [each.frame for each in good if each.frame is not None]
    return Audit(
        cases=cases,
        usable=tuple(
            Case(each.case.id, each.case.image, each.case.label, groups[each.case.id], each.case.fold) for each in good
        ),
        labels=declared,
        undeclared=undeclared,
        dims=dims,
        channels=channels,
        whole=all(each.whole for each in good),
        shares={value: count / total for value, count in sorted(pixels.items())},
        counts=dict(sorted(holders.items())),
        alpha=sum(each.alpha for each in found),
        intensity={"min": min(e.low for e in good), "max": max(e.high for e in good)} if good else None,
        shapes=_range([frame.shape for frame in in_space]),
        spacing=_range([frame.spacing for frame in in_space if frame.spacing is not None]),
        errors=(*cases.problems, *(each.error for each in paired if each.error is not None)),
        warnings=tuple(_warnings(cases, found, good, groups, declared, holders)),
    )


# -- one case ------------------------------------------------------------------------------------------------------


def _read(cases: Cases, case: Case) -> _Found:
    """Image first, then the mask, then both beside each other; an image without a mask is read too."""
    found = _Found(case)
    file = cases.name_of(case.image[0])

    def wrong(code: str, path: str, message: str) -> _Found:
        found.error = Problem(code, path, message)
        return found

    for path in case.image:
        try:
            array, frame = reading.read_image(path)
        except UserError as fault:
            return wrong("unreadable", cases.name_of(path), str(fault))
        if found.frame is not None and frame.shape != found.frame.shape:
            message = f"{path} has shape {frame.shape}, but {case.image[0]}, another channel, has {found.frame.shape}."
            return wrong("shape_mismatch", cases.name_of(path), message)
        if found.frame is not None and not reading.same_affine(frame, found.frame):
            return wrong("affine_mismatch", cases.name_of(path), _affines(path, frame, case.image[0], found.frame))
        _describe(found, array, frame)
        found.alpha |= reading.has_alpha(path)
        if found.error is None and array.dtype.kind == "f" and not np.isfinite(array).all():
            where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            message = f"{path} holds {array[tuple(where)]:g} at {where}; finite intensities are expected."
            wrong("nonfinite", cases.name_of(path), message)
    found.readable = True
    if case.label is None or found.frame is None or found.error is not None:
        return found
    mask_file = cases.name_of(case.label)
    try:
        mask, frame = reading.read_mask_as_stored(case.label)
    except UserError as fault:
        return wrong("unreadable", mask_file, str(fault))
    if mask.ndim > len(frame.shape):
        message = f"{mask_file} has {mask.shape[-1]} channels that differ; one value per pixel is expected."
        return wrong("mask_not_grey", mask_file, message)
    if frame.shape != found.frame.shape:
        message = f"{mask_file} has shape {frame.shape}, but {file} has {found.frame.shape}."
        return wrong("shape_mismatch", mask_file, message)
    if not reading.same_affine(frame, found.frame):
        return wrong("affine_mismatch", mask_file, _affines(case.label, frame, case.image[0], found.frame))
    fraction = reading.first_fraction(mask)
    if fraction is not None:
        return wrong("label_not_integer", mask_file, f"{mask_file} holds {fraction:g}; whole numbers are expected.")
    found.values = _counted(reading.as_integers(mask))
    return found


def _describe(found: _Found, array: np.ndarray, frame: Frame) -> None:
    first = found.frame is None
    found.frame = frame
    found.channels += 1 if array.ndim == len(frame.shape) else array.shape[-1]
    found.whole = array.dtype.kind in "iu" and (first or found.whole)
    found.low = float(np.fmin(found.low, array.min()))
    found.high = float(np.fmax(found.high, array.max()))
    content = hashlib.blake2b(found.digest, digest_size=16)
    content.update(repr(array.shape).encode())
    with np.errstate(over="ignore"):
        content.update(np.ascontiguousarray(array, dtype=np.float32).data)
    found.digest = content.digest()


def _affines(path: Path, frame: Frame, other: Path, expected: Frame) -> str:
    assert frame.affine is not None
    assert expected.affine is not None
    place = np.unravel_index(int(np.argmax(np.abs(frame.affine - expected.affine))), (4, 4))
    row, column = (int(i) for i in place)
    return (
        f"{path} has {frame.affine[place]:g} in row {row + 1}, column {column + 1} of its affine, but {other} has"
        f" {expected.affine[place]:g}; they must lie in the same place."
    )


def _counted(mask: np.ndarray) -> dict[int, int]:
    """How many pixels have each value."""
    if mask.min() >= 0 and mask.max() < 65536:
        counts = np.bincount(mask.ravel().astype(np.intp))
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    values, counts = np.unique(mask, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


# -- the cases beside each other -----------------------------------------------------------------------------------


def _most(numbers: Any) -> int | None:
    counted = Counter(numbers).most_common(1)
    return counted[0][0] if counted else None


def _labels_found(found: list[_Found]) -> tuple[dict[str, int], tuple[int, ...]]:
    """Labels from the masks' own values, and those that are not 0..K-1 in so many masks that they must be meant."""
    holders = Counter[int](value for each in found for value in each.values)
    masks = sum(bool(each.values) for each in found)
    run = 0
    while run in holders:
        run += 1
    beyond = [value for value in sorted(holders) if not 0 <= value < run]
    meant = [value for value in beyond if holders[value] >= min(RARE, masks / 2)]
    values = sorted([*range(run), *beyond]) if meant else list(range(max(run, 1)))
    names = {"background" if place == 0 else str(value): value for place, value in enumerate(values)}
    return names, tuple(beyond) if meant else ()


def _unlike_the_others(
    cases: Cases, each: _Found, dims: int | None, channels: int | None, allowed: set[int]
) -> Problem | None:
    assert each.frame is not None
    strays = [value for value in each.values if value not in allowed]
    if strays and each.case.label is not None:
        file = cases.name_of(each.case.label)
        known = ", ".join(map(str, sorted(allowed)))
        pixels = each.values[strays[0]]
        message = f"{file} holds the value {strays[0]} ({pixels} pixels), but the labels are {known}."
        return Problem("label_not_declared", file, message)
    file = cases.name_of(each.case.image[0])
    if len(each.frame.shape) != dims:
        message = f"{file} has {len(each.frame.shape)} dimensions, but most images have {dims}."
        return Problem("mixed_dims", file, message)
    if each.channels != channels:
        return Problem(
            "channels_differ",
            file,
            f"{file} has {each.channels} channel{'' if each.channels == 1 else 's'}, but most images have {channels}.",
        )
    return None


def _warnings(
    cases: Cases,
    found: list[_Found],
    good: list[_Found],
    groups: dict[str, str],
    labels: dict[str, int],
    holders: Counter[int],
) -> list[Problem]:
    background, *others = labels.values()
    return [
        *_duplicates(cases, found, groups),
        *_scales(cases, found),
        *(
            _warn(cases, "empty_mask", each.case.label, f"holds nothing but the background ({background})")
            for each in good
            if each.case.label is not None and set(each.values) <= {background}
        ),
        *_rare(cases, good, holders, {name: value for name, value in labels.items() if value in others}),
        *_spacings(cases, good),
        *(
            _warn(cases, "tiny_image", each.case.image[0], f"is only {' x '.join(map(str, each.frame.shape))} large")
            for each in good
            if each.frame is not None and _is_tiny(each.frame.shape)
        ),
    ]


def _warn(cases: Cases, code: str, path: Path, says: str) -> Problem:
    file = cases.name_of(path)
    return Problem(code, file, f"{file} {says}.")


def _is_tiny(shape: tuple[int, ...]) -> bool:
    return min(shape) < TINY_PICTURE if len(shape) == 2 else sorted(shape)[1] < TINY_VOLUME


def _duplicates(cases: Cases, found: list[_Found], groups: dict[str, str]) -> list[Problem]:
    seen: dict[bytes, Case] = {}
    problems = []
    for each in found:
        if not each.readable:
            continue
        first = seen.setdefault(each.digest, each.case)
        if first is not each.case:
            mine, other = groups[each.case.id], groups[first.id]
            leak = "" if mine == other else f", across the groups {other!r} and {mine!r}: a leak between folds"
            says = f"has the same pixels as {cases.name_of(first.image[0])}{leak}"
            problems.append(_warn(cases, "duplicate_image", each.case.image[0], says))
    return problems


def _scales(cases: Cases, found: list[_Found]) -> list[Problem]:
    ends = [each for each in found if math.isfinite(each.high)]
    if not ends:
        return []
    largest, middle = max(ends, key=lambda each: each.high), float(np.median([each.high for each in ends]))
    if largest.high <= SCALE * middle or middle <= 0:
        return []
    says = f"reaches {largest.high:g}, {largest.high / middle:.0f} times the median maximum of {middle:g}"
    return [_warn(cases, "intensity_scale", largest.case.image[0], says)]


def _rare(cases: Cases, good: list[_Found], holders: Counter[int], labels: dict[str, int]) -> list[Problem]:
    problems = []
    for name, value in labels.items():
        if good and holders[value] < RARE:
            masks = [each.case.label for each in good if value in each.values and each.case.label is not None]
            file = cases.name_of(masks[0]) if masks else ""
            where = f"in {len(masks)} of {len(good)} masks: " + ", ".join(map(cases.name_of, masks))
            message = f"The label {name!r} ({value}) is {where if masks else f'in none of {len(good)} masks'}."
            problems.append(Problem("rare_label", file, message))
    return problems


def _spacings(cases: Cases, good: list[_Found]) -> list[Problem]:
    known = [(each.case, each.frame.spacing) for each in good if each.frame is not None and each.frame.spacing]
    if not known:
        return []
    spacings = np.array([spacing for _, spacing in known])
    usual = np.median(spacings, axis=0)
    off = np.abs(spacings / usual - 1).max(axis=1)
    if off.max() <= 1e-3:
        return []
    case, spacing = known[int(np.argmax(off))]
    says = f"has spacing {_millimetres(spacing)}, unlike the median {_millimetres(usual)}"
    more = int((off > 1e-3).sum()) - 1
    return [_warn(cases, "spacing_differs", case.image[0], says + (f"; so have {more} more" if more else ""))]


def _millimetres(spacing: Any) -> str:
    return " x ".join(f"{s:.4g}" for s in spacing) + " mm"


def _range(rows: list[Any]) -> dict[str, list[float]] | None:
    """Smallest, median and largest along each axis; None where there is none or axes differ in number."""
    if not rows or len({len(row) for row in rows}) > 1:
        return None
    table = np.array(rows)
    middle: Callable[..., Any] = np.median
    return {name: of(table, axis=0).tolist() for name, of in (("min", np.min), ("median", middle), ("max", np.max))}
