"""The settings of `gnomon dynamics train`: a small decoder trained from nothing with a probe looking on."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gnomon.config import Settings

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Data(Settings):
    """`text` names UTF-8 text files (plain or gzipped), registered data sets such as `litbank/moby_dick`, or nothing:
    then a text is generated. Each source is a group of its own, and its last tenth is held out."""

    text: tuple[str, ...] = ()
    tokenizer: Literal["bytes"] = "bytes"
    context: Positive = 64

    @field_validator("text", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class Model(Settings):
    """The decoder of `gnomon.models.build`."""

    layers: Positive = 2
    width: Positive = 96
    heads: Positive = 4


class Train(Settings):
    """AdamW with betas (0.9, 0.95). `warmup` steps of linear warm-up, then `schedule`."""

    steps: Annotated[int, Field(ge=50)] = 320
    batch_size: Positive = 32
    learning_rate: Rate = 2e-3
    warmup: Annotated[int, Field(ge=0)] = 50
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Rate = 1.0
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint_every: Positive = 500


class ProbeSettings(Settings):
    """When the probe looks, and at what. `sequences` held-out windows are measured each time; `unit` is what one change
    of loss belongs to; `gradients` adds the interference of the training batch's gradients."""

    every: Literal["log2"] | int = "log2"
    unit: Literal["token", "sequence"] = "token"
    sequences: Positive = 128
    gradients: Literal["off", "sampled", "exact"] = "off"
    budget: Annotated[float, Field(gt=0, lt=1)] | None = None

    @field_validator("every", mode="before")
    @classmethod
    def _often_enough(cls, every: object) -> object:
        number = isinstance(every, int) and not isinstance(every, bool) and every >= 1
        if not number and every != "log2":
            raise ValueError(f"{every!r} is neither a number of steps from 1 on nor 'log2'.")
        return every


class Recipe(Settings):
    """A training run from nothing, watched."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "dynamics"
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()
    probe: ProbeSettings = ProbeSettings()

    @model_validator(mode="after")
    def _warmup_ends(self) -> "Recipe":
        if self.train.warmup >= self.train.steps:
            raise ValueError(
                f"train.warmup = {self.train.warmup} leaves nothing of train.steps = {self.train.steps}; at most"
                f" {self.train.steps // 10} steps of warm-up would."
            )
        return self
