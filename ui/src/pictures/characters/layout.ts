// Where the nodes of the graph stand: forces that run a fixed number of steps from a fixed start, so that the same
// story gives the same picture; then nobody covers anybody. Who has a place already keeps it.

import {
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  type SimulationLinkDatum,
  type SimulationNodeDatum,
} from "d3-force";
import type { Id } from "../../api/types";
import type { Places, Point } from "../shared/kept";

export interface Box {
  id: Id;
  width: number;
  height: number;
}

interface Body extends SimulationNodeDatum, Box {
  x: number;
  y: number;
}

/** Free space around a node, for lines and their words. */
const ROOM = { x: 44, y: 40 };
/** The same between those who have no lines. */
const APART = { x: 24, y: 2 };
/** No node is taller. */
const TALLEST = 40;
/** How many times the area of the nodes with their room the picture takes. */
const SPREAD = 2.1;
const STEPS = 180;
const STEPS_OF_MANY = 60;
const MANY = 120;

/** The same sequence of numbers in [0, 1) each time. */
function steady(): () => number {
  let state = 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** The middles of all boxes. Those in `kept` stay; `aspect` is the width of the picture in parts of its height. */
export function arrange(
  boxes: readonly Box[],
  links: readonly { source: Id; target: Id; weight: number }[],
  kept: Places,
  aspect: number,
): Record<Id, Point> {
  const bodies: Body[] = boxes.map((box, index) => {
    const at = kept[box.id];
    // A sunflower's spiral: the first, who are most spoken of, in the middle.
    const turn = index * Math.PI * (3 - Math.sqrt(5));
    const far = 60 * Math.sqrt(index + 0.5);
    return {
      ...box,
      x: at?.x ?? far * Math.cos(turn),
      y: at?.y ?? far * Math.sin(turn),
      ...(at === undefined ? {} : { fx: at.x, fy: at.y }),
    };
  });
  const free = bodies.filter((body) => kept[body.id] === undefined);
  const old = bodies.filter((body) => kept[body.id] !== undefined);
  const bound = new Set(links.flatMap(({ source, target }) => [source, target]));
  const tied = free.filter(({ id }) => bound.has(id));
  const size = room(bodies, aspect);
  const together = [...old, ...tied];
  if (tied.length > 0) {
    if (old.length > 0) beside(tied, old, links, kept);
    relax(together, links, centre(old));
    if (old.length === 0) {
      stretch(tied, "x", size.x);
      stretch(tied, "y", room(tied, 1).x ** 2 / size.x);
    }
    part(together, new Set(tied));
  }
  rows(
    free.filter(({ id }) => !bound.has(id)),
    together,
    size.x,
  );
  return Object.fromEntries(bodies.map(({ id, x, y }) => [id, { x, y }]));
}

const centre = (points: readonly Point[]): Point => ({
  x: points.reduce((sum, { x }) => sum + x, 0) / Math.max(1, points.length),
  y: points.reduce((sum, { y }) => sum + y, 0) / Math.max(1, points.length),
});

/** Let newcomers begin near those they have to do with. */
function beside(
  free: readonly Body[],
  old: readonly Body[],
  links: readonly { source: Id; target: Id }[],
  kept: Places,
): void {
  const middle = centre(old);
  free.forEach((body, index) => {
    const known = links.flatMap(({ source, target }) =>
      source === body.id ? (kept[target] ?? []) : target === body.id ? (kept[source] ?? []) : [],
    );
    const near = known.length > 0 ? centre(known) : middle;
    const turn = index * 2.4;
    body.x = near.x + 80 * Math.cos(turn);
    body.y = near.y + 80 * Math.sin(turn);
  });
}

function relax(
  bodies: readonly Body[],
  links: readonly { source: Id; target: Id; weight: number }[],
  middle: Point,
): void {
  const springs = links.map(({ source, target, weight }) => ({ source, target, weight }));
  const simulation = forceSimulation<Body>([...bodies])
    .randomSource(steady())
    .force("charge", forceManyBody<Body>().strength(-420).distanceMax(420))
    .force("x", forceX<Body>(middle.x).strength(0.1))
    .force("y", forceY<Body>(middle.y).strength(0.1))
    .force(
      "link",
      forceLink<Body, SimulationLinkDatum<Body> & { weight: number }>(springs)
        .id((body) => body.id)
        .distance(130)
        .strength((spring) => Math.min(0.5, 0.06 + 0.05 * Math.log2(1 + spring.weight))),
    )
    .stop();
  simulation.tick(bodies.length > MANY ? STEPS_OF_MANY : STEPS);
}

/** Those who have to do with nobody stand in rows below the others. */
function rows(alone: readonly Body[], others: readonly Body[], widest: number): void {
  const left = Math.min(...others.map(({ x, width }) => x - width / 2));
  const right = Math.max(...others.map(({ x, width }) => x + width / 2));
  const middle = others.length === 0 ? 0 : (left + right) / 2;
  const space = Math.max(widest, others.length === 0 ? 0 : right - left);
  let y = others.length === 0 ? 0 : Math.max(...others.map((body) => body.y)) + ROOM.y + TALLEST;
  let row: Body[] = [];
  let end = 0;
  const closed = () => {
    for (const body of row) body.x += middle - (end - APART.x) / 2;
    row = [];
    end = 0;
  };
  for (const body of alone) {
    if (row.length > 0 && end + body.width > space) {
      closed();
      y += TALLEST + APART.y;
    }
    body.x = end + body.width / 2;
    body.y = y;
    end += body.width + APART.x;
    row.push(body);
  }
  closed();
}

/** The size of a picture of this shape with room for all. */
function room(bodies: readonly Body[], aspect: number): Point {
  const area =
    SPREAD * bodies.reduce((sum, { width, height }) => sum + (width + ROOM.x) * (height + ROOM.y), 0);
  return { x: Math.sqrt(area * aspect), y: Math.sqrt(area / aspect) };
}

function stretch(bodies: readonly Body[], axis: "x" | "y", size: number): void {
  const values = bodies.map((body) => body[axis]);
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  for (const body of bodies) body[axis] = span === 0 ? 0 : ((body[axis] - low) / span - 0.5) * size;
}

/** Move nodes that cover each other apart, the shorter way; those that keep their place are not moved. */
function part(bodies: readonly Body[], free: ReadonlySet<Body>): void {
  for (let round = 0; round < 200; round++) {
    let moved = false;
    const sorted = [...bodies].sort((one, other) => one.x - other.x || (one.id < other.id ? -1 : 1));
    const widest = Math.max(...sorted.map(({ width }) => width)) + ROOM.x;
    for (let i = 0; i < sorted.length; i++) {
      const one = sorted[i] as Body;
      for (let j = i + 1; j < sorted.length; j++) {
        const other = sorted[j] as Body;
        if (other.x - one.x > widest) break;
        const mine = free.has(one);
        const theirs = free.has(other);
        const overX = (one.width + other.width) / 2 + ROOM.x - Math.abs(other.x - one.x);
        const overY = (one.height + other.height) / 2 + ROOM.y - Math.abs(other.y - one.y);
        if (overX <= 0.5 || overY <= 0.5 || !(mine || theirs)) continue;
        const axis = overX < overY ? "x" : "y";
        const over = Math.min(overX, overY);
        const way = other[axis] >= one[axis] ? 1 : -1;
        if (mine) one[axis] -= way * over * (theirs ? 0.5 : 1);
        if (theirs) other[axis] += way * over * (mine ? 0.5 : 1);
        moved = true;
      }
    }
    if (!moved) return;
  }
}
