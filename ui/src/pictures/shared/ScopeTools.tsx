// The choice of what a picture draws: which scenes, and how many of the cast or of the places.

import { useStory } from "../../story/store";
import { howMany, type PictureScope, steps, usePictureScope } from "./scope";
import { sceneTitle } from "./tell";
import "./scope.css";

function SceneList() {
  const found = useStory((state) => state.found);
  const chosen = usePictureScope((scope) => scope.scenes);
  if (found === null) return null;
  return (
    <details
      className="scene-list"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false;
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") event.currentTarget.open = false;
      }}
    >
      <summary>
        {chosen.length === 0 ? "None chosen" : `${chosen.length} scene${chosen.length > 1 ? "s" : ""}`}
      </summary>
      <fieldset className="card scroll" tabIndex={-1}>
        <legend className="hidden">Scenes in the picture</legend>
        {found.scenes.map((scene, number) => (
          <label key={scene.id}>
            <input
              type="checkbox"
              checked={chosen.includes(number)}
              onChange={(event) =>
                usePictureScope.setState({
                  scenes: event.target.checked
                    ? [...chosen, number]
                    : chosen.filter((each) => each !== number),
                })
              }
            />
            <span>{sceneTitle(found, number)}</span>
          </label>
        ))}
      </fieldset>
    </details>
  );
}

export function ScopeTools({ of, all }: { of: "characters" | "places"; all: number }) {
  const kind = usePictureScope((scope) => scope.kind);
  const key = of === "characters" ? "most" : "mostPlaces";
  const most = usePictureScope((scope) => scope[key]);
  const scenes = useStory((state) => state.found?.scenes.length ?? 0);
  const offered = steps(all);
  const now = Math.min(all, howMany(most, all));
  const step = offered.findLastIndex((each) => each <= now);
  return (
    <>
      {scenes > 1 && (
        <select
          aria-label="Part of the story in the picture"
          value={kind}
          onChange={(event) => usePictureScope.setState({ kind: event.target.value as PictureScope["kind"] })}
        >
          <option value="story">Whole story</option>
          <option value="scene">This scene</option>
          <option value="scenes">Chosen scenes</option>
        </select>
      )}
      {kind === "scenes" && <SceneList />}
      {all > 2 && (
        <label className="most" title={`Draw the ${of} that are most spoken of`}>
          <span className="most-name">Most mentioned</span>
          <input
            type="range"
            min={0}
            max={offered.length - 1}
            value={step}
            aria-label={`Most mentioned ${of}`}
            aria-valuetext={`${now} of ${all}`}
            onChange={(event) =>
              usePictureScope.setState({ [key]: offered[Number(event.target.value)] ?? null })
            }
          />
          <output className="numbers">{now === all ? `all ${all}` : `${now} of ${all}`}</output>
        </label>
      )}
    </>
  );
}
