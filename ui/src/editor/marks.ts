// What is marked in the text: what is chosen or hovered in the pictures, proposed changes, and where scenes begin. Only
// what is near the screen is marked; while the writer types the marks move with the text and are not made anew.

import type { Node } from "prosemirror-model";
import { Plugin, PluginKey } from "prosemirror-state";
import { Decoration, DecorationSet } from "prosemirror-view";
import type { Hunk, Id, Scene, Span, Suggestion } from "../api/types";
import type { Found, StoryState } from "../story/store";
import { paragraphAt, placeAt } from "./positions";

const key = new PluginKey<DecorationSet>("marks");

export function marks() {
  return new Plugin<DecorationSet>({
    key,
    state: {
      init: () => DecorationSet.empty,
      apply: (transaction, set) =>
        (transaction.getMeta(key) as DecorationSet | undefined) ??
        (transaction.docChanged ? set.map(transaction.mapping, transaction.doc) : set),
    },
    props: { decorations: (state) => key.getState(state) },
  });
}

export { key as marksKey };

/** A span of the text that was read, and how it is to look. */
export interface Mark extends Span {
  look: string;
}

const sure = (confidence: number) => (confidence < 0.5 ? " unsure" : "");

/** Marks of what is chosen or hovered that touch `within`; positions are those of `found`. */
export function marksOf(
  found: Found,
  chosen: { entities: readonly Id[]; events: readonly Id[] },
  look: "chosen" | "hovered",
  within: Span,
): Mark[] {
  const marks: Mark[] = [];
  const add = (span: Span, name: string) => {
    if (span.start < within.end && span.end > within.start)
      marks.push({ start: span.start, end: span.end, look: `${look} ${name}` });
  };
  for (const id of chosen.events) {
    const event = found.happenings.get(id);
    if (event === undefined) continue;
    add({ start: event.sentence[0], end: event.sentence[1] }, "sentence");
    add(event, `trigger ${event.kind}${sure(event.confidence)}`);
  }
  for (const id of chosen.entities) {
    const kind = found.people.has(id) ? "character" : "place";
    for (const mention of found.entities.get(id)?.mentions ?? [])
      add(mention, `mention ${kind}${sure(mention.confidence)}`);
  }
  return marks;
}

/** What a place in the text speaks of: the smallest mention and the event whose trigger hold it. */
export function at(found: Found, point: number): { entities: Id[]; events: Id[] } {
  const holds = ({ start, end }: Span) => start <= point && point <= end;
  const events = found.events.filter(holds).map((each) => each.id);
  let [best, size]: [Id | null, number] = [null, Number.POSITIVE_INFINITY];
  for (const [id, entity] of found.entities)
    for (const mention of entity.mentions)
      if (holds(mention) && mention.end - mention.start < size)
        [best, size] = [id, mention.end - mention.start];
  return { entities: best === null ? [] : [best], events: events.slice(0, 1) };
}

/** The scene that holds a place, or the last before it. */
export function sceneAt(scenes: readonly Scene[], point: number): Id | null {
  let found: Id | null = scenes[0]?.id ?? null;
  for (const scene of scenes) {
    if (scene.start > point) break;
    found = scene.id;
  }
  return found;
}

export interface ToMark {
  document: Node;
  /** What is near the screen, as a span of the text. */
  near: Span;
  story: Pick<StoryState, "found" | "meta" | "selection" | "hover" | "suggestions" | "shown">;
  flash: Span | null;
  now: (span: Span, revision: number) => Span | null;
  before: (point: number, revision: number) => number | null;
  decide: (suggestion: Id, hunk: Id, accept: boolean) => void;
}

export function decorations(to: ToMark): DecorationSet {
  const { document, story, near, flash } = to;
  const found: Decoration[] = [];
  const inline = (span: Span, attributes: { class: string; nodeName?: string; title?: string }) => {
    const [from, end] = [placeAt(document, span.start, "after"), placeAt(document, span.end, "before")];
    if (from < end) found.push(Decoration.inline(from, end, attributes));
  };
  if (story.found !== null) {
    const { revision } = story.found;
    const [start, end] = [to.before(near.start, revision), to.before(near.end, revision)];
    if (start !== null && end !== null) {
      const hovered =
        story.hover === null ? [] : marksOf(story.found, story.hover, "hovered", { start, end });
      for (const mark of [...marksOf(story.found, story.selection, "chosen", { start, end }), ...hovered]) {
        const span = to.now(mark, revision);
        if (span !== null) inline(span, { class: mark.look });
      }
    }
  }
  scenes(to, found);
  const shown = story.suggestions.find((each) => each.id === story.shown);
  for (const hunk of shown?.hunks ?? [])
    if (shown !== undefined && (hunk.decision ?? null) === null) proposal(to, shown, hunk, found, inline);
  if (flash !== null) inline(flash, { class: "flash" });
  return DecorationSet.create(document, found);
}

function scenes({ document, story, near, now }: ToMark, found: Decoration[]): void {
  const source = story.found ?? story.meta;
  if (source === null || source.scenes.length < 2) return;
  source.scenes.forEach((scene, index) => {
    const span = now(scene, source.revision);
    if (span === null || span.start >= near.end || span.start < near.start) return;
    const { node, place } = paragraphAt(document, span.start + 1);
    const title = node.textContent.split("\n", 1)[0]?.replace(/^[#\s]+/, "") ?? "";
    found.push(
      Decoration.node(place, place + node.nodeSize, {
        class: "scene-start",
        "data-scene": String(index + 1),
        "data-title": title.slice(0, 60),
      }),
    );
  });
}

function proposal(
  to: ToMark,
  suggestion: Suggestion,
  hunk: Hunk,
  found: Decoration[],
  inline: (span: Span, attributes: { class: string; nodeName?: string; title?: string }) => void,
): void {
  const span = to.now(hunk, suggestion.revision);
  if (span === null || span.start > to.near.end || span.end < to.near.start) return;
  const look = hunk.unintended ? " unintended" : "";
  if (hunk.before === hunk.after) {
    inline(span, { class: "would-change", title: hunk.reason }); // where an edit would fall, and no words for it
    return;
  }
  if (hunk.changed) return; // its words are others now: only the panel still tells of it
  inline(span, { class: `cut${look}`, nodeName: "del", title: hunk.reason });
  found.push(
    Decoration.widget(
      placeAt(to.document, span.end, hunk.before === "" ? "after" : "before"),
      () => widget(hunk, look, (accept) => to.decide(suggestion.id, hunk.id, accept)),
      {
        side: 1,
        key: `${suggestion.id} ${hunk.id} ${hunk.after}`,
        ignoreSelection: true,
        stopEvent: () => true,
      },
    ),
  );
}

function widget(hunk: Hunk, look: string, decide: (accept: boolean) => void): HTMLElement {
  const whole = document.createElement("span");
  whole.className = `proposal${look}`;
  const words = document.createElement("ins");
  // Words that are proposed are not in the story: they are drawn, and the text of the page stays what it is.
  words.dataset.words = hunk.after;
  words.title = hunk.reason;
  whole.append(words);
  const tools = document.createElement("span");
  tools.className = "tools";
  for (const [sign, name, accept] of [
    ["✓", "Take this change", true],
    ["✕", "Leave this change", false],
  ] as const) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.sign = sign;
    button.title = name;
    button.setAttribute("aria-label", `${name}: ${hunk.before} → ${hunk.after}`);
    // The panel has the same for the keyboard; a tab stop in the middle of the text would be in the way.
    button.tabIndex = -1;
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => decide(accept));
    tools.append(button);
  }
  whole.append(tools);
  return whole;
}
