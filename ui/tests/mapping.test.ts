import { describe, expect, test } from "vitest";
import { paragraphAt, placeAt, pointAt } from "../src/editor/positions";
import { documentOf } from "../src/editor/schema";
import { pointsIn } from "../src/text/codepoints";
import {
  andThen,
  composed,
  NOTHING,
  type Patch,
  patched,
  pointAfter,
  pointBefore,
  sequence,
  spanAfter,
} from "../src/text/patch";
import { applied, random, randomEdit, randomText } from "./random";

test("places of the document and the text go over and back", { timeout: 30_000 }, () => {
  const next = random(5);
  for (let round = 0; round < 60; round++) {
    const text = randomText(next, 25);
    const document = documentOf(text);
    for (let point = 0; point <= pointsIn(text); point++) {
      const { from, to } = paragraphAt(document, point);
      for (const side of ["before", "after"] as const) {
        const place = placeAt(document, point, side);
        expect(document.resolve(place).parent.isTextblock).toBe(true);
        if (point >= from && point <= to)
          expect(pointAt(document, placeAt(document, point, "before"))).toBe(point);
      }
    }
    for (let place = 0; place <= document.content.size; place++) {
      const point = pointAt(document, place);
      expect(point).toBeGreaterThanOrEqual(pointAt(document, Math.max(0, place - 1)));
      if (document.resolve(place).parent.isTextblock) {
        const back = placeAt(document, point, "after");
        expect(pointAt(document, back)).toBe(point);
      }
    }
  }
});

function randomPatch(seed: number, edits: number) {
  const next = random(seed);
  const text = randomText(next, 15);
  let [patch, now]: [Patch, string] = [NOTHING, text];
  for (let each = 0; each < edits; each++) {
    const edit = randomEdit(next, now);
    patch = andThen(patch, edit);
    now = applied(now, edit);
  }
  return { next, text, patch, now };
}

describe("a patch", () => {
  test("is the same as the edits it was made of, one after the other", () => {
    for (let seed = 0; seed < 1000; seed++) {
      const { text, patch, now } = randomPatch(seed, 6);
      expect(patched(text, patch)).toBe(now);
      expect(sequence(patch).reduce(applied, text)).toBe(now);
      patch.forEach((each, index) => {
        expect(each.start <= each.end).toBe(true);
        if (index > 0) expect((patch[index - 1] as { end: number }).end).toBeLessThan(each.start);
      });
    }
  });

  test("and another are one patch", () => {
    for (let seed = 0; seed < 1000; seed++) {
      const { next, text, patch, now } = randomPatch(seed, 4);
      let [second, end]: [Patch, string] = [NOTHING, now];
      for (let each = 0; each < 4; each++) {
        const edit = randomEdit(next, end);
        second = andThen(second, edit);
        end = applied(end, edit);
      }
      expect(patched(text, composed(patch, second))).toBe(end);
    }
  });

  test("of a run of typing is one edit", () => {
    let patch: Patch = NOTHING;
    [..."Hello"].forEach((letter, index) => {
      patch = andThen(patch, { start: 5 + index, end: 5 + index, text: letter });
    });
    patch = andThen(patch, { start: 9, end: 10, text: "" });
    expect(patch).toEqual([{ start: 5, end: 5, text: "Hell" }]);
    expect(andThen(patch, { start: 5, end: 9, text: "" })).toEqual([]);
  });

  test("moves a span as an anchor moves: characters that survive keep their identity", () => {
    for (let seed = 0; seed < 1500; seed++) {
      const next = random(seed);
      const size = 3 + next(20);
      // Each character is known by its number; what is inserted is -1.
      let who = Array.from({ length: size }, (_, index) => index);
      const start = next(size);
      const end = start + 1 + next(size - start);
      const edit = { start: next(size + 1), end: 0, text: "x".repeat(next(4)) };
      edit.end = Math.min(size, edit.start + next(6));
      const patch = andThen(NOTHING, edit);
      who = [...who.slice(0, edit.start), ...Array(edit.text.length).fill(-1), ...who.slice(edit.end)];
      const left = who.flatMap((each, index) => (each >= start && each < end ? [index] : []));
      const wanted =
        left.length === 0 ? null : { start: left[0] as number, end: (left[left.length - 1] as number) + 1 };
      expect(spanAfter({ start, end }, patch)).toEqual(wanted);
    }
  });

  test("moves a span through several changes at once", () => {
    const patch = [
      { start: 0, end: 0, text: "ab" },
      { start: 4, end: 6, text: "" },
      { start: 8, end: 9, text: "xyz" },
      { start: 12, end: 12, text: "!" },
    ];
    expect(spanAfter({ start: 5, end: 12 }, patch)).toEqual({ start: 6, end: 14 });
    expect(spanAfter({ start: 4, end: 6 }, patch)).toBe(null);
    expect(spanAfter({ start: 2, end: 2 }, patch)).toEqual({ start: 4, end: 4 });
  });

  test("moves a place over and back where nothing was changed", () => {
    for (let seed = 0; seed < 200; seed++) {
      const { text, patch, now } = randomPatch(seed, 3);
      for (let point = 0; point <= pointsIn(text); point++) {
        const after = pointAfter(point, patch);
        expect(after).toBeGreaterThanOrEqual(0);
        expect(after).toBeLessThanOrEqual(pointsIn(now));
        if (patch.every((each) => point < each.start || point > each.end))
          expect(pointBefore(after, patch)).toBe(point);
      }
    }
  });
});
