"""What goes in and comes out of the calls about stories and providers, as `/openapi.json` describes it.

Positions are code points of the story's text. What comes in is checked against these; what goes out is made by the
rooms, and tests hold it against these.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gnomon.runs.files import to_json

MOST_LAYOUT = 64 * 1024  # bytes
_DEEPEST = 40  # levels of objects and lists in one another


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


# -- asked ------------------------------------------------------------------------------------------------------------


def _sound(value: Any) -> Any:
    """Refuse half a surrogate pair anywhere, which is no text and cannot be stored, and what is nested without end."""

    def look(value: Any, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply.")
        if isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value):
            raise ValueError("a text without half a surrogate pair is expected.")
        if isinstance(value, dict):
            for each in (*value.keys(), *value.values()):
                look(each, depth + 1)
        if isinstance(value, list):
            for each in value:
                look(each, depth + 1)

    look(value, 0)
    return value


def _small(value: Any) -> Any:
    if len(to_json(value).encode()) > MOST_LAYOUT:
        raise ValueError(f"at most {MOST_LAYOUT // 1024} kB of JSON are kept.")
    return value


def _passage_or_name(value: Any) -> Any:
    if isinstance(value, dict):
        return Passage.model_validate(value)
    if not isinstance(value, str):
        raise ValueError("an id, a name, or a passage with start and end is expected.")
    return value


def _ids(value: Any) -> Any:
    if value != "all" and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise ValueError('a list of ids of hunks, or "all", is expected.')
    return value


def _title(value: str) -> str:
    if any(not (each.isprintable() or each.isspace()) for each in value):
        raise ValueError("a title of letters that can be shown is expected.")
    return " ".join(value.split())


def _language(value: str) -> str:
    if not re.fullmatch(r"auto|[a-z]{2,8}", value):
        raise ValueError("a language's code such as en or ro, or auto, is expected.")
    return value


Words = Annotated[str, AfterValidator(_sound)]
Json = Annotated[Any, AfterValidator(_sound)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_sound)]
Hunks = Annotated[list[str] | Literal["all"], BeforeValidator(_ids), AfterValidator(_sound)]


class Passage(_Shape):
    """A part of the text."""

    start: int
    end: int


PassageOrName = Annotated[Words | Passage, BeforeValidator(_passage_or_name)]


class NewStory(_Shape):
    """A story of `text`, or of a sample."""

    title: Annotated[str, AfterValidator(_title)] = ""
    text: Words | None = None
    language: Annotated[str, AfterValidator(_language)] = Field(
        "auto", json_schema_extra={"pattern": "^(auto|[a-z]{2,8})$"}
    )
    sample: str | None = None


class OneEdit(_Shape):
    """`text` in the place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


class Edits(_Shape):
    """Edits of the text at `revision`, one after the other: all or none are made."""

    revision: int
    edits: list[OneEdit]


class NewFact(_Shape):
    """A fact of the writer's. `subject` and `value` are ids or names, or passages of the text at `revision`."""

    kind: Words
    subject: PassageOrName
    value: PassageOrName | None = None
    revision: int | None = None


class Asked(_Shape):
    """An intent, whoever is to carry it out, and where. `approved`: the estimate of what is sent was seen."""

    intent: JsonObject
    provider: Words | None = None
    scope: Json = None
    approved: bool = False


class Decisions(_Shape):
    """What becomes of hunks: ids, or "all" of those that are open; `edited` has the writer's own text for some."""

    accept: Hunks = []
    reject: Hunks = []
    edited: Annotated[dict[str, str], AfterValidator(_sound)] = {}
    revision: int | None = None


class Alternative(_Shape):
    """Which of a suggestion's alternatives, from 0."""

    number: int


class ExtractAsked(_Shape):
    """Which provider is to read the story."""

    provider: Words
    approved: bool = False


class NodeAsked(_Shape):
    """A step of the history."""

    node: int


class Label(_Shape):
    """The name of a snapshot."""

    label: Words


