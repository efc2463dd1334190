// The server's sentences on "A" and "B", with the letters that the groups have on the page.

/** Only where the letter names a group: "A difference of this size" begins with an article. */
const NAMED = /\b([AB])(?= (?:is|and|minus|cannot)\b|:)/g;

export function renamed(sentence: string, a: string, b: string): string {
  return sentence.replace(NAMED, (letter) => (letter === "A" ? a : b));
}
