// The map of places: which are drawn, which lies in which, and where the frames and the characters in them stand.

import type { Id, Place, Span, StoryEvent } from "../../api/types";
import type { Found } from "../../story/store";
import type { Places, Point } from "../shared/kept";
import { type Counted, mentionsIn, within } from "../shared/scope";

/** The frame of those of whom nobody knows where they are. */
export const UNKNOWN = "?";

export const HEAD = 30;
export const PAD = 8;
export const CHIP = { width: 96, height: 24, gap: 6 };
/** Chips side by side in a frame. */
const COLUMNS = 2;
/** Rows of chips that a frame grows to; what is more stands in a last chip as a number. */
const ROWS = 5;
const GAP = 22;

export const WIDTH = COLUMNS * CHIP.width + (COLUMNS - 1) * CHIP.gap + 2 * PAD;

export interface Frame extends Point {
  id: Id;
  name: string;
  /** The frame that holds it; its own position is from that one's corner then. */
  parent: Id | null;
  width: number;
  height: number;
  /** How many chips find room. */
  room: number;
}

/** The places of a scope, those where most happens first. */
export function usedPlaces(found: Found, spans: readonly Span[] | null): Counted<Place>[] {
  const happens = new Map<Id, number>();
  for (const { place, start } of found.events)
    if (place !== null && within(start, spans)) happens.set(place, (happens.get(place) ?? 0) + 1);
  return found.places
    .map((entity) => ({
      entity,
      count: mentionsIn(entity, spans) + 2 * (happens.get(entity.id) ?? 0),
    }))
    .filter(({ count }) => spans === null || count > 0)
    .sort((one, other) => other.count - one.count);
}

/** The most characters that are at a place at once, of those given, whenever. */
export function crowds(
  found: Found,
  seen: ReadonlyMap<Id, readonly StoryEvent[]>,
  who: readonly Id[],
): Map<Id, number> {
  const most = new Map<Id, number>();
  const now = new Map<Id, number>();
  const at = new Map<Id, Id>();
  const changes = who
    .flatMap((id) => (found.positions[id] ?? []).map(([narrated, place]) => ({ id, narrated, place })))
    .filter(({ id }) => seen.has(id))
    .sort((one, other) => one.narrated - other.narrated);
  for (const { id, place } of changes) {
    const before = at.get(id);
    if (before !== undefined) now.set(before, (now.get(before) ?? 1) - 1);
    if (place === null) at.delete(id);
    else {
      at.set(id, place);
      now.set(place, (now.get(place) ?? 0) + 1);
      most.set(place, Math.max(most.get(place) ?? 0, now.get(place) ?? 0));
    }
  }
  return most;
}

const rowsFor = (chips: number) => Math.max(1, Math.min(ROWS, Math.ceil(chips / COLUMNS)));
const heightOf = (rows: number) => HEAD + rows * (CHIP.height + CHIP.gap) - CHIP.gap + PAD;

/** Whether `id` lies in `other`, however deep. */
function liesIn(id: Id, other: Id, parents: ReadonlyMap<Id, Id | null>): boolean {
  const passed = new Set<Id>();
  for (let up = parents.get(id) ?? null; up !== null && !passed.has(up); up = parents.get(up) ?? null) {
    if (up === other) return true;
    passed.add(up);
  }
  return false;
}

/**
 * The frames of some places, outer ones before those in them. `crowd` says for how many characters a frame has room;
 * `kept` where the outermost were put; `aspect` is the shape of the pane.
 */
