// What the writer has said about the story, which stands over whatever is found in the text.

import { useStory } from "../story/store";
import { Evidence } from "./Evidence";
import { useLexicon } from "./lexicon";
import { openPalette } from "./open";
import { factSentence, overruled } from "./wording";

export function Facts() {
  const facts = useStory((state) => state.facts);
  const removeFact = useStory((state) => state.removeFact);
  const revision = useStory((state) => state.found?.revision ?? 0);
  const lexicon = useLexicon();
  const later = overruled(facts);
  return (
    <section id="panel-facts" className="panel" aria-label="Facts" data-testid="facts" tabIndex={-1}>
      <p className="muted">
        What you say here stands over what is found in the text, for ever. It changes no word of yours.
      </p>
      <ul className="cards">
        {[...facts].reverse().map((fact) => (
          <li key={fact.id} className={fact.lost || later.has(fact.id) ? "away" : ""}>
            <div className="spread">
              <p>{factSentence(fact, lexicon)}</p>
              <button
                type="button"
                className="small quiet"
                aria-label={`Take back: ${factSentence(fact, lexicon)}`}
                onClick={() => removeFact(fact.id)}
              >
                Take back
              </button>
            </div>
            {fact.lost ? (
              <p className="reason bad">
                The words it is about are not in the text any more; it does nothing now.
              </p>
            ) : (
              [fact.subject, fact.value].map(
                (each) =>
                  each !== null &&
                  typeof each !== "string" && (
                    <Evidence key={each.start} span={each} revision={revision} quote={each.quote} />
                  ),
              )
            )}
            {later.has(fact.id) && <p className="reason">Overruled by what you said later.</p>}
          </li>
        ))}
      </ul>
      {facts.length === 0 && (
        <p className="nothing">
          Nothing yet. Say who two names are, who does what, or what is no event, where the reading is wrong.
        </p>
      )}
      <button type="button" onClick={() => openPalette("say ")}>
        Say how it is…
      </button>
    </section>
  );
}
