// Where the page begins.

import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { setTheme, theme } from "./app/theme";
import "./theme.css";

setTheme(theme());
// The address of a new start, put into this window: its code is all that changes, and the page has to begin anew.
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#code=")) location.reload();
});
const page = document.getElementById("page");
if (page !== null) createRoot(page).render(<App />);
