// What phrases of the palette are made of: words of the story that are looked for, scenes, scopes, and rows to choose from.
// Pure: the story comes in as a `World`.

import type { FactKind, Id, Intent, Span } from "../api/types";
import { describe, type Lexicon } from "../panels/wording";
import type { Scope } from "../story/store";
import { type Candidate, candidates, distance, fold, type Named, words } from "./names";

export interface Happening {
  id: Id;
  /** Its number in the order of telling, from 1. */
  number: number;
  verb: string;
  /** What it is called: "Anna kisses Marcus". */
  name: string;
  /** Names of who does it, whom it is done to, and where. */
  agent: string;
  patient: string;
  place: string;
  scene: Id | null;
  /** The word that tells of it, and its sentence; read only where they are needed. */
  trigger: () => string;
  sentence: () => string;
}

export interface SceneRow {
  id: Id;
  title: string;
}

/** A command of the page. */
export interface Command {
  id: string;
  title: string;
  /** Other words for it. */
  also?: string;
  keys?: string;
  /** Not in the list before something is typed. */
  typedOnly?: boolean;
}

export interface World {
  people: readonly Named[];
  spots: readonly Named[];
  events: readonly Happening[];
  scenes: readonly SceneRow[];
  commands: readonly Command[];
  /** The scene of the caret, the event that is chosen, and what is selected in the text. */
  scene: Id | null;
  event: Id | null;
  marked: Span | null;
}

/** What a fact is about: an id or name, or an event by the place where it is told. */
export type About = { name: string } | { event: Id } | null;

export type Action =
  | { do: "propose"; intent: Intent; scope: Scope }
  | { do: "ask"; title: string; label: string; key: "to" | "verb"; intent: Intent; scope: Scope }
  | { do: "fact"; kind: FactKind; subject: About; value: About }
  | { do: "go"; to: "entity" | "event" | "scene"; id: Id }
  | { do: "command"; id: string };

/** One line of the list. Without `action` it only fills in the input. */
export interface Row {
  key: string;
  title: string;
  detail: string;
  action?: Action;
  /** What Tab makes of the input; choosing a row without an action does the same. */
  fill?: string;
  /** Larger is better. */
  score: number;
  near?: boolean;
}

export interface Reading {
  rows: readonly Row[];
  /** What is unclear or missing, as a sentence; "" where nothing is. */
  message: string;
  /** Whether Enter may take the first row without its being chosen. */
  sure: boolean;
}

export const MOST = 40;

/** Every way to cut `text` in two at one of the words. */
export function cuts(text: string, between: RegExp): { left: string; right: string; word: string }[] {
  const found = [];
  for (const match of text.matchAll(between)) {
    const left = text.slice(0, match.index).trim();
    if (left !== "")
      found.push({
        left,
        right: text.slice(match.index + match[0].length).trim(),
        word: match[0].trim().toLowerCase(),
      });
  }
  return found;
}

export const TO = /\s+to(?:\s+|$)/gi;
export const BESIDE = /\s+(?:before|after)(?:\s+|$)/gi;
export const WITH = /\s+(?:to|with|and)(?:\s+|$)/gi;
export const BY = /\s*:\s*|\s+by(?:\s+|$)/gi;
export const IS = /\s+is(?:\s+|$)/gi;

/** "… in scene 2", "… in this scene", "… in the selection" at the end of a phrase. */
export function scoped(phrase: string, world: World): { rest: string; scope: Scope; where: string } {
  const match = /\s+in\s+(this scene|scene\s+\d+|the selection)$/i.exec(phrase);
  if (match === null) return { rest: phrase, scope: null, where: "" };
  const rest = phrase.slice(0, match.index);
  const said = (match[1] ?? "").toLowerCase();
  if (said === "the selection") {
    if (world.marked === null || world.marked.end === world.marked.start)
      return { rest: phrase, scope: null, where: "" };
    return { rest, scope: world.marked, where: "in the selection" };
  }
  const scene = said === "this scene" ? world.scene : world.scenes[Number(/\d+/.exec(said)?.[0]) - 1]?.id;
  if (scene === undefined || scene === null) return { rest: phrase, scope: null, where: "" };
  return { rest, scope: scene, where: `in ${sceneName(scene, world)}` };
}

