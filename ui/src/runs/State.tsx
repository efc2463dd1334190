// The state of a run: a word and a shape, so that colour is not needed to read it.

import type { RunState } from "../api/types";

const SHAPES: Record<RunState, string> = {
  running: "M4 2.5 L12.5 8 L4 13.5 Z",
  finished: "M2.5 8.5 L6.5 12.5 L13.5 4",
  interrupted: "M5 3 V13 M11 3 V13",
  failed: "M3.5 3.5 L12.5 12.5 M12.5 3.5 L3.5 12.5",
  broken: "M8 2 L14.5 13.5 H1.5 Z M8 6.5 V9.5 M8 11.4 V11.6",
};

export function State({ state }: { state: RunState }) {
  return (
    <span className={`run-state ${state}`}>
      <svg width="13" height="13" viewBox="0 0 16 16" aria-hidden="true">
        <path d={SHAPES[state]} />
      </svg>
      {state}
    </span>
  );
}
