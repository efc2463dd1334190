// Stories as the home page knows them: how one begins, and what is said of each.

import { ApiError, post, request } from "../api/client";
import type { Id, StoryRow } from "../api/types";
import { ask } from "../parts/ask";

/** The files that a story can be read from. */
export const FILES = [
  ".md",
  ".markdown",
  ".txt",
  ".text",
  ".docx",
  ".epub",
  ".fountain",
  ".html",
  ".htm",
  ".xhtml",
];

/** Why a file cannot be opened, before it is sent; null where it can be tried. */
export function refusal(name: string, size: number): string | null {
  const ending = /\.[^.]+$/.exec(name)?.[0]?.toLowerCase() ?? "";
  if (!FILES.includes(ending))
    return `“${name}” is not a kind of file that stories come in: Markdown, plain text, Word (.docx), EPUB, Fountain or HTML.`;
  if (size > LARGEST) return `“${name}” is larger than 20 MB; a novel's text is about one.`;
  return null;
}

const LARGEST = 20_000_000;

interface Begun {
  id: Id;
}

export const fromText = (title: string, text: string) => post<Begun>("/api/stories", { title, text });
export const fromSample = (sample: string) => post<Begun>("/api/stories", { sample });

const ENCODINGS = ["windows-1250", "windows-1252", "iso-8859-2", "iso-8859-16", "utf-16"];

/** A story from a file. One that is not UTF-8 is read in the encoding that the writer names: none is guessed. */
export async function fromFile(file: File): Promise<Begun> {
  const no = refusal(file.name, file.size);
  if (no !== null) throw new Error(no);
  const form = new FormData();
  form.append("file", file);
  for (;;) {
    try {
      const answer = await request("POST", "/api/stories", form);
      return (await answer.json()) as Begun;
    } catch (fault) {
      if (!(fault instanceof ApiError) || !/encoding/.test(fault.message)) throw fault;
      const label = `${fault.message} Its encoding`;
      const named = await ask({
        title: `How is ${file.name} written?`,
        label,
        offers: ENCODINGS,
        action: "Open",
      });
      if (named === null) throw fault;
      form.set("encoding", named);
    }
  }
}

/** A title for pasted text without one: its first heading or line, cut at a word. */
export function titleOf(text: string): string {
  const line = text
    .split("\n")
    .map((each) => each.replace(/^#+\s*/, "").trim())
    .find((each) => each !== "");
  if (line === undefined) return "";
  if (line.length <= 60) return line;
  const cut = line.slice(0, 60);
  return `${cut.slice(0, Math.max(20, cut.lastIndexOf(" ")))}…`;
}

const NAMES = new Intl.DisplayNames("en", { type: "language" });

/** A language's name: "ro" is "Romanian". */
export function language(code: string | null): string {
  if (code === null) return "";
  try {
    return NAMES.of(code) ?? code;
  } catch {
    return code;
  }
}

export const pathOfStory = (id: Id) => `/story/${encodeURIComponent(id)}`;

/** Stories whose title has every word of the search, in the order they came. */
export function found(rows: readonly StoryRow[], search: string): StoryRow[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const text = `${row.title} ${row.path}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
