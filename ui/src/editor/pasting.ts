// Text that comes from outside or goes there: plain, with everything that a story cannot hold left out.

import type { Slice } from "prosemirror-model";
import { Plugin, TextSelection } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { toast } from "../parts/toasts";
import { pointsIn } from "../text/codepoints";
import { besideLineEnd, replaceSelection } from "./commands";
import { put } from "./edits";
import { placeAt, pointAt } from "./positions";
import { gapOf, isParagraph } from "./schema";

/** Line ends as a story has them, without NUL and halves of characters. */
export function clean(text: string): string {
  return text.replace(/\r\n?/g, "\n").replaceAll("\0", "").toWellFormed();
}

function cleaned(text: string): string {
  if (text.includes("\0")) toast("The text had characters that a story cannot hold; they were left out.");
  return clean(text);
}

export function textOfSlice(slice: Slice): string {
  let text = "";
  let first = true;
  slice.content.descendants((node) => {
    if (node.isText) text += node.text;
    else if (isParagraph(node)) {
      if (!first) text += gapOf(node);
      first = false;
    }
    return true;
  });
  return text;
}

function paste(view: EditorView, event: ClipboardEvent): boolean {
  const text = cleaned(event.clipboardData?.getData("text/plain") ?? "");
  if (text !== "") view.dispatch(replaceSelection(view.state, text));
  return true;
}

function drop(view: EditorView, event: DragEvent, slice: Slice, moved: boolean): boolean {
  const place = view.posAtCoords({ left: event.clientX, top: event.clientY });
  const inside = slice.size > 0 && view.dragging !== null;
  const text = inside ? textOfSlice(slice) : cleaned(event.dataTransfer?.getData("text/plain") ?? "");
  event.preventDefault();
  if (place === null || text === "") return true;
  const transaction = view.state.tr;
  if (moved && inside) transaction.deleteSelection();
  const start = pointAt(transaction.doc, transaction.mapping.map(place.pos));
  put(transaction, { start, end: start, text });
  const [from, to] = [
    placeAt(transaction.doc, start, "after"),
    placeAt(transaction.doc, start + pointsIn(text), "before"),
  ];
  view.dispatch(
    transaction.setSelection(TextSelection.create(transaction.doc, Math.min(from, to), Math.max(from, to))),
  );
  view.focus();
  return true;
}

/** Text with line ends, and text over several paragraphs, that the browser would put into the page in its own way. */
function beforeInput(view: EditorView, event: InputEvent): boolean {
  const { $from, $to } = view.state.selection;
  const text = event.data ?? event.dataTransfer?.getData("text/plain") ?? null;
  if (event.isComposing || text === null || !/^insert(Text|ReplacementText|FromYank)$/.test(event.inputType))
    return false;
  if (event.inputType === "insertReplacementText" && !text.includes("\n")) return false;
  if (text.includes("\n") || !$from.sameParent($to)) {
    event.preventDefault();
    view.dispatch(replaceSelection(view.state, cleaned(text)));
    return true;
  }
  // Beside a line end that is shown as a space the browser would make one of it.
  if (!besideLineEnd($from) && !besideLineEnd($to)) return false;
  event.preventDefault();
  view.dispatch(view.state.tr.insertText(text).scrollIntoView());
  return true;
}

export function pasting(history: { undo: () => void; redo: () => void }) {
  return new Plugin({
    props: {
      handlePaste: paste,
      handleDrop: drop,
      clipboardTextSerializer: textOfSlice,
      handleDOMEvents: {
        beforeinput: (view, event) => {
          if (event.inputType === "historyUndo" || event.inputType === "historyRedo") {
            event.preventDefault();
            if (event.inputType === "historyUndo") history.undo();
            else history.redo();
            return true;
          }
          return beforeInput(view, event);
        },
      },
    },
  });
}
