// Chromium, and pages in it of which everything that goes wrong is known.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { expect } from "vitest";
import type { Machine } from "../session/programs.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Outside of the clone; CI keeps them. */
const SCREENSHOTS =
  process.env["GANTLINE_SCREENSHOTS"] ??
  join(process.env["GANTLINE_CACHE"] ?? join(homedir(), ".cache/gantline"), "screenshots");

export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** A profile of its own in a temporary directory goes with the browser. */
export function launch(flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: [...FLAGS, ...flags],
    headless: true,
  });
}

/** A browser whose profile is in `directory`, and stays there. */
export function launchIn(
  directory: string,
  flags: readonly string[] = [],
): Promise<BrowserContext> {
  return chromium.launchPersistentContext(directory, {
    ...DESKTOP,
    executablePath: EXECUTABLE,
    args: [...FLAGS, ...flags],
    headless: true,
  });
}

/** One person's browser: its storage is shared by its pages and nothing else. */
export class Person {
  readonly context: BrowserContext;
  readonly complaints: string[] = [];

  private constructor(context: BrowserContext) {
    this.context = context;
  }

  static async come(browser: Browser, options = DESKTOP): Promise<Person> {
    return Person.in(await browser.newContext({ colorScheme: "dark", ...options }));
  }

  static async in(context: BrowserContext): Promise<Person> {
    context.setDefaultTimeout(30_000);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    return new Person(context);
  }

  async open(url: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      // A connection that is away is told by the browser as an error; it is not one of the page's.
      if (
        message.type() !== "error" ||
        /ERR_|WebSocket connection|status of/.test(message.text())
      ) {
        return;
      }
      const { url, lineNumber } = message.location();
      const complaint = `${message.text()} (${url}:${lineNumber})`;
      if (!this.complaints.includes(complaint)) this.complaints.push(complaint);
    });
    await page.goto(url);
    return page;
  }

  /** Fails at anything that a page complained of: exceptions, what the security policy refused. */
  async leave(): Promise<void> {
    await this.context.close();
    expect(this.complaints).toEqual([]);
  }
}

/** Pairs the page of one machine with it, and gives the words that it shows. */
export async function pairByCode(page: Page, machine: Machine): Promise<string> {
  const { code } = await machine.code();
  await page.getByLabel("2. The code that it shows").fill(code);
  await page.getByRole("button", { name: "Pair", exact: true }).click();
  return wordsOf(page);
}

/** The safety number that a page shows when it has paired. */
export async function wordsOf(page: Page): Promise<string> {
  const paired = page.getByRole("dialog", { name: "Paired" });
  const words = await paired.locator("p.font-mono").innerText();
  expect(words.split(" ")).toHaveLength(6);
  await paired.getByRole("button", { name: "Done" }).click();
  return words;
}

/** The dashboard of the machine itself, let in by what `gantline open` prints. */
export async function enter(person: Person, machine: Machine): Promise<Page> {
  const page = await person.open((await machine.gantline("open", "--print")).trim());
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  // The token that let this page in is nowhere to be seen.
  expect(page.url()).not.toContain("once=");
  return page;
}

/** Waits until a terminal says nothing of being away any more. */
export async function isBack(page: Page): Promise<void> {
  const away = page
    .getByRole("status", { name: "Reconnecting" })
    .or(page.getByText(/^Offline, as of|^The node restarts/));
  // The next try of a page may be half a minute away.
  await page
    .getByRole("button", { name: "Retry" })
    .click({ timeout: 1_000 })
    .catch(() => undefined);
  await away.first().waitFor({ state: "detached", timeout: 90_000 });
}

/** What stands on the terminal of an agent, without the blanks at the ends of lines. */
export function screenOf(page: Page, agent: string): Promise<string> {
  return page
    .locator(`[data-terminal="${agent}"] .xterm-rows`)
    .evaluate((rows) =>
      [...rows.children].map((row) => row.textContent?.replace(/\s+$/, "") ?? "").join("\n"),
    );
}

export async function shows(page: Page, agent: string, text: string | RegExp): Promise<void> {
  await expect
    .poll(() => screenOf(page, agent).catch(() => ""), { timeout: 30_000, interval: 100 })
    .toMatch(text);
}

export async function type(page: Page, agent: string, text: string): Promise<void> {
  await page.locator(`[data-terminal="${agent}"] textarea`).focus();
  await page.keyboard.type(text);
}

/** Stops a page, as a laptop does that is closed; the returned function lets it go on. */
export async function freeze(person: Person, page: Page): Promise<() => Promise<void>> {
  const debuggers = await person.context.newCDPSession(page);
  await debuggers.send("Debugger.enable");
  const stopped = new Promise((resolve) => debuggers.once("Debugger.paused", resolve));
  await debuggers.send("Debugger.pause");
  // Something has to run for it to stop at.
  page.evaluate(() => undefined).catch(() => undefined);
  await stopped;
  return async () => {
    await debuggers.send("Debugger.resume");
    await debuggers.detach();
  };
}

/** Everything that axe finds wrong, in lines that can be read. */
export async function faultsOf(page: Page): Promise<string[]> {
  // By the debugger's hand: the page's own policy lets no foreign script in.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run(document, {
      rules: { "color-contrast-enhanced": { enabled: false } },
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
  });
}

export async function photograph(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