class Save(_Shape):
    """`overwrite`: though another program has changed the file."""

    overwrite: bool = False


class BudgetAsked(_Shape):
    """The cap on what providers may take; None is no cap."""

    max_tokens: int | None = Field(None, ge=0)
    max_cost: float | None = Field(None, ge=0, allow_inf_nan=False)


class SettingsAsked(_Shape):
    """What is to be kept; what is not named stays as it is."""

    preferences: bool = False
    dismissed: list[Words] = []
    groups: Annotated[dict[str, str], AfterValidator(_sound)] = {}
    budget: BudgetAsked = BudgetAsked()
    layout: Annotated[Any, AfterValidator(_sound), AfterValidator(_small)] = None


class ProviderAsked(_Shape):
    """A provider: the address of a server, a run's folder or a recording's file."""

    kind: Words
    base_url: Words = ""
    model: Words = ""
    key: Words | None = None
    timeout_s: float | None = None
    prices: list[float] | None = None


# -- answered ---------------------------------------------------------------------------------------------------------


class Nothing(_Shape):
    """It was done."""


class Revision(_Shape):
    """The revision of the text now."""

    revision: int


class Standing(Revision):
    """The revision of the text and the step of the history now."""

    node: int


class Created(Revision):
    """What was made, and the revision of the text."""

    id: str


class FactCreated(Revision):
    """The number of a fact, and the revision of the text."""

    id: int


class Row(_Shape):
    """A project. `language` and `words` are None where they are not known yet; `error` says why it cannot be opened."""

    id: str
    title: str
    language: str | None
    words: int | None
    modified: str
    path: str
    error: str | None = None
    open: bool


class Rows(_Shape):
    """The projects, the one changed last first."""

    stories: list[Row]


class SampleRow(_Shape):
    """A story that comes with Gnomon."""

    name: str
    title: str
    language: str
    words: int
    about: str


class SampleRows(_Shape):
    """The stories that come with Gnomon."""

    samples: list[SampleRow]


class Span(_Shape):
    """A part of the text with an id."""

    id: str
    start: int
    end: int


class StoryAbout(_Shape):
    """A story without its text. `source` is the name of the file it was made from."""

    id: str
    title: str
    language: str
    revision: int
    words: int
    scenes: list[Span]
    source: str | None
    source_changed: bool
    preferences: bool
    read_only: bool


class Text(Revision):
    """The text at a revision."""

    text: str


class Mention(_Shape):
    """Where somebody or some place is spoken of."""

    start: int
    end: int
    text: str
    kind: Literal["name", "nominal", "pronoun"]
    confidence: float


class Character(_Shape):
    """Somebody of the story."""

    id: str
    name: str
    aliases: list[str]
    gender: Literal["f", "m", "n", "unknown"]
    kind: str
    mentions: list[Mention]
    confidence: float
    source: str


class Place(_Shape):
    """Somewhere; `within` is the id of the place that holds it."""

    id: str
    name: str
    aliases: list[str]
    mentions: list[Mention]
    within: str | None
    confidence: float
    source: str


class TimeCue(_Shape):
    """The words by which an event's place in time is known."""

    start: int
    end: int
    relation: str


class Event(_Shape):
    """What happens: `start` to `end` is the word that says so."""

    id: str
    narrated: int
    story: int
    verb: str
    kind: Literal["action", "movement", "speech", "perception"]
    agent: str | None
    patient: str | None
    place: str | None
    start: int
    end: int
    sentence: list[int]
    time: TimeCue | None
    confidence: float
    source: str


class Speech(_Shape):
    """One utterance."""

    start: int
    end: int
    speaker: str | None
    addressees: list[str]
    confidence: float


class Warning(_Shape):
    """Something that does not go together; each span is evidence."""

    kind: str
    message: str
    spans: list[list[int]]


class Anchor(_Shape):
    """A passage with what stands around it."""

    start: int
    end: int
    quote: str
    before: str
    after: str


