// The device's end of one pairing run: bytes in, bytes out.
//
//      by code                          by link
// P1   device → node   nonce 16        the same
// P2   node → device   status, nonce                  1 + 16
// P3   device → node   Ya 32           -
// P4   node → device   status, Yb      -              1 + 32
// P5   device → node   psk, e                         48
// P6   node → device   status; e, ee, s, es, name     1 + 160
// P7   device → node   s, se, name                    128
// P8   node → device   status; a record with the grant

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ciphertextLength, HEADER } from "../core/record.ts";
import {
  type MachineId,
  machineIdBytes,
  machineIdOf,
  type Random,
  type StaticKey,
} from "../identity/keys.ts";
import { MAX_NAME, type Name, parseName } from "../identity/name.ts";
import { TAG } from "../noise/cipher.ts";
import { Handshake, type Transport, XX_PSK0 } from "../noise/handshake.ts";
import { type Bytes, concat, fromUtf8, isZero, utf8, WireError } from "../wire/bytes.ts";
import { lv } from "../wire/lv.ts";
import type { CodeAttempts } from "./code.ts";
import { CPace } from "./cpace.ts";
import { type Grant, MAX_GRANT, readGrant } from "./grant.ts";
import type { PairingLink } from "./link.ts";

/** What a device needs to reach the machine from now on. */
export interface Paired extends Grant {
  readonly machine: MachineId;
  /** The node's static key. */
  readonly node: Bytes;
  /** The machine's name, as it calls itself. */
  readonly name: Name;
}

/** Why a node does not go on. In clear, so anybody on the way may have said it: show it, but decide
 * nothing upon it. */
export type Refusal = "not-open" | "wrong" | "busy" | "broken" | "other";

/** Nothing was paired, and no key is to be deleted. */
export class PairingError extends Error {
  override readonly name = "PairingError";

  readonly kind: "refused" | "not-confirmed" | "foreign-machine" | "cut-off" | "over";
  readonly refusal: Refusal | undefined;

  constructor(
    kind: "refused" | "not-confirmed" | "foreign-machine" | "cut-off" | "over",
    message: string,
    refusal?: Refusal,
  ) {
    super(message);
    this.kind = kind;
    this.refusal = refusal;
  }
}

const NONCE = 16;
const SHARE = 32;
const P6 = 160;
const GO_ON = 0;
const EMPTY = new Uint8Array(0);
const REFUSALS: readonly { refusal: Refusal; text: string }[] = [
  {
    refusal: "not-open",
    text: "the code or link has expired, was used, or was burnt by wrong tries",
  },
  { refusal: "wrong", text: "the code or link is not the right one, or somebody interferes" },
  { refusal: "busy", text: "the machine is too busy to pair at the moment" },
  { refusal: "broken", text: "the machine could not read a message" },
];

type Secret =
  | { readonly kind: 2; readonly digits: Bytes }
  | { readonly kind: 3; readonly token: Bytes };

type State =
  | { readonly at: "nonce" }
  | { readonly at: "share"; readonly sid: Bytes; readonly cpace: CPace }
  | { readonly at: "proof"; readonly handshake: Handshake }
  | { readonly at: "grant-length"; readonly confirmed: Confirmed }
  | { readonly at: "grant"; readonly confirmed: Confirmed; readonly length: number }
  | { readonly at: "over" };

interface Confirmed {
  readonly node: Bytes;
  readonly name: Name;
  readonly transport: Transport;
}

/** What a run wants to have done: bytes sent, or the pairing kept. */
export interface Step {
  readonly send: Bytes;
  readonly paired?: Paired;
}

export class PairingRun {
  readonly #nonce: Bytes;
  #state: State = { at: "nonce" };
  #mayGoOn = false;

  private readonly machine: MachineId;
  private readonly secret: Secret;
  private readonly key: StaticKey;
  private readonly deviceName: Name;
  private readonly random: Random;

  private constructor(
    machine: MachineId,
    secret: Secret,
    key: StaticKey,
    deviceName: Name,
    random: Random,
  ) {
    this.machine = machine;
    this.secret = secret;
    this.key = key;
    this.deviceName = deviceName;
    this.random = random;
    this.#nonce = random(NONCE);
  }

  /** Begins a run with a code; spends one of its two tries. */
  static byCode(
    machine: MachineId,
    attempts: CodeAttempts,
    key: StaticKey,
    name: Name,
    random: Random,
  ): PairingRun {
    return new PairingRun(machine, { kind: 2, digits: attempts.spend() }, key, name, random);
  }

  static byLink(link: PairingLink, key: StaticKey, name: Name, random: Random): PairingRun {
    return new PairingRun(link.machine, { kind: 3, token: link.token }, key, name, random);
  }

