import { describe, expect, it } from "vitest";
import type { Op } from "../src/api/types";
import { candidates, distance, fold, matchName } from "../src/palette/names";
import type { Action, Happening, World } from "../src/palette/parts";
import { PHRASES, read } from "../src/palette/phrases";

const named = (id: string, name: string, weight = 5, ...aliases: string[]) => ({ id, name, aliases, weight });

const happening = (
  number: number,
  verb: string,
  agent: string,
  patient: string,
  scene: string,
  trigger: string,
  sentence: string,
): Happening => ({
  id: `e${number}`,
  number,
  verb,
  name: `${agent} ${verb} ${patient}`.trim(),
  agent,
  patient,
  place: "",
  scene,
  trigger: () => trigger,
  sentence: () => sentence,
});

const WORLD: World = {
  people: [
    named("anna", "Anna", 20, "Miss Finch"),
    named("marcus", "Marcus", 12),
    named("ștefan", "Ștefan", 9, "Ștefănel"),
    named("thomas-reed", "Thomas Reed", 4),
    named("thomas-hill", "Thomas Hill", 4),
    named("old-woman", "old woman", 3),
  ],
  spots: [named("garden", "garden"), named("valea-rece", "Valea Rece"), named("boathouse", "boathouse")],
  events: [
    happening(1, "kiss", "Anna", "Marcus", "s1", "kissed", "Anna kissed Marcus by the river."),
    happening(2, "leave", "Marcus", "", "s1", "left", "Then Marcus left."),
    happening(3, "kiss", "Marcus", "Anna", "s2", "kissed", "Marcus kissed Anna again."),
    happening(4, "thank", "Anna", "Ștefan", "s3", "thanked", "Anna thanked Ștefan."),
  ],
  scenes: [
    { id: "s1", title: "The Library" },
    { id: "s2", title: "The Boathouse" },
    { id: "s3", title: "" },
  ],
  commands: [
    { id: "undo", title: "Undo", keys: "Ctrl+Z" },
    { id: "view-places", title: "Places", also: "picture map view" },
    { id: "export", title: "Export…", also: "docx epub pdf" },
  ],
  scene: "s2",
  event: "e4",
  marked: { start: 10, end: 20 },
};

function first(phrase: string): Action | undefined {
  const reading = read(phrase, WORLD);
  expect(reading.sure, `${phrase}: ${reading.message}`).toBe(true);
  return reading.rows[0]?.action;
}

const proposes = (phrase: string, intent: Record<string, unknown>, scope: unknown = null) =>
  expect(first(phrase), phrase).toEqual({ do: "propose", intent, scope });

describe("names", () => {
  it("compare without case, accents and cedillas", () => {
    expect(fold("ŞTEFAN  Țepeș")).toBe("stefan tepes");
    expect(matchName("stefan", "Ștefan")?.quality).toBe("exact");
    expect(matchName("Şte", "Ștefan")?.quality).toBe("beginning");
  });

  it("match by beginnings of words, in order", () => {
    expect(matchName("t reed", "Thomas Reed")?.quality).toBe("beginning");
    expect(matchName("reed t", "Thomas Reed")?.quality).not.toBe("beginning");
    expect(matchName("the old woman's", "old woman")?.quality).toBe("exact");
  });

  it("are near with a letter or two amiss, and only where nothing fits better", () => {
    expect(distance("marcsu", "marcus", 2)).toBe(1);
    expect(distance("anna", "marcus", 2)).toBe(3);
    expect(candidates("Makcus", WORLD.people).map((each) => [each.of.id, each.quality])).toEqual([
      ["marcus", "near"],
    ]);
    expect(candidates("ann", WORLD.people).map((each) => each.of.id)).toEqual(["anna"]);
    expect(candidates("Zebulon", WORLD.people)).toEqual([]);
  });

  it("of two that fit alike, the one spoken of more comes first", () => {
    expect(candidates("thomas", [named("a", "Thomas A", 1), named("b", "Thomas B", 7)])[0]?.of.id).toBe("b");
  });
});

