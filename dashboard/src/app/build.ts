// Whether what serves this page serves another build of it by now. The names of a build's files have
// their hashes in them, so the page that names them says which build it is.
import { createStore } from "zustand/vanilla";
import { waker } from "../machines/fleet";

export const build = createStore<{ readonly isOld: boolean }>(() => ({ isOld: false }));

/** Looks are made when something came back; several of these at once are one. */
const AT_MOST_EVERY_MS = 10_000;
const PAGE_LIMIT = 64 * 1024;

/** A program that is replaced drops every connection first, so coming back is the time to look. */
export function watchBuild(): void {
  const mine = filesOf(document.documentElement.outerHTML);
  // While it is developed the page names no files of a build.
  if (mine === null) return;
  let lookedAt = Date.now();
  let due: ReturnType<typeof setTimeout> | null = null;
  const look = async () => {
    due = null;
    lookedAt = Date.now();
    const theirs = await askForFiles();
    if (theirs !== null && theirs !== mine) oldBuild();
  };
  waker.addEventListener("wake", () => {
    if (due !== null || build.getState().isOld) return;
    due = setTimeout(look, Math.max(0, lookedAt + AT_MOST_EVERY_MS - Date.now()));
  });
  // A part that was not loaded yet is gone with its build.
  window.addEventListener("vite:preloadError", oldBuild);
}

function oldBuild(): void {
  build.setState({ isOld: true });
}

async function askForFiles(): Promise<string | null> {
  try {
    const answer = await fetch("/", { cache: "no-cache", credentials: "omit", redirect: "error" });
    if (!answer.ok || !answer.headers.get("content-type")?.startsWith("text/html")) return null;
    return filesOf((await answer.text()).slice(0, PAGE_LIMIT));
  } catch {
    // There will be another look when it is back.
    return null;
  }
}

/** The files of a build that a page names, in one text; null for another page. */
export function filesOf(html: string): string | null {
  const tags = html.match(/<(?:script|link)\b[^>]*>/g) ?? [];
  const files = tags
    .filter((tag) => /\b(?:type="module"|rel="stylesheet")/.test(tag))
    .flatMap(
      (tag) => /\b(?:src|href)="(?:https?:\/\/[^/"]+)?(\/assets\/[^"]+)"/.exec(tag)?.[1] ?? [],
    );
  return files.length === 0 ? null : [...new Set(files)].sort().join(" ");
}
