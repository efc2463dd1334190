// The picture of when things happen and when they are told.

import { useStory } from "../../story/store";
import { Tools } from "../shared/Tools";
import { Waiting } from "../shared/Waiting";
import { type Form, useForm } from "./form";
import { Timeline } from "./Timeline";
import "./timeline.css";

const FORMS: readonly [Form, string][] = [
  ["characters", "Lanes: characters"],
  ["places", "Lanes: places"],
  ["lines", "Story-lines"],
];

function FormChoice() {
  const form = useForm((state) => state.form);
  return (
    <select
      aria-label="Form of the timeline"
      value={form}
      onChange={(event) => useForm.setState({ form: event.target.value as Form })}
    >
      {FORMS.map(([value, title]) => (
        <option key={value} value={value}>
          {title}
        </option>
      ))}
    </select>
  );
}

export function TimelineView() {
  const found = useStory((state) => state.found);
  const reading = useStory((state) => state.reading);
  const blank = useStory((state) => state.found?.scenes.length === 0);
  if (found !== null && found.events.length > 0)
    return (
      <>
        <Tools>
          <FormChoice />
        </Tools>
        <Timeline found={found} />
      </>
    );
  if (reading !== "ready" || blank) return <Waiting />;
  return (
    <p className="empty">
      Nothing happens yet. When the text tells what somebody does, goes to, says or sees, it appears here, in
      the order of the telling and in the order in which it happened.
    </p>
  );
}
