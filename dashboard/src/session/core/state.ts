// What a session remembers, and the changes that more than one of its parts makes.

import { Exhausted, Unauthentic } from "../noise/cipher.ts";
import { type Bytes, concat, WireError } from "../wire/bytes.ts";
import { CLOSE, RESET } from "./codes.ts";
import { CreditError, ReceiveWindow, SESSION_WINDOW, SendWindow } from "./credit.ts";
import type { SessionEnd } from "./event.ts";
import { encodeFrame, type Frame, MAX_REASON } from "./frame.ts";
import type { Opener, Sealer } from "./record.ts";
import type { Stream } from "./stream.ts";

export type Side = "device" | "node";

/** The longest a key is used, in milliseconds, from its first record on. */
export const KEY_AGE = 10 * 60_000;
/** Bytes of DATA that may wait to be sent, over all streams; no more are taken. */
export const MAX_UNSENT = 4_194_304;
/** Bytes of frames other than DATA that may wait. A peer that makes us answer without reading the
 * answers ends here. */
export const MAX_UNSENT_CONTROL = 4_194_304;
/** How much the windows of a session's streams may grow by themselves, all together. */
export const MAX_GROWN = 8_388_608;

/** A rule that the peer broke. */
export class Rule extends Error {
  override readonly name = "Rule";
}

/** The peer's HELLO has no version that is spoken here. */
export class NoCommonVersion extends Error {
  override readonly name = "NoCommonVersion";

  readonly min: number;
  readonly max: number;

  constructor(min: number, max: number) {
    super("no common version");
    this.min = min;
    this.max = max;
  }
}

export type Phase =
  | { readonly type: "open" }
  /** We have said, or are about to say, CLOSE; `frame` until it is sealed. */
  | { readonly type: "closing"; readonly frame: Bytes | undefined; readonly end: SessionEnd }
  | { readonly type: "over"; readonly end: SessionEnd };

/** How far the peer has introduced itself: not at all, with a record that opened, with its HELLO. */
export type Peer = "silent" | "proved" | "greeted";

export class State {
  phase: Phase = { type: "open" };
  hasGreeted = false;
  peer: Peer = "silent";
  readonly streams = new Map<number, Stream>();
  /** Streams that have not ended. */
  readonly open = { ours: 0, theirs: 0 };
  /** The highest stream that was opened; 0 for none. */
  readonly last = { ours: 0, theirs: 0 };
  /** The highest stream that is still served after a GOAWAY: of ours by the peer, of theirs by us. */
  readonly served: { ours: number | undefined; theirs: number | undefined } = {
    ours: undefined,
    theirs: undefined,
  };
  readonly sendWindow = new SendWindow(SESSION_WINDOW);
  readonly receiveWindow = new ReceiveWindow(SESSION_WINDOW);
  /** How much the streams' windows have grown by themselves. The session's is wider by at least as
   * much: a stream that stands still takes no room from the others, however fast it was. */
  grown = 0;
  /** DATA that is queued and not sent, over all streams. */
  unsent = 0;
  /** Encoded frames that wait to be sent, without DATA. */
  control: Bytes[] = [];
  controlBytes = 0;
  /** The number of the peer's latest PING, until it is answered. Earlier ones need no answer. */
  pong: bigint | undefined;
  /** Our latest PING. Numbers rise, so that an answer to an older one is told from an invented one. */
  ping: { number: number; sentAt: number | undefined } = { number: 0, sentAt: undefined };
  ready: number[] = [];
  creditDue: number[] = [];
  /** When the present sending key sealed its first record. */
  keyBegan: number | undefined;
  isRekeyDue = false;

  readonly side: Side;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly began: number;

  constructor(side: Side, sealer: Sealer, opener: Opener, began: number) {
    this.side = side;
    this.sealer = sealer;
    this.opener = opener;
    this.began = began;
  }

  get isOpen(): boolean {
    return this.phase.type === "open";
  }

  /** A node says nothing before the device has proved itself with its first record. */
  get maySpeak(): boolean {
    return this.side === "device" || this.peer !== "silent";
  }

  isOurs(stream: number): boolean {
    return (stream % 2 === 1) === (this.side === "device");
  }

  isKeyOld(now: number): boolean {
    return this.keyBegan !== undefined && now - this.keyBegan >= KEY_AGE;
  }

  /** Forgets a stream whose both directions have ended. */
  sweep(number: number): void {
    const stream = this.streams.get(number);
    if (stream?.hasEnded !== true) return;
    this.streams.delete(number);
    this.grown -= stream.grown;
    if (this.isOurs(number)) this.open.ours--;
    else this.open.theirs--;
  }

