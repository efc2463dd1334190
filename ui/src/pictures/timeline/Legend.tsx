// What shapes and lines mean, and zoom.

import { Clock, Shape } from "./Mark";

const KINDS = ["action", "movement", "speech", "perception"] as const;

export function Legend({ onZoom }: { onZoom: (factor: number | null) => void }) {
  return (
    <div className="timeline-foot">
      <ul className="legend" aria-label="Legend">
        {KINDS.map((kind) => (
          <li key={kind}>
            <svg width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true">
              <g className={`timeline-event ${kind}`}>
                <Shape kind={kind} r={5} />
              </g>
            </svg>
            {kind}
          </li>
        ))}
        <li>
          <svg width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true">
            <g className="timeline-event action unsure">
              <Shape kind="action" r={5} />
            </g>
          </svg>
          unsure
        </li>
        <li>
          <svg width="14" height="14" viewBox="-1 -14 14 14" aria-hidden="true">
            <g className="timeline-event">
              <Clock r={4} />
            </g>
          </svg>
          time cue
        </li>
      </ul>
      <div className="zoom">
        <button
          type="button"
          className="icon"
          aria-label="Show more of the story"
          title="Narrower (−)"
          onClick={() => onZoom(1 / 1.4)}
        >
          −
        </button>
        <button
          type="button"
          className="icon"
          aria-label="Show less of the story"
          title="Wider (+)"
          onClick={() => onZoom(1.4)}
        >
          +
        </button>
        <button
          type="button"
          className="icon"
          aria-label="Usual width"
          title="Usual width (0)"
          onClick={() => onZoom(null)}
        >
          ↔
        </button>
      </div>
    </div>
  );
}
