// The worker's side: the keyring, pairings, and a way to each machine that the page asks for. Keys
// never leave it.

import { type MachineId, systemRandom } from "../identity/keys.ts";
import { authority } from "../identity/relay.ts";
import { pair } from "../io/pair.ts";
import type { OpenSocket } from "../io/pipe.ts";
import { type PageRelay, sessionUrl } from "../io/url.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { AskForNewCode, CodeAttempts, parseCode } from "../pairing/code.ts";
import { parseLink } from "../pairing/link.ts";
import { type Paired, PairingRun } from "../pairing/run.ts";
import { type SafetyNumber, safetyNumber } from "../pairing/safety.ts";
import { SessionWay } from "../way.ts";
import { concat } from "../wire/bytes.ts";
import type {
  CallFailure,
  CallName,
  Calls,
  FromWay,
  FromWorker,
  NewlyPaired,
  ToWay,
  ToWorker,
} from "./messages.ts";
import { PortEnd } from "./port.ts";

/** A link leads to another relay than the one that this page comes from. */
export class OtherRelay extends Error {
  override readonly name = "OtherRelay";
  readonly kind = "other-relay";

  constructor(relay: string) {
    super(`this link leads to ${relay}: open the link itself`);
  }
}

export interface HubOptions {
  readonly keyring: Promise<Keyring>;
  readonly openSocket: OpenSocket;
}

export class Hub {
  readonly #options: HubOptions;
  readonly #ways = new Set<SessionWay>();
  /** The code that was typed last, and for which machine: it is good for two tries. */
  #code: { machine: MachineId; digits: string; attempts: CodeAttempts } | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** Takes one message of the page, and answers with `say`. */
  take(message: ToWorker, say: (answer: FromWorker) => void): void {
    if (message.type === "way") {
      this.#openWay(message.relay, message.machine, message.port).catch(() => undefined);
      return;
    }
    const { id, name, ask } = message;
    this.#call(name, ask).then(
      (answer) => say({ type: "answer", id, answer }),
      (error: unknown) => say({ type: "error", id, error: callFailure(error) }),
    );
  }

  /** The network is back, or was another: every way looks whether it still stands. */
  networkChanged(): void {
    for (const way of this.#ways) way.retry();
  }

  async #call<Name extends CallName>(name: Name, ask: Calls[Name]["ask"]): Promise<unknown> {
    const keyring = await this.#options.keyring;
    const calls: {
      [Each in CallName]: (ask: Calls[Each]["ask"]) => Promise<Calls[Each]["answer"]>;
    } = {
      machines: () => keyring.machines(),
      pairByCode: (by) => this.#pairByCode(by),
      pairByLink: (by) => this.#pairByLink(by),
      safetyNumber: ({ machine }) => this.#safetyNumber(machine),
      rename: async ({ machine, name: to }) => {
        await keyring.rename(machine, to);
        return undefined;
      },
      forget: async ({ machine }) => {
        await keyring.forget(machine);
        return undefined;
      },
    };
    return calls[name](ask);
  }

  async #pairByCode(by: Calls["pairByCode"]["ask"]): Promise<NewlyPaired> {
    const digits = parseCode(by.code);
    const { machine } = by;
    if (this.#code?.digits !== digits || this.#code.machine !== machine) {
      this.#code = { machine, digits, attempts: new CodeAttempts(digits) };
    }
    const { attempts } = this.#code;
    if (attempts.left === 0) throw new AskForNewCode();
    const key = await (await this.#options.keyring).deviceKey();
    const begin = () => PairingRun.byCode(machine, attempts, key, by.deviceName, systemRandom);
    return this.#keep(await pair(sessionUrl(by.relay, machine), begin, this.#options.openSocket));
  }

  async #pairByLink(by: Calls["pairByLink"]["ask"]): Promise<NewlyPaired> {
    const link = parseLink(by.link);
    if (authority(link.relay) !== by.relay.authority) throw new OtherRelay(authority(link.relay));
    const key = await (await this.#options.keyring).deviceKey();
    const begin = () => PairingRun.byLink(link, key, by.deviceName, systemRandom);
    const url = sessionUrl(by.relay, link.machine);
    return this.#keep(await pair(url, begin, this.#options.openSocket));
  }

  /** Stored before it is announced. */
  async #keep(paired: Paired): Promise<NewlyPaired> {
    const keyring = await this.#options.keyring;
    const machine = await keyring.keep(paired, Date.now());
    return { machine, safety: await this.#safetyNumber(paired.machine) };
  }

  async #safetyNumber(machine: MachineId): Promise<SafetyNumber> {
    const keyring = await this.#options.keyring;
    const { node, psks } = await keyring.secrets(machine);
    const key = await keyring.deviceKey();
    return safetyNumber(node, key.public, psks[0] ?? new Uint8Array(0));
  }

  async #openWay(relay: PageRelay, machine: MachineId, port: MessagePort): Promise<void> {
    const tell = (status: FromWay["status"]) => {
      port.postMessage({ type: "status", status } satisfies FromWay);
    };
    const waiting: ToWay[] = [];
    let way: SessionWay | undefined;
    let isGone = false;
    port.onmessage = ({ data }: MessageEvent<ToWay>) => {
      if (way !== undefined) act(way, data);
      else if (isGone) refuse(data);
      else waiting.push(data);
      if (data.type !== "close") return;
      isGone = true;
      if (way !== undefined) this.#ways.delete(way);
      port.close();
    };
    const begun = await this.#begin(relay, machine).catch(() => undefined);
    if (isGone) return begun?.close();
    if (begun === undefined) {
      isGone = true;
      tell({ state: "unpaired" });
      waiting.forEach(refuse);
      return;
    }
    way = begun;
    this.#ways.add(begun);
    begun.onStatus(tell);
    tell(begun.status);
    for (const message of waiting) act(begun, message);
  }

  async #begin(relay: PageRelay, machine: MachineId): Promise<SessionWay> {
    const keyring = await this.#options.keyring;
    const [device, { node, psks }] = await Promise.all([
      keyring.deviceKey(),
      keyring.secrets(machine),
    ]);
    return new SessionWay({
      url: sessionUrl(relay, machine),
      device,
      node,
      psks,
      openSocket: this.#options.openSocket,
      onConfirmed: () => psks.length > 1 && keyring.confirm(machine).catch(() => undefined),
      onRevoked: () => keyring.markRevoked(machine, Date.now()).catch(() => undefined),
    });
  }
}

