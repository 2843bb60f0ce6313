// Where a machine is reached from a page of a relay.

import type { MachineId } from "../identity/keys.ts";

/** The relay as a page sees it: the host and port of its apex, and whether it speaks TLS. */
export interface PageRelay {
  /** `host[:port]`, such as `relay.example` or `localhost:8443`. */
  readonly authority: string;
  readonly isSecure: boolean;
}

export function sessionUrl(relay: PageRelay, machine: MachineId): string {
  return `${relay.isSecure ? "wss" : "ws"}://${machine}.${relay.authority}/v1/session`;
}
