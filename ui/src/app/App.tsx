// Which page an address shows, once the server has let us in.

import { lazy, Suspense, useEffect, useState } from "react";
import { Route, Switch } from "wouter";
import { HomePage } from "../home/HomePage";
import { Asking } from "../parts/ask";
import { Toasts } from "../parts/toasts";
import { enter } from "./session";

// Each page brings its own code: whoever watches a run needs no editor, and the other way round.
const storyPage = () => import("../story/StoryPage").then((part) => ({ default: part.StoryPage }));
const StoryPage = lazy(storyPage);
const RunsPage = lazy(() => import("../runs/RunsPage"));
const RunPage = lazy(() => import("../runs/RunPage"));

function Outside({ reason }: { reason: string }) {
  return (
    <main className="empty">
      <h1>Gnomon</h1>
      <p>{reason}</p>
    </main>
  );
}

// Loaded while the server is still asked to let us in.
if (location.pathname.startsWith("/story/")) void storyPage();

export function App() {
  const [state, setState] = useState<"entering" | "inside" | string>("entering");
  useEffect(() => {
    enter().then(
      (inside) =>
        setState(
          inside
            ? "inside"
            : "This address needs the code that Gnomon prints when it starts: open the whole address from there.",
        ),
      (fault: Error) => setState(fault.message),
    );
  }, []);
  if (state === "entering") return null;
  if (state !== "inside") return <Outside reason={state} />;
  return (
    <>
      <Suspense fallback={<p className="empty">One moment…</p>}>
        <Switch>
          <Route path="/" component={HomePage} />
          <Route path="/story/:id">{({ id }) => <StoryPage key={id} id={decodeURIComponent(id)} />}</Route>
          <Route path="/runs" component={RunsPage} />
          <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={decodeURIComponent(id)} />}</Route>
          <Route>
            <Outside reason="There is no such page." />
          </Route>
        </Switch>
      </Suspense>
      <Asking />
      <Toasts />
    </>
  );
}
