// Runs in the table, and runs beside each other: the filter, the order, groups by settings, figures and how they are
// written.

import { describe, expect, it } from "vitest";
import type { RunRow } from "../src/api/types";
import { filter } from "../src/runs/filter";
import {
  ago,
  clock,
  duration,
  estimate,
  exact,
  figure,
  number,
  plural,
  setting,
  when,
} from "../src/runs/format";
import { commonRange, glyph } from "../src/runs/interval";
import { comparedIds, pathOfComparison, shown, task } from "../src/runs/list";
import { firstMetric, grouped, isLoss, words } from "../src/runs/metricGroups";
import { begins, clicked, ordered } from "../src/runs/order";
import { differences, flat, groupDifferences, repeats } from "../src/runs/settings";
import { summaryOf } from "../src/runs/summary";
import { renamed } from "../src/runs/verdict";

const row = (part: Partial<RunRow>): RunRow => ({
  id: "quickstart-1",
  name: "multiply",
  kind: "posttrain",
  state: "finished",
  started: 1000,
  seconds: 60,
  seed: 0,
  figure: { name: "accuracy_after", value: 0.9, low: 0.8, high: 0.95, n: 100 },
  ...part,
});

describe("the filter", () => {
  const rows = [
    row({ id: "a", state: "failed", seed: 3, figure: null }),
    row({ id: "b", kind: "dynamics-train", name: "toy", seconds: 5 }),
    row({ id: "c", figure: { name: "t_d", value: 30, low: null, high: null, n: null } }),
    row({ id: "d", state: "broken", kind: null, name: null, figure: null, error: "no state.json" }),
  ];
  const found = (text: string) =>
    rows
      .filter(filter(text).matches)
      .map(({ id }) => id)
      .join("");

  it("finds words anywhere, and needs all of them", () => {
    expect(found("")).toBe("abcd");
    expect(found("Multiply")).toBe("ac");
    expect(found("multiply t_d")).toBe("c");
    expect(found('"no state"')).toBe("d");
    expect(found("-multiply")).toBe("bd");
  });

  it("knows fields", () => {
    expect(found("state:failed")).toBe("a");
    expect(found("state:failed,broken")).toBe("ad");
    expect(found("kind:dynamics")).toBe("b");
    expect(found("seed:3")).toBe("a");
    expect(found("seed:0 -state:finished")).toBe("d");
    expect(found("name:toy")).toBe("b");
    expect(found("figure:t_d")).toBe("c");
  });

  it("knows bounds, which what has no value does not meet", () => {
    expect(found("figure>=0.9")).toBe("bc");
    expect(found("figure<1")).toBe("b");
    expect(found("seconds>5")).toBe("acd");
    expect(found("-figure>1")).toBe("abd");
  });

  it("says what it does not understand, and shows everything meanwhile", () => {
    expect(filter("colour:red").problem).toContain("no field “colour”");
    expect(filter("figure>much").problem).toContain("not a number");
    expect(found("colour:red")).toBe("abcd");
    expect(filter("state:").problem).toBeNull();
    expect(found("state:")).toBe("abcd");
  });
});

describe("the order", () => {
  it("sorts by any column and puts what has no value last either way", () => {
    const rows = [
      row({ id: "run-10", figure: { name: "x", value: 0.5, low: null, high: null, n: 1 } }),
      row({ id: "run-9", figure: null }),
      row({ id: "run-2", figure: { name: "x", value: 0.7, low: null, high: null, n: 1 } }),
    ];
    const ids = (order: Parameters<typeof ordered>[1]) => ordered(rows, order).map(({ id }) => id);
    expect(ids({ column: "name", falling: false })).toEqual(["run-2", "run-9", "run-10"]);
    expect(ids({ column: "figure", falling: true })).toEqual(["run-2", "run-10", "run-9"]);
    expect(ids({ column: "figure", falling: false })).toEqual(["run-10", "run-2", "run-9"]);
  });

  it("turns round on a second click", () => {
    expect(begins("name").falling).toBe(false);
    expect(begins("started").falling).toBe(true);
    expect(clicked(begins("name"), "name")).toEqual({ column: "name", falling: true });
    expect(clicked(begins("name"), "seconds")).toEqual({ column: "seconds", falling: true });
  });
});