class Fact(_Shape):
    """What the writer says."""

    kind: str
    subject: str | Anchor | None
    value: str | Anchor | None


class Found(_Shape):
    """What was found in a story."""

    language: str
    scenes: list[Span]
    characters: list[Character]
    places: list[Place]
    events: list[Event]
    speeches: list[Speech]
    positions: dict[str, list[list[int | str | None]]]
    warnings: list[Warning]
    lost: list[Fact]


class Extraction(Found):
    """What was found in a story at `revision`. `state` says whether that is the present text, and all of it.

    `warning_keys` are beside `warnings`, and some of them `dismissed`.
    """

    revision: int
    state: Literal["ready", "running", "failed"]
    stats: dict[str, Any]
    warning_keys: list[str]
    dismissed: list[str]
    message: str | None = None


class Disagreement(_Shape):
    """Where the built-in reading and a provider's differ."""

    kind: str
    start: int
    end: int
    builtin: str | None
    provider: str | None


class ReadByProvider(_Shape):
    """What a provider found, beside the built-in reading."""

    extraction: Found
    disagreements: list[Disagreement]
    stats: dict[str, Any]


class FactRow(Fact):
    """A fact; `lost`: the text has nothing any more that it could be about."""

    id: int
    lost: bool


class FactRows(_Shape):
    """The writer's facts."""

    facts: list[FactRow]


class Hunk(_Shape):
    """`before` becomes `after`; `decision` is None while it is open, `changed` where its text is not `before` now."""

    id: str
    start: int
    end: int
    before: str
    after: str
    reason: str
    unintended: bool
    optional: bool
    decision: Literal["accepted", "rejected", "edited"] | None = None
    changed: bool = False
    edited_to: str | None = None


class Suggestion(_Shape):
    """Hunks that carry out an intent, where they lie at `revision`."""

    id: str
    intent: dict[str, Any]
    hunks: list[Hunk]
    provider: str
    notes: list[str]
    alternatives: list[list[Hunk]]
    usage: dict[str, Any]
    state: Literal["open", "decided"]
    revision: int
    time: str


class Suggestions(_Shape):
    """Every suggestion up to this step of the history, the earliest first."""

    suggestions: list[Suggestion]


class Evidence(_Shape):
    """A passage that a row of a report rests on."""

    start: int
    end: int
    quote: str


class ReportRow(_Shape):
    """One row; an estimate among its values is an object with `value`, `low`, `high`."""

    values: dict[str, Any]
    spans: list[Evidence]


class ReportAbout(_Shape):
    """Which reports there are."""

    name: str
    title: str
    meaning: str


class ReportList(_Shape):
    """The reports."""

    reports: list[ReportAbout]


class Report(ReportAbout):
    """A table; `nothing` says what it means that there is no row."""

    nothing: str
    columns: list[str]
    rows: list[ReportRow]


class Node(_Shape):
    """A step of the history."""

    id: int
    parent: int | None
    kind: str
    time: str
    added: int
    removed: int
    labels: list[str]


class History(_Shape):
    """Every step, and the one where the story stands."""

    nodes: list[Node]
    current: int


class Budget(_Shape):
    """The cap on what providers may take, and what they took."""

    max_tokens: int | None
    max_cost: float | None
    spent_tokens: int
    spent_cost: float


class Settings(_Shape):
    """What is kept with a story."""

    preferences: bool
    dismissed: list[str]
    groups: dict[str, str]
    budget: Budget
    layout: Any


class Saved(_Shape):
    """The file that was written."""

    path: str


class Provider(_Shape):
    """A provider that was set up; its key is never shown."""

    name: str
    kind: str
    base_url: str
    model: str
    has_key: bool
    timeout_s: float


class Providers(_Shape):
    """The providers, the built-in editor first."""

    providers: list[Provider]


class Tested(_Shape):
    """A provider answered, in so many seconds."""

    ok: bool
    seconds: float
