// Paragraphs that were wrapped by hand flow as others do: their line ends are shown as spaces and stay in the text. A
// chunk is looked through when it first comes near the screen, and then for good, so that no height changes twice.

import type { Node } from "prosemirror-model";
import { type EditorState, Plugin, PluginKey, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { softBreaks } from "../text/paragraphs";
import { unchanged } from "./edits";
import { type Chunks, FIRST } from "./near";
import { lengths } from "./positions";

const key = new PluginKey<DecorationSet>("wrapped");
/** Says of a chunk that it was looked through. */
const LOOKED = { looked: true };

/** A transaction puts whole paragraphs into the text, which may be wrapped by hand too. */
export const WHOLE = "whole paragraphs";

export function wrapped() {
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: (_, { doc }) => {
        const chunks = Array.from({ length: Math.min(FIRST, doc.childCount) }, (_each, index) => index);
        return DecorationSet.create(
          doc,
          chunks.flatMap((index) => breaksOf(doc, index)),
        );
      },
      apply: (transaction, set) => {
        const moved = transaction.docChanged ? set.map(transaction.mapping, transaction.doc) : set;
        if (transaction.getMeta(WHOLE) === true) return lookAgain(transaction, moved);
        const more = transaction.getMeta(key) as Decoration[] | undefined;
        return more === undefined ? moved : moved.add(transaction.doc, more);
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });
}

function lookAgain(transaction: Transaction, set: DecorationSet): DecorationSet {
  const { doc, before } = transaction;
  const { first, lastAfter } = unchanged(before, doc);
  let found = set;
  for (let chunk = first; chunk < lastAfter; chunk++)
    found = found.remove(inChunk(found, doc, chunk)).add(doc, breaksOf(doc, chunk));
  return found;
}

/** What was found in a chunk, and that it was looked through. */
function inChunk(set: DecorationSet, document: Node, chunk: number): Decoration[] {
  const start = lengths(document).places[chunk] as number;
  const end = start + document.child(chunk).nodeSize;
  return set.find(start, end).filter(({ from, to }) => from >= start && to <= end);
}

function breaksOf(document: Node, chunk: number): Decoration[] {
  const start = (lengths(document).places[chunk] as number) + 1;
  const { places } = lengths(document.child(chunk));
  const looked = Decoration.node(start - 1, start - 1 + document.child(chunk).nodeSize, {}, LOOKED);
  const breaks = places.flatMap((place, index) =>
    softBreaks(document.child(chunk).child(index).textContent).map((at) => {
      const from = start + place + 1 + at;
      return Decoration.inline(from, from + 1, { class: "soft" });
    }),
  );
  return [looked, ...breaks];
}

/** Look through chunks that were not before, in a transaction that changes nothing else; whether there were any. */
export function lookThrough(transaction: Transaction, state: EditorState, [first, last]: Chunks): boolean {
  const set = key.getState(state) as DecorationSet;
  const found: Decoration[] = [];
  for (let index = first; index <= last; index++)
    if (!inChunk(set, state.doc, index).some((each) => each.spec.looked === true))
      found.push(...breaksOf(state.doc, index));
  if (found.length > 0) transaction.setMeta(key, found);
  return found.length > 0;
}
