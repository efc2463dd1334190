// Hunks as the writer sees them: what differs word by word, which ones "take all" takes, which one comes next.

import type { Hunk, Suggestion } from "../api/types";

export interface Piece {
  kind: "same" | "gone" | "new";
  text: string;
}

/** Words with the white space after them, and marks by themselves: joined they give the text. */
const pieces = (text: string): string[] =>
  text.match(/[\p{L}\p{N}\p{M}'’-]+|\s+|[^\p{L}\p{N}\p{M}\s]/gu) ?? [];

/** Two texts of so many words together are compared; longer ones are shown one after the other. */
const MOST = 1200;

function joined(found: Piece[]): Piece[] {
  const together: Piece[] = [];
  for (const piece of found) {
    const last = together.at(-1);
    if (piece.text === "") continue;
    if (last?.kind === piece.kind) last.text += piece.text;
    else together.push({ ...piece });
  }
  return together;
}

/** What becomes of `before` on the way to `after`, by words; what is gone stands before what is new. */
export function wordDiff(before: string, after: string): Piece[] {
  const one = pieces(before);
  const other = pieces(after);
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start++;
  let end = 0;
  while (
    end < one.length - start &&
    end < other.length - start &&
    one[one.length - 1 - end] === other[other.length - 1 - end]
  )
    end++;
  const gone = one.slice(start, one.length - end);
  const came = other.slice(start, other.length - end);
  const head: Piece = { kind: "same", text: one.slice(0, start).join("") };
  const tail: Piece = { kind: "same", text: one.slice(one.length - end).join("") };
  const middle =
    gone.length + came.length > MOST
      ? [
          { kind: "gone" as const, text: gone.join("") },
          { kind: "new" as const, text: came.join("") },
        ]
      : byWords(gone, came);
  return joined([head, ...middle, tail]);
}

/** By the longest common run of words; white space alone holds nothing together. */
function byWords(gone: string[], came: string[]): Piece[] {
  const width = came.length + 1;
  const longest = new Uint16Array((gone.length + 1) * width);
  const at = (i: number, j: number) => longest[i * width + j] ?? 0;
  for (let i = gone.length - 1; i >= 0; i--)
    for (let j = came.length - 1; j >= 0; j--)
      longest[i * width + j] =
        gone[i] === came[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const found: Piece[] = [];
  let i = 0;
  let j = 0;
  while (i < gone.length || j < came.length) {
    if (i < gone.length && j < came.length && gone[i] === came[j]) {
      found.push({ kind: "same", text: gone[i] ?? "" });
      i++;
      j++;
    } else if (i < gone.length && (j === came.length || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ kind: "gone", text: gone[i] ?? "" });
      i++;
    } else {
      found.push({ kind: "new", text: came[j] ?? "" });
      j++;
    }
  }
  return smooth(found);
}

/** White space that stays between words that change, changes with them; then what is gone comes before what is new. */
function smooth(found: Piece[]): Piece[] {
  const spread = found.flatMap((piece, index): Piece[] => {
    const between =
      piece.kind === "same" &&
      piece.text.trim() === "" &&
      index > 0 &&
      index < found.length - 1 &&
      found[index - 1]?.kind !== "same" &&
      found[index + 1]?.kind !== "same";
    return between
      ? [
          { kind: "gone", text: piece.text },
          { kind: "new", text: piece.text },
        ]
      : [piece];
  });
  const ordered: Piece[] = [];
  let changed: Piece[] = [];
  const settle = () => {
    for (const kind of ["gone", "new"] as const)
      ordered.push({
        kind,
        text: changed
          .filter((each) => each.kind === kind)
          .map((each) => each.text)
          .join(""),
      });
    changed = [];
  };
  for (const piece of spread) {
    if (piece.kind !== "same") changed.push(piece);
    else {
      settle();
      ordered.push(piece);
    }
  }
  settle();
  return ordered;
}

export const isOpen = (hunk: Hunk): boolean => hunk.decision === null || hunk.decision === undefined;

/** A hunk that shows where an edit would fall, and changes nothing. */
export const onlyShows = (hunk: Hunk): boolean => hunk.before === hunk.after;

export const canTake = (hunk: Hunk): boolean => isOpen(hunk) && hunk.changed !== true && !onlyShows(hunk);

/** What "take all" takes: what was asked for, and nothing that may be meant. */
export const takenByAll = (suggestion: Suggestion): Hunk[] =>
  suggestion.hunks.filter((hunk) => canTake(hunk) && !hunk.unintended && !hunk.optional);

export const openHunks = (suggestion: Suggestion): Hunk[] => suggestion.hunks.filter(isOpen);

/** Open suggestions, the newest first. */
export const openSuggestions = (all: readonly Suggestion[]): Suggestion[] =>
  all.filter((each) => each.state === "open").reverse();

/** Suggestions that are answers to the same wish, in the order in which they were made: ways of doing it. */
export function waysOf(suggestion: Suggestion, all: readonly Suggestion[]): Suggestion[] {
  const wish = JSON.stringify(suggestion.intent);
  return all.filter(
    (each) =>
      each.state === "open" &&
      each.provider === suggestion.provider &&
      JSON.stringify(each.intent) === wish &&
      (each.id === suggestion.id || each.alternatives.length > 0),
  );
}

const same = (one: readonly Hunk[], other: readonly Hunk[]): boolean =>
  one.length === other.length &&
  one.every((hunk, index) => hunk.before === other[index]?.before && hunk.after === other[index]?.after);

/** The suggestion that alternative `number` of another one is already, where it was asked for before. */
export function madeOf(
  suggestion: Suggestion,
  number: number,
  ways: readonly Suggestion[],
): Suggestion | null {
  const wanted = suggestion.alternatives[number];
  return (wanted && ways.find((each) => same(each.hunks, wanted))) ?? null;
}

/** Which hunk the keyboard goes to next: the open one after `from`, or before it, staying where there is none. */
export function nextHunk(hunks: readonly Hunk[], from: string | null, step: 1 | -1): string | null {
  const index = hunks.findIndex((hunk) => hunk.id === from);
  if (index < 0) return (step > 0 ? hunks[0] : hunks.at(-1))?.id ?? null;
  return hunks[index + step]?.id ?? from;
}

/** The words in what a provider has written so far: its answer is a JSON object, {"text": "..."}, that is not whole. */
export function wordsSoFar(answer: string): string {
  const begun = /^\s*(?:```\w*\s*)?\{\s*"text"\s*:\s*"/.exec(answer);
  if (begun === null) return answer.trimStart().startsWith("{") ? "" : answer;
  const rest = answer.slice(begun[0].length);
  const string = /^(?:[^"\\]|\\(?:u[0-9a-fA-F]{4}|[^u]))*/.exec(rest)?.[0] ?? "";
  // Half of a pair of surrogates is a letter that has not come yet.
  return (JSON.parse(`"${string.replace(/[\n\r\t]/g, " ")}"`) as string).replace(/[\ud800-\udbff]$/, "");
}

/** The reason that most hunks have, which is said once; "" where they have few in common. */
export function usualReason(hunks: readonly Hunk[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of hunks) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const [usual, count] = [...counts].reduce((best, each) => (each[1] > best[1] ? each : best), ["", 0]);
  return count > 1 && 2 * count > hunks.length ? usual : "";
}

/** What goes on before and after a hunk, as one line: to a border of a word, and not over a paragraph's end. */
export function context(text: string, side: "before" | "after", most = 48): string {
  const parts = text.split(/\n[^\S\n]*\n/);
  const line = ((side === "before" ? parts.at(-1) : parts[0]) ?? "").replace(/\s*\n\s*/g, " ");
  if (line.length <= most) return line.trim() === "" ? "" : line;
  if (side === "before") {
    const cut = line.slice(line.length - most);
    const space = cut.search(/\s/);
    return `…${space < 0 ? cut : cut.slice(space + 1)}`;
  }
  const cut = line.slice(0, most);
  const space = cut.search(/\s\S*$/);
  return `${space < 0 ? cut : cut.slice(0, space)}…`;
}
