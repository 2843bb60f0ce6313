import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Layout, type Pane, parseRoute, paths, type Route } from "./routes";

const at = (path: string): Route => {
  const [pathname = "", search = ""] = path.split(/(?=\?)/, 2);
  return parseRoute({ pathname, search });
};

const pane: fc.Arbitrary<Pane> = fc.record({
  machine: fc.stringMatching(/^[a-z2-7]{26}$/),
  agent: fc.stringMatching(/^ag-[a-z0-9]{5}$/),
});
const layout: fc.Arbitrary<Layout> = fc
  .array(
    fc
      .tuple(
        fc.array(pane, { minLength: 2, maxLength: 4 }),
        fc.constantFrom("row", "column"),
        fc.nat(),
      )
      .map(([panes, direction, n]) => ({
        panes,
        direction: direction as "row" | "column",
        at: n % panes.length,
      })),
    { minLength: 1, maxLength: 6 },
  )
  .chain((tabs) => fc.nat(tabs.length - 1).map((n) => ({ tabs, at: n })));

describe("what is shown is written in the address", () => {
  test("a reload shows the same tabs, splits and panes", () => {
    fc.assert(
      fc.property(layout, (layout) => {
        expect(at(paths.terminal(layout))).toEqual({ page: "terminal", layout });
      }),
    );
  });

  test("a search survives whatever was typed", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: "grapheme" }), (query) => {
        const route = at(paths.fleet(query, "attention"));
        expect(route).toEqual({ page: "fleet", query: query.slice(0, 200), show: "attention" });
      }),
    );
  });

  test("an address that somebody made up shows something, and never fails", () => {
    fc.assert(
      fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
        expect(["fleet", "terminal", "settings"]).toContain(at(`${path}?${query}`).page);
      }),
    );
    expect(at("/terminal?tabs=x,<script>,~~,*&at=99")).toEqual({
      page: "terminal",
      layout: { tabs: [], at: 0 },
    });
  });
});
