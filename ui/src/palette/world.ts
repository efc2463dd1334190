// The story as the palette's phrases need it.

import type { Character, Place, Span, StoryEvent } from "../api/types";
import { eventName, sceneTitle } from "../story/naming";
import type { Found, StoryState } from "../story/store";
import { commandsOf } from "./commands";
import type { Named } from "./names";
import type { Happening, World } from "./parts";

const named = (each: Character | Place): Named => ({
  id: each.id,
  name: each.name,
  aliases: each.aliases,
  weight: each.mentions.length,
});

/** Characters of a scene's beginning in which its heading stands. */
const HEADING = 200;

/** The scene that holds a position, by its index; -1: none. Scenes are in order. */
function sceneAt(position: number, scenes: readonly Span[]): number {
  let low = 0;
  let high = scenes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((scenes[middle]?.start ?? 0) <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function worldOf(state: StoryState): World {
  const { found, manuscript, selection } = state;
  const said = (span: Span): string => {
    const now = found === null ? null : (manuscript?.now(span, found.revision) ?? null);
    return now === null ? "" : (manuscript?.slice(now.start, now.end).replace(/\s+/g, " ").trim() ?? "");
  };
  const once = (span: Span) => {
    let text: string | null = null;
    return () => {
      text ??= said(span);
      return text;
    };
  };
  const happening = (event: StoryEvent, story: Found): Happening => ({
    id: event.id,
    number: event.narrated + 1,
    verb: event.verb,
    name: eventName(event, story),
    agent: event.agent === null ? "" : (story.people.get(event.agent)?.name ?? ""),
    patient: event.patient === null ? "" : (story.entities.get(event.patient)?.name ?? ""),
    place: event.place === null ? "" : (story.spots.get(event.place)?.name ?? ""),
    scene: story.scenes[sceneAt(event.start, story.scenes)]?.id ?? null,
    trigger: once(event),
    sentence: once({ start: event.sentence[0], end: event.sentence[1] }),
  });
  const marked = manuscript?.selection() ?? null;
  return {
    people: found?.characters.map(named) ?? [],
    spots: found?.places.map(named) ?? [],
    events: found?.events.map((event) => happening(event, found)) ?? [],
    scenes:
      found?.scenes.map((scene, index) => {
        const now = manuscript?.now(scene, found.revision) ?? null;
        const beginning =
          now === null ? "" : (manuscript?.slice(now.start, Math.min(now.end, now.start + HEADING)) ?? "");
        return { id: scene.id, title: sceneTitle(beginning, index + 1) };
      }) ?? [],
    commands: commandsOf(state),
    scene: state.sceneId,
    event: selection.events[0] ?? null,
    marked,
  };
}
