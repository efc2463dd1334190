// What the policy wrote on its problems: a page of samples at a time, each opened to its turns and their rewards.

import { Fragment, useEffect, useState } from "react";
import { get, ofRun } from "../api/client";
import type { Id, RunSample, RunSamples } from "../api/types";
import { number, plural } from "./format";
import { words } from "./metricGroups";
import "./samples.css";

const SIZE = 20;

type Which = "all" | "right" | "wrong";

/** One page of samples, counted from the newest or the oldest. */
async function page(id: Id, which: Which, at: number, newest: boolean): Promise<RunSamples> {
  const only = which === "all" ? "" : `&correct=${which === "right"}`;
  const ask = (offset: number, limit: number) =>
    get<RunSamples>(ofRun(id, `/samples?offset=${offset}&limit=${limit}${only}`));
  if (!newest) return ask(at * SIZE, SIZE);
  const { total } = await ask(0, 1);
  const end = Math.max(0, total - at * SIZE);
  const begin = Math.max(0, end - SIZE);
  if (end === begin) return ask(0, 1);
  const found = await ask(begin, end - begin);
  return { ...found, rows: found.rows.toReversed() };
}

export function Samples({ id, count }: { id: Id; count: number }) {
  const [which, setWhich] = useState<Which>("all");
  const [newest, setNewest] = useState(true);
  const [at, setAt] = useState(0);
  const [found, setFound] = useState<RunSamples | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [open, setOpen] = useState<number | null>(null);
  // A page that is not the newest would move under the reader's eyes while a run goes on.
  const fresh = at === 0 && open === null ? count : 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `fresh` says that there are more samples now.
  useEffect(() => {
    let left = false;
    page(id, which, at, newest).then(
      (answer) => {
        if (!left) setFound(answer);
        if (!left) setFault(null);
      },
      (reason: Error) => {
        if (!left) setFault(reason.message);
      },
    );
    return () => {
      left = true;
    };
  }, [id, which, at, newest, fresh]);
  const pages = found === null ? 0 : Math.ceil(found.total / SIZE);
  const show = (next: Which) => {
    setWhich(next);
    setAt(0);
    setOpen(null);
  };
  return (
    <section id="samples" className="run-section" aria-labelledby="samples-title">
      <div className="section-head">
        <h2 id="samples-title">Samples</h2>
        <div className="row curve-tools">
          <fieldset className="row choice">
            <legend className="hidden">Which samples</legend>
            {(["all", "right", "wrong"] as const).map((each) => (
              <button key={each} type="button" aria-pressed={which === each} onClick={() => show(each)}>
                {each === "all" ? "All" : each === "right" ? "Right" : "Wrong"}
              </button>
            ))}
          </fieldset>
          <select
            aria-label="Order of the samples"
            value={newest ? "newest" : "oldest"}
            onChange={(event) => {
              setNewest(event.target.value === "newest");
              setAt(0);
            }}
          >
            <option value="newest">Newest first</option>
            <option value="oldest">Oldest first</option>
          </select>
        </div>
      </div>
      {fault !== null && (
        <p className="bad" role="alert">
          {fault}
        </p>
      )}
      {found !== null && found.total === 0 && (
        <p className="muted">{which === "all" ? "No samples yet." : `No sample is ${which}.`}</p>
      )}
      {found !== null && found.total > 0 && (
        <>
          <div className="table-scroll">
            <table className="samples">
              <thead>
                <tr>
                  <th scope="col" className="open-it">
                    <span className="hidden">Open</span>
                  </th>
                  <th scope="col" className="right count">
                    Step
                  </th>
                  <th scope="col">Problem</th>
                  <th scope="col">Last answer</th>
                  <th scope="col" className="count">
                    Right
                  </th>
                  <th scope="col" className="right count">
                    Reward
                  </th>
                  <th scope="col" className="right count">
                    Turns
                  </th>
                  <th scope="col" className="last">
                    {found.from === "evaluations" ? "Stage" : "Staleness"}
                  </th>
                </tr>
              </thead>
              <tbody>
                {found.rows.map((row) => (
                  <Fragment key={row.index}>
                    <Row
                      row={row}
                      open={open === row.index}
                      evaluation={found.from === "evaluations"}
                      onOpen={() => setOpen(open === row.index ? null : row.index)}
                    />
                    {open === row.index && (
                      <tr className="opened">
                        <td />
                        <td colSpan={7}>
                          <Turns row={row} />
                        </td>
                      </tr>
                    )}
                  </Fragment>
                ))}
              </tbody>
            </table>
          </div>
          <div className="row pager">
            <button type="button" disabled={at === 0} onClick={() => setAt(at - 1)}>
              Back
            </button>
            <span className="numbers muted">
              Page {at + 1} of {pages.toLocaleString("en-GB")}, {plural(found.total, "sample")}
              {found.from === "evaluations" && " of the evaluations"}
            </span>
            <button type="button" disabled={at + 1 >= pages} onClick={() => setAt(at + 1)}>
              Next
            </button>
          </div>
        </>
      )}
    </section>
  );
}

function Row(props: { row: RunSample; open: boolean; evaluation: boolean; onOpen: () => void }) {
  const { row, open, evaluation, onOpen } = props;
  return (
    <tr className={open ? "is-open" : ""}>
      <td>
        <button
          type="button"
          className="icon"
          aria-expanded={open}
          aria-label={`Turns of sample ${row.index + 1}`}
          onClick={onOpen}
        >
          <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
            <path d={open ? "M1 3 L5 7.5 L9 3" : "M3 1 L7.5 5 L3 9"} />
          </svg>
        </button>
      </td>
      <td className="right">{row.step ?? "–"}</td>
      <td className="text">{row.prompt ?? row.task ?? "–"}</td>
      <td className="text">{row.turns.at(-1)?.text || <span className="muted">nothing</span>}</td>
      <td>
        <Right correct={row.correct} />
      </td>
      <td className="right">{number(row.reward)}</td>
      <td className="right">{row.turns.length}</td>
      <td className="last">
        {evaluation
          ? [row.stage, row.mode]
              .filter(Boolean)
              .map((each) => words(each ?? ""))
              .join(", ")
          : (row.staleness ?? "–")}
      </td>
    </tr>
  );
}

function Right({ correct }: { correct: boolean | null }) {
  if (correct === null) return <span className="muted">–</span>;
  return correct ? <span className="good">✓ right</span> : <span className="bad">✗ wrong</span>;
}

function Turns({ row }: { row: RunSample }) {
  return (
    <div className="turns">
      <p className="muted">
        {[
          row.task !== null && `task ${row.task}`,
          row.group !== null && `group ${row.group}`,
          row.version !== null && `written by the policy after ${plural(row.version, "update")}`,
          row.staleness !== null && `${plural(row.staleness, "update")} old when trained on`,
        ]
          .filter(Boolean)
          .join(", ")}
      </p>
      <ol>
        {row.turns.map((turn, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: turns have no other name than their number.
          <li key={index}>
            {turn.prompt !== null && turn.prompt !== "" && <pre className="prompt">{turn.prompt}</pre>}
            <pre>{turn.text === "" ? "(nothing)" : turn.text}</pre>
            <span className="muted numbers">
              reward {number(turn.reward)}
              {turn.finish_reason !== null && `, ended by ${words(turn.finish_reason)}`}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}
