// One event of the timeline: its kind by shape and colour, how sure it is by the line, a clock where a cue of time is.

import { memo } from "react";
import type { StoryEvent } from "../../api/types";

export function Shape({ kind, r }: { kind: StoryEvent["kind"]; r: number }) {
  if (kind === "movement") return <path d={`M${-0.85 * r} ${-r}L${1.1 * r} 0L${-0.85 * r} ${r}Z`} />;
  if (kind === "speech")
    return <rect x={-0.95 * r} y={-0.95 * r} width={1.9 * r} height={1.9 * r} rx={0.3 * r} />;
  if (kind === "perception") return <path d={`M0 ${-1.2 * r}L${1.2 * r} 0L0 ${1.2 * r}L${-1.2 * r} 0Z`} />;
  return <circle r={r} />;
}

export function Clock({ r }: { r: number }) {
  return (
    <g className="clock" transform={`translate(${r + 2} ${-r - 3})`}>
      <circle r={3.6} />
      <path d="M0 -2V0H1.6" />
    </g>
  );
}

/** Less sure than so is dashed, in every picture. */
export const UNSURE = 0.5;

export const Mark = memo(function Mark(props: {
  event: StoryEvent;
  name: string;
  x: number;
  y: number;
  r: number;
  dim: boolean;
  chosen: boolean;
  tab: boolean;
}) {
  const { event, name, x, y, r, dim, chosen, tab } = props;
  const look = [event.kind, dim ? "dim" : "", event.confidence < UNSURE ? "unsure" : ""];
  const reach = Math.max(r + 3, 8);
  return (
    // biome-ignore lint/a11y/useSemanticElements: inside SVG there is no <button>.
    <g
      className={`timeline-event ${look.join(" ")}`}
      style={{ transform: `translate(${x}px, ${y}px)` }}
      role="button"
      tabIndex={tab ? 0 : -1}
      aria-label={name}
      aria-pressed={chosen}
      data-testid="timeline-event"
      data-id={event.id}
      data-narrated={event.narrated}
      data-story={event.story}
    >
      <circle className="reach" r={reach} />
      <Shape kind={event.kind} r={r} />
      {event.time !== null && r > 4 && <Clock r={r} />}
    </g>
  );
});
