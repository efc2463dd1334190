// Small stories for the tests of the pictures.

import type { Character, Extraction, Id, Place, StoryEvent } from "../src/api/types";
import type { Found } from "../src/story/store";

const named = (id: Id) => id.charAt(0).toUpperCase() + id.slice(1);

/** Mentions at the given positions, each of five letters. */
const mentionsAt = (starts: readonly number[], text: string) =>
  starts.map((start) => ({ start, end: start + 5, text, kind: "name" as const, confidence: 1 }));

/** A character with so many mentions, or with mentions at these positions. */
export function character(id: Id, mentions: number | readonly number[] = 1): Character {
  const starts = typeof mentions === "number" ? Array.from({ length: mentions }, (_, n) => n * 10) : mentions;
  return {
    id,
    name: named(id),
    aliases: [],
    gender: "unknown",
    kind: "person",
    mentions: mentionsAt(starts, named(id)),
    confidence: 1,
    source: "auto",
  };
}

export function placeCalled(id: Id, starts: readonly number[] = [0], within: Id | null = null): Place {
  return {
    id,
    name: named(id),
    aliases: [],
    mentions: mentionsAt(starts, named(id)),
    within,
    confidence: 1,
    source: "auto",
  };
}

/** An event told as number `narrated`, in a sentence of ten letters. */
export function event(
  narrated: number,
  agent: Id | null,
  verb: string,
  patient: Id | null,
  more: Partial<StoryEvent> = {},
): StoryEvent {
  const start = narrated * 10;
  return {
    id: `e${narrated}`,
    narrated,
    story: narrated,
    verb,
    kind: "action",
    agent,
    patient,
    place: null,
    start: start + 6,
    end: start + 9,
    sentence: [start, start + 10],
    time: null,
    confidence: 0.9,
    source: "auto",
    ...more,
  };
}

export function story(parts: Partial<Extraction>): Found {
  const extraction: Extraction = {
    language: "en",
    scenes: [],
    characters: [],
    places: [],
    events: [],
    speeches: [],
    positions: {},
    warnings: [],
    lost: [],
    revision: 1,
    state: "ready",
    stats: {},
    warning_keys: [],
    dismissed: [],
    ...parts,
  };
  const byId = <T extends { id: Id }>(all: readonly T[]) => new Map(all.map((each) => [each.id, each]));
  const people = byId(extraction.characters);
  const spots = byId(extraction.places);
  return {
    ...extraction,
    people,
    spots,
    entities: new Map<Id, Character | Place>([...spots, ...people]),
    happenings: byId(extraction.events),
  };
}
