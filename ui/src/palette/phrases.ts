// Reading what is typed into the palette: phrases such as "rename Anna to Ada" become what is to be done.
// Pure: the story comes in as a `World`; what comes out are rows to choose from.

import type { Intent } from "../api/types";
import { change, connect, go, move, property, remove, rename, swap, write } from "./edits";
import { alias, ignore, merge, notEvent, order, say } from "./facts";
import { fold, matchName } from "./names";
import {
  type Found,
  fill,
  lexicon,
  MOST,
  type Phrase,
  quoted,
  type Reading,
  type Row,
  type World,
} from "./parts";

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
