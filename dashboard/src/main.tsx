// The page's beginning: puts the app into index.html.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./app.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <p>Gantline</p>
  </StrictMode>,
);
