// The state of one open story that several parts of the page share. The text itself lives in the editors
// (src/editor); here is what was found in it, what is selected, what is proposed, and the calls that change them.

import { create } from "zustand";
import { ApiError, del, get, ofStory, post, put, streamed } from "../api/client";
import type {
  Character,
  CostEstimate,
  Extraction,
  Fact,
  FactKind,
  History,
  Id,
  Intent,
  Place,
  Span,
  StoryEvent,
  StoryMeta,
  StorySettings,
  Suggestion,
} from "../api/types";
import { toast } from "../parts/toasts";
import type { Manuscript } from "../text/manuscript";

export type View = "characters" | "places" | "timeline";
export type Order = "narrated" | "story";
export type Panel = "suggestions" | "history" | "warnings" | "reports" | "facts";
export type Part = View | "manuscript" | "outline" | "palette" | Panel;

/** What is chosen: the same in every picture, the outline and the text. `from` says where it was chosen. */
export interface Selection {
  entities: readonly Id[];
  events: readonly Id[];
  from: Part;
}

/** What an answer from a provider looks like while it is written. */
export interface Working {
  intent: Intent;
  provider: string;
  text: string;
  stop: () => void;
}

/** More than one scene would be sent to a provider: nothing is before the writer has agreed. */
export interface Approval {
  message: string;
  estimate: CostEstimate;
  intent: Intent;
  scope: Scope;
}

export type Scope = Id | Span | null;
export type SaveStatus = "saved" | "saving" | "unsaved";

/** Another window or program has changed what is being typed. */
export interface Conflict {
  mine: string;
  theirs: string;
  /** Put my words over theirs, or leave theirs. */
  settle: (keep: "mine" | "theirs") => void;
}

/** An extraction with its parts by id, and the characters and places in one map. */
export interface Found extends Extraction {
  entities: ReadonlyMap<Id, Character | Place>;
  people: ReadonlyMap<Id, Character>;
  spots: ReadonlyMap<Id, Place>;
  happenings: ReadonlyMap<Id, StoryEvent>;
}

export interface StoryState {
  id: Id;
  meta: StoryMeta | null;
  found: Found | null;
  reading: "ready" | "running" | "failed";
  progress: { what: "reading" | "provider"; done: number; total: number } | null;
  connected: boolean;
  suggestions: readonly Suggestion[];
  /** The suggestion whose hunks are marked in the text. */
  shown: Id | null;
  history: History | null;
  facts: readonly Fact[];
  settings: StorySettings | null;
  /** The settings could not be read: what they would say is done without. */
  settingsLost: boolean;
  selection: Selection;
  hover: { entities: readonly Id[]; events: readonly Id[] } | null;
  /** The scene that holds the caret, or the first one on the screen. */
  sceneId: Id | null;
  view: View;
  order: Order;
  panel: Panel | null;
  provider: string;
  /** When undo or redo was last asked for, in the page's milliseconds: what it changes is shown. */
  travelled: number;
  /** Nothing of the story can be changed in this window. */
  readOnly: boolean;
  save: SaveStatus;
  conflict: Conflict | null;
  working: Working | null;
  approval: Approval | null;
  manuscript: Manuscript | null;

  /** Begin with a story: forget the last one. */
  begin(id: Id): void;
  set(part: Partial<StoryState>): void;
  select(what: { entities?: readonly Id[]; events?: readonly Id[] }, from: Part): void;
  /** Read the story's meta, extraction, suggestions, history, facts or settings again. */
  loadMeta(): Promise<void>;
  loadExtraction(): Promise<void>;
  loadSuggestions(): Promise<void>;
  loadHistory(): Promise<void>;
  loadFacts(): Promise<void>;
  loadSettings(): Promise<void>;
  /** Ask for a suggestion, from the chosen provider; opens the panel. A mistake becomes a toast, and null. */
  propose(intent: Intent, scope?: Scope, approved?: boolean): Promise<Suggestion | null>;
  decide(
    suggestion: Id,
    decision: { accept?: readonly Id[] | "all"; reject?: readonly Id[] | "all"; edited?: Record<Id, string> },
  ): Promise<void>;
  undo(): Promise<void>;
  redo(): Promise<void>;
  restore(node: number): Promise<void>;
  snapshot(label: string): Promise<void>;
  addFact(kind: FactKind, subject: string | Span, value?: string | Span | null): Promise<void>;
  removeFact(id: number): Promise<void>;
  dismiss(warningKey: string, on: boolean): Promise<void>;
  saveSettings(part: Partial<StorySettings>): Promise<void>;
}

const NOTHING: Selection = { entities: [], events: [], from: "manuscript" };

const BEGINNING = {
  meta: null,
  found: null,
  reading: "running",
  progress: null,
  connected: true,
  suggestions: [],
  shown: null,
  history: null,
  facts: [],
  settings: null,
  settingsLost: false,
  selection: NOTHING,
  hover: null,
  sceneId: null,
  view: "characters",
  order: "story",
  panel: null,
  provider: "builtin",
  travelled: Number.NEGATIVE_INFINITY,
  readOnly: false,
  save: "saved",
  conflict: null,
  working: null,
  approval: null,
  manuscript: null,
} as const satisfies Partial<StoryState>;

function indexed(extraction: Extraction): Found {
  const people = new Map(extraction.characters.map((each) => [each.id, each]));
  const spots = new Map(extraction.places.map((each) => [each.id, each]));
  return {
    ...extraction,
    people,
    spots,
    entities: new Map<Id, Character | Place>([...spots, ...people]),
    happenings: new Map(extraction.events.map((each) => [each.id, each])),
  };
}

/** The span alone of an event or a mention: the server refuses what else it has. */
const bare = <T>(what: T | Span) =>
  typeof what === "object" && what !== null && "start" in what ? { start: what.start, end: what.end } : what;

