// The curves of one run, as far as somebody looks at them: read when first wanted, thinned by the server, and then kept
// up with what the run writes. Whoever draws is told at most twice a second.

import { get, listen, ofRun } from "../api/client";
import type { Id } from "../api/types";
import { Metric, type MetricsRow, metricsOf, POINTS } from "./series";

/** The shortest time between two drawings, in ms. */
export const REDRAW = 500;
/** How long wishes are gathered before they are asked for together, in ms, and how many go in one request. */
const GATHER = 40;
/** What could not be read is asked for again after so long, in ms. */
const RETRY = 3000;
const TOGETHER = 4;
/** What tells lines of one metric apart, and where stages begin. */
const WORDS = ["stage", "kind", "split", "watched", "curve"];
const FROM = "from";

export class Curves {
  /** Every metric that the run is known to have. */
  names: readonly string[] = [];
  /** Whether lines come as they are written. */
  connected = true;
  /** Grows with everything that changes. */
  version = 0;
  fault: string | null = null;

  private readonly metrics = new Map<string, Metric>();
  private readonly wanted = new Set<string>();
  /** Metrics of which only what the stream brings is known so far. */
  private readonly pending = new Set<string>();
  private readonly listeners = new Set<() => void>();
  private asking: Promise<void> = Promise.resolve();
  private gathering: number | undefined;
  private telling: number | undefined;
  private retrying: number | undefined;
  private told = 0;
  private next = 0;
  private stop: (() => void) | null = null;
  private ended = false;
  /** Whether some rows are of changes that began before the last step. */
  private earlier = false;

  constructor(
    readonly run: Id,
    /** Called when the run's log was cut back, when the run has ended, and when its folder is gone. */
    private readonly happened: (what: "rewound" | "end" | "gone") => void,
  ) {}

  /** The run has metrics of these names. */
  know(names: readonly string[]): void {
    if (names.includes(FROM)) this.earlier = true;
    const fresh = names.filter((name) => name !== FROM && !this.names.includes(name));
    if (fresh.length === 0) return;
    this.names = [...this.names, ...fresh];
    this.changed();
  }

  /** A metric's lines; null while they are being read for the first time. */
  metric(name: string): Metric | null {
    return this.pending.has(name) ? null : (this.metrics.get(name) ?? null);
  }

  /** Read a metric's curve, if it was not yet. */
  want(name: string): void {
    if (this.metrics.has(name) || this.wanted.has(name)) return;
    this.wanted.add(name);
    this.gathering ??= window.setTimeout(() => this.ask(), GATHER);
  }

  /** Read a metric's curve again, by itself and so in all its points. */
  refine(name: string): void {
    const metric = this.metric(name);
    if (metric === null || metric.lines.every((line) => line.value.length < POINTS / TOGETHER)) return;
    this.queue([name]);
  }

  /** Keep up with a run that is being written. */
  follow(): void {
    if (this.stop !== null || this.ended) return;
    this.asking = this.asking.then(async () => {
      if (this.ended || this.stop !== null) return;
      if (this.next === 0) await this.read([]);
      this.stop = listen(
        ofRun(this.run, `/stream?since=${this.next}`),
        {
          message: (row) => this.take(row as MetricsRow),
          rewound: () => this.rewound(),
          end: () => {
            this.leave();
            this.happened("end");
          },
          gone: () => {
            this.leave();
            this.happened("gone");
          },
        },
        {
          onLost: () => this.connection(false),
          onFound: () => this.connection(true),
        },
      );
    });
  }

  /** No longer keep up. */
  leave(): void {
    this.stop?.();
    this.stop = null;
    this.connection(true);
  }

  end(): void {
    this.ended = true;
    this.leave();
    window.clearTimeout(this.gathering);
    window.clearTimeout(this.telling);
    window.clearTimeout(this.retrying);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private ask(): void {
    this.gathering = undefined;
    const names = [...this.wanted];
    this.wanted.clear();
    for (let first = 0; first < names.length; first += TOGETHER)
      this.queue(names.slice(first, first + TOGETHER));
  }

  private queue(names: readonly string[]): void {
    for (const name of names)
      if (!this.metrics.has(name)) {
        this.metrics.set(name, new Metric(name));
        this.pending.add(name);
      }
    this.asking = this.asking.then(() => this.read(names));
  }

  private async read(names: readonly string[]): Promise<void> {
    if (this.ended) return;
    const asked = names.length === 0 ? "&since=0&points=2" : `&points=${POINTS}`;
    const list = encodeURIComponent([...names, ...WORDS, ...(this.earlier ? [FROM] : [])].join(","));
    try {
      const { next, rows } = await get<{ next: number; rows: MetricsRow[] }>(
        ofRun(this.run, `/metrics?names=${list}${asked}`),
      );
      if (this.ended) return;
      for (const name of names) {
        const late = this.metrics.get(name);
        const metric = new Metric(name);
        for (const row of rows) metric.add(row);
        // What the stream brought while the answer was on its way.
        if (late !== undefined) for (const row of tail(late)) metric.add(row);
        this.metrics.set(name, metric);
      }
      if (this.next === 0) this.next = next;
      for (const name of names) this.pending.delete(name);
      this.fault = null;
    } catch (fault) {
      this.fault = (fault as Error).message;
      for (const name of names) this.metrics.delete(name);
      if (!this.ended)
        this.retrying = window.setTimeout(() => {
          for (const name of names) this.want(name);
        }, RETRY);
    }
    this.changed();
  }

  private take(row: MetricsRow): void {
    const names = metricsOf(row);
    this.know(names);
    if (names.filter((name) => this.metrics.get(name)?.add(row)).length > 0) this.changed();
  }

  private rewound(): void {
    const names = [...this.metrics.keys()];
    this.metrics.clear();
    this.leave();
    this.next = 0;
    for (let first = 0; first < names.length; first += TOGETHER)
      this.queue(names.slice(first, first + TOGETHER));
    this.follow();
    this.happened("rewound");
  }

  private connection(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    this.changed();
  }

  /** Tell those who draw, at once or when half a second has passed since the last time. */
  private changed(): void {
    if (this.telling !== undefined) return;
    const wait = Math.max(0, this.told + REDRAW - performance.now());
    this.telling = window.setTimeout(() => {
      this.telling = undefined;
      this.told = performance.now();
      this.version++;
      for (const listener of this.listeners) listener();
    }, wait);
  }
}

function* tail(metric: Metric): Iterable<MetricsRow> {
  for (const line of metric.lines)
    for (let index = 0; index < line.step.length; index++)
      yield {
        step: line.step[index] as number,
        time: line.time[index] as number,
        stage: line.stage[index],
        [metric.name]: Number.isNaN(line.value[index]) ? null : line.value[index],
        ...(line.label === "" ? {} : { kind: line.label }),
      };
}
