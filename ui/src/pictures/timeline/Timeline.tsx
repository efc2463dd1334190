// The timeline of a story in which something happens: scenes above, lanes or story-lines, and the whole in a strip below.

import {
  type KeyboardEvent,
  type PointerEvent,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Id, Intent } from "../../api/types";
import { eventName, sceneTitle } from "../../story/naming";
import { type Found, useStory } from "../../story/store";
import { focusOf } from "../shared/focus";
import { changeVerb, chooseEvent, removeEvent, revealSpan } from "../shared/gestures";
import { textNow } from "../shared/tell";
import { type Axis, atLeast, axisOf, stretches, within } from "./axis";
import { gapAt, inWords, type Meaning, meaningOf, oneStep, sceneMove } from "./drop";
import { chunkOf, type Form, slotWidth, useForm } from "./form";
import { Legend } from "./Legend";
import { laneOf, lanesOf, otherLane } from "./lanes";
import { carryOut } from "./moving";
import { Overview } from "./Overview";
import { type Heights, Plot, STRIP } from "./Plot";
import { Scenes } from "./Scenes";
import { heightIn, PITCH, storyLines } from "./storylines";
import { useCaret } from "./useCaret";

/** Width of the names of lanes; room before the first slot and after the last. */
const NAMES = 96;
const MARGIN = 12;
/** Height of the band of scenes, of a lane, and of a mark's middle in it. */
const BAND = 28;
const LANE = 46;
const IN_LANE = 22;
/** As many lanes as the picture has room for, and at least so many. */
const FEWEST_LANES = 8;
/** Characters drawn as lines at most. */
const MOST_LINES = 14;
/** How long events move from one order to the other, in ms; the style sheet has the same. */
const GLIDE = 650;
/** A press that moves so far, in pixels, is a drag. */
const DRAG = 4;
const EDGE = 36;

type Drag =
  | { kind: "event"; id: Id; slot: number; y: number; meaning: Meaning | null }
  | { kind: "scene"; place: number; slot: number; gap: number; intent: Intent | null };

/** Where everything lies across the axis, and the names at the left. */
function layOut(found: Found, axis: Axis, form: Form, most: number) {
  if (form === "lines") {
    const drawn = lanesOf(found, "characters", MOST_LINES).lanes.flatMap(({ id }) =>
      id === null ? [] : [id],
    );
    const lines = storyLines(axis, drawn);
    const others = (drawn.length + 0.75) * PITCH;
    const at = (id: Id | null, place: number) =>
      id === null ? null : heightIn(lines.of.get(id), lines.momentOf[place] ?? -1);
    const heights: Heights = {
      of: (place) => at(axis.events[place]?.agent ?? null, place) ?? others,
      other: (place) => {
        const event = axis.events[place];
        return event === undefined || event.patient === event.agent ? null : at(event.patient, place);
      },
      lanes: [others],
      height: others + PITCH,
      lines,
    };
    return { heights, lanes: null };
  }
  const lanes = lanesOf(found, form, most);
  const heights: Heights = {
    of: (place) => {
      const event = axis.events[place];
      return event === undefined ? 0 : laneOf(lanes, event) * LANE + IN_LANE;
    },
    other: (place) => {
      const event = axis.events[place];
      const lane = event === undefined ? null : otherLane(lanes, event);
      return lane === null ? null : lane * LANE + IN_LANE;
    },
    lanes: lanes.lanes.map((_, number) => number * LANE + IN_LANE),
    height: lanes.lanes.length * LANE,
    lines: null,
  };
  return { heights, lanes };
}

