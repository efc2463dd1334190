// The graph of characters and of what they do to each other.

import { type Found, useStory } from "../../story/store";
import { ScopeTools } from "../shared/ScopeTools";
import { Tools } from "../shared/Tools";
import { Waiting } from "../shared/Waiting";
import { useDrawing } from "./drawing";
import { GraphCanvas } from "./GraphCanvas";
import { GraphElements } from "./GraphElements";
import "./characters.css";

/** Above so many characters the graph is drawn on a canvas: elements would make the page slow. */
const CANVAS_ABOVE = 300;

function Graph({ found }: { found: Found }) {
  const drawing = useDrawing(found);
  if (drawing === null) return null;
  return (
    <>
      <Tools>
        <ScopeTools of="characters" all={drawing.all.length} />
      </Tools>
      {drawing.knots.length === 0 ? (
        <p className="empty">Nobody is in this part of the story.</p>
      ) : drawing.knots.length > CANVAS_ABOVE ? (
        <GraphCanvas drawing={drawing} />
      ) : (
        <GraphElements drawing={drawing} found={found} />
      )}
    </>
  );
}

export function CharactersView() {
  const found = useStory((state) => state.found);
  if (found === null) return <Waiting />;
  if (found.characters.length === 0)
    return (
      <p className="empty">
        No characters yet. Whoever has a name and does something in the text is drawn here by itself.
      </p>
    );
  return <Graph found={found} />;
}
