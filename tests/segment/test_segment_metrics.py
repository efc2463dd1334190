"""Scores of masks: a computation by loops, MONAI, closed forms, every status, and what is refused."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnomon.errors import UserError
from gnomon.segment.metrics import METRICS, ClassScore, diagonal, score

SPACINGS = {2: (0.5, 1.7), 3: (0.8, 1.3, 3.0)}


# The definition, by loops.


def surface(mask: np.ndarray) -> list[tuple[int, ...]]:
    """Voxels of which some neighbour along an axis is outside the mask or outside the image."""
    found = []
    for voxel in itertools.product(*map(range, mask.shape)):
        if not mask[voxel]:
            continue
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            near = tuple(at + step * (axis == i) for i, at in enumerate(voxel))
            if not all(0 <= at < n for at, n in zip(near, mask.shape, strict=True)) or not mask[near]:
                found.append(voxel)
                break
    return found


def percentile95(values: list[float]) -> float:
    ordered = sorted(values)
    position = 0.95 * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def by_loops(
    prediction: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...], tolerance: float
) -> dict[str, float]:
    first, second = surface(prediction), surface(truth)

    def to_nearest(points: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> list[float]:
        return [
            min(math.sqrt(sum(((a - b) * s) ** 2 for a, b, s in zip(p, o, spacing, strict=True))) for o in others)
            for p in points
        ]

    there, back = to_nearest(first, second), to_nearest(second, first)
    shared = sum(bool(p and t) for p, t in zip(prediction.flat, truth.flat, strict=True))
    sizes = int(prediction.sum()), int(truth.sum())
    return {
        "dice": 2 * shared / sum(sizes),
        "iou": shared / (sum(sizes) - shared),
        "hd95": max(percentile95(there), percentile95(back)),
        "assd": sum(there + back) / len(there + back),
        "nsd": sum(d <= tolerance + 1e-9 for d in there + back) / len(there + back),
    }


def numbers(found: ClassScore) -> dict[str, float]:
    return {name: getattr(found, name) for name in METRICS}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_scores_equal_the_definition_by_loops(data: st.DataObject):
    axes = data.draw(st.sampled_from((2, 3)))
    shape = data.draw(st.tuples(*[st.integers(1, 7 if axes == 2 else 4)] * axes))
    masks = [data.draw(arrays(np.int16, shape, elements=st.sampled_from((0, 0, 3, 7)))) for _ in range(2)]
    tolerance = data.draw(st.sampled_from((0.0, 1.0, 2.0, 3.0)))
    found = score(*masks, classes=(3, 7), spacing=SPACINGS[axes], tolerance=tolerance)
    assert list(found) == [3, 7]
    for value in (3, 7):
        prediction, truth = (mask == value for mask in masks)
        assert (found[value].n_prediction, found[value].n_truth) == (prediction.sum(), truth.sum())
        if prediction.any() and truth.any():
            assert found[value].status == "ok"
            assert numbers(found[value]) == pytest.approx(by_loops(prediction, truth, SPACINGS[axes], tolerance))
        else:
            assert found[value].status != "ok"


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    grid = np.indices(shape)
    return sum(((x - c) / r) ** 2 for x, c, r in zip(grid, centre, radii, strict=True)) <= 1


def rough(axes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two masks with holes, specks and faces on the image's border."""
    rng = np.random.default_rng(seed)
    shape = (20, 16, 10)[:axes]
    first = ball(shape, (3, 7, 4)[:axes], (8, 6, 4)[:axes]) & (rng.random(shape) < 0.97)
    second = ball(shape, (4, 8, 5)[:axes], (8, 7, 4)[:axes]) | (rng.random(shape) < 0.01)
    return first, second


@pytest.mark.parametrize("axes", [2, 3])
def test_larger_masks_equal_the_definition_by_loops(axes: int):
    first, second = rough(axes, seed=3)
    found = score(first, second, classes=[1], spacing=SPACINGS[axes], tolerance=1.0)[1]
    assert numbers(found) == pytest.approx(by_loops(first, second, SPACINGS[axes], 1.0), rel=1e-12)


