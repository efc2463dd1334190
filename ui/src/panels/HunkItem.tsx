// One hunk: what would become of a few words, in a little of their context, with taking and leaving.

import { useEffect, useRef, useState } from "react";
import type { Hunk, Suggestion } from "../api/types";
import { useStory } from "../story/store";
import { context, onlyShows, type Piece, wordDiff } from "./hunks";

/** Characters of the text that are looked at on each side. */
const AROUND = 90;
/** Characters of an unbroken piece that are shown before it is opened. */
const LONG = 420;
/** How long the pointer rests on a hunk before the text goes there, in ms. */
const REST = 180;

/** Line ends are said with a mark where nothing else is: otherwise one would see nothing. */
const visible = (text: string) =>
  text.trim() === "" && text.includes("\n") ? text.replace(/\n/g, "¶\n") : text;

function Shortened({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  if (whole || text.length <= LONG) return <>{visible(text)}</>;
  const half = LONG / 2;
  return (
    <>
      {text.slice(0, half)}
      <button type="button" className="more" onClick={() => setWhole(true)}>
        … {text.length - LONG} letters more …
      </button>
      {text.slice(-half)}
    </>
  );
}

function Difference({ pieces, marked }: { pieces: readonly Piece[]; marked: boolean }) {
  let at = 0;
  return pieces.map((piece) => {
    const key = at;
    at += piece.text.length + 1;
    if (piece.kind === "gone")
      return (
        <del key={key}>
          <Shortened text={piece.text} />
        </del>
      );
    if (piece.kind === "new")
      return (
        <ins key={key}>
          <Shortened text={piece.text} />
        </ins>
      );
    return marked ? <mark key={key}>{piece.text}</mark> : <Shortened key={key} text={piece.text} />;
  });
}

export function HunkItem(props: {
  hunk: Hunk;
  suggestion: Suggestion;
  /** Whether the keyboard is at this one. */
  current: boolean;
  editing: boolean;
  /** Whether its reason is said here: not where all have the same. */
  reasoned: boolean;
  onCurrent: () => void;
  onEdit: (on: boolean) => void;
  onTake: () => void;
  onLeave: () => void;
  onChange: (text: string) => void;
}) {
  const { hunk, suggestion, current, editing } = props;
  const manuscript = useStory((state) => state.manuscript);
  // Words that would go are changed from what they are now.
  const [text, setText] = useState(hunk.after.trim() === "" ? hunk.before : hunk.after);
  const resting = useRef<number | undefined>(undefined);
  const now = manuscript?.now(hunk, suggestion.revision) ?? null;
  const before =
    now === null
      ? ""
      : context(manuscript?.slice(Math.max(0, now.start - AROUND), now.start) ?? "", "before");
  const after = now === null ? "" : context(manuscript?.slice(now.end, now.end + AROUND) ?? "", "after");
  const marks = onlyShows(hunk);
  const reach = () => {
    if (now !== null) manuscript?.reveal(now);
  };
  useEffect(() => () => window.clearTimeout(resting.current), []);
  const tab = current ? 0 : -1;
  return (
    <li
      className={hunk.changed ? "hunk stale" : "hunk"}
      data-testid="hunk"
      data-id={hunk.id}
      tabIndex={tab}
      onFocus={(event) => {
        if (!current) props.onCurrent();
        if (event.target === event.currentTarget) reach();
      }}
      onPointerEnter={() => {
        resting.current = window.setTimeout(reach, REST);
      }}
      onPointerLeave={() => window.clearTimeout(resting.current)}
    >
      {(hunk.unintended || hunk.optional) && (
        <p className="tags">
          {hunk.unintended && <span className="tag warn">not asked for</span>}
          {hunk.optional && <span className="tag">perhaps</span>}
        </p>
      )}
      {editing ? (
        <textarea
          aria-label="Your words in their place"
          value={text}
          rows={Math.min(12, 2 + Math.floor(text.length / 44))}
          // biome-ignore lint/a11y/noAutofocus: it was opened to be written in.
          autoFocus
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            event.stopPropagation();
            if (event.key === "Escape") props.onEdit(false);
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) props.onChange(text);
          }}
        />
      ) : (
        <p className="difference">
          {before}
          <Difference pieces={wordDiff(hunk.before, hunk.after)} marked={marks} />
          {after}
        </p>
      )}
      {props.reasoned && hunk.reason !== "" && <p className="reason">{hunk.reason}</p>}
      {hunk.changed && <p className="reason bad">These words have changed since: ask again, or leave it.</p>}
      <div className="hunk-buttons">
        {editing ? (
          <>
            <button type="button" className="small primary" onClick={() => props.onChange(text)}>
              Take so
            </button>
            <button type="button" className="small quiet" onClick={() => props.onEdit(false)}>
              Never mind
            </button>
          </>
        ) : (
          <>
            {!marks && (
              <button
                type="button"
                className="small"
                data-testid="hunk-accept"
                disabled={hunk.changed}
                tabIndex={tab}
                title="Take it (A)"
                onClick={props.onTake}
              >
                Take
              </button>
            )}
            <button
              type="button"
              className="small"
              data-testid="hunk-reject"
              tabIndex={tab}
              title="Leave it (R)"
              onClick={props.onLeave}
            >
              {marks ? "Seen" : "Leave"}
            </button>
            {!marks && !hunk.changed && (
              <button
                type="button"
                className="small quiet"
                tabIndex={tab}
                title="Change it and take it (E)"
                onClick={() => props.onEdit(true)}
              >
                Change…
              </button>
            )}
          </>
        )}
      </div>
    </li>
  );
}
