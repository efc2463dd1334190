// The graph of characters: which nodes and lines a scope gives, where they stand, and what is under the pointer.

import { describe, expect, test } from "vitest";
import { fitted, knotAt, lineAt, under, zoomed } from "../src/pictures/characters/canvas";
import { bulgeOf, curveOf, placeWords } from "../src/pictures/characters/curves";
import { bonds, bundled, FAN, knotsOf, tiesOf, verbsOf } from "../src/pictures/characters/graph";
import { arrange } from "../src/pictures/characters/layout";
import { character, event } from "./stories";

const drawn = new Set(["alice", "tom", "maria"]);

describe("lines", () => {
  test("only events between two who are drawn are lines", () => {
    const events = [
      event(0, "alice", "push", "tom"),
      event(1, "alice", "leave", null),
      event(2, null, "see", "tom"),
      event(3, "alice", "wash", "alice"),
      event(4, "alice", "greet", "stranger"),
    ];
    expect(tiesOf(events, drawn, "narrated").map(({ id }) => id)).toEqual([events[0]?.id]);
  });

  test("a few events of a pair fan out, in both directions, in the order that is shown", () => {
    const events = [
      event(0, "alice", "push", "tom", { story: 2 }),
      event(1, "tom", "thank", "alice", { story: 0 }),
      event(2, "alice", "push", "tom", { story: 1 }),
    ];
    const ties = tiesOf(events, drawn, "story");
    expect(ties.map(({ events: [only] }) => only?.story)).toEqual([0, 1, 2]);
    expect(ties.map(({ lane, lanes }) => [lane, lanes])).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
    expect(new Set(ties.map(({ id }) => id)).size).toBe(3);
    // Three different curves, whoever begins.
    const bulges = ties.map((tie) => bulgeOf(tie) * (tie.source === "alice" ? 1 : -1));
    expect(new Set(bulges).size).toBe(3);
  });

  test("many events of a pair are one line for each direction, with all of them", () => {
    const many = Array.from({ length: FAN }, (_, number) => event(number, "alice", "ask", "tom"));
    const ties = tiesOf([...many, event(FAN, "tom", "answer", "alice")], drawn, "narrated");
    expect(ties.map(({ source, events }) => [source, events.length])).toEqual([
      ["alice", FAN],
      ["tom", 1],
    ]);
    expect(bonds(ties).map(({ weight }) => weight)).toEqual([FAN, 1]);
    expect(ties[1]?.id).toBe(ties[1]?.events[0]?.id);
  });

  test("a list stands for the lines of a pair that has too many", () => {
    const many = Array.from({ length: FAN + 1 }, (_, number) =>
      number % 2 ? event(number, "alice", "ask", "tom") : event(number, "tom", "answer", "alice"),
    );
    const other = event(9, "alice", "see", "maria");
    expect(bundled(many.slice(0, 2), [...many, other])).toBe(true);
    expect(bundled(many.slice(0, 2), many.slice(0, FAN))).toBe(false);
    expect(bundled([...many, other], [...many, other])).toBe(false);
    expect(bundled([], many)).toBe(false);
  });

  test("verbs are told by how often they are used", () => {
    expect(
      verbsOf([event(0, null, "go", null), event(1, null, "say", null), event(2, null, "say", null)]),
    ).toEqual(["say", "go"]);
  });
});

test("a node is the bigger the more it is spoken of, and has room for its name", () => {
  const [often, seldom] = knotsOf([
    { entity: character("alice", 40), count: 40 },
    { entity: character("maria", 2), count: 2 },
  ]);
  expect(often?.font).toBeGreaterThan(seldom?.font ?? 0);
  expect(seldom?.width).toBeGreaterThan("Maria".length * 5);
});

const boxes = Array.from({ length: 14 }, (_, number) => ({ id: `n${number}`, width: 90, height: 34 }));
const links = Array.from({ length: 10 }, (_, number) => ({
  source: `n${number}`,
  target: `n${(number * 3 + 1) % 10}`,
  weight: 1 + (number % 4),
})).filter(({ source, target }) => source !== target);

const overlaps = (at: Record<string, { x: number; y: number }>): string[] =>
  boxes.flatMap((one, index) =>
    boxes.slice(index + 1).flatMap((other) => {
      const [a, b] = [at[one.id], at[other.id]];
      if (a === undefined || b === undefined) return [`${one.id} or ${other.id} has no place`];
      return Math.abs(a.x - b.x) < 90 && Math.abs(a.y - b.y) < 34 ? [`${one.id} ${other.id}`] : [];
    }),
  );

