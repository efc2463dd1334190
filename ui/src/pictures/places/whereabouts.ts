// Who is where at a moment of the story, in either order.

import type { Character, Id, StoryEvent } from "../../api/types";
import type { Found, Order } from "../../story/store";
import { within } from "../shared/scope";

/** Where somebody is: `place` null is nowhere known; `here` is false for one who was seen there last, before this scene. */
export interface Whereabouts {
  id: Id;
  place: Id | null;
  here: boolean;
}

/** All events in an order. */
export const inOrder = (found: Found, order: Order): StoryEvent[] =>
  [...found.events].sort((one, other) => one[order] - other[order]);

/** The place of a character when the event that is told as number `narrated` happens; undefined before its first. */
function placeWhenTold(found: Found, who: Id, narrated: number): Id | null | undefined {
  return found.positions[who]?.findLast(([from]) => from <= narrated)?.[1];
}

/** Who is seen when: for each character the events that show it, in the given order. */
export function sightings(found: Found, events: readonly StoryEvent[]): Map<Id, StoryEvent[]> {
  const changes = new Map<number, Id[]>();
  for (const [who, moves] of Object.entries(found.positions))
    for (const [narrated] of moves) changes.set(narrated, [...(changes.get(narrated) ?? []), who]);
  const seen = new Map<Id, StoryEvent[]>();
  for (const event of events) {
    const who = new Set([event.agent, event.patient, ...(changes.get(event.narrated) ?? [])]);
    for (const each of who) {
      if (each === null || !found.people.has(each)) continue;
      const list = seen.get(each);
      if (list === undefined) seen.set(each, [event]);
      else list.push(event);
    }
  }
  return seen;
}

const isIn = (who: Character, start: number, end: number): boolean =>
  who.mentions.some((each) => within(each.start, [{ start, end }]));

/**
 * Who is where when `moment` happens. Those who are in its scene are `here`; of the others those in `also` are where
 * they were seen last.
 */
export function whereabouts(
  found: Found,
  seen: ReadonlyMap<Id, readonly StoryEvent[]>,
  moment: StoryEvent,
  order: Order,
  also: ReadonlySet<Id>,
): Whereabouts[] {
  const scene = found.scenes.findLast((each) => each.start <= moment.start);
  return found.characters.flatMap((who): Whereabouts[] => {
    const last = seen.get(who.id)?.findLast((each) => each[order] <= moment[order]);
    const place = last === undefined ? undefined : placeWhenTold(found, who.id, last.narrated);
    const here =
      scene === undefined
        ? last !== undefined
        : isIn(who, scene.start, Math.max(moment.sentence[1], moment.end)) ||
          (last !== undefined && last.start >= scene.start && last.start < scene.end);
    if (here) return [{ id: who.id, place: place ?? null, here }];
    // Where nobody knows somebody to be who is not in this scene is no news.
    return place != null && also.has(who.id) ? [{ id: who.id, place, here }] : [];
  });
}

/** The event that stands for a place in the text: the last one of the scene that holds it. */
export function momentOfScene(found: Found, sceneId: Id | null): StoryEvent | undefined {
  const scene = found.scenes.find((each) => each.id === sceneId) ?? found.scenes[0];
  if (scene === undefined) return found.events[0];
  return (
    found.events.findLast((each) => within(each.start, [scene])) ??
    found.events.findLast((each) => each.start < scene.end) ??
    found.events[0]
  );
}

/** The places that a character passes through in an order, each at its moment; what is not known is left out. */
export function trailOf(
  found: Found,
  seen: ReadonlyMap<Id, readonly StoryEvent[]>,
  who: Id,
): { place: Id; event: StoryEvent }[] {
  const stops: { place: Id; event: StoryEvent }[] = [];
  for (const event of seen.get(who) ?? []) {
    const place = placeWhenTold(found, who, event.narrated);
    if (place != null && place !== stops.at(-1)?.place) stops.push({ place, event });
  }
  return stops;
}
