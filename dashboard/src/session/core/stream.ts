// One stream: two directions, each with its own end.

import type { Bytes } from "../wire/bytes.ts";
import { ByteQueue } from "../wire/queue.ts";
import { ReceiveWindow, SendWindow, STREAM_WINDOW } from "./credit.ts";

/**
 * How far one direction has come, seen from our end.
 * - headless: the answer's head has not passed yet
 * - flowing: DATA may pass
 * - finishing: sending only: all is written, FIN follows the last byte
 * - discarding: receiving only: we reset the stream; DATA is thrown away until the peer ends it too
 * - ended: FIN or RESET passed
 */
export type Direction = "headless" | "flowing" | "finishing" | "discarding" | "ended";

/** The window up to which a stream's grows by itself, while what it lets in is taken in fast. */
const MAX_STREAM_WINDOW = 4_194_304;

export class Stream {
  readonly sendWindow = new SendWindow(STREAM_WINDOW);
  readonly receiveWindow = new ReceiveWindow(STREAM_WINDOW);
  /** How much the receiving window has grown by itself. */
  grown = 0;
  /** Bytes of DATA sent so far. */
  sent = 0;
  /** Whether it waits in the queue of those with something to send. */
  isReady = false;
  /** Whether it waits in the queue of those with a CREDIT to send. */
  isCreditDue = false;
  readonly #queue = new ByteQueue();

  sending: Direction;
  receiving: Direction;

  constructor(sending: Direction, receiving: Direction) {
    this.sending = sending;
    this.receiving = receiving;
  }

  get hasEnded(): boolean {
    return this.sending === "ended" && this.receiving === "ended";
  }

  /** Whether the peer may still send here, so that it has use for a CREDIT. */
  get takesCredit(): boolean {
    return this.receiving === "headless" || this.receiving === "flowing";
  }

  /** Doubles the receiving window, by `most` bytes at most; returns by how many. */
  grow(most: number): number {
    const window = this.receiveWindow.window;
    const more = Math.min(window, Math.max(MAX_STREAM_WINDOW - window, 0), most);
    this.receiveWindow.widen(window + more);
    this.grown += more;
    return more;
  }

  /** Bytes that are queued and not sent. */
  get unsent(): number {
    return this.#queue.length;
  }

  queue(bytes: Bytes): void {
    this.sendWindow.reserve(bytes.length);
    this.#queue.push(bytes);
  }

  /** Moves `length` bytes to `out`, from `at` on; there are at least as many. */
  dequeue(length: number, out: Bytes, at: number): void {
    this.sent += length;
    for (let to = at; to < at + length; ) {
      const piece = this.#queue.take(at + length - to);
      if (piece === undefined) return;
      out.set(piece, to);
      to += piece.length;
    }
  }

  /** Throws away what was not sent; returns how many bytes that were. */
  dropUnsent(): number {
    const dropped = this.#queue.length;
    this.#queue.clear();
    return dropped;
  }
}
