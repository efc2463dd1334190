"""What was found in a story as files for other programs: a graph (GraphML), a timeline (CSV), tables, JSON.

Names stand beside ids, and every row says where in the text it comes from, in code points.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gnomon.errors import UserError
from gnomon.runs.files import to_json, write_atomic
from gnomon.story.document import Story
from gnomon.story.records import Character, Extraction, Place

_GRAPHML = "http://graphml.graphdrawing.org/xmlns"
_ATTRIBUTES = {  # of nodes and of edges: name -> type
    "node": {"name": "string", "kind": "string", "gender": "string", "aliases": "string", "mentions": "int"},
    "edge": {
        "relation": "string", "verb": "string", "event": "string", "narrated": "int", "story": "int", "start": "int",
        "end": "int", "weight": "int",
    },
}  # fmt: skip
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def graphml(story: Story, extraction: Extraction) -> str:
    """Characters and places as nodes; events from agent to patient as edges, one for each event.

    Further edges: from a character to each place, with the number of its events there as `weight` (relation
    `present`), and from a place to the one it lies in (`within`).
    """
    root = ElementTree.Element("graphml", xmlns=_GRAPHML)
    for of, attributes in _ATTRIBUTES.items():
        for name, kind in attributes.items():
            ElementTree.SubElement(root, "key", {"id": name, "for": of, "attr.name": name, "attr.type": kind})
    graph = ElementTree.SubElement(root, "graph", id="story", edgedefault="directed")

    def add(element: str, attributes: dict[str, str], values: dict[str, Any]) -> None:
        made = ElementTree.SubElement(graph, element, attributes)
        for name, value in values.items():
            ElementTree.SubElement(made, "data", key=name).text = _NOT_XML.sub("", str(value))

    people = {each.id for each in extraction.characters}
    for each in extraction.characters:
        values = {"name": each.name, "kind": each.kind, "gender": each.gender, "aliases": "; ".join(each.aliases)}
        add("node", {"id": f"character:{each.id}"}, {**values, "mentions": len(each.mentions)})
    for place in extraction.places:
        values = {"name": place.name, "kind": "place", "aliases": "; ".join(place.aliases)}
        add("node", {"id": f"place:{place.id}"}, {**values, "mentions": len(place.mentions)})
    present: Counter[tuple[str, str]] = Counter()
    for event in extraction.events:
        if event.agent in people and event.patient in people:
            ends = {"source": f"character:{event.agent}", "target": f"character:{event.patient}"}
            values = {"relation": event.kind, "verb": event.verb, "event": event.id}
            order = {"narrated": event.narrated, "story": event.story, "start": event.start, "end": event.end}
            add("edge", ends, {**values, **order, "weight": 1})
        if event.place is not None:
            present.update((who, event.place) for who in {event.agent, event.patient} if who in people)
    for (who, where), count in sorted(present.items()):
        ends = {"source": f"character:{who}", "target": f"place:{where}"}
        add("edge", ends, {"relation": "present", "weight": count})
    for place in extraction.places:
        if place.within is not None:
            ends = {"source": f"place:{place.id}", "target": f"place:{place.within}"}
            add("edge", ends, {"relation": "within", "weight": 1})
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def timeline_csv(story: Story, extraction: Extraction) -> str:
    """One row for each event in the order of the story's time, with its place in the telling, and its sentence."""
    return _csv(*_events(story, extraction, lambda event: event.story))


def tables(story: Story, extraction: Extraction) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Header and rows of `characters`, `places`, `mentions`, `events`, `speeches`, `positions` and `warnings`."""
    acts = Counter(event.agent for event in extraction.events)
    undergoes = Counter(event.patient for event in extraction.events)
    speaks = Counter(speech.speaker for speech in extraction.speeches)
    there = Counter(event.place for event in extraction.events)
    text = story.text
    everything: list[Character | Place] = [*extraction.characters, *extraction.places]
    return {
        "characters": (
            ["id", "name", "aliases", "gender", "kind", "mentions", "acts", "undergoes", "speeches", "confidence"],
            [
                [each.id, each.name, "; ".join(each.aliases), each.gender, each.kind, len(each.mentions), acts[each.id],
                 undergoes[each.id], speaks[each.id], each.confidence]
                for each in extraction.characters
            ],
        ),
        "places": (
            ["id", "name", "aliases", "within", "mentions", "events", "confidence"],
            [
                [each.id, each.name, "; ".join(each.aliases), each.within, len(each.mentions), there[each.id],
                 each.confidence]
                for each in extraction.places
            ],
        ),
        "mentions": (
            ["id", "start", "end", "text", "kind", "confidence"],
            [
                [each.id, mention.start, mention.end, mention.text, mention.kind, mention.confidence]
                for each in everything
                for mention in each.mentions
            ],
        ),
        "events": _events(story, extraction, lambda event: event.narrated),
        "speeches": (
            ["start", "end", "speaker", "addressees", "confidence", "text"],
            [
                [each.start, each.end, each.speaker, "; ".join(each.addressees), each.confidence,
                 text[each.start : each.end]]
                for each in extraction.speeches
            ],
        ),
        "positions": (
            ["character", "narrated", "place"],
            [[who, narrated, place] for who, moves in extraction.positions.items() for narrated, place in moves],
        ),
        "warnings": (
            ["kind", "message", "start", "end", "quote"],
            [
                [each.kind, each.message, start, end, text[start:end]]
                for each in extraction.warnings
                for start, end in each.spans
            ],
        ),
    }  # fmt: skip


def write_tables(story: Story, extraction: Extraction, folder: str | Path) -> list[Path]:
    """Write `tables` as CSV files (UTF-8) into `folder`, which is made; their paths."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, (header, rows) in tables(story, extraction).items():
            write_atomic(folder / f"{name}.csv", _csv(header, rows))
            written.append(folder / f"{name}.csv")
    except OSError as fault:
        raise UserError(f"{folder}: cannot be written: {(fault.strerror or str(fault)).lower()}.") from fault
    return written


def _json(story: Story, extraction: Extraction) -> str:
    return to_json(extraction.to_dict()) + "\n"


EXPORTS: dict[str, Callable[[Story, Extraction], str]] = {
    "json": _json, "graphml": graphml, "timeline-csv": timeline_csv,
}  # fmt: skip
"""The formats that show what was found in a story, not its text."""


def _events(story: Story, extraction: Extraction, order: Callable[[Any], int]) -> tuple[list[str], list[list[Any]]]:
    named: list[Character | Place] = [*extraction.characters, *extraction.places]
    names: dict[str | None, str] = {each.id: each.name for each in named}
    text = story.text
    rows = []
    for event in sorted(extraction.events, key=order):
        scene = story.scene_at(event.start)
        cue = event.time
        rows.append(
            [event.story, event.narrated, event.id, None if scene is None else scene + 1, names.get(event.agent),
             event.verb, event.kind, names.get(event.patient), names.get(event.place), event.agent, event.patient,
             event.place, event.start, event.end, cue.relation if cue else None,
             text[cue.start : cue.end] if cue else None, event.confidence, event.source,
             " ".join(text[slice(*event.sentence)].split())]
        )  # fmt: skip
    header = [
        "story", "narrated", "id", "scene", "agent", "verb", "kind", "patient", "place", "agent_id", "patient_id",
        "place_id", "start", "end", "time", "cue", "confidence", "source", "sentence",
    ]  # fmt: skip
    return header, rows


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
