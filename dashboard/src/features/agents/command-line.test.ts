import fc from "fast-check";
import { expect, test } from "vitest";
import { splitCommand } from "./command-line";

test.each([
  ["htop", ["htop"], false],
  ["  npm   run dev ", ["npm", "run", "dev"], false],
  [`git commit -m "it's done"`, ["git", "commit", "-m", "it's done"], false],
  ["echo 'a b' \"c d\" e\\ f", ["echo", "a b", "c d", "e f"], false],
  ["printf ''", ["printf", ""], false],
  ["ls | wc -l", ["ls", "|", "wc", "-l"], true],
  ["echo '$HOME'", ["echo", "$HOME"], false],
  ['echo "$HOME"', ["echo", "$HOME"], true],
  ["rm *.log", ["rm", "*.log"], true],
])("%s is the words that a shell would make of it", (line, words, shellish) => {
  expect(splitCommand(line)).toEqual({ words, shellish });
});

test("what is not finished is said", () => {
  expect(splitCommand("echo 'a")).toEqual({ error: "A quote ' is not closed." });
  expect(splitCommand("echo a\\")).toHaveProperty("error");
});

test("any words come back from their quoted form", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "binary", maxLength: 20 }), { maxLength: 6 }),
      (words) => {
        const line = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
        expect(splitCommand(line)).toEqual({ words, shellish: false });
      },
    ),
  );
});
