// Bytes as people and files write them: hexadecimal, base32 and base64url, each in one way only.

import { type Bytes, WireError } from "./bytes.ts";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string, what: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new WireError(what, "it is not lower-case hexadecimal");
  return Uint8Array.from({ length: text.length / 2 }, (_, at) =>
    Number.parseInt(text.slice(2 * at, 2 * at + 2), 16),
  );
}

/** RFC 4648 section 6, lower case, no padding. */
export function toBase32(bytes: Uint8Array): string {
  return encode(bytes, BASE32, 5);
}

export function fromBase32(text: string, what: string): Bytes {
  return decode(text, BASE32, 5, what);
}

/** RFC 4648 section 5, no padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return encode(bytes, BASE64URL, 6);
}

export function fromBase64Url(text: string, what: string): Bytes {
  return decode(text, BASE64URL, 6, what);
}

function encode(bytes: Uint8Array, alphabet: string, bits: number): string {
  let text = "";
  let held = 0;
  let count = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    count += 8;
    while (count >= bits) {
      count -= bits;
      text += alphabet.charAt((held >> count) & ((1 << bits) - 1));
    }
    held &= (1 << count) - 1;
  }
  return count === 0 ? text : text + alphabet.charAt(held << (bits - count));
}

/** Spare bits at the end must be zero, and fewer than a character's: one value has one text. */
function decode(text: string, alphabet: string, bits: number, what: string): Bytes {
  const bytes = new Uint8Array(Math.floor((text.length * bits) / 8));
  let held = 0;
  let count = 0;
  let at = 0;
  for (const character of text) {
    const value = alphabet.indexOf(character);
    if (value < 0) throw new WireError(what, "it has a character that does not belong there");
    held = (held << bits) | value;
    count += bits;
    if (count >= 8) {
      count -= 8;
      bytes[at++] = held >> count;
    }
    held &= (1 << count) - 1;
  }
  if (held !== 0 || count >= bits) throw new WireError(what, "it is not written canonically");
  return bytes;
}
