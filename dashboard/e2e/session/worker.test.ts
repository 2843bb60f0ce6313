// The worker's side and the page's, over a real message channel, with a real relay and node.

import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import type { Way } from "../../src/machines/way.ts";
import { parseMachineId, systemRandom } from "../../src/session/identity/keys.ts";
import { parseName } from "../../src/session/identity/name.ts";
import type { Socket } from "../../src/session/io/pipe.ts";
import { Keyring } from "../../src/session/keyring/keyring.ts";
import { utf8 } from "../../src/session/wire/bytes.ts";
import { Hub } from "../../src/session/worker/hub.ts";
import { SessionWorker, type WorkerLike } from "../../src/session/worker/proxy.ts";
import { type LineAct, TerminalLine } from "../../src/terminal/line.ts";
import { Machine, until } from "./programs.ts";

let machine: Machine;
let page: SessionWorker;

beforeAll(async () => {
  machine = await Machine.start();
  const hub = new Hub({
    keyring: Keyring.open(),
    openSocket: (url) => {
      const { pathname, port, host } = new URL(url);
      const at = `ws://127.0.0.1:${port}${pathname}`;
      return new WebSocket(at, { origin: machine.origin, headers: { host } }) as unknown as Socket;
    },
  });
  page = new SessionWorker(workerOf(hub), {
    authority: `localhost:${machine.port}`,
    isSecure: false,
  });
}, 120_000);

afterAll(async () => {
  page?.close();
  await machine?.stop();
}, 60_000);

const name = parseName("a browser");

async function pairByCode(): Promise<Awaited<ReturnType<SessionWorker["pairByCode"]>>> {
  const { code } = JSON.parse(await machine.gantline("pair", "--json")) as { code: string };
  return page.pairByCode(parseMachineId(machine.machineId), code, name);
}

describe("a page with its worker", () => {
  test("pairs by code and by link, and lists what it is paired with", async () => {
    expect(await page.machines()).toEqual([]);
    const { machine: known, safety } = await pairByCode();
    expect(known).toMatchObject({ machine: machine.machineId, role: "owner" });
    expect(await page.safetyNumber(known.machine)).toEqual(safety);
    const made = await machine.gantline("pair", "--link", "--role", "operator", "--json");
    const again = await page.pairByLink((JSON.parse(made) as { link: string }).link, name);
    expect(again.machine.role).toBe("operator");
    expect(again.safety).not.toEqual(safety);
    expect(await page.machines()).toHaveLength(1);
  });

  test("is told why a code does not do, and stops after two tries", async () => {
    await machine.gantline("pair", "--json");
    const id = parseMachineId(machine.machineId);
    const wrong = () => page.pairByCode(id, "0000-0000", name);
    await expect(wrong()).rejects.toMatchObject({ kind: "refused" });
    await expect(wrong()).rejects.toMatchObject({ kind: "refused" });
    await expect(wrong()).rejects.toMatchObject({ kind: "AskForNewCode" });
    await expect(page.pairByCode(id, "12", name)).rejects.toMatchObject({ kind: "WireError" });
  });

  test("asks, reads and gives up through the worker", async () => {
    await pairByCode();
    const way: Way = page.way(parseMachineId(machine.machineId));
    const answer = await way.fetch(new Request("http://machine.invalid/v1/machine"));
    expect(await answer.json()).toMatchObject({ machineId: machine.machineId });
    await until("the round trip", () => way.status.state === "up" && way.status.rttMs !== null);
    const body = JSON.stringify({ argv: ["sh", "-c", "seq 0 299999"] });
    const exec = await way.fetch(
      new Request("http://machine.invalid/v1/exec", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      }),
    );
    expect((await exec.text()).match(/299999/g)).toHaveLength(1);
    const abort = new AbortController();
    const events = await way.fetch(
      new Request("http://machine.invalid/v1/events", { signal: abort.signal }),
    );
    const reading = events.text();
    abort.abort(new Error("left"));
    await expect(reading).rejects.toThrow("left");
    expect((await way.fetch(new Request("http://machine.invalid/v1/status"))).ok).toBe(true);
    way.close();
  });

  test("a flood that nobody reads stops, and the rest goes on", async () => {
    const way = page.way(parseMachineId(machine.machineId));
    const flood = await way.fetch(
      new Request("http://machine.invalid/v1/exec", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ argv: ["sh", "-c", "yes flood | head -c 50000000"] }),
      }),
    );
    const reader = flood.body?.getReader();
    await reader?.read();
    expect((await way.fetch(new Request("http://machine.invalid/v1/status"))).ok).toBe(true);
    await reader?.cancel();
    way.close();
  });

  test("types into a terminal over a relay that is killed", async () => {
    const way = page.way(parseMachineId(machine.machineId));
    const spawned = await way.fetch(
      new Request("http://machine.invalid/v1/agents", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ argv: ["sh"], env: { PS1: "ready>" } }),
      }),
    );
    const { agentId } = (await spawned.json()) as { agentId: string };
    let text = "";
    const acts: LineAct[] = [];
    const viewer = {
      viewer: systemRandom(16),
      mode: "drive",
      size: { cols: 80, rows: 24 },
    } as const;
    const line = new TerminalLine(way, agentId, viewer, (act) => {
      acts.push(act);
      if (act.type !== "show" && act.type !== "redraw") return;
      text += new TextDecoder().decode(act.bytes);
      line.shown(act.upto);
    });
    await until("the prompt", () => text.includes("ready>"));
    line.type(utf8("echo be''fore\n"));
    await until("the answer", () => text.includes("before"));
    await machine.killRelay();
    await until("the page sees that", () => way.status.state !== "up");
    await machine.startRelay();
    await until("the way is up again", () => way.status.state === "up");
    line.type(utf8("echo af''ter; exit\n"));
    await until("the answer", () => text.includes("after"));
    await until("the end", () => line.feed.exit !== undefined);
    expect(acts.filter(({ type }) => type === "redraw")).toHaveLength(1);
    way.close();
  });

  test("a machine that is not paired is said to be so, and one that removed us too", async () => {
    const stranger = parseMachineId("7ysfeacgl67lygdarvjsj6cdsq");
    const nowhere = page.way(stranger);
    await until("the word of it", () => nowhere.status.state === "unpaired");
    const asked = nowhere.fetch(new Request("http://machine.invalid/v1/machine"));
    await expect(asked).rejects.toThrow("not paired");
    const { machine: known } = await pairByCode();
    const way = page.way(known.machine);
    await until("the session", () => way.status.state === "up");
    await machine.gantline("device", "revoke", known.device);
    await until("the word of it", () => way.status.state === "revoked");
    await until("the mark", async () => (await page.machines())[0]?.revokedAt !== undefined);
    await page.forget(known.machine);
    expect(await page.machines()).toEqual([]);
  });
});

/** What a `Worker` does, with the hub on this side of it: everything is cloned on its way. */
function workerOf(hub: Hub): WorkerLike {
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data }) => hub.take(data, (answer) => port2.postMessage(answer));
  return {
    postMessage: (message, transfer) => port1.postMessage(message, transfer),
    addEventListener(type: "message" | "error", listener: (event: MessageEvent) => void) {
      if (type === "message") port1.onmessage = listener;
    },
    terminate() {
      port1.close();
      port2.close();
    },
  };
}