export function framesOf(
  places: readonly Place[],
  crowd: ReadonlyMap<Id, number>,
  kept: Places,
  aspect: number,
): Frame[] {
  const drawn = new Map(places.map((place) => [place.id, place]));
  const parents = new Map<Id, Id | null>();
  for (const { id, within: outer } of places) {
    const parent = outer !== null && outer !== id && drawn.has(outer) ? outer : null;
    parents.set(id, parent !== null && !liesIn(parent, id, parents) ? parent : null);
  }
  const inner = (id: Id) => places.filter((each) => parents.get(each.id) === id);

  // From the innermost outwards: a frame holds its chips, and below them the frames of the places in it.
  const build = (place: Place): Frame[] => {
    const rows = rowsFor(crowd.get(place.id) ?? 0);
    let width = WIDTH;
    let height = heightOf(rows);
    const held: Frame[] = [];
    for (const child of inner(place.id)) {
      const [frame, ...deeper] = build(child);
      if (frame === undefined) continue;
      held.push({ ...frame, x: PAD, y: height }, ...deeper);
      width = Math.max(width, frame.width + 2 * PAD);
      height += frame.height + PAD;
    }
    const own = { id: place.id, name: place.name, parent: parents.get(place.id) ?? null };
    return [{ ...own, x: 0, y: 0, width, height, room: rows * COLUMNS }, ...held];
  };

  const trees = places.filter((each) => parents.get(each.id) === null).map(build);
  const rows = rowsFor(crowd.get(UNKNOWN) ?? 0);
  trees.push([
    {
      id: UNKNOWN,
      name: "Unknown place",
      parent: null,
      x: 0,
      y: 0,
      width: WIDTH,
      height: heightOf(rows),
      room: rows * COLUMNS,
    },
  ]);
  stand(
    trees.map(([outer]) => outer as Frame),
    kept,
    aspect,
  );
  return trees.flat();
}

/** Frames in so many columns, each in the shortest: their corners, and how tall it gets. */
function columned(
  frames: readonly Frame[],
  columns: number,
  wide: number,
): { corners: Point[]; height: number } {
  const ends = Array.from({ length: columns }, () => 0);
  const found = frames.map((frame) => {
    const column = ends.indexOf(Math.min(...ends));
    const corner = { x: column * wide, y: ends[column] ?? 0 };
    ends[column] = corner.y + frame.height + GAP;
    return corner;
  });
  return { corners: found, height: Math.max(...ends) };
}

/** Give the outermost frames their places: those kept stay, the others fill as many columns as suit the pane. */
function stand(frames: readonly Frame[], kept: Places, aspect: number): void {
  const wide = Math.max(...frames.map(({ width }) => width)) + GAP;
  const fresh = frames.filter(({ id }) => kept[id] === undefined);
  const ways = fresh.map((_, number) => columned(fresh, number + 1, wide));
  const size = ({ height }: { height: number }, columns: number) => Math.max(columns * wide, height * aspect);
  const best = ways.reduce(
    (least, way, number) => (size(way, number + 1) < size(ways[least] ?? way, least + 1) ? number : least),
    0,
  );
  fresh.forEach((frame, number) => {
    Object.assign(frame, ways[best]?.corners[number]);
  });
  for (const frame of frames) Object.assign(frame, kept[frame.id]);
  // Where one has grown, or a newcomer has come upon one that stood there, the lower goes down.
  const standing: Frame[] = [];
  const old = (frame: Frame) => (kept[frame.id] === undefined ? 1 : 0);
  for (const frame of [...frames].sort((one, other) => old(one) - old(other) || one.y - other.y)) {
    for (let over = inTheWay(frame, standing); over !== undefined; over = inTheWay(frame, standing))
      frame.y = over.y + over.height + GAP;
    standing.push(frame);
  }
}

const inTheWay = (frame: Frame, others: readonly Frame[]): Frame | undefined =>
  others.find(
    (other) =>
      frame.x < other.x + other.width &&
      other.x < frame.x + frame.width &&
      frame.y < other.y + other.height + GAP / 2 &&
      other.y < frame.y + frame.height + GAP / 2,
  );

/** Where the chip of a number stands in its frame. */
export const chipAt = (number: number): Point => ({
  x: PAD + (number % COLUMNS) * (CHIP.width + CHIP.gap),
  y: HEAD + Math.floor(number / COLUMNS) * (CHIP.height + CHIP.gap),
});

/** Every frame's corner on the map. */
export function corners(frames: readonly Frame[]): Map<Id, Point> {
  const found = new Map<Id, Point>();
  for (const { id, parent, x, y } of frames) {
    const outer = parent === null ? { x: 0, y: 0 } : (found.get(parent) ?? { x: 0, y: 0 });
    found.set(id, { x: outer.x + x, y: outer.y + y });
  }
  return found;
}

/** The innermost frame at a point of the map. */
export function frameAt(frames: readonly Frame[], point: Point): Id | null {
  const at = corners(frames);
  return (
    frames.findLast(({ id, width, height }) => {
      const corner = at.get(id);
      return (
        corner !== undefined &&
        point.x >= corner.x &&
        point.x <= corner.x + width &&
        point.y >= corner.y &&
        point.y <= corner.y + height
      );
    })?.id ?? null
  );
}
