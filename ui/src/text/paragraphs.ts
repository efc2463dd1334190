// A text as paragraphs and what lies between them, put together again to exactly the same text; and how many paragraphs
// belong together in one chunk of the editor.

export interface Paragraph {
  /** What lies before it: from the end of the paragraph before, or the text's beginning. */
  gap: string;
  text: string;
}

export interface Parsed {
  paragraphs: Paragraph[];
  /** What lies after the last one. */
  tail: string;
}

export type Look = "text" | "heading" | "break";

/** Longer paragraphs are shown in several pieces, in UTF-16 units: a browser lays a piece out as a whole at every key. */
export const LONGEST_PIECE = 6_000;
/** A chunk ends before it would be longer. */
export const LONGEST_CHUNK = 6_500;
/** A heading begins a new chunk unless the one before it were shorter. */
const SHORTEST_CHUNK = 1_500;

const BLANK = /^\s*$/;
// What the story's own reading takes for a heading or a break (gnomon.story.segmentation), as far as looks need it.
const BREAK =
  /^[ \t]*(?:#|\*|⁂|\*(?:[ \t]*\*)+|-(?:[ \t]*-){2,}|_(?:[ \t]*_){2,}|~(?:[ \t]*~){2,}|[•◆❦☙]+)[ \t\r]*$/;
const MARKED = /^[ \t]*#{1,6}[ \t]+\S/;
const ROMAN = /^[ \t]*[IVXLC]{1,8}\.?[ \t\r]*$/;
const NUMBER =
  "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|first|second|third|fourth|fifth|last|the|unu|doi|trei|patru|cinci|șase|şase|șapte|şapte|opt|nouă|zece|întâi|întîi|prima|al|a";
const TITLED = new RegExp(
  `^[ \\t]*(?:(?:chapter|book|part|volume|act|scene|canto|adventure|letter|stave|capitolul|capitol|partea|cartea|volumul|actul|scena)[ \\t]+(?:\\d+|[ivxlcdm]+|(?:${NUMBER})(?:[ -][\\p{L}]+)?)(?![\\p{L}\\p{N}'’-])([^\\n]*)|(?:prologue|epilogue|prolog|epilog|prologul|epilogul|foreword|afterword)[.:]?)[ \\t\\r]*$`,
  "iu",
);
const SPECIAL = /^[ \t#*\-_~⁂•◆❦☙]/u;

/** What a paragraph is shown as. */
export function lookOf(paragraph: string): Look {
  const end = paragraph.indexOf("\n");
  const line = end < 0 ? paragraph : paragraph.slice(0, end);
  if (line.length > 120) return "text";
  if (end < 0 && BREAK.test(line)) return "break";
  if (MARKED.test(line) || ROMAN.test(line)) return "heading";
  const titled = TITLED.exec(line);
  if (titled === null) return "text";
  const rest = (titled[1] ?? "").trim();
  const plain = rest === "" || /^[.:,—–\-)]/.test(rest) || (/^\p{Lu}/u.test(rest) && !/[.!?,;]$/.test(rest));
  if (end >= 0 && /[.,;!?—]|--/.test(rest.replace(/^[ .:,—–\-)]+/, ""))) return "text";
  return plain ? "heading" : "text";
}

/** Maximal runs of lines that are not empty; a marked heading and a break stand alone. */
export function parsed(text: string): Parsed {
  const paragraphs: Paragraph[] = [];
  let done = 0;
  let run = -1;
  let last = 0;
  const close = (end: number) => {
    if (run >= 0) {
      push(paragraphs, text.slice(done, run), text.slice(run, end));
      done = end;
    }
    run = -1;
  };
  for (let at = 0; at <= text.length; ) {
    const found = text.indexOf("\n", at);
    const end = found < 0 ? text.length : found;
    const line = end - at > 400 ? text.slice(at, at + 400) : text.slice(at, end);
    if (BLANK.test(line) && (end - at <= 400 || BLANK.test(text.slice(at, end)))) close(last);
    else if (SPECIAL.test(line) && end - at <= 400 && (BREAK.test(line) || MARKED.test(line))) {
      close(last);
      run = at;
      close(end);
    } else {
      if (run < 0) run = at;
      last = end;
    }
    at = end + 1;
  }
  close(last);
  return { paragraphs, tail: text.slice(done) };
}

