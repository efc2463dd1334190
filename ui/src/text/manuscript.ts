// What the rest of the page may ask of the text on the screen. Positions are code points; the editors below
// (src/editor) keep it in step with what is typed.

import type { Span, TextEdit } from "../api/types";

export interface Manuscript {
  /** Length of the text as it is on the screen. */
  readonly length: number;
  /** The text of a span. */
  slice(start: number, end: number): string;
  /** Where a span of the text at `revision` lies now; null where all of it is gone, or `revision` is not known any more. */
  now(span: Span, revision: number): Span | null;
  /** Scroll to a span and flash it; with `focus`, the caret goes to its beginning. */
  reveal(span: Span, options?: { focus?: boolean }): void;
  /** What is selected or where the caret is, if it is in the manuscript. */
  selection(): Span | null;
  /** Change the text as if it was typed: edits one after the other. */
  apply(edits: readonly TextEdit[]): void;
  /** Send what is typed and not yet sent; resolves when it is on the disk, with the revision it makes. */
  flush(): Promise<number>;
}
