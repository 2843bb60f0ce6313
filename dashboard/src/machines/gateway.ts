// A way to a machine by the node of this one, on 127.0.0.1.
import { urls } from "../api/urls";
import { duplexOf } from "./socket";
import type { Duplex, Way, WayStatus } from "./way";

/** The subprotocols of a conversation on 127.0.0.1: docs/protocol.md 10.2. */
const PROTOCOL = "gantline.v1";
const BEARER = "gantline.bearer.";

export class GatewayWay implements Way {
  readonly kind = "gateway";
  #status: WayStatus = { state: "connecting" };
  readonly #token: string;
  readonly #machine: string;
  readonly #listeners = new Set<(status: WayStatus) => void>();
  readonly #closed = new AbortController();

  constructor(token: string, machine: string) {
    this.#token = token;
    this.#machine = machine;
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const path = urls.through(this.#machine, pathname) + search;
    return fetchWithToken(this.#token, path, request, this.#closed.signal);
  }

  duplex(path: string): Duplex {
    const url = new URL(urls.through(this.#machine, path), location.origin);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return duplexOf(new WebSocket(url, [PROTOCOL, BEARER + this.#token]), this.#closed.signal);
  }

  get status(): WayStatus {
    return this.#status;
  }

  /** What the gateway says of the machine. */
  tell(status: WayStatus): void {
    if (this.#closed.signal.aborted) return;
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }

  onStatus(listener: (status: WayStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#closed.abort();
  }
}

/** The request at another path, with the token of this start of the node. */
export async function fetchWithToken(
  token: string,
  path: string,
  request: Request,
  closed?: AbortSignal,
): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.set("authorization", `Bearer ${token}`);
  const init: RequestInit = {
    method: request.method,
    headers,
    signal: closed ? AbortSignal.any([request.signal, closed]) : request.signal,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  };
  if (request.body !== null) init.body = await request.arrayBuffer();
  return fetch(path, init);
}
