// The ways to begin a story: a blank page, a pasted text, a file, a sample.

import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { get } from "../api/client";
import type { Id, Sample } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { plural } from "../runs/format";
import { FILES, fromFile, fromSample, fromText, language, titleOf } from "./stories";

type Begin = (work: () => Promise<{ id: Id }>) => void;

export function NewStory(props: { begin: Begin; busy: boolean; samples: boolean; blank: string }) {
  const { begin, busy } = props;
  const file = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState<"paste" | "samples" | null>(null);
  return (
    <div className="new-story">
      <button type="button" className="primary" disabled={busy} onClick={() => begin(() => fromText("", ""))}>
        {props.blank}
      </button>
      <button type="button" disabled={busy} onClick={() => setOpen("paste")}>
        Paste a text…
      </button>
      <button type="button" disabled={busy} onClick={() => file.current?.click()}>
        Open a file…
      </button>
      <input
        ref={file}
        type="file"
        hidden
        accept={FILES.join(",")}
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          event.target.value = "";
          if (chosen !== undefined) begin(() => fromFile(chosen));
        }}
      />
      {props.samples && (
        <button type="button" disabled={busy} onClick={() => setOpen("samples")}>
          Samples…
        </button>
      )}
      {open === "paste" && <Paste begin={begin} busy={busy} onClose={() => setOpen(null)} />}
      {open === "samples" && (
        <Dialog title="Sample stories" wide onClose={() => setOpen(null)}>
          <Samples begin={begin} busy={busy} />
        </Dialog>
      )}
    </div>
  );
}

function Paste({ begin, busy, onClose }: { begin: Begin; busy: boolean; onClose: () => void }) {
  const [title, setTitle] = useState("");
  const [text, setText] = useState("");
  const names = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() !== "") begin(() => fromText(title.trim() || titleOf(text), text));
  };
  return (
    <Dialog title="Paste a text" wide onClose={onClose}>
      <form onSubmit={submit}>
        <label htmlFor={`${names}title`}>Title</label>
        <input
          id={`${names}title`}
          value={title}
          placeholder={titleOf(text) || "Taken from the first line where it is left empty"}
          onChange={(event) => setTitle(event.target.value)}
        />
        <label htmlFor={`${names}text`}>Text</label>
        <textarea
          id={`${names}text`}
          rows={12}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <footer>
          <button type="submit" className="primary" disabled={busy || text.trim() === ""}>
            Begin
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function Samples({ begin, busy }: { begin: Begin; busy: boolean }) {
  const [samples, setSamples] = useState<readonly Sample[] | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    get<{ samples: Sample[] }>("/api/samples").then(
      (answer) => setSamples(answer.samples),
      (reason: Error) => setFault(reason.message),
    );
  }, []);
  if (fault !== null)
    return (
      <p className="bad" role="alert">
        {fault}
      </p>
    );
  return (
    <ul className="samples-cards">
      {(samples ?? []).map((sample) => (
        <li key={sample.name}>
          <button
            type="button"
            className="sample"
            disabled={busy}
            lang={sample.language}
            onClick={() => begin(() => fromSample(sample.name))}
          >
            <strong>{sample.title}</strong>
            <span lang="en">{sample.about}</span>
            <span lang="en" className="muted numbers">
              {language(sample.language)}, {plural(sample.words, "word")}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
