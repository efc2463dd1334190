// Settings of runs as flat lists of names and values, what differs in them, and which runs are repeats of each other.

export type Settings = Record<string, unknown>;

const LABELS = new Set(["seed", "out", "name", "about", "trackers"]);

/**
 * Whether a setting only names or places a run: runs that differ in such only are repeats. Some recipes have the run's
 * seed in the part that uses it, or there a second time.
 */
function isLabel(name: string, value: unknown, seed: number | null): boolean {
  return LABELS.has(name) || (name.endsWith(".seed") && value === seed);
}

const isTable = (value: unknown): value is Settings =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Every setting by its dotted name, in the order of the recipe; of a list of tables, each has its number, from 1. */
export function flat(settings: Settings, prefix = ""): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, value] of Object.entries(settings)) {
    const inner = Array.isArray(value) && value.length > 0 && value.every(isTable) ? numbered(value) : value;
    if (isTable(inner)) for (const [name, each] of flat(inner, `${prefix}${key}.`)) found.set(name, each);
    else found.set(prefix + key, value);
  }
  return found;
}

const numbered = (tables: readonly Settings[]): Settings =>
  Object.fromEntries(tables.map((table, index) => [index + 1, table]));

const text = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));

/** Every name of some settings, each with its value in every one of them. */
export function beside(all: readonly Settings[]): { name: string; values: unknown[]; differs: boolean }[] {
  const lists = all.map((each) => flat(each));
  const names = [...new Set(lists.flatMap((list) => [...list.keys()]))];
  // An empty list, or none, says nothing beside the tables that another one has there.
  const opened = new Set(names.flatMap((name) => parents(name)));
  return names
    .filter((name) => !opened.has(name))
    .map((name) => ({ name, values: lists.map((list) => list.get(name)) }))
    .map((row) => ({ ...row, differs: row.values.some((value) => text(value) !== text(row.values[0])) }));
}

/** "a" and "a.b" of "a.b.c". */
function parents(name: string): string[] {
  const parts = name.split(".");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("."));
}

/** The names in which settings differ, each with its value in every one of them. */
export function differences(all: readonly Settings[]): { name: string; values: unknown[] }[] {
  return beside(all)
    .filter(({ differs }) => differs)
    .map(({ name, values }) => ({ name, values }));
}

export interface Group<Run> {
  /** A letter: "A", "B", ... */
  letter: string;
  runs: Run[];
  /** Those of its first run, as is the seed. */
  settings: Settings;
  seed: number | null;
}

/** Runs of one kind and the same settings but for the seed, in the order of their first run. */
export function repeats<Run extends { kind: string | null; settings: Settings; seed: number | null }>(
  runs: readonly Run[],
): Group<Run>[] {
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const rest = [...flat(run.settings)]
      .filter(([name, value]) => !isLabel(name, value, run.seed))
      .map(([name, value]) => [name, text(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([run.kind, rest]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((members, index) => ({
    letter: letter(index),
    runs: members,
    settings: members[0]?.settings ?? {},
    seed: members[0]?.seed ?? null,
  }));
}

/** What differs between groups, names and seeds aside. */
export function groupDifferences(
  groups: readonly { settings: Settings; seed: number | null }[],
): { name: string; values: unknown[] }[] {
  return differences(groups.map((group) => group.settings)).filter(
    ({ name, values }) => !groups.every((group, index) => isLabel(name, values[index], group.seed)),
  );
}

function letter(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letter(Math.floor(index / 26) - 1) + last;
}
