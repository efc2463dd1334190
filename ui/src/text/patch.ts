// Changes of a text as data: put one after the other, moved over each other, and positions moved with them.

import type { Span, TextEdit } from "../api/types";
import { pointsIn, slicePoints, unitOf } from "./codepoints";

/** Changes made at once: sorted, none touching another, all positions those of the text before. */
export type Patch = readonly TextEdit[];

export const NOTHING: Patch = [];

const growth = (edit: TextEdit) => pointsIn(edit.text) - (edit.end - edit.start);

/** The text after a patch. */
export function patched(text: string, patch: Patch): string {
  let found = text;
  for (const { start, end, text: put } of sequence(patch)) {
    const from = unitOf(found, start);
    const to = start === end ? from : unitOf(found, end);
    found = found.slice(0, from) + put + found.slice(to);
  }
  return found;
}

/** The same as edits that are made one after the other: from the last to the first, so that none moves another. */
export const sequence = (patch: Patch): TextEdit[] => patch.toReversed();

/** A patch and then an edit of the text after it, as one patch. */
export function andThen(patch: Patch, edit: TextEdit): Patch {
  const before: TextEdit[] = [];
  const after: TextEdit[] = [];
  let shift = 0;
  let start: number | null = null;
  let end = 0;
  let head = "";
  let tail = "";
  let shiftAtStart = 0;
  for (const each of patch) {
    const from = each.start + shift;
    const to = from + pointsIn(each.text);
    if (to < edit.start) {
      before.push(each);
      shiftAtStart = shift + growth(each);
    } else if (from > edit.end) after.push(each);
    else {
      if (start === null) {
        start = from <= edit.start ? each.start : edit.start - shift;
        head = from <= edit.start ? slicePoints(each.text, 0, edit.start - from) : "";
      }
      end = to >= edit.end ? each.end : edit.end - shift - growth(each);
      tail = to >= edit.end ? slicePoints(each.text, edit.end - from) : "";
    }
    shift += growth(each);
  }
  const whole =
    start === null
      ? { start: edit.start - shiftAtStart, end: edit.end - shiftAtStart, text: edit.text }
      : { start, end, text: head + edit.text + tail };
  const nothing = whole.start === whole.end && whole.text === "";
  return [...before, ...(nothing ? [] : [whole]), ...after];
}

/** One patch and then another of the text after it, as one. */
export const composed = (first: Patch, second: Patch): Patch => sequence(second).reduce(andThen, first);

/**
 * Where a span lies after a patch: from its first to its last surviving character. What is inserted inside joins it, at
 * its borders not. null: none survives. An empty span is a place between characters, and stays one.
 */
export function spanAfter(span: Span, patch: Patch): Span | null {
  if (span.start === span.end) {
    const at = pointAfter(span.start, patch);
    return { start: at, end: at };
  }
  let { start, end } = span;
  for (const each of patch) if (each.start <= start && each.end > start) start = each.end;
  for (const each of patch.toReversed()) if (each.end >= end && each.start < end) end = each.start;
  if (start >= end) return null;
  let left = 0;
  let right = 0;
  for (const each of patch) {
    if (each.start >= end) break;
    if (each.end <= start) left += growth(each);
    if (each.end <= end) right += growth(each);
  }
  return { start: start + left, end: end + right };
}

/** Where a place between characters lies after a patch: before what is inserted there. */
export function pointAfter(point: number, patch: Patch): number {
  let shift = 0;
  for (const each of patch) {
    if (each.start >= point) break;
    if (each.end > point) return each.start + shift + Math.min(point - each.start, pointsIn(each.text));
    shift += growth(each);
  }
  return point + shift;
}

/** Where a place in the text after a patch lay before it. */
export function pointBefore(point: number, patch: Patch): number {
  let shift = 0;
  for (const each of patch) {
    const from = each.start + shift;
    if (from >= point) break;
    if (from + pointsIn(each.text) > point) return Math.min(each.start + (point - from), each.end);
    shift += growth(each);
  }
  return point - shift;
}

/** What both sides have made of one place. `start` and `end` are positions of the text that both began with. */
export interface Clash extends Span {
  mine: string;
  theirs: string;
}

export interface Rebased {
  /** My changes, of the text after theirs. */
  mine: Patch;
  /** Their changes, of the text after mine. */
  theirs: Patch;
  clashes: readonly Clash[];
}

/**
 * Two patches of one text, each moved over the other. Where they overlap is a clash: `keep` says whose words stay.
 * The same change on both sides is made once; two insertions at one place both stay, theirs first.
 */
export function rebased(text: string, mine: Patch, theirs: Patch, keep: "mine" | "theirs" = "mine"): Rebased {
  const found: Rebased = { mine: [], theirs: [], clashes: [] };
  const [ours, others, clashes] = [
    found.mine as TextEdit[],
    found.theirs as TextEdit[],
    found.clashes as Clash[],
  ];
  let m = 0;
  let t = 0;
  let grownMine = 0;
  let grownTheirs = 0;
  while (m < mine.length || t < theirs.length) {
    const a = mine[m];
    const b = theirs[t];
    if (b !== undefined && (a === undefined || isBefore(b, a))) {
      others.push({ start: b.start + grownMine, end: b.end + grownMine, text: b.text });
      grownTheirs += growth(b);
      t++;
    } else if (a !== undefined && (b === undefined || isBefore(a, b))) {
      ours.push({ start: a.start + grownTheirs, end: a.end + grownTheirs, text: a.text });
      grownMine += growth(a);
      m++;
    } else if (a !== undefined && b !== undefined) {
      let [lastMine, lastTheirs] = [m + 1, t + 1];
      const start = Math.min(a.start, b.start);
      let end = Math.max(a.end, b.end);
      const reaches = (each: TextEdit | undefined) =>
        each !== undefined && each.start < end && (each.end > start || each.start > start);
      for (;;) {
        const next = reaches(mine[lastMine])
          ? mine[lastMine++]
          : reaches(theirs[lastTheirs])
            ? theirs[lastTheirs++]
            : undefined;
        if (next === undefined) break;
        end = Math.max(end, next.end);
      }
      const of = (patch: Patch, from: number, to: number) =>
        patched(
          slicePoints(text, start, end),
          patch.slice(from, to).map((each) => ({
            start: each.start - start,
            end: each.end - start,
            text: each.text,
          })),
        );
      const clash = { start, end, mine: of(mine, m, lastMine), theirs: of(theirs, t, lastTheirs) };
      const [grownHereMine, grownHereTheirs] = [clash.mine, clash.theirs].map(
        (each) => pointsIn(each) - (end - start),
      ) as [number, number];
      if (clash.mine !== clash.theirs) {
        clashes.push(clash);
        if (keep === "mine")
          ours.push({
            start: start + grownTheirs,
            end: end + grownTheirs + grownHereTheirs,
            text: clash.mine,
          });
        else
          others.push({ start: start + grownMine, end: end + grownMine + grownHereMine, text: clash.theirs });
      }
      grownMine += grownHereMine;
      grownTheirs += grownHereTheirs;
      [m, t] = [lastMine, lastTheirs];
    }
  }
  return found;
}

/** Whether one change lies wholly before another: they may touch, save that insertions at one place are equal. */
function isBefore(a: TextEdit, b: TextEdit): boolean {
  if (a.end < b.start) return true;
  if (a.end > b.start) return false;
  // They touch; of two insertions at one place the first asked for comes first.
  return a.start < b.end || (a.start === a.end && b.start === b.end);
}
