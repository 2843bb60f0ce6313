// One stream of a session as whoever uses it sees it: a head to wait for, bytes to read, bytes to
// write. What is not read is never more than the peer had credit for.

import type { Head } from "../core/body.ts";
import { RESET, resetText } from "../core/codes.ts";
import { describeEnd, type SessionEnd } from "../core/event.ts";
import type { Session } from "../core/session.ts";
import type { Bytes } from "../wire/bytes.ts";
import { ByteQueue } from "../wire/queue.ts";

/** Why a stream can't be read or written any further. What arrived may be incomplete. */
export class StreamBroke extends Error {
  override readonly name = "StreamBroke";
  override readonly cause:
    | { readonly kind: "reset"; readonly code: number }
    | { readonly kind: "session"; readonly end: SessionEnd };

  constructor(cause: StreamBroke["cause"]) {
    super(
      cause.kind === "reset"
        ? `the machine gave up: ${resetText(cause.code)}`
        : describeEnd(cause.end),
    );
    this.cause = cause;
  }

  /** Whether the machine did not give the request up itself: it may be made again, with its key. */
  get mayBeRepeated(): boolean {
    return this.cause.kind === "session" || this.cause.code === RESET.refused;
  }
}

/** What a stream needs of the channel that carries it. */
export interface Carrier {
  readonly session: Session;
  /** Something may have come up to be said. */
  speak(): void;
}

const CHUNK = 65_536;

export class ChannelStream {
  readonly #carrier: Carrier;
  readonly #number: number;
  readonly #received = new ByteQueue();
  #head: Head | undefined;
  #isFinished = false;
  #isCancelled = false;
  #broke: StreamBroke | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(carrier: Carrier, number: number) {
    this.#carrier = carrier;
    this.#number = number;
  }

  /** The answer's head; waits for it. Throws `StreamBroke` when there will be none. */
  async head(): Promise<Head> {
    for (;;) {
      if (this.#head !== undefined) return this.#head;
      if (this.#broke !== undefined) throw this.#broke;
      await this.#waitToRead();
    }
  }

  /** The next bytes; `undefined` at the peer's orderly end. Throws `StreamBroke`. One reader only. */
  async read(): Promise<Bytes | undefined> {
    for (;;) {
      const bytes = this.#received.take(CHUNK);
      if (bytes !== undefined) {
        this.#carrier.session.consumed(this.#number, bytes.length);
        this.#carrier.speak();
        return bytes;
      }
      if (this.#isFinished) return undefined;
      if (this.#broke !== undefined) throw this.#broke;
      await this.#waitToRead();
    }
  }

  /** Writes all of `bytes`, waiting for credit. Throws `StreamBroke`. One writer only. */
  async write(bytes: Bytes): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#broke !== undefined) throw this.#broke;
      const piece = rest.subarray(0, this.#carrier.session.writable(this.#number));
      if (piece.length > 0 && this.#carrier.session.write(this.#number, piece)) {
        this.#carrier.speak();
        rest = rest.subarray(piece.length);
      } else {
        await new Promise<void>((wake) => {
          this.#wakeWriter = wake;
        });
      }
    }
  }

  /** Ends our direction, after all that was written. */
  finish(): void {
    this.#carrier.session.finish(this.#number);
    this.#carrier.speak();
  }

  /** Gives the whole stream up; what was not read is thrown away. */
  cancel(code: number = RESET.cancelled): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#carrier.session.consumed(this.#number, this.#received.length);
    this.#received.clear();
    this.#carrier.session.reset(this.#number, code);
    this.#carrier.speak();
    if (!this.#isFinished) this.break({ kind: "reset", code });
  }

  // What follows is for the channel alone.

  answered(head: Head): void {
    this.#head = head;
    this.#wakeReader?.();
  }

  data(bytes: Bytes): void {
    if (this.#isCancelled) {
      this.#carrier.session.consumed(this.#number, bytes.length);
      return;
    }
    this.#received.push(bytes);
    this.#wakeReader?.();
  }

  finished(): void {
    this.#isFinished = true;
    this.#wakeReader?.();
  }

  wakeWriter(): void {
    this.#wakeWriter?.();
  }

  break(cause: StreamBroke["cause"]): void {
    this.#broke ??= new StreamBroke(cause);
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  #waitToRead(): Promise<void> {
    return new Promise((wake) => {
      this.#wakeReader = wake;
    });
  }
}
