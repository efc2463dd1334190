// Carry out what a gesture on the axis means.

import { toast } from "../../parts/toasts";
import { useStory } from "../../story/store";
import type { Meaning } from "./drop";

/** Propose the edit, or note which of two events was first; facts are tied to the words of both. */
export async function carryOut(meaning: Meaning): Promise<void> {
  const { found, manuscript, propose, addFact } = useStory.getState();
  if (meaning.kind === "edit") {
    await propose(meaning.intent);
    return;
  }
  const now = [meaning.first, meaning.second].map((id) => {
    const event = found?.happenings.get(id);
    return event === undefined || found === null ? null : (manuscript?.now(event, found.revision) ?? null);
  });
  const [first, second] = now;
  if (first == null || second == null)
    toast("The words of these events have changed; wait until they are read again.", "error");
  else await addFact("story_before", first, second);
}
