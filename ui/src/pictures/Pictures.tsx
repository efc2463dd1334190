// The three pictures of a story in tabs; beside each the outline, and under that what is chosen.

import { useEffect, useRef } from "react";
import { Splitter, useKeptSize } from "../parts/Splitter";
import { useStory, type View } from "../story/store";
import { CharactersView } from "./characters/CharactersView";
import { Outline } from "./Outline";
import { PlacesView } from "./places/PlacesView";
import { Evidence } from "./shared/Evidence";
import { OrderToggle } from "./shared/OrderToggle";
import { Selected } from "./shared/Selected";
import { usePictureScope, WHOLE } from "./shared/scope";
import { TimelineView } from "./timeline/TimelineView";
import "./pictures.css";

const VIEWS: readonly [View, string][] = [
  ["characters", "Characters"],
  ["places", "Places"],
  ["timeline", "Timeline"],
];

const SIDE = 230;

export function Pictures() {
  const story = useStory((state) => state.id);
  const view = useStory((state) => state.view);
  const set = useStory((state) => state.set);
  const [side, setSide] = useKeptSize("outline", SIDE);
  const [open, setOpen] = useKeptSize("outline-open", 1);
  const picture = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another story begins with all of it in the picture.
  useEffect(() => usePictureScope.setState(WHOLE), [story]);
  const shown = open > 0;
  return (
    <>
      <div className="picture-bar">
        <button
          type="button"
          className="icon"
          aria-label="Outline"
          title={shown ? "Close the outline" : "Open the outline"}
          aria-pressed={shown}
          onClick={() => setOpen(shown ? -1 : 1)}
        >
          ☰
        </button>
        <div role="tablist" aria-label="Pictures" className="tabs">
          {VIEWS.map(([name, title], index) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              data-testid={`view-${name}`}
              aria-selected={view === name}
              aria-controls="picture"
              tabIndex={view === name ? 0 : -1}
              onClick={() => set({ view: name, hover: null })}
              onKeyDown={(event) => {
                const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
                const next = VIEWS[(index + step + VIEWS.length) % VIEWS.length];
                if (step === 0 || next === undefined) return;
                set({ view: next[0], hover: null });
                document.getElementById(`tab-${next[0]}`)?.focus();
              }}
            >
              {title}
            </button>
          ))}
        </div>
        <div className="tools">
          <div id="picture-tools" className="tools" />
          <OrderToggle />
        </div>
      </div>
      <div className="picture-area">
        <div className="picture-body">
          {shown && (
            <>
              <div className="picture-side" style={{ width: side }}>
                <Outline />
                <Selected />
              </div>
              <Splitter
                label="Width of the outline"
                size={side}
                min={160}
                max={480}
                side="before"
                onSize={setSide}
              />
            </>
          )}
          <div id="picture" ref={picture} role="tabpanel" aria-labelledby={`tab-${view}`} className="picture">
            {view === "characters" ? (
              <CharactersView />
            ) : view === "places" ? (
              <PlacesView />
            ) : (
              <TimelineView />
            )}
            <Evidence picture={picture} />
          </div>
        </div>
      </div>
    </>
  );
}
