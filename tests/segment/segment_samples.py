"""Small data sets with a known structure: a bright disc in pictures, a bright ball in volumes."""

from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from gnomon.segment.prepare import Dataset, load_dataset, prepare

QUIET = ["train.steps=8", "train.batch_size=2", "train.patch_size=[32, 32]", "train.checkpoint_every=3"]
TINY = [*QUIET, "train.validate_every=5", "model.base_channels=8", 'model.name="unet"', "train.threads=1"]
"""Overrides that make a training a matter of a second."""


def pictures(root: Path, count: int = 9, *, shuffled: bool = False) -> Dataset:
    """RGB pictures of 24 to 44 pixels a side with a reddish disc (value 7 of the mask) on grey noise, three folds.

    With `shuffled` the masks are those of other discs: nothing in a picture tells where its own is.
    """
    rng = np.random.default_rng(3)
    for folder in ("images", "labels"):
        (root / "raw" / folder).mkdir(parents=True)
    for number in range(count):
        height, width = rng.integers(24, 45, 2)
        discs = [_disc(height, width, rng) for _ in range(2)]
        image = rng.integers(60, 120, (height, width, 3))
        image[discs[0], 0] += 100
        Image.fromarray(image.astype(np.uint8)).save(root / "raw" / "images" / f"p{number}.png")
        Image.fromarray((discs[shuffled] * 7).astype(np.uint8)).save(root / "raw" / "labels" / f"p{number}.png")
    prepare(root / "raw", root / "ready", labels={"ground": 0, "disc": 7}, folds=3)
    return load_dataset(root / "ready")


def _disc(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (y - rng.integers(8, height - 7)) ** 2 + (x - rng.integers(8, width - 7)) ** 2 < 40


def volumes(root: Path, count: int = 4) -> Dataset:
    """Volumes of 20 x 24 x 12 voxels with a bright ball in slices 4 to 8, two folds; axes stored as L, P, S."""
    rng = np.random.default_rng(4)
    for folder in ("images", "labels"):
        (root / "raw" / folder).mkdir(parents=True)
    x, y, z = np.mgrid[:20, :24, :12]
    for number in range(count):
        ball = (x - 9) ** 2 + (y - 11) ** 2 + 4 * (z - 6) ** 2 < 20 + number
        image = rng.normal(100, 10, ball.shape) + 80 * ball
        for folder, array in (("images", image.astype(np.float32)), ("labels", ball.astype(np.uint8))):
            volume = nibabel.Nifti1Image(array, np.diag([-1.0, -1.5, 2, 1]))
            nibabel.save(volume, root / "raw" / folder / f"v{number}.nii.gz")
    prepare(root / "raw", root / "ready", folds=2)
    return load_dataset(root / "ready")
