// What a viewer decides: what to show, what to send, what to send again and what to give up. Pure: it
// is told what happened and when, in milliseconds, and says what to do. It outlives the conversations
// that carry it.

import { type Bytes, concat } from "../session/wire/bytes.ts";
import {
  type Exit,
  MAX_PAYLOAD,
  type NodeMessage,
  type Position,
  type Size,
  type ViewerMessage,
} from "./protocol.ts";

/** What was typed into a broken conversation is sent within this time or never. */
export const HOLD = 5_000;
/** Input that is not acknowledged: bytes and pieces. More is given up, and said. */
const MAX_HELD = 262_144;
const MAX_PIECES = 1_024;
/** A screen is at most so long, in bytes; a node that sends more is left. */
const MAX_SCREEN = 8_388_608;
/** Output is acknowledged in steps of this, in bytes: an eighth of the least window. */
const ACK_STEP = 32_768n;

export interface FeedOptions {
  /** 16 random bytes, drawn once for a viewer. */
  readonly viewer: Bytes;
  readonly mode: "drive" | "read-only";
  readonly size: Size;
}

/** What to do. */
export type Act =
  | { readonly type: "send"; readonly message: ViewerMessage }
  /** Write output. Once it is shown, call `shown` with `upto`. */
  | { readonly type: "show"; readonly bytes: Bytes; readonly upto: bigint }
  /** Clear the terminal, give it `size`, write `bytes`; then as with `show`. */
  | { readonly type: "redraw"; readonly size: Size; readonly bytes: Bytes; readonly upto: bigint }
  /** Mark that so many bytes of output were left out here; the log may still have them. */
  | { readonly type: "skipped"; readonly from: bigint; readonly to: bigint; readonly bytes: number }
  /** The terminal's size, or who decides it, is another now. */
  | { readonly type: "size"; readonly size: Size; readonly driver: boolean }
  /** What was typed will not be sent: the connection was away, or the process is another. */
  | { readonly type: "gave-up"; readonly bytes: number }
  /** The conversation stands (again). */
  | { readonly type: "attached" }
  | { readonly type: "exited"; readonly exit: Exit }
  /** The node broke the protocol: leave the conversation and begin another. */
  | { readonly type: "fault"; readonly why: string };

interface Typed {
  readonly seq: bigint;
  readonly at: number;
  readonly bytes: Bytes;
  wasSent: boolean;
}

