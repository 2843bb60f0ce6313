// Other terminals for browsers, and a tunnel to put them behind, as scripts/install-peers leaves them.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { until } from "../e2e/session/programs.ts";

const PEERS = join(process.env["GANTLINE_CACHE"] ?? join(homedir(), ".cache/gantline"), "peers");
const TTYD = join(PEERS, "ttyd/bin/ttyd");
const BORE = join(PEERS, "bin/bore");

/** What runs for a peer, and where its page is. */
export interface Peer {
  readonly url: string;
  stop(): Promise<void>;
}

/** ttyd around `command`, drawing with elements, as Chromium without a GPU makes us draw. */
export async function ttyd(command: readonly string[]): Promise<Peer | undefined> {
  if (!existsSync(TTYD)) return undefined;
  const port = await freePort();
  const options = ["rendererType=dom", "disableResizeOverlay=true", "disableLeaveAlert=true"];
  const args = ["--interface", "lo", "--port", String(port), "--writable"];
  const child = start(TTYD, [...args, ...options.flatMap((each) => ["-t", each]), ...command]);
  const url = `http://127.0.0.1:${port}/`;
  await until("ttyd", () => answers(url));
  return { url, stop: () => end(child) };
}

/** The same page through a tunnel: two hops more, as by a relay, and nothing encrypted. */
export async function behindBore(url: string): Promise<Peer | undefined> {
  if (!existsSync(BORE)) return undefined;
  const port = await freePort();
  const secret = crypto.randomUUID();
  const server = start(BORE, ["server", "--min-port", "1024", "--secret", secret]);
  const to = ["--to", "127.0.0.1", "--secret", secret, "--port", String(port)];
  const local = start(BORE, ["local", new URL(url).port, ...to]);
  const outside = `http://127.0.0.1:${port}/`;
  await until("bore", () => answers(outside));
  return {
    url: outside,
    async stop() {
      await end(local);
      await end(server);
    },
  };
}

function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: "ignore" });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await ended;
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
