import { describe, expect, it } from "vitest";
import type { Character, Place, StoryEvent } from "../src/api/types";
import {
  axisOf,
  density,
  eventAt,
  mainLine,
  type Stretch,
  stretches,
  within,
} from "../src/pictures/timeline/axis";
import { inWords, meaningOf, oneStep, sceneMove } from "../src/pictures/timeline/drop";
import { chunkOf, slotWidth } from "../src/pictures/timeline/form";
import { laneOf, lanesOf, otherLane, withRoom } from "../src/pictures/timeline/lanes";
import { eventName, ordinal, sceneTitle, toldAndHappened, verbNow } from "../src/story/naming";
import type { Found } from "../src/story/store";

function event(narrated: number, story: number, part: Partial<StoryEvent> = {}): StoryEvent {
  const start = 100 * narrated;
  return {
    id: `e${narrated}`,
    narrated,
    story,
    verb: "leave",
    kind: "action",
    agent: null,
    patient: null,
    place: null,
    start,
    end: start + 5,
    sentence: [start - 10, start + 50],
    time: null,
    confidence: 0.9,
    source: "auto",
    ...part,
  };
}

/** Told in the order of the numbers; the numbers are when it happened. */
const told = (...story: number[]): StoryEvent[] => story.map((each, narrated) => event(narrated, each));

const scenesOf = (...starts: number[]) =>
  starts.map((start, number) => ({ id: `s${number}`, start, end: (starts[number + 1] ?? 1e6) - 1 }));

const ONE = scenesOf(0);
const FLASHBACK = told(2, 3, 0, 1, 4, 5);

const names = (axis: { events: readonly StoryEvent[] }) => axis.events.map(({ id }) => id);

describe("the axis", () => {
  it("has every event once in both orders", () => {
    const narrated = axisOf(FLASHBACK, ONE, "narrated");
    const story = axisOf(FLASHBACK, ONE, "story");
    expect(names(narrated)).toEqual(["e0", "e1", "e2", "e3", "e4", "e5"]);
    expect(names(story)).toEqual(["e2", "e3", "e0", "e1", "e4", "e5"]);
    expect(names(story).sort()).toEqual(names(narrated));
    for (const axis of [narrated, story]) {
      expect(axis.length).toBe(6);
      expect(axis.centres).toEqual([0.5, 1.5, 2.5, 3.5, 4.5, 5.5]);
      expect([...axis.index.keys()].sort()).toEqual(names(narrated));
    }
  });

  it("gives a scene in which nothing happens a slot in the order of telling only", () => {
    const scenes = scenesOf(0, 150, 180, 400, 900);
    const narrated = axisOf(FLASHBACK, scenes, "narrated");
    expect(narrated.segments.map(({ scene, from, to }) => [scene, from, to])).toEqual([
      ["s0", 0, 2],
      ["s1", 2, 3],
      ["s2", 3, 5],
      ["s3", 5, 7],
      ["s4", 7, 8],
    ]);
    expect(narrated.centres).toEqual([0.5, 1.5, 3.5, 4.5, 5.5, 6.5]);
    const story = axisOf(FLASHBACK, scenes, "story");
    expect(story.segments.map(({ scene, from, to }) => [scene, from, to])).toEqual([
      ["s2", 0, 2],
      ["s0", 2, 4],
      ["s3", 4, 6],
    ]);
  });

  it("is empty for a story without events", () => {
    const axis = axisOf([], ONE, "narrated");
    expect([axis.length, axis.segments, stretches(axis), density(axis, 3)]).toEqual([0, [], [], [0, 0, 0]]);
  });

  it("knows what lies in a window, and what must be drawn besides", () => {
    const axis = axisOf(FLASHBACK, ONE, "narrated");
    expect(within(axis, 2, 4)).toEqual([2, 3]);
    expect(within(axis, 2, 4, ["e5", null, "e3", "nobody"])).toEqual([2, 3, 5]);
  });
});

