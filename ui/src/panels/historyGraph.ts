// The tree of a story's history as rows with lanes, the newest first, like a graph of commits: no drawing here.

import type { History, HistoryNode } from "../api/types";

/** One row: a step, or a run of typing shown as one. `id` is that of its newest step. */
export interface Run {
  id: number;
  parent: number | null;
  kind: HistoryNode["kind"];
  time: string;
  added: number;
  removed: number;
  labels: readonly string[];
  /** How many steps it holds. */
  steps: number;
  /** The oldest step of it. */
  first: number;
  /** Whether it is the newest step of a run that is opened. */
  opened: boolean;
}

export interface Placed extends Run {
  lane: number;
  /** Lanes that go straight through the row. */
  through: readonly number[];
  /** Lanes that come from above and end here, its own among them. */
  joins: readonly number[];
  /** Whether its own lane goes on below. */
  below: boolean;
}

/** Typing with a longer pause than this, in ms, is not one run. */
const PAUSE = 15 * 60_000;

/** The steps as rows, the newest first. Runs of typing are one row, unless their newest step is in `open`. */
export function runs(history: History, open: ReadonlySet<number> = new Set()): Run[] {
  const children = new Map<number, number>();
  for (const node of history.nodes)
    if (node.parent !== null) children.set(node.parent, (children.get(node.parent) ?? 0) + 1);
  const byId = new Map(history.nodes.map((node) => [node.id, node]));
  /** Whether a step goes into the row of the one made after it. */
  const joins = (node: HistoryNode, next: HistoryNode) =>
    node.kind === "edit" &&
    next.kind === "edit" &&
    children.get(node.id) === 1 &&
    node.labels.length === 0 &&
    node.id !== history.current &&
    Date.parse(next.time) - Date.parse(node.time) <= PAUSE;
  const row = (node: HistoryNode): Run => {
    const { id, parent, kind, time, added, removed, labels } = node;
    return { id, parent, kind, time, added, removed, labels, steps: 1, first: id, opened: false };
  };
  const rows: Run[] = [];
  const inside = new Set<number>();
  for (const newest of [...history.nodes].reverse()) {
    if (inside.has(newest.id)) continue;
    const steps = [newest];
    for (let last = newest; last.parent !== null; ) {
      const parent = byId.get(last.parent);
      if (parent === undefined || !joins(parent, last)) break;
      steps.push(parent);
      inside.add(parent.id);
      last = parent;
    }
    const oldest = steps.at(-1) ?? newest;
    if (steps.length > 1 && open.has(newest.id)) {
      rows.push(...steps.map((step) => ({ ...row(step), opened: step === newest })));
    } else {
      rows.push({
        ...row(newest),
        parent: oldest.parent,
        added: steps.reduce((sum, step) => sum + step.added, 0),
        removed: steps.reduce((sum, step) => sum + step.removed, 0),
        steps: steps.length,
        first: oldest.id,
      });
    }
  }
  return rows.sort((a, b) => b.id - a.id);
}

/** The rows from the newest step of the branch that holds `current` down to the beginning. */
function trunk(rows: readonly Run[], current: number): Set<number> {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const newestChild = new Map<number, number>();
  for (const row of rows)
    if (row.parent !== null && !newestChild.has(row.parent)) newestChild.set(row.parent, row.id);
  let tip = byId.get(current)?.id ?? rows[0]?.id;
  for (let next = tip; next !== undefined; next = newestChild.get(next)) tip = next;
  const found = new Set<number>();
  for (let row = tip === undefined ? undefined : byId.get(tip); row !== undefined; ) {
    found.add(row.id);
    row = row.parent === null ? undefined : byId.get(row.parent);
  }
  return found;
}

/** Lanes for rows that are in order, the newest first: the branch that is in use is lane 0. */
export function lanes(rows: readonly Run[], current: number): Placed[] {
  const main = trunk(rows, current);
  /** Which row each lane is on the way to. */
  const waiting: (number | null)[] = [null];
  return rows.map((row) => {
    const expecting = waiting.flatMap((id, lane) => (id === row.id ? [lane] : []));
    let lane = main.has(row.id) ? 0 : expecting[0];
    if (lane === undefined) {
      lane = waiting.findIndex((id, index) => index > 0 && id === null);
      if (lane < 0) lane = waiting.length;
    }
    for (const each of expecting) waiting[each] = null;
    const through = waiting.flatMap((id, index) => (id !== null ? [index] : []));
    waiting[lane] = row.parent;
    return { ...row, lane, through, joins: expecting, below: row.parent !== null };
  });
}

/** How many lanes the rows take. */
export const width = (placed: readonly Placed[]): number =>
  1 + placed.reduce((most, row) => Math.max(most, row.lane, ...row.through), 0);
