// An estimate as a small drawing: a bar for the interval, a dot for the value.

import { glyph } from "./interval";

const WIDTH = 72;
const HEIGHT = 14;
const EDGE = 5; // room for the dot at either end

export function Interval(props: {
  estimate: { value: number | null; low: number | null; high: number | null };
  range: readonly [number, number];
}) {
  const found = glyph(props.estimate, props.range, WIDTH - 2 * EDGE);
  if (found === null) return null;
  const { dot, low, high, cutLow, cutHigh } = found;
  const middle = HEIGHT / 2;
  return (
    <svg className="interval" width={WIDTH} height={HEIGHT} aria-hidden="true">
      <line className="range" x1={EDGE} x2={WIDTH - EDGE} y1={middle} y2={middle} />
      {low !== null && high !== null && (
        <>
          <line className="bar" x1={EDGE + low} x2={EDGE + high} y1={middle} y2={middle} />
          {!cutLow && (
            <line className="end" x1={EDGE + low} x2={EDGE + low} y1={middle - 3} y2={middle + 3} />
          )}
          {!cutHigh && (
            <line className="end" x1={EDGE + high} x2={EDGE + high} y1={middle - 3} y2={middle + 3} />
          )}
        </>
      )}
      <circle cx={EDGE + dot} cy={middle} r="3" />
    </svg>
  );
}
