// The story read by a provider as well, and where that differs from the built-in reading; nothing of it is kept but what
// the writer takes over.

import { useEffect, useRef, useState } from "react";
import { ApiError, get, ofStory, post } from "../api/client";
import type { CostEstimate, Disagreement, Extraction, ProviderRow } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { useStory } from "../story/store";
import { Estimate } from "./ApprovalDialog";
import { openDialog } from "./open";
import { counted, providerName } from "./wording";
import "./dialogs.css";

interface Read {
  extraction: Extraction;
  disagreements: Disagreement[];
}

const KINDS: Record<string, string> = {
  character: "A character",
  place: "A place",
  event: "What happens",
  agent: "Who does it",
  patient: "To whom",
  event_place: "Where",
};

const DRAWN = 200;

function Differences({ read, provider, revision }: { read: Read; provider: string; revision: number }) {
  const found = useStory((state) => state.found);
  const manuscript = useStory((state) => state.manuscript);
  const addFact = useStory((state) => state.addFact);
  const [taken, setTaken] = useState<ReadonlySet<number>>(new Set());
  const names = new Map(
    [...read.extraction.characters, ...read.extraction.places].map((each) => [each.id, each.name]),
  );
  const said = (value: string | null) =>
    value === null ? "–" : (found?.entities.get(value)?.name ?? names.get(value) ?? value);
  const take = async (each: Disagreement, index: number) => {
    const there = manuscript?.now(each, revision) ?? null;
    if (there === null) return;
    const now = { start: there.start, end: there.end };
    if (each.kind === "event")
      await addFact(each.provider === null ? "not_event" : "event", now, each.provider);
    else
      await addFact(
        each.kind === "event_place" ? "place" : (each.kind as "agent" | "patient"),
        now,
        each.provider,
      );
    setTaken(new Set([...taken, index]));
  };
  /** What the writer's word can settle: parts of events that the built-in reading knows by the same name. */
  const settled = (each: Disagreement) =>
    each.kind === "event" ||
    (["agent", "patient", "event_place"].includes(each.kind) &&
      (each.provider === null || found?.entities.has(each.provider) === true));
  if (read.disagreements.length === 0)
    return <p className="nothing">{provider} and the built-in reading agree on everything.</p>;
  return (
    <>
      <p className="muted">
        They differ in {counted(read.disagreements.length, "place", "places")}. Nothing is changed; what you
        take over becomes a fact of yours.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and the keyboard has to reach it. */}
      <section className="scroll differences" aria-label="Where they differ" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Words</th>
              <th scope="col">Built in</th>
              <th scope="col">{provider}</th>
              <th scope="col">
                <span className="hidden">Take over</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {read.disagreements.slice(0, DRAWN).map((each, index) => {
              const now = manuscript?.now(each, revision) ?? null;
              const words = now === null ? "" : (manuscript?.slice(now.start, now.end) ?? "");
              return (
                <tr key={`${each.kind} ${each.start} ${each.builtin} ${each.provider}`}>
                  <td>{KINDS[each.kind] ?? each.kind}</td>
                  <td>
                    {words === "" ? (
                      "–"
                    ) : (
                      <button
                        type="button"
                        className="passage"
                        onClick={() => {
                          openDialog(null);
                          if (now !== null) manuscript?.reveal(now);
                        }}
                      >
                        {words}
                      </button>
                    )}
                  </td>
                  <td>{said(each.builtin)}</td>
                  <td>{said(each.provider)}</td>
                  <td>
                    {settled(each) && (
                      <button
                        type="button"
                        className="small"
                        disabled={taken.has(index)}
                        onClick={() => take(each, index)}
                      >
                        {taken.has(index) ? "Taken" : "Take over"}
                      </button>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      {read.disagreements.length > DRAWN && (
        <p className="muted">
          The first {DRAWN} of {read.disagreements.length} are shown.
        </p>
      )}
    </>
  );
}

export default function ReadingDialog({ onClose }: { onClose: () => void }) {
  const id = useStory((state) => state.id);
  const progress = useStory((state) => state.progress);
  const [rows, setRows] = useState<readonly ProviderRow[] | null>(null);
  const [provider, setProvider] = useState("");
  const [estimate, setEstimate] = useState<CostEstimate | null>(null);
  const [busy, setBusy] = useState(false);
  const [read, setRead] = useState<Read | null>(null);
  const [revision, setRevision] = useState(0);
  const [fault, setFault] = useState<string | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => {
    get<{ providers: ProviderRow[] }>("/api/providers").then(
      ({ providers }) => {
        const others = providers.filter((row) => row.kind !== "builtin");
        setRows(others);
        setProvider(others[0]?.name ?? "");
      },
      (problem: Error) => setFault(problem.message),
    );
    // Leaving the dialog ends the reading: the server sees that nobody waits any more.
    return () => stop.current?.abort();
  }, []);
  const start = async (approved: boolean) => {
    const leave = new AbortController();
    stop.current = leave;
    setBusy(true);
    setFault(null);
    setEstimate(null);
    try {
      const now = (await useStory.getState().manuscript?.flush()) ?? 0;
      const found = await post<Read>(
        ofStory(id, "/extract"),
        { provider, approved },
        { signal: leave.signal },
      );
      setRevision(now);
      setRead(found);
    } catch (problem) {
      if (leave.signal.aborted) return;
      if (
        problem instanceof ApiError &&
        problem.code === "not_approved" &&
        problem.body.estimate !== undefined
      )
        setEstimate(problem.body.estimate);
      else setFault((problem as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title="Read the story with a provider" wide onClose={onClose}>
      <div className="reading">
        {rows !== null && rows.length === 0 ? (
          <>
            <p className="nothing">No provider is connected yet: only the built-in reading is there.</p>
            <footer>
              <button type="button" className="primary" onClick={() => openDialog("providers")}>
                Connect one…
              </button>
            </footer>
          </>
        ) : (
          <>
            <p className="muted">
              The provider is sent the whole story, scene by scene. What it finds is shown beside the built-in
              reading where they differ.
            </p>
            <div className="row">
              <select
                aria-label="Provider"
                value={provider}
                disabled={busy}
                onChange={(event) => setProvider(event.target.value)}
              >
                {rows?.map((row) => (
                  <option key={row.name} value={row.name}>
                    {providerName(row)}
                  </option>
                ))}
              </select>
              {busy ? (
                <button type="button" onClick={() => stop.current?.abort()}>
                  Cancel
                </button>
              ) : (
                estimate === null && (
                  <button
                    type="button"
                    className="primary"
                    disabled={provider === ""}
                    onClick={() => start(false)}
                  >
                    Read
                  </button>
                )
              )}
              <span className="muted numbers" role="status">
                {busy &&
                  (progress?.what === "provider" && progress.total > 1
                    ? `Scene ${progress.done} of ${progress.total}…`
                    : "Reading…")}
              </span>
            </div>
            {estimate !== null && (
              <div className="card">
                <p>More than one scene would be sent. Nothing was sent yet.</p>
                <Estimate of={estimate} />
                <footer>
                  <button type="button" onClick={() => setEstimate(null)}>
                    Do not send
                  </button>
                  <button type="button" className="primary" onClick={() => start(true)}>
                    Send
                  </button>
                </footer>
              </div>
            )}
            {read !== null && !busy && <Differences read={read} provider={provider} revision={revision} />}
          </>
        )}
        {fault !== null && <p className="bad">{fault}</p>}
      </div>
    </Dialog>
  );
}
