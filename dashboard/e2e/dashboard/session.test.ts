// The dashboard that a relay serves, in Chromium, against the real relay, node and terminals.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Machine } from "../session/programs.ts";
import { isBack, launch, Person, pairByCode, screenOf, shows, type } from "./browser.ts";

let machine: Machine;
let browser: Browser;
let me: Person;
let page: Page;

const home = () => machine.home;
const terminal = (agent: string) => machine.terminal(agent);
const spawn = (name: string, ...command: string[]) => machine.spawn(name, ...command);
const shell = (name: string) => machine.shell(name);

beforeAll(async () => {
  machine = await Machine.start();
  browser = await launch();
  me = await Person.come(browser);
  page = await me.open(home());
});

afterAll(async () => {
  await me?.leave();
  await browser?.close();
  await machine?.stop();
});

describe("pairing", () => {
  test("a code pairs this browser, and the fleet is there", async () => {
    await page.getByRole("heading", { name: "Pair this browser" }).waitFor();
    await pairByCode(page, machine);
    await page.getByRole("heading", { name: "Fleet" }).waitFor();
  });
});

describe("a terminal", () => {
  test("is started from the page, and what is typed arrives", async () => {
    await page.getByRole("button", { name: "New agent" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Command").fill("env 'PS1=ready> ' bash --norc --noprofile");
    await dialog.getByLabel("Name").fill("first");
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.waitForURL(/\/terminal\?tabs=/);
    const agent = /ag-[a-z0-9]{5}/.exec(page.url())?.[0] ?? "";
    await shows(page, agent, "ready>");
    await type(page, agent, "echo $((6 * 7))\n");
    await shows(page, agent, /^42$/m);
    // It was started here, so it is as large as this window.
    await type(page, agent, "stty size\n");
    const [, rows, cols] = await waitFor(page, agent, /^(\d+) (\d+)$/m);
    expect(Number(cols)).toBeGreaterThan(100);
    await page.setViewportSize({ width: 900, height: 600 });
    // The new size is under way for a moment: the terminal is asked until it has it.
    await expect
      .poll(
        async () => {
          await type(page, agent, "clear; stty size\n");
          return /^(\d+) (\d+)$/m.exec(await screenOf(page, agent))?.[1] ?? rows;
        },
        { interval: 200, timeout: 20_000 },
      )
      .not.toBe(rows);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test("looks the same in two tabs, and a reload comes back to where it was", async () => {
    const agent = await shell("twice");
    await page.goto(terminal(agent));
    const other = await me.open(terminal(agent));
    await shows(page, agent, "ready>");
    await shows(other, agent, "ready>");
    await type(page, agent, "seq 30 33\n");
    await shows(other, agent, /^33\nready>/m);
    // A page draws while it is looked at, and either may still be drawing another size.
    await expect
      .poll(
        async () => {
          await other.bringToFront();
          const there = await screenOf(other, agent);
          await page.bringToFront();
          return (await screenOf(page, agent)) === there;
        },
        { timeout: 30_000, interval: 200 },
      )
      .toBe(true);
    await other.close();

    await page.reload();
    await shows(page, agent, /^33\nready>/m);
    await type(page, agent, "echo still here\n");
    await shows(page, agent, /^still here$/m);
  });

  test("goes on when the relay is killed and back, and no key is typed twice", async () => {
    const agent = await shell("relay-away");
    await page.goto(terminal(agent));
    await shows(page, agent, "ready>");
    await machine.killRelay();
    await page.getByRole("status", { name: "Reconnecting" }).waitFor();
    await machine.relayIsBack();
    await isBack(page);
    await type(page, agent, "echo on''ce\n");
    await shows(page, agent, /^once$/m);
    expect((await screenOf(page, agent)).match(/^once$/gm)).toHaveLength(1);
  });

  test("goes on when the node is killed and back: the agent has not noticed", async () => {
    const agent = await shell("node-away");
    await page.goto(terminal(agent));
    await shows(page, agent, "ready>");
    await type(page, agent, "echo pid=$$\n");
    const [, before] = await waitFor(page, agent, /pid=(\d+)/);
    await machine.killNode();
    await machine.startNode();
    await type(page, agent, "");
    await expect
      .poll(
        async () => {
          await page.keyboard.type(" echo again=$$\n");
          return screenOf(page, agent);
        },
        { timeout: 40_000, interval: 2_000 },
      )
      .toContain(`again=${before}`);
  });

  test("says how its process ended", async () => {
    const agent = await spawn("ends", "sh", "-c", "echo the last line; exit 7");
    await page.goto(terminal(agent));
    await shows(page, agent, "the last line");
    await page.getByText("Exited with code 7").waitFor();
  });

  test("of an agent that is started again shows its new life", async () => {
    const agent = await spawn("again", "sh", "-c", "echo begun; read line; exit 4");
    await page.goto(terminal(agent));
    await shows(page, agent, "begun");
    await type(page, agent, "x\n");
    await page.getByText("Exited with code 4").waitFor();
    await page.getByRole("button", { name: "Restart" }).click();
    await page.getByText("Exited with code 4").waitFor({ state: "detached" });
    await shows(page, agent, /^begun\s*$/);
    await type(page, agent, "y\n");
    await page.getByText("Exited with code 4").waitFor();
  });
});

describe("an agent", () => {
  test("is renamed while it runs, and every page learns it", async () => {
    await shell("old-name");
    const other = await me.open(`${home()}/fleet`);
    await other.getByRole("link", { name: "old-name" }).waitFor();
    await page.goto(`${home()}/fleet`);
    await page.getByRole("button", { name: "Acts for old-name" }).click();
    await page.getByRole("menuitem", { name: "Name and settings" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("new-name");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("link", { name: "new-name" }).waitFor();
    await other.bringToFront();
    await other.getByRole("link", { name: "new-name" }).waitFor();
    await other.close();
  });

  test("is stopped from the fleet", async () => {
    await shell("to-stop");
    await page.goto(`${home()}/fleet?q=to-stop`);
    await page.getByRole("button", { name: "Acts for to-stop" }).click();
    await page.getByRole("menuitem", { name: "Stop", exact: true }).click();
    await page
      .getByRole("listitem")
      .filter({ hasText: "to-stop" })
      .getByText(/By|Exited/)
      .waitFor();
  });
});

describe("what strangers write", () => {
  const evil = "<img src=x onerror=alert(1)>\u202egpj.exe";

  test("is text: names, commands and titles do nothing in the page", async () => {
    const title = "<script>alert(2)</script>";
    const agent = await spawn(
      "<b>bold</b>",
      "sh",
      "-c",
      `printf '\\033]0;${title}\\007'; cat`,
      evil,
    );
    await page.goto(`${home()}/fleet`);
    await page.getByText("<b>bold</b>").first().waitFor();
    const fleet = await page.locator("main").innerText();
    expect(fleet).toContain("onerror=alert(1)>\ufffdgpj.exe");
    expect(fleet).not.toContain("\u202e");
    await page.goto(terminal(agent));
    await page.getByText(title).waitFor();
    expect(await page.locator("main img, main b, main script").count()).toBe(0);
    const text = await page.locator("body").innerText();
    expect(text).not.toContain("\u202e");
  });

  test("may ask the terminal what it is: only the node answers, and once", async () => {
    const ask = "printf '\\033[c\\033[6n\\033[>c\\033[5n'";
    const script = `stty -icanon -echo; echo waits; head -c 1; ${ask}; echo; cat -v`;
    const agent = await spawn("asks", "sh", "-c", script);
    const other = await me.open(terminal(agent));
    await shows(other, agent, "waits");
    await page.bringToFront();
    await page.goto(terminal(agent));
    await shows(page, agent, "waits");
    await type(page, agent, "x");
    await shows(page, agent, /62;22c/);
    // Whatever else was going to be said would be there once this is.
    await type(page, agent, "end");
    await shows(page, agent, "end");
    const answers = (await screenOf(page, agent)).split("\n").slice(2).join("");
    expect(answers.replace(/\d+;\d+R/, "row;colR")).toBe(
      "^[[?62;22c^[[row;colR^[[>0;277;0c^[[0nend",
    );
    await other.close();
  });
});

describe("a device that its owner removes", () => {
  test("is thrown out at once, and told so", async () => {
    const agent = await shell("thrown-out");
    const guest = await Person.come(browser);
    const theirs = await guest.open(home());
    await pairByCode(theirs, machine);
    await theirs.goto(terminal(agent));
    await shows(theirs, agent, "ready>");
    const devices = JSON.parse(await machine.gantline("device", "list", "--json")) as {
      deviceId: string;
      createdAt: number;
    }[];
    const last = devices.sort((a, b) => b.createdAt - a.createdAt)[0];
    await machine.gantline("device", "revoke", last?.deviceId ?? "");
    await theirs.getByText("Removed by the machine").first().waitFor();
    await theirs.goto(`${home()}/fleet`);
    await theirs.getByRole("button", { name: "Pair again" }).waitFor();
    await guest.leave();
  });
});

async function waitFor(page: Page, agent: string, pattern: RegExp): Promise<RegExpExecArray> {
  await shows(page, agent, pattern);
  const found = pattern.exec(await screenOf(page, agent));
  if (found === null) throw new Error(`${pattern} was there and is gone`);
  return found;
}

beforeEach(() => {
  expect(me.complaints).toEqual([]);
});
