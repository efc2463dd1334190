"""Agreement of a predicted mask with the true one: Dice, IoU, HD95, ASSD and NSD of each class of one case.

The surface distances are SciPy's nearest neighbours between the two surfaces. That is the definition below to the last
digits, costs what the surfaces cost and not the volume around them, and needs no MONAI, whose import alone takes
longer than most evaluations; MONAI's metrics agree and are the tests' oracle.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.errors import UserError

METRICS = ("dice", "iou", "hd95", "assd", "nsd")
OVERLAPS = ("dice", "iou")
DISTANCES = ("hd95", "assd")
STATUSES = ("ok", "prediction_empty", "truth_empty", "both_empty")

HD95 = "HD95: the larger of the two directed 95th percentiles"
"""Which of the definitions in use ours is; stands in every table."""

SLACK = 1e-6
"""Relative; NIfTI keeps spacings in float32, so that two voxels of 1 mm may come back as 1.9999999 mm."""


@dataclass(frozen=True)
class ClassScore:
    """How well one class of one case was found. What is undefined is NaN.

    With prediction P and truth T: `dice` 2|PT|/(|P|+|T|), `iou` |PT|/|P or T|, both in [0, 1]; `hd95` the larger of the
    two directed 95th percentiles of surface distance, `assd` the mean surface distance with both directions pooled, in
    the unit of the spacing; `nsd` the share of all surface voxels that lie within the tolerance of the other surface.
    `n_prediction` and `n_truth` count voxels.

    `status` is `ok`, `prediction_empty` (the class was missed), `truth_empty` (it is spurious) or `both_empty`. Where
    one side is empty, Dice, IoU and NSD are 0 and the distances undefined; where both are, everything is undefined.
    """

    dice: float
    iou: float
    hd95: float
    assd: float
    nsd: float
    status: str
    n_prediction: int
    n_truth: int


def score(
    prediction: Any,
    truth: Any,
    *,
    classes: Iterable[int],
    spacing: Sequence[float] | None = None,
    tolerance: float = 2.0,
) -> dict[int, ClassScore]:
    """Score each of `classes`, which are values in the masks; values that are not among them count as background.

    `prediction` and `truth` are arrays of whole numbers, both (H, W) or (X, Y, Z). `spacing` is the voxels' size along
    each axis (mm); without it distances, and `tolerance`, are in pixels. The surface of a mask is those of its voxels
    that an erosion over 4 (in 3D, 6) neighbours removes, and what lies outside the image lies outside the mask.
    Percentiles are interpolated linearly; distances may pass the tolerance by one part in a million.

    Dice and IoU: Dice 1945, Ecology 26:297; Jaccard 1912. Distances: Taha and Hanbury 2015, BMC Medical Imaging 15:29.
    NSD: Nikolov et al. 2021, JMIR 23(7):e26151, over voxels instead of surface elements.

    Raises UserError for shapes that differ, other than two or three axes, values that are no whole numbers, classes
    that are none either, a spacing that does not fit, a negative tolerance.
    """
    predicted, true = _mask(prediction, "prediction"), _mask(truth, "truth")
    if predicted.shape != true.shape:
        raise UserError(f"score: prediction has shape {predicted.shape} and truth {true.shape}; one shape is expected.")
    sizes = check_spacing(spacing, predicted.ndim, "score: spacing")
    check_tolerance(tolerance, "score: tolerance")
    values = list(classes)
    for value in values:
        if not isinstance(value, int | np.integer):
            raise UserError(f"score: classes holds {value!r}; the classes' values in the masks are expected.")
    return {value: _score_class(predicted == value, true == value, sizes, tolerance) for value in values}


def diagonal(shape: Sequence[int], spacing: Sequence[float] | None) -> float:
    """The image's physical diagonal, sqrt(sum ((n_i - 1) s_i)^2): the largest distance two of its voxels can have."""
    sizes = (1.0,) * len(shape) if spacing is None else spacing
    return math.sqrt(sum(((n - 1) * size) ** 2 for n, size in zip(shape, sizes, strict=True)))


