// Names that people choose and other people see: bounded, and free of characters that could pretend
// to be something else on a screen.

import { utf8, WireError } from "../wire/bytes.ts";

/** A name of a device or machine: 1 to 64 bytes, nothing deceptive in it. */
export type Name = string & { readonly brand: "Name" };

/** A machine's friendly name and subdomain. */
export type Alias = string & { readonly brand: "Alias" };

/** A relay's host: a lower-case DNS name or an address, without port. */
export type HostName = string & { readonly brand: "HostName" };

export const MAX_NAME = 64;
const MAX_ALIAS = 25;
const MAX_HOST = 253;

export function parseName(text: string): Name {
  const length = utf8(text).length;
  if (length === 0 || length > MAX_NAME) throw new WireError("name", "it has not 1 to 64 bytes");
  if (text.trim() !== text) throw new WireError("name", "it begins or ends with a space");
  if (/\p{Surrogate}/u.test(text)) throw new WireError("name", "it is not Unicode");
  const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  if (points.some(isDeceptive)) {
    throw new WireError("name", "it has control or invisible characters");
  }
  if (points.every(isJoiner)) throw new WireError("name", "nothing of it can be seen");
  return text as Name;
}

export function parseAlias(text: string): Alias {
  if (!isLabel(text) || text.length > MAX_ALIAS || text.startsWith("xn--")) {
    throw new WireError("alias", "it is not 1 to 25 lower-case letters, digits and inner hyphens");
  }
  return text as Alias;
}

export function parseHost(text: string): HostName {
  const isName = text.split(".").every(isLabel) && !endsInANumber(text);
  if (text.length > MAX_HOST || !(isName || isIpv4(text) || isIpv6(text))) {
    throw new WireError("host name", "it is neither a lower-case DNS name nor an address");
  }
  return text as HostName;
}

/** Whether a character changes how a line is shown without being seen (protocol, 1.3). */
export function isDeceptive(point: number): boolean {
  return (
    (point & 0xfffe) === 0xfffe || DECEPTIVE.some(([from, to]) => from <= point && point <= to)
  );
}

const DECEPTIVE: readonly (readonly [number, number])[] = [
  [0x0000, 0x001f],
  [0x007f, 0x009f],
  [0x00ad, 0x00ad],
  [0x034f, 0x034f],
  [0x061c, 0x061c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0d],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffc],
  [0x13430, 0x1345f],
  [0x16fe4, 0x16fe4],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff],
];

/** Characters that only change how their neighbours are shown. */
function isJoiner(point: number): boolean {
  return [0x200c, 0x200d, 0xfe0e, 0xfe0f].includes(point);
}

function isLabel(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}

/** What a URL parser takes for an IPv4 address, valid or not (WHATWG URL, "ends in a number"). */
function endsInANumber(host: string): boolean {
  const last = host.slice(host.lastIndexOf(".") + 1);
  return /^(?:\d*|0x[0-9a-f]*)$/.test(last);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return (
    parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && +part < 256)
  );
}

/** In its one shortest form (RFC 5952). */
function isIpv6(text: string): boolean {
  if (!/^[0-9a-f:.]+$/.test(text) || !text.includes(":")) return false;
  try {
    return shortest(new URL(`http://[${text}]/`).hostname.slice(1, -1)) === text;
  } catch {
    return false;
  }
}

/** A URL parser writes mapped IPv4 addresses in hexadecimal; RFC 5952 writes them in decimal. */
function shortest(address: string): string {
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  const halves = [mapped[1], mapped[2]].map((half) => Number.parseInt(half ?? "", 16));
  return `::ffff:${halves.flatMap((half) => [half >> 8, half & 0xff]).join(".")}`;
}
