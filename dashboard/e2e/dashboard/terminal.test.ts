// What a person does at a terminal besides typing: splits, search, keys, the palette; and what is said
// when output was skipped, keys were not sent, the node restarts.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Machine, until } from "../session/programs.ts";
import {
  faultsOf,
  freeze,
  isBack,
  launch,
  Person,
  pairByCode,
  screenOf,
  shows,
  type,
} from "./browser.ts";

const POLL = { timeout: 30_000, interval: 200 };

let machine: Machine;
let browser: Browser;
let me: Person;
let page: Page;

beforeAll(async () => {
  machine = await Machine.start();
  browser = await launch();
  me = await Person.come(browser);
  page = await me.open(machine.home);
  await pairByCode(page, machine);
});

afterAll(async () => {
  await me?.leave();
  await browser?.close();
  await machine?.stop();
});

beforeEach(() => {
  expect(me.complaints).toEqual([]);
});

/** The agent whose terminal has the focus. */
function focused(): Promise<string | null> {
  return page.evaluate(
    () => document.activeElement?.closest("[data-terminal]")?.getAttribute("data-terminal") ?? null,
  );
}

describe("terminals side by side", () => {
  test("are split, typed into apart, and there again after a reload", async () => {
    const [left, right] = [await machine.shell("left"), await machine.shell("right")];
    await page.goto(machine.terminal(left));
    await shows(page, left, "ready>");
    await page.getByRole("button", { name: "Split: beside" }).click();
    await page.getByRole("menuitem", { name: "right" }).click();
    await shows(page, right, "ready>");
    await expect.poll(focused, POLL).toBe(right);
    await page.keyboard.type("echo i''s right\n");
    await shows(page, right, /^is right$/m);
    await type(page, left, "echo i''s left\n");
    await shows(page, left, /^is left$/m);
    expect(await screenOf(page, right)).not.toContain("is left");
    const box = (agent: string) => page.locator(`[data-terminal="${agent}"]`).boundingBox();
    const [a, b] = [await box(left), await box(right)];
    expect(a && b && a.x + a.width <= b.x && a.y === b.y).toBe(true);

    await page.reload();
    await shows(page, left, /^is left$/m);
    await shows(page, right, /^is right$/m);
    await page.getByRole("button", { name: "Turn the split" }).click();
    await expect
      .poll(async () => {
        const [above, below] = [await box(left), await box(right)];
        return above && below && above.y + above.height <= below.y;
      }, POLL)
      .toBe(true);
    await page
      .getByRole("region", { name: "Terminal of right" })
      .getByRole("button", { name: "Close pane; the agent goes on" })
      .click();
    await page.getByRole("region", { name: "Terminal of right" }).waitFor({ state: "detached" });
    const agents = JSON.parse(await machine.gantline("ps", "--json")) as { agentId: string }[];
    expect(agents.map(({ agentId }) => agentId)).toContain(right);
  });

  test("have the focus again when their tab is shown", async () => {
    const [one, two] = [await machine.shell("tab-one"), await machine.shell("tab-two")];
    await page.goto(
      `${machine.home}/terminal?tabs=${machine.machineId}.${one},${machine.machineId}.${two}&at=0`,
    );
    await shows(page, one, "ready>");
    const tabs = page.getByRole("navigation", { name: "Terminals" });
    await tabs.getByRole("button", { name: "tab-two", exact: true }).click();
    await shows(page, two, "ready>");
    await expect.poll(focused, POLL).toBe(two);
    await tabs.getByRole("button", { name: "tab-one", exact: true }).click();
    await expect.poll(focused, POLL).toBe(one);
    await page.keyboard.type("echo fo''cused\n");
    await shows(page, one, /^focused$/m);
  });
});

describe("colours", () => {
  test("of all kinds are shown, though no style may stand in the page", async () => {
    const colours =
      "printf '\\033[31mred\\033[0m \\033[38;5;208morange\\033[0m \\033[38;2;120;200;255mblue\\033[0m \\033[48;2;0;60;0mgreen\\033[0m'; cat";
    const agent = await machine.spawn("colours", "sh", "-c", colours);
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "red orange blue green");
    const look = (word: string, property: "color" | "backgroundColor") =>
      page
        .locator(`[data-terminal="${agent}"] .xterm-rows span`)
        .filter({ hasText: new RegExp(`^${word}$`) })
        .evaluate((span, name) => getComputedStyle(span)[name], property);
    expect(await look("red", "color")).toBe("rgb(248, 113, 113)");
    expect(await look("orange", "color")).toBe("rgb(255, 135, 0)");
    expect(await look("blue", "color")).toBe("rgb(120, 200, 255)");
    expect(await look("green", "backgroundColor")).toBe("rgb(0, 60, 0)");
    expect(me.complaints).toEqual([]);
  });
});

