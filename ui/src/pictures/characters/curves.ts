// The lines of the graph as drawn: a curve from the border of one node to that of another, its arrow, and where its
// words stand so that they cover neither a node nor other words.

import type { Point } from "../shared/kept";
import type { Tie } from "./graph";

/** A rectangle around a middle. */
export interface Block extends Point {
  width: number;
  height: number;
}

export interface Curve {
  path: string;
  arrow: string;
  /** The point at a part of the way, from 0 to 1. */
  at: (part: number) => Point;
  /** A block around the middle of the way that holds all of it and its words. */
  around: Block;
}

const FAN_OUT = 30;
const ARROW = 9;
/** How far words may stand out beside the ends of a line. */
const WORDS = { x: 60, y: 12 };

/** How far a line of several between the same two bulges to the left of its way: the only one is straight. */
export function bulgeOf({ source, target, lane, lanes }: Tie): number {
  const side = source < target ? 1 : -1;
  return side * (lane - (lanes - 1) / 2) * FAN_OUT * 2;
}

/** Whether a point lies in a block. */
const inside = (point: Point, block: Block, room = 0): boolean =>
  Math.abs(point.x - block.x) < block.width / 2 + room &&
  Math.abs(point.y - block.y) < block.height / 2 + room;

/** Where along [from, to] the curve crosses the border of a block that holds its point at `from`. */
function crossing(at: (part: number) => Point, block: Block, from: number, to: number, room: number): number {
  let inner = from;
  let outer = to;
  for (let step = 0; step < 14; step++) {
    const middle = (inner + outer) / 2;
    if (inside(at(middle), block, room)) inner = middle;
    else outer = middle;
  }
  return outer;
}

const n = (value: number) => Math.round(value * 10) / 10;

/** A curve between two blocks that bulges to the left of its way. */
export function curveOf(source: Block, target: Block, bulge: number): Curve {
  const dx = target.x - source.x;
  const dy = target.y - source.y;
  const length = Math.hypot(dx, dy) || 1;
  const control = {
    x: (source.x + target.x) / 2 - (dy / length) * bulge,
    y: (source.y + target.y) / 2 + (dx / length) * bulge,
  };
  const at = (t: number): Point => ({
    x: (1 - t) ** 2 * source.x + 2 * t * (1 - t) * control.x + t ** 2 * target.x,
    y: (1 - t) ** 2 * source.y + 2 * t * (1 - t) * control.y + t ** 2 * target.y,
  });
  const start = crossing(at, source, 0, 0.5, 1);
  const end = crossing(at, target, 1, 0.5, 2);
  const from = at(start);
  const tip = at(end);
  // The line ends where the arrow begins.
  const back = at(Math.max(start, end - ARROW / Math.max(ARROW, length)));
  const size = Math.hypot(tip.x - back.x, tip.y - back.y) || 1;
  const ux = (tip.x - back.x) / size;
  const uy = (tip.y - back.y) / size;
  const foot = { x: tip.x - ux * ARROW, y: tip.y - uy * ARROW };
  // The part of a quadratic curve between two of its points is one again, whose control point is where their tangents meet.
  const part = {
    x:
      (1 - start) * (1 - end) * source.x +
      (start * (1 - end) + end * (1 - start)) * control.x +
      start * end * target.x,
    y:
      (1 - start) * (1 - end) * source.y +
      (start * (1 - end) + end * (1 - start)) * control.y +
      start * end * target.y,
  };
  const wing = ARROW * 0.42;
  const middle = at((start + end) / 2);
  const reach = (axis: "x" | "y") =>
    Math.max(...[from, part, tip].map((point) => Math.abs(point[axis] - middle[axis])));
  return {
    path: `M${n(from.x)} ${n(from.y)}Q${n(part.x)} ${n(part.y)} ${n(foot.x)} ${n(foot.y)}`,
    arrow: `M${n(tip.x)} ${n(tip.y)}L${n(foot.x - uy * wing)} ${n(foot.y + ux * wing)}L${n(foot.x + uy * wing)} ${n(foot.y - ux * wing)}Z`,
    at: (part) => at(start + part * (end - start)),
    around: { ...middle, width: 2 * (reach("x") + WORDS.x), height: 2 * (reach("y") + WORDS.y) },
  };
}

export interface Wording {
  id: string;
  curve: Curve;
  /** What may stand there, the longest first. */
  texts: readonly string[];
  /** Who is placed first. */
  weight: number;
}

export interface Placed extends Block {
  text: string;
}

const TRIES = [0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78];
const LETTER = 6.3;
const LINE = 15;

const clash = (one: Block, other: Block): boolean =>
  Math.abs(one.x - other.x) < (one.width + other.width) / 2 &&
  Math.abs(one.y - other.y) < (one.height + other.height) / 2;

/** The words of the lines, as many as find room; a grid keeps the search short. */
export function placeWords(wordings: readonly Wording[], nodes: readonly Block[]): Map<string, Placed> {
  const cell = 80;
  const grid = new Map<string, Block[]>();
  const cells = ({ x, y, width, height }: Block): string[] => {
    const keys: string[] = [];
    for (let i = Math.floor((x - width / 2) / cell); i <= Math.floor((x + width / 2) / cell); i++)
      for (let j = Math.floor((y - height / 2) / cell); j <= Math.floor((y + height / 2) / cell); j++)
        keys.push(`${i} ${j}`);
    return keys;
  };
  const put = (block: Block) => {
    for (const key of cells(block)) grid.set(key, [...(grid.get(key) ?? []), block]);
  };
  const free = (block: Block) =>
    cells(block).every((key) => !grid.get(key)?.some((each) => clash(each, block)));
  for (const node of nodes) put(node);
  const placed = new Map<string, Placed>();
  for (const { id, curve, texts } of [...wordings].sort((one, other) => other.weight - one.weight)) {
    const found = texts
      .flatMap((text) =>
        TRIES.map((part) => ({ ...curve.at(part), width: text.length * LETTER + 6, height: LINE, text })),
      )
      .find(free);
    if (found === undefined) continue;
    put(found);
    placed.set(id, found);
  }
  return placed;
}
