import { describe, expect, it } from "vitest";
import type { StoryEvent } from "../src/api/types";
import { axisOf } from "../src/pictures/timeline/axis";
import {
  crossings,
  gathered,
  heightIn,
  lineOrders,
  momentsOf,
  pathOf,
  storyLines,
} from "../src/pictures/timeline/storylines";

function event(
  narrated: number,
  agent: string | null,
  patient: string | null,
  place: string | null,
): StoryEvent {
  return {
    id: `e${narrated}`,
    narrated,
    story: narrated,
    verb: "meet",
    kind: "action",
    agent,
    patient,
    place,
    start: 100 * narrated,
    end: 100 * narrated + 4,
    sentence: [100 * narrated, 100 * narrated + 50],
    time: null,
    confidence: 1,
    source: "auto",
  };
}

const CAST = ["a", "b", "c", "d", "e"];
const EVENTS = [
  event(0, "a", "d", "mill"),
  event(1, "a", null, null),
  event(2, "b", "e", "church"),
  event(3, "c", null, "church"),
  event(4, null, null, null), // a scene of its own
  event(5, "a", "c", null),
  event(6, "d", "e", "mill"),
];
const SCENES = [
  { id: "s0", start: 0, end: 399 },
  { id: "s1", start: 400, end: 499 },
  { id: "s2", start: 500, end: 999 },
];
const axis = axisOf(EVENTS, SCENES, "narrated");
const moments = momentsOf(axis, new Set(CAST));

describe("moments", () => {
  it("are runs of one scene and place, with those who have a part", () => {
    expect(moments.map(({ first, last, place, present }) => [first, last, place, present.join("")])).toEqual([
      [0, 2, "mill", "ad"],
      [2, 4, "church", "bec"],
      [4, 5, null, ""],
      [5, 7, "mill", "acde"],
    ]);
    expect(moments.map(({ from, to }) => [from, to])).toEqual([
      [0, 2],
      [2, 4],
      [4, 5],
      [5, 7],
    ]);
  });
});

describe("the order of lines", () => {
  it("puts those who share a moment side by side", () => {
    const orders = lineOrders(moments, CAST);
    expect(orders).toHaveLength(moments.length);
    moments.forEach((moment, number) => {
      const places = moment.present.map((id) => orders[number]?.indexOf(id) ?? -1).sort((a, b) => a - b);
      expect(places.every((each) => each >= 0)).toBe(true);
      if (places.length > 0) expect((places.at(-1) ?? 0) - (places[0] ?? 0)).toBe(places.length - 1);
    });
    for (const order of orders) expect([...order].sort()).toEqual(CAST);
  });

  it("has no more crossings than one sweep from the first order", () => {
    let order = CAST;
    const naive = moments.map((moment) => {
      order = gathered(order, moment.present);
      return order;
    });
    expect(crossings(lineOrders(moments, CAST))).toBeLessThanOrEqual(crossings(naive));
  });

  it("needs no crossing where a and d, then b and c, are together all the time", () => {
    const calm = momentsOf(
      axisOf(
        [event(0, "a", "d", "x"), event(1, "b", "c", "y"), event(2, "a", "d", "x"), event(3, "c", "b", "y")],
        [{ id: "s", start: 0, end: 999 }],
        "narrated",
      ),
      new Set(CAST),
    );
    expect(crossings(lineOrders(calm, ["a", "b", "c", "d"]))).toBe(0);
  });

  it("counts pairs that change sides", () => {
    expect(
      crossings([
        ["a", "b", "c"],
        ["b", "a", "c"],
        ["c", "a", "b"],
      ]),
    ).toBe(1 + 3);
    expect(crossings([])).toBe(0);
  });

  it("gathers at the mean and leaves the others in their order", () => {
    expect(gathered(["a", "b", "c", "d", "e"], ["e", "a"])).toEqual(["b", "c", "a", "e", "d"]);
    expect(gathered(["a", "b", "c"], ["c"])).toEqual(["a", "b", "c"]);
  });

  it("is the same every time", () => {
    expect(lineOrders(moments, CAST)).toEqual(lineOrders(moments, CAST));
  });
});

describe("story-lines", () => {
  const lines = storyLines(axis, CAST);

  it("run from the first to the last part one has", () => {
    expect(lines.lines.map(({ id, first, last }) => [id, first, last])).toEqual([
      ["a", 0, 3],
      ["b", 1, 1],
      ["c", 1, 3],
      ["d", 0, 3],
      ["e", 1, 3],
    ]);
    expect(lines.momentOf).toEqual([0, 0, 1, 1, 2, 3, 3]);
    expect(heightIn(lines.of.get("b"), 0)).toBeNull();
    expect(heightIn(undefined, 0)).toBeNull();
  });

  it("run closer together where they share a moment, and never lie on one another", () => {
    const height = (id: string, moment: number) => heightIn(lines.of.get(id), moment) ?? Number.NaN;
    expect(Math.abs(height("a", 0) - height("d", 0))).toBeLessThan(Math.abs(height("a", 1) - height("d", 1)));
    lines.moments.forEach((_, number) => {
      const heights = CAST.map((id) => heightIn(lines.of.get(id), number)).filter((each) => each !== null);
      heights.sort((a, b) => a - b);
      heights.forEach((each, index) => {
        if (index > 0) expect(each - (heights[index - 1] ?? 0)).toBeGreaterThan(10);
      });
    });
  });

  it("are drawn for a window only", () => {
    const line = lines.of.get("a");
    if (line === undefined) throw new Error("a has a line");
    const whole = pathOf(line, lines.moments, 0, 4, 20);
    expect(whole.match(/C/g)).toHaveLength(3);
    expect(pathOf(line, lines.moments, 1, 3, 20).match(/C/g)).toHaveLength(1);
    expect(pathOf(line, lines.moments, 4, 9, 20)).toBe("");
  });

  it("are none without characters", () => {
    expect(storyLines(axis, []).lines).toEqual([]);
  });
});
