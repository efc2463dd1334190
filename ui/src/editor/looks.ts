// How paragraphs and chunks stand on the page. A paragraph's look comes from its words and changes while they are typed;
// a chunk that is off the screen is not laid out.

import type { Node } from "prosemirror-model";
import type { EditorView, NodeView } from "prosemirror-view";
import { lookOf } from "../text/paragraphs";
import { lengths } from "./positions";
import { gapOf } from "./schema";

/** Roughly, to guess the height of what was not laid out yet. */
const CHARACTERS_A_LINE = 62;
const LINE = 27;

function distance(gap: string): string {
  const lines = gap.split("\n").length - 1;
  return lines < 2 ? "none" : lines < 4 ? "one" : "more";
}

export class ParagraphView implements NodeView {
  readonly dom = document.createElement("p");
  readonly contentDOM = this.dom;

  constructor(node: Node) {
    this.dom.dir = "auto";
    this.look(node);
  }

  update(node: Node): boolean {
    this.look(node);
    return true;
  }

  private look(node: Node): void {
    // A heading is a short line; a longer beginning is not looked at.
    const look = lookOf(node.textBetween(0, Math.min(node.content.size, 400)));
    const name = `${look} after-${distance(gapOf(node))}`;
    for (const each of [...this.dom.classList])
      if (/^(text|heading|break|after-\w+)$/.test(each)) {
        if (!name.split(" ").includes(each)) this.dom.classList.remove(each);
      }
    this.dom.classList.add(...name.split(" "));
  }
}

/** Tells which chunks are on the screen or near it. */
export class Near {
  private readonly seen = new Set<Element>();
  private readonly early: Element[] = [];
  private observer: IntersectionObserver | null = null;

  constructor(private readonly changed: () => void) {}

  /** Begin to look, from the element that scrolls. */
  within(root: Element): void {
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries)
          if (isIntersecting) this.seen.add(target);
          else this.seen.delete(target);
        this.changed();
      },
      { root, rootMargin: "500px 0px" },
    );
    for (const each of this.early) this.observer.observe(each);
  }

  add(chunk: Element): void {
    if (this.observer === null) this.early.push(chunk);
    else this.observer.observe(chunk);
  }

  remove(chunk: Element): void {
    this.observer?.unobserve(chunk);
    this.seen.delete(chunk);
  }

  /** The first and the last of the view's chunks that are near. */
  range(view: EditorView): [number, number] | null {
    let [first, last] = [-1, -1];
    Array.from(view.dom.children).forEach((each, index) => {
      if (!this.seen.has(each)) return;
      if (first < 0) first = index;
      last = index;
    });
    return first < 0 || last >= view.state.doc.childCount ? null : [first, last];
  }

  close(): void {
    this.observer?.disconnect();
  }
}

export class ChunkView implements NodeView {
  readonly dom = document.createElement("div");
  readonly contentDOM = this.dom;

  constructor(
    node: Node,
    private readonly near: Near,
  ) {
    this.dom.className = "chunk";
    const height = (lengths(node).points / CHARACTERS_A_LINE + node.childCount) * LINE;
    this.dom.style.containIntrinsicSize = `auto ${Math.round(height)}px`;
    near.add(this.dom);
  }

  destroy(): void {
    this.near.remove(this.dom);
  }
}
