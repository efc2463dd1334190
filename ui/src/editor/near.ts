// Of a long story only what is near the screen or the selection stands in the page: a browser's work for a key grows with
// what it holds. Every other chunk is a box of the same height, and its words are in the editor's document alone.

import type { Node } from "prosemirror-model";
import { Plugin, PluginKey, type Selection, type Transaction } from "prosemirror-state";
import { Decoration, DecorationSet, type EditorView } from "prosemirror-view";
import { lengths } from "./positions";

/** Stories shorter than this, in code points, are in the page as a whole. */
const LONG = 60_000;
/** Chunks that are on the screen when the story is opened. */
export const FIRST = 2;
/** So many code points before and after the selection's ends stay in the page, for keys that move by a screen. */
const BESIDE = 4_000;
/** What is nearer to the screen than this, in screens, comes into the page, and what is farther than twice this goes. */
const MARGIN = 1;

/** Roughly, to guess the height of what was not laid out yet. */
const CHARACTERS_A_LINE = 62;
const LINE = 27;

/** The first and the last of some chunks. */
export type Chunks = readonly [first: number, last: number];

const key = new PluginKey<DecorationSet>("near");
const AWAY = { away: true };

export const isAway = (decorations: readonly Decoration[]) =>
  decorations.some((each) => (each.spec as Partial<typeof AWAY>).away === true);

/** Chunks that are away from the screen are marked so; what nobody has looked at yet is not. */
export function nearness() {
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: (_, { doc, selection }) => away(doc, selection, (index) => index < FIRST),
      apply: (transaction, set) => {
        const fresh = transaction.getMeta(key) as DecorationSet | undefined;
        if (fresh !== undefined) return fresh;
        const moved = transaction.docChanged ? set.map(transaction.mapping, transaction.doc) : set;
        if (moved === DecorationSet.empty || !(transaction.docChanged || transaction.selectionSet))
          return moved;
        const { places } = lengths(transaction.doc);
        const hidden = besideOf(transaction.doc, transaction.selection).flatMap(([first, last]) =>
          moved
            .find(places[first] as number, (places[last] as number) + 1)
            .filter(({ from }) => from >= (places[first] as number)),
        );
        return hidden.length === 0 ? moved : moved.remove(hidden);
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });
}

function away(document: Node, selection: Selection, stays: (index: number) => boolean): DecorationSet {
  if (lengths(document).points < LONG) return DecorationSet.empty;
  const beside = besideOf(document, selection);
  const found: Decoration[] = [];
  lengths(document).places.forEach((place, index) => {
    if (stays(index) || beside.some(([first, last]) => index >= first && index <= last)) return;
    found.push(Decoration.node(place, place + document.child(index).nodeSize, {}, AWAY));
  });
  return DecorationSet.create(document, found);
}

/** The chunks in which the selection begins and ends, with those beside them. */
function besideOf(document: Node, { $anchor, $head }: Selection): Chunks[] {
  const around = (chunk: number): Chunks => {
    const points = (index: number) => lengths(document.child(index)).points;
    let [first, last] = [chunk, chunk];
    for (let sum = 0; first > 0 && sum < BESIDE; sum += points(first)) first--;
    for (let sum = 0; last < document.childCount - 1 && sum < BESIDE; sum += points(last)) last++;
    return [first, last];
  };
  const within = (index: number) => around(Math.min(index, document.childCount - 1));
  const ends = [$anchor.index(0)];
  if ($head.index(0) !== $anchor.index(0)) ends.push($head.index(0));
  return ends.map(within);
}

/** Looks which chunks are near the screen, and knows how high those are that are not. */
export class Near {
  /** All of the story is in the page: for the browser's own search, and for printing. */
  whole = false;
  private heights = new WeakMap<Node, number>();

  /** The chunks that are nearer to the screen than so many screens. */
  range({ dom, state }: EditorView, margin = MARGIN): Chunks | null {
    const chunks = dom.children;
    const box = dom.getBoundingClientRect();
    if (box.height === 0 || chunks.length !== state.doc.childCount) return null;
    const [top, bottom] = [box.top - margin * box.height, box.bottom + margin * box.height];
    const first = firstOf(chunks, (each) => each.bottom > top);
    const last = firstOf(chunks, (each) => each.top >= bottom) - 1;
    return first > last ? null : [first, last];
  }

  /** What brings chunks into the page that have come near, and lets others go; null where nothing is to be done. */
  look(view: EditorView): Transaction | null {
    const { doc, selection, tr } = view.state;
    const old = key.getState(view.state) as DecorationSet;
    if (this.whole || lengths(doc).points < LONG)
      return old === DecorationSet.empty ? null : tr.setMeta(key, DecorationSet.empty);
    const near = this.range(view);
    const wide = this.range(view, 2 * MARGIN);
    if (near === null || wide === null) return null;
    const { places } = lengths(doc);
    const gone = new Set(old.find().map((each) => each.from));
    const stays = (index: number) => {
      const [first, last] = gone.has(places[index] as number) ? near : wide;
      return index >= first && index <= last;
    };
    const set = away(doc, selection, stays);
    const now = set.find();
    if (now.length === gone.size && now.every(({ from }) => gone.has(from))) return null;
    for (const { from } of now) if (!gone.has(from)) this.measure(view, places.indexOf(from));
    return tr.setMeta(key, set);
  }

  /** How high a chunk is, or will be. */
  height(node: Node): number {
    const guess = (lengths(node).points / CHARACTERS_A_LINE + node.childCount) * LINE;
    return this.heights.get(node) ?? Math.round(guess);
  }

  /** Lines have become longer or shorter. */
  forget(): void {
    this.heights = new WeakMap();
  }

  private measure({ dom, state }: EditorView, index: number): void {
    const chunk = dom.children[index];
    if (chunk !== undefined) this.heights.set(state.doc.child(index), chunk.getBoundingClientRect().height);
  }
}

/** The first of elements that lie one below the other of which something is true, as it is of all after it. */
function firstOf(elements: HTMLCollection, is: (box: DOMRect) => boolean): number {
  let [low, high] = [0, elements.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is((elements[middle] as Element).getBoundingClientRect())) high = middle;
    else low = middle + 1;
  }
  return low;
}
