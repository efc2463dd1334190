// Which of two groups of runs is better in a figure, or that so few runs cannot tell.

import { useEffect, useMemo, useState } from "react";
import { get } from "../api/client";
import type { RunComparison, RunDetail } from "../api/types";
import { estimate, figure as written } from "./format";
import { Interval } from "./Interval";
import { commonRange } from "./interval";
import { words } from "./metricGroups";
import type { Group } from "./settings";
import { renamed } from "./verdict";

export function Verdict({ groups }: { groups: readonly Group<RunDetail>[] }) {
  const [first, setFirst] = useState(0);
  const [second, setSecond] = useState(1);
  const a = groups[first];
  const b = groups[second];
  return (
    <section className="card" aria-labelledby="verdict">
      <h2 id="verdict">Which is better?</h2>
      {groups.length < 2 && (
        <p>There is one group of runs; choose runs of other settings too, and the two can be compared.</p>
      )}
      {groups.length > 2 && (
        <div className="row">
          <Choice label="First group" groups={groups} value={first} other={second} onChange={setFirst} />
          <span className="muted">against</span>
          <Choice label="Second group" groups={groups} value={second} other={first} onChange={setSecond} />
        </div>
      )}
      {a !== undefined && b !== undefined && <Between key={`${a.letter}${b.letter}`} a={a} b={b} />}
    </section>
  );
}

function Choice(props: {
  label: string;
  groups: readonly Group<RunDetail>[];
  value: number;
  other: number;
  onChange: (index: number) => void;
}) {
  return (
    <select
      aria-label={props.label}
      value={props.value}
      onChange={(event) => props.onChange(Number(event.target.value))}
    >
      {props.groups.map((group, index) => (
        <option key={group.letter} value={index} disabled={index === props.other}>
          {group.letter}
        </option>
      ))}
    </select>
  );
}

function Between({ a, b }: { a: Group<RunDetail>; b: Group<RunDetail> }) {
  const [figures, setFigures] = useState<readonly string[] | null>(null);
  const [figure, setFigure] = useState("");
  const [paired, setPaired] = useState(false);
  const [lower, setLower] = useState(false);
  const [found, setFound] = useState<RunComparison | null>(null);
  const [refused, setRefused] = useState<string | null>(null);
  const unfinished = useMemo(
    () => [...a.runs, ...b.runs].filter((run) => run.summary === null).map((run) => run.id),
    [a, b],
  );
  useEffect(() => {
    if (unfinished.length > 0) return;
    let left = false;
    const query = new URLSearchParams([...a.runs, ...b.runs].map((run) => ["run", run.id]));
    get<{ figures: string[] }>(`/api/runs/figures?${query}`).then(
      (answer) => {
        if (left) return;
        setFigures(answer.figures);
        setFigure(answer.figures.includes("accuracy_after") ? "accuracy_after" : (answer.figures[0] ?? ""));
      },
      (reason: Error) => {
        if (!left) setRefused(reason.message);
      },
    );
    return () => {
      left = true;
    };
  }, [a, b, unfinished]);
  useEffect(() => {
    if (figure === "") return;
    let left = false;
    const query = new URLSearchParams([
      ...a.runs.map((run) => ["a", run.id]),
      ...b.runs.map((run) => ["b", run.id]),
      ["figure", figure],
      ["paired", String(paired)],
      ["lower", String(lower)],
    ]);
    get<RunComparison>(`/api/runs/compare?${query}`).then(
      (answer) => {
        if (left) return;
        setFound(answer);
        setRefused(null);
      },
      (reason: Error) => {
        if (left) return;
        setFound(null);
        setRefused(reason.message);
      },
    );
    return () => {
      left = true;
    };
  }, [a, b, figure, paired, lower]);
  if (unfinished.length > 0)
    return (
      <p>
        Figures come when a run has finished; {unfinished.join(", ")}{" "}
        {unfinished.length === 1 ? "has" : "have"} not.
      </p>
    );
  const [head, ...more] = (found?.verdict ?? []).map((sentence) => renamed(sentence, a.letter, b.letter));
  return (
    <>
      <div className="row verdict-tools">
        <label className="row">
          <span className="muted">In</span>
          <select value={figure} onChange={(event) => setFigure(event.target.value)}>
            {(figures ?? []).map((name) => (
              <option key={name} value={name}>
                {words(name)}
              </option>
            ))}
          </select>
        </label>
        <label className="row">
          <input type="checkbox" checked={lower} onChange={(event) => setLower(event.target.checked)} />
          Smaller is better
        </label>
        <label className="row">
          <input type="checkbox" checked={paired} onChange={(event) => setPaired(event.target.checked)} />
          Paired by seed
        </label>
      </div>
      {figures !== null && figures.length === 0 && <p>These runs have no figure in common.</p>}
      {refused !== null && <p className="verdict undecided">{refused}</p>}
      {found !== null && (
        <>
          <p className={found.decision === "undecided" ? "verdict undecided" : "verdict"}>{head}</p>
          {more.map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
          <Values found={found} letters={[a.letter, b.letter]} />
          <table className="effects">
            <tbody>
              <tr>
                <th scope="row">Share of pairs in which {a.letter} is larger</th>
                <td>
                  <Interval estimate={found.superiority} range={[0, 1]} />
                </td>
                <td className="numbers">{estimate(found.superiority)}</td>
              </tr>
              <tr>
                <th scope="row">
                  Shift, {a.letter} minus {b.letter}
                </th>
                <td>
                  <Interval estimate={found.shift} range={aroundZero(found.shift)} />
                </td>
                <td className="numbers">{estimate(found.shift)}</td>
              </tr>
            </tbody>
          </table>
        </>
      )}
    </>
  );
}

const STRIP = 240;

/** Every run's figure as a dot, one row for each group. */
function Values({ found, letters }: { found: RunComparison; letters: readonly [string, string] }) {
  const all = [...found.a, ...found.b].map(({ value }) => ({ value, low: null, high: null }));
  const values = all.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, to] = low === high ? commonRange(all) : [low, high];
  return (
    <table className="strips">
      <caption className="hidden">The figure of every run</caption>
      <tbody>
        {[found.a, found.b].map((group, index) => (
          <tr key={letters[index]}>
            <th scope="row">{letters[index]}</th>
            <td>
              <svg
                width={STRIP}
                height="16"
                role="img"
                aria-label={group.map(({ value }) => written(value)).join(", ")}
              >
                <line x1="6" x2={STRIP - 6} y1="8" y2="8" />
                {group.map(({ run, value }) => (
                  <circle key={run} cx={6 + ((STRIP - 12) * (value - from)) / (to - from || 1)} cy="8" r="4">
                    <title>{`${run}: ${written(value)}`}</title>
                  </circle>
                ))}
              </svg>
            </td>
            <td className="muted numbers">{index === 0 ? `${written(from)} to ${written(to)}` : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A range with zero in its middle that holds the whole interval. */
function aroundZero({
  value,
  low,
  high,
}: {
  value: number | null;
  low: number | null;
  high: number | null;
}): [number, number] {
  const most = Math.max(...[value, low, high].map((each) => Math.abs(each ?? 0)), 1e-12);
  return [-most, most];
}
