// Code points and UTF-16 units. Positions are code points everywhere but inside JavaScript strings and editor documents;
// here is the border.

const SURROGATE = /[\ud800-\udfff]/;

const isHigh = (unit: number) => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number) => unit >= 0xdc00 && unit < 0xe000;

/** Whether positions of a text are the same in both. */
export const isPlain = (text: string) => !SURROGATE.test(text);

/** Whether a border at `unit` would cut a character in two. */
export function cutsPair(text: string, unit: number): boolean {
  return unit > 0 && unit < text.length && isLow(text.charCodeAt(unit)) && isHigh(text.charCodeAt(unit - 1));
}

/** The unit at which the code point of a number begins; the text's length where there are not so many. */
export function unitOf(text: string, point: number): number {
  if (isPlain(text)) return Math.min(point, text.length);
  let unit = 0;
  for (let left = point; left > 0 && unit < text.length; left--) unit += cutsPair(text, unit + 1) ? 2 : 1;
  return unit;
}

/** How many code points lie before a unit. */
export function pointOf(text: string, unit: number): number {
  if (isPlain(text)) return Math.min(unit, text.length);
  const end = Math.min(unit, text.length);
  let points = 0;
  for (let at = 0; at < end; points++) at += cutsPair(text, at + 1) ? 2 : 1;
  return points;
}

/** How many code points a text has. */
export const pointsIn = (text: string) => pointOf(text, text.length);

/** The code points `start` to `end` of a text. */
export function slicePoints(text: string, start: number, end?: number): string {
  if (isPlain(text)) return text.slice(start, end);
  const from = unitOf(text, start);
  if (end === undefined) return text.slice(from);
  const rest = text.slice(from);
  return rest.slice(0, unitOf(rest, end - start));
}
