// CPace over ristretto255 with SHA-512 (draft-irtf-cfrg-cpace-21): two ends that know the same short
// code come to share a long key; somebody in between can test one guess for each run, and none after.

import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import type { Random } from "../identity/keys.ts";
import { type Bytes, concat, isZero, utf8 } from "../wire/bytes.ts";
import { lv } from "../wire/lv.ts";

/** The other end's share is no valid group element, or the neutral one. */
export class InvalidShare extends Error {
  override readonly name = "InvalidShare";

  constructor() {
    super("the other end's share is not a valid one");
  }
}

type Point = InstanceType<typeof ristretto255.Point>;
type Party = "initiator" | "responder";

const DSI = utf8("CPaceRistretto255");
const DSI_ISK = utf8("CPaceRistretto255_ISK");
/** Input block of SHA-512. */
const HASH_BLOCK = 128;
const EMPTY = new Uint8Array(0);

export class CPace {
  readonly #scalar: bigint;
  /** The share to send: Ya or Yb. */
  readonly share: Bytes;

  /** Starts a run over the password `prs`, the channel identifier `ci` and the session id `sid`.
   * Draws 64 bytes, reduced modulo the group's order. */
  private readonly party: Party;
  private readonly sid: Uint8Array;

  constructor(party: Party, prs: Uint8Array, ci: Uint8Array, sid: Uint8Array, random: Random) {
    this.party = party;
    this.sid = sid;
    this.#scalar = ristretto255.Point.Fn.create(littleEndian(random(64)));
    this.share = generator(prs, ci, sid).multiply(this.#scalar).toBytes();
  }

  /** Takes the other end's share and gives the ISK, 64 bytes. Both ends have the same if they had
   * the same password; that they did is shown only by using it. Throws `InvalidShare`. */
  finish(other: Bytes, data: readonly [Uint8Array, Uint8Array] = [EMPTY, EMPTY]): Bytes {
    const shared = scalarMultVerified(this.#scalar, other);
    const [ya, yb] = this.party === "initiator" ? [this.share, other] : [other, this.share];
    return isk(this.sid, shared, concat(lv(ya, data[0]), lv(yb, data[1])));
  }
}

/** `calculate_generator`: password, channel and session hashed to a group element. */
export function generator(prs: Uint8Array, ci: Uint8Array, sid: Uint8Array): Point {
  const used = 1 + lv(prs).length + lv(DSI).length;
  const zeros = new Uint8Array(Math.max(HASH_BLOCK - used, 0));
  return derive(sha512(lv(DSI, prs, zeros, ci, sid)));
}

/** `scalar_mult_vfy`: refused when the other share is no canonical encoding, or the product is the
 * neutral element. */
export function scalarMultVerified(scalar: bigint, other: Bytes): Bytes {
  let product: Bytes;
  try {
    product = ristretto255.Point.fromBytes(other).multiply(scalar).toBytes();
  } catch {
    throw new InvalidShare();
  }
  if (isZero(product)) throw new InvalidShare();
  return product;
}

export function isk(sid: Uint8Array, shared: Uint8Array, transcript: Uint8Array): Bytes {
  return sha512(concat(lv(DSI_ISK, sid, shared), transcript));
}

export function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function derive(hash: Bytes): Point {
  const map = ristretto255_hasher.deriveToCurve;
  if (map === undefined) throw new Error("ristretto255 has an element derivation (RFC 9496)");
  return map(hash);
}
