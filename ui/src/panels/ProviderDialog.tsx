// Who writes edits: the built-in editor, or a model that the writer connects; and what that may cost.

import { type FormEvent, useCallback, useEffect, useId, useRef, useState } from "react";
import { ApiError, del, get, post, put } from "../api/client";
import type { ProviderRow, StorySettings } from "../api/types";
import { Dialog } from "../parts/Dialog";
import { toast } from "../parts/toasts";
import { useStory } from "../story/store";
import { openDialog } from "./open";
import { providerName } from "./wording";
import "./dialogs.css";

type Kind = "openai" | "runs" | "replay";

interface Draft {
  /** The name it has already; "" for a new one. */
  known: string;
  name: string;
  kind: Kind;
  base_url: string;
  model: string;
  key: string;
  timeout_s: string;
  read: string;
  written: string;
}

const NEW: Draft = {
  known: "",
  name: "",
  kind: "openai",
  base_url: "http://127.0.0.1:11434/v1",
  model: "",
  key: "",
  timeout_s: "120",
  read: "",
  written: "",
};

interface Fault {
  field: string;
  message: string;
}

const path = (name: string, rest = "") => `/api/providers/${encodeURIComponent(name)}${rest}`;

/** The server's field of a mistake, and its sentence without it. */
function faultOf(problem: ApiError): Fault {
  const field = problem.body.field ?? "";
  return { field, message: problem.message.replace(new RegExp(`^${field}:\\s*`), "") };
}

/** Messages of the server begin in small letters where they follow a field's name. */
const sentence = (text: string) => {
  const said = text.replace(/\bbase_url\b/g, "the address").replace(/\btimeout_s\b/g, "the time limit");
  return said.charAt(0).toUpperCase() + said.slice(1);
};

function Field(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  fault?: Fault | null;
  field: string;
  type?: string;
  help?: string;
  disabled?: boolean;
  placeholder?: string;
}) {
  const { fault, field } = props;
  const wrong = fault?.field === field || fault?.field.startsWith(`${field}[`) === true;
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      <input
        id={id}
        type={props.type ?? "text"}
        autoComplete="off"
        value={props.value}
        disabled={props.disabled}
        placeholder={props.placeholder}
        aria-invalid={wrong || undefined}
        aria-describedby={wrong || props.help !== undefined ? `${id}-help` : undefined}
        onChange={(event) => props.onChange(event.target.value)}
      />
      {(wrong || props.help !== undefined) && (
        <span id={`${id}-help`} className={wrong ? "bad" : "muted"}>
          {wrong ? sentence(fault?.message ?? "") : props.help}
        </span>
      )}
    </div>
  );
}

