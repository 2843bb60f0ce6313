// A flood of output: the page goes on answering, and shows where it stands at the end.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine } from "../session/programs.ts";
import { launch, Person, screenOf, shows, type } from "./browser.ts";
import { atNode, paired, terminalAt } from "./entrance.ts";
import { longestTask } from "./trace.ts";

/** The whole flood, also by the clock, on a machine that does nothing else; else a part of it, by what
 * the page's thread takes of a processor. */
const BARS = process.env["GANTLINE_TIER"] === "bars";
const FLOOD = BARS ? 100_000_000 : 30_000_000;
const LONGEST_MS = { clock: 100, processor: 50 };

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

describe("a flood of output", () => {
  test.each([
    ["by the relay", paired],
    ["on this machine", atNode],
  ] as const)("never keeps the page from answering for long, %s", async (way, enter) => {
    const person = await Person.come(browser);
    const agent = await machine.shell("flood");
    const page = await terminalAt(await enter(person, machine), machine, agent);
    await shows(page, agent, "ready>");
    const begun = performance.now();
    const longest = await longestTask(browser, page, () => flood(page, agent));
    const seconds = (performance.now() - begun) / 1_000;
    console.log(
      `${way}: ${FLOOD} bytes in ${seconds.toFixed(1)} s; the longest task on the page's thread ` +
        `took ${longest.clock.toFixed(0)} ms, ${longest.processor.toFixed(0)} ms of a processor`,
    );
    expect(longest.processor).toBeGreaterThan(0);
    expect(longest.processor).toBeLessThanOrEqual(LONGEST_MS.processor);
    if (BARS) expect(longest.clock).toBeLessThanOrEqual(LONGEST_MS.clock);
    await person.leave();
  });
});

async function flood(page: Page, agent: string): Promise<void> {
  const lines = `yes 0123456789abcdef0123456789abcdef | head -c ${FLOOD}`;
  await type(page, agent, `${lines}; echo; echo do''ne\n`);
  await expect
    .poll(() => screenOf(page, agent), { timeout: 100_000, interval: 500 })
    .toMatch(/^done$/m);
}
