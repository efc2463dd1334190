// Changes of the text as changes of the document, and the other way round.

import type { Node } from "prosemirror-model";
import type { Transaction } from "prosemirror-state";
import type { TextEdit } from "../api/types";
import { pointsIn, unitOf } from "../text/codepoints";
import { common } from "../text/difference";
import { LONGEST_CHUNK, parsed } from "../text/paragraphs";
import { lengths, type locate, paragraphAfter, paragraphAt, paragraphBefore } from "./positions";
import { chunkNodes, gapOf, paragraphNode, tailOf } from "./schema";

/** What has changed in the text between two documents, one of which was made of the other. */
export function editBetween(before: Node, after: Node): TextEdit | null {
  if (before === after) return null;
  const sameTail = tailOf(before) === tailOf(after);
  const chunks = unchanged(before, after, sameTail);
  let head = sumOf(before, 0, chunks.first);
  const inner = (document: Node, last: number) => {
    const nodes: Node[] = [];
    for (let index = chunks.first; index < last; index++)
      document.child(index).forEach((each) => {
        nodes.push(each);
      });
    return nodes;
  };
  const [old, now] = [inner(before, chunks.lastBefore), inner(after, chunks.lastAfter)];
  let first = 0;
  while (first < old.length && first < now.length && old[first] === now[first])
    head += lengths(old[first++] as Node).points;
  let [a, b] = [old.length, now.length];
  while (sameTail && a > first && b > first && old[a - 1] === now[b - 1]) [a, b] = [a - 1, b - 1];
  const text = (nodes: Node[], end: number, document: Node) =>
    nodes
      .slice(first, end)
      .map((each) => gapOf(each) + each.textContent)
      .join("") + (sameTail ? "" : tailOf(document));
  const [oldText, nowText] = [text(old, a, before), text(now, b, after)];
  if (oldText === nowText) return null;
  const same = common(oldText, nowText);
  const start = head + pointsIn(oldText.slice(0, same.head));
  return {
    start,
    end: start + pointsIn(oldText.slice(same.head, oldText.length - same.tail)),
    text: nowText.slice(same.head, nowText.length - same.tail),
  };
}

/** The chunks that differ: all before `first` are the same, and all from `lastBefore` and `lastAfter` on. */
export function unchanged(before: Node, after: Node, sameTail = true) {
  let first = 0;
  const shortest = Math.min(before.childCount, after.childCount);
  while (first < shortest && before.child(first) === after.child(first)) first++;
  let [lastBefore, lastAfter] = [before.childCount, after.childCount];
  while (
    sameTail &&
    lastBefore > first &&
    lastAfter > first &&
    before.child(lastBefore - 1) === after.child(lastAfter - 1)
  )
    [lastBefore, lastAfter] = [lastBefore - 1, lastAfter - 1];
  return { first, lastBefore, lastAfter };
}

function sumOf(document: Node, from: number, to: number): number {
  let sum = 0;
  for (let index = from; index < to; index++) sum += lengths(document.child(index)).points;
  return sum;
}

/** Make an edit of the text in the document. */
export function put(transaction: Transaction, edit: TextEdit): Transaction {
  const document = transaction.doc;
  const first = paragraphAt(document, edit.start);
  const within = edit.start >= first.from && edit.end <= first.to;
  if (within && (!edit.text.includes("\n") || staysWhole(first.node, first.from, edit))) {
    const text = first.node.textContent;
    const from = first.place + 1 + unitOf(text, edit.start - first.from);
    const to = first.place + 1 + unitOf(text, edit.end - first.from);
    return edit.text === "" ? transaction.delete(from, to) : transaction.insertText(edit.text, from, to);
  }
  return putAcross(transaction, edit);
}

/** Whether white space holds an empty line. */
const empty = (space: string) => space.indexOf("\n") !== space.lastIndexOf("\n");

