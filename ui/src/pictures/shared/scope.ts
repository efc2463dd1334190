// How much of a story the pictures draw: all of it, the scene at the caret or chosen scenes, and of a big cast only
// those most spoken of.

import { create } from "zustand";
import type { Character, Id, Mention, Place, Scene, Span, StoryEvent } from "../../api/types";
import type { Found } from "../../story/store";

export interface PictureScope {
  kind: "story" | "scene" | "scenes";
  /** Numbers of the chosen scenes, from 0: a scene's id changes with every letter of its text. */
  scenes: readonly number[];
  /** How many characters at most; null: as many as make a clear picture. */
  most: number | null;
  /** The same for places. */
  mostPlaces: number | null;
}

export const WHOLE: PictureScope = { kind: "story", scenes: [], most: null, mostPlaces: null };

export const usePictureScope = create<PictureScope>()(() => WHOLE);

/** A cast of so many is drawn whole unless the writer says otherwise; of a bigger one, so many. */
export const FEW = 20;
export const USUAL = 12;

export const howMany = (most: number | null, all: number): number => most ?? (all <= FEW ? all : USUAL);

/** The numbers that a slider offers, up to all. */
export function steps(all: number): number[] {
  const round = [2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 800];
  return [...round.filter((each) => each < all), all];
}

/** The spans of a scope, or null for the whole story. */
export function spansOf(scope: PictureScope, scenes: readonly Scene[], sceneId: Id | null): Span[] | null {
  if (scope.kind === "scene") {
    const scene = scenes.find((each) => each.id === sceneId) ?? scenes[0];
    return scene === undefined ? null : [scene];
  }
  if (scope.kind === "scenes") {
    const chosen = scenes.filter((_, number) => scope.scenes.includes(number));
    return chosen.length === 0 ? null : chosen;
  }
  return null;
}

/** The index of the first mention that starts at or after a position; mentions are in text order. */
function firstFrom(mentions: readonly Mention[], position: number): number {
  let low = 0;
  let high = mentions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((mentions[middle] as Mention).start < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const mentionsIn = (entity: Character | Place, spans: readonly Span[] | null): number =>
  spans === null
    ? entity.mentions.length
    : spans.reduce(
        (sum, { start, end }) => sum + firstFrom(entity.mentions, end) - firstFrom(entity.mentions, start),
        0,
      );

export const within = (position: number, spans: readonly Span[] | null): boolean =>
  spans?.some(({ start, end }) => start <= position && position < end) ?? true;

export const eventsIn = (found: Found, spans: readonly Span[] | null): readonly StoryEvent[] =>
  spans === null ? found.events : found.events.filter((each) => within(each.start, spans));

export interface Counted<T> {
  entity: T;
  count: number;
}

/** Everybody who is mentioned or acts there, the most mentioned first. */
export function castOf(found: Found, spans: readonly Span[] | null): Counted<Character>[] {
  const acting = new Set(eventsIn(found, spans).flatMap((each) => [each.agent, each.patient]));
  return found.characters
    .map((entity) => ({ entity, count: mentionsIn(entity, spans) }))
    .filter(({ entity, count }) => spans === null || count > 0 || acting.has(entity.id))
    .sort((one, other) => other.count - one.count);
}

/** The first so many of a ranking, and those who must be there whatever their rank. */
export function chosenOf<T extends { id: Id }>(
  ranking: readonly Counted<T>[],
  most: number,
  also: readonly Id[],
): Counted<T>[] {
  return ranking.filter(({ entity }, rank) => rank < most || also.includes(entity.id));
}

/** A name that fits into a node. */
export const shortName = (name: string, most: number): string =>
  name.length <= most ? name : `${name.slice(0, most - 1).trimEnd()}…`;
