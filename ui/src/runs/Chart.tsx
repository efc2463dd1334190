// A drawing of lines over steps or time, with axes, direct labels and a cursor that follows the pointer or the arrow
// keys. It knows nothing of runs.

import {
  type KeyboardEvent,
  type PointerEvent,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { clock, exact, number } from "./format";
import { area, drawn, type Points } from "./path";
import { extent, nice, scale, spread, tickLabels, ticks, timeTicks, wholeTicks, withBands } from "./scale";
import { nearest, stageStarts } from "./series";
import "./chart.css";

export type By = "step" | "time" | "samples";

export interface Curve extends Points {
  id: string;
  /** Written at its end; empty for none. */
  label: string;
  colour: string;
  dash?: string;
  /** Drawn lightly, beside what it belongs to. */
  light?: boolean;
  /** The line smoothed, drawn over the line itself. */
  smooth?: readonly number[];
  band?: { low: readonly number[]; high: readonly number[] };
}

/** What stands at the cursor. */
export interface Reading {
  x: number;
  /** The stage of the only line, where it has several. */
  stage: string;
  values: { id: string; label: string; value: number; colour: string }[];
}

interface Props {
  name: string;
  curves: readonly Curve[];
  by: By;
  log?: boolean;
  height: number;
  onRead?: (reading: Reading | null) => void;
}

const TOP = 8;
const BOTTOM = 22;
const STAGE = 13; // of the line above the drawing that names the stages
const CHARACTER = 6.3; // of the small type, in pixels, rather too much than too little
const LABEL_GAP = 14;

/** The pixels an element is wide, now and when that changes. */
export function useWidth<T extends HTMLElement>(): [React.RefObject<T | null>, number] {
  const box = useRef<T>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    setWidth(element.clientWidth);
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return [box, width];
}

/** A place on the horizontal axis in words. */
export const place = (x: number, by: By) => (by === "time" ? clock(x) : `${by} ${exact(Math.round(x))}`);

export function Chart({ name, curves, by, log = false, height, onRead }: Props) {
  const [box, width] = useWidth<HTMLDivElement>();
  const [cursor, setCursor] = useState<number | null>(null);
  const clip = useId();
  const frame = useMemo(() => frameOf(curves, by, log, width, height), [curves, by, log, width, height]);
  const move = (x: number | null) => {
    setCursor(x);
    onRead?.(x === null ? null : read(curves, x));
  };
  const pointer = (event: PointerEvent<HTMLDivElement>) => {
    if (frame === null) return;
    const at = event.clientX - event.currentTarget.getBoundingClientRect().left;
    move(snapped(curves, frame.from + ((at - frame.left) / frame.plot) * (frame.to - frame.from)));
  };
  const key = (event: KeyboardEvent) => {
    const next = stepped(curves, cursor, event.key, event.shiftKey);
    if (next === undefined) return;
    event.preventDefault();
    move(next);
  };
  const reading = cursor === null ? null : read(curves, cursor);
  const said = reading === null ? "" : spoken(reading, by);
  return (
    <div
      ref={box}
      className="chart"
      style={{ height }}
      role="slider"
      tabIndex={0}
      aria-label={`${name}, values along the curve`}
      aria-valuemin={frame?.from ?? 0}
      aria-valuemax={frame?.to ?? 0}
      aria-valuenow={cursor ?? frame?.to ?? 0}
      aria-valuetext={said || "Arrow keys read the values"}
      onPointerMove={pointer}
      onPointerLeave={() => move(null)}
      onBlur={() => move(null)}
      onKeyDown={key}
    >
      {frame === null ? (
        width > 0 && <p className="chart-nothing">{log ? "No number above zero" : "No number so far"}</p>
      ) : (
        <svg width={width} height={height} aria-hidden="true">
          <clipPath id={clip}>
            <rect x={frame.left - 3} y={frame.top - 3} width={frame.plot + 6} height={frame.deep + 6} />
          </clipPath>
          {frame.rows.map(({ y, label }) => (
            <g key={label}>
              <line className="grid" x1={frame.left} x2={frame.left + frame.plot} y1={y} y2={y} />
              <text x={frame.left - 6} y={y + 3.5} textAnchor="end">
                {label}
              </text>
            </g>
          ))}
          <line
            className="axis"
            x1={frame.left}
            x2={frame.left + frame.plot}
            y1={frame.top + frame.deep}
            y2={frame.top + frame.deep}
          />
          {frame.columns.map(({ x, label, anchor }) => (
            <g key={label}>
              <line
                className="axis"
                x1={x}
                x2={x}
                y1={frame.top + frame.deep}
                y2={frame.top + frame.deep + 4}
              />
              <text x={x} y={height - 5} textAnchor={anchor}>
                {label}
              </text>
            </g>
          ))}
          {frame.stages.map(({ x, label }) => (
            <g key={`${label}${x}`} className="stage">
              {x > frame.left && <line x1={x} x2={x} y1={frame.top} y2={frame.top + frame.deep} />}
              <text x={x + 3} y={TOP + 4}>
                {label}
              </text>
            </g>
          ))}
          <g clipPath={`url(#${clip})`}>
            {frame.curves.map((curve) => (
              <g key={curve.id} style={{ color: curve.colour }}>
                {curve.band !== "" && <path className="band" d={curve.band} />}
                <path
                  className={curve.light ? "line light" : "line"}
                  d={curve.path}
                  strokeDasharray={curve.dash}
                />
                {curve.smooth !== "" && <path className="line smooth" d={curve.smooth} />}
                {curve.dots.map(([x, y], index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: points have no other name than their number.
                  <circle key={index} cx={x} cy={y} r={curve.light ? 1.6 : 2.4} />
                ))}
              </g>
            ))}
          </g>
          {frame.labels.map(({ id, label, y, to, colour }) => (
            <g key={id} className="label" style={{ color: colour }}>
              <path
                d={`M${to[0] + 2},${to[1]}H${frame.left + frame.plot + 2}L${frame.left + frame.plot + 9},${y}`}
              />
              <text x={frame.left + frame.plot + 12} y={y + 3.5}>
                {label}
              </text>
            </g>
          ))}
          {reading !== null && (
            <g className="cursor">
              <line
                x1={frame.x(reading.x)}
                x2={frame.x(reading.x)}
                y1={frame.top}
                y2={frame.top + frame.deep}
              />
              {reading.values.map(({ id, value, colour }) => {
                const at = frame.place(reading.x, value);
                return at && <circle key={id} cx={at[0]} cy={at[1]} r={3.5} style={{ color: colour }} />;
              })}
            </g>
          )}
        </svg>
      )}
    </div>
  );
}

/** Where everything of a drawing lies; null while there is nothing to draw. */
function frameOf(curves: readonly Curve[], by: By, log: boolean, width: number, height: number) {
  const across = extent(all(curves, (curve) => curve.x));
  const lines = extent(
    all(curves, (curve) => curve.y),
    log,
  );
  const along = withBands(
    lines,
    extent(
      all(curves, (curve) => [...(curve.band?.low ?? []), ...(curve.band?.high ?? [])]),
      log,
    ),
    log,
  );
  if (across === null || along === null || width < 60) return null;
  const labelled = curves.filter((curve) => curve.label !== "" && curve.x.length > 0);
  const longest = Math.min(24, Math.max(0, ...labelled.map((curve) => curve.label.length)));
  const right = labelled.length > 0 ? 16 + longest * CHARACTER : 10;
  const starts = stagesOf(curves);
  const top = starts.length > 0 ? TOP + STAGE : TOP;
  const deep = height - top - BOTTOM;
  const rowCount = Math.max(2, Math.round(deep / 38));
  const [low, high] = nice(...along, rowCount, log);
  const rowValues = ticks(low, high, rowCount, log);
  const rowLabels = tickLabels(rowValues, log);
  const left = 10 + CHARACTER * Math.max(1, ...rowLabels.map((label) => label.length));
  const plot = Math.max(20, width - left - right);
  const [from, to] = across[0] === across[1] ? [across[0] - 1, across[1] + 1] : across;
  const columnCount = Math.max(2, Math.min(8, Math.floor(plot / 76)));
  const horizontal =
    by === "time" ? timeTicks(from, to, columnCount) : labelledTicks(wholeTicks(from, to, columnCount));
  const sx = scale(from, to);
  const sy = scale(low, high, log);
  const x = (value: number) => left + plot * sx.at(value);
  const y = (value: number) => top + deep * (1 - sy.at(value));
  const put = (px: number, py: number): [number, number] | null =>
    Number.isFinite(py) && !(log && py <= 0) ? [x(px), y(py)] : null;
  const ends = labelled.map((curve): [number, number] => lastOf(curve, put) ?? [left + plot, top + deep]);
  const places = spread(
    ends.map((end) => end[1]),
    LABEL_GAP,
    top + 3,
    top + deep - 3,
  );
  return {
    left,
    top,
    plot,
    deep,
    from,
    to,
    x,
    place: put,
    rows: rowValues.map((value, index) => ({ y: y(value), label: rowLabels[index] ?? "" })),
    columns: fitting(
      horizontal.values.map((value, index) => ({ x: x(value), label: horizontal.labels[index] ?? "" })),
      width,
    ),
    stages: named(
      starts.map(({ at, label }) => ({ x: x(at), label: label.replaceAll("_", " ") })),
      left + plot,
    ),
    curves: curves.map((curve) => ({
      id: curve.id,
      colour: curve.colour,
      dash: curve.dash,
      light: curve.light === true || curve.smooth !== undefined,
      ...drawn(curve, plot, put),
      ...(curve.light ? { dots: [] } : {}),
      smooth: curve.smooth ? drawn({ ...curve, y: curve.smooth }, plot, put).path : "",
      band: curve.band ? area(curve.x, curve.band.low, curve.band.high, put) : "",
    })),
    labels: labelled.map((curve, index) => ({
      id: curve.id,
      label: curve.label.length > longest ? `${curve.label.slice(0, longest - 1)}…` : curve.label,
      colour: curve.colour,
      to: ends[index] ?? [0, 0],
      y: places[index] ?? 0,
    })),
  };
}

const labelledTicks = (values: number[]) => ({ values, labels: tickLabels(values) });

function* all(curves: readonly Curve[], of: (curve: Curve) => readonly number[]): Iterable<number> {
  for (const curve of curves) yield* of(curve);
}

/** Ticks whose labels neither leave the drawing nor run into each other. */
function fitting(columns: { x: number; label: string }[], width: number) {
  let free = 0;
  const found: { x: number; label: string; anchor: "start" | "middle" | "end" }[] = [];
  for (const { x, label } of columns) {
    const wide = label.length * CHARACTER;
    const anchor = x + wide / 2 > width - 1 ? "end" : x - wide / 2 < 1 ? "start" : "middle";
    const begins = anchor === "end" ? x - wide : anchor === "start" ? x : x - wide / 2;
    if (begins < free) continue;
    found.push({ x, label, anchor });
    free = begins + wide + 8;
  }
  return found;
}

/** Where the stages of the first line begin, the first one too; none where there is only one, or too many to show. */
function stagesOf(curves: readonly Curve[]): { at: number; label: string }[] {
  const stage = curves[0]?.stage;
  const x = curves[0]?.x;
  if (stage === undefined || x === undefined) return [];
  const found = [0, ...stageStarts(stage)].map((index) => ({
    at: x[index] as number,
    label: stage[index] as string,
  }));
  return found.length < 2 || found.length > 8 ? [] : found;
}

/** The names of stages that have room until the next one begins; the others stay without. */
function named(stages: { x: number; label: string }[], end: number) {
  return stages.map(({ x, label }, index) => ({
    x,
    label: label.length * CHARACTER < (stages[index + 1]?.x ?? end) - x ? label : "",
  }));
}

function lastOf(
  curve: Curve,
  put: (x: number, y: number) => [number, number] | null,
): [number, number] | null {
  for (let index = curve.x.length - 1; index >= 0; index--) {
    const found = put(curve.x[index] as number, curve.y[index] as number);
    if (found !== null) return found;
  }
  return null;
}

/** The curve with most points: the cursor steps along it. */
const densest = (curves: readonly Curve[]) =>
  curves.reduce<Curve | null>(
    (best, each) => (best === null || each.x.length > best.x.length ? each : best),
    null,
  );

function snapped(curves: readonly Curve[], x: number): number | null {
  const xs = densest(curves)?.x ?? [];
  return xs[nearest(xs, x)] ?? null;
}

function stepped(
  curves: readonly Curve[],
  now: number | null,
  key: string,
  far: boolean,
): number | null | undefined {
  const xs = densest(curves)?.x ?? [];
  const last = xs.length - 1;
  if (last < 0) return undefined;
  const here = now === null ? last : nearest(xs, now);
  const width = far ? Math.max(1, Math.round(xs.length / 20)) : 1;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return xs[now === null ? last : Math.max(0, here - width)];
    case "ArrowRight":
    case "ArrowUp":
      return xs[now === null ? 0 : Math.min(last, here + width)];
    case "Home":
      return xs[0];
    case "End":
      return xs[last];
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

function read(curves: readonly Curve[], x: number): Reading {
  const staged = curves.length === 1 && stagesOf(curves).length > 0 ? curves[0] : undefined;
  const stage = staged?.stage?.[nearest(staged.x, x)] ?? "";
  const values = curves.flatMap((curve) => {
    if (curve.light && curves.some((each) => !each.light)) return [];
    if (x < (curve.x[0] ?? x) || x > (curve.x.at(-1) ?? x)) return []; // it is not drawn there
    const value = curve.y[nearest(curve.x, x)];
    return value === undefined || !Number.isFinite(value)
      ? []
      : [{ id: curve.id, label: curve.label, value, colour: curve.colour }];
  });
  return { x, stage, values };
}

function spoken({ x, stage, values }: Reading, by: By): string {
  const where = [place(x, by), stage.replaceAll("_", " ")].filter(Boolean).join(", ");
  return `${where}: ${values.map(({ label, value }) => `${label} ${number(value)}`.trim()).join(", ")}`;
}
