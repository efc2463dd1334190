import { describe, expect, test } from "vitest";
import { pointsIn } from "../src/text/codepoints";
import { difference } from "../src/text/difference";
import { andThen, NOTHING, type Patch, patched, rebased } from "../src/text/patch";
import { applied, random, randomEdit, randomText } from "./random";

describe("the difference of two texts", () => {
  test("makes one of the other", () => {
    const next = random(6);
    for (let round = 0; round < 1200; round++) {
      const before = randomText(next, 25);
      let after = before;
      for (let each = next(4); each > 0; each--) after = applied(after, randomEdit(next, after));
      const patch = difference(before, after);
      expect(patched(before, patch)).toBe(after);
      for (const each of patch) expect(each.text.isWellFormed()).toBe(true);
    }
  });

  test("leaves what lies between two changes alone", () => {
    const line = (index: number) => `Line ${index} of the story.\n`;
    const lines = Array.from({ length: 200 }, (_, index) => line(index));
    const before = lines.join("");
    lines[20] = "Another line.\n";
    lines.splice(150, 1);
    const patch = difference(before, lines.join(""));
    expect(patch.length).toBe(2);
    expect(patch.reduce((sum, each) => sum + each.end - each.start, 0)).toBeLessThan(60);
  });

  test("leaves it alone inside one line too", () => {
    const before = "Ann walked to the mill, and then she saw the old Ann.";
    const patch = difference(before, before.replaceAll("Ann", "Mara"));
    expect(patch).toEqual([
      { start: 0, end: 3, text: "Mara" },
      { start: 49, end: 52, text: "Mara" },
    ]);
  });

  test("does not cut a character, and counts in code points", () => {
    expect(difference("🐚🐚 a", "🐚🐙 a")).toEqual([{ start: 1, end: 2, text: "🐙" }]);
  });

  test("of a novel is quick", () => {
    const text = Array.from({ length: 12_000 }, (_, index) => `Paragraph ${index}: it rained.\n\n`).join("");
    const before = performance.now();
    expect(difference(text, text.replaceAll("7: it", "7: how it")).length).toBe(1200);
    expect(performance.now() - before).toBeLessThan(2000);
  });
});

function two(seed: number) {
  const next = random(seed);
  const text = randomText(next, 30);
  const side = () => {
    let [patch, now]: [Patch, string] = [NOTHING, text];
    for (let each = 1 + next(2); each > 0; each--) {
      const edit = randomEdit(next, now);
      patch = andThen(patch, edit);
      now = applied(now, edit);
    }
    return { patch, now };
  };
  return { text, mine: side(), theirs: side() };
}

describe("two sides' changes", () => {
  test("meet in one text, whichever comes first, and where they clash by who is to be kept", () => {
    let clashes = 0;
    for (let seed = 0; seed < 2000; seed++) {
      const { text, mine, theirs } = two(seed);
      for (const keep of ["mine", "theirs"] as const) {
        const found = rebased(text, mine.patch, theirs.patch, keep);
        clashes += found.clashes.length;
        expect(patched(mine.now, found.theirs)).toBe(patched(theirs.now, found.mine));
        for (const clash of found.clashes) {
          expect(clash.end).toBeLessThanOrEqual(pointsIn(text));
          expect(clash.mine).not.toBe(clash.theirs);
        }
      }
    }
    expect(clashes).toBeGreaterThan(200);
  });

  test("both stay where they do not overlap", () => {
    const text = "One two three.";
    const mine = [{ start: 0, end: 3, text: "Four" }];
    const theirs = [{ start: 8, end: 13, text: "six" }];
    const found = rebased(text, mine, theirs);
    expect(found.clashes).toEqual([]);
    expect(patched(patched(text, theirs), found.mine)).toBe("Four two six.");
  });

  test("are made once where they are the same, and both where they are put in one place", () => {
    const same = [{ start: 0, end: 3, text: "Four" }];
    expect(rebased("One two", same, same)).toEqual({ mine: [], theirs: [], clashes: [] });
    const found = rebased("One", [{ start: 3, end: 3, text: " me" }], [{ start: 3, end: 3, text: " them" }]);
    expect(patched(patched("One", [{ start: 3, end: 3, text: " them" }]), found.mine)).toBe("One them me");
  });

  test("clash where both changed one word", () => {
    const found = rebased(
      "the cat",
      [{ start: 4, end: 7, text: "dog" }],
      [{ start: 4, end: 7, text: "cow" }],
    );
    expect(found.clashes).toEqual([{ start: 4, end: 7, mine: "dog", theirs: "cow" }]);
  });
});
