// What a picture puts into the bar above it.

import { type ReactNode, useEffect, useState } from "react";
import { createPortal } from "react-dom";

export function Tools({ children }: { children: ReactNode }) {
  const [bar, setBar] = useState<HTMLElement | null>(null);
  useEffect(() => setBar(document.getElementById("picture-tools")), []);
  return bar === null ? null : createPortal(children, bar);
}
