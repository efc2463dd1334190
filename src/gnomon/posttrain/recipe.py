"""The settings of a post-training recipe, section by section as they stand in the TOML file."""

from typing import Any, Literal

import pydantic
from pydantic import Field

from gnomon.config import Settings


class TaskSettings(pydantic.BaseModel):
    """`[task]`: the environment's name; every other key is a setting of that environment."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    name: str


class ModelSettings(Settings):
    """`[model]`: a folder or hub id in `path`, or a small model built here from the other keys."""

    path: str | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    kind: Literal["decoder", "encoder_decoder"] = "decoder"
    layers: int = Field(3, ge=1)
    width: int = Field(96, ge=8)
    heads: int = Field(4, ge=1)
    context: int = Field(64, ge=4)
    tokenizer: Literal["symbols", "bpe"] = "symbols"
    vocabulary: int = Field(1024, ge=300)


class WarmStartSettings(Settings):
    """`[warm_start]`: supervised training on the task's demonstrations before reinforcement learning."""

    steps: int = Field(0, ge=0)
    batch_size: int = Field(128, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    warmup: int = Field(50, ge=0)
    clip: float = Field(1.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    checkpoint_every: int = Field(500, ge=1)


class ObjectiveSettings(Settings):
    """`[objective]`: which loss, and how rewards become credit."""

    name: Literal["trajectory_balance", "policy_gradient", "weighted_nll"] = "trajectory_balance"
    # trajectory balance
    beta: float = Field(0.2, gt=0)
    beta_end: float | None = Field(None, gt=0)
    log_z: Literal["vargrad", "log_mean_exp"] = "vargrad"
    anchor: Literal["reference", "behaviour"] = "reference"
    # policy gradient
    baseline: Literal["none", "group_mean", "leave_one_out", "group_norm"] = "leave_one_out"
    clip: float | tuple[float, float] | None = None
    aggregate: Literal["sequence", "token"] = "sequence"
    kl: float = Field(0.0, ge=0)
    kl_estimator: Literal["exact", "k2"] = "exact"
    shaping: float = 0.0
    turn_weights: tuple[float, ...] | None = None
    gamma: float = Field(0.0, ge=0, le=1)
    # weighted likelihood
    reward_threshold: float = 1.0

    @property
    def needs_groups(self) -> bool:
        """Whether a group of one carries no signal at all under this objective."""
        return self.name == "trajectory_balance" or (self.name == "policy_gradient" and self.baseline != "none")


class SamplingSettings(Settings):
    """`[sampling]`: how many responses are drawn, and how."""

    prompts: int = Field(32, ge=1)
    samples: int = Field(8, ge=1)
    temperature: float = Field(1.0, gt=0)
    max_tokens: int = Field(8, ge=1)
    max_turns: int = Field(8, ge=1)


class ReplaySettings(Settings):
    """`[replay]`: `recency` is the share of a batch taken from newly drawn groups; the rest is drawn again from
    memory in proportion to exp(score / temperature)."""

    recency: float = Field(1.0, gt=0, le=1)
    temperature: float = Field(1.0, gt=0)
    capacity: int = Field(4096, ge=2)
    per_task: int = Field(64, ge=2)


class TrainSettings(Settings):
    """`[train]`: the trainer's updates."""

    steps: int = Field(128, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    warmup: int = Field(5, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    clip: float = Field(1.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    micro_batch: int = Field(512, ge=1)
    sync_every: int = Field(1, ge=1)
    checkpoint_every: int = Field(50, ge=1)
    evaluate_every: int = Field(16, ge=1)


class EngineSettings(Settings):
    """`[engine]`: where searchers run, and how far they may run ahead of the trainer.

    `ahead` is how many batches may wait or be under way beyond the one the trainer needs next (by default 0 in
    `sync`, 2 in `process`). `max_staleness` bounds the age in updates of every sample used, replayed ones included.
    """

    name: Literal["sync", "process", "ray"] = "process"
    searchers: int = Field(1, ge=1)
    ahead: int | None = Field(None, ge=0)
    max_staleness: int | None = Field(None, ge=0)


class EvaluationSettings(Settings):
    """`[evaluation]`: how many held-out tasks are graded before and after (`n`), and along the way (`n_curve`)."""

    n: int = Field(500, ge=1)
    n_curve: int = Field(200, ge=1)


class ControlSettings(Settings):
    """`[control]`: after the run, supervised training alone from the same start for the same CPU time."""

    supervised: bool = False


class Recipe(Settings):
    """A post-training recipe: everything that decides what a run does."""

    name: str = "posttrain"
    about: str = ""
    seed: int = Field(0, ge=0)
    trackers: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ()
    task: TaskSettings
    model: ModelSettings = ModelSettings()
    warm_start: WarmStartSettings = WarmStartSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    sampling: SamplingSettings = SamplingSettings()
    replay: ReplaySettings = ReplaySettings()
    train: TrainSettings = TrainSettings()
    engine: EngineSettings = EngineSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    control: ControlSettings = ControlSettings()

    @pydantic.field_validator("sampling")
    @classmethod
    def _groups_are_groups(cls, sampling: SamplingSettings, info: pydantic.ValidationInfo) -> SamplingSettings:
        objective: ObjectiveSettings | None = info.data.get("objective")
        if objective is not None and objective.needs_groups and sampling.samples == 1:
            raise ValueError(
                f"samples = 1 leaves groups of one, which carry no signal under {objective.name}"
                f" (baseline {objective.baseline}); samples of at least 2 would."
            )
        return sampling

    @pydantic.field_validator("engine")
    @classmethod
    def _pace_is_possible(cls, engine: EngineSettings, info: pydantic.ValidationInfo) -> EngineSettings:
        train: TrainSettings | None = info.data.get("train")
        if train is None:
            return engine
        if engine.max_staleness is not None and engine.max_staleness < train.sync_every - 1:
            raise ValueError(
                f"max_staleness = {engine.max_staleness} cannot hold when weights are published every"
                f" {train.sync_every} updates; at least {train.sync_every - 1}, or train.sync_every = 1."
            )
        if train.checkpoint_every % train.sync_every:
            raise ValueError(
                f"train.checkpoint_every = {train.checkpoint_every} must be a multiple of train.sync_every ="
                f" {train.sync_every}, so that searchers resume from the weights they had."
            )
        return engine

    def environment(self) -> Any:
        """The task's environment, built from its settings."""
        from gnomon import tasks

        settings = dict(self.task.model_extra or {})
        return tasks.get(self.task.name, **settings)

    @property
    def batches_ahead(self) -> int:
        """How many updates old a new sample may be when it is used: the pace searchers keep."""
        ahead = self.engine.ahead
        if ahead is None:
            ahead = 0 if self.engine.name == "sync" else 2
        ahead += self.train.sync_every - 1
        return ahead if self.engine.max_staleness is None else min(ahead, self.engine.max_staleness)
