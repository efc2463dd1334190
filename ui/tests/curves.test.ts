// Curves: thinning, axes, paths, and the lines that rows of metrics make.

import { describe, expect, it } from "vitest";
import { area, drawn } from "../src/runs/path";
import {
  extent,
  nice,
  scale,
  spread,
  tickLabels,
  ticks,
  timeTicks,
  wholeTicks,
  withBands,
} from "../src/runs/scale";
import { labelOf, Metric, metricsOf, nearest, POINTS, smooth, stageStarts } from "../src/runs/series";
import { thin } from "../src/runs/thin";

/** Numbers that look random and are the same every time. */
function numbers(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("thinning", () => {
  it("keeps the first, last, smallest and largest value of every series, in order and once", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const next = numbers(seed);
      const length = Math.floor(next() * 5000);
      const points = 2 + Math.floor(next() * 300);
      const spiky = next() < 0.5;
      const values = Array.from({ length }, () =>
        next() < 0.02 ? Number.NaN : spiky ? next() ** 30 : next(),
      );
      const kept = thin(values, points);
      expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
      expect(kept.length).toBeLessThanOrEqual(Math.max(points, 2.5 * points));
      if (length === 0) continue;
      expect(kept[0]).toBe(0);
      expect(kept.at(-1)).toBe(length - 1);
      expect(extent(kept.map((index) => values[index] as number))).toEqual(extent(values));
      expect(kept.some((index) => Number.isNaN(values[index]))).toBe(values.some(Number.isNaN));
    }
  });

  it("keeps the extremes of every bucket, so that no spike is lost wherever it stands", () => {
    const values = new Float64Array(1_000_000);
    const spikes = [17, 123_456, 500_000, 999_998];
    for (const spike of spikes) values[spike] = spike % 2 === 0 ? 5 : -5;
    const kept = new Set(thin(values, 2000));
    expect(spikes.every((spike) => kept.has(spike))).toBe(true);
  });

  it("keeps everything where there is little", () => {
    expect(thin([3, 1, 2], 10)).toEqual([0, 1, 2]);
    expect(thin([], 10)).toEqual([]);
  });
});

