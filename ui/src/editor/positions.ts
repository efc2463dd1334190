// Places in the document and in the text: an editor counts nodes and UTF-16 units, everything else code points. Lengths
// are kept for each node, which never changes, so that a key costs what one chunk costs.

import type { Node } from "prosemirror-model";
import { isPlain, pointOf, pointsIn, unitOf } from "../text/codepoints";
import { gapOf, isParagraph, tailOf } from "./schema";

interface Lengths {
  /** Code points of the whole node, the gap of a paragraph and the tail of a document included. */
  points: number;
  /** Code points before each child. */
  before: number[];
  /** Tokens of the editor before each child. */
  places: number[];
  /** Whether the text of a paragraph counts the same both ways. */
  plain: boolean;
}

const known = new WeakMap<Node, Lengths>();

export function lengths(node: Node): Lengths {
  const kept = known.get(node);
  if (kept !== undefined) return kept;
  const found: Lengths = { points: 0, before: [], places: [], plain: true };
  if (isParagraph(node)) {
    const text = node.textContent;
    found.plain = isPlain(text);
    found.points = pointsIn(gapOf(node)) + pointsIn(text);
  } else {
    let place = 0;
    node.forEach((child) => {
      found.before.push(found.points);
      found.places.push(place);
      found.points += lengths(child).points;
      place += child.nodeSize;
    });
    if (node.type.name === "doc") found.points += pointsIn(tailOf(node));
  }
  known.set(node, found);
  return found;
}

/** The last child that begins at or before `at`, by one of the two counts. */
function childAt(starts: number[], at: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] as number) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A paragraph and where it lies: `gap` begins it, `from` to `to` is its text, `place` is before the node. */
export interface Located {
  chunk: number;
  index: number;
  node: Node;
  gap: number;
  from: number;
  to: number;
  place: number;
}

export function locate(document: Node, chunk: number, index: number): Located {
  const whole = lengths(document);
  const part = lengths(document.child(chunk));
  const node = document.child(chunk).child(index);
  const gap = (whole.before[chunk] as number) + (part.before[index] as number);
  return {
    chunk,
    index,
    node,
    gap,
    from: gap + pointsIn(gapOf(node)),
    to: gap + lengths(node).points,
    place: (whole.places[chunk] as number) + 1 + (part.places[index] as number),
  };
}

/** The paragraph that holds a place in the text; at a border between two, the earlier one. */
export function paragraphAt(document: Node, point: number): Located {
  const chunk = childAt(lengths(document).before, Math.max(0, point - 1));
  const inside = point - (lengths(document).before[chunk] as number);
  const index = childAt(lengths(document.child(chunk)).before, Math.max(0, inside - 1));
  return locate(document, chunk, index);
}

export function paragraphAfter(document: Node, { chunk, index }: Located): Located | null {
  if (index + 1 < document.child(chunk).childCount) return locate(document, chunk, index + 1);
  return chunk + 1 < document.childCount ? locate(document, chunk + 1, 0) : null;
}

export function paragraphBefore(document: Node, { chunk, index }: Located): Located | null {
  if (index > 0) return locate(document, chunk, index - 1);
  return chunk > 0 ? locate(document, chunk - 1, document.child(chunk - 1).childCount - 1) : null;
}

/** The place in the text of a place in the document. */
export function pointAt(document: Node, place: number): number {
  const { places, before, points } = lengths(document);
  if (place <= 0) return 0;
  if (place >= document.content.size) return points - pointsIn(tailOf(document));
  const chunk = childAt(places, place);
  const part = lengths(document.child(chunk));
  const inside = place - (places[chunk] as number) - 1;
  const start = before[chunk] as number;
  if (inside < 0) return start;
  const index = childAt(part.places, inside);
  const node = document.child(chunk).child(index);
  const { from, to } = locate(document, chunk, index);
  const offset = inside - (part.places[index] as number) - 1;
  if (offset <= 0) return from;
  if (offset > node.content.size) return to;
  return from + (lengths(node).plain ? offset : pointOf(node.textContent, offset));
}

/** The place in the document of a place in the text. Between paragraphs: after the earlier or before the later one. */
export function placeAt(document: Node, point: number, side: "before" | "after" = "before"): number {
  let found = paragraphAt(document, point);
  const next = side === "after" && point >= found.to ? paragraphAfter(document, found) : null;
  if (next?.from === point) found = next;
  else if (side === "before" && point < found.from) found = paragraphBefore(document, found) ?? found;
  const { node, from, place } = found;
  const points = Math.min(Math.max(0, point - from), found.to - from);
  return place + 1 + (lengths(node).plain ? points : unitOf(node.textContent, points));
}
