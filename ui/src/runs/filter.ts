// The filter above the table of runs: words, fields with a value ("state:failed"), bounds ("seconds>60"), each of them
// turned round by a minus before it. All must hold.

import type { RunRow } from "../api/types";

export const FIELDS = ["state", "kind", "name", "seed", "figure", "seconds"] as const;
type Field = (typeof FIELDS)[number];

type Test = (row: RunRow) => boolean;

export interface Filter {
  matches: Test;
  /** What in the filter is not understood, as a sentence. */
  problem: string | null;
}

const TERM = /-?(?:[^\s"]|"[^"]*"?)+/g;
const PARTS = /^([a-z]+)(:|>=|<=|>|<|=)(.*)$/i;

export function filter(text: string): Filter {
  const tests: Test[] = [];
  let problem: string | null = null;
  for (const term of text.match(TERM) ?? []) {
    const negated = term.startsWith("-") && term.length > 1;
    const made = test((negated ? term.slice(1) : term).replaceAll('"', ""));
    if (typeof made === "string") problem ??= made;
    else tests.push(negated ? (row) => !made(row) : made);
  }
  return { matches: (row) => tests.every((each) => each(row)), problem };
}

function test(term: string): Test | string {
  const [, given, sign, value] = PARTS.exec(term) ?? [];
  if (given === undefined || sign === undefined || value === undefined) return anywhere(term.toLowerCase());
  const field = given.toLowerCase();
  if (!isField(field)) return `There is no field “${given}”; there are ${FIELDS.join(", ")}.`;
  if (value === "") return () => true; // still being typed
  if (sign === ":" || sign === "=") {
    const wanted = value.toLowerCase().split(",").filter(Boolean);
    return (row) => wanted.some((each) => textOf(row, field, each));
  }
  const bound = Number(value);
  if (Number.isNaN(bound)) return `“${value}” after ${field}${sign} is not a number.`;
  return (row) => {
    const own = numberOf(row, field);
    if (own === null) return false;
    return sign === ">"
      ? own > bound
      : sign === "<"
        ? own < bound
        : sign === ">="
          ? own >= bound
          : own <= bound;
  };
}

const isField = (name: string): name is Field => (FIELDS as readonly string[]).includes(name);

const anywhere =
  (word: string): Test =>
  (row) =>
    [row.id, row.name, row.kind, row.state, row.figure?.name, row.error].some((each) =>
      each?.toLowerCase().includes(word),
    );

function textOf(row: RunRow, field: Field, wanted: string): boolean {
  if (field === "seed" || field === "seconds") return numberOf(row, field) === Number(wanted);
  if (field === "state") return row.state.startsWith(wanted);
  if (field === "kind") return (row.kind ?? "").toLowerCase().startsWith(wanted);
  if (field === "figure") return (row.figure?.name ?? "").toLowerCase().includes(wanted);
  return row.id.toLowerCase().includes(wanted) || (row.name ?? "").toLowerCase().includes(wanted);
}

function numberOf(row: RunRow, field: Field): number | null {
  if (field === "figure") return row.figure?.value ?? null;
  if (field === "seed" || field === "seconds") return row[field];
  return null;
}
