// Things the writer has to decide on before going on: the file was changed by another program, or two windows have
// typed in one place; and that there is no connection.

import { useEffect } from "react";
import { Dialog } from "../parts/Dialog";
import { useStory } from "../story/store";
import { reread, saveToFile } from "./files";
import { wordDiff } from "./hunks";
import { useOpen } from "./open";
import "./dialogs.css";

function SourceChanged() {
  const meta = useStory((state) => state.meta);
  const loadMeta = useStory((state) => state.loadMeta);
  const leftAlone = useOpen((state) => state.leftAlone);
  // Another program is used in another window: when the writer comes back is when the file may have changed.
  useEffect(() => {
    const look = () => {
      if (useStory.getState().meta?.source) loadMeta().catch(() => {});
    };
    window.addEventListener("focus", look);
    return () => window.removeEventListener("focus", look);
  }, [loadMeta]);
  if (meta === null || !meta.source_changed || leftAlone === meta.id) return null;
  return (
    <div className="story-notice" role="alert">
      <span>
        <strong>{meta.source}</strong> was changed by another program since it was read.
      </span>
      <span className="row">
        <button type="button" className="small" onClick={reread}>
          Take over what it says
        </button>
        <button type="button" className="small" onClick={() => saveToFile(true)}>
          Overwrite it
        </button>
        <button
          type="button"
          className="small quiet"
          onClick={() => useOpen.setState({ leftAlone: meta.id })}
        >
          Keep both as they are
        </button>
      </span>
    </div>
  );
}

function NoConnection() {
  const connected = useStory((state) => state.connected);
  if (connected) return null;
  return (
    <div className="story-notice" role="alert">
      <span>
        <strong>Gnomon does not answer.</strong> What you type is kept on this page, and sent as soon as it
        does.
      </span>
    </div>
  );
}

function Version({ title, text, other }: { title: string; text: string; other: string }) {
  let at = 0;
  return (
    <section className="version" aria-label={title}>
      <h3>{title}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard has to reach it. */}
      <div className="words" tabIndex={0}>
        {wordDiff(other, text)
          .filter((piece) => piece.kind !== "gone")
          .map((piece) => {
            at += piece.text.length;
            return piece.kind === "new" ? <mark key={at}>{piece.text}</mark> : piece.text;
          })}
      </div>
    </section>
  );
}

function ConflictDialog() {
  const conflict = useStory((state) => state.conflict);
  if (conflict === null) return null;
  const { mine, theirs, settle } = conflict;
  return (
    // Putting it off is no answer: closing the dialog keeps what was typed here, which history can undo.
    <Dialog title="This passage was changed elsewhere" wide onClose={() => settle("mine")}>
      <div>
        <p>Another window or program has changed the words that you were typing in.</p>
        <div className="versions">
          <Version title="Yours" text={mine} other={theirs} />
          <Version title="The other" text={theirs} other={mine} />
        </div>
        <footer>
          <button type="button" onClick={() => settle("theirs")}>
            Keep the other
          </button>
          <button type="button" className="primary" onClick={() => settle("mine")}>
            Keep mine
          </button>
        </footer>
      </div>
    </Dialog>
  );
}

export function Notices() {
  return (
    <>
      <NoConnection />
      <SourceChanged />
      <ConflictDialog />
    </>
  );
}
