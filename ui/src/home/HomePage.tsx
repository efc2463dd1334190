// The first page: the stories and the newest runs, or, where there is nothing yet, what one can begin with.

import { type DragEvent, useEffect, useState } from "react";
import { Link } from "wouter";
import { get } from "../api/client";
import type { Id, RunRow, StoryRow } from "../api/types";
import { TopBar } from "../app/TopBar";
import { ago, estimate, plural } from "../runs/format";
import { Interval } from "../runs/Interval";
import { commonRange } from "../runs/interval";
import { pathOfRun, shown, task, useRepeated, useRuns } from "../runs/list";
import { QUICKSTART, Quickstart } from "../runs/Quickstart";
import { State } from "../runs/State";
import "../runs/runs.css";
import { useBegin } from "./begin";
import { NewStory, Samples } from "./NewStory";
import { Stories } from "./Stories";
import { fromFile } from "./stories";
import "./home.css";

const AGAIN = 5000; // between two readings of the list of stories, in ms
const NEWEST = 6; // runs on this page

export function HomePage() {
  const { rows: runs, fault: runsFault } = useRuns();
  const { rows: stories, fault } = useStories();
  const { busy, begin } = useBegin();
  const [over, drop] = useDrop((file) => begin(() => fromFile(file)));
  useEffect(() => {
    document.title = "Gnomon";
  }, []);
  const nothing = stories?.length === 0 && runs?.length === 0;
  return (
    <div className="home-page">
      <TopBar title="" />
      <main className={over ? "scroll home over" : "scroll home"} {...drop}>
        {over && <p className="drop-here">Drop the file to open it as a story</p>}
        {nothing ? (
          <Welcome begin={begin} busy={busy} />
        ) : (
          <div className="home-columns">
            <section aria-labelledby="stories-title">
              <div className="home-head">
                <h1 id="stories-title">Stories</h1>
                <NewStory begin={begin} busy={busy} samples={stories?.length !== 0} blank="New story" />
              </div>
              {fault !== null && <Fault sentence={fault} />}
              {stories === null && fault === null && <p className="muted">Reading…</p>}
              {stories !== null &&
                (stories.length > 0 ? (
                  <Stories rows={stories} />
                ) : (
                  <>
                    <p className="muted">No stories yet. These three show what can be done with one:</p>
                    <Samples begin={begin} busy={busy} />
                  </>
                ))}
            </section>
            <section aria-labelledby="runs-title">
              <div className="home-head">
                <h1 id="runs-title">Runs</h1>
                {runs !== null && runs.length > 0 && (
                  <Link href="/runs" className="all-runs">
                    {runs.length > NEWEST ? `All ${plural(runs.length, "run")}` : "Table of runs"}
                  </Link>
                )}
              </div>
              {runsFault !== null && runsFault !== fault && <Fault sentence={runsFault} />}
              {runs === null && runsFault === null && <p className="muted">Reading…</p>}
              {runs !== null && runs.length > 0 && <Newest runs={runs} />}
              {runs !== null && (
                <p className="muted">
                  {runs.length === 0 ? QUICKSTART : "A small example, in about a minute and a half:"}
                </p>
              )}
              {runs !== null && <Quickstart />}
            </section>
          </div>
        )}
      </main>
    </div>
  );
}

function Welcome({ begin, busy }: { begin: (work: () => Promise<{ id: Id }>) => void; busy: boolean }) {
  return (
    <div className="welcome">
      <h1>Gnomon</h1>
      <p className="lead">
        A workshop on your own machine: revise a story by moving its characters, places and events, or train a
        small model and see how sure one can be of what it learnt.
      </p>
      <section aria-labelledby="try">
        <h2 id="try">Open a sample story</h2>
        <Samples begin={begin} busy={busy} />
      </section>
      <section aria-labelledby="own">
        <h2 id="own">Or begin with your own</h2>
        <NewStory begin={begin} busy={busy} samples={false} blank="Start with a blank page" />
        <p className="muted">
          A file can also be dropped anywhere on this page. Nothing leaves this machine.
        </p>
      </section>
      <section aria-labelledby="watch">
        <h2 id="watch">Or watch a model</h2>
        <p className="muted">{QUICKSTART}</p>
        <Quickstart />
      </section>
    </div>
  );
}

function Newest({ runs }: { runs: readonly RunRow[] }) {
  return (
    <ul className="newest">
      {runs.slice(0, NEWEST).map((run) => (
        <li key={run.id}>
          <Link href={pathOfRun(run.id)} className="newest-run">
            <span className="spread">
              <strong>{shown(run.id)}</strong>
              <State state={run.state} />
            </span>
            <span className="spread">
              <span className="muted">
                {[task(run), run.started !== null && ago(run.started)].filter(Boolean).join(", ")}
              </span>
              {run.figure !== null && (
                <span className="with-interval numbers" title={run.figure.name}>
                  <Interval estimate={run.figure} range={commonRange([run.figure])} />
                  {estimate(run.figure)}
                </span>
              )}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Fault({ sentence }: { sentence: string }) {
  return (
    <p className="bad" role="alert">
      {sentence}
    </p>
  );
}

function useStories(): { rows: readonly StoryRow[] | null; fault: string | null } {
  const [list, setList] = useState<{ rows: readonly StoryRow[] | null; fault: string | null }>({
    rows: null,
    fault: null,
  });
  useRepeated(AGAIN, async () => {
    try {
      const { stories } = await get<{ stories: StoryRow[] }>("/api/stories");
      setList({ rows: stories, fault: null });
    } catch (fault) {
      setList((before) => ({ ...before, fault: (fault as Error).message }));
    }
  });
  return list;
}

/** Whether a file is held over the page, and what catches it. */
function useDrop(take: (file: File) => void) {
  const [over, setOver] = useState(false);
  const hasFile = (event: DragEvent) => event.dataTransfer.types.includes("Files");
  return [
    over,
    {
      onDragOver: (event: DragEvent) => {
        if (!hasFile(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      },
      onDrop: (event: DragEvent) => {
        if (!hasFile(event)) return;
        event.preventDefault();
        setOver(false);
        const file = event.dataTransfer.files[0];
        if (file !== undefined) take(file);
      },
    },
  ] as const;
}
