// Where things stand in the pictures. What was placed once stays there: by the layout for this visit, by the writer in
// the story's settings.

import { useEffect } from "react";
import { create } from "zustand";
import type { Id } from "../../api/types";
import { useStory } from "../../story/store";

export interface Point {
  x: number;
  y: number;
}

export type Places = Readonly<Record<Id, Point>>;
type Kind = "characters" | "places";

interface Kept {
  story: Id;
  /** Whether what the settings say was taken over. */
  seeded: boolean;
  characters: Places;
  places: Places;
}

const NONE = { seeded: false, characters: {}, places: {} };
const useKept = create<Kept>()(() => ({ story: "", ...NONE }));

/** How long dragging must rest before it is saved, in ms. */
const REST = 800;
let waiting: number | undefined;

/** The places of a kind of nodes, once the settings are known, or known to be lost; null before. */
export function usePlaces(kind: Kind): Places | null {
  const story = useStory((state) => state.id);
  const layout = useStory((state) => (state.settingsLost ? null : state.settings?.layout));
  const ready = useKept((kept) => kept.seeded && kept.story === story);
  useEffect(() => {
    if (ready || layout === undefined) return;
    useKept.setState({
      story,
      seeded: true,
      characters: layout?.characters ?? {},
      places: layout?.places ?? {},
    });
  }, [ready, story, layout]);
  const places = useKept((kept) => kept[kind]);
  return ready ? places : null;
}

/** Put nodes somewhere for this visit. */
export function place(kind: Kind, moved: Places): void {
  useKept.setState((kept) => ({ [kind]: { ...kept[kind], ...moved } }));
}

/** Keep in the story's settings where `drawn` stand: the writer has arranged them. */
export function keep(kind: Kind, drawn: readonly Id[]): void {
  window.clearTimeout(waiting);
  waiting = window.setTimeout(() => {
    const { id, settings, saveSettings } = useStory.getState();
    const kept = useKept.getState();
    // Without the settings it is not known what else they keep, which would be written over.
    if (kept.story !== id || settings === null) return;
    const rounded = Object.fromEntries(
      drawn.flatMap((each) => {
        const point = kept[kind][each];
        return point === undefined ? [] : [[each, { x: Math.round(point.x), y: Math.round(point.y) }]];
      }),
    );
    const layout = settings.layout ?? {};
    void saveSettings({ layout: { ...layout, [kind]: { ...layout[kind], ...rounded } } });
  }, REST);
}

/** Forget where nodes stand, so that they are laid out anew. */
export function forget(kind: Kind): void {
  window.clearTimeout(waiting);
  useKept.setState({ [kind]: {} });
  const { settings, saveSettings } = useStory.getState();
  if (settings?.layout?.[kind] !== undefined)
    void saveSettings({ layout: { ...settings.layout, [kind]: undefined } });
}

/** The width of the picture's pane in parts of its height. */
export function paneShape(): number {
  const pane = document.getElementById("picture");
  return pane === null || pane.clientHeight === 0 ? 1 : pane.clientWidth / pane.clientHeight;
}
