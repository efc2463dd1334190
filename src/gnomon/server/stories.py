"""The stories of a server: a folder of projects and those opened from elsewhere, each read again as it changes.

An open story has one thread that reads it. It begins when the writer pauses, or when somebody waits for the reading,
and what it finds is encoded once for everybody who asks.
"""

import gc
import hashlib
import json
import re
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gnomon.errors import UserError
from gnomon.runs.files import to_json
from gnomon.server.failures import Failure
from gnomon.server.sse import Bus
from gnomon.story import history, storage
from gnomon.story.document import Story, detect_language
from gnomon.story.edits import Suggestion
from gnomon.story.extracting import Extractor
from gnomon.story.names import slug
from gnomon.story.packs import load
from gnomon.story.project import Project, Proposal
from gnomon.story.providers.settings import Providers
from gnomon.story.providers.spending import Budget
from gnomon.story.records import Extraction, Warning

PROJECT = ".gnomon"
PAUSE = 0.3  # seconds without a change after which a story is read again
LONGEST_WAIT = 10.0  # seconds after which it is read again though the writer goes on
TEXT_FIRST = (
    1.0  # seconds from the first time that the text is asked for, in which the browser has the machine for itself
)
NOBODY_ASKS = 4.0  # seconds after opening from which a story is read though nobody has asked for its text
KEEP_AFTER = 30.0  # seconds after which what the language pack saw is written to the project again
LISTING = 0.3  # seconds that counting words may take of a list; what is not counted yet is counted for the next
_LONG = 500  # paragraphs of a long story
_PATIENCE = 1.0  # seconds that closing a story waits for its reading to end
_NAME = 60  # characters of a title that a file's name has

_ASIDE = re.compile(r"\.(damaged-[0-9a-f]{8}|version-\d+)$")
_WORD = re.compile(r"\S*[^\W_]\S*")


def count_words(text: str) -> int:
    """How many words a text has: what stands between white space and has a letter or digit."""
    return sum(1 for _ in _WORD.finditer(text))


def warning_key(warning: Warning, text: str) -> str:
    """What a warning is known by: its kind and the words it cites, so that edits elsewhere leave it as it is."""
    cited = [warning.kind, *(text[start:end] for start, end in warning.spans)]
    return hashlib.sha256("\0".join(cited).encode()).hexdigest()[:12]


class Reading:
    """What was found in one state of a story. `version` counts the states of its text and facts."""

    def __init__(self, version: int, story: Story, revision: int, extraction: Extraction) -> None:
        self.version, self.story, self.revision, self.extraction = version, story, revision, extraction
        self._guard = threading.Lock()
        self._encoded: bytes | None = None

    def encoded(self) -> bytes:
        """The extraction as JSON without its opening brace; made once."""
        with self._guard:
            if self._encoded is None:
                self._encoded = _encoded(self.extraction, self.story.text)
            return self._encoded


def _encoded(extraction: Extraction, text: str) -> bytes:
    keys = [warning_key(warning, text) for warning in extraction.warnings]
    found = {**extraction.to_dict(), "stats": dict(extraction.stats), "warning_keys": keys}
    return ", ".join(f"{to_json(name)}: {_by_item(value)}" for name, value in found.items()).encode() + b"}"


def _by_item(value: Any) -> str:
    """A value as JSON, a list item by item: encoding a novel's at once would hold up every other thread."""
    return f"[{', '.join(map(to_json, value))}]" if isinstance(value, list) else to_json(value)


class _Closing(Exception):
    """The story is being closed, and nobody waits for the reading any more."""


