// Random texts and edits that are the same at every run.

import type { TextEdit } from "../src/api/types";
import { pointsIn } from "../src/text/codepoints";

export type Random = (below: number) => number;

export function random(seed: number): Random {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

const PIECES = [
  "a",
  "b",
  "Bună ziua",
  " ",
  "  ",
  "\t",
  "\n",
  "\n",
  "\n\n",
  "\n \n",
  "\n\n\n",
  "🐚",
  "👩‍👩‍👧",
  "e\u0301",
  "שלום",
  "# Title",
  "***",
  "Chapter 1",
  ".",
  "\u00a0",
  "one two three",
  "\r",
];

export function randomText(next: Random, most = 12): string {
  let text = "";
  for (let left = next(most); left > 0; left--) text += PIECES[next(PIECES.length)];
  return text;
}

export function randomEdit(next: Random, text: string): TextEdit {
  const size = pointsIn(text);
  const start = next(size + 1);
  const end = next(3) === 0 ? start : Math.min(size, start + next(6));
  return { start, end, text: next(3) === 0 ? "" : randomText(next, 4) };
}

export function applied(text: string, edit: TextEdit): string {
  const points = [...text];
  return points.slice(0, edit.start).join("") + edit.text + points.slice(edit.end).join("");
}
