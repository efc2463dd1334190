"""The calls about stories: text and edits, what was found, suggestions and decisions, facts, history, files.

What a call does is the project's (`gnomon.story.project`); here it is asked for, answered, and told to all who listen.
"""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from gnomon.errors import UserError
from gnomon.runs.files import to_json
from gnomon.server import story_shapes as shapes
from gnomon.server.failures import Failure
from gnomon.server.provider_routes import answer, failed, in_own_thread, waited_for
from gnomon.server.sse import EventStream, Feed
from gnomon.server.stories import OpenStory, Stories, count_words
from gnomon.story.anchors import Anchor
from gnomon.story.document import Story
from gnomon.story.edits import propose
from gnomon.story.exports import EXPORTS
from gnomon.story.extracting import extract
from gnomon.story.formats import FORMATS, read_bytes, rendered
from gnomon.story.formats.archive import TooLarge
from gnomon.story.project import Conflict, EditError, NotThere, Proposal
from gnomon.story.providers.extracting import disagreements, extract_with
from gnomon.story.providers.protocol import Cancelled, Provider
from gnomon.story.records import Fact
from gnomon.story.reports import REPORTS, make_report

router = APIRouter(tags=["stories"])

SAMPLES = Path(__file__).parent / "samples"
UNTITLED = "Untitled"

_KINDS = {  # of exports: how a file of it ends, and what it is
    "md": ("md", "text/markdown; charset=utf-8"),
    "txt": ("txt", "text/plain; charset=utf-8"),
    "docx": ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "shunn": ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "epub": ("epub", "application/epub+zip"),
    "fountain": ("fountain", "text/plain; charset=utf-8"),
    "html": ("html", "text/html; charset=utf-8"),
    "json": ("json", "application/json"),
    "graphml": ("graphml", "application/xml"),
    "timeline-csv": ("csv", "text/csv; charset=utf-8"),
    "preferences": ("jsonl", "application/x-ndjson"),
}
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')
_UNLIMITED = 10**9  # pieces of a provider's answer that may wait for a slow reader: they are few and small


def _stories(request: Request) -> Stories:
    found: Stories = request.app.state.stories
    return found


async def _opened(id: str, request: Request) -> OpenStory:
    stories = _stories(request)
    found = stories.already_open(id)
    return found if found is not None else await run_in_threadpool(stories.get, id)


Opened = Annotated[OpenStory, Depends(_opened)]


# -- stories ----------------------------------------------------------------------------------------------------------


@router.get("/samples", response_model=shapes.SampleRows)
def samples() -> Response:
    """The stories that come with Gnomon."""
    rows = [{**about, "words": count_words(_sample_text(about["name"]))} for about in _samples()]
    return answer({"samples": rows})


@lru_cache
def _samples() -> list[dict[str, str]]:
    """`name`, `title`, `language` and `about` of each."""
    found: list[dict[str, str]] = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    return found


def _sample_text(name: str) -> str:
    return (SAMPLES / f"{name}.md").read_text(encoding="utf-8")


@router.get("/stories", response_model=shapes.Rows)
def stories(request: Request) -> Response:
    """Every project of the folder, the one changed last first. None is opened for this."""
    return answer({"stories": _stories(request).list()})


_NEW_STORY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": shapes.NewStory.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string"},
                        "language": {"type": "string"},
                        "encoding": {"type": "string", "description": "Of a text that is not UTF-8: cp1250."},
                    },
                }
            },
        },
    }
}


