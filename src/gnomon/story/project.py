"""A story's project: one file with the text, all that was done to it, the writer's facts, proposals and decisions.

Every call that changes something has it on the disk when it returns, or changes nothing. The story's own file is
written by `save` alone.
"""

import json
import re
import sqlite3
import threading
import zlib
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from gnomon.errors import UserError
from gnomon.runs.files import sha256, to_json
from gnomon.story import history, preferences, storage
from gnomon.story.analysis import Analysis
from gnomon.story.anchors import Anchor, Edit
from gnomon.story.document import Story, _moved_scenes
from gnomon.story.edits import Hunk, Suggestion, word_diff
from gnomon.story.formats import read, write
from gnomon.story.history import EMPTY, Change, Decision, History, Kept, Place, State, Step
from gnomon.story.records import FACT_KINDS, Extraction, Fact

_STATES = 64  # states of nodes kept in memory
_REVISIONS = 2000  # changes of text kept in memory, for proposals that were asked for before them
_EDITED_ONE_BY_ONE = 16  # from so many edits on, reading the whole text anew is faster
_REFUSED = re.compile("[\x00\ud800-\udfff]")

_Scenes = tuple[tuple[int, int], ...]


class Conflict(UserError):
    """What was asked for belongs to another text than the project's; `revision` is the one it has now."""

    def __init__(self, message: str, revision: int) -> None:
        super().__init__(message)
        self.revision = revision


class NotThere(UserError):
    """A suggestion, fact or step of the history that a project does not have."""


