// The axis of the timeline: every event has a slot, in the order of telling or in the order in which things happened.
// Scenes are stretches of the axis; in the order of telling, a scene in which nothing happens has one empty slot.

import type { Id, Scene, StoryEvent } from "../../api/types";
import type { Order } from "../../story/store";

/** A run of slots of one scene. In story order a scene may have several. */
export interface Segment {
  scene: Id;
  /** Of the scene, from 1, in the order of the text. */
  number: number;
  from: number;
  to: number;
}

export interface Axis {
  order: Order;
  /** In this order. */
  events: readonly StoryEvent[];
  /** The middle of each event's slot, parallel to `events`, growing. */
  centres: readonly number[];
  /** Place in `events` by id. */
  index: ReadonlyMap<Id, number>;
  segments: readonly Segment[];
  /** How many slots there are. */
  length: number;
}

/** The first place in `values`, which grow, whose value is at least `limit`. */
export function atLeast(values: readonly number[], limit: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function axisOf(all: readonly StoryEvent[], scenes: readonly Scene[], order: Order): Axis {
  const events = [...all].sort((a, b) => a[order] - b[order]);
  const starts = scenes.map((each) => each.start);
  const centres: number[] = [];
  const segments: Segment[] = [];
  let slot = 0;
  const open = (number: number) => {
    const scene = scenes[number];
    if (scene !== undefined) segments.push({ scene: scene.id, number: number + 1, from: slot, to: slot });
  };
  const empty = (from: number, to: number) => {
    for (let number = from; number < to; number += 1) {
      open(number);
      slot += 1;
      const last = segments.at(-1);
      if (last !== undefined) last.to = slot;
    }
  };
  let now = -1;
  for (const event of events) {
    const number = Math.max(0, atLeast(starts, event.start + 1) - 1);
    if (number !== now) {
      if (order === "narrated") empty(now + 1, number);
      open(number);
      now = number;
    }
    centres.push(slot + 0.5);
    slot += 1;
    const last = segments.at(-1);
    if (last !== undefined) last.to = slot;
  }
  if (order === "narrated" && events.length > 0) empty(now + 1, scenes.length);
  return {
    order,
    events,
    centres,
    index: new Map(events.map((event, index) => [event.id, index])),
    segments,
    length: slot,
  };
}

/** The events whose slots lie between two slots, with those of `always` that do not. */
export function within(axis: Axis, from: number, to: number, always: readonly (Id | null)[] = []): number[] {
  const first = atLeast(axis.centres, from);
  const last = atLeast(axis.centres, to);
  const shown = Array.from({ length: Math.max(0, last - first) }, (_, index) => first + index);
  for (const id of always) {
    const index = id === null ? undefined : axis.index.get(id);
    if (index !== undefined && (index < first || index >= last) && !shown.includes(index)) shown.push(index);
  }
  return shown;
}

/** Where a number of an order lies on an axis of the same order; a number that is not there, at the next one. */
export function slotOf(axis: Axis, number: number): number {
  return axis.centres[Math.min(Math.max(0, number), axis.centres.length - 1)] ?? 0;
}

/** A run of events, neighbours on the axis, that stand elsewhere in the other order. */
export interface Stretch {
  /** Places in `axis.events`, half-open. */
  first: number;
  last: number;
  /** What it is against what is told around it. */
  relation: "earlier" | "later";
  /** The slot, between two others, where it belongs by the other order. */
  home: number;
}

/**
 * The places of the longest sequence of growing numbers. Of several as long, the one that begins with what comes first:
 * of two events told the other way round, the first told is the line and the second a look back.
 */
export function mainLine(numbers: readonly number[]): number[] {
  const begins: number[] = []; // the place of the greatest beginning of a sequence of each length
  const after: number[] = [];
  for (let place = numbers.length - 1; place >= 0; place -= 1) {
    const number = numbers[place] ?? 0;
    let low = 0;
    let high = begins.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[begins[middle] ?? 0] ?? 0) > number) low = middle + 1;
      else high = middle;
    }
    after[place] = low > 0 ? (begins[low - 1] ?? -1) : -1;
    begins[low] = place;
  }
  const kept: number[] = [];
  for (let place = begins.at(-1) ?? -1; place >= 0; place = after[place] ?? -1) kept.push(place);
  return kept;
}

