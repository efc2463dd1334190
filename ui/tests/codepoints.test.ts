import { expect, test } from "vitest";
import { cutsPair, pointOf, pointsIn, slicePoints, unitOf } from "../src/text/codepoints";
import { random, randomText } from "./random";

test("positions go over and back, in texts with and without characters of two units", () => {
  const next = random(1);
  for (let round = 0; round < 300; round++) {
    const text = randomText(next);
    const points = [...text];
    expect(pointsIn(text)).toBe(points.length);
    for (let point = 0; point <= points.length; point++) {
      const unit = unitOf(text, point);
      expect(unit).toBe(points.slice(0, point).join("").length);
      expect(pointOf(text, unit)).toBe(point);
    }
    const [a, b] = [next(points.length + 1), next(points.length + 1)].sort((x, y) => x - y) as [
      number,
      number,
    ];
    expect(slicePoints(text, a, b)).toBe(points.slice(a, b).join(""));
  }
});

test("a lone half of a pair counts as one, and a pair is not cut", () => {
  expect(pointsIn("a\ud83dz")).toBe(3);
  expect(pointsIn("\ude00\ud83d")).toBe(2);
  expect(cutsPair("a🐚b", 2)).toBe(true);
  expect(cutsPair("a🐚b", 1)).toBe(false);
  expect(cutsPair("a🐚b", 3)).toBe(false);
});

test("a place beyond the end is the end", () => {
  expect(unitOf("ab", 9)).toBe(2);
  expect(unitOf("🐚", 9)).toBe(2);
  expect(pointOf("🐚", 9)).toBe(1);
});