@router.post("/stories", status_code=201, response_model=shapes.Created, openapi_extra=_NEW_STORY)
async def create(request: Request) -> Response:
    """Make a project of a text, of a sample, or of a file: .md .txt .docx .epub .fountain .html.

    A text file is UTF-8, or what its byte order mark says, or in the `encoding` that is sent with it.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        try:
            async with request.form(max_files=1, max_fields=10) as form:
                file, encoding = form.get("file"), form.get("encoding") or None
                if not isinstance(file, UploadFile):
                    raise Failure(422, "invalid", "file: a file is expected.", "file")
                data, name = await file.read(), file.filename or "story.md"
                asked = _checked_new({key: form[key] for key in ("title", "language") if key in form} | {"text": ""})
        except HTTPException as fault:
            if fault.status_code != 400:
                raise
            sentence = f"file: one file is expected as a form sends it ({str(fault.detail).rstrip('.')})."
            raise Failure(422, "invalid", sentence, "file") from fault
        if not isinstance(encoding, str | None):
            raise Failure(422, "invalid", "encoding: a name such as cp1250 is expected, not a file.", "encoding")

        def read() -> Story:
            return _read_file(data, Path(name).name, encoding, asked)
    else:
        try:
            given = await request.json()
        except (ValueError, RecursionError):
            raise Failure(422, "invalid", "The body is not JSON.") from None
        asked = _checked_new(given)

        def read() -> Story:
            return _new_story(asked)

    def make() -> OpenStory:
        return _stories(request).create(read())

    made = await run_in_threadpool(make)
    return answer({"id": made.id, "revision": made.project.revision}, 201)


def _checked_new(given: Any) -> shapes.NewStory:
    try:
        return shapes.NewStory.model_validate(given)
    except ValidationError as fault:
        errors = [{**each, "loc": ("body", *each["loc"])} for each in fault.errors()]
        raise RequestValidationError(errors) from None


def _read_file(data: bytes, name: str, encoding: str | None, asked: shapes.NewStory) -> Story:
    try:
        return read_bytes(data, name, encoding, title=asked.title, language=asked.language)
    except TooLarge as fault:
        raise Failure(413, "too_large", f"file: {fault}.", "file") from fault
    except UserError as fault:
        sentence = str(fault).replace("--encoding", "encoding")  # which a request has as a field
        about_it = encoding is not None and ("encoding" in sentence or encoding in sentence)
        field = "encoding" if about_it else "file"
        raise Failure(422, "invalid", f"{field}: {sentence}.", field) from fault


def _new_story(asked: shapes.NewStory) -> Story:
    if (asked.text is None) == (asked.sample is None):
        raise Failure(422, "invalid", "text: either text or sample is expected.", "text")
    title, text, language = asked.title, asked.text or "", asked.language
    if asked.sample is not None:
        about = next((each for each in _samples() if each["name"] == asked.sample), None)
        if about is None:
            known = ", ".join(each["name"] for each in _samples())
            raise Failure(422, "invalid", f"sample: there is no sample {asked.sample!r}; there are {known}.", "sample")
        title, text, language = title or about["title"], _sample_text(about["name"]), about["language"]
    try:
        return Story.from_text(text, title=title or UNTITLED, language=language)
    except UserError as fault:
        raise Failure(422, "invalid", f"text: {fault}.", "text") from fault


@router.get("/stories/{id}", response_model=shapes.StoryAbout)
def about(story: Opened) -> Response:
    """A story without its text."""
    project = story.project
    present, source = project.present(), project.source
    return answer(
        {
            "id": story.id,
            "title": project.title,
            "language": present.story.language,
            "revision": present.revision,
            "words": story.words(),
            "scenes": [scene._asdict() for scene in present.story.scenes],
            "source": None if source is None else source.name,
            "source_changed": project.source_changed(),
            "preferences": project.preferences,
            "read_only": False,
        }
    )


@router.get("/stories/{id}/text", response_model=shapes.Text)
def text(story: Opened) -> Response:
    """The text and its revision."""
    return Response(story.text_answer(), media_type="application/json")


@router.post("/stories/{id}/edits", response_model=shapes.Revision)
def edit(story: Opened, body: shapes.Edits) -> Response:
    """Edits, one after the other, all or none; they are on the disk when this answers."""
    revision = story.project.edit(body.revision, [(each.start, each.end, each.text) for each in body.edits])
    story.changed()
    return answer({"revision": revision})


@router.get("/stories/{id}/events", response_class=EventStream)
async def events(story: Opened, request: Request) -> EventStream:
    """Events `saved`, `extraction`, `progress` and `suggestion` from now on; the first ones say how things are."""

    def first() -> Iterator[tuple[str, Any]]:
        yield "saved", story.standing()
        yield "extraction", story.reading_state()

    return EventStream(story.bus.subscribe(request.app.state.closing, first))


# -- what was found ---------------------------------------------------------------------------------------------------


@router.get("/stories/{id}/extraction", response_model=shapes.Extraction)
async def extraction(story: Opened, wait: bool = False) -> Response:
    """What was found. With `wait` that of the present text; without, the newest there is, and `state` says which."""
    if wait:
        try:
            await asyncio.wrap_future(story.newest())
        except Failure as fault:
            if fault.code != "reading_failed":  # which the answer says itself
                raise
    return Response(await run_in_threadpool(story.extraction_answer), media_type="application/json")


@router.post("/stories/{id}/extract", response_model=shapes.ReadByProvider)
async def extract_by_provider(story: Opened, body: shapes.ExtractAsked, request: Request) -> Response:
    """What a provider finds in the story, beside what the built-in reading has: nothing is kept of it."""
    provider = await run_in_threadpool(_stories(request).providers.open, body.provider)
    if provider is None:
        raise Failure(422, "invalid", "provider: the built-in reading is there already; name another.", "provider")
    stop = threading.Event()

    def show(done: int, total: int) -> None:
        story.bus.publish("progress", {"what": "provider", "done": done, "total": total})

    def work() -> dict[str, Any]:
        reading = story.newest().result()
        with story.working(stop):
            found = extract_with(
                provider,
                reading.story,
                reading.extraction,
                approved=body.approved,
                budget=story.budget,
                on_scene=show,
                stop=stop,
            )
        return {
            "extraction": found.to_dict(),
            "disagreements": [each._asdict() for each in disagreements(reading.extraction, found)],
            "stats": dict(found.stats),
        }

    return answer(await waited_for(request, stop, work))


@router.get("/reports", response_model=shapes.ReportList)
def reports() -> Response:
    """Which reports there are."""
    return answer({"reports": _reports()})


@lru_cache
def _reports() -> list[dict[str, str]]:
    nothing = Story.from_text("", language="en")
    found = extract(nothing)
    made = [make(nothing, found, **({"groups": {}} if name == "cast_audit" else {})) for name, make in REPORTS.items()]
    return [{"name": each.name, "title": each.title, "meaning": each.meaning} for each in made]


@router.get("/stories/{id}/reports/{name}", response_model=shapes.Report)
def report(story: Opened, name: str, protagonist: str | None = None) -> Response:
    """One of the questions writers plan with, answered; `cast_audit` takes the groups of the settings."""
    if name not in REPORTS:
        raise Failure(404, "not_found", f"There is no report {name!r}; there are {', '.join(REPORTS)}.")
    options: dict[str, Any] = {}
    field = None
    if protagonist is not None:
        options["protagonist"], field = protagonist, "protagonist"
    if name == "cast_audit":
        field = "groups"
    reading = story.newest().result()
    if name == "cast_audit":
        here = {each.id for each in reading.extraction.characters}  # a group may outlive its character
        groups: dict[str, str] = story.project.setting("groups", {})
        options["groups"] = {id: group for id, group in groups.items() if group and id in here}
        if not options["groups"]:
            raise Failure(422, "invalid", "groups: no character has a group yet; give some one in settings.", "groups")
    try:
        return answer(make_report(name, reading.story, reading.extraction, **options).to_dict())
    except UserError as fault:
        raise Failure(422, "invalid", f"{field}: {fault}" if field else str(fault), field) from fault


# -- suggestions ------------------------------------------------------------------------------------------------------


@router.get("/stories/{id}/suggestions", response_model=shapes.Suggestions)
def suggestions(story: Opened) -> Response:
    """Every suggestion up to this step of the history, open and decided."""
    return answer({"suggestions": [each.to_dict() for each in story.project.proposals()]})


@router.post("/stories/{id}/suggestions", status_code=201, response_model=shapes.Suggestion)
async def suggest(story: Opened, body: shapes.Asked, request: Request) -> Response:
    """Propose what an intent would change. Nothing is changed.

    With `Accept: text/event-stream` the answer comes as events: `text` for each piece that a provider writes, then
    `suggestion` or `error`. Who closes the connection ends the provider's work.
    """
    named = body.provider or "builtin"
    provider = await run_in_threadpool(_stories(request).providers.open, named)
    if "text/event-stream" in request.headers.get("accept", ""):
        return EventStream(_streamed(story, body, provider, request))
    stop = threading.Event()
    found = await waited_for(request, stop, lambda: _propose(story, body, provider, stop))
    return answer(found, 201)


def _propose(
    story: OpenStory,
    body: shapes.Asked,
    provider: Provider | None,
    stop: threading.Event,
    on_text: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    reading = story.newest().result()
    # The built-in editor's work is too short for anybody to be told of.
    with story.working(stop) if provider is not None else nullcontext():
        suggestion = propose(
            reading.story,
            reading.extraction,
            body.intent,
            provider=provider,
            scope=body.scope,
            approved=body.approved,
            budget=None if provider is None else story.budget,
            on_text=on_text,
            stop=stop,
        )
    if stop.is_set():
        raise Cancelled
    return story.keep(suggestion, reading.revision, reading.extraction)


async def _streamed(
    story: OpenStory, body: shapes.Asked, provider: Provider | None, request: Request
) -> AsyncIterator[bytes]:
    feed, stop = Feed(request.app.state.closing, waiting=_UNLIMITED), threading.Event()

    def work() -> None:
        try:
            found = _propose(story, body, provider, stop, lambda piece: feed.put("text", {"text": piece}))
        except Exception as fault:
            feed.put("error", failed(fault).document())
        else:
            feed.put("suggestion", found)
        feed.end()

    in_own_thread(work)
    try:
        async for event in feed.read():
            yield event
    finally:
        stop.set()


@router.get("/stories/{id}/suggestions/{suggestion}", response_model=shapes.Suggestion)
def suggestion(story: Opened, suggestion: str) -> Response:
    """One suggestion as it is now."""
    return answer(story.project.proposal(suggestion).to_dict())


@router.post("/stories/{id}/suggestions/{suggestion}/decisions", response_model=shapes.Revision)
def decide(story: Opened, suggestion: str, body: shapes.Decisions) -> Response:
    """Take hunks, leave them, or put one's own text in their place, in one step. The others stay open."""
    project = story.project
    with project.still():
        proposal = project.proposal(suggestion)
        try:
            revision = project.decide(suggestion, body.accept, body.reject, body.edited, revision=body.revision)
        except (Conflict, NotThere, EditError):
            raise
        except UserError as fault:
            field = _undecidable(proposal, body)
            if field is None:
                raise
            raise Failure(422, "invalid", str(fault), field) from fault
    story.changed()
    return answer({"revision": revision})


