// Which metrics belong together on a run's page, and in which order: what one looks at first comes first.

export interface MetricGroup {
  title: string;
  metrics: string[];
}

const KINDS: readonly [string, RegExp][] = [
  ["Losses", /(^|_)(loss|residual|perplexity|nll)(_|$)/],
  [
    "Rewards and accuracy",
    /(^|_)(reward|accuracy|score|dice|hd95|advantage|f1|precision|recall|regret|best)(_|$)/,
  ],
  ["Staleness and replay", /^(staleness|dropped|replay|policy_version|duplicates)/],
  ["KL and entropy", /(^|_)(kl|entropy|log_z|effective_sample_size|importance_weight|clip_fraction)(_|$)/],
  ["Interference", /^(D|M|A|z|D_null|D_pooled|mean|n|n_zero|n_nonfinite|n_coordinates|n_dead)$|interference/],
  ["Samples", /(^|_)(samples|tokens|response_length|truncated|no_signal|evaluations|too_long|faults)(_|$)/],
  ["Optimizer", /(^|_)(gradient_norm|grad_norm|learning_rate|lr|skipped|weight_norm)(_|$)/],
  ["Timing", /(_per_second|_idle|_seconds|_share)$|^seconds$|^(cpu|wall)_/],
];

const OTHER = "Other";
const ORDER = [
  "Losses",
  "Rewards and accuracy",
  "Staleness and replay",
  "KL and entropy",
  "Interference",
  "Samples",
  "Optimizer",
  OTHER,
  "Timing",
];

function groupOf(name: string): string {
  if (KINDS[KINDS.length - 1]?.[1].test(name)) return "Timing";
  return KINDS.find(([, pattern]) => pattern.test(name))?.[0] ?? OTHER;
}

/** What comes first in its group; everything else stays in the order in which it was logged. */
const FIRST = ["loss", "validation_accuracy", "accuracy", "reward", "D", "D_null", "M", "A", "z"];
const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);

/** The metrics in groups, those that match `search` only; words of the search may stand in any order. */
export function grouped(metrics: readonly string[], search = ""): MetricGroup[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Map<string, string[]>(ORDER.map((title) => [title, []]));
  for (const name of metrics)
    if (words.every((word) => name.toLowerCase().includes(word))) found.get(groupOf(name))?.push(name);
  return [...found]
    .filter(([, names]) => names.length > 0)
    .map(([title, names]) => ({ title, metrics: names.toSorted((a, b) => rank(a) - rank(b)) }));
}

/** Whether a metric is a loss, which a logarithmic scale suits. */
export const isLoss = (name: string) => groupOf(name) === "Losses";

/** The metric that a comparison begins with. */
export function firstMetric(metrics: readonly string[]): string | null {
  return (
    ["reward", "validation_accuracy", "accuracy", "validation_dice", "loss"].find((name) =>
      metrics.includes(name),
    ) ??
    metrics[0] ??
    null
  );
}

/** A metric's or figure's name as words: "gradient_norm" is "gradient norm". Symbols in it stay: t_d, D_null, i_to_c. */
export const words = (name: string) =>
  name
    .split(".")
    .map((part) => (/(^|_)[A-Za-z]($|_)/.test(part) ? part : part.replaceAll("_", " ")))
    .join(" ");
