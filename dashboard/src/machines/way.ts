// A way to one machine: what the screens know of gateways, relays and sessions.

/** How one machine is reached. Whoever made it closes it. */
export interface Way {
  readonly kind: "gateway" | "session";
  /** Paths under /v1; usable as openapi-fetch's fetch; aborts by request.signal. */
  fetch(request: Request): Promise<Response>;
  /** A conversation: messages both ways. */
  duplex(path: string): Duplex;
  readonly status: WayStatus;
  /** Called at every change until the returned function is called. */
  onStatus(listener: (status: WayStatus) => void): () => void;
  /** Tries at once to come back, if this is in this page's hands. */
  retry?(): void;
  /** Makes sure that the way still stands. */
  check?(): void;
  close(): void;
}

export interface Duplex {
  /** Terminal messages as docs/protocol.md section 9 has them, each whole. */
  readonly incoming: ReadableStream<Uint8Array>;
  send(message: Uint8Array): Promise<void>;
  close(): void;
}

export type WayStatus =
  | { state: "connecting" }
  | { state: "up"; path: "loopback" | "lan" | "relay"; rttMs: number | null; since: number }
  /** `restarts`: the node said goodbye, or is known to be down; its machine may well be up. */
  | { state: "reconnecting"; since: number; why: string; restarts?: boolean }
  | { state: "offline"; since: number; why: string; nextTryAt: number; restarts?: boolean }
  | { state: "revoked" }
  | { state: "unpaired" };
