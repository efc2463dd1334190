// The page of one run: its state, its curves as they grow, its figures, samples, settings and report.

import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { ApiError, get, ofRun } from "../api/client";
import type { Id, RunDetail } from "../api/types";
import { TopBar } from "../app/TopBar";
import { toast } from "../parts/toasts";
import { CurvesSection } from "./CurvesSection";
import { Curves } from "./curves";
import { Figures } from "./Figures";
import { ago, duration, estimate, when } from "./format";
import { Interval } from "./Interval";
import { commonRange } from "./interval";
import { shown, useRepeated } from "./list";
import { words } from "./metricGroups";
import { Samples } from "./Samples";
import { SettingsSection } from "./SettingsSection";
import { StalenessSection } from "./StalenessSection";
import { State } from "./State";
import "./runs.css";
import "./run.css";

/** Between two looks at what a run is, in ms; its curves come by themselves. */
const AGAIN = 3000;

export default function RunPage({ id }: { id: Id }) {
  const { run, gone, fault, look } = useRun(id);
  const curves = useCurves(run, look);
  useEffect(() => {
    document.title = `${shown(id)} · Gnomon`;
  }, [id]);
  return (
    <div className="runs-page">
      <TopBar
        title={
          <>
            <Link href="/runs">Runs</Link> <span className="muted">/</span> {shown(id)}
          </>
        }
      >
        {run !== null && <State state={run.state} />}
      </TopBar>
      <main className="scroll runs-body">
        {gone !== null &&
          (run === null ? (
            <div className="empty">
              <h2>There is no such run</h2>
              <p>{gone}</p>
              <Link href="/runs">All runs</Link>
            </div>
          ) : (
            <p className="notice bad" role="alert">
              {gone} What is shown here is the last that was read of it.
            </p>
          ))}
        {fault !== null && (
          <p className="notice bad" role="alert">
            {fault}
          </p>
        )}
        {run === null && gone === null && fault === null && <p className="empty">Reading…</p>}
        {run !== null && <Whole run={run} curves={curves} />}
      </main>
    </div>
  );
}

function Whole({ run, curves }: { run: RunDetail; curves: Curves | null }) {
  if (run.error !== undefined)
    return (
      <div className="empty">
        <h2>This is no run</h2>
        <p>{run.error}</p>
      </div>
    );
  const hasStaleness = run.kind?.startsWith("posttrain") ?? false;
  return (
    <>
      <Facts run={run} />
      {(run.state === "failed" || run.state === "interrupted") && <Stopped run={run} />}
      {run.kind !== null && <Contents run={run} />}
      {run.kind === null && (
        <p className="muted" role="status">
          Starting; loading what it needs takes some seconds.
        </p>
      )}
      {curves !== null && hasCurves(run) && (
        <CurvesSection curves={curves} running={run.state === "running"} />
      )}
      {run.summary !== null && <Figures summary={run.summary} />}
      {run.samples > 0 && <Samples id={run.id} count={run.samples} />}
      <div className="halves">
        {hasStaleness && <StalenessSection id={run.id} fresh={`${run.samples} ${run.state}`} />}
        {run.checkpoints.length > 0 && <Checkpoints run={run} />}
      </div>
      {Object.keys(run.settings).length > 0 && <SettingsSection run={run} />}
      {run.has_report && <Report run={run} />}
    </>
  );
}

function Facts({ run }: { run: RunDetail }) {
  return (
    <dl className="facts">
      {run.kind !== null && <Fact name="Kind" value={run.kind} />}
      {run.name !== null && <Fact name={hasTask(run) ? "Task" : "Recipe"} value={run.name} />}
      <Fact
        name="Started"
        value={when(run.started)}
        title={run.started === null ? undefined : ago(run.started)}
      />
      <Fact name={run.state === "running" ? "Running for" : "Duration"} value={duration(run.seconds)} />
      {run.seed !== null && <Fact name="Seed" value={String(run.seed)} />}
      {run.figure !== null && (
        <div className="main-figure">
          <dt>{words(run.figure.name)}</dt>
          <dd className="with-interval numbers">
            <Interval estimate={run.figure} range={commonRange([run.figure])} />
            {estimate(run.figure)}
          </dd>
        </div>
      )}
    </dl>
  );
}

/** Whether there are numbers to draw, or may yet be: some kinds log none. */
const hasCurves = (run: RunDetail) =>
  run.kind !== null && (run.state !== "finished" || run.metrics.length > 0);

/** Whether a run's name is that of its task; kinds that have none go by their recipe's. */
const hasTask = ({ settings, name }: RunDetail) =>
  typeof settings.task === "object" &&
  settings.task !== null &&
  "name" in settings.task &&
  settings.task.name === name;

