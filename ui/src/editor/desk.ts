// The manuscript of one story on the screen: its editor, what keeps it on the disk, and what the rest of the page asks
// of it (text/manuscript.ts).

import { EditorState, Plugin, TextSelection, type Transaction } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { get, ofStory, request } from "../api/client";
import type { Id, Scene, Span, TextEdit } from "../api/types";
import { toast } from "../parts/toasts";
import { keyPressed } from "../story/follow";
import { type StoryState, useStory } from "../story/store";
import { pointsIn, slicePoints } from "../text/codepoints";
import type { Manuscript } from "../text/manuscript";
import {
  type Clash,
  composed,
  NOTHING,
  type Patch,
  patched,
  pointAfter,
  rebased,
  sequence,
} from "../text/patch";
import { Saving } from "../text/saving";
import { type Batch, Sync } from "../text/sync";
import { leftOf, type Unsent, UnsentRecord, unsentOf } from "../text/unsent";
import { keys, selectedSpan } from "./commands";
import { divide, editBetween, put } from "./edits";
import { ChunkView, ParagraphView } from "./looks";
import { at, decorations, marks, marksKey, sceneAt } from "./marks";
import { isAway, Near, nearness } from "./near";
import { pasting } from "./pasting";
import { lengths, locate, paragraphAfter, paragraphAt, placeAt, pointAt } from "./positions";
import { documentOf, gapOf, tailOf, textOf } from "./schema";
import { lookThrough, WHOLE, wrapped } from "./wrapped";

/** The caret chooses what it stands in when it has rested so long, in ms. */
const BRUSH = 160;
const FLASH = 1_800;
/** What comes near the screen is laid out within this time, in ms. */
const SETTLING = 500;
/** Undo and redo show what they have changed, if it comes within this time. */
const SHOW_CHANGE = 4_000;
/** More changes at once are put into the document as a whole. */
const MANY = 300;
/** A request that goes on when the page is left may be so long. */
const KEEPALIVE = 60_000;
/** What is unsaved is written to the browser's store when the keys have rested so long, in ms. */
const KEEP = 400;

/** After a key it is looked what has come near the screen when the keys have rested so long, in ms. */
const LOOK = 250;
/** At once after a change of so many characters. */
const MUCH = 300;

/** A change that was not made here, or that saves itself in another way. */
const QUIET = "quiet";

export class Desk implements Manuscript {
  readonly saving: Saving;
  private readonly view: EditorView;
  private readonly sync: Sync;
  private readonly record: UnsentRecord;
  private readonly near = new Near();
  private readonly endings: (() => void)[] = [];
  private flashing: Span | null = null;
  private flashTimer = 0;
  private brushTimer = 0;
  private keepTimer = 0;
  private lookTimer = 0;
  private frame = 0;
  private seen = "";
  private wasFocused = false;
  private marked = false;
  private stopScrolling = () => {};

  constructor(
    private readonly id: Id,
    element: HTMLElement,
    text: string,
    revision: number,
    left: readonly Unsent[],
  ) {
    this.sync = new Sync(text, revision);
    this.record = new UnsentRecord(id);
    this.saving = new Saving(this.sync, {
      send: (batch) => this.send(batch),
      read: () => get(ofStory(id, "/text")),
      change: (patch) => this.change(patch),
      screen: () => textOf(this.view.state.doc),
      composing: () => this.view.composing,
      show: (save) => this.showSave(save),
      clash: (clashes) => this.showClash(clashes),
      tell: (message) => toast(message, "error"),
    });
    const history = {
      undo: () => void useStory.getState().undo(),
      redo: () => void useStory.getState().redo(),
    };
    this.view = new EditorView(element, {
      state: EditorState.create({
        doc: documentOf(text),
        plugins: [keys(history), pasting(history), nearness(), wrapped(), marks(), tidy()],
      }),
      nodeViews: {
        paragraph: (node) => new ParagraphView(node),
        chunk: (node, _view, _place, decorations) => new ChunkView(node, this.near, isAway(decorations)),
      },
      attributes: (state) => ({
        class: lengths(state.doc).points === 0 ? "manuscript blank" : "manuscript",
        "data-testid": "manuscript",
        role: "textbox",
        "aria-multiline": "true",
        "aria-readonly": String(useStory.getState().readOnly),
        "aria-label": "Manuscript",
        "aria-placeholder": "Write or paste your story here",
        spellcheck: "true",
        translate: "no",
      }),
      dispatchTransaction: (transaction) => this.dispatch(transaction),
      editable: () => !useStory.getState().readOnly,
      scrollThreshold: 24,
      scrollMargin: 48,
      handleDOMEvents: {
        focus: () => {
          this.wasFocused = true;
        },
        compositionend: () => {
          this.lookSoon(0);
          this.markSoon();
        },
      },
    });
    this.resume(text, revision, left);
    this.follow();
  }

