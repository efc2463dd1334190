// What could not be saved is kept by the browser, so that neither a reload nor a new start of Gnomon loses it. Each page
// has a record of its own; a page takes over those of pages that are gone.

import { NOTHING, type Patch, patched } from "./patch";

export interface Unsent {
  revision: number;
  /** In the order in which they are to be sent; `after` knows the text that each would leave. */
  steps: { patch: Patch; after: number }[];
  /** What the writer typed, in words, for the case that it fits nowhere any more. */
  words: string;
}

/** A number that differs for texts that differ, as good as always. */
export function fingerprint(text: string): number {
  let [a, b] = [0x811c9dc5, 0x9747b28c];
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b + unit, 0x5bd1e995) ^ (b >>> 13);
  }
  return (a >>> 0) * 0x200000 + ((b >>> 0) & 0x1fffff);
}

export function unsentOf(saved: string, revision: number, patches: readonly Patch[]): Unsent {
  let text = saved;
  const steps = patches.map((patch) => {
    text = patched(text, patch);
    return { patch, after: fingerprint(text) };
  });
  const words = patches
    .flatMap((patch) => patch.map((each) => each.text))
    .filter((each) => each.trim() !== "");
  return { revision, steps, words: words.join(" … ") };
}

/** What is left to send where the server has `text` at `revision`; null: it fits no more. */
export function leftOf(unsent: Unsent, text: string, revision: number): Patch[] | null {
  const patches = unsent.steps.map((step) => step.patch);
  if (revision === unsent.revision) return patches;
  const now = fingerprint(text);
  const arrived = unsent.steps.findIndex((step) => step.after === now);
  if (arrived >= 0) return patches.slice(arrived + 1);
  // It arrived and others have written since: the words are there.
  const words = patches.flat().map((each) => each.text.trim());
  return words.every((each) => text.includes(each)) && words.some((each) => each !== "") ? [] : null;
}

const prefix = (story: string) => `gnomon.unsent.${story}.`;

/** The record of this page. */
export class UnsentRecord {
  private readonly key: string;
  private release = () => {};

  constructor(story: string) {
    this.key = prefix(story) + crypto.randomUUID();
    void navigator.locks.request(this.key, () => new Promise<void>((resolve) => (this.release = resolve)));
  }

  write(unsent: Unsent): void {
    try {
      localStorage.setItem(this.key, JSON.stringify(unsent));
    } catch {
      // The browser's store is full or closed: the page itself still has everything.
    }
  }

  clear(): void {
    localStorage.removeItem(this.key);
  }

  close(): void {
    this.release();
  }
}

/** Take over what pages that are gone have left of a story; each record is given once. */
export async function leftBehind(story: string): Promise<Unsent[]> {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix(story)));
  const found: Unsent[] = [];
  for (const key of keys)
    await navigator.locks.request(key, { ifAvailable: true }, (lock) => {
      const kept = lock === null ? null : localStorage.getItem(key);
      if (kept === null) return;
      localStorage.removeItem(key);
      found.push(JSON.parse(kept) as Unsent);
    });
  return found.filter((each) => each.steps.some((step) => step.patch !== NOTHING));
}
