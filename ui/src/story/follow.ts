// Keep the store in step with the server: read everything once, then what its events say has changed.

import { ApiError, listen, ofStory } from "../api/client";
import { toast } from "../parts/toasts";
import { useStory } from "./store";

/** What the editors do when the text was changed by somebody else; src/editor registers itself here. */
export const textChanged = { notify: (_revision: number) => {} };

/** Typing is not to be disturbed by a big answer: the extraction is read when the keys have rested so long, in ms. */
export const REST = 700;

let lastKey = 0;
export const keyPressed = () => {
  lastKey = performance.now();
};

/** Follow a story until the returned function is called. */
export function follow(id: string): () => void {
  const { begin } = useStory.getState();
  begin(id);
  const state = useStory.getState;
  const quietly = (work: () => Promise<void>) => {
    work().catch((fault: Error) => {
      if (!(fault instanceof ApiError && fault.status === 0)) toast(fault.message, "error");
    });
  };
  let waiting: number | undefined;
  const extraction = () => {
    window.clearTimeout(waiting);
    const rested = performance.now() - lastKey;
    if (rested < REST) waiting = window.setTimeout(extraction, REST - rested);
    else quietly(state().loadExtraction);
  };
  const settings = () =>
    quietly(() =>
      state()
        .loadSettings()
        .catch((fault: Error) => {
          if (state().id === id) state().set({ settingsLost: true });
          throw fault;
        }),
    );
  quietly(state().loadMeta);
  settings();
  quietly(state().loadSuggestions);
  quietly(state().loadFacts);
  extraction();
  let node: number | null = null;
  const stop = listen(
    ofStory(id, "/events"),
    {
      saved: (data) => {
        const { revision, node: now } = data as { revision: number; node: number };
        textChanged.notify(revision);
        if (node !== null && node !== now) {
          quietly(state().loadSuggestions);
          quietly(state().loadFacts);
          if (state().panel === "history") quietly(state().loadHistory);
        }
        node = now;
      },
      extraction: (data) => {
        const { state: reading } = data as { state: "ready" | "running" | "failed" };
        state().set({ reading, ...(reading === "running" ? {} : { progress: null }) });
        if (reading !== "running") extraction();
      },
      progress: (data) => {
        const progress = data as { what: "reading" | "provider"; done: number; total: number };
        state().set({ progress: progress.done >= progress.total ? null : progress });
      },
      suggestion: () => quietly(state().loadSuggestions),
    },
    {
      onLost: () => state().set({ connected: false }),
      onFound: () => {
        if (!state().connected) extraction();
        if (state().settingsLost) settings();
        state().set({ connected: true });
      },
    },
  );
  return () => {
    window.clearTimeout(waiting);
    stop();
  };
}
