// Every screen as people see it, desktop and phone, light and dark: axe finds nothing, and a picture of
// each is kept. Served by the node of this machine, with another machine that it reaches by a relay.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine } from "../session/programs.ts";
import { DESKTOP, faultsOf, launch, Person, PHONE, photograph, shows } from "./browser.ts";

let machine: Machine;
let browser: Browser;
let shell = "";
let tests = "";

beforeAll(async () => {
  machine = await Machine.start();
  browser = await launch();
  const bash = ["env", "PS1=\\w $ ", "bash", "--norc", "--noprofile"];
  shell = await spawn("shell", ...bash);
  await spawn("clock", "sh", "-c", "while sleep 1; do date; done");
  await spawn("backup", "sh", "-c", "echo done");
  const failing =
    "printf 'test a ... \\033[32mok\\033[0m\\ntest b ... \\033[31mFAILED\\033[0m\\n'; exit 3";
  tests = await spawn("tests", "sh", "-c", failing);
});

afterAll(async () => {
  await browser?.close();
  await machine?.stop();
});

async function spawn(name: string, ...command: string[]): Promise<string> {
  const said = await machine.gantline("spawn", "--json", "--name", name, "--", ...command);
  return (JSON.parse(said) as { agentId: string }).agentId;
}

async function enter(person: Person): Promise<{ page: Page; origin: string }> {
  const url = (await machine.gantline("open", "--print")).trim();
  const page = await person.open(url);
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  // The token that let this page in is nowhere to be seen.
  expect(page.url()).not.toContain("once=");
  return { page, origin: new URL(url).origin };
}

describe.each([
  ["desktop", DESKTOP],
  ["phone", PHONE],
] as const)("on a %s", (kind, options) => {
  test.each(["dark", "light"] as const)(
    "every screen can be read by everybody, %s",
    async (scheme) => {
      const person = await Person.come(browser, { ...options, colorScheme: scheme });
      const { page, origin } = await enter(person);
      const faults: string[] = [];
      const look = async (name: string) => {
        await page.waitForTimeout(300);
        await photograph(page, `${name}-${kind}-${scheme}`);
        faults.push(...(await faultsOf(page)).map((fault) => `${name}: ${fault}`));
      };
      await page.getByText("Exited 3").waitFor();
      await look("fleet");
      await page.getByRole("button", { name: "Acts for shell" }).click();
      await look("agent-menu");
      await page.getByRole("menuitem", { name: "Send signal" }).click();
      await look("signal");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "New agent" }).click();
      await look("spawn");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Add machine" }).click();
      await look("add-machine");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").fill("sh");
      await look("palette");
      await page.keyboard.press("Escape");

      const panes = `${machine.machineId}.${shell}~${machine.machineId}.${tests}`;
      await page.goto(`${origin}/terminal?tabs=${panes}&at=0`);
      await shows(page, shell, /\$/);
      await look("terminal");
      await page.goto(`${origin}/terminal?tabs=${machine.machineId}.${tests}&at=0`);
      await page.getByText("Exited with code 3").waitFor();
      await look("exited");
      await page.goto(`${origin}/terminal`);
      await page.getByRole("heading", { name: "Terminal" }).waitFor();
      await look("no-terminal");
      for (const section of ["devices", "appearance", "about"]) {
        await page.goto(`${origin}/settings/${section}`);
        await page.getByRole("heading", { name: "Settings" }).waitFor();
        await look(section);
      }
      await page.goto(`${origin}/settings/devices`);
      await page.getByRole("button", { name: "Pair a device" }).click();
      await page.getByText(/^good for \d/).waitFor();
      await look("pair-device");
      expect(faults).toEqual([]);
      await person.leave();
    },
  );
});

test("a page that nobody let in says how to open it", async () => {
  const person = await Person.come(browser);
  const { origin } = await enter(person);
  const stranger = await Person.come(browser);
  const page = await stranger.open(origin);
  await page.getByText("gantline open").waitFor();
  await photograph(page, "locked-desktop-dark");
  expect(await faultsOf(page)).toEqual([]);
  await person.leave();
  await stranger.leave();
});
