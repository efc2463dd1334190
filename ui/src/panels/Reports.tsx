// The questions that writers plan with, each answered by a table with the passages it rests on.

import { Fragment, useEffect, useState } from "react";
import { ApiError, get, ofStory } from "../api/client";
import type { Id, StoryReport } from "../api/types";
import { useStory } from "../story/store";
import { Evidence } from "./Evidence";
import { openDialog } from "./open";
import { cell, isNumber } from "./reportCells";

interface Question {
  name: string;
  title: string;
  meaning: string;
}

/** What each report answers, as one would ask it. */
const ASKED: Record<string, string> = {
  passive_characters: "Who is passive?",
  mergeable_characters: "Which two could be one?",
  removable_places: "Which place is never needed?",
  lulls: "Where does nothing happen?",
  order_of_telling: "What is told out of its order?",
  broken_travel: "Who is elsewhere without having gone there?",
  viewpoint: "Who sees each scene?",
  only_protagonist_knows: "What does only the protagonist know?",
  cast_audit: "Who has how much of the story?",
};

function Table({ report, revision }: { report: StoryReport; revision: number }) {
  const [first, ...columns] = report.columns;
  return (
    <table className="answers">
      <caption>{report.title}</caption>
      <tbody>
        {report.rows.map((row, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the rows of a report have no other name, and never move.
          <Fragment key={index}>
            <tr>
              <th scope="row" colSpan={2}>
                {first !== undefined && (isNumber(row.values[first]) ? `${first} ` : "")}
                {first !== undefined && cell(row.values[first], first)}
              </th>
            </tr>
            {columns.map((column) => (
              <tr key={column}>
                <td className="muted">{column}</td>
                <td className="numbers">{cell(row.values[column], column)}</td>
              </tr>
            ))}
            {row.spans.length > 0 && (
              <tr>
                <td colSpan={2}>
                  {row.spans.map((span) => (
                    <Evidence key={span.start} span={span} revision={revision} quote={span.quote} />
                  ))}
                </td>
              </tr>
            )}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}

export function Reports() {
  const id = useStory((state) => state.id);
  const found = useStory((state) => state.found);
  const groups = useStory((state) => state.settings?.groups);
  const [questions, setQuestions] = useState<readonly Question[] | null>(null);
  const [name, setName] = useState<string | null>(null);
  const [protagonist, setProtagonist] = useState<Id | null>(null);
  const [report, setReport] = useState<StoryReport | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [made, setMade] = useState(0);
  useEffect(() => {
    get<{ reports: Question[] }>("/api/reports").then(
      ({ reports }) => setQuestions(reports),
      (problem: Error) => setFault(problem.message),
    );
  }, []);
  // What is asked is answered again whenever the story was read again.
  const revision = found?.revision ?? 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the groups are read by the server, and change its answer.
  useEffect(() => {
    if (name === null) return;
    let wanted = true;
    const query = protagonist === null ? "" : `?protagonist=${encodeURIComponent(protagonist)}`;
    get<StoryReport>(ofStory(id, `/reports/${name}${name === "only_protagonist_knows" ? query : ""}`)).then(
      (answer) => {
        if (!wanted) return;
        setReport(answer);
        setFault(null);
        setMade(revision);
      },
      (problem: Error) => {
        if (!wanted) return;
        setReport(null);
        setFault(problem instanceof ApiError && problem.body.field === "groups" ? "" : problem.message);
      },
    );
    return () => {
      wanted = false;
    };
  }, [id, name, protagonist, groups, revision]);
  const question = questions?.find((each) => each.name === name);
  const people = found?.characters ?? [];
  return (
    <section id="panel-reports" className="panel" aria-label="Reports" data-testid="reports" tabIndex={-1}>
      {name === null || question === undefined ? (
        <>
          {questions === null && fault === null && <p className="nothing">One moment…</p>}
          <ul className="questions">
            {questions?.map((each) => (
              <li key={each.name}>
                <button
                  type="button"
                  onClick={() => {
                    setReport(null);
                    setFault(null);
                    setName(each.name);
                  }}
                >
                  {ASKED[each.name] ?? each.title}
                </button>
              </li>
            ))}
          </ul>
        </>
      ) : (
        <>
          <button type="button" className="quiet back" onClick={() => setName(null)}>
            ‹ All questions
          </button>
          <h2>{ASKED[name] ?? question.title}</h2>
          {name === "only_protagonist_knows" && (
            <label className="field">
              Protagonist
              <select
                value={protagonist ?? ""}
                onChange={(event) => setProtagonist(event.target.value === "" ? null : event.target.value)}
              >
                <option value="">Who acts most</option>
                {people.map((each) => (
                  <option key={each.id} value={each.id}>
                    {each.name}
                  </option>
                ))}
              </select>
            </label>
          )}
          {name === "cast_audit" && (
            <button type="button" onClick={() => openDialog("groups")}>
              Groups of the cast…
            </button>
          )}
          {report === null && fault === null && <p className="nothing">One moment…</p>}
          {fault === "" && (
            <p className="nothing">
              Nobody is in a group yet. Say which groups you want to compare, and who is in them.
            </p>
          )}
          {report !== null && (
            <>
              <p className="muted">{report.meaning}</p>
              {report.rows.length === 0 ? (
                <p className="nothing">{report.nothing}</p>
              ) : (
                <Table report={report} revision={made} />
              )}
            </>
          )}
        </>
      )}
      {fault !== null && fault !== "" && <p className="reason bad">{fault}</p>}
    </section>
  );
}
