"""What a network is shown in each step: crops of pictures, or of slices of volumes, augmented by MONAI.

A batch depends on the seed and its step alone: every example has a generator of its own, keyed by step and place. So a
resumed run sees what it would have seen, and batches can be made ahead by any number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import radians
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnomon.seeds import derive
from gnomon.segment.prepare import Dataset
from gnomon.segment.recipe import SLICE_AXES, TrainSettings

FOREGROUND = 2 / 3
"""How often a slice that holds a structure is drawn, where its volume has both kinds."""

AHEAD = 2  # batches made before they are asked for
MEMORY = 2**30  # bytes of pictures that stay in memory

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W), float32, and the class indices of their pixels (B, H, W), int64."""


class Batches:
    """The batches of a training on `cases` of a prepared data set.

    Cases come in a new random order in every epoch; from a volume one slice is drawn. The example is mirrored and
    turned, cropped at random to the patch, deformed and disturbed where asked for, and only then padded: right and
    bottom, with the values at the edge, as a whole image is padded when it is predicted.
    """

    def __init__(self, dataset: Dataset, cases: Sequence[str], settings: TrainSettings, slice_axis: str) -> None:
        self._dataset = dataset
        self._cases = list(cases)
        self._settings = settings
        self._axis = SLICE_AXES[slice_axis] if dataset.dims == 3 else None
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._bytes = 0
        self._slices: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # of the volumes that were drawn so far

    def __call__(self, step: int) -> Batch:
        """The batch of `step` (from 1)."""
        size, seed = self._settings.batch_size, self._settings.seed
        transform = augmentation(self._settings, pictures=self._axis is None)
        examples = []
        for place in range(size):
            transform.set_random_state(seed=derive(seed, "augmentation", step, place) % 2**32)
            examples.append(transform(self._example((step - 1) * size + place)).as_tensor())
        made = torch.stack(examples)
        return made[:, :-1].contiguous(), made[:, -1].round().long()

    def _example(self, number: int) -> Tensor:
        """The image and, as its last channel, the label of the example `number` of the training: (C + 1, H, W)."""
        seed = self._settings.seed
        epoch, position = divmod(number, len(self._cases))
        order = np.random.default_rng(derive(seed, "order", epoch)).permutation(len(self._cases))
        case = self._cases[order[position]]
        image, label = self._arrays(case)
        if self._axis is not None:
            index = self._slice(case, np.random.default_rng(derive(seed, "slice", number)))
            image, label = image.take(index, self._axis + 1), label.take(index, self._axis)
        return torch.from_numpy(np.concatenate([image, label[None]], dtype=np.float32))

    def _arrays(self, case: str) -> tuple[np.ndarray, np.ndarray]:
        """A case's arrays; volumes stay on the disk, pictures are kept as far as memory is set aside for them."""
        if case in self._kept:
            return self._kept[case]
        arrays = self._dataset.arrays(case)
        weight = sum(array.nbytes for array in arrays)
        if self._axis is None and self._bytes + weight <= MEMORY:
            self._kept[case] = arrays
            self._bytes += weight
        return arrays

    def _by_content(self, case: str) -> tuple[np.ndarray, np.ndarray]:
        """The indices of a volume's slices with a structure, and of those without."""
        assert self._axis is not None
        label = self._dataset.arrays(case)[1]
        holds = label.any(axis=tuple(axis for axis in range(3) if axis != self._axis))
        return np.flatnonzero(holds), np.flatnonzero(~holds)

    def _slice(self, case: str, generator: np.random.Generator) -> int:
        if case not in self._slices:
            self._slices[case] = self._by_content(case)
        with_structure, without = self._slices[case]
        wanted = with_structure if generator.random() < FOREGROUND else without
        return int(generator.choice(wanted if len(wanted) else np.concatenate([with_structure, without])))


def augmentation(settings: TrainSettings, *, pictures: bool) -> Any:
    """What turns image and label (C + 1, H, W) into one patch: MONAI's transforms, to be seeded by example.

    - `none`: a crop;
    - `light`: mirrored along each of `flip_axes` half of the time; pictures that may be mirrored along both have no
      upright and are turned by quarters too;
    - `strong`: also turned by up to 20 degrees and scaled to .8-1.25 along each axis; contrast, noise, blur.
    """
    from monai.transforms import Compose, RandFlip, RandRotate90, RandSpatialCrop, SpatialPad

    patch = list(settings.patch_size)
    steps: list[Any] = [RandFlip(prob=0.5, spatial_axis=axis) for axis in settings.flips]
    if pictures and len(settings.flips) == 2:
        steps.append(RandRotate90(prob=0.75, max_k=3))
    steps.append(RandSpatialCrop(patch, random_size=False))
    if settings.augment == "strong":
        steps.append(_deformed_and_disturbed())
    steps.append(SpatialPad(patch, method="end", mode="edge"))
    return Compose(steps)


def _deformed_and_disturbed() -> Any:
    """The part in which image and label are treated differently."""
    from monai.transforms import (
        Compose,
        ConcatItemsd,
        Lambda,
        RandAdjustContrastd,
        RandAffined,
        RandGaussianNoised,
        RandGaussianSmoothd,
    )

    return Compose(
        [
            Lambda(lambda both: {"image": both[:-1], "label": both[-1:]}),
            RandAffined(
                ["image", "label"],
                prob=0.5,
                rotate_range=[(-radians(20), radians(20))],
                scale_range=[(1 / 1.25 - 1, 1 / 0.8 - 1)] * 2,
                mode=["bilinear", "nearest"],
                padding_mode="border",
            ),
            RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)),
            RandGaussianNoised("image", prob=0.3, std=0.1),
            RandGaussianSmoothd("image", prob=0.2, sigma_x=(0.25, 1.0), sigma_y=(0.25, 1.0)),
            ConcatItemsd(["image", "label"], name="both"),
            Lambda(lambda parts: parts["both"]),
        ]
    )


@contextmanager
def made_ahead(batch_of: Callable[[int], Batch], *, last: int, workers: int = 1) -> Iterator[Callable[[int], Batch]]:
    """Gives a function like `batch_of` for which threads make the next batches, up to `last`, while one is used."""
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        waiting: dict[int, Future[Batch]] = {}

        def take(step: int) -> Batch:
            for number in range(step, min(step + AHEAD, last) + 1):
                if number not in waiting:
                    waiting[number] = pool.submit(batch_of, number)
            return waiting.pop(step).result()

        try:
            yield take
        finally:
            pool.shutdown(cancel_futures=True)