function Form(props: { initial: Draft; replay: boolean; onDone: () => void; onCancel: () => void }) {
  const [draft, setDraft] = useState(props.initial);
  const [fault, setFault] = useState<Fault | null>(null);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>("input:enabled")?.focus();
    form.current?.scrollIntoView({ block: "nearest" });
  }, []);
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const { kind, known } = draft;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const prices = draft.read.trim() !== "" || draft.written.trim() !== "";
    try {
      await put(path(draft.name.trim() || " "), {
        kind,
        base_url: draft.base_url.trim(),
        ...(kind === "openai"
          ? {
              model: draft.model.trim(),
              timeout_s: Number(draft.timeout_s),
              ...(draft.key === "" ? {} : { key: draft.key }),
              ...(prices ? { prices: [Number(draft.read), Number(draft.written)] } : {}),
            }
          : {}),
      });
      props.onDone();
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      setFault(faultOf(problem));
    }
  };
  const elsewhere =
    fault !== null &&
    !["name", "base_url", "model", "key", "timeout_s", "prices"].includes(fault.field.split("[")[0] ?? "");
  return (
    <form
      ref={form}
      className="provider-form card"
      onSubmit={submit}
      aria-label={known === "" ? "New provider" : known}
    >
      <div className="two">
        <Field
          label="Name"
          field="name"
          value={draft.name}
          disabled={known !== ""}
          fault={fault}
          onChange={(name) => change({ name })}
          placeholder="ollama"
        />
        <label className="field">
          Kind
          <select
            value={kind}
            onChange={(event) => change({ kind: event.target.value as Kind, base_url: "" })}
            disabled={known !== ""}
          >
            <option value="openai">A server (OpenAI-compatible)</option>
            <option value="runs">A checkpoint trained here</option>
            {(props.replay || kind === "replay") && <option value="replay">Recorded answers</option>}
          </select>
        </label>
      </div>
      {kind === "openai" ? (
        <>
          <Field
            label="Address"
            field="base_url"
            value={draft.base_url}
            fault={fault}
            help="Ollama, llama.cpp, vLLM, LM Studio, OpenRouter, OpenAI: what comes before /chat/completions."
            onChange={(base_url) => change({ base_url })}
          />
          <div className="two">
            <Field
              label="Model"
              field="model"
              value={draft.model}
              fault={fault}
              onChange={(model) => change({ model })}
            />
            <Field
              label="Time limit, seconds"
              field="timeout_s"
              value={draft.timeout_s}
              fault={fault}
              onChange={(timeout_s) => change({ timeout_s })}
            />
          </div>
          <Field
            label="Key"
            field="key"
            type="password"
            value={draft.key}
            fault={fault}
            help={
              known === ""
                ? "Where one is needed. It is kept in your keyring, or in a file that only you can read."
                : "Leave it empty to keep the one there is. Another address needs the key again."
            }
            onChange={(key) => change({ key })}
          />
          <div className="two">
            <Field
              label="Price of a million tokens sent"
              field="prices"
              value={draft.read}
              fault={fault}
              onChange={(read) => change({ read })}
            />
            <Field
              label="… and written"
              field="written"
              value={draft.written}
              onChange={(text) => change({ written: text })}
            />
          </div>
        </>
      ) : (
        <Field
          label={kind === "runs" ? "Folder of the run" : "File of recorded answers"}
          field="base_url"
          value={draft.base_url}
          fault={fault}
          help={kind === "runs" ? "Small, trained here: it writes in your words, and not well." : undefined}
          onChange={(base_url) => change({ base_url })}
        />
      )}
      {elsewhere && <p className="bad">{sentence(fault?.message ?? "")}</p>}
      <footer>
        <button type="button" onClick={props.onCancel}>
          Cancel
        </button>
        <button type="submit" className="primary">
          Keep
        </button>
      </footer>
    </form>
  );
}

function Budget({ settings }: { settings: StorySettings }) {
  const saveSettings = useStory((state) => state.saveSettings);
  const { budget } = settings;
  const [tokens, setTokens] = useState(budget.max_tokens?.toString() ?? "");
  const [cost, setCost] = useState(budget.max_cost?.toString() ?? "");
  const amount = (text: string) => (text.trim() === "" ? null : Number(text));
  const wrong = [tokens, cost].some((text) => Number.isNaN(amount(text) ?? 0) || (amount(text) ?? 0) < 0);
  const changed = amount(tokens) !== budget.max_tokens || amount(cost) !== budget.max_cost;
  return (
    <fieldset className="budget">
      <legend>What this story may cost</legend>
      <div className="two">
        <label className="field">
          At most, tokens
          <input
            inputMode="numeric"
            value={tokens}
            placeholder="no cap"
            onChange={(event) => setTokens(event.target.value)}
          />
        </label>
        <label className="field">
          At most, money
          <input
            inputMode="decimal"
            value={cost}
            placeholder="no cap"
            onChange={(event) => setCost(event.target.value)}
          />
        </label>
      </div>
      <div className="spread">
        <span className="muted numbers">
          Spent so far: {new Intl.NumberFormat().format(budget.spent_tokens)} tokens
          {budget.spent_cost > 0 && `, ${budget.spent_cost.toFixed(4)}`}
        </span>
        <button
          type="button"
          className="small"
          disabled={wrong || !changed}
          onClick={() =>
            saveSettings({
              budget: { ...budget, max_tokens: amount(tokens), max_cost: amount(cost) },
            })
          }
        >
          Keep the cap
        </button>
      </div>
      {wrong && <p className="bad">A number of nought or more is expected, or nothing for no cap.</p>}
    </fieldset>
  );
}