@pytest.mark.parametrize("axes", [2, 3])
def test_scores_equal_those_of_monai(axes: int):
    import torch
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_iou,
        compute_surface_dice,
    )

    for seed in range(5):
        first, second = rough(axes, seed)
        # MONAI takes its distances in float32: 1.15 is no sum of voxel sizes that rounding could push over it.
        found = score(first, second, classes=[1], spacing=SPACINGS[axes], tolerance=1.15)[1]
        p, t = (torch.from_numpy(mask)[None, None] for mask in (first, second))
        grid: dict[str, Any] = {"include_background": True, "spacing": list(SPACINGS[axes])}
        monai = {
            "dice": compute_dice(p.float(), t.float()),
            "iou": compute_iou(p.float(), t.float()),
            "hd95": compute_hausdorff_distance(p, t, percentile=95, **grid),
            "assd": compute_average_surface_distance(p, t, symmetric=True, **grid),
            "nsd": compute_surface_dice(p, t, class_thresholds=[1.15], **grid),
        }
        assert numbers(found) == pytest.approx({name: value.item() for name, value in monai.items()}, abs=3e-5)


# Closed forms.


def test_a_box_moved_by_three_voxels_of_two_millimetres():
    truth, prediction = np.zeros((2, 40, 30, 20), dtype=np.uint8)
    truth[10:20, 5:15, 5:15], prediction[13:23, 5:15, 5:15] = 1, 1
    found = score(prediction, truth, classes=[1], spacing=(2.0, 1.0, 1.0), tolerance=2.0)[1]
    assert found.dice == pytest.approx(0.7)
    assert found.iou == pytest.approx(7 / 13)
    # Of the 488 surface voxels of either box 100 lie 6 mm away, 36 lie 4 and 36 lie 2; the 252 of the common rims lie 0;
    # 28, 20, 12 and 4 are those inside the other box, 1, 2, 3 and 4 mm from its rim.
    assert found.hd95 == pytest.approx(6.0)
    assert found.assd == pytest.approx((600 + 144 + 72 + 28 + 40 + 36 + 16) / 488)
    assert found.nsd == pytest.approx((36 + 252 + 28 + 20) / 488)
    assert score(prediction, truth, classes=[1])[1].hd95 == pytest.approx(3.0)
    assert score(prediction, truth, classes=[1], spacing=(2, 1, 1), tolerance=6)[1].nsd == 1.0


def test_a_single_voxel_apart_in_every_axis():
    truth, prediction = np.zeros((2, 9, 9, 9), dtype=int)
    truth[1, 1, 1], prediction[4, 5, 1] = 5, 5
    found = score(prediction, truth, classes=[5], spacing=(1.0, 1.0, 4.0))[5]
    assert numbers(found) == pytest.approx({"dice": 0, "iou": 0, "hd95": 5, "assd": 5, "nsd": 0})


def test_hd95_is_the_larger_direction_and_not_the_percentile_of_both_pooled():
    truth, prediction = np.zeros((2, 1, 200), dtype=int)
    truth[0, :100] = prediction[0, :100] = 1
    prediction[0, 110:119] = 1
    # 9 of 109 predicted voxels lie 11 to 19 away, above the 95th percentile of 109 and of 209 pooled values alike, but
    # at different ranks; no true voxel lies away.
    away = [0.0] * 100 + [float(d) for d in range(11, 20)]
    found = score(prediction, truth, classes=[1])[1]
    assert found.hd95 == pytest.approx(percentile95(away))
    assert found.hd95 != pytest.approx(percentile95(away + [0.0] * 100))


def test_the_image_border_is_outside_the_mask():
    full = np.ones((5, 5), dtype=int)
    inner = np.zeros((5, 5), dtype=int)
    inner[1:4, 1:4] = 1
    found = score(inner, full, classes=[1])[1]
    # The surface of the full mask is its rim of 16 voxels: 12 of them one pixel from the 8 of the inner mask.
    assert found.assd == pytest.approx((8 * 1 + 12 * 1 + 4 * math.sqrt(2)) / 24)


