// The 8-digit code that a person carries from the machine to the device.

import { type Bytes, utf8, WireError } from "../wire/bytes.ts";

/** Tries that a device makes with one code before it wants a new one. */
export const TRIES = 2;

const LONGEST_TYPED = 32;

/** Eight digits; spaces and hyphens anywhere are skipped. */
export function parseCode(typed: string): string {
  const digits = typed.replaceAll(/[ -]/g, "");
  if (utf8(typed).length > LONGEST_TYPED || !/^[0-9]{8}$/.test(digits)) {
    throw new WireError("pairing code", "it is not eight digits");
  }
  return digits;
}

/** Both tries with a code are spent: ask for a new one. */
export class AskForNewCode extends Error {
  override readonly name = "AskForNewCode";

  constructor() {
    super("two tries were made with this code: ask the machine for a new one");
  }
}

/**
 * A code as a device holds it: good for two tries, each made because a person asked for it. Every
 * try lets a malicious relay test one guess, so a device never tries again by itself.
 */
export class CodeAttempts {
  readonly #digits: Bytes;
  #left = TRIES;

  constructor(typed: string) {
    this.#digits = utf8(parseCode(typed));
  }

  get left(): number {
    return this.#left;
  }

  /** Spends one try and gives the eight ASCII digits. */
  spend(): Bytes {
    if (this.#left === 0) throw new AskForNewCode();
    this.#left--;
    return this.#digits;
  }
}
