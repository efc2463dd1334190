// The list of stories; one that cannot be opened says why.

import { useState } from "react";
import { Link } from "wouter";
import type { StoryRow } from "../api/types";
import { ago, plural, when } from "../runs/format";
import { found, language, pathOfStory } from "./stories";

/** With so many stories there is a field to search them. */
const MANY = 12;

export function Stories({ rows }: { rows: readonly StoryRow[] }) {
  const [search, setSearch] = useState("");
  const shown = found(rows, search);
  return (
    <>
      {rows.length >= MANY && (
        <input
          type="search"
          className="story-search"
          aria-label="Find a story"
          placeholder={`Find among ${plural(rows.length, "story", "stories")}`}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      )}
      {shown.length === 0 && <p className="muted">No story is called so.</p>}
      <ul className="story-list">
        {shown.map((row) => (
          <li key={row.id}>
            {row.error === undefined ? (
              <Link href={pathOfStory(row.id)} className="story-row">
                <strong lang={row.language === "other" ? undefined : (row.language ?? undefined)}>
                  {row.title || "Untitled"}
                </strong>
                <span className="muted numbers">
                  {[row.words !== null && plural(row.words, "word"), language(row.language)]
                    .filter(Boolean)
                    .join(", ")}
                </span>
                <Changed row={row} />
              </Link>
            ) : (
              <div className="story-row">
                <strong>{row.title || row.path}</strong>
                <Changed row={row} />
                <p className="bad">{row.error}</p>
              </div>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

function Changed({ row }: { row: StoryRow }) {
  const seconds = Date.parse(row.modified) / 1000;
  return (
    <time className="muted numbers" dateTime={row.modified} title={when(seconds)}>
      {ago(seconds)}
    </time>
  );
}
