// The menu of a row: its commands, with the arrow keys; Escape and a press elsewhere close it.

import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Command } from "./commands";

export function Menu(props: {
  label: string;
  commands: readonly Command[];
  x: number;
  y: number;
  /** `back`: the focus goes back to where it was. */
  onClose: (back: boolean) => void;
}) {
  const { label, commands, x, y, onClose } = props;
  const menu = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ x, y });
  useLayoutEffect(() => {
    const element = menu.current;
    if (element === null) return;
    const { width, height } = element.getBoundingClientRect();
    setAt({
      x: Math.max(4, Math.min(x, window.innerWidth - width - 4)),
      y: Math.max(4, Math.min(y, window.innerHeight - height - 4)),
    });
    element.querySelector<HTMLElement>("button")?.focus();
  }, [x, y]);
  useEffect(() => {
    const press = (event: PointerEvent) => {
      if (event.target instanceof Element && menu.current?.contains(event.target)) return;
      onClose(false);
    };
    document.addEventListener("pointerdown", press);
    return () => document.removeEventListener("pointerdown", press);
  }, [onClose]);
  const key = (event: KeyboardEvent<HTMLDivElement>) => {
    event.stopPropagation();
    const items = [...event.currentTarget.querySelectorAll("button")];
    const now = items.indexOf(document.activeElement as HTMLButtonElement);
    const next = {
      ArrowDown: (now + 1) % items.length,
      ArrowUp: (now - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    }[event.key];
    if (next !== undefined) items[next]?.focus();
    else if (event.key === "Escape" || event.key === "Tab") onClose(true);
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={menu}
      className="outline-menu"
      role="menu"
      tabIndex={-1}
      aria-label={label}
      style={{ left: at.x, top: at.y }}
      onKeyDown={key}
    >
      {commands.map((command) => (
        <button
          key={command.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          onClick={() => {
            onClose(true);
            command.run();
          }}
        >
          <span>{command.label}</span>
          {command.key !== undefined && <kbd>{command.key}</kbd>}
        </button>
      ))}
    </div>
  );
}
