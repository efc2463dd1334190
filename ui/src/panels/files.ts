// The story's own file on the disk: writing it, and taking over what another program made of it.

import { ApiError, ofStory, post } from "../api/client";
import { toast } from "../parts/toasts";
import { useStory } from "../story/store";
import { useOpen } from "./open";

/** Write the story to its file. Where another program has changed the file nothing is written: a notice asks first. */
export async function saveToFile(overwrite = false): Promise<void> {
  const { id, manuscript, loadMeta, set } = useStory.getState();
  try {
    await manuscript?.flush();
    const { path } = await post<{ path: string }>(ofStory(id, "/save"), { overwrite });
    toast(`Saved to ${path}.`);
    await loadMeta();
  } catch (fault) {
    if (!(fault instanceof ApiError)) throw fault;
    if (fault.code === "source_changed") {
      const { meta } = useStory.getState();
      if (meta !== null) set({ meta: { ...meta, source_changed: true } });
      useOpen.setState({ leftAlone: null });
      return;
    }
    toast(fault.message, "error");
  }
}

/** Take over what another program made of the file, as one step that can be undone. */
export async function reread(): Promise<void> {
  const { id, manuscript, loadMeta } = useStory.getState();
  try {
    await manuscript?.flush();
    await post(ofStory(id, "/reread"));
    await loadMeta();
    toast("What the file says now is in the story; undo brings back what was here.");
  } catch (fault) {
    if (!(fault instanceof ApiError)) throw fault;
    toast(fault.message, "error");
  }
}
