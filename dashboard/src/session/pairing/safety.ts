// A short number that both ends compute from what they share, for people to compare: equal means
// that nobody stands in between.

import { sha512 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, utf8 } from "../wire/bytes.ts";
import { lv } from "../wire/lv.ts";

export interface SafetyNumber {
  /** Six words of five letters. */
  readonly words: readonly string[];
  /** Six groups of five digits. Either form is enough. */
  readonly digits: readonly string[];
}

const LABEL = utf8("gantline/safety-number/1");
const ROUNDS = 5200;
const CONSONANTS = "bdfghjklmnprstvz";
const VOWELS = "aiou";

export function safetyNumber(node: Bytes, device: Bytes, psk: Bytes): SafetyNumber {
  const first = sha512(lv(LABEL, node, device, psk));
  let hash = first;
  for (let round = 0; round < ROUNDS; round++) hash = sha512(concat(hash, first));
  const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
  const six = (make: (at: number) => string) => Array.from({ length: 6 }, (_, at) => make(at));
  return {
    words: six((at) => word(view.getUint16(2 * at))),
    digits: six((at) => {
      const number = view.getUint8(16 + 5 * at) * 2 ** 32 + view.getUint32(17 + 5 * at);
      return String(number % 100_000).padStart(5, "0");
    }),
  };
}

function word(bits: number): string {
  const consonant = (shift: number) => CONSONANTS.charAt((bits >> shift) & 15);
  const vowel = (shift: number) => VOWELS.charAt((bits >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}