  /** Ends our direction at once and throws away what it would still have sent. */
  stopSending(number: number, stream: Stream): void {
    stream.sending = "ended";
    const dropped = stream.dropUnsent();
    this.unsent -= dropped;
    this.sendWindow.release(dropped);
    if (stream.isReady) {
      stream.isReady = false;
      this.ready = this.ready.filter((waiting) => waiting !== number);
    }
  }

  /** Ends a stream in both directions, early; what arrives of it from now on is thrown away. */
  reset(number: number, code: number): void {
    const stream = this.streams.get(number);
    if (!this.isOpen || stream === undefined || stream.receiving === "discarding") return;
    if (stream.receiving !== "ended") stream.receiving = "discarding";
    this.stopSending(number, stream);
    this.stopCrediting(number, stream);
    this.push({ type: "RESET", stream: number, code });
    this.sweep(number);
  }

  makeReady(number: number, stream: Stream): void {
    if (stream.isReady) return;
    stream.isReady = true;
    this.ready.push(number);
  }

  /** Has a CREDIT sent for a stream, if one is due. */
  queueCredit(number: number, stream: Stream): void {
    if (stream.takesCredit && !stream.isCreditDue && stream.receiveWindow.isDue) {
      stream.isCreditDue = true;
      this.creditDue.push(number);
    }
  }

  /** Takes back a CREDIT that nobody needs any more. */
  stopCrediting(number: number, stream: Stream): void {
    if (!stream.isCreditDue) return;
    stream.isCreditDue = false;
    this.creditDue = this.creditDue.filter((waiting) => waiting !== number);
  }

  /** Queues a frame other than DATA. */
  push(frame: Frame): void {
    const encoded = encodeFrame(frame);
    this.control.push(encoded);
    this.controlBytes += encoded.length;
    if (this.controlBytes > MAX_UNSENT_CONTROL)
      this.closeWith(CLOSE.overload, { kind: "overload" });
  }

  /** Answers a stream that this end doesn't serve. */
  refuse(number: number): void {
    this.reset(number, RESET.refused);
  }

  /** Ends the session because of what was thrown while it read, telling the peer what can be told. */
  fail(error: unknown): void {
    // One side has closed it already.
    if (this.phase.type === "over") return;
    const end = endOf(error);
    // Whoever altered the bytes would read the answer; and nobody is told before he has proved to
    // be the peer.
    if (end.kind === "tampered" || (this.side === "node" && this.peer === "silent")) {
      this.become({ type: "over", end });
      return;
    }
    this.closeWith(closeCode(end), end);
  }

  closeWith(code: number, end: SessionEnd, reason = explain(end)): void {
    if (!this.isOpen) return;
    const frame = encodeFrame({ type: "CLOSE", code, reason: cut(reason, MAX_REASON) });
    this.become({ type: "closing", frame, end });
  }

  become(phase: Phase): void {
    this.phase = phase;
    this.streams.clear();
    this.ready = [];
    this.creditDue = [];
    this.control = [];
    this.controlBytes = 0;
    this.unsent = 0;
    this.pong = undefined;
    if (phase.type === "over") {
      this.sealer.wipe();
      this.opener.wipe();
    }
  }

  /** As many of the queued frames as fit into `room` bytes. */
  takeControl(room: number): Bytes {
    let length = 0;
    let count = 0;
    for (const frame of this.control) {
      if (length + frame.length > room) break;
      length += frame.length;
      count++;
    }
    this.controlBytes -= length;
    return concat(...this.control.splice(0, count));
  }
}

function endOf(error: unknown): SessionEnd {
  if (error instanceof Unauthentic) return { kind: "tampered" };
  if (error instanceof Exhausted) return { kind: "internal", why: error.message };
  if (error instanceof NoCommonVersion) {
    return { kind: "version", min: error.min, max: error.max };
  }
  if (error instanceof WireError || error instanceof Rule || error instanceof CreditError) {
    return { kind: "protocol", why: error.message };
  }
  return { kind: "internal", why: error instanceof Error ? error.message : "unknown" };
}

function closeCode(end: SessionEnd): number {
  switch (end.kind) {
    case "version":
      return CLOSE.version;
    case "overload":
      return CLOSE.overload;
    case "internal":
      return CLOSE.internal;
    case "protocol":
    case "tampered":
    case "cut-off":
      return CLOSE.protocol;
    case "closed":
      return end.code;
  }
}

function explain(end: SessionEnd): string {
  return end.kind === "protocol" || end.kind === "internal" ? end.why : "";
}

/** The longest beginning of `text` that has at most `limit` bytes. */
function cut(text: string, limit: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(limit));
  return text.slice(0, read);
}
