// `Noise_IKpsk2`: preface and S1, S2, and S3, which is the session's first record.
//
// S1 can be replayed by anybody who saw it, so a node does nothing for it but answer.

import { machineIdBytes, machineIdOf, type Random, type StaticKey } from "../identity/keys.ts";
import { Handshake, HandshakeFailed, IK_PSK2 } from "../noise/handshake.ts";
import { type Bytes, concat, utf8 } from "../wire/bytes.ts";
import { lv } from "../wire/lv.ts";
import { Session, type SessionKeys } from "./session.ts";

export const PREFACE_SESSION = Uint8Array.of(0x01, 0x01);
export const S2 = 48;
const S1 = 96;
const EMPTY = new Uint8Array(0);

/** The device's side, waiting for S2. */
export class DeviceHandshake {
  readonly #handshake: Handshake;
  /** The bytes to send first: preface and S1. */
  readonly opening: Bytes;

  /** Throws `HandshakeFailed` when `node` is a key of small order. */
  constructor(device: StaticKey, node: Bytes, psk: Bytes, random: Random) {
    this.#handshake = new Handshake({
      pattern: IK_PSK2,
      role: "initiator",
      prologue: sessionPrologue(node),
      staticKey: device,
      remote: node,
      psk,
      random,
    });
    this.opening = concat(PREFACE_SESSION, this.#handshake.write(EMPTY));
  }

  /** Reads S2: the node has proved its key and the pairing secret. Throws `HandshakeFailed`. */
  finish(s2: Bytes, now: number): Session {
    return new Session("device", this.keys(s2), now);
  }

  /** As `finish`, but gives the keys out: for tests that play a hostile peer. */
  keys(s2: Bytes): SessionKeys {
    if (s2.length !== S2 || this.#handshake.read(s2).length > 0) throw new HandshakeFailed();
    const { initiator, responder } = this.#handshake.split();
    return { send: initiator, receive: responder };
  }
}

/** The node's side, for tests and for whoever writes a node: reads S1 and answers it. */
export function acceptSession(
  node: StaticKey,
  opening: Bytes,
  pskOf: (device: Bytes) => Bytes,
  random: Random,
): { s2: Bytes; device: Bytes; keys: SessionKeys } {
  let psk: Bytes = EMPTY;
  const handshake = new Handshake({
    pattern: IK_PSK2,
    role: "responder",
    prologue: sessionPrologue(node.public),
    staticKey: node,
    random,
    get psk() {
      return psk;
    },
  });
  if (opening.length !== PREFACE_SESSION.length + S1) throw new HandshakeFailed();
  handshake.read(opening.subarray(PREFACE_SESSION.length));
  const device = handshake.remote;
  if (device === undefined) throw new HandshakeFailed();
  psk = pskOf(device);
  const s2 = handshake.write(EMPTY);
  const { initiator, responder } = handshake.split();
  return { s2, device, keys: { send: responder, receive: initiator } };
}

export function sessionPrologue(node: Bytes): Bytes {
  return lv(utf8("gantline/session/1"), Uint8Array.of(1), machineIdBytes(machineIdOf(node)));
}