describe("phrases of section 8", () => {
  it("rename NAME to NEW NAME", () => {
    proposes("rename Anna to Ada Lovelace", { op: "rename", target: "anna", to: "Ada Lovelace" });
    proposes("RENAME miss finch TO Ada", { op: "rename", target: "anna", to: "Ada" });
    proposes("rename Stefan to Matei", { op: "rename", target: "ștefan", to: "Matei" });
    proposes("rename garden to orchard", { op: "rename", target: "garden", to: "orchard" });
    proposes("rename Anna to Ada in scene 3", { op: "rename", target: "anna", to: "Ada" }, "s3");
    proposes(
      "rename Anna to Ada in the selection",
      { op: "rename", target: "anna", to: "Ada" },
      { start: 10, end: 20 },
    );
  });

  it("keeps the new name as it is written, with its letters and spaces", () => {
    proposes("rename Anna to Ștefana  d’Arc", { op: "rename", target: "anna", to: "Ștefana  d’Arc" });
  });

  it("a name that holds “to” is cut where a name is known", () => {
    const world = { ...WORLD, people: [...WORLD.people, named("road", "Road to Rome")] };
    expect(read("rename Road to Rome to Via", world).rows[0]?.action).toEqual({
      do: "propose",
      intent: { op: "rename", target: "road", to: "Via" },
      scope: null,
    });
  });

  it("move NAME to PLACE, in the scene of the caret or another", () => {
    proposes("move Anna to the garden", { op: "move_character", target: "anna", place: "garden" }, "s2");
    proposes(
      "move anna to valea in scene 1",
      { op: "move_character", target: "anna", place: "valea-rece" },
      "s1",
    );
    proposes("move Anna to Cellar", { op: "move_character", target: "anna", place: "Cellar" }, "s2");
  });

  it("move EVENT before or after EVENT", () => {
    proposes("move thank before leave", { op: "move_event", event: "e4", before: "e2" });
    proposes("move left after Anna thanked", { op: "move_event", event: "e2", after: "e4" });
    proposes("move this after event 1", { op: "move_event", event: "e4", after: "e1" });
  });

  it("move scene N before or after scene M, or to an end", () => {
    proposes("move scene 3 before scene 1", { op: "move_scene", scene: "s3", before: "s1" });
    proposes("move this scene after scene 3", { op: "move_scene", scene: "s2", after: "s3" });
    proposes("move the boathouse before the library", { op: "move_scene", scene: "s2", before: "s1" });
    proposes("move scene 1 to the end", { op: "move_scene", scene: "s1", after: "s3" });
  });

  it("remove a character or an event", () => {
    proposes("remove Marcus", { op: "remove_character", target: "marcus" });
    proposes("remove Marcus in this scene", { op: "remove_character", target: "marcus" }, "s2");
    proposes("delete thanked", { op: "remove_event", event: "e4" });
    proposes("remove this", { op: "remove_event", event: "e4" });
  });

  it("connect A to B by a verb, or asks for it", () => {
    const intent = { op: "add_event", agent: "anna", patient: "marcus" };
    proposes("connect Anna to Marcus by thank", { ...intent, verb: "thank" }, "s2");
    proposes("connect Anna to Marcus: embrace", { ...intent, verb: "embrace" }, "s2");
    proposes("connect Anna and Marcus by thank after leave", { ...intent, verb: "thank", after: "e2" });
    expect(first("connect Anna to Marcus")).toMatchObject({ do: "ask", key: "verb", intent });
  });

  it("change EVENT to VERB; swap the roles", () => {
    proposes("change thank to bless", { op: "change_event", event: "e4", verb: "bless" });
    proposes("change event 2 to fly", { op: "change_event", event: "e2", verb: "fly" });
    proposes("swap roles in thank", { op: "swap_roles", event: "e4" });
    proposes("swap this", { op: "swap_roles", event: "e4" });
    proposes("swap", { op: "swap_roles", event: "e4" });
    const [kiss] = WORLD.events;
    if (kiss === undefined) return;
    const shown = { ...kiss, name: "Anna kisses Marcus at the boathouse" };
    const named = read("swap Anna kisses Marcus", { ...WORLD, events: [shown] });
    expect(named.rows[0]?.action).toEqual({
      do: "propose",
      intent: { op: "swap_roles", event: "e1" },
      scope: null,
    });
    expect(read("change", WORLD).message).toBe("For instance: change kiss to embrace.");
  });

  it("go to a character, a place, a scene, an event", () => {
    expect(first("go to Anna")).toEqual({ do: "go", to: "entity", id: "anna" });
    expect(first("go to scene 3")).toEqual({ do: "go", to: "scene", id: "s3" });
    expect(first("go to leave")).toEqual({ do: "go", to: "event", id: "e2" });
  });

  it("what needs a provider is asked for as well", () => {
    proposes(
      "set temper of Anna to shy",
      { op: "set_property", target: "anna", property: "temper", value: "shy" },
      "s2",
    );
    proposes("write a scene after scene 2: they meet", { op: "write_scene", after: "s2", text: "they meet" });
    proposes("rewrite scene 1: shorter", { op: "write_scene", scene: "s1", text: "shorter" });
  });

  it("show where an edit would fall writes nothing", () => {
    proposes("show where rename Anna to Ada", { op: "rename", target: "anna", to: "Ada", highlight: true });
  });
});

