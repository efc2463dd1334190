"""The settings of a post-training recipe, section by section as they stand in the TOML file."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from gnomon.config import Settings

STAGED = ("objective", "sampling", "train")  # the sections that a stage may change
OTHER_STAGES = ("warm_start", "rl", "control", "probe")  # what a run's other parts are called in its metrics
NonNegative = Annotated[float, Field(ge=0)]


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
    """`[warm_start]`: supervised training on the task's demonstrations before reinforcement learning.

    `seed` fixes the model that comes out of it, whatever the run's own seed: runs of several seeds then differ in
    everything after the warm start alone.
    """

    seed: int | None = Field(None, ge=0)
    steps: int = Field(0, ge=0)
    batch_size: int = Field(128, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    warmup: int = Field(50, ge=0)
    clip: float = Field(1.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    checkpoint_every: int = Field(500, ge=1)


class AttemptsSettings(Settings):
    """`[attempts]`: the task is attempted `count` times, with `instruction` read between two attempts (SCoRe).

    `trained` attempts are played in training (all by default; 1 is single-turn training), while `count` are graded.
    `offline_first_attempts` is the share of tasks whose first attempts are not drawn anew but taken from the replay, to
    be read and not trained on (SCoRe, section 5.3). `binary` makes a graded reward a verdict. `slips` is that of
    `gnomon.tasks.TwoAttempt`, for the warm start.
    """

    count: int = Field(2, ge=2)
    instruction: str | None = None
    trained: int | None = Field(None, ge=1)
    offline_first_attempts: float = Field(0.0, ge=0, lt=1)
    binary: bool = False
    slips: float = Field(0.0, ge=0, le=1)


class LatentSettings(Settings):
    """`[latent]`: a free sequence of at most `max_tokens` tokens, then `separator`, before the answer (warmups).

    `dropped` and `filler` are those of `gnomon.tasks.Latent`. Greedy answers follow one greedy warmup; with `n_warmups`
    above 1, the answer that so many warmups make likeliest together is graded besides.
    """

    max_tokens: int = Field(8, ge=1)
    separator: str = Field("|", min_length=1)
    filler: str = Field(".", min_length=1)
    dropped: float = Field(0.5, ge=0, le=1)
    n_warmups: int = Field(1, ge=1)


class ObjectiveSettings(Settings):
    """`[objective]`: which loss, and how rewards become credit.

    `kl` is one coefficient or one for each turn; it is added to every objective, as a mean over trajectories, or over
    tokens where `aggregate` is `token`. `keep` says which trajectories `weighted_nll` learns from: `all`; those
    `rewarded` at least `reward_threshold`; those whose last attempt `fixed` a wrong first one (STaR D, Pair-SFT D); or
    those that `end_right` (D+).
    """

    name: Literal["trajectory_balance", "policy_gradient", "weighted_nll", "latent_marginal"] = "trajectory_balance"
    # trajectory balance
    beta: float = Field(0.2, gt=0)
    beta_end: float | None = Field(None, gt=0)
    log_z: Literal["vargrad", "log_mean_exp"] = "vargrad"
    anchor: Literal["reference", "behaviour"] = "reference"
    # policy gradient
    baseline: Literal["none", "group_mean", "leave_one_out", "group_norm"] = "leave_one_out"
    clip: float | tuple[float, float] | None = None
    aggregate: Literal["sequence", "token"] = "sequence"
    kl: NonNegative | tuple[NonNegative, ...] = 0.0
    kl_estimator: Literal["exact", "k2"] = "exact"
    shaping: float = 0.0
    turn_weights: tuple[float, ...] | None = None
    gamma: float = Field(0.0, ge=0, le=1)
    # weighted likelihood
    keep: Literal["all", "rewarded", "fixed", "end_right"] = "rewarded"
    reward_threshold: float = 1.0
    # latent marginal
    estimator: Literal["marginal", "snis", "elbo"] = "marginal"
    tau: float = Field(1.0, gt=0)

    @property
    def needs_groups(self) -> bool:
        """Whether a group of one carries no signal at all under this objective."""
        by_baseline = self.name == "policy_gradient" and self.baseline != "none"
        return by_baseline or self.name in ("trajectory_balance", "latent_marginal")

    def kl_of(self, turn: int) -> float:
        """The KL coefficient of a turn (from 0); the last one given holds for all later turns."""
        if isinstance(self.kl, tuple):
            return self.kl[min(turn, len(self.kl) - 1)] if self.kl else 0.0
        return self.kl


class SamplingSettings(Settings):
    """`[sampling]`: how many responses are drawn, and how.

    `samples` first actions are drawn for each of `prompts` tasks, and each is continued `branches` times where the
    episode goes on: the baseline of later turns is then taken among continuations of the same first action. `answer`
    says who writes what is graded: the `policy`; a `teacher` (the demonstration: supervised training, and the target of
    warmups); or `paired`, where the first attempt is the policy's and later ones a right answer of the same group.
    """

    prompts: int = Field(32, ge=1)
    samples: int = Field(8, ge=1)
    branches: int = Field(1, ge=1)
    answer: Literal["policy", "teacher", "paired"] = "policy"
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

    steps: int = Field(128, ge=0)
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
    """`[evaluation]`: how many held-out tasks are graded before and after (`n`), and along the way (`n_curve`).

    With `beams` above 1, greedy answers are those of a beam search.
    """

    n: int = Field(500, ge=1)
    n_curve: int = Field(200, ge=1)
    beams: int = Field(1, ge=1)


class ControlSettings(Settings):
    """`[control]`: after the run, supervised training alone from the same start for the same CPU time."""

    supervised: bool = False


class ProbeSettings(Settings):
    """`[probe]`: measure, around an update now and then, how the batch's tasks and turns pull against each other.

    `every` so many updates, or at updates 1, 2, 4, ... (`log2`), counted anew in the warm start and in every stage.
    With `budget`, a probe is left out where probing would take a larger share of the time than this; which ones then
    depends on the clock. Without this section nothing is measured; with it, everything else in the run is as it was.
    """

    every: Literal["log2"] | int = 10
    budget: Annotated[float, Field(gt=0, lt=1)] | None = None

    @pydantic.field_validator("every", mode="before")
    @classmethod
    def _often_enough(cls, every: object) -> object:
        number = isinstance(every, int) and not isinstance(every, bool) and every >= 1
        if not number and every != "log2":
            raise ValueError(f"{every!r} is neither a number of updates from 1 on nor 'log2'.")
        return every


class StageSettings(Settings):
    """`[[stages]]`: a part of the run with settings of its own, put over those of the whole recipe.

    `share` of `train.steps` falls to it, in proportion to the other stages' shares.
    """

    name: str
    share: float = Field(1.0, gt=0)
    objective: dict[str, Any] = Field({})
    sampling: dict[str, Any] = Field({})
    train: dict[str, Any] = Field({})


class Recipe(Settings):
    """A post-training recipe: everything that decides what a run does."""

    name: str = "posttrain"
    about: str = ""
    seed: int = Field(0, ge=0)
    trackers: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = ()
    task: TaskSettings
    attempts: AttemptsSettings | None = None
    latent: LatentSettings | None = None
    model: ModelSettings = ModelSettings()
    warm_start: WarmStartSettings = WarmStartSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    sampling: SamplingSettings = SamplingSettings()
    replay: ReplaySettings = ReplaySettings()
    train: TrainSettings = TrainSettings()
    engine: EngineSettings = EngineSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    control: ControlSettings = ControlSettings()
    probe: ProbeSettings | None = None
    stages: tuple[StageSettings, ...] = ()

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

    @pydantic.field_validator("latent")
    @classmethod
    def _one_wrapper(cls, latent: LatentSettings | None, info: pydantic.ValidationInfo) -> LatentSettings | None:
        if latent is not None and info.data.get("attempts") is not None:
            raise ValueError("a task is either attempted several times or answered after a warmup; leave one out.")
        return latent

    @pydantic.field_validator("stages")
    @classmethod
    def _stages_are_recipes(
        cls, stages: tuple[StageSettings, ...], info: pydantic.ValidationInfo
    ) -> tuple[StageSettings, ...]:
        names = [stage.name for stage in stages]
        for number, stage in enumerate(stages):
            where = f"stages[{number}] ({stage.name})"
            if names.count(stage.name) > 1 or stage.name in OTHER_STAGES:
                raise ValueError(f"{where}: the name is taken; each stage needs one of its own in the metrics.")
            if "steps" in stage.train:
                raise ValueError(f"{where}: train.steps follows from the stage's share of the whole; leave it out.")
            values = {key: value.model_dump() for key, value in info.data.items() if isinstance(value, Settings)}
            merged = {
                section: {**values[section], **getattr(stage, section)} for section in STAGED if section in values
            }
            try:
                cls.model_validate({**values, **merged, "task": {"name": "any"}})
            except pydantic.ValidationError as fault:
                error = fault.errors(include_url=False)[0]
                key = ".".join(str(part) for part in error["loc"])
                message = error["msg"].removeprefix("Value error, ")
                raise ValueError(": ".join(filter(None, (where, key, message)))) from fault
        return stages

    @pydantic.model_validator(mode="after")
    def _answers_fit_the_task(self) -> "Recipe":
        if self.attempts is not None:
            trained, count = self.attempts.trained, self.attempts.count
            if trained not in (None, 1, count):
                raise ValueError(f"attempts.trained = {trained} should be 1 or attempts.count = {count}.")
            if trained == 1 and self.attempts.offline_first_attempts > 0:
                raise ValueError("attempts.offline_first_attempts needs a second attempt to train, not trained = 1.")
        turns = self.turns
        several = self.attempts is not None and self.attempts.trained != 1
        parts = self.parts()
        for name, stage in parts:
            where = f" (stage {name})" if self.stages else ""
            weights, sampling = stage.objective.turn_weights, stage.sampling
            if turns is not None and weights is not None and len(weights) != turns:
                raise ValueError(
                    f"objective.turn_weights{where} has {len(weights)} entries for {turns} turns; one each is needed."
                )
            needed = self.attempts.count if self.attempts is not None else turns or 1
            most = min(sampling.max_turns, self.sampling.max_turns)  # grading goes by the whole recipe's
            if most < needed:
                raise ValueError(
                    f"sampling.max_turns = {most}{where} would end an episode of {needed} turns before its last one."
                )
            if stage.objective.name == "latent_marginal" and (
                self.latent is None or stage.sampling.answer != "teacher"
            ):
                raise ValueError(
                    f"objective.name = 'latent_marginal'{where} needs a [latent] section and sampling.answer ="
                    " 'teacher': it asks how likely a warmup makes the known answer."
                )
            for setting, chosen in {
                "objective.keep = 'fixed'": stage.objective.name == "weighted_nll" and stage.objective.keep == "fixed",
                "sampling.answer = 'paired'": sampling.answer == "paired",
                f"sampling.branches = {sampling.branches}": sampling.branches > 1,
            }.items():
                if chosen and not several:
                    raise ValueError(
                        f"{setting}{where} needs an [attempts] section whose second attempts are trained: nothing"
                        " follows a single answer."
                    )
            if sampling.branches > 1 and self.replay.recency < 1:
                raise ValueError(
                    f"sampling.branches = {sampling.branches}{where} compares continuations of one first attempt, and"
                    f" replay.recency = {self.replay.recency:g} would draw single ones again; replay.recency = 1 or"
                    " sampling.branches = 1."
                )
            if sampling.temperature != parts[0][1].sampling.temperature and self.replay.recency < 1:
                raise ValueError(
                    f"sampling.temperature{where} differs from the first stage's, and replay.recency ="
                    f" {self.replay.recency:g} would mix answers of both; replay.recency = 1 or one temperature."
                )
        return self

    @pydantic.model_validator(mode="after")
    def _demonstrations_teach(self) -> "Recipe":
        for name, stage in self.parts():
            where = f" (stage {name})" if self.stages else ""
            objective = stage.objective.name
            weighs = self.latent is not None and objective in ("latent_marginal", "trajectory_balance")
            if stage.sampling.answer == "teacher" and objective != "weighted_nll" and not weighs:
                raise ValueError(
                    f"sampling.answer = 'teacher'{where} gives {objective} nothing to compare; weighted_nll learns from"
                    " demonstrations, and with a [latent] section latent_marginal and trajectory_balance weigh warmups"
                    " by them."
                )
            if objective == "latent_marginal" and self.replay.recency < 1:
                raise ValueError(
                    f"objective.name = 'latent_marginal'{where} weighs warmups drawn by the policy itself, and"
                    f" replay.recency = {self.replay.recency:g} would mix in old ones; replay.recency = 1, or"
                    " objective.name = 'trajectory_balance'."
                )
        return self

    @property
    def turns(self) -> int | None:
        """How many turns an episode has in training, where a wrapper says so."""
        if self.attempts is not None:
            return self.attempts.trained or self.attempts.count
        return None if self.latent is None else 2

    def parts(self) -> list[tuple[str, "Recipe"]]:
        """The stages by name, each as a recipe without stages of its own, whose steps add up to `train.steps`."""
        if not self.stages:
            return [("rl", self)]
        whole = sum(stage.share for stage in self.stages)
        found, done, behind = [], 0.0, 0
        for stage in self.stages:
            done += stage.share
            until = round(self.train.steps * done / whole)
            sections = {
                section: {**getattr(self, section).model_dump(), **getattr(stage, section)} for section in STAGED
            }
            sections["train"]["steps"] = until - behind
            values = {name: getattr(self, name) for name in type(self).model_fields}
            found.append((stage.name, Recipe.model_validate({**values, **sections, "stages": ()})))
            behind = until
        return found

    def environment(self, *, training: bool = False) -> Any:
        """The task's environment, built from its settings and wrapped as `[attempts]` or `[latent]` say.

        With `training` it is the one that is trained in: a single attempt where `attempts.trained` is 1.
        """
        from gnomon import tasks

        settings = dict(self.task.model_extra or {})
        environment = tasks.get(self.task.name, **settings)
        if self.attempts is not None:
            if self.attempts.binary:
                environment = tasks.Binary(environment)
            if training and self.attempts.trained == 1:
                return environment
            chosen = {} if self.attempts.instruction is None else {"instruction": self.attempts.instruction}
            return tasks.TwoAttempt(environment, attempts=self.attempts.count, slips=self.attempts.slips, **chosen)
        if self.latent is not None:
            latent = self.latent
            return tasks.Latent(environment, latent.max_tokens, latent.separator, latent.filler, latent.dropped)
        return environment

    @property
    def base_seed(self) -> int:
        """The seed behind the initial weights, the warm start, and the draws that grade a policy."""
        return self.seed if self.warm_start.seed is None else self.warm_start.seed

    def base(self) -> dict[str, Any]:
        """Everything that decides the policy a run starts from and how it is graded: runs alike in it may share it."""
        values = self.model_dump(mode="json", exclude_none=True)
        kept = ("task", "attempts", "latent", "model", "warm_start", "evaluation")
        base = {"seed": self.base_seed, **{name: values[name] for name in kept if name in values}}
        base["warm_start"].pop("seed", None)
        for name in ("trained", "offline_first_attempts"):
            base.get("attempts", {}).pop(name, None)
        return {**base, "max_tokens": self.sampling.max_tokens, "max_turns": self.sampling.max_turns}

    @property
    def batches_ahead(self) -> int:
        """How many updates old a new sample may be when it is used: the pace searchers keep."""
        ahead = self.engine.ahead
        if ahead is None:
            ahead = 0 if self.engine.name == "sync" else 2
        ahead += self.train.sync_every - 1
        return ahead if self.engine.max_staleness is None else min(ahead, self.engine.max_staleness)
