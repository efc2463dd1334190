// The panels at the side: suggestions, warnings, reports, history, facts; and the buttons of the top bar that open them.

import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import { type Panel, useStory } from "../story/store";
import { Facts } from "./Facts";
import { HistoryPanel } from "./HistoryPanel";
import { openSuggestions } from "./hunks";
import { goToPanel } from "./open";
import { Reports } from "./Reports";
import { Suggestions } from "./Suggestions";
import { openWarnings, Warnings } from "./Warnings";
import "./panels.css";

const PANELS: readonly [Panel, string][] = [
  ["suggestions", "Suggestions"],
  ["warnings", "Warnings"],
  ["reports", "Reports"],
  ["history", "History"],
  ["facts", "Facts"],
];

const BUTTONS = PANELS.filter(([panel]) => panel !== "facts");

/** How many things wait in a panel. */
function useWaiting(): Record<Panel, number> {
  const suggestions = useStory((state) => state.suggestions);
  const found = useStory((state) => state.found);
  const dismissed = useStory((state) => state.settings?.dismissed);
  return {
    suggestions: openSuggestions(suggestions).length,
    warnings: openWarnings(found, dismissed ?? []).length,
    reports: 0,
    history: 0,
    facts: 0,
  };
}

/** A number beside a name; it belongs to the name, "Warnings 3". */
const Count = ({ of }: { of: number }) => (of === 0 ? null : <span className="count numbers">{of}</span>);

export function PanelButtons() {
  const panel = useStory((state) => state.panel);
  const set = useStory((state) => state.set);
  const undo = useStory((state) => state.undo);
  const redo = useStory((state) => state.redo);
  const waiting = useWaiting();
  // Proposals that wait, as after a reload, are shown without being asked for; once, so that they can be put away.
  const waited = useRef(0);
  useEffect(() => {
    if (waiting.suggestions > 0 && waited.current === 0 && useStory.getState().panel === null)
      set({ panel: "suggestions" });
    waited.current = waiting.suggestions;
  }, [waiting.suggestions, set]);
  return (
    <>
      <button
        type="button"
        className="icon turn"
        data-testid="undo"
        aria-label="Undo"
        title="Undo (Ctrl+Z)"
        onClick={undo}
      >
        <Turn />
      </button>
      <button
        type="button"
        className="icon turn"
        data-testid="redo"
        aria-label="Redo"
        title="Redo (Ctrl+Shift+Z)"
        onClick={redo}
      >
        <Turn mirrored />
      </button>
      {BUTTONS.map(([name, title]) => {
        const open = panel === name;
        // The region is called so once it is there: only one thing on the page has the name.
        return (
          <button
            key={name}
            type="button"
            className="quiet panel-button"
            data-testid={
              open || (name === "suggestions" && panel !== null && waiting.suggestions > 0) ? undefined : name
            }
            aria-pressed={open}
            onClick={() => (open ? set({ panel: null }) : goToPanel(name))}
          >
            {title}
            <Count of={waiting[name]} />
          </button>
        );
      })}
    </>
  );
}

function Turn({ mirrored = false }: { mirrored?: boolean }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path
        d="M6 3 2.5 6.5 6 10M3 6.5h6.2a4 4 0 0 1 0 8H6"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        transform={mirrored ? "matrix(-1 0 0 1 16 0)" : undefined}
      />
    </svg>
  );
}

/** Five names in words are wider than the panel: a sign for each, and the name of the one that is open. */
const SIGNS: Record<Panel, string> = {
  suggestions: "M3 13l.7-3L11 2.7a1.4 1.4 0 0 1 2 0l.3.3a1.4 1.4 0 0 1 0 2L6 12.3 3 13zM9.5 4.2l2.3 2.3",
  warnings: "M8 2.5 14.5 13.5h-13zM8 6.5v3.4M8 11.6v.2",
  reports: "M2.5 3h11v10h-11zM2.5 6.3h11M2.5 9.7h11M6.5 6.3V13",
  history: "M8 2.2a5.8 5.8 0 1 1-5.4 3.7M2.2 2.8v3.4h3.4M8 5v3.3l2.2 1.4",
  facts: "M2.5 3h11v7.5H8L5 13.3v-2.8H2.5zM5.3 6.6l1.9 1.8 3.5-3.6",
};

function Sign({ of }: { of: Panel }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path
        d={SIGNS[of]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}

const CONTENT: Record<Panel, () => ReactNode> = {
  suggestions: () => <Suggestions />,
  warnings: () => <Warnings />,
  reports: () => <Reports />,
  history: () => <HistoryPanel />,
  facts: () => <Facts />,
};

export function SidePanel({ panel }: { panel: Panel }) {
  const set = useStory((state) => state.set);
  const waiting = useWaiting();
  const step = (event: KeyboardEvent, index: number) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = PANELS[(index + by + PANELS.length) % PANELS.length];
    if (by === 0 || next === undefined) return;
    event.preventDefault();
    set({ panel: next[0] });
    document.getElementById(`side-tab-${next[0]}`)?.focus();
  };
  return (
    <div className="side-panel">
      <div className="side-head">
        <div role="tablist" aria-label="Panels" className="side-tabs">
          {PANELS.map(([name, title], index) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`side-tab-${name}`}
              aria-selected={panel === name}
              aria-controls="side-body"
              tabIndex={panel === name ? 0 : -1}
              onClick={() => set({ panel: name })}
              onKeyDown={(event) => step(event, index)}
              aria-label={title}
              title={title}
            >
              <Sign of={name} />
              {panel === name && title}
            </button>
          ))}
        </div>
        <button
          type="button"
          className="icon"
          aria-label="Close the panel"
          title="Close the panel"
          onClick={() => set({ panel: null })}
        >
          ×
        </button>
      </div>
      <div role="tabpanel" id="side-body" aria-labelledby={`side-tab-${panel}`} className="side-body">
        {CONTENT[panel]()}
      </div>
      {panel !== "suggestions" && waiting.suggestions > 0 && (
        <section className="waiting spread" aria-label="Suggestions" data-testid="suggestions">
          <span>
            {waiting.suggestions === 1
              ? "A suggestion waits for you."
              : `${waiting.suggestions} suggestions wait for you.`}
          </span>
          <button type="button" onClick={() => goToPanel("suggestions")}>
            Look
          </button>
        </section>
      )}
    </div>
  );
}
