// The shapes that the server answers with. Positions are code points of the story's text, half-open.

export type Id = string;

export interface Span {
  start: number;
  end: number;
}

export interface Scene extends Span {
  id: Id;
}

export interface Mention extends Span {
  text: string;
  kind: "name" | "nominal" | "pronoun";
  confidence: number;
}

export interface Character {
  id: Id;
  name: string;
  aliases: string[];
  gender: "f" | "m" | "n" | "unknown";
  kind: string;
  mentions: Mention[];
  confidence: number;
  source: string;
}

export interface Place {
  id: Id;
  name: string;
  aliases: string[];
  mentions: Mention[];
  within: Id | null;
  confidence: number;
  source: string;
}

export interface TimeCue extends Span {
  relation: "earlier" | "later" | "same" | "return";
}

export interface StoryEvent extends Span {
  id: Id;
  narrated: number;
  story: number;
  verb: string;
  kind: "action" | "movement" | "speech" | "perception";
  agent: Id | null;
  patient: Id | null;
  place: Id | null;
  sentence: [number, number];
  time: TimeCue | null;
  confidence: number;
  source: string;
}

export interface Speech extends Span {
  speaker: Id | null;
  addressees: Id[];
  confidence: number;
}

export interface ContinuityWarning {
  kind: string;
  message: string;
  spans: [number, number][];
}

export interface Anchor extends Span {
  quote: string;
  before: string;
  after: string;
}

export interface Extraction {
  language: string;
  scenes: Scene[];
  characters: Character[];
  places: Place[];
  events: StoryEvent[];
  speeches: Speech[];
  positions: Record<Id, [number, Id | null][]>;
  warnings: ContinuityWarning[];
  lost: { kind: string; subject: string | Anchor; value: string | Anchor | null }[];
  revision: number;
  state: "ready" | "running" | "failed";
  stats: { paragraphs?: number; parsed?: number; seconds?: number };
  warning_keys: string[];
  dismissed: string[];
}

export interface StoryMeta {
  id: Id;
  title: string;
  language: string;
  revision: number;
  words: number;
  scenes: Scene[];
  source: string | null;
  source_changed: boolean;
  preferences: boolean;
}

export interface StoryRow {
  id: Id;
  title: string;
  language: string | null;
  words: number | null;
  modified: string;
  path: string;
  error?: string;
  open: boolean;
}

export interface Sample {
  name: string;
  title: string;
  language: string;
  words: number;
  about: string;
}

export interface TextEdit extends Span {
  text: string;
}

export type Op =
  | "rename"
  | "swap_roles"
  | "remove_event"
  | "remove_character"
  | "move_event"
  | "move_scene"
  | "move_character"
  | "change_event"
  | "add_event"
  | "set_property"
  | "write_scene";

export interface Intent {
  op: Op;
  highlight?: boolean;
  [key: string]: unknown;
}

export interface Hunk extends Span {
  id: Id;
  before: string;
  after: string;
  reason: string;
  unintended: boolean;
  optional: boolean;
  decision?: "accepted" | "rejected" | "edited" | null;
  changed?: boolean;
  edited_to?: string;
}

export interface Suggestion {
  id: Id;
  intent: Intent;
  hunks: Hunk[];
  provider: string;
  notes: string[];
  alternatives: Hunk[][];
  usage: Record<string, unknown>;
  state: "open" | "decided";
  revision: number;
  time: string;
}

export interface HistoryNode {
  id: number;
  parent: number | null;
  kind: "start" | "edit" | "outside" | "decision" | "fact" | "no_fact";
  time: string;
  added: number;
  removed: number;
  labels: string[];
}

export interface History {
  nodes: HistoryNode[];
  current: number;
}

export type FactKind =
  | "alias"
  | "merge"
  | "split"
  | "ignore"
  | "gender"
  | "agent"
  | "patient"
  | "place"
  | "story_before"
  | "story_after"
  | "event"
  | "not_event";

export interface Fact {
  id: number;
  kind: FactKind;
  subject: string | Anchor;
  value: string | Anchor | null;
  lost: boolean;
}

export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  level?: number;
  method?: string;
  reason?: string;
}

export interface StoryReport {
  name: string;
  title: string;
  meaning: string;
  nothing: string;
  columns: string[];
  rows: { values: Record<string, unknown>; spans: { start: number; end: number; quote: string }[] }[];
}

export interface StorySettings {
  preferences: boolean;
  dismissed: string[];
  groups: Record<Id, string>;
  budget: {
    max_tokens: number | null;
    max_cost: number | null;
    spent_tokens: number;
    spent_cost: number;
  };
  layout: Layout | null;
}

/** Where the writer has put things in the pictures: positions by node id, and sizes of panes. */
export interface Layout {
  characters?: Record<Id, { x: number; y: number }>;
  places?: Record<Id, { x: number; y: number }>;
}

export interface ProviderRow {
  name: string;
  kind: "builtin" | "openai" | "runs" | "replay";
  base_url: string;
  model: string;
  has_key: boolean;
  timeout_s: number;
}

export interface Disagreement extends Span {
  kind: string;
  builtin: string | null;
  provider: string | null;
}

export interface CostEstimate {
  requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost: number | null;
}

export type RunState = "running" | "finished" | "interrupted" | "failed" | "broken";

export interface RunRow {
  id: Id;
  kind: string | null;
  name: string | null;
  state: RunState;
  started: number | null;
  seconds: number | null;
  seed: number | null;
  figure: {
    name: string;
    value: number | null;
    low: number | null;
    high: number | null;
    n: number | null;
  } | null;
  error?: string;
}

export interface RunDetail extends RunRow {
  settings: Record<string, unknown>;
  summary: Record<string, unknown> | null;
  metrics: string[];
  checkpoints: number[];
  reason: string | null;
  /** The command that goes on with it. */
  resume: string | null;
  environment: Record<string, unknown> | null;
  has_report: boolean;
  samples: number;
}

export interface Turn {
  prompt: string | null;
  text: string;
  reward: number | null;
  finish_reason: string | null;
}

/** What a policy wrote on one problem. */
export interface RunSample {
  index: number;
  step: number | null;
  task: string | null;
  group: string | null;
  stage: string | null;
  mode: string | null;
  prompt: string | null;
  turns: Turn[];
  reward: number | null;
  correct: boolean | null;
  version: number | null;
  staleness: number | null;
}

export interface RunSamples {
  total: number;
  offset: number;
  from: "trajectories" | "evaluations" | null;
  rows: RunSample[];
}

export interface Staleness {
  bins: { staleness: number; count: number }[];
  from: "summary" | "trajectories" | "metrics" | null;
}

/** One metric of several runs at common places, each by itself and as means with 95 % intervals over repeats. */
export interface RunCurves {
  name: string;
  by: "step" | "time" | "samples";
  x: number[];
  runs: { id: Id; y: (number | null)[] }[];
  groups: {
    runs: Id[];
    mean: (number | null)[];
    low: (number | null)[];
    high: (number | null)[];
    n: number[];
  }[];
}

/** Two groups of runs in one figure. */
export interface RunComparison {
  figure: string;
  a: { run: string; seed: number | null; value: number }[];
  b: { run: string; seed: number | null; value: number }[];
  decision: "greater" | "less" | "undecided";
  superiority: Estimate;
  shift: Estimate;
  verdict: string[];
}

export interface ErrorBody {
  code: string;
  message: string;
  field?: string;
  revision?: number;
  estimate?: CostEstimate;
}
