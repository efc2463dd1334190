// The graph on a canvas: what is drawn where, and what is under the pointer.

import type { Id } from "../../api/types";
import type { Point } from "../shared/kept";
import type { Drawing, Line } from "./drawing";
import { widthOf } from "./graph";

/** Where the drawing's origin is on the canvas, in pixels, and how big a unit. */
export interface Window {
  x: number;
  y: number;
  zoom: number;
}

/** The window that shows all of a drawing in `width` by `height` pixels. */
export function fitted(
  { knots, places }: Pick<Drawing, "knots" | "places">,
  width: number,
  height: number,
): Window {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const knot of knots) {
    const at = places[knot.id];
    if (at === undefined) continue;
    left = Math.min(left, at.x - knot.width / 2);
    right = Math.max(right, at.x + knot.width / 2);
    top = Math.min(top, at.y - knot.height / 2);
    bottom = Math.max(bottom, at.y + knot.height / 2);
  }
  if (left > right) return { x: 0, y: 0, zoom: 1 };
  const margin = 20;
  const zoom = Math.min(
    1.15,
    (width - 2 * margin) / Math.max(1, right - left),
    (height - 2 * margin) / Math.max(1, bottom - top),
  );
  return {
    x: width / 2 - (zoom * (left + right)) / 2,
    y: height / 2 - (zoom * (top + bottom)) / 2,
    zoom,
  };
}

/** The same window, so much nearer, with the point under the pointer staying where it is. */
export function zoomed(window: Window, pointer: Point, factor: number): Window {
  const zoom = Math.min(3, Math.max(0.02, window.zoom * factor));
  const scale = zoom / window.zoom;
  return {
    x: pointer.x - (pointer.x - window.x) * scale,
    y: pointer.y - (pointer.y - window.y) * scale,
    zoom,
  };
}

export const under = (window: Window, pointer: Point): Point => ({
  x: (pointer.x - window.x) / window.zoom,
  y: (pointer.y - window.y) / window.zoom,
});

/** Who is at a point of the drawing; the last drawn is on top. */
export function knotAt({ knots, places }: Pick<Drawing, "knots" | "places">, point: Point): Id | null {
  return (
    knots.findLast(({ id, width, height }) => {
      const at = places[id];
      return at && Math.abs(point.x - at.x) <= width / 2 && Math.abs(point.y - at.y) <= height / 2;
    })?.id ?? null
  );
}

const SAMPLES = 16;

/** The line that runs within `reach` of a point of the drawing. */
export function lineAt(lines: readonly Line[], point: Point, reach: number): Line | null {
  let nearest: Line | null = null;
  let least = reach;
  for (const line of lines) {
    for (let step = 0; step < SAMPLES; step++) {
      const far = toSegment(point, line.curve.at(step / SAMPLES), line.curve.at((step + 1) / SAMPLES));
      if (far < least) {
        least = far;
        nearest = line;
      }
    }
  }
  return nearest;
}

function toSegment(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const size = dx * dx + dy * dy;
  const part =
    size === 0 ? 0 : Math.max(0, Math.min(1, ((point.x - from.x) * dx + (point.y - from.y) * dy) / size));
  return Math.hypot(point.x - from.x - part * dx, point.y - from.y - part * dy);
}

export type Colour =
  | "page"
  | "card"
  | "ink"
  | "muted"
  | "line"
  | "character"
  | "accent"
  | "accent-soft"
  | "action";

/** Names smaller than this, in pixels, are not legible and not drawn. */
const LEGIBLE = 7;

export function draw(
  brush: CanvasRenderingContext2D,
  drawing: Drawing,
  window: Window,
  size: { width: number; height: number; ratio: number },
  colour: (name: Colour) => string,
  chosen: ReadonlySet<Id>,
): void {
  const { knots, places, lines, focus } = drawing;
  const { ratio } = size;
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.fillStyle = colour("page");
  brush.fillRect(0, 0, size.width, size.height);
  brush.setTransform(ratio * window.zoom, 0, 0, ratio * window.zoom, ratio * window.x, ratio * window.y);
  for (const { tie, curve, sure } of lines) {
    const lit = focus.any && tie.events.some((each) => focus.events.has(each.id));
    brush.globalAlpha = lit ? 1 : focus.any ? 0.08 : 0.4;
    brush.strokeStyle = brush.fillStyle = lit ? colour("accent") : colour("action");
    brush.lineWidth = widthOf(tie.events.length);
    brush.setLineDash(sure ? [] : [5, 4]);
    brush.stroke(new Path2D(curve.path));
    brush.fill(new Path2D(curve.arrow));
  }
  brush.globalAlpha = 1;
  brush.textAlign = "center";
  brush.textBaseline = "middle";
  const family = getComputedStyle(document.body).fontFamily;
  for (const knot of knots) {
    const at = places[knot.id];
    if (at === undefined) continue;
    const lit = focus.entities.has(knot.id);
    brush.setLineDash(knot.sure ? [] : [4, 3]);
    brush.lineWidth = chosen.has(knot.id) ? 3 : 1.5;
    brush.strokeStyle = chosen.has(knot.id)
      ? colour("accent")
      : focus.any && !lit
        ? colour("line")
        : colour("character");
    brush.fillStyle = lit ? colour("accent-soft") : colour("card");
    brush.beginPath();
    brush.roundRect(at.x - knot.width / 2, at.y - knot.height / 2, knot.width, knot.height, knot.height / 2);
    brush.fill();
    brush.stroke();
    if (knot.font * window.zoom < LEGIBLE && !lit) continue;
    brush.fillStyle = focus.any && !lit ? colour("muted") : colour("ink");
    brush.font = `600 ${knot.font}px ${family}`;
    brush.fillText(knot.label, at.x, at.y);
  }
}
