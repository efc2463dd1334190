// The graph as elements of the page, which have names, take the focus and are dragged.

import { type NodeChange, type OnConnect, Position, ReactFlow, ReactFlowProvider } from "@xyflow/react";
import { type FocusEvent, type KeyboardEvent, type MouseEvent, useCallback, useMemo } from "react";
import type { Id } from "../../api/types";
import { eventName } from "../../story/naming";
import { type Found, useStory } from "../../story/store";
import { chooseEntity, chooseNothing, hover, hoverNothing, wantsMore } from "../shared/choosing";
import { FLOW, useFitting } from "../shared/flow";
import { changeVerb, connect, removeCharacter, removeEvent, renameEntity } from "../shared/gestures";
import { keep, place } from "../shared/kept";
import { ViewControls } from "../shared/ViewControls";
import { CharacterNode, type CharacterNodeType } from "./CharacterNode";
import { chooseLine, hoverLine } from "./choosing";
import type { Drawing, Line } from "./drawing";
import { EventEdge, type EventEdgeType } from "./EventEdge";

const NODES = { character: CharacterNode };
const EDGES = { event: EventEdge };
/** How far an arrow key moves a node. */
const STEP = 12;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function lineName(found: Found, line: Line): string {
  const { tie } = line;
  const [first] = tie.events;
  if (first === undefined) return "";
  if (tie.events.length === 1) return eventName(first, found);
  const name = (id: Id) => found.people.get(id)?.name ?? id;
  return `${name(tie.source)} to ${name(tie.target)}: ${line.full}`;
}

/** A name that holds the words that are seen, so that whoever speaks them finds it. */
const spoken = (name: string, words: string) => (name.includes(words) ? name : `${name}: ${words}`);

