// The page of one story: text, pictures and panels side by side, fed by the server's events.

import { useEffect } from "react";
import { TopBar } from "../app/TopBar";
import { Manuscript } from "../editor/Manuscript";
import { Palette } from "../palette/Palette";
import { Notices } from "../panels/Notices";
import { PanelButtons, SidePanel } from "../panels/SidePanel";
import { StoryMenu } from "../panels/StoryMenu";
import { Splitter, useKeptSize } from "../parts/Splitter";
import { Pictures } from "../pictures/Pictures";
import { follow } from "./follow";
import { Status } from "./Status";
import { useStory } from "./store";
import "./story.css";

const PANEL_WIDTH = 330;

export function StoryPage({ id }: { id: string }) {
  const title = useStory((state) => state.meta?.title ?? "");
  const panel = useStory((state) => state.panel);
  const [text, setText] = useKeptSize("text", Math.max(380, Math.round(window.innerWidth * 0.4)));
  useEffect(() => follow(id), [id]);
  useEffect(() => {
    document.title = title === "" ? "Gnomon" : `${title} · Gnomon`;
  }, [title]);
  return (
    <div className="story-page">
      <TopBar title={title || "Untitled"}>
        <Status />
        <PanelButtons />
        <StoryMenu />
      </TopBar>
      <Notices />
      <main className="panes">
        <section className="pane text-pane" style={{ width: text }} aria-label="Text">
          <Manuscript id={id} />
        </section>
        <Splitter label="Width of the text" size={text} min={300} max={900} side="before" onSize={setText} />
        <section className="pane picture-pane" aria-label="Pictures">
          <Pictures />
        </section>
        {panel !== null && (
          <aside className="pane side-pane" style={{ width: PANEL_WIDTH }} aria-label="Panel">
            <SidePanel panel={panel} />
          </aside>
        )}
      </main>
      <Palette />
    </div>
  );
}
