// The commands of the page that the palette offers beside its phrases.

import { setTheme } from "../app/theme";
import { reread, saveToFile } from "../panels/files";
import { openHunks, openSuggestions } from "../panels/hunks";
import { goToPanel, openDialog } from "../panels/open";
import { openWarnings } from "../panels/Warnings";
import { ask } from "../parts/ask";
import { type Panel, type StoryState, useStory, type View } from "../story/store";
import type { Command } from "./parts";

interface Runnable extends Command {
  run: (state: StoryState) => unknown;
}

const VIEWS: readonly [View, string][] = [
  ["characters", "Characters"],
  ["places", "Places"],
  ["timeline", "Timeline"],
];

const PANELS: readonly [Panel, string][] = [
  ["suggestions", "Suggestions"],
  ["warnings", "Warnings"],
  ["reports", "Reports"],
  ["history", "History"],
  ["facts", "Facts"],
];

const focusOn = (selector: string) =>
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus());

async function nameState({ snapshot }: StoryState): Promise<void> {
  const label = await ask({ title: "Name this state", label: "Name", action: "Keep" });
  if (label !== null) await snapshot(label);
}

/** What can be done just now. */
export function commandsOf(state: StoryState): readonly Runnable[] {
  const suggestion = openSuggestions(state.suggestions).find((each) => each.id === state.shown);
  const { order, panel, working } = state;
  const source = state.meta?.source ?? null;
  return [
    ...VIEWS.map(
      ([view, title]): Runnable => ({
        id: `view-${view}`,
        title,
        also: "picture view",
        run: ({ set }) => {
          set({ view });
          focusOn(`#tab-${view}`);
        },
      }),
    ),
    {
      id: "manuscript",
      title: "Manuscript",
      also: "text go write",
      run: () => focusOn('[data-testid="manuscript"]'),
    },
    {
      id: "outline",
      title: "Outline",
      also: "list tree",
      run: () => focusOn('[data-testid="outline"] [tabindex="0"]'),
    },
    {
      id: "order",
      title: order === "story" ? "Narrated order" : "Story order",
      also: "order toggle time telling",
      run: ({ set }) => set({ order: order === "story" ? "narrated" : "story" }),
    },
    ...PANELS.map(
      ([name, title]): Runnable => ({
        id: `panel-${name}`,
        title,
        also: "panel open",
        run: () => goToPanel(name),
      }),
    ),
    ...(panel === null
      ? []
      : [
          {
            id: "close-panel",
            title: "Close the panel",
            also: "hide",
            run: ({ set }: StoryState) => set({ panel: null }),
          },
        ]),
    ...(suggestion === undefined
      ? []
      : [
          {
            id: "accept-all",
            title: "Take all of the suggestion",
            also: "accept",
            run: ({ decide }: StoryState) => decide(suggestion.id, { accept: "all" }),
          },
          {
            id: "reject-all",
            title: "Leave all of the suggestion",
            also: "reject dismiss",
            run: ({ decide }: StoryState) =>
              decide(suggestion.id, { reject: openHunks(suggestion).map((hunk) => hunk.id) }),
          },
        ]),
    ...(working === null
      ? []
      : [{ id: "cancel", title: "Cancel the provider's work", also: "stop", run: working.stop }]),
    { id: "undo", title: "Undo", keys: "Ctrl+Z", run: ({ undo }) => undo() },
    { id: "redo", title: "Redo", keys: "Ctrl+Shift+Z", run: ({ redo }) => redo() },
    {
      id: "read-only",
      title: state.readOnly ? "Write again" : "Read only",
      also: "lock protect view",
      run: ({ set }) => set({ readOnly: !state.readOnly }),
    },
    { id: "snapshot", title: "Name this state…", also: "snapshot version keep", run: nameState },
    { id: "export", title: "Export…", also: "download docx epub word file", run: () => openDialog("export") },
    ...(source === null
      ? []
      : [
          { id: "save", title: `Save to ${source}`, also: "write file", run: () => saveToFile() },
          { id: "reread", title: `Read ${source} again`, also: "reload file", run: () => reread() },
        ]),
    {
      id: "providers",
      title: "Providers…",
      also: "model settings budget who writes",
      run: () => openDialog("providers"),
    },
    {
      id: "reading",
      title: "Read with a provider…",
      also: "extract model",
      run: () => openDialog("reading"),
    },
    { id: "groups", title: "Groups of the cast…", also: "audit", run: () => openDialog("groups") },
    {
      id: "preferences",
      title: state.settings?.preferences ? "Stop keeping my choices" : "Keep my choices for training",
      also: "preferences log",
      run: ({ saveSettings }) => saveSettings({ preferences: !(state.settings?.preferences ?? false) }),
    },
    ...openWarnings(state.found, state.settings?.dismissed ?? []).map(
      (warning): Runnable => ({
        id: `dismiss-${warning.key}`,
        title: `Dismiss: ${warning.message}`,
        also: "warning",
        typedOnly: true,
        run: ({ dismiss }) => dismiss(warning.key, true),
      }),
    ),
    { id: "theme-light", title: "Theme: light", run: () => setTheme("light") },
    { id: "theme-dark", title: "Theme: dark", run: () => setTheme("dark") },
    { id: "theme-system", title: "Theme: as the system", run: () => setTheme("system") },
    {
      id: "help",
      title: "Keys and phrases",
      also: "help shortcuts",
      keys: "?",
      run: () => openDialog("help"),
    },
  ];
}

export function runCommand(id: string): void {
  const state = useStory.getState();
  commandsOf(state)
    .find((each) => each.id === id)
    ?.run(state);
}
