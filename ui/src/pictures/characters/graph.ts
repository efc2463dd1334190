// The graph of a scope: who is in it, how big, and the lines of what they do to each other.

import type { Character, Id, StoryEvent } from "../../api/types";
import type { Order } from "../../story/store";
import { type Counted, shortName } from "../shared/scope";

/** Of a pair with more events than this, those in one direction become one line with a count. */
export const FAN = 4;

export interface Knot {
  id: Id;
  name: string;
  label: string;
  count: number;
  width: number;
  height: number;
  font: number;
  /** Whether the reading is sure that this is somebody. */
  sure: boolean;
}

/** A line: one event, or several of the same pair in the same direction. */
export interface Tie {
  id: Id;
  source: Id;
  target: Id;
  events: readonly StoryEvent[];
  /** Which of the lines of this pair it is, and how many there are. */
  lane: number;
  lanes: number;
}

const SMALL = 12;
const BIG = 19;
/** Mean width of a letter, in parts of the size of the type. */
const LETTER = 0.61;
const LONGEST = 22;

export function knotsOf(people: readonly Counted<Character>[]): Knot[] {
  const most = Math.max(1, ...people.map(({ count }) => count));
  return people.map(({ entity, count }) => {
    const font = SMALL + (BIG - SMALL) * Math.sqrt(count / most);
    const label = shortName(entity.name, LONGEST);
    return {
      id: entity.id,
      name: entity.name,
      label,
      count,
      width: Math.round(Math.max(2, label.length) * font * LETTER + font * 1.7),
      height: Math.round(font * 2.1),
      font: Math.round(font * 10) / 10,
      sure: entity.confidence >= 0.5,
    };
  });
}

/** The lines between those who are drawn, of events with an agent and a patient, in the order that is shown. */
export function tiesOf(events: readonly StoryEvent[], drawn: ReadonlySet<Id>, order: Order): Tie[] {
  const pairs = new Map<string, StoryEvent[]>();
  for (const event of events) {
    const { agent, patient } = event;
    if (agent === null || patient === null || agent === patient) continue;
    if (!drawn.has(agent) || !drawn.has(patient)) continue;
    const key = agent < patient ? `${agent} ${patient}` : `${patient} ${agent}`;
    const pair = pairs.get(key);
    if (pair === undefined) pairs.set(key, [event]);
    else pair.push(event);
  }
  const ties: Tie[] = [];
  for (const pair of pairs.values()) {
    pair.sort((one, other) => one[order] - other[order]);
    const groups = pair.length <= FAN ? pair.map((event) => [event]) : [...byAgent(pair).values()];
    groups.forEach((group, lane) => {
      const first = group[0] as StoryEvent;
      const source = first.agent as Id;
      const target = first.patient as Id;
      ties.push({
        id: group.length === 1 ? first.id : `${source} ${target}`,
        source,
        target,
        events: group,
        lane,
        lanes: groups.length,
      });
    });
  }
  return ties;
}

/** Whether some events are of one pair that has too many for a line each. */
export function bundled(events: readonly StoryEvent[], all: readonly StoryEvent[]): boolean {
  const [first] = events;
  if (first === undefined || first.agent === null || first.patient === null) return false;
  const pair = new Set([first.agent, first.patient]);
  const of = ({ agent, patient }: StoryEvent) =>
    agent !== null && patient !== null && agent !== patient && pair.has(agent) && pair.has(patient);
  return events.every(of) && all.filter(of).length > FAN;
}

function byAgent(events: readonly StoryEvent[]): Map<Id | null, StoryEvent[]> {
  const groups = new Map<Id | null, StoryEvent[]>();
  for (const event of events) groups.set(event.agent, [...(groups.get(event.agent) ?? []), event]);
  return groups;
}

/** The verbs of some events, the most frequent first. */
export function verbsOf(events: readonly StoryEvent[]): string[] {
  const count = new Map<string, number>();
  for (const { verb } of events) count.set(verb, (count.get(verb) ?? 0) + 1);
  return [...count].sort((one, other) => other[1] - one[1]).map(([verb]) => verb);
}

/** How strongly two of those who are drawn belong together: the number of events between them. */
export function bonds(ties: readonly Tie[]): { source: Id; target: Id; weight: number }[] {
  return ties.map(({ source, target, events }) => ({ source, target, weight: events.length }));
}

/** The width of a line that stands for so many events. */
export const widthOf = (events: number): number => Math.min(6, 1.4 + Math.log2(events));
