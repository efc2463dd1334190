// The graph of a very big cast, on a canvas; without a pointer the outline beside it does the same.

import { useEffect, useRef, useState } from "react";
import type { Id } from "../../api/types";
import { useStory } from "../../story/store";
import { chooseEntity, chooseNothing, hover, hoverNothing, wantsMore } from "../shared/choosing";
import { renameEntity } from "../shared/gestures";
import { forget, keep, type Point, place } from "../shared/kept";
import { type Colour, draw, fitted, knotAt, lineAt, under, type Window, zoomed } from "./canvas";
import { chooseLine, hoverLine } from "./choosing";
import type { Drawing } from "./drawing";

/** How near the pointer must be to a line, in pixels. */
const REACH = 7;
/** A press that moves less than this is a click. */
const CLICK = 4;

export function GraphCanvas({ drawing }: { drawing: Drawing }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [window_, setWindow] = useState<Window | null>(null);
  const [theme, setTheme] = useState(0);
  const press = useRef<{ from: Point; knot: Id | null; moved: boolean; last: Point } | null>(null);
  const selection = useStory((state) => state.selection);

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const watch = new ResizeObserver(() =>
      setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    watch.observe(element);
    const other = () => setTheme((count) => count + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", other);
    const chosen = new MutationObserver(other);
    chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      watch.disconnect();
      chosen.disconnect();
      system.removeEventListener("change", other);
    };
  }, []);

  const view = window_ ?? fitted(drawing, size.width, size.height);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours.
  useEffect(() => {
    const element = canvas.current;
    const brush = element?.getContext("2d");
    if (!element || !brush || size.width === 0) return;
    const ratio = devicePixelRatio;
    element.width = Math.round(size.width * ratio);
    element.height = Math.round(size.height * ratio);
    const known = new Map<string, string>();
    const probe = element.parentElement as HTMLElement;
    const colour = (name: Colour): string => {
      let value = known.get(name);
      if (value === undefined) {
        // Only a colour that is used somewhere is resolved to one that a canvas understands.
        probe.style.outlineColor = `var(--${name})`;
        value = getComputedStyle(probe).outlineColor;
        known.set(name, value);
      }
      return value;
    };
    draw(brush, drawing, view, { ...size, ratio }, colour, new Set(selection.entities));
  }, [drawing, view, size, theme, selection]);

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    // React's own wheel handlers cannot keep the page from scrolling.
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const pointer = { x: event.offsetX, y: event.offsetY };
      setWindow((now) => zoomed(now ?? view, pointer, Math.exp(-event.deltaY * 0.0015)));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [view]);

  const at = (event: { nativeEvent: MouseEvent }): Point => ({
    x: event.nativeEvent.offsetX,
    y: event.nativeEvent.offsetY,
  });
  const near = (point: Point) => lineAt(drawing.lines, point, REACH / view.zoom);

  return (
    <>
      <canvas
        ref={canvas}
        className="graph-canvas"
        role="img"
        aria-label={`Graph of ${drawing.knots.length} characters; the outline lists them all`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const from = at(event);
          press.current = { from, last: from, knot: knotAt(drawing, under(view, from)), moved: false };
        }}
        onPointerMove={(event) => {
          const now = at(event);
          const pressed = press.current;
          if (pressed === null) {
            const point = under(view, now);
            const knot = knotAt(drawing, point);
            const line = knot === null ? near(point) : null;
            const hovered = useStory.getState().hover;
            if (knot !== null) {
              if (hovered?.entities[0] !== knot) hover([knot]);
            } else if (line !== null) {
              if (hovered?.events[0] !== line.tie.events[0]?.id) hoverLine(line);
            } else if (hovered !== null) hoverNothing();
            event.currentTarget.style.cursor = knot !== null || line !== null ? "pointer" : "grab";
            return;
          }
          if (Math.hypot(now.x - pressed.from.x, now.y - pressed.from.y) > CLICK) pressed.moved = true;
          if (!pressed.moved) return;
          const [dx, dy] = [now.x - pressed.last.x, now.y - pressed.last.y];
          pressed.last = now;
          const spot = pressed.knot === null ? undefined : drawing.places[pressed.knot];
          if (pressed.knot !== null && spot !== undefined)
            place("characters", {
              [pressed.knot]: { x: spot.x + dx / view.zoom, y: spot.y + dy / view.zoom },
            });
          else setWindow({ ...view, x: view.x + dx, y: view.y + dy });
        }}
        onPointerUp={(event) => {
          const pressed = press.current;
          press.current = null;
          if (pressed === null) return;
          if (pressed.moved) {
            if (pressed.knot !== null)
              keep(
                "characters",
                drawing.knots.map(({ id }) => id),
              );
            return;
          }
          const line = pressed.knot === null ? near(under(view, pressed.from)) : null;
          if (pressed.knot !== null) chooseEntity(pressed.knot, wantsMore(event), "characters");
          else if (line !== null) chooseLine(line);
          else chooseNothing("characters");
        }}
        onPointerLeave={hoverNothing}
        onDoubleClick={(event) => {
          const knot = knotAt(drawing, under(view, at(event)));
          if (knot !== null) void renameEntity(knot);
        }}
      />
      <div className="graph-tools">
        <button type="button" onClick={() => setWindow(null)}>
          Fit
        </button>
        <button
          type="button"
          onClick={() => {
            forget("characters");
            setWindow(null);
          }}
        >
          Arrange anew
        </button>
      </div>
    </>
  );
}
