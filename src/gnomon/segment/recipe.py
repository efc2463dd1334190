"""The settings of `gnomon segment train`: which data, which network, how it is trained, how it predicts."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from gnomon.config import Settings, load
from gnomon.errors import UserError

Positive = Annotated[int, Field(gt=0, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1, strict=True)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]

STRIDE = 32
"""What patches are a multiple of: pixels of the image for one of the networks' coarsest maps."""

SLICE_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Which axis of a volume in RAS order counts its slices. The two others are height and width, in their order."""

Fold = int | Literal["all", "none"]


class DataSettings(Settings):
    """`path` is a folder made by `gnomon segment prepare`; `slice_axis` says how its volumes are cut into slices."""

    path: Annotated[str, Field(min_length=1)]
    slice_axis: Literal["axial", "coronal", "sagittal"] = "axial"


class ModelSettings(Settings):
    """The network. `base_channels` is the width of its first stage, whichever it is; `stage_depths` and `bridge` are
    TransCeption's and mean nothing to the others."""

    name: Literal["transception", "unet", "segresnet"] = "transception"
    base_channels: Positive = 16
    stage_depths: Annotated[tuple[Positive, ...], Field(min_length=4, max_length=4)] = (2, 1, 2, 1)
    bridge: Annotated[tuple[Literal["channel", "spatial"], ...], Field(min_length=4, max_length=4)] = (
        "channel",
        "spatial",
        "spatial",
        "spatial",
    )

    @field_validator("base_channels")
    @classmethod
    def _of_eight(cls, channels: int) -> int:
        if channels % 8:
            raise ValueError(f"{channels} is not a multiple of 8; {max(8, round(channels / 8) * 8)} would be.")
        return channels


class TrainSettings(Settings):
    """How it is trained. `lr` falls along half a cosine to 0 at `steps`; `momentum` is SGD's.

    `flip_axes` are the axes of an image (0 = height, 1 = width) along which it may be mirrored without becoming
    something else. `threads` are torch's; without it the run keeps the number it began with. `keep` chooses between
    the last weights and those that were best on the held fold.
    """

    patch_size: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=2)] = (96, 96)
    batch_size: Positive = 8
    steps: Positive = 1000
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] = 1e-3
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-4
    loss: Literal["transception", "dice_ce"] = "transception"
    augment: Literal["none", "light", "strong"] = "light"
    flip_axes: tuple[Literal[0, 1], ...] = (0, 1)
    checkpoint_every: Positive = 100
    validate_every: Positive = 250
    keep: Literal["last", "best"] = "last"
    seed: Seed = 0
    threads: Positive | None = None
    device: str = "auto"

    @field_validator("patch_size")
    @classmethod
    def _of_whole_strides(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        for size in sizes:
            if size % STRIDE:
                near = max(STRIDE, round(size / STRIDE) * STRIDE)
                raise ValueError(f"{size} is not a multiple of {STRIDE}; {near} would be.")
        return sizes

    @field_validator("device")
    @classmethod
    def _known(cls, name: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
            raise ValueError(f"{name!r} is no device that is used; 'auto', 'cpu', 'cuda' or 'cuda:1' would be.")
        return name

    @field_validator("flip_axes")
    @classmethod
    def _each_once(cls, axes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(axes)) < len(axes):
            raise ValueError(f"{list(axes)} names an axis twice; [0], [1], [0, 1] or [] is expected.")
        return axes

    @property
    def flips(self) -> tuple[int, ...]:
        """The axes along which images were mirrored in training, none without augmentation."""
        return () if self.augment == "none" else self.flip_axes


class PredictSettings(Settings):
    """How whole images are predicted: how far windows overlap, and whether only the largest piece of a class stays."""

    overlap: Share = 0.5
    keep_largest: Annotated[bool, Field(strict=True)] = False


class Recipe(Settings):
    """A training."""

    data: DataSettings
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()

    @model_validator(mode="after")
    def _more_than_one_value(self) -> "Recipe":
        single = self.train.batch_size == 1 and self.train.patch_size == (STRIDE, STRIDE)
        if single and self.model.name == "transception":
            raise ValueError(
                f"train.batch_size = 1 with train.patch_size = {[STRIDE, STRIDE]} leaves one value per channel in the"
                " network's last stage, which its batch norms cannot learn from; use patches of 64 or a larger batch."
            )
        return self


def read_recipe(path: str | Path | None, overrides: Sequence[str] = (), *, data: str | Path | None = None) -> Recipe:
    """The recipe at `path`, or the defaults, with `data` in the place of `data.path` and `overrides` (`key=value`).

    Raises UserError naming file, line and key for anything that is not as the settings say.
    """
    named = any(override.split("=")[0].strip() == "data.path" for override in overrides)
    given: dict[str, Any] = {} if data is None else {"data": {"path": str(data)}}
    if path is None and data is None and not named:
        raise UserError(
            "Neither a recipe nor data were given; name a folder made by gnomon segment prepare, as in --data prepared."
        )
    return load(Recipe, path, overrides, given=given)


def parse_fold(text: str) -> Fold:
    """A fold as it stands on the command line. Raises UserError for what is neither a number, `all` nor `none`."""
    if text == "all":
        return "all"
    if text == "none":
        return "none"
    if not text.isdecimal():
        raise UserError(f"--fold {text}: the number of a fold (from 0), 'all' or 'none' is expected.")
    return int(text)


def to_settings(recipe: Recipe, fold: Fold) -> dict[str, Any]:
    """What a run stores in its recipe.toml: the recipe, and under `fold` what was held out."""
    return {**recipe.model_dump(mode="json", exclude_none=True), "fold": fold, "seed": recipe.train.seed}


def from_settings(settings: dict[str, Any]) -> tuple[Recipe, Fold]:
    """What `to_settings` stored."""
    tables = {key: value for key, value in settings.items() if key not in ("fold", "seed")}
    return Recipe.model_validate(tables), settings["fold"]
