"""What happened to a project's text, as a tree: every node is its parent and some changes, and can be had again.

The state of a node (text, facts, open hunks and decisions) is a function of the changes from the last full copy above
it. A fact's anchors and the hunks nobody has decided on move with the text on the way.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from gnomon.story.anchors import Anchor, Edit
from gnomon.story.records import Fact

COPY_AFTER = 400
"""Steps after which a full copy is kept, unless the changes have come to weigh as much as the text before that."""

_LEAST_WEIGHT = 50_000
_PART = 8192  # characters of a text that a change copies


class Change(NamedTuple):
    """`text` in the place of `removed`, at `start`. Several are made one after the other."""

    start: int
    removed: str
    text: str

    @property
    def edit(self) -> Edit:
        """The same without what was removed."""
        return Edit(self.start, self.start + len(self.removed), self.text)


class Kept(NamedTuple):
    """A fact as its anchors are now; `lost` where the text of one of them is gone."""

    fact: Fact
    lost: bool


class Place(NamedTuple):
    """Where an open hunk lies now; `lost` where all of it is gone from the text."""

    hunk: str
    start: int
    end: int
    lost: bool


class Decision(NamedTuple):
    """`accepted`, `rejected` or `edited`; `text` is what stands there since."""

    decision: str
    text: str
    time: str


class State(NamedTuple):
    """All of a node but its text. Never changed in place: nodes share what they have in common."""

    facts: Mapping[int, Kept]
    open: Mapping[str, tuple[Place, ...]]
    decided: Mapping[str, Mapping[str, Decision]]

    def to_bytes(self) -> bytes:
        """Compressed JSON."""
        value = [
            {number: [kept.fact.to_dict(), kept.lost] for number, kept in self.facts.items()},
            self.open,
            self.decided,
        ]
        return zlib.compress(json.dumps(value, ensure_ascii=False).encode(), 1)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "State":
        """The inverse of `to_bytes`."""
        facts, places, decided = json.loads(zlib.decompress(stored))
        return cls(
            {int(number): Kept(fact_of(fact), lost) for number, (fact, lost) in facts.items()},
            {name: tuple(Place(*each) for each in some) for name, some in places.items()},
            {name: {hunk: Decision(*each) for hunk, each in some.items()} for name, some in decided.items()},
        )


EMPTY = State({}, {}, {})


class Node(NamedTuple):
    """One step.

    `kind`: `start`, `edit`, `outside` (another program's), `decision`, `fact` or `no_fact`; `added` and `removed`: how
    many characters; `labels`: the snapshots taken of it.
    """

    id: int
    parent: int | None
    kind: str
    time: str
    added: int
    removed: int
    labels: tuple[str, ...]


class History(NamedTuple):
    """Every step of a project in the order in which they were made, and the id of the one it stands at."""

    nodes: tuple[Node, ...]
    current: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "nodes": [{**node._asdict(), "labels": list(node.labels)} for node in self.nodes],
            "current": self.current,
        }


class Step(NamedTuple):
    """A node as it is stored, for going along the tree."""

    id: int
    parent: int | None
    kind: str
    time: str
    changes: tuple[Change, ...]
    scenes: tuple[tuple[int, int], ...] | None
    subject: int | None
    redo: int | None
    steps: int
    weight: int


# -- text -------------------------------------------------------------------------------------------------------------


def _from_the_end(changes: Sequence[Change]) -> bool:
    """Whether no change touches what one before it has made."""
    return all(later.start + len(later.removed) <= earlier.start for earlier, later in pairwise(changes))


def applied(text: str, changes: Sequence[Change]) -> str:
    """The text after the changes, one after the other; it is copied once or twice, however many they are."""
    if _from_the_end(changes):
        pieces, position = [], 0
        for start, removed, new in reversed(changes):
            pieces += [text[position:start], new]
            position = start + len(removed)
        return "".join([*pieces, text[position:]])
    parts = [text[at : at + _PART] for at in range(0, len(text), _PART)] or [""]
    for start, removed, new in changes:
        first = 0
        while start > len(parts[first]):
            start -= len(parts[first])
            first += 1
        last, end = first, start + len(removed)
        if end > len(parts[first]):
            size = len(parts[first])
            while end > size:
                last += 1
                size += len(parts[last])
            parts[first : last + 1] = ["".join(parts[first : last + 1])]
        part = parts[first]
        parts[first] = part[:start] + new + part[end:]
    return "".join(parts)


def undone(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes that take `changes` back."""
    if not _from_the_end(changes):
        return tuple(Change(start, new, removed) for start, removed, new in reversed(changes))
    found, shift = [], 0
    for start, removed, new in reversed(changes):
        found.append(Change(start + shift, new, removed))
        shift += len(new) - len(removed)
    return tuple(reversed(found))


# -- what moves with the text -----------------------------------------------------------------------------------------


def carried(start: int, end: int, edit: Edit) -> tuple[int, int] | None:
    """Where a span is after an edit, by the law of `Anchor.moved`; an empty one lies between two characters, and is
    lost when both are replaced together."""
    first, last, text = edit
    shift = len(text) - (last - first)
    if last <= start:
        return start + shift, end + shift
    if first >= end:
        return start, end
    if first <= start and end <= last:
        return None
    left, right = first > start, last < end
    if left and right:
        return start, end + shift
    if left:
        return start, first
    return first + len(text), end + shift


def _place_after(place: Place, edit: Edit) -> Place:
    found = carried(place.start, place.end, edit)
    if found is None:
        return Place(place.hunk, edit.start, edit.start, True)
    return place if found == (place.start, place.end) else Place(place.hunk, *found, place.lost)


def places_after(places: tuple[Place, ...], edits: Iterable[Edit]) -> tuple[Place, ...]:
    """The hunks of a suggestion after other edits of the text."""
    for edit in edits:
        places = tuple(_place_after(place, edit) for place in places)
    return places


def _fact_after(kept: Kept, edit: Edit) -> Kept:
    fact = kept.fact
    if kept.lost or not (isinstance(fact.subject, Anchor) or isinstance(fact.value, Anchor)):
        return kept
    moved = []
    for part in (fact.subject, fact.value):
        now = part.moved(edit) if isinstance(part, Anchor) else part
        if now is None and part is not None:
            return Kept(fact, True)
        moved.append(now)
    subject, value = moved
    return (
        kept
        if subject is fact.subject and value is fact.value
        else Kept(replace(fact, subject=subject, value=value), False)
    )


def state_after(state: State, edits: Sequence[Edit], decided: Mapping[str, Mapping[str, Decision]]) -> State:
    """The state after edits of the text, which may be those of decisions on hunks of one suggestion."""
    facts = state.facts
    for edit in edits if facts else ():
        facts = {number: _fact_after(kept, edit) for number, kept in facts.items()}
    places: dict[str, tuple[Place, ...]] = {}
    for name, some in state.open.items():
        if name not in decided:
            places[name] = places_after(some, edits) if edits else some
        elif left := _left(some, decided[name]):
            places[name] = left
    known = state.decided
    for name, some_decided in decided.items():
        known = {**known, name: {**known.get(name, {}), **some_decided}}
    return State(facts, places, known)


def _left(places: tuple[Place, ...], decided: Mapping[str, Decision]) -> tuple[Place, ...]:
    """The undecided hunks: each moves by what those before it have grown, and stays before those after it."""
    left, shift = [], 0
    for place in places:
        decision = decided.get(place.hunk)
        if decision is None:
            left.append(place._replace(start=place.start + shift, end=place.end + shift))
        elif decision.decision != "rejected":
            shift += len(decision.text) - (place.end - place.start)
    return tuple(left)


def fact_of(stored: Mapping[str, Any]) -> Fact:
    """The inverse of `Fact.to_dict`."""

    def part(value: Any) -> Any:
        return Anchor(**value) if isinstance(value, dict) else value

    return Fact(stored["kind"], part(stored["subject"]), part(stored["value"]))


# -- reading the tree -------------------------------------------------------------------------------------------------

_STEP = "SELECT id, parent, kind, time, changes, scenes, subject, redo, steps, weight, crc FROM nodes WHERE id = ?"


def step(db: sqlite3.Connection, node: int) -> Step | None:
    """A node as it is stored; None where there is none of that id."""
    row = db.execute(_STEP, (node,)).fetchone()
    if row is None:
        return None
    id, parent, kind, time, changes, scenes, subject, redo, steps, weight, crc = row
    if zlib.crc32(changes.encode()) != crc:
        raise LookupError(f"node {node} is not what was stored")
    return Step(
        id,
        parent,
        kind,
        time,
        tuple(Change(*each) for each in json.loads(changes)),
        None if scenes is None else tuple((start, end) for start, end in json.loads(scenes)),
        subject,
        redo,
        steps,
        weight,
    )


def _known_step(db: sqlite3.Connection, node: int) -> Step:
    found = step(db, node)
    if found is None:
        raise LookupError(f"node {node} is missing")
    return found


def _way(db: sqlite3.Connection, node: int) -> tuple[int, list[Step]]:
    """The node above (or at) `node` that has a full copy, and the steps from there."""
    steps: list[Step] = []
    while True:
        at = _known_step(db, node)
        if at.steps == 0:
            return node, steps[::-1]
        steps.append(at)
        assert at.parent is not None
        node = at.parent


def text_at(db: sqlite3.Connection, node: int) -> str:
    """The text of a node."""
    origin, steps = _way(db, node)
    (stored,) = db.execute("SELECT text FROM copies WHERE node = ?", (origin,)).fetchone()
    return applied(zlib.decompress(stored).decode(), [change for each in steps for change in each.changes])


def state_at(db: sqlite3.Connection, node: int) -> State:
    """All of a node but its text."""
    origin, steps = _way(db, node)
    stored, last = db.execute("SELECT state, suggestions FROM copies WHERE node = ?", (origin,)).fetchone()
    state = State.from_bytes(stored)
    if late := _late(db, origin, last):
        state = state._replace(open={**state.open, **late})
    for each in steps:
        state = _with_proposed(db, after_step(db, state, each), each.id)
    return state


def after_step(db: sqlite3.Connection, state: State, done: Step) -> State:
    """The state that a step makes of the one before it."""
    if done.kind == "fact":
        (stored,) = db.execute("SELECT fact FROM facts WHERE id = ?", (done.subject,)).fetchone()
        assert done.subject is not None
        return state._replace(facts={**state.facts, done.subject: Kept(fact_of(json.loads(stored)), False)})
    if done.kind == "no_fact":
        return state._replace(facts={number: kept for number, kept in state.facts.items() if number != done.subject})
    decided: dict[str, dict[str, Decision]] = {}
    if done.kind == "decision":
        for name, hunk, decision, text in db.execute(
            "SELECT suggestion, hunk, decision, text FROM decisions WHERE node = ?", (done.id,)
        ):
            decided.setdefault(name, {})[hunk] = Decision(decision, text, done.time)
    return state_after(state, [change.edit for change in done.changes], decided)


def _with_proposed(db: sqlite3.Connection, state: State, node: int) -> State:
    """The state with the suggestions that were made at a node."""
    rows = db.execute("SELECT id, places FROM suggestions WHERE node = ? ORDER BY seq", (node,)).fetchall()
    proposed = {name: _places(places) for name, places in rows}
    return state._replace(open={**state.open, **proposed}) if proposed else state


def _places(stored: str) -> tuple[Place, ...]:
    return tuple(Place(*each) for each in json.loads(stored))


def _late(db: sqlite3.Connection, node: int, last: int) -> dict[str, tuple[Place, ...]]:
    """Suggestions made above (or at) a node after its full copy: somebody had gone back there."""
    rows = db.execute(
        "SELECT id, node, places FROM suggestions WHERE seq > ? AND node <= ? ORDER BY seq", (last, node)
    ).fetchall()
    if not rows:
        return {}
    lowest = min(origin for _, origin, _ in rows)
    way = [_known_step(db, node)]
    while way[-1].parent is not None and way[-1].id > lowest:
        way.append(_known_step(db, way[-1].parent))
    above = {each.id: number for number, each in enumerate(way)}
    found = {}
    for name, origin, stored in rows:
        if origin in above:
            edits = [change.edit for each in reversed(way[: above[origin]]) for change in each.changes]
            found[name] = places_after(_places(stored), edits)
    return found


def history_of(db: sqlite3.Connection) -> History:
    """The whole tree."""
    labels: dict[int, list[str]] = {}
    for label, node in db.execute("SELECT label, node FROM snapshots ORDER BY time, label"):
        labels.setdefault(node, []).append(label)
    rows = db.execute("SELECT id, parent, kind, time, added, removed FROM nodes ORDER BY id")
    nodes = tuple(
        Node(id, parent, kind, time, added, removed, tuple(labels.get(id, ())))
        for id, parent, kind, time, added, removed in rows
    )
    (current,) = db.execute("SELECT node FROM head").fetchone()
    return History(nodes, current)


# -- writing the tree -------------------------------------------------------------------------------------------------


def add_node(
    db: sqlite3.Connection,
    parent: Step | None,
    kind: str,
    time: str,
    changes: Sequence[Change],
    text: str,
    state: State,
    *,
    scenes: tuple[tuple[int, int], ...] | None = None,
    subject: int | None = None,
) -> int:
    """Store a step that leads to `text` and `state`, with a full copy of them where one is due. Its id."""
    added = sum(len(change.text) for change in changes)
    removed = sum(len(change.removed) for change in changes)
    steps = 0 if parent is None else parent.steps + 1
    weight = 0 if parent is None else parent.weight + added + removed
    if steps > COPY_AFTER or weight > max(len(text), _LEAST_WEIGHT):
        steps = weight = 0
    stored = json.dumps(changes, ensure_ascii=False)
    node = db.execute(
        "INSERT INTO nodes (parent, kind, time, changes, crc, scenes, subject, added, removed, steps, weight)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            None if parent is None else parent.id,
            kind,
            time,
            stored,
            zlib.crc32(stored.encode()),
            None if scenes is None else json.dumps(scenes),
            subject,
            added,
            removed,
            steps,
            weight,
        ),
    ).lastrowid
    assert node is not None
    if parent is not None:
        db.execute("UPDATE nodes SET redo = ? WHERE id = ?", (node, parent.id))
    if steps == 0:
        (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM suggestions").fetchone()
        db.execute(
            "INSERT INTO copies (node, text, state, suggestions) VALUES (?, ?, ?, ?)",
            (node, zlib.compress(text.encode(), 1), state.to_bytes(), last),
        )
    return node


# -- damage -----------------------------------------------------------------------------------------------------------


def readable_text(db: sqlite3.Connection) -> str | None:
    """The newest text that a damaged project still gives, None where it gives none."""
    faults = (sqlite3.Error, zlib.error, ValueError, LookupError, TypeError, AssertionError)
    with suppress(*faults):
        (current,) = db.execute("SELECT node FROM head").fetchone()
        return text_at(db, current)
    nodes: set[int] = set()
    for source in ("nodes ORDER BY id DESC", "nodes ORDER BY id"):
        with suppress(*faults):  # from both ends, as far as it goes
            for (node,) in db.execute(f"SELECT id FROM {source}"):
                nodes.add(node)
    for node in sorted(nodes, reverse=True):
        with suppress(*faults):
            return text_at(db, node)
    return None
