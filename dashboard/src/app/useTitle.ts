// The title of the browser's tab says what is shown.
import { useEffect } from "react";
import { useStore } from "zustand";
import { titleOf } from "../features/agents/agent";
import { fleet } from "../machines/fleet";
import type { Route } from "../routes";
import { plain } from "../ui/plain";

export function useTitle(route: Route): void {
  const title = useStore(fleet, ({ machines }) => {
    switch (route.page) {
      case "fleet":
        return "Fleet";
      case "settings":
        return "Settings";
      case "terminal": {
        const tab = route.layout.tabs[route.layout.at];
        const pane = tab?.panes[tab.at];
        if (pane === undefined) return "Terminal";
        const view = machines.get(pane.machine);
        const agent = view?.agents?.get(pane.agent);
        return agent && view ? `${titleOf(agent)} on ${view.name}` : pane.agent;
      }
    }
  });
  useEffect(() => {
    document.title = `${plain(title, 80)} · Gantline`;
  }, [title]);
}