it("every op of section 4 can be asked for in words", () => {
  const phrases = [
    "rename Anna to Ada",
    "swap thank",
    "remove thank",
    "remove Anna",
    "move thank before leave",
    "move scene 3 before scene 1",
    "move Anna to garden",
    "change thank to bless",
    "connect Anna to Marcus by thank",
    "set age of Anna to 40",
    "write a scene after scene 1",
  ];
  const ops = phrases.map((phrase) => {
    const action = read(phrase, WORLD).rows[0]?.action;
    return action?.do === "propose" ? action.intent.op : null;
  });
  const all: Op[] = [
    "rename",
    "swap_roles",
    "remove_event",
    "remove_character",
    "move_event",
    "move_scene",
    "move_character",
    "change_event",
    "add_event",
    "set_property",
    "write_scene",
  ];
  expect(ops).toEqual(all);
});

describe("facts", () => {
  it("change no word of the text", () => {
    expect(first("merge old woman with Anna")).toEqual({
      do: "fact",
      kind: "merge",
      subject: { name: "old-woman" },
      value: { name: "anna" },
    });
    expect(first("call Anna also Annie")).toMatchObject({ kind: "alias", value: { name: "Annie" } });
    expect(first("ignore garden")).toMatchObject({ kind: "ignore", subject: { name: "garden" } });
    expect(first("not an event: leave")).toMatchObject({ kind: "not_event", subject: { event: "e2" } });
    expect(first("say Marcus is she")).toMatchObject({ kind: "gender", value: { name: "f" } });
    expect(first("say agent of leave is Anna")).toMatchObject({ kind: "agent", value: { name: "anna" } });
    expect(first("order thank after leave")).toEqual({
      do: "fact",
      kind: "story_before",
      subject: { event: "e2" },
      value: { event: "e4" },
    });
  });
});

