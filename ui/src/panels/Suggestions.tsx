// What is proposed and not decided, the newest first, one opened; what a provider is writing; what was decided.

import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { ofStory, post } from "../api/client";
import type { Id, Suggestion } from "../api/types";
import { toast } from "../parts/toasts";
import { useStory } from "../story/store";
import { HunkItem } from "./HunkItem";
import {
  canTake,
  madeOf,
  nextHunk,
  onlyShows,
  openHunks,
  openSuggestions,
  takenByAll,
  usualReason,
  waysOf,
  wordsSoFar,
} from "./hunks";
import { useLexicon } from "./lexicon";
import { openPalette } from "./open";
import { when } from "./times";
import { counted, describe, type Lexicon } from "./wording";

/** Hunks that are drawn at once. */
const DRAWN = 150;

/** What was asked: what it names may be gone from the story by now. */
function wished(suggestion: Suggestion, lexicon: Lexicon): string {
  const event = suggestion.intent.event;
  const reason = suggestion.hunks[0]?.reason ?? "";
  if (typeof event === "string" && lexicon.event(event) === null && reason !== "")
    return reason.charAt(0).toUpperCase() + reason.slice(1);
  return describe(suggestion.intent, lexicon);
}

const written = (provider: string) => (provider === "builtin" ? "built in" : provider);

function Working() {
  const working = useStory((state) => state.working);
  const lexicon = useLexicon();
  if (working === null) return null;
  const words = wordsSoFar(working.text);
  return (
    <div className="working" role="status">
      <div className="spread">
        <strong>{describe(working.intent, lexicon)}</strong>
        <button type="button" className="small" onClick={working.stop}>
          Cancel
        </button>
      </div>
      <p className="muted">{working.provider} is writing…</p>
      {words !== "" && <pre aria-live="off">{words}</pre>}
    </div>
  );
}

/** Arrows between several ways of the same wish; another way is made when one goes there. */
function Ways({ suggestion, ways }: { suggestion: Suggestion; ways: readonly Suggestion[] }) {
  const set = useStory((state) => state.set);
  const [busy, setBusy] = useState(false);
  const total = suggestion.alternatives.length + 1;
  // Every way knows the others: they are counted in the order in which they were made, and then those not made yet.
  const place = ways.findIndex((each) => each.id === suggestion.id);
  const unmade = suggestion.alternatives.flatMap((_, number) =>
    madeOf(suggestion, number, ways) === null ? [number] : [],
  );
  const go = async (step: 1 | -1) => {
    const to = (place + step + total) % total;
    const made = ways[to];
    if (made !== undefined) {
      set({ shown: made.id });
      return;
    }
    const number = unmade[to - ways.length];
    if (number === undefined) return;
    setBusy(true);
    try {
      const { id, loadSuggestions } = useStory.getState();
      const path = ofStory(id, `/suggestions/${encodeURIComponent(suggestion.id)}/alternatives`);
      const other = await post<Suggestion>(path, { number });
      await loadSuggestions();
      set({ shown: other.id });
    } catch (fault) {
      toast((fault as Error).message, "error");
    } finally {
      setBusy(false);
    }
  };
  return (
    <fieldset className="ways row" aria-label="Other ways">
      <button
        type="button"
        className="icon"
        aria-label="The way before"
        disabled={busy}
        onClick={() => go(-1)}
      >
        ‹
      </button>
      <span className="numbers">
        {place + 1}/{total}
      </span>
      <button type="button" className="icon" aria-label="The next way" disabled={busy} onClick={() => go(1)}>
        ›
      </button>
    </fieldset>
  );
}

/** Notes that are shown before they are opened. */
const NOTES = 3;

