// The list of runs, read again every few seconds as long as the page is looked at, and the run that the page can start.

import { useCallback, useEffect, useRef, useState } from "react";
import { get, post } from "../api/client";
import type { Id, RunRow } from "../api/types";

/** Between two readings of the list, in ms. */
const AGAIN = 4000;

export interface RunList {
  /** Null before the first answer. */
  rows: readonly RunRow[] | null;
  /** Why the last reading failed; the rows before it stay. */
  fault: string | null;
}

export function useRuns(): RunList {
  const [list, setList] = useState<RunList>({ rows: null, fault: null });
  useRepeated(AGAIN, async () => {
    try {
      const { runs } = await get<{ runs: RunRow[] }>("/api/runs");
      setList((before) => ({ rows: sameRows(before.rows, runs) ? before.rows : runs, fault: null }));
    } catch (fault) {
      setList((before) => ({ ...before, fault: (fault as Error).message }));
    }
  });
  return list;
}

/** Do some work now and then every `ms` after it ended, but not while the page is hidden. */
export function useRepeated(ms: number, work: () => Promise<void>): void {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    let timer: number | undefined;
    let left = false;
    const turn = async () => {
      if (!document.hidden) await latest.current();
      if (!left) timer = window.setTimeout(turn, ms);
    };
    void turn();
    const shown = () => {
      if (document.hidden) return;
      window.clearTimeout(timer);
      void turn();
    };
    document.addEventListener("visibilitychange", shown);
    return () => {
      left = true;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [ms]);
}

function sameRows(before: readonly RunRow[] | null, now: readonly RunRow[]): boolean {
  return before !== null && JSON.stringify(before) === JSON.stringify(now);
}

/** Start the small run that shows what a run is. Resolves with its id. Raises ApiError. */
export const startQuickstart = () => post<{ id: Id }>("/api/runs", { recipe: "quickstart" });

/** Something that is asked for once and may fail with a sentence: running, then done or failed. */
export function useTask(work: () => Promise<void>): { run: () => void; busy: boolean; fault: string | null } {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const run = useCallback(() => {
    setBusy(true);
    setFault(null);
    work().then(
      () => setBusy(false),
      (reason: Error) => {
        setBusy(false);
        setFault(reason.message);
      },
    );
  }, [work]);
  return { run, busy, fault };
}

export const pathOfRun = (id: Id) => `/runs/${encodeURIComponent(id)}`;

/** A run's id as it is read: the folders that it lies in, and its own name. */
export const shown = (id: Id) => id.replaceAll("~", " / ");

/** What a run is about, where its id does not say it already. */
export const task = ({ id, name }: RunRow) => (name === null || id.includes(name) ? null : name);

/** The address of a comparison; ids are written so that a comma in one does no harm. */
export const pathOfComparison = (ids: readonly Id[]) =>
  `/runs?${new URLSearchParams({ compare: ids.map(encodeURIComponent).join(",") })}`;

export function comparedIds(text: string): Id[] {
  return text
    .split(",")
    .filter((each) => each !== "")
    .map((each) => {
      try {
        return decodeURIComponent(each);
      } catch {
        return each; // a percent sign typed by hand
      }
    });
}