  // -- what the page asks

  get length(): number {
    return lengths(this.view.state.doc).points;
  }

  slice(start: number, end: number): string {
    const { doc } = this.view.state;
    const first = paragraphAt(doc, start + 1);
    let text = "";
    let last: typeof first | null = first;
    for (; last !== null && last.gap < end; last = paragraphAfter(doc, last))
      text += gapOf(last.node) + last.node.textContent;
    if (last === null) text += tailOf(doc);
    return slicePoints(text, start - first.gap, end - first.gap);
  }

  now = (span: Span, revision: number) => this.sync.now(span, revision);

  reveal(span: Span, { focus = false }: { focus?: boolean } = {}): void {
    const start = Math.min(span.start, this.length);
    this.flashing = { start, end: Math.min(span.end, this.length) };
    window.clearTimeout(this.flashTimer);
    this.flashTimer = window.setTimeout(() => {
      this.flashing = null;
      this.mark();
    }, FLASH);
    if (focus) {
      const { tr, doc } = this.view.state;
      const caret = TextSelection.create(doc, placeAt(doc, start, "after"));
      this.view.dispatch(tr.setSelection(caret).setMeta(QUIET, true));
      this.view.dom.focus({ preventScroll: true });
    }
    this.mark();
    this.scrollTo(start);
  }

  selection(): Span | null {
    if (!this.wasFocused) return null;
    const { start, end } = selectedSpan(this.view.state);
    return { start, end };
  }

  apply(edits: readonly TextEdit[]): void {
    const transaction = this.view.state.tr;
    for (const edit of edits) put(transaction, edit);
    this.view.dispatch(transaction);
  }

  flush = () => this.saving.flush();

  focus(): void {
    this.view.focus();
  }

  close(): void {
    for (const end of this.endings) end();
    this.stopScrolling();
    window.clearTimeout(this.brushTimer);
    window.clearTimeout(this.flashTimer);
    window.clearTimeout(this.keepTimer);
    window.clearTimeout(this.lookTimer);
    window.cancelAnimationFrame(this.frame);
    this.leave();
    this.view.destroy();
    this.saving.close();
    this.record.close();
  }

  // -- changes

  private dispatch(transaction: Transaction): void {
    const before = this.view.state;
    const state = before.apply(transaction);
    this.view.updateState(state);
    if (transaction.docChanged)
      this.lookSoon(Math.abs(state.doc.content.size - before.doc.content.size) > MUCH ? 0 : LOOK);
    if (transaction.getMeta(QUIET) === true) return;
    if (transaction.docChanged) {
      this.near.whole = false;
      window.clearTimeout(this.brushTimer);
      const edit = editBetween(before.doc, state.doc);
      if (edit === null) return;
      this.sync.typed(edit);
      this.saving.typed();
      keyPressed();
      if (useStory.getState().save === "unsaved") this.keepSoon();
    } else if (transaction.selectionSet && this.view.hasFocus()) {
      window.clearTimeout(this.brushTimer);
      this.brushTimer = window.setTimeout(() => this.brush(), BRUSH);
    }
  }

