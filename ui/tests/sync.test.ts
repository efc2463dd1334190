import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "../src/api/client";
import type { TextEdit } from "../src/api/types";
import { type Clash, type Patch, patched } from "../src/text/patch";
import { Saving } from "../src/text/saving";
import { type Batch, Sync } from "../src/text/sync";
import { fingerprint, leftOf, unsentOf } from "../src/text/unsent";
import { applied, type Random, random, randomEdit, randomText } from "./random";

/** A server as the contract has it. */
class Server {
  revision = 1;
  readonly states = new Map<number, string>();
  constructor(public text: string) {
    this.states.set(1, text);
  }

  edit({ revision, edits }: Batch): number {
    if (revision !== this.revision)
      throw new ApiError(409, { code: "conflict", message: "Another revision.", revision: this.revision });
    return this.change(edits.reduce(applied, this.text));
  }

  change(text: string): number {
    this.text = text;
    this.states.set(++this.revision, text);
    return this.revision;
  }
}

/** One page: what it shows, and what it knows of the server. */
class Page {
  screen: string;
  readonly sync: Sync;
  constructor(
    readonly server: Server,
    private readonly next: Random,
  ) {
    this.screen = server.text;
    this.sync = new Sync(server.text, server.revision);
  }

  type(edit: TextEdit): void {
    this.screen = applied(this.screen, edit);
    this.sync.typed(edit);
  }

  /** One exchange with the server; `lose` loses the request or the answer. */
  exchange(lose: "request" | "answer" | null = null): void {
    if (this.sync.behind) {
      const { text, revision } = this.server;
      let found = this.sync.received(text, revision);
      if ("clashes" in found) {
        expect(found.clashes.length).toBeGreaterThan(0);
        found = this.sync.received(text, revision, this.next(2) === 0 ? "mine" : "theirs");
      }
      if (!("screen" in found)) throw new Error("a clash was not settled");
      this.screen = patched(this.screen, found.screen);
      return;
    }
    const batch = this.sync.take();
    if (batch === null) return;
    try {
      if (lose === "request") throw new ApiError(0, { code: "unreachable", message: "Lost." });
      const revision = this.server.edit(batch);
      if (lose === "answer") this.sync.lost();
      else this.sync.took(revision);
    } catch (fault) {
      const { status, body } = fault as ApiError;
      if (status === 409) this.sync.refused(body.revision ?? 0);
      else this.sync.lost();
    }
  }

  settle(): void {
    for (let tries = 0; this.sync.pending || this.server.revision > this.sync.revision; tries++) {
      if (tries > 20) throw new Error("it does not come to rest");
      this.sync.heardOf(this.server.revision);
      this.exchange();
    }
  }
}

describe("the screen and the disk", () => {
  test("are one in the end, whatever is lost on the way and whoever writes as well", {
    timeout: 30_000,
  }, () => {
    for (let seed = 0; seed < 600; seed++) {
      const next = random(seed);
      const server = new Server(randomText(next, 20));
      const pages = [new Page(server, next), new Page(server, next)];
      for (let each = 0; each < 12; each++) {
        const page = pages[next(2)] as Page;
        const what = next(6);
        if (what < 3) page.type(randomEdit(next, page.screen));
        else if (what === 3) page.sync.heardOf(server.revision);
        else page.exchange(([null, null, "request", "answer"] as const)[next(4)] ?? null);
      }
      for (const page of [...pages, ...pages]) page.settle();
      for (const page of pages) {
        expect(page.screen).toBe(server.text);
        expect(page.sync.saved).toBe(server.text);
      }
    }
  });

  test("every word that one writer types stays, though answers are lost", { timeout: 30_000 }, () => {
    for (let seed = 0; seed < 300; seed++) {
      const next = random(seed);
      const server = new Server("One two three.");
      const page = new Page(server, next);
      for (let each = 0; each < 20; each++) {
        if (next(2) === 0) page.type(randomEdit(next, page.screen));
        else page.exchange(([null, "request", "answer"] as const)[next(3)] ?? null);
      }
      const typed = page.screen;
      page.settle();
      expect(page.screen).toBe(typed);
      expect(server.text).toBe(typed);
    }
  });

  test("what may have arrived and was written over by others is asked about, not lost", () => {
    const server = new Server("the cat sat");
    const page = new Page(server, random(1));
    page.type({ start: 4, end: 7, text: "tom" });
    page.exchange("request");
    server.change("the terrier sat");
    page.sync.heardOf(server.revision);
    expect(page.sync.received(server.text, server.revision)).toEqual({
      clashes: [{ start: 4, end: 7, mine: "tom", theirs: "terrier" }],
    });
  });

  test("positions of any known revision are found again", { timeout: 30_000 }, () => {
    for (let seed = 0; seed < 200; seed++) {
      const next = random(seed);
      const server = new Server("The mill stood by the river, and Ana walked there.");
      const page = new Page(server, next);
      const start = 33;
      for (let each = 0; each < 10; each++) {
        const edit = randomEdit(next, page.screen.slice(0, 30));
        if (next(3) > 0) page.type({ ...edit, end: Math.min(edit.end, 30), start: Math.min(edit.start, 30) });
        else page.exchange();
        // Ana is not touched as long as what is typed lies before her.
        const now = page.sync.now({ start, end: start + 3 }, 1);
        if (page.screen.includes("Ana") && now !== null)
          expect([...page.screen].slice(now.start, now.end).join("")).toBe("Ana");
      }
      expect(page.sync.now({ start: 0, end: 1 }, 999)).toBe(null);
    }
  });
});

