// Reading what is typed into the palette: phrases such as "rename Anna to Ada" become what is to be done.
// Pure: the story comes in as a `World`; what comes out are rows to choose from.

import type { FactKind, Id, Intent, Span } from "../api/types";
import { describe, type Lexicon } from "../panels/wording";
import type { Scope } from "../story/store";
import { type Candidate, candidates, distance, fold, matchName, type Named, words } from "./names";

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

const MOST = 40;

// -- parts of phrases -------------------------------------------------------------------------------------------------

/** Every way to cut `text` in two at one of the words. */
function cuts(text: string, between: RegExp): { left: string; right: string; word: string }[] {
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

const TO = /\s+to(?:\s+|$)/gi;
const BESIDE = /\s+(?:before|after)(?:\s+|$)/gi;
const WITH = /\s+(?:to|with|and)(?:\s+|$)/gi;
const BY = /\s*:\s*|\s+by(?:\s+|$)/gi;
const IS = /\s+is(?:\s+|$)/gi;

/** "… in scene 2", "… in this scene", "… in the selection" at the end of a phrase. */
function scoped(phrase: string, world: World): { rest: string; scope: Scope; where: string } {
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

const sceneName = (scene: Id, world: World) => `scene ${numberOf(scene, world)}`;

function sceneCandidates(typed: string, world: World): Candidate<SceneRow>[] {
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

function eventCandidates(typed: string, world: World): Candidate<Happening>[] {
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

function lexicon(world: World): Lexicon {
  const entities = new Map([...world.spots, ...world.people].map((each) => [each.id, each.name]));
  const events = new Map(world.events.map((each) => [each.id, each]));
  return {
    entity: (id) => entities.get(id) ?? null,
    event: (id) => events.get(id)?.name ?? null,
    scene: (id) => numberOf(id, world) || null,
  };
}

const eventDetail = (event: Happening, world: World) =>
  [event.scene === null ? "" : sceneName(event.scene, world), event.sentence()]
    .filter((each) => each !== "")
    .join(" · ");

const quoted = (text: string) => `“${text}”`;

// -- the phrases ------------------------------------------------------------------------------------------------------

/** Rows found by one phrase, and what to say where there are none. */
interface Found {
  rows: Row[];
  message?: string;
}

interface Phrase {
  /** The words a phrase begins with. */
  begins: RegExp;
  /** What the list shows before anything is typed, and what that fills in. */
  title: string;
  fill: string;
  also?: string;
  detail: string;
  read: (rest: string, world: World, tell: Lexicon, given: string) => Found;
}

function propose(
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

const fill = (title: string, text: string, score: number, detail = "", near = false): Row => ({
  key: `fill:${text}`,
  title,
  detail,
  fill: text,
  score,
  near,
});

const unknown = (typed: string, what: string) =>
  /^(?:this|it)$/i.test(typed)
    ? "Nothing is chosen that this could be; choose an event in a picture first."
    : `There is no ${what} ${quoted(typed)} in this story.`;

function nameDetail(of: Named): string {
  return of.aliases.length === 0 ? "" : `also ${of.aliases.slice(0, 3).join(", ")}`;
}

/** Rows that complete the name at the end of what is typed. */
function completions(
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

function rename(rest: string, world: World, tell: Lexicon): Found {
  const among = [...world.people, ...world.spots];
  const { rest: phrase, scope, where } = scoped(rest, world);
  const rows: Row[] = [];
  let unnamed: string | null = null;
  for (const { left, right } of cuts(phrase, TO)) {
    for (const { of, score, quality } of candidates(left, among)) {
      if (right === "") {
        const intent: Intent = { op: "rename", target: of.id };
        rows.push({
          key: `ask:${of.id}`,
          title: `Rename ${of.name} to …`,
          detail: "Go on with the new name",
          action: { do: "ask", title: `Rename ${of.name}`, label: "New name", key: "to", intent, scope },
          fill: `rename ${of.name} to `,
          score,
          near: quality === "near",
        });
        unnamed = of.name;
      } else {
        rows.push(
          propose({ op: "rename", target: of.id, to: right }, tell, score, {
            scope,
            detail: where || nameDetail(of),
            near: quality === "near",
            fill: `rename ${of.name} to ${right}`,
          }),
        );
      }
    }
  }
  if (rows.length > 0) return { rows, message: unnamed === null ? "" : `What is ${unnamed} to be called?` };
  const typed = cuts(phrase, TO)[0]?.left ?? phrase;
  const offers = completions(
    typed,
    among,
    (name) => `Rename ${name} to …`,
    (name) => `rename ${name} to `,
  );
  return { rows: offers, message: offers.length === 0 ? unknown(typed, "character or place") : "" };
}

function moveCharacter(phrase: string, world: World, tell: Lexicon): Row[] {
  const said = scoped(phrase, world);
  const scope = said.scope ?? world.scene ?? world.scenes[0]?.id ?? null;
  const where =
    said.where || (typeof scope === "string" ? `in ${sceneName(scope, world)}` : "in the whole text");
  const rows: Row[] = [];
  for (const { left, right } of cuts(said.rest, TO)) {
    const people = candidates(left, world.people).slice(0, 5);
    for (const who of people) {
      if (right === "") {
        rows.push(
          ...completions(
            "",
            world.spots,
            (name) => `Move ${who.of.name} to ${name}`,
            (name) => `move ${who.of.name} to ${name}`,
          ).map((row) => ({ ...row, score: who.score })),
        );
        continue;
      }
      const spots = candidates(right, world.spots).slice(0, 5);
      for (const spot of spots) {
        rows.push(
          propose(
            { op: "move_character", target: who.of.id, place: spot.of.id },
            tell,
            (who.score + spot.score) / 2,
            {
              scope,
              detail: where,
              near: who.quality === "near" || spot.quality === "near",
              fill: `move ${who.of.name} to ${spot.of.name}`,
            },
          ),
        );
      }
      // A place of its own name, as the story has none yet: one word in small letters would be a mistake of typing.
      const bare = right.replace(/^(?:the|an?)\s+/i, "");
      if (spots[0]?.quality !== "exact" && (/\s/.test(right) || /^\p{Lu}/u.test(bare)))
        rows.push(
          propose({ op: "move_character", target: who.of.id, place: right }, tell, who.score / 2 + 20, {
            scope,
            detail: `a new place, ${where}`,
            near: who.quality === "near",
          }),
        );
    }
  }
  return rows;
}

function moveEvent(phrase: string, world: World, tell: Lexicon): Row[] {
  const rows: Row[] = [];
  for (const { left, right, word } of cuts(phrase, BESIDE)) {
    const key = word === "before" ? "before" : "after";
    const moved = eventCandidates(left, world).slice(0, right === "" ? 12 : 6);
    if (right === "") {
      rows.push(
        ...moved.map((each) =>
          fill(
            `Move ${tellEvent(each.of)} ${key} …`,
            `move event ${each.of.number} ${key} `,
            each.score,
            eventDetail(each.of, world),
            each.quality === "near",
          ),
        ),
      );
      continue;
    }
    for (const one of moved)
      for (const other of eventCandidates(right, world).slice(0, 6))
        if (one.of.id !== other.of.id)
          rows.push(
            propose(
              { op: "move_event", event: one.of.id, [key]: other.of.id },
              tell,
              (one.score + other.score) / 2,
              {
                detail: eventDetail(one.of, world),
                near: one.quality === "near" || other.quality === "near",
                fill: `move event ${one.of.number} ${key} event ${other.of.number}`,
              },
            ),
          );
  }
  return rows;
}

const tellEvent = (event: Happening) => quoted(event.name);

function moveScene(phrase: string, world: World, tell: Lexicon): Row[] {
  const rows: Row[] = [];
  const end = /^(.*?)\s+to\s+(?:the\s+)?(beginning|start|front|end)$/i.exec(phrase);
  const first = world.scenes[0];
  const last = world.scenes.at(-1);
  if (end !== null && first !== undefined && last !== undefined)
    for (const { of, score } of sceneCandidates(end[1] ?? "", world)) {
      const place = end[2]?.toLowerCase() === "end" ? { after: last.id } : { before: first.id };
      if (Object.values(place)[0] !== of.id)
        rows.push(propose({ op: "move_scene", scene: of.id, ...place }, tell, score, { detail: of.title }));
    }
  for (const { left, right, word } of cuts(phrase, BESIDE)) {
    const key = word === "before" ? "before" : "after";
    for (const moved of sceneCandidates(left, world).slice(0, 4)) {
      if (right === "") {
        for (const [index, each] of world.scenes.entries())
          if (each.id !== moved.of.id)
            rows.push(
              fill(
                `Move ${sceneName(moved.of.id, world)} ${key} scene ${index + 1}`,
                `move ${sceneName(moved.of.id, world)} ${key} scene ${index + 1}`,
                moved.score,
                each.title,
              ),
            );
        continue;
      }
      for (const other of sceneCandidates(right, world).slice(0, 4))
        if (other.of.id !== moved.of.id)
          rows.push(
            propose(
              { op: "move_scene", scene: moved.of.id, [key]: other.of.id },
              tell,
              (moved.score + other.score) / 2 + 2,
              {
                detail: moved.of.title,
                fill: `move ${sceneName(moved.of.id, world)} ${key} ${sceneName(other.of.id, world)}`,
              },
            ),
          );
    }
  }
  return rows;
}

function move(rest: string, world: World, tell: Lexicon): Found {
  const rows = [
    ...moveScene(rest, world, tell),
    ...moveCharacter(rest, world, tell),
    ...moveEvent(rest, world, tell),
  ];
  if (rows.length > 0) return { rows };
  const split = cuts(rest, TO)[0];
  if (split !== undefined && split.right !== "") {
    const people = candidates(split.left, world.people);
    const who = people[0];
    if (who === undefined) return { rows: [], message: unknown(split.left, "character") };
    return {
      rows: completions(
        "",
        world.spots,
        (name) => `Move ${who.of.name} to ${name}`,
        (name) => `move ${who.of.name} to ${name}`,
      ).map((row) => ({ ...row, near: true })),
      message: `${unknown(split.right, "place")} A new place begins with a capital letter.`,
    };
  }
  const offers = [
    ...completions(
      rest,
      world.people,
      (name) => `Move ${name} to …`,
      (name) => `move ${name} to `,
    ),
    ...sceneCandidates(rest, world).map(({ of, score }) =>
      fill(
        `Move ${sceneName(of.id, world)} before …`,
        `move ${sceneName(of.id, world)} before `,
        score,
        of.title,
      ),
    ),
    ...eventCandidates(rest, world)
      .slice(0, 12)
      .map(({ of, score, quality }) =>
        fill(
          `Move ${tellEvent(of)} before …`,
          `move event ${of.number} before `,
          score,
          eventDetail(of, world),
          quality === "near",
        ),
      ),
  ];
  if (offers.length > 0) return { rows: offers };
  const beside = cuts(rest, BESIDE)[0];
  if (beside === undefined) return { rows: [], message: unknown(rest, "character, scene or event") };
  const there = sceneCandidates(beside.left, world).length + eventCandidates(beside.left, world).length > 0;
  return { rows: [], message: unknown(there ? beside.right : beside.left, "scene or event") };
}

function remove(rest: string, world: World, tell: Lexicon): Found {
  if (rest === "")
    return {
      rows: completions(
        "",
        world.people,
        (name) => `Remove ${name}`,
        (name) => `remove ${name}`,
      ),
    };
  const { rest: phrase, scope, where } = scoped(rest, world);
  const people = candidates(phrase, world.people).map(({ of, score, quality }) =>
    propose({ op: "remove_character", target: of.id }, tell, score, {
      scope,
      detail: where || nameDetail(of) || "a character",
      near: quality === "near",
      fill: `remove ${of.name}`,
    }),
  );
  const rows = [...people, ...onEvents(phrase, world, (of) => ({ op: "remove_event", event: of.id }), tell)];
  return { rows, message: rows.length === 0 ? unknown(phrase, "character or event") : "" };
}

/** One row for each event that a text may mean. */
function onEvents(typed: string, world: World, intent: (of: Happening) => Intent, tell: Lexicon): Row[] {
  return eventCandidates(typed, world)
    .slice(0, MOST)
    .map(({ of, score, quality }) =>
      propose(intent(of), tell, score, { detail: eventDetail(of, world), near: quality === "near" }),
    );
}

function connect(rest: string, world: World, tell: Lexicon): Found {
  const after = /^(.*?)\s+after\s+(.+)$/i.exec(rest);
  const event = after === null ? undefined : eventCandidates(after[2] ?? "", world)[0]?.of;
  const phrase = event === undefined ? rest : (after?.[1] ?? rest);
  const scope = world.scene;
  const where =
    event !== undefined
      ? `after ${tellEvent(event)}`
      : scope === null
        ? "at the end"
        : `at the end of ${sceneName(scope, world)}`;
  const rows: Row[] = [];
  const ways = [...cuts(phrase, BY).map((each) => ({ pair: each.left, verb: each.right }))];
  if (ways.length === 0) ways.push({ pair: phrase, verb: "" });
  for (const { pair, verb } of ways)
    for (const { left, right } of cuts(pair, WITH))
      for (const agent of candidates(left, world.people).slice(0, 4)) {
        if (right === "") {
          rows.push(
            ...completions(
              "",
              world.people.filter((each) => each.id !== agent.of.id),
              (name) => `Connect ${agent.of.name} to ${name}`,
              (name) => `connect ${agent.of.name} to ${name} by `,
            ).map((row) => ({ ...row, score: agent.score })),
          );
          continue;
        }
        for (const patient of candidates(right, [...world.people, ...world.spots]).slice(0, 4)) {
          const intent: Intent = {
            op: "add_event",
            agent: agent.of.id,
            patient: patient.of.id,
            ...(event === undefined ? {} : { after: event.id }),
          };
          const score = (agent.score + patient.score) / 2;
          const near = agent.quality === "near" || patient.quality === "near";
          const place = event === undefined ? scope : null;
          if (verb !== "") {
            rows.push(
              propose({ ...intent, verb }, tell, score, {
                scope: place,
                detail: where,
                near,
                fill: `connect ${agent.of.name} to ${patient.of.name} by ${verb}`,
              }),
            );
          } else {
            rows.push({
              key: `ask:${JSON.stringify(intent)}`,
              title: `Connect ${agent.of.name} to ${patient.of.name}: …`,
              detail: "Asks for the verb",
              action: {
                do: "ask",
                title: `${agent.of.name} and ${patient.of.name}`,
                label: `What does ${agent.of.name} do? A verb, such as “thank”`,
                key: "verb",
                intent,
                scope: place,
              },
              fill: `connect ${agent.of.name} to ${patient.of.name} by `,
              score,
              near,
            });
          }
        }
      }
  if (rows.length > 0) return { rows };
  const split = cuts(phrase, WITH)[0];
  const typed = split === undefined ? phrase : split.left;
  const offers = completions(
    typed,
    world.people,
    (name) => `Connect ${name} to …`,
    (name) => `connect ${name} to `,
  );
  if (split !== undefined && split.right !== "" && offers.some((row) => row.near !== true))
    return { rows: offers, message: unknown(split.right.replace(BY, " ").trim(), "character") };
  return { rows: offers, message: offers.length === 0 ? unknown(typed, "character") : "" };
}

function change(rest: string, world: World, tell: Lexicon): Found {
  const rows: Row[] = [];
  for (const { left, right } of cuts(rest, TO))
    if (right !== "")
      rows.push(...onEvents(left, world, (of) => ({ op: "change_event", event: of.id, verb: right }), tell));
  if (rows.length > 0) return { rows };
  const typed = cuts(rest, TO)[0]?.left ?? rest;
  const offers = eventCandidates(typed, world)
    .slice(0, MOST)
    .map(
      ({ of, score, quality }): Row => ({
        key: `ask:change:${of.id}`,
        title: `Change ${tellEvent(of)} to …`,
        detail: eventDetail(of, world),
        action: {
          do: "ask",
          title: `Change ${quoted(of.verb)}`,
          label: "Verb in its place",
          key: "verb",
          intent: { op: "change_event", event: of.id },
          scope: null,
        },
        fill: `change event ${of.number} to `,
        score,
        near: quality === "near",
      }),
    );
  return {
    rows: offers,
    message: typed !== "" && offers.length === 0 ? unknown(typed, "event") : "",
  };
}

function swap(rest: string, world: World, tell: Lexicon): Found {
  const typed = rest.replace(/^(?:the\s+)?(?:roles|agent and patient)?\s*(?:in|of)?\s*/i, "");
  const intent = (of: Happening): Intent => ({ op: "swap_roles", event: of.id });
  if (typed === "") {
    // Nothing is said yet: what is chosen, and else what happens between two in the scene at hand.
    const between = world.events.filter((each) => each.agent !== "" && each.patient !== "");
    const chosen = between.filter((each) => each.id === world.event);
    const offered = chosen.length > 0 ? chosen : between.filter((each) => each.scene === world.scene);
    const rows = offered
      .slice(0, MOST)
      .map((of) => propose(intent(of), tell, 50, { detail: eventDetail(of, world) }));
    return { rows, message: "" };
  }
  const rows = onEvents(typed, world, intent, tell);
  return { rows, message: rows.length === 0 ? unknown(typed, "event") : "" };
}

function write(rest: string, world: World, tell: Lexicon, given: string): Found {
  const detail = "Needs a provider: the built-in editor writes no prose";
  const anew = /^re/i.test(given);
  const [head = "", ...words] = rest.split(":");
  const about = words.join(":").trim();
  const more = about === "" ? {} : { text: about };
  const typed = head
    .replace(/^(?:an?\s+)?(?:new\s+)?scene\s+(?=after\b)/i, "")
    .replace(/^after\s+/i, "")
    .replace(/^(?:an?\s+)?new scene$|^a scene$/i, "")
    .trim();
  if (!anew && typed === "") return { rows: [propose({ op: "write_scene", ...more }, tell, 60, { detail })] };
  const rows = (typed === "" ? sceneCandidates("this scene", world) : sceneCandidates(typed, world)).map(
    ({ of, score }) =>
      propose({ op: "write_scene", ...(anew ? { scene: of.id } : { after: of.id }), ...more }, tell, score, {
        detail: about === "" ? detail : quoted(about),
      }),
  );
  return { rows, message: rows.length === 0 ? unknown(typed, "scene") : "" };
}

function property(rest: string, world: World, tell: Lexicon): Found {
  const match = /^(.+?)\s+of\s+(.+?)\s+to\s+(.+)$/i.exec(rest);
  if (match === null) return { rows: [], message: "As in: set temper of Anna to shy." };
  const [, what = "", whom = "", value = ""] = match;
  const rows = candidates(whom, [...world.people, ...world.spots]).map(({ of, score, quality }) =>
    propose({ op: "set_property", target: of.id, property: what, value }, tell, score, {
      scope: world.scene,
      detail: "Needs a provider: the built-in editor writes no prose",
      near: quality === "near",
    }),
  );
  return { rows, message: rows.length === 0 ? unknown(whom, "character or place") : "" };
}

function go(rest: string, world: World): Found {
  const typed = rest;
  const rows: Row[] = [
    ...sceneCandidates(typed, world).map(
      ({ of, score }): Row => ({
        key: `go:scene:${of.id}`,
        title: `Go to ${sceneName(of.id, world)}`,
        detail: of.title,
        action: { do: "go", to: "scene", id: of.id },
        score: score + 1,
      }),
    ),
    ...candidates(typed, [...world.people, ...world.spots]).map(
      ({ of, score, quality }): Row => ({
        key: `go:${of.id}`,
        title: `Go to ${of.name}`,
        detail: nameDetail(of),
        action: { do: "go", to: "entity", id: of.id },
        fill: `go to ${of.name}`,
        score,
        near: quality === "near",
      }),
    ),
    ...eventCandidates(typed, world)
      .slice(0, 12)
      .map(
        ({ of, score, quality }): Row => ({
          key: `go:event:${of.id}`,
          title: `Go to ${tellEvent(of)}`,
          detail: eventDetail(of, world),
          action: { do: "go", to: "event", id: of.id },
          score: score - 1,
          near: quality === "near",
        }),
      ),
  ];
  if (typed === "")
    rows.push(
      ...completions(
        "",
        [...world.people, ...world.spots],
        (name) => `Go to ${name}`,
        (name) => `go to ${name}`,
      ),
    );
  return { rows, message: rows.length === 0 ? unknown(typed, "character, place, scene or event") : "" };
}

// -- facts: what the writer says about the story, changing no word of it ----------------------------------------------

const fact = (
  key: string,
  title: string,
  kind: FactKind,
  subject: About,
  value: About,
  score: number,
  near = false,
): Row => ({
  key,
  title,
  detail: "Changes no word of the text",
  action: { do: "fact", kind, subject, value },
  score,
  near,
});

function merge(rest: string, world: World): Found {
  const rows: Row[] = [];
  for (const { left, right } of cuts(rest, /\s+(?:with|into|and)(?:\s+|$)/gi))
    for (const one of candidates(left, world.people).slice(0, 4))
      for (const other of right === "" ? [] : candidates(right, world.people).slice(0, 4))
        if (one.of.id !== other.of.id)
          rows.push(
            fact(
              `merge:${one.of.id}:${other.of.id}`,
              `${one.of.name} and ${other.of.name} are one: ${other.of.name}`,
              "merge",
              { name: one.of.id },
              { name: other.of.id },
              (one.score + other.score) / 2,
              one.quality === "near" || other.quality === "near",
            ),
          );
  if (rows.length > 0) return { rows };
  const typed = cuts(rest, /\s+(?:with|into|and)(?:\s+|$)/gi)[0]?.left ?? rest;
  const offers = completions(
    typed,
    world.people,
    (name) => `Merge ${name} with …`,
    (name) => `merge ${name} with `,
  );
  return { rows: offers, message: offers.length === 0 ? unknown(typed, "character") : "" };
}

function alias(rest: string, world: World): Found {
  const among = [...world.people, ...world.spots];
  const rows: Row[] = [];
  for (const { left, right } of cuts(rest, /\s+(?:also|is also)(?:\s+|$)/gi))
    if (right !== "")
      for (const { of, score, quality } of candidates(left, among).slice(0, 6))
        rows.push(
          fact(
            `alias:${of.id}`,
            `${of.name} is also called ${right}`,
            "alias",
            { name: of.id },
            { name: right },
            score,
            quality === "near",
          ),
        );
  if (rows.length > 0) return { rows };
  const offers = completions(
    rest.replace(/\s+also$/i, ""),
    among,
    (name) => `Call ${name} also …`,
    (name) => `call ${name} also `,
  );
  return { rows: offers, message: offers.length === 0 ? unknown(rest, "character or place") : "" };
}

function ignore(rest: string, world: World): Found {
  const rows = candidates(rest, [...world.people, ...world.spots]).map(({ of, score, quality }) =>
    fact(
      `ignore:${of.id}`,
      `${of.name} is neither a character nor a place`,
      "ignore",
      { name: of.id },
      null,
      score,
      quality === "near",
    ),
  );
  return { rows, message: rest !== "" && rows.length === 0 ? unknown(rest, "character or place") : "" };
}

function notEvent(rest: string, world: World): Found {
  const rows = eventCandidates(rest, world)
    .slice(0, MOST)
    .map(({ of, score, quality }) => ({
      ...fact(
        `not:${of.id}`,
        `${tellEvent(of)} is no event`,
        "not_event",
        { event: of.id },
        null,
        score,
        quality === "near",
      ),
      detail: eventDetail(of, world),
    }));
  return { rows, message: rest !== "" && rows.length === 0 ? unknown(rest, "event") : "" };
}

function order(rest: string, world: World): Found {
  const rows: Row[] = [];
  for (const { left, right, word } of cuts(rest, BESIDE))
    for (const one of eventCandidates(left, world).slice(0, 6))
      for (const other of right === "" ? [] : eventCandidates(right, world).slice(0, 6)) {
        if (one.of.id === other.of.id) continue;
        const [first, second] = word === "before" ? [one.of, other.of] : [other.of, one.of];
        rows.push(
          fact(
            `order:${first.id}:${second.id}`,
            `${tellEvent(first)} happens before ${tellEvent(second)}`,
            "story_before",
            { event: first.id },
            { event: second.id },
            (one.score + other.score) / 2,
          ),
        );
      }
  if (rows.length > 0) return { rows };
  const typed = cuts(rest, BESIDE)[0]?.left ?? rest;
  const offers = eventCandidates(typed, world)
    .slice(0, 12)
    .map(({ of, score, quality }) =>
      fill(
        `${tellEvent(of)} happens before …`,
        `order event ${of.number} before `,
        score,
        eventDetail(of, world),
        quality === "near",
      ),
    );
  return { rows: offers, message: typed !== "" && offers.length === 0 ? unknown(typed, "event") : "" };
}

const GENDERS: Record<string, string> = {
  f: "f",
  she: "f",
  female: "f",
  woman: "f",
  m: "m",
  he: "m",
  male: "m",
  man: "m",
  n: "n",
  it: "n",
  neuter: "n",
};

const PRONOUNS: Record<string, string> = { f: "she", m: "he", n: "it" };

function say(rest: string, world: World): Found {
  const rows: Row[] = [];
  for (const { left, right } of cuts(rest, IS)) {
    const gender = GENDERS[fold(right)];
    if (gender !== undefined)
      for (const { of, score, quality } of candidates(left, world.people).slice(0, 6))
        rows.push(
          fact(
            `gender:${of.id}`,
            `${of.name} is ${PRONOUNS[gender]}`,
            "gender",
            { name: of.id },
            { name: gender },
            score,
            quality === "near",
          ),
        );
    const part = /^(?:the\s+)?(agent|patient|place)\s+of\s+(.+)$/i.exec(left);
    const kind = part?.[1]?.toLowerCase();
    if (part !== null && (kind === "agent" || kind === "patient" || kind === "place") && right !== "")
      for (const { of: event, score } of eventCandidates(part[2] ?? "", world).slice(0, 6)) {
        if (/^(?:nobody|none|nowhere)$/i.test(right))
          rows.push(
            fact(
              `${kind}:${event.id}`,
              `${tellEvent(event)}: no ${kind}`,
              kind,
              { event: event.id },
              null,
              score,
            ),
          );
        for (const who of candidates(right, kind === "place" ? world.spots : world.people).slice(0, 4))
          rows.push(
            fact(
              `${kind}:${event.id}:${who.of.id}`,
              `${tellEvent(event)}: the ${kind} is ${who.of.name}`,
              kind,
              { event: event.id },
              { name: who.of.id },
              (score + who.score) / 2,
              who.quality === "near",
            ),
          );
      }
  }
  return {
    rows,
    message: rows.length === 0 ? "As in: say Robin is she; say agent of thank is Anna." : "",
  };
}

/** The same phrase, showing where it would fall and writing nothing. */
function highlight(rest: string, world: World): Found {
  const reading = readPhrase(rest, world);
  if (reading === null) return { rows: [], message: "As in: show where rename Anna to Ada." };
  return {
    rows: reading.rows.map((row) => {
      if (row.action?.do !== "propose" && row.action?.do !== "ask")
        return row.fill === undefined ? row : { ...row, fill: `show where ${row.fill}` };
      const intent: Intent = { ...row.action.intent, highlight: true };
      return {
        ...row,
        key: `show:${row.key}`,
        title: `Show only: ${row.title.charAt(0).toLowerCase()}${row.title.slice(1)}`,
        fill: row.fill === undefined ? undefined : `show where ${row.fill}`,
        action: { ...row.action, intent },
      };
    }),
    message: reading.message,
  };
}

export const PHRASES: readonly Phrase[] = [
  {
    begins: /^rename(?:\s+|$)/i,
    title: "Rename…",
    fill: "rename ",
    detail: "rename Anna to Ada",
    read: rename,
  },
  {
    begins: /^(?:move|drag|put)(?:\s+|$)/i,
    title: "Move to…",
    fill: "move ",
    detail: "move Anna to the garden · move kiss before leave · move scene 3 before scene 1",
    read: move,
  },
  {
    begins: /^(?:connect|add)(?:\s+|$)/i,
    title: "Connect…",
    fill: "connect ",
    also: "add event",
    detail: "connect Anna to Marcus by thank",
    read: connect,
  },
  {
    begins: /^(?:remove|delete)(?:\s+|$)/i,
    title: "Remove…",
    fill: "remove ",
    also: "delete",
    detail: "remove Marcus · remove kiss",
    read: remove,
  },
  {
    begins: /^change(?:\s+|$)/i,
    title: "Change what happens…",
    fill: "change ",
    also: "verb event",
    detail: "change kiss to embrace",
    read: change,
  },
  {
    begins: /^swap(?:\s+|$)/i,
    title: "Swap the roles in…",
    fill: "swap ",
    also: "agent patient",
    detail: "swap roles in kiss",
    read: swap,
  },
  {
    begins: /^(?:go to|goto|go|find)(?:\s+|$)/i,
    title: "Go to…",
    fill: "go to ",
    also: "find",
    detail: "go to Anna · go to scene 2 · go to kiss",
    read: go,
  },
  {
    begins: /^show where(?:\s+|$)|^highlight(?:\s+|$)/i,
    title: "Show where an edit would fall…",
    fill: "show where ",
    also: "highlight only",
    detail: "show where remove Marcus",
    read: highlight,
  },
  {
    begins: /^(?:re)?write(?:\s+|$)/i,
    title: "Write a scene…",
    fill: "write a scene after ",
    also: "rewrite",
    detail: "write a scene after scene 2: they meet · rewrite scene 2",
    read: write,
  },
  {
    begins: /^set(?:\s+|$)/i,
    title: "Set a property…",
    fill: "set ",
    detail: "set temper of Anna to shy",
    read: property,
  },
  {
    begins: /^merge(?:\s+|$)/i,
    title: "Merge two characters…",
    fill: "merge ",
    detail: "merge the widow with Anna",
    read: merge,
  },
  {
    begins: /^call(?:\s+|$)/i,
    title: "Call somebody also…",
    fill: "call ",
    also: "alias name",
    detail: "call Anna also Annie",
    read: alias,
  },
  {
    begins: /^ignore(?:\s+|$)/i,
    title: "Ignore a name…",
    fill: "ignore ",
    detail: "ignore Monday",
    read: ignore,
  },
  {
    begins: /^(?:not an event|no event):?(?:\s+|$)/i,
    title: "This is no event…",
    fill: "not an event ",
    detail: "not an event: smile",
    read: notEvent,
  },
  {
    begins: /^order(?:\s+|$)/i,
    title: "Order in the story's time…",
    fill: "order ",
    also: "happens before",
    detail: "order leave before kiss",
    read: order,
  },
  {
    begins: /^say(?:\s+|$)/i,
    title: "Say how it is…",
    fill: "say ",
    also: "gender agent place fact",
    detail: "say Robin is she · say agent of thank is Anna",
    read: say,
  },
];

// -- reading ----------------------------------------------------------------------------------------------------------

function readPhrase(input: string, world: World): Found | null {
  const typed = input.trimStart();
  for (const phrase of PHRASES) {
    const match = phrase.begins.exec(typed);
    if (match === null) continue;
    const rest = typed.slice(match[0].length).trimEnd();
    const found = phrase.read(rest, world, lexicon(world), match[0]);
    return found.rows.length === 0 && found.message === ""
      ? { ...found, message: `For instance: ${phrase.detail}.` }
      : found;
  }
  return null;
}

function commandRows(typed: string, world: World): Row[] {
  const rows: Row[] = [];
  for (const command of world.commands) {
    const match = typed === "" ? null : matchName(typed, `${command.title} ${command.also ?? ""}`);
    const exact = fold(typed) === fold(command.title);
    if (typed === "" ? command.typedOnly !== true : match !== null)
      rows.push({
        key: `command:${command.id}`,
        title: command.title,
        detail: command.keys ?? "",
        action: { do: "command", id: command.id },
        score: exact ? 120 : (match?.score ?? 0),
        near: match?.quality === "near",
      });
  }
  return rows;
}

function templateRows(typed: string): Row[] {
  const rows: Row[] = [];
  for (const phrase of PHRASES) {
    const match =
      typed === ""
        ? { score: 50, quality: "beginning" }
        : matchName(typed, `${phrase.title} ${phrase.also ?? ""}`);
    if (match !== null && match.quality !== "near")
      rows.push(fill(phrase.title, phrase.fill, match.score, phrase.detail));
  }
  return rows;
}

const byScore = (rows: Row[]): Row[] => {
  const seen = new Set<string>();
  const best = [...rows].sort(
    (a, b) => Number(a.near ?? false) - Number(b.near ?? false) || b.score - a.score,
  );
  return best
    .filter((row) => {
      if (seen.has(row.key)) return false;
      seen.add(row.key);
      return true;
    })
    .slice(0, MOST);
};

/** What can be done with what is typed, the likeliest first. */
export function read(input: string, world: World): Reading {
  const typed = input.trim();
  if (typed === "")
    return { rows: [...templateRows(""), ...commandRows("", world)], message: "", sure: false };
  const phrase = readPhrase(input, world);
  const commands = commandRows(typed, world).filter((row) => row.near !== true);
  if (phrase !== null) {
    const rows = byScore(phrase.rows);
    const same = commands.filter((row) => row.score >= 78);
    const [first, second] = rows;
    // Of phrases that only go on, none has to be chosen: one may as well type.
    const unclear =
      first?.action !== undefined && second?.action !== undefined && second.score === first.score;
    const alike = first !== undefined && second !== undefined && second.score === first.score;
    const sure = first !== undefined && first.near !== true && !alike;
    const near = first?.near === true;
    const message =
      phrase.message ||
      (near ? "No name is written so; these are near." : unclear ? "This may mean several; choose one." : "");
    return same.length > 0 && !sure
      ? { rows: byScore([...same, ...rows]), message: "", sure: same.length === 1 }
      : { rows, message, sure };
  }
  const rows = byScore([
    ...commands,
    ...templateRows(typed),
    ...go(typed, world).rows.map((row) => ({ ...row, score: row.score - 10 })),
  ]);
  const near = rows.every((row) => row.near === true);
  return {
    rows,
    message:
      rows.length === 0
        ? `Nothing is called ${quoted(typed)}. Begin with rename, move, connect, remove, change, swap or go to.`
        : near
          ? "Nothing is written so; these are near."
          : "",
    sure: rows.length > 0 && !near,
  };
}
