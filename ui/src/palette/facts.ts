// Phrases that say something about the story and change no word of it: facts.

import type { FactKind } from "../api/types";
import { tellEvent } from "./edits";
import { candidates, fold } from "./names";
import {
  type About,
  BESIDE,
  completions,
  cuts,
  eventCandidates,
  eventDetail,
  type Found,
  fill,
  IS,
  MOST,
  type Row,
  unknown,
  type World,
} from "./parts";

export const fact = (
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

export function merge(rest: string, world: World): Found {
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

export function alias(rest: string, world: World): Found {
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

export function ignore(rest: string, world: World): Found {
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

export function notEvent(rest: string, world: World): Found {
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

export function order(rest: string, world: World): Found {
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

export function say(rest: string, world: World): Found {
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
