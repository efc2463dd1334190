// What can be done to a character, a place or an event, from wherever it is asked for: the words that are missing are
// asked, then it is proposed, or noted as a fact.

import type { Character, FactKind, Id, Place, Span, StoryEvent } from "../../api/types";
import { ask } from "../../parts/ask";
import { toast } from "../../parts/toasts";
import { nameOf, type Part, useStory } from "../../story/store";
import { sceneAt, sentenceOf, toldVerb } from "./tell";

const state = useStory.getState;

/** Choose an event and show its sentence in the text. */
export function chooseEvent(id: Id, from: Part): void {
  const { found, manuscript, select } = state();
  select({ events: [id] }, from);
  const event = found?.happenings.get(id);
  if (event === undefined || found === null || manuscript === null || from === "manuscript") return;
  const now = manuscript.now(sentenceOf(event), found.revision);
  if (now !== null) manuscript.reveal(now);
}

/** Show a span of the extraction in the text. */
export function revealSpan(span: Span): void {
  const { found, manuscript } = state();
  const now = found === null ? null : (manuscript?.now(span, found.revision) ?? null);
  if (now !== null) manuscript?.reveal(now);
}

const entity = (id: Id): Character | Place | undefined => state().found?.entities.get(id);
const event = (id: Id): StoryEvent | undefined => state().found?.happenings.get(id);

/** Who or what of the story is called so, whatever the capitals. */
function called<T extends Character | Place>(all: readonly T[], name: string): T | undefined {
  const sought = name.toLocaleLowerCase();
  return (
    all.find((each) => each.name.toLocaleLowerCase() === sought) ??
    all.find((each) => each.aliases.some((alias) => alias.toLocaleLowerCase() === sought))
  );
}

async function askFor<T extends Character | Place>(
  all: readonly T[],
  what: string,
  title: string,
  label: string,
  action?: string,
): Promise<T | null> {
  const offers = all.map((each) => each.name);
  const name = await ask({ title, label, offers, ...(action === undefined ? {} : { action }) });
  if (name === null) return null;
  const named = called(all, name);
  if (named === undefined) toast(`There is no ${what} called ${name} in this story.`, "error");
  return named ?? null;
}

/** Every verb of the story, the most used first. */
function verbs(): string[] {
  const count = new Map<string, number>();
  for (const { verb } of state().found?.events ?? []) count.set(verb, (count.get(verb) ?? 0) + 1);
  return [...count].sort((one, other) => other[1] - one[1]).map(([verb]) => verb);
}

export async function renameEntity(id: Id): Promise<void> {
  const known = entity(id);
  if (known === undefined) return;
  const to = await ask({ title: `Rename ${known.name}`, label: "New name", initial: known.name });
  if (to !== null && to !== known.name) await state().propose({ op: "rename", target: id, to });
}

/** The last event told before the caret in its scene, or the last one of that scene, or of the story. */
function eventBefore(): Id | undefined {
  const { found, manuscript, sceneId } = state();
  if (found === null) return undefined;
  const caret = manuscript?.selection()?.end;
  const scene = found.scenes.find((each) => each.id === sceneId);
  const here = scene
    ? found.events.filter((each) => scene.start <= each.start && each.start < scene.end)
    : [];
  const before = here.findLast((each) => caret !== undefined && each.sentence[1] <= caret);
  return (before ?? here.at(-1) ?? found.events.at(-1))?.id;
}

/** A new event between two characters; asks to whom where that is not said, and what happens. */
export async function connect(agent: Id, patient?: Id): Promise<void> {
  const { found } = state();
  const who = entity(agent);
  if (found === null || who === undefined) return;
  const others = found.characters.filter((each) => each.id !== agent);
  const whom =
    patient === undefined
      ? await askFor(others, "character", `Connect ${who.name}`, "To whom", "Next")
      : entity(patient);
  if (whom === null || whom === undefined) return;
  const verb = await ask({
    title: `${who.name} … ${whom.name}`,
    label: `What does ${who.name} do to ${whom.name}? (a verb: help, warn, push)`,
    offers: verbs(),
  });
  if (verb === null) return;
  const after = eventBefore();
  await state().propose({ op: "add_event", agent, verb, patient: whom.id, ...(after ? { after } : {}) });
}

