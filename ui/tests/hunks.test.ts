import { describe, expect, it } from "vitest";
import type { Fact, Hunk, Intent, Suggestion } from "../src/api/types";
import {
  canTake,
  context,
  madeOf,
  nextHunk,
  onlyShows,
  openSuggestions,
  takenByAll,
  usualReason,
  waysOf,
  wordDiff,
  wordsSoFar,
} from "../src/panels/hunks";
import { cell } from "../src/panels/reportCells";
import {
  amount,
  factSentence,
  describe as inWords,
  type Lexicon,
  overruled,
  stepName,
} from "../src/panels/wording";

const hunk = (id: string, before: string, after: string, more: Partial<Hunk> = {}): Hunk => ({
  id,
  start: 0,
  end: before.length,
  before,
  after,
  reason: "",
  unintended: false,
  optional: false,
  ...more,
});

const suggestion = (id: string, hunks: Hunk[], more: Partial<Suggestion> = {}): Suggestion => ({
  id,
  intent: { op: "rename", target: "anna", to: "Ada" },
  hunks,
  provider: "builtin",
  notes: [],
  alternatives: [],
  usage: {},
  state: "open",
  revision: 1,
  time: "2026-01-01T00:00:00",
  ...more,
});

const shown = (before: string, after: string) =>
  wordDiff(before, after)
    .map(({ kind, text }) => ({ same: text, gone: `[-${text}-]`, new: `{+${text}+}` })[kind])
    .join("");

