// The app: where it is, the rail, one page, and what can open over any of them.
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { useStore } from "zustand";
import { findPlace, place } from "../machines/place";
import { useRoute } from "../navigation";
import { LockedPage } from "../pages/entry/LockedPage";
import { UnreachablePage } from "../pages/entry/UnreachablePage";
import { FleetPage } from "../pages/fleet/FleetPage";
import { SettingsPage } from "../pages/settings/SettingsPage";
import { parseRoute } from "../routes";
import { Toasts } from "../ui/Toasts";
import { Broken } from "./Broken";
import { Rail } from "./Rail";
import { useTitle } from "./useTitle";

// What a first visit doesn't show comes when it is asked for.
const terminalPage = () =>
  import("../pages/terminal/TerminalPage").then((module) => ({ default: module.TerminalPage }));
const TerminalPage = lazy(terminalPage);
const Palette = lazy(() =>
  import("../features/palette/Palette").then((module) => ({ default: module.Palette })),
);

/** Fetches what the address asks for while it is still found out where the page is. */
export function fetchAhead(): void {
  if (parseRoute(location).page !== "terminal") return;
  // Once something is on the screen, which it would hold up. Whoever shows it learns why it could not
  // be had.
  new PerformanceObserver((_, observer) => {
    observer.disconnect();
    terminalPage().catch(() => undefined);
  }).observe({ type: "paint", buffered: true });
}

export function App() {
  const route = useRoute();
  const where = useStore(place);
  const [palette, setPalette] = useState(false);
  const openPalette = useCallback(() => setPalette(true), []);
  usePaletteKey(openPalette);
  useTitle(route);

  switch (where.state) {
    case "asking":
      return <p className="p-6 text-sm text-secondary">Opening…</p>;
    case "locked":
      return <LockedPage why={where.why} />;
    case "unreachable":
      return <UnreachablePage onRetry={() => void findPlace("")} why={where.why} />;
    case "ready":
      break;
  }

  const page = () => {
    switch (route.page) {
      case "fleet":
        return <FleetPage query={route.query} show={route.show} source={where.source} />;
      case "terminal":
        return (
          <Suspense fallback={<p className="p-6 text-sm text-secondary">Opening…</p>}>
            <TerminalPage layout={route.layout} onPalette={openPalette} />
          </Suspense>
        );
      case "settings":
        return <SettingsPage machine={route.machine} place={where.place} section={route.section} />;
    }
  };

  return (
    <div className="flex h-(--app-height,100dvh) flex-col-reverse sm:flex-row">
      <Rail onPalette={openPalette} place={where.place} route={route} />
      <main
        className={
          route.page === "terminal"
            ? "min-h-0 min-w-0 flex-1"
            : "min-h-0 min-w-0 flex-1 overflow-y-auto"
        }
      >
        <Broken key={route.page}>{page()}</Broken>
      </main>
      <Toasts />
      {palette && (
        <Suspense fallback={null}>
          <Palette onClose={() => setPalette(false)} route={route} source={where.source} />
        </Suspense>
      )}
    </div>
  );
}

/** Ctrl/⌘ K everywhere but in a terminal, which has a chord of its own. */
function usePaletteKey(open: () => void) {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      const inTerminal = (event.target as Element | null)?.closest?.(".xterm") != null;
      const plain = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "k";
      const chord = event.ctrlKey && event.shiftKey && event.code === "Space";
      if (!(chord || (plain && !inTerminal))) return;
      event.preventDefault();
      open();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [open]);
}