/**
 * What is told out of its time: the main line is the longest run of events whose two orders agree, and the others lie
 * earlier or later than what is told around them. For an axis in story order, `relation` says when it is told.
 */
export function stretches(axis: Axis): Stretch[] {
  const other = axis.order === "narrated" ? "story" : "narrated";
  const numbers = axis.events.map((event) => event[other]);
  // The line is the same in both orders, so it is sought in one of them.
  const told =
    axis.order === "narrated" ? axis.events : [...axis.events].sort((a, b) => a.narrated - b.narrated);
  const main = new Set(mainLine(told.map((event) => event.story)).map((place) => told[place]?.id));
  const isMain = axis.events.map((event) => main.has(event.id));
  const spine: { number: number; place: number }[] = [];
  numbers.forEach((number, place) => {
    if (isMain[place]) spine.push({ number, place });
  });
  const spineNumbers = spine.map((each) => each.number);
  const found: Stretch[] = [];
  let open: { stretch: Stretch; gap: number } | null = null;
  numbers.forEach((number, place) => {
    if (isMain[place]) {
      open = null;
      return;
    }
    const gap = atLeast(spineNumbers, number); // it belongs before this member of the spine
    if (open !== null && open.gap === gap && number > (numbers[place - 1] ?? 0)) {
      open.stretch.last = place + 1;
      return;
    }
    const next = spine[gap];
    const previous = spine[gap - 1];
    const home =
      next !== undefined
        ? (axis.centres[next.place] ?? 0) - 0.5
        : (axis.centres[previous?.place ?? 0] ?? 0) + 0.5;
    const relation = (next?.place ?? axis.events.length) <= place ? "earlier" : "later";
    const stretch: Stretch = { first: place, last: place + 1, relation, home };
    found.push(stretch);
    open = { stretch, gap };
  });
  return found;
}

/** The text that one event takes, from its words to the next one's; the last takes as much as most. */
function room(axis: Axis): Map<Id, number> {
  const told =
    axis.order === "narrated" ? axis.events : [...axis.events].sort((a, b) => a.narrated - b.narrated);
  const taken = told.slice(1).map((event, place) => Math.max(1, event.start - (told[place]?.start ?? 0)));
  const usual = [...taken].sort((a, b) => a - b)[taken.length >> 1] ?? 1;
  return new Map(told.map((event, place) => [event.id, taken[place] ?? usual]));
}

/**
 * How thick events stand in the text, from 0 to 1, in each of `bins` equal parts of the axis: low where little happens
 * in many words.
 */
export function density(axis: Axis, bins: number): number[] {
  const taken = room(axis);
  const counts = Array.from({ length: bins }, () => ({ events: 0, letters: 0 }));
  axis.events.forEach((event, place) => {
    const part = counts[Math.min(bins - 1, Math.floor(((axis.centres[place] ?? 0) / axis.length) * bins))];
    if (part === undefined) return;
    part.events += 1;
    part.letters += taken.get(event.id) ?? 1;
  });
  const thick = counts.map(({ events, letters }) => (events === 0 ? 0 : events / letters));
  // One crowded sentence must not flatten all the rest.
  const full = [...thick].sort((a, b) => a - b)[Math.ceil(0.95 * (bins - 1))] || Math.max(...thick, 1e-9);
  return thick.map((each) => Math.min(1, each / full));
}

/** The last event, in the order of the text, that begins at or before a position; its place in the narrated order. */
export function eventAt(
  starts: (narrated: number) => number | null,
  count: number,
  position: number,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    let middle = (low + high) >> 1;
    // An event whose words are gone says nothing: ask the one before it.
    while (middle > low && starts(middle) === null) middle -= 1;
    const start = starts(middle);
    if (start !== null && start <= position) low = Math.max(middle, (low + high) >> 1) + 1;
    else high = middle;
  }
  let found = low - 1;
  while (found >= 0 && starts(found) === null) found -= 1;
  return found;
}
