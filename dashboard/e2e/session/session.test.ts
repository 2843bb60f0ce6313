// The session client against the real relay, the real node and real terminals.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { parseMachineId, staticKey, systemRandom } from "../../src/session/identity/keys.ts";
import { parseName } from "../../src/session/identity/name.ts";
import { pair } from "../../src/session/io/pair.ts";
import type { OpenSocket, Socket } from "../../src/session/io/pipe.ts";
import { CodeAttempts } from "../../src/session/pairing/code.ts";
import { parseLink } from "../../src/session/pairing/link.ts";
import { type Paired, PairingRun } from "../../src/session/pairing/run.ts";
import { safetyNumber } from "../../src/session/pairing/safety.ts";
import { SessionWay } from "../../src/session/way.ts";
import { concat, utf8 } from "../../src/session/wire/bytes.ts";
import { type LineAct, TerminalLine } from "../../src/terminal/line.ts";
import { readOutput } from "../../src/terminal/output.ts";
import { Machine, until } from "./programs.ts";

let machine: Machine;
let openSocket: OpenSocket;

beforeAll(async () => {
  machine = await Machine.start();
  // Names below localhost are this machine; a browser knows that by itself.
  openSocket = (url) => {
    const { pathname, port, host } = new URL(url);
    const at = `ws://127.0.0.1:${port}${pathname}`;
    return new WebSocket(at, { origin: machine.origin, headers: { host } }) as unknown as Socket;
  };
}, 120_000);

afterAll(async () => {
  await machine?.stop();
}, 60_000);

/** The same whoever runs the test. */
const PROMPT = { PS1: "ready>" };

const device = staticKey(systemRandom(32));
const name = parseName("a browser");

async function pairByCode(role = "owner", key = device): Promise<Paired> {
  const { code } = JSON.parse(await machine.gantline("pair", "--json", "--role", role)) as {
    code: string;
  };
  const attempts = new CodeAttempts(code);
  const id = parseMachineId(machine.machineId);
  const begin = () => PairingRun.byCode(id, attempts, key, name, systemRandom);
  return pair(machine.url, begin, openSocket);
}

function wayTo(paired: Paired, key = device, more: { onRevoked?(): void } = {}): SessionWay {
  return new SessionWay({
    url: machine.url,
    device: key,
    node: paired.node,
    psks: [paired.psk],
    openSocket,
    ...more,
  });
}