describe("what is told out of its time", () => {
  it("keeps the longest line, the earlier told of equals", () => {
    expect(mainLine([2, 3, 0, 1, 4, 5])).toEqual([0, 1, 4, 5]);
    expect(mainLine([1, 0])).toEqual([0]);
    expect(mainLine([5, 0, 1, 2])).toEqual([1, 2, 3]);
    expect(mainLine([])).toEqual([]);
  });

  const short = (all: Stretch[]) =>
    all.map(({ first, last, relation, home }) => [first, last, relation, home]);

  it("is a flashback, the same in both orders", () => {
    expect(short(stretches(axisOf(FLASHBACK, ONE, "narrated")))).toEqual([[2, 4, "earlier", 0]]);
    expect(short(stretches(axisOf(FLASHBACK, ONE, "story")))).toEqual([[0, 2, "later", 4]]);
  });

  it("is a look ahead where a story begins with its end", () => {
    expect(short(stretches(axisOf(told(4, 0, 1, 2, 3), ONE, "narrated")))).toEqual([[0, 1, "later", 5]]);
  });

  it("is two stretches where two times are told one after the other", () => {
    const events = told(4, 5, 2, 0, 6);
    expect(short(stretches(axisOf(events, ONE, "narrated")))).toEqual([
      [2, 3, "earlier", 0],
      [3, 4, "earlier", 0],
    ]);
  });

  it("is nothing in a story told straight", () => {
    expect(stretches(axisOf(told(0, 1, 2), ONE, "narrated"))).toEqual([]);
  });
});

describe("a drop in the order of telling", () => {
  const axis = axisOf(FLASHBACK, ONE, "narrated");

  it("between two neighbours goes beside the nearer one", () => {
    expect(meaningOf(axis, "e0", 3.8)).toMatchObject({
      intent: { op: "move_event", event: "e0", after: "e3" },
    });
    expect(meaningOf(axis, "e0", 4.2)).toMatchObject({
      intent: { op: "move_event", event: "e0", before: "e4" },
    });
    expect(meaningOf(axis, "e5", 1.1)).toMatchObject({
      intent: { op: "move_event", event: "e5", before: "e1" },
    });
  });

  it("at the ends goes before the first and after the last", () => {
    expect(meaningOf(axis, "e3", -2)).toMatchObject({ intent: { before: "e0" } });
    expect(meaningOf(axis, "e3", 99)).toMatchObject({ intent: { after: "e5" } });
  });

  it("on its own place is nothing", () => {
    for (const slot of [2.4, 2.5, 2.6, 1.6, 3.4]) expect(meaningOf(axis, "e2", slot)).toBeNull();
    expect(meaningOf(axis, "nobody", 3)).toBeNull();
  });

  it("moves whole sentences: not into its own, nor into the middle of another", () => {
    const one: [number, number] = [0, 180];
    const other: [number, number] = [290, 480];
    const events = [
      event(0, 0, { sentence: one }),
      event(1, 1, { sentence: one }),
      event(2, 2),
      event(3, 3, { sentence: other }),
      event(4, 4, { sentence: other }),
    ];
    const narrated = axisOf(events, ONE, "narrated");
    expect(meaningOf(narrated, "e0", 1.9)).toBeNull();
    expect(meaningOf(narrated, "e0", 4.4)).toMatchObject({ intent: { after: "e3" } });
    expect(meaningOf(narrated, "e4", 0.9)).toMatchObject({ intent: { before: "e1" } });
    expect(meaningOf(narrated, "e2", oneStep(narrated, "e2", 1) ?? 0)).toMatchObject({
      intent: { after: "e4" },
    });
    expect(meaningOf(narrated, "e2", oneStep(narrated, "e2", -1) ?? 0)).toMatchObject({
      intent: { before: "e0" },
    });
  });

  it("is said in words", () => {
    const meaning = meaningOf(axis, "e0", 3.8);
    expect(meaning && inWords(meaning, (id) => id.toUpperCase())).toBe("told after “E3”");
  });
});

describe("a drop in the order of the story", () => {
  const axis = axisOf(FLASHBACK, ONE, "story"); // e2 e3 e0 e1 e4 e5

  it("says which of two was first", () => {
    expect(meaningOf(axis, "e4", 2.1)).toMatchObject({
      kind: "fact",
      event: "e4",
      where: "before",
      other: "e0",
    });
    expect(meaningOf(axis, "e2", 3.1)).toMatchObject({
      kind: "fact",
      event: "e2",
      where: "after",
      other: "e0",
    });
  });

  it("on its own place is nothing", () => {
    for (const slot of [1.6, 2.4, 2.6, 3.4]) expect(meaningOf(axis, "e0", slot)).toBeNull();
  });

  it("is said in words", () => {
    const [earlier, later] = [meaningOf(axis, "e4", 2.1), meaningOf(axis, "e2", 3.1)];
    expect(earlier && inWords(earlier, (id) => id)).toBe("happened before “e0”");
    expect(later && inWords(later, (id) => id)).toBe("happened after “e0”");
  });

  it("by one place changes sides with the neighbour", () => {
    expect(meaningOf(axis, "e0", oneStep(axis, "e0", -1) ?? 0)).toMatchObject({
      event: "e0",
      where: "before",
      other: "e3",
    });
    expect(meaningOf(axis, "e0", oneStep(axis, "e0", 1) ?? 0)).toMatchObject({
      event: "e0",
      where: "after",
      other: "e1",
    });
    expect(oneStep(axis, "e2", -1)).toBeNull();
    expect(oneStep(axis, "e5", 1)).toBeNull();
  });
});

