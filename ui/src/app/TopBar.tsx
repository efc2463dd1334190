// The bar at the top of every page: where one is, what belongs to the page, and the theme.

import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import { setTheme, type Theme, theme } from "./theme";
import "./topbar.css";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

function ThemeButton() {
  const [now, setNow] = useState(theme);
  const label = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" }[now];
  return (
    <button
      type="button"
      className="icon"
      aria-label={label}
      title={label}
      onClick={() => {
        setTheme(NEXT[now]);
        setNow(NEXT[now]);
      }}
    >
      {{ system: "◐", light: "☼", dark: "☾" }[now]}
    </button>
  );
}

export function TopBar({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <header className="topbar">
      <Link href="/" className="brand" aria-label="Gnomon, home">
        <img src="/gnomon.svg" alt="" width="20" height="20" />
        <span>Gnomon</span>
      </Link>
      {title === "" ? <div className="where" /> : <h1 className="where">{title}</h1>}
      <div className="tools">
        {children}
        <ThemeButton />
      </div>
    </header>
  );
}
