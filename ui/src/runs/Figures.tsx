// The figures of a finished run: estimates with their intervals, then everything else that its summary says.

import { useMemo } from "react";
import { estimate, exact, plural, setting } from "./format";
import { Interval } from "./Interval";
import { commonRange } from "./interval";
import { words } from "./metricGroups";
import { summaryOf } from "./summary";

export function Figures({ summary }: { summary: Record<string, unknown> }) {
  const { estimates, plain } = useMemo(() => summaryOf(summary), [summary]);
  const ranges = useMemo(() => rangesOf(estimates), [estimates]);
  return (
    <section id="figures" className="run-section" aria-labelledby="figures-title">
      <div className="section-head">
        <h2 id="figures-title">Figures</h2>
      </div>
      <div className="figures">
        {estimates.length > 0 && (
          <table>
            <thead>
              <tr>
                <th scope="col">Estimate</th>
                <th scope="col">
                  <span className="hidden">Drawing</span>
                </th>
                <th scope="col">Value and interval</th>
                <th scope="col" className="right">
                  n
                </th>
                <th scope="col">Method</th>
              </tr>
            </thead>
            <tbody>
              {estimates.map((each) => (
                <tr key={each.name}>
                  <th scope="row">{words(each.name)}</th>
                  <td>
                    <Interval estimate={each} range={ranges.get(each.name) ?? [0, 1]} />
                  </td>
                  <td className="numbers">{estimate(each)}</td>
                  <td className="right">{exact(each.n)}</td>
                  <td className="muted">{each.method}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <dl className="plain">
          {plain.map(({ name, value }) => (
            <div key={name}>
              <dt>{words(name)}</dt>
              <dd>{typeof value === "number" ? exact(value) : setting(value ?? undefined)}</dd>
            </div>
          ))}
        </dl>
        {estimates.length === 0 && plain.length === 0 && (
          <p className="muted">{plural(0, "figure")}: this run's summary is empty.</p>
        )}
      </div>
    </section>
  );
}

/** Shares are drawn from 0 to 1 and differences from -1 to 1; other figures each on a range of their own. */
function rangesOf(estimates: ReturnType<typeof summaryOf>["estimates"]): Map<string, [number, number]> {
  return new Map(estimates.map((each) => [each.name, commonRange([each])]));
}