export class TerminalFeed {
  readonly #options: FeedOptions;
  #window: Size;
  /** The window's size that the last ATTACH told. */
  #announced: Size;
  #isAttached = false;
  #exit: Exit | undefined;
  #epoch: bigint | undefined;
  /** Up to here everything was handed over. `undefined` until a snapshot is whole. */
  #position: Position | undefined;
  #acknowledged = 0n;
  #shown = 0n;
  #screen: Bytes[] = [];
  #screenBytes = 0;
  #size: Size | undefined;
  #drives = false;
  #typed: Typed[] = [];
  #held = 0;
  #seq = 0n;
  /** Bytes that were typed and given up, until that was said. */
  #givenUp = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#window = options.size;
    this.#announced = options.size;
  }

  /** Whether this viewer decides the size. */
  get drives(): boolean {
    return this.#drives;
  }

  /** The terminal's size, once it is known. */
  get size(): Size | undefined {
    return this.#size;
  }

  /** How the process ended, if it has. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** How far the output was handed over. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Whether anything typed has not been applied yet. */
  get isThrough(): boolean {
    return this.#typed.length === 0;
  }

  /** Since when the oldest input that was sent has had no answer. */
  get unansweredSince(): number | undefined {
    const oldest = this.#typed[0];
    return this.#isAttached && oldest?.wasSent === true ? oldest.at : undefined;
  }

  /** The first message of each conversation. */
  attach(): ViewerMessage {
    this.#announced = this.#window;
    const { viewer, mode } = this.#options;
    const attach = { type: "attach", viewer, mode, size: this.#window } as const;
    return this.#position === undefined ? attach : { ...attach, position: this.#position };
  }

  /** Somebody typed. */
  type(bytes: Bytes, now: number): Act[] {
    if (this.#options.mode === "read-only" || this.#exit !== undefined) return [];
    const acts: Act[] = [];
    for (let at = 0; at < bytes.length; at += MAX_PAYLOAD) {
      const piece = bytes.slice(at, at + MAX_PAYLOAD);
      if (this.#held + piece.length > MAX_HELD || this.#typed.length >= MAX_PIECES) {
        this.#givenUp += piece.length;
        continue;
      }
      this.#seq++;
      this.#held += piece.length;
      this.#typed.push({ seq: this.#seq, at: now, bytes: piece, wasSent: this.#isAttached });
      if (this.#isAttached) acts.push(send({ type: "input", seq: this.#seq, bytes: piece }));
    }
    return [...acts, ...this.#sayGivenUp()];
  }

  /** The window has another size; it becomes the terminal's while this viewer drives. */
  resize(size: Size): Act[] {
    this.#window = size;
    if (!this.#isAttached) return [];
    this.#announced = size;
    return [send({ type: "resize", size })];
  }

  /** This viewer wants to decide the size. */
  take(): Act[] {
    return this.#isAttached && this.#options.mode === "drive" ? [send({ type: "take" })] : [];
  }

  /** Everything up to this offset of the present epoch is shown. */
  shown(upto: bigint): Act[] {
    const isFresh = this.#position !== undefined && upto <= this.#position.offset;
    if (!this.#isAttached || !isFresh) return [];
    this.#shown = upto;
    return upto < this.#acknowledged + ACK_STEP ? [] : this.settled();
  }

  /** Nothing more has come for a moment. What is less than a step is acknowledged too: a machine that
   * would rather skip waits until it has word of everything that it sent. */
  settled(): Act[] {
    if (!this.#isAttached || this.#shown <= this.#acknowledged) return [];
    this.#acknowledged = this.#shown;
    return [send({ type: "ack", offset: this.#shown })];
  }

  /** The conversation broke. */
  lose(): void {
    this.#isAttached = false;
    this.#dropScreen();
  }

  /** When `tick` has something to do. */
  get dueAt(): number | undefined {
    if (this.#isAttached) return undefined;
    const waiting = this.#typed.find((typed) => !typed.wasSent);
    return waiting === undefined ? undefined : waiting.at + HOLD;
  }

  /** Time passed: what was typed into nothing is given up. What was sent may have been applied; only
   * ATTACHED will tell. */
  tick(now: number): Act[] {
    if (this.#isAttached) return [];
    this.#giveUp((typed) => !typed.wasSent && now >= typed.at + HOLD);
    return this.#sayGivenUp();
  }

  /** The node said something. */
  hear(message: NodeMessage, now: number): Act[] {
    switch (message.type) {
      case "attached":
        return this.#attached(message, now);
      case "snapshot":
        return this.#draw(message);
      case "output":
        return this.#output(message.offset, message.bytes);
      case "skipped": {
        this.#position = undefined;
        const { from, to } = message;
        return [{ type: "skipped", from, to, bytes: Number(to - from) }];
      }
      case "size":
        return this.#sized(message.size, message.driver);
      case "input-ack":
        this.#applied(message.seq);
        return [];
      case "exited":
        this.#exit = message.exit;
        this.#typed = [];
        this.#held = 0;
        return [{ type: "exited", exit: message.exit }];
      case "ignored":
        return [];
    }
  }

  #attached(message: Extract<NodeMessage, { type: "attached" }>, now: number): Act[] {
    const { position, applied } = message;
    const wasAttached = this.#isAttached;
    this.#isAttached = true;
    this.#exit = undefined;
    this.#dropScreen();
    const isHere =
      this.#position?.epoch === position.epoch && this.#position.offset === position.offset;
    // Otherwise a snapshot comes first.
    if (!isHere) this.#position = undefined;
    this.#acknowledged = position.offset;
    this.#shown = position.offset;
    if (this.#epoch !== undefined && this.#epoch !== position.epoch) {
      // It was meant for another process.
      this.#giveUp(() => true);
    } else if (this.#epoch !== undefined) {
      this.#applied(applied);
    }
    this.#epoch = position.epoch;
    if (!wasAttached) this.#giveUp((typed) => now >= typed.at + HOLD);
    const acts: Act[] = [{ type: "attached" }, ...this.#sized(message.size, message.driver)];
    if (!isSame(this.#announced, this.#window)) {
      this.#announced = this.#window;
      acts.push(send({ type: "resize", size: this.#window }));
    }
    for (const typed of this.#typed) {
      typed.wasSent = true;
      acts.push(send({ type: "input", seq: typed.seq, bytes: typed.bytes }));
    }
    return [...acts, ...this.#sayGivenUp()];
  }

  #draw(part: Extract<NodeMessage, { type: "snapshot" }>): Act[] {
    this.#screenBytes += part.bytes.length;
    if (this.#screenBytes > MAX_SCREEN) return [fault("its screen has no end")];
    this.#screen.push(part.bytes);
    if (!part.last) return [];
    const bytes = concat(...this.#screen);
    this.#dropScreen();
    this.#position = part.position;
    this.#acknowledged = part.position.offset;
    this.#shown = part.position.offset;
    return [{ type: "redraw", size: part.size, bytes, upto: part.position.offset }];
  }

  #output(offset: bigint, bytes: Bytes): Act[] {
    if (this.#position?.offset !== offset) {
      return [fault("its output does not follow on what was before")];
    }
    const upto = offset + BigInt(bytes.length);
    this.#position = { epoch: this.#position.epoch, offset: upto };
    return [{ type: "show", bytes, upto }];
  }

  #sized(size: Size, driver: boolean): Act[] {
    if (this.#size !== undefined && isSame(this.#size, size) && this.#drives === driver) return [];
    this.#size = size;
    this.#drives = driver;
    return [{ type: "size", size, driver }];
  }

  #applied(seq: bigint): void {
    const kept = this.#typed.filter((typed) => typed.seq > seq);
    this.#typed = kept;
    this.#held = kept.reduce((sum, typed) => sum + typed.bytes.length, 0);
  }

  #giveUp(isStale: (typed: Typed) => boolean): void {
    const kept = this.#typed.filter((typed) => !isStale(typed));
    const held = kept.reduce((sum, typed) => sum + typed.bytes.length, 0);
    this.#givenUp += this.#held - held;
    this.#typed = kept;
    this.#held = held;
  }

  #sayGivenUp(): Act[] {
    const bytes = this.#givenUp;
    this.#givenUp = 0;
    return bytes === 0 ? [] : [{ type: "gave-up", bytes }];
  }

  #dropScreen(): void {
    this.#screen = [];
    this.#screenBytes = 0;
  }
}

function send(message: ViewerMessage): Act {
  return { type: "send", message };
}

function fault(why: string): Act {
  return { type: "fault", why };
}

function isSame(a: Size, b: Size): boolean {
  return a.cols === b.cols && a.rows === b.rows;
}
