// How the timeline is drawn: which form, and how wide a slot is. Kept while the page is open.

import { create } from "zustand";

export type Form = "characters" | "places" | "lines";

export const useForm = create<{
  form: Form;
  /** Pixels of a slot; null: so that a short story fits, and a long one is legible. */
  zoom: number | null;
}>()(() => ({ form: "characters", zoom: null }));

/** So many events are on the screen at most: more would be neither seen nor drawn smoothly. */
const MOST_IN_VIEW = 150;
const WIDEST = 140;
const USUAL = 26;
const ROOMY = 72;
const LEGIBLE = 14;

/** The narrowest slot: all of the story where it is short. */
export const narrowest = (width: number, slots: number): number =>
  Math.min(USUAL, Math.max(width / MOST_IN_VIEW, width / Math.max(1, slots)));

export function slotWidth(zoom: number | null, width: number, slots: number): number {
  const fitting = width / Math.max(1, slots);
  const wanted = zoom ?? (fitting < LEGIBLE ? USUAL : Math.min(ROOMY, fitting));
  return Math.min(WIDEST, Math.max(narrowest(width, slots), wanted));
}

/**
 * The chunk of slots that is drawn for what is seen: wider than the window, and the same while one scrolls a little.
 * `seen` is a slot of it that is on the screen all the while.
 */
export function chunkOf(
  left: number,
  width: number,
  slot: number,
  slots: number,
): { from: number; to: number; seen: number } {
  const step = Math.max(8, Math.ceil(width / slot / 2));
  const first = Math.floor(left / slot / step) * step;
  const last = Math.ceil((left + width) / slot / step) * step;
  return {
    from: Math.max(0, first - step),
    to: Math.min(slots, last + step),
    seen: left < slot ? 0 : first + step,
  };
}
