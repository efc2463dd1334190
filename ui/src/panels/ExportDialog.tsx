// A story as a file of another kind, through a plain link; and whether the writer's choices are kept for training.

import { useEffect, useState } from "react";
import { ofStory } from "../api/client";
import { Dialog } from "../parts/Dialog";
import { useStory } from "../story/store";
import "./dialogs.css";

const FORMATS: readonly [string, string, string][] = [
  ["md", "Markdown (.md)", "The text as it is, byte for byte where nothing was changed."],
  ["txt", "Plain text (.txt)", "The text as it is, for any program that reads text."],
  ["docx", "Word (.docx)", "Headings, paragraphs, italics and scene breaks, to go on in a word processor."],
  ["shunn", "Manuscript for an editor (.docx)", "In the form that magazines and publishers ask for (Shunn)."],
  ["epub", "E-book (.epub)", "To be read on a reading device."],
  ["fountain", "Screenplay (.fountain)", "For programs that write scripts."],
  ["html", "Web page (.html)", "One page without anything else."],
  [
    "json",
    "What was found (.json)",
    "Characters, places, events, speeches, with their passages, for programs.",
  ],
  ["graphml", "Graph (.graphml)", "Characters and places as nodes, events as edges, for Gephi and the like."],
  ["timeline-csv", "Timeline (.csv)", "One line for each event, in both orders, for a spreadsheet."],
  [
    "preferences",
    "Your choices (.jsonl)",
    "Suggestions that you took and left, to train a model of your own.",
  ],
];

export default function ExportDialog({ onClose }: { onClose: () => void }) {
  const id = useStory((state) => state.id);
  const manuscript = useStory((state) => state.manuscript);
  const kept = useStory((state) => state.settings?.preferences ?? false);
  const saveSettings = useStory((state) => state.saveSettings);
  const [format, setFormat] = useState("docx");
  const [author, setAuthor] = useState(() => localStorage.getItem("gnomon.author") ?? "");
  const [redact, setRedact] = useState(false);
  // What is typed a moment ago belongs in the file, too.
  useEffect(() => {
    manuscript?.flush().catch(() => {});
  }, [manuscript]);
  const named = format === "docx" || format === "shunn" || format === "epub";
  const query = new URLSearchParams({ format });
  if (named && author.trim() !== "") query.set("author", author.trim());
  if (format === "preferences" && redact) query.set("redact", "true");
  return (
    <Dialog title="Export" wide onClose={onClose}>
      <div className="export">
        <fieldset className="formats">
          <legend className="hidden">Kind of file</legend>
          {FORMATS.map(([name, title, help]) => (
            <label key={name} className={name === format ? "chosen" : ""}>
              <input type="radio" name="format" checked={name === format} onChange={() => setFormat(name)} />
              <span>
                <strong>{title}</strong>
                <span className="muted">{help}</span>
              </span>
            </label>
          ))}
        </fieldset>
        {named && (
          <label className="field">
            Author
            <input
              value={author}
              autoComplete="name"
              onChange={(event) => {
                setAuthor(event.target.value);
                localStorage.setItem("gnomon.author", event.target.value);
              }}
            />
          </label>
        )}
        {format === "preferences" && (
          <>
            <label className="check">
              <input
                type="checkbox"
                checked={kept}
                onChange={(event) => saveSettings({ preferences: event.target.checked })}
              />
              <span>
                Keep my choices from now on
                <span className="muted">
                  With each suggestion you decide on: the words of its scene, what was proposed, and what you
                  made of it. It stays in this project's file, on your disk. What is decided while this is off
                  is not kept.
                </span>
              </span>
            </label>
            <label className="check">
              <input type="checkbox" checked={redact} onChange={(event) => setRedact(event.target.checked)} />
              <span>
                Placeholders for names
                <span className="muted">No name of a character or place is in the file.</span>
              </span>
            </label>
          </>
        )}
        <footer>
          <a className="button primary" href={`${ofStory(id, "/export")}?${query}`} download>
            Download
          </a>
        </footer>
      </div>
    </Dialog>
  );
}
