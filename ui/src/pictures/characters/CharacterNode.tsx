// A character in the graph: its name, the bigger the more it is spoken of, and a knob to pull a new line from.

import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import type { Knot } from "./graph";

export type CharacterNodeType = Node<{ knot: Knot }, "character">;

export function CharacterNode({ data: { knot } }: NodeProps<CharacterNodeType>) {
  return (
    <>
      <span className="knot-name" style={{ fontSize: knot.font }}>
        {knot.label}
      </span>
      <Handle type="target" position={Position.Left} className="catch" isConnectableStart={false} />
      <Handle type="source" position={Position.Right} className="knob" title="Pull to another character" />
    </>
  );
}
