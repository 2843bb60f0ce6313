// Records real nodes for `npm run dev`, into fixtures/: node scripts/record.mjs [DIRECTORY]
//
// Starts a relay and three nodes with state of their own, pairs the first with the others, lets a few
// agents run, and keeps what the nodes say of them. Ids, times, process ids and how busy the machine
// is differ between any two runs; in their place stand ones that are always the same.
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import WebSocket from "ws";

const run = promisify(execFile);
const CACHE = process.env.GANTLINE_CACHE ?? join(homedir(), ".cache/gantline");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(CACHE, "target");
const BINARIES = process.env.GANTLINE_BINARIES ?? join(TARGET, "debug");
const ENV = { ...process.env, GANTLINE_LOG: "error" };
const FIXTURES = process.argv[2] ?? new URL("../fixtures", import.meta.url).pathname;

/** How long a terminal is watched. */
const WATCHED_MS = 3_600;
/** When all of it has happened: 2026-01-05, 09:00 UTC. */
const BEGAN = Date.UTC(2026, 0, 5, 9);
const MINUTE = 60_000;

const shell = (script) => ["sh", "-c", script];
const bash = ["env", "PS1=\\w $ ", "bash", "--norc", "--noprofile", "-i"];
const ticks = "i=0; while sleep 1; do i=$((i+1)); echo";

/** Who is recorded, and what runs there. An agent is watched from the text `after` on. */
const MACHINES = [
  {
    file: "1-closet",
    agents: [
      { name: "shell", argv: bash, after: "$ " },
      {
        name: "web",
        argv: shell("echo 'Listening on http://127.0.0.1:8080/'; exec sleep 86400"),
        after: "8080",
      },
      {
        name: "tests",
        argv: shell(
          [
            "for i in 1 2 3; do printf 'test %s ... \\033[32mok\\033[0m\\n' $i; done; echo",
            "printf '\\033[31mFAILED\\033[0m 1 of 4\\n'; exit 3",
          ].join("; "),
        ),
        after: "FAILED",
        ends: true,
      },
      {
        name: "watch",
        argv: shell(`echo 'Watching 4 folders'; ${ticks} "look $i: nothing has changed"; done`),
        after: "folders",
      },
      { argv: ["sleep", "86400"] },
      { name: "backup", argv: shell("echo done"), after: "done", ends: true },
    ],
  },
  {
    file: "2-ada",
    agents: [
      {
        name: "train",
        argv: shell(`echo 'epoch 7 of 20'; ${ticks} "  step $((i*100)) of 4000"; done`),
        after: "epoch",
      },
      { name: "notes", argv: bash, after: "$ " },
    ],
  },
  { file: "3-pi", agents: [] },
];

const scratch = mkdtempSync(join(tmpdir(), "gantline-record-"));
const children = [];

async function record() {
  const relayEnv = { ...ENV, GANTLINE_RELAY_STATE: join(scratch, "relay") };
  await start("gantline-relay", ["serve", "--json", "--listen", "127.0.0.1:0"], relayEnv);
  const nodes = [];
  for (const { file } of MACHINES) {
    const { stdout } = await run(join(BINARIES, "gantline-relay"), ["token", "create", "--json"], {
      env: relayEnv,
    });
    nodes.push(await Node.start(file.slice(2), JSON.parse(stdout).link));
  }
  try {
    for (const node of nodes.slice(1)) {
      const { code, addresses } = JSON.parse(await node.gantline("pair", "--json"));
      await nodes[0].gantline("add", code, addresses[0]);
    }
    mkdirSync(FIXTURES, { recursive: true });
    for (const [at, { file, agents }] of MACHINES.entries()) {
      const recording = steady(file, await nodes[at].record(agents));
      writeFileSync(join(FIXTURES, `${file}.json`), `${JSON.stringify(recording, null, 1)}\n`);
    }
  } finally {
    for (const node of nodes) await node.gantline("kill", "--all", "-9").catch(() => undefined);
  }
}

class Node {
  static async start(name, link) {
    const node = new Node();
    const home = join(scratch, name);
    node.env = { ...ENV, NO_COLOR: "1", GANTLINE_HOME: home };
    const args = ["up", "--json", "--name", name, "--port", "0", "--join", link];
    await start("gantline", args, node.env);
    const { address } = JSON.parse(readFileSync(join(home, "run/loopback.json"), "utf8"));
    node.address = address;
    node.token = readFileSync(join(home, "run/loopback.token"), "utf8").trim();
    await until(`the link of ${name}`, async () => {
      const { links } = JSON.parse(await node.gantline("status", "--json"));
      return links.every(({ state }) => state === "up");
    });
    return node;
  }

  async gantline(...args) {
    return (await run(join(BINARIES, "gantline"), args, { env: this.env })).stdout;
  }

