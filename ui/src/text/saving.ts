// When what is typed is sent, what is done about each answer, and when the text is read again. The network, the screen
// and the page's messages are handed in.

import { ApiError } from "../api/client";
import type { Span } from "../api/types";
import type { Clash, Patch } from "./patch";
import type { Batch, Sync } from "./sync";

export interface Around {
  /** Send edits; resolves with the revision that they make. */
  send(batch: Batch): Promise<number>;
  read(): Promise<{ text: string; revision: number }>;
  /** Change the text on the screen. */
  change(patch: Patch): void;
  /** The text on the screen. */
  screen(): string;
  /** Whether the screen is not to be touched now: a character is being composed. */
  composing(): boolean;
  show(status: "saved" | "saving" | "unsaved"): void;
  clash(clashes: readonly Clash[] | null): void;
  /** Tell the writer of something that does not mend itself. */
  tell(message: string): void;
}

/** Typing is sent when the keys have rested so long, in ms. */
const REST = 500;
/** And at the latest so long after the first key that was not. */
const LATEST = 1_500;
const RETRY = 400;
const SLOWEST_RETRY = 5_000;
const COMPOSING = 100;
/** Refusals one after the other that are mended by reading the text again. */
const PATIENCE = 20;

const OUTSIDE =
  "Gnomon was started anew and does not know this page any more: open the address that it printed when it started. What you typed is kept in this browser until then.";

export class Saving {
  private first: number | null = null;
  private last = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running = false;
  private closed = false;
  private failures = 0;
  private refusals = 0;
  private stuck = false;
  private told = "";
  private keep: "mine" | "theirs" | null = null;
  private clashing = false;
  private waiters: { resolve: (revision: number) => void; reject: (fault: Error) => void }[] = [];

  constructor(
    readonly sync: Sync,
    private readonly around: Around,
  ) {}

  /** Something was typed, and `sync` knows it. */
  typed(): void {
    this.last = Date.now();
    if (this.first === null) {
      this.first = this.last;
      this.stuck = false;
      if (this.failures === 0 && !this.clashing) this.around.show("saving");
      this.wake();
    }
  }

  heardOf(revision: number): void {
    this.sync.heardOf(revision);
    if (this.sync.behind && this.failures === 0) void this.run();
  }

  /** The server answers again. */
  found(): void {
    if (this.failures > 0) void this.run();
  }

  /** Send everything now; resolves with the revision when it is on the disk. */
  flush(): Promise<number> {
    if (this.clashing)
      return Promise.reject(
        new ApiError(409, { code: "conflict", message: "Settle first what was changed in two places." }),
      );
    if (!this.sync.pending && !this.sync.behind) return Promise.resolve(this.sync.revision);
    return new Promise((resolve, reject) => {
      this.waiters.push({ resolve, reject });
      void this.run();
    });
  }

  /** Whose words stay where both were changed. */
  settle(keep: "mine" | "theirs"): void {
    if (!this.clashing) return;
    this.keep = keep;
    this.clashing = false;
    this.around.clash(null);
    void this.run();
  }

  now = (span: Span, revision: number): Span | null => this.sync.now(span, revision);

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private wake(after?: number): void {
    clearTimeout(this.timer);
    const due = Math.min(this.last + REST, (this.first ?? this.last) + LATEST) - Date.now();
    this.timer = setTimeout(() => void this.run(), Math.max(0, after ?? due));
  }

  private get due(): boolean {
    if (this.waiters.length > 0 || this.failures > 0) return true;
    const now = Date.now();
    return this.first === null || now >= this.last + REST || now >= this.first + LATEST;
  }

  private async run(): Promise<void> {
    if (this.running || this.closed) return;
    this.running = true;
    try {
      await this.work();
      if (this.failures > 0) {
        this.failures = 0;
        this.told = "";
      }
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      this.failed(fault);
    } finally {
      this.running = false;
    }
    if (this.closed && !this.sync.pending) this.around.show("saved");
    if (this.closed || this.failures > 0) return;
    if (this.clashing || this.stuck) this.around.show("unsaved");
    else if (this.sync.pending || this.sync.behind) this.wake();
    else {
      this.around.show("saved");
      const done = this.waiters;
      this.waiters = [];
      for (const each of done) each.resolve(this.sync.revision);
    }
  }

  private async work(): Promise<void> {
    while (!this.closed && !this.clashing) {
      if (this.sync.behind || this.keep !== null) await this.catchUp();
      else if (this.sync.pending && this.due && !this.stuck) await this.send();
      else return;
    }
  }

  private async catchUp(): Promise<void> {
    const asked = this.sync.newest;
    const { text, revision } = await this.around.read();
    while (this.around.composing() && !this.closed) await new Promise((go) => setTimeout(go, COMPOSING));
    if (this.closed) return;
    const found = this.sync.received(text, revision, this.keep ?? "ask");
    if ("clashes" in found) {
      this.clashing = true;
      this.around.clash(found.clashes);
      this.reject(new ApiError(409, { code: "conflict", message: "The story was changed elsewhere." }));
      return;
    }
    this.keep = null;
    this.around.change(found.screen);
    if (revision < this.sync.revision) this.sync.startAgain(text, revision, this.around.screen());
    // A server that tells of a revision which it does not give would be asked for ever.
    if (this.sync.newest === asked && asked > revision) this.sync.notHeardOf(revision);
  }

  private async send(): Promise<void> {
    const batch = this.sync.take();
    if (batch === null) return;
    this.first = null;
    try {
      this.sync.took(await this.around.send(batch));
      this.refusals = 0;
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      if (fault.status === 409 && this.refusals++ < PATIENCE) this.sync.refused(fault.body.revision ?? 0);
      else if (fault.status === 422 && this.refusals++ === 0) await this.startAgain();
      else {
        if (fault.status === 0 || fault.status >= 500) this.sync.lost();
        throw fault;
      }
    }
  }

  /** The edits do not fit the server's text though its revision is ours: tell it anew what the screen shows. */
  private async startAgain(): Promise<void> {
    const { text, revision } = await this.around.read();
    this.sync.startAgain(text, revision, this.around.screen());
  }

  private failed(fault: ApiError): void {
    this.failures++;
    this.around.show(this.sync.pending ? "unsaved" : "saved");
    this.reject(fault);
    const outside = fault.status === 401;
    const message = outside ? OUTSIDE : fault.message;
    // That nothing answers, the page says by itself while it lasts.
    if (fault.status !== 0 && message !== this.told) {
      this.told = message;
      this.around.tell(message);
    }
    const passing = fault.status === 0 || fault.status >= 500 || outside;
    if (passing) this.wake(Math.min(RETRY * 2 ** (this.failures - 1), SLOWEST_RETRY));
    else {
      this.stuck = true;
      this.failures = 0;
      this.first = null;
    }
  }

  private reject(fault: ApiError): void {
    const waiting = this.waiters;
    this.waiters = [];
    for (const each of waiting) each.reject(fault);
  }
}
