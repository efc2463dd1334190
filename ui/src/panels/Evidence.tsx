// A passage that something rests on, as a button: it shows the words, and goes to them in the text.

import type { Span } from "../api/types";
import { useStory } from "../story/store";

const MOST = 160;

export function Evidence({ span, revision, quote }: { span: Span; revision: number; quote?: string }) {
  const manuscript = useStory((state) => state.manuscript);
  const now = manuscript?.now(span, revision) ?? null;
  const said = now === null ? (quote ?? "") : (manuscript?.slice(now.start, now.end) ?? "");
  const words = said.replace(/\s+/g, " ").trim();
  if (words === "") return <span className="passage muted">These words are not in the text any more.</span>;
  return (
    <button
      type="button"
      className="passage"
      title="Show it in the text"
      onClick={() => {
        if (now !== null) manuscript?.reveal(now);
      }}
    >
      {words.length > MOST ? `${words.slice(0, MOST)}…` : words}
    </button>
  );
}