export function Timeline({ found }: { found: Found }) {
  const order = useStory((state) => state.order);
  const selection = useStory((state) => state.selection);
  const hover = useStory((state) => state.hover);
  const sceneId = useStory((state) => state.sceneId);
  const manuscript = useStory((state) => state.manuscript);
  const { set, select, propose } = useStory.getState();
  const { form, zoom } = useForm();

  const axis = useMemo(() => axisOf(found.events, found.scenes, order), [found, order]);
  const out = useMemo(() => stretches(axis), [axis]);
  const focus = useMemo(() => focusOf(found, selection, hover), [found, selection, hover]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `textNow` reads the manuscript, which may come later.
  const titles = useMemo(
    () =>
      new Map(
        found.scenes.map((scene, number) => {
          const opening = textNow({ start: scene.start, end: Math.min(scene.end, scene.start + 200) });
          return [scene.id, sceneTitle(opening, number + 1)];
        }),
      ),
    [found, manuscript],
  );
  const nameOf = (id: Id) => {
    const event = found.happenings.get(id);
    return event === undefined ? "" : eventName(event, found);
  };

  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const most = Math.max(FEWEST_LANES, Math.floor((size.height - BAND - STRIP) / LANE) - 1);
  const { heights, lanes } = useMemo(() => layOut(found, axis, form, most), [found, axis, form, most]);
  const [left, setLeft] = useState(0);
  const [drag, setDrag] = useState<Drag | null>(null);
  const [focused, setFocused] = useState<Id | null>(null);
  const toFocus = useRef<Id | null>(null);
  const wasDragged = useRef(false);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const watch = new ResizeObserver(() =>
      setSize({ width: element.clientWidth - NAMES, height: element.clientHeight }),
    );
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const slot = slotWidth(zoom, size.width - 2 * MARGIN, axis.length);
  const { from, to, seen: onScreen } = chunkOf(left, size.width, slot, axis.length);
  const caret = useCaret(found, axis);

  // Zoom keeps what is under the pointer, or in the middle, where it is.
  const hold = useRef<{ slot: number; x: number } | null>(null);
  const zoomTo = useCallback(
    (factor: number | null, x = size.width / 2) => {
      const element = box.current;
      if (element === null) return;
      hold.current = { slot: (element.scrollLeft + x - MARGIN) / slot, x };
      useForm.setState({
        zoom: factor === null ? null : slotWidth(slot * factor, size.width - 2 * MARGIN, axis.length),
      });
    },
    [slot, size.width, axis.length],
  );
  useLayoutEffect(() => {
    const element = box.current;
    if (hold.current === null || element === null) return;
    element.scrollLeft = hold.current.slot * slot + MARGIN - hold.current.x;
    hold.current = null;
  }, [slot]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey) return;
      event.preventDefault(); // or the browser zooms the page
      const x = event.clientX - element.getBoundingClientRect().left - NAMES;
      zoomTo(Math.exp(-event.deltaY / 300), Math.max(0, x));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [zoomTo]);

  const show = useCallback(
    (id: Id) => {
      const element = box.current;
      const place = axis.index.get(id);
      if (element === null || place === undefined) return;
      const x = MARGIN + (axis.centres[place] ?? 0) * slot;
      const seen = element.clientWidth - NAMES;
      if (x < element.scrollLeft + 20 || x > element.scrollLeft + seen - 20)
        element.scrollLeft = x - seen / 2;
      const y = BAND + STRIP + heights.of(place);
      if (y < element.scrollTop + BAND + STRIP || y > element.scrollTop + element.clientHeight - 20)
        element.scrollTop = y - element.clientHeight / 2;
    },
    [axis, slot, heights],
  );

  // Events glide when their order or lane changes, and only then: not while one scrolls or zooms.
  const [gliding, setGliding] = useState(false);
  const drawn = useRef(heights);
  useLayoutEffect(() => {
    if (drawn.current === heights) return;
    drawn.current = heights;
    setGliding(true);
    const end = window.setTimeout(() => setGliding(false), GLIDE);
    return () => window.clearTimeout(end);
  }, [heights]);

  // What is chosen elsewhere is brought into view, and stays in view when the order changes.
  const chosenEvent = selection.events[0] ?? null;
  const chosenFrom = selection.from;
  useEffect(() => {
    if (chosenEvent !== null && chosenFrom !== "timeline") show(chosenEvent);
  }, [chosenEvent, chosenFrom, show]);

  useLayoutEffect(() => {
    const id = toFocus.current;
    if (id === null) return;
    const mark = box.current?.querySelector<SVGGElement>(`[data-id="${CSS.escape(id)}"]`);
    if (mark == null) return;
    toFocus.current = null;
    mark.focus({ preventScroll: true });
  });

  const go = (place: number) => {
    const event = axis.events[Math.min(Math.max(0, place), axis.events.length - 1)];
    if (event === undefined) return;
    toFocus.current = event.id;
    setFocused(event.id);
    show(event.id);
  };

  /** The nearest event of the next lane up or down that has one in view. */
  const across = (place: number, step: -1 | 1) => {
    const y = heights.of(place);
    const near = within(axis, left / slot, (left + size.width) / slot)
      .map((other) => ({ other, dy: (heights.of(other) - y) * step, dx: Math.abs(other - place) }))
      .filter(({ dy }) => dy > 1)
      .sort((a, b) => a.dy - b.dy || a.dx - b.dx)[0];
    if (near !== undefined) go(near.other);
  };

  const zoomKeys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "+" || event.key === "=") zoomTo(1.3);
    else if (event.key === "-") zoomTo(1 / 1.3);
    else if (event.key === "0") zoomTo(null);
    else return false;
    return true;
  };

  const eventKeys = (event: KeyboardEvent) => {
    const id = idOf(event.target);
    const place = id === null ? undefined : axis.index.get(id);
    if (id === null || place === undefined || event.ctrlKey || event.metaKey) return false;
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (event.altKey && step !== 0) {
      const at = oneStep(axis, id, step);
      const meaning = at === null ? null : meaningOf(axis, id, at);
      if (meaning !== null) void carryOut(meaning);
    } else if (event.altKey) return false;
    else if (step !== 0) go(place + step);
    else if (event.key === "ArrowUp") across(place, -1);
    else if (event.key === "ArrowDown") across(place, 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(axis.events.length - 1);
    else if (event.key === "Enter" || event.key === " ") chooseEvent(id, "timeline");
    else if (event.key === "F2") void changeVerb(id);
    else if (event.key === "Delete" || event.key === "Backspace") void removeEvent(id);
    else if (event.key === "Escape") select({}, "timeline");
    else return false;
    return true;
  };

  /** Follow the pointer until it is let go; `at` gives the slot, `done` is not called for Escape or a mere click. */
  const follow = (start: PointerEvent, moved: (slot: number, y: number) => void, done: () => void) => {
    const element = box.current;
    if (element === null) return;
    let moving = false;
    const stop = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      window.removeEventListener("pointercancel", stop);
      window.removeEventListener("keydown", cancel, true);
      setDrag(null);
    };
    const move = (event: globalThis.PointerEvent) => {
      if (!moving && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < DRAG) return;
      moving = true;
      wasDragged.current = true;
      set({ hover: null });
      const { left: edge, right, top } = element.getBoundingClientRect();
      if (event.clientX > right - EDGE) element.scrollLeft += 14;
      else if (event.clientX < edge + NAMES + EDGE) element.scrollLeft -= 14;
      moved(
        (event.clientX - edge - NAMES - MARGIN + element.scrollLeft) / slot,
        event.clientY - top + element.scrollTop,
      );
    };
    const up = () => {
      stop();
      if (moving) done();
      // The click that follows is no choice.
      window.setTimeout(() => {
        wasDragged.current = false;
      });
    };
    const cancel = (event: globalThis.KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      stop();
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", stop);
    window.addEventListener("keydown", cancel, true);
  };

  const dragEvent = (start: PointerEvent) => {
    const id = idOf(start.target);
    if (id === null || start.button !== 0) return;
    let meaning: Meaning | null = null;
    follow(
      start,
      (at, y) => {
        meaning = meaningOf(axis, id, at);
        setDrag({ kind: "event", id, slot: at, y: y - BAND, meaning });
      },
      () => {
        if (meaning !== null) void carryOut(meaning);
      },
    );
  };

  const dragScene = (start: PointerEvent, place: number) => {
    let intent: Intent | null = null;
    follow(
      start,
      (at) => {
        const gap = axis.segments.filter(({ from: begin, to: end }) => (begin + end) / 2 < at).length;
        const scenes = axis.segments.map(({ scene }) => ({ id: scene }));
        intent = sceneMove(scenes, place, gap);
        setDrag({ kind: "scene", place, slot: at, gap, intent });
      },
      () => {
        if (intent !== null) void propose(intent);
      },
    );
  };

  // The same functions at every scroll, so that the band is not drawn again.
  const latest = useRef(dragScene);
  latest.current = dragScene;
  const onDragScene = useCallback((start: PointerEvent, place: number) => latest.current(start, place), []);
  const onShowScene = useCallback(
    (id: Id) => {
      const scene = found.scenes.find((each) => each.id === id);
      if (scene !== undefined && !wasDragged.current) revealSpan(scene);
    },
    [found],
  );

  const point = (id: Id | null) => {
    if (drag === null) set({ hover: id === null ? null : { entities: [], events: [id] } });
  };

  const known = focused !== null && axis.index.has(focused) ? focused : null;
  const tab = known ?? axis.events[atLeast(axis.centres, onScreen)]?.id ?? axis.events.at(-1)?.id ?? null;
  const lit = hover?.events.length === 1 ? (hover.events[0] ?? null) : chosenEvent;
  const seen = size.width / slot;
  const total = { width: NAMES + axis.length * slot + 2 * MARGIN, height: BAND + STRIP + heights.height + 8 };
  const frame = {
    style: { left: NAMES + MARGIN + from * slot, width: (to - from) * slot, height: STRIP + heights.height },
    viewBox: `${from * slot} 0 ${Math.max(1, (to - from) * slot)} ${STRIP + heights.height}`,
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys come up from what is inside.
    <div
      className={gliding ? "timeline gliding" : "timeline"}
      onKeyDown={(event) => {
        if (!event.defaultPrevented && zoomKeys(event)) event.preventDefault();
      }}
    >
      <div
        id="timeline-scroll"
        className="timeline-scroll"
        ref={box}
        onScroll={(event) => setLeft(event.currentTarget.scrollLeft)}
      >
        <div className="timeline-space" style={total}>
          <div className="timeline-band" style={{ height: BAND, width: total.width }}>
            <div className="corner" style={{ width: NAMES }}>
              {order === "narrated" ? "as told" : "as it happened"}
            </div>
            <Scenes
              axis={axis}
              titles={titles}
              slot={slot}
              from={from}
              to={to}
              indent={NAMES}
              margin={MARGIN}
              current={sceneId}
              onDrag={onDragScene}
              onShow={onShowScene}
            />
          </div>
          <Names found={found} lanes={lanes} heights={heights} at={left / slot} focus={focus} />
          {/* biome-ignore lint/a11y/useSemanticElements: this is a drawing, not a form. */}
          <svg
            className="plot"
            {...frame}
            role="group"
            aria-label={order === "narrated" ? "Events as they are told" : "Events as they happened"}
            onPointerDown={dragEvent}
            onPointerOver={(event) => point(idOf(event.target))}
            onPointerLeave={() => point(null)}
            onFocus={(event) => {
              const id = idOf(event.target);
              setFocused(id);
              point(id);
            }}
            onBlur={() => point(null)}
            onClick={(event) => {
              if (wasDragged.current) return;
              const id = idOf(event.target);
              if (id === null) select({}, "timeline");
              else chooseEvent(id, "timeline");
            }}
            onKeyDown={(event) => {
              if (eventKeys(event)) event.preventDefault();
            }}
            onDoubleClick={(event) => {
              const id = idOf(event.target);
              if (id !== null) void changeVerb(id);
            }}
          >
            <Plot
              found={found}
              axis={axis}
              out={out}
              heights={heights}
              slot={slot}
              from={from}
              to={to}
              focus={focus}
              chosen={selection.events}
              tab={tab}
              lit={lit}
            />
          </svg>
          <svg className="over" {...frame} aria-hidden="true">
            {caret !== null && (
              <path
                className="caret"
                d={`M${caret * slot} 0V${STRIP + heights.height}M${caret * slot - 4} 0h8l-4 6z`}
              />
            )}
            {drag !== null && (
              <Dropping drag={drag} axis={axis} slot={slot} height={STRIP + heights.height} />
            )}
          </svg>
          {drag !== null && (
            <div
              className={drag.slot * slot - left < size.width / 2 ? "drop-words after" : "drop-words"}
              style={{
                left: NAMES + MARGIN + drag.slot * slot,
                top: BAND + 4,
                maxWidth: Math.max(120, wordsRoom(drag.slot * slot - left, size.width)),
              }}
              role="status"
            >
              {drag.kind === "event"
                ? drag.meaning === null
                  ? "stays where it is"
                  : inWords(drag.meaning, nameOf)
                : drag.intent === null
                  ? "stays where it is"
                  : typeof drag.intent.before === "string"
                    ? `before “${titles.get(drag.intent.before) ?? ""}”`
                    : `after “${titles.get(String(drag.intent.after)) ?? ""}”`}
            </div>
          )}
        </div>
      </div>
      {size.width > 0 && (
        <Overview
          axis={axis}
          out={out}
          width={size.width + NAMES}
          from={left / slot}
          to={left / slot + seen}
          caret={caret}
          onMove={(at) => {
            if (box.current !== null) box.current.scrollLeft = at * slot;
          }}
        />
      )}
      <Legend onZoom={zoomTo} />
    </div>
  );
}

