// One metric of a run as a small chart: drawn only while it is on the screen, with its value in the header, a larger
// view, and the numbers as a table.

import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Chart, type Curve, place, type Reading } from "./Chart";
import type { Curves } from "./curves";
import { clock, number, plural } from "./format";
import { isLoss, words } from "./metricGroups";
import { type Line, smooth } from "./series";
import { thin } from "./thin";
import "./metrics.css";

export interface View {
  by: "step" | "time";
  /** How much of the past stays in the smoothed line, 0 for no such line. */
  smoothing: number;
  logLosses: boolean;
}

const SMALL = 148;
const LARGE = 330;
const MOST_NUMBERS = 200;

/** Colours and dashes that tell lines apart together; the next ones begin again with another dash. */
const COLOURS = ["--accent", "--perception", "--speech", "--movement", "--place", "--ink"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 3", "4 2"];

export const style = (index: number) => ({
  colour: `var(${COLOURS[index % COLOURS.length]})`,
  dash: DASHES[(index + Math.floor(index / COLOURS.length)) % DASHES.length] || undefined,
});

export function MetricChart({ curves, name, view }: { curves: Curves; name: string; view: View }) {
  const box = useRef<HTMLElement>(null);
  const seen = useSeen(box);
  const [large, setLarge] = useState(false);
  const [numbers, setNumbers] = useState(false);
  const version = useSyncExternalStore(curves.subscribe, () => (seen ? curves.version : -1));
  useEffect(() => {
    if (seen) curves.want(name);
  }, [seen, curves, name]);
  useEffect(() => {
    if (large) curves.refine(name);
  }, [large, curves, name]);
  const title = words(name);
  return (
    <figure
      ref={box}
      className={
        large ? "metric large" : (curves.metric(name)?.lines.length ?? 0) > 1 ? "metric wide" : "metric"
      }
      data-testid="metric-chart"
      data-metric={name}
      style={{ minHeight: (large ? LARGE : SMALL) + 30 }}
    >
      {seen ? (
        <Drawn
          key={name}
          title={title}
          lines={curves.metric(name)?.lines ?? null}
          version={version}
          view={view}
          log={view.logLosses && isLoss(name)}
          height={large ? LARGE : SMALL}
          buttons={
            <>
              <button
                type="button"
                className="icon"
                aria-pressed={numbers}
                aria-label={`Show numbers of ${title}`}
                title="Show numbers"
                onClick={() => setNumbers(!numbers)}
              >
                <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
                  <path d="M1.5 2.5 H12.5 M1.5 7 H12.5 M1.5 11.5 H12.5 M5.5 2.5 V11.5" />
                </svg>
              </button>
              <button
                type="button"
                className="icon"
                aria-pressed={large}
                aria-label={`Enlarge ${title}`}
                title={large ? "Make small" : "Enlarge"}
                onClick={() => setLarge(!large)}
              >
                <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
                  <path
                    d={
                      large
                        ? "M6 1.5 V6 H1.5 M8 12.5 V8 H12.5"
                        : "M8 1.5 H12.5 V6 M6 12.5 H1.5 V8 M12.5 1.5 L8.5 5.5 M1.5 12.5 L5.5 8.5"
                    }
                  />
                </svg>
              </button>
            </>
          }
        />
      ) : (
        <figcaption>
          <span className="metric-name">{title}</span>
        </figcaption>
      )}
      {numbers && seen && (
        <Numbers title={title} lines={curves.metric(name)?.lines ?? []} version={version} />
      )}
    </figure>
  );
}

function Drawn(props: {
  title: string;
  lines: readonly Line[] | null;
  version: number;
  view: View;
  log: boolean;
  height: number;
  buttons: React.ReactNode;
}) {
  const { title, lines, version, view, log, height, buttons } = props;
  const [reading, setReading] = useState<Reading | null>(null);
  // The lines grow in place: `version` says when.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above.
  const drawn = useMemo(
    () => (lines ?? []).map((line, index) => curveOf(line, index, lines?.length ?? 0, view)),
    [lines, version, view],
  );
  const undrawn = log && drawn.some(({ y }) => y.some((value) => value <= 0));
  const last = lines?.length === 1 ? lines[0]?.value.at(-1) : undefined;
  return (
    <>
      <figcaption>
        <span className="metric-name" title={title}>
          {title}
        </span>
        <span className="metric-value numbers">
          {reading === null
            ? last !== undefined && number(last)
            : reading.values.map(({ id, value, label }) => (
                <span key={id}>{label === "" ? number(value) : `${label} ${number(value)}`}</span>
              ))}
          {reading !== null && <span className="muted">{place(reading.x, view.by)}</span>}
        </span>
        <span className="metric-buttons">{buttons}</span>
      </figcaption>
      {lines === null ? (
        <div style={{ height }} className="chart-nothing">
          Reading…
        </div>
      ) : (
        <Chart name={title} curves={drawn} by={view.by} log={log} height={height} onRead={setReading} />
      )}
      {undrawn && <p className="muted undrawn">Values of zero or below are not drawn.</p>}
    </>
  );
}

function curveOf(line: Line, index: number, count: number, view: View): Curve {
  return {
    id: line.label,
    label: count > 1 ? line.label : "",
    ...style(index),
    x: view.by === "time" ? [...line.time] : [...line.step],
    y: [...line.value],
    stage: [...line.stage],
    ...(view.smoothing > 0 ? { smooth: smooth(line.value, line.stage, view.smoothing) } : {}),
  };
}

function Numbers({ title, lines, version }: { title: string; lines: readonly Line[]; version: number }) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines grow in place, `version` says when.
  const rows = useMemo(
    () =>
      lines.flatMap((line) =>
        thin(line.value, MOST_NUMBERS).map((index) => ({
          key: `${line.label} ${index}`,
          label: line.label,
          step: line.step[index] as number,
          time: line.time[index] as number,
          stage: line.stage[index] as string,
          value: line.value[index] as number,
        })),
      ),
    [lines, version],
  );
  const count = lines.reduce((sum, line) => sum + line.value.length, 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="metric-numbers scroll" aria-label={`Numbers of ${title}`} tabIndex={0}>
      <table>
        <caption className="muted">
          {rows.length < count
            ? `${rows.length} of ${plural(count, "value")}, with the extremes`
            : plural(count, "value")}
        </caption>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Time</th>
            <th scope="col">Stage</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, label, step, time, stage, value }) => (
            <tr key={key}>
              <td>{step.toLocaleString("en-GB")}</td>
              <td>{clock(time)}</td>
              <td>{[words(stage), label].filter(Boolean).join(", ")}</td>
              <td>{number(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Whether an element is on the screen, or nearly. */
function useSeen(element: React.RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const watch = new IntersectionObserver(
      (entries) => {
        const entry = entries.at(-1);
        if (entry !== undefined) setSeen(entry.isIntersecting);
      },
      { root: target.closest(".scroll"), rootMargin: "150px" },
    );
    watch.observe(target);
    return () => watch.disconnect();
  }, [element]);
  return seen;
}
