// Two ends of a session in one place, and a pipe between them that cuts bytes wherever it likes.

import type { Event } from "../core/event.ts";
import { Session, type SessionKeys } from "../core/session.ts";
import { systemRandom } from "../identity/keys.ts";
import { CipherState } from "../noise/cipher.ts";
import { type Bytes, concat } from "../wire/bytes.ts";

/** One end with what it was told. */
export class End {
  readonly session: Session;
  readonly events: Event[] = [];

  constructor(session: Session) {
    this.session = session;
  }

  /** Everything that this end has to say. */
  say(now: number): Bytes {
    return concat(...this.session.transmit(now, Number.POSITIVE_INFINITY));
  }

  /** Hears `bytes` in pieces that end at `cuts`. */
  hear(now: number, bytes: Bytes, cuts: readonly number[] = []): Event[] {
    const before = this.events.length;
    const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
    let start = 0;
    for (const end of ends) {
      this.session.receive(now, bytes.slice(start, end), (event) => this.events.push(event));
      start = end;
    }
    return this.events.slice(before);
  }
}

/** Keys as a handshake leaves them behind; it has tests of its own. */
export function keyPairs(): { device: SessionKeys; node: SessionKeys } {
  const [there, back] = [systemRandom(32), systemRandom(32)];
  const key = (bytes: Bytes) => new CipherState(bytes.slice());
  return {
    device: { send: key(there), receive: key(back) },
    node: { send: key(back), receive: key(there) },
  };
}

export function ends(now = 0): { device: End; node: End } {
  const keys = keyPairs();
  return {
    device: new End(new Session("device", keys.device, now)),
    node: new End(new Session("node", keys.node, now)),
  };
}

/** Lets both speak until neither has anything to say. */
export function settle(device: End, node: End, now = 0): void {
  while (device.session.hasSomethingToSay(now) || node.session.hasSomethingToSay(now)) {
    node.hear(now, device.say(now));
    device.hear(now, node.say(now));
  }
}
