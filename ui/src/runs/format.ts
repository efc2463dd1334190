// Numbers, spans of time and dates as the pages for runs write them.

const DASH = "–";

/** A number in at most four figures, with a suffix above ten thousand and as a power of ten where it is tiny. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e15 || size < 1e-3) return power(value);
  if (size >= 1e4) return suffixed(value, 3);
  if (Number.isInteger(value)) return minus(String(value));
  return minus(trimmed(value.toPrecision(size >= 1000 ? 5 : 4)));
}

/** A number as `number` writes it, but a whole one in full: "15,360". */
export function exact(value: number | null): string {
  return value !== null && Number.isSafeInteger(value) ? minus(value.toLocaleString("en-GB")) : number(value);
}

/** A number with as many decimals as a tick's step needs. */
export function withDecimals(value: number, decimals: number): string {
  return minus(Object.is(value, -0) ? (0).toFixed(decimals) : value.toFixed(decimals));
}

/** A share or another figure of an estimate in three decimals, or as `number` where that would say nothing. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  return size !== 0 && (size < 0.0005 || size >= 1000) ? number(value) : withDecimals(value, 3);
}

/** A value with its interval: "0.964 [0.944, 0.977]". */
export function estimate(value: {
  value: number | null;
  low: number | null;
  high: number | null;
  reason?: string | null;
}): string {
  if (value.value === null) return value.reason ? `undefined: ${value.reason}` : "undefined";
  const bounds =
    value.low === null || value.high === null ? "" : ` [${figure(value.low)}, ${figure(value.high)}]`;
  return figure(value.value) + bounds;
}

/** Seconds as "48 s", "1 min 32 s", "2 h 05 min", "3 d 4 h". */
export function duration(seconds: number | null): string {
  if (seconds === null) return DASH;
  const whole = Math.round(seconds);
  if (seconds < 10) return `${trimmed(seconds.toFixed(1))} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Seconds since a run began, as an axis writes them. */
export function clock(seconds: number): string {
  if (seconds < 60) return `${trimmed(seconds.toFixed(1))} s`;
  if (seconds < 3600) return `${trimmed((seconds / 60).toFixed(1))} min`;
  return `${trimmed((seconds / 3600).toFixed(1))} h`;
}

const SHORT: Intl.DateTimeFormatOptions = {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
};

/** A time in seconds since 1970, in the local zone: "24 Nov, 14:05", with the year where it is another. */
export function when(seconds: number | null, now = Date.now()): string {
  if (seconds === null) return DASH;
  const date = new Date(seconds * 1000);
  const same = date.getFullYear() === new Date(now).getFullYear();
  return date.toLocaleString("en-GB", same ? SHORT : { ...SHORT, year: "numeric" });
}

const STEPS: readonly [number, string][] = [
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
];

/** How long ago a time was, in words: "3 hours ago". */
export function ago(seconds: number, now = Date.now()): string {
  const past = now / 1000 - seconds;
  for (const [size, name] of STEPS) {
    const count = Math.floor(past / size);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

/** "1 run", "2 runs", "12,345 words". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;
}

/** A setting's value as text. */
export function setting(value: unknown): string {
  if (value === undefined) return DASH;
  if (typeof value === "string") return value === "" ? "empty" : value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(setting).join(", ");
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return minus(String(value));
}

const SUFFIXES: readonly [number, string][] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A large number by thousands: 12,300 is "12.3k". */
function suffixed(value: number, figures: number): string {
  for (const [size, letter] of SUFFIXES)
    if (Math.abs(value) >= size * 0.9995) return minus(trimmed((value / size).toPrecision(figures))) + letter;
  return minus(trimmed(value.toPrecision(figures)));
}

/** A number as a power of ten: 0.0002 is "2e-4". */
function power(value: number): string {
  const [mantissa = "", exponent = ""] = value.toExponential(2).split("e");
  return minus(`${trimmed(mantissa)}e${exponent.replace("+", "")}`);
}

const trimmed = (text: string) =>
  text.includes("e") ? String(Number(text)) : text.includes(".") ? text.replace(/\.?0+$/, "") : text;
const minus = (text: string) => text.replaceAll("-", "−");
const two = (value: number) => String(value).padStart(2, "0");
