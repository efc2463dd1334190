// What the page calls things, in the writer's words: intents, steps of the history, warnings, facts.

import type { Anchor, Fact, HistoryNode, Id, Intent, ProviderRow } from "../api/types";

/** Names for ids, from what was found in the story. Null: it is not in the story any more. */
export interface Lexicon {
  entity(id: Id): string | null;
  event(id: Id): string | null;
  /** The number of a scene, from 1. */
  scene(id: Id): number | null;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function eventName(id: unknown, lexicon: Lexicon): string {
  const name = lexicon.event(text(id));
  return name === null ? "an event" : `“${name}”`;
}

function sceneName(id: unknown, lexicon: Lexicon): string {
  const number = lexicon.scene(text(id));
  return number === null ? "a scene" : `scene ${number}`;
}

/** "Old Woman" of "old-woman": of who is not in the story any more there is only the id. */
const fromId = (id: string) =>
  id.replace(/(?:^|-)(\p{L})/gu, (found) => found.replace("-", " ").toUpperCase());

const entityName = (id: unknown, lexicon: Lexicon) => lexicon.entity(text(id)) ?? text(id);

function beside(intent: Intent, named: (id: unknown, lexicon: Lexicon) => string, lexicon: Lexicon): string {
  return intent.before === undefined
    ? `after ${named(intent.after, lexicon)}`
    : `before ${named(intent.before, lexicon)}`;
}

function wish(intent: Intent, lexicon: Lexicon): string {
  const target = lexicon.entity(text(intent.target)) ?? fromId(text(intent.target));
  const event = () => eventName(intent.event, lexicon);
  switch (intent.op) {
    case "rename":
      return `Rename ${target} to ${text(intent.to)}`;
    case "swap_roles":
      return `Swap the roles in ${event()}`;
    case "remove_event":
      return `Remove ${event()}`;
    case "remove_character":
      return `Remove ${target}`;
    case "move_event":
      return `Move ${event()} ${beside(intent, eventName, lexicon)}`;
    case "move_scene":
      return `Move ${sceneName(intent.scene, lexicon)} ${beside(intent, sceneName, lexicon)}`;
    case "move_character":
      return `Move ${target} to ${entityName(intent.place, lexicon)}`;
    case "change_event":
      return `Change ${event()} to “${text(intent.verb)}”`;
    case "add_event": {
      const person = (id: unknown) => lexicon.entity(text(id)) ?? fromId(text(id));
      const whom = intent.patient === undefined ? "" : ` ${person(intent.patient)}`;
      const where = intent.place === undefined ? "" : `, at ${entityName(intent.place, lexicon)}`;
      return `Add: ${person(intent.agent)} “${text(intent.verb)}”${whom}${where}`;
    }
    case "set_property":
      return `Set ${text(intent.property)} of ${target} to ${text(intent.value)}`;
    case "write_scene":
      return intent.scene === undefined
        ? `Write a scene${intent.after === undefined ? "" : ` after ${sceneName(intent.after, lexicon)}`}`
        : `Write ${sceneName(intent.scene, lexicon)} anew`;
  }
}

/** What was asked for, as one line. */
export function describe(intent: Intent, lexicon: Lexicon): string {
  const line = wish(intent, lexicon);
  return intent.highlight === true ? `Show only: ${line.charAt(0).toLowerCase()}${line.slice(1)}` : line;
}

/** "3 suggestions", "1 suggestion". */
export const counted = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;

/** A step of the history, or a run of `steps`: what was done. `changed`: whether the text is another since. */
export function stepName(kind: HistoryNode["kind"], steps = 1, changed = true): string {
  switch (kind) {
    case "start":
      return "The beginning";
    case "edit":
      return steps === 1 ? "You typed" : `You typed, ${steps} times`;
    case "outside":
      return "Changed in another program";
    case "decision":
      return changed ? "Taken from a suggestion" : "Left a suggestion";
    case "fact":
      return "You said how it is";
    case "no_fact":
      return "You took back what you said";
  }
}

/** How many characters came and went: "+120 −4", or nothing. */
export function amount(added: number, removed: number): string {
  return [added > 0 ? `+${added}` : "", removed > 0 ? `−${removed}` : ""]
    .filter((each) => each !== "")
    .join(" ");
}

const WARNINGS: Record<string, string> = {
  two_places: "In two places at one time",
  acts_after_death: "Acts after death",
  acts_before_introduction: "Known before being met",
  object_elsewhere: "A thing that is elsewhere",
  day_night: "Day and night",
  quote_not_found: "Not in the text",
};

export const warningName = (kind: string) => WARNINGS[kind] ?? kind.replaceAll("_", " ");

const cited = (value: string | Anchor) => (typeof value === "string" ? value : `“${value.quote}”`);

/** A fact as a sentence. */
export function factSentence(fact: Fact, lexicon: Lexicon): string {
  const named = (value: string | Anchor | null) =>
    value === null ? "nobody" : typeof value === "string" ? (lexicon.entity(value) ?? value) : cited(value);
  const { kind } = fact;
  const gone = (kind === "merge" || kind === "ignore") && typeof fact.subject === "string";
  const subject = gone
    ? (lexicon.entity(String(fact.subject)) ?? fromId(String(fact.subject)))
    : named(fact.subject);
  const value = named(fact.value);
  switch (kind) {
    case "alias":
      return `${subject} is also called ${value}.`;
    case "merge":
      return `${subject} and ${value} are one.`;
    case "split":
      return `The name ${value} is not ${subject}, but another.`;
    case "ignore":
      return `${subject} is neither a character nor a place.`;
    case "gender":
      return `${subject} is ${{ f: "she", m: "he", n: "it" }[value] ?? value}.`;
    case "agent":
      return fact.value === null ? `Nobody named does ${subject}.` : `${value} is who does ${subject}.`;
    case "patient":
      return fact.value === null
        ? `${subject} is done to nobody named.`
        : `${value} is whom ${subject} is done to.`;
    case "place":
      return fact.value === null ? `${subject} has no place.` : `${subject} happens at ${value}.`;
    case "story_before":
      return `${subject} happens before ${value}.`;
    case "story_after":
      return `${subject} happens after ${value}.`;
    case "event":
      return `${subject} is an event${fact.value === null ? "" : ` (${value})`}.`;
    case "not_event":
      return `${subject} is no event.`;
  }
}

/** Facts that say one thing of their subject: a later one stands over an earlier one. */
const ONE_OF: Partial<Record<Fact["kind"], string>> = {
  gender: "gender",
  agent: "agent",
  patient: "patient",
  place: "place",
  event: "event",
  not_event: "event",
};

/** The facts that a later one on the same thing overrules. */
export function overruled(facts: readonly Fact[]): Set<number> {
  const last = new Map<string, number>();
  const found = new Set<number>();
  for (const fact of [...facts].sort((a, b) => a.id - b.id)) {
    const about = ONE_OF[fact.kind];
    if (about === undefined) continue;
    const { subject } = fact;
    const key = JSON.stringify([about, typeof subject === "string" ? subject : [subject.start, subject.end]]);
    const before = last.get(key);
    if (before !== undefined) found.add(before);
    last.set(key, fact.id);
  }
  return found;
}

/** What a provider is called. */
export function providerName(row: ProviderRow): string {
  if (row.kind === "builtin") return "Built in, offline";
  if (row.kind === "runs") return `${row.name}: small, trained here`;
  return row.model === "" ? row.name : `${row.name}: ${row.model}`;
}
