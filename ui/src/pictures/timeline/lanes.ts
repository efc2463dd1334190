// Which lane an event lies in: that of who does it, or of the place where it happens.

import type { Id, StoryEvent } from "../../api/types";
import type { Found } from "../../story/store";

export type LanesBy = "characters" | "places";

export interface Lane {
  /** None for the last lane, of all the others. */
  id: Id | null;
  name: string;
}

export interface Lanes {
  by: LanesBy;
  lanes: readonly Lane[];
  /** The number of the lane of an entity. */
  of: ReadonlyMap<Id, number>;
}

/** Lanes of whoever (or wherever) has a part in an event, the most mentioned first, so many at most, and of the rest. */
export function lanesOf(found: Found, by: LanesBy, most: number): Lanes {
  const used = new Set<Id | null>(
    found.events.flatMap((event) => (by === "characters" ? [event.agent, event.patient] : [event.place])),
  );
  const lanes: Lane[] = (by === "characters" ? found.characters : found.places)
    .filter((each) => used.has(each.id))
    .sort((a, b) => b.mentions.length - a.mentions.length || (a.id < b.id ? -1 : 1))
    .slice(0, most)
    .map(({ id, name }) => ({ id, name }));
  const of = new Map(lanes.map((lane, number) => [lane.id ?? "", number]));
  const other = found.events.some((event) => laneIn(of, by, event) === null);
  if (other) lanes.push({ id: null, name: by === "characters" ? "others" : "elsewhere" });
  return { by, lanes, of };
}

function laneIn(of: ReadonlyMap<Id, number>, by: LanesBy, event: StoryEvent): number | null {
  const id = by === "characters" ? event.agent : event.place;
  return id === null ? null : (of.get(id) ?? null);
}

export function laneOf(lanes: Lanes, event: StoryEvent): number {
  return laneIn(lanes.of, lanes.by, event) ?? lanes.lanes.length - 1;
}

/** The lane of whom it is done to, where that is another one. */
export function otherLane(lanes: Lanes, event: StoryEvent): number | null {
  if (lanes.by === "places" || event.patient === null) return null;
  const lane = lanes.of.get(event.patient);
  return lane === undefined || lane === laneOf(lanes, event) ? null : lane;
}

/** The names with room for them: each `{row, x, width}`, its middle at x, in order of x; not over one another. */
export function withRoom(names: readonly { row: number; x: number; width: number }[], gap = 6): boolean[] {
  const ends = new Map<number, number>();
  return names.map(({ row, x, width }) => {
    if (x - width / 2 < (ends.get(row) ?? Number.NEGATIVE_INFINITY) + gap) return false;
    ends.set(row, x + width / 2);
    return true;
  });
}
