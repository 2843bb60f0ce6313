// Noise handshakes with `25519_ChaChaPoly_SHA256` (Noise revision 34): walks the tokens of a pattern.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { agree, KEY, type Random, type StaticKey, staticKey } from "../identity/keys.ts";
import { type Bytes, concat, utf8 } from "../wire/bytes.ts";
import { CipherState, TAG } from "./cipher.ts";

/** A handshake failed: a message was altered, or the other end has other keys. Nothing was agreed. */
export class HandshakeFailed extends Error {
  override readonly name = "HandshakeFailed";

  constructor() {
    super("the handshake failed: a message was altered, or the other end has other keys");
  }
}

export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";

export interface Pattern {
  /** The full Noise name, which is hashed into every handshake. */
  readonly name: string;
  /** Whether the initiator knows the responder's static key beforehand. */
  readonly knowsResponder: boolean;
  /** Tokens of each message; the initiator begins. */
  readonly messages: readonly (readonly Token[])[];
}

/** Pairing: both keys are unknown, a pre-shared key authenticates both. */
export const XX_PSK0: Pattern = {
  name: "Noise_XXpsk0_25519_ChaChaPoly_SHA256",
  knowsResponder: false,
  messages: [
    ["psk", "e"],
    ["e", "ee", "s", "es"],
    ["s", "se"],
  ],
};

/** Session: the device knows the node's key, a pre-shared key strengthens both. */
export const IK_PSK2: Pattern = {
  name: "Noise_IKpsk2_25519_ChaChaPoly_SHA256",
  knowsResponder: true,
  messages: [
    ["e", "es", "s", "ss"],
    ["e", "ee", "se", "psk"],
  ],
};

export interface Setup {
  readonly pattern: Pattern;
  readonly role: "initiator" | "responder";
  readonly prologue: Uint8Array;
  readonly random: Random;
  readonly staticKey?: StaticKey;
  /** The responder's static key, where the pattern knows it. */
  readonly remote?: Bytes;
  readonly psk?: Bytes;
}

/** What a finished handshake leaves behind. */
export interface Transport {
  /** From the initiator to the responder. */
  readonly initiator: CipherState;
  readonly responder: CipherState;
  /** Equal at both ends, different for every handshake (section 11.2). */
  readonly hash: Bytes;
}

export class Handshake {
  readonly #setup: Setup;
  #ck: Bytes;
  #h: Bytes;
  #cipher: CipherState | undefined;
  #turn = 0;
  #ephemeral: StaticKey | undefined;
  #remoteEphemeral: Bytes | undefined;
  #remote: Bytes | undefined;

  constructor(setup: Setup) {
    this.#setup = setup;
    const name = utf8(setup.pattern.name);
    this.#h = name.length <= KEY ? concat(name, new Uint8Array(KEY - name.length)) : sha256(name);
    this.#ck = this.#h;
    this.#mixHash(setup.prologue);
    if (setup.role === "initiator") this.#remote = setup.remote;
    if (setup.pattern.knowsResponder) {
      const known = setup.role === "initiator" ? setup.remote : setup.staticKey?.public;
      this.#mixHash(need(known));
    }
  }

  /** The other end's static key, once it is known. */
  get remote(): Bytes | undefined {
    return this.#remote;
  }

