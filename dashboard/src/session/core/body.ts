// The JSON bodies of HELLO, OPEN and HEAD, with their bounds; both ends enforce them.

import { type Bytes, utf8, WireError } from "../wire/bytes.ts";
import { readJson } from "../wire/json.ts";

/** What each side can speak. */
export interface Hello {
  readonly min: number;
  readonly max: number;
  readonly features: readonly string[];
}

/** Header fields in order, names in lower case. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** A request. */
export interface Open {
  readonly method: string;
  readonly path: string;
  readonly fields: Fields;
}

/** An answer's status. */
export interface Head {
  readonly status: number;
  readonly fields: Fields;
}

/** The version spoken here, and the only one. */
export const VERSION = 1;
export const OUR_HELLO: Hello = { min: VERSION, max: VERSION, features: [] };

const MAX_HELLO = 2048;
const MAX_HEAD = 8192;
const MAX_PATH = 4096;
const MAX_FIELDS = 64;

export function readHello(bytes: Bytes): Hello {
  const json = readJson(bytes, "HELLO", MAX_HELLO, ["min", "max", "features"]);
  const hello = { min: json.u32("min"), max: json.u32("max"), features: json.strings("features") };
  if (hello.min > hello.max) {
    throw new WireError("HELLO", "its lowest version is above its highest");
  }
  if (
    hello.features.length > 32 ||
    !hello.features.every((word) => /^[a-z0-9-]{1,32}$/.test(word))
  ) {
    throw new WireError("HELLO", "its features are too many or misspelt");
  }
  return hello;
}

/** Whether both speak some version. */
export function speaksWith(other: Hello): boolean {
  return Math.min(VERSION, other.max) >= Math.max(VERSION, other.min);
}

export function writeHello(hello: Hello): Bytes {
  return utf8(JSON.stringify(hello));
}

/** Fields that speak about a hop or claim an identity are dropped, before anything can act on them. */
export function readOpen(bytes: Bytes): Open {
  const json = readJson(bytes, "OPEN", MAX_HEAD, ["m", "p", "h"]);
  const open = { method: json.string("m"), path: json.string("p"), fields: json.pairs("h") };
  checkOpen(open);
  const fields = open.fields.filter(([name]) => !isAboutHop(name) && !isAboutIdentity(name));
  return { ...open, fields };
}

export function writeOpen(open: Open): Bytes {
  checkOpen(open);
  return bounded("OPEN", JSON.stringify({ m: open.method, p: open.path, h: open.fields }));
}

/** Fields that speak about a hop, or by which one machine could act upon the origin from which all
 * are reached, are dropped. */
export function readHead(bytes: Bytes): Head {
  const json = readJson(bytes, "HEAD", MAX_HEAD, ["s", "h"]);
  const head = { status: json.u32("s"), fields: json.pairs("h") };
  checkHead(head);
  const fields = head.fields.filter(([name]) => !isAboutHop(name) && !isAboutOrigin(name));
  return { ...head, fields };
}

export function writeHead(head: Head): Bytes {
  checkHead(head);
  return bounded("HEAD", JSON.stringify({ s: head.status, h: head.fields }));
}

function checkOpen(open: Open): void {
  if (!/^[A-Z]{1,16}$/.test(open.method)) {
    throw new WireError("OPEN", "its method is not 1 to 16 letters");
  }
  if (!/^\/[!-"$-~]*$/.test(open.path) || open.path.length > MAX_PATH) {
    throw new WireError("OPEN", "its path is not an absolute path of ASCII");
  }
  checkFields(open.fields, "OPEN");
}

function checkHead(head: Head): void {
  if (head.status < 200 || head.status > 599) {
    throw new WireError("HEAD", "its status is not within 200 and 599");
  }
  checkFields(head.fields, "HEAD");
}

function checkFields(fields: Fields, what: string): void {
  if (fields.length > MAX_FIELDS) throw new WireError(what, "it has more than 64 fields");
  for (const [name, value] of fields) {
    if (!/^[a-z0-9!#$%&'*+\-.^_`|~]{1,128}$/.test(name)) {
      throw new WireError(what, "a field name is not a lower-case token");
    }
    if (!/^[\t -~]*$/.test(value)) throw new WireError(what, "a field value is not visible ASCII");
  }
}

function bounded(what: string, json: string): Bytes {
  if (json.length > MAX_HEAD) throw new WireError(what, `it has more than ${MAX_HEAD} bytes`);
  return utf8(json);
}

/** RFC 9110 section 7.6.1. */
function isAboutHop(name: string): boolean {
  return (
    ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via"].includes(
      name,
    ) || name.startsWith("proxy-")
  );
}

function isAboutIdentity(name: string): boolean {
  return (
    ["authorization", "cookie", "forwarded", "host", "x-real-ip"].includes(name) ||
    name.startsWith("x-forwarded-")
  );
}

function isAboutOrigin(name: string): boolean {
  return ["alt-svc", "clear-site-data", "set-cookie", "strict-transport-security"].includes(name);
}
