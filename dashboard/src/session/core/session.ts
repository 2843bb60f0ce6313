// An authenticated, encrypted channel between a device and a node, with many streams in it. Whoever
// owns the pipe feeds it what arrives and sends what it has to say; nothing here waits, and time, in
// milliseconds, is an argument.

import type { CipherState } from "../noise/cipher.ts";
import { type Bytes, concat } from "../wire/bytes.ts";
import { type Head, type Open, writeHead, writeOpen } from "./body.ts";
import { CLOSE, GOAWAY } from "./codes.ts";
import type { Event, SessionEnd } from "./event.ts";
import { MAX_STREAMS, receiveRecord } from "./receive.ts";
import { ciphertextLength, HEADER, Opener, Sealer } from "./record.ts";
import { KEY_AGE, MAX_UNSENT, type Side, State } from "./state.ts";
import { Stream } from "./stream.ts";
import { hasSomethingToSay, sealRecord } from "./transmit.ts";

/** The greatest age of a session, in milliseconds. */
const SESSION_AGE = 24 * 60 * 60_000;
/** How long before its greatest age a session stops taking new streams. */
const SESSION_FAREWELL = 10 * 60_000;
const LAST_STREAM = 0xffff_ffff;

/** What a handshake leaves behind: a cipher for each direction. */
export interface SessionKeys {
  readonly send: CipherState;
  readonly receive: CipherState;
}

/** Why a stream could not be opened. */
export type OpenRefusal = "too-many" | "going-away" | "over";

export class Session {
  readonly #state: State;
  #rest: Bytes = new Uint8Array(0);

  constructor(side: Side, keys: SessionKeys, now: number) {
    this.#state = new State(side, new Sealer(keys.send), new Opener(keys.receive), now);
  }

  /** Opens a stream. Returns its number, or why not; nothing was sent then. Throws `WireError` for a
   * request that breaks a bound. */
  open(open: Open): number | OpenRefusal {
    const state = this.#state;
    writeOpen(open);
    if (!state.isOpen) return "over";
    const number = state.last.ours === 0 ? (state.side === "device" ? 1 : 2) : state.last.ours + 2;
    if (state.served.ours !== undefined || number > LAST_STREAM) return "going-away";
    if (state.open.ours >= MAX_STREAMS) return "too-many";
    state.last.ours = number;
    state.open.ours++;
    state.streams.set(number, new Stream("flowing", "headless"));
    state.push({ type: "OPEN", stream: number, open });
    return state.isOpen ? number : "over";
  }

  /** Answers a stream that the peer opened; `false` if it does not wait for that. */
  answer(number: number, head: Head): boolean {
    const stream = this.#state.streams.get(number);
    if (stream?.sending !== "headless") return false;
    writeHead(head);
    stream.sending = "flowing";
    this.#state.push({ type: "HEAD", stream: number, head });
    return this.#state.isOpen;
  }

  /** How many bytes `write` takes now. More after a `writable` event and, where our own buffers were
   * the limit, after `transmit`. */
  writable(number: number): number {
    const state = this.#state;
    const stream = state.streams.get(number);
    if (stream?.sending !== "flowing") return 0;
    return Math.min(
      stream.sendWindow.available,
      state.sendWindow.available,
      MAX_UNSENT - state.unsent,
    );
  }

  /** Queues all of `bytes`, or nothing and says `false`. The bytes are kept, not copied. */
  write(number: number, bytes: Bytes): boolean {
    const state = this.#state;
    const stream = state.streams.get(number);
    if (stream?.sending !== "flowing" || bytes.length > this.writable(number)) return false;
    if (bytes.length > 0) {
      stream.queue(bytes);
      state.unsent += bytes.length;
      state.sendWindow.reserve(bytes.length);
      state.makeReady(number, stream);
    }
    return true;
  }

  /** Ends our direction of a stream, after all that was written. */
  finish(number: number): void {
    const stream = this.#state.streams.get(number);
    if (stream?.sending !== "flowing") return;
    stream.sending = "finishing";
    this.#state.makeReady(number, stream);
  }

  /** Ends a stream in both directions, early. Does nothing if it has ended. */
  reset(number: number, code: number): void {
    this.#state.reset(number, code);
  }

  /** Gives back bytes of `data` events that were dealt with, so that the peer may send more. */
  consumed(number: number, bytes: number): void {
    this.#state.receiveWindow.consume(bytes);
    const stream = this.#state.streams.get(number);
    if (stream === undefined) return;
    stream.receiveWindow.consume(bytes);
    this.#state.queueCredit(number, stream);
  }

  /** Lets the peer send further ahead: `stream` bytes on each stream at hand, `session` bytes on all
   * together. */
  widen(stream: number, session: number): void {
    this.#state.receiveWindow.widen(session);
    for (const [number, one] of this.#state.streams) {
      one.receiveWindow.widen(stream);
      this.#state.queueCredit(number, one);
    }
  }

