// The drawn chunk of the timeline: lanes or lines below, what is out of its time behind, the events on top.

import { memo, useMemo } from "react";
import type { Id, StoryEvent } from "../../api/types";
import { eventName } from "../../story/naming";
import type { Found } from "../../story/store";
import type { Focus } from "../shared/focus";
import { type Axis, type Stretch, within } from "./axis";
import { withRoom } from "./lanes";
import { Mark } from "./Mark";
import { pathOf, type StoryLines } from "./storylines";

/** Height of the strip above the lanes, where arcs lead to where things belong. */
export const STRIP = 34;

/** Where events lie across the axis. */
export interface Heights {
  /** Of the event at a place of `axis.events`. */
  of(place: number): number;
  /** Of whom it is done to, if drawn elsewhere. */
  other(place: number): number | null;
  /** Heights of the lines of lanes; none for story-lines. */
  lanes: readonly number[];
  /** All of it, without the strip. */
  height: number;
  lines: StoryLines | null;
}

const LETTER = 6.3;

export const textWidth = (text: string): number => text.length * LETTER;

export function relationInWords(stretch: Stretch, axis: Axis): string {
  if (axis.order === "narrated") return stretch.relation === "earlier" ? "happened earlier" : "happens later";
  return stretch.relation === "earlier" ? "told earlier" : "told later";
}

function Arc({ from, to }: { from: number; to: number }) {
  const top = 4;
  const base = STRIP - 6;
  const middle = (from + to) / 2;
  return <path className="arc" d={`M${from} ${base}Q${middle} ${2 * top - base} ${to} ${base}`} />;
}

