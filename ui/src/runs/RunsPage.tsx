// The page of all runs: a table to find them in, and the comparison of those that were chosen.

import { useDeferredValue, useEffect, useMemo } from "react";
import { Link, useSearchParams } from "wouter";
import { create } from "zustand";
import type { Id } from "../api/types";
import { TopBar } from "../app/TopBar";
import { Comparison } from "./Comparison";
import { filter } from "./filter";
import { plural } from "./format";
import { comparedIds, pathOfComparison, useRuns } from "./list";
import { type Order, ordered } from "./order";
import { QUICKSTART, Quickstart } from "./Quickstart";
import { RunsTable } from "./RunsTable";
import "./runs.css";

/** What was filtered, sorted and chosen is still so when one comes back from a comparison. */
const useTable = create<{ text: string; order: Order; chosen: ReadonlySet<Id> }>()(() => ({
  text: "",
  order: { column: "started", falling: true },
  chosen: new Set(),
}));

export default function RunsPage() {
  const [search] = useSearchParams();
  const compared = search.get("compare");
  useEffect(() => {
    document.title = compared === null ? "Runs · Gnomon" : "Comparison of runs · Gnomon";
  }, [compared]);
  if (compared !== null) return <Compared ids={comparedIds(compared)} />;
  return <AllRuns />;
}

function Compared({ ids }: { ids: readonly Id[] }) {
  return (
    <div className="runs-page">
      <TopBar
        title={
          <>
            <Link href="/runs">Runs</Link> <span className="muted">/</span> Comparison
          </>
        }
      />
      <main className="scroll runs-body">
        <Comparison key={ids.join(",")} ids={ids} />
      </main>
    </div>
  );
}

function AllRuns() {
  const { rows, fault } = useRuns();
  const { text, order, chosen } = useTable();
  const setText = (text: string) => useTable.setState({ text });
  const setOrder = (order: Order) => useTable.setState({ order });
  const setChosen = (chosen: ReadonlySet<Id>) => useTable.setState({ chosen });
  const wanted = useDeferredValue(text);
  const { matches, problem } = useMemo(() => filter(wanted), [wanted]);
  const shown = useMemo(() => ordered((rows ?? []).filter(matches), order), [rows, matches, order]);
  const choosable = shown.filter((row) => row.error === undefined);
  const choose = (id: Id, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  return (
    <div className="runs-page">
      <TopBar title="Runs" />
      <main className="runs-main">
        {rows !== null && rows.length === 0 ? (
          <div className="empty">
            <h2>No runs yet</h2>
            <p>{QUICKSTART}</p>
            <Quickstart primary />
          </div>
        ) : (
          <>
            <div className="runs-tools">
              <input
                type="search"
                aria-label="Filter runs"
                placeholder="Filter: a word, state:failed, kind:posttrain, seed:3, figure>0.9"
                value={text}
                onChange={(event) => setText(event.target.value)}
              />
              <span className="muted numbers count" role="status">
                {problem ??
                  (rows === null
                    ? "Reading…"
                    : shown.length === rows.length
                      ? plural(rows.length, "run")
                      : `${shown.length.toLocaleString("en-GB")} of ${plural(rows.length, "run")}`)}
              </span>
              {fault !== null && (
                <span className="bad" role="alert">
                  {fault}
                </span>
              )}
              <span className="gap" />
              {chosen.size > 0 && (
                <button type="button" className="quiet" onClick={() => setChosen(new Set())}>
                  Choose none
                </button>
              )}
              {choosable.length > 1 && chosen.size === 0 && text !== "" && (
                <button
                  type="button"
                  className="quiet"
                  onClick={() => setChosen(new Set(choosable.map((row) => row.id)))}
                >
                  Choose these
                </button>
              )}
              <CompareButton ids={[...chosen]} />
            </div>
            {rows !== null &&
              (shown.length > 0 ? (
                <RunsTable rows={shown} order={order} onOrder={setOrder} chosen={chosen} onChoose={choose} />
              ) : (
                <p className="empty">No run matches. Take a word out of the filter.</p>
              ))}
            {fault !== null && rows === null && <p className="empty">{fault}</p>}
          </>
        )}
      </main>
    </div>
  );
}

function CompareButton({ ids }: { ids: readonly Id[] }) {
  if (ids.length < 2)
    return (
      <button type="button" disabled title="Choose two runs or more">
        Compare
      </button>
    );
  return (
    <Link href={pathOfComparison(ids)} className="button primary">
      Compare {ids.length}
    </Link>
  );
}
