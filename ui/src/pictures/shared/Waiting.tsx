// What stands where a picture has nothing to show yet.

import { useStory } from "../../story/store";

/** The first reading is under way, has failed, or there is nothing to read. */
export function Waiting() {
  const reading = useStory((state) => state.reading);
  const progress = useStory((state) => state.progress);
  const blank = useStory((state) => state.found?.scenes.length === 0);
  if (blank && reading === "ready")
    return (
      <p className="empty">
        Nothing is written yet. Write, and who is where, and what they do, is drawn here by itself.
      </p>
    );
  if (reading === "failed")
    return (
      <p className="empty">
        The story could not be read. The text is safe; reading starts again when it changes.
      </p>
    );
  return (
    <div className="empty" aria-busy="true">
      <p>Reading… you can write meanwhile.</p>
      {progress !== null && progress.total > 0 && (
        <progress value={progress.done} max={progress.total} aria-label="Part of the story that is read" />
      )}
    </div>
  );
}