describe("a scene that is dropped", () => {
  const scenes = scenesOf(0, 100, 200);

  it("goes before or after another one, or stays", () => {
    expect(sceneMove(scenes, 2, 0)).toEqual({ op: "move_scene", scene: "s2", before: "s0" });
    expect(sceneMove(scenes, 0, 3)).toEqual({ op: "move_scene", scene: "s0", after: "s2" });
    expect(sceneMove(scenes, 1, 1)).toBeNull();
    expect(sceneMove(scenes, 1, 2)).toBeNull();
    expect(sceneMove(scenes, 0, -1)).toBeNull();
  });
});

const mentions = (count: number) =>
  Array.from({ length: count }, (_, start) => ({
    start,
    end: start + 1,
    text: "x",
    kind: "name" as const,
    confidence: 1,
  }));
const character = (id: string, count: number, part: Partial<Character> = {}): Character => ({
  id,
  name: id,
  aliases: [],
  gender: "f",
  kind: "person",
  mentions: mentions(count),
  confidence: 1,
  source: "auto",
  ...part,
});
const place = (id: string, name: string): Place => ({
  id,
  name,
  aliases: [],
  mentions: mentions(1),
  within: null,
  confidence: 1,
  source: "auto",
});

function foundOf(events: StoryEvent[], characters: Character[], places: Place[] = []): Found {
  const people = new Map(characters.map((each) => [each.id, each]));
  const spots = new Map(places.map((each) => [each.id, each]));
  return {
    language: "en",
    scenes: ONE,
    characters,
    places,
    events,
    speeches: [],
    positions: {},
    warnings: [],
    lost: [],
    revision: 1,
    state: "ready",
    stats: {},
    warning_keys: [],
    dismissed: [],
    people,
    spots,
    entities: new Map<string, Character | Place>([...spots, ...people]),
    happenings: new Map(events.map((each) => [each.id, each])),
  };
}

describe("lanes", () => {
  const events = [
    event(0, 0, { agent: "ana", patient: "ion" }),
    event(1, 1, { agent: "ion", place: "mill" }),
    event(2, 2),
    event(3, 3, { agent: "dan", patient: "ana" }),
  ];
  const cast = [character("ion", 2), character("ana", 5), character("eva", 9), character("dan", 1)];
  const found = foundOf(events, cast, [place("mill", "mill")]);

  it("are those who have a part, the most mentioned first, and the others", () => {
    const lanes = lanesOf(found, "characters", 9);
    expect(lanes.lanes.map(({ name }) => name)).toEqual(["ana", "ion", "dan", "others"]);
    expect(events.map((each) => laneOf(lanes, each))).toEqual([0, 1, 3, 2]);
    expect(events.map((each) => otherLane(lanes, each))).toEqual([1, null, null, 0]);
  });

  it("are so many at most; the rest is with the others", () => {
    const lanes = lanesOf(found, "characters", 1);
    expect(lanes.lanes.map(({ name }) => name)).toEqual(["ana", "others"]);
    expect(events.map((each) => laneOf(lanes, each))).toEqual([0, 1, 1, 1]);
  });

  it("may be places", () => {
    const lanes = lanesOf(found, "places", 9);
    expect(lanes.lanes.map(({ name }) => name)).toEqual(["mill", "elsewhere"]);
    expect(events.map((each) => laneOf(lanes, each))).toEqual([1, 0, 1, 1]);
    expect(otherLane(lanes, events[0] as StoryEvent)).toBeNull();
  });

  it("leave out names that would lie on one another", () => {
    const at = (row: number, x: number) => ({ row, x, width: 30 });
    expect(withRoom([at(0, 20), at(0, 40), at(1, 45), at(0, 60)])).toEqual([true, false, true, true]);
  });
});