def check_spacing(spacing: Sequence[float] | None, axes: int, name: str, of: str = "the masks") -> tuple[float, ...]:
    """A spacing as numbers, 1 along each axis where there is none; refuses another count and what is not above 0.

    `name` and `of` say in the sentence what the spacing is and what has so many axes.
    """
    if spacing is None:
        return (1.0,) * axes
    sizes = tuple(float(size) for size in spacing)
    if len(sizes) != axes:
        raise UserError(
            f"{name} {_listed(sizes)} has {len(sizes)} {'number' if len(sizes) == 1 else 'numbers'}, but {of} have"
            f" {axes} axes; one number for each axis is expected."
        )
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        raise UserError(f"{name} {_listed(sizes)}: finite numbers above 0 are expected, as in 0.8,0.8,3.")
    return sizes


def check_tolerance(tolerance: float, name: str) -> None:
    """Refuse a tolerance that is not a finite distance."""
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UserError(f"{name} {tolerance:g}: a distance of at least 0 is expected, as 2 is.")


def _listed(sizes: Sequence[float]) -> str:
    return ",".join(f"{size:g}" for size in sizes)


def _mask(values: Any, name: str) -> np.ndarray:
    mask = np.asarray(values)
    if mask.ndim not in (2, 3):
        raise UserError(f"score: {name} has shape {mask.shape}; (H, W) or (X, Y, Z) is expected.")
    whole = mask.dtype.kind in "biu" or (
        mask.dtype.kind == "f" and bool((np.isfinite(mask) & (mask == np.rint(mask))).all())
    )
    if not whole:
        raise UserError(f"score: {name} holds {mask.dtype} values that are no whole numbers; labels are expected.")
    return mask


def _score_class(predicted: np.ndarray, true: np.ndarray, sizes: Sequence[float], tolerance: float) -> ClassScore:
    n_predicted, n_true = int(np.count_nonzero(predicted)), int(np.count_nonzero(true))
    if n_predicted == 0 and n_true == 0:
        return ClassScore(*(math.nan,) * 5, "both_empty", 0, 0)
    if n_predicted == 0 or n_true == 0:
        status = "truth_empty" if n_true == 0 else "prediction_empty"
        return ClassScore(0.0, 0.0, math.nan, math.nan, 0.0, status, n_predicted, n_true)
    box = _bounding_box(predicted | true)
    predicted, true = predicted[box], true[box]
    shared = int(np.count_nonzero(predicted & true))
    to_true, to_predicted = _surface_distances(predicted, true, sizes)
    pooled = np.concatenate([to_true, to_predicted])
    return ClassScore(
        dice=2 * shared / (n_predicted + n_true),
        iou=shared / (n_predicted + n_true - shared),
        hd95=float(max(np.percentile(to_true, 95), np.percentile(to_predicted, 95))),
        assd=float(pooled.mean()),
        nsd=float(np.mean(pooled <= tolerance * (1 + SLACK))),
        status="ok",
        n_prediction=n_predicted,
        n_truth=n_true,
    )


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds a mask; beyond it there is nothing, as beyond the image."""
    spans = []
    for axis in range(mask.ndim):
        occupied = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        spans.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(spans)


def _surface_distances(a: np.ndarray, b: np.ndarray, sizes: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of `a` to the nearest one of `b`, and the other way round."""
    from scipy.ndimage import binary_erosion
    from scipy.spatial import KDTree

    first, second = (np.argwhere(mask & ~binary_erosion(mask)) * np.array(sizes) for mask in (a, b))

    def to_nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
        # Points of a grid need no balancing, which takes longer than the queries.
        tree = KDTree(others, balanced_tree=False, compact_nodes=False)
        return np.asarray(tree.query(points)[0])

    return to_nearest(first, second), to_nearest(second, first)
