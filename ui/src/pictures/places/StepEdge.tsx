// A step of the way that a character takes from place to place.

import type { Edge, EdgeProps } from "@xyflow/react";
import type { Step } from "./map";

export type StepEdgeType = Edge<{ step: Step }, "step">;

export function StepEdge({ data }: EdgeProps<StepEdgeType>) {
  if (data === undefined) return null;
  const { curve, numbers } = data.step;
  const middle = curve.at(0.5);
  return (
    <>
      <path className="trail" d={curve.path} />
      <path className="arrow" d={curve.arrow} />
      <text x={middle.x} y={middle.y}>
        {numbers.length > 3 ? `${numbers.slice(0, 2).join(", ")}…` : numbers.join(", ")}
      </text>
    </>
  );
}
