// The real relay and the real node of one test, on loopback, with state of their own.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Whatever is waited for is there within this time, on a busy machine too. */
const SOON = 90_000;

/** Where the programs lie: as `make test` has built them. */
const BINARIES =
  process.env["GANTLINE_BINARIES"] ??
  join(
    process.env["CARGO_TARGET_DIR"] ??
      join(process.env["GANTLINE_CACHE"] ?? join(homedir(), ".cache/gantline"), "target"),
    "debug",
  );

/** A program that says with one line of JSON on its standard output that it is ready. */
class Program {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#ended = new Promise((resolve) => child.once("exit", () => resolve()));
  }

  static async start(
    name: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<{ program: Program; ready: Record<string, unknown> }> {
    const path = join(BINARIES, name);
    if (!existsSync(path)) throw new Error(`build the programs first: ${path} is not there`);
    const child = spawn(path, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const program = new Program(child);
    let complaint = "";
    child.stderr.on("data", (text: Buffer) => {
      complaint = (complaint + text.toString()).slice(-4_000);
    });
    const ready = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stdout.on("data", (text: Buffer) => {
        said += text.toString();
        if (said.includes("\n")) resolve(said.slice(0, said.indexOf("\n")));
      });
      child.once("exit", () => reject(new Error(`${name} did not start: ${complaint}`)));
    });
    return { program, ready: JSON.parse(ready) as Record<string, unknown> };
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill(signal);
    }
    await this.#ended;
  }
}

/** A relay with a node that has joined it; or, beside another, a further node of that one's relay. */
export class Machine {
  readonly #scratch: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #name: string;
  #relay: Program | undefined;
  #node: Program | undefined;
  /** Where the relay listens, `127.0.0.1:port`. It keeps its port. */
  listen = "127.0.0.1:0";
  machineId = "";

  private constructor(name: string, env: NodeJS.ProcessEnv) {
    this.#name = name;
    this.#scratch = mkdtempSync(join(tmpdir(), "gantline-session-"));
    this.#env = {
      ...process.env,
      ...env,
      NO_COLOR: "1",
      GANTLINE_HOME: join(this.#scratch, "home"),
      GANTLINE_RELAY_STATE: join(this.#scratch, "relay"),
    };
  }

  static async start(name = "ada", env: NodeJS.ProcessEnv = {}): Promise<Machine> {
    const machine = new Machine(name, env);
    await machine.startRelay();
    await machine.#startNode(["--join", await machine.#joinLink()]);
    return machine;
  }

  /** Another machine at the same relay, with a user and a state of its own. */
  async beside(name: string): Promise<Machine> {
    const other = new Machine(name, {});
    other.listen = this.listen;
    await other.#startNode(["--join", await this.#joinLink()]);
    return other;
  }

  async #joinLink(): Promise<string> {
    const made = await this.#runs("gantline-relay", ["token", "create", "--json"]);
    return (JSON.parse(made) as { link: string }).link;
  }

  get url(): string {
    return `ws://${this.machineId}.localhost:${this.port}/v1/session`;
  }

  get port(): string {
    return this.listen.slice(this.listen.lastIndexOf(":") + 1);
  }

  /** Where the relay serves this machine's own pages. */
  get home(): string {
    return `http://${this.machineId}.localhost:${this.port}`;
  }

  /** What a page of this relay sends as its origin. */
  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  async startRelay(): Promise<void> {
    const args = ["serve", "--json", "--listen", this.listen];
    const { program, ready } = await Program.start("gantline-relay", args, this.#env);
    this.#relay = program;
    this.listen = String(ready["address"]);
  }

  /** The same, and the node has found it. */
  async relayIsBack(): Promise<void> {
    await this.startRelay();
    await this.#isLinked();
  }

  async killRelay(): Promise<void> {
    await this.#relay?.end("SIGKILL");
  }

  async killNode(): Promise<void> {
    await this.#node?.end("SIGKILL");
  }

  /** Asks the node to end, as an upgrade does. Its agents go on. */
  async endNode(): Promise<void> {
    await this.#node?.end("SIGTERM");
  }

  async startNode(): Promise<void> {
    await this.#startNode([]);
  }

  /** A directory that goes with the machine. */
  get scratch(): string {
    return this.#scratch;
  }

  /** Runs `gantline` as the machine's user, and returns what it prints. */
  gantline(...args: string[]): Promise<string> {
    return this.#runs("gantline", args);
  }

  /** Starts an agent, and returns its id. */
  async spawn(name: string, ...command: string[]): Promise<string> {
    const said = await this.gantline("spawn", "--json", "--name", name, "--", ...command);
    return (JSON.parse(said) as { agentId: string }).agentId;
  }

  /** A file of the node's state. */
  readState(file: string): string {
    return readFileSync(join(this.#scratch, "home/state", file), "utf8");
  }

  /** A shell that is the same whoever runs the test. */
  shell(name: string): Promise<string> {
    return this.spawn(name, "env", "PS1=ready> ", "bash", "--norc", "--noprofile");
  }

  /** A code for one device, and the line that a person copies. */
  async code(): Promise<{ code: string; line: string }> {
    const minted = JSON.parse(await this.gantline("pair", "--json")) as {
      code: string;
      addresses: string[];
    };
    const code = minted.code.replace(" ", "-");
    return { code, line: `gantline add ${code} ${minted.addresses[0]}` };
  }

  /** The terminal of an agent there. */
  terminal(agent: string): string {
    return `${this.home}/terminal?tabs=${this.machineId}.${agent}&at=0`;
  }

  async stop(): Promise<void> {
    await this.gantline("kill", "--all", "-9").catch(() => undefined);
    await this.#node?.end("SIGTERM");
    await this.#relay?.end("SIGTERM");
    this.#endAgents();
    // The shim of one that was killed may still write down how it ended.
    await until("that nobody writes there", () => isRemoved(this.#scratch));
  }

  async #startNode(options: readonly string[]): Promise<void> {
    const args = ["up", "--json", "--port", "0", "--name", this.#name, ...options];
    const { program, ready } = await Program.start("gantline", args, this.#env);
    this.#node = program;
    this.machineId = String(ready["machineId"]);
    await this.#isLinked();
  }

  #isLinked(): Promise<void> {
    return until("the node's link to its relay", async () => {
      const status = JSON.parse(await this.gantline("status", "--json")) as {
        links: { state: string }[];
      };
      return status.links.every(({ state }) => state === "up");
    });
  }

  async #runs(name: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run(join(BINARIES, name), args, { env: this.#env });
    return stdout;
  }

  /** Agents outlive a node, but not a test. */
  #endAgents(): void {
    const log = join(this.#scratch, "home/log");
    for (const entry of existsSync(log) ? readdirSync(log) : []) {
      const file = join(log, entry, "process.json");
      if (!existsSync(file) || existsSync(join(log, entry, "exit.json"))) continue;
      const life = JSON.parse(readFileSync(file, "utf8")) as { process?: { pid?: number } };
      const pid = life.process?.pid;
      if (pid === undefined) continue;
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

/** Removes a directory, unless somebody writes to it meanwhile. */
function isRemoved(directory: string): boolean {
  try {
    rmSync(directory, { recursive: true, force: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTEMPTY") return false;
    throw error;
  }
}

/** Waits until `isSo`, and fails with `what` when that takes too long. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + SOON;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`did not happen in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
