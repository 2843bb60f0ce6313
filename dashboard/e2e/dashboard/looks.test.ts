// Every screen and every state as people see it, on a desktop and a phone, light and dark: axe finds
// nothing, nothing is wider than the window, and a picture of each is kept.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine, until } from "../session/programs.ts";
import {
  DESKTOP,
  enter,
  faultsOf,
  freeze,
  isBack,
  launch,
  Person,
  PHONE,
  photograph,
  shows,
} from "./browser.ts";

const KINDS = [
  ["desktop", DESKTOP],
  ["phone", PHONE],
] as const;
const SCHEMES = ["dark", "light"] as const;
/** Many screens, each looked at by axe. */
const LONG = 600_000;

let machine: Machine;
let other: Machine;
let browser: Browser;
let shell = "";
let server = "";
let tests = "";
let hostile = "";

beforeAll(async () => {
  machine = await Machine.start("workstation");
  other = await machine.beside("build-server-frankfurt");
  browser = await launch();
  shell = await machine.spawn("shell", "env", "PS1=\\w $ ", "bash", "--norc", "--noprofile");
  server = await machine.spawn("web", "sh", "-c", SERVER);
  await machine.spawn("backup", "sh", "-c", "echo '214 files, 1.3 GB, nothing skipped'");
  tests = await machine.spawn("tests", "sh", "-c", FAILING);
  const evil = "<img src=x onerror=alert(1)>\u202egpj.exe";
  const title = "printf '\\033]0;<script>alert(2)</script>\\007'; echo '\u202etxt.harmless'; cat";
  hostile = await machine.spawn(`<b>${"very-".repeat(10)}long</b>`, "sh", "-c", title, evil);
  await other.spawn("postgres", "sh", "-c", "echo 'database system is ready'; exec sleep 100000");
  await other.gantline("spawn", "--", "sleep", "100000");
  const { line } = await other.code();
  await machine.gantline(...line.split(" ").slice(1));
}, LONG);

afterAll(async () => {
  await browser?.close();
  await other?.stop();
  await machine?.stop();
});

const SERVER =
  "i=0; while sleep 2; do i=$((i + 1)); printf '\\033[32mGET\\033[0m /orders/%d \\033[1m200\\033[0m %d ms\\n' $i $((i % 17 + 3)); done";
const FAILING =
  "printf 'test parser::reads_numbers ... \\033[32mok\\033[0m\\ntest parser::reads_dates ... \\033[31mFAILED\\033[0m\\n\\n'; printf '  left: 2026-02-30\\n right: an error\\n\\ntest result: \\033[31mFAILED\\033[0m. 1 passed; 1 failed\\n'; exit 3";

/** Photographs, and gathers what is wrong. */
class Looker {
  readonly faults: string[] = [];
  readonly #page: Page;
  readonly #suffix: string;

  constructor(page: Page, kind: string, scheme: string) {
    this.#page = page;
    this.#suffix = `${kind}-${scheme}`;
  }

