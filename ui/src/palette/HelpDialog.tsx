// The keys of the page, and what can be said in the palette.

import { Dialog } from "../parts/Dialog";
import { PHRASES } from "./phrases";
import "../panels/dialogs.css";

const KEYS: readonly [string, string][] = [
  ["Ctrl+K", "Say what you want: the commands"],
  ["?", "This list, outside the text"],
  ["Ctrl+Z", "Undo"],
  ["Ctrl+Shift+Z", "Redo"],
  ["Tab, arrows", "Between the parts of the page, and inside a picture, the outline or a list"],
  ["J, K or ↓, ↑", "The next change of a suggestion, the one before"],
  ["A, R, E", "Take it, leave it, change it first"],
  ["Ctrl+Enter", "Take what you have changed"],
  ["Esc", "Close what is open"],
];

export default function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys and phrases" wide onClose={onClose}>
      <div className="help">
        <section>
          <h3>Keys</h3>
          <dl>
            {KEYS.map(([keys, what]) => (
              <div key={keys}>
                <dt>
                  <kbd>{keys}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
          <p className="muted">On a Mac, Cmd stands for Ctrl.</p>
        </section>
        <section>
          <h3>Phrases</h3>
          <ul>
            {PHRASES.map((phrase) => (
              <li key={phrase.fill}>
                {phrase.title.replace("…", "")}
                <span className="muted">{phrase.detail}</span>
              </li>
            ))}
          </ul>
          <p className="muted">
            Events are meant by their verb, by who is in them, by words of their sentence, by number (event
            12), or as “this”. “in scene 2” or “in the selection” at the end narrows an edit.
          </p>
        </section>
      </div>
    </Dialog>
  );
}
