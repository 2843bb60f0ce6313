// The vector files that every language is held to, as they lie in the repository.

import { readFileSync } from "node:fs";
import type { Random } from "../identity/keys.ts";
import type { Bytes } from "../wire/bytes.ts";
import { fromHex } from "../wire/text.ts";

export function vectorFile<T>(name: string): T {
  const url = new URL(`../../../../crypto/vectors/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as T;
}

export function hex(text: string): Bytes {
  return fromHex(text.toLowerCase(), "vector");
}

/** Draws these values, in this order, each as long as it is. */
export function script(...draws: readonly string[]): Random {
  const left = [...draws];
  return (length) => {
    const draw = hex(left.shift() ?? "");
    if (draw.length !== length) throw new Error(`${length} bytes were drawn out of turn`);
    return draw;
  };
}
