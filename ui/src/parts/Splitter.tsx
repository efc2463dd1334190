// A bar between two panes that is dragged or moved with the arrow keys; the size is kept for the next visit.

import { type KeyboardEvent, type PointerEvent, useState } from "react";

const STEP = 24;

/** A size in pixels that is remembered by the browser under `name`. */
export function useKeptSize(name: string, initial: number): [number, (size: number) => void] {
  const key = `gnomon.size.${name}`;
  const [size, setSize] = useState(() => Number(localStorage.getItem(key)) || initial);
  return [
    size,
    (next) => {
      setSize(next);
      localStorage.setItem(key, String(Math.round(next)));
    },
  ];
}

export function Splitter(props: {
  label: string;
  size: number;
  min: number;
  max: number;
  /** Whether the pane that has the size lies before the bar or after it. */
  side: "before" | "after";
  onSize: (size: number) => void;
}) {
  const { size, min, max, side, onSize } = props;
  const sign = side === "before" ? 1 : -1;
  const put = (next: number) => onSize(Math.min(max, Math.max(min, next)));
  const press = (event: PointerEvent<HTMLElement>) => {
    const from = event.clientX;
    const bar = event.currentTarget;
    bar.setPointerCapture(event.pointerId);
    const move = (next: globalThis.PointerEvent) => put(size + sign * (next.clientX - from));
    bar.addEventListener("pointermove", move);
    bar.addEventListener("pointerup", () => bar.removeEventListener("pointermove", move), { once: true });
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === "ArrowLeft") put(size - sign * STEP);
    else if (event.key === "ArrowRight") put(size + sign * STEP);
    else return;
    event.preventDefault();
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that is moved has this role, and <hr> cannot be.
    <div
      className="splitter"
      role="separator"
      aria-orientation="vertical"
      aria-label={props.label}
      aria-valuenow={Math.round(size)}
      aria-valuemin={min}
      aria-valuemax={max}
      tabIndex={0}
      onPointerDown={press}
      onKeyDown={key}
    />
  );
}
