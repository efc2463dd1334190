// Settings of runs as flat lists of names and values, what differs in them, and which runs are repeats of each other.

export type Settings = Record<string, unknown>;

const LABELS = new Set(["seed", "out", "name", "about", "trackers"]);

/**
 * Whether a setting only names or places a run: runs that differ in such only are repeats. Some recipes have the run's
 * seed a second time, in the part that uses it.
 */
function isLabel(name: string, value: unknown, settings: Settings): boolean {
  return LABELS.has(name) || (name.endsWith(".seed") && value === settings.seed);
}

/** Every setting by its dotted name, in the order of the recipe; lists are values. */
export function flat(settings: Settings, prefix = ""): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, value] of Object.entries(settings)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      for (const [name, inner] of flat(value as Settings, `${prefix}${key}.`)) found.set(name, inner);
    else found.set(prefix + key, value);
  }
  return found;
}

const text = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));

/** The names in which settings differ, each with its value in every one of them. */
export function differences(all: readonly Settings[]): { name: string; values: unknown[] }[] {
  const lists = all.map((each) => flat(each));
  const names = [...new Set(lists.flatMap((list) => [...list.keys()]))];
  return names
    .map((name) => ({ name, values: lists.map((list) => list.get(name)) }))
    .filter(({ values }) => values.some((value) => text(value) !== text(values[0])));
}

export interface Group<Run> {
  /** A letter: "A", "B", ... */
  letter: string;
  runs: Run[];
  settings: Settings;
}

/** Runs of one kind and the same settings but for the seed, in the order of their first run. */
export function repeats<Run extends { kind: string | null; settings: Settings }>(
  runs: readonly Run[],
): Group<Run>[] {
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const rest = [...flat(run.settings)]
      .filter(([name, value]) => !isLabel(name, value, run.settings))
      .map(([name, value]) => [name, text(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([run.kind, rest]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((members, index) => ({
    letter: letter(index),
    runs: members,
    settings: members[0]?.settings ?? {},
  }));
}

/** What differs between groups, names and seeds aside. */
export function groupDifferences(
  groups: readonly { settings: Settings }[],
): { name: string; values: unknown[] }[] {
  return differences(groups.map((group) => group.settings)).filter(
    ({ name, values }) => !groups.every((group, index) => isLabel(name, values[index], group.settings)),
  );
}

function letter(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letter(Math.floor(index / 26) - 1) + last;
}