  async look(name: string): Promise<void> {
    await this.#page.evaluate(async () => {
      await document.fonts.ready;
      const ending = document
        .getAnimations()
        .filter((animation) => animation instanceof CSSTransition)
        .map((animation) => animation.finished.catch(() => undefined));
      await Promise.all(ending);
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    });
    await photograph(this.#page, `${name}-${this.#suffix}`);
    const { scrollWidth, clientWidth } = await this.#page.evaluate(
      () => document.scrollingElement ?? document.body,
    );
    if (scrollWidth > clientWidth) this.faults.push(`${name}: wider than the window`);
    this.faults.push(...(await faultsOf(this.#page)).map((fault) => `${name}: ${fault}`));
  }
}

describe.each(KINDS)("on a %s", (kind, options) => {
  test.each(SCHEMES)(
    "every screen of the machine's own dashboard can be read by everybody, %s",
    async (scheme) => {
      const person = await Person.come(browser, { ...options, colorScheme: scheme });
      const page = await enter(person, machine);
      const { origin } = new URL(page.url());
      const looker = new Looker(page, kind, scheme);
      const look = (name: string) => looker.look(name);
      const acts = (name: string) => page.getByRole("button", { name: `Acts for ${name}` });
      const item = (name: string) => page.getByRole("menuitem", { name });
      const leave = () => page.keyboard.press("Escape");

      await page.getByText("Exited 3").waitFor();
      await page.getByText("postgres").waitFor();
      await look("fleet");
      await page.getByRole("searchbox").fill("no such thing");
      await page.getByText("No agent is what you look for.").waitFor();
      await look("fleet-nothing-found");
      await page.goto(`${origin}/fleet`);
      await acts("shell").click();
      await look("agent-menu");
      await item("Send signal").click();
      await look("signal");
      await leave();
      await acts("shell").click();
      await item("Name and settings").click();
      await look("agent-settings");
      await leave();
      await acts("build-server-frankfurt").click();
      await look("machine-menu");
      await item("Rename").click();
      await look("machine-rename");
      await leave();
      await acts("build-server-frankfurt").click();
      await item("Forget").click();
      await look("machine-forget");
      await leave();
      await page.getByRole("button", { name: "New agent" }).click();
      await look("spawn");
      await page.getByRole("dialog").getByLabel("Command").fill("no-such-shell");
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.getByRole("alert").waitFor();
      await look("spawn-refused");
      await leave();
      await page.getByRole("button", { name: "Add machine" }).click();
      await look("add-machine");
      await page.getByRole("dialog").getByRole("textbox").fill("gantline add 1234-5678");
      await look("add-machine-half-a-line");
      await leave();
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox").waitFor();
      await look("palette");
      await page.getByRole("combobox").fill("nothing like this");
      await page.getByText("Nothing like that").waitFor();
      await look("palette-nothing-found");
      await leave();

      const pane = (agent: string) => `${machine.machineId}.${agent}`;
      await page.goto(`${origin}/terminal?tabs=${pane(shell)},${pane(server)},${pane(tests)}&at=1`);
      await shows(page, server, /GET/);
      await look("terminal");
      await page.getByRole("button", { name: /^Search, / }).click();
      await page.getByRole("textbox", { name: "Search this terminal" }).fill("GET");
      await page.getByText(/^\d+ of \d+$/).waitFor();
      await look("search");
      await leave();
      await page.getByRole("button", { name: "Read-only", exact: true }).click();
      await look("read-only");
      await page.goto(`${origin}/terminal?tabs=${pane(shell)}~${pane(server)}&at=0`);
      await shows(page, shell, /\$/);
      await shows(page, server, /GET/);
      await look("split");
      await page.goto(`${origin}/terminal?tabs=${pane(tests)}&at=0`);
      await page.getByText("Exited with code 3").waitFor();
      await shows(page, tests, /1 failed/);
      await look("exited");
      await page.goto(`${origin}/terminal?tabs=${pane(hostile)}&at=0`);
      await shows(page, hostile, /harmless/);
      await look("hostile");
      await page.goto(`${origin}/terminal`);
      await page.getByRole("heading", { name: "Terminal" }).waitFor();
      await look("no-terminal");
      for (const section of ["devices", "appearance", "about"]) {
        await page.goto(`${origin}/settings/${section}`);
        await page.getByRole("heading", { name: "Settings" }).waitFor();
        await page.getByText("Asking…").waitFor({ state: "detached" });
        await look(section);
      }
      await page.goto(`${origin}/settings/devices`);
      await page.getByRole("button", { name: "Pair a device" }).click();
      await page.getByText(/^good for \d/).waitFor();
      await look("pair-device");
      await page.getByRole("dialog").getByText("By a QR code").click();
      await page.getByRole("img", { name: "QR code that pairs a phone" }).waitFor();
      await look("pair-device-qr");
      await leave();
      expect(looker.faults).toEqual([]);
      await person.leave();
    },
    LONG,
  );

  test.each(SCHEMES)(
    "pairing at a relay can be read by everybody, %s",
    async (scheme) => {
      const person = await Person.come(browser, { ...options, colorScheme: scheme });
      const page = await person.open(machine.home);
      const looker = new Looker(page, kind, scheme);
      const pair = page.getByRole("button", { name: "Pair", exact: true });
      await page.getByRole("heading", { name: "Pair this browser" }).waitFor();
      await looker.look("pairing");
      const { code } = await machine.code();
      const input = page.getByLabel("2. The code that it shows");
      await input.fill(`${code.startsWith("0") ? "1" : "0"}${code.slice(1)}`);
      await pair.click();
      await page.getByText("Nothing was paired.").waitFor();
      await looker.look("pairing-wrong-code");
      await page.goto(`http://localhost:${machine.port}/`);
      await page.getByRole("heading", { name: "Add your first machine" }).waitFor();
      await looker.look("first-machine");
      await page.goto("about:blank");
      await page.goto(await invitation());
      await page.getByText("You were invited").waitFor();
      await looker.look("invited");
      await pair.click();
      await page.getByRole("dialog", { name: "Paired" }).waitFor();
      await looker.look("paired");
      await page.getByRole("button", { name: "Done" }).click();
      await page.goto(`${machine.home}/settings/about`);
      await page.getByRole("heading", { name: "Whom this page trusts" }).waitFor();
      await looker.look("about-relay");
      expect(looker.faults).toEqual([]);
      await person.leave();
    },
    LONG,
  );
});

async function invitation(): Promise<string> {
  const minted = await machine.gantline("pair", "--link", "--json");
  return (JSON.parse(minted) as { link: string }).link;
}

describe("what goes wrong can be read by everybody", () => {
  /** What goes wrong does so for all at once. */
  interface Viewer {
    person: Person;
    page: Page;
    looker: Looker;
  }
  const viewers: Viewer[] = [];
  const [go, done] = ["flood-go", "flood-done"];
  let flood = "";

  const all = (look: (viewer: Viewer) => Promise<void>) => Promise.all(viewers.map(look));
  /** One after the other: a page that is not in front may not be drawn. */
  const lookAll = async (name: string, before: (page: Page) => Promise<void>) => {
    for (const { page, looker } of viewers) {
      await page.bringToFront();
      await before(page);
      await looker.look(name);
    }
  };

  test("begins with a terminal in each", async () => {
    const [going, over] = [join(machine.scratch, go), join(machine.scratch, done)];
    const script = `echo 'Press any key.'; until [ -e ${going} ]; do sleep 0.1; done; seq -f 'line %09.0f of a flood that nobody can read' 400000; touch ${over}; echo 'The end of the flood.'; cat`;
    flood = await machine.spawn("flood", "sh", "-c", script);
    for (const [kind, options] of KINDS) {
      for (const scheme of SCHEMES) {
        const person = await Person.come(browser, { ...options, colorScheme: scheme });
        const page = await person.open(await invitation());
        await page.getByRole("button", { name: "Pair", exact: true }).click();
        await page.getByRole("button", { name: "Done" }).click();
        await page.goto(machine.terminal(flood));
        await shows(page, flood, "Press any key.");
        viewers.push({ person, page, looker: new Looker(page, kind, scheme) });
      }
    }
  });
  afterAll(async () => {
    for (const { person } of viewers) await person.leave();
  });

  test(
    "output that was skipped",
    async () => {
      const freed = await Promise.all(viewers.map(({ person, page }) => freeze(person, page)));
      writeFileSync(join(machine.scratch, go), "");
      await until("the flood's end", () => existsSync(join(machine.scratch, done)));
      for (const free of freed) await free();
      await lookAll("skipped", async (page) => {
        await page.getByText(/MB skipped$/).waitFor();
        await shows(page, flood, "The end of the flood.");
      });
      await all(async ({ page }) => {
        await page.getByRole("button", { name: "Dismiss" }).click();
      });
    },
    LONG,
  );

  test(
    "a relay that is away: reconnecting, then offline, and keys that were not sent",
    async () => {
      await machine.killRelay();
      await lookAll("reconnecting", async (page) => {
        // It lasts for eight seconds, and there are four to be looked at.
        const bar = page.getByRole("status", { name: "Reconnecting" });
        await bar
          .or(page.getByText(/^Offline, as of/))
          .first()
          .waitFor();
      });
      await lookAll("offline", async (page) => {
        await page.getByText(/^Offline, as of/).waitFor();
      });
      await viewers[0]?.page.bringToFront();
      await viewers[0]?.page.locator(`[data-terminal="${flood}"] textarea`).focus();
      await viewers[0]?.page.keyboard.type("ls");
      await viewers[0]?.page.getByText("2 keys were not sent").waitFor();
      await viewers[0]?.looker.look("keys-not-sent");
      await lookAll("fleet-offline", async (page) => {
        await page.getByRole("link", { name: "Fleet" }).click();
        await page.getByText(/^Offline \d/).waitFor();
      });
      await machine.relayIsBack();
      await all(async ({ page }) => {
        await page.goto(machine.terminal(flood));
        await shows(page, flood, "The end of the flood.");
      });
    },
    LONG,
  );

  test(
    "a node that restarts",
    async () => {
      await machine.endNode();
      await lookAll("restarting", async (page) => {
        await page.getByText("The node restarts").waitFor();
      });
      await machine.startNode();
      await all(({ page }) => isBack(page));
    },
    LONG,
  );

  test(
    "a device that was removed",
    async () => {
      const listed = JSON.parse(await machine.gantline("device", "list", "--json")) as {
        deviceId: string;
      }[];
      for (const { deviceId } of listed) await machine.gantline("device", "revoke", deviceId);
      await lookAll("removed", async (page) => {
        await page.getByText("Removed by the machine").first().waitFor();
      });
      await lookAll("fleet-removed", async (page) => {
        await page.getByRole("link", { name: "Fleet" }).click();
        await page.getByRole("button", { name: "Pair again" }).waitFor();
      });
    },
    LONG,
  );

  test("was looked at, and nothing found", () => {
    expect(viewers.flatMap(({ looker }) => looker.faults)).toEqual([]);
  });
});

describe("a page that nobody let in", () => {
  test.each(KINDS)("says how to open it, on a %s", async (kind, options) => {
    const person = await Person.come(browser);
    const { origin } = new URL((await enter(person, machine)).url());
    for (const scheme of SCHEMES) {
      const stranger = await Person.come(browser, { ...options, colorScheme: scheme });
      const page = await stranger.open(origin);
      await page.getByText("gantline open").waitFor();
      const looker = new Looker(page, kind, scheme);
      await looker.look("locked");
      expect(looker.faults).toEqual([]);
      await stranger.leave();
    }
    await person.leave();
  });
});

describe("a fleet of forty machines", () => {
  const others: Machine[] = [];
  let user: Machine;
  afterAll(async () => {
    await Promise.all(others.map((each) => each.stop()));
    await user?.stop();
  });

  test(
    "can be read by everybody",
    async () => {
      user = await machine.beside("laptop");
      const names = Array.from(
        { length: 39 },
        (_, at) => `node-${String(at + 1).padStart(2, "0")}`,
      );
      // A few at a time: each is a program that makes keys, joins a relay and is paired with.
      const begin = async () => {
        for (let name = names.shift(); name !== undefined; name = names.shift()) {
          const each = await machine.beside(name);
          others.push(each);
          if (name.endsWith("3"))
            await each.spawn("worker", "sh", "-c", "echo 'ready'; exec sleep 10000");
          const { line } = await each.code();
          await user.gantline(...line.split(" ").slice(1));
        }
      };
      await Promise.all([begin(), begin(), begin(), begin()]);
      const gone = others.slice(0, 3);
      for (const each of gone) await each.killNode();
      for (const [kind, options] of KINDS) {
        for (const scheme of SCHEMES) {
          const person = await Person.come(browser, { ...options, colorScheme: scheme });
          const page = await enter(person, user);
          const looker = new Looker(page, kind, scheme);
          await expect
            .poll(() => page.getByText("Relay", { exact: true }).count(), SOON)
            .toBe(others.length - gone.length);
          await page
            .getByText(/^Offline/)
            .first()
            .waitFor();
          await looker.look("forty-machines");
          await page.getByRole("searchbox").fill("worker node-2");
          await page.getByText("worker").first().waitFor();
          await looker.look("forty-machines-searched");
          expect(looker.faults).toEqual([]);
          await person.leave();
        }
      }
    },
    LONG,
  );
});

const SOON = { timeout: 120_000, interval: 500 };