describe("what is drawn", () => {
  it("is all of a short story, a legible part of a long one, and never thousands", () => {
    expect(slotWidth(null, 600, 20)).toBe(30);
    expect(slotWidth(null, 600, 5000)).toBe(26);
    expect(slotWidth(0.01, 600, 5000)).toBe(4);
    expect(slotWidth(0.01, 600, 60)).toBe(10);
    expect(slotWidth(9999, 600, 60)).toBe(140);
  });

  it("holds the window, and stays while one scrolls a little", () => {
    const chunk = chunkOf(5000, 600, 10, 5000);
    expect(chunk.from * 10).toBeLessThanOrEqual(5000);
    expect(chunk.to * 10).toBeGreaterThanOrEqual(5600);
    expect(chunk.to - chunk.from).toBeLessThan(4 * 60);
    expect(chunk.seen).toBeGreaterThanOrEqual(500);
    expect(chunk.seen).toBeLessThanOrEqual(560);
    expect(chunkOf(5040, 600, 10, 5000)).toEqual(chunk);
    expect(chunkOf(0, 600, 10, 20)).toEqual({ from: 0, to: 20, seen: 0 });
  });
});

describe("how thick events stand", () => {
  it("is low where little happens in many words", () => {
    const events = [0, 10, 20, 30, 1000, 2000, 3000, 4000].map((start, n) =>
      event(n, n, { start, end: start + 3 }),
    );
    const [first = 0, last = 0] = density(axisOf(events, ONE, "narrated"), 2);
    expect(first).toBeGreaterThan(last);
    expect(last).toBeGreaterThan(0);
  });
});

describe("the caret", () => {
  const starts = [10, 20, null, 40, null];
  const at = (position: number) => eventAt((n) => starts[n] ?? null, starts.length, position);

  it("stands after the last event that began before it, whatever is gone", () => {
    expect([5, 10, 19, 25, 39, 40, 99].map(at)).toEqual([-1, 0, 0, 1, 1, 3, 3]);
  });
});

describe("names", () => {
  const cast = [
    character("ana", 3, { name: "Ana" }),
    character("priest", 2, { name: "the priest", gender: "m" }),
  ];
  const found = foundOf([], cast, [place("mill", "mill"), place("cluj", "Cluj")]);
  const name = (part: Partial<StoryEvent>, language = "en") =>
    eventName(event(0, 0, part), { ...found, language });

  it("tell an event in the present", () => {
    expect(name({ verb: "leave", kind: "movement", agent: "ana", place: "mill" })).toBe(
      "Ana leaves the mill",
    );
    expect(name({ verb: "go", kind: "movement", agent: "ana", place: "mill" })).toBe("Ana goes to the mill");
    expect(name({ verb: "push", agent: "priest", patient: "ana" })).toBe("The priest pushes Ana");
    expect(name({ verb: "say", kind: "speech", agent: "ana", patient: "priest", place: "cluj" })).toBe(
      "Ana says to the priest in Cluj",
    );
    expect(name({ verb: "wash", agent: "priest", patient: "priest" })).toBe("The priest washes himself");
    expect(name({ verb: "cry" })).toBe("Somebody cries");
    expect(name({ verb: "conversation", agent: "ana", place: "mill" })).toBe("Ana: conversation (mill)");
    expect(name({ verb: "pleca", agent: "ana", place: "cluj" }, "ro")).toBe("Ana: pleca (Cluj)");
  });

  it("inflect a verb", () => {
    expect(["be", "have", "watch", "carry", "play", "go away", "kiss"].map(verbNow)).toEqual([
      "is",
      "has",
      "watches",
      "carries",
      "plays",
      "goes away",
      "kisses",
    ]);
  });

  it("say when an event is told and when it happens", () => {
    expect([1, 2, 3, 4, 11, 12, 13, 21, 112, 103].map(ordinal).join(" ")).toBe(
      "1st 2nd 3rd 4th 11th 12th 13th 21st 112th 103rd",
    );
    expect(toldAndHappened({ narrated: 9, story: 2 })).toBe("told 10th, happened 3rd");
    expect(toldAndHappened({ narrated: 0, story: 0 }, "nine years ago")).toBe(
      "told 1st, happened 1st, by “nine years ago”",
    );
  });

  it("call a scene by its heading, or its number", () => {
    expect(sceneTitle("# The mill\n\n## Chapter 1 ##\n\nAna left.", 1)).toBe("Chapter 1");
    expect(sceneTitle("Chapter 12\n\n\nIt is a truth", 12)).toBe("Chapter 12");
    expect(sceneTitle("IV.\nIt rained.", 4)).toBe("IV.");
    expect(sceneTitle("Mihai waited at the bridge.", 3)).toBe("Scene 3");
    expect(sceneTitle("", 2)).toBe("Scene 2");
  });
});
