// The outline beside each picture: all of it as a list, for the keyboard and for who does not see pictures.

import {
  type KeyboardEvent,
  type MouseEvent,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { sceneTitle } from "../story/naming";
import { type Found, useStory, type View } from "../story/store";
import { choose, commandFor, commandsOf } from "./outline/commands";
import { Menu } from "./outline/Menu";
import { filtered, type Node, type Row, rowsOf, stepOf, treeOf, typedTo } from "./outline/tree";
import { textNow } from "./shared/tell";
import { axisOf } from "./timeline/axis";
import "./outline.css";

/** Height of a row, as in the style sheet; so many rows are drawn beyond what is seen. */
const ROW = 25;
const BEYOND = 12;
/** Letters typed within so many ms are one word. */
const TYPING = 700;

const LABELS: Record<View, string> = {
  characters: "Characters and what they do",
  places: "Places, who is there and what happens",
  timeline: "Scenes and what happens",
};

function useOutline(found: Found): Node[] {
  const view = useStory((state) => state.view);
  const order = useStory((state) => state.order);
  const manuscript = useStory((state) => state.manuscript);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `textNow` reads the manuscript, which may come later.
  return useMemo(() => {
    const axis = axisOf(found.events, found.scenes, order);
    return treeOf(view, found, axis, (number) => {
      const scene = found.scenes[number - 1];
      if (scene === undefined) return `Scene ${number}`;
      return sceneTitle(textNow({ start: scene.start, end: Math.min(scene.end, scene.start + 200) }), number);
    });
  }, [found, view, order, manuscript]);
}

function Tree({ found }: { found: Found }) {
  const view = useStory((state) => state.view);
  const selection = useStory((state) => state.selection);
  const set = useStory((state) => state.set);
  const nodes = useOutline(found);
  const [filter, setFilter] = useState("");
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [focused, setFocused] = useState<string | null>(null);
  const [menu, setMenu] = useState<{ node: Node; x: number; y: number } | null>(null);
  const [seen, setSeen] = useState({ top: 0, height: 400 });
  const box = useRef<HTMLDivElement>(null);
  const wanted = useRef(false);
  const typing = useRef({ text: "", at: 0 });

  const { nodes: left, open: ways } = useMemo(
    () => (filter.trim() === "" ? { nodes, open: new Set<string>() } : filtered(nodes, filter)),
    [nodes, filter],
  );
  const rows = useMemo(() => rowsOf(left, new Set([...opened, ...ways])), [left, opened, ways]);
  const isChosen = (node: Node) =>
    node.kind === "event" ? selection.events.includes(node.id) : selection.entities.includes(node.id);
  const known = rows.findIndex((row) => row.node.key === focused);
  const chosen = rows.findIndex((row) => isChosen(row.node));
  const at = known >= 0 ? known : Math.max(0, chosen);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = () => setSeen({ top: element.scrollTop, height: element.clientHeight });
    const watch = new ResizeObserver(look);
    watch.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      watch.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);

  const bring = (index: number) => {
    const element = box.current;
    if (element === null) return;
    const top = index * ROW;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW > element.scrollTop + element.clientHeight)
      element.scrollTop = top + ROW - element.clientHeight;
  };

  // What is chosen elsewhere is brought into view where it is open.
  const bringChosen = useRef(bring);
  bringChosen.current = bring;
  const from = selection.from;
  useEffect(() => {
    if (chosen >= 0 && from !== "outline") bringChosen.current(chosen);
  }, [chosen, from]);

  useLayoutEffect(() => {
    if (!wanted.current) return;
    const row = box.current?.querySelector<HTMLElement>('[tabindex="0"]');
    if (row == null || row.dataset.key !== focused) return;
    wanted.current = false;
    row.focus({ preventScroll: true });
  });

  const go = (index: number) => {
    const row = rows[index];
    if (row === undefined) return;
    wanted.current = true;
    setFocused(row.node.key);
    bring(index);
  };
  const turn = (keys: readonly string[], open: boolean) =>
    setOpened((now) => {
      const next = new Set(now);
      for (const key of keys) {
        if (open) next.add(key);
        else next.delete(key);
      }
      return next;
    });
  const openMenu = (row: Row, x: number, y: number) => {
    setFocused(row.node.key);
    setMenu({ node: row.node, x, y });
  };

  const keys = (event: KeyboardEvent<HTMLElement>): boolean => {
    const row = rows[at];
    if (row === undefined || event.ctrlKey || event.metaKey) return false;
    if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      const { left: x, bottom: y } = (event.target as HTMLElement).getBoundingClientRect();
      openMenu(row, x + 24, y);
      return true;
    }
    const isTyping = performance.now() - typing.current.at < TYPING;
    if (event.key === " " && !isTyping) {
      choose(row.node);
      return true;
    }
    const command = commandFor(row.node, event.key, event.altKey);
    if (command !== undefined) {
      command.run();
      return true;
    }
    if (event.altKey) return false;
    const step = stepOf(rows, at, event.key);
    if (step !== null) {
      if ("to" in step) go(rows.findIndex((each) => each.node.key === step.to));
      else if ("open" in step) turn([step.open], true);
      else if ("close" in step) turn([step.close], false);
      else turn(step.openAll, true);
      return true;
    }
    if (event.key.length !== 1) return false;
    const text = isTyping ? typing.current.text + event.key : event.key;
    typing.current = { text, at: performance.now() };
    const next = typedTo(rows, at, text);
    if (next !== null) go(next);
    return true;
  };

  const first = Math.max(0, Math.floor(seen.top / ROW) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / ROW) + BEYOND);
  const drawn = rows.slice(first, last).map((row, offset) => ({ row, index: first + offset }));
  const reached = rows[at];
  if (reached !== undefined && (at < first || at >= last)) drawn.push({ row: reached, index: at });
  const rowAt = (event: MouseEvent): Row | undefined => {
    const key = (event.target as HTMLElement).closest<HTMLElement>("[data-key]")?.dataset.key;
    return rows.find((row) => row.node.key === key);
  };

  return (
    <div className="outline">
      <input
        type="search"
        aria-label="Filter"
        placeholder="Filter"
        value={filter}
        onChange={(event) => setFilter(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          go(0);
        }}
      />
      <div className="scroll" ref={box}>
        <div
          role="tree"
          aria-label={LABELS[view]}
          data-testid="outline"
          className="tree"
          style={{ height: rows.length * ROW }}
          onKeyDown={(event) => {
            if (keys(event)) event.preventDefault();
          }}
          onFocus={(event) => {
            const key = (event.target as HTMLElement).dataset.key;
            if (key !== undefined) setFocused(key);
          }}
          onBlur={() => set({ hover: null })}
          onMouseLeave={() => set({ hover: null })}
          onClick={(event) => {
            const row = rowAt(event);
            if (row === undefined) return;
            setFocused(row.node.key);
            if ((event.target as HTMLElement).closest(".twist") !== null && row.open !== null) {
              turn([row.node.key], !row.open);
              return;
            }
            choose(row.node);
          }}
          onDoubleClick={(event) => {
            const row = rowAt(event);
            if (row !== undefined && row.open !== null) turn([row.node.key], !row.open);
          }}
          onContextMenu={(event) => {
            const row = rowAt(event);
            if (row === undefined) return;
            event.preventDefault();
            openMenu(row, event.clientX, event.clientY);
          }}
        >
          {drawn.map(({ row, index }) => (
            <Item
              key={row.node.key}
              row={row}
              top={index * ROW}
              chosen={isChosen(row.node)}
              tab={index === at}
              onPoint={() =>
                set({
                  hover:
                    row.node.kind === "scene"
                      ? null
                      : row.node.kind === "event"
                        ? { entities: [], events: [row.node.id] }
                        : { entities: [row.node.id], events: [] },
                })
              }
            />
          ))}
        </div>
        {rows.length === 0 && (
          <p className="none">{filter === "" ? "Nothing yet." : "Nothing is called so."}</p>
        )}
      </div>
      {menu !== null && (
        <Menu
          label={menu.node.name}
          commands={commandsOf(menu.node)}
          x={menu.x}
          y={menu.y}
          onClose={(back) => {
            setMenu(null);
            wanted.current = back;
          }}
        />
      )}
    </div>
  );
}