  /** The next message, around `payload`. */
  write(payload: Uint8Array): Bytes {
    const parts: Bytes[] = [];
    for (const token of this.#next("write")) {
      switch (token) {
        case "e":
          this.#ephemeral = staticKey(this.#setup.random(KEY));
          parts.push(this.#ephemeral.public);
          this.#mixEphemeral(this.#ephemeral.public);
          break;
        case "s":
          parts.push(this.#encryptAndHash(need(this.#setup.staticKey).public));
          break;
        default:
          this.#mixToken(token);
      }
    }
    parts.push(this.#encryptAndHash(payload));
    return concat(...parts);
  }

  /** Reads the other end's next message and returns its payload. */
  read(message: Bytes): Bytes {
    let rest = message;
    const take = (length: number): Bytes => {
      if (rest.length < length) throw new HandshakeFailed();
      const taken = rest.subarray(0, length);
      rest = rest.subarray(length);
      return taken;
    };
    for (const token of this.#next("read")) {
      switch (token) {
        case "e":
          this.#remoteEphemeral = take(KEY).slice();
          this.#mixEphemeral(this.#remoteEphemeral);
          break;
        case "s":
          this.#remote = this.#decryptAndHash(take(this.#cipher ? KEY + TAG : KEY)).slice();
          break;
        default:
          this.#mixToken(token);
      }
    }
    return this.#decryptAndHash(rest);
  }

  /** Ends the handshake and gives its keys out. */
  split(): Transport {
    if (this.#turn < this.#setup.pattern.messages.length) throw new HandshakeFailed();
    const [initiator, responder] = this.#hkdf(new Uint8Array(0), 2);
    this.#ck.fill(0);
    this.#ephemeral?.secret.fill(0);
    return {
      initiator: new CipherState(need(initiator)),
      responder: new CipherState(need(responder)),
      hash: this.#h,
    };
  }

  #next(step: "read" | "write"): readonly Token[] {
    const isOurs = (this.#turn % 2 === 0) === (this.#setup.role === "initiator");
    const tokens = this.#setup.pattern.messages[this.#turn];
    if (tokens === undefined || isOurs !== (step === "write")) throw new HandshakeFailed();
    this.#turn++;
    return tokens;
  }

  #mixToken(token: "ee" | "es" | "se" | "ss" | "psk"): void {
    const isInitiator = this.#setup.role === "initiator";
    const ours = { e: this.#ephemeral?.secret, s: this.#setup.staticKey?.secret };
    const theirs = { e: this.#remoteEphemeral, s: this.#remote };
    switch (token) {
      case "ee":
        this.#mixShared(ours.e, theirs.e);
        return;
      case "ss":
        this.#mixShared(ours.s, theirs.s);
        return;
      case "es":
        if (isInitiator) this.#mixShared(ours.e, theirs.s);
        else this.#mixShared(ours.s, theirs.e);
        return;
      case "se":
        if (isInitiator) this.#mixShared(ours.s, theirs.e);
        else this.#mixShared(ours.e, theirs.s);
        return;
      case "psk": {
        const [ck, mixed, key] = this.#hkdf(need(this.#setup.psk), 3);
        this.#ck = need(ck);
        this.#mixHash(need(mixed));
        this.#cipher = new CipherState(need(key));
      }
    }
  }

  #mixShared(secret: Bytes | undefined, other: Bytes | undefined): void {
    this.#mixKey(need(agree(need(secret), need(other))));
  }

  #mixEphemeral(key: Bytes): void {
    this.#mixHash(key);
    if (this.#setup.pattern.messages.flat().includes("psk")) this.#mixKey(key);
  }

  #mixKey(input: Bytes): void {
    const [ck, key] = this.#hkdf(input, 2);
    this.#ck = need(ck);
    this.#cipher = new CipherState(need(key));
  }

  #mixHash(data: Uint8Array): void {
    this.#h = sha256(concat(this.#h, data));
  }

  #hkdf(input: Uint8Array, outputs: number): Bytes[] {
    const secret = hmac(sha256, this.#ck, input);
    const all: Bytes[] = [];
    let last: Bytes = new Uint8Array(0);
    for (let number = 1; number <= outputs; number++) {
      last = hmac(sha256, secret, concat(last, Uint8Array.of(number)));
      all.push(last);
    }
    return all;
  }

  #encryptAndHash(plaintext: Uint8Array): Bytes {
    const text = this.#cipher ? this.#cipher.seal(plaintext, this.#h) : Uint8Array.from(plaintext);
    this.#mixHash(text);
    return text;
  }

  #decryptAndHash(text: Bytes): Bytes {
    let plaintext = text;
    if (this.#cipher) {
      try {
        plaintext = this.#cipher.open(text, this.#h);
      } catch {
        throw new HandshakeFailed();
      }
    }
    this.#mixHash(text);
    return plaintext;
  }
}

/** What a pattern needs and the other end, or the setup, did not give. */
function need<T>(value: T | undefined): T {
  if (value === undefined) throw new HandshakeFailed();
  return value;
}
