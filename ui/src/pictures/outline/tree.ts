// The outline beside a picture as a tree: who does what, who is where, what happens in which scene. A node's children
// are made when it is opened; a novel has thousands.

import type { Id, StoryEvent } from "../../api/types";
import { eventName } from "../../story/naming";
import type { Found, View } from "../../story/store";
import type { Axis } from "../timeline/axis";

export type Kind = "character" | "place" | "scene" | "event";

export interface Node {
  /** The path of ids that leads here: the same thing may stand in several places. */
  key: string;
  kind: Kind;
  id: Id;
  name: string;
  /** Said after the name, in small. */
  count: number | null;
  children: () => Node[];
}

export interface Row {
  node: Node;
  level: number;
  /** From 1, and of how many. */
  place: number;
  of: number;
  /** Null for a node without children. */
  open: boolean | null;
  parent: string | null;
}

const NONE = (): Node[] => [];

const eventNode = (found: Found, parent: string, event: StoryEvent): Node => ({
  key: `${parent}/${event.id}`,
  kind: "event",
  id: event.id,
  name: eventName(event, found),
  count: null,
  children: NONE,
});

type EventsOf = ReadonlyMap<Id, readonly StoryEvent[]>;

function eventsBy(events: readonly StoryEvent[], ids: (event: StoryEvent) => (Id | null)[]): EventsOf {
  const by = new Map<Id, StoryEvent[]>();
  for (const event of events)
    for (const id of new Set(ids(event)))
      if (id !== null) {
        const known = by.get(id);
        if (known === undefined) by.set(id, [event]);
        else known.push(event);
      }
  return by;
}

function characterTree(found: Found, axis: Axis): Node[] {
  const by = eventsBy(axis.events, (event) => [event.agent, event.patient]);
  return [...found.characters]
    .sort((a, b) => b.mentions.length - a.mentions.length)
    .map(({ id, name }) => ({
      key: id,
      kind: "character",
      id,
      name,
      count: by.get(id)?.length ?? 0,
      children: () => (by.get(id) ?? []).map((event) => eventNode(found, id, event)),
    }));
}

function placeTree(found: Found, axis: Axis): Node[] {
  const by = eventsBy(axis.events, (event) => [event.place]);
  const there = new Map<Id, Id[]>();
  for (const [character, stays] of Object.entries(found.positions))
    for (const [, place] of stays) {
      if (place === null || !found.people.has(character)) continue;
      const known = there.get(place) ?? [];
      if (!known.includes(character)) known.push(character);
      there.set(place, known);
    }
  const inside = new Map<Id | null, Id[]>();
  const ranked = [...found.places].sort((a, b) => b.mentions.length - a.mentions.length);
  for (const place of ranked) {
    const within = place.within !== null && found.spots.has(place.within) ? place.within : null;
    inside.set(within, [...(inside.get(within) ?? []), place.id]);
  }
  const nodeOf = (id: Id, parent: string): Node => {
    const key = parent === "" ? id : `${parent}/${id}`;
    const people = (there.get(id) ?? []).flatMap((each) => found.people.get(each) ?? []);
    const events = by.get(id) ?? [];
    return {
      key,
      kind: "place",
      id,
      name: found.spots.get(id)?.name ?? id,
      count: (inside.get(id) ?? []).length + people.length + events.length,
      children: () => [
        ...(inside.get(id) ?? []).map((each) => nodeOf(each, key)),
        ...people.map(
          (who): Node => ({
            key: `${key}/${who.id}`,
            kind: "character",
            id: who.id,
            name: who.name,
            count: null,
            children: NONE,
          }),
        ),
        ...events.map((event) => eventNode(found, key, event)),
      ],
    };
  };
  return (inside.get(null) ?? []).map((id) => nodeOf(id, ""));
}

