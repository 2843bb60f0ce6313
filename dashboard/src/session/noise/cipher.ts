// One direction of a Noise transport: a key and a counter that never goes back (Noise 5.1, 11.3).

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Bytes } from "../wire/bytes.ts";

export const TAG = 16;

/** A message is not authentic: altered, replayed, out of order, or for somebody else. */
export class Unauthentic extends Error {
  override readonly name = "Unauthentic";

  constructor() {
    super("a message is not authentic: altered, replayed, out of order or for somebody else");
  }
}

/** The counters of a key are used up. */
export class Exhausted extends Error {
  override readonly name = "Exhausted";

  constructor() {
    super("the key's counters are used up");
  }
}

/** JavaScript counts no further without gaps; Noise would go on to 2^64 − 2. */
const LAST_COUNTER = Number.MAX_SAFE_INTEGER;
const NO_DATA = new Uint8Array(0);

export class CipherState {
  readonly #key: Bytes;
  #counter = 0;

  /** At counter 0. The key is kept, not copied. */
  constructor(key: Bytes) {
    this.#key = key;
  }

  get counter(): number {
    return this.#counter;
  }

  /** Ciphertext and tag. */
  seal(plaintext: Uint8Array, data: Uint8Array = NO_DATA): Bytes {
    const sealed = chacha20poly1305(this.#key, this.#nonce(), data).encrypt(plaintext);
    this.#counter++;
    return sealed;
  }

  /** The plaintext of ciphertext and tag. When it fails the counter stays. */
  open(sealed: Uint8Array, data: Uint8Array = NO_DATA): Bytes {
    const nonce = this.#nonce();
    if (sealed.length < TAG) throw new Unauthentic();
    let plaintext: Bytes;
    try {
      plaintext = chacha20poly1305(this.#key, nonce, data).decrypt(sealed);
    } catch {
      throw new Unauthentic();
    }
    this.#counter++;
    return plaintext;
  }

  /** Replaces the key by its successor. The counter goes on. */
  rekey(): void {
    const nonce = new Uint8Array(12).fill(0xff, 4);
    const next = chacha20poly1305(this.#key, nonce, NO_DATA).encrypt(new Uint8Array(32));
    this.#key.set(next.subarray(0, 32));
    next.fill(0);
  }

  /** Forgets the key; nothing can be sealed or opened any more. */
  wipe(): void {
    this.#key.fill(0);
    this.#counter = LAST_COUNTER;
  }

  #nonce(): Bytes {
    if (this.#counter >= LAST_COUNTER) throw new Exhausted();
    const nonce = new Uint8Array(12);
    const view = new DataView(nonce.buffer);
    view.setUint32(4, this.#counter >>> 0, true);
    view.setUint32(8, Math.floor(this.#counter / 2 ** 32), true);
    return nonce;
  }
}
