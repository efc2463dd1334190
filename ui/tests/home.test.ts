// What the home page says of stories, and which files it takes.

import { describe, expect, it } from "vitest";
import type { StoryRow } from "../src/api/types";
import { FILES, found, language, pathOfStory, refusal, titleOf } from "../src/home/stories";

describe("files", () => {
  it("are taken by their ending, whatever its case", () => {
    for (const ending of FILES) expect(refusal(`draft${ending.toUpperCase()}`, 1000)).toBeNull();
    expect(refusal("my.draft.md", 1000)).toBeNull();
  });

  it("are refused in one sentence before they are sent", () => {
    expect(refusal("picture.png", 10)).toContain("“picture.png” is not a kind of file that stories come in");
    expect(refusal("draft", 10)).toContain("not a kind of file");
    expect(refusal("draft.md", 21_000_000)).toContain("larger than 20 MB");
  });
});

describe("a title", () => {
  it("is the first heading or line of a pasted text", () => {
    expect(titleOf("\n\n# The Mill\n\nIt was late.")).toBe("The Mill");
    expect(titleOf("  Ana pleca.\nApoi")).toBe("Ana pleca.");
    expect(titleOf("\n \n")).toBe("");
  });

  it("is cut at a word", () => {
    const cut = titleOf(`${"ăsta este ".repeat(12)}`);
    expect(cut.length).toBeLessThanOrEqual(61);
    expect(cut.endsWith("este…") || cut.endsWith("ăsta…")).toBe(true);
  });
});

describe("the list", () => {
  const row = (title: string, path = "x.gnomon"): StoryRow => ({
    id: title,
    title,
    language: "en",
    words: 10,
    modified: "2026-11-24T12:00:00Z",
    path,
    open: false,
  });

  it("is searched by words in the title or the file's name", () => {
    const rows = [row("Cheia de la moară"), row("The Green Ledger"), row("", "moara-veche.gnomon")];
    expect(found(rows, "MOARĂ cheia").map(({ id }) => id)).toEqual(["Cheia de la moară"]);
    expect(found(rows, "moara")).toHaveLength(1);
    expect(found(rows, " ")).toHaveLength(3);
  });

  it("names languages", () => {
    expect(language("ro")).toBe("Romanian");
    expect(language(null)).toBe("");
    expect(language("not a code")).toBe("not a code");
    expect(pathOfStory("a b/c")).toBe("/story/a%20b%2Fc");
  });
});
