// Short messages at the bottom of the page. Errors stay until they are closed.

import { create } from "zustand";

export type Tone = "note" | "error";

interface Toast {
  id: number;
  text: string;
  tone: Tone;
}

const useToasts = create<{ toasts: readonly Toast[] }>()(() => ({ toasts: [] }));
let last = 0;

const close = (id: number) =>
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((each) => each.id !== id) }));

export function toast(text: string, tone: Tone = "note"): void {
  const id = ++last;
  useToasts.setState(({ toasts }) => ({
    toasts: [...toasts.filter((each) => each.text !== text), { id, text, tone }],
  }));
  if (tone === "note") window.setTimeout(() => close(id), 6000);
}

export function Toasts() {
  const toasts = useToasts((state) => state.toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((each) => (
        <div key={each.id} className={`toast ${each.tone}`}>
          <span>{each.text}</span>
          <button type="button" className="icon" aria-label="Close" onClick={() => close(each.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
