// The map of places: who is where at a moment of the story.

import {
  type Edge,
  type Node,
  type NodeChange,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import { type FocusEvent, type KeyboardEvent, type MouseEvent, useEffect, useMemo, useState } from "react";
import type { Id, StoryEvent } from "../../api/types";
import { type Found, nameOf, useStory } from "../../story/store";
import { chooseEntity, chooseNothing, hover, hoverNothing, wantsMore } from "../shared/choosing";
import { FLOW, useFitting } from "../shared/flow";
import { moveCharacter, removeCharacter, renameEntity } from "../shared/gestures";
import { keep, type Point, place } from "../shared/kept";
import { ScopeTools } from "../shared/ScopeTools";
import { shortName } from "../shared/scope";
import { Tools } from "../shared/Tools";
import { ViewControls } from "../shared/ViewControls";
import { Waiting } from "../shared/Waiting";
import { CHIP, type Frame, frameAt, UNKNOWN } from "./frames";
import { Moment } from "./Moment";
import { type Chip, type PlaceMap, usePlaceMap } from "./map";
import { ChipNode, PlaceNode } from "./PlaceNode";
import { StepEdge, type StepEdgeType } from "./StepEdge";
import { inOrder, momentOfScene } from "./whereabouts";
import "./places.css";

const NODES = { place: PlaceNode, chip: ChipNode };
const EDGES = { step: StepEdge };
const FROM = "places";
/** Letters of a name that find room on a chip. */
const LETTERS = 13;

/** Chips are nodes of their own beside the frames, which may have the same names. */
const chipId = (who: Id) => `who ${who}`;

interface Dragged {
  chip: Id;
  at: Point;
  over: Id | null;
}

const look = (base: string, is: Record<string, boolean>) =>
  [base, ...Object.keys(is).filter((name) => is[name])].join(" ");

/** What every node of the map says to the page. */
const attributes = (testId: string, id: Id, chosen: boolean) => ({
  ...{ "data-testid": testId, "data-id": id },
  "aria-roledescription": undefined,
  "aria-pressed": chosen,
});

function frameNode(frame: Frame, map: PlaceMap, selected: readonly Id[], over: Id | null): Node {
  const { id, name, parent, x, y, width, height } = frame;
  const chosen = selected.includes(id);
  const lit = map.focus.entities.has(id);
  const more = map.more.get(id)?.length ?? 0;
  return {
    id,
    type: "place",
    position: { x, y },
    width,
    height,
    measured: { width, height },
    ...(parent === null ? {} : { parentId: parent }),
    data: { frame, more: more > 0 ? `and ${more} more` : "" },
    className: look("frame", {
      chosen,
      lit: map.focus.any && lit,
      drop: over === id,
      unknown: id === UNKNOWN,
      inner: parent !== null,
    }),
    draggable: parent === null,
    dragHandle: ".frame-name",
    ariaRole: "button",
    ariaLabel: name,
    domAttributes: attributes("place-node", id, chosen),
  };
}

function chipNode(
  chip: Chip,
  name: string,
  map: PlaceMap,
  selected: readonly Id[],
  dragged: Dragged | null,
): Node {
  const chosen = selected.includes(chip.id);
  const lit = map.focus.entities.has(chip.id);
  const held = dragged?.chip === chip.id ? dragged : null;
  const { width, height } = CHIP;
  return {
    id: chipId(chip.id),
    type: "chip",
    parentId: chip.frame,
    position: held?.at ?? { x: chip.x, y: chip.y },
    width,
    height,
    measured: { width, height },
    handles: [],
    data: { label: shortName(name, LETTERS) },
    className: look("chip", {
      chosen,
      lit: map.focus.any && lit,
      dim: map.focus.any && !lit,
      last: !chip.here,
      held: held !== null,
    }),
    zIndex: held === null ? 2 : 1000,
    ariaRole: "button",
    ariaLabel: name,
    domAttributes: {
      ...attributes("character-node", chip.id, chosen),
      title: chip.here ? name : `${name} was seen here last`,
    },
  };
}

function Flow({ found, map, moment }: { found: Found; map: PlaceMap; moment: StoryEvent | undefined }) {
  const selection = useStory((state) => state.selection);
  const flow = useReactFlow();
  const [dragged, setDragged] = useState<Dragged | null>(null);
  const fitting = useFitting(map.frames.map(({ id }) => id).join(" "));
  const whose = (nodeId: Id): Chip | undefined => map.chips.find(({ id }) => chipId(id) === nodeId);
  const entityOf = (nodeId: Id): Id => whose(nodeId)?.id ?? nodeId;

  const nodes = useMemo(
    (): Node[] => [
      ...map.frames.map((frame) => frameNode(frame, map, selection.entities, dragged?.over ?? null)),
      ...map.chips.map((chip) => chipNode(chip, nameOf(found, chip.id), map, selection.entities, dragged)),
    ],
    [map, selection, dragged, found],
  );
  const edges = useMemo(
    (): StepEdgeType[] =>
      map.steps.map((step) => ({
        id: step.id,
        type: "step",
        source: step.from,
        target: step.to,
        data: { step },
        className: step.done ? "step done" : "step",
        focusable: false,
        zIndex: 1,
        ariaLabel: `From ${nameOf(found, step.from)} to ${nameOf(found, step.to)}`,
        domAttributes: { "aria-roledescription": undefined },
      })),
    [map.steps, found],
  );

  const move = (changes: NodeChange[]) => {
    for (const change of changes) {
      if (change.type !== "position" || change.position === undefined) continue;
      const { id, position } = change;
      const chip = whose(id);
      if (chip === undefined) place("places", { [id]: position });
      else if (change.dragging)
        setDragged((now) => ({ chip: chip.id, at: position, over: now?.over ?? null }));
    }
  };
  const under = (event: { clientX: number; clientY: number }): Id | null =>
    frameAt(map.frames, flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }));
  const pointOf = (event: globalThis.MouseEvent | TouchEvent | MouseEvent) =>
    "clientX" in event ? event : (event.changedTouches[0] as Touch);

  const drop = (event: globalThis.MouseEvent | TouchEvent | MouseEvent, node: Node) => {
    const chip = whose(node.id);
    if (chip === undefined) {
      keep(
        "places",
        map.frames.filter(({ parent }) => parent === null).map(({ id }) => id),
      );
      return;
    }
    setDragged(null);
    const to = under(pointOf(event));
    if (to !== null && to !== UNKNOWN && to !== chip.frame) void moveCharacter(chip.id, to, moment?.start);
  };

  const key = (event: KeyboardEvent<HTMLElement>) => {
    const target = (event.target as Element).closest<HTMLElement>(".frame, .chip");
    const id = target?.getAttribute("data-id");
    if (event.key === "Escape") chooseNothing(FROM);
    else if (!id || id === UNKNOWN) return;
    else if (event.key === "Enter" || event.key === " ") chooseEntity(id, event.shiftKey, FROM);
    else if (event.key === "F2") void renameEntity(id);
    else if (event.key === "Delete" && found.people.has(id)) void removeCharacter(id);
    else return;
    event.preventDefault();
  };
  const focusIn = (event: FocusEvent<HTMLElement>) => {
    const target = (event.target as Element).closest<HTMLElement>(".frame, .chip");
    const id = target?.getAttribute("data-id");
    if (!target || !id || !target.matches(":focus-visible")) return;
    hover([id]);
    fitting.show(target);
  };

  return (
    <ReactFlow<Node, Edge>
      {...FLOW}
      className="map"
      aria-label="Places and who is there"
      nodes={nodes}
      edges={edges}
      nodeTypes={NODES}
      edgeTypes={EDGES}
      nodesConnectable={false}
      onNodesChange={move}
      onNodeDrag={(event, node) => {
        const over = whose(node.id) === undefined ? null : under(pointOf(event));
        setDragged((now) => (now === null || now.over === over ? now : { ...now, over }));
      }}
      onNodeDragStop={drop}
      onNodeClick={(event, node) => {
        (event.currentTarget as HTMLElement).focus({ preventScroll: true });
        if (node.id !== UNKNOWN) chooseEntity(entityOf(node.id), wantsMore(event), FROM);
      }}
      onNodeDoubleClick={(_, node) => {
        if (node.id !== UNKNOWN) void renameEntity(entityOf(node.id));
      }}
      onNodeMouseEnter={(_, node) => node.id !== UNKNOWN && hover([entityOf(node.id)])}
      onNodeMouseLeave={hoverNothing}
      onPaneClick={() => chooseNothing(FROM)}
      onMoveStart={fitting.moved}
      onKeyDown={key}
      onFocus={focusIn}
      onBlur={hoverNothing}
    >
      <ViewControls picture="places" onFit={fitting.again} />
    </ReactFlow>
  );
}