/** How wide the words beside the pointer may be, so that all of them are seen: they stand on the side with more room. */
const wordsRoom = (at: number, width: number) => Math.min(320, Math.max(at, width - at) - 28 - MARGIN);

const idOf = (target: EventTarget): Id | null =>
  target instanceof Element ? (target.closest<SVGGElement>(".timeline-event")?.dataset.id ?? null) : null;

function Dropping(props: { drag: Drag; axis: Axis; slot: number; height: number }) {
  const { drag, axis, slot, height } = props;
  if (drag.kind === "scene") {
    const segment = axis.segments[drag.place];
    const edge = axis.segments[drag.gap]?.from ?? axis.length;
    return (
      <>
        {segment !== undefined && (
          <rect
            className="lifted"
            x={segment.from * slot}
            width={(segment.to - segment.from) * slot}
            height={height}
          />
        )}
        {drag.intent !== null && <path className="drop" d={`M${edge * slot} 0V${height}`} />}
      </>
    );
  }
  const gap = gapAt(axis, drag.slot);
  const before = axis.centres[gap - 1] ?? -0.5;
  const after = axis.centres[gap] ?? axis.length + 0.5;
  const at = drag.meaning?.where === "after" ? before + 0.5 : after - 0.5;
  return (
    <>
      {drag.meaning !== null && <path className="drop" d={`M${at * slot} 0V${height}`} />}
      <circle className="ghost" cx={drag.slot * slot} cy={drag.y} r={8} />
    </>
  );
}

