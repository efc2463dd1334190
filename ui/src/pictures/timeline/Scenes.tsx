// The band of scenes above the timeline. In the order of telling a scene is dragged, or moved with Alt and an arrow key.

import { type KeyboardEvent, memo, type PointerEvent, useState } from "react";
import type { Id } from "../../api/types";
import { useStory } from "../../story/store";
import type { Axis } from "./axis";
import { sceneMove } from "./drop";

export const Scenes = memo(function Scenes(props: {
  axis: Axis;
  titles: ReadonlyMap<Id, string>;
  slot: number;
  from: number;
  to: number;
  /** Width of the names of lanes, which the titles do not go under. */
  indent: number;
  /** Room between the names and the first slot. */
  margin: number;
  current: Id | null;
  /** Begin to drag the scene at this place of `axis.segments`. */
  onDrag: (event: PointerEvent<HTMLElement>, place: number) => void;
  onShow: (scene: Id) => void;
}) {
  const { axis, titles, slot, from, to, indent, margin, current, onDrag, onShow } = props;
  const propose = useStory((state) => state.propose);
  const [tab, setTab] = useState(0);
  const told = axis.order === "narrated";
  const tabbed = Math.min(tab, axis.segments.length - 1);
  const key = (event: KeyboardEvent<HTMLElement>, place: number) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    if (event.altKey) {
      const scenes = axis.segments.map(({ scene }) => ({ id: scene }));
      const intent = told ? sceneMove(scenes, place, step < 0 ? place - 1 : place + 2) : null;
      if (intent !== null) void propose(intent);
      return;
    }
    const next = place + step;
    if (axis.segments[next] === undefined) return;
    setTab(next);
    const band = event.currentTarget.parentElement;
    // Drawn after this, if it lies beyond the chunk.
    requestAnimationFrame(() => {
      const button = band?.querySelector<HTMLElement>(`[data-place="${next}"]`);
      button?.focus();
      button?.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
    <div className="scenes" role="group" aria-label="Scenes">
      {axis.segments.map((segment, place) => {
        if ((segment.to < from || segment.from > to) && place !== tabbed) return null;
        const title = titles.get(segment.scene) ?? `Scene ${segment.number}`;
        const width = (segment.to - segment.from) * slot;
        return (
          <button
            key={`${segment.scene} ${segment.from}`}
            type="button"
            className={`scene ${segment.number % 2 === 0 ? "even" : ""} ${segment.scene === current ? "current" : ""}`}
            style={{ left: indent + margin + segment.from * slot, width }}
            tabIndex={place === tabbed ? 0 : -1}
            data-place={place}
            aria-label={title === `Scene ${segment.number}` ? title : `Scene ${segment.number}: ${title}`}
            title={told ? `${title}. Drag to tell this scene elsewhere.` : title}
            onFocus={() => setTab(place)}
            onPointerDown={(event) => {
              if (told && event.button === 0) onDrag(event, place);
            }}
            onClick={() => onShow(segment.scene)}
            onKeyDown={(event) => key(event, place)}
          >
            {width > 14 && (
              <span className="title" style={{ left: indent + 6 }}>
                {width > 70 && title !== `Scene ${segment.number}` ? (
                  <>
                    <b>{segment.number}</b> {title}
                  </>
                ) : (
                  <b>{segment.number}</b>
                )}
              </span>
            )}
          </button>
        );
      })}
    </div>
  );
});
