// What the pictures that are drawn by xyflow have in common: its settings, and fitting the picture into its pane.

import { useReactFlow, useStore } from "@xyflow/react";
import { useCallback, useEffect, useRef } from "react";
import "@xyflow/react/dist/base.css";
import "./flow.css";

/** Below stand the controls. */
const FIT = {
  padding: { top: "14px", left: "14px", right: "14px", bottom: "44px" },
  maxZoom: 1.15,
  minZoom: 0.15,
} as const;

/** Choosing, keys and names are the page's own, not the library's. */
export const FLOW = {
  minZoom: 0.1,
  maxZoom: 2.5,
  zoomOnDoubleClick: false,
  elementsSelectable: false,
  disableKeyboardA11y: true,
  deleteKeyCode: null,
  selectionKeyCode: null,
  multiSelectionKeyCode: null,
  nodeDragThreshold: 4,
  fitView: true,
  fitViewOptions: FIT,
} as const;

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Keep the picture fitted into its pane when other things are drawn (`of` says which) or the pane's size changes, until
 * the writer moves it by hand.
 */
export function useFitting(of: string) {
  const flow = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const byHand = useRef(false);
  const fit = useCallback(() => {
    void flow.fitView({ ...FIT, duration: still() ? 0 : 200 });
  }, [flow]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: these are what a picture is fitted to.
  useEffect(() => {
    if (byHand.current || width === 0) return;
    const frame = requestAnimationFrame(fit);
    return () => cancelAnimationFrame(frame);
  }, [of, width, height, fit]);
  return {
    /** The view was moved; by whom says the event, which the page's own moves have not. */
    moved: (event: unknown) => {
      if (event !== null) byHand.current = true;
    },
    /** Fit again, and go on doing so. */
    again: () => {
      byHand.current = false;
      requestAnimationFrame(fit);
    },
    /** Bring an element into view that has the focus. */
    show: (element: Element) => {
      const pane = element.closest(".react-flow")?.getBoundingClientRect();
      const box = element.getBoundingClientRect();
      if (pane === undefined) return;
      const x = box.left + box.width / 2;
      const y = box.top + box.height / 2;
      if (x > pane.left && x < pane.right && y > pane.top && y < pane.bottom) return;
      const { zoom } = flow.getViewport();
      const at = flow.screenToFlowPosition({ x, y });
      void flow.setCenter(at.x, at.y, { zoom });
    },
  };
}
