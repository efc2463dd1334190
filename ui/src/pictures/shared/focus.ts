// What of a picture is lit: the chosen and the hovered things and what belongs to them. The rest is dimmed.

import type { Id } from "../../api/types";
import type { Found, Selection, StoryState } from "../../story/store";

export interface Focus {
  entities: ReadonlySet<Id>;
  events: ReadonlySet<Id>;
  /** Whether anything is chosen or hovered at all. */
  any: boolean;
}

type Chosen = Pick<Selection, "entities" | "events">;

/** An event brings those who take part and its place; a character or place brings its events. */
export function focusOf(found: Found, selection: Chosen, hover: StoryState["hover"]): Focus {
  const entities = new Set<Id>();
  const events = new Set<Id>();
  const chosen = new Set<Id>();
  for (const part of hover === null ? [selection] : [selection, hover]) {
    for (const id of part.entities) if (found.entities.has(id)) chosen.add(id);
    for (const id of part.events) {
      const event = found.happenings.get(id);
      if (event === undefined) continue;
      events.add(id);
      for (const each of [event.agent, event.patient, event.place]) if (each !== null) entities.add(each);
    }
  }
  if (chosen.size > 0) {
    for (const event of found.events)
      for (const each of [event.agent, event.patient, event.place])
        if (each !== null && chosen.has(each)) events.add(event.id);
    for (const id of chosen) entities.add(id);
  }
  return { entities, events, any: entities.size > 0 || events.size > 0 };
}
