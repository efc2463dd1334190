// All metrics of a run as small charts in groups, with what holds for all of them: the axis, smoothing, and a search.

import { type CSSProperties, useMemo, useState, useSyncExternalStore } from "react";
import type { Curves } from "./curves";
import { plural } from "./format";
import { MetricChart, type View } from "./MetricChart";
import { grouped } from "./metricGroups";

const SMOOTHINGS: readonly [number, string][] = [
  [0, "No smoothing"],
  [0.6, "Smooth a little"],
  [0.9, "Smooth"],
  [0.98, "Smooth strongly"],
];

/** A group of so many charts, or more, has a row to itself. */
const ROW = 6;

export function CurvesSection({ curves, running }: { curves: Curves; running: boolean }) {
  const names = useSyncExternalStore(curves.subscribe, () => curves.names);
  const fault = useSyncExternalStore(curves.subscribe, () => curves.fault);
  const connected = useSyncExternalStore(curves.subscribe, () => curves.connected);
  const [search, setSearch] = useState("");
  const [view, setView] = useState<View>({ by: "step", smoothing: 0, logLosses: false });
  const groups = useMemo(() => grouped(names, search), [names, search]);
  const set = (part: Partial<View>) => setView((before) => ({ ...before, ...part }));
  return (
    <section id="curves" className="run-section" aria-labelledby="curves-title">
      <div className="section-head">
        <h2 id="curves-title">Curves</h2>
        {names.length > 0 && (
          <div className="row curve-tools">
            {names.length > 6 && (
              <input
                type="search"
                aria-label="Find metrics"
                placeholder={`Find among ${plural(names.length, "metric")}`}
                value={search}
                onChange={(event) => setSearch(event.target.value)}
              />
            )}
            <select
              aria-label="Horizontal axis"
              value={view.by}
              onChange={(event) => set({ by: event.target.value === "time" ? "time" : "step" })}
            >
              <option value="step">By step</option>
              <option value="time">By time</option>
            </select>
            <select
              aria-label="Smoothing"
              value={view.smoothing}
              onChange={(event) => set({ smoothing: Number(event.target.value) })}
            >
              {SMOOTHINGS.map(([weight, label]) => (
                <option key={weight} value={weight}>
                  {label}
                </option>
              ))}
            </select>
            <label className="row">
              <input
                type="checkbox"
                checked={view.logLosses}
                onChange={(event) => set({ logLosses: event.target.checked })}
              />
              Logarithmic losses
            </label>
          </div>
        )}
      </div>
      {fault !== null && (
        <p className="bad" role="alert">
          {fault}
        </p>
      )}
      {!connected && (
        <p className="bad" role="alert">
          No connection: the curves go on when Gnomon answers.
        </p>
      )}
      {names.length === 0 && (
        <p className="muted">
          {running ? "No values yet; the first come within seconds." : "This run wrote no metrics."}
        </p>
      )}
      {names.length > 0 && groups.length === 0 && <p className="muted">No metric is called so.</p>}
      <div className="metric-groups">
        {groups.map(({ title, metrics }) => (
          <details
            key={title}
            open
            className="metric-group"
            style={{ "--charts": Math.min(ROW, metrics.length) } as CSSProperties}
          >
            <summary>
              <h3>{title}</h3>
              <span className="muted numbers">{metrics.length}</span>
            </summary>
            <div className="metrics">
              {metrics.map((name) => (
                <MetricChart key={name} curves={curves} name={name} view={view} />
              ))}
            </div>
          </details>
        ))}
      </div>
    </section>
  );
}
