// A modal dialog, on the browser's own <dialog>: focus is kept inside and goes back where it was, Escape closes.

import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import "./dialog.css";

export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  testId?: string;
  wide?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const gone = useRef(false);
  const title = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    gone.current = false;
    if (element !== null && !element.open) element.showModal();
    // What is asked for has the focus, and not the button that closes.
    const first = element?.querySelector<HTMLElement>(
      ".dialog-body :is(input:checked, input:not([type=radio]), select, textarea, [tabindex='0'])",
    );
    (first ?? element?.querySelector<HTMLElement>(".dialog-body :is(button, a[href])"))?.focus();
    return () => {
      // Closed before it is taken out of the page: only so the browser gives the focus back.
      gone.current = true;
      element?.close();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className={props.wide ? "dialog wide" : "dialog"}
      aria-labelledby={title}
      data-testid={props.testId}
      onClose={() => {
        if (!gone.current && dialog.current?.open === false) props.onClose();
      }}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <div className="dialog-head">
        <h2 id={title}>{props.title}</h2>
        <button type="button" className="icon" aria-label="Close" onClick={() => dialog.current?.close()}>
          ×
        </button>
      </div>
      <section className="dialog-body">{props.children}</section>
    </dialog>
  );
}