describe("axes", () => {
  it("has round ticks that lie on the widened bounds", () => {
    for (const [low, high] of [
      [1.9, 5.8],
      [0.151, 0.164],
      [-0.12, 0.31],
      [0, 1_000_000],
      [3e-7, 8e-7],
    ] as const) {
      const [from, to] = nice(low, high, 3);
      const values = ticks(from, to, 3);
      expect(values[0]).toBe(from);
      expect(values.at(-1)).toBe(to);
      expect(from).toBeLessThanOrEqual(low);
      expect(to).toBeGreaterThanOrEqual(high);
      expect(values.length).toBeGreaterThanOrEqual(2);
      expect(values.length).toBeLessThanOrEqual(8);
    }
  });

  it("gives a single value room", () => {
    expect(nice(5, 5, 3)[0]).toBeLessThan(5);
    expect(nice(0, 0, 3)).toEqual([0, 1]);
    // What only rounding tells apart is a single value, too: its ticks would have twelve decimals.
    expect(tickLabels(ticks(...nice(0.9999999999972, 0.9999999999996, 3), 3))).toEqual([
      "0.90",
      "0.95",
      "1.00",
      "1.05",
      "1.10",
    ]);
    expect(nice(-5.0000000001, -5, 3)[0]).toBeLessThan(-5.1);
    expect(nice(1e-9, 3e-9, 3)[1]).toBeLessThan(1e-8);
    expect(ticks(5, 5, 3)).toEqual([5]);
  });

  it("counts in whole numbers", () => {
    expect(wholeTicks(1, 5, 8)).toEqual([1, 2, 3, 4, 5]);
    expect(wholeTicks(0, 1000, 4)).toEqual([0, 200, 400, 600, 800, 1000]);
  });

  it("writes the ticks of one axis alike", () => {
    expect(tickLabels([0, 0.5, 1])).toEqual(["0.0", "0.5", "1.0"]);
    expect(tickLabels([0.15, 0.155, 0.16])).toEqual(["0.150", "0.155", "0.160"]);
    expect(tickLabels([-2, 0, 2])).toEqual(["−2", "0", "2"]);
    expect(tickLabels([0, 50_000, 100_000])).toEqual(["0", "50k", "100k"]);
    expect(tickLabels([100_000, 102_500, 105_000])).toEqual(["100.0k", "102.5k", "105.0k"]);
    expect(tickLabels([0, 1e-5, 2e-5])).toEqual(["0", "1e−5", "2e−5"]);
    expect(tickLabels([0.001, 1, 1000], true)).toEqual(["0.001", "1", "1000"]);
  });

  it("has ticks that can be told apart, whatever the range", () => {
    const next = numbers(7);
    for (let turn = 0; turn < 500; turn++) {
      const low = (next() - 0.5) * 10 ** Math.floor(next() * 16 - 8);
      const high = low + next() * 10 ** Math.floor(next() * 16 - 8) + 1e-9 * Math.abs(low) * 1e4;
      if (!(high > low)) continue;
      const [from, to] = nice(low, high, 4);
      const labels = tickLabels(ticks(from, to, 4));
      expect(new Set(labels).size, `${low} to ${high}: ${labels.join(" ")}`).toBe(labels.length);
    }
  });

  it("has powers of ten on a logarithm, and round values where there is less than one", () => {
    expect(ticks(1e-4, 10, 6, true)).toEqual([1e-4, 1e-3, 0.01, 0.1, 1, 10]);
    expect(ticks(1e-12, 1e12, 4, true).length).toBeLessThanOrEqual(5);
    expect(ticks(0.9, 5.5, 4, true)).toContain(2);
    expect(ticks(0.51, 0.58, 3, true).length).toBeGreaterThanOrEqual(2);
    expect(scale(1, 100, true).at(10)).toBeCloseTo(0.5);
    expect(extent([0, -1, 4, Number.NaN], true)).toEqual([4, 4]);
  });

  it("writes times in one unit", () => {
    expect(timeTicks(0, 90, 4).labels).toEqual(["0", "20 s", "40 s", "60 s", "80 s"]);
    expect(timeTicks(0, 1200, 4).labels).toEqual(["0", "5 min", "10 min", "15 min", "20 min"]);
    expect(timeTicks(0, 36_000, 5).labels).toEqual(["0", "2 h", "4 h", "6 h", "8 h", "10 h"]);
  });

  it("makes room for bands, but does not let them press the lines flat", () => {
    expect(withBands([1, 2], [0.5, 2.5])).toEqual([0.5, 2.5]);
    expect(withBands([1, 2], [1.2, 1.8])).toEqual([1, 2]);
    expect(withBands([1, 2], [-100, 100])).toEqual([0, 3]);
    expect(withBands([1, 10], [0.01, 1000], true)).toEqual([0.1, 100]);
    expect(withBands([1, 2], null)).toEqual([1, 2]);
    expect(withBands(null, [1, 2])).toBeNull();
  });

  it("pushes labels apart and keeps them inside, in their order", () => {
    expect(spread([50], 14, 0, 100)).toEqual([50]);
    const placed = spread([90, 92, 91, 10], 14, 0, 100);
    expect(placed[3]).toBe(10);
    const three = [placed[0], placed[2], placed[1]] as number[];
    expect(three[0]).toBeLessThan(three[1] as number);
    expect((three[1] as number) - (three[0] as number)).toBeGreaterThanOrEqual(14);
    expect(Math.max(...placed)).toBeLessThanOrEqual(100);
  });
});

