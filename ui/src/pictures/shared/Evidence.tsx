// The sentence behind what is hovered or focused in a picture, beside the pointer or the focus.

import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { eventName, toldAndHappened } from "../../story/naming";
import { type StoryState, useStory } from "../../story/store";
import { sentenceAround, sentenceOf, shortened, textNow } from "./tell";
import "./evidence.css";

/** How long one must rest on a thing before its sentence comes, in ms. */
const REST = 250;
const GAP = 14;
const MARGIN = 6;

interface Told {
  name: string;
  sentence: string;
  /** When it is told and when it happens, and by which words. */
  when?: string;
}

function told(hover: NonNullable<StoryState["hover"]>): Told | null {
  const { found } = useStory.getState();
  if (found === null) return null;
  const events = hover.events.flatMap((id) => found.happenings.get(id) ?? []);
  const first = events[0];
  if (first !== undefined) {
    const more = events.length > 1 ? ` (and ${events.length - 1} more)` : "";
    return {
      name: `${eventName(first, found)}${more}`,
      sentence: shortened(textNow(sentenceOf(first)), 260),
      when: toldAndHappened(first, first.time === null ? "" : shortened(textNow(first.time), 60)),
    };
  }
  const entity = found.entities.get(hover.entities[0] ?? "");
  if (entity === undefined) return null;
  const mention = entity.mentions.find((each) => each.kind === "name") ?? entity.mentions[0];
  if (mention === undefined) return { name: entity.name, sentence: "" };
  const times = entity.mentions.length === 1 ? "mentioned once" : `mentioned ${entity.mentions.length} times`;
  return { name: `${entity.name}, ${times}`, sentence: shortened(sentenceAround(mention), 260) };
}

export function Evidence({ picture }: { picture: RefObject<HTMLElement | null> }) {
  const hover = useStory((state) => state.hover);
  const pointer = useRef<{ x: number; y: number } | null>(null);
  const tip = useRef<HTMLDivElement>(null);
  const pressed = useRef(false);
  const waiting = useRef<number | undefined>(undefined);
  const [shown, setShown] = useState<(Told & { x: number; y: number }) | null>(null);

  useEffect(() => {
    const area = picture.current;
    if (area === null) return;
    const move = (event: PointerEvent) => {
      pointer.current = { x: event.clientX, y: event.clientY };
    };
    const away = () => {
      pointer.current = null;
    };
    area.addEventListener("pointermove", move);
    area.addEventListener("pointerleave", away);
    // Who goes on with the keyboard is where the focus is, not where the pointer was left.
    area.addEventListener("keydown", away);
    area.addEventListener("keyup", away);
    // A press is about the thing itself, not about what is said of it.
    const press = () => {
      pressed.current = true;
      window.clearTimeout(waiting.current);
      setShown(null);
    };
    const release = () => {
      pressed.current = false;
    };
    area.addEventListener("pointerdown", press);
    window.addEventListener("pointerup", release, true);
    window.addEventListener("pointercancel", release, true);
    return () => {
      area.removeEventListener("pointerdown", press);
      window.removeEventListener("pointerup", release, true);
      window.removeEventListener("pointercancel", release, true);
      area.removeEventListener("pointermove", move);
      area.removeEventListener("pointerleave", away);
      area.removeEventListener("keydown", away);
      area.removeEventListener("keyup", away);
    };
  }, [picture]);

  useEffect(() => {
    setShown(null);
    if (hover === null) return;
    waiting.current = window.setTimeout(() => {
      // What is dragged over is not asked about.
      if (pressed.current) return;
      const area = picture.current?.getBoundingClientRect();
      const focus = document.activeElement;
      const focused =
        focus !== null && picture.current?.contains(focus) && focus.matches(":focus-visible")
          ? focus.getBoundingClientRect()
          : null;
      const at =
        pointer.current ??
        (focused === null ? null : { x: focused.left + focused.width / 2, y: focused.bottom });
      const what = told(hover);
      // A thing that is hovered in the text or in the outline has no place here to speak from.
      if (area !== undefined && at !== null && what !== null)
        setShown({ ...what, x: at.x - area.left, y: at.y - area.top });
    }, REST);
    return () => window.clearTimeout(waiting.current);
  }, [hover, picture]);

  useLayoutEffect(() => {
    const element = tip.current;
    const area = picture.current;
    if (shown === null || element === null || area === null) return;
    const { offsetWidth: width, offsetHeight: height } = element;
    const x = Math.max(MARGIN, Math.min(shown.x + GAP, area.clientWidth - width - MARGIN));
    const below = shown.y + GAP;
    const y = below + height + MARGIN <= area.clientHeight ? below : Math.max(MARGIN, shown.y - GAP - height);
    element.style.translate = `${x}px ${y}px`;
  }, [shown, picture]);

  if (shown === null) return null;
  return (
    <div className="evidence" role="tooltip" ref={tip}>
      <strong>{shown.name}</strong>
      {shown.sentence !== "" && <q>{shown.sentence}</q>}
      {shown.when !== undefined && <span className="muted">{shown.when}</span>}
    </div>
  );
}
