import { describe, expect, it } from "vitest";
import type { Character, Place, StoryEvent } from "../src/api/types";
import { filtered, folded, type Node, rowsOf, stepOf, treeOf, typedTo } from "../src/pictures/outline/tree";
import { axisOf } from "../src/pictures/timeline/axis";
import type { Found, View } from "../src/story/store";

const mention = { start: 0, end: 3, text: "Ana", kind: "name" as const, confidence: 1 };

const character = (id: string, name: string, mentions: number): Character => ({
  id,
  name,
  aliases: [],
  gender: "f",
  kind: "person",
  mentions: Array.from({ length: mentions }, () => mention),
  confidence: 1,
  source: "auto",
});

const place = (id: string, within: string | null): Place => ({
  id,
  name: id,
  aliases: [],
  mentions: [mention],
  within,
  confidence: 1,
  source: "auto",
});

function event(narrated: number, story: number, part: Partial<StoryEvent>): StoryEvent {
  return {
    id: `e${narrated}`,
    narrated,
    story,
    verb: "see",
    kind: "perception",
    agent: null,
    patient: null,
    place: null,
    start: 100 * narrated,
    end: 100 * narrated + 3,
    sentence: [100 * narrated, 100 * narrated + 40],
    time: null,
    confidence: 1,
    source: "auto",
    ...part,
  };
}

const CHARACTERS = [
  character("stefan", "Ștefan", 2),
  character("ana", "Ana", 7),
  character("mut", "the mute", 1),
];
const PLACES = [place("castle", null), place("tower", "castle"), place("lost", "nowhere")];
const EVENTS = [
  event(0, 1, { agent: "ana", patient: "stefan", place: "castle" }),
  event(1, 2, { agent: "stefan", place: "tower" }),
  event(2, 0, { agent: "ana", place: "tower" }),
];
const FOUND: Found = {
  language: "en",
  scenes: [
    { id: "s0", start: 0, end: 149 },
    { id: "s1", start: 150, end: 400 },
    { id: "s2", start: 401, end: 500 },
  ],
  characters: CHARACTERS,
  places: PLACES,
  events: EVENTS,
  speeches: [],
  positions: {
    ana: [
      [0, "castle"],
      [2, "tower"],
    ],
    stefan: [
      [1, "tower"],
      [2, null],
    ],
    gone: [[0, "castle"]],
  },
  warnings: [],
  lost: [],
  revision: 1,
  state: "ready",
  stats: {},
  warning_keys: [],
  dismissed: [],
  people: new Map(CHARACTERS.map((each) => [each.id, each])),
  spots: new Map(PLACES.map((each) => [each.id, each])),
  entities: new Map<string, Character | Place>([...PLACES, ...CHARACTERS].map((each) => [each.id, each])),
  happenings: new Map(EVENTS.map((each) => [each.id, each])),
};

const tree = (view: View, order: "narrated" | "story" = "narrated") =>
  treeOf(view, FOUND, axisOf(EVENTS, FOUND.scenes, order), (number) => `Part ${number}`);
const shape = (nodes: readonly Node[]): unknown[] =>
  nodes.map((node) => (node.children().length === 0 ? node.name : [node.name, shape(node.children())]));
const keys = (rows: { node: Node }[]) => rows.map(({ node }) => node.key);

describe("the outline", () => {
  it("of characters has what each does and undergoes, the most mentioned first", () => {
    expect(shape(tree("characters"))).toEqual([
      ["Ana", ["Ana sees Ștefan at the castle", "Ana sees at the tower"]],
      ["Ștefan", ["Ana sees Ștefan at the castle", "Ștefan sees at the tower"]],
      "the mute",
    ]);
    expect(tree("characters").map(({ count }) => count)).toEqual([2, 2, 0]);
  });

  it("follows the chosen order", () => {
    expect(
      tree("characters", "story")[0]
        ?.children()
        .map(({ id }) => id),
    ).toEqual(["e2", "e0"]);
  });

  it("of places nests them, with who is there and what happens", () => {
    expect(shape(tree("places"))).toEqual([
      [
        "castle",
        [
          ["tower", ["Ana", "Ștefan", "Ștefan sees at the tower", "Ana sees at the tower"]],
          "Ana",
          "Ana sees Ștefan at the castle",
        ],
      ],
      "lost",
    ]);
  });

  it("of the timeline has scenes; in story order a scene may come twice, and an empty one not at all", () => {
    expect(shape(tree("timeline"))).toEqual([
      ["Part 1", ["Ana sees Ștefan at the castle", "Ștefan sees at the tower"]],
      ["Part 2", ["Ana sees at the tower"]],
      "Part 3",
    ]);
    expect(tree("timeline", "story").map(({ name }) => name)).toEqual(["Part 2", "Part 1"]);
  });

  it("has a key of its own for every row", () => {
    for (const view of ["characters", "places", "timeline"] as const) {
      const all = rowsOf(tree(view), new Set(["ana", "stefan", "castle", "castle/tower", "1:0", "2:2"]));
      expect(new Set(keys(all)).size).toBe(all.length);
    }
  });
});