function OutOfTime(props: {
  axis: Axis;
  all: readonly Stretch[];
  slot: number;
  height: number;
  lit: Id | null;
}) {
  const { axis, all, slot, height, lit } = props;
  const place = lit === null ? -1 : (axis.index.get(lit) ?? -1);
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a <g> has no focus.
    <g aria-hidden="true">
      {all.map((stretch) => {
        const from = ((axis.centres[stretch.first] ?? 0) - 0.5) * slot;
        const to = ((axis.centres[stretch.last - 1] ?? 0) + 0.5) * slot;
        const words = relationInWords(stretch, axis);
        const over = place >= stretch.first && place < stretch.last;
        return (
          <g key={stretch.first} className={`stretch ${stretch.relation} ${over ? "lit" : ""}`}>
            <rect x={from} y={STRIP - 6} width={to - from} height={height - STRIP + 6} />
            <Arc from={(from + to) / 2} to={stretch.home * slot} />
            <circle className="home" cx={stretch.home * slot} cy={STRIP - 6} r={2.5} />
            {to - from > textWidth(words) && (
              <text x={(from + to) / 2} y={STRIP + 7}>
                {words}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

function Lines(props: {
  lines: StoryLines;
  found: Found;
  slot: number;
  from: number;
  to: number;
  focus: Focus;
}) {
  const { lines, found, slot, from, to, focus } = props;
  const first = lines.moments.findIndex((moment) => moment.to > from);
  const end = lines.moments.findIndex((moment) => moment.from >= to);
  // One moment more on either side, so that a line comes in and goes out of the picture.
  const [low, high] = [Math.max(0, first - 1), end < 0 ? lines.moments.length : end + 1];
  if (first < 0) return null;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a <g> has no focus.
    <g aria-hidden="true" transform={`translate(0 ${STRIP})`}>
      {lines.moments.slice(low, high).map((moment, offset) => {
        const heights = moment.present.map((id) => {
          const line = lines.of.get(id);
          return line?.heights[low + offset - line.first] ?? 0;
        });
        if (heights.length < 2) return null;
        const top = Math.min(...heights) - 11;
        const bottom = Math.max(...heights) + 11;
        const name = moment.place === null ? "" : (found.spots.get(moment.place)?.name ?? "");
        const width = (moment.to - moment.from) * slot;
        return (
          <g key={moment.first} className="meeting">
            <rect
              x={moment.from * slot + 2}
              y={top}
              width={Math.max(2, width - 4)}
              height={bottom - top}
              rx={Math.min(10, width / 2)}
            />
            {name !== "" && textWidth(name) < width && (
              <text x={moment.from * slot + 8} y={top - 3}>
                {name}
              </text>
            )}
          </g>
        );
      })}
      {lines.lines.map((line, number) => {
        const begin = lines.moments[line.first];
        const light = focus.any ? (focus.entities.has(line.id) ? "lit" : "dim") : "";
        return (
          <g key={line.id}>
            <path
              className={`line hue-${number % 6} ${light}`}
              d={pathOf(line, lines.moments, low, high, slot)}
            />
            {begin !== undefined && line.first > 0 && begin.to > from && begin.from < to && (
              <text className="begins" x={begin.from * slot} y={(line.heights[0] ?? 0) + 4}>
                {found.people.get(line.id)?.name}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

/** From an event told out of its time to where it belongs. */
function OtherTime(props: { axis: Axis; all: readonly Stretch[]; slot: number; heights: Heights; lit: Id }) {
  const { axis, all, slot, heights, lit } = props;
  const place = axis.index.get(lit);
  const stretch = all.find((each) => place !== undefined && place >= each.first && place < each.last);
  if (place === undefined || stretch === undefined) return null;
  const x = (axis.centres[place] ?? 0) * slot;
  const y = STRIP + heights.of(place);
  const home = stretch.home * slot;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a <g> has no focus.
    <g className="other-time" aria-hidden="true">
      <path d={`M${x} ${y}Q${(x + home) / 2} ${y - 26} ${home} ${y}`} />
      <circle cx={home} cy={y} r={5} />
      <text x={Math.max(home, 32)} y={y + 17}>
        {axis.order === "narrated" ? "happened here" : "told here"}
      </text>
    </g>
  );
}

interface Row {
  place: number;
  event: StoryEvent;
  x: number;
  y: number;
  other: number | null;
}

export const Plot = memo(function Plot(props: {
  found: Found;
  axis: Axis;
  out: readonly Stretch[];
  heights: Heights;
  slot: number;
  from: number;
  to: number;
  focus: Focus;
  chosen: readonly Id[];
  /** The event that the Tab key reaches. */
  tab: Id | null;
  lit: Id | null;
}) {
  const { found, axis, out, heights, slot, from, to, focus, chosen, tab, lit } = props;
  const rows = useMemo(
    (): Row[] =>
      within(axis, from, to, [tab]).flatMap((place) => {
        const event = axis.events[place];
        if (event === undefined) return [];
        const other = heights.other(place);
        return [
          {
            place,
            event,
            x: (axis.centres[place] ?? 0) * slot,
            y: STRIP + heights.of(place),
            other: other === null ? null : STRIP + other,
          },
        ];
      }),
    [axis, heights, slot, from, to, tab],
  );
  const named = useMemo(
    () => new Map(rows.map(({ event }) => [event.id, eventName(event, found)])),
    [rows, found],
  );
  const shown = useMemo(
    () =>
      out.filter(
        (each) => (axis.centres[each.last - 1] ?? 0) >= from && (axis.centres[each.first] ?? 0) <= to,
      ),
    [axis, out, from, to],
  );
  const labelled = useMemo(
    () =>
      heights.lines === null
        ? withRoom(rows.map(({ event, x, y }) => ({ row: y, x, width: textWidth(event.verb) })))
        : rows.map(() => false),
    [rows, heights],
  );
  const height = STRIP + heights.height;
  const width = axis.length * slot;
  const r = Math.min(8, Math.max(3, slot / 2 - 2.5));
  // By id, so that an event that moves stays the same element and glides.
  const still = [...rows.keys()].sort((a, b) =>
    (rows[a]?.event.id ?? "") < (rows[b]?.event.id ?? "") ? -1 : 1,
  );
  return (
    <>
      <OutOfTime axis={axis} all={shown} slot={slot} height={height} lit={lit} />
      {heights.lanes.map((y) => (
        <line
          key={y}
          className="lane"
          x1={from * slot}
          x2={Math.min(width, to * slot)}
          y1={STRIP + y}
          y2={STRIP + y}
        />
      ))}
      {heights.lines !== null && (
        <Lines lines={heights.lines} found={found} slot={slot} from={from} to={to} focus={focus} />
      )}
      {lit !== null && <OtherTime axis={axis} all={out} slot={slot} heights={heights} lit={lit} />}
      {/* biome-ignore lint/a11y/noAriaHiddenOnFocusable: a <g> has no focus. */}
      <g aria-hidden="true">
        {still.map((index) => {
          const row = rows[index];
          if (row === undefined || (row.other === null && !labelled[index])) return null;
          const { event, x, y, other } = row;
          const dim = focus.any && !focus.events.has(event.id);
          return (
            <g
              key={event.id}
              className={dim ? "tie dim" : "tie"}
              style={{ transform: `translate(${x}px, ${y}px)` }}
            >
              {other !== null && (
                <path className={event.confidence < 0.5 ? "unsure" : ""} d={`M0 0V${other - y}`} />
              )}
              {other !== null && <circle cy={other - y} r={3} />}
              {labelled[index] && <text y={r + 13}>{event.verb}</text>}
            </g>
          );
        })}
      </g>
      {still.map((index) => {
        const row = rows[index];
        if (row === undefined) return null;
        const { event, x, y } = row;
        return (
          <Mark
            key={event.id}
            event={event}
            name={named.get(event.id) ?? event.verb}
            x={x}
            y={y}
            r={r}
            dim={focus.any && !focus.events.has(event.id)}
            chosen={chosen.includes(event.id)}
            tab={event.id === tab}
          />
        );
      })}
    </>
  );
});
