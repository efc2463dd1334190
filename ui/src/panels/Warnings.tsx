// What does not go together in the story, with the passages that contradict each other.

import { useState } from "react";
import { type Found, useStory } from "../story/store";
import { Evidence } from "./Evidence";
import { warningName } from "./wording";

interface Row {
  key: string;
  kind: string;
  message: string;
  spans: readonly [number, number][];
}

function rows(found: Found | null): Row[] {
  return (found?.warnings ?? []).map((warning, index) => ({
    ...warning,
    key: found?.warning_keys[index] ?? `${index}`,
  }));
}

/** Those that were not dismissed. */
export function openWarnings(found: Found | null, dismissed: readonly string[]): Row[] {
  return rows(found).filter((each) => !dismissed.includes(each.key));
}

export function Warnings() {
  const found = useStory((state) => state.found);
  const dismissed = useStory((state) => state.settings?.dismissed) ?? found?.dismissed ?? [];
  const dismiss = useStory((state) => state.dismiss);
  const [all, setAll] = useState(false);
  const open = openWarnings(found, dismissed);
  const every = rows(found);
  const away = every.length - open.length;
  return (
    <section id="panel-warnings" className="panel" aria-label="Warnings" data-testid="warnings" tabIndex={-1}>
      {found === null ? (
        <p className="nothing">The story is being read.</p>
      ) : (
        open.length === 0 && (
          <div className="nothing">
            <p>Nothing contradicts itself.</p>
            <p>
              Looked for: being in two places at once, acting after death, things that are elsewhere, day and
              night.
            </p>
          </div>
        )
      )}
      <ul className="cards">
        {(all ? every : open).map((each) => {
          const gone = dismissed.includes(each.key);
          return (
            <li key={each.key} className={gone ? "warning away" : "warning"}>
              <div className="spread">
                <h2>{warningName(each.kind)}</h2>
                <button
                  type="button"
                  className="small quiet"
                  title={gone ? "Show it again" : "Never show it again"}
                  onClick={() => dismiss(each.key, !gone)}
                >
                  {gone ? "Bring back" : "Dismiss"}
                </button>
              </div>
              <p>{each.message}</p>
              {each.spans.map(([start, end]) => (
                <Evidence key={start} span={{ start, end }} revision={found?.revision ?? 0} />
              ))}
            </li>
          );
        })}
      </ul>
      {away > 0 && (
        <button type="button" className="quiet" aria-pressed={all} onClick={() => setAll(!all)}>
          {all ? "Hide the dismissed ones" : `Show the dismissed ones (${away})`}
        </button>
      )}
    </section>
  );
}
