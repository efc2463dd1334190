// What is in a picture: scenes, the most mentioned, and what is lit.

import { describe, expect, test } from "vitest";
import { focusOf } from "../src/pictures/shared/focus";
import {
  castOf,
  chosenOf,
  eventsIn,
  FEW,
  howMany,
  mentionsIn,
  shortName,
  spansOf,
  steps,
  USUAL,
  WHOLE,
} from "../src/pictures/shared/scope";
import { character, event, placeCalled, story } from "./stories";

const found = story({
  scenes: [
    { id: "s-1", start: 0, end: 20 },
    { id: "s-2", start: 25, end: 60 },
  ],
  characters: [character("alice", [0, 10, 30]), character("tom", [12, 31, 40, 50]), character("maria", [])],
  places: [placeCalled("mill", [15])],
  events: [
    event(0, "alice", "push", null),
    event(1, "tom", "go", null, { place: "mill" }),
    event(3, "tom", "greet", "maria"),
  ],
});

describe("spans", () => {
  test("the whole story, the scene at the caret, the first one where there is no caret, and chosen ones", () => {
    expect(spansOf(WHOLE, found.scenes, "s-2")).toBe(null);
    expect(spansOf({ ...WHOLE, kind: "scene" }, found.scenes, "s-2")).toEqual([found.scenes[1]]);
    expect(spansOf({ ...WHOLE, kind: "scene" }, found.scenes, "gone")).toEqual([found.scenes[0]]);
    expect(spansOf({ ...WHOLE, kind: "scenes", scenes: [1, 7] }, found.scenes, null)).toEqual([
      found.scenes[1],
    ]);
    expect(spansOf({ ...WHOLE, kind: "scenes" }, found.scenes, null)).toBe(null);
    expect(spansOf({ ...WHOLE, kind: "scene" }, [], null)).toBe(null);
  });

  test("mentions are counted where they start", () => {
    const tom = character("tom", [0, 5, 10, 20, 21]);
    expect(mentionsIn(tom, null)).toBe(5);
    expect(mentionsIn(tom, [{ start: 5, end: 20 }])).toBe(2);
    expect(
      mentionsIn(tom, [
        { start: 0, end: 1 },
        { start: 21, end: 30 },
      ]),
    ).toBe(2);
  });
});

describe("cast", () => {
  test("the most mentioned come first; who is not spoken of but acts is there", () => {
    expect(castOf(found, null).map(({ entity, count }) => [entity.id, count])).toEqual([
      ["tom", 4],
      ["alice", 3],
      ["maria", 0],
    ]);
    const second = spansOf({ ...WHOLE, kind: "scene" }, found.scenes, "s-2");
    expect(castOf(found, second).map(({ entity }) => entity.id)).toEqual(["tom", "alice", "maria"]);
    expect(eventsIn(found, second).map(({ verb }) => verb)).toEqual(["greet"]);
    const first = spansOf({ ...WHOLE, kind: "scene" }, found.scenes, "s-1");
    expect(castOf(found, first).map(({ entity, count }) => [entity.id, count])).toEqual([
      ["alice", 2],
      ["tom", 1],
    ]);
  });

  test("a small cast is drawn whole, of a big one the usual number, and whoever is chosen", () => {
    expect(howMany(null, FEW)).toBe(FEW);
    expect(howMany(null, FEW + 1)).toBe(USUAL);
    expect(howMany(3, 100)).toBe(3);
    const ranking = castOf(found, null);
    expect(chosenOf(ranking, 1, []).map(({ entity }) => entity.id)).toEqual(["tom"]);
    expect(chosenOf(ranking, 1, ["maria"]).map(({ entity }) => entity.id)).toEqual(["tom", "maria"]);
  });

  test("a slider goes up to all", () => {
    expect(steps(7)).toEqual([2, 3, 4, 5, 6, 7]);
    expect(steps(1)).toEqual([1]);
    expect(steps(121).at(-1)).toBe(121);
  });

  test("a long name is cut", () => {
    expect(shortName("Hans Van Ripper", 22)).toBe("Hans Van Ripper");
    expect(shortName("The Old Gentleman of the Inn", 12)).toBe("The Old Gen…");
  });
});

describe("what is lit", () => {
  const nothing = { entities: [], events: [] };

  test("nothing chosen and nothing hovered dims nothing", () => {
    expect(focusOf(found, nothing, null).any).toBe(false);
  });

  test("an event brings those who take part and its place", () => {
    const focus = focusOf(found, { entities: [], events: ["e1"] }, null);
    expect([...focus.entities].sort()).toEqual(["mill", "tom"]);
    expect([...focus.events]).toEqual(["e1"]);
  });

  test("a character brings its events, and hovering adds to what is chosen", () => {
    const focus = focusOf(found, { entities: ["alice"], events: [] }, { entities: ["maria"], events: [] });
    expect([...focus.entities].sort()).toEqual(["alice", "maria"]);
    expect([...focus.events].sort()).toEqual(["e0", "e3"]);
  });

  test("what is no longer in the story is not lit", () => {
    expect(focusOf(found, { entities: ["ghost"], events: ["gone"] }, null).any).toBe(false);
  });
});