describe("rows", () => {
  it("are closed at first, and opened one by one", () => {
    expect(rowsOf(tree("characters"), new Set()).map(({ node, open }) => [node.id, open])).toEqual([
      ["ana", false],
      ["stefan", false],
      ["mut", null],
    ]);
    const rows = rowsOf(tree("characters"), new Set(["stefan"]));
    expect(rows.map(({ node, level, place: at, of }) => [node.id, level, at, of])).toEqual([
      ["ana", 1, 1, 3],
      ["stefan", 1, 2, 3],
      ["e0", 2, 1, 2],
      ["e1", 2, 2, 2],
      ["mut", 1, 3, 3],
    ]);
  });

  it("make no children before they are opened", () => {
    let made = 0;
    const node: Node = {
      ...(tree("characters")[0] as Node),
      children: () => {
        made += 1;
        return [];
      },
    };
    rowsOf([node], new Set());
    expect(made).toBe(0);
    rowsOf([node], new Set([node.key]));
    expect(made).toBe(1);
  });
});

describe("a filter", () => {
  it("keeps what is called so with all below it, and the way to it", () => {
    const byName = filtered(tree("characters"), "STEFAN");
    expect(shape(byName.nodes)).toEqual([
      ["Ana", ["Ana sees Ștefan at the castle"]],
      ["Ștefan", ["Ana sees Ștefan at the castle", "Ștefan sees at the tower"]],
    ]);
    expect([...byName.open]).toEqual(["ana"]);
    expect([...filtered(tree("places"), "tower").open]).toEqual(["castle"]);
    expect(filtered(tree("characters"), "nobody").nodes).toEqual([]);
  });

  it("does not mind capitals, diacritics and the kind of apostrophe", () => {
    expect(folded("Ștefan’s ÎMPĂRAT")).toBe("stefan's imparat");
  });
});

describe("keys", () => {
  const closed = rowsOf(tree("characters"), new Set());
  const rows = rowsOf(tree("characters"), new Set(["ana"])); // ana e0 e2 stefan mut

  it("go up and down, and to the ends", () => {
    expect(stepOf(rows, 0, "ArrowDown")).toEqual({ to: "ana/e0" });
    expect(stepOf(rows, 0, "ArrowUp")).toEqual({ to: "ana" });
    expect(stepOf(rows, 1, "End")).toEqual({ to: "mut" });
    expect(stepOf(rows, 4, "ArrowDown")).toEqual({ to: "mut" });
    expect(stepOf(rows, 4, "Home")).toEqual({ to: "ana" });
  });

  it("open, go in, go out and close", () => {
    expect(stepOf(closed, 0, "ArrowRight")).toEqual({ open: "ana" });
    expect(stepOf(rows, 0, "ArrowRight")).toEqual({ to: "ana/e0" });
    expect(stepOf(rows, 2, "ArrowLeft")).toEqual({ to: "ana" });
    expect(stepOf(rows, 0, "ArrowLeft")).toEqual({ close: "ana" });
    expect(stepOf(rows, 4, "ArrowRight")).toEqual({ to: "mut" });
    expect(stepOf(closed, 0, "*")).toEqual({ openAll: ["ana", "stefan"] });
    expect(stepOf(rows, 0, "q")).toBeNull();
    expect(stepOf([], 0, "End")).toBeNull();
  });

  it("find what is typed, round the end, past an article", () => {
    expect(typedTo(rows, 0, "s")).toBe(3);
    expect(typedTo(rows, 3, "a")).toBe(0);
    expect(typedTo(rows, 0, "mu")).toBe(4);
    expect(typedTo(rows, 0, "ana s")).toBe(1);
    expect(typedTo(rows, 0, "zz")).toBeNull();
  });
});