const numberOf = (scene: Id, world: World) => world.scenes.findIndex((each) => each.id === scene) + 1;

export const sceneName = (scene: Id, world: World) => `scene ${numberOf(scene, world)}`;

export function sceneCandidates(typed: string, world: World): Candidate<SceneRow>[] {
  const query = fold(typed);
  const exact = (of: SceneRow | undefined): Candidate<SceneRow>[] =>
    of === undefined ? [] : [{ of, quality: "exact", score: 100 }];
  const number = /^(?:scene\s+|chapter\s+|#)?(\d+)$/.exec(query);
  if (number !== null) return exact(world.scenes[Number(number[1]) - 1]);
  if (/^(?:this|the) scene$/.test(query)) return exact(world.scenes.find((each) => each.id === world.scene));
  if (/^(?:the )?first scene$/.test(query)) return exact(world.scenes[0]);
  if (/^(?:the )?last scene$/.test(query)) return exact(world.scenes.at(-1));
  const titled = world.scenes.filter((each) => each.title !== "");
  return candidates(
    query.replace(/^scene\s+/, ""),
    titled.map((each) => ({ ...each, name: each.title, aliases: [], weight: 0 })),
  ).filter((each) => each.quality !== "near");
}

const IDLE = new Set(["the", "a", "an", "of", "event", "when", "where", "that", "and", "to", "with", "at"]);

/** The words of an event as they compare, kept for the next key that is pressed. */
class Compared {
  readonly verb: string;
  readonly parts: readonly string[];
  readonly trigger: string;
  /** The words by which the page calls it: "catches". */
  readonly name: readonly string[];
  #said: readonly string[] | null = null;

  constructor(private readonly event: Happening) {
    this.verb = fold(event.verb);
    this.parts = words(fold(`${event.agent} ${event.patient} ${event.place}`));
    this.trigger = fold(event.trigger());
    this.name = words(fold(event.name));
  }

  get said(): readonly string[] {
    this.#said ??= words(fold(this.event.sentence()));
    return this.#said;
  }
}

const compared = new WeakMap<Happening, Compared>();

function comparedOf(event: Happening): Compared {
  let found = compared.get(event);
  if (found === undefined) {
    found = new Compared(event);
    compared.set(event, found);
  }
  return found;
}

/** How well one typed word fits an event, by its verb, its parts, or the words of its sentence. */
function wordFits(word: string, event: Compared): number {
  const { verb, parts, trigger, name } = event;
  if (word === verb || word === trigger) return 5;
  if (word.length >= 2 && (verb.startsWith(word) || trigger.startsWith(word))) return 4.5;
  if (parts.includes(word)) return 4;
  if (name.includes(word)) return 4.5;
  if (parts.some((part) => part.startsWith(word))) return 3;
  if (word.length < 2) return 0;
  if (event.said.includes(word)) return 2;
  return word.length >= 3 && event.said.some((each) => each.startsWith(word)) ? 1 : 0;
}

export function eventCandidates(typed: string, world: World): Candidate<Happening>[] {
  const query = fold(typed).replace(/'s?(?=\s|$)/g, "");
  const one = (of: Happening | undefined): Candidate<Happening>[] =>
    of === undefined ? [] : [{ of, quality: "exact", score: 100 }];
  const number = /^(?:event\s+|#)(\d+)$/.exec(query);
  if (number !== null) return one(world.events[Number(number[1]) - 1]);
  if (/^(?:this|it|this event|the event)$/.test(query))
    return one(world.events.find((each) => each.id === world.event));
  const asked = words(query).filter((each) => !IDLE.has(each));
  if (asked.length === 0) return [];
  const found: Candidate<Happening>[] = [];
  for (const of of world.events) {
    let sum = 0;
    let fits = true;
    for (const word of asked) {
      const fit = wordFits(word, comparedOf(of));
      if (fit === 0) {
        fits = false;
        break;
      }
      sum += fit;
    }
    if (!fits) continue;
    const score = 10 * (sum / asked.length) + (of.scene !== null && of.scene === world.scene ? 5 : 0);
    found.push({ of, quality: score >= 40 ? "exact" : "beginning", score });
  }
  if (found.length > 0) return found.sort((a, b) => b.score - a.score || a.of.number - b.of.number);
  // A verb that is nearly one of the story's.
  const nearly = asked[0];
  if (asked.length !== 1 || nearly === undefined || nearly.length < 4) return [];
  return world.events
    .filter(
      (of) =>
        distance(nearly, comparedOf(of).verb, 1) <= 1 || distance(nearly, comparedOf(of).trigger, 1) <= 1,
    )
    .map((of) => ({ of, quality: "near", score: 10 }));
}

export function lexicon(world: World): Lexicon {
  const entities = new Map([...world.spots, ...world.people].map((each) => [each.id, each.name]));
  const events = new Map(world.events.map((each) => [each.id, each]));
  return {
    entity: (id) => entities.get(id) ?? null,
    event: (id) => events.get(id)?.name ?? null,
    scene: (id) => numberOf(id, world) || null,
  };
}

export const eventDetail = (event: Happening, world: World) =>
  [event.scene === null ? "" : sceneName(event.scene, world), event.sentence()]
    .filter((each) => each !== "")
    .join(" · ");

export const quoted = (text: string) => `“${text}”`;

/** Rows found by one phrase, and what to say where there are none. */
export interface Found {
  rows: Row[];
  message?: string;
}

export interface Phrase {
  /** The words a phrase begins with. */
  begins: RegExp;
  /** What the list shows before anything is typed, and what that fills in. */
  title: string;
  fill: string;
  also?: string;
  detail: string;
  read: (rest: string, world: World, tell: Lexicon, given: string) => Found;
}

export function propose(
  intent: Intent,
  tell: Lexicon,
  score: number,
  more: { scope?: Scope; detail?: string; near?: boolean; fill?: string } = {},
): Row {
  const scope = more.scope ?? null;
  return {
    key: JSON.stringify([intent, scope]),
    title: describe(intent, tell),
    detail: more.detail ?? "",
    action: { do: "propose", intent, scope },
    score,
    near: more.near,
    fill: more.fill,
  };
}

export const fill = (title: string, text: string, score: number, detail = "", near = false): Row => ({
  key: `fill:${text}`,
  title,
  detail,
  fill: text,
  score,
  near,
});

export const unknown = (typed: string, what: string) =>
  /^(?:this|it)$/i.test(typed)
    ? "Nothing is chosen that this could be; choose an event in a picture first."
    : `There is no ${what} ${quoted(typed)} in this story.`;

export function nameDetail(of: Named): string {
  return of.aliases.length === 0 ? "" : `also ${of.aliases.slice(0, 3).join(", ")}`;
}

/** Rows that complete the name at the end of what is typed. */
export function completions(
  typed: string,
  among: readonly Named[],
  title: (name: string) => string,
  text: (name: string) => string,
): Row[] {
  const found =
    typed === ""
      ? [...among]
          .sort((a, b) => b.weight - a.weight)
          .slice(0, 8)
          .map((of): Candidate<Named> => ({ of, quality: "beginning", score: 50 }))
      : candidates(typed, among);
  return found.map(({ of, score, quality }) =>
    fill(title(of.name), text(of.name), score, nameDetail(of), quality === "near"),
  );
}
