// Phrases that propose an edit: rename, move, remove, connect, change, swap, write, set; and "go to".

import type { Intent } from "../api/types";
import type { Lexicon } from "../panels/wording";
import { candidates } from "./names";
import {
  BESIDE,
  BY,
  completions,
  cuts,
  eventCandidates,
  eventDetail,
  type Found,
  fill,
  type Happening,
  MOST,
  nameDetail,
  propose,
  quoted,
  type Row,
  sceneCandidates,
  sceneName,
  scoped,
  TO,
  unknown,
  WITH,
  type World,
} from "./parts";

export function rename(rest: string, world: World, tell: Lexicon): Found {
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

export const tellEvent = (event: Happening) => quoted(event.name);

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

export function move(rest: string, world: World, tell: Lexicon): Found {
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

export function remove(rest: string, world: World, tell: Lexicon): Found {
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

export function connect(rest: string, world: World, tell: Lexicon): Found {
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

export function change(rest: string, world: World, tell: Lexicon): Found {
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

export function swap(rest: string, world: World, tell: Lexicon): Found {
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

export function write(rest: string, world: World, tell: Lexicon, given: string): Found {
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

export function property(rest: string, world: World, tell: Lexicon): Found {
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

export function go(rest: string, world: World): Found {
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