/** Run a call; what goes wrong is told in a toast, and gives null. */
async function told<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (fault) {
    if (!(fault instanceof ApiError)) throw fault;
    toast(fault.message, "error");
    return null;
  }
}

/** Where the story is open for reading only, says so. */
function closed(readOnly: boolean): boolean {
  if (readOnly) toast("The story is open for reading only; “Write again” in the menu More ends that.");
  return readOnly;
}

export const useStory = create<StoryState>()((set, state) => {
  const path = (rest: string) => ofStory(state().id, rest);
  const here =
    <T>(id: Id, then: (value: T) => void) =>
    (value: T) => {
      if (state().id === id) then(value);
    };
  const moved = async (name: string, body: unknown = {}) => {
    if (closed(state().readOnly)) return;
    await told(async () => {
      await state().manuscript?.flush();
      await post(path(name), body);
    });
  };

  const travel = (way: string) => {
    set({ travelled: performance.now() });
    return moved(way);
  };

  return {
    id: "",
    ...BEGINNING,
    begin: (id) => set({ ...BEGINNING, id }),
    set: (part) => set(part),
    select: ({ entities = [], events = [] }, from) => set({ selection: { entities, events, from } }),

    loadMeta: () => get<StoryMeta>(path("")).then(here(state().id, (meta: StoryMeta) => set({ meta }))),
    loadExtraction: () =>
      get<Extraction>(path("/extraction")).then(
        here(state().id, (extraction: Extraction) =>
          set({
            reading: extraction.state,
            ...(extraction.state === "ready" || extraction.events.length > 0
              ? { found: indexed(extraction) }
              : {}),
          }),
        ),
      ),
    loadSuggestions: () =>
      get<{ suggestions: Suggestion[] }>(path("/suggestions")).then(
        here(state().id, ({ suggestions }: { suggestions: Suggestion[] }) => set({ suggestions })),
      ),
    loadHistory: () =>
      get<History>(path("/history")).then(here(state().id, (history: History) => set({ history }))),
    loadFacts: () =>
      get<{ facts: Fact[] }>(path("/facts")).then(
        here(state().id, ({ facts }: { facts: Fact[] }) => set({ facts })),
      ),
    loadSettings: () =>
      get<StorySettings>(path("/settings")).then(
        here(state().id, (settings: StorySettings) => set({ settings, settingsLost: false })),
      ),

    propose: async (intent, scope = null, approved = false) => {
      if (closed(state().readOnly)) return null;
      const { provider, manuscript } = state();
      const body = {
        intent,
        provider,
        ...(scope === null ? {} : { scope }),
        ...(approved ? { approved } : {}),
      };
      const stop = new AbortController();
      try {
        await manuscript?.flush();
        let made: Suggestion | null = null;
        if (provider === "builtin") {
          made = await post<Suggestion>(path("/suggestions"), body);
        } else {
          set({ working: { intent, provider, text: "", stop: () => stop.abort() }, panel: "suggestions" });
          for await (const { event, data } of streamed(path("/suggestions"), body, stop.signal)) {
            const working = state().working;
            if (event === "text" && working !== null)
              set({ working: { ...working, text: working.text + (data as { text: string }).text } });
            else if (event === "suggestion") made = data as Suggestion;
            else if (event === "error") throw new ApiError(502, data as ApiError["body"]);
          }
        }
        if (made === null) return null;
        if (made.hunks.length === 0) {
          toast(made.notes[0] ?? "Nothing in the text would change.", "note");
          return made;
        }
        await state().loadSuggestions();
        set({ shown: made.id, panel: "suggestions" });
        const first = made.hunks[0];
        if (first !== undefined) state().manuscript?.reveal(first);
        return made;
      } catch (fault) {
        if (stop.signal.aborted) return null;
        if (!(fault instanceof ApiError)) throw fault;
        if (fault.code === "not_approved" && fault.body.estimate !== undefined)
          set({ approval: { message: fault.message, estimate: fault.body.estimate, intent, scope } });
        else toast(fault.message, "error");
        return null;
      } finally {
        set({ working: null });
      }
    },

    decide: async (suggestion, { accept = [], reject = [], edited = {} }) => {
      await moved(`/suggestions/${encodeURIComponent(suggestion)}/decisions`, { accept, reject, edited });
      await told(state().loadSuggestions);
    },
    undo: () => travel("/undo"),
    redo: () => travel("/redo"),
    restore: (node) => moved("/restore", { node }),
    snapshot: async (label) => {
      await moved("/snapshots", { label });
      await told(state().loadHistory);
    },

    addFact: async (kind, subject, value = null) => {
      if (closed(state().readOnly)) return;
      await told(async () => {
        const revision = await state().manuscript?.flush();
        await post(path("/facts"), { kind, subject: bare(subject), value: bare(value), revision });
        await state().loadFacts();
      });
    },
    removeFact: async (id) => {
      if (closed(state().readOnly)) return;
      await told(async () => {
        await del(path(`/facts/${id}`));
        await state().loadFacts();
      });
    },
    dismiss: async (key, on) => {
      // What was put away before is not known without them, and would come back.
      if (state().settings === null) await told(state().loadSettings);
      const dismissed = state().settings?.dismissed;
      if (dismissed === undefined) return;
      await state().saveSettings({
        dismissed: on ? [...dismissed, key] : dismissed.filter((each) => each !== key),
      });
    },
    saveSettings: async (part) => {
      const settings = await told(() => put<StorySettings>(path("/settings"), part));
      if (settings !== null) set({ settings });
    },
  };
});

/** The name of a character or place. */
export function nameOf(found: Found | null, id: Id | null): string {
  return id === null ? "" : (found?.entities.get(id)?.name ?? id);
}
