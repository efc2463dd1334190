// Which dialog is open, and whether the palette is; any part of the page may open one.

import { create } from "zustand";
import type { Id } from "../api/types";
import { type Panel, useStory } from "../story/store";

export type DialogName = "export" | "providers" | "reading" | "groups" | "help";

interface Open {
  dialog: DialogName | null;
  /** What stands in the palette when it opens; null: it is closed. */
  palette: string | null;
  /** The story whose file was changed by another program, which the writer does not want to hear of now. */
  leftAlone: Id | null;
}

export const useOpen = create<Open>()(() => ({ dialog: null, palette: null, leftAlone: null }));

export const openDialog = (dialog: DialogName | null) => useOpen.setState({ dialog });

/** Open the palette, perhaps with the beginning of a phrase. */
export const openPalette = (phrase = "") => useOpen.setState({ palette: phrase });

export const closePalette = () => useOpen.setState({ palette: null });

/** Open a panel and go there with the keyboard. */
export function goToPanel(panel: Panel): void {
  useStory.getState().set({ panel });
  requestAnimationFrame(() => {
    const region = document.getElementById(`panel-${panel}`);
    const first = region?.querySelector<HTMLElement>('[data-testid="hunk"][tabindex="0"]');
    (first ?? region)?.focus();
  });
}
