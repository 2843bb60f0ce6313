// The page's side of the session worker: what the worker can do, typed, and a way to each machine.

import type { MachineId } from "../identity/keys.ts";
import type { Name } from "../identity/name.ts";
import type { Conversation } from "../io/conversation.ts";
import type { PageRelay } from "../io/url.ts";
import type { KnownMachine } from "../keyring/keyring.ts";
import type { SafetyNumber } from "../pairing/safety.ts";
import type { Status } from "../reconnect.ts";
import { askOf, responseOf, streamOf } from "../request.ts";
import { WayFailed } from "../way.ts";
import type {
  CallName,
  Calls,
  FromWay,
  FromWorker,
  NewlyPaired,
  ToWay,
  ToWorker,
} from "./messages.ts";
import { owned, PortEnd } from "./port.ts";

/** What is used of a `Worker`. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<FromWorker>) => void): void;
  addEventListener(type: "error", listener: () => void): void;
  terminate(): void;
}

/** Why a question to the worker has no answer: `kind` says it to programs, `message` to people. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

export class SessionWorker {
  readonly #worker: WorkerLike;
  readonly #relay: PageRelay;
  readonly #open = new Map<
    number,
    { resolve: (answer: unknown) => void; reject: (error: Error) => void }
  >();
  #last = 0;

  constructor(worker: WorkerLike, relay: PageRelay) {
    this.#worker = worker;
    this.#relay = relay;
    worker.addEventListener("message", ({ data }) => this.#hear(data));
    worker.addEventListener("error", () => this.#broke());
  }

  /** The machines that this browser is paired with. */
  machines(): Promise<readonly KnownMachine[]> {
    return this.#call("machines", {});
  }

  /** Pairs with the code that a person typed; twice at most with one code. */
  pairByCode(machine: MachineId, code: string, deviceName: Name): Promise<NewlyPaired> {
    return this.#call("pairByCode", { relay: this.#relay, machine, code, deviceName });
  }

  /** Pairs with a link, or the fragment of one. */
  pairByLink(link: string, deviceName: Name): Promise<NewlyPaired> {
    return this.#call("pairByLink", { relay: this.#relay, link, deviceName });
  }

  safetyNumber(machine: MachineId): Promise<SafetyNumber> {
    return this.#call("safetyNumber", { machine });
  }

  rename(machine: MachineId, name: Name): Promise<void> {
    return this.#call("rename", { machine, name });
  }

  forget(machine: MachineId): Promise<void> {
    return this.#call("forget", { machine });
  }

  /** A way to a machine that this browser is paired with. */
  way(machine: MachineId): WorkerWay {
    const { port1, port2 } = new MessageChannel();
    this.#post({ type: "way", relay: this.#relay, machine, port: port2 }, [port2]);
    return new WorkerWay(port1);
  }

  close(): void {
    this.#worker.terminate();
    this.#broke();
  }

  #call<Name extends CallName>(
    name: Name,
    ask: Calls[Name]["ask"],
  ): Promise<Calls[Name]["answer"]> {
    const id = ++this.#last;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
    });
    this.#post({ type: "call", id, name, ask } as ToWorker, []);
    return answered as Promise<Calls[Name]["answer"]>;
  }

  #post(message: ToWorker, transfer: Transferable[]): void {
    this.#worker.postMessage(message, transfer);
  }

  #hear(message: FromWorker): void {
    const waiting = this.#open.get(message.id);
    this.#open.delete(message.id);
    if (message.type === "answer") waiting?.resolve(message.answer);
    else waiting?.reject(new CallFailed(message.error.kind, message.error.message));
  }

  #broke(): void {
    for (const { reject } of this.#open.values()) {
      reject(new CallFailed("worker", "the session worker has ended: reload the page"));
    }
    this.#open.clear();
  }
}

/** A way to one machine through the worker. */
export class WorkerWay {
  readonly kind = "session";
  readonly #port: MessagePort;
  readonly #listeners = new Set<(status: Status) => void>();
  #status: Status = { state: "connecting" };
  #isClosed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromWay>) => {
      this.#status = data.status;
      for (const listener of this.#listeners) listener(data.status);
    };
  }

  get status(): Status {
    return this.#status;
  }

  /** Called at every change until the returned function is called. */
  onStatus(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As the browser's `fetch`, for paths of the machine. */
  async fetch(request: Request): Promise<Response> {
    const { signal } = request;
    if (signal.aborted) throw signal.reason;
    const ask = askOf(request);
    const end = this.#begin((port) => ({
      type: "request",
      port,
      method: ask.method,
      path: ask.path,
      fields: ask.fields,
      hasBody: ask.body !== undefined,
    }));
    const abort = () => end.cancel(signal.reason);
    const ended = () => {
      signal.removeEventListener("abort", abort);
      end.close();
    };
    signal.addEventListener("abort", abort, { once: true });
    if (ask.body !== undefined) {
      send(ask.body, end).catch((error: unknown) => end.fail(error));
    }
    try {
      return responseOf(await end.head(), end, ended);
    } catch (error) {
      ended();
      throw error;
    }
  }

  /** A conversation in whole messages. */
  duplex(path: string): Conversation {
    const end = this.#begin((port) => ({ type: "conversation", port, path }));
    let sending = Promise.resolve();
    return {
      incoming: streamOf(end, () => end.close()),
      send(message) {
        const mine = sending.then(() => end.write(owned(message)));
        sending = mine.catch(() => undefined);
        return mine;
      },
      close() {
        sending.then(() => end.end());
      },
    };
  }

  /** Tries at once to come back. */
  retry(): void {
    this.#say({ type: "retry" }, []);
  }

  /** Makes sure that the session still stands. */
  check(): void {
    this.#say({ type: "check" }, []);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#say({ type: "close" }, []);
    this.#isClosed = true;
    this.#listeners.clear();
  }

  #begin(message: (port: MessagePort) => ToWay): PortEnd {
    if (this.#isClosed) throw new WayFailed("closed", "the way to this machine was closed");
    const { port1, port2 } = new MessageChannel();
    this.#say(message(port2), [port2]);
    return new PortEnd(port1);
  }

  #say(message: ToWay, transfer: Transferable[]): void {
    if (!this.#isClosed) this.#port.postMessage(message, transfer);
  }
}

async function send(body: () => Promise<Uint8Array | undefined>, end: PortEnd): Promise<void> {
  for (;;) {
    const bytes = await body();
    if (bytes === undefined) break;
    await end.write(owned(bytes));
  }
  end.end();
}