describe("what was left unsent", () => {
  const steps: Patch[] = [[{ start: 4, end: 4, text: "two " }], [{ start: 8, end: 8, text: "three " }]];

  test("is sent where the revision fits, or from where it arrived", () => {
    const unsent = unsentOf("One end.", 7, steps);
    expect(leftOf(unsent, "One end.", 7)).toEqual(steps);
    expect(leftOf(unsent, "One two end.", 8)).toEqual([steps[1]]);
    expect(leftOf(unsent, "One two three end.", 9)).toEqual([]);
    expect(leftOf(unsent, "Something else.", 8)).toBe(null);
    expect(leftOf(unsent, "One two and three, and more.", 12)).toEqual([]);
    expect(unsent.words).toBe("two  … three ");
  });

  test("goes on in a new page though it may have arrived already", () => {
    const server = new Server("One end.");
    const page = new Page(server, random(1));
    // The last page's request arrives after this one has read the text.
    for (const step of steps) page.screen = patched(page.screen, step);
    page.sync.resume(steps);
    server.change("One two end.");
    page.settle();
    expect(server.text).toBe("One two three end.");
    expect(page.screen).toBe(server.text);
  });

  test("texts that differ have other fingerprints", () => {
    const next = random(9);
    const seen = new Map<number, string>();
    for (let round = 0; round < 3000; round++) {
      const text = randomText(next, 6);
      const known = seen.get(fingerprint(text));
      if (known !== undefined) expect(known).toBe(text);
      seen.set(fingerprint(text), text);
    }
  });
});

