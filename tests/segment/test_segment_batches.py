"""Batches: a function of seed and step, crops that keep image and label together, padding right and bottom."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from segment_samples import pictures, volumes

from gnomon.segment.batches import Batches, made_ahead
from gnomon.segment.predict import padded
from gnomon.segment.prepare import Dataset
from gnomon.segment.recipe import TrainSettings


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    return pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def balls(tmp_path_factory):
    return volumes(tmp_path_factory.mktemp("volumes"))


class Known(Dataset):
    """A data set whose arrays are made here: each pixel of an image holds its own coordinates, its label their parity."""

    def arrays(self, case_id):
        height, width = map(int, case_id.split("x"))
        y, x = np.mgrid[:height, :width]
        return np.stack([y, x]).astype(np.float32), ((y + x) % 2).astype(np.int16)


def coordinates(*sizes: str, dataset: Dataset, **settings) -> Batches:
    known = Known(**{name: getattr(dataset, name) for name in Dataset.__dataclass_fields__})
    chosen = TrainSettings(**{"augment": "none", "patch_size": (32, 32), "batch_size": 4, **settings})
    return Batches(known, sizes, chosen, "axial")


def made(dataset: Dataset, settings: TrainSettings, axis: str = "axial") -> Batches:
    return Batches(dataset, [case.id for case in dataset.cases], settings, axis)


@pytest.mark.parametrize("augment", ["none", "light", "strong"])
def test_a_batch_follows_from_seed_and_step_alone(discs, augment):
    settings = TrainSettings(augment=augment, patch_size=(32, 64), batch_size=3, seed=5)
    one = made(discs, settings)
    forwards = [one(step) for step in (1, 2, 3)]
    again = made(discs, settings)
    backwards = [again(step) for step in (3, 2, 1)][::-1]
    for (images, labels), (same_images, same_labels) in zip(forwards, backwards, strict=True):
        assert images.shape == (3, 3, 32, 64)
        assert images.dtype == torch.float32
        assert labels.shape == (3, 32, 64)
        assert labels.dtype == torch.int64
        assert set(labels.unique().tolist()) <= {0, 1}
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)
    other = made(discs, settings.model_copy(update={"seed": 6}))(1)
    assert not torch.equal(forwards[0][0], other[0])
    assert not torch.equal(forwards[0][0], forwards[1][0])


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_that_work_ahead_change_nothing(discs, workers):
    batches = made(discs, TrainSettings(augment="strong", patch_size=(32, 32), batch_size=2))
    with made_ahead(batches, last=6, workers=workers) as take:
        ahead = [take(step) for step in range(2, 7)]
    for step, (images, labels) in enumerate(ahead, start=2):
        own_images, own_labels = batches(step)
        assert torch.equal(images, own_images)
        assert torch.equal(labels, own_labels)


def test_nothing_is_made_beyond_the_last_step():
    asked = []

    def batch_of(step):
        asked.append(step)
        return torch.tensor(step), torch.tensor(0)

    with made_ahead(batch_of, last=4) as take:
        taken = [int(take(step)[0]) for step in range(1, 5)]
    assert taken == [1, 2, 3, 4]
    assert sorted(asked) == [1, 2, 3, 4]


def test_a_fault_in_a_batch_is_raised_where_it_is_taken():
    def batch_of(step):
        if step == 2:
            raise ValueError("no such slice")
        return torch.tensor(step), torch.tensor(0)

    with made_ahead(batch_of, last=4) as take:
        take(1)
        with pytest.raises(ValueError, match="no such slice"):
            take(2)


def test_every_case_is_shown_once_an_epoch(discs):
    sizes = [f"40x{width}" for width in range(40, 46)]
    batches = coordinates(*sizes, dataset=discs, batch_size=4, patch_size=(64, 64))
    widths = [int(image[1].max()) + 1 for step in range(1, 7) for image in batches(step)[0]]
    epochs = [widths[start : start + 6] for start in range(0, 24, 6)]
    assert all(sorted(epoch) == list(range(40, 46)) for epoch in epochs)
    assert any(one != other for one, other in pairwise(epochs))


def test_a_crop_is_a_window_of_the_image_and_any_window_may_be_drawn(discs):
    batches = coordinates("40x35", dataset=discs, batch_size=8)
    corners = set()
    for step in range(1, 31):
        for (y, x), label in zip(*batches(step), strict=True):
            assert torch.equal(y - y[0, 0], torch.arange(32.0)[:, None].expand(32, 32))
            assert torch.equal(x - x[0, 0], torch.arange(32.0).expand(32, 32))
            assert torch.equal(label, ((y + x) % 2).long())
            corners.add((int(y[0, 0]), int(x[0, 0])))
    assert {y for y, _ in corners} == set(range(9))
    assert {x for _, x in corners} == set(range(4))


@pytest.mark.parametrize("augment", ["none", "light", "strong"])
def test_small_images_are_padded_as_prediction_pads_them(discs, augment):
    """Right and bottom with the edge, after every augmentation, so that a network sees one kind of padding."""
    batches = coordinates("20x24", dataset=discs, augment=augment, batch_size=8)
    sizes = set()
    for step in range(1, 6):
        for image, label in zip(*batches(step), strict=True):
            fitting = [
                (height, width)
                for height, width in ((20, 24), (24, 20))
                if np.array_equal(padded(image.numpy()[:, :height, :width], (32, 32)), image.numpy())
            ]
            assert fitting
            height, width = fitting[0]
            assert np.array_equal(padded(label.numpy()[None, :height, :width], (32, 32))[0], label.numpy())
            sizes.add(fitting[0])
    assert len(sizes) == (1 if augment == "none" else 2)  # the second is that of a quarter turn


def test_light_mirrors_and_turns_without_losing_a_pixel(discs):
    batches = coordinates("32x32", dataset=discs, augment="light", batch_size=8)
    seen = set()
    for step in range(1, 31):
        for (y, x), label in zip(*batches(step), strict=True):
            assert torch.equal(label, ((y + x) % 2).long())
            assert sorted((32 * y + x).flatten().tolist()) == list(range(1024))
            seen.add((float(y[0, 0]), float(x[0, 0]), bool(y[0, 0] != y[0, 1])))
    assert len(seen) == 8  # the symmetries of a square


@pytest.mark.parametrize(("axes", "corners"), [((), 1), ((0,), 2), ((1,), 2)])
def test_what_has_an_upright_is_mirrored_only_where_allowed(discs, axes, corners):
    batches = coordinates("32x32", dataset=discs, augment="light", flip_axes=axes, batch_size=8)
    seen = {(float(y[0, 0]), float(x[0, 0])) for step in range(1, 11) for y, x in batches(step)[0]}
    assert len(seen) == corners
    if axes:
        assert {corner[1 - axes[0]] for corner in seen} == {0.0}


def test_strong_stays_within_what_it_says(discs):
    """A deformed patch of coordinates: its gradient gives the angle and the scales of each example."""
    batches = coordinates("32x32", dataset=discs, augment="strong", flip_axes=(), batch_size=8)
    angles, scales, changed = [], [], 0
    for step in range(1, 16):
        for image in batches(step)[0]:
            middle = image[:, 14:18, 14:18].double()
            jacobian = np.array([[float(part.diff(dim=axis).mean()) for axis in (0, 1)] for part in middle])
            if np.allclose(jacobian, np.eye(2), atol=1e-4):
                continue
            changed += 1
            if image[0].diff(dim=1).diff(dim=1)[14:18, 14:18].abs().max() > 0.01:
                continue  # noise or contrast too: no straight lines are left to measure
            scales += list(np.linalg.norm(jacobian, axis=1))
            angles += [np.degrees(np.arctan2(-jacobian[0, 1], jacobian[0, 0]))]
    assert changed > 40
    assert len(angles) > 10
    assert max(map(abs, angles)) < 28  # 20 degrees, seen through unequal scales
    assert 0.75 < min(scales) < 0.95
    assert 1.05 < max(scales) < 1.3


def test_labels_stay_whole_numbers_under_deformation(discs):
    dataset = replace(discs)
    batches = made(dataset, TrainSettings(augment="strong", patch_size=(32, 32), batch_size=8))
    for step in range(1, 6):
        images, labels = batches(step)
        disc = labels == 1
        assert 0 < disc.float().mean() < 0.4
        assert images[:, 0][disc].mean() > images[:, 0][~disc].mean() + 0.3  # the red disc is where its label is


@pytest.mark.parametrize(("axis", "size"), [("axial", (20, 24)), ("coronal", (20, 12)), ("sagittal", (24, 12))])
def test_slices_are_cut_along_the_axis_asked_for(balls, axis, size):
    settings = TrainSettings(augment="none", patch_size=(32, 32), batch_size=4)
    images, labels = made(balls, settings, axis)(1)
    case_slices = []
    for case in balls.cases:
        image, label = balls.arrays(case.id)
        index = {"sagittal": 1, "coronal": 2, "axial": 3}[axis]
        case_slices += [(image.take(k, index), label.take(k, index - 1)) for k in range(image.shape[index])]
    for image, label in zip(images.numpy(), labels.numpy(), strict=True):
        inner = image[:, : size[0], : size[1]]
        found = [their_label for theirs, their_label in case_slices if np.array_equal(theirs, inner)]
        assert len(found) == 1
        assert np.array_equal(label[: size[0], : size[1]], found[0])
        assert np.array_equal(padded(inner, (32, 32)), image)


def test_two_thirds_of_the_slices_hold_a_structure(balls):
    settings = TrainSettings(augment="light", patch_size=(32, 32), batch_size=10)
    batches = made(balls, settings)
    holds = [bool(label.any()) for step in range(1, 31) for label in batches(step)[1]]
    expected, deviation = 2 / 3, (2 / 9 / len(holds)) ** 0.5
    assert abs(np.mean(holds) - expected) < 4 * deviation
    own = np.mean([balls.arrays(case.id)[1].any(axis=(0, 1)).mean() for case in balls.cases])
    assert abs(own - expected) > 4 * deviation  # drawing evenly would have failed


def test_a_volume_of_one_kind_gives_what_it_has(balls):
    class Empty(Dataset):
        def arrays(self, case_id):
            return np.zeros((1, 8, 8, 3), np.float32), np.full((8, 8, 3), int(case_id), np.int16)

    dataset = Empty(**{name: getattr(balls, name) for name in Dataset.__dataclass_fields__})
    settings = TrainSettings(augment="none", patch_size=(32, 32), batch_size=4)
    for content in ("0", "1"):
        labels = Batches(dataset, [content], settings, "axial")(1)[1]
        assert (labels == int(content)).all()


def test_a_volume_is_looked_through_when_it_is_first_drawn(balls, monkeypatch):
    asked = []
    arrays = Dataset.arrays
    monkeypatch.setattr(Dataset, "arrays", lambda self, case: asked.append(case) or arrays(self, case))
    batches = made(balls, TrainSettings(augment="none", patch_size=(32, 32), batch_size=1))
    assert asked == []  # a large data set begins at once
    batches(1)
    assert len(set(asked)) == 1
