// How many updates old the samples were when they were trained on, as a histogram.

import { useEffect, useState } from "react";
import { get, ofRun } from "../api/client";
import type { Id, Staleness } from "../api/types";
import { plural } from "./format";
import "./staleness.css";

const FROM = {
  summary: "of all samples that were trained on",
  trajectories: "of the samples that were kept",
  metrics: "of updates, by the mean of each",
};

export function StalenessSection({ id, fresh }: { id: Id; fresh: unknown }) {
  const [found, setFound] = useState<Staleness | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `fresh` changes when there is more to count.
  useEffect(() => {
    let left = false;
    get<Staleness>(ofRun(id, "/staleness")).then(
      (answer) => {
        if (!left) setFound(answer);
      },
      () => {}, // the page itself says when the server is away
    );
    return () => {
      left = true;
    };
  }, [id, fresh]);
  if (found === null || found.from === null || found.bins.length === 0) return null;
  const total = found.bins.reduce((sum, bin) => sum + bin.count, 0);
  const most = Math.max(...found.bins.map((bin) => bin.count));
  return (
    <section id="staleness" className="run-section half" aria-labelledby="staleness-title">
      <div className="section-head">
        <h2 id="staleness-title">Staleness</h2>
      </div>
      <table className="histogram">
        <caption className="muted">
          Updates between writing a sample and training on it: counts {FROM[found.from]}
        </caption>
        <tbody>
          {found.bins.map(({ staleness, count }) => (
            <tr key={staleness}>
              <th scope="row">{plural(staleness, "update")}</th>
              <td className="bar">
                <span style={{ width: `${(100 * count) / most}%` }} />
              </td>
              <td className="right">{count.toLocaleString("en-GB")}</td>
              <td className="right muted">{share(count / total)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const share = (part: number) => (part > 0 && part < 0.01 ? "< 1 %" : `${Math.round(100 * part)} %`);
