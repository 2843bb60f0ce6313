// What a page does when another build of it is served: two builds, one after the other, by a real relay.
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Machine } from "../session/programs.ts";
import {
  faultsOf,
  isBack,
  launch,
  Person,
  pairByCode,
  photograph,
  shows,
  type,
} from "./browser.ts";

const DIST = new URL("../../dist/", import.meta.url).pathname;

let machine: Machine;
let browser: Browser;
let served: string;
let me: Person;

beforeAll(async () => {
  // The relay reads the directory when it starts, as a new one has other files in it.
  const scratch = join(process.env["TMPDIR"] ?? "/tmp", `gantline-builds-${process.pid}`);
  served = join(scratch, "served");
  mkdirSync(scratch, { recursive: true });
  cpSync(DIST, served, { recursive: true });
  machine = await Machine.start("ada", { GANTLINE_DASHBOARD_DIR: served });
  browser = await launch();
  me = await Person.come(browser);
});

afterAll(async () => {
  await me?.leave();
  await browser?.close();
  await machine?.stop();
  rmSync(join(served, ".."), { recursive: true, force: true });
});

let builds = 0;
beforeEach(() => {
  builds += 1;
});

/** The relay is upgraded: what it serves now was built from other sources. */
async function upgrade(): Promise<void> {
  await machine.killRelay();
  buildAnew(served, `b${builds}`);
  await machine.relayIsBack();
}

test("a page that is older than what serves it says so, and is never reloaded by itself", async () => {
  const page = await me.open(machine.home);
  await pairByCode(page, machine);
  const agent = await machine.shell("in-use");
  await page.goto(machine.terminal(agent));
  await shows(page, agent, "ready>");
  const update = page.getByRole("button", { name: "Update" });
  expect(await update.count()).toBe(0);
  await page.evaluate(() => Object.assign(window, { isTheSame: true }));
  const before = await buildOf(page);

  await upgrade();
  await update.waitFor({ timeout: 60_000 });
  // It may be noticed before the session is there again.
  await isBack(page);
  expect(await faultsOf(page)).toEqual([]);
  await photograph(page, "update-desktop-dark");
  // The terminal goes on in the page as it was.
  await type(page, agent, "echo go''es on\n");
  await shows(page, agent, /^goes on$/m);
  expect(await page.evaluate(() => "isTheSame" in window)).toBe(true);
  expect(await buildOf(page)).toBe(before);

  await update.click();
  await expect.poll(() => buildOf(page).catch(() => before), POLL).not.toBe(before);
  await shows(page, agent, /^goes on$/m);
  expect(await update.count()).toBe(0);
  expect(await page.evaluate(() => "isTheSame" in window)).toBe(false);
});

test("a part that is gone with the old build leaves a page that says what to do", async () => {
  // In a browser that has nothing of it in its cache either.
  const newcomer = await Person.come(browser);
  const page = await newcomer.open(machine.home);
  await pairByCode(page, machine);
  const agent = await machine.shell("not-yet-open");
  const link = page.getByRole("link", { name: "not-yet-open" });
  await link.waitFor();
  await upgrade();
  // The terminal's code was never loaded, and its file is not served any more.
  await link.click();
  await page.getByRole("heading", { name: "This page is older than what serves it" }).waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await photograph(page, "part-gone-desktop-dark");
  await page.getByRole("button", { name: "Reload" }).click();
  await shows(page, agent, "ready>");
  await newcomer.context.close();
});

test("a relay that comes back with the same build asks for nothing", async () => {
  const page = await me.open(`${machine.home}/fleet`);
  await page.getByRole("region", { name: "ada" }).getByText("Relay", { exact: true }).waitFor();
  await machine.killRelay();
  await page
    .getByText(/Reconnecting|Offline/)
    .first()
    .waitFor();
  const looked = page.waitForResponse((answer) => new URL(answer.url()).pathname === "/");
  await machine.startRelay();
  await looked;
  await page.getByRole("region", { name: "ada" }).getByText("Relay", { exact: true }).waitFor();
  expect(await page.getByRole("button", { name: "Update" }).count()).toBe(0);
});

const POLL = { timeout: 30_000, interval: 200 };

function buildOf(page: Page): Promise<string> {
  return page.evaluate(
    () => document.querySelector<HTMLScriptElement>("script[type=module]")?.src ?? "",
  );
}

/** Gives every hashed file another name, as a build of other sources would. */
function buildAnew(dist: string, mark: string): void {
  const assets = readdirSync(join(dist, "assets"));
  const renamed = assets.map((name) => [name, name.replace(/(\.\w+)$/, `${mark}$1`)] as const);
  const files = [...assets.map((name) => join(dist, "assets", name)), join(dist, "index.html")];
  for (const file of files) {
    let text = readFileSync(file, "utf8");
    for (const [old, now] of renamed) text = text.replaceAll(old, now);
    writeFileSync(file, text);
  }
  for (const [old, now] of renamed)
    renameSync(join(dist, "assets", old), join(dist, "assets", now));
}
