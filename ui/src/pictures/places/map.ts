// The map as it is drawn at a moment: frames, the characters in them, and the way of who is chosen.

import { useEffect, useMemo } from "react";
import type { Id, StoryEvent } from "../../api/types";
import { type Found, useStory } from "../../story/store";
import { type Curve, curveOf } from "../characters/curves";
import { type Focus, focusOf } from "../shared/focus";
import { paneShape, place, usePlaces } from "../shared/kept";
import { castOf, chosenOf, howMany, spansOf, usePictureScope } from "../shared/scope";
import { chipAt, corners, crowds, type Frame, framesOf, UNKNOWN, usedPlaces } from "./frames";
import { inOrder, sightings, trailOf, type Whereabouts, whereabouts } from "./whereabouts";

export interface Chip extends Whereabouts {
  frame: Id;
  x: number;
  y: number;
}

/** A step of a trail, from a place to the next. */
export interface Step {
  id: string;
  from: Id;
  to: Id;
  curve: Curve;
  /** Which steps run here, from 1. */
  numbers: readonly number[];
  /** Whether the first of them is done at the moment that is shown. */
  done: boolean;
}

export interface PlaceMap {
  all: number;
  frames: readonly Frame[];
  chips: readonly Chip[];
  /** Who finds no room, by frame. */
  more: ReadonlyMap<Id, readonly Id[]>;
  steps: readonly Step[];
  focus: Focus;
}

/** The chips of those who are somewhere that is drawn; the rest stand with the unknown. */
export function chipsOf(
  where: readonly Whereabouts[],
  frames: readonly Frame[],
  outer: (place: Id) => Id | null,
): { chips: Chip[]; more: Map<Id, Id[]> } {
  const drawn = new Map(frames.map((frame) => [frame.id, frame]));
  const inFrame = new Map<Id, Whereabouts[]>();
  for (const each of where) {
    let frame = each.place;
    while (frame !== null && !drawn.has(frame)) frame = outer(frame);
    const key = frame ?? UNKNOWN;
    inFrame.set(key, [...(inFrame.get(key) ?? []), each]);
  }
  const chips: Chip[] = [];
  const more = new Map<Id, Id[]>();
  for (const [frame, all] of inFrame) {
    const room = drawn.get(frame)?.room ?? 0;
    const sorted = [...all].sort((one, other) => Number(other.here) - Number(one.here));
    const fit = sorted.length <= room ? room : room - 1;
    sorted.slice(0, fit).forEach((each, number) => {
      chips.push({ ...each, frame, ...chipAt(number) });
    });
    if (sorted.length > fit)
      more.set(
        frame,
        sorted.slice(fit).map(({ id }) => id),
      );
  }
  return { chips, more };
}

/** How many steps of a way are drawn before and after the moment. */
const BEHIND = 4;
const AHEAD = 2;

function stepsOf(
  trail: readonly { place: Id; event: StoryEvent }[],
  frames: readonly Frame[],
  isDone: (event: StoryEvent) => boolean,
): Step[] {
  const now = trail.findLastIndex(({ event }) => isDone(event));
  const at = corners(frames);
  const size = new Map(frames.map((frame) => [frame.id, frame]));
  const block = (id: Id) => {
    const corner = at.get(id);
    const frame = size.get(id);
    return corner && frame
      ? {
          x: corner.x + frame.width / 2,
          y: corner.y + frame.height / 2,
          width: frame.width,
          height: frame.height,
        }
      : null;
  };
  const steps = new Map<string, Step>();
  for (let number = Math.max(1, now - BEHIND + 1); number <= now + AHEAD; number++) {
    if (number >= trail.length) break;
    const { place: from } = trail[number - 1] as { place: Id };
    const { place: to, event } = trail[number] as { place: Id; event: StoryEvent };
    const id = `${from} ${to}`;
    const known = steps.get(id);
    const [source, target] = [block(from), block(to)];
    if (known !== undefined) steps.set(id, { ...known, numbers: [...known.numbers, number] });
    else if (source !== null && target !== null)
      steps.set(id, {
        id,
        from,
        to,
        curve: curveOf(source, target, 40),
        numbers: [number],
        done: isDone(event),
      });
  }
  return [...steps.values()];
}

/** The map of what was found at a moment; null until it is known where the writer put things. */
export function usePlaceMap(found: Found, moment: StoryEvent | undefined): PlaceMap | null {
  const order = useStory((state) => state.order);
  const selection = useStory((state) => state.selection);
  const hover = useStory((state) => state.hover);
  const scope = usePictureScope();
  const sceneId = useStory((state) => (scope.kind === "scene" ? state.sceneId : null));
  const kept = usePlaces("places");

  const spans = useMemo(() => spansOf(scope, found.scenes, sceneId), [scope, found, sceneId]);
  const used = useMemo(() => usedPlaces(found, spans), [found, spans]);
  const seen = useMemo(() => sightings(found, inOrder(found, order)), [found, order]);
  const also = useMemo(() => {
    const cast = castOf(found, spans);
    return new Set(
      chosenOf(cast, howMany(scope.most, cast.length), selection.entities).map(({ entity }) => entity.id),
    );
  }, [found, spans, scope.most, selection.entities]);
  const where = useMemo(
    () => (moment === undefined ? [] : whereabouts(found, seen, moment, order, also)),
    [found, seen, moment, order, also],
  );
  // Where somebody is now is drawn, however little happens there.
  const needed = [
    ...where.flatMap(({ place: id, here }) => (here && id !== null ? [id] : [])),
    ...selection.entities,
  ]
    .filter((id) => found.spots.has(id))
    .sort()
    .join(" ");
  const frames = useMemo(() => {
    if (kept === null) return null;
    const chosen = chosenOf(used, howMany(scope.mostPlaces, used.length), needed.split(" "));
    const drawn = new Set(chosen.map(({ entity }) => entity.id));
    for (const id of needed.split(" ")) if (found.spots.has(id)) drawn.add(id);
    const places = found.places.filter(({ id }) => drawn.has(id));
    const crowd = crowds(found, seen, [...also]);
    crowd.set(UNKNOWN, 4);
    return framesOf(places, crowd, kept, paneShape());
  }, [found, used, scope.mostPlaces, needed, seen, also, kept]);

  useEffect(() => {
    if (frames === null || kept === null) return;
    const fresh = frames.filter(({ id, parent }) => parent === null && kept[id] === undefined);
    if (fresh.length > 0) place("places", Object.fromEntries(fresh.map(({ id, x, y }) => [id, { x, y }])));
  }, [frames, kept]);

  const { chips, more } = useMemo(
    () => chipsOf(where, frames ?? [], (id) => found.spots.get(id)?.within ?? null),
    [where, frames, found],
  );
  const walker = selection.entities.find((id) => found.people.has(id));
  const steps = useMemo(
    () =>
      walker === undefined || frames === null || moment === undefined
        ? []
        : stepsOf(trailOf(found, seen, walker), frames, (event) => event[order] <= moment[order]),
    [walker, frames, moment, found, seen, order],
  );
  const focus = useMemo(() => focusOf(found, selection, hover), [found, selection, hover]);
  if (frames === null) return null;
  return { all: used.length, frames, chips, more, steps, focus };
}