describe("settings", () => {
  const recipe = (seed: number, beta: number, part: object = {}) => ({
    id: `${beta}-${seed}`,
    kind: "posttrain",
    seed,
    settings: {
      name: `run ${seed}`,
      seed,
      objective: { name: "tb", beta },
      train: { steps: 10, seed },
      ...part,
    },
  });

  it("are flat by dotted names; lists stay whole but those of tables", () => {
    expect([...flat({ a: 1, b: { c: [1, { d: 2 }], e: { f: null } } })]).toEqual([
      ["a", 1],
      ["b.c", [1, { d: 2 }]],
      ["b.e.f", null],
    ]);
    const stages = [
      { name: "I", train: {} },
      { name: "II", kl: [0, 1], train: { lr: 0.1 } },
    ];
    expect([...flat({ stages, none: [] })]).toEqual([
      ["stages.1.name", "I"],
      ["stages.2.name", "II"],
      ["stages.2.kl", [0, 1]],
      ["stages.2.train.lr", 0.1],
      ["none", []],
    ]);
  });

  it("have no row for an empty list where another has tables", () => {
    expect(
      differences([
        { stages: [{ name: "I" }], steps: 1 },
        { stages: [], steps: 1 },
      ]),
    ).toEqual([{ name: "stages.1.name", values: ["I", undefined] }]);
    expect(differences([{ stages: [] }, {}])).toEqual([{ name: "stages", values: [[], undefined] }]);
  });

  it("may have the seed in a part only", () => {
    const toy = (seed: number, own: number | null = seed) => ({
      kind: "dynamics-train",
      seed: own,
      settings: { steps: 10, train: { seed } },
    });
    expect(repeats([toy(0), toy(1)])).toHaveLength(1);
    const groups = repeats([toy(0, 5), toy(1, 5)]);
    expect(groupDifferences(groups)).toEqual([{ name: "train.seed", values: [0, 1] }]);
  });

  it("make groups of runs that differ in their seed and names only", () => {
    const groups = repeats([recipe(0, 0.1), recipe(0, 0.2), recipe(1, 0.1), recipe(1, 0.2)]);
    expect(groups.map(({ letter, runs }) => [letter, runs.map(({ id }) => id)])).toEqual([
      ["A", ["0.1-0", "0.1-1"]],
      ["B", ["0.2-0", "0.2-1"]],
    ]);
    expect(groupDifferences(groups)).toEqual([{ name: "objective.beta", values: [0.1, 0.2] }]);
  });

  it("do not depend on the order of the keys, and keep kinds apart", () => {
    const turned = {
      ...recipe(1, 0.1),
      settings: { train: { seed: 1, steps: 10 }, objective: { beta: 0.1, name: "tb" }, seed: 1 },
    };
    expect(repeats([recipe(0, 0.1), turned])).toHaveLength(1);
    expect(repeats([recipe(0, 0.1), { ...recipe(1, 0.1), kind: "search-run" }])).toHaveLength(2);
  });

  it("count a seed of a part as a setting where it is not the run's", () => {
    const data = (seed: number) => recipe(seed, 0.1, { data: { seed: 7 } });
    expect(repeats([data(0), data(1)])).toHaveLength(1);
    expect(repeats([data(0), recipe(1, 0.1, { data: { seed: 8 } })])).toHaveLength(2);
  });

  it("differ where one has what the other has not", () => {
    expect(
      differences([
        { a: 1, c: [1] },
        { b: 2, c: [1] },
      ]),
    ).toEqual([
      { name: "a", values: [1, undefined] },
      { name: "b", values: [undefined, 2] },
    ]);
  });

  it("have as many letters as there are groups", () => {
    const many = repeats(Array.from({ length: 28 }, (_, index) => recipe(0, index)));
    expect([many[0]?.letter, many[25]?.letter, many[26]?.letter, many[27]?.letter]).toEqual([
      "A",
      "Z",
      "AA",
      "AB",
    ]);
  });
});

