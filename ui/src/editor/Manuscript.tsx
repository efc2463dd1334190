// The text of a story as it is written: the editor itself is src/editor/desk.ts, which React does not touch.

import { useEffect, useRef, useState } from "react";
import { ApiError, get, ofStory } from "../api/client";
import { textChanged } from "../story/follow";
import { useStory } from "../story/store";
import { leftBehind } from "../text/unsent";
import { Desk } from "./desk";
import "./manuscript.css";

const AGAIN = 2_000;

export function Manuscript({ id }: { id: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const [waiting, setWaiting] = useState<string | null>("Opening the text…");
  useEffect(() => {
    let desk: Desk | null = null;
    let closed = false;
    let heard = 0;
    let again = 0;
    textChanged.notify = (revision) => {
      heard = Math.max(heard, revision);
      desk?.saving.heardOf(revision);
    };
    const open = async () => {
      try {
        const [{ text, revision }, left] = await Promise.all([
          get<{ text: string; revision: number }>(ofStory(id, "/text")),
          leftBehind(id),
        ]);
        if (closed || frame.current === null) return;
        desk = new Desk(id, frame.current, text, revision, left);
        desk.saving.heardOf(heard);
        useStory.getState().set({ manuscript: desk });
        setWaiting(null);
        if (text === "") desk.focus();
      } catch (fault) {
        if (!(fault instanceof ApiError)) throw fault;
        if (closed) return;
        setWaiting(fault.message);
        if (fault.status === 0 || fault.status >= 500) again = window.setTimeout(open, AGAIN);
      }
    };
    void open();
    return () => {
      closed = true;
      window.clearTimeout(again);
      textChanged.notify = () => {};
      if (desk !== null && useStory.getState().manuscript === desk)
        useStory.getState().set({ manuscript: null });
      desk?.close();
    };
  }, [id]);
  return (
    <>
      {waiting !== null && <p className="empty">{waiting}</p>}
      <div ref={frame} className="manuscript-frame" />
    </>
  );
}
