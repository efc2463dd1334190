// The whole story in one strip: how thick events stand in the text, what is told out of its time, and the part that is seen, which
// can be dragged.

import { type KeyboardEvent, memo, type PointerEvent, useMemo } from "react";
import { type Axis, density, type Stretch } from "./axis";

const HEIGHT = 30;
const BAR = 3;

const Density = memo(function Density(props: { axis: Axis; out: readonly Stretch[]; width: number }) {
  const { axis, out, width } = props;
  const bins = Math.max(1, Math.min(Math.ceil(axis.events.length / 3), Math.floor(width / BAR)));
  const parts = useMemo(() => density(axis, bins), [axis, bins]);
  const path = parts
    .map((part, bin) => {
      const x = (bin * width) / bins;
      const y = HEIGHT - 3 - part * (HEIGHT - 10);
      return `${bin === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}L${(x + width / bins).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
  const scale = width / axis.length;
  return (
    <>
      {out.map((stretch) => (
        <rect
          key={stretch.first}
          className={stretch.relation}
          x={((axis.centres[stretch.first] ?? 0) - 0.5) * scale}
          width={Math.max(1, (stretch.last - stretch.first) * scale)}
          height={HEIGHT}
        />
      ))}
      <path className="density" d={`${path}V${HEIGHT}H0Z`} />
      {axis.order === "narrated" && axis.segments.length < width / 4 && (
        <path
          className="scenes"
          d={axis.segments.map(({ from }) => `M${(from * scale).toFixed(1)} 0V6`).join("")}
        />
      )}
    </>
  );
});

export function Overview(props: {
  axis: Axis;
  out: readonly Stretch[];
  width: number;
  /** The seen part, in slots. */
  from: number;
  to: number;
  caret: number | null;
  onMove: (from: number) => void;
}) {
  const { axis, out, width, from, to, caret, onMove } = props;
  const scale = width / axis.length;
  const most = Math.max(0, axis.length - (to - from));
  const press = (event: PointerEvent<HTMLElement>) => {
    const strip = event.currentTarget;
    strip.setPointerCapture(event.pointerId);
    const at = (x: number) => (x - strip.getBoundingClientRect().left) / scale;
    const pressed = at(event.clientX);
    const hold = pressed >= from && pressed <= to ? pressed - from : (to - from) / 2;
    onMove(pressed - hold);
    const move = (next: globalThis.PointerEvent) => onMove(at(next.clientX) - hold);
    strip.addEventListener("pointermove", move);
    const stop = () => strip.removeEventListener("pointermove", move);
    strip.addEventListener("lostpointercapture", stop, { once: true });
  };
  const key = (event: KeyboardEvent) => {
    const page = to - from;
    const step = { ArrowLeft: -page / 8, ArrowRight: page / 8, PageUp: -page, PageDown: page }[event.key];
    if (event.key === "Home") onMove(0);
    else if (event.key === "End") onMove(most);
    else if (step !== undefined) onMove(from + step);
    else return;
    event.preventDefault();
  };
  return (
    <div
      className="timeline-overview"
      role="scrollbar"
      aria-label="Part of the story that is seen"
      aria-controls="timeline-scroll"
      aria-orientation="horizontal"
      aria-valuemin={0}
      aria-valuemax={Math.round(most)}
      aria-valuenow={Math.min(Math.round(most), Math.round(from))}
      tabIndex={0}
      onPointerDown={press}
      onKeyDown={key}
    >
      <svg width={width} height={HEIGHT} aria-hidden="true">
        <Density axis={axis} out={out} width={width} />
        {caret !== null && <path className="caret" d={`M${(caret * scale).toFixed(1)} 0V${HEIGHT}`} />}
        <rect
          className="seen"
          x={Math.max(0, from * scale) + 0.5}
          y={0.5}
          width={Math.max(8, Math.min(width, (to - from) * scale) - 1)}
          height={HEIGHT - 1}
          rx={3}
        />
      </svg>
    </div>
  );
}
