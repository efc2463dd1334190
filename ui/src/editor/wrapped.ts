// Paragraphs that were wrapped by hand flow as others do: their line ends are shown as spaces and stay in the text. A
// chunk is looked through when it first comes near the screen, and then for good, so that no height changes twice.

import type { Node } from "prosemirror-model";
import { type EditorState, Plugin, PluginKey, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import { softBreaks } from "../text/paragraphs";
import { unchanged } from "./edits";
import { lengths } from "./positions";

/** Chunks that are on the screen when the story is opened. */
const FIRST = 2;

const key = new PluginKey<DecorationSet>("wrapped");

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
  const { places } = lengths(doc);
  let found = set;
  for (let chunk = first; chunk < lastAfter; chunk++) {
    const from = places[chunk] as number;
    found = found.remove(found.find(from, from + doc.child(chunk).nodeSize)).add(doc, breaksOf(doc, chunk));
  }
  return found;
}

function breaksOf(document: Node, chunk: number): Decoration[] {
  const start = (lengths(document).places[chunk] as number) + 1;
  const { places } = lengths(document.child(chunk));
  return places.flatMap((place, index) =>
    softBreaks(document.child(chunk).child(index).textContent).map((at) => {
      const from = start + place + 1 + at;
      return Decoration.inline(from, from + 1, { class: "soft" });
    }),
  );
}

/** Look through chunks that were not before; null where nothing is to be done. */
export class Wrapping {
  private readonly done = new WeakSet<Element>();

  constructor(chunks: Iterable<Element>) {
    for (const each of [...chunks].slice(0, FIRST)) this.done.add(each);
  }

  near(state: EditorState, chunks: ArrayLike<Element>, [first, last]: [number, number]): Transaction | null {
    const found: Decoration[] = [];
    for (let index = first; index <= last; index++) {
      const chunk = chunks[index];
      if (chunk === undefined || this.done.has(chunk)) continue;
      this.done.add(chunk);
      found.push(...breaksOf(state.doc, index));
    }
    return found.length === 0 ? null : state.tr.setMeta(key, found);
  }
}
