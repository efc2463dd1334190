// What events and scenes are called, the same in every picture, the outline and for a screen reader.

import type { StoryEvent } from "../api/types";
import type { Found } from "./store";

const IRREGULAR: Record<string, string> = { be: "is", have: "has", do: "does", go: "goes" };

/** Verbs of movement that take their place without a preposition, or with "from". */
const BARE = new Set("leave enter reach cross pass climb approach visit quit descend ascend".split(" "));
const FROM = new Set("escape flee depart withdraw vanish emerge".split(" "));
/** Verbs of speech that speak *to* somebody. */
const SPEAK_TO = new Set(
  "say speak talk shout whisper reply cry murmur mutter nod bow explain listen write read".split(" "),
);
const NOUN =
  /(tion|sion|ment|ness|rance|tance|ival|iage|ure)$|^(death|birth|dinner|supper|breakfast|speech|war|battle|journey|thought|conversation)$/;
const VERB_LIKE_NOUN =
  /^(mention|question|caution|lament|compliment|torment|comment|cement|position|witness|advance|glance|dance|measure|capture|endure|venture|assure|procure|secure|injure)$/;

/** An English verb as one tells it in the present: "leaves". */
export function verbNow(lemma: string): string {
  const [first = "", ...rest] = lemma.split(" ");
  const told =
    IRREGULAR[first] ??
    (/(s|x|z|ch|sh|o)$/.test(first)
      ? `${first}es`
      : /[^aeiou]y$/.test(first)
        ? `${first.slice(0, -1)}ies`
        : `${first}s`);
  return [told, ...rest].join(" ");
}

/** "village" with its article; what begins with a capital, or has an article or owner before it, has none. */
function withThe(name: string): string {
  return /^\p{Ll}/u.test(name) && !/^(the|a|an|his|her|its|their|my|our)\s/i.test(name)
    ? `the ${name}`
    : name;
}

function preposition(event: StoryEvent, name: string): string {
  if (event.kind === "movement") {
    if (BARE.has(event.verb)) return "";
    return FROM.has(event.verb) ? "from " : "to ";
  }
  return /^\p{Lu}/u.test(name) ? "in " : "at ";
}

const SELF = { f: "herself", m: "himself", n: "itself", unknown: "themselves" };

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** Who does what to whom where: "Ana leaves the mill". In other languages than English the verb stands as it is. */
export function eventName(event: StoryEvent, found: Pick<Found, "language" | "people" | "spots">): string {
  const agent = event.agent === null ? null : found.people.get(event.agent);
  const patient =
    event.patient === null ? null : (found.people.get(event.patient) ?? found.spots.get(event.patient));
  const place = event.place === null ? null : found.spots.get(event.place);
  if (found.language !== "en" || (NOUN.test(event.verb) && !VERB_LIKE_NOUN.test(event.verb))) {
    const where = place && place !== patient ? ` (${place.name})` : "";
    const who = agent ? `${agent.name}: ` : "";
    return capital(`${who}${event.verb}${patient ? `, ${patient.name}` : ""}${where}`);
  }
  const parts = [agent ? withThe(agent.name) : "Somebody", verbNow(event.verb)];
  if (patient) {
    if (SPEAK_TO.has(event.verb)) parts.push("to");
    parts.push(patient === agent && agent ? SELF[agent.gender] : withThe(patient.name));
  }
  if (place && place !== patient) parts.push(preposition(event, place.name) + withThe(place.name));
  return capital(parts.join(" "));
}

/** "3rd" of 3. */
export function ordinal(number: number): string {
  const teen = number % 100 >= 11 && number % 100 <= 13;
  return `${number}${(!teen && { 1: "st", 2: "nd", 3: "rd" }[number % 10]) || "th"}`;
}

/** Which number an event has in both orders, and the words that say when: "told 10th, happened 3rd, by “nine years ago”". */
export function toldAndHappened(event: Pick<StoryEvent, "narrated" | "story">, cue = ""): string {
  const told = `told ${ordinal(event.narrated + 1)}, happened ${ordinal(event.story + 1)}`;
  return cue === "" ? told : `${told}, by “${cue}”`;
}

const HEADING =
  /^(?:#{1,6}\s+(.+)|((?:chapter|capitolul|part|partea|book|cartea|act|prologue|prologul|epilogue|epilogul|scene)\b.{0,60}|[IVXLC]+\.?))\s*$/i;

/** The heading that a scene's text begins with (the last one, if a part's and a chapter's stand there), or its number. */
export function sceneTitle(text: string, number: number): string {
  let title = "";
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const heading = HEADING.exec(line.trim());
    if (heading === null) break;
    title = (heading[1] ?? heading[2] ?? "").replace(/\s*#+$/, "");
  }
  return title.trim() || `Scene ${number}`;
}