/** The names at the left: of lanes, or of the lines where the picture begins. */
function Names(props: {
  found: Found;
  lanes: ReturnType<typeof lanesOf> | null;
  heights: Heights;
  at: number;
  focus: ReturnType<typeof focusOf>;
}) {
  const { found, lanes, heights, at, focus } = props;
  const chosen = useStory((state) => state.selection.entities);
  const { select, set } = useStory.getState();
  const rows: { id: Id | null; name: string; y: number }[] = [];
  if (lanes !== null)
    lanes.lanes.forEach((lane, number) => {
      rows.push({ ...lane, y: heights.lanes[number] ?? 0 });
    });
  else if (heights.lines !== null) {
    const { moments, lines } = heights.lines;
    const moment = moments.findIndex((each) => each.to > at + 0.01);
    for (const line of lines) {
      const y = heightIn(line, moment);
      if (y !== null) rows.push({ id: line.id, name: found.people.get(line.id)?.name ?? "", y });
    }
    rows.push({ id: null, name: "others", y: heights.lanes[0] ?? 0 });
  }
  return (
    <div
      className={lanes?.by === "places" ? "lane-names of-places" : "lane-names"}
      style={{ width: NAMES, height: STRIP + heights.height }}
    >
      {rows.map(({ id, name, y }) =>
        id === null ? (
          <span key="" style={{ top: STRIP + y }}>
            {name}
          </span>
        ) : (
          <button
            key={id}
            type="button"
            style={{ top: STRIP + y }}
            className={focus.any && !focus.entities.has(id) ? "dim" : ""}
            aria-pressed={chosen.includes(id)}
            title={name}
            onClick={() => select({ entities: [id] }, "timeline")}
            onPointerEnter={() => set({ hover: { entities: [id], events: [] } })}
            onPointerLeave={() => set({ hover: null })}
          >
            {name}
          </button>
        ),
      )}
    </div>
  );
}
