// What Lighthouse says of the dashboard, signed in, as the node and the relay serve it. Lighthouse is
// not among the dashboard's packages: scripts/install-tools puts it outside of the clone.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchIn, Person } from "../e2e/dashboard/browser.ts";
import { paired } from "../e2e/dashboard/entrance.ts";
import { Machine, until } from "../e2e/session/programs.ts";
import { print, spread, told } from "./table.ts";

const run = promisify(execFile);
const LIGHTHOUSE = process.env["GANTLINE_LIGHTHOUSE"] ?? "";
const RUNS = Number(process.env["GANTLINE_BENCH_ROUNDS"] ?? 3);
const LEAST = 95;

/** As Lighthouse imagines them: a phone on a slow network, a desktop on a fast one. */
const FORMS = ["mobile", "desktop"] as const;
type Form = (typeof FORMS)[number];

interface Report {
  categories: Record<"performance" | "accessibility", { score: number | null }>;
  audits: Record<string, { title: string; score: number | null; numericValue?: number }>;
}

let machine: Machine;
let person: Person;
let profile: string;
let debuggerPort = "";
let shell = "";

beforeAll(async () => {
  if (LIGHTHOUSE === "") throw new Error("run it by: make lighthouse");
  machine = await Machine.start();
  shell = await machine.spawn("shell", "env", "PS1=\\w $ ", "bash", "--norc", "--noprofile");
  await machine.spawn("backup", "sh", "-c", "echo done");
  await machine.spawn("tests", "sh", "-c", "echo FAILED; exit 3");
  profile = mkdtempSync(join(tmpdir(), "gantline-lighthouse-"));
  person = await Person.in(await launchIn(profile, ["--remote-debugging-port=0"]));
  const port = join(profile, "DevToolsActivePort");
  await until("the browser's debugger", () => readFileSync(port, "utf8").includes("\n"));
  debuggerPort = readFileSync(port, "utf8").split("\n")[0] ?? "";
  await (await paired(person, machine)).close();
});

const rows: string[][] = [];

afterAll(async () => {
  const head = ["", "performance", "accessibility", "first paint ms", "largest ms", "blocked ms"];
  if (rows.length > 0) print("Lighthouse", [...head, "shift"], rows);
  await person?.leave();
  await machine?.stop();
  rmSync(profile, { recursive: true, force: true });
});

const terminal = (): string => `/terminal?tabs=${machine.machineId}.${shell}&at=0`;
/** A new one-time token each time: it lets one load of the page in. */
const atNode = async (path: string) => {
  const { origin, hash } = new URL((await machine.gantline("open", "--print")).trim());
  return `${origin}${path}${hash}`;
};
const atRelay = async (path: string) => `${machine.home}${path}`;

const PAGES = [
  { name: "node, fleet", urlOf: () => atNode("/fleet") },
  { name: "node, terminal", urlOf: () => atNode(terminal()) },
  { name: "relay, fleet", urlOf: () => atRelay("/fleet") },
  { name: "relay, terminal", urlOf: () => atRelay(terminal()) },
];

for (const form of FORMS) {
  for (const { name, urlOf } of PAGES) {
    test(`${name}, ${form}: performance and accessibility are ${LEAST} at least`, async () => {
      const reports: Report[] = [];
      for (let each = 0; each < RUNS; each++) reports.push(await audit(urlOf, form));
      const figures = (of: (report: Report) => number) => spread(reports.map(of));
      const score = (category: "performance" | "accessibility") =>
        figures(({ categories }) => 100 * (categories[category].score ?? 0));
      const metric = (id: string) =>
        figures(({ audits }) => audits[id]?.numericValue ?? Number.NaN).middle;
      const [performance, accessibility] = [score("performance"), score("accessibility")];
      rows.push([
        `${name}, ${form}`,
        told(performance, 0),
        told(accessibility, 0),
        ...["first-contentful-paint", "largest-contentful-paint", "total-blocking-time"].map((id) =>
          metric(id).toFixed(0),
        ),
        metric("cumulative-layout-shift").toFixed(3),
      ]);
      const faults = reports.flatMap(({ audits }) =>
        Object.values(audits).flatMap(({ title, score }) => (score === 0 ? [title] : [])),
      );
      const why = [...new Set(faults)].join("; ");
      // Whatever else the machine does can only take away from the one, and nothing from the other.
      expect(performance.high, why).toBeGreaterThanOrEqual(LEAST);
      expect(accessibility.low, why).toBeGreaterThanOrEqual(LEAST);
    }, 600_000);
  }
}

/** It loses a trace now and then, and asks to be run again. */
const TRIES = 3;

/** Lighthouse in the browser that is open already. It empties its caches, and leaves IndexedDB and with
 * it the pairing alone. */
async function audit(urlOf: () => Promise<string>, form: Form): Promise<Report> {
  for (let left = TRIES - 1; ; left--) {
    const options = [
      `--port=${debuggerPort}`,
      "--only-categories=performance,accessibility",
      // Events go on coming: the page is never quiet.
      "--max-wait-for-load=15000",
      "--output=json",
      "--quiet",
      ...(form === "desktop" ? ["--preset=desktop"] : []),
    ];
    try {
      const { stdout } = await run(process.execPath, [LIGHTHOUSE, await urlOf(), ...options], {
        maxBuffer: 64 << 20,
      });
      return JSON.parse(stdout) as Report;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}
