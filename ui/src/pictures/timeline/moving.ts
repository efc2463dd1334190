// Carry out what a gesture on the axis means.

import { toast } from "../../parts/toasts";
import { useStory } from "../../story/store";
import type { Meaning } from "./drop";

/** Propose the edit, or note which of two events was first, and that the one in hand is what moves; facts are tied to the words of both. */
export async function carryOut(meaning: Meaning): Promise<void> {
  const { found, manuscript, propose, addFact } = useStory.getState();
  if (meaning.kind === "edit") {
    await propose(meaning.intent);
    return;
  }
  const now = [meaning.event, meaning.other].map((id) => {
    const event = found?.happenings.get(id);
    return event === undefined || found === null ? null : (manuscript?.now(event, found.revision) ?? null);
  });
  const [event, other] = now;
  if (event == null || other == null)
    toast("The words of these events have changed; wait until they are read again.", "error");
  else await addFact(meaning.where === "before" ? "story_before" : "story_after", event, other);
}
