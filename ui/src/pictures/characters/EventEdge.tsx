// A line of the graph: one event with its verb, or several with their number.

import type { Edge, EdgeProps } from "@xyflow/react";
import type { Curve, Placed } from "./curves";
import { type Tie, widthOf } from "./graph";

export type EventEdgeType = Edge<{ tie: Tie; curve: Curve; words: Placed | null }, "event">;

export function EventEdge({ data }: EdgeProps<EventEdgeType>) {
  if (data === undefined) return null;
  const { tie, curve, words } = data;
  const { x, y, width, height } = curve.around;
  return (
    <>
      {/* Whoever points at the middle of this element, as assistive programs do, is to point at the line. */}
      <rect className="around" x={x - width / 2} y={y - height / 2} width={width} height={height} />
      <path className="reach" d={curve.path} />
      <path className="tie" d={curve.path} strokeWidth={widthOf(tie.events.length)} />
      <path className="arrow" d={curve.arrow} />
      {words !== null && (
        <text x={words.x} y={words.y}>
          {words.text}
        </text>
      )}
    </>
  );
}
