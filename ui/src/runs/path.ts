// Points as the path of a line in a drawing: lifted where there is no value, and between stages.

import { thin } from "./thin";

export interface Points {
  x: readonly number[];
  y: readonly number[];
  /** Where the words change, the line is lifted. */
  stage?: readonly string[];
}

export interface Drawn {
  path: string;
  /** Points that stand alone, which a line would not show. */
  dots: [number, number][];
}

/** Lines of so few points show each of them. */
const FEW = 40;

/**
 * The path through the points, thinned to what `width` pixels can show; `place` gives a point's pixels, null where it
 * has none.
 */
export function drawn(
  { x, y, stage }: Points,
  width: number,
  place: (x: number, y: number) => [number, number] | null,
): Drawn {
  const pieces: [number, number][][] = [];
  let piece: [number, number][] = [];
  let before: string | undefined;
  let count = 0;
  for (const index of thin(y, Math.max(100, width))) {
    const point = place(x[index] as number, y[index] as number);
    const here = stage?.[index];
    if (point === null || here !== before) {
      if (piece.length > 0) pieces.push(piece);
      piece = [];
    }
    before = here;
    if (point === null) continue;
    piece.push(point);
    count++;
  }
  if (piece.length > 0) pieces.push(piece);
  return {
    path: pieces
      .filter((each) => each.length > 1)
      .map((each) => `M${each.map(pair).join("L")}`)
      .join(""),
    dots: count <= FEW ? pieces.flat() : pieces.filter((each) => each.length === 1).flat(),
  };
}

/** The outline of a band between two lines; it is lifted where either has no value. */
export function area(
  x: readonly number[],
  low: readonly number[],
  high: readonly number[],
  place: (x: number, y: number) => [number, number] | null,
): string {
  let path = "";
  let upper: [number, number][] = [];
  let lower: [number, number][] = [];
  const close = () => {
    if (upper.length > 1) path += `M${[...upper, ...lower.reverse()].map(pair).join("L")}Z`;
    upper = [];
    lower = [];
  };
  for (let index = 0; index < x.length; index++) {
    const top = place(x[index] as number, high[index] as number);
    const bottom = place(x[index] as number, low[index] as number);
    if (top === null || bottom === null) close();
    else {
      upper.push(top);
      lower.push(bottom);
    }
  }
  close();
  return path;
}

const pair = ([x, y]: [number, number]) => `${x.toFixed(1)},${y.toFixed(1)}`;
