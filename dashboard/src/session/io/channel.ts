// A session on a pipe: shakes hands, feeds the session what arrives, sends what it has to say, and
// hands out its streams.

import type { Open } from "../core/body.ts";
import { CLOSE, RESET } from "../core/codes.ts";
import type { Event, SessionEnd } from "../core/event.ts";
import { DeviceHandshake, S2 } from "../core/handshake.ts";
import type { OpenRefusal, Session } from "../core/session.ts";
import { type Random, type StaticKey, systemRandom } from "../identity/keys.ts";
import { type Bytes, concat } from "../wire/bytes.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type Hint, type OpenSocket, Pipe } from "./pipe.ts";
import { type Carrier, ChannelStream } from "./stream.ts";

/** Why there is no session. None of it makes a device forget a key. */
export class ConnectFailed extends Error {
  override readonly name = "ConnectFailed";
  readonly kind: /** No pipe, or it broke. */
    | "no-pipe"
    /** The machine ended the pipe without a word: it does not know this device, or is another. */
    | "hung-up"
    /** The machine could not prove itself with this pairing secret. */
    | "not-proved"
    | "slow";
  readonly hint: Hint | undefined;

  constructor(kind: ConnectFailed["kind"], why: string, hint?: Hint) {
    super(why);
    this.kind = kind;
    this.hint = hint;
  }
}

export interface ConnectOptions {
  /** `wss://<machine id>.<relay domain>/v1/session`. */
  readonly url: string;
  readonly device: StaticKey;
  /** The node's static key. */
  readonly node: Bytes;
  readonly psk: Bytes;
  readonly openSocket: OpenSocket;
  readonly clock?: Clock;
  readonly random?: Random;
  /** How long pipe and handshake may take together, in milliseconds. */
  readonly patience?: number;
}

/** What whoever owns a channel is told. */
export interface ChannelEvents {
  /** The machine has said HELLO, and nothing worse: this device may speak with it. */
  greeted(): void;
  /** The session is over; every stream has broken. */
  ended(end: SessionEnd): void;
  /** The machine takes no more streams; open another session for new ones. */
  goingAway(code: number): void;
  roundTrip(ms: number): void;
  /** A stream has ended: there is room for another. */
  streamEnded(): void;
}

const PATIENCE = 10_000;
/** How many sealed bytes may wait in the socket: enough to keep it busy, little enough that a key
 * press does not wait long behind a flood. More is sealed when they have left. */
const MOST_UNSENT = 128 * 1024;
/** How often is looked whether they have left, in milliseconds; a socket does not say. */
const LOOK = 5;
/** How long the last words may take to be heard. */
const FAREWELL = 2_000;

/** Opens a pipe and a session in it. The machine has proved itself when this returns. */
export function connect(options: ConnectOptions, events: ChannelEvents): Promise<Channel> {
  const clock = options.clock ?? systemClock;
  return new Promise((resolve, reject) => {
    let channel: Channel | undefined;
    let held: Bytes = new Uint8Array(0);
    const { device, node, psk, random = systemRandom } = options;
    const handshake = new DeviceHandshake(device, node, psk, random);
    const fail = (error: ConnectFailed) => {
      stopWaiting();
      pipe.abort();
      reject(error);
    };
    const stopWaiting = clock.after(options.patience ?? PATIENCE, () =>
      fail(new ConnectFailed("slow", "the machine did not answer in time")),
    );
    const pipe = new Pipe(options.url, options.openSocket, {
      opened: () => pipe.send([handshake.opening]),
      bytes(bytes) {
        if (channel !== undefined) return channel.receive(bytes);
        held = concat(held, bytes);
        if (held.length < S2) return;
        try {
          const session = handshake.finish(held.slice(0, S2), clock.now());
          channel = new Channel(session, pipe, clock, events);
        } catch {
          fail(new ConnectFailed("not-proved", "the machine could not prove itself"));
          return;
        }
        stopWaiting();
        resolve(channel);
        // Once whoever waits has the channel.
        const [begun, rest] = [channel, held.slice(S2)];
        queueMicrotask(() => begun.receive(rest));
      },
      ended() {
        if (channel !== undefined) channel.pipeEnded();
        else fail(new ConnectFailed("hung-up", "the machine hung up without a word"));
      },
      broke(why, hint) {
        if (channel !== undefined) channel.pipeEnded();
        else fail(new ConnectFailed("no-pipe", why, hint));
      },
    });
  });
}

export class Channel implements Carrier {
  readonly session: Session;
  readonly #pipe: Pipe;
  readonly #clock: Clock;
  readonly #events: ChannelEvents;
  readonly #streams = new Map<number, ChannelStream>();
  #heardAt = 0;
  #isGreeted = false;
  #isEnded = false;
  #isSpeaking = false;
  #stopLooking: (() => void) | undefined;
  #stopDeadline: (() => void) | undefined;