function Notes({ of }: { of: Suggestion }) {
  const [whole, setWhole] = useState(false);
  const notes = [...new Set(of.notes)];
  if (notes.length === 0) return null;
  return (
    <>
      <ul className="notes">
        {(whole ? notes : notes.slice(0, NOTES)).map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
      {!whole && notes.length > NOTES && (
        <button type="button" className="small quiet back" onClick={() => setWhole(true)}>
          {counted(notes.length - NOTES, "more note", "more notes")}…
        </button>
      )}
    </>
  );
}

function Opened({ suggestion, ways }: { suggestion: Suggestion; ways: readonly Suggestion[] }) {
  const decide = useStory((state) => state.decide);
  const lexicon = useLexicon();
  const list = useRef<HTMLOListElement>(null);
  const open = openHunks(suggestion);
  const [most, setMost] = useState(DRAWN);
  const [editing, setEditing] = useState<Id | null>(null);
  const [at, setAt] = useState<Id | null>(null);
  const current = open.find((hunk) => hunk.id === at) ?? open[0];
  const moving = useRef(false);
  const currentId = current?.id;
  // After a decision the keyboard goes on with the next hunk, which is there once the list is drawn again.
  useEffect(() => {
    if (!moving.current || currentId === undefined) return;
    moving.current = false;
    list.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(currentId)}"]`)?.focus();
  }, [currentId]);
  const all = takenByAll(suggestion);
  // A provider's reason is only its own name.
  const usual = suggestion.provider === "builtin" ? usualReason(suggestion.hunks) : "";
  const left = open.filter((hunk) => canTake(hunk)).length - all.length;

  /** What was pressed or held the focus is gone with the last hunk: the keyboard stays in the panel. */
  const stay = () =>
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) document.getElementById("panel-suggestions")?.focus();
    });
  /** Decide on one, and put the other ways of the same wish away where something of this one is taken. */
  const settle = async (hunk: Id, decision: Parameters<typeof decide>[1], keyboard: boolean) => {
    const beside = nextHunk(open, hunk, 1);
    setEditing(null);
    setAt(beside === hunk ? nextHunk(open, hunk, -1) : beside);
    moving.current = keyboard;
    await decide(suggestion.id, decision);
    if (decision.reject === undefined) await putOthersAway();
    stay();
  };
  const putOthersAway = async () => {
    for (const other of ways)
      if (other.id !== suggestion.id)
        await decide(other.id, { reject: openHunks(other).map((hunk) => hunk.id) });
  };
  const takeAll = async () => {
    await decide(suggestion.id, { accept: "all" });
    await putOthersAway();
    stay();
  };
  const leaveAll = async () => {
    await decide(suggestion.id, { reject: "all" });
    stay();
  };

  const key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || current === undefined || editing !== null) return;
    const go = (step: 1 | -1) => {
      const next = nextHunk(open, current.id, step);
      if (next === null) return;
      setAt(next);
      list.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next)}"]`)?.focus();
    };
    switch (event.key) {
      case "j":
      case "ArrowDown":
        go(1);
        break;
      case "k":
      case "ArrowUp":
        go(-1);
        break;
      case "a":
        if (canTake(current)) settle(current.id, { accept: [current.id] }, true);
        break;
      case "r":
        settle(current.id, { reject: [current.id] }, true);
        break;
      case "e":
        if (canTake(current)) setEditing(current.id);
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  return (
    <article className="suggestion" onKeyDown={key}>
      <div className="spread">
        <h2>{wished(suggestion, lexicon)}</h2>
        {suggestion.alternatives.length > 0 && <Ways suggestion={suggestion} ways={ways} />}
      </div>
      <p className="about muted">
        {written(suggestion.provider)} · {when(suggestion.time)}
        {usual !== "" && ` · ${usual}`}
        {open.length < suggestion.hunks.length && ` · ${suggestion.hunks.length - open.length} decided`}
      </p>
      <Notes of={suggestion} />
      <div className="row all">
        {!open.every(onlyShows) && (
          <button
            type="button"
            className="primary small"
            data-testid="accept-all"
            disabled={all.length === 0}
            onClick={takeAll}
          >
            {all.length === 0
              ? "Take all"
              : all.length === open.length
                ? `Take all ${all.length}`
                : `Take the ${all.length} asked for`}
          </button>
        )}
        <button type="button" className="small" data-testid="reject-all" onClick={leaveAll}>
          {open.every(onlyShows) ? "Seen them all" : "Leave all"}
        </button>
        {left > 0 && <span className="muted">{left} more to look at</span>}
      </div>
      <ol className="hunks" ref={list}>
        {open.slice(0, most).map((hunk) => (
          <HunkItem
            key={hunk.id}
            hunk={hunk}
            suggestion={suggestion}
            current={hunk === current}
            editing={editing === hunk.id}
            reasoned={suggestion.provider === "builtin" && hunk.reason !== usual}
            onCurrent={() => setAt(hunk.id)}
            onEdit={(on) => setEditing(on ? hunk.id : null)}
            onTake={() => settle(hunk.id, { accept: [hunk.id] }, false)}
            onLeave={() => settle(hunk.id, { reject: [hunk.id] }, false)}
            onChange={(text) => settle(hunk.id, { edited: { [hunk.id]: text } }, true)}
          />
        ))}
      </ol>
      {open.length > most && (
        <button type="button" className="quiet" onClick={() => setMost(most + DRAWN)}>
          Show {Math.min(DRAWN, open.length - most)} more of {open.length}
        </button>
      )}
    </article>
  );
}

