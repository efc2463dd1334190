// What happened to the story, as a tree whose every state can be had again.

import { useEffect, useState } from "react";
import { ask } from "../parts/ask";
import { useStory } from "../story/store";
import { lanes, type Placed, runs, width } from "./historyGraph";
import { when } from "./times";
import { amount, stepName } from "./wording";

const ROW = 46;
const LANE = 14;
/** Lanes that are drawn apart; those further out share the last place. */
const LANES = 8;
/** Rows that are drawn at once. */
const DRAWN = 120;

const x = (lane: number) => 9 + LANE * Math.min(lane, LANES - 1);

function Rails({ row, lanes: count, current }: { row: Placed; lanes: number; current: boolean }) {
  const middle = ROW / 2;
  const at = x(row.lane);
  return (
    <svg className="rails" width={x(count - 1) + 9} height={ROW} aria-hidden="true">
      {row.through.map((lane) => (
        <path key={`t${lane}`} d={`M${x(lane)} 0V${ROW}`} />
      ))}
      {row.joins.map((lane) => (
        <path
          key={`j${lane}`}
          d={
            lane === row.lane
              ? `M${at} 0V${middle}`
              : `M${x(lane)} 0C${x(lane)} ${middle} ${at} ${middle / 2} ${at} ${middle}`
          }
        />
      ))}
      {row.below && <path d={`M${at} ${middle}V${ROW}`} />}
      <circle
        cx={at}
        cy={middle}
        r={current ? 5.5 : 4}
        className={current ? "here" : row.labels.length > 0 ? "named" : ""}
      />
    </svg>
  );
}

export function HistoryPanel() {
  const history = useStory((state) => state.history);
  const loadHistory = useStory((state) => state.loadHistory);
  const restore = useStory((state) => state.restore);
  const snapshot = useStory((state) => state.snapshot);
  const save = useStory((state) => state.save);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const [most, setMost] = useState(DRAWN);
  // Typing makes steps that are told of only when the history is looked at; what is saved meanwhile is read again.
  useEffect(() => {
    if (save === "saved") loadHistory().catch(() => {});
  }, [save, loadHistory]);
  const name = async () => {
    const label = await ask({ title: "Name this state", label: "Name", action: "Keep" });
    if (label !== null) await snapshot(label);
  };
  const back = async (node: number) => {
    await restore(node);
    await loadHistory().catch(() => {});
  };
  const placed = history === null ? [] : lanes(runs(history, open), history.current);
  const drawn = placed.slice(0, most);
  const count = Math.min(LANES, width(drawn));
  return (
    <section id="panel-history" className="panel" aria-label="History" data-testid="history" tabIndex={-1}>
      <div className="row">
        <button type="button" className="small" onClick={name}>
          Name this state…
        </button>
      </div>
      {history === null ? (
        <p className="nothing">One moment…</p>
      ) : (
        <ol className="history" style={{ "--row": `${ROW}px` } as React.CSSProperties}>
          {drawn.map((row) => {
            const here = row.id === history.current;
            const how = amount(row.added, row.removed);
            const name = stepName(row.kind, row.steps, how !== "");
            // A name that was given has the line for itself.
            const title = row.labels.length > 0 ? row.labels.join(", ") : name;
            const rest = [row.labels.length > 0 ? name : "", how, here ? "you are here" : ""];
            const about = [when(row.time), ...rest].filter((each) => each !== "");
            return (
              <li key={row.id} aria-current={here ? "step" : undefined}>
                <Rails row={row} lanes={count} current={here} />
                <div className="step">
                  <span className="what" title={title}>
                    {row.labels.length > 0 ? <strong>{title}</strong> : title}
                  </span>
                  <span className="muted numbers">{about.join(" · ")}</span>
                </div>
                {(row.steps > 1 || row.opened) && (
                  <button
                    type="button"
                    className="icon"
                    aria-expanded={row.opened}
                    aria-label={row.opened ? "Fold these steps" : `Show these ${row.steps} steps`}
                    onClick={() => {
                      const next = new Set(open);
                      if (!next.delete(row.id)) next.add(row.id);
                      setOpen(next);
                    }}
                  >
                    {row.opened ? "▾" : "▸"}
                  </button>
                )}
                {!here && (
                  <button
                    type="button"
                    className="small quiet"
                    aria-label={`Restore: ${[...row.labels, name, when(row.time)].join(", ")}`}
                    onClick={() => back(row.id)}
                  >
                    Restore
                  </button>
                )}
              </li>
            );
          })}
        </ol>
      )}
      {placed.length > most && (
        <button type="button" className="quiet" onClick={() => setMost(most + DRAWN)}>
          Older… ({placed.length - most})
        </button>
      )}
    </section>
  );
}
