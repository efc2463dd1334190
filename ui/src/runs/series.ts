// Rows of metrics as lines to draw: one for each metric, or several where rows of one metric tell them apart in words
// (a probe's D of the loss and of the gradient). A line is thinned when it grows long, and broken between stages.

import { thin } from "./thin";

export interface MetricsRow {
  step: number;
  time: number;
  stage?: string;
  [name: string]: unknown;
}

/** The points of one line, in the order of the file. */
export interface Line {
  /** What tells this line from others of its metric; empty for the only one. */
  label: string;
  step: number[];
  time: number[];
  /** Not-a-number where the value was none: the line has a gap. */
  value: number[];
  stage: string[];
}

/** A line is thinned to about twice so many points whenever it has four times as many. */
export const POINTS = 2000;

/** Numbers that say where a row stands, not what was measured. */
const FIXED = new Set(["step", "time", "from"]);
const WORDS_ASIDE = new Set(["stage", "unit"]);

/** What of a row tells lines of one metric apart: "loss, eval", and whether a change began before the last step. */
export function labelOf(row: MetricsRow): string {
  const words: string[] = [];
  for (const name in row) {
    const value = row[name];
    if (typeof value === "string" && !WORDS_ASIDE.has(name)) words.push(value);
  }
  if (typeof row.from === "number") words.push("from earlier");
  return words.join(", ");
}

/** The names of the row that are metrics: numbers, and nulls, which were not-a-numbers. */
export function metricsOf(row: MetricsRow): string[] {
  return Object.keys(row).filter(
    (name) => !FIXED.has(name) && (typeof row[name] === "number" || row[name] === null),
  );
}

/** The lines of one metric. */
export class Metric {
  readonly lines: Line[] = [];
  private readonly byLabel = new Map<string, Line>();

  constructor(readonly name: string) {}

  /** Take up what a row says of this metric; false where it says nothing, or nothing new. */
  add(row: MetricsRow): boolean {
    const given = row[this.name];
    if (typeof given !== "number" && given !== null) return false;
    const label = labelOf(row);
    let line = this.byLabel.get(label);
    if (line === undefined) {
      line = { label, step: [], time: [], value: [], stage: [] };
      this.byLabel.set(label, line);
      this.lines.push(line);
    }
    const last = line.step.length - 1;
    // A stream that was lost begins again where it began first.
    if (last >= 0 && row.time <= (line.time[last] as number) && row.step <= (line.step[last] as number))
      return false;
    line.step.push(row.step);
    line.time.push(row.time);
    line.value.push(given ?? Number.NaN);
    line.stage.push(row.stage ?? "");
    if (line.value.length > 4 * POINTS) thinned(line);
    return true;
  }

  /** The last value of the only line; null where there are several, or none. */
  get last(): number | null {
    const value = this.lines.length === 1 ? this.lines[0]?.value.at(-1) : undefined;
    return value === undefined || Number.isNaN(value) ? null : value;
  }
}

function thinned(line: Line): void {
  const kept = thin(line.value, POINTS);
  for (const field of ["step", "time", "value"] as const)
    line[field] = kept.map((index) => line[field][index] as number);
  line.stage = kept.map((index) => line.stage[index] as string);
}

/** The indices at which a new stage begins, the first one aside. */
export function stageStarts(stages: readonly string[]): number[] {
  const found: number[] = [];
  for (let index = 1; index < stages.length; index++)
    if (stages[index] !== stages[index - 1]) found.push(index);
  return found;
}

/**
 * An exponential moving average, begun anew at every stage; `weight` in [0, 1) is how much of the past stays, and the
 * start is not drawn towards zero. Not-a-numbers stay what they are.
 */
export function smooth(values: readonly number[], stages: readonly string[], weight: number): number[] {
  let sum = 0;
  let total = 0;
  return values.map((value, index) => {
    if (index > 0 && stages[index] !== stages[index - 1]) {
      sum = 0;
      total = 0;
    }
    if (!Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

/** The index of the point whose `x` is nearest; `xs` need not be sorted. -1 where there is none. */
export function nearest(xs: readonly number[], x: number): number {
  let best = -1;
  let distance = Number.POSITIVE_INFINITY;
  for (let index = 0; index < xs.length; index++) {
    const away = Math.abs((xs[index] as number) - x);
    if (away < distance) {
      distance = away;
      best = index;
    }
  }
  return best;
}
