// Values of a report as text: shares in per cent, estimates with their interval.

interface Interval {
  value: number | null;
  low: number | null;
  high: number | null;
}

const isInterval = (value: unknown): value is Interval =>
  typeof value === "object" && value !== null && "value" in value && "low" in value;

/** With a space that does not break. */
const PER_CENT = "\u00a0%";

export const isNumber = (value: unknown): value is number => typeof value === "number";

/** Columns whose numbers are parts of one whole. */
const isShare = (column: string) => /share|agency/.test(column);

function number(value: number | null, share: boolean): string {
  if (value === null) return "–";
  if (share) return `${Math.round(100 * value)}${PER_CENT}`;
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}

/** One value of a report's row. */
export function cell(value: unknown, column: string): string {
  const share = isShare(column);
  if (isInterval(value)) {
    if (value.value === null) return "–";
    if (value.low === null || value.high === null) return number(value.value, share);
    const bare = (each: number) => number(each, share).replace(PER_CENT, "");
    return `${number(value.value, share)} (${bare(value.low)}\u2013${bare(value.high)})`;
  }
  if (isNumber(value)) return number(value, share);
  return value === null || value === undefined || value === "" ? "–" : String(value);
}