/** The chosen event, or the last of the scene at the caret, or where the slider was put since. */
function useMoment(found: Found): [StoryEvent | undefined, (event: StoryEvent) => void] {
  const sceneId = useStory((state) => state.sceneId);
  const chosen = useStory((state) => state.selection.events[0]);
  const [put, setPut] = useState<Id | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another scene at the caret is another moment.
  useEffect(() => setPut(null), [sceneId]);
  useEffect(() => {
    if (chosen !== undefined) setPut(chosen);
  }, [chosen]);
  const moment = found.happenings.get(put ?? "") ?? momentOfScene(found, sceneId);
  return [moment, (event) => setPut(event.id)];
}

function Places({ found }: { found: Found }) {
  const order = useStory((state) => state.order);
  const events = useMemo(() => inOrder(found, order), [found, order]);
  const [moment, setMoment] = useMoment(found);
  const map = usePlaceMap(found, moment);
  if (map === null) return null;
  return (
    <div className="places">
      <Tools>
        <ScopeTools of="places" all={map.all} />
      </Tools>
      <ReactFlowProvider>
        <Flow found={found} map={map} moment={moment} />
      </ReactFlowProvider>
      {moment !== undefined && <Moment found={found} events={events} moment={moment} onMoment={setMoment} />}
    </div>
  );
}

export function PlacesView() {
  const found = useStory((state) => state.found);
  if (found === null) return <Waiting />;
  if (found.places.length === 0)
    return (
      <p className="empty">
        No places yet. Wherever somebody is or goes in the text, a room, a street, a town, is drawn here by
        itself.
      </p>
    );
  return <Places found={found} />;
}
