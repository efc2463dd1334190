// Comparing what is typed with names: letters without case, accents or cedillas; whole, by beginnings, or nearly.

/** Letters as they compare: ș and ş and s are one, and so are É and e. */
export function fold(text: string): string {
  const plain = text.replace(/\s+/g, " ").trim().toLowerCase();
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.replace(/[`"]/g, (each) => (each === "`" ? "'" : ""));
  return plain
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .replace(/[’‘`]/g, "'")
    .replace(/[“”„«»"]/g, "");
}

const ARTICLES = /^(?:the|an?|his|her|their|its|my|our|lui)\s+/;

/** The words of a folded text. */
export const words = (folded: string): string[] =>
  folded.split(/[^\p{L}\p{N}']+/u).filter((each) => each !== "");

/** How surely a text means a name. */
export type Quality = "exact" | "beginning" | "near";

export interface Match {
  quality: Quality;
  /** Larger is better; comparable between names. */
  score: number;
}

/** How many letters one word is away from another; `most` + 1 where it is more than `most`. */
export function distance(one: string, other: string, most: number): number {
  if (Math.abs(one.length - other.length) > most) return most + 1;
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, j) => j);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    if (Math.min(...next) > most) return most + 1;
    before = row;
    row = next;
  }
  return row[other.length] ?? most + 1;
}

const slack = (length: number) => (length < 3 ? 0 : length < 6 ? 1 : 2);

/** Whether the letters of `query` stand in `name` in this order. */
function scattered(query: string, name: string): boolean {
  let at = 0;
  for (const letter of query) {
    at = name.indexOf(letter, at);
    if (at < 0) return false;
    at++;
  }
  return true;
}

/** How well a typed text means one name, both as they are written; null where it does not. */
export function matchName(typed: string, name: string): Match | null {
  const query = fold(typed).replace(ARTICLES, "").replace(/'s?$/, "");
  const target = fold(name);
  if (query === "") return null;
  const bare = target.replace(ARTICLES, "");
  if (query === target || query === bare) return { quality: "exact", score: 100 };
  if (bare.startsWith(query) || target.startsWith(query)) return { quality: "beginning", score: 80 };
  const parts = words(target);
  if (parts.includes(query)) return { quality: "beginning", score: 78 };
  const asked = words(query);
  let from = 0;
  const inOrder = asked.every((word) => {
    const found = parts.findIndex((part, index) => index >= from && part.startsWith(word));
    from = found + 1;
    return found >= 0;
  });
  if (inOrder) return { quality: "beginning", score: 70 };
  const most = slack(query.length);
  const off = Math.min(
    distance(query, bare, most),
    ...parts.filter((part) => part.length >= 3).map((part) => distance(query, part, most)),
  );
  if (off <= most && most > 0) return { quality: "near", score: 40 - 5 * off };
  if (query.length >= 3 && scattered(query.replaceAll(" ", ""), bare)) return { quality: "near", score: 20 };
  return null;
}

export interface Named {
  id: string;
  name: string;
  aliases: readonly string[];
  /** How often it is spoken of: of two that fit alike, the more frequent comes first. */
  weight: number;
}

export interface Candidate<T> extends Match {
  of: T;
}

/** Whom a typed text may mean, the best first. Near misses are only among them where nothing fits better. */
export function candidates<T extends Named>(typed: string, among: readonly T[]): Candidate<T>[] {
  const found: Candidate<T>[] = [];
  for (const of of among) {
    let best = matchName(typed, of.name);
    for (const alias of of.aliases) {
      const match = matchName(typed, alias);
      if (match !== null && match.score - 2 > (best?.score ?? 0)) best = { ...match, score: match.score - 2 };
    }
    if (best !== null) found.push({ ...best, of });
  }
  found.sort((a, b) => b.score - a.score || b.of.weight - a.of.weight || a.of.name.localeCompare(b.of.name));
  return found.some((each) => each.quality !== "near")
    ? found.filter((each) => each.quality !== "near")
    : found;
}
