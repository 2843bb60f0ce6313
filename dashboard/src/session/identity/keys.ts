// Who is who: static keys, the machine ids that follow from them, roles.

import { x25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, isZero, utf8, WireError } from "../wire/bytes.ts";
import { fromBase32, toBase32 } from "../wire/text.ts";

/** A machine's id as text, canonical: 26 characters, one DNS label. */
export type MachineId = string & { readonly brand: "MachineId" };

/** A device's id at one machine, 32 hexadecimal digits. */
export type DeviceId = string & { readonly brand: "DeviceId" };

/** An X25519 key pair. */
export interface StaticKey {
  readonly secret: Bytes;
  readonly public: Bytes;
}

/** What a device may do at a machine; each may do what those before it may. */
export type Role = "observer" | "operator" | "owner";

/** A source of random bytes; in tests one that is known beforehand. */
export type Random = (length: number) => Bytes;

export const KEY = 32;
const MID = 16;
const LABEL = utf8("gantline/machine-id/1\0");
const ROLES: readonly Role[] = ["observer", "operator", "owner"];

export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

export function staticKey(secret: Bytes): StaticKey {
  return { secret, public: x25519.getPublicKey(secret) };
}

/** The shared secret of two keys; `undefined` for a public key of small order. */
export function agree(secret: Bytes, other: Bytes): Bytes | undefined {
  try {
    const shared = x25519.getSharedSecret(secret, other);
    return isZero(shared) ? undefined : shared;
  } catch {
    return undefined;
  }
}

/** The 16 bytes that a machine's id is the text of. */
export function mid16(nodeKey: Uint8Array): Bytes {
  return sha256(concat(LABEL, nodeKey)).slice(0, MID);
}

export function machineIdOf(nodeKey: Uint8Array): MachineId {
  return toBase32(mid16(nodeKey)) as MachineId;
}

/** Reads a machine's id; only the canonical text is one. */
export function parseMachineId(text: string): MachineId {
  machineIdBytes(text);
  return text as MachineId;
}

export function machineIdBytes(text: string): Bytes {
  if (text.length !== 26) throw new WireError("machine id", "it has not 26 characters");
  return fromBase32(text, "machine id");
}

export function roleFromByte(byte: number): Role {
  const role = ROLES[byte - 1];
  if (role === undefined) throw new WireError("role", "there is none with this number");
  return role;
}

export function roleToByte(role: Role): number {
  return ROLES.indexOf(role) + 1;
}
