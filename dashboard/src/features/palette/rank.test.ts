import fc from "fast-check";
import { expect, test } from "vitest";
import { rank } from "./rank";

const found = (items: string[], query: string) => rank(items, query, (item) => item);

test("what begins so comes before what contains it", () => {
  expect(found(["rebuild", "old build", "build docs"], "build")).toEqual([
    "build docs",
    "old build",
    "rebuild",
  ]);
});

test("all words have to be there, in any order", () => {
  expect(found(["web server on ada", "web server on lin"], "lin web")).toEqual([
    "web server on lin",
  ]);
});

test("nothing typed leaves everything as it was, and nothing is made up", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.string(), (items, query) => {
      expect(found(items, "")).toEqual(items);
      const result = found(items, query);
      expect(result.every((item) => items.includes(item))).toBe(true);
    }),
  );
});
