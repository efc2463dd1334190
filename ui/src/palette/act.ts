// Doing what was chosen in the palette.

import type { Span } from "../api/types";
import { goToPanel } from "../panels/open";
import { ask } from "../parts/ask";
import { toast } from "../parts/toasts";
import { useStory } from "../story/store";
import { runCommand } from "./commands";
import type { About, Action } from "./parts";

/** What the text of an id is now, for a fact: an event by its word, anything else by its name. */
function about(part: About): string | Span | null | undefined {
  if (part === null) return null;
  if ("name" in part) return part.name;
  const { found, manuscript } = useStory.getState();
  const event = found?.happenings.get(part.event);
  if (found === null || event === undefined) return undefined;
  const now = manuscript?.now(event, found.revision) ?? null;
  return now === null ? undefined : { start: now.start, end: now.end };
}

function go(to: "entity" | "event" | "scene", id: string): void {
  const { found, manuscript, select } = useStory.getState();
  if (found === null) return;
  const reveal = (span: Span | undefined, focus: boolean) => {
    const now = span === undefined ? null : (manuscript?.now(span, found.revision) ?? null);
    if (now !== null) manuscript?.reveal(now, { focus });
  };
  if (to === "scene") {
    const scene = found.scenes.find((each) => each.id === id);
    reveal(scene && { start: scene.start, end: scene.start }, true);
  } else if (to === "event") {
    const event = found.happenings.get(id);
    select({ events: [id] }, "palette");
    reveal(event && { start: event.sentence[0], end: event.sentence[1] }, true);
  } else {
    const entity = found.entities.get(id);
    select({ entities: [id] }, "palette");
    reveal(entity?.mentions.find((each) => each.kind !== "pronoun") ?? entity?.mentions[0], true);
  }
}

export async function act(action: Action): Promise<void> {
  const { propose, addFact } = useStory.getState();
  switch (action.do) {
    case "command":
      runCommand(action.id);
      return;
    case "go":
      go(action.to, action.id);
      return;
    case "ask": {
      const word = await ask({ title: action.title, label: action.label });
      if (word !== null)
        await act({ do: "propose", intent: { ...action.intent, [action.key]: word }, scope: action.scope });
      return;
    }
    case "propose": {
      const made = await propose(action.intent, action.scope);
      if (made !== null && made.hunks.length > 0) goToPanel("suggestions");
      return;
    }
    case "fact": {
      const subject = about(action.subject);
      const value = about(action.value);
      if (subject === undefined || subject === null || value === undefined) {
        toast("Those words have changed since; look again.");
        return;
      }
      await addFact(action.kind, subject, value);
      goToPanel("facts");
      return;
    }
  }
}
