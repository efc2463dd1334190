import { describe, expect, it } from "vitest";
import type { History, HistoryNode } from "../src/api/types";
import { lanes, runs, width } from "../src/panels/historyGraph";

const node = (id: number, parent: number | null, more: Partial<HistoryNode> = {}): HistoryNode => ({
  id,
  parent,
  kind: parent === null ? "start" : "edit",
  time: new Date(Date.UTC(2026, 0, 1, 12, id)).toISOString(),
  added: 10,
  removed: 1,
  labels: [],
  ...more,
});

const history = (nodes: HistoryNode[], current: number): History => ({ nodes, current });

const decision = { kind: "decision" } as const;

describe("runs of typing", () => {
  it("are one row with what they did together", () => {
    const found = runs(history([node(1, null), node(2, 1), node(3, 2), node(4, 3)], 4));
    expect(found.map((row) => [row.id, row.steps, row.parent, row.first])).toEqual([
      [4, 3, 1, 2],
      [1, 1, null, 1],
    ]);
    expect(found[0]).toMatchObject({ added: 30, removed: 3 });
  });

  it("end at a name, at the present state, at a branch, at a pause and at another kind of step", () => {
    const plain = [node(1, null), node(2, 1), node(3, 2), node(4, 3)];
    const ids = (nodes: HistoryNode[], current = 4) => runs(history(nodes, current)).map((row) => row.id);
    expect(ids(plain.map((each) => (each.id === 3 ? { ...each, labels: ["Draft"] } : each)))).toEqual([
      4, 3, 1,
    ]);
    expect(ids(plain, 3)).toEqual([4, 3, 1]);
    expect(ids([...plain, node(5, 3)], 5)).toEqual([5, 4, 3, 1]);
    expect(
      ids(plain.map((each) => (each.id === 4 ? { ...each, time: "2026-01-02T00:00:00Z" } : each))),
    ).toEqual([4, 3, 1]);
    expect(ids(plain.map((each) => (each.id === 3 ? { ...each, ...decision } : each)))).toEqual([4, 3, 2, 1]);
  });

  it("open into their steps", () => {
    const found = runs(history([node(1, null), node(2, 1), node(3, 2), node(4, 3)], 4), new Set([4]));
    expect(found.map((row) => [row.id, row.parent, row.steps])).toEqual([
      [4, 3, 1],
      [3, 2, 1],
      [2, 1, 1],
      [1, null, 1],
    ]);
    expect(found.filter((row) => row.opened).map((row) => row.id)).toEqual([4]);
  });
});

describe("lanes", () => {
  const tree = history(
    [
      node(1, null),
      node(2, 1, decision),
      node(3, 2, decision),
      node(4, 2, decision),
      node(5, 4, decision),
      node(6, 2, decision),
    ],
    5,
  );
  const placed = lanes(runs(tree), tree.current);
  const of = (id: number) => placed.find((row) => row.id === id);

  it("the branch in use is straight, the others beside it", () => {
    expect(placed.map((row) => [row.id, row.lane])).toEqual([
      [6, 1],
      [5, 0],
      [4, 0],
      [3, 2],
      [2, 0],
      [1, 0],
    ]);
    expect(width(placed)).toBe(3);
  });

  it("branches join where they left", () => {
    expect([...(of(2)?.joins ?? [])].sort()).toEqual([0, 1, 2]);
    expect(of(2)?.through).toEqual([]);
    expect(of(4)?.through).toEqual([1]);
    expect(of(1)).toMatchObject({ below: false, joins: [0] });
  });

  it("every line that leaves a row arrives at the next, on any tree", () => {
    let seed = 7;
    const random = (most: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % most;
    };
    for (let round = 0; round < 60; round++) {
      const nodes = [node(1, null)];
      for (let id = 2; id <= 2 + random(40); id++)
        nodes.push(node(id, 1 + random(id - 1), random(2) === 0 ? decision : {}));
      const current = 1 + random(nodes.length);
      const rows = lanes(runs(history(nodes, current)), current);
      let open: number[] = [];
      for (const row of rows) {
        expect([...row.joins, ...row.through].sort()).toEqual(open.sort());
        expect(row.through).not.toContain(row.lane);
        open = [...row.through, ...(row.below ? [row.lane] : [])];
      }
      expect(open).toEqual([]);
    }
  });
});

it("a long history is laid out in a moment", () => {
  const nodes = [node(1, null)];
  for (let id = 2; id <= 20_000; id++) nodes.push(node(id, id - 1, id % 7 === 0 ? decision : {}));
  const begin = performance.now();
  lanes(runs(history(nodes, 20_000)), 20_000);
  expect(performance.now() - begin).toBeLessThan(2000);
});
