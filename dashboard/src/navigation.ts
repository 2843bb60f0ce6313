// Where the app is, as its address says; React is told when that changes.
import { useMemo, useSyncExternalStore } from "react";
import { parseRoute, type Route } from "./routes";

const CHANGED = "gantline:navigated";

export function navigate(path: string, how: "push" | "replace" = "push"): void {
  if (path === location.pathname + location.search) return;
  if (how === "push") history.pushState(null, "", path);
  else history.replaceState(null, "", path);
  window.dispatchEvent(new Event(CHANGED));
}

export function useRoute(): Route {
  const address = useSyncExternalStore(listen, () => location.pathname + location.search);
  return useMemo(() => {
    const [pathname = "", search = ""] = address.split(/(?=\?)/, 2);
    return parseRoute({ pathname, search });
  }, [address]);
}

function listen(changed: () => void): () => void {
  window.addEventListener("popstate", changed);
  window.addEventListener(CHANGED, changed);
  return () => {
    window.removeEventListener("popstate", changed);
    window.removeEventListener(CHANGED, changed);
  };
}