function Fact({ name, value, title }: { name: string; value: string; title?: string }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Stopped({ run }: { run: RunDetail }) {
  const stopped = run.state === "failed" ? "This run failed" : "This run was interrupted";
  return (
    <div className={`notice ${run.state === "failed" ? "bad" : "warn"}`}>
      <p>
        {run.reason === null
          ? `${stopped}${run.state === "interrupted" ? " without saying why, as when it is killed" : "; it did not say why"}.`
          : `${stopped}: ${run.reason}`}
      </p>
      {run.resume !== null && (
        <div className="row resume">
          <span>This goes on with it:</span>
          <code>{run.resume}</code>
          <button
            type="button"
            onClick={() =>
              navigator.clipboard.writeText(run.resume ?? "").then(
                () => toast("Copied."),
                () =>
                  toast("The browser did not allow copying; choose the text and copy it by hand.", "error"),
              )
            }
          >
            Copy
          </button>
        </div>
      )}
    </div>
  );
}

/** The parts of the page, to go to. */
function Contents({ run }: { run: RunDetail }) {
  const parts: [string, string, boolean][] = [
    ["curves", "Curves", hasCurves(run)],
    ["figures", "Figures", run.summary !== null],
    ["samples", "Samples", run.samples > 0],
    ["checkpoints", "Checkpoints", run.checkpoints.length > 0],
    ["settings", "Settings", Object.keys(run.settings).length > 0],
    ["report", "Report", run.has_report],
  ];
  return (
    <nav className="contents" aria-label="Parts of the page">
      {parts
        .filter(([, , there]) => there)
        .map(([anchor, title]) => (
          <a
            key={anchor}
            href={`#${anchor}`}
            onClick={(event) => {
              event.preventDefault();
              document.getElementById(anchor)?.scrollIntoView({ behavior: "smooth" });
            }}
          >
            {title}
          </a>
        ))}
    </nav>
  );
}

function Checkpoints({ run }: { run: RunDetail }) {
  return (
    <section id="checkpoints" className="run-section half" aria-labelledby="checkpoints-title">
      <div className="section-head">
        <h2 id="checkpoints-title">Checkpoints</h2>
      </div>
      <p className="muted">The weights that were kept, by the step after which they were written.</p>
      <ul className="checkpoints numbers">
        {run.checkpoints.map((step) => (
          <li key={step}>{step.toLocaleString("en-GB")}</li>
        ))}
      </ul>
    </section>
  );
}

function Report({ run }: { run: RunDetail }) {
  const path = ofRun(run.id, "/report");
  return (
    <section id="report" className="run-section" aria-labelledby="report-title">
      <div className="section-head">
        <h2 id="report-title">Report</h2>
        <a href={path} target="_blank" rel="noreferrer">
          Open by itself
        </a>
      </div>
      <iframe
        key={run.state}
        data-testid="run-report"
        className="report"
        title={`Report of ${run.id}`}
        src={path}
        sandbox="allow-scripts"
        loading="lazy"
      />
    </section>
  );
}

/** What a run is, read again every few seconds while it may still change. */
function useRun(id: Id) {
  const [run, setRun] = useState<RunDetail | null>(null);
  const [gone, setGone] = useState<string | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const look = async () => {
    try {
      const found = await get<RunDetail>(ofRun(id));
      setRun((before) =>
        before !== null && JSON.stringify(before) === JSON.stringify(found) ? before : found,
      );
      setGone(null);
      setFault(null);
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      if (reason.status === 404) setGone(run === null ? reason.message : "This run was removed.");
      else setFault(reason.message);
    }
  };
  const settled = run !== null && (run.state === "finished" || run.state === "broken");
  const looks = useRef(0);
  useRepeated(AGAIN, async () => {
    // A finished run is looked at now and then, for it may be removed.
    looks.current++;
    if (!settled || looks.current % 5 === 0) await look();
  });
  return { run, gone, fault, look };
}

/** The curves of a run, followed while it is being written. */
function useCurves(run: RunDetail | null, look: () => Promise<void>): Curves | null {
  const latest = useRef(look);
  latest.current = look;
  const id = run?.id;
  const broken = run?.error !== undefined;
  const names = run?.metrics;
  const state = run?.state;
  const [curves, setCurves] = useState<Curves | null>(null);
  useEffect(() => {
    if (id === undefined || broken) return;
    const made = new Curves(id, (what) => {
      if (what === "rewound")
        toast(
          "This run was taken back to its last checkpoint and goes on from there; its curves were read again.",
        );
      void latest.current();
    });
    setCurves(made);
    return () => made.end();
  }, [id, broken]);
  useEffect(() => {
    if (names !== undefined) curves?.know(names);
  }, [curves, names]);
  useEffect(() => {
    if (state === "running") curves?.follow();
  }, [curves, state]);
  return curves;
}