  /** Changes that others have made: the caret stays in its words. */
  private change(patch: Patch): void {
    if (patch.length === 0) return;
    const { state } = this.view;
    const moved = (place: number) => pointAfter(pointAt(state.doc, place), patch);
    const [anchor, head] = [moved(state.selection.anchor), moved(state.selection.head)];
    const transaction = state.tr.setMeta(QUIET, true).setMeta(WHOLE, true);
    if (patch.length <= MANY) for (const edit of sequence(patch)) put(transaction, edit);
    else {
      const next = documentOf(patched(textOf(state.doc), patch));
      transaction.replaceWith(0, state.doc.content.size, next.content);
      transaction.setDocAttribute("tail", tailOf(next));
    }
    const last = patch.at(-1);
    const { travelled, set } = useStory.getState();
    const follow = performance.now() - travelled < SHOW_CHANGE && last !== undefined;
    set({ travelled: Number.NEGATIVE_INFINITY });
    const placed = (point: number) => placeAt(transaction.doc, point, "before");
    const end = follow ? pointAfter(last.start, patch) + pointsIn(last.text) : head;
    transaction.setSelection(
      TextSelection.create(transaction.doc, placed(follow ? end : anchor), placed(follow ? end : head)),
    );
    this.view.dispatch(follow ? transaction.scrollIntoView() : transaction);
    this.markSoon();
  }

  // -- saving

  private async send({ revision, edits }: Batch): Promise<number> {
    const body = { revision, edits };
    const keepalive = edits.reduce((sum, each) => sum + 3 * each.text.length + 60, 0) < KEEPALIVE;
    const response = await request("POST", ofStory(this.id, "/edits"), body, { keepalive });
    return ((await response.json()) as { revision: number }).revision;
  }

  private showSave(save: StoryState["save"]): void {
    if (save === "saved") {
      window.clearTimeout(this.keepTimer);
      this.record.clear();
    }
    if (this.view.isDestroyed) return;
    if (useStory.getState().save !== save) useStory.getState().set({ save });
    if (save === "unsaved") this.keepSoon();
    // Positions of this revision are known from now on.
    else if (save === "saved") this.markSoon();
  }

  private showClash(clashes: readonly Clash[] | null): void {
    const words = (side: "mine" | "theirs") => clashes?.map((each) => each[side]).join(" … ") ?? "";
    useStory.getState().set({
      conflict:
        clashes === null
          ? null
          : { mine: words("mine"), theirs: words("theirs"), settle: (keep) => this.saving.settle(keep) },
    });
  }

  private keepSoon(): void {
    window.clearTimeout(this.keepTimer);
    this.keepTimer = window.setTimeout(() => this.keep(), KEEP);
  }

  private keep(): void {
    if (this.sync.pending) this.record.write(unsentOf(this.sync.saved, this.sync.revision, this.sync.unsent));
  }

  /** The page is left: send what was typed last, and keep it for the next one in case that does not arrive. */
  private leave(): void {
    if (!this.sync.pending) return;
    this.keep();
    const rest = this.sync.takeRest();
    // It can only be taken after all that was sent before it.
    if (rest !== null)
      this.send(rest).then(
        () => this.record.clear(),
        () => {},
      );
  }

  /** What an earlier page left unsent goes on from here. */
  private resume(text: string, revision: number, left: readonly Unsent[]): void {
    let done: Patch = NOTHING;
    for (const record of left) {
      const patches = leftOf(record, text, revision);
      if (patches === null) this.offer(record.words);
      else if (done.length === 0) {
        done = patches.reduce(composed, NOTHING);
        this.change(done);
        this.sync.resume(patches);
      } else {
        const { mine } = rebased(text, patches.reduce(composed, NOTHING), done);
        this.apply(sequence(mine));
      }
    }
    if (this.sync.pending) this.saving.typed();
  }

  /** Words that were never saved and have no place any more. */
  private offer(words: string): void {
    if (words.trim() === "") return;
    useStory.getState().set({
      conflict: {
        mine: words,
        theirs: "",
        settle: (keep) => {
          useStory.getState().set({ conflict: null });
          const end = this.length - pointsIn(tailOf(this.view.state.doc));
          if (keep === "mine") this.apply([{ start: end, end, text: `\n\n${words}` }]);
        },
      },
    });
  }

  // -- marks, the caret and the scene