function request(path: string, init: RequestInit = {}): Request {
  return new Request(`http://machine.invalid${path}`, init);
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Request {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

describe("pairing", () => {
  test("a code that a person typed makes a browser an owner, and both show one safety number", async () => {
    const paired = await pairByCode();
    expect(paired.machine).toBe(machine.machineId);
    expect(paired.role).toBe("owner");
    expect(paired.relays.map(({ host }) => host)).toEqual(["localhost"]);
    const safety = safetyNumber(paired.node, device.public, paired.psk);
    expect(safety.words).toHaveLength(6);
    const way = wayTo(paired);
    const devices = await way.fetch(request("/v1/devices"));
    expect(await devices.json()).toContainEqual(
      expect.objectContaining({ deviceId: paired.device, name, pending: false }),
    );
    way.close();
  });

  test("a link makes a browser what the link says", async () => {
    const key = staticKey(systemRandom(32));
    const made = await machine.gantline("pair", "--link", "--role", "observer", "--json");
    const { link } = JSON.parse(made) as { link: string };
    const begin = () => PairingRun.byLink(parseLink(link), key, name, systemRandom);
    const paired = await pair(machine.url, begin, openSocket);
    expect(paired.role).toBe("observer");
    const way = wayTo(paired, key);
    expect((await way.fetch(request("/v1/machine"))).status).toBe(200);
    expect((await way.fetch(post("/v1/exec", { argv: ["true"] }))).status).toBe(403);
    way.close();
  });

  test("a wrong code pairs nothing and says so", async () => {
    await machine.gantline("pair", "--json");
    const attempts = new CodeAttempts("00000000");
    const id = parseMachineId(machine.machineId);
    const begin = () => PairingRun.byCode(id, attempts, device, name, systemRandom);
    await expect(pair(machine.url, begin, openSocket)).rejects.toMatchObject({
      kind: "refused",
      refusal: "wrong",
    });
    expect(attempts.left).toBe(1);
  });
});

describe("a paired browser", () => {
  let paired: Paired;
  let way: SessionWay;

  beforeAll(async () => {
    paired = await pairByCode();
    way = wayTo(paired);
  });

  afterAll(() => way?.close());

  test("runs a command and gets its output and its exit code", async () => {
    const answer = await way.fetch(post("/v1/exec", { argv: ["sh", "-c", "echo out; exit 7"] }));
    const lines = (await answer.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.find(({ kind }) => kind === "out")).toMatchObject({ text: "out\n" });
    expect(lines.at(-1)).toMatchObject({ kind: "exit", status: { code: 7 } });
  });

  test("sends a large body and reads a large answer, byte for byte", async () => {
    const text = Array.from({ length: 90_000 }, (_, line) => String(line)).join("\n");
    const argv = ["sh", "-c", 'printf %s "$TEXT" | sha256sum; seq 0 499999'];
    const answer = await way.fetch(
      post("/v1/exec", { argv, env: { PAD: "x".repeat(100_000), TEXT: text.slice(0, 100_000) } }),
    );
    const out = (await answer.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { kind: string; text?: string })
      .filter(({ kind }) => kind === "out")
      .map(({ text = "" }) => text)
      .join("");
    const [digest, ...numbers] = out.trim().split("\n");
    const wanted = await crypto.subtle.digest("SHA-256", utf8(text.slice(0, 100_000)));
    expect(digest?.slice(0, 64)).toBe(Buffer.from(wanted).toString("hex"));
    expect(numbers).toHaveLength(500_000);
    expect(numbers.at(-1)).toBe("499999");
  });

  test("gives an answer up that nobody wants, and the session goes on", async () => {
    const abort = new AbortController();
    const answer = await way.fetch(request("/v1/events", { signal: abort.signal }));
    const reading = answer.text();
    abort.abort(new Error("left"));
    await expect(reading).rejects.toThrow();
    expect((await way.fetch(request("/v1/machine"))).status).toBe(200);
  });

  test("three hundred requests at once are all answered", async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, async () => (await way.fetch(request("/v1/machine"))).json()),
    );
    // 128 fit in a session and 256 may wait.
    expect(answers).toHaveLength(300);
  });

  test("types into a terminal, and goes on byte for byte over relays that are killed", async () => {
    const spawned = await way.fetch(post("/v1/agents", { argv: ["sh"], env: PROMPT }));
    expect(spawned.status).toBe(201);
    const { agentId } = (await spawned.json()) as { agentId: string };
    const screen = new Screen(way, agentId);
    await screen.sees("ready>");
    screen.line.type(utf8("stty -echo; PS1=; echo be''gun\n"));
    await screen.sees("begun");
    for (let round = 1; round <= 2; round++) {
      screen.line.type(
        utf8(
          `for i in $(seq 1000); do echo "${round}-$i"; sleep 0.0005; done; echo do''ne${round}\n`,
        ),
      );
      await screen.sees(`${round}-200\r`);
      await machine.killRelay();
      await until("the browser sees that", () => way.status.state !== "up");
      screen.line.type(utf8(`echo typed${round}-in-the-dark\n`));
      await machine.startRelay();
      await screen.sees(`done${round}`);
      // It was typed while nobody took it: applied once, or given up and said so.
      await until("what was typed is applied or given up", () => {
        const times = screen.text.split(`typed${round}-in-the-dark\r`).length - 1;
        const lost = screen.told("gave-up").length;
        return times === 1 || (times === 0 && lost > 0);
      });
    }
    expect(screen.told("skipped")).toHaveLength(0);
    // What the viewer has is what the log has, from its first byte on.
    const { offset = 0n } = screen.line.feed.position ?? {};
    const log = await way.fetch(request(`/v1/agents/${agentId}/output`));
    const whole = new Uint8Array(await log.arrayBuffer()).subarray(0, Number(offset));
    expect(Buffer.from(screen.bytes).equals(Buffer.from(whole).subarray(screen.from))).toBe(true);
    for (let round = 1; round <= 2; round++) {
      expect(screen.text.split(`typed${round}-in-the-dark`).length).toBeLessThanOrEqual(2);
    }
    screen.line.type(utf8("exit 3\n"));
    await until("the shell's end", () => screen.line.feed.exit !== undefined);
    expect(screen.line.feed.exit).toEqual({ kind: "code", code: 3 });
    screen.line.close();
  });

  test("follows output byte for byte over a relay that is killed", async () => {
    const argv = ["sh", "-c", "for i in $(seq 2000); do echo line $i; sleep 0.0005; done"];
    const spawned = await way.fetch(post("/v1/agents", { argv }));
    const { agentId } = (await spawned.json()) as { agentId: string };
    const { signal } = new AbortController();
    let text = "";
    let killed: Promise<void> | undefined;
    for await (const piece of readOutput(way, agentId, { follow: true, signal })) {
      if (piece.type !== "bytes") throw new Error("a gap");
      text += new TextDecoder().decode(piece.bytes);
      if (text.includes("line 300\r")) {
        killed ??= machine.killRelay().then(() => machine.startRelay());
      }
    }
    await killed;
    const lines = Array.from({ length: 2_000 }, (_, at) => `line ${at + 1}\r\n`);
    expect(text).toBe(lines.join(""));
  });

  test("goes on when the node is killed and comes back", async () => {
    const spawned = await way.fetch(post("/v1/agents", { argv: ["sh"], env: PROMPT }));
    const { agentId } = (await spawned.json()) as { agentId: string };
    const screen = new Screen(way, agentId);
    await screen.sees("ready>");
    screen.line.type(utf8("PS1=; echo be''fore\n"));
    await screen.sees("before");
    await machine.killNode();
    await until("the browser sees that", () => way.status.state !== "up");
    await machine.startNode();
    await until("the way is up again", () => {
      way.retry();
      return way.status.state === "up";
    });
    screen.line.type(utf8("echo af''ter\n"));
    await screen.sees("after");
    screen.line.close();
  });

  test("two viewers of one terminal see the same, and one takes the size over", async () => {
    const spawned = await way.fetch(post("/v1/agents", { argv: ["sh"], env: PROMPT }));
    const { agentId } = (await spawned.json()) as { agentId: string };
    const [first, second] = [new Screen(way, agentId), new Screen(way, agentId, "read-only")];
    await Promise.all([first.sees("ready>"), second.sees("ready>")]);
    first.line.type(utf8("stty size; echo to''gether\n"));
    await Promise.all([first.sees("together"), second.sees("together")]);
    await until("the first drives", () => first.line.feed.drives);
    second.line.type(utf8("echo for''bidden\n"));
    first.line.resize({ cols: 99, rows: 33 });
    await until("the size is everybody's", () => second.line.feed.size?.cols === 99);
    first.line.type(utf8("stty size; exit\n"));
    await until("the shell's end", () => second.line.feed.exit !== undefined);
    expect(second.text).toContain("33 99");
    expect(second.text).not.toContain("forbidden");
    for (const screen of [first, second]) screen.line.close();
  });

  test("a terminal that is not there is refused, with why", async () => {
    const acts: LineAct[] = [];
    const line = new TerminalLine(way, "ag-zzzzz", viewer(), (act) => acts.push(act));
    await until("the refusal", () => acts.some(({ type }) => type === "refused"));
    expect(acts.at(-1)).toMatchObject({ status: 404, problem: { code: "not-found" } });
    line.close();
  });

  test("a request that was cut off is made again with its key, and acts once", async () => {
    const marker = `once-${Date.now()}`;
    const ask = () =>
      way.fetch(
        post(
          "/v1/agents",
          { argv: ["sleep", "1000"], name: marker },
          { "idempotency-key": marker },
        ),
      );
    const asked = ask().catch((error: unknown) => error);
    await machine.killRelay();
    await machine.relayIsBack();
    const first = await asked;
    await until("the way is up again", () => {
      way.retry();
      return way.status.state === "up";
    });
    // If that took longer than the way is patient, it said so, and the same is asked once more.
    const answer = first instanceof Response ? first : await ask();
    expect(answer.status).toBe(201);
    const again = await way.fetch(request("/v1/agents"));
    const agents = (await again.json()) as { name?: string }[];
    expect(agents.filter((agent) => agent.name === marker)).toHaveLength(1);
  });

  test("a flood is read at the reader's pace, and the session stays alive beside it", async () => {
    const answer = await way.fetch(post("/v1/exec", { argv: ["sh", "-c", "seq 3000000"] }));
    const reader = answer.body?.getReader();
    await reader?.read();
    // Nobody reads on: credit runs out, and everything else goes on.
    for (let round = 0; round < 5; round++) {
      expect((await way.fetch(request("/v1/machine"))).status).toBe(200);
    }
    await reader?.cancel();
  });
});

