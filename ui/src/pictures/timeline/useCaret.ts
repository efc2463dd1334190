// Where the caret of the text stands on the axis.

import { useEffect, useMemo, useState } from "react";
import { type Found, useStory } from "../../story/store";
import { type Axis, eventAt } from "./axis";

const OFTEN = 150;

/** The slot of the caret, or null while it has not been in the text. */
export function useCaret(found: Found, axis: Axis): number | null {
  const manuscript = useStory((state) => state.manuscript);
  const [position, setPosition] = useState<number | null>(null);
  useEffect(() => {
    let waiting: number | undefined;
    const look = () => {
      waiting = undefined;
      const at = manuscript?.selection()?.end;
      if (at !== undefined) setPosition(at);
    };
    const later = () => {
      waiting ??= window.setTimeout(look, OFTEN);
    };
    look();
    document.addEventListener("selectionchange", later);
    return () => {
      window.clearTimeout(waiting);
      document.removeEventListener("selectionchange", later);
    };
  }, [manuscript]);
  return useMemo(() => {
    if (position === null || manuscript === null) return null;
    const told = axis.order === "narrated" ? axis.events : found.events;
    const place = eventAt(
      (narrated) => {
        const event = told[narrated];
        return event === undefined ? null : (manuscript.now(event, found.revision)?.start ?? null);
      },
      told.length,
      position,
    );
    if (place < 0) return axis.order === "narrated" ? 0 : null;
    const index = axis.index.get(told[place]?.id ?? "");
    const centre = index === undefined ? undefined : axis.centres[index];
    if (centre === undefined) return null;
    return axis.order === "narrated" ? centre + 0.5 : centre;
  }, [found, axis, manuscript, position]);
}