function Item(props: { row: Row; top: number; chosen: boolean; tab: boolean; onPoint: () => void }) {
  const { row, top, chosen, tab, onPoint } = props;
  const { node, level, open } = row;
  return (
    <div
      role="treeitem"
      aria-label={node.name}
      aria-level={level}
      aria-posinset={row.place}
      aria-setsize={row.of}
      aria-selected={chosen}
      aria-expanded={open ?? undefined}
      tabIndex={tab ? 0 : -1}
      data-key={node.key}
      data-id={node.id}
      title={node.name}
      className={`row ${node.kind}`}
      style={{ top, paddingLeft: (level - 1) * 14 + 4 }}
      onFocus={onPoint}
      onMouseEnter={onPoint}
    >
      {/* Signs and the count are in the style sheet: they are no part of the name. */}
      <span className="twist" />
      <span className="name" data-count={node.count || undefined}>
        <span>{node.name}</span>
      </span>
    </div>
  );
}

export function Outline() {
  const found = useStory((state) => state.found);
  const view = useStory((state) => state.view);
  if (found !== null) return <Tree key={view} found={found} />;
  return (
    <div className="outline">
      <p className="none">Reading…</p>
      <div role="tree" aria-label={LABELS[view]} aria-busy="true" data-testid="outline" className="tree" />
    </div>
  );
}