def _undecidable(proposal: Proposal, body: shapes.Decisions) -> str | None:
    """The field that names a hunk there is not, one that is decided, or one that another field names, too."""
    seen: set[str] = set()
    for field in ("accept", "reject", "edited"):
        named = getattr(body, field)
        for number, hunk in enumerate(() if named == "all" else named):
            if hunk not in proposal.places or hunk in seen:
                return f"edited.{hunk}" if field == "edited" else f"{field}[{number}]"
            seen.add(hunk)
    return None


@router.post("/stories/{id}/suggestions/{suggestion}/alternatives", status_code=201, response_model=shapes.Suggestion)
def alternative(story: Opened, suggestion: str, body: shapes.Alternative) -> Response:
    """One of a suggestion's alternatives as a suggestion of its own."""
    found = story.project.proposal(suggestion).suggestion
    if not 0 <= body.number < len(found.alternatives):
        many = len(found.alternatives)
        there = f"alternatives 0 to {many - 1}" if many else "no alternatives"
        raise Failure(422, "invalid", f"number: suggestion {suggestion} has {there}, not {body.number}.", "number")
    return answer(story.keep(found.alternative(body.number), story.proposed_for(suggestion)), 201)


@router.post("/stories/{id}/cancel", response_model=shapes.Nothing)
def cancel(story: Opened) -> Response:
    """End whatever providers do for this story."""
    story.cancel()
    return answer({})


