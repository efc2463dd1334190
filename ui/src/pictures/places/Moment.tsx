// The moment that the map shows: a slider along the events in their order, and what happens then.

import type { StoryEvent } from "../../api/types";
import { eventName } from "../../story/naming";
import { type Found, useStory } from "../../story/store";
import { chooseEvent } from "../shared/gestures";
import { sentenceOf, shortened, textNow } from "../shared/tell";

export function Moment(props: {
  found: Found;
  events: readonly StoryEvent[];
  moment: StoryEvent;
  onMoment: (event: StoryEvent) => void;
}) {
  const { found, events, moment, onMoment } = props;
  const order = useStory((state) => state.order);
  const number = events.indexOf(moment);
  const go = (to: number) => {
    const event = events[to];
    if (event !== undefined) onMoment(event);
  };
  const phrase = eventName(moment, found);
  return (
    <div className="moment">
      <button
        type="button"
        className="icon"
        aria-label="Event before"
        disabled={number <= 0}
        onClick={() => go(number - 1)}
      >
        ‹
      </button>
      <input
        type="range"
        min={0}
        max={Math.max(0, events.length - 1)}
        value={number}
        aria-label={order === "story" ? "Moment of the story" : "Moment of the telling"}
        aria-valuetext={`${number + 1} of ${events.length}: ${phrase}`}
        onChange={(event) => go(Number(event.target.value))}
      />
      <button
        type="button"
        className="icon"
        aria-label="Event after"
        disabled={number >= events.length - 1}
        onClick={() => go(number + 1)}
      >
        ›
      </button>
      <span className="numbers muted">
        {number + 1} of {events.length}
      </span>
      <button
        type="button"
        className="quiet moment-text"
        title="Choose this event and show it in the text"
        onClick={() => chooseEvent(moment.id, "places")}
      >
        <strong>{phrase}</strong> <q>{shortened(textNow(sentenceOf(moment)), 150)}</q>
      </button>
    </div>
  );
}