describe("saving", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function writer(text = "") {
    const server = new Server(text);
    const sync = new Sync(text, 1);
    const seen = {
      screen: text,
      sent: [] as number[],
      statuses: [] as string[],
      told: [] as string[],
      clashes: null as readonly Clash[] | null,
    };
    const trouble = { fault: null as ApiError | null, composing: false };
    const saving = new Saving(sync, {
      send: async (batch) => {
        if (trouble.fault !== null) throw trouble.fault;
        seen.sent.push(Date.now());
        return server.edit(batch);
      },
      read: async () => {
        if (trouble.fault !== null) throw trouble.fault;
        return { text: server.text, revision: server.revision };
      },
      change: (patch) => {
        seen.screen = patched(seen.screen, patch);
      },
      screen: () => seen.screen,
      composing: () => trouble.composing,
      show: (status) => {
        seen.statuses.push(status);
      },
      clash: (clashes) => {
        seen.clashes = clashes;
      },
      tell: (message) => {
        seen.told.push(message);
      },
    });
    const type = (edit: TextEdit) => {
      seen.screen = applied(seen.screen, edit);
      sync.typed(edit);
      saving.typed();
    };
    const add = (words: string) =>
      type({ start: [...seen.screen].length, end: [...seen.screen].length, text: words });
    return { server, saving, seen, trouble, type, add };
  }

  test("sends within a second of the last key, as one edit", async () => {
    const { server, seen, add } = writer();
    for (const letter of "Hello") {
      add(letter);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(seen.sent.length).toBe(0);
    await vi.advanceTimersByTimeAsync(750);
    expect(server.text).toBe("Hello");
    expect(seen.sent.length).toBe(1);
    expect(seen.statuses).toEqual(["saving", "saved"]);
  });

  test("sends every two seconds while the writer goes on", async () => {
    const { server, seen, add } = writer();
    for (let key = 0; key < 100; key++) {
      add("x");
      await vi.advanceTimersByTimeAsync(100);
      expect(seen.screen.length - server.text.length).toBeLessThanOrEqual(20);
    }
    expect(seen.sent.length).toBeLessThan(12);
  });

  test("keeps what is typed while nothing answers, and sends it when something does", async () => {
    const { server, seen, trouble, add, saving } = writer();
    trouble.fault = new ApiError(0, { code: "unreachable", message: "Nothing answers." });
    add("One");
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen.statuses.at(-1)).toBe("unsaved");
    add(" two");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.text).toBe("");
    trouble.fault = null;
    saving.found();
    await vi.advanceTimersByTimeAsync(10);
    expect(server.text).toBe("One two");
    expect(seen.statuses.at(-1)).toBe("saved");
    expect(seen.told).toEqual([]);
  });

  test("says once that the page is not let in any more", async () => {
    const { seen, trouble, add } = writer();
    trouble.fault = new ApiError(401, { code: "unauthorized", message: "No." });
    add("One");
    await vi.advanceTimersByTimeAsync(30_000);
    expect(seen.told.length).toBe(1);
    expect(seen.told[0]).toContain("open the address that it printed");
    expect(seen.statuses.at(-1)).toBe("unsaved");
  });

  test("a flush resolves when all is on the disk, and fails while it cannot be", async () => {
    const { server, saving, trouble, add } = writer();
    expect(await saving.flush()).toBe(1);
    add("One");
    expect(await saving.flush()).toBe(2);
    expect(server.text).toBe("One");
    trouble.fault = new ApiError(0, { code: "unreachable", message: "Nothing answers." });
    add(" two");
    await expect(saving.flush()).rejects.toThrow("Nothing answers.");
  });

  test("takes in what others have changed, around what is typed here", async () => {
    const { server, saving, seen, type } = writer("One two three.");
    type({ start: 0, end: 3, text: "Four" });
    saving.heardOf(server.change("One two six."));
    await vi.advanceTimersByTimeAsync(2000);
    expect(seen.screen).toBe("Four two six.");
    expect(server.text).toBe("Four two six.");
  });

  test("asks where both have changed the same words, and sends nothing until it is told", async () => {
    for (const keep of ["mine", "theirs"] as const) {
      const { server, saving, seen, type, add } = writer("the cat sat");
      type({ start: 4, end: 7, text: "dog" });
      saving.heardOf(server.change("the cow sat"));
      await vi.advanceTimersByTimeAsync(3000);
      expect(seen.clashes).toEqual([{ start: 4, end: 7, mine: "dog", theirs: "cow" }]);
      expect(server.text).toBe("the cow sat");
      expect(seen.statuses.at(-1)).toBe("unsaved");
      add(" down");
      await vi.advanceTimersByTimeAsync(3000);
      expect(server.text).toBe("the cow sat");
      await expect(saving.flush()).rejects.toThrow();
      saving.settle(keep);
      await vi.advanceTimersByTimeAsync(3000);
      expect(seen.screen).toBe(keep === "mine" ? "the dog sat down" : "the cow sat down");
      expect(server.text).toBe(seen.screen);
      expect(seen.clashes).toBe(null);
    }
  });

  test("waits with changes of others while a character is composed", async () => {
    const { server, saving, seen, trouble } = writer("One");
    trouble.composing = true;
    saving.heardOf(server.change("One two"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen.screen).toBe("One");
    trouble.composing = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen.screen).toBe("One two");
  });

  test("tells the server anew what the screen shows where it refuses an edit", async () => {
    const { server, seen, trouble, add } = writer("One");
    trouble.fault = new ApiError(422, { code: "invalid", message: "No such place." });
    add(" two");
    await vi.advanceTimersByTimeAsync(600);
    trouble.fault = null;
    add("!");
    await vi.advanceTimersByTimeAsync(3000);
    expect(server.text).toBe("One two!");
    expect(seen.screen).toBe("One two!");
  });
});