function push(paragraphs: Paragraph[], gap: string, text: string): void {
  let [before, rest] = [gap, text];
  while (rest.length > LONGEST_PIECE) {
    const { end, gap: between } = cut(rest);
    paragraphs.push({ gap: before, text: rest.slice(0, end) });
    before = between;
    rest = rest.slice(end + between.length);
  }
  paragraphs.push({ gap: before, text: rest });
}

/** Where a long paragraph is cut: at a line's end if there is one, at a sentence's, at a word's, or anywhere. */
function cut(text: string): { end: number; gap: string } {
  const part = text.slice(0, LONGEST_PIECE);
  const line = part.lastIndexOf("\n");
  if (line > LONGEST_PIECE / 4) return { end: line, gap: "\n" };
  const sentence = Math.max(...[". ", "? ", "! ", "” ", '" '].map((each) => part.lastIndexOf(each) + 2));
  if (sentence > LONGEST_PIECE / 4) return { end: sentence, gap: "" };
  const word = part.lastIndexOf(" ") + 1;
  if (word > LONGEST_PIECE / 4) return { end: word, gap: "" };
  // Between two letters: not inside a pair, nor before what joins the letter before it.
  let end = LONGEST_PIECE;
  while (end > 1 && /^(?:\p{M}|\u200d|\ufe0f|\p{Emoji_Modifier})/u.test(text.slice(end, end + 2))) end--;
  if (text.charCodeAt(end) >= 0xdc00 && text.charCodeAt(end) < 0xe000) end--;
  return { end, gap: "" };
}

export const serialised = ({ paragraphs, tail }: Parsed) =>
  paragraphs.map((each) => each.gap + each.text).join("") + tail;

/** The first paragraph of each chunk: at headings and breaks, and where a chunk would be too long. */
export function chunkStarts(paragraphs: readonly Paragraph[]): number[] {
  const starts: number[] = [];
  let size = 0;
  paragraphs.forEach(({ gap, text }, index) => {
    const own = gap.length + text.length;
    const before = paragraphs[index - 1];
    const begins =
      size >= SHORTEST_CHUNK &&
      lookOf(text) !== "text" &&
      before !== undefined &&
      lookOf(before.text) === "text";
    if (index === 0 || begins || size + own > LONGEST_CHUNK) {
      starts.push(index);
      size = 0;
    }
    size += own;
  });
  return starts;
}

/** The length of lines that were wrapped by hand, in UTF-16 units; verse has shorter ones. */
const [SHORTEST_LINE, LONGEST_LINE] = [45, 100];

/**
 * The line ends of a paragraph that was wrapped by hand, as in Project Gutenberg's texts: they are shown as spaces. None
 * for verse, lists, and lines of a dialogue.
 */
export function softBreaks(text: string): number[] {
  const lines = text.split("\n");
  if (lines.length < 2) return [];
  const full = lines
    .slice(0, -1)
    .filter((each) => each.length >= SHORTEST_LINE && each.length <= LONGEST_LINE);
  const capitals = lines.filter((each) => /^\W*\p{Lu}/u.test(each));
  if (full.length < 0.6 * (lines.length - 1) || (lines.length > 2 && capitals.length === lines.length))
    return [];
  const found: number[] = [];
  let end = 0;
  lines.slice(0, -1).forEach((line, index) => {
    end += line.length;
    const next = lines[index + 1] as string;
    if (line.length >= SHORTEST_LINE && !/^(?:[\s—–•*]|- )/.test(next)) found.push(end);
    end++;
  });
  return found;
}
