// Several runs side by side: one metric of all of them, repeats as a mean with its interval, the verdict of the
// stochastic order between two groups, and what differs in their settings.

import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { get, ofRun } from "../api/client";
import type { Id, RunCurves, RunDetail } from "../api/types";
import { type By, Chart, type Curve, place, type Reading } from "./Chart";
import { number, setting } from "./format";
import { pathOfRun, shown, useRepeated } from "./list";
import { style } from "./MetricChart";
import { firstMetric, isLoss, words } from "./metricGroups";
import { State } from "./State";
import { type Group, groupDifferences, repeats } from "./settings";
import { Verdict } from "./Verdict";
import "./comparison.css";

/** While one of the runs goes on, its curve is read again so often, in ms. */
const AGAIN = 5000;

export function Comparison({ ids }: { ids: readonly Id[] }) {
  const [runs, setRuns] = useState<readonly RunDetail[] | null>(null);
  const [missing, setMissing] = useState<readonly string[]>([]);
  useEffect(() => {
    let left = false;
    Promise.allSettled(ids.map((id) => get<RunDetail>(ofRun(id)))).then((answers) => {
      if (left) return;
      const found = answers.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      setRuns(found.filter((each) => each.error === undefined));
      setMissing([
        ...answers.flatMap((each) => (each.status === "rejected" ? [(each.reason as Error).message] : [])),
        ...found.flatMap((each) => each.error ?? []),
      ]);
    });
    return () => {
      left = true;
    };
  }, [ids]);
  const groups = useMemo(() => repeats(runs ?? []), [runs]);
  if (runs === null) return <p className="empty">Reading…</p>;
  return (
    <div className="comparison">
      {missing.map((sentence) => (
        <p key={sentence} className="bad" role="alert">
          {sentence}
        </p>
      ))}
      {runs.length === 0 ? (
        <p className="empty">None of these runs can be compared.</p>
      ) : (
        <>
          <CompareCurves runs={runs} groups={groups} />
          <div className="compare-columns">
            <Verdict groups={groups} />
            <Differences groups={groups} />
          </div>
        </>
      )}
    </div>
  );
}

