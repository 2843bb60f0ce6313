// How a browser comes to a machine's terminals: paired, by the relay; let in, at its node.
import type { Page } from "playwright-core";
import type { Machine } from "../session/programs.ts";
import { type Person, shows } from "./browser.ts";

/** A page of the relay, paired with the machine by a link. */
export async function paired(person: Person, machine: Machine): Promise<Page> {
  const made = await machine.gantline("pair", "--link", "--role", "owner", "--json");
  const [, secret] = (JSON.parse(made) as { link: string }).link.split("#");
  const page = await person.open(`${machine.home}/#${secret}`);
  await page.getByRole("button", { name: "Pair", exact: true }).click();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  return page;
}

/** A page of the node, let in by its one-time token. */
export async function atNode(person: Person, machine: Machine): Promise<Page> {
  const page = await person.open((await machine.gantline("open", "--print")).trim());
  await page.getByRole("heading", { name: "Fleet" }).waitFor();
  return page;
}

/** The same page, at the terminal of an agent. */
export async function terminalAt(page: Page, machine: Machine, agent: string): Promise<Page> {
  const { origin } = new URL(page.url());
  await page.goto(`${origin}/terminal?tabs=${machine.machineId}.${agent}&at=0`);
  await shows(page, agent, /^/);
  await page.locator(`[data-terminal="${agent}"] .xterm-rows`).waitFor();
  return page;
}
