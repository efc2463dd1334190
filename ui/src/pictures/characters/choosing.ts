// Choosing and hovering lines of the graph, however it is drawn.

import { useStory } from "../../story/store";
import { hover } from "../shared/choosing";
import { chooseEvent } from "../shared/gestures";
import type { Line } from "./drawing";

/** Choose the event of a line, or all of its events. */
export function chooseLine({ tie }: Line): void {
  const [first] = tie.events;
  if (tie.events.length === 1 && first !== undefined) chooseEvent(first.id, "characters");
  else useStory.getState().select({ events: tie.events.map((each) => each.id) }, "characters");
}

export const hoverLine = ({ tie }: Pick<Line, "tie">) =>
  hover(
    [],
    tie.events.map((each) => each.id),
  );
