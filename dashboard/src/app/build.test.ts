import { expect, test } from "vitest";
import { filesOf } from "./build";

const page = (script: string, more = "") => `<!doctype html>
<html lang="en"><head><meta charset="utf-8" /><title>Gantline</title>
<link rel="icon" type="image/svg+xml" href="/icon.svg" />
<script type="module" crossorigin src="/assets/${script}.js"></script>
<link rel="modulepreload" crossorigin href="/assets/part-99.js">
<link rel="stylesheet" crossorigin href="/assets/index-b2.css">${more}</head><body></body></html>`;

test("a build is told from another by the files that its page names", () => {
  expect(filesOf(page("index-a1"))).toBe("/assets/index-a1.js /assets/index-b2.css");
  expect(filesOf(page("index-a1"))).not.toBe(filesOf(page("index-a2")));
});

test("what a page has loaded since does not make it another build", () => {
  const later =
    '<link rel="modulepreload" href="/assets/terminal-1.js"><script src="/assets/index-a1.js" type="module"></script>';
  expect(filesOf(page("index-a1", later))).toBe(filesOf(page("index-a1")));
});

test("a page that is none of ours says nothing", () => {
  for (const html of [
    "",
    "502 Bad Gateway",
    "<script src='/evil.js'></script>",
    "<p>/assets/x.js",
  ]) {
    expect(filesOf(html)).toBeNull();
  }
});