  private follow(): void {
    const on = <K extends keyof WindowEventMap>(name: K, what: (event: WindowEventMap[K]) => void) => {
      window.addEventListener(name, what);
      this.endings.push(() => window.removeEventListener(name, what));
    };
    on("pagehide", () => this.leave());
    on("beforeunload", (event) => {
      if (useStory.getState().save === "unsaved") event.preventDefault();
    });
    const hidden = () => {
      if (document.visibilityState === "hidden") this.saving.flush().catch(() => {});
    };
    document.addEventListener("visibilitychange", hidden);
    this.endings.push(() => document.removeEventListener("visibilitychange", hidden));
    let scrolled = 0;
    const scroll = () => {
      this.look();
      window.clearTimeout(scrolled);
      scrolled = window.setTimeout(() => this.findScene(), 200);
    };
    this.view.dom.addEventListener("scroll", scroll, { passive: true });
    this.endings.push(() => window.clearTimeout(scrolled));
    let width = 0;
    const resized = new ResizeObserver(() => {
      if (width !== 0 && width !== this.view.dom.clientWidth) this.near.forget();
      width = this.view.dom.clientWidth;
      this.look();
    });
    resized.observe(this.view.dom);
    this.endings.push(() => resized.disconnect());
    const whole = (whole: boolean) => {
      this.near.whole = whole;
      this.look(true);
    };
    // The browser's own search and its printer know only what is in the page.
    on("beforeprint", () => whole(true));
    on("afterprint", () => whole(false));
    const find = (event: KeyboardEvent) => {
      const control = event.ctrlKey || event.metaKey;
      if (event.key === "F3" || (control && /^[fg]$/i.test(event.key))) whole(true);
    };
    window.addEventListener("keydown", find, true);
    this.endings.push(() => window.removeEventListener("keydown", find, true));
    this.endings.push(
      useStory.subscribe((state, last) => {
        if (state.connected && !last.connected) this.saving.found();
        if (state.readOnly !== last.readOnly) this.view.setProps({});
        if (
          state.found !== last.found ||
          state.meta !== last.meta ||
          state.selection !== last.selection ||
          state.hover !== last.hover ||
          state.shown !== last.shown ||
          state.suggestions !== last.suggestions
        )
          this.markSoon();
      }),
    );
  }

  /** See what has come near the screen; `now` without waiting for what the browser has to tell. */
  private look(now = false): void {
    window.clearTimeout(this.lookTimer);
    if (this.view.isDestroyed || this.view.composing) return;
    if (!now && this.unheard()) {
      this.lookTimer = window.setTimeout(() => this.look(true));
      return;
    }
    const change = this.near.look(this.view);
    const range = this.near.range(this.view);
    if (change !== null) {
      if (range !== null) lookThrough(change, this.view.state, range);
      this.view.dispatch(change.setMeta(QUIET, true));
    }
    const seen = String(range);
    if (seen !== this.seen) this.markSoon();
    this.seen = seen;
  }

  /** The browser has moved the caret and did not tell yet: a change of the page would put it back. */
  private unheard(): boolean {
    const { anchorNode, anchorOffset, focusNode, focusOffset } = window.getSelection() ?? {};
    if (!this.view.hasFocus() || !this.view.dom.contains(focusNode ?? null) || !anchorNode || !focusNode)
      return false;
    const { anchor, head } = this.view.state.selection;
    const place = (node: globalThis.Node, offset = 0) => this.view.posAtDOM(node, offset);
    return place(focusNode, focusOffset) !== head || place(anchorNode, anchorOffset) !== anchor;
  }

  private lookSoon(after: number): void {
    window.clearTimeout(this.lookTimer);
    this.lookTimer = window.setTimeout(() => this.look(), after);
  }

  private markSoon(): void {
    window.cancelAnimationFrame(this.frame);
    const mark = () => {
      if (this.view.isDestroyed) return;
      this.mark();
      if (useStory.getState().sceneId === null) this.findScene();
    };
    this.frame = window.requestAnimationFrame(() => {
      if (this.unheard()) window.setTimeout(mark);
      else mark();
    });
  }

