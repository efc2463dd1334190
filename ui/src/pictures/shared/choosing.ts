// Choosing and hovering in the pictures that are drawn as graphs.

import type { Id } from "../../api/types";
import { useStory, type View } from "../../story/store";

/** Choose a character or place, or with `more` one more or one fewer. */
export function chooseEntity(id: Id, more: boolean, from: View): void {
  const { selection, select } = useStory.getState();
  const others = selection.entities.filter((each) => each !== id);
  if (!more) select({ entities: [id] }, from);
  else select({ entities: selection.entities.includes(id) ? others : [...others, id] }, from);
}

export const chooseNothing = (from: View) => useStory.getState().select({}, from);

export const hover = (entities: readonly Id[], events: readonly Id[] = []) =>
  useStory.getState().set({ hover: { entities, events } });

export const hoverNothing = () => useStory.getState().set({ hover: null });

/** Whether a press means “this one too”. */
export const wantsMore = (event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }): boolean =>
  event.shiftKey || event.ctrlKey || event.metaKey;
