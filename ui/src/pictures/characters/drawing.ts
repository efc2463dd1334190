// The graph as it is drawn: what both ways of drawing it, as elements and on a canvas, share.

import { useEffect, useMemo } from "react";
import type { Character, Id } from "../../api/types";
import { type Found, type Order, useStory } from "../../story/store";
import { type Focus, focusOf } from "../shared/focus";
import { type Places, paneShape, place, usePlaces } from "../shared/kept";
import { type Counted, castOf, chosenOf, eventsIn, howMany, spansOf, usePictureScope } from "../shared/scope";
import { toldVerb } from "../shared/tell";
import { type Block, bulgeOf, type Curve, curveOf, type Placed, placeWords } from "./curves";
import { bonds, type Knot, knotsOf, type Tie, tiesOf, verbsOf } from "./graph";
import { arrange } from "./layout";

export interface Line {
  tie: Tie;
  curve: Curve;
  words: Placed | null;
  /** All that the line would say if it had the room. */
  full: string;
  /** The kind of all its events, or "several". */
  kind: string;
  sure: boolean;
}

export interface Drawing {
  /** Everybody in the scope, and how many of them may be drawn. */
  all: readonly Counted<Character>[];
  knots: readonly Knot[];
  places: Places;
  lines: readonly Line[];
  focus: Focus;
}

/** What a line says, the longest first. */
function wordsOf({ events }: Tie): string[] {
  const [first] = events;
  if (first === undefined) return [];
  if (events.length === 1) return [toldVerb(first)];
  const verbs = verbsOf(events);
  return [`${events.length} · ${verbs.slice(0, 2).join(", ")}`, String(events.length)];
}

function linesOf(
  ties: readonly Tie[],
  blocks: ReadonlyMap<Id, Block>,
  words: ReadonlyMap<string, string[]>,
): Line[] {
  const curves = new Map<string, Curve>();
  for (const tie of ties) {
    const source = blocks.get(tie.source);
    const target = blocks.get(tie.target);
    if (source !== undefined && target !== undefined)
      curves.set(tie.id, curveOf(source, target, bulgeOf(tie)));
  }
  const placed = placeWords(
    ties.flatMap((tie) => {
      const curve = curves.get(tie.id);
      return curve === undefined
        ? []
        : [{ id: tie.id, curve, texts: words.get(tie.id) ?? [], weight: tie.events.length }];
    }),
    [...blocks.values()],
  );
  return ties.flatMap((tie) => {
    const curve = curves.get(tie.id);
    if (curve === undefined) return [];
    const kinds = new Set(tie.events.map((each) => each.kind));
    return [
      {
        tie,
        curve,
        words: placed.get(tie.id) ?? null,
        full: words.get(tie.id)?.[0] ?? "",
        kind: kinds.size === 1 ? ([...kinds][0] as string) : "several",
        sure: tie.events.some((each) => each.confidence >= 0.5),
      },
    ];
  });
}

/** The drawing of what was found, in the scope that is chosen; null until it is known where the writer put things. */
export function useDrawing(found: Found): Drawing | null {
  const order: Order = useStory((state) => state.order);
  const selection = useStory((state) => state.selection);
  const hover = useStory((state) => state.hover);
  const manuscript = useStory((state) => state.manuscript);
  const scope = usePictureScope();
  const sceneId = useStory((state) => (scope.kind === "scene" ? state.sceneId : null));
  const kept = usePlaces("characters");

  const spans = useMemo(() => spansOf(scope, found.scenes, sceneId), [scope, found, sceneId]);
  const all = useMemo(() => castOf(found, spans), [found, spans]);
  const also = selection.entities.filter((id) => found.people.has(id)).join(" ");
  const knots = useMemo(
    () => knotsOf(chosenOf(all, howMany(scope.most, all.length), also.split(" "))),
    [all, scope.most, also],
  );
  const ties = useMemo(
    () => tiesOf(eventsIn(found, spans), new Set(knots.map(({ id }) => id)), order),
    [found, spans, knots, order],
  );
  // The words are those of the text, which the manuscript has.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `manuscript` brings the text.
  const words = useMemo(() => new Map(ties.map((tie) => [tie.id, wordsOf(tie)])), [ties, manuscript]);
  const places = useMemo(
    () => (kept === null ? null : arrange(knots, bonds(ties), kept, paneShape())),
    [kept, knots, ties],
  );
  useEffect(() => {
    if (places !== null && kept !== null && knots.some(({ id }) => kept[id] === undefined))
      place("characters", places);
  }, [places, kept, knots]);
  const lines = useMemo(() => {
    if (places === null) return [];
    const blocks = new Map<Id, Block>();
    for (const { id, width, height } of knots) {
      const at = places[id];
      if (at !== undefined) blocks.set(id, { ...at, width, height });
    }
    return linesOf(ties, blocks, words);
  }, [places, knots, ties, words]);
  const focus = useMemo(() => focusOf(found, selection, hover), [found, selection, hover]);
  return useMemo(
    () => (places === null ? null : { all, knots, places, lines, focus }),
    [all, knots, places, lines, focus],
  );
}
