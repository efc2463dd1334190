// Begin a story and go to it; what goes wrong is told in a toast.

import { useState } from "react";
import { useLocation } from "wouter";
import type { Id } from "../api/types";
import { toast } from "../parts/toasts";
import { pathOfStory } from "./stories";

export function useBegin(): { busy: boolean; begin: (work: () => Promise<{ id: Id }>) => void } {
  const [, go] = useLocation();
  const [busy, setBusy] = useState(false);
  const begin = (work: () => Promise<{ id: Id }>) => {
    setBusy(true);
    work().then(
      ({ id }) => go(pathOfStory(id)),
      (fault: Error) => {
        setBusy(false);
        toast(fault.message, "error");
      },
    );
  };
  return { busy, begin };
}
