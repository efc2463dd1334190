// What the story's page says of itself: whether the text is on the disk, whether the pictures are of this text, and who
// would write an edit.

import { useStory } from "./store";

const SAVE = { saved: "Saved", saving: "Saving…", unsaved: "Not saved" };

export function Status() {
  const save = useStory((state) => state.save);
  const reading = useStory((state) => state.reading);
  const progress = useStory((state) => state.progress);
  const provider = useStory((state) => state.provider);
  const readOnly = useStory((state) => state.readOnly);
  const share =
    progress !== null && progress.total > 0 ? ` ${Math.floor((100 * progress.done) / progress.total)} %` : "";
  return (
    <div className="status">
      {readOnly && <span>Read only</span>}
      <span role="status" data-testid="extraction-status" className={reading === "failed" ? "bad" : ""}>
        {reading === "ready" ? "Up to date" : reading === "running" ? `Reading…${share}` : "Reading failed"}
      </span>
      <span role="status" data-testid="save-status" className={save === "unsaved" ? "bad" : ""}>
        {SAVE[save]}
      </span>
      <span data-testid="provider-status" title="Who writes edits">
        {provider === "builtin" ? "Built in, offline" : provider}
      </span>
    </div>
  );
}
