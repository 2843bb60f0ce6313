// @vitest-environment node
// This package can be published: it needs nothing of the dashboard around it.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = dirname(fileURLToPath(import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  exports: Record<string, string>;
};
const around = JSON.parse(readFileSync(join(root, "../../package.json"), "utf8")) as {
  dependencies: Record<string, string>;
};
const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (file) =>
    file.endsWith(".ts") &&
    !file.endsWith(".test.ts") &&
    !/^(testing|dist|node_modules)\b/.test(file),
);

test("it imports nothing but itself and what it names", () => {
  expect(sources.length).toBeGreaterThan(20);
  for (const file of sources) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, from = ""] of text.matchAll(/from "([^"]+)"/g)) {
      if (from.startsWith(".")) {
        const target = relative(root, resolve(root, dirname(file), from));
        expect(sources, `${file} imports ${from}`).toContain(target);
      } else {
        const name = from.split("/").slice(0, 2).join("/");
        expect(Object.keys(manifest.dependencies), `${file} imports ${from}`).toContain(name);
      }
    }
  }
});

test("what it exports is there", () => {
  for (const file of Object.values(manifest.exports)) {
    const source = file.replace("./dist/", "").replace(/\.js$/, ".ts");
    expect(existsSync(join(root, source)), source).toBe(true);
  }
});

test("it and the dashboard use the same versions", () => {
  expect(around.dependencies).toMatchObject(manifest.dependencies);
});
