// One question with a short answer, for gestures that need a word: a new name, a verb. `ask(...)` resolves with the
// answer, or null where the writer thought better of it.

import { type FormEvent, useId, useState } from "react";
import { create } from "zustand";
import { Dialog } from "./Dialog";

interface Question {
  title: string;
  label: string;
  initial?: string;
  /** Words that may be chosen from. */
  offers?: readonly string[];
  /** What the button says. */
  action?: string;
}

const useQuestion = create<{ question: Question | null; answer: (text: string | null) => void }>()(() => ({
  question: null,
  answer: () => {},
}));

export function ask(question: Question): Promise<string | null> {
  return new Promise((resolve) => {
    useQuestion.setState({
      question,
      answer: (text) => {
        useQuestion.setState({ question: null });
        resolve(text);
      },
    });
  });
}

function Form({ question, answer }: { question: Question; answer: (text: string | null) => void }) {
  const [text, setText] = useState(question.initial ?? "");
  const list = useId();
  const field = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() !== "") answer(text.trim());
  };
  return (
    <Dialog title={question.title} onClose={() => answer(null)}>
      <form onSubmit={submit}>
        <label htmlFor={field}>{question.label}</label>
        <input
          id={field}
          value={text}
          list={question.offers ? list : undefined}
          onChange={(event) => setText(event.target.value)}
          onFocus={(event) => event.target.select()}
        />
        {question.offers && (
          <datalist id={list}>
            {question.offers.map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        )}
        <footer>
          <button type="submit" className="primary" disabled={text.trim() === ""}>
            {question.action ?? "Propose"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function Asking() {
  const { question, answer } = useQuestion();
  return question === null ? null : <Form key={question.title} question={question} answer={answer} />;
}