class OpenStory:
    """A project that this server holds, what was found in it, and whoever listens to what happens to it."""

    def __init__(self, id: str, project: Project) -> None:
        """Begins to read it."""
        self.id, self.project, self.bus = id, project, Bus()
        kept = project.setting("budget", {})
        self.budget = Budget(**kept)
        self._proposed: dict[str, int] = {}  # revisions that suggestions of this session were proposed for
        self._text: tuple[int, bytes] | None = None
        self._words: tuple[int, int] | None = None
        self._working: set[threading.Event] = set()  # what ends the work of providers
        self._guard = threading.Condition()
        self._closing = False
        self._version = 1  # of the text and the facts
        self._begun = 0  # the version that was read last, or is being read
        self._first = self._last = time.monotonic()  # changes since
        self._earliest = self._last + NOBODY_ASKS  # of the first reading, unless somebody waits for it
        self._reading: Reading | None = None
        self._failed: tuple[int, str] | None = None
        self._waiting: list[tuple[int, Future[Reading]]] = []
        self._kept: tuple[float, Reading] | None = None  # when which analyses were written to the project
        self._thread = threading.Thread(target=self._keep_reading, name=f"reading {id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the reading and whatever providers do, and let others open the project."""
        with self._guard:
            self._closing = True
            self._guard.notify_all()
        self.cancel()
        self._thread.join(_PATIENCE)  # it may be importing what it reads with; it finds the project closed then
        _answer([future for _, future in self._waiting], _ending())
        if self._reading is not None and (self._kept is None or self._kept[1] is not self._reading):
            self._keep_analyses(self._reading)
        self.project.close()
        self.bus.close()

    # -- what it is now

    def text_answer(self) -> bytes:
        """The text and its revision as JSON, encoded once for each revision."""
        with self._guard:
            self._earliest = min(self._earliest, time.monotonic() + TEXT_FIRST)
            self._guard.notify_all()
        with self.project.still():
            revision, text = self.project.revision, self.project.text
        kept = self._text
        if kept is None or kept[0] != revision:
            kept = self._text = revision, json.dumps({"text": text, "revision": revision}, ensure_ascii=False).encode()
        return kept[1]

    def words(self) -> int:
        """How many words it has, counted once for each revision."""
        with self.project.still():
            revision, text = self.project.revision, self.project.text
        kept = self._words
        if kept is None or kept[0] != revision:
            kept = self._words = revision, count_words(text)
        return kept[1]

    def standing(self) -> dict[str, int]:
        """Where the project stands: `revision` and `node`."""
        return {"revision": self.project.revision, "node": self.project.node}

    def changed(self, *, told: bool = True) -> dict[str, int]:
        """Tell everybody that something is on the disk; where the project stands now.

        `told`: the text or the facts may be others than before, and the story is to be read again.
        """
        with self.project.still():
            standing = self.standing()
        if told:
            with self._guard:
                self._last = time.monotonic()
                if self._begun == self._version:
                    self._first = self._last
                self._version += 1
                self._guard.notify_all()
        self.bus.publish("saved", standing)
        return standing

    # -- what was found in it

    def newest(self) -> Future[Reading]:
        """The reading of the present state, or of a later one. It begins now if it has not yet."""
        future: Future[Reading] = Future()
        with self._guard:
            if self._closing:
                future.set_exception(_ending())
            elif self._reading is not None and self._reading.version >= self._version:
                future.set_result(self._reading)
            elif self._failed is not None and self._failed[0] >= self._version:
                future.set_exception(Failure(500, "reading_failed", self._failed[1]))
            else:
                self._waiting.append((self._version, future))
                self._guard.notify_all()
        return future

    def last_reading(self) -> Reading | None:
        """The newest reading there is, of whatever state."""
        return self._reading

    def extraction_answer(self) -> bytes:
        """The newest reading as JSON, with its revision and whether it is that of the present text."""
        with self._guard:
            reading, state = self._reading, self._state()
            more = {"message": self._failed[1]} if self._failed is not None and state == "failed" else {}
        if reading is None:
            present = self.project.present()
            reading = Reading(0, present.story, present.revision, Extraction(present.story.language))
        head = {
            "revision": reading.revision,
            "state": state,
            "dismissed": self.project.setting("dismissed", []),
            **more,
        }
        return f"{to_json(head)[:-1]}, ".encode() + reading.encoded()

    def reading_state(self) -> dict[str, Any]:
        """`revision` of the newest reading (None: there is none yet) and `state`: `ready`, `running` or `failed`."""
        with self._guard:
            return {"revision": None if self._reading is None else self._reading.revision, "state": self._state()}

    def _state(self) -> str:
        if self._failed is not None and self._failed[0] >= self._version:
            return "failed"
        return "ready" if self._reading is not None and self._reading.version >= self._version else "running"

    def _keep_reading(self) -> None:
        """The thread: read whenever it is time to, until the story is closed."""
        while (version := self._next()) is not None:
            try:
                self._read(version)
            except _Closing:
                return
            except Exception as fault:
                if self._closing:
                    return
                self._fail(version, fault)

    def _next(self) -> int | None:
        """Wait until it is time to read; the version that will be read. None: the story is being closed."""
        with self._guard:
            while not self._closing:
                if self._begun == self._version:
                    self._guard.wait()
                    continue
                due = min(self._last + PAUSE, self._first + LONGEST_WAIT) - time.monotonic()
                if self._begun == 0:
                    due = max(due, self._earliest - time.monotonic())
                if due <= 0 or self._waiting:
                    self._begun = self._version
                    return self._begun
                self._guard.wait(due)
            return None

    def _read(self, version: int) -> None:
        present, before = self.project.present(), self._reading
        self.bus.publish("extraction", {"revision": present.revision, "state": "running"})
        pack = load(present.story.language)
        if self._closing:
            raise _Closing
        extraction = Extractor(pack).extract(
            present.story,
            previous=None if before is None else before.extraction,
            facts=present.facts,
            known=self.project.analyses(pack.hash) if before is None else None,
            show=self._show,
        )
        reading = Reading(version, present.story, present.revision, extraction)
        with self._guard:
            self._reading, self._failed = reading, None
            ready = self._answered(version)
        _answer(ready, reading)
        reading.encoded()
        self.bus.publish("extraction", self.reading_state())
        if before is None and len(present.story.paragraphs) > _LONG:
            gc.freeze()  # a collector that goes through a novel's words again and again finds nothing there
        if self._kept is None or time.monotonic() >= self._kept[0] + KEEP_AFTER:
            self._keep_analyses(reading)
        if before is None and not extraction.stats["parsed"] and not self._closing:
            pack.analyse(["Anna left."])  # all was known; the networks are loaded before the first change needs them

    def _answered(self, version: int) -> list[Future[Reading]]:
        """Those who wait for a version up to this one, and do not any more."""
        ready = [future for wanted, future in self._waiting if wanted <= version]
        self._waiting = [each for each in self._waiting if each[0] > version]
        return ready

    def _show(self, done: int, total: int) -> None:
        if self._closing:
            raise _Closing
        if total > 1:
            self.bus.publish("progress", {"what": "reading", "done": done, "total": total})

    def _fail(self, version: int, fault: Exception) -> None:
        if isinstance(fault, UserError):
            sentence = str(fault)
        else:
            traceback.print_exception(fault, file=sys.stderr)
            sentence = "A fault in Gnomon: the story could not be read; the traceback is where the server was started."
        with self._guard:
            self._failed = version, sentence
            ready = self._answered(version)
        _answer(ready, Failure(500, "reading_failed", sentence))
        self.bus.publish("extraction", {**self.reading_state(), "message": sentence})

    def _keep_analyses(self, reading: Reading) -> None:
        """Write what the pack saw to the project, so that opening it again needs no reading."""
        try:
            self.project.keep_analyses(reading.extraction)
        except UserError as fault:  # the disk is full: the story was read all the same
            if not self._closing:
                print(fault, file=sys.stderr)
        self._kept = time.monotonic(), reading

    # -- suggestions

    def keep(self, suggestion: Suggestion, revision: int, extraction: Extraction | None = None) -> dict[str, Any]:
        """Store a suggestion that was proposed for `revision`, and tell everybody; ready for JSON.

        One without hunks is not stored: there is nothing to decide, and its notes say why.
        """
        if not suggestion.hunks:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            return Proposal(suggestion, {}, {}, frozenset(), self.project.revision, now).to_dict()
        proposal = self.project.suggest(suggestion, revision=revision, extraction=extraction)
        self._proposed[proposal.suggestion.id] = revision
        self.bus.publish("suggestion", {"id": proposal.suggestion.id})
        self.changed(told=False)
        return proposal.to_dict()

    def proposed_for(self, suggestion: str) -> int:
        """The revision that a suggestion was proposed for, as far as is known: the present one if it is not."""
        return self._proposed.get(suggestion, self.project.revision)

    @contextmanager
    def working(self, stop: threading.Event) -> Iterator[None]:
        """While a provider works, which `stop` ends; `cancel` sets it. What the work cost is kept."""
        self._working.add(stop)
        self.bus.publish("progress", {"what": "provider", "done": 0, "total": 1})
        spent = self.budget.spent_tokens
        try:
            yield
        finally:
            self._working.discard(stop)
            self.bus.publish("progress", {"what": "provider", "done": 1, "total": 1})
            if self.budget.spent_tokens != spent:
                self.keep_budget()

    def keep_budget(self) -> None:
        """Write the cap and what was spent to the project."""
        self.project.set_setting("budget", self.budget_document())

    def budget_document(self) -> dict[str, Any]:
        """The cap and what was spent, ready for JSON."""
        names = ("max_tokens", "max_cost", "spent_tokens", "spent_cost")
        return {name: getattr(self.budget, name) for name in names}

    def cancel(self) -> None:
        """End whatever providers do for this story."""
        for stop in tuple(self._working):
            stop.set()


def _answer(waiting: list[Future[Reading]], found: Reading | Failure) -> None:
    """Tell those who wait for a reading, and still do."""
    for future in waiting:
        if future.set_running_or_notify_cancel():
            if isinstance(found, Failure):
                future.set_exception(found)
            else:
                future.set_result(found)


def _ending() -> Failure:
    return Failure(503, "closing", "The server is ending.")


class Stories:
    """The projects of a folder, by id, and others that were opened by path; `settings` is where providers are kept.

    An id is made of the file's name and stays the same. What is opened stays open until `close`.
    """

    def __init__(self, folder: Path, settings: Path | None = None) -> None:
        self.folder = folder
        self.providers = Providers(settings)
        self._opening = threading.Lock()
        self._open: dict[str, OpenStory] = {}
        self._paths: dict[str, Path] = {}
        self._counted: dict[Path, tuple[tuple[int, int], int, str]] = {}
        self._closed = False

    def close(self) -> None:
        """Close every story."""
        with self._opening:
            self._closed = True
            stories, self._open = list(self._open.values()), {}
        for story in stories:
            story.close()

    def create(self, story: Story, source: Path | None = None) -> OpenStory:
        """A new project of `story` in the folder, named after its title."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._opening:
            name = slug(story.title)[:_NAME].strip("-") if story.title.strip() else "story"
            path, number = self.folder / f"{name}{PROJECT}", 1
            while path.exists():
                number += 1
                path = self.folder / f"{name}-{number}{PROJECT}"
            return self._created(path, story, source)

    def create_at(self, path: Path, story: Story, source: Path | None = None) -> str:
        """A new project at `path`; its id. Raises UserError where there is something already."""
        with self._opening:
            return self._created(path, story, source).id

    def _created(self, path: Path, story: Story, source: Path | None) -> OpenStory:
        return self._hold(path, Project.create(path, story, source=source))

    def open_path(self, path: Path) -> str:
        """Open the project at `path`; its id. Raises UserError where that cannot be."""
        with self._opening:
            id = self._id_of(path)
            if id not in self._open:
                self._hold(path, Project.open(path))
            return id

    def already_open(self, id: str) -> OpenStory | None:
        """The story of an id, if it is open."""
        return self._open.get(id)

    def get(self, id: str) -> OpenStory:
        """The open story of an id. Raises Failure: 404 for an unknown one, 409 or 422 for one that cannot be opened."""
        with self._opening:
            found = self.already_open(id)
            if found is not None:
                return found
            path = self._known().get(id)
            if path is None or not path.is_file():
                raise Failure(404, "not_found", f"There is no story {id!r}.")
            try:
                project = Project.open(path)
            except storage.Locked as fault:
                raise Failure(409, "locked", str(fault)) from fault
            except storage.DamagedProject as fault:
                raise Failure(422, "damaged", str(fault)) from fault
            except UserError as fault:
                raise Failure(422, "not_opened", str(fault)) from fault
            return self._hold(path, project)

    def _hold(self, path: Path, project: Project) -> OpenStory:
        if self._closed:
            project.close()
            raise _ending()
        id = self._id_of(path)
        self._open[id] = OpenStory(id, project)
        return self._open[id]

    # -- ids

    def _known(self) -> dict[str, Path]:
        """Ids and paths of all projects: those of the folder as it is now, and those opened from elsewhere."""
        if self.folder.is_dir():
            for path in sorted(self.folder.glob(f"*{PROJECT}")):
                if not (path.name.startswith(".") or _ASIDE.search(path.stem)):
                    self._id_of(path)
        return dict(self._paths)

    def _id_of(self, path: Path) -> str:
        """The id of a project. A file's name that is not an id, beside one that would have the same, gets a mark."""
        path = path.absolute()
        for id, known in self._paths.items():
            if known == path:
                return id
        id = slug(path.stem)
        if id != path.stem or id in self._paths:
            same = [each for each in path.parent.glob(f"*{PROJECT}") if slug(each.stem) == id]
            if len(same) > 1 or id in self._paths:
                id = f"{id}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"
        self._paths[id] = path
        return id

    # -- the list

    def list(self) -> list[dict[str, Any]]:
        """A row for each project, the one changed last first. None is opened for it, and nothing is written."""
        until = time.monotonic() + LISTING
        with self._opening:
            known = self._known()
        rows = [(_modified(path), self._row(id, path, until)) for id, path in known.items() if path.is_file()]
        rows.sort(key=lambda each: (-each[0], each[1]["id"]))
        return [
            {**row, "modified": datetime.fromtimestamp(modified, UTC).isoformat(timespec="seconds")}
            for modified, row in rows
        ]

    def _row(self, id: str, path: Path, until: float) -> dict[str, Any]:
        row = {"id": id, "title": path.stem, "language": None, "words": None, "path": path.name, "open": False}
        story = self._open.get(id)
        if story is not None:
            language = story.project.present().story.language
            return {**row, "title": story.project.title, "language": language, "words": story.words(), "open": True}
        owner = storage.owner(path)
        if owner is not None:
            return {**row, "error": f"{path} is open in process {owner}; close it there first."}
        try:
            return {**row, **self._looked_up(path, until)}
        except (sqlite3.Error, LookupError, ValueError, TypeError) as fault:
            return {**row, "error": f"{path} is damaged, or no project ({fault})."}

    def _looked_up(self, path: Path, until: float) -> dict[str, Any]:
        """What a project that nobody holds says of itself."""
        with closing(storage.look(path)) as db:
            meta = dict(db.execute("SELECT key, value FROM meta"))
            found: dict[str, Any] = {"title": meta["title"], "language": None}
            if meta["language"] != "auto":
                found["language"] = meta["language"]
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size)
            counted = self._counted.get(path)
            if (counted is None or counted[0] != state) and time.monotonic() < until:
                (node,) = db.execute("SELECT node FROM head").fetchone()
                text = history.text_at(db, node)
                counted = self._counted[path] = state, count_words(text), detect_language(text)
        if counted is not None and counted[0] == state:
            found |= {"words": counted[1], "language": found["language"] or counted[2]}
        return found


def _modified(path: Path) -> float:
    """When a project was changed last, in seconds since 1970."""
    log = path.with_name(path.name + "-wal")
    return max(each.stat().st_mtime for each in (path, log) if each.exists())
