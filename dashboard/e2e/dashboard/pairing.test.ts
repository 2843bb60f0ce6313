// How a browser and a machine come to know each other, and how they part: the real relay, nodes and
// command line on one side, Chromium on the other.
import jsQR from "jsqr";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine } from "../session/programs.ts";
import { enter, launch, Person, pairByCode, shows, type, wordsOf } from "./browser.ts";

interface Listed {
  deviceId: string;
  name: string;
  role: string;
  createdAt: number;
  safetyNumber: string;
}

let machine: Machine;
let browser: Browser;

beforeAll(async () => {
  machine = await Machine.start();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await machine?.stop();
});

async function devices(): Promise<Listed[]> {
  const listed = JSON.parse(await machine.gantline("device", "list", "--json")) as Listed[];
  return listed.sort((a, b) => b.createdAt - a.createdAt);
}

describe("a browser at its machine's address", () => {
  test("pairs by a code, and both ends show the same six words", async () => {
    const person = await Person.come(browser);
    const page = await person.open(machine.home);
    await page.getByRole("heading", { name: "Pair this browser" }).waitFor();
    const words = await pairByCode(page, machine);
    const [device] = await devices();
    expect(device?.safetyNumber).toBe(words);
    const told = await machine.gantline("device", "verify", device?.deviceId ?? "");
    expect(told).toContain(words);
    // And in the machine's list of devices, as its owner sees it here.
    await page.goto(`${machine.home}/settings/devices`);
    await page.getByText(words).waitFor();
    await person.leave();
  });

  test("that was opened by a link is asked once, and keeps the secret out of its address", async () => {
    const minted = await machine.gantline("pair", "--link", "--role", "operator", "--json");
    const { link } = JSON.parse(minted) as { link: string };
    expect(link.startsWith(`${machine.home}/pair#`)).toBe(true);
    const person = await Person.come(browser);
    const page = await person.open(link);
    await page.getByText("You were invited").waitFor();
    expect(page.url()).not.toContain("#");
    expect(await page.evaluate(() => document.documentElement.outerHTML)).not.toContain(
      link.split("#")[1],
    );
    // Nobody is paired because a link was opened.
    const before = (await devices()).length;
    await page.getByRole("button", { name: "Pair", exact: true }).click();
    const words = await wordsOf(page);
    await page.getByRole("heading", { name: "Fleet" }).waitFor();
    const listed = await devices();
    expect(listed).toHaveLength(before + 1);
    expect(listed[0]).toMatchObject({ role: "operator", safetyNumber: words });
    // It was for one device.
    const other = await Person.come(browser);
    const late = await other.open(link);
    await late.getByRole("button", { name: "Pair", exact: true }).click();
    await late.getByText("Nothing was paired.").waitFor();
    await person.leave();
    await other.leave();
  });

  test("is told that a code is wrong, and asks for a new one after two tries", async () => {
    const { code } = await machine.code();
    const wrong = `${code.startsWith("0") ? "1" : "0"}${code.slice(1)}`;
    const person = await Person.come(browser);
    const page = await person.open(machine.home);
    const input = page.getByLabel("2. The code that it shows");
    const pair = page.getByRole("button", { name: "Pair", exact: true });
    const alert = page.getByRole("alert");
    for (const says of [
      /not the right one/,
      /not the right one/,
      /ask the machine for a new one/,
    ]) {
      await input.fill(wrong);
      await pair.click();
      await expect.poll(() => alert.innerText().catch(() => ""), POLL).toMatch(says);
    }
    await input.fill((await machine.code()).code);
    await pair.click();
    await wordsOf(page);
    await person.leave();
  });

  test("that was removed pairs again in the same page, and works", async () => {
    const agent = await machine.shell("after-all");
    const person = await Person.come(browser);
    const page = await person.open(machine.home);
    await pairByCode(page, machine);
    const [device] = await devices();
    await page.goto(machine.terminal(agent));
    await shows(page, agent, "ready>");
    await machine.gantline("device", "revoke", device?.deviceId ?? "");
    await page.getByText("Removed by the machine").first().waitFor();
    await page.getByRole("link", { name: "Fleet" }).click();
    await page.getByRole("button", { name: "Pair again" }).click();
    await pairByCode(page, machine);
    // Without a reload: the page has left the keys that were revoked.
    await page.getByRole("link", { name: "after-all" }).click();
    await shows(page, agent, "ready>");
    await type(page, agent, "echo ba''ck\n");
    await shows(page, agent, /^back$/m);
    await person.leave();
  });
});