# -- facts ------------------------------------------------------------------------------------------------------------


@router.get("/stories/{id}/facts", response_model=shapes.FactRows)
def facts(story: Opened) -> Response:
    """The writer's facts; those that nothing in the text answers to are lost, and kept."""
    project, reading = story.project, story.last_reading()
    with project.still():
        held, lost = project.facts, project.lost_facts
    unanswered = () if reading is None else reading.extraction.lost
    rows = {number: (fact, fact in unanswered) for number, fact in held.items()}
    rows |= {number: (fact, True) for number, fact in lost.items()}
    found = [{"id": number, **fact.to_dict(), "lost": gone} for number, (fact, gone) in sorted(rows.items())]
    return answer({"facts": found})


@router.post("/stories/{id}/facts", status_code=201, response_model=shapes.FactCreated)
def add_fact(story: Opened, body: shapes.NewFact) -> Response:
    """Declare a fact, which wins over what is found."""
    project = story.project
    with project.still():
        if body.revision is None and any(isinstance(each, shapes.Passage) for each in (body.subject, body.value)):
            raise Failure(422, "invalid", "revision: a passage belongs to a revision; name it.", "revision")
        if body.revision not in (None, project.revision):
            sentence = f"{story.id} is at revision {project.revision} and not {body.revision}."
            raise Failure(409, "conflict", sentence, revision=project.revision)
        subject, value = (_part(project.text, name, getattr(body, name)) for name in ("subject", "value"))
        fact = Fact(body.kind, subject, value)
        _check_value(fact)
        try:
            number = project.add_fact(fact)
        except Conflict:
            raise
        except UserError as fault:
            raise Failure(422, "invalid", f"kind: {fault}", "kind") from fault
    standing = story.changed()
    return answer({"id": number, "revision": standing["revision"]}, 201)


