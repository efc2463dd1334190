// What it means to drop an event or a scene at a place of the axis: an edit of the text in the order of telling, a fact
// about time in the order in which things happened.

import type { Id, Intent, StoryEvent } from "../../api/types";
import { type Axis, atLeast } from "./axis";

export type Meaning =
  | { kind: "edit"; intent: Intent; where: "before" | "after"; other: Id }
  /** `event` happened before or after `other`. */
  | { kind: "fact"; event: Id; where: "before" | "after"; other: Id };

/** Between which events a slot lies: the number of events before it. */
export const gapAt = (axis: Axis, slot: number): number => atLeast(axis.centres, slot);

const together = (a: StoryEvent | undefined, b: StoryEvent | undefined) =>
  a !== undefined && b !== undefined && a.sentence[0] === b.sentence[0] && a.sentence[1] === b.sentence[1];

/** The run of events around `place` that stand in one sentence: only whole sentences are moved. */
function sentenceRun(axis: Axis, place: number): [number, number] {
  const event = axis.events[place];
  let first = place;
  let last = place + 1;
  while (together(axis.events[first - 1], event)) first -= 1;
  while (together(axis.events[last], event)) last += 1;
  return [first, last];
}

/** What dropping an event at a slot asks for; null where it stays in its place. */
export function meaningOf(axis: Axis, id: Id, slot: number): Meaning | null {
  const place = axis.index.get(id);
  if (place === undefined) return null;
  const gap = gapAt(axis, slot);
  const left = axis.events[gap - 1];
  const right = axis.events[gap];
  if (axis.order === "story") {
    if (gap < place && right !== undefined)
      return { kind: "fact", event: id, where: "before", other: right.id };
    if (gap > place + 1 && left !== undefined)
      return { kind: "fact", event: id, where: "after", other: left.id };
    return null;
  }
  const [first, last] = sentenceRun(axis, place);
  if (gap >= first && gap <= last) return null;
  // Within a sentence there is no room: before it when coming from behind, after it when coming from the front.
  // Between two, it goes to the nearer one, so that it lands in the paragraph and scene that it is dropped in.
  const toLeft =
    right === undefined ||
    (left !== undefined &&
      (together(left, right)
        ? gap > last
        : slot - (axis.centres[gap - 1] ?? 0) < (axis.centres[gap] ?? 0) - slot));
  const other = toLeft ? left : right;
  if (other === undefined) return null;
  const where = toLeft ? "after" : "before";
  return { kind: "edit", where, other: other.id, intent: { op: "move_event", event: id, [where]: other.id } };
}

/** The slot that moving by one place reaches, over the whole sentence beside in the order of telling. */
export function oneStep(axis: Axis, id: Id, step: -1 | 1): number | null {
  const place = axis.index.get(id);
  if (place === undefined) return null;
  const run = (at: number): [number, number] =>
    axis.order === "story" ? [at, at + 1] : sentenceRun(axis, at);
  const [first, last] = run(place);
  const beside = step < 0 ? first - 1 : last;
  if (beside < 0 || beside >= axis.events.length) return null;
  const [from, to] = run(beside);
  const centre = step < 0 ? axis.centres[from] : axis.centres[to - 1];
  return centre === undefined ? null : centre + 0.25 * step;
}

/** What will be, in words. */
export function inWords(meaning: Meaning, nameOf: (id: Id) => string): string {
  return `${meaning.kind === "edit" ? "told" : "happened"} ${meaning.where} “${nameOf(meaning.other)}”`;
}

/** Dropping scene number `place` (from 0) at the gap before scene number `gap`; null where it stays. */
export function sceneMove(scenes: readonly { id: Id }[], place: number, gap: number): Intent | null {
  const scene = scenes[place];
  if (scene === undefined || gap === place || gap === place + 1) return null;
  const other = gap < place ? scenes[gap] : scenes[gap - 1];
  if (other === undefined) return null;
  return { op: "move_scene", scene: scene.id, [gap < place ? "before" : "after"]: other.id };
}