describe("places of the nodes", () => {
  test("the same graph gives the same picture, in which nobody covers anybody", () => {
    const first = arrange(boxes, links, {}, 1);
    expect(arrange(boxes, links, {}, 1)).toEqual(first);
    expect(overlaps(first)).toEqual([]);
  });

  test("the picture has about the shape of the pane", () => {
    const at = Object.values(arrange(boxes, links, {}, 2));
    const size = (axis: "x" | "y") =>
      Math.max(...at.map((p) => p[axis])) - Math.min(...at.map((p) => p[axis]));
    expect(size("x") / size("y")).toBeGreaterThan(1.2);
  });

  test("who comes later moves nobody", () => {
    const old = arrange(boxes.slice(0, 12), links, {}, 1);
    const all = arrange(boxes, [...links, { source: "n12", target: "n3", weight: 1 }], old, 1);
    for (const { id } of boxes.slice(0, 12)) expect(all[id]).toEqual(old[id]);
    expect(overlaps(all)).toEqual([]);
  });

  test("one alone and nobody at all are no trouble", () => {
    expect(arrange([], [], {}, 1)).toEqual({});
    const { n0 } = arrange(boxes.slice(0, 1), [], {}, 1);
    expect([n0?.x, n0?.y].every(Number.isFinite)).toBe(true);
  });
});

describe("curves", () => {
  const source = { x: 0, y: 0, width: 80, height: 30 };
  const target = { x: 300, y: 0, width: 80, height: 30 };

  test("a line runs from border to border", () => {
    const { at } = curveOf(source, target, 0);
    expect(at(0).x).toBeCloseTo(41, 0);
    expect(at(1).x).toBeCloseTo(258, 0);
  });

  test("one that bulges keeps away from the straight one", () => {
    expect(Math.abs(curveOf(source, target, 60).at(0.5).y)).toBeCloseTo(30, 0);
  });

  test("the middle of what is around a line is on the line, whatever its bulge", () => {
    const { at, around } = curveOf(source, { ...target, y: 170 }, 60);
    expect(around.x).toBeCloseTo(at(0.5).x, 6);
    expect(around.y).toBeCloseTo(at(0.5).y, 6);
    for (const end of [at(0), at(1)]) {
      expect(Math.abs(end.x - around.x)).toBeLessThan(around.width / 2);
      expect(Math.abs(end.y - around.y)).toBeLessThan(around.height / 2);
    }
  });

  test("words cover neither nodes nor each other, and the heavier has the first choice", () => {
    const curve = curveOf(source, { ...target, x: 160 }, 0);
    const placed = placeWords(
      [
        { id: "light", curve, texts: ["pushed"], weight: 1 },
        { id: "heavy", curve, texts: ["much too long for the short way between them", "7"], weight: 7 },
      ],
      [source, { ...target, x: 160 }],
    );
    expect(placed.get("heavy")?.text).toBe("7");
    expect(placed.has("light")).toBe(false);
  });
});

describe("on a canvas", () => {
  const knots = [
    { id: "a", name: "A", label: "A", count: 1, width: 80, height: 30, font: 12, sure: true },
    { id: "b", name: "B", label: "B", count: 1, width: 80, height: 30, font: 12, sure: true },
  ];
  const places = { a: { x: 0, y: 0 }, b: { x: 1000, y: 200 } };
  const drawing = { knots, places };

  test("all of it fits, and zooming keeps what is under the pointer", () => {
    const window = fitted(drawing, 500, 400);
    expect(knotAt(drawing, under(window, { x: 30, y: 200 - 100 * window.zoom }))).toBe("a");
    const pointer = { x: 120, y: 77 };
    const before = under(window, pointer);
    const after = under(zoomed(window, pointer, 1.7), pointer);
    expect(after.x).toBeCloseTo(before.x, 6);
    expect(after.y).toBeCloseTo(before.y, 6);
  });

  test("a line is hit near it and not far from it", () => {
    const [tie] = tiesOf([event(0, "a", "see", "b")], new Set(["a", "b"]), "narrated");
    if (tie === undefined) throw new Error("no line");
    const curve = curveOf({ ...places.a, width: 80, height: 30 }, { ...places.b, width: 80, height: 30 }, 0);
    const line = { tie, curve, words: null, full: "see", kind: "action", sure: true };
    expect(lineAt([line], { x: 500, y: 103 }, 6)).toBe(line);
    expect(lineAt([line], { x: 500, y: 140 }, 6)).toBe(null);
    expect(knotAt(drawing, { x: 500, y: 100 })).toBe(null);
  });
});