describe("what is unclear", () => {
  it("an ambiguous name is not taken for one of them", () => {
    const { rows, sure, message } = read("rename Thomas to Tom", WORLD);
    expect(sure).toBe(false);
    expect(message).toContain("choose");
    expect(rows.map((row) => row.title)).toEqual(["Rename Thomas Hill to Tom", "Rename Thomas Reed to Tom"]);
  });

  it("an unknown name says so and offers the nearest", () => {
    const near = read("rename Marcsu to Mark", WORLD);
    expect(near.sure).toBe(false);
    expect(near.message).toContain("near");
    expect(near.rows[0]?.title).toBe("Rename Marcus to Mark");
    const none = read("rename Zebulon to Mark", WORLD);
    expect(none.rows).toEqual([]);
    expect(none.message).toContain("“Zebulon”");
  });

  it("an event told twice is chosen from a list, the caret's scene first", () => {
    const { rows, sure } = read("remove kissed", WORLD);
    expect(rows.map((row) => row.detail)).toEqual([
      "scene 2 · Marcus kissed Anna again.",
      "scene 1 · Anna kissed Marcus by the river.",
    ]);
    expect(sure).toBe(true);
    expect(read("remove kissed", { ...WORLD, scene: null }).sure).toBe(false);
  });

  it("what cannot be found is named, not the whole phrase", () => {
    expect(read("move this after leave", { ...WORLD, event: null }).message).toContain("Nothing is chosen");
    expect(read("move leave after zzz", WORLD).message).toBe(
      "There is no scene or event “zzz” in this story.",
    );
    expect(read("move zzz after leave", WORLD).message).toBe(
      "There is no scene or event “zzz” in this story.",
    );
  });

  it("a small word that is no place is a mistake, a capital one is a new place", () => {
    expect(read("move Anna to attic", WORLD).rows.every((row) => row.near)).toBe(true);
    expect(read("move Anna to attic", WORLD).message).toContain("capital");
    expect(read("move Anna to the old attic", WORLD).rows[0]?.detail).toContain("a new place");
  });
});

describe("completion", () => {
  it("names are completed while they are typed", () => {
    expect(read("rename ann", WORLD).rows[0]?.fill).toBe("rename Anna to ");
    expect(read("move ste", WORLD).rows[0]?.fill).toBe("move Ștefan to ");
    expect(read("move Anna to val", WORLD).rows[0]?.fill).toBe("move Anna to Valea Rece");
    expect(read("connect an", WORLD).rows[0]?.fill).toBe("connect Anna to ");
    expect(read("rename Anna to", WORLD).rows[0]?.action).toMatchObject({ do: "ask", key: "to" });
  });

  it("the beginning of a phrase finds the phrase, and of a command the command", () => {
    expect(read("ren", WORLD).rows[0]?.fill).toBe("rename ");
    expect(read("und", WORLD).rows[0]?.action).toEqual({ do: "command", id: "undo" });
    expect(first("places")).toEqual({ do: "command", id: "view-places" });
    expect(read("docx", WORLD).rows[0]?.action).toEqual({ do: "command", id: "export" });
  });

  it("nothing typed lists every phrase and command", () => {
    const { rows } = read("", WORLD);
    expect(rows.length).toBe(PHRASES.length + WORLD.commands.length);
  });

  it("an empty story answers with sentences, not with an error", () => {
    const empty: World = {
      ...WORLD,
      people: [],
      spots: [],
      events: [],
      scenes: [],
      scene: null,
      event: null,
      marked: null,
    };
    for (const phrase of PHRASES)
      for (const rest of ["", "Anna", "Anna to", "Anna to Ada", "kiss before leave"])
        expect(() => read(`${phrase.fill}${rest}`, empty)).not.toThrow();
    expect(read("rename Anna to Ada", empty).message).toContain("“Anna”");
  });
});

it("one event among a novel's is found", () => {
  const events = Array.from({ length: 10_000 }, (_, index) =>
    happening(
      index + 1,
      `verb${index % 500}`,
      "Anna",
      "Marcus",
      "s1",
      "x",
      "She went on over the hill and away.",
    ),
  );
  const { rows } = read("remove verb499 anna", { ...WORLD, events });
  expect(rows[0]?.title).toContain("verb499");
});