describe("a verdict", () => {
  it("has the letters of the groups, and leaves articles alone", () => {
    const say = (sentence: string) => renamed(sentence, "C", "A");
    expect(
      say(
        "A and B cannot be told apart in loss at 5 runs against 5: p = 0.4 that A is larger, 0.6 that B is (x).",
      ),
    ).toBe(
      "C and A cannot be told apart in loss at 5 runs against 5: p = 0.4 that C is larger, 0.6 that A is (x).",
    );
    expect(say("A difference of this size would take about 287 seeds of each (power 0.8).")).toContain(
      "A difference",
    );
    expect(say("A minus B: +0.02 [-0.01, +0.05] (Hodges-Lehmann).")).toContain("C minus A:");
    expect(say("B is better: its loss is smaller, p = 0.01 (x).")).toContain("A is better:");
  });
});

describe("the drawing of an interval", () => {
  it("lies where its values lie", () => {
    expect(glyph({ value: 0.5, low: 0.25, high: 1 }, [0, 1], 100)).toEqual({
      dot: 50,
      low: 25,
      high: 100,
      cutLow: false,
      cutHigh: false,
    });
  });

  it("is cut where the interval leaves the range, and never too narrow to be seen", () => {
    expect(glyph({ value: 0.5, low: -1, high: 2 }, [0, 1], 100)).toMatchObject({
      low: 0,
      high: 100,
      cutLow: true,
      cutHigh: true,
    });
    const narrow = glyph({ value: 1, low: 1, high: 1 }, [0, 1], 100);
    expect(narrow).toMatchObject({ low: 98, high: 100 });
    expect(glyph({ value: null, low: null, high: null }, [0, 1], 100)).toBeNull();
    expect(glyph({ value: 0.5, low: null, high: null }, [0, 1], 100)).toMatchObject({ dot: 50, low: null });
  });

  it("has one range for all that stand below each other", () => {
    expect(commonRange([{ value: 0.5, low: 0.4, high: 0.6 }])).toEqual([0, 1]);
    expect(commonRange([{ value: -0.5, low: -0.6, high: 0.2 }])).toEqual([-1, 1]);
    expect(
      commonRange([
        { value: 30, low: 20, high: 40 },
        { value: 50, low: null, high: null },
      ]),
    ).toEqual([0, 50]);
    expect(commonRange([])).toEqual([0, 1]);
  });
});

describe("metrics", () => {
  it("stand in groups, losses first and clocks last", () => {
    const groups = grouped([
      "trainer_idle",
      "samples_per_second",
      "reward",
      "kl",
      "loss",
      "staleness",
      "D",
      "odd",
      "gradient_norm",
    ]);
    expect(groups.map(({ title }) => title)).toEqual([
      "Losses",
      "Rewards and accuracy",
      "Staleness and replay",
      "KL and entropy",
      "Interference",
      "Optimizer",
      "Other",
      "Timing",
    ]);
    expect(grouped(["n", "M", "D"])[0]?.metrics).toEqual(["D", "M", "n"]);
  });

  it("are found by words in any order", () => {
    expect(grouped(["validation_accuracy", "accuracy", "loss"], "acc val")).toEqual([
      { title: "Rewards and accuracy", metrics: ["validation_accuracy"] },
    ]);
    expect(grouped(["loss"], "nothing")).toEqual([]);
  });

  it("have readable names, and symbols stay symbols", () => {
    expect(words("gradient_norm")).toBe("gradient norm");
    expect(words("staleness.mean")).toBe("staleness mean");
    expect(words("t_d")).toBe("t_d");
    expect(words("D_null")).toBe("D_null");
    expect(words("attempts_before.i_to_c")).toBe("attempts before i_to_c");
    expect(words("stages.I")).toBe("stages I");
    expect(isLoss("loss_tagger")).toBe(true);
    expect(isLoss("glossary")).toBe(false);
    expect(firstMetric(["kl", "loss", "reward"])).toBe("reward");
    expect(firstMetric([])).toBeNull();
  });
});

