// Bytes that wait, in order. Small pieces are joined, so that many of them can't take many times
// their length in memory, nor keep the large buffers alive that they were cut from.

import type { Bytes } from "./bytes.ts";

const SMALL = 1024;
const JOINED = 4096;

export class ByteQueue {
  #pieces: Bytes[] = [];
  /** Pieces in front of this index were taken. */
  #front = 0;
  #length = 0;
  /** The last piece, if more may be written behind it: its whole buffer, and how much is used. */
  #tail: { readonly buffer: Bytes; used: number } | undefined;

  get length(): number {
    return this.#length;
  }

  push(bytes: Bytes): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length >= SMALL) {
      this.#tail = undefined;
      this.#pieces.push(bytes);
      return;
    }
    if (this.#tail !== undefined && this.#tail.used + bytes.length <= JOINED) {
      const { buffer, used } = this.#tail;
      buffer.set(bytes, used);
      this.#tail.used = used + bytes.length;
      // The front of the last piece may have been taken; the buffer is its own.
      const last = this.#pieces.length - 1;
      const start = this.#pieces[last]?.byteOffset ?? 0;
      this.#pieces[last] = buffer.subarray(start, this.#tail.used);
      return;
    }
    const buffer = new Uint8Array(JOINED);
    buffer.set(bytes);
    this.#tail = { buffer, used: bytes.length };
    this.#pieces.push(buffer.subarray(0, bytes.length));
  }

  /** The next piece, of at most `most` bytes; `undefined` when there is none. */
  take(most: number): Bytes | undefined {
    const piece = this.#pieces[this.#front];
    if (piece === undefined || most <= 0) return undefined;
    const taken = piece.subarray(0, most);
    this.#length -= taken.length;
    if (taken.length < piece.length) {
      this.#pieces[this.#front] = piece.subarray(most);
      return taken;
    }
    this.#front++;
    if (this.#front === this.#pieces.length) {
      this.#pieces = [];
      this.#front = 0;
      this.#tail = undefined;
    } else if (this.#front > 64 && this.#front > this.#pieces.length / 2) {
      this.#pieces = this.#pieces.slice(this.#front);
      this.#front = 0;
    }
    return taken;
  }

  clear(): void {
    this.#pieces = [];
    this.#front = 0;
    this.#length = 0;
    this.#tail = undefined;
  }
}