export async function changeVerb(id: Id): Promise<void> {
  const known = event(id);
  if (known === undefined) return;
  const verb = await ask({
    title: `Instead of “${toldVerb(known)}”`,
    label: "Another verb",
    initial: known.verb,
    offers: verbs(),
  });
  if (verb !== null && verb !== known.verb) await state().propose({ op: "change_event", event: id, verb });
}

export const swapRoles = (id: Id) => state().propose({ op: "swap_roles", event: id });
export const removeEvent = (id: Id) => state().propose({ op: "remove_event", event: id });
export const removeCharacter = (id: Id) => state().propose({ op: "remove_character", target: id });

/** Propose that a character is somewhere else in a scene: that of a position, or the one at the caret. */
export function moveCharacter(target: Id, place: Id, position?: number) {
  const { found, sceneId } = state();
  const at = position === undefined || found === null ? null : sceneAt(found, position);
  return state().propose(
    { op: "move_character", target, place },
    at ?? sceneId ?? found?.scenes[0]?.id ?? null,
  );
}

export async function moveSomewhere(target: Id, position?: number): Promise<void> {
  const { found } = state();
  if (found === null) return;
  const place = await ask({
    title: `Move ${nameOf(found, target)}`,
    label: "To which place",
    offers: found.places.map((each) => each.name),
  });
  if (place !== null) await moveCharacter(target, called(found.places, place)?.id ?? place, position);
}

export async function changeProperty(target: Id): Promise<void> {
  const name = nameOf(state().found, target);
  const property = await ask({
    title: `Change ${name}`,
    label: `What shall be different about ${name}`,
  });
  if (property !== null) await state().propose({ op: "set_property", target, property });
}

// -- facts

/** “Also called …”. */
export async function noteAlias(id: Id): Promise<void> {
  const name = await ask({
    title: `What else is ${nameOf(state().found, id)} called?`,
    label: "Name",
    action: "Note",
  });
  if (name !== null) await state().addFact("alias", id, name);
}

/** “Is the same as …”: both are one from then on, called as the other is. */
export async function noteSame(id: Id): Promise<void> {
  const { found } = state();
  const known = entity(id);
  if (found === null || known === undefined) return;
  const isPlace = found.spots.has(id);
  const all: readonly (Character | Place)[] = isPlace ? found.places : found.characters;
  const other = await askFor(
    all.filter((each) => each.id !== id),
    isPlace ? "place" : "character",
    `${known.name} is the same as`,
    isPlace ? "Place" : "Character",
    "Note",
  );
  if (other !== null) await state().addFact("merge", id, other.id);
}

export const noteNobody = (id: Id) => state().addFact("ignore", id);
export const noteGender = (id: Id, gender: Character["gender"]) => state().addFact("gender", id, gender);

/** A fact about an event is tied to its words. */
async function noteOfEvent(kind: FactKind, id: Id, value: string | null): Promise<void> {
  const { found, manuscript, addFact } = state();
  const known = event(id);
  if (found === null || known === undefined) return;
  const now = manuscript?.now(known, found.revision) ?? null;
  if (now === null) toast("The words of this event have changed; wait until they are read again.", "error");
  else await addFact(kind, { start: now.start, end: now.end }, value);
}

export const noteNoEvent = (id: Id) => noteOfEvent("not_event", id, null);

const PARTS = {
  agent: "Who does it",
  patient: "To whom",
  place: "Where",
} as const;

/** Who does it, to whom, or where: a name, new or known; “nobody” or “nowhere” for none. */
export async function notePart(kind: keyof typeof PARTS, id: Id): Promise<void> {
  const { found } = state();
  const known = event(id);
  if (found === null || known === undefined) return;
  const all: readonly (Character | Place)[] = kind === "place" ? found.places : found.characters;
  const none = kind === "place" ? "nowhere" : "nobody";
  const now = known[kind];
  const name = await ask({
    title: `${PARTS[kind]}? (“${toldVerb(known)}”)`,
    label: `Name, or ${none}`,
    initial: now === null ? "" : nameOf(found, now),
    offers: [...all.map((each) => each.name), none],
    action: "Note",
  });
  if (name === null) return;
  await noteOfEvent(kind, id, name === none ? null : (called(all, name)?.id ?? name));
}
