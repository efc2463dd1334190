// The offer to watch a small model learn: starts a run and goes to its page.

import { useCallback } from "react";
import { useLocation } from "wouter";
import { pathOfRun, startQuickstart, useTask } from "./list";

export function Quickstart({ primary = false }: { primary?: boolean }) {
  const [, go] = useLocation();
  const { run, busy, fault } = useTask(
    useCallback(async () => {
      const { id } = await startQuickstart();
      go(pathOfRun(id));
    }, [go]),
  );
  return (
    <div className="quickstart">
      <button type="button" className={primary ? "primary" : ""} disabled={busy} onClick={run}>
        {busy ? "Starting…" : "Watch a small model learn"}
      </button>
      {fault !== null && (
        <p className="bad" role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}

export const QUICKSTART =
  "A small language model learns to multiply, first from examples and then from its own attempts. It takes about a minute and a half on two idle cores, and you see every curve as it grows.";
