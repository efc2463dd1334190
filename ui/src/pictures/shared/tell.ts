// How the pictures speak of scenes and events, and what stands in the text for them now.

import type { Id, Span, StoryEvent } from "../../api/types";
import * as naming from "../../story/naming";
import { type Found, useStory } from "../../story/store";

/** A text that fits a line: cut at a word. */
export function shortened(text: string, most: number): string {
  const flat = text.replace(/\s+/g, " ").trim();
  if (flat.length <= most) return flat;
  const cut = flat.lastIndexOf(" ", most - 1);
  return `${flat.slice(0, cut > most / 2 ? cut : most - 1)}…`;
}

/** The text of a span of the extraction as it stands on the screen; "" where it is gone or there is no text yet. */
export function textNow(span: Span): string {
  const { manuscript, found } = useStory.getState();
  if (manuscript === null || found === null) return "";
  const now = manuscript.now(span, found.revision);
  return now === null ? "" : manuscript.slice(now.start, now.end);
}

/** How far from a word its sentence is looked for, in letters. */
const FAR = 240;

/** The sentence around a mention, as far as ends of sentences tell. */
export function sentenceAround(span: Span): string {
  const before = textNow({ start: Math.max(0, span.start - FAR), end: span.start });
  const word = textNow(span);
  const after = textNow({ start: span.end, end: span.end + FAR });
  const opening = before.split(/[.!?…]["”’»]?\s+|\n\s*\n/).at(-1) ?? "";
  const closing = after.match(/^.*?([.!?…]["”’»]?(?=\s|$)|(?=\n\s*\n))/s)?.[0] ?? `${after}…`;
  return `${opening}${word}${closing}`;
}

export const sentenceOf = (event: StoryEvent): Span => ({ start: event.sentence[0], end: event.sentence[1] });

/** The verb as it is told ("pushed"), or its lemma. */
export function toldVerb(event: StoryEvent): string {
  const told = textNow(event);
  return told === "" ? event.verb : shortened(told, 24);
}

export const sceneNumber = (found: Found, position: number): number =>
  found.scenes.findLastIndex((scene) => scene.start <= position);

/** "3. The Landing", or "3. The next morning Tom…" where a scene has no heading. */
export function sceneTitle(found: Found, number: number): string {
  const scene = found.scenes[number];
  if (scene === undefined) return "";
  const opening = textNow({ start: scene.start, end: Math.min(scene.end, scene.start + 200) });
  const untitled = `Scene ${number + 1}`;
  const title = naming.sceneTitle(opening, number + 1);
  const words = title === untitled ? opening.trim() : title;
  return words === "" ? untitled : `${number + 1}. ${shortened(words, 40)}`;
}

export const sceneAt = (found: Found, position: number): Id | null =>
  found.scenes[sceneNumber(found, position)]?.id ?? null;
