// The card of what is chosen, under the outline of every picture: what the text says of it, and what can be done to it.

import type { ReactNode } from "react";
import type { Character, Id, Mention, Place, Span, StoryEvent } from "../../api/types";
import { eventName } from "../../story/naming";
import { type Found, nameOf, useStory } from "../../story/store";
import { bundled } from "../characters/graph";
import {
  changeProperty,
  changeVerb,
  chooseEvent,
  connect,
  moveSomewhere,
  noteAlias,
  noteGender,
  noteNobody,
  noteNoEvent,
  notePart,
  noteSame,
  removeCharacter,
  removeEvent,
  renameEntity,
  revealSpan,
  swapRoles,
} from "./gestures";
import { sceneNumber, sentenceOf, shortened, textNow } from "./tell";
import "./selected.css";

const GENDERS: Record<Character["gender"], string> = {
  f: "she",
  m: "he",
  n: "it",
  unknown: "not said",
};

const SOURCES: Record<string, string> = { auto: "read in the text", user: "said by you" };
const source = (name: string) => SOURCES[name] ?? name.replace(/^provider:/, "read by ");
const sure = (confidence: number) =>
  confidence >= 0.8 ? "sure" : confidence >= 0.5 ? "fairly sure" : "not sure";

const times = (number: number) => (number === 0 ? "never" : number === 1 ? "once" : `${number} times`);

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Evidence({ span, label }: { span: Span; label: string }) {
  const text = textNow(span);
  if (text === "") return null;
  return (
    <button type="button" className="quiet evidence-line" title={label} onClick={() => revealSpan(span)}>
      <q>{shortened(text, 220)}</q>
    </button>
  );
}

function Who({ found, id, none }: { found: Found; id: Id | null; none: string }) {
  if (id === null) return <span className="muted">{none}</span>;
  return (
    <button
      type="button"
      className="link"
      onClick={() => useStory.getState().select({ entities: [id] }, "outline")}
    >
      {nameOf(found, id)}
    </button>
  );
}

function firstMention(mentions: readonly Mention[]): Span | null {
  const first = mentions.find((each) => each.kind === "name") ?? mentions[0];
  return first === undefined ? null : { start: first.start, end: first.end };
}

function Mentions({ entity }: { entity: Character | Place }) {
  const first = firstMention(entity.mentions);
  return (
    <Row name="Mentioned">
      {times(entity.mentions.length)}
      {first !== null && (
        <button type="button" className="link" onClick={() => revealSpan(first)}>
          first
        </button>
      )}
    </Row>
  );
}

/** What holds of a character and a place alike, each a fact that wins over what was read. */
function Names({ entity, isPlace }: { entity: Character | Place; isPlace: boolean }) {
  return (
    <div className="facts">
      <button type="button" onClick={() => noteAlias(entity.id)}>
        Also called…
      </button>
      <button type="button" onClick={() => noteSame(entity.id)}>
        Is the same as…
      </button>
      <button type="button" onClick={() => noteNobody(entity.id)}>
        {isPlace ? "Not a place" : "Not a character"}
      </button>
    </div>
  );
}