  constructor(session: Session, pipe: Pipe, clock: Clock, events: ChannelEvents) {
    this.session = session;
    this.#pipe = pipe;
    this.#clock = clock;
    this.#events = events;
    this.speak();
  }

  /** Opens a stream, or says why not. Throws `WireError` for a request that breaks a bound. */
  open(open: Open): ChannelStream | OpenRefusal {
    const number = this.session.open(open);
    if (typeof number !== "number") return number;
    const stream = new ChannelStream(this, number);
    this.#streams.set(number, stream);
    this.speak();
    return stream;
  }

  /** How many streams have not ended. */
  get streams(): number {
    return this.session.streams;
  }

  /** When the machine was last heard, by the clock. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get isOpen(): boolean {
    return this.session.isOpen;
  }

  /** Asks for a sign of life; `roundTrip` tells of it. */
  ping(): void {
    this.session.ping(this.#clock.now());
    this.speak();
  }

  /** Leaves a pipe that answers no more; nothing can be said in it. */
  abandon(): void {
    this.session.endOfInput();
    this.#transmit();
    this.#pipe.abort();
  }

  /** Ends the session in order. */
  close(code: number = CLOSE.done): void {
    this.session.close(code);
    this.speak();
  }

  /** Sends what there is to say, with the next turn of the event loop: what is said together
   * travels together. */
  speak(): void {
    if (this.#isSpeaking) return;
    this.#isSpeaking = true;
    queueMicrotask(() => {
      this.#isSpeaking = false;
      this.#transmit();
    });
  }

  receive(bytes: Bytes): void {
    this.#heardAt = this.#clock.now();
    this.session.receive(this.#clock.now(), bytes, (event) => this.#act(event));
    if (!this.#isGreeted && this.session.isGreeted && this.session.isOpen) {
      this.#isGreeted = true;
      this.#events.greeted();
    }
    this.#transmit();
  }

  pipeEnded(): void {
    this.session.endOfInput();
    this.#transmit();
  }

  #act(event: Event): void {
    switch (event.type) {
      case "hello":
        return;
      case "opened":
        // A device serves nothing.
        this.session.reset(event.stream, RESET.refused);
        return;
      case "answered":
        this.#streams.get(event.stream)?.answered(event.head);
        return;
      case "data": {
        const stream = this.#streams.get(event.stream);
        if (stream === undefined) this.session.consumed(event.stream, event.bytes.length);
        else stream.data(event.bytes);
        return;
      }
      case "finished":
        this.#streams.get(event.stream)?.finished();
        return;
      case "reset":
        this.#streams.get(event.stream)?.break({ kind: "reset", code: event.code });
        this.#streams.delete(event.stream);
        return;
      case "writable":
        if (event.stream === "all")
          for (const stream of this.#streams.values()) stream.wakeWriter();
        else this.#streams.get(event.stream)?.wakeWriter();
        return;
      case "pong":
        this.#events.roundTrip(event.roundTripMs);
        return;
      case "going-away":
        this.#events.goingAway(event.code);
    }
  }

  #transmit(): void {
    if (this.#isEnded) return;
    const room = MOST_UNSENT - this.#pipe.unsent;
    if (room > 0) {
      const records = this.session.transmit(this.#clock.now(), room);
      this.#pipe.send(records);
      if (records.length > 0) for (const stream of this.#streams.values()) stream.wakeWriter();
    }
    if (this.session.end !== undefined) {
      this.#finish(this.session.end);
      return;
    }
    for (const number of this.#streams.keys()) {
      if (this.session.has(number)) continue;
      this.#streams.delete(number);
      this.#events.streamEnded();
    }
    this.#stopLooking?.();
    this.#stopLooking = this.session.hasSomethingToSay(this.#clock.now())
      ? this.#clock.after(LOOK, () => this.#transmit())
      : undefined;
    this.#awaitDeadline();
  }

  #awaitDeadline(): void {
    this.#stopDeadline?.();
    const { deadline } = this.session;
    if (deadline === undefined) return;
    this.#stopDeadline = this.#clock.after(Math.max(deadline - this.#clock.now(), 0), () => {
      this.session.onDeadline(this.#clock.now());
      this.#transmit();
    });
  }

  #finish(end: SessionEnd): void {
    // Last words don't wait for room.
    this.#pipe.send(this.session.transmit(this.#clock.now(), 1));
    this.#isEnded = true;
    this.#stopLooking?.();
    this.#stopDeadline?.();
    this.#pipe.end();
    // A pipe that is closed with unread bytes loses what is under way on some carriers.
    this.#clock.after(FAREWELL, () => this.#pipe.abort());
    for (const stream of this.#streams.values()) stream.break({ kind: "session", end });
    this.#streams.clear();
    this.#events.ended(end);
  }
}
