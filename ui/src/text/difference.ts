// What has changed between two texts, so that what lies between two changes stays untouched: by lines that occur once in
// both, then by words in the same way, then by what the rest has in common at its beginning and end.

import { cutsPair, isPlain, pointsIn } from "./codepoints";
import type { Patch } from "./patch";

interface Change {
  start: number;
  end: number;
  text: string;
}

const LINES = /[^\n]*\n|[^\n]+/g;
const WORDS = /[\p{L}\p{M}\p{N}_]+|[^\p{L}\p{M}\p{N}_]/gu;
/** Longer stretches are not compared by words, in UTF-16 units. */
const LONGEST = 40_000;

export function difference(before: string, after: string): Patch {
  const changes: Change[] = [];
  compare(before, after, 0, [LINES, WORDS], changes);
  if (isPlain(before)) return changes;
  let unit = 0;
  let point = 0;
  const at = (next: number) => {
    point += pointsIn(before.slice(unit, next));
    unit = next;
    return point;
  };
  return changes.map(({ start, end, text }) => ({ start: at(start), end: at(end), text }));
}

/** How many units two texts have in common at their beginning, and then at their end. */
export function common(before: string, after: string): { head: number; tail: number } {
  const shortest = Math.min(before.length, after.length);
  let head = 0;
  // By stretches first: comparing slices is fast, and the texts may be novels.
  for (let step = 4096; step > 0; step = step === 1 ? 0 : step >> 4 || 1)
    while (head + step <= shortest && before.slice(head, head + step) === after.slice(head, head + step))
      head += step;
  if (cutsPair(before, head) || cutsPair(after, head)) head--;
  let tail = 0;
  for (let step = 4096; step > 0; step = step === 1 ? 0 : step >> 4 || 1)
    while (
      tail + step <= shortest - head &&
      before.slice(before.length - tail - step, before.length - tail) ===
        after.slice(after.length - tail - step, after.length - tail)
    )
      tail += step;
  if (cutsPair(before, before.length - tail) || cutsPair(after, after.length - tail)) tail--;
  return { head, tail };
}

function compare(before: string, after: string, offset: number, by: RegExp[], changes: Change[]): void {
  if (before === after) return;
  const { head, tail } = common(before, after);
  const old = before.slice(head, before.length - tail);
  const now = after.slice(head, after.length - tail);
  const at = offset + head;
  const [level, ...finer] = by;
  if (
    level === undefined ||
    old === "" ||
    now === "" ||
    (level === WORDS && old.length + now.length > LONGEST)
  ) {
    changes.push({ start: at, end: at + old.length, text: now });
    return;
  }
  // The tokens must be whole ones, so the common part is given back up to the border of a token.
  const [from, to] = level === LINES ? wholeLines(before, head, tail) : wholeWords(before, after, head, tail);
  const [oldPart, nowPart] = [before.slice(from, before.length - to), after.slice(from, after.length - to)];
  const oldTokens = oldPart.match(level) ?? [];
  const nowTokens = nowPart.match(level) ?? [];
  const anchors = shared(oldTokens, nowTokens);
  if (anchors.length === 0) {
    compare(old, now, at, finer, changes);
    return;
  }
  let [i, j, oldAt, nowAt] = [0, 0, 0, 0];
  const size = (tokens: string[], a: number, b: number) => {
    let sum = 0;
    for (let each = a; each < b; each++) sum += (tokens[each] as string).length;
    return sum;
  };
  for (const [oldIndex, nowIndex] of [...anchors, [oldTokens.length, nowTokens.length] as const]) {
    const oldEnd = oldAt + size(oldTokens, i, oldIndex);
    const nowEnd = nowAt + size(nowTokens, j, nowIndex);
    // Between two anchors the same again: a token that occurs twice in the whole may occur once here.
    compare(oldPart.slice(oldAt, oldEnd), nowPart.slice(nowAt, nowEnd), offset + from + oldAt, by, changes);
    const token = oldTokens[oldIndex]?.length ?? 0;
    [i, j, oldAt, nowAt] = [oldIndex + 1, nowIndex + 1, oldEnd + token, nowEnd + token];
  }
}

function wholeLines(before: string, head: number, tail: number): [number, number] {
  const from = head === 0 ? 0 : before.lastIndexOf("\n", head - 1) + 1;
  const next = before.indexOf("\n", before.length - tail);
  return [from, next < 0 ? 0 : before.length - next - 1];
}

const inWord = /[\p{L}\p{M}\p{N}_\ud800-\udfff]/u;

function wholeWords(before: string, after: string, head: number, tail: number): [number, number] {
  let [from, to] = [head, tail];
  while (from > 0 && inWord.test(before[from - 1] as string)) from--;
  while (to > 0 && inWord.test(after[after.length - to] as string)) to--;
  return [from, to];
}

/** Pairs of the same token, which occurs once on each side, in an order that both sides have. */
function shared(old: string[], now: string[]): (readonly [number, number])[] {
  const once = (tokens: string[]) => {
    const found = new Map<string, number>();
    tokens.forEach((token, index) => {
      found.set(token, found.has(token) ? -1 : index);
    });
    return found;
  };
  const places = once(now);
  const pairs: [number, number][] = [];
  for (const [token, index] of once(old)) {
    const other = places.get(token) ?? -1;
    if (index >= 0 && other >= 0) pairs.push([index, other]);
  }
  pairs.sort((a, b) => a[0] - b[0]);
  // The longest run of them that rises on the other side too.
  const ends: number[] = [];
  const previous: number[] = [];
  pairs.forEach(([, other], index) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[ends[middle] as number] as [number, number])[1] < other) low = middle + 1;
      else high = middle;
    }
    previous[index] = low > 0 ? (ends[low - 1] as number) : -1;
    ends[low] = index;
  });
  const found: [number, number][] = [];
  for (let index = ends.at(-1) ?? -1; index >= 0; index = previous[index] as number)
    found.push(pairs[index] as [number, number]);
  return found.reverse();
}
