// What can be done to a row of the outline: the same as in the pictures, as a menu and by keys.

import { useStory } from "../../story/store";
import {
  changeVerb,
  chooseEvent,
  connect,
  moveSomewhere,
  removeCharacter,
  removeEvent,
  renameEntity,
  revealSpan,
  swapRoles,
} from "../shared/gestures";
import { axisOf } from "../timeline/axis";
import { meaningOf, oneStep, sceneMove } from "../timeline/drop";
import { carryOut } from "../timeline/moving";
import type { Node } from "./tree";

export interface Command {
  label: string;
  /** The key that does the same. */
  key?: string;
  run: () => unknown;
}

const state = useStory.getState;

/** Choose what a row stands for, and show it in the text. */
export function choose(node: Node): void {
  const { found, select } = state();
  if (found === null) return;
  if (node.kind === "event") {
    chooseEvent(node.id, "outline");
    return;
  }
  if (node.kind === "scene") {
    const scene = found.scenes.find((each) => each.id === node.id);
    if (scene !== undefined) revealSpan({ start: scene.start, end: Math.min(scene.end, scene.start + 80) });
    return;
  }
  select({ entities: [node.id] }, "outline");
  const mentions = found.entities.get(node.id)?.mentions ?? [];
  const first = mentions.find((each) => each.kind === "name") ?? mentions[0];
  if (first !== undefined) revealSpan({ start: first.start, end: first.end });
}

function ofEvent(node: Node): Command[] {
  const { found, order } = state();
  const event = found?.happenings.get(node.id);
  if (found === null || event === undefined) return [];
  const axis = axisOf(found.events, found.scenes, order);
  const move = (step: -1 | 1) => {
    const at = oneStep(axis, node.id, step);
    const meaning = at === null ? null : meaningOf(axis, node.id, at);
    if (meaning !== null) void carryOut(meaning);
  };
  const [earlier, later] =
    order === "narrated"
      ? ["Tell one place earlier", "Tell one place later"]
      : ["Happened earlier", "Happened later"];
  return [
    { label: "Other verb…", key: "F2", run: () => changeVerb(node.id) },
    ...(event.agent !== null && event.patient !== null
      ? [{ label: "Swap roles", run: () => swapRoles(node.id) }]
      : []),
    { label: earlier, key: "Alt+↑", run: () => move(-1) },
    { label: later, key: "Alt+↓", run: () => move(1) },
    { label: "Remove", key: "Delete", run: () => removeEvent(node.id) },
  ];
}

function ofScene(node: Node): Command[] {
  const { found, propose } = state();
  if (found === null) return [];
  const place = found.scenes.findIndex((each) => each.id === node.id);
  const move = (gap: number) => {
    const intent = sceneMove(found.scenes, place, gap);
    if (intent !== null) void propose(intent);
  };
  return [
    { label: "Tell one scene earlier", key: "Alt+↑", run: () => move(place - 1) },
    { label: "Tell one scene later", key: "Alt+↓", run: () => move(place + 2) },
  ];
}

export function commandsOf(node: Node): Command[] {
  const show = { label: "Show in the text", key: "Enter", run: () => choose(node) };
  if (node.kind === "event") return [show, ...ofEvent(node)];
  if (node.kind === "scene") return [show, ...ofScene(node)];
  const rename = { label: "Rename…", key: "F2", run: () => renameEntity(node.id) };
  if (node.kind === "place") return [show, rename];
  return [
    show,
    rename,
    { label: "Connect…", run: () => connect(node.id) },
    { label: "Move to a place…", run: () => moveSomewhere(node.id) },
    { label: "Remove", key: "Delete", run: () => removeCharacter(node.id) },
  ];
}

/** The command of a key, with Alt or without. */
export function commandFor(node: Node, key: string, alt: boolean): Command | undefined {
  const name = { ArrowUp: "↑", ArrowDown: "↓", Backspace: "Delete" }[key] ?? key;
  return commandsOf(node).find((each) => each.key === (alt ? `Alt+${name}` : name));
}
