// Axes: where ticks stand, how they are written, and which pixel a value has. A linear or a logarithmic scale.

import { number, withDecimals } from "./format";

export interface Scale {
  low: number;
  high: number;
  log: boolean;
  /** The share of the axis, 0 to 1, at which a value lies. */
  at(value: number): number;
}

export function scale(low: number, high: number, log = false): Scale {
  const [from, to] = log ? [Math.log(low), Math.log(high)] : [low, high];
  const width = to - from || 1;
  return { low, high, log, at: (value) => ((log ? Math.log(value) : value) - from) / width };
}

/** The smallest and largest of some values; not-a-numbers and, for a logarithm, what is not positive stand aside. */
export function extent(values: Iterable<number>, log = false): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/**
 * What a drawing spans that has bands beside its lines: both, but a band at most once the span of the lines beyond them.
 * A wider one, as of two runs only, runs out of the drawing instead of pressing the lines flat.
 */
export function withBands(
  lines: [number, number] | null,
  bands: [number, number] | null,
  log = false,
): [number, number] | null {
  if (lines === null || bands === null || lines[0] === lines[1]) return lines;
  const [low, high] = lines;
  const [least, most] = log ? [low * (low / high), high * (high / low)] : [2 * low - high, 2 * high - low];
  return [Math.max(least, Math.min(low, bands[0])), Math.min(most, Math.max(high, bands[1]))];
}

/** The step between ticks, 1, 2 or 5 times a power of ten, that gives about `count` of them. */
export function tickStep(low: number, high: number, count: number): number {
  const raw = (high - low) / Math.max(1, count);
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const ratio = raw / magnitude;
  return magnitude * (ratio >= 7.1 ? 10 : ratio >= 3.2 ? 5 : ratio >= 1.5 ? 2 : 1);
}

/** What lies so near to each other, relative to its size, differs by rounding only: single precision has 7 figures. */
const ROUNDING = 1e-6;

/** Bounds a little wider than the data, on whole ticks; a single value gets room around it. */
export function nice(low: number, high: number, count: number, log = false): [number, number] {
  if (log) return low === high ? [low / 2, high * 2] : [low, high];
  if (high - low <= ROUNDING * Math.max(Math.abs(low), Math.abs(high))) {
    if (low === 0) return [0, 1];
    const room = Math.abs(high) * 0.1;
    return nice(low - room, high + room, count);
  }
  // Wider bounds may have wider ticks, on which they are to lie again.
  let [from, to] = [low, high];
  for (let step = 0; ; ) {
    const wider = tickStep(from, to, count);
    if (wider === step) return [from, to];
    step = wider;
    from = clean(Math.floor(low / step + 1e-9) * step);
    to = clean(Math.ceil(high / step - 1e-9) * step);
  }
}

/** The ticks within the bounds. */
export function ticks(low: number, high: number, count: number, log = false): number[] {
  if (!(high > low)) return [low];
  return log ? logTicks(low, high, count) : linearTicks(low, high, count);
}

/** The ticks of an axis that counts: whole numbers. */
export function wholeTicks(low: number, high: number, count: number): number[] {
  return linearTicks(low, high, count, 1);
}

function linearTicks(low: number, high: number, count: number, least = 0): number[] {
  const step = Math.max(least, tickStep(low, high, count));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => clean((first + index) * step));
}

const BETWEEN = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]];

/** Powers of ten, thinned where there are many, and round values between them where there are few. */
function logTicks(low: number, high: number, count: number): number[] {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const inside = (value: number) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  const decades = (factors: readonly number[], every = 1) => {
    const found: number[] = [];
    for (let exponent = from; exponent <= to; exponent++)
      if (exponent % every === 0)
        for (const factor of factors) {
          const value = clean(factor * 10 ** exponent);
          if (inside(value)) found.push(value);
        }
    return found;
  };
  let best = decades([1], Math.max(1, Math.ceil((to - from) / count)));
  for (const factors of BETWEEN) {
    const found = decades(factors);
    if (found.length > best.length && found.length <= count + 1) best = found;
  }
  return best.length >= 2 ? best : linearTicks(low, high, Math.min(3, count));
}

/** All ticks of an axis written alike: one suffix or power of ten for all, and as many decimals as their step needs. */
export function tickLabels(values: readonly number[], log = false): string[] {
  if (log || values.length < 2) return values.map(number);
  const largest = Math.max(...values.map(Math.abs));
  const step = Math.abs((values[1] ?? 0) - (values[0] ?? 0));
  const [unit, suffix] = unitOf(largest);
  const decimals = decimalsOf(step / unit);
  return values.map((value) =>
    value === 0 && unit !== 1 ? "0" : withDecimals(value / unit, decimals) + suffix,
  );
}

/** What the ticks of an axis are counted in. */
function unitOf(largest: number): [number, string] {
  if (largest !== 0 && (largest < 1e-3 || largest >= 1e15)) {
    const exponent = Math.floor(Math.log10(largest) + 1e-9);
    return [10 ** exponent, `e${String(exponent).replace("-", "−")}`];
  }
  const thousands = largest >= 1e12 ? 4 : largest >= 1e9 ? 3 : largest >= 1e6 ? 2 : largest >= 1e4 ? 1 : 0;
  return [10 ** (3 * thousands), ["", "k", "M", "G", "T"][thousands] ?? ""];
}

/** Ticks of a time axis in seconds, at round seconds, minutes or hours, with their labels, all in one unit. */
export function timeTicks(low: number, high: number, count: number): { values: number[]; labels: string[] } {
  const [unit, name] = high < 120 ? [1, "s"] : high < 7200 ? [60, "min"] : [3600, "h"];
  const values = linearTicks(low / unit, high / unit, count);
  const labels = tickLabels(values).map((label, index) => (values[index] === 0 ? "0" : `${label} ${name}`));
  return { values: values.map((value) => clean(value * unit)), labels };
}

/** Labels beside line ends, pushed apart until none is nearer to the next than `gap`, within [low, high]. */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const placed: number[] = [];
  let before = low - gap;
  for (const index of order) {
    before = Math.max(wanted[index] ?? 0, before + gap);
    placed.push(before);
  }
  let after = high + gap;
  for (let index = placed.length - 1; index >= 0; index--) {
    after = Math.min(placed[index] ?? 0, after - gap);
    placed[index] = after;
  }
  const found = new Array<number>(wanted.length).fill(0);
  order.forEach((index, place) => {
    found[index] = placed[place] ?? 0;
  });
  return found;
}

/** The decimals that multiples of a step have. */
function decimalsOf(step: number): number {
  for (let decimals = 0; decimals < MOST_DECIMALS; decimals++) {
    const shifted = step * 10 ** decimals;
    if (shifted > 0.5 && Math.abs(shifted - Math.round(shifted)) < 1e-4 * shifted) return decimals;
  }
  return MOST_DECIMALS;
}

const MOST_DECIMALS = 12;

/** Without the dust of binary fractions: 0.30000000000000004 is 0.3. */
const clean = (value: number) => Number(value.toPrecision(12));
