// The order of the table of runs, by any of its columns; rows without a value come last either way.

import type { RunRow, RunState } from "../api/types";

export type Column = "name" | "kind" | "state" | "started" | "seconds" | "figure" | "seed";

export interface Order {
  column: Column;
  falling: boolean;
}

const STATES: Record<RunState, number> = { running: 0, failed: 1, interrupted: 2, finished: 3, broken: 4 };

/** What a first click on a column gives: words from A to Z, times and figures from the largest. */
export const begins = (column: Column): Order => ({
  column,
  falling: column === "started" || column === "seconds" || column === "figure",
});

/** The order after a click on a column. */
export const clicked = (now: Order, column: Column): Order =>
  now.column === column ? { column, falling: !now.falling } : begins(column);

function value(row: RunRow, column: Column): string | number | null {
  switch (column) {
    case "name":
      return row.id;
    case "state":
      return STATES[row.state];
    case "figure":
      return row.figure?.value ?? null;
    default:
      return row[column];
  }
}

const WORDS = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export function ordered(rows: readonly RunRow[], { column, falling }: Order): RunRow[] {
  const sign = falling ? -1 : 1;
  return rows
    .map((row) => ({ row, key: value(row, column) }))
    .sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null ? 1 : 0) - (b.key === null ? 1 : 0);
      if (typeof a.key === "string" || typeof b.key === "string")
        return sign * WORDS.compare(String(a.key), String(b.key));
      return sign * (a.key - b.key);
    })
    .map(({ row }) => row);
}
