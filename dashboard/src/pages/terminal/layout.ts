// What is done to tabs and panes, as functions from one layout to the next.
import { type Layout, PANES_OF_A_TAB, type Pane, type Tab } from "../../routes";

/** Shows the pane: where it is already, else in a tab of its own. */
export function openPane(layout: Layout, pane: Pane): Layout {
  for (const [at, tab] of layout.tabs.entries()) {
    const index = tab.panes.findIndex((other) => isSame(other, pane));
    if (index >= 0) return { tabs: layout.tabs.with(at, { ...tab, at: index }), at };
  }
  const tab: Tab = { panes: [pane], direction: "row", at: 0 };
  return { tabs: [...layout.tabs, tab], at: layout.tabs.length };
}

/** Puts the pane beside or below the one that has the focus, taking it from where it was. */
export function splitWith(layout: Layout, pane: Pane, direction: Tab["direction"]): Layout {
  const tab = layout.tabs[layout.at];
  if (tab === undefined) return openPane(layout, pane);
  if (tab.panes.some((other) => isSame(other, pane))) return openPane(layout, pane);
  if (tab.panes.length >= PANES_OF_A_TAB) return openPane(layout, pane);
  const panes = tab.panes.toSpliced(tab.at + 1, 0, pane);
  const tabs = layout.tabs.with(layout.at, { panes, direction, at: tab.at + 1 });
  const elsewhere = layout.tabs.findIndex(
    (other, at) => at !== layout.at && other.panes.some((each) => isSame(each, pane)),
  );
  const next = { tabs, at: layout.at };
  return elsewhere < 0 ? next : without(next, elsewhere, pane, layout.at);
}

export function focusPane(layout: Layout, at: number, pane: number): Layout {
  const tab = layout.tabs[at];
  if (tab === undefined || (layout.at === at && tab.at === pane)) return layout;
  return { tabs: layout.tabs.with(at, { ...tab, at: pane }), at };
}

export function showTab(layout: Layout, at: number): Layout {
  return layout.tabs[at] === undefined ? layout : { ...layout, at };
}

export function turnTab(layout: Layout): Layout {
  const tab = layout.tabs[layout.at];
  if (tab === undefined) return layout;
  const direction = tab.direction === "row" ? "column" : "row";
  return { ...layout, tabs: layout.tabs.with(layout.at, { ...tab, direction }) };
}

export function closePane(layout: Layout, at: number, pane: Pane): Layout {
  return without(layout, at, pane, layout.at);
}

export function closeTab(layout: Layout, at: number): Layout {
  return clamp({
    tabs: layout.tabs.toSpliced(at, 1),
    at: layout.at > at ? layout.at - 1 : layout.at,
  });
}

function without(layout: Layout, at: number, pane: Pane, shown: number): Layout {
  const tab = layout.tabs[at];
  if (tab === undefined) return layout;
  const panes = tab.panes.filter((other) => !isSame(other, pane));
  if (panes.length === 0) return closeTab({ ...layout, at: shown }, at);
  const kept = { ...tab, panes, at: Math.min(tab.at, panes.length - 1) };
  return { tabs: layout.tabs.with(at, kept), at: shown };
}

function clamp({ tabs, at }: Layout): Layout {
  return { tabs, at: Math.max(0, Math.min(at, tabs.length - 1)) };
}

function isSame(a: Pane, b: Pane): boolean {
  return a.machine === b.machine && a.agent === b.agent;
}
