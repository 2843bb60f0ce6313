// From a key to its glyph: real key events into Chromium, through the relay and on 127.0.0.1, beside
// ttyd, in turns within one run.
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { DESKTOP, launch, Person } from "../e2e/dashboard/browser.ts";
import { atNode, paired, terminalAt } from "../e2e/dashboard/entrance.ts";
import { Machine } from "../e2e/session/programs.ts";
import { behindBore, type Peer, ttyd } from "./peers.ts";
import { Typist } from "./probe.ts";
import { print, quantile, spread, told } from "./table.ts";

const ROUNDS = Number(process.env["GANTLINE_BENCH_ROUNDS"] ?? 10);
const KEYS = 25;
/** Echoed by its terminal, and by nothing else. */
const ECHO = ["cat"];

/** A screen shows 60 frames a second, and so hides what takes less; without that limit it is seen. */
const SCREENS = [
  { name: "60 frames a second", flags: [] },
  { name: "no limit of frames", flags: ["--disable-frame-rate-limit", "--disable-gpu-vsync"] },
];

let machine: Machine;
const peers: Peer[] = [];

beforeAll(async () => {
  machine = await Machine.start();
});

afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

afterAll(async () => {
  await machine?.stop();
});

test.each(SCREENS)(
  "a key is on the screen, $name",
  async ({ name, flags }) => {
    const browser = await launch(flags);
    const typists = await everybody(browser);
    const figures = new Map(typists.map((typist) => [typist, [] as number[][]]));
    for (let round = 0; round < ROUNDS; round++) {
      // A B, B A: whatever changes with time meets all alike.
      const order = round % 2 === 0 ? typists : typists.toReversed();
      for (const typist of order) figures.get(typist)?.push(await typist.type(KEYS));
    }
    await browser.close();
    const rows = typists.map((typist) => {
      const rounds = figures.get(typist) ?? [];
      const all = rounds.flat();
      const middle = spread(rounds.map((round) => quantile(round, 0.5)));
      return [typist.name, told(middle, 1), quantile(all, 0.99).toFixed(1), String(all.length)];
    });
    print(`From key to glyph, ${name}, ms`, ["", "p50", "p99", "keys"], rows);
    for (const rounds of figures.values()) expect(rounds.flat()).toHaveLength(ROUNDS * KEYS);
  },
  600_000,
);

async function everybody(browser: Browser): Promise<Typist[]> {
  // Two viewers of one agent would both draw each key.
  const agents = [
    await machine.spawn("far", ...ECHO),
    await machine.spawn("near", ...ECHO),
  ] as const;
  const relayed = await Person.come(browser, DESKTOP);
  const local = await Person.come(browser, DESKTOP);
  const typists = [
    await Typist.at(
      "Gantline, by the relay",
      await terminalAt(await paired(relayed, machine), machine, agents[0]),
    ),
    await Typist.at(
      "Gantline, 127.0.0.1",
      await terminalAt(await atNode(local, machine), machine, agents[1]),
    ),
  ];
  const near = await ttyd(ECHO);
  if (near === undefined) {
    console.log("WITHOUT ttyd: make bench-peers fetches it");
    return typists;
  }
  peers.push(near);
  const far = await behindBore(near.url);
  if (far === undefined) console.log("WITHOUT ttyd behind bore: make bench-peers builds it");
  else peers.push(far);
  for (const [name, peer] of [
    ["ttyd, 127.0.0.1", near],
    ["ttyd behind bore", far],
  ] as const) {
    if (peer === undefined) continue;
    const visitor = await Person.come(browser, DESKTOP);
    typists.push(await Typist.at(name, await visitor.open(peer.url)));
  }
  return typists;
}