function CompareCurves({
  runs,
  groups,
}: {
  runs: readonly RunDetail[];
  groups: readonly Group<RunDetail>[];
}) {
  const metrics = useMemo(() => sharedFirst(runs), [runs]);
  const [metric, setMetric] = useState(() => firstMetric(metrics) ?? "");
  const [by, setBy] = useState<By>("step");
  const [log, setLog] = useState(false);
  const [curves, setCurves] = useState<RunCurves | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [reading, setReading] = useState<Reading | null>(null);
  const [turn, setTurn] = useState(0);
  const live = runs.some((run) => run.state === "running");
  useRepeated(AGAIN, async () => {
    if (live) setTurn((before) => before + 1);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` says to read again.
  useEffect(() => {
    if (metric === "") return;
    let left = false;
    const query = new URLSearchParams([...runs.map((run) => ["run", run.id]), ["name", metric], ["by", by]]);
    get<RunCurves>(`/api/runs/curves?${query}`).then(
      (answer) => {
        if (left) return;
        setCurves(answer);
        setFault(null);
      },
      (reason: Error) => {
        if (left) return;
        setCurves(null);
        setFault(reason.message);
      },
    );
    return () => {
      left = true;
    };
  }, [runs, metric, by, turn]);
  const drawn = useMemo(() => (curves === null ? [] : linesOf(curves, groups)), [curves, groups]);
  return (
    <section className="card compare-chart" aria-label="Curves">
      <div className="section-head">
        <div className="row">
          <label className="row">
            <span className="muted">Metric</span>
            <select value={metric} onChange={(event) => setMetric(event.target.value)}>
              {metrics.map((name) => (
                <option key={name} value={name}>
                  {words(name)}
                </option>
              ))}
            </select>
          </label>
          <select
            aria-label="Horizontal axis"
            value={by}
            onChange={(event) => setBy(event.target.value as By)}
          >
            <option value="step">By step</option>
            <option value="time">By time</option>
            <option value="samples">By samples</option>
          </select>
          {isLoss(metric) && (
            <label className="row">
              <input type="checkbox" checked={log} onChange={(event) => setLog(event.target.checked)} />
              Logarithmic
            </label>
          )}
        </div>
        <span className="numbers muted">
          {reading !== null &&
            `${place(reading.x, by)}: ${reading.values.map(({ label, value }) => `${label} ${number(value)}`).join(", ")}`}
        </span>
      </div>
      {fault !== null ? (
        <p className="muted chart-nothing" style={{ height: 290 }}>
          {fault}
        </p>
      ) : (
        <Chart
          name={words(metric)}
          curves={drawn}
          by={by}
          log={log && isLoss(metric)}
          height={290}
          onRead={setReading}
        />
      )}
      <ul className="groups">
        {groups.map((group, index) => (
          <li key={group.letter}>
            <Swatch index={index} />
            <strong>{group.letter}</strong>
            <span>
              {group.runs.length === 1
                ? "one run"
                : `${group.runs.length} runs of the same settings, seeds ${seeds(group)}`}
              :{" "}
              {group.runs.map((run, place) => (
                <span key={run.id}>
                  {place > 0 && ", "}
                  <Link href={pathOfRun(run.id)}>{shown(run.id)}</Link>
                  {run.state !== "finished" && <State state={run.state} />}
                </span>
              ))}
              {group.runs.every((run) => !run.metrics.includes(metric)) && (
                <span className="muted"> (has no {words(metric)})</span>
              )}
            </span>
          </li>
        ))}
      </ul>
      {groups.some((group) => group.runs.length > 1) && (
        <p className="muted note">
          A thick line is the mean over a group's runs and its band the 95 % interval of that mean, place by
          place; thin lines are the runs.
        </p>
      )}
    </section>
  );
}

function Swatch({ index }: { index: number }) {
  const { colour, dash } = style(index);
  return (
    <svg width="30" height="10" aria-hidden="true" style={{ color: colour }}>
      <line x1="1" x2="29" y1="5" y2="5" stroke="currentColor" strokeWidth="2.5" strokeDasharray={dash} />
    </svg>
  );
}

function Differences({ groups }: { groups: readonly Group<RunDetail>[] }) {
  const rows = useMemo(() => groupDifferences(groups), [groups]);
  return (
    <section className={groups.length > 2 ? "card whole" : "card"} aria-labelledby="differences">
      <h2 id="differences">What differs in the settings</h2>
      {groups.length === 1 && <p>All these runs have the same settings, seed and names aside.</p>}
      {groups.length > 1 && rows.length === 0 && (
        <p>The settings are the same; the runs are of different kinds.</p>
      )}
      {rows.length > 0 && (
        <div className="table-scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Setting</th>
                {groups.map(({ letter }) => (
                  <th key={letter} scope="col">
                    {letter}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ name, values }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {values.map((value, index) => (
                    <td key={groups[index]?.letter}>{setting(value)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** The metrics of some runs, those that all of them have first. */
function sharedFirst(runs: readonly RunDetail[]): string[] {
  const all = [...new Set(runs.flatMap((run) => run.metrics))];
  const shared = all.filter((name) => runs.every((run) => run.metrics.includes(name)));
  return [...shared, ...all.filter((name) => !shared.includes(name))];
}

const seeds = (group: Group<RunDetail>) => group.runs.map((run) => run.seed ?? "unknown").join(", ");

const numbers = (values: readonly (number | null)[]) => values.map((value) => value ?? Number.NaN);

/** The lines of a comparison: of each group its runs lightly and their mean, or its only run. */
function linesOf(curves: RunCurves, groups: readonly Group<RunDetail>[]): Curve[] {
  return groups.flatMap((group, index): Curve[] => {
    const { colour, dash } = style(index);
    const own = group.runs.flatMap((run) => {
      const found = curves.runs.find((each) => each.id === run.id);
      return found === undefined ? [] : [{ id: run.id, ...known(curves.x, numbers(found.y)) }];
    });
    if (group.runs.length === 1)
      return own.map(({ id, x, y }) => ({ id, label: group.letter, colour, dash, x, y }));
    const ids = new Set(group.runs.map((run) => run.id));
    const means = curves.groups.find(
      (each) => each.runs.length === ids.size && each.runs.every((id) => ids.has(id)),
    );
    const light = own.map(({ id, x, y }) => ({ id, label: "", colour, x, y, light: true }));
    if (means === undefined) return light;
    return [
      ...light,
      {
        id: group.letter,
        label: group.letter,
        colour,
        dash,
        x: curves.x,
        y: numbers(means.mean),
        band: { low: numbers(means.low), high: numbers(means.high) },
      },
    ];
  });
}

/** A curve without the places that lie outside of it. */
function known(x: readonly number[], y: readonly number[]): { x: number[]; y: number[] } {
  const there = y.flatMap((value, index) => (Number.isNaN(value) ? [] : [index]));
  const [from, to] = [there[0] ?? 0, (there.at(-1) ?? -1) + 1];
  return { x: x.slice(from, to), y: y.slice(from, to) };
}