function sceneTree(found: Found, axis: Axis, titleOf: (scene: number) => string): Node[] {
  let place = 0;
  return axis.segments.map((segment) => {
    const first = place;
    while (place < axis.events.length && (axis.centres[place] ?? 0) < segment.to) place += 1;
    const last = place;
    // In story order a scene may come more than once.
    const key = `${segment.number}:${first}`;
    return {
      key,
      kind: "scene",
      id: segment.scene,
      name: titleOf(segment.number),
      count: last - first,
      children: () => axis.events.slice(first, last).map((event) => eventNode(found, key, event)),
    };
  });
}

/** The tree beside a picture, its events in the order of `axis`; `titleOf` names a scene by its number, from 1. */
export function treeOf(view: View, found: Found, axis: Axis, titleOf: (scene: number) => string): Node[] {
  if (view === "characters") return characterTree(found, axis);
  if (view === "places") return placeTree(found, axis);
  return sceneTree(found, axis, titleOf);
}

/** For searching: without capitals, accents and the like. */
export const folded = (text: string): string =>
  text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[’‘]/g, "'").toLocaleLowerCase();

/** What is left of a tree by a filter: nodes that match with all below them, and the way to them. */
export function filtered(nodes: readonly Node[], filter: string): { nodes: Node[]; open: Set<string> } {
  const sought = folded(filter.trim());
  const open = new Set<string>();
  const keep = (node: Node): Node | null => {
    if (folded(node.name).includes(sought)) return node;
    const children = node.children().flatMap((child) => keep(child) ?? []);
    if (children.length === 0) return null;
    open.add(node.key);
    return { ...node, children: () => children };
  };
  return { nodes: nodes.flatMap((node) => keep(node) ?? []), open };
}

/** The rows that are seen when the nodes of `open` are. */
export function rowsOf(nodes: readonly Node[], open: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const add = (siblings: readonly Node[], level: number, parent: string | null) => {
    siblings.forEach((node, index) => {
      const leaf = node.kind === "event" || node.count === null || node.count === 0;
      const isOpen = !leaf && open.has(node.key);
      rows.push({ node, level, place: index + 1, of: siblings.length, open: leaf ? null : isOpen, parent });
      if (isOpen) add(node.children(), level + 1, node.key);
    });
  };
  add(nodes, 1, null);
  return rows;
}

export type Step =
  | { to: string }
  | { open: string }
  | { close: string }
  /** All siblings of a row. */
  | { openAll: string[] };

/** What a key does in a tree, as the ARIA pattern has it; null for a key that is not the tree's. */
export function stepOf(rows: readonly Row[], at: number, key: string): Step | null {
  const row = rows[at];
  if (row === undefined) return null;
  const to = (index: number): Step => ({
    to: rows[Math.min(Math.max(0, index), rows.length - 1)]?.node.key ?? row.node.key,
  });
  switch (key) {
    case "ArrowDown":
      return to(at + 1);
    case "ArrowUp":
      return to(at - 1);
    case "Home":
      return to(0);
    case "End":
      return to(rows.length - 1);
    case "ArrowRight":
      if (row.open === null) return { to: row.node.key };
      return row.open ? to(at + 1) : { open: row.node.key };
    case "ArrowLeft":
      if (row.open) return { close: row.node.key };
      return { to: row.parent ?? row.node.key };
    case "*":
      return {
        openAll: rows
          .filter((each) => each.parent === row.parent && each.open === false)
          .map((each) => each.node.key),
      };
    default:
      return null;
  }
}

/** The next row, from the one after `at` on and round, whose name begins with what is typed. */
export function typedTo(rows: readonly Row[], at: number, typed: string): number | null {
  const sought = folded(typed);
  // More letters of the same word may still fit the row one is on.
  const from = typed.length > 1 ? at : at + 1;
  for (let offset = 0; offset < rows.length; offset += 1) {
    const index = (from + offset) % rows.length;
    const name = folded(rows[index]?.node.name ?? "");
    if (name.startsWith(sought) || name.replace(/^the /, "").startsWith(sought)) return index;
  }
  return null;
}
