// The map of places: who is where at a moment, in both orders, and where the frames stand.

import { describe, expect, test } from "vitest";
import {
  chipAt,
  corners,
  crowds,
  type Frame,
  frameAt,
  framesOf,
  HEAD,
  UNKNOWN,
  usedPlaces,
} from "../src/pictures/places/frames";
import { chipsOf } from "../src/pictures/places/map";
import { inOrder, momentOfScene, sightings, trailOf, whereabouts } from "../src/pictures/places/whereabouts";
import { character, event, placeCalled, story } from "./stories";

// Tom is at the mill; then told: years before, he was in the forest; then he walks to the village, where Maria is.
const found = story({
  scenes: [
    { id: "s-1", start: 0, end: 20 },
    { id: "s-2", start: 20, end: 50 },
  ],
  characters: [character("tom", [0, 20, 30]), character("maria", [40]), character("anna", [12])],
  places: [
    placeCalled("mill", [5]),
    placeCalled("forest", [25]),
    placeCalled("village", [35]),
    placeCalled("kitchen", [6], "mill"),
  ],
  events: [
    event(0, "tom", "sleep", null, { story: 1, place: "mill" }),
    event(1, "anna", "wait", null, { story: 2 }),
    event(2, "tom", "hide", null, { story: 0, place: "forest" }),
    event(3, "tom", "walk", null, { story: 3, place: "village" }),
    event(4, "maria", "greet", "tom", { story: 4, place: "village" }),
  ],
  positions: {
    tom: [
      [0, "mill"],
      [2, "forest"],
      [3, "village"],
    ],
    maria: [[4, "village"]],
  },
});
const everybody = new Set(["tom", "maria", "anna"]);
const at = (number: number, order: "narrated" | "story", also: ReadonlySet<string> = everybody) => {
  const moment = found.events[number];
  if (moment === undefined) throw new Error("no such event");
  const seen = sightings(found, inOrder(found, order));
  return Object.fromEntries(
    whereabouts(found, seen, moment, order, also).map(({ id, place, here }) => [id, [place, here]]),
  );
};

describe("who is where", () => {
  test("in the order of the telling, where the last sentence has put them", () => {
    expect(at(0, "narrated")).toEqual({ tom: ["mill", true] });
    expect(at(2, "narrated")).toEqual({ tom: ["forest", true] });
    expect(at(4, "narrated")).toEqual({ tom: ["village", true], maria: ["village", true] });
  });

  test("in the order of the story, a flashback is before what it interrupts", () => {
    expect(at(2, "story").tom).toEqual(["forest", true]);
    expect(at(0, "story").tom).toEqual(["mill", true]);
    // Anna waits while Tom sleeps at the mill, although the forest was told of in between.
    expect(at(1, "story").tom).toEqual(["mill", true]);
  });

  test("whose place nobody tells is at the unknown place, if in the scene", () => {
    expect(at(1, "narrated").anna).toEqual([null, true]);
    expect(at(3, "narrated").anna).toBe(undefined);
  });

  test("who is not in the scene is where it was seen last, if asked for", () => {
    const later = story({
      ...found,
      scenes: [...found.scenes, { id: "s-3", start: 50, end: 80 }],
      events: [...found.events, event(5, "anna", "leave", null)],
      characters: [character("tom", [0, 20, 30]), character("maria", [40]), character("anna", [12, 50])],
    });
    const moment = later.events[5];
    if (moment === undefined) throw new Error("no such event");
    const seen = sightings(later, inOrder(later, "narrated"));
    expect(whereabouts(later, seen, moment, "narrated", new Set(["tom"]))).toEqual([
      { id: "tom", place: "village", here: false },
      { id: "anna", place: null, here: true },
    ]);
  });

  test("the moment of a scene is its last event", () => {
    expect(momentOfScene(found, "s-1")?.verb).toBe("wait");
    expect(momentOfScene(found, "s-2")?.verb).toBe("greet");
    expect(momentOfScene(found, null)?.verb).toBe("wait");
    expect(momentOfScene(story({}), null)).toBe(undefined);
  });

  test("a trail goes from place to place in the chosen order", () => {
    const trail = (order: "narrated" | "story") =>
      trailOf(found, sightings(found, inOrder(found, order)), "tom").map(({ place }) => place);
    expect(trail("narrated")).toEqual(["mill", "forest", "village"]);
    expect(trail("story")).toEqual(["forest", "mill", "village"]);
  });
});

