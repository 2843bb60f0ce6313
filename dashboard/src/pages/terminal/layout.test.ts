import fc from "fast-check";
import { expect, test } from "vitest";
import { type Layout, PANES_OF_A_TAB, type Pane } from "../../routes";
import { closePane, closeTab, focusPane, openPane, showTab, splitWith, turnTab } from "./layout";

const pane = (n: number): Pane => ({ machine: "a".repeat(26), agent: `ag-0000${n}` });
const EMPTY: Layout = { tabs: [], at: 0 };

test("an agent that is shown already is gone to, not shown twice", () => {
  const layout = openPane(openPane(EMPTY, pane(1)), pane(2));
  expect(openPane(layout, pane(1))).toEqual({ ...layout, at: 0 });
});

test("a split takes the pane from the tab where it was", () => {
  const two = openPane(openPane(EMPTY, pane(1)), pane(2));
  const split = splitWith(two, pane(1), "column");
  expect(split).toEqual({
    tabs: [{ panes: [pane(2), pane(1)], direction: "column", at: 1 }],
    at: 0,
  });
});

test("whatever is done, no agent is there twice and something is in focus", () => {
  const act = fc.record({
    what: fc.constantFrom("open", "row", "column", "close", "close tab", "show", "focus", "turn"),
    pane: fc.nat(9).map(pane),
    at: fc.nat(6),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      let layout = EMPTY;
      for (const { what, pane, at } of acts) {
        if (what === "open") layout = openPane(layout, pane);
        else if (what === "row" || what === "column") layout = splitWith(layout, pane, what);
        else if (what === "close") layout = closePane(layout, at, pane);
        else if (what === "close tab" && at < layout.tabs.length) layout = closeTab(layout, at);
        else if (what === "show") layout = showTab(layout, at);
        else if (what === "turn") layout = turnTab(layout);
        else if (what === "focus" && at < (layout.tabs[layout.at]?.panes.length ?? 0)) {
          layout = focusPane(layout, layout.at, at);
        }
        const all = layout.tabs.flatMap((tab) => tab.panes.map(({ agent }) => agent));
        expect(new Set(all).size).toBe(all.length);
        if (layout.tabs.length > 0) expect(layout.tabs[layout.at]).toBeDefined();
        for (const tab of layout.tabs) {
          expect(tab.panes[tab.at]).toBeDefined();
          expect(tab.panes.length).toBeLessThanOrEqual(PANES_OF_A_TAB);
        }
      }
    }),
  );
});
