// What the keys do where the browser does not know: between paragraphs, and for the story as a whole.

import { keymap } from "prosemirror-keymap";
import type { Node, ResolvedPos } from "prosemirror-model";
import { type Command, type EditorState, TextSelection, type Transaction } from "prosemirror-state";
import type { TextEdit } from "../api/types";
import { pointsIn } from "../text/codepoints";
import { put } from "./edits";
import { type Located, locate, paragraphAfter, paragraphBefore, placeAt, pointAt } from "./positions";
import { BETWEEN, gapOf, schema } from "./schema";
import { WHOLE } from "./wrapped";

const located = ($pos: ResolvedPos): Located => locate($pos.doc, $pos.index(0), $pos.index(1));

const startOf = ({ place }: Located) => place + 1;
const endOf = ({ place, node }: Located) => place + 1 + node.content.size;

const words = new Intl.Segmenter(undefined, { granularity: "word" });
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** A new paragraph. In one that is empty there is nothing to part: two strokes make one paragraph too. */
const split: Command = (state, dispatch) => {
  const { $from, empty } = state.selection;
  if (empty && $from.parent.content.size === 0) return true;
  const transaction = state.tr.deleteSelection();
  const type = schema.nodes.paragraph as Node["type"];
  dispatch?.(
    transaction.split(transaction.selection.from, 1, [{ type, attrs: { gap: BETWEEN } }]).scrollIntoView(),
  );
  return true;
};

const breakLine: Command = (state, dispatch) => {
  dispatch?.(state.tr.insertText("\n").scrollIntoView());
  return true;
};

const deleteSelection: Command = (state, dispatch) => {
  if (state.selection.empty) return false;
  dispatch?.(state.tr.deleteSelection().scrollIntoView());
  return true;
};

/** Take away what lies between two paragraphs; of more than one empty line, first what is more. */
function join(state: EditorState, first: Located, second: Located, last: boolean): Transaction {
  const gap = gapOf(second.node);
  const transaction = state.tr;
  if (gap.split("\n").length > 3) return transaction.setNodeMarkup(second.place, null, { gap: BETWEEN });
  if (gap !== "" || first.node.content.size === 0 || second.node.content.size === 0)
    return transaction.delete(endOf(first), startOf(second));
  // Two pieces of one paragraph: the character beside the border goes.
  if (last) {
    const cluster = [...graphemes.segment(first.node.textContent.slice(-64))].at(-1)?.segment ?? "";
    return transaction.delete(endOf(first) - cluster.length, endOf(first));
  }
  const cluster = [...graphemes.segment(second.node.textContent.slice(0, 64))][0]?.segment ?? "";
  return transaction.delete(startOf(second), startOf(second) + cluster.length);
}

const isLineEnd = ($pos: ResolvedPos, offset: number) =>
  offset >= 0 && offset < $pos.parent.content.size && $pos.parent.textBetween(offset, offset + 1) === "\n";

/** Whether a place has a line end on one side. */
export const besideLineEnd = ($pos: ResolvedPos) =>
  isLineEnd($pos, $pos.parentOffset - 1) || isLineEnd($pos, $pos.parentOffset);

/** How long the first character of a text is, or with `word` the first word and what stands before it. */
function sizeOf(text: string, way: -1 | 1, word: boolean): number {
  const parts = [...(word ? words : graphemes).segment(text)];
  if (way < 0) parts.reverse();
  const last = word ? parts.findIndex((each) => each.isWordLike) : 0;
  return parts.slice(0, last + 1).reduce((sum, each) => sum + each.segment.length, 0);
}

/** Take a character or a word away where a line end is near: the browser would change that too. */
const deleteNear =
  (way: -1 | 1, word = false): Command =>
  (state, dispatch) => {
    const { $from, empty } = state.selection;
    const { parent, parentOffset: at } = $from;
    if (!empty) return false;
    const [start, end] = way < 0 ? [Math.max(0, at - 99), at] : [at, Math.min(parent.content.size, at + 99)];
    const size = sizeOf(parent.textBetween(start, end), way, word);
    const [from, to] = way < 0 ? [at - size, at] : [at, at + size];
    if (
      size === 0 ||
      !parent.textBetween(Math.max(0, from - 1), Math.min(parent.content.size, to + 1)).includes("\n")
    )
      return false;
    dispatch?.(state.tr.delete($from.start() + from, $from.start() + to).scrollIntoView());
    return true;
  };