describe("the machine's own dashboard", () => {
  let owner: Person;
  let page: Page;

  beforeAll(async () => {
    owner = await Person.come(browser);
    page = await enter(owner, machine);
  });
  afterAll(() => owner?.leave());

  test("shows a code with where to type it, the next when it has expired, and who has come", async () => {
    await page.clock.install();
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Pair a device" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/^good for \d/).waitFor();
    await dialog.getByText(`${machine.home}/`, { exact: true }).waitFor();
    const shown = () => dialog.locator("output span").first().innerText();
    const first = await shown();
    await page.clock.setSystemTime(Date.now() + 121_000);
    await expect.poll(shown, POLL).not.toBe(first);
    await expect.poll(shown, POLL).toMatch(/^\d{4}-\d{4}$/);
    // The one that is shown is the one that works.
    const guest = await Person.come(browser);
    const theirs = await guest.open(machine.home);
    await theirs.getByLabel("2. The code that it shows").fill(await shown());
    await theirs.getByRole("button", { name: "Pair", exact: true }).click();
    const words = await wordsOf(theirs);
    await page.getByRole("dialog", { name: "Paired" }).getByText(words).waitFor();
    await page.getByRole("button", { name: "Done" }).click();
    await guest.leave();
    await page.clock.setSystemTime(Date.now());
  });

  test("shows a picture that a camera can read, good while it is looked at", async () => {
    await page.goto(`${new URL(page.url()).origin}/settings/devices`);
    await page.getByRole("button", { name: "Pair a device" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("By a QR code").click();
    const picture = dialog.getByRole("img", { name: "QR code that pairs a phone" });
    await picture.waitFor();
    const link = await readPicture(picture);
    expect(link.startsWith(`${machine.home}/pair#1.`)).toBe(true);
    const phone = await Person.come(browser);
    const theirs = await phone.open(link);
    await theirs.getByRole("button", { name: "Pair", exact: true }).click();
    const words = await wordsOf(theirs);
    await page.getByRole("dialog", { name: "Paired" }).getByText(words).waitFor();
    await page.getByRole("button", { name: "Done" }).click();
    await phone.leave();

    const live = async () =>
      (JSON.parse(await machine.gantline("invitation", "list", "--json")) as unknown[]).length;
    const others = await live();
    await page.getByRole("button", { name: "Pair a device" }).click();
    await dialog.getByText("By a QR code").click();
    await picture.waitFor();
    expect(await live()).toBe(others + 1);
    await page.keyboard.press("Escape");
    await expect.poll(live, POLL).toBe(others);
  });

  test("takes in another machine by the line that it shows, and neither waits for the other", async () => {
    const other = await machine.beside("grace");
    try {
      const agent = await other.shell("far-away");
      const { line } = await other.code();
      await page.getByRole("link", { name: "Fleet" }).click();
      await page.getByRole("button", { name: "Add machine" }).click();
      const section = page.getByRole("region", { name: "grace" });
      const viaRelay = section.getByText("Relay", { exact: true });
      // The answer says "connecting"; here it comes after the event that says "connected".
      await page.route("**/v1/machines", async (route) => {
        const response = await route.fetch();
        await viaRelay.waitFor({ state: "attached" });
        await route.fulfill({ response });
      });
      await page.getByLabel("2. The line that it shows").fill(line);
      await page.getByRole("button", { name: "Pair", exact: true }).click();
      await wordsOf(page);
      await page.unroute("**/v1/machines");
      await viaRelay.waitFor();
      await section.getByRole("link", { name: "far-away" }).click();
      await shows(page, agent, "ready>");
      await type(page, agent, "echo $((40 + 2))\n");
      await shows(page, agent, /^42$/m);

      // One that is gone is said to be, and the other goes on.
      await other.killNode();
      await page.getByRole("link", { name: "Fleet" }).click();
      await section.getByText(/Reconnecting|Offline/).waitFor();
      const here = await machine.shell("still-fine");
      await page.getByRole("link", { name: "still-fine" }).click();
      await shows(page, here, "ready>");
      await other.startNode();
      await page.getByRole("link", { name: "Fleet" }).click();
      await viaRelay.waitFor();
      await section.getByRole("link", { name: "far-away" }).click();
      await type(page, agent, "echo $((50 + 3))\n");
      await shows(page, agent, /^53$/m);
    } finally {
      await other.stop();
    }
  });
});

const POLL = { timeout: 30_000, interval: 200 };

/** What stands in a QR code on the page, by another program than the one that drew it. */
async function readPicture(picture: ReturnType<Page["locator"]>): Promise<string> {
  const { size, path } = await picture.evaluate((svg) => ({
    size: Number(svg.getAttribute("viewBox")?.split(" ")[2]),
    path: svg.querySelector("path")?.getAttribute("d") ?? "",
  }));
  const scale = 4;
  const width = size * scale;
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [, x, y, run] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row += 1) {
      const from = row * width + Number(x) * scale;
      for (let at = from; at < from + Number(run) * scale; at += 1)
        pixels.fill(0, at * 4, at * 4 + 3);
    }
  }
  const read = jsQR(pixels, width, width);
  if (read === null) throw new Error("no camera could read that");
  return read.data;
}