const OUTCOMES = { accepted: "taken", edited: "changed and taken", rejected: "left" } as const;

function outcome(suggestion: Suggestion): string {
  return (["accepted", "edited", "rejected"] as const)
    .map((kind) => ({ kind, many: suggestion.hunks.filter((hunk) => hunk.decision === kind).length }))
    .filter(({ many }) => many > 0)
    .map(({ kind, many }) => `${many} ${OUTCOMES[kind]}`)
    .join(", ");
}

export function Suggestions() {
  const all = useStory((state) => state.suggestions);
  const shown = useStory((state) => state.shown);
  const working = useStory((state) => state.working);
  const set = useStory((state) => state.set);
  const lexicon = useLexicon();
  const open = openSuggestions(all);
  const decided = all.filter((each) => each.state === "decided").reverse();
  const opened = open.find((each) => each.id === shown) ?? open[0];
  const openedId = opened?.id ?? null;
  useEffect(() => {
    if (shown !== openedId) set({ shown: openedId });
  }, [shown, openedId, set]);
  // Of several ways of one wish, the one that is looked at stands for them.
  const ways = new Map(open.map((each) => [each.id, waysOf(each, all)]));
  const heads = open.filter((each) => {
    const group = ways.get(each.id) ?? [];
    const head = group.find((other) => other.id === openedId) ?? group[0];
    return head === undefined || head.id === each.id;
  });
  return (
    <section
      id="panel-suggestions"
      className="panel"
      aria-label="Suggestions"
      data-testid="suggestions"
      tabIndex={-1}
    >
      <Working />
      {heads.map((each) =>
        each.id === openedId ? (
          <Opened key={each.id} suggestion={each} ways={ways.get(each.id) ?? []} />
        ) : (
          <button key={each.id} type="button" className="folded" onClick={() => set({ shown: each.id })}>
            <strong>{wished(each, lexicon)}</strong>
            <span className="muted">
              {counted(openHunks(each).length, "change", "changes")} · {when(each.time)}
            </span>
          </button>
        ),
      )}
      {open.length === 0 && working === null && (
        <div className="nothing">
          <p>Nothing is proposed just now.</p>
          <p>
            Drag something in a picture, or say what you want, such as “rename Anna to Ada”. What comes of it
            is shown here first; no word of yours changes before you take it.
          </p>
          <button type="button" onClick={() => openPalette()}>
            Say what you want…
          </button>
        </div>
      )}
      {decided.length > 0 && (
        <details className="decided">
          <summary>Decided ({decided.length})</summary>
          <ul>
            {decided.slice(0, 100).map((each) => (
              <li key={each.id}>
                <strong>{wished(each, lexicon)}</strong>
                <span className="muted">
                  {outcome(each)} · {written(each.provider)} · {when(each.time)}
                </span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