describe("a summary", () => {
  it("is estimates and everything else, by dotted names", () => {
    const { estimates, plain } = summaryOf({
      task: "sort",
      accuracy: { value: 0.5, low: 0.4, high: 0.6, n: 100, method: "wilson", level: 0.95 },
      staleness: { mean: 1.5, inner: { value: null, low: null, high: null, n: 0, reason: "no data" } },
      winners: ["a", "b"],
      history: [{ a: 1 }],
    });
    expect(estimates.map(({ name, value, reason }) => [name, value, reason])).toEqual([
      ["accuracy", 0.5, null],
      ["staleness.inner", null, "no data"],
    ]);
    expect(plain).toEqual([
      { name: "task", value: "sort" },
      { name: "staleness.mean", value: 1.5 },
      { name: "winners", value: ["a", "b"] },
      { name: "history", value: "1 entry" },
    ]);
  });
});

describe("what is written", () => {
  it("numbers", () => {
    expect([0, 1.23456, -0.5, 1180.6647, 12_300, 2e-4, 1e-20, 3e18].map(number)).toEqual([
      "0",
      "1.235",
      "−0.5",
      "1180.7",
      "12.3k",
      "2e−4",
      "1e−20",
      "3e18",
    ]);
    expect([null, Number.NaN, Number.POSITIVE_INFINITY].map(number)).toEqual(["–", "–", "∞"]);
    expect(exact(15_360)).toBe("15,360");
    expect(figure(0.96449)).toBe("0.964");
    expect(figure(-0.0001)).toBe("−1e−4");
  });

  it("estimates", () => {
    expect(estimate({ value: 0.964, low: 0.944, high: 0.977 })).toBe("0.964 [0.944, 0.977]");
    expect(estimate({ value: 0.5, low: null, high: null })).toBe("0.500");
    expect(estimate({ value: null, low: null, high: null, reason: "no runs" })).toBe("undefined: no runs");
  });

  it("times", () => {
    expect([null, 0, 7.16, 48.4, 92, 7500, 400_000].map(duration)).toEqual([
      "–",
      "0 s",
      "7.2 s",
      "48 s",
      "1 min 32 s",
      "2 h 05 min",
      "4 d 15 h",
    ]);
    expect(duration(59.7)).toBe("1 min 00 s");
    expect([5, 90, 9000].map(clock)).toEqual(["5 s", "1.5 min", "2.5 h"]);
    const now = Date.parse("2026-11-24T12:00:00");
    expect(ago(now / 1000 - 30, now)).toBe("just now");
    expect(ago(now / 1000 - 7200, now)).toBe("2 hours ago");
    expect(ago(now / 1000 - 86_400, now)).toBe("1 day ago");
    expect(when(now / 1000, now)).toBe("24 Nov, 12:00");
    expect(when(now / 1000, Date.parse("2028-01-01T00:00:00"))).toContain("2026");
  });

  it("settings and counts", () => {
    expect([true, "", [], [3, 1], undefined, -2].map(setting)).toEqual([
      "yes",
      "empty",
      "none",
      "3, 1",
      "–",
      "−2",
    ]);
    expect(setting({ a: 1 })).toBe('{"a":1}');
    expect(plural(1, "run")).toBe("1 run");
    expect(plural(1200, "story", "stories")).toBe("1,200 stories");
  });

  it("ids, which survive the address of a comparison", () => {
    const ids = ["score~score~0", "with, comma", "100%25", "ordinary"];
    const address = new URL(pathOfComparison(ids), "http://x");
    expect(comparedIds(address.searchParams.get("compare") ?? "")).toEqual(ids);
    expect(comparedIds("a,b%")).toEqual(["a", "b%"]);
    expect(shown("score~score~0")).toBe("score / score / 0");
    expect(task(row({ id: "multiply-1" }))).toBeNull();
    expect(task(row({ id: "x" }))).toBe("multiply");
  });
});
