"""The settings of `gnomon search score` and `run`: what is measured, how it is searched, and what is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gnomon.config import Settings, load
from gnomon.search.training import TrainSettings

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0)]


class SpaceSettings(Settings):
    """A space by name, with its options: `gnomon search spaces` lists both."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class TableSettings(Settings):
    """Scores that are there already: a .csv or .csv.gz file with a column of architectures and some of scores.

    `repeat` numbers the repeats of an architecture (else the rows' order does), `target` is the truth that is looked up
    at the end (`lower` where smaller is better), `where` chooses rows by column, `missing` are values that mean none.
    """

    file: str
    arch: str
    repeat: str | None = None
    target: str | None = None
    lower: bool = False
    where: dict[str, str] = Field(default_factory=dict)
    missing: tuple[float, ...] = (-1e8,)


class SearchSettings(Settings):
    """`budget` counts evaluations (architecture, repeat); `looks` are the repeats after which a comparison looks.

    Without `looks` they follow from the comparator and `repeats`: see `looks_or_default`.
    """

    ranker: str
    method: Literal["random", "rea", "greedy", "freerea", "racing"] = "freerea"
    comparator: Literal["mannwhitney", "wilcoxon", "mean"] = "mannwhitney"
    sequential: bool = False
    budget: Positive = 500
    repeats: Positive = 10
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    looks: tuple[Positive, ...] | None = None
    population: Positive = 25
    tournament: Positive = 5

    def looks_or_default(self) -> tuple[int, ...]:
        """The looks given, or three of them: at .4, .7 and all of the repeats, for pairs at .6, .8 and all.

        Three are more than fewer than ten repeats allow: then two (from seven repeats on, unpaired), or a single one.
        """
        if self.looks is not None:
            return self.looks
        pairs = self.comparator == "wilcoxon"
        if self.repeats >= 10:
            return tuple(round(share * self.repeats) for share in ((0.6, 0.8, 1.0) if pairs else (0.4, 0.7, 1.0)))
        return (4, self.repeats) if self.repeats >= 7 and not pairs else (self.repeats,)


class EvaluationSettings(Settings):
    """What an untrained network is shown (None: what its space takes by default), and what is redrawn each time."""

    data: str | None = None
    vary: Literal["init", "batch", "both"] = "both"
    batch_size: Positive = 64


class Scoring(Settings):
    """Scores of the architectures `archs`, or of `sample` that are drawn."""

    name: Name = "score"
    seed: Seed = 0
    space: SpaceSettings
    archs: tuple[str, ...] = ()
    sample: Positive | None = None
    rankers: Annotated[tuple[str, ...], Field(min_length=1)]
    repeats: Positive = 10
    evaluate: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _named_or_drawn(self) -> "Scoring":
        if bool(self.archs) == (self.sample is not None):
            raise ValueError("Either name architectures with --arch or draw some with --sample.")
        return self


class Recipe(Settings):
    """A search. With `[train]`, finalists and as many architectures drawn at random are trained afterwards."""

    name: Name = "search"
    seed: Seed = 0
    space: SpaceSettings | None = None
    table: TableSettings | None = None
    search: SearchSettings
    evaluate: EvaluationSettings = EvaluationSettings()
    train: TrainSettings | None = None

    @model_validator(mode="after")
    def _something_to_search(self) -> "Recipe":
        if self.space is None and self.table is None:
            raise ValueError("space or table is missing; one of them says what is searched, as in --space nb201.")
        if self.train is not None and (self.space is None or self.table is not None):
            raise ValueError("train follows a search on networks: it needs a space, and no table.")
        return self


def read_scoring(given: dict[str, Any]) -> Scoring:
    """The settings of a scoring from what a command was given; None means not given."""
    return load(Scoring, None, given=_without_none(given))


def read_search(path: Path | None, given: dict[str, Any], overrides: Sequence[str]) -> Recipe:
    """The recipe at `path` with what a command was given on top; None means not given.

    An override without a dot is an option of the space: `widths=[32,48]` stands for `space.options.widths=[32,48]`.
    """
    dotted = [each if "." in each.partition("=")[0] else f"space.options.{each}" for each in overrides]
    return load(Recipe, path, dotted, given=_without_none(given))


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    kept = {key: _without_none(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}
