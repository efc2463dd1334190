// The palette: what the writer types becomes a list of what can be done, and Enter does it.

import {
  type KeyboardEvent,
  useDeferredValue,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { closePalette, openDialog, openPalette, useOpen } from "../panels/open";
import { useStory } from "../story/store";
import { act } from "./act";
import type { Row } from "./parts";
import { read } from "./phrases";
import { worldOf } from "./world";
import "./palette.css";

/** Whether keys go into a text of some kind. */
function writing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.closest("input, textarea, select, dialog") !== null)
  );
}

/** The keys of the whole page. */
function pressed(event: globalThis.KeyboardEvent): void {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && !event.altKey && !event.shiftKey && key === "k") {
    event.preventDefault();
    if (useOpen.getState().palette !== null) closePalette();
    else if (document.querySelector("dialog[open]") === null) openPalette();
    return;
  }
  if (event.defaultPrevented || writing(event.target)) return;
  const { undo, redo } = useStory.getState();
  if (command && key === "z" && !event.altKey) {
    event.preventDefault();
    if (event.shiftKey) redo();
    else undo();
  } else if (command && key === "y") {
    event.preventDefault();
    redo();
  } else if (event.key === "?" && !command) {
    event.preventDefault();
    openDialog("help");
  }
}

function Commands({ initial }: { initial: string }) {
  const [text, setText] = useState(initial);
  const [chosen, setChosen] = useState<string | null>(null);
  const found = useStory((state) => state.found);
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const gone = useRef(false);
  // The story is looked at once: while the palette is open nothing else is done with it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was found is part of the state.
  const world = useMemo(() => worldOf(useStory.getState()), [found]);
  const shown = useDeferredValue(text);
  const { rows, message, sure } = useMemo(() => read(shown, world), [shown, world]);
  const picked = rows.findIndex((row) => row.key === chosen);
  const active = picked >= 0 ? picked : sure ? 0 : -1;

  useLayoutEffect(() => {
    const element = dialog.current;
    gone.current = false;
    if (element !== null && !element.open) element.showModal();
    input.current?.focus();
    input.current?.setSelectionRange(initial.length, initial.length);
    return () => {
      gone.current = true;
      element?.close();
    };
  }, [initial]);
  useEffect(() => {
    if (active >= 0) list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active]);

  const type = (next: string) => {
    setText(next);
    setChosen(null);
  };
  const run = (row: Row) => {
    if (row.action === undefined) {
      type(row.fill ?? text);
      input.current?.focus();
      return;
    }
    const { action } = row;
    closePalette();
    // After the palette has given the focus back: what is done may take it elsewhere.
    requestAnimationFrame(() => void act(action));
  };
  const enter = () => {
    // Enter may come before the list is drawn for the last letter.
    const now = shown === text ? { rows, sure } : read(text, world);
    const row = now.rows[shown === text ? active : now.sure ? 0 : -1];
    if (row !== undefined) run(row);
    else if (now.rows[0] !== undefined) setChosen(now.rows[0].key);
  };
  const key = (event: KeyboardEvent) => {
    const move = (to: number) => {
      event.preventDefault();
      if (rows.length > 0) setChosen(rows[(to + rows.length) % rows.length]?.key ?? null);
    };
    switch (event.key) {
      case "ArrowDown":
        move(active + 1);
        break;
      case "ArrowUp":
        move(active < 0 ? rows.length - 1 : active - 1);
        break;
      case "PageDown":
        move(Math.min(rows.length - 1, active + 8));
        break;
      case "PageUp":
        move(Math.max(0, active - 8));
        break;
      case "Enter":
        event.preventDefault();
        enter();
        break;
      case "Tab": {
        event.preventDefault();
        const row = rows[Math.max(0, active)];
        if (row?.fill !== undefined) type(row.fill);
        break;
      }
    }
  };
  return (
    <dialog
      ref={dialog}
      className="palette"
      aria-label="Commands"
      data-testid="palette"
      onClose={() => {
        if (!gone.current && dialog.current?.open === false) closePalette();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) closePalette();
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <div className="palette-body">
        <input
          ref={input}
          role="combobox"
          data-testid="palette-input"
          aria-label="What do you want to do?"
          aria-expanded={rows.length > 0}
          aria-controls="palette-list"
          aria-autocomplete="list"
          aria-activedescendant={active >= 0 ? `palette-row-${active}` : undefined}
          placeholder="rename Anna to Ada, move Anna to the garden, go to scene 2 …"
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => type(event.target.value)}
          onKeyDown={key}
        />
        <p className="palette-message" role="status">
          {message}
        </p>
        <div
          id="palette-list"
          role="listbox"
          aria-label="What can be done"
          className="palette-list"
          ref={list}
        >
          {rows.map((row, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the input, which keeps the focus.
            <div
              key={row.key}
              id={`palette-row-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === active}
              className={row.near ? "palette-row near" : "palette-row"}
              onClick={() => run(row)}
              onPointerMove={() => {
                if (chosen !== row.key) setChosen(row.key);
              }}
            >
              <span className="title">{row.title}</span>
              <span className="detail">{row.detail}</span>
            </div>
          ))}
        </div>
        <p className="palette-keys" aria-hidden="true">
          <kbd>Enter</kbd> does it <kbd>Tab</kbd> completes <kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>Esc</kbd>{" "}
          closes
        </p>
      </div>
    </dialog>
  );
}

export function Palette() {
  const phrase = useOpen((state) => state.palette);
  useEffect(() => {
    window.addEventListener("keydown", pressed, true);
    return () => {
      window.removeEventListener("keydown", pressed, true);
      // A story that is left leaves nothing open.
      closePalette();
      openDialog(null);
    };
  }, []);
  return phrase === null ? null : <Commands initial={phrase} />;
}