class EditError(UserError):
    """An edit that cannot be one of this text; `field` says which part of what was sent, `edits[1].start`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Proposal(NamedTuple):
    """A suggestion in a project.

    `suggestion` is as it was proposed, `places` say where its undecided hunks lie now, `decisions` what became of the
    others. A hunk in `changed` cannot be accepted any more: its text is no longer what it was proposed for.
    """

    suggestion: Suggestion
    places: Mapping[str, tuple[int, int]]
    decisions: Mapping[str, Decision]
    changed: frozenset[str]
    revision: int
    time: str

    @property
    def decided(self) -> bool:
        """Whether no hunk is open."""
        return not self.places

    @property
    def remaining(self) -> Suggestion:
        """The undecided hunks, where they lie now."""
        left = tuple(
            replace(hunk, start=self.places[hunk.id][0], end=self.places[hunk.id][1])
            for hunk in self.suggestion.hunks
            if hunk.id in self.places
        )
        return replace(self.suggestion, hunks=left, alternatives=())

    def to_dict(self) -> dict[str, Any]:
        """The suggestion, ready for JSON; each hunk with `decision` (None: open), `changed`, and where it lies now."""
        found = self.suggestion.to_dict()
        for hunk in found["hunks"]:
            id = hunk["id"]
            decision = self.decisions.get(id)
            hunk["start"], hunk["end"] = self.places.get(id, (hunk["start"], hunk["end"]))
            hunk["decision"] = None if decision is None else decision.decision
            hunk["changed"] = id in self.changed
            if decision is not None and decision.decision == "edited":
                hunk["edited_to"] = decision.text
        return {**found, "state": "decided" if self.decided else "open", "revision": self.revision, "time": self.time}


class Present(NamedTuple):
    """What belongs together: the story at one revision, and the facts that hold there."""

    story: Story
    revision: int
    facts: tuple[Fact, ...]


class Project:
    """A project that this process holds; made by `create` or `open`, and closed by `close` or the end of `with`.

    It can be used from several threads. Positions are code points of `text`.
    """

    def __init__(self, path: Path, lock: storage.Lock, db: sqlite3.Connection) -> None:
        """Of an open database; `Project.open` is the way to one."""
        self.path = path
        self._lock_file, self._db = lock, db
        self._guard = threading.RLock()
        self._closed = False
        self._meta: dict[str, str] = dict(db.execute("SELECT key, value FROM meta"))
        node, self._revision = db.execute("SELECT node, revision FROM head").fetchone()
        step = history.step(db, node)
        if step is None:
            raise LookupError(f"node {node} is missing")
        self._at: Step = step
        self._text = history.text_at(db, node)
        self._states: OrderedDict[int, State] = OrderedDict()
        self._state_at(node)
        self._story: Story | None = None
        self._pending: list[Edit] = []
        self._recent: deque[tuple[int, tuple[Edit, ...]]] = deque(maxlen=_REVISIONS)

    # -- opening and closing

    @classmethod
    def create(cls, path: str | Path, story: Story, *, source: str | Path | None = None) -> "Project":
        """A new project of `story` at `path`, open. `source` is the file the story was read from, which `save` writes.

        Raises UserError where there is something at `path`, or another process has it.
        """
        path = Path(path)
        language = "auto" if story._auto else story.language
        meta = {"title": story.title, "language": language, "newline": story.newline, "encoding": story.encoding}
        if source is not None:
            try:
                meta |= {"source": str(Path(source).absolute()), "source_sha256": sha256(source)}
            except OSError as fault:
                raise UserError(f"{source} could not be read: {(fault.strerror or str(fault)).lower()}.") from fault

        def fill(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            node = history.add_node(db, None, "start", _now(), (), story.text, EMPTY, scenes=story._given)
            db.execute("INSERT INTO head VALUES (?, 1)", (node,))

        lock = storage.Lock(path)
        try:
            storage.create(path, fill)
        except BaseException:
            lock.release()
            raise
        project = cls._held(path, lock)
        project._story = story
        return project

    @classmethod
    def open(cls, path: str | Path) -> "Project":
        """The project at `path`.

        Raises UserError where there is none, another process has it, or a newer Gnomon wrote it; `DamagedProject` where
        it cannot be read, after it was copied aside with whatever text it still gives.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"There is no project at {path}; gnomon story open makes one from a story's file.")
        return cls._held(path, storage.Lock(path))

    @classmethod
    def _held(cls, path: Path, lock: storage.Lock) -> "Project":
        """The project at `path`, whose lock we have."""
        db: sqlite3.Connection | None = None
        try:
            try:
                db = storage.open_database(path)
                return cls(path, lock, db)
            except sqlite3.DatabaseError as fault:
                if not storage.is_damage(fault):
                    raise UserError(f"{path} could not be opened: {fault}.") from fault
                raise storage.set_aside(path, history.readable_text) from fault
            except (LookupError, TypeError, zlib.error, json.JSONDecodeError, UnicodeDecodeError) as fault:
                raise storage.set_aside(path, history.readable_text) from fault
        except BaseException:
            if db is not None:
                db.close()
            lock.release()
            raise

    def close(self) -> None:
        """Let others open the project. Nothing is left to be written."""
        with self._guard:
            if not self._closed:
                self._closed = True
                self._db.close()
                self._lock_file.release()

    def __enter__(self) -> "Project":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            if self._closed:
                raise UserError(f"{self.path} was closed; open it again.")
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as db, storage.transaction(db, self.path):
            yield db

    # -- the text

    @property
    def title(self) -> str:
        """The story's title."""
        return self._meta["title"]

    @property
    def revision(self) -> int:
        """Grows with every change of the text."""
        return self._revision

    @property
    def text(self) -> str:
        """The story's text."""
        return self._text

    @property
    def node(self) -> int:
        """The step of the history where the project stands."""
        return self._at.id

    @contextmanager
    def still(self) -> Iterator[None]:
        """While inside, no other thread changes the project: what is asked of it belongs together."""
        with self._using():
            yield

    @property
    def story(self) -> Story:
        """The story as it is now. Only what has changed since it was last asked for is read again."""
        return self.present().story

    def present(self) -> Present:
        """The story as it is now, with its revision and the facts that hold.

        Reading a whole novel takes a moment, in which the project can be changed by others.
        """
        with self._using():
            base, pending, at, text = self._story, tuple(self._pending), self._at, self._text
            revision, facts = self._revision, tuple(self.facts.values())
        if base is None or len(pending) > _EDITED_ONE_BY_ONE:
            story = Story.from_text(
                text,
                title=self._meta["title"],
                language=self._meta["language"],
                scenes=at.scenes,
                newline=self._meta["newline"],
                encoding=self._meta["encoding"],
            )
        else:
            story = base
            for edit in pending:
                story = story.edit(*edit)
        with self._guard:
            if self._at is at and self._story is base:
                self._story = story
                self._pending.clear()
        return Present(story, revision, facts)

    def edit(self, revision: int, edits: Iterable[tuple[int, int, str]]) -> int:
        """Apply edits (start, end, text) one after the other, all or none; the new revision.

        Raises `Conflict` where the text is not at `revision` any more, and `EditError` for an edit outside the text or
        with a NUL or lone surrogate in it.
        """
        with self._using():
            self._check_revision(revision)
            changes, text = self._changes(list(edits), "edits")
            if changes:
                self._step("edit", changes, text)
            return self._revision

    def _check_revision(self, revision: int) -> None:
        if revision != self._revision:
            raise Conflict(
                f"{self.path} is at revision {self._revision} and not {revision}: the text has changed since.",
                self._revision,
            )

    def _changes(self, edits: Sequence[tuple[int, int, str]], field: str) -> tuple[list[Change], str]:
        """The edits with what they remove, those that change nothing left out; and the text after them."""
        changes: list[Change] = []
        text, size, lowest = self._text, len(self._text), len(self._text)
        waiting = 0  # the last changes, each before the one before it, which `text` does not have yet
        for number, edit in enumerate(edits):
            start, end, new = _checked(edit, size, f"{field}[{number}]")
            if end > lowest:  # it may touch what those have made
                text = history.applied(text, changes[len(changes) - waiting :])
                waiting = 0
            removed = text[start:end]
            lowest = start
            if removed != new:
                changes.append(Change(start, removed, new))
                waiting += 1
                size += len(new) - len(removed)
        return changes, history.applied(text, changes[len(changes) - waiting :])

    def _step(
        self,
        kind: str,
        changes: Sequence[Change] = (),
        text: str | None = None,
        *,
        state: State | None = None,
        subject: int | None = None,
        decided: Mapping[str, Mapping[str, Decision]] | None = None,
        time: str = "",
        fact: str | None = None,
    ) -> int:
        """One more step from where the project stands, on the disk; its id."""
        text = self._text if text is None else text
        edits = tuple(change.edit for change in changes)
        state = history.state_after(self._state, edits, decided or {}) if state is None else state
        scenes = self._at.scenes
        if scenes is not None:
            for edit in edits:
                scenes = _moved_scenes(scenes, edit)
        revision = self._revision + bool(changes)
        with self._writing() as db:
            if fact is not None:
                db.execute("INSERT INTO facts VALUES (?, ?)", (subject, fact))
            node = history.add_node(
                db, self._at, kind, time or _now(), changes, text, state, scenes=scenes, subject=subject
            )
            db.executemany(
                "INSERT INTO decisions VALUES (?, ?, ?, ?, ?)",
                [
                    (node, name, hunk, each.decision, each.text)
                    for name, some in (decided or {}).items()
                    for hunk, each in some.items()
                ],
            )
            db.execute("UPDATE head SET node = ?, revision = ?", (node, revision))
            at = history.step(db, node)
            assert at is not None
        self._stand_at(at, text, revision, edits, state)
        return node

    def _stand_at(
        self, at: Step, text: str, revision: int, edits: tuple[Edit, ...] | None, state: State | None = None
    ) -> None:
        """What is in memory follows what is on the disk; `edits` lead to the text, None where that is not known."""
        self._at, self._text = at, text
        if state is not None:
            self._keep_state(at.id, state)
        if revision != self._revision:
            self._revision = revision
            if edits is None:
                self._story = None
                self._pending.clear()
                self._recent.clear()
            else:
                if self._story is not None and len(self._pending) <= _EDITED_ONE_BY_ONE:
                    self._pending += edits
                self._recent.append((revision, edits))

    # -- states

    @property
    def _state(self) -> State:
        return self._state_at(self._at.id)

    def _state_at(self, node: int) -> State:
        found = self._states.get(node)
        if found is None:
            found = history.state_at(self._db, node)
        self._keep_state(node, found)
        return found

    def _keep_state(self, node: int, state: State) -> None:
        self._states[node] = state
        self._states.move_to_end(node)
        while len(self._states) > _STATES:
            self._states.popitem(last=False)

    # -- history

    def history(self) -> History:
        """Every step there ever was, and where the project stands."""
        with self._using() as db:
            return history.history_of(db)

    def undo(self) -> int:
        """Go one step back: text, facts and decisions. The revision; the same one where there is nothing to undo."""
        with self._using():
            parent = self._at.parent
            if parent is not None:
                self._go(parent, history.undone(self._at.changes))
            return self._revision

    def redo(self) -> int:
        """Go on to the step last undone, or last made from here. The revision; the same one where there is none."""
        with self._using() as db:
            child = self._at.redo
            if child is not None:
                ahead = history.step(db, child)
                assert ahead is not None
                self._go(child, ahead.changes)
            return self._revision

    def restore(self, node: int) -> int:
        """Go to any step of the history: its text, facts and decisions. The revision.

        What was done since stays in the history. Raises `NotThere` for a node there is not.
        """
        with self._using() as db:
            if type(node) is not int or history.step(db, node) is None:
                raise NotThere(f"{self.path} has no node {node!r} in its history.")
            if node != self._at.id:
                self._go(node, None)
            return self._revision

    def _go(self, node: int, changes: Sequence[Change] | None) -> None:
        """Stand at another node; `changes` lead to its text where that is known."""
        text = history.text_at(self._db, node) if changes is None else history.applied(self._text, changes)
        revision = self._revision + (text != self._text)
        came_from = self._at
        with self._writing() as db:
            if came_from.parent == node:
                db.execute("UPDATE nodes SET redo = ? WHERE id = ?", (came_from.id, node))
            db.execute("UPDATE head SET node = ?, revision = ?", (node, revision))
            at = history.step(db, node)
            assert at is not None
        edits = None if changes is None else tuple(change.edit for change in changes)
        self._stand_at(at, text, revision, edits)
        if at.scenes is not None:  # the caller's own scenes are as they were, which going back does not make them
            self._story = None
            self._pending.clear()

    def snapshot(self, label: str) -> int:
        """Give the step where the project stands a name; its node. A name can be given once."""
        if not isinstance(label, str) or not label.strip() or _REFUSED.search(label):
            raise UserError(f"{self.path}: a snapshot needs a name, and {label!r} is none.")
        with self._using() as db:
            label = label.strip()
            taken = db.execute("SELECT node FROM snapshots WHERE label = ?", (label,)).fetchone()
            if taken is not None:
                raise UserError(f"{self.path} has a snapshot {label!r} already (node {taken[0]}); choose another name.")
            with self._writing():
                db.execute("INSERT INTO snapshots VALUES (?, ?, ?)", (label, self._at.id, _now()))
            return self._at.id

    # -- facts

    @property
    def facts(self) -> Mapping[int, Fact]:
        """The writer's facts by number, in the order in which they were declared; their anchors moved with the text."""
        return self._facts(lost=False)

    @property
    def lost_facts(self) -> Mapping[int, Fact]:
        """The facts whose anchor is gone from the text: kept, and not to be applied."""
        return self._facts(lost=True)

    def _facts(self, *, lost: bool) -> Mapping[int, Fact]:
        with self._using():
            found = {number: kept.fact for number, kept in self._state.facts.items() if kept.lost == lost}
            return MappingProxyType(found)

    def add_fact(self, fact: Fact) -> int:
        """Declare a fact; its number. A step of the history.

        Raises UserError for a kind there is not, and `Conflict` for an anchor that does not fit the text.
        """
        with self._using() as db:
            if fact.kind not in FACT_KINDS:
                raise UserError(f"There is no kind of fact {fact.kind!r}; there are {', '.join(FACT_KINDS)}.")
            for part in (fact.subject, fact.value):
                if isinstance(part, Anchor):
                    if self._text[part.start : part.end] != part.quote or not 0 <= part.start < part.end:
                        raise Conflict(
                            f"{self.path}: the fact is anchored on {part.quote!r} at {part.start}, which is not there"
                            f" at revision {self._revision}.",
                            self._revision,
                        )
                elif part is not None and (not isinstance(part, str) or _REFUSED.search(part)):
                    raise UserError(f"A fact is about an anchor, an id or a name; {part!r} is none of these.")
            (last,) = db.execute("SELECT coalesce(max(id), 0) FROM facts").fetchone()
            facts = {**self._state.facts, last + 1: Kept(fact, False)}
            stored = json.dumps(fact.to_dict(), ensure_ascii=False)
            self._step("fact", state=self._state._replace(facts=facts), subject=last + 1, fact=stored)
            return int(last) + 1

    def remove_fact(self, number: int) -> None:
        """Take a fact back. A step of the history. Raises `NotThere` for a number there is not."""
        with self._using():
            facts = dict(self._state.facts)
            if facts.pop(number, None) is None:
                raise NotThere(f"{self.path} has no fact {number!r}.")
            self._step("no_fact", state=self._state._replace(facts=facts), subject=number)

    # -- proposals

    def suggest(
        self, suggestion: Suggestion, *, revision: int | None = None, extraction: Extraction | None = None
    ) -> Proposal:
        """Keep a suggestion for decisions. Where its id is taken, it gets `-2`, `-3`.

        `revision` is the one it was proposed for, if the text may have changed since: its hunks move with the text.
        `extraction` tells the preference log, where that is on, who is named in the passage.

        Raises `Conflict` where the suggestion does not fit the text, or nobody knows any more what has changed since.
        """
        with self._using() as db:
            edits = self._edits_since(self._revision if revision is None else revision)
            if not edits:
                for hunk in suggestion.hunks:
                    if self._text[hunk.start : hunk.end] != hunk.before:
                        raise Conflict(
                            f"{self.path}: hunk {hunk.id} was proposed for {hunk.before!r} at {hunk.start}, which is"
                            f" not there at revision {self._revision}.",
                            self._revision,
                        )
            ids = [hunk.id for hunk in suggestion.hunks]
            if not ids or len(set(ids)) < len(ids):
                raise UserError(f"Suggestion {suggestion.id} has no hunks, or two of one id; nothing can be decided.")
            places = history.places_after(tuple(Place(h.id, h.start, h.end, False) for h in suggestion.hunks), edits)
            before = {hunk.id: hunk.before for hunk in suggestion.hunks}
            fits = all(not each.lost and self._text[each.start : each.end] == before[each.hunk] for each in places)
            passages: list[dict[str, Any]] = []
            if self.preferences and fits and not suggestion.intent.get("highlight"):
                at = {place.hunk: place for place in places}
                here = tuple(replace(h, start=at[h.id].start, end=at[h.id].end) for h in suggestion.hunks)
                # Where the text has moved on, nobody knows any more whom the extraction's positions mean.
                named = None if edits else extraction
                passages = preferences.passages(self.story, replace(suggestion, hunks=here), named)
            time = _now()
            name = self._free_id(db, suggestion.id)
            stored = replace(suggestion, id=name)
            with self._writing():
                db.execute(
                    "INSERT INTO suggestions (id, node, time, suggestion, places) VALUES (?, ?, ?, ?, ?)",
                    (name, self._at.id, time, to_json(stored.to_dict()), json.dumps(places)),
                )
                db.executemany(
                    "INSERT INTO log VALUES (?, ?, ?)",
                    [(name, number, to_json(passage)) for number, passage in enumerate(passages)],
                )
            state = self._state
            self._states.clear()  # those of the steps after this one have it too
            self._keep_state(self._at.id, state._replace(open={**state.open, name: places}))
            return self.proposal(name)

    def _edits_since(self, revision: int) -> list[Edit]:
        """What has changed the text since a revision."""
        if revision == self._revision:
            return []
        oldest = self._recent[0][0] - 1 if self._recent else self._revision
        if type(revision) is not int or not oldest <= revision < self._revision:
            raise Conflict(
                f"{self.path} is at revision {self._revision}, and what has changed since {revision} is not known any"
                " more: propose it again.",
                self._revision,
            )
        return [edit for number, edits in self._recent if number > revision for edit in edits]

    @staticmethod
    def _free_id(db: sqlite3.Connection, wanted: str) -> str:
        name, number = wanted, 1
        while db.execute("SELECT 1 FROM suggestions WHERE id = ?", (name,)).fetchone() is not None:
            number += 1
            name = f"{wanted}-{number}"
        return name

    def proposals(self) -> tuple[Proposal, ...]:
        """Every suggestion made up to this step of the history, open and decided, the earliest first."""
        with self._using() as db:
            known = self._state.open.keys() | self._state.decided.keys()
            rows = db.execute("SELECT id, time, suggestion FROM suggestions ORDER BY seq")
            return tuple(self._proposal(*row) for row in rows if row[0] in known)

    def proposal(self, suggestion: str) -> Proposal:
        """The suggestion of an id. Raises `NotThere` where there is none at this step of the history."""
        with self._using() as db:
            row = db.execute("SELECT id, time, suggestion FROM suggestions WHERE id = ?", (suggestion,)).fetchone()
            if row is None:
                raise NotThere(f"{self.path} has no suggestion {suggestion!r}.")
            if suggestion not in self._state.open and suggestion not in self._state.decided:
                raise NotThere(f"Suggestion {suggestion} belongs to a later step of the history of {self.path}.")
            return self._proposal(*row)

    def _proposal(self, id: str, time: str, stored: str) -> Proposal:
        suggestion = Suggestion.from_dict(json.loads(stored))
        places = self._state.open.get(id, ())
        before = {hunk.id: hunk.before for hunk in suggestion.hunks}
        changed = frozenset(
            place.hunk for place in places if place.lost or self._text[place.start : place.end] != before[place.hunk]
        )
        return Proposal(
            suggestion,
            MappingProxyType({place.hunk: (place.start, place.end) for place in places}),
            MappingProxyType(dict(self._state.decided.get(id, {}))),
            changed,
            self._revision,
            time,
        )

    def decide(
        self,
        suggestion: str,
        accept: Collection[str] | str = (),
        reject: Collection[str] | str = (),
        edited: Mapping[str, str] | None = None,
        *,
        revision: int | None = None,
    ) -> int:
        """Take hunks as proposed, leave them, or put one's own text in their place: one step; the new revision.

        `accept` and `reject` are ids of hunks; `accept="all"` takes those open that are neither unintended nor
        optional, `reject="all"` leaves all others that are open. Hunks that are not named stay open and move with the
        text. Raises UserError for a hunk that is none, decided already or named twice, and `Conflict` where the text of
        one to be taken has changed since it was proposed, or the text is not at `revision`; nothing is decided then.
        """
        with self._using():
            if revision is not None:
                self._check_revision(revision)
            proposal = self.proposal(suggestion)
            chosen = self._chosen(proposal, accept, reject, edited or {})
            time = _now()
            hunks = {hunk.id: hunk for hunk in proposal.suggestion.hunks}
            changes = []
            for place in reversed(self._state.open.get(suggestion, ())):
                if place.hunk in chosen and chosen[place.hunk][0] != "rejected":
                    before, text = hunks[place.hunk].before, chosen[place.hunk][1]
                    if before != text:
                        changes.append(Change(place.start, before, text))
            decided = {hunk: Decision(decision, text, time) for hunk, (decision, text) in chosen.items()}
            if decided:
                text = history.applied(self._text, changes)
                self._step("decision", changes, text, decided={suggestion: decided}, time=time)
            return self._revision

    def _chosen(
        self,
        proposal: Proposal,
        accept: Collection[str] | str,
        reject: Collection[str] | str,
        edited: Mapping[str, str],
    ) -> dict[str, tuple[str, str]]:
        """The decision on each hunk that is named, and what will stand in its place."""
        id = proposal.suggestion.id
        hunks: dict[str, Hunk] = {hunk.id: hunk for hunk in proposal.suggestion.hunks}
        taken = (
            [each for each in hunks if each in proposal.places and _plain(hunks[each])] if accept == "all" else accept
        )
        taken = [taken] if isinstance(taken, str) else list(taken)
        named = {*taken, *edited}
        left = [each for each in hunks if each in proposal.places and each not in named] if reject == "all" else reject
        left = [left] if isinstance(left, str) else list(left)
        if accept == "all":
            taken = [each for each in taken if each not in left and each not in edited]
        chosen: dict[str, tuple[str, str]] = {}
        for decision, names in (("accepted", taken), ("rejected", left), ("edited", list(edited))):
            for name in names:
                if name not in hunks:
                    raise UserError(f"Suggestion {id} has no hunk {name!r}; it has {', '.join(hunks)}.")
                if name in proposal.decisions:
                    was = proposal.decisions[name].decision
                    raise UserError(f"Hunk {name} of suggestion {id} was {was} already; undo goes back to before that.")
                if name in chosen:
                    raise UserError(f"Hunk {name} of suggestion {id} is named twice.")
                if decision != "rejected" and name in proposal.changed:
                    raise Conflict(
                        f"Hunk {name} of suggestion {id} was proposed for {hunks[name].before!r}, which has changed"
                        " since; propose it again.",
                        self._revision,
                    )
                text = {"accepted": hunks[name].after, "rejected": hunks[name].before}.get(decision, "")
                if decision == "edited":
                    text = edited[name]
                    if not isinstance(text, str) or _REFUSED.search(text):
                        raise EditError(f"edited.{name}", "a text without NUL and without lone surrogates is expected.")
                chosen[name] = (decision, text)
        return chosen

    # -- what the language pack saw

    def analyses(self, pack_hash: str) -> Mapping[str, Analysis]:
        """What a pack saw in paragraphs, by the hash of their text, for `Extractor.extract(known=...)`."""
        with self._using() as db:
            rows = db.execute("SELECT paragraph, analysis FROM analyses WHERE pack = ?", (pack_hash,)).fetchall()
        return {paragraph: Analysis.from_bytes(stored) for paragraph, stored in rows}

    def keep_analyses(self, extraction: Extraction) -> None:
        """Keep what the pack saw for an extraction, and nothing else: what was for other text or packs goes."""
        pack, records = extraction.cache.pack_hash, extraction.cache.records
        with self._using() as db:
            known = {row[0] for row in db.execute("SELECT paragraph FROM analyses WHERE pack = ?", (pack,))}
        fresh = [(pack, key, record.analysis.to_bytes()) for key, record in records.items() if key not in known]
        gone = [(pack, key) for key in known - records.keys()]
        with self._writing() as db:
            db.execute("DELETE FROM analyses WHERE pack <> ?", (pack,))
            db.executemany("DELETE FROM analyses WHERE pack = ? AND paragraph = ?", gone)
            db.executemany("INSERT OR REPLACE INTO analyses VALUES (?, ?, ?)", fresh)

    # -- the preference log

    @property
    def preferences(self) -> bool:
        """Whether the passages of suggestions are kept for `preference_lines`: not unless the writer wants it."""
        return self._meta.get("preferences") == "on"

    def keep_preferences(self, on: bool) -> None:
        """Turn the preference log on or off. Off, what is not decided yet is dropped; what is decided stays."""
        with self._writing() as db:
            self._set(db, "preferences", "on" if on else "off")
            if not on:
                db.executemany("DELETE FROM log WHERE suggestion = ?", [(name,) for name in self._state.open])
        self._meta["preferences"] = "on" if on else "off"

    def forget_preferences(self) -> None:
        """Empty the preference log."""
        with self._writing() as db:
            db.execute("DELETE FROM log")

    def preference_lines(self, *, redact: bool = False) -> Iterator[dict[str, Any]]:
        """One line for each decided suggestion that the log has, at this step of the history (see `preferences`).

        With `redact`, names are replaced by placeholders.
        """
        with self._using() as db:
            proposals = [each for each in self.proposals() if each.decided]
            kept: dict[str, list[dict[str, Any]]] = {}
            for name, passage in db.execute("SELECT suggestion, passage FROM log ORDER BY suggestion, number"):
                kept.setdefault(name, []).append(json.loads(passage))
        for proposal in proposals:
            name = proposal.suggestion.id
            for number, passage in enumerate(kept.get(name, ())):
                task = name if len(kept[name]) == 1 else f"{name}.{number + 1}"
                yield preferences.line(task, proposal.suggestion, proposal.decisions, passage, redact=redact)

    # -- what else belongs to the project

    def setting(self, key: str, default: Any = None) -> Any:
        """What was kept under `key`, such as warnings that were dismissed or a cap on spending."""
        stored = self._meta.get(f"setting:{key}")
        return default if stored is None else json.loads(stored)

    def set_setting(self, key: str, value: Any) -> None:
        """Keep a value that is ready for JSON; no step of the history."""
        stored = to_json(value)
        with self._writing() as db:
            self._set(db, f"setting:{key}", stored)
        self._meta[f"setting:{key}"] = stored

    # -- the story's own file

    @property
    def source(self) -> Path | None:
        """The file the story was read from."""
        return Path(self._meta["source"]) if "source" in self._meta else None

    def source_changed(self) -> bool:
        """Whether the story's file is not what it was when it was read or last saved (or is gone)."""
        source = self.source
        if source is None:
            return False
        try:
            return sha256(source) != self._meta["source_sha256"]
        except OSError:
            return True

    def save(self, *, overwrite: bool = False) -> Path:
        """Write the story to its own file, in that file's format; where that is.

        Raises UserError where it has none, or where another program has changed it since and not `overwrite`.
        """
        with self._using():
            source = self.source
            if source is None:
                raise UserError(f"{self.path} was not made from a file; export it to one.")
            if not overwrite and source.exists() and self.source_changed():
                raise UserError(f"{source} was changed by another program since it was read; export to another path.")
            write(self.story, source)
            digest = sha256(source)
            with self._writing() as db:
                self._set(db, "source_sha256", digest)
            self._meta["source_sha256"] = digest
            return source

    def reread(self) -> int:
        """Take over what another program made of the story's file, as one step of the fewest words; the revision.

        Facts and open hunks in words that are the same stay; others are lost or changed, and undo brings them back.
        """
        with self._using():
            source = self.source
            if source is None:
                raise UserError(f"{self.path} was not made from a file; there is none to be read again.")
            named = self._meta["encoding"]
            story = read(source, None if named.startswith("utf") else named)
            edits = [(piece.start, piece.end, piece.text) for piece in reversed(word_diff(self._text, story.text))]
            changes, text = self._changes(edits, "edits")
            if changes:
                self._step("outside", changes, text)
            found = {"source_sha256": sha256(source), "newline": story.newline, "encoding": story.encoding}
            with self._writing() as db:
                for key, value in found.items():
                    self._set(db, key, value)
            self._meta |= found
            self._at = self._at._replace()  # a story that is being read just now is of the line ends before
            self._story = None
            self._pending.clear()
            return self._revision

    @staticmethod
    def _set(db: sqlite3.Connection, key: str, value: str) -> None:
        db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )


def _plain(hunk: Hunk) -> bool:
    return not (hunk.unintended or hunk.optional)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _checked(edit: Any, size: int, field: str) -> tuple[int, int, str]:
    """An edit of a text of `size` characters. Raises EditError."""
    try:
        start, end, text = edit
    except (TypeError, ValueError):
        raise EditError(field, f"start, end and text are expected, not {edit!r}.") from None
    if not isinstance(text, str):
        raise EditError(f"{field}.text", f"a text is expected, not {text!r}.")
    if found := _REFUSED.search(text):
        raise EditError(f"{field}.text", f"U+{ord(found.group()):04X} is no character of a text.")
    if type(start) is not int or not 0 <= start <= size:
        raise EditError(f"{field}.start", f"a position from 0 to {size} is expected, not {start!r}.")
    if type(end) is not int or not start <= end <= size:
        raise EditError(f"{field}.end", f"a position from start, {start}, to {size} is expected, not {end!r}.")
    return start, end, text