  private mark(): void {
    const range = this.near.range(this.view);
    if (range === null || this.view.composing) return;
    const flowing = this.view.state.tr;
    if (lookThrough(flowing, this.view.state, range)) this.view.dispatch(flowing.setMeta(QUIET, true));
    const { doc, tr } = this.view.state;
    const last = locate(doc, range[1], doc.child(range[1]).childCount - 1);
    const set = decorations({
      document: doc,
      near: { start: locate(doc, range[0], 0).gap, end: last.to },
      story: useStory.getState(),
      flash: this.flashing,
      now: this.now,
      before: (point, revision) => this.sync.before(point, revision),
      decide: (suggestion, hunk, accept) =>
        void useStory.getState().decide(suggestion, accept ? { accept: [hunk] } : { reject: [hunk] }),
    });
    const any = set.find().length > 0;
    if (!any && !this.marked) return;
    this.marked = any;
    this.view.dispatch(tr.setMeta(marksKey, set).setMeta(QUIET, true));
  }

  /** The caret has come to rest: choose what it stands in. */
  private brush(): void {
    const { found, selection, select } = useStory.getState();
    this.findScene();
    const { empty, head } = this.view.state.selection;
    if (found === null || !empty) return;
    const point = this.sync.before(pointAt(this.view.state.doc, head), found.revision);
    if (point === null) return;
    const chosen = at(found, point);
    if (chosen.entities.length + chosen.events.length > 0) select(chosen, "manuscript");
    else if (selection.from === "manuscript" && selection.entities.length + selection.events.length > 0)
      select({}, "manuscript");
  }

  private findScene(): void {
    const { found, meta, sceneId, set } = useStory.getState();
    const source = found ?? meta;
    if (source === null) return;
    const { doc, selection } = this.view.state;
    const box = this.view.dom.getBoundingClientRect();
    let place: number | null = selection.head;
    if (!this.view.hasFocus() || !this.isVisible(place, box))
      place = this.view.posAtCoords({ left: box.left + box.width / 2, top: box.top + 40 })?.pos ?? null;
    if (place === null) return;
    const point = this.sync.before(pointAt(doc, place), source.revision);
    const scene = point === null ? null : sceneAt(source.scenes as Scene[], point);
    if (scene !== null && scene !== sceneId) set({ sceneId: scene });
  }

  private isVisible(place: number, box: DOMRect): boolean {
    const { top, bottom } = this.view.coordsAtPos(place);
    return bottom > box.top && top < box.bottom;
  }

  /**
   * Scroll to a place and hold it there for a moment: what was not laid out yet gets its height on the way. A hand on
   * the wheel or a key ends it.
   */
  private scrollTo(point: number): void {
    const { dom } = this.view;
    const until = performance.now() + SETTLING;
    this.stopScrolling();
    let frame = 0;
    const hold = (first: boolean) => {
      const place = placeAt(this.view.state.doc, Math.min(point, this.length), "after");
      const box = dom.getBoundingClientRect();
      const { top } = this.view.coordsAtPos(place);
      const near = top > box.top + 40 && top < box.bottom - 80;
      const off = top - (box.top + box.height * 0.3);
      if (first && near) return;
      if (Math.abs(off) > 3) {
        dom.scrollTop += off;
        this.look(true);
      }
      if (performance.now() < until) frame = window.requestAnimationFrame(() => hold(false));
      else this.stopScrolling();
    };
    const hands = ["wheel", "pointerdown", "keydown"] as const;
    this.stopScrolling = () => {
      window.cancelAnimationFrame(frame);
      for (const each of hands) dom.removeEventListener(each, this.stopScrolling);
      this.stopScrolling = () => {};
    };
    for (const each of hands) dom.addEventListener(each, this.stopScrolling, { passive: true });
    hold(true);
    // What was not in the page is there now.
    if (frame !== 0) {
      window.cancelAnimationFrame(frame);
      hold(false);
    }
  }
}

/** Chunks that have grown too long are divided; a story that was deleted whole is empty. */
function tidy() {
  return new Plugin({
    appendTransaction: (transactions, before, state) => {
      if (!transactions.some((each) => each.docChanged)) return null;
      const mine = transactions.every((each) => each.getMeta(QUIET) !== true);
      const { doc } = state;
      const only =
        doc.childCount === 1 && doc.firstChild?.childCount === 1 ? doc.firstChild.firstChild : null;
      if (mine && only?.content.size === 0 && lengths(doc).points > 0 && lengths(before.doc).points > 0)
        return state.tr.setDocAttribute("tail", "").setNodeMarkup(1, null, { gap: "" });
      const divided = divide(state.tr);
      return divided.docChanged ? divided : null;
    },
  });
}
