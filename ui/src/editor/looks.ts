// How paragraphs and chunks stand on the page. A paragraph's look comes from its words and changes while they are typed;
// a chunk that is off the screen is not laid out, and one that is far from it is an empty box (near.ts).

import type { Node } from "prosemirror-model";
import type { Decoration, NodeView } from "prosemirror-view";
import { lookOf } from "../text/paragraphs";
import { isAway, type Near } from "./near";
import { gapOf } from "./schema";

function distance(gap: string): string {
  const lines = gap.split("\n").length - 1;
  return lines < 2 ? "none" : lines < 4 ? "one" : "more";
}

export class ParagraphView implements NodeView {
  readonly dom = document.createElement("p");
  readonly contentDOM = this.dom;
  private shown = "";

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
    if (name === this.shown) return;
    this.shown = name;
    for (const each of [...this.dom.classList])
      if (/^(text|heading|break|after-\w+)$/.test(each)) {
        if (!name.split(" ").includes(each)) this.dom.classList.remove(each);
      }
    this.dom.classList.add(...name.split(" "));
  }
}

export class ChunkView implements NodeView {
  readonly dom = document.createElement("div");
  readonly contentDOM: HTMLElement | undefined;

  constructor(
    private node: Node,
    private readonly near: Near,
    private readonly away: boolean,
  ) {
    this.dom.className = away ? "chunk away" : "chunk";
    if (away) this.dom.setAttribute("aria-hidden", "true");
    else this.contentDOM = this.dom;
    this.stretch();
  }

  update(node: Node, decorations: readonly Decoration[]): boolean {
    if (isAway(decorations) !== this.away) return false;
    if (this.away && node !== this.node) {
      this.node = node;
      this.stretch();
    }
    return true;
  }

  private stretch(): void {
    const height = `${this.near.height(this.node)}px`;
    if (this.away) this.dom.style.height = height;
    else this.dom.style.containIntrinsicSize = `auto ${height}`;
  }
}