function staysWhole(node: Node, from: number, edit: TextEdit): boolean {
  const text = node.textContent;
  const { paragraphs, tail } = parsed(
    text.slice(0, unitOf(text, edit.start - from)) + edit.text + text.slice(unitOf(text, edit.end - from)),
  );
  const [only] = paragraphs;
  // A line end at the beginning or end may stay inside: the caret can stand beside it there.
  return paragraphs.length === 1 && !empty(only?.gap ?? "") && !empty(tail);
}

function putAcross(transaction: Transaction, edit: TextEdit): Transaction {
  const document = transaction.doc;
  const first = paragraphAt(document, edit.start);
  let last = first;
  let text = gapOf(first.node) + first.node.textContent;
  const extend = () => {
    const next = paragraphAfter(document, last);
    if (next === null) return false;
    last = next;
    text += gapOf(next.node) + next.node.textContent;
    return true;
  };
  while (last.to < edit.end && extend());
  const edited = (whole: string) => {
    const from = unitOf(whole, edit.start - first.gap);
    const to = unitOf(whole, edit.end - first.gap);
    return parsed(whole.slice(0, from) + edit.text + whole.slice(to));
  };
  const atEnd = () => paragraphAfter(document, last) === null;
  let result = edited(atEnd() ? text + tailOf(document) : text);
  // White space that is left at the end belongs to the paragraph after it.
  while (!atEnd() && (result.tail !== "" || result.paragraphs.length === 0) && extend())
    result = edited(atEnd() ? text + tailOf(document) : text);
  if (result.paragraphs.length === 0 && paragraphBefore(document, first) === null) {
    result.paragraphs.push({ gap: result.tail, text: "" });
    result.tail = "";
  }
  const end = atEnd();
  const nodes = result.paragraphs.map(paragraphNode);
  replace(transaction, first, last, nodes);
  if (end && result.tail !== tailOf(document)) transaction.setDocAttribute("tail", result.tail);
  return transaction;
}

type Where = ReturnType<typeof locate>;

function replace(transaction: Transaction, first: Where, last: Where, nodes: Node[]): void {
  const document = transaction.doc;
  const head = document.child(first.chunk);
  const foot = document.child(last.chunk);
  const before = children(head).slice(0, first.index);
  const after = children(foot).slice(last.index + 1);
  if (first.chunk === last.chunk && before.length + nodes.length + after.length > 0) {
    const old = children(head).slice(first.index, last.index + 1);
    // What is the same at both ends stays, with the caret in it.
    let same = 0;
    while (same < old.length && same < nodes.length && (old[same] as Node).eq(nodes[same] as Node)) same++;
    let from = first.place;
    for (const each of old.slice(0, same)) from += each.nodeSize;
    const to = last.place + last.node.nodeSize;
    const fresh = nodes.slice(same);
    if (fresh.length === 0) transaction.delete(from, to);
    else transaction.replaceWith(from, to, fresh);
    return;
  }
  const { places } = lengths(document);
  const from = places[first.chunk] as number;
  const to = (places[last.chunk] as number) + foot.nodeSize;
  transaction.replaceWith(from, to, chunkNodes([...before, ...nodes, ...after]));
}

function children(node: Node): Node[] {
  const found: Node[] = [];
  node.forEach((each) => {
    found.push(each);
  });
  return found;
}

/** Divide chunks that have grown too long, after a paste or many joins. */
export function divide(transaction: Transaction): Transaction {
  for (let index = transaction.doc.childCount - 1; index >= 0; index--) {
    const chunk = transaction.doc.child(index);
    if (lengths(chunk).points <= 2 * LONGEST_CHUNK || chunk.childCount === 1) continue;
    const { places } = lengths(chunk);
    const start = (lengths(transaction.doc).places[index] as number) + 1;
    const firsts: number[] = [];
    let count = 0;
    for (const part of chunkNodes(children(chunk))) {
      if (count > 0) firsts.push(count);
      count += part.childCount;
    }
    for (const first of firsts.reverse()) transaction.split(start + (places[first] as number), 1);
  }
  return transaction;
}
