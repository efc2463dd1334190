// How the text on the screen and the text on the disk stay one: what is typed and not saved yet, what others have
// changed, and where a position of an earlier state lies now. No clock and no network here: src/text/saving.ts has them.

import type { Span, TextEdit } from "../api/types";
import { pointsIn } from "./codepoints";
import { difference } from "./difference";
import {
  andThen,
  type Clash,
  composed,
  NOTHING,
  type Patch,
  patched,
  pointBefore,
  rebased,
  sequence,
  spanAfter,
} from "./patch";

export interface Batch {
  revision: number;
  edits: TextEdit[];
}

export type Received = { screen: Patch } | { clashes: readonly Clash[] };

/** Steps between revisions that are remembered. */
const REMEMBERED = 3_000;

const weight = (patch: Patch) =>
  patch.reduce((sum, { start, end, text }) => sum + end - start + text.length, 0);

/** Whether a patch changes words that the patch before it has put there. */
function touches(patch: Patch, before: Patch): boolean {
  let shift = 0;
  return before.some((each) => {
    const from = each.start + shift;
    const to = from + pointsIn(each.text);
    shift += to - from - (each.end - each.start);
    return patch.some((other) => other.start < to && other.end > from);
  });
}

export class Sync {
  /** Sent and not answered yet. */
  private sent: Patch = NOTHING;
  /** Typed since. */
  private waiting: Patch = NOTHING;
  /** Whether what was sent may have arrived though no answer did. */
  private doubtful = false;
  private heard: number;
  private steps: Patch[] = [];
  private places: Map<number, number>;
  private forgotten = 0;

  /** `saved` is the text at `revision`, as it is on the disk. */
  constructor(
    public saved: string,
    public revision: number,
  ) {
    this.heard = revision;
    this.places = new Map([[revision, 0]]);
  }

  /** An edit was made on the screen. */
  typed(edit: TextEdit): void {
    this.waiting = andThen(this.waiting, edit);
  }

  /** Whether something is not on the disk. */
  get pending(): boolean {
    return this.sent.length > 0 || this.waiting.length > 0;
  }

  /** Whether the server has another text than the one that is known here. */
  get behind(): boolean {
    return this.heard > this.revision;
  }

  heardOf(revision: number): void {
    this.heard = Math.max(this.heard, revision);
  }

  /** The newest revision that the server was heard to have. */
  get newest(): number {
    return this.heard;
  }

  /** The server was asked, and has none after `revision`. */
  notHeardOf(revision: number): void {
    this.heard = Math.max(revision, this.revision);
  }

  /** What is to be sent now: what was sent without an answer, or all that was typed since. */
  take(): Batch | null {
    if (this.sent.length === 0) {
      this.sent = this.waiting;
      this.waiting = NOTHING;
    }
    return this.sent.length === 0 ? null : { revision: this.revision, edits: sequence(this.sent) };
  }

  /** What is to be sent at the last moment, while the answer to `take` is still awaited. */
  takeRest(): Batch | null {
    if (this.sent.length === 0) return this.take();
    return this.waiting.length === 0 ? null : { revision: this.revision + 1, edits: sequence(this.waiting) };
  }

  /** What was taken is on the disk. */
  took(revision: number): void {
    this.saved = patched(this.saved, this.sent);
    this.step(this.sent, revision);
    this.sent = NOTHING;
    this.doubtful = false;
  }

  /** No answer came: it may have arrived or not. */
  lost(): void {
    this.doubtful = true;
  }

  /** The server has another revision, and has taken nothing now; if `sent` was doubtful it may have been taken before. */
  refused(revision: number): void {
    this.heardOf(Math.max(revision, this.revision + 1));
  }

  /** The server has refused these edits for good: what is on the screen is to be sent anew. */
  startAgain(text: string, revision: number, screen: string): void {
    this.step(composed(composed(this.sent, this.waiting), difference(screen, text)), revision);
    this.saved = text;
    this.sent = NOTHING;
    this.waiting = difference(text, screen);
    this.doubtful = false;
  }

  /**
   * The server's text: what is to change on the screen, or the clashes with what is typed here, which leave everything
   * as it was until the text comes again with `keep`.
   */
  received(text: string, revision: number, keep: "mine" | "theirs" | "ask" = "ask"): Received {
    if (revision <= this.revision) return { screen: NOTHING };
    let theirs = difference(this.saved, text);
    if (this.doubtful && this.sent.length > 0) {
      const arrived = patched(this.saved, this.sent);
      const since = difference(arrived, text);
      // Had it not arrived, they would have had to undo it as well, or to write over it: that is for the writer to say.
      if (weight(since) < weight(theirs) && !touches(since, this.sent)) {
        this.saved = arrived;
        this.step(this.sent, null);
        this.sent = NOTHING;
        theirs = since;
      }
    }
    const mine = composed(this.sent, this.waiting);
    const found = rebased(this.saved, mine, theirs, keep === "theirs" ? "theirs" : "mine");
    if (found.clashes.length > 0 && keep === "ask") {
      this.sent = NOTHING;
      this.waiting = mine;
      this.doubtful = false;
      this.heardOf(revision);
      return { clashes: found.clashes };
    }
    this.sent = NOTHING;
    this.waiting = found.mine;
    this.doubtful = false;
    this.saved = text;
    this.step(theirs, revision);
    this.heardOf(revision);
    return { screen: found.theirs };
  }

  /** Where a span of the text at `revision` lies on the screen. null: nothing is left of it, or the revision is unknown. */
  now(span: Span, revision: number): Span | null {
    const steps = this.stepsSince(revision);
    let found: Span | null = span;
    for (const patch of steps ?? []) found = found === null ? null : spanAfter(found, patch);
    return steps === null ? null : found;
  }

  /** Where a place on the screen lay in the text at `revision`; null: the revision is unknown. */
  before(point: number, revision: number): number | null {
    const steps = this.stepsSince(revision);
    return steps === null ? null : steps.toReversed().reduce(pointBefore, point);
  }

  /** What is not on the disk, in the order in which it would be sent. */
  get unsent(): Patch[] {
    return [this.sent, this.waiting].filter((each) => each.length > 0);
  }

  /** What was left unsent by an earlier page is put into an empty queue; it may have arrived after all. */
  resume(patches: readonly Patch[]): void {
    const [first, ...rest] = patches;
    this.sent = first ?? NOTHING;
    this.waiting = rest.reduce(composed, NOTHING);
    this.doubtful = true;
  }

  private stepsSince(revision: number): Patch[] | null {
    const place = this.places.get(revision);
    if (place === undefined || place < this.forgotten) return null;
    const found = this.steps.slice(place - this.forgotten);
    for (const patch of [this.sent, this.waiting]) if (patch.length > 0) found.push(patch);
    return found;
  }

  private step(patch: Patch, revision: number | null): void {
    this.steps.push(patch);
    if (this.steps.length > REMEMBERED) {
      this.steps.shift();
      this.forgotten++;
    }
    if (revision === null) return;
    this.revision = revision;
    this.heardOf(revision);
    this.places.set(revision, this.forgotten + this.steps.length);
  }
}