describe("word by word", () => {
  it("only what differs is marked", () => {
    expect(shown("Anna left.", "Ada left.")).toBe("[-Anna-]{+Ada+} left.");
    expect(shown("She went to the old mill.", "She went into the mill.")).toBe(
      "She went [-to-]{+into+} the[- old-] mill.",
    );
    expect(shown("", "Anna thanked Marcus.")).toBe("{+Anna thanked Marcus.+}");
    expect(shown("gone", "")).toBe("[-gone-]");
  });

  it("words changed one after the other are one change", () => {
    expect(shown("in the garden today", "at her house today")).toBe(
      "[-in the garden-]{+at her house+} today",
    );
  });

  it("both sides can be had back, whatever the letters", () => {
    const texts = ["", "Ștefan’s  pâine — «da»!", "👩‍👧 și\nȘtefan", "a b a b a", "b a b a", "x".repeat(50)];
    for (const before of texts)
      for (const after of texts) {
        const found = wordDiff(before, after);
        const side = (kind: "gone" | "new") =>
          found
            .flatMap((piece) => (piece.kind === "same" || piece.kind === kind ? [piece.text] : []))
            .join("");
        expect(side("gone")).toBe(before);
        expect(side("new")).toBe(after);
      }
  });

  it("a whole scene is compared in a moment", () => {
    const scene = Array.from({ length: 4000 }, (_, index) => `word${index}`).join(" ");
    const begin = performance.now();
    expect(wordDiff(scene, scene.split(" ").reverse().join(" ")).length).toBeGreaterThan(1);
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});

describe("taking", () => {
  it("all takes neither what was not asked for, nor what may be meant, nor what cannot be taken", () => {
    const all = suggestion("s", [
      hunk("a", "Anna", "Ada"),
      hunk("b", "Reed", "Hill", { optional: true }),
      hunk("c", "x", "y", { unintended: true }),
      hunk("d", "Anna", "Ada", { changed: true }),
      hunk("e", "Anna", "Ada", { decision: "accepted" }),
      hunk("f", "here", "here"),
    ]);
    expect(takenByAll(all).map((each) => each.id)).toEqual(["a"]);
    expect(all.hunks.filter(canTake).map((each) => each.id)).toEqual(["a", "b", "c"]);
    expect(all.hunks.filter(onlyShows).map((each) => each.id)).toEqual(["f"]);
  });

  it("the keyboard goes from hunk to hunk and stays at the ends", () => {
    const hunks = [hunk("a", "x", "y"), hunk("b", "x", "y")];
    expect(nextHunk(hunks, null, 1)).toBe("a");
    expect(nextHunk(hunks, "a", 1)).toBe("b");
    expect(nextHunk(hunks, "b", 1)).toBe("b");
    expect(nextHunk(hunks, "a", -1)).toBe("a");
    expect(nextHunk([], null, 1)).toBeNull();
  });

  it("open ones come first, the newest of them at the top", () => {
    const all = [suggestion("1", []), suggestion("2", [], { state: "decided" }), suggestion("3", [])];
    expect(openSuggestions(all).map((each) => each.id)).toEqual(["3", "1"]);
  });

  it("other ways of the same wish are found again, and not asked for twice", () => {
    const [one, two] = [[hunk("h", "x", "y")], [hunk("h", "x", "z")]];
    const first = suggestion("1", one, { alternatives: [two] });
    const second = suggestion("2", two, { alternatives: [one] });
    const other = suggestion("3", one, { intent: { op: "remove_character", target: "anna" } });
    expect(waysOf(first, [first, second, other]).map((each) => each.id)).toEqual(["1", "2"]);
    expect(madeOf(first, 0, [first, second])?.id).toBe("2");
    expect(madeOf(first, 0, [first])).toBeNull();
  });
});

it("a report's figures are short, with their interval", () => {
  expect(cell({ value: 0.456, low: 0.34, high: 0.571, n: 9 }, "share of speech")).toBe("46\u00a0% (34–57)");
  expect(cell({ value: null, low: null, high: null, n: 1, reason: "one scene" }, "agency")).toBe("–");
  expect(cell(12, "mentions")).toBe("12");
  expect(cell(1.236, "active per 100 mentions")).toBe("1.24");
  expect(cell(null, "scene")).toBe("–");
});

it("of facts on one thing the latest stands", () => {
  const fact = (id: number, kind: Fact["kind"], subject: string, value: string | null): Fact => ({
    id,
    kind,
    subject,
    value,
    lost: false,
  });
  const facts = [
    fact(1, "gender", "anna", "m"),
    fact(2, "alias", "anna", "Annie"),
    fact(3, "gender", "anna", "f"),
    fact(4, "alias", "anna", "Nan"),
    fact(5, "gender", "marcus", "m"),
  ];
  expect([...overruled(facts)]).toEqual([1]);
});

it("of an answer that is still being written only the words are shown", () => {
  const whole = JSON.stringify({ text: 'She said: "No."\nȘtefan 👩 \\ left.' });
  let before = "";
  for (let length = 0; length <= whole.length; length++) {
    const now = wordsSoFar(whole.slice(0, length));
    expect(now.startsWith(before)).toBe(true);
    before = now;
  }
  expect(before).toBe('She said: "No."\nȘtefan 👩 \\ left.');
  expect(wordsSoFar("no JSON at all")).toBe("no JSON at all");
});

it("a reason that most have is said once", () => {
  const reasons = (...given: string[]) =>
    usualReason(given.map((reason, index) => hunk(`h${index}`, "a", "b", { reason })));
  expect(reasons("the name", "the name", "the title")).toBe("the name");
  expect(reasons("the name", "the title")).toBe("");
  expect(reasons("the name")).toBe("");
});

it("context ends at a word and at a paragraph", () => {
  expect(context("One.\n\nTwo\nthree ", "before")).toBe("Two three ");
  expect(context("aaaa bbbb cccc", "before", 6)).toBe("…cccc");
  expect(context(" four\nfive.\n \nSix", "after")).toBe(" four five.");
  expect(context("One.\n\n", "before")).toBe("");
  expect(context("aaaa bbbb cccc", "after", 6)).toBe("aaaa…");
});

describe("in words", () => {
  const names: Record<string, string> = { anna: "Anna", marcus: "Marcus", garden: "garden" };
  const lexicon: Lexicon = {
    entity: (id) => names[id] ?? null,
    event: (id) => (id === "e1" ? "Anna kisses Marcus" : null),
    scene: (id) => (id === "s2" ? 2 : null),
  };

  it("every intent is a line that names what it is about", () => {
    const lines: [Intent, string][] = [
      [{ op: "rename", target: "anna", to: "Ada" }, "Rename Anna to Ada"],
      [{ op: "swap_roles", event: "e1" }, "Swap the roles in “Anna kisses Marcus”"],
      [{ op: "remove_event", event: "gone" }, "Remove an event"],
      [{ op: "move_scene", scene: "s2", before: "?" }, "Move scene 2 before a scene"],
      [{ op: "move_character", target: "anna", place: "garden" }, "Move Anna to garden"],
      [{ op: "add_event", agent: "anna", verb: "thank", patient: "marcus" }, "Add: Anna “thank” Marcus"],
      [{ op: "rename", target: "anna", to: "Ada", highlight: true }, "Show only: rename Anna to Ada"],
    ];
    for (const [intent, line] of lines) expect(inWords(intent, lexicon)).toBe(line);
  });

  it("facts are sentences, steps and amounts are plain", () => {
    const quote = { start: 0, end: 6, quote: "kissed", before: "", after: "" };
    expect(factSentence({ id: 1, kind: "agent", subject: quote, value: "anna", lost: false }, lexicon)).toBe(
      "Anna is who does “kissed”.",
    );
    expect(factSentence({ id: 1, kind: "gender", subject: "anna", value: "f", lost: false }, lexicon)).toBe(
      "Anna is she.",
    );
    expect(
      factSentence({ id: 1, kind: "merge", subject: "old-woman", value: "anna", lost: false }, lexicon),
    ).toBe("Old Woman and Anna are one.");
    expect(stepName("edit", 3)).toBe("You typed, 3 times");
    expect(stepName("decision", 1, true)).toBe("Taken from a suggestion");
    expect(stepName("decision", 1, false)).toBe("Left a suggestion");
    expect(amount(120, 4)).toBe("+120 −4");
    expect(amount(0, 0)).toBe("");
  });
});