function Flow({ drawing, found }: { drawing: Drawing; found: Found }) {
  const { knots, places, lines, focus } = drawing;
  const selection = useStory((state) => state.selection);
  const fitting = useFitting(knots.map(({ id }) => id).join(" "));

  const nodes = useMemo(
    (): CharacterNodeType[] =>
      knots.map((knot) => {
        const at = places[knot.id] ?? { x: 0, y: 0 };
        const { width, height } = knot;
        const chosen = selection.entities.includes(knot.id);
        const lit = focus.entities.has(knot.id);
        return {
          id: knot.id,
          type: "character",
          position: { x: at.x - width / 2, y: at.y - height / 2 },
          width,
          height,
          measured: { width, height },
          handles: [
            { type: "source", position: Position.Right, x: width, y: height / 2, width: 1, height: 1 },
            { type: "target", position: Position.Left, x: 0, y: 0, width, height },
          ],
          data: { knot },
          className: `knot${chosen ? " chosen" : ""}${focus.any ? (lit ? " lit" : " dim") : ""}${
            knot.sure ? "" : " unsure"
          }`,
          ariaRole: "button",
          ariaLabel: knot.name,
          domAttributes: {
            ...{ "data-testid": "character-node" },
            "aria-roledescription": undefined,
            "aria-pressed": chosen,
          },
        };
      }),
    [knots, places, focus, selection],
  );

  const edges = useMemo(
    (): EventEdgeType[] =>
      lines.map((line) => {
        const { tie, curve, words } = line;
        const chosen = tie.events.some((each) => selection.events.includes(each.id));
        const lit = tie.events.some((each) => focus.events.has(each.id));
        return {
          id: tie.id,
          type: "event",
          source: tie.source,
          target: tie.target,
          data: { tie, curve, words },
          className: `line ${line.kind}${chosen ? " chosen" : ""}${focus.any ? (lit ? " lit" : " dim") : ""}${
            line.sure ? "" : " unsure"
          }`,
          ariaRole: "button",
          ariaLabel: spoken(lineName(found, line), words?.text ?? ""),
          zIndex: lit ? 1 : 0,
          domAttributes: {
            ...(tie.events.length === 1
              ? { "data-testid": "event-edge" }
              : { "data-testid": "event-bundle", "data-count": tie.events.length }),
            "aria-roledescription": undefined,
            "aria-describedby": undefined,
            "aria-pressed": chosen,
          },
        };
      }),
    [lines, focus, selection, found],
  );

  const move = useCallback(
    (changes: NodeChange<CharacterNodeType>[]) => {
      const moved = changes.flatMap((change) => {
        if (change.type !== "position" || change.position === undefined) return [];
        const knot = knots.find(({ id }) => id === change.id);
        if (knot === undefined) return [];
        const { x, y } = change.position;
        return [[change.id, { x: x + knot.width / 2, y: y + knot.height / 2 }] as const];
      });
      if (moved.length > 0) place("characters", Object.fromEntries(moved));
    },
    [knots],
  );
  const kept = () =>
    keep(
      "characters",
      knots.map(({ id }) => id),
    );

  const onConnect: OnConnect = ({ source, target }) => void connect(source, target);

  const key = (event: KeyboardEvent<HTMLElement>) => {
    const target = (event.target as Element).closest<HTMLElement>("[data-id]");
    const node = target?.closest(".knot")?.getAttribute("data-id");
    const line = lines.find(
      ({ tie }) => target?.matches(".line") && tie.id === target.getAttribute("data-id"),
    );
    const only = line?.tie.events.length === 1 ? line.tie.events[0] : undefined;
    const arrow = ARROWS[event.key];
    const at = node ? places[node] : undefined;
    if (event.key === "Escape") chooseNothing("characters");
    else if ((event.key === "Enter" || event.key === " ") && node)
      chooseEntity(node, event.shiftKey, "characters");
    else if ((event.key === "Enter" || event.key === " ") && line) chooseLine(line);
    else if (event.key === "F2" && node) void renameEntity(node);
    else if (event.key === "F2" && only) void changeVerb(only.id);
    else if ((event.key === "Delete" || event.key === "Backspace") && node) void removeCharacter(node);
    else if ((event.key === "Delete" || event.key === "Backspace") && only) void removeEvent(only.id);
    else if (arrow !== undefined && node && at !== undefined) {
      place("characters", { [node]: { x: at.x + arrow[0] * STEP, y: at.y + arrow[1] * STEP } });
      kept();
    } else return;
    event.preventDefault();
  };

  const focusIn = (event: FocusEvent<HTMLElement>) => {
    const target = (event.target as Element).closest<HTMLElement>(".knot, .line");
    const id = target?.getAttribute("data-id");
    if (!target || !id || !target.matches(":focus-visible")) return;
    const line = lines.find(({ tie }) => tie.id === id);
    if (target.matches(".knot")) hover([id]);
    else if (line !== undefined) hoverLine(line);
    fitting.show(target);
  };

  const take = (event: MouseEvent) => (event.currentTarget as HTMLElement).focus({ preventScroll: true });

  return (
    <ReactFlow<CharacterNodeType, EventEdgeType>
      {...FLOW}
      className="graph"
      aria-label="Characters and what they do to each other"
      nodes={nodes}
      edges={edges}
      nodeTypes={NODES}
      edgeTypes={EDGES}
      onNodesChange={move}
      onNodeDragStop={kept}
      onConnect={onConnect}
      isValidConnection={({ source, target }) => source !== target}
      connectionRadius={30}
      onNodeClick={(event, node) => {
        take(event);
        chooseEntity(node.id, wantsMore(event), "characters");
      }}
      onNodeDoubleClick={(_, node) => void renameEntity(node.id)}
      onNodeMouseEnter={(_, node) => hover([node.id])}
      onNodeMouseLeave={hoverNothing}
      onEdgeClick={(event, edge) => {
        take(event);
        const line = lines.find(({ tie }) => tie.id === edge.id);
        if (line !== undefined) chooseLine(line);
      }}
      onEdgeDoubleClick={(_, edge) => {
        const [first, second] = edge.data?.tie.events ?? [];
        if (first !== undefined && second === undefined) void changeVerb(first.id);
      }}
      onEdgeMouseEnter={(_, edge) => edge.data !== undefined && hoverLine(edge.data)}
      onEdgeMouseLeave={hoverNothing}
      onPaneClick={() => chooseNothing("characters")}
      onMoveStart={fitting.moved}
      onKeyDown={key}
      onFocus={focusIn}
      onBlur={hoverNothing}
    >
      <ViewControls picture="characters" onFit={fitting.again} />
    </ReactFlow>
  );
}

export function GraphElements(props: { drawing: Drawing; found: Found }) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}
