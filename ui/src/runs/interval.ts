// The small drawing of an estimate: a bar from the lower to the upper bound, a dot at the value, on a given range.

export interface Glyph {
  dot: number;
  low: number | null;
  high: number | null;
  /** The bar goes on beyond the range there. */
  cutLow: boolean;
  cutHigh: boolean;
}

/** Where the parts of the drawing lie, in pixels of a `width`; a bar is at least `least` wide. Null without a value. */
export function glyph(
  estimate: { value: number | null; low: number | null; high: number | null },
  range: readonly [number, number],
  width: number,
  least = 2,
): Glyph | null {
  const { value, low, high } = estimate;
  if (value === null || !Number.isFinite(value)) return null;
  const [from, to] = range;
  const at = (x: number) =>
    to > from ? (width * (Math.min(to, Math.max(from, x)) - from)) / (to - from) : width / 2;
  const dot = at(value);
  if (low === null || high === null) return { dot, low: null, high: null, cutLow: false, cutHigh: false };
  let left = at(low);
  let right = at(high);
  if (right - left < least) {
    left = Math.max(0, Math.min(width - least, (left + right - least) / 2));
    right = left + least;
  }
  return { dot, low: left, high: right, cutLow: low < from, cutHigh: high > to };
}

/** The range for drawings that stand below each other: 0 to 1 for shares, otherwise what the intervals span. */
export function commonRange(
  estimates: readonly { value: number | null; low: number | null; high: number | null }[],
): [number, number] {
  const bounds = estimates.flatMap(({ value, low, high }) =>
    [low, value, high].filter((x): x is number => x !== null && Number.isFinite(x)),
  );
  if (bounds.length === 0) return [0, 1];
  const low = Math.min(...bounds);
  const high = Math.max(...bounds);
  if (low >= 0 && high <= 1) return [0, 1];
  if (low >= -1 && high <= 1) return [-1, 1];
  return low === high ? [low - 1, high + 1] : [Math.min(0, low), high];
}