export default function ProviderDialog({ onClose }: { onClose: () => void }) {
  const chosen = useStory((state) => state.provider);
  const settings = useStory((state) => state.settings);
  const set = useStory((state) => state.set);
  const loadSettings = useStory((state) => state.loadSettings);
  const [rows, setRows] = useState<readonly ProviderRow[] | null>(null);
  const [draft, setDraft] = useState<Draft | null>(null);
  const [tried, setTried] = useState<Record<string, string>>({});
  const load = useCallback(
    () =>
      get<{ providers: ProviderRow[] }>("/api/providers").then(
        ({ providers }) => setRows(providers),
        (problem: Error) => toast(problem.message, "error"),
      ),
    [],
  );
  useEffect(() => {
    load();
    loadSettings().catch(() => {});
  }, [load, loadSettings]);
  const test = async (name: string) => {
    setTried({ ...tried, [name]: "Trying…" });
    let said: string;
    try {
      const { seconds } = await post<{ seconds: number }>(path(name, "/test"));
      said = `It answers, in ${seconds.toFixed(1)} s.`;
    } catch (problem) {
      said = (problem as Error).message;
    }
    setTried((now) => ({ ...now, [name]: said }));
  };
  const remove = async (name: string) => {
    try {
      await del(path(name));
      if (chosen === name) set({ provider: "builtin" });
      await load();
    } catch (problem) {
      toast((problem as Error).message, "error");
    }
  };
  const others = rows?.some((row) => row.kind !== "builtin") === true;
  return (
    <Dialog title="Who writes edits" wide onClose={onClose}>
      <div className="providers">
        <p className="muted">
          Built in, nothing leaves your disk. A provider is sent the smallest passage that an edit needs, a
          sentence, a paragraph or a scene, with a little of what stands around it and the names in it, to the
          address below and nowhere else. What it answers is a proposal.
        </p>
        {rows === null && <p className="nothing">One moment…</p>}
        <ul className="provider-list">
          {rows?.map((row) => (
            <li key={row.name}>
              <label className="check">
                <input
                  type="radio"
                  name="provider"
                  checked={chosen === row.name}
                  onChange={() => set({ provider: row.name })}
                />
                <span>
                  {providerName(row)}
                  <span className="muted">
                    {row.kind === "builtin"
                      ? "By rule; renames, moves, removes, connects"
                      : `${row.base_url}${row.kind === "openai" ? (row.has_key ? ", with a key" : ", no key") : ""}`}
                  </span>
                  {tried[row.name] !== undefined && (
                    <span className="tried" role="status">
                      {tried[row.name]}
                    </span>
                  )}
                </span>
              </label>
              {row.kind !== "builtin" && (
                <span className="row">
                  <button
                    type="button"
                    className="small"
                    aria-label={`Try ${row.name}`}
                    onClick={() => test(row.name)}
                  >
                    Try
                  </button>
                  <button
                    type="button"
                    className="small"
                    aria-label={`Change ${row.name}`}
                    onClick={() =>
                      setDraft({
                        ...NEW,
                        ...row,
                        kind: row.kind as Kind,
                        known: row.name,
                        timeout_s: String(row.timeout_s),
                      })
                    }
                  >
                    Change
                  </button>
                  <button
                    type="button"
                    className="small quiet"
                    aria-label={`Remove ${row.name}`}
                    onClick={() => remove(row.name)}
                  >
                    Remove
                  </button>
                </span>
              )}
            </li>
          ))}
        </ul>
        {draft === null ? (
          <div className="row">
            <button type="button" onClick={() => setDraft(NEW)}>
              Add a provider…
            </button>
            {others && (
              <button type="button" className="quiet" onClick={() => openDialog("reading")}>
                Read the story with a provider…
              </button>
            )}
          </div>
        ) : (
          <Form
            key={draft.known}
            initial={draft}
            replay={rows?.some((row) => row.kind === "replay") === true}
            onCancel={() => setDraft(null)}
            onDone={() => {
              setDraft(null);
              load();
            }}
          />
        )}
        {settings !== null && <Budget key={settings.budget.spent_tokens} settings={settings} />}
      </div>
    </Dialog>
  );
}