  async ask(path, init = {}) {
    const headers = { authorization: `Bearer ${this.token}`, ...init.headers };
    const response = await fetch(`http://${this.address}${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  async record(cast) {
    const watched = [];
    for (const { name, argv, after, ends } of cast) {
      const body = JSON.stringify({ argv, cwd: "/", ...(name && { name }) });
      const headers = { "content-type": "application/json" };
      const started = await this.ask("/v1/agents", { method: "POST", headers, body });
      const { agentId } = await started.json();
      await until(`${name ?? argv[0]} at work`, async () => {
        const output = await (await this.ask(`/v1/agents/${agentId}/output`)).text();
        const { state } = await (await this.ask(`/v1/agents/${agentId}`)).json();
        return output.includes(after ?? "") && (!ends || state === "exited");
      });
      watched.push([agentId, this.watch(agentId)]);
    }
    const terminals = {};
    for (const [agentId, watching] of watched) terminals[agentId] = await watching;
    return {
      machine: await (await this.ask("/v1/machine")).json(),
      agents: await (await this.ask("/v1/agents")).json(),
      devices: await (await this.ask("/v1/devices")).json(),
      vitals: await this.look(),
      terminals,
    };
  }

  /** What a viewer hears, and when. */
  async watch(agent) {
    const heard = [];
    const url = `ws://${this.address}/v1/agents/${agent}/terminal`;
    const socket = new WebSocket(url, ["gantline.v1", `gantline.bearer.${this.token}`]);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("error", () => undefined);
    let begun = 0;
    socket.addEventListener("open", () => {
      begun = Date.now();
      // ATTACH, read-only, for a window of 100 by 30.
      const attach = Buffer.alloc(23);
      attach[0] = 1;
      attach[1] = 7;
      attach[17] = 1;
      attach.writeUInt16BE(100, 18);
      attach.writeUInt16BE(30, 20);
      socket.send(attach);
    });
    socket.addEventListener("message", ({ data }) => {
      heard.push({ at: Date.now() - begun, message: Buffer.from(data) });
    });
    await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
    socket.close();
    return heard;
  }

  /** The first look at everything. */
  async look() {
    const response = await this.ask("/v1/vitals");
    let text = "";
    for await (const part of response.body) {
      text += Buffer.from(part).toString("utf8");
      const data = [...text.matchAll(/^data: (.*)\n/gm)].at(-1)?.[1];
      if (data !== undefined) return JSON.parse(data);
    }
    throw new Error("nothing was heard of the vitals");
  }
}

/** The recording with what chance has put into it taken out again. */
function steady(file, { machine, agents, devices, vitals, terminals }) {
  const names = new Map(agents.map((agent) => [agent.agentId, agent.name ?? agent.argv[0]]));
  const idOf = (agentId) => `ag-${base32(`${file}/${names.get(agentId)}`).slice(0, 5)}`;
  const ordered = [...agents].sort((a, b) => a.createdAt - b.createdAt);
  const steadyAgents = ordered.map((agent, at) => {
    const createdAt = BEGAN + (at + 1) * MINUTE;
    const again = { ...agent, agentId: idOf(agent.agentId), createdAt, startedAt: createdAt };
    if (agent.epoch !== undefined) again.epoch = epochOf(file, names.get(agent.agentId));
    if (agent.pid !== undefined) again.pid = 4_000 + at;
    if (agent.endedAt !== undefined) again.endedAt = createdAt + 1_000;
    return again;
  });
  return {
    machine: { ...machine, machineId: base32(file), startedAt: BEGAN },
    agents: steadyAgents,
    devices: devices.map((device, at) => ({
      ...device,
      // It is called after the computer that this runs on.
      name: MACHINES[0].file.slice(2),
      deviceId: hash(`${file}/device ${at}`).toString("hex").slice(0, 32),
      createdAt: BEGAN,
      ...("lastSeen" in device && { lastSeen: BEGAN + MINUTE }),
    })),
    vitals: {
      ...vitals,
      at: BEGAN + 10 * MINUTE,
      machine: { cpuPercent: 12, cores: 4, memoryUsed: 5.3e9, memoryTotal: 16.7e9, processes: 211 },
      agents: ordered.flatMap(({ agentId }, at) => {
        const seen = vitals.agents.find((each) => each.agentId === agentId);
        if (seen === undefined) return [];
        const { lastLine, processes } = seen;
        return {
          agentId: idOf(agentId),
          cpuPercent: at / 2,
          memory: (at + 1) * 4_000_000,
          diskRead: 0,
          diskWritten: 0,
          processes,
          ...(lastLine && { lastLine: lastLine.replace(/(look|step) \d+/, "$1 300") }),
        };
      }),
    },
    terminals: Object.fromEntries(
      ordered.map(({ agentId }) => [
        idOf(agentId),
        terminals[agentId].map(({ at, message }) => ({
          at: Math.round(at / 500) * 500,
          message: withEpoch(message, epochOf(file, names.get(agentId))).toString("base64"),
        })),
      ]),
    ),
  };
}

/** ATTACHED and SNAPSHOT begin with their type and the epoch. */
function withEpoch(message, epoch) {
  if (message[0] === 0x11 || message[0] === 0x12) message.write(epoch, 1, "hex");
  return message;
}

function epochOf(file, name) {
  return hash(`${file}/${name}/epoch`).toString("hex").slice(0, 16);
}

/** An id as a machine's is written: 16 bytes as 26 characters. */
function base32(text) {
  const bits = [...hash(text).subarray(0, 16)].map((byte) => byte.toString(2).padStart(8, "0"));
  const fives = `${bits.join("")}00`.match(/.{5}/g);
  return fives.map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five, 2)]).join("");
}

function hash(text) {
  return createHash("sha256").update(`gantline/fixtures/${text}`).digest();
}

/** Starts a program that says with one line of JSON that it is ready. */
async function start(name, args, env) {
  const child = spawn(join(BINARIES, name), args, { env, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let complaint = "";
  child.stderr.on("data", (text) => {
    complaint = `${complaint}${text}`.slice(-2_000);
  });
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", () => reject(new Error(`${name} did not start: ${complaint}`)));
    child.once("error", reject);
  });
}

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}

async function until(what, isSo) {
  const end = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`did not happen in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

try {
  await record();
} finally {
  for (const child of children.reverse()) await ended(child);
  rmSync(scratch, { recursive: true, force: true });
}