_VALUED = ("alias", "merge", "split", "gender", "story_before", "story_after")  # kinds that say nothing without a value
_GENDERS = ("f", "m", "n", "unknown")


def _check_value(fact: Fact) -> None:
    """Refuse a fact that says nothing whatever the text is; one about an id that nobody has now may come to count."""
    if fact.kind == "gender" and fact.value not in _GENDERS:
        said = f"a gender is one of {', '.join(_GENDERS)}, not {fact.value!r}."
        raise Failure(422, "invalid", f"value: {said}", "value")
    if fact.kind in _VALUED and fact.value is None:
        raise Failure(422, "invalid", f"value: a fact of kind {fact.kind} needs one.", "value")


def _part(text: str, field: str, part: shapes.Passage | str | None) -> Anchor | str | None:
    """The subject or value of a fact: a passage becomes an anchor."""
    if not isinstance(part, shapes.Passage):
        if part is not None and (not part.strip() or "\0" in part):
            raise Failure(422, "invalid", f"{field}: an id or a name is expected, not {part!r}.", field)
        return part
    if not 0 <= part.start < len(text):
        said = f"a position from 0 to before {len(text)} is expected, not {part.start}."
        raise Failure(422, "invalid", f"{field}.start: {said}", f"{field}.start")
    if not part.start < part.end <= len(text):
        said = f"a position after start, {part.start}, and to {len(text)} is expected, not {part.end}."
        raise Failure(422, "invalid", f"{field}.end: {said}", f"{field}.end")
    return Anchor.at(text, part.start, part.end)


@router.delete("/stories/{id}/facts/{fact}", response_model=shapes.Revision)
def remove_fact(story: Opened, fact: int) -> Response:
    """Take a fact back."""
    story.project.remove_fact(_number("fact", fact))
    return answer({"revision": story.changed()["revision"]})


def _number(what: str, number: int) -> int:
    """`number` itself, where a project's file could hold it."""
    if abs(number) >= 2**63:
        raise Failure(404, "not_found", f"There is no {what} of that number.")
    return number


# -- history ----------------------------------------------------------------------------------------------------------


@router.get("/stories/{id}/history", response_model=shapes.History)
def history(story: Opened) -> Response:
    """Every step there ever was, as a tree."""
    return answer(story.project.history().to_dict())


@router.post("/stories/{id}/undo", response_model=shapes.Standing)
def undo(story: Opened) -> Response:
    """Go one step back: text, facts and decisions."""
    story.project.undo()
    return answer(story.changed())


@router.post("/stories/{id}/redo", response_model=shapes.Standing)
def redo(story: Opened) -> Response:
    """Go on to the step last undone, or last made from here."""
    story.project.redo()
    return answer(story.changed())


@router.post("/stories/{id}/restore", response_model=shapes.Standing)
def restore(story: Opened, body: shapes.NodeAsked) -> Response:
    """Go to any step of the history."""
    story.project.restore(_number("node", body.node))
    return answer(story.changed())