const apart = (frames: readonly Frame[]): boolean => {
  const at = corners(frames);
  const outer = frames.filter(({ parent }) => parent === null);
  return outer.every((one, index) =>
    outer.slice(index + 1).every((other) => {
      const [a, b] = [at.get(one.id), at.get(other.id)];
      if (a === undefined || b === undefined) return false;
      return (
        a.x >= b.x + other.width ||
        b.x >= a.x + one.width ||
        a.y >= b.y + other.height ||
        b.y >= a.y + one.height
      );
    }),
  );
};

describe("frames", () => {
  test("the same places give the same map, apart from each other, with the unknown one", () => {
    const frames = framesOf(found.places, new Map([["mill", 5]]), {}, 1);
    expect(framesOf(found.places, new Map([["mill", 5]]), {}, 1)).toEqual(frames);
    expect(frames.map(({ id }) => id).sort()).toEqual(
      [UNKNOWN, "forest", "kitchen", "mill", "village"].sort(),
    );
    expect(apart(frames)).toBe(true);
  });

  test("a place in another lies in its frame, below its characters", () => {
    const frames = framesOf(found.places, new Map(), {}, 1);
    const kitchen = frames.find(({ id }) => id === "kitchen");
    const mill = frames.find(({ id }) => id === "mill");
    expect(kitchen?.parent).toBe("mill");
    expect(frames.indexOf(mill as Frame)).toBeLessThan(frames.indexOf(kitchen as Frame));
    expect((kitchen?.y ?? 0) + (kitchen?.height ?? 0)).toBeLessThan(mill?.height ?? 0);
    expect(kitchen?.y).toBeGreaterThan(HEAD);
  });

  test("places that lie in each other, as a text may say, are drawn all the same", () => {
    const circle = [placeCalled("inn", [0], "yard"), placeCalled("yard", [0], "inn")];
    const frames = framesOf(circle, new Map(), {}, 1);
    expect(frames.map(({ id }) => id).sort()).toEqual([UNKNOWN, "inn", "yard"].sort());
  });

  test("a frame that was put somewhere stays there, and newcomers go round it", () => {
    const kept = { forest: { x: 500, y: -40 }, mill: { x: 0, y: 0 } };
    const frames = framesOf(found.places, new Map(), kept, 1);
    expect(corners(frames).get("forest")).toEqual(kept.forest);
    expect(corners(frames).get("mill")).toEqual(kept.mill);
    expect(apart(frames)).toBe(true);
  });

  test("the innermost frame is under the pointer", () => {
    const frames = framesOf(found.places, new Map(), {}, 1);
    const corner = corners(frames).get("kitchen");
    if (corner === undefined) throw new Error("no kitchen");
    expect(frameAt(frames, { x: corner.x + 5, y: corner.y + 5 })).toBe("kitchen");
    expect(frameAt(frames, { x: corner.x + 5, y: corner.y - 5 })).toBe("mill");
    expect(frameAt(frames, { x: -500, y: -500 })).toBe(null);
  });

  test("the places where most happens come first", () => {
    expect(usedPlaces(found, null)[0]?.entity.id).toBe("village");
    expect(usedPlaces(found, [{ start: 0, end: 20 }]).map(({ entity }) => entity.id)).toEqual([
      "mill",
      "kitchen",
    ]);
  });

  test("a frame has room for the most who are there at once", () => {
    const seen = sightings(found, found.events);
    expect(crowds(found, seen, [...everybody])).toEqual(
      new Map([
        ["mill", 1],
        ["forest", 1],
        ["village", 2],
      ]),
    );
  });
});

describe("characters in frames", () => {
  const frames = framesOf(found.places, new Map(), {}, 1);
  const outer = (id: string) => found.spots.get(id)?.within ?? null;

  test("who is at a place that is not drawn is in the one around it, or unknown", () => {
    const some = frames.filter(({ id }) => id !== "kitchen" && id !== "forest");
    const { chips } = chipsOf(
      [
        { id: "tom", place: "kitchen", here: true },
        { id: "anna", place: "forest", here: true },
      ],
      some,
      outer,
    );
    expect(chips.map(({ id, frame }) => [id, frame])).toEqual([
      ["tom", "mill"],
      ["anna", UNKNOWN],
    ]);
    expect(chips[0]).toMatchObject(chipAt(0));
  });

  test("those who are here come first; who finds no room is counted", () => {
    const where = Array.from({ length: 5 }, (_, number) => ({
      id: `p${number}`,
      place: "forest",
      here: number === 4,
    }));
    const { chips, more } = chipsOf(where, frames, outer);
    const room = frames.find(({ id }) => id === "forest")?.room ?? 0;
    expect(chips[0]?.id).toBe("p4");
    expect(chips.length).toBe(room - 1);
    expect(more.get("forest")?.length).toBe(5 - (room - 1));
  });
});
