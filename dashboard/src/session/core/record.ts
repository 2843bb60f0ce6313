// Records, `length u16 | ciphertext`, and the padding that blurs what is in them.

import { type CipherState, TAG } from "../noise/cipher.ts";
import { type Bytes, WireError } from "../wire/bytes.ts";

export const HEADER = 2;
export const MAX_PLAINTEXT = 16_384;
export const MAX_CIPHERTEXT = MAX_PLAINTEXT + TAG;
/** Records sealed with one key; the last of them ends with REKEY. */
export const RECORDS_PER_KEY = 65_536;

const FINE = 128;
const FINE_UNTIL = 1024;
const COARSE = 1024;

/** The length of a plaintext once padded. */
export function padded(length: number): number {
  if (length === 0) return FINE;
  const step = length <= FINE_UNTIL ? FINE : COARSE;
  return Math.ceil(length / step) * step;
}

/** Whether a plaintext may have this length. */
export function isPadded(length: number): boolean {
  return length > 0 && length <= MAX_PLAINTEXT && padded(length) === length;
}

/** Reads the two bytes in front of a record: the length of the ciphertext behind them. */
export function ciphertextLength(high: number, low: number): number {
  const length = (high << 8) | low;
  if (length <= TAG || length > MAX_CIPHERTEXT) {
    throw new WireError("record", "its length is not within 17 and 16,400");
  }
  return length;
}

/** Seals records in one direction. */
export class Sealer {
  #records = 0;

  private readonly cipher: CipherState;

  constructor(cipher: CipherState) {
    this.cipher = cipher;
  }

  /** Whether the next record is the last one that the present key may seal. */
  get isLastOfKey(): boolean {
    return this.#records + 1 >= RECORDS_PER_KEY;
  }

  /** A whole record around `frames`, padded. With `rekey` they end with REKEY, and the next record
   * is sealed with the next key. */
  seal(frames: Uint8Array, rekey: boolean): Bytes {
    const plaintext = new Uint8Array(padded(frames.length));
    plaintext.set(frames);
    const ciphertext = this.cipher.seal(plaintext);
    const record = new Uint8Array(HEADER + ciphertext.length);
    record[0] = ciphertext.length >>> 8;
    record[1] = ciphertext.length & 0xff;
    record.set(ciphertext, HEADER);
    this.#records++;
    if (rekey) {
      this.cipher.rekey();
      this.#records = 0;
    }
    return record;
  }

  wipe(): void {
    this.cipher.wipe();
  }
}

/** Opens records in one direction. */
export class Opener {
  #records = 0;

  private readonly cipher: CipherState;

  constructor(cipher: CipherState) {
    this.cipher = cipher;
  }

  /** The plaintext of a record's ciphertext, padding included. */
  open(ciphertext: Uint8Array): Bytes {
    const plaintext = this.cipher.open(ciphertext);
    if (!isPadded(plaintext.length)) throw new WireError("record", "it is not padded");
    if (this.#records >= RECORDS_PER_KEY) throw new WireError("record", "a REKEY is overdue");
    this.#records++;
    return plaintext;
  }

  /** Goes on to the next key: the record that was opened last ended with REKEY. */
  rekey(): void {
    this.cipher.rekey();
    this.#records = 0;
  }

  wipe(): void {
    this.cipher.wipe();
  }
}
