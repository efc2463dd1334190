import { EditorState } from "prosemirror-state";
import { describe, expect, test } from "vitest";
import { divide, editBetween, put } from "../src/editor/edits";
import { lengths } from "../src/editor/positions";
import { documentOf, textOf } from "../src/editor/schema";
import { pointsIn } from "../src/text/codepoints";
import {
  chunkStarts,
  LONGEST_CHUNK,
  LONGEST_PIECE,
  lookOf,
  parsed,
  serialised,
  softBreaks,
} from "../src/text/paragraphs";
import { applied, random, randomEdit, randomText } from "./random";

describe("a text and its paragraphs", () => {
  test("are the same text, whatever it is", { timeout: 30_000 }, () => {
    const next = random(2);
    for (let round = 0; round < 1000; round++) {
      const text = randomText(next, 20);
      expect(serialised(parsed(text))).toBe(text);
      const document = documentOf(text);
      document.check();
      expect(textOf(document)).toBe(text);
      expect(lengths(document).points).toBe(pointsIn(text));
    }
  });

  test("are runs of lines that are not empty", () => {
    expect(parsed("\n One\ntwo \n \t\nThree\n")).toEqual({
      paragraphs: [
        { gap: "\n", text: " One\ntwo " },
        { gap: "\n \t\n", text: "Three" },
      ],
      tail: "\n",
    });
    expect(parsed(" \n ")).toEqual({ paragraphs: [], tail: " \n " });
    expect(parsed("# One\nHere.\n***\nThere.").paragraphs.map((each) => each.text)).toEqual([
      "# One",
      "Here.",
      "***",
      "There.",
    ]);
  });

  test("are cut into pieces where they are long, between characters", () => {
    for (const text of [
      "word ".repeat(9000),
      "x".repeat(50_000),
      "👩‍👩‍👧".repeat(9000),
      "A line\n".repeat(9000),
    ]) {
      const { paragraphs } = parsed(text);
      expect(paragraphs.length).toBeGreaterThan(5);
      for (const each of paragraphs) {
        expect(each.text.length).toBeLessThanOrEqual(LONGEST_PIECE);
        expect(each.text.isWellFormed()).toBe(true);
      }
      expect(textOf(documentOf(text))).toBe(text);
    }
  });

  test("make chunks that are never long, and begin at headings", () => {
    const scene = `# Scene\n\n${"It rained all day. ".repeat(150)}\n\n`;
    const { paragraphs } = parsed(scene.repeat(30) + "A long one. ".repeat(20_000));
    const starts = chunkStarts(paragraphs);
    starts.forEach((start, index) => {
      const part = paragraphs.slice(start, starts[index + 1]);
      expect(serialised({ paragraphs: part, tail: "" }).length).toBeLessThanOrEqual(LONGEST_CHUNK);
      if (index < 30) expect(part[0]?.text).toBe("# Scene");
    });
  });
});

test("headings and breaks are known by their line", () => {
  for (const each of [
    "# One",
    "Chapter 12",
    "CHAPTER I. Down the Rabbit-Hole",
    "Capitolul al doilea",
    "IV.",
    "Epilog",
  ])
    expect(lookOf(each), each).toBe("heading");
  for (const each of ["***", "* * *", "---", "⁂", "#"]) expect(lookOf(each), each).toBe("break");
  for (const each of ["Part one of the plan had failed.", "It was late.", "I", "- a list", ""])
    expect(lookOf(each) === "break", each).toBe(false);
  expect(lookOf("Part one of the plan had failed.")).toBe("text");
});

describe("edits of the document", () => {
  test("give the same text as edits of the text, and are found again", { timeout: 30_000 }, () => {
    const next = random(3);
    for (let round = 0; round < 120; round++) {
      let text = randomText(next, 25);
      let state = EditorState.create({ doc: documentOf(text) });
      for (let each = 0; each < 8; each++) {
        const edit = randomEdit(next, text);
        const transaction = put(state.tr, edit);
        transaction.doc.check();
        const wanted = applied(text, edit);
        expect(textOf(transaction.doc)).toBe(wanted);
        const found = editBetween(state.doc, transaction.doc);
        expect(found === null ? text : applied(text, found)).toBe(wanted);
        text = wanted;
        state = state.apply(transaction);
      }
    }
  });

  test("go across chunks", () => {
    const next = random(4);
    let text = Array.from({ length: 60 }, (_, index) => `${"A sentence. ".repeat(60)}🐚 ${index}`).join(
      "\n\n",
    );
    let state = EditorState.create({ doc: documentOf(text) });
    expect(state.doc.childCount).toBeGreaterThan(3);
    for (let round = 0; round < 60; round++) {
      const size = pointsIn(text);
      const start = next(size);
      const edit = {
        start,
        end: Math.min(size, start + next(9000)),
        text: randomText(next, 6).repeat(next(3) * 40),
      };
      const transaction = divide(put(state.tr, edit));
      transaction.doc.check();
      const wanted = applied(text, edit);
      expect(textOf(transaction.doc)).toBe(wanted);
      const found = editBetween(state.doc, transaction.doc);
      expect(found === null ? text : applied(text, found)).toBe(wanted);
      [text, state] = [wanted, state.apply(transaction)];
    }
  });

  test("leave paragraphs that they do not touch as they are", () => {
    const document = documentOf("One.\n\nTwo.\n\nThree.\n\nFour.");
    const after = put(EditorState.create({ doc: document }).tr, { start: 8, end: 13, text: "x\n\ny" }).doc;
    expect(after.child(0).child(0)).toBe(document.child(0).child(0));
    expect(after.child(0).child(after.child(0).childCount - 1)).toBe(document.child(0).child(3));
  });

  test("divide a chunk that has grown too long", () => {
    const state = EditorState.create({ doc: documentOf("Here.") });
    const long = `${"A paragraph. ".repeat(30)}\n\n`;
    const transaction = divide(put(state.tr, { start: 5, end: 5, text: long.repeat(400) }));
    expect(transaction.doc.childCount).toBeGreaterThan(8);
    expect(textOf(transaction.doc)).toBe(`Here.${long.repeat(400)}`);
  });
});

test("line ends of text that was wrapped by hand are soft, those of verse and lists are not", () => {
  const prose =
    "Call me Ishmael. Some years ago--never mind how long\nprecisely--having little or no money in my purse, and\nnothing particular to do.";
  expect(softBreaks(prose)).toEqual([52, 106]);
  expect(softBreaks("Tyger Tyger, burning bright,\nIn the forests of the night;")).toEqual([]);
  expect(
    softBreaks("— Where are you going, my dear and only friend?\n— To the mill, as I told you."),
  ).toEqual([]);
  const verse =
    "Of Mans First Disobedience, and the Fruit of that\nForbidden Tree, whose mortal tast brought Death\nInto the";
  expect(softBreaks(verse)).toEqual([]);
  expect(softBreaks("One line.")).toEqual([]);
});