function CharacterCard({ found, who }: { found: Found; who: Character }) {
  const provider = useStory((state) => state.provider);
  const acts = found.events.filter((each) => each.agent === who.id).length;
  const undergoes = found.events.filter((each) => each.patient === who.id).length;
  const aliases = who.aliases.filter((each) => each !== who.name);
  return (
    <>
      <div className="actions" role="toolbar" aria-label={`What can be done to ${who.name}`}>
        <button type="button" onClick={() => renameEntity(who.id)}>
          Rename…
        </button>
        <button type="button" onClick={() => connect(who.id)}>
          Connect…
        </button>
        <button type="button" onClick={() => moveSomewhere(who.id)}>
          Move…
        </button>
        <button type="button" onClick={() => removeCharacter(who.id)}>
          Remove
        </button>
        {provider !== "builtin" && (
          <button type="button" onClick={() => changeProperty(who.id)}>
            Change…
          </button>
        )}
      </div>
      <dl>
        {aliases.length > 0 && <Row name="Also called">{aliases.join(", ")}</Row>}
        <Row name="Spoken of as">
          <select
            aria-label={`How the text speaks of ${who.name}`}
            value={who.gender}
            onChange={(event) => noteGender(who.id, event.target.value as Character["gender"])}
          >
            {Object.entries(GENDERS).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </Row>
        {who.kind !== "person" && <Row name="Kind">{who.kind}</Row>}
        <Mentions entity={who} />
        <Row name="Acts">{times(acts)}</Row>
        <Row name="Undergoes">{times(undergoes)}</Row>
        <Row name="Known">
          {source(who.source)}, {sure(who.confidence)}
        </Row>
      </dl>
      <Names entity={who} isPlace={false} />
    </>
  );
}

function PlaceCard({ found, place }: { found: Found; place: Place }) {
  const here = found.events.filter((each) => each.place === place.id).length;
  const aliases = place.aliases.filter((each) => each !== place.name);
  return (
    <>
      <div className="actions" role="toolbar" aria-label={`What can be done to ${place.name}`}>
        <button type="button" onClick={() => renameEntity(place.id)}>
          Rename…
        </button>
      </div>
      <dl>
        {aliases.length > 0 && <Row name="Also called">{aliases.join(", ")}</Row>}
        {place.within !== null && (
          <Row name="Within">
            <Who found={found} id={place.within} none="" />
          </Row>
        )}
        <Mentions entity={place} />
        <Row name="Events here">{here}</Row>
        <Row name="Known">
          {source(place.source)}, {sure(place.confidence)}
        </Row>
      </dl>
      <Names entity={place} isPlace={true} />
    </>
  );
}

function EventCard({ found, event }: { found: Found; event: StoryEvent }) {
  const both = event.agent !== null && event.patient !== null;
  const others = both
    ? found.events.filter(
        (each) =>
          (each.agent === event.agent && each.patient === event.patient) ||
          (each.agent === event.patient && each.patient === event.agent),
      )
    : [];
  return (
    <>
      <div className="actions" role="toolbar" aria-label="What can be done to this event">
        <button type="button" onClick={() => changeVerb(event.id)}>
          Other verb…
        </button>
        {both && (
          <button type="button" onClick={() => swapRoles(event.id)}>
            Swap roles
          </button>
        )}
        <button type="button" onClick={() => removeEvent(event.id)}>
          Remove
        </button>
      </div>
      <Evidence span={sentenceOf(event)} label="Show this sentence in the text" />
      <dl>
        <Row name="Who">
          <Who found={found} id={event.agent} none="nobody known" />
          <button
            type="button"
            className="link"
            aria-label="Correct who does it"
            onClick={() => notePart("agent", event.id)}
          >
            ✎
          </button>
        </Row>
        <Row name="To whom">
          <Who found={found} id={event.patient} none="nobody" />
          <button
            type="button"
            className="link"
            aria-label="Correct to whom"
            onClick={() => notePart("patient", event.id)}
          >
            ✎
          </button>
        </Row>
        <Row name="Where">
          <Who found={found} id={event.place} none="not known" />
          <button
            type="button"
            className="link"
            aria-label="Correct where"
            onClick={() => notePart("place", event.id)}
          >
            ✎
          </button>
        </Row>
        <Row name="Told">
          {event.narrated + 1} of {found.events.length}, scene {sceneNumber(found, event.start) + 1}
        </Row>
        <Row name="Happens">
          {event.story + 1} of {found.events.length}
        </Row>
        {event.time !== null && (
          <Row name="By the words">
            <Evidence span={event.time} label="Show these words in the text" />
          </Row>
        )}
        <Row name="Known">
          {source(event.source)}, {sure(event.confidence)}; {event.kind}
        </Row>
      </dl>
      <div className="facts">
        <button type="button" onClick={() => noteNoEvent(event.id)}>
          Not an event
        </button>
        {others.length > 1 && (
          <button
            type="button"
            onClick={() => useStory.getState().select({ events: others.map((each) => each.id) }, "outline")}
          >
            All {others.length} of these two
          </button>
        )}
      </div>
    </>
  );
}

/** Where a pair has more events than are drawn one by one, this list stands for the lines. */
function EventList({ found, events }: { found: Found; events: readonly StoryEvent[] }) {
  const order = useStory((state) => state.order);
  const asLines = bundled(events, found.events);
  return (
    <ol className="events">
      {[...events]
        .sort((one, other) => one[order] - other[order])
        .map((event) => (
          <li key={event.id}>
            <button
              type="button"
              className="quiet"
              data-testid={asLines ? "event-edge" : undefined}
              data-id={event.id}
              aria-label={eventName(event, found)}
              onClick={() => chooseEvent(event.id, "outline")}
            >
              <strong>{eventName(event, found)}</strong>
              <q>{shortened(textNow(sentenceOf(event)), 110)}</q>
            </button>
          </li>
        ))}
    </ol>
  );
}

export function Selected() {
  const found = useStory((state) => state.found);
  const selection = useStory((state) => state.selection);
  const select = useStory((state) => state.select);
  // The text is in the store's manuscript, which is no state: a new reading draws the card again.
  if (found === null) return null;
  const events = selection.events.flatMap((id) => found.happenings.get(id) ?? []);
  const entities = selection.entities.flatMap((id) => found.entities.get(id) ?? []);
  const [event] = events;
  const [entity] = entities;
  let title: string;
  let body: ReactNode;
  if (events.length === 1 && event !== undefined) {
    title = eventName(event, found);
    body = <EventCard found={found} event={event} />;
  } else if (events.length > 1) {
    title = `${events.length} events`;
    body = <EventList found={found} events={events} />;
  } else if (entities.length > 1) {
    title = `${entities.length} chosen`;
    body = (
      <p className="muted">
        {entities
          .map((each) => each.name)
          .slice(0, 12)
          .join(", ")}
        {entities.length > 12 ? "…" : ""}
      </p>
    );
  } else if (entity !== undefined) {
    title = entity.name;
    const who = found.people.get(entity.id);
    body =
      who !== undefined ? (
        <CharacterCard found={found} who={who} />
      ) : (
        <PlaceCard found={found} place={entity as Place} />
      );
  } else return null;
  return (
    <section className="selected-card" aria-label="What is chosen" data-testid="selected">
      <header className="spread">
        <h2>{title}</h2>
        <button
          type="button"
          className="icon"
          aria-label="Choose nothing"
          onClick={() => select({}, "outline")}
        >
          ×
        </button>
      </header>
      <div className="scroll">{body}</div>
    </section>
  );
}
