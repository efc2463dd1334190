// What else can be done with a story: export and providers at hand, the rest in a menu; and the dialogs these open.

import { type KeyboardEvent, lazy, Suspense, useEffect, useId, useRef, useState } from "react";
import { ask } from "../parts/ask";
import { useStory } from "../story/store";
import { ApprovalDialog } from "./ApprovalDialog";
import { saveToFile } from "./files";
import { goToPanel, openDialog, openPalette, useOpen } from "./open";

const ExportDialog = lazy(() => import("./ExportDialog"));
const ProviderDialog = lazy(() => import("./ProviderDialog"));
const ReadingDialog = lazy(() => import("./ReadingDialog"));
const GroupsDialog = lazy(() => import("./GroupsDialog"));
const HelpDialog = lazy(() => import("../palette/HelpDialog"));

interface Entry {
  title: string;
  keys?: string;
  run: () => void;
}

function useEntries(): Entry[] {
  const source = useStory((state) => state.meta?.source ?? null);
  const readOnly = useStory((state) => state.readOnly);
  return [
    { title: "Commands…", keys: "Ctrl+K", run: () => openPalette() },
    { title: "Name this state…", run: nameState },
    ...(source === null ? [] : [{ title: `Save to ${source}`, run: () => void saveToFile() }]),
    {
      title: readOnly ? "Write again" : "Read only",
      run: () => useStory.getState().set({ readOnly: !readOnly }),
    },
    { title: "What you have said (facts)", run: () => goToPanel("facts") },
    { title: "Read with a provider…", run: () => openDialog("reading") },
    { title: "Groups of the cast…", run: () => openDialog("groups") },
    { title: "Keys and phrases", keys: "?", run: () => openDialog("help") },
  ];
}

async function nameState(): Promise<void> {
  const label = await ask({ title: "Name this state", label: "Name", action: "Keep" });
  if (label !== null) await useStory.getState().snapshot(label);
}

function More() {
  const entries = useEntries();
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
    const outside = (event: PointerEvent) => {
      if (event.target instanceof Node && box.current?.contains(event.target) !== true) setOpen(false);
    };
    window.addEventListener("pointerdown", outside);
    return () => window.removeEventListener("pointerdown", outside);
  }, [open]);
  const key = (event: KeyboardEvent) => {
    const items = [...(box.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const index = items.indexOf(document.activeElement as HTMLElement);
    const go = (to: number) => items[(to + items.length) % items.length]?.focus();
    switch (event.key) {
      case "ArrowDown":
        go(index + 1);
        break;
      case "ArrowUp":
        go(index - 1);
        break;
      case "Home":
        go(0);
        break;
      case "End":
        go(-1);
        break;
      case "Escape":
        setOpen(false);
        button.current?.focus();
        break;
      case "Tab":
        setOpen(false);
        return;
      default:
        return;
    }
    event.preventDefault();
  };
  return (
    <div className="menu-box" ref={box}>
      <button
        type="button"
        ref={button}
        className="quiet"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        More
      </button>
      {open && (
        <div role="menu" id={id} aria-label="More" className="menu" tabIndex={-1} onKeyDown={key}>
          {entries.map((entry) => (
            <button
              key={entry.title}
              type="button"
              role="menuitem"
              tabIndex={-1}
              onClick={() => {
                setOpen(false);
                button.current?.focus();
                entry.run();
              }}
            >
              <span>{entry.title}</span>
              {entry.keys !== undefined && <span className="keys">{entry.keys}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function Dialogs() {
  const dialog = useOpen((state) => state.dialog);
  const close = () => openDialog(null);
  return (
    <Suspense fallback={null}>
      {dialog === "export" && <ExportDialog onClose={close} />}
      {dialog === "providers" && <ProviderDialog onClose={close} />}
      {dialog === "reading" && <ReadingDialog onClose={close} />}
      {dialog === "groups" && <GroupsDialog onClose={close} />}
      {dialog === "help" && <HelpDialog onClose={close} />}
    </Suspense>
  );
}

export function StoryMenu() {
  return (
    <>
      <button type="button" className="quiet" data-testid="export" onClick={() => openDialog("export")}>
        Export
      </button>
      <button
        type="button"
        className="quiet"
        data-testid="provider-settings"
        onClick={() => openDialog("providers")}
      >
        Providers
      </button>
      <More />
      <Dialogs />
      <ApprovalDialog />
    </>
  );
}
