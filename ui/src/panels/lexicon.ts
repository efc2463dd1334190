// Names for ids, from what was found in the story, for sentences about intents and facts.

import { useMemo } from "react";
import { eventName } from "../story/naming";
import { type Found, useStory } from "../story/store";
import type { Lexicon } from "./wording";

export function lexiconOf(found: Found | null): Lexicon {
  return {
    entity: (id) => found?.entities.get(id)?.name ?? null,
    event: (id) => {
      const event = found?.happenings.get(id);
      return found === null || event === undefined ? null : eventName(event, found);
    },
    scene: (id) => {
      const index = found?.scenes.findIndex((scene) => scene.id === id) ?? -1;
      return index < 0 ? null : index + 1;
    },
  };
}

export function useLexicon(): Lexicon {
  const found = useStory((state) => state.found);
  return useMemo(() => lexiconOf(found), [found]);
}