  /** Asks the peer for a sign of life; a `pong` event tells the round trip of the latest one. */
  ping(now: number): void {
    if (!this.#state.isOpen) return;
    const { ping } = this.#state;
    ping.number++;
    ping.sentAt = now;
    this.#state.push({ type: "PING", number: BigInt(ping.number) });
  }

  /** Takes no more streams from the peer; those that are open go on. */
  goAway(code: number): void {
    const state = this.#state;
    if (!state.isOpen || state.served.theirs !== undefined) return;
    state.served.theirs = state.last.theirs;
    state.push({ type: "GOAWAY", code, last: state.last.theirs });
  }

  /** Changes our key with the next record, before it must be. */
  rekey(): void {
    if (this.#state.isOpen) this.#state.isRekeyDue = true;
  }

  /** Ends the session: what waits to be sent is dropped, CLOSE is the last frame. */
  close(code: number, reason = ""): void {
    this.#state.closeWith(code, { kind: "closed", by: "us", code, reason }, reason);
  }

  /** Reads what arrived, however it was cut, and calls `emit` for what the peer did, in its order.
   * Nothing that a peer sends makes it throw: what ends the session is told by `end`. */
  receive(now: number, input: Bytes, emit: (event: Event) => void): void {
    const state = this.#state;
    let bytes = this.#rest.length === 0 ? input : concat(this.#rest, input);
    const awaitsProof = () => state.phase.type === "closing" && !state.maySpeak;
    while (state.isOpen || awaitsProof()) {
      const [high, low] = [bytes[0], bytes[1]];
      if (high === undefined || low === undefined) break;
      try {
        const end = HEADER + ciphertextLength(high, low);
        if (bytes.length < end) break;
        receiveRecord(state, now, bytes.subarray(HEADER, end), emit);
        bytes = bytes.subarray(end);
      } catch (error) {
        state.fail(error);
      }
    }
    this.#rest = state.isOpen || awaitsProof() ? bytes.slice() : new Uint8Array(0);
  }

  /** The pipe ended. */
  endOfInput(): void {
    const state = this.#state;
    // Nothing can follow from a peer that is not there, so nothing waits for it.
    if (state.isOpen) state.become({ type: "over", end: { kind: "cut-off" } });
    else if (state.phase.type === "closing" && !state.maySpeak) {
      state.become({ type: "over", end: state.phase.end });
    }
  }

  hasSomethingToSay(now: number): boolean {
    return hasSomethingToSay(this.#state, now);
  }

  /** Sealed records, until they have `limit` bytes or more, or nothing is left to say. */
  transmit(now: number, limit: number): Bytes[] {
    const records: Bytes[] = [];
    let length = 0;
    while (length < limit && this.hasSomethingToSay(now)) {
      try {
        const record = sealRecord(this.#state, now);
        length += record.length;
        records.push(record);
      } catch (error) {
        const why = error instanceof Error ? error.message : "unknown";
        this.#state.become({ type: "over", end: { kind: "internal", why } });
      }
    }
    if (this.isOver) this.#state.sealer.wipe();
    return records;
  }

  /** When `onDeadline` is to be called; it may change with every call. */
  get deadline(): number | undefined {
    const state = this.#state;
    if (!state.isOpen) return undefined;
    const age = state.served.theirs === undefined ? SESSION_AGE - SESSION_FAREWELL : SESSION_AGE;
    const end = state.began + age;
    if (state.keyBegan === undefined || state.isRekeyDue) return end;
    return Math.min(end, state.keyBegan + KEY_AGE);
  }

  /** Does what is due; `transmit` afterwards. */
  onDeadline(now: number): void {
    const state = this.#state;
    if (state.isKeyOld(now)) state.isRekeyDue = true;
    const age = now - state.began;
    if (age >= SESSION_AGE) this.close(CLOSE.expired);
    else if (age >= SESSION_AGE - SESSION_FAREWELL) this.goAway(GOAWAY.age);
  }

  /** Whether frames still pass in both directions. */
  get isOpen(): boolean {
    return this.#state.isOpen;
  }

  /** Whether the peer's HELLO has arrived: it has the keys. */
  get isGreeted(): boolean {
    return this.#state.peer === "greeted";
  }

  /** Why nothing more can be received; `undefined` while it can. */
  get end(): SessionEnd | undefined {
    return this.#state.phase.type === "open" ? undefined : this.#state.phase.end;
  }

  /** Whether nothing will ever be sent again: the pipe can be ended. */
  get isOver(): boolean {
    const { phase } = this.#state;
    return phase.type === "over" || (phase.type === "closing" && phase.frame === undefined);
  }

  /** Whether a stream has not ended in both directions. */
  has(number: number): boolean {
    return this.#state.streams.has(number);
  }

  /** How many streams have not ended in both directions. */
  get streams(): number {
    return this.#state.streams.size;
  }
}