const joinBefore: Command = (state, dispatch) => {
  const { $from, empty } = state.selection;
  if (!empty || $from.parentOffset > 0) return false;
  const here = located($from);
  const before = paragraphBefore(state.doc, here);
  if (before !== null) dispatch?.(join(state, before, here, true).scrollIntoView());
  else if (gapOf(here.node) !== "") dispatch?.(state.tr.setNodeMarkup(here.place, null, { gap: "" }));
  return true;
};

const joinAfter: Command = (state, dispatch) => {
  const { $from, empty } = state.selection;
  if (!empty || $from.parentOffset < $from.parent.content.size) return false;
  const here = located($from);
  const after = paragraphAfter(state.doc, here);
  if (after !== null) dispatch?.(join(state, here, after, false).scrollIntoView());
  return true;
};

const chain =
  (...commands: Command[]): Command =>
  (state, dispatch, view) =>
    commands.some((each) => each(state, dispatch, view));

function whole(document: Node): [number, number] {
  const last = locate(document, document.childCount - 1, (document.lastChild?.childCount ?? 1) - 1);
  return [startOf(locate(document, 0, 0)), endOf(last)];
}

const selectAll: Command = (state, dispatch) => {
  const [from, to] = whole(state.doc);
  dispatch?.(state.tr.setSelection(TextSelection.create(state.doc, from, to)));
  return true;
};

const goTo =
  (end: boolean, extend: boolean): Command =>
  (state, dispatch) => {
    const head = whole(state.doc)[end ? 1 : 0];
    const anchor = extend ? state.selection.anchor : head;
    dispatch?.(state.tr.setSelection(TextSelection.create(state.doc, anchor, head)).scrollIntoView());
    return true;
  };

/** What is selected, as a span of the text. */
export function selectedSpan(state: EditorState): TextEdit {
  const { from, to } = state.selection;
  return { start: pointAt(state.doc, from), end: pointAt(state.doc, to), text: "" };
}

/** Put text in place of what is selected, the caret after it. */
export function replaceSelection(state: EditorState, text: string): Transaction {
  const span = selectedSpan(state);
  const transaction = put(state.tr, { ...span, text }).setMeta(WHOLE, text.includes("\n"));
  const caret = placeAt(transaction.doc, span.start + pointsIn(text), "after");
  return transaction.setSelection(TextSelection.create(transaction.doc, caret)).scrollIntoView();
}

export function keys(history: { undo: () => void; redo: () => void }) {
  const doing =
    (what: () => void): Command =>
    () => {
      what();
      return true;
    };
  const back = chain(deleteSelection, joinBefore);
  const forward = chain(deleteSelection, joinAfter);
  const bindings: Record<string, Command> = {
    Enter: split,
    "Mod-Enter": split,
    "Shift-Enter": breakLine,
    Backspace: chain(back, deleteNear(-1)),
    "Mod-Backspace": chain(back, deleteNear(-1, true)),
    "Shift-Backspace": chain(back, deleteNear(-1)),
    "Alt-Backspace": chain(back, deleteNear(-1, true)),
    Delete: chain(forward, deleteNear(1)),
    "Mod-Delete": chain(forward, deleteNear(1, true)),
    "Alt-Delete": chain(forward, deleteNear(1, true)),
    "Mod-a": selectAll,
    "Mod-z": doing(history.undo),
    "Mod-y": doing(history.redo),
    "Shift-Mod-z": doing(history.redo),
    "Ctrl-Home": goTo(false, false),
    "Ctrl-End": goTo(true, false),
    "Shift-Ctrl-Home": goTo(false, true),
    "Shift-Ctrl-End": goTo(true, true),
    "Cmd-Home": goTo(false, false),
    "Cmd-End": goTo(true, false),
  };
  return keymap(bindings);
}
