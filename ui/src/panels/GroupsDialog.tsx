// Which group each character belongs to, for the audit of the cast: the groups are the writer's own.

import { useState } from "react";
import { Dialog } from "../parts/Dialog";
import { useStory } from "../story/store";
import "./dialogs.css";

export default function GroupsDialog({ onClose }: { onClose: () => void }) {
  const found = useStory((state) => state.found);
  const kept = useStory((state) => state.settings?.groups);
  const saveSettings = useStory((state) => state.saveSettings);
  const [groups, setGroups] = useState<Record<string, string>>(kept ?? {});
  const people = [...(found?.characters ?? [])].sort((a, b) => b.mentions.length - a.mentions.length);
  const names = [...new Set(Object.values(groups).filter((each) => each.trim() !== ""))].sort();
  const fill = (gender: "f" | "m", group: string) => {
    const next = { ...groups };
    for (const each of people)
      if (each.gender === gender && (next[each.id] ?? "") === "") next[each.id] = group;
    setGroups(next);
  };
  const keep = async () => {
    const said = Object.entries(groups)
      .map(([id, group]) => [id, group.trim()] as const)
      .filter(([, group]) => group !== "");
    await saveSettings({ groups: Object.fromEntries(said) });
    onClose();
  };
  return (
    <Dialog title="Groups of the cast" onClose={onClose}>
      <form
        className="groups"
        onSubmit={(event) => {
          event.preventDefault();
          keep();
        }}
      >
        <p className="muted">
          Name groups as you like: women and men, the village and the city, the living and the dead. Who has
          none is left out.
        </p>
        <div className="row">
          <button type="button" className="small" onClick={() => fill("f", "women")}>
            Fill in women
          </button>
          <button type="button" className="small" onClick={() => fill("m", "men")}>
            Fill in men
          </button>
        </div>
        <datalist id="groups-known">
          {names.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
        <ul className="group-list scroll">
          {people.map((each) => (
            <li key={each.id}>
              <label htmlFor={`group-${each.id}`}>
                {each.name} <span className="muted numbers">{each.mentions.length}</span>
              </label>
              <input
                id={`group-${each.id}`}
                list="groups-known"
                value={groups[each.id] ?? ""}
                placeholder="no group"
                onChange={(event) => setGroups({ ...groups, [each.id]: event.target.value })}
              />
            </li>
          ))}
        </ul>
        {people.length === 0 && <p className="nothing">No character was found yet.</p>}
        <footer>
          <button type="submit" className="primary">
            Keep
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
