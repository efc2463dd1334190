// The document of the editor: chunks of paragraphs. The text of a paragraph is its own; the white space before it is its
// attribute, and what lies after the last one is the document's, so that a document is exactly one text.

import { type Node, Schema } from "prosemirror-model";
import { chunkStarts, type Paragraph, parsed, serialised } from "../text/paragraphs";

export const BETWEEN = "\n\n";

export const schema = new Schema({
  nodes: {
    doc: { content: "chunk+", attrs: { tail: { default: "" } } },
    chunk: { content: "paragraph+", parseDOM: [{ tag: "div.chunk" }], toDOM: () => ["div", 0] },
    paragraph: {
      content: "text*",
      attrs: { gap: { default: BETWEEN } },
      whitespace: "pre",
      parseDOM: [{ tag: "p" }],
      toDOM: () => ["p", 0],
    },
    text: {},
  },
});

const { chunk, paragraph, doc } = schema.nodes as { [name in "chunk" | "paragraph" | "doc"]: NodeTypeOf };
type NodeTypeOf = (typeof schema.nodes)[string];

export const isParagraph = (node: Node) => node.type === paragraph;
export const gapOf = (node: Node): string => node.attrs.gap as string;
export const tailOf = (node: Node): string => node.attrs.tail as string;

export const paragraphNode = ({ gap, text }: Paragraph): Node =>
  paragraph.create({ gap }, text === "" ? null : schema.text(text));

/** Paragraphs in chunks of a size that an editor is quick with. */
export function chunkNodes(paragraphs: readonly Node[]): Node[] {
  const starts = chunkStarts(paragraphs.map((each) => ({ gap: gapOf(each), text: each.textContent })));
  return starts.map((start, index) => chunk.create(null, paragraphs.slice(start, starts[index + 1])));
}

export function documentOf(text: string): Node {
  const { paragraphs, tail } = parsed(text);
  // White space alone: the caret comes after it.
  if (paragraphs.length === 0)
    return doc.create({ tail: "" }, chunk.create(null, paragraphNode({ gap: tail, text: "" })));
  return doc.create({ tail }, chunkNodes(paragraphs.map(paragraphNode)));
}

export function textOf(document: Node): string {
  const paragraphs: Paragraph[] = [];
  document.forEach((each) => {
    each.forEach((inner) => {
      paragraphs.push({ gap: gapOf(inner), text: inner.textContent });
    });
  });
  return serialised({ paragraphs, tail: tailOf(document) });
}