function act(way: SessionWay, message: ToWay): void {
  switch (message.type) {
    case "request":
      carryRequest(way, message).catch(() => undefined);
      return;
    case "conversation":
      carryConversation(way, message.path, message.port);
      return;
    case "retry":
      way.retry();
      return;
    case "check":
      way.check();
      return;
    case "close":
      way.close();
  }
}

/** What was asked of a way that there is none of. */
function refuse(message: ToWay): void {
  if (message.type !== "request" && message.type !== "conversation") return;
  new PortEnd(message.port).fail(new Error("this browser is not paired with the machine"));
}

async function carryRequest(
  way: SessionWay,
  message: Extract<ToWay, { type: "request" }>,
): Promise<void> {
  const end = new PortEnd(message.port);
  const abort = new AbortController();
  end.onCancel = () => abort.abort(new Error("nobody wants the answer"));
  const { method, path, fields, hasBody } = message;
  const body = hasBody ? () => end.read() : undefined;
  try {
    const { head, stream, ended } = await way.ask({ method, path, fields, body }, abort.signal);
    end.sendHead(head);
    for (;;) {
      const bytes = await stream.read();
      if (bytes === undefined) break;
      await end.write(bytes);
    }
    ended();
    end.end();
  } catch (error) {
    end.fail(error);
  }
}

function carryConversation(way: SessionWay, path: string, port: MessagePort): void {
  const end = new PortEnd(port);
  const conversation = way.duplex(path);
  const reader = conversation.incoming.getReader();
  const leave = () => {
    reader.cancel().catch(() => undefined);
  };
  end.onCancel = leave;
  const hear = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return end.end();
      await end.write(concat(value));
    }
  };
  const speak = async () => {
    for (;;) {
      const message = await end.read();
      if (message === undefined) return conversation.close();
      await conversation.send(message);
    }
  };
  hear().catch((error: unknown) => {
    end.fail(error);
    leave();
  });
  speak().catch(leave);
}

function callFailure(error: unknown): CallFailure {
  const failed = error instanceof Error ? error : new Error(String(error));
  const kind = "kind" in failed && typeof failed.kind === "string" ? failed.kind : failed.name;
  return { name: failed.name, kind, message: failed.message };
}