test("a browser that was removed is told so, at once and later", async () => {
  const key = staticKey(systemRandom(32));
  const paired = await pairByCode("operator", key);
  let revoked = 0;
  const way = wayTo(paired, key, { onRevoked: () => revoked++ });
  await until("the session", () => way.status.state === "up");
  await machine.gantline("device", "revoke", paired.device);
  await until("the word of it", () => way.status.state === "revoked");
  expect(revoked).toBe(1);
  await expect(way.fetch(request("/v1/machine"))).rejects.toMatchObject({ kind: "revoked" });
  way.close();
  const later = wayTo(paired, key, { onRevoked: () => revoked++ });
  await until("the word of it", () => later.status.state === "revoked");
  expect(revoked).toBe(2);
  later.close();
});

function viewer(mode: "drive" | "read-only" = "drive") {
  return { viewer: systemRandom(16), mode, size: { cols: 80, rows: 24 } } as const;
}

/** Keeps what a terminal would show. */
class Screen {
  readonly line: TerminalLine;
  readonly #acts: LineAct[] = [];
  /** Output since the first snapshot, which was drawn at offset `from`. */
  bytes = new Uint8Array(0);
  from = -1;
  text = "";

  constructor(way: SessionWay, agent: string, mode: "drive" | "read-only" = "drive") {
    this.line = new TerminalLine(way, agent, viewer(mode), (act) => this.#take(act));
  }

  told(type: LineAct["type"]): LineAct[] {
    return this.#acts.filter((act) => act.type === type);
  }

  sees(text: string): Promise<void> {
    return until(`the screen shows ${JSON.stringify(text)}`, () => this.text.includes(text));
  }

  #take(act: LineAct): void {
    this.#acts.push(act);
    if (act.type !== "show" && act.type !== "redraw") return;
    this.text += new TextDecoder().decode(act.bytes);
    if (act.type === "redraw") {
      if (this.from >= 0) throw new Error("a second snapshot");
      this.from = Number(act.upto);
    } else {
      this.bytes = concat(this.bytes, act.bytes);
    }
    this.line.shown(act.upto);
  }
}