describe("paths", () => {
  const place = (x: number, y: number): [number, number] | null => (Number.isFinite(y) ? [x, y] : null);

  it("lifts the line where there is no value and between stages", () => {
    const { path } = drawn(
      { x: [0, 1, 2, 3, 4, 5], y: [0, 1, Number.NaN, 3, 4, 5], stage: ["a", "a", "a", "a", "a", "b"] },
      300,
      place,
    );
    expect(path).toBe("M0.0,0.0L1.0,1.0M3.0,3.0L4.0,4.0");
  });

  it("shows a point that stands alone", () => {
    const y = Array.from({ length: 100 }, (_, index) =>
      index === 50 || index === 98 || index === 99 ? 1 : Number.NaN,
    );
    const { dots, path } = drawn({ x: y.map((_, index) => index), y }, 300, place);
    expect(dots).toContainEqual([50, 1]);
    expect(path).toBe("M98.0,1.0L99.0,1.0");
  });

  it("has a band only where both its bounds are known", () => {
    expect(area([0, 1, 2], [0, 0, Number.NaN], [1, 1, 1], place)).toBe("M0.0,1.0L1.0,1.0L1.0,0.0L0.0,0.0Z");
    expect(area([0], [0], [1], place)).toBe("");
  });
});

describe("lines of metrics", () => {
  it("tells lines of one metric apart by the words of the row", () => {
    expect(
      labelOf({ step: 1, time: 1, stage: "probe", unit: "token", kind: "loss", split: "eval", D: 0.1 }),
    ).toBe("loss, eval");
    expect(labelOf({ step: 2, time: 1, kind: "loss", split: "eval", from: 1, D: 0.1 })).toBe(
      "loss, eval, from earlier",
    );
    const metric = new Metric("D");
    metric.add({ step: 1, time: 1, kind: "loss", D: 0.1 });
    metric.add({ step: 1, time: 1, kind: "gradient", D: 0.5 });
    metric.add({ step: 2, time: 2, kind: "loss", D: 0.2 });
    expect(metric.lines.map((line) => [line.label, line.value])).toEqual([
      ["loss", [0.1, 0.2]],
      ["gradient", [0.5]],
    ]);
  });

  it("takes numbers and nulls for metrics, and nothing else", () => {
    expect(metricsOf({ step: 1, time: 2, stage: "rl", loss: 1, kl: null, layers: [1], flag: true })).toEqual([
      "loss",
      "kl",
    ]);
  });

  it("has a gap where the value was no number", () => {
    const metric = new Metric("loss");
    expect(metric.add({ step: 1, time: 1, loss: null })).toBe(true);
    expect(metric.lines[0]?.value).toEqual([Number.NaN]);
    expect(metric.add({ step: 2, time: 2, reward: 1 })).toBe(false);
  });

  it("does not take a row twice when a stream begins again", () => {
    const metric = new Metric("loss");
    const rows = [1, 2, 3].map((step) => ({ step, time: step, loss: step }));
    for (const row of [...rows, ...rows]) metric.add(row);
    expect(metric.lines[0]?.value).toEqual([1, 2, 3]);
  });

  it("stays small however long the run, and keeps its extremes", () => {
    const metric = new Metric("loss");
    for (let step = 0; step < 50_000; step++)
      metric.add({ step, time: step, stage: "rl", loss: step === 31_313 ? 99 : Math.sin(step) });
    const line = metric.lines[0];
    expect(line?.value.length).toBeLessThanOrEqual(4 * POINTS);
    expect(line?.step.length).toBe(line?.value.length);
    expect(line?.stage.length).toBe(line?.value.length);
    expect(line?.value).toContain(99);
    expect(line?.step.at(-1)).toBe(49_999);
  });

  it("smooths without drawing the start towards zero, and anew in each stage", () => {
    const smoothed = smooth([10, 10, Number.NaN, 10, 2, 2], ["a", "a", "a", "a", "b", "b"], 0.9);
    expect(smoothed.map((each) => Number(each.toFixed(6)))).toEqual([10, 10, Number.NaN, 10, 2, 2]);
    expect(stageStarts(["a", "a", "b", "c"])).toEqual([2, 3]);
  });

  it("finds the nearest point", () => {
    expect(nearest([1, 5, 9], 6)).toBe(1);
    expect(nearest([], 6)).toBe(-1);
  });
});
