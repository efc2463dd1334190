"""What comes out of the calls about runs, as `/openapi.json` describes it.

The answers are made elsewhere, most of them from a run's own files, and tests hold them against these. Times are in
seconds: `started` since 1970, those of metrics since the run began.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["running", "finished", "interrupted", "failed", "broken"]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Figure(_Shape):
    """A run's main figure, under its dotted name in `summary.json`; nulls where it is undefined or has no interval."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None


class RunRow(_Shape):
    """A run in the table. In a broken one `error` says what is wrong, and nothing else is known."""

    id: str
    name: str | None = Field(description="The name of the task, or of the recipe.")
    kind: str | None
    state: State
    started: float | None
    seconds: float | None = Field(description="From the start to the end, or to now.")
    seed: int | None
    figure: Figure | None
    error: str | None = None


class Runs(_Shape):
    """Every run, the newest first, and then the folders that are none."""

    runs: list[RunRow]


class RunDetail(RunRow):
    """One run."""

    settings: dict[str, Any] = Field(description="The recipe with all its defaults.")
    summary: dict[str, Any] | None
    environment: dict[str, Any] | None = Field(description="Versions, machine and command.")
    metrics: list[str] = Field(description="The names of its numbers.")
    checkpoints: list[int] = Field(description="The steps of its checkpoints.")
    reason: str | None = Field(description="Why it was interrupted or failed, where that is known.")
    resume: str | None = Field(description="The command that goes on with it, given where it was begun.")
    has_report: bool
    samples: int


class Metrics(_Shape):
    """Rows after a position, and the position after them."""

    next: int
    reset: Literal[True] | None = Field(None, description="The file was replaced since; these rows are from its start.")
    rows: list[dict[str, Any]] = Field(description="Each with `step` and `time`, which a damaged line leaves null.")


class Turn(_Shape):
    """One answer of a sample. `prompt` is what was read before it, and after the answer before."""

    prompt: str | None
    text: str
    reward: float | None
    finish_reason: str | None


class Sample(_Shape):
    """What the policy wrote on one problem.

    `correct`: the last answer got the full reward of 1 (samples), or was graded so (evaluations). `version`: how many
    updates were behind the policy that wrote the last answer; `staleness`: how many more behind the one trained on it.
    """

    index: int
    step: int | None
    task: str | None
    group: str | None
    stage: str | None
    mode: str | None
    prompt: str | None
    turns: list[Turn]
    reward: float | None
    correct: bool | None
    version: int | None
    staleness: int | None


class Samples(_Shape):
    """Samples as they were stored, the oldest first: those of training, or graded answers where there are no others."""

    total: int
    offset: int
    source: Literal["trajectories", "evaluations"] | None = Field(alias="from")
    rows: list[Sample]


class Bin(_Shape):
    """How many samples (or updates) were so stale."""

    staleness: int
    count: int


class Staleness(_Shape):
    """How many updates the policy had moved on between drawing a sample and training on it.

    From the counts of all samples in the summary of a finished run, or else from the stored samples, or else from the
    mean of each update in its metrics, rounded.
    """

    bins: list[Bin]
    source: Literal["summary", "trajectories", "metrics"] | None = Field(alias="from")


class Compared(_Shape):
    """One run's figure."""

    run: str
    seed: int | None
    value: float


class Comparison(BaseModel):
    """Two groups of runs in one figure: the fields of `gnomon runs compare --against --json`, and what they say."""

    model_config = ConfigDict(extra="allow")
    figure: str
    a: list[Compared]
    b: list[Compared]
    decision: Literal["greater", "less", "undecided"]
    verdict: list[str]


class Figures(_Shape):
    """The dotted names of the figures that all of some finished runs have."""

    figures: list[str]


class Curve(_Shape):
    """One run's values at the common places; null outside of its own range."""

    id: str
    y: list[float | None]


class Band(_Shape):
    """The mean over runs at the common places, its 95 % t interval where there are two or more, and their number."""

    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]
    n: list[int]


class Group(Band):
    """Runs of equal settings, seed and names aside."""

    runs: list[str]


class Curves(Band):
    """One metric of several runs at common places, each run by itself, and as a mean over all and over each group."""

    name: str
    by: Literal["step", "time", "samples"]
    x: list[float]
    runs: list[Curve]
    groups: list[Group]


class NewRun(BaseModel):
    """A run to be begun."""

    model_config = ConfigDict(extra="forbid")
    recipe: Literal["quickstart"]


class Begun(_Shape):
    """The id of a run that was begun."""

    id: str
