// A run's summary as figures to show: estimates, and plain numbers and words, by their dotted names.

import { plural } from "./format";

export interface Figure {
  name: string;
  value: number | null;
  low: number | null;
  high: number | null;
  n: number | null;
  method: string | null;
  reason: string | null;
}

export interface Summary {
  estimates: Figure[];
  plain: { name: string; value: unknown }[];
}

/** Values in a list that is longer are not shown one by one. */
const LONGEST = 12;

export function summaryOf(summary: Record<string, unknown>, prefix = ""): Summary {
  const found: Summary = { estimates: [], plain: [] };
  for (const [key, value] of Object.entries(summary)) {
    const name = prefix + key;
    if (Array.isArray(value)) {
      if (value.length > 0 && value.length <= LONGEST && value.every((each) => typeof each !== "object"))
        found.plain.push({ name, value });
      else found.plain.push({ name, value: plural(value.length, "entry", "entries") });
    } else if (typeof value !== "object" || value === null) found.plain.push({ name, value });
    else if (isEstimate(value)) found.estimates.push({ ...figureOf(value), name });
    else {
      const inner = summaryOf(value as Record<string, unknown>, `${name}.`);
      found.estimates.push(...inner.estimates);
      found.plain.push(...inner.plain);
    }
  }
  return found;
}

const isEstimate = (value: object): value is Record<string, unknown> =>
  "value" in value && "low" in value && "high" in value;

function figureOf(estimate: Record<string, unknown>): Omit<Figure, "name"> {
  const numeric = (key: string) => (typeof estimate[key] === "number" ? (estimate[key] as number) : null);
  const text = (key: string) => (typeof estimate[key] === "string" ? (estimate[key] as string) : null);
  return {
    value: numeric("value"),
    low: numeric("low"),
    high: numeric("high"),
    n: numeric("n"),
    method: text("method"),
    reason: text("reason"),
  };
}
