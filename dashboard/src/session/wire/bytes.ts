// Reading bytes that a stranger wrote, and writing our own: big-endian, every length checked.

/** Bytes that own their memory, so that they can be given away and sent. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that could not be decoded. Nothing was acted upon. */
export class WireError extends Error {
  override readonly name = "WireError";

  /** The field or message. */
  readonly what: string;
  /** What is wrong with it. */
  readonly why: string;

  constructor(what: string, why: string) {
    super(`${what} is not valid: ${why}`);
    this.what = what;
    this.why = why;
  }
}

/** A cursor over received bytes. */
export class Reader {
  #at = 0;
  readonly #view: DataView;

  private readonly bytes: Bytes;
  private readonly what: string;

  constructor(bytes: Bytes, what: string) {
    this.bytes = bytes;
    this.what = what;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  /** The next `length` bytes, not copied. */
  take(length: number): Bytes {
    const start = this.#advance(length);
    return this.bytes.subarray(start, start + length);
  }

  /** All that is left, not copied. */
  rest(): Bytes {
    return this.take(this.remaining);
  }

  /** Asserts that nothing is left. */
  finish(): void {
    if (this.remaining > 0) {
      throw new WireError(this.what, `${this.remaining} bytes follow that do not belong to it`);
    }
  }

  #advance(length: number): number {
    const start = this.#at;
    if (length > this.bytes.length - start) throw new WireError(this.what, "it is cut short");
    this.#at += length;
    return start;
  }
}

/** Appends to a buffer that grows. */
export class Writer {
  #buffer: Bytes;
  #length = 0;

  constructor(capacity = 64) {
    this.#buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#reserve(1)[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value & 0xff);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  u64(value: bigint): this {
    return this.u32(Number((value >> 32n) & 0xffff_ffffn)).u32(Number(value & 0xffff_ffffn));
  }

  put(bytes: Uint8Array): this {
    this.#reserve(bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** What was written, in memory of its own; the writer is empty afterwards. */
  finish(): Bytes {
    const bytes = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  #reserve(more: number): Bytes {
    const needed = this.#length + more;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    return this.#buffer;
  }
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** In time that depends on the length alone. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return difference === 0;
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** Text that a stranger wrote; refused unless it is UTF-8. A byte order mark is kept. */
export function fromUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new WireError(what, "its text is not UTF-8");
  }
}
