// The frame of a place, and a character in it.

import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import type { Frame } from "./frames";

export type PlaceNodeType = Node<{ frame: Frame; more: string }, "place">;
export type ChipNodeType = Node<{ label: string }, "chip">;

export function PlaceNode({ data: { frame, more } }: NodeProps<PlaceNodeType>) {
  return (
    <>
      <span className="frame-name">{frame.name}</span>
      {/* Lines of the library end at handles, although these are drawn elsewhere. */}
      <Handle type="source" position={Position.Right} isConnectable={false} className="end" />
      <Handle type="target" position={Position.Left} isConnectable={false} className="end" />
      {more !== "" && <span className="frame-more">{more}</span>}
    </>
  );
}

export function ChipNode({ data: { label } }: NodeProps<ChipNodeType>) {
  return <span className="chip-name">{label}</span>;
}
