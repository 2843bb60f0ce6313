import fc from "fast-check";
import { expect, test } from "vitest";
import { readKey } from "./key";

const ID = "k5xq3nzf6m2a7tjw4bhd5ycvoe";
const ADDRESS = `${ID}.relay.example:8443~pin`;

test.each([
  [`gantline add 2238-4304 ${ADDRESS}`],
  [`  $ gantline add 2238 4304 ${ADDRESS} `],
  [`22384304 ${ADDRESS}`],
])("the line that a machine shows is taken as it is copied: %s", (line) => {
  expect(readKey(line, null)).toEqual({ code: "22384304", address: ADDRESS });
});

test("a link is taken whole", () => {
  const link = `https://relay.example/pair#1.${ID}.c2VjcmV0.relay.example`;
  expect(readKey(` ${link} `, null)).toEqual({ link });
  const fragment = `1.${ID}.c2VjcmV0.relay.example`;
  expect(readKey(fragment, ID)).toEqual({ link: fragment });
});

test("at a machine's own address the digits are enough", () => {
  expect(readKey("2238-4304", ID)).toEqual({ code: "22384304", address: ID });
  expect(readKey("2238-4304", null)).toEqual({
    error: "Behind the code there has to be where the machine is.",
  });
});

test("nobody is scolded for what is not finished", () => {
  expect(readKey("", null)).toEqual({ error: null });
  expect(readKey("2238-", ID)).toEqual({ error: null });
});

test("whatever is pasted has an answer", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => void readKey(text, null)));
});
