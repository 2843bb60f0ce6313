// Values behind their lengths (CPace, draft-irtf-cfrg-cpace-21, appendix A).

import { type Bytes, Writer } from "./bytes.ts";

/** Each value behind its length in unsigned LEB128. */
export function lv(...values: readonly Uint8Array[]): Bytes {
  const out = new Writer();
  for (const value of values) {
    let length = value.length;
    while (length >= 0x80) {
      out.u8((length & 0x7f) | 0x80);
      length >>>= 7;
    }
    out.u8(length).put(value);
  }
  return out.finish();
}