  /** The bytes to send first: preface and P1. A run counts once they are sent. */
  get opening(): Bytes {
    return concat(Uint8Array.of(1, this.secret.kind), this.#nonce);
  }

  /** The length of the next message or part of one; 0 when the run is over. */
  get needs(): number {
    if (this.#followsStatus && !this.#mayGoOn) return 1;
    return lengthOf(this.#state);
  }

  /** Takes the next `needs` bytes. Throws `PairingError`: end the pipe and send nothing. */
  receive(message: Bytes): Step {
    if (message.length !== this.needs) throw this.#end(new PairingError("over", "the run is over"));
    if (this.#followsStatus && !this.#mayGoOn) {
      const [status] = message;
      if (status !== GO_ON) throw this.#end(refused(status));
      this.#mayGoOn = true;
      return { send: EMPTY };
    }
    this.#mayGoOn = false;
    const state = this.#state;
    this.#state = { at: "over" };
    try {
      return this.#take(state, message.slice());
    } catch (error) {
      if (error instanceof PairingError) throw error;
      throw new PairingError(
        "not-confirmed",
        "the machine could not prove that it knows the code or link",
      );
    }
  }

  /** Whether the next bytes begin a message of the node, and so begin with a status. */
  get #followsStatus(): boolean {
    return this.#state.at !== "grant" && this.#state.at !== "over";
  }

  #end(error: PairingError): PairingError {
    this.#state = { at: "over" };
    return error;
  }

  #take(state: State, message: Bytes): Step {
    switch (state.at) {
      case "nonce":
        return this.#takeNonce(message);
      case "share": {
        const isk = state.cpace.finish(message);
        const psk = runPsk(state.sid, isk, "gantline/pair-psk/1", this.machine);
        return this.#prove(psk, state.sid, state.cpace.share, message);
      }
      case "proof":
        return this.#takeProof(message, state.handshake);
      case "grant-length": {
        const length = ciphertextLength(message[0] ?? 0, message[1] ?? 0);
        if (length > MAX_GRANT + TAG) throw new WireError("grant", "it is too long");
        this.#state = { at: "grant", confirmed: state.confirmed, length };
        return { send: EMPTY };
      }
      case "grant": {
        const { node, name, transport } = state.confirmed;
        const grant = readGrant(transport.responder.open(message));
        transport.responder.wipe();
        return { send: EMPTY, paired: { ...grant, machine: this.machine, node, name } };
      }
      case "over":
        throw new PairingError("over", "the run is over");
    }
  }

  #takeNonce(message: Bytes): Step {
    const sid = concat(this.#nonce, message);
    if (this.secret.kind === 3) {
      const psk = runPsk(sid, this.secret.token, "gantline/pair-link/1", this.machine);
      return this.#prove(psk, sid, EMPTY, EMPTY);
    }
    const channel = lv(
      utf8("gantline/pair/1"),
      utf8("device"),
      utf8("node"),
      machineIdBytes(this.machine),
    );
    const cpace = new CPace("initiator", this.secret.digits, channel, sid, this.random);
    this.#state = { at: "share", sid, cpace };
    return { send: cpace.share };
  }

  #prove(psk: Bytes, sid: Bytes, ya: Bytes, yb: Bytes): Step {
    const prologue = lv(
      utf8("gantline/pair-noise/1"),
      Uint8Array.of(this.secret.kind),
      machineIdBytes(this.machine),
      sid,
      ya,
      yb,
    );
    const handshake = new Handshake({
      pattern: XX_PSK0,
      role: "initiator",
      prologue,
      staticKey: this.key,
      psk,
      random: this.random,
    });
    const send = handshake.write(EMPTY);
    this.#state = { at: "proof", handshake };
    return { send };
  }

  #takeProof(message: Bytes, handshake: Handshake): Step {
    const field = handshake.read(message);
    const node = handshake.remote;
    if (node === undefined || machineIdOf(node) !== this.machine) {
      throw new PairingError(
        "foreign-machine",
        "another machine answered than the one that was asked for",
      );
    }
    const name = readNameField(field);
    const send = handshake.write(nameField(this.deviceName));
    this.#state = { at: "grant-length", confirmed: { node, name, transport: handshake.split() } };
    return { send };
  }
}

/** The length of the message, without its status, that a run waits for. */
function lengthOf(state: State): number {
  switch (state.at) {
    case "nonce":
      return NONCE;
    case "share":
      return SHARE;
    case "proof":
      return P6;
    case "grant-length":
      return HEADER;
    case "grant":
      return state.length;
    case "over":
      return 0;
  }
}

function refused(status: number | undefined): PairingError {
  const known = REFUSALS[(status ?? 0) - 1];
  const text = known?.text ?? `the machine does not go on (status ${status})`;
  return new PairingError("refused", text, known?.refusal ?? "other");
}

function runPsk(sid: Bytes, secret: Bytes, label: string, machine: MachineId): Bytes {
  return hkdf(sha256, secret, sid, concat(utf8(label), machineIdBytes(machine)), 32);
}

/** A name in its fixed field: UTF-8, then zeros. */
function nameField(name: Name): Bytes {
  const field = new Uint8Array(MAX_NAME);
  field.set(utf8(name));
  return field;
}

function readNameField(field: Bytes): Name {
  const end = field.indexOf(0);
  const text = end < 0 ? field : field.subarray(0, end);
  if (end >= 0 && !isZero(field.subarray(end))) {
    throw new WireError("name", "its field is not a name and zeros");
  }
  return parseName(fromUtf8(text, "name"));
}