def test_a_spacing_from_a_float32_header_stays_within_the_tolerance():
    truth, prediction = np.zeros((2, 8, 8), dtype=int)
    truth[2, 2], prediction[4, 2] = 1, 1
    for size in (0.99999994, 1.0000001):
        assert score(prediction, truth, classes=[1], spacing=(size, 1), tolerance=2)[1].nsd == 1.0
    assert score(prediction, truth, classes=[1], spacing=(1.001, 1), tolerance=2)[1].nsd == 0.0


# Statuses and properties.


@pytest.mark.parametrize(
    ("predicted", "true", "status", "overlap"),
    [(0, 0, "both_empty", math.nan), (0, 1, "prediction_empty", 0.0), (1, 0, "truth_empty", 0.0)],
)
def test_an_empty_side_has_a_status_and_no_distances(predicted: int, true: int, status: str, overlap: float):
    prediction, truth = np.full((3, 4), predicted), np.full((3, 4), true)
    found = score(prediction, truth, classes=[1])[1]
    assert found.status == status
    assert (found.n_prediction, found.n_truth) == (12 * predicted, 12 * true)
    expected = {"dice": overlap, "iou": overlap, "hd95": math.nan, "assd": math.nan, "nsd": overlap}
    assert numbers(found) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(arrays(np.int8, (6, 5, 4), elements=st.integers(0, 1)), arrays(np.int8, (6, 5, 4), elements=st.integers(0, 1)))
def test_both_directions_scale_and_axes(first: np.ndarray, second: np.ndarray):
    found = score(first, second, classes=[1], spacing=(1, 2, 3))[1]
    swapped = score(second, first, classes=[1], spacing=(1, 2, 3))[1]
    turned = score(first.transpose(2, 0, 1)[::-1], second.transpose(2, 0, 1)[::-1], classes=[1], spacing=(3, 1, 2))[1]
    scaled = score(first, second, classes=[1], spacing=(2, 4, 6), tolerance=4)[1]
    assert numbers(swapped) == pytest.approx(numbers(found), nan_ok=True)
    assert numbers(turned) == pytest.approx(numbers(found), nan_ok=True)
    double = {name: value * (2 if name in ("hd95", "assd") else 1) for name, value in numbers(found).items()}
    assert numbers(scaled) == pytest.approx(double, nan_ok=True)
    if found.status == "ok":
        assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))
        assert found.hd95 <= diagonal((6, 5, 4), (1, 2, 3))


def test_equal_masks_are_perfect_in_any_integer_type():
    mask = np.array([[0, 128, 255], [0, 128, 255]])
    for kind in (np.uint8, np.int16, np.int64, np.float32):
        for found in score(mask.astype(kind), mask, classes=[128, 255]).values():
            assert numbers(found) == {"dice": 1, "iou": 1, "hd95": 0, "assd": 0, "nsd": 1}


def test_the_diagonal_is_that_between_voxel_centres():
    assert diagonal((4, 5), None) == pytest.approx(5.0)
    assert diagonal((4, 5), (2.0, 2.0)) == pytest.approx(10.0)


# Refusals.


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"truth": np.zeros((4, 5), int)}, "prediction has shape (4, 4) and truth (4, 5)"),
        ({"prediction": np.zeros((1, 2, 4, 4), int)}, "prediction has shape (1, 2, 4, 4)"),
        ({"prediction": np.full((4, 4), 0.5)}, "prediction holds float64 values that are no whole numbers"),
        ({"truth": np.full((4, 4), np.nan)}, "truth holds float64 values"),
        ({"spacing": (1, 1, 2.5)}, "spacing 1,1,2.5 has 3 numbers, but the masks have 2 axes"),
        ({"spacing": (1, 0)}, "spacing 1,0: finite numbers above 0"),
        ({"spacing": (1, math.nan)}, "spacing 1,nan: finite numbers above 0"),
        ({"tolerance": -1}, "tolerance -1: a distance"),
        ({"classes": ["tumour"]}, "classes holds 'tumour'"),
    ],
)
def test_refusals_name_both_values(change: dict[str, Any], words: str):
    given: dict[str, Any] = {"prediction": np.zeros((4, 4), int), "truth": np.zeros((4, 4), int), "classes": [1]}
    with pytest.raises(UserError) as refused:
        score(**(given | change))
    assert words in str(refused.value)
