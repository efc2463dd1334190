// Characters as lines over the story that run together where they share a moment: a run of events of one scene in one
// place. Who is where among the lines is chosen so that few of them cross.

import type { Id, StoryEvent } from "../../api/types";
import type { Axis } from "./axis";

export interface Moment {
  /** Slots of the axis. */
  from: number;
  to: number;
  /** Places in `axis.events`, half-open. */
  first: number;
  last: number;
  place: Id | null;
  /** Who of the drawn characters has a part in it. */
  present: readonly Id[];
}

/** The moments of an axis, for the characters that are drawn. */
export function momentsOf(axis: Axis, drawn: ReadonlySet<Id>): Moment[] {
  const moments: (Moment & { present: Id[] })[] = [];
  const partOf = (event: StoryEvent) =>
    [event.agent, event.patient].filter((id): id is Id => id !== null && drawn.has(id));
  let segment = 0;
  let open: (Moment & { present: Id[] }) | null = null;
  let scene = -1;
  axis.events.forEach((event, index) => {
    const centre = axis.centres[index] ?? 0;
    while ((axis.segments[segment]?.to ?? Number.POSITIVE_INFINITY) < centre) segment += 1;
    const place = event.place ?? (segment === scene ? (open?.place ?? null) : null);
    if (open === null || segment !== scene || (open.place !== place && open.place !== null)) {
      open = { from: centre - 0.5, to: centre + 0.5, first: index, last: index + 1, place, present: [] };
      moments.push(open);
      scene = segment;
    }
    open.place ??= place;
    open.to = centre + 0.5;
    open.last = index + 1;
    for (const id of partOf(event)) if (!open.present.includes(id)) open.present.push(id);
  });
  return moments;
}

/** `order` with those of `group` side by side, at the mean of where they were; nobody else changes sides. */
export function gathered(order: readonly Id[], group: readonly Id[]): Id[] {
  if (group.length < 2) return [...order];
  const places = group.map((id) => order.indexOf(id)).sort((a, b) => a - b);
  const mean = places.reduce((sum, each) => sum + each, 0) / places.length;
  const members = places.map((place) => order[place] ?? "");
  const others = order.filter((id) => !members.includes(id));
  const first = Math.round(mean - (members.length - 1) / 2);
  const at = Math.min(Math.max(0, first), others.length);
  return [...others.slice(0, at), ...members, ...others.slice(at)];
}

/** How many pairs of lines change sides from one order to the next, over all of them. */
export function crossings(orders: readonly (readonly Id[])[]): number {
  let count = 0;
  for (let step = 1; step < orders.length; step += 1) {
    const now = orders[step] ?? [];
    const before = new Map((orders[step - 1] ?? []).map((id, place) => [id, place]));
    for (let a = 0; a < now.length; a += 1)
      for (let b = a + 1; b < now.length; b += 1)
        if ((before.get(now[a] ?? "") ?? 0) > (before.get(now[b] ?? "") ?? 0)) count += 1;
  }
  return count;
}

/** An order to begin with: beside each the one who shares the most moments with it, of those not yet placed. */
function byCompany(moments: readonly Moment[], drawn: readonly Id[]): Id[] {
  const shared = (one: Id, other: Id) =>
    moments.filter(({ present }) => present.includes(one) && present.includes(other)).length;
  const left = [...drawn];
  const order = left.splice(0, 1);
  while (left.length > 0) {
    const last = order.at(-1) ?? "";
    const company = left.map((id) => shared(last, id));
    order.push(...left.splice(company.indexOf(Math.max(...company)), 1));
  }
  return order;
}

const SWEEPS = 4;

/**
 * The order of the lines in each moment, with those present side by side. Sweeps to and fro carry the order of one end
 * to the other, from the given order and from one by company; what has the fewest crossings is kept, the earlier of
 * equals.
 */