@router.post("/stories/{id}/snapshots", response_model=shapes.Standing)
def snapshot(story: Opened, body: shapes.Label) -> Response:
    """Give the step where the story stands a name."""
    try:
        story.project.snapshot(body.label)
    except UserError as fault:
        raise Failure(422, "invalid", f"label: {fault}", "label") from fault
    return answer(story.changed(told=False))


# -- settings ---------------------------------------------------------------------------------------------------------


def _settings(story: OpenStory) -> dict[str, Any]:
    project = story.project
    return {
        "preferences": project.preferences,
        "dismissed": project.setting("dismissed", []),
        "groups": project.setting("groups", {}),
        "budget": story.budget_document(),
        "layout": project.setting("layout"),
    }


@router.get("/stories/{id}/settings", response_model=shapes.Settings)
def settings(story: Opened) -> Response:
    """What is kept with a story beside its text."""
    return answer(_settings(story))


@router.put("/stories/{id}/settings", response_model=shapes.Settings)
def put_settings(story: Opened, body: shapes.SettingsAsked) -> Response:
    """Keep some settings; those that are not named stay as they are."""
    project, named = story.project, body.model_fields_set
    for key in ("dismissed", "groups", "layout"):
        if key in named:
            project.set_setting(key, getattr(body, key))
    if "preferences" in named:
        project.keep_preferences(body.preferences)
    if "budget" in named:
        for key in body.budget.model_fields_set:
            setattr(story.budget, key, getattr(body.budget, key))
        story.keep_budget()
    story.changed(told=False)
    return answer(_settings(story))


# -- files ------------------------------------------------------------------------------------------------------------


@router.post("/stories/{id}/save", response_model=shapes.Saved)
def save(story: Opened, body: shapes.Save) -> Response:
    """Write the story to the file it was made from."""
    project = story.project
    if project.source is None:
        raise Failure(409, "no_source", f"{project.title} was not made from a file; export it to one.")
    if not body.overwrite and project.source.exists() and project.source_changed():
        sentence = f"{project.source} was changed by another program since it was read; overwrite it, or read it again."
        raise Failure(409, "source_changed", sentence)
    path = project.save(overwrite=body.overwrite)
    story.changed(told=False)
    return answer({"path": str(path)})


@router.post("/stories/{id}/reread", response_model=shapes.Revision)
def reread(story: Opened) -> Response:
    """Take over what another program made of the story's file, as one step."""
    project = story.project
    if project.source is None:
        raise Failure(409, "no_source", f"{project.title} was not made from a file; there is none to be read again.")
    revision = project.reread()
    story.changed()
    return answer({"revision": revision})


@router.get("/stories/{id}/export", response_class=Response)
def export(story: Opened, format: str, author: str = "", redact: bool = False) -> Response:
    """The story, or what was found in it, as a file."""
    if format not in _KINDS:
        sentence = f"format: there is no format {format!r}; there are {', '.join(_KINDS)}."
        raise Failure(422, "invalid", sentence, "format")
    suffix, media_type = _KINDS[format]
    author = " ".join(author.split())
    if not author.isprintable():
        raise Failure(422, "invalid", "author: a name of letters that can be shown is expected.", "author")
    if format == "preferences":
        content: str | bytes = _preference_lines(story, redact)
    elif format in FORMATS:
        content = rendered(story.project.present().story, format, author=author)
    else:
        reading = story.newest().result()
        content = EXPORTS[format](reading.story, reading.extraction)
    named = {"Content-Disposition": _attached(f"{story.project.title or story.id}.{suffix}")}
    return Response(content, media_type=media_type, headers=named)


def _attached(name: str) -> str:
    """The header that gives a file its name, whatever letters it has (RFC 6266)."""
    name = _NOT_IN_NAMES.sub("-", name).strip()
    plain = "".join(each if " " <= each <= "~" and each != "%" else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


@router.get("/stories/{id}/preferences", response_class=Response)
def preferences(story: Opened, redact: bool = False) -> Response:
    """What the writer chose, as JSON lines; with `redact`, placeholders stand for names."""
    return Response(_preference_lines(story, redact), media_type=_KINDS["preferences"][1])


def _preference_lines(story: OpenStory, redact: bool) -> str:
    return "".join(to_json(line) + "\n" for line in story.project.preference_lines(redact=redact))
