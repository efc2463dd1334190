// The table of runs. Only the rows that are on the screen exist, so a thousand runs scroll like ten.

import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import type { Id, RunRow } from "../api/types";
import { ago, duration, estimate, when } from "./format";
import { Interval } from "./Interval";
import { commonRange } from "./interval";
import { pathOfRun, shown, task } from "./list";
import { words } from "./metricGroups";
import { type Column, clicked, type Order } from "./order";
import { State } from "./State";
import "./table.css";

const ROW = 37;
const BEYOND = 12; // rows above and below the screen that exist all the same

const COLUMNS: readonly [Column, string, string][] = [
  ["name", "Name", ""],
  ["kind", "Kind", "medium"],
  ["state", "State", "short"],
  ["started", "Started", "time"],
  ["seconds", "Duration", "duration right"],
  ["figure", "Main figure", "figure"],
  ["seed", "Seed", "seed right"],
];

export function RunsTable(props: {
  rows: readonly RunRow[];
  order: Order;
  onOrder: (order: Order) => void;
  chosen: ReadonlySet<Id>;
  onChoose: (id: Id, on: boolean) => void;
}) {
  const { rows, order, onOrder, chosen, onChoose } = props;
  const [box, from, to] = useWindow(rows.length);
  const ranges = new Map<string, [number, number]>();
  const rangeOf = (name: string) => {
    let range = ranges.get(name);
    if (range === undefined) {
      range = commonRange(rows.flatMap(({ figure }) => (figure?.name === name ? [figure] : [])));
      ranges.set(name, range);
    }
    return range;
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="runs-scroll scroll" ref={box} aria-label="Table of runs" tabIndex={0}>
      <table
        className="runs-table"
        data-testid="runs-table"
        aria-rowcount={rows.length + 1}
        style={{ marginTop: from * ROW, marginBottom: (rows.length - to) * ROW }}
      >
        <thead>
          <tr aria-rowindex={1}>
            <th className="choose" scope="col">
              <span className="hidden">Compare</span>
            </th>
            {COLUMNS.map(([column, title, width]) => (
              <th
                key={column}
                scope="col"
                className={width}
                aria-sort={order.column === column ? (order.falling ? "descending" : "ascending") : undefined}
              >
                <button type="button" className="sort" onClick={() => onOrder(clicked(order, column))}>
                  {title}
                  {order.column === column && <span aria-hidden="true">{order.falling ? "▾" : "▴"}</span>}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(from, to).map((row, index) => (
            <Row
              key={row.id}
              row={row}
              place={from + index + 2}
              range={row.figure === null ? null : rangeOf(row.figure.name)}
              chosen={chosen.has(row.id)}
              onChoose={onChoose}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row(props: {
  row: RunRow;
  place: number;
  range: [number, number] | null;
  chosen: boolean;
  onChoose: (id: Id, on: boolean) => void;
}) {
  const { row, place, range, chosen, onChoose } = props;
  const [folders, last] = parts(row.id);
  const title = (
    <>
      {folders !== "" && <span className="muted">{folders}</span>}
      {last}
    </>
  );
  return (
    <tr
      data-testid="run-row"
      data-id={row.id}
      data-state={row.state}
      aria-rowindex={place}
      className={chosen ? "chosen" : ""}
    >
      <td className="choose">
        {row.error === undefined && (
          <input
            type="checkbox"
            aria-label={`Compare ${row.id}`}
            checked={chosen}
            onChange={(event) => onChoose(row.id, event.target.checked)}
          />
        )}
      </td>
      <td className="name" title={shown(row.id)}>
        <Link href={pathOfRun(row.id)}>{title}</Link>
        {task(row) !== null && <span className="muted task">{task(row)}</span>}
      </td>
      {row.error !== undefined ? (
        <>
          <td className="muted">–</td>
          <td>
            <State state={row.state} />
          </td>
          <td colSpan={4} className="error" title={row.error}>
            {row.error}
          </td>
        </>
      ) : (
        <>
          <td>{row.kind}</td>
          <td>
            <State state={row.state} />
          </td>
          <td title={row.started === null ? undefined : ago(row.started)}>{when(row.started)}</td>
          <td className="right">{duration(row.seconds)}</td>
          <td className="figure">
            {row.figure !== null && range !== null ? (
              <span className="with-interval" title={figureTitle(row.figure)}>
                <Interval estimate={row.figure} range={range} />
                <span className="numbers">{estimate(row.figure)}</span>
                <span className="muted">{words(row.figure.name)}</span>
              </span>
            ) : (
              <span className="muted">–</span>
            )}
          </td>
          <td className="right">{row.seed ?? <span className="muted">–</span>}</td>
        </>
      )}
    </tr>
  );
}

/** The folders that a run lies in, and its own name. */
function parts(id: Id): [string, string] {
  const names = id.split("~");
  const last = names.pop() ?? id;
  return [names.map((name) => `${name} / `).join(""), last];
}

const figureTitle = ({ name, n }: { name: string; n: number | null }) =>
  n === null ? name : `${name}, from ${n.toLocaleString("en-GB")}`;

/** The rows that are on the screen, as the box that holds them scrolls. */
function useWindow(count: number): [React.RefObject<HTMLElement | null>, number, number] {
  const box = useRef<HTMLElement>(null);
  const [[top, height], setView] = useState([0, 800]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = () => setView([element.scrollTop, element.clientHeight]);
    look();
    element.addEventListener("scroll", look, { passive: true });
    const watch = new ResizeObserver(look);
    watch.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      watch.disconnect();
    };
  }, []);
  const from = Math.max(0, Math.min(count, Math.floor(top / ROW) - BEYOND));
  return [box, from, Math.min(count, Math.ceil((top + height) / ROW) + BEYOND)];
}