export function lineOrders(moments: readonly Moment[], drawn: readonly Id[]): Id[][] {
  let best: Id[][] = [];
  let fewest = Number.POSITIVE_INFINITY;
  for (const begin of [drawn, byCompany(moments, drawn)]) {
    let start: readonly Id[] = begin;
    for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
      const orders: Id[][] = [];
      let order = start;
      for (const moment of moments) {
        order = gathered(order, moment.present);
        orders.push([...order]);
      }
      const count = crossings(orders);
      if (count < fewest) [best, fewest] = [orders, count];
      start = order;
      for (const moment of [...moments].reverse()) start = gathered(start, moment.present);
    }
  }
  return best;
}

/** Between lines; those that share a moment run closer together. */
export const PITCH = 30;
const CLOSE = 14;

export interface Line {
  id: Id;
  /** First and last moment it has a part in. */
  first: number;
  last: number;
  /** Height in each moment of its life, from `first` on. */
  heights: number[];
}

export interface StoryLines {
  moments: readonly Moment[];
  lines: readonly Line[];
  of: ReadonlyMap<Id, Line>;
  /** The moment of each event of the axis. */
  momentOf: readonly number[];
  /** The height of each line's row (where it is when it is with nobody) in each moment. */
  rows: readonly ReadonlyMap<Id, number>[];
}

export function storyLines(axis: Axis, drawn: readonly Id[]): StoryLines {
  const moments = momentsOf(axis, new Set(drawn));
  const orders = lineOrders(moments, drawn);
  const rows = orders.map((order) => new Map(order.map((id, row) => [id, (row + 0.5) * PITCH])));
  const heights = moments.map((moment, number) => {
    const row = rows[number] ?? new Map<Id, number>();
    const there = moment.present.map((id) => row.get(id) ?? 0);
    const middle = there.reduce((sum, each) => sum + each, 0) / there.length;
    const at = new Map(row);
    if (there.length > 1)
      for (const id of moment.present) at.set(id, middle + (((row.get(id) ?? 0) - middle) * CLOSE) / PITCH);
    return at;
  });
  const lines: Line[] = [];
  for (const id of drawn) {
    const first = moments.findIndex((moment) => moment.present.includes(id));
    if (first < 0) continue;
    const last = moments.findLastIndex((moment) => moment.present.includes(id));
    lines.push({ id, first, last, heights: heights.slice(first, last + 1).map((at) => at.get(id) ?? 0) });
  }
  const momentOf: number[] = [];
  moments.forEach((moment, number) => {
    for (let index = moment.first; index < moment.last; index += 1) momentOf[index] = number;
  });
  return { moments, lines, of: new Map(lines.map((line) => [line.id, line])), momentOf, rows };
}

/** The height of a character's line in a moment; null before it begins and after it ends. */
export function heightIn(line: Line | undefined, moment: number): number | null {
  return line?.heights[moment - line.first] ?? null;
}

/** How much of a slot, at each end of a moment, a line takes to come and go. */
const TURN = 0.32;

/** The path of a line over the moments from `from` to `to` (half-open), `slot` pixels a slot. */
export function pathOf(
  line: Line,
  moments: readonly Moment[],
  from: number,
  to: number,
  slot: number,
): string {
  let path = "";
  let end: [number, number] | null = null;
  for (let number = Math.max(from, line.first); number < Math.min(to, line.last + 1); number += 1) {
    const moment = moments[number];
    const y = line.heights[number - line.first];
    if (moment === undefined || y === undefined) continue;
    const begins = (moment.from + TURN) * slot;
    const ends = (moment.to - TURN) * slot;
    if (end === null) path += `M${begins.toFixed(1)} ${y.toFixed(1)}`;
    else {
      const middle = ((end[0] + begins) / 2).toFixed(1);
      path += `C${middle} ${end[1].toFixed(1)} ${middle} ${y.toFixed(1)} ${begins.toFixed(1)} ${y.toFixed(1)}`;
    }
    path += `H${ends.toFixed(1)}`;
    end = [ends, y];
  }
  return path;
}
