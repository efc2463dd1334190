// The settings of a run beside those of another one, and what it ran on.

import { useMemo, useState } from "react";
import { get, ofRun } from "../api/client";
import type { Id, RunDetail, RunRow } from "../api/types";
import { plural, setting } from "./format";
import { shown } from "./list";
import { beside, flat } from "./settings";
import "./settings.css";

export function SettingsSection({ run }: { run: RunDetail }) {
  const [others, setOthers] = useState<readonly RunRow[] | null>(null);
  const [other, setOther] = useState<RunDetail | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [only, setOnly] = useState(false);
  const list = () => {
    if (others !== null) return;
    get<{ runs: RunRow[] }>("/api/runs").then(
      ({ runs }) => setOthers(runs.filter((each) => each.error === undefined && each.id !== run.id)),
      (reason: Error) => setFault(reason.message),
    );
  };
  const choose = (id: Id) => {
    setFault(null);
    if (id === "") setOther(null);
    else
      get<RunDetail>(ofRun(id)).then(setOther, (reason: Error) => {
        setFault(reason.message);
      });
  };
  const rows = useMemo(() => rowsOf(run, other), [run, other]);
  const different = rows.filter((row) => row.differs).length;
  // The runs of the same kind come first: with them a comparison says most.
  const offered = useMemo(
    () => [...(others ?? [])].sort((a, b) => Number(b.kind === run.kind) - Number(a.kind === run.kind)),
    [others, run.kind],
  );
  return (
    <section id="settings" className="run-section" aria-labelledby="settings-title">
      <div className="section-head">
        <h2 id="settings-title">Settings</h2>
        <div className="row curve-tools">
          <select
            aria-label="Compare the settings with those of"
            value={other?.id ?? ""}
            onPointerDown={list}
            onFocus={list}
            onChange={(event) => choose(event.target.value)}
          >
            <option value="">Compare with another run…</option>
            {offered.map((each) => (
              <option key={each.id} value={each.id}>
                {shown(each.id)}
              </option>
            ))}
          </select>
          {other !== null && (
            <label className="row">
              <input type="checkbox" checked={only} onChange={(event) => setOnly(event.target.checked)} />
              Only what differs
            </label>
          )}
        </div>
      </div>
      {fault !== null && (
        <p className="bad" role="alert">
          {fault}
        </p>
      )}
      {other !== null && (
        <p className="muted" role="status">
          {different === 0
            ? "Every setting is the same."
            : `${plural(different, "setting differs", "settings differ")}.`}
        </p>
      )}
      <div className={other === null ? "settings columns" : "settings"}>
        <table>
          <caption className="hidden">Settings</caption>
          {other !== null && (
            <thead>
              <tr>
                <th scope="col">Setting</th>
                <th scope="col">{shown(run.id)}</th>
                <th scope="col">{shown(other.id)}</th>
              </tr>
            </thead>
          )}
          {sections(other !== null && only ? rows.filter((row) => row.differs) : rows).map(
            ([section, members]) => (
              <tbody key={section}>
                {section !== "" && (
                  <tr className="settings-part">
                    <th scope="rowgroup" colSpan={other === null ? 2 : 3}>
                      {section}
                    </th>
                  </tr>
                )}
                {members.map(({ name, own, theirs, differs }) => (
                  <tr key={name} className={differs ? "differs" : ""}>
                    <th scope="row">{name.slice(section === "" ? 0 : section.length + 1)}</th>
                    <td>{setting(own)}</td>
                    {other !== null && (
                      <td>
                        {setting(theirs)}
                        {differs && <span className="hidden"> (differs)</span>}
                      </td>
                    )}
                  </tr>
                ))}
              </tbody>
            ),
          )}
        </table>
      </div>
      {run.environment !== null && <Environment environment={run.environment} />}
    </section>
  );
}

function Environment({ environment }: { environment: Record<string, unknown> }) {
  const rows = [...flat(environment)].filter(([name]) => name !== "command");
  const command = Array.isArray(environment.command) ? environment.command.join(" ") : null;
  return (
    <details className="environment">
      <summary>What it ran on</summary>
      {command !== null && <pre>{command}</pre>}
      <dl className="plain">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{setting(value ?? undefined)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

interface Row {
  name: string;
  own: unknown;
  theirs: unknown;
  differs: boolean;
}

function rowsOf(run: RunDetail, other: RunDetail | null): Row[] {
  return beside([run.settings, (other ?? run).settings]).map(({ name, values: [own, theirs], differs }) => ({
    name,
    own,
    theirs,
    differs,
  }));
}

/** The rows by the part of the recipe that they stand in, in its order; those without one come first. */
function sections(rows: readonly Row[]): [string, Row[]][] {
  const found = new Map<string, Row[]>([["", []]]);
  for (const row of rows) {
    const section = row.name.includes(".") ? row.name.slice(0, row.name.lastIndexOf(".")) : "";
    found.set(section, [...(found.get(section) ?? []), row]);
  }
  return [...found].filter(([, members]) => members.length > 0);
}
