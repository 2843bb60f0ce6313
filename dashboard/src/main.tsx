// The page's beginning: what the address carries is taken, then the app is put into index.html.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, fetchAhead } from "./app/App";
import { watchBuild } from "./app/build";
import { followViewport } from "./app/viewport";
import { applyTheme } from "./features/settings/appearance";
import { wakeAll } from "./machines/fleet";
import { findPlace, takeFragment } from "./machines/place";
import "./app.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

const fragment = takeFragment();
applyTheme();
followViewport();
// The machines may be there again now, or the laptop was opened.
window.addEventListener("online", wakeAll);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") wakeAll();
});
watchBuild();
fetchAhead();
void findPlace(fragment);

createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
