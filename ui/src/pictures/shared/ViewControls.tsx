// The buttons in the corner of the graph and the map: nearer, farther, all of it, arranged anew.

import { ControlButton, Controls } from "@xyflow/react";
import { forget } from "./kept";

export function ViewControls({ picture, onFit }: { picture: "characters" | "places"; onFit: () => void }) {
  return (
    <Controls orientation="horizontal" showInteractive={false} onFitView={onFit} position="bottom-right">
      <ControlButton
        title="Arrange anew"
        aria-label="Arrange anew"
        onClick={() => {
          forget(picture);
          onFit();
        }}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M3 3h4v4H3zM9 3h4v4H9zM6 10h4v4H6z" />
        </svg>
      </ControlButton>
    </Controls>
  );
}