describe("a search", () => {
  test("finds what is on the screen and above it, and gives the keyboard back", async () => {
    const agent = await machine.shell("searched");
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "ready>");
    await type(page, agent, "clear; seq -f 'needle %g' 200 | cat; echo en''d\n");
    await shows(page, agent, /^end$/m);
    await page.keyboard.press("Control+Shift+F");
    const box = page.getByRole("textbox", { name: "Search this terminal" });
    await box.fill("needle 1");
    const found = page.locator("search output");
    // 1, 10 to 19, 100 to 199.
    await expect.poll(() => found.innerText(), POLL).toMatch(/of 111$/);
    const first = await found.innerText();
    await box.press("Enter");
    await expect.poll(() => found.innerText(), POLL).not.toBe(first);
    await box.fill("needle 3 is nowhere");
    await expect.poll(() => found.innerText(), POLL).toBe("not found");
    await box.press("Escape");
    await expect.poll(focused, POLL).toBe(agent);
  });
});

describe("the keyboard", () => {
  test("is the terminal's, also Ctrl-C, W, R and F", async () => {
    const script = "stty raw -echo; printf 'rea''dy\\r\\n'; exec cat -v";
    const agent = await machine.spawn("raw", "sh", "-c", script);
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "ready");
    await page.locator(`[data-terminal="${agent}"] textarea`).focus();
    for (const key of ["c", "w", "r", "f", "k"]) await page.keyboard.press(`Control+${key}`);
    await shows(page, agent, /\^C\^W\^R\^F\^K/);
  });

  test("leaves the terminal by a key that is shown, and the palette gives it back", async () => {
    const agent = await machine.shell("chords");
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "ready>");
    await page.locator(`[data-terminal="${agent}"] textarea`).focus();
    await page.getByText("Ctrl Shift E leaves").waitFor();
    await page.keyboard.press("Control+Shift+E");
    await expect.poll(focused, POLL).toBeNull();
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("BUTTON");
    await page.locator(`[data-terminal="${agent}"] textarea`).focus();
    await page.keyboard.press("Control+Shift+Space");
    await page.getByRole("combobox", { name: "Search and commands" }).waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(focused, POLL).toBe(agent);
    await page.keyboard.type("echo ty''ped\n");
    await shows(page, agent, /^typed$/m);
  });
});

describe("a command that can't be run", () => {
  test("says which, and leaves what was typed to be mended", async () => {
    await page.goto(`${machine.home}/fleet`);
    await page.getByRole("button", { name: "New agent" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Command").fill("no-such-shell --login");
    await dialog.getByRole("button", { name: "Start" }).click();
    await expect
      .poll(
        () =>
          dialog
            .getByRole("alert")
            .innerText()
            .catch(() => ""),
        POLL,
      )
      .toContain("no-such-shell");
    expect(await dialog.getByLabel("Command").inputValue()).toBe("no-such-shell --login");
    expect(await faultsOf(page)).toEqual([]);
    await page.keyboard.press("Escape");
  });
});

describe("a page that could not keep up", () => {
  test("says how much it skipped, keeps the latest, and saves what is missing", async () => {
    const [go, done] = [join(machine.scratch, "go"), join(machine.scratch, "done")];
    const flood = "seq -f 'line %09.0f of a flood that nobody can read' 400000";
    const agent = await machine.spawn(
      "too-fast",
      "sh",
      "-c",
      `echo waits; until [ -e ${go} ]; do sleep 0.1; done; ${flood}; touch ${done}; echo i''s over; cat`,
    );
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "waits");
    const free = await freeze(me, page);
    writeFileSync(go, "");
    await until("the flood's end", () => existsSync(done));
    await free();
    await page.getByText(/^\d+(\.\d)? MB skipped$/).waitFor();
    await shows(page, agent, /^is over$/m);
    expect(await faultsOf(page)).toEqual([]);
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save it" }).click();
    expect((await saved).suggestedFilename()).toBe(`${agent}.log`);
    await page.getByRole("button", { name: "Dismiss" }).click();
    await page.getByText(/MB skipped$/).waitFor({ state: "detached" });
  });
});

describe("while the machine is away", () => {
  test("keys are held for a moment, then given up and said to be", async () => {
    const agent = await machine.shell("held");
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "ready>");
    await machine.killRelay();
    await page.getByRole("status", { name: "Reconnecting" }).waitFor();
    await type(page, agent, "late");
    await page.getByText("4 keys were not sent").waitFor();
    await page.getByText(/^Offline, as of \d/).waitFor();
    await machine.relayIsBack();
    await isBack(page);
    await type(page, agent, "echo no''w\n");
    await shows(page, agent, /^now$/m);
    expect(await screenOf(page, agent)).not.toContain("late");
  });

  test("a node that restarts is said to, and its agents to go on", async () => {
    const agent = await machine.shell("upgraded");
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "ready>");
    await machine.endNode();
    await page.getByText("The node restarts").waitFor();
    await page.getByText("The agent is still running, and its output is kept.").waitFor();
    await machine.startNode();
    await isBack(page);
    await type(page, agent, "echo we''nt on\n");
    await shows(page, agent, /^went on$/m);
  });
});
