// A way to one machine through a relay: keeps a session up, comes back when it breaks, and carries
// requests and conversations. A request that breaks before its answer is made again, with the same
// Idempotency-Key, so that it acts once.

import type { Head, Open } from "./core/body.ts";
import { CLOSE, GOAWAY } from "./core/codes.ts";
import { describeEnd, type SessionEnd } from "./core/event.ts";
import type { Random, StaticKey } from "./identity/keys.ts";
import { type Channel, ConnectFailed, connect } from "./io/channel.ts";
import { type Clock, systemClock } from "./io/clock.ts";
import { type Conversation, openConversation } from "./io/conversation.ts";
import type { OpenSocket } from "./io/pipe.ts";
import { type ChannelStream, StreamBroke } from "./io/stream.ts";
import { Reconnection, type Status } from "./reconnect.ts";
import { type Ask, askOf, OutgoingRequest, responseOf } from "./request.ts";
import type { Bytes } from "./wire/bytes.ts";

/** Nothing leads to the machine, or the way broke: why, for people. */
export class WayFailed extends Error {
  override readonly name = "WayFailed";
  readonly kind: "offline" | "revoked" | "unpaired" | "closed" | "broke";

  constructor(kind: WayFailed["kind"], why: string) {
    super(why);
    this.kind = kind;
  }
}

export interface WayOptions {
  /** `wss://<machine id>.<relay domain>/v1/session`. */
  readonly url: string;
  readonly device: StaticKey;
  /** The node's static key. */
  readonly node: Bytes;
  /** The pairing secret; behind it the earlier one, while no session with the new one has opened. */
  readonly psks: readonly Bytes[];
  readonly openSocket: OpenSocket;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Draws evenly from 0 up to 1, for the waits. */
  readonly chance?: () => number;
  /** A session with the newest secret has opened: an earlier one may be forgotten. */
  onConfirmed?(): void;
  /** The machine said, inside the session, that it has removed this device. */
  onRevoked?(): void;
}

/** An answer, and the stream that carries its body. */
export interface Answer {
  readonly head: Head;
  readonly stream: ChannelStream;
  ended(): void;
}

/** How often a machine is asked for a sign of life, and how long it may take, in milliseconds. */
const PING_EVERY = 20_000;
const PONG_WITHIN = 10_000;
/** The same when there is reason to doubt. */
const PONG_WITHIN_IN_DOUBT = 1_500;
/** A session that takes no more streams is left once its streams have ended, or after this. */
const DRAIN = 120_000;
/** Requests that wait for one of 128 streams; more fail. */
const MOST_WAITING = 256;
/** How often a request is made, all in all. */
const ATTEMPTS = 4;
/** Pauses before a request is repeated that still runs. */
const STILL_RUNS = [250, 500, 1_000, 2_000];

export class SessionWay {
  readonly kind = "session";
  readonly #options: WayOptions;
  readonly #clock: Clock;
  readonly #reconnection: Reconnection;
  readonly #listeners = new Set<(status: Status) => void>();
  #channel: Channel | undefined;
  #isDialling = false;
  #isClosed = false;
  #nextTryAt = 0;
  #attempts = 0;
  #waiters: (() => void)[] = [];
  #stopRetry: (() => void) | undefined;
  #stopTick: (() => void) | undefined;
  #stopPing: (() => void) | undefined;
  #stopPong: (() => void) | undefined;

  constructor(options: WayOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#reconnection = new Reconnection(options.chance ?? Math.random);
    this.#dial();
  }

  get status(): Status {
    return this.#reconnection.status;
  }

  /** Called at every change until the returned function is called. */
  onStatus(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As the browser's `fetch`, for paths of the machine. Bodies stream both ways. */
  async fetch(request: Request): Promise<Response> {
    const { head, stream, ended } = await this.ask(askOf(request), request.signal);
    return responseOf(head, stream, ended);
  }

  /** As `fetch`, without a browser's types. Call `ended` once nothing more is read. */
  async ask(ask: Ask, signal: AbortSignal): Promise<Answer> {
    const outgoing = new OutgoingRequest(ask);
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#attempt(outgoing, signal);
        const pause =
          attempt > 1 && answer.head.status === 409 ? STILL_RUNS[attempt - 2] : undefined;
        if (pause === undefined || !outgoing.canRepeat) return answer;
        answer.ended();
        answer.stream.cancel();
        await this.#pause(pause, signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof StreamBroke)) throw error;
        if (!error.mayBeRepeated || !outgoing.canRepeat || attempt === ATTEMPTS) {
          throw new WayFailed("broke", error.message);
        }
      }
    }
  }

  /** A conversation in whole messages, `length u32 | message` on the wire. It ends with the session
   * that carries it; whoever speaks opens another. */
  duplex(path: string): Conversation {
    return openConversation((signal) => this.#open({ method: "GET", path, fields: [] }, signal));
  }

  /** Tries at once: somebody asks for it, or the network is back. */
  retry(): void {
    this.#reconnection.hurry();
    if (this.#channel !== undefined) this.#ping(PONG_WITHIN_IN_DOUBT);
    else if (!this.#isDialling) this.#dial();
  }

  /** Makes sure that the session still stands; what doesn't answer soon is left. */
  check(): void {
    if (this.#channel !== undefined) this.#ping(PONG_WITHIN_IN_DOUBT);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopAll();
    this.#channel?.close();
    this.#channel = undefined;
    this.#wakeWaiters();
    this.#listeners.clear();
  }

  async #attempt(outgoing: OutgoingRequest, signal: AbortSignal): Promise<Answer> {
    const stream = await this.#open(outgoing.open, signal);
    const cancel = () => stream.cancel();
    const ended = () => signal.removeEventListener("abort", cancel);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      // It ends with the stream: the machine may answer before it has read everything.
      outgoing.send(stream).catch(() => undefined);
      return { head: await stream.head(), stream, ended };
    } catch (error) {
      ended();
      throw signal.aborted ? signal.reason : error;
    }
  }

  async #open(open: Open, signal: AbortSignal): Promise<ChannelStream> {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      this.#throwIfGone();
      const opened = this.#channel?.open(open);
      if (opened !== undefined && typeof opened !== "string") return opened;
      if (this.#waiters.length >= MOST_WAITING) {
        throw new WayFailed("broke", "too many requests wait for this machine");
      }
      await this.#change(signal);
    }
  }

  #throwIfGone(): void {
    if (this.#isClosed) throw new WayFailed("closed", "the way to this machine was closed");
    const { status } = this.#reconnection;
    switch (status.state) {
      case "revoked":
        throw new WayFailed("revoked", "the machine has removed this device");
      case "unpaired":
        throw new WayFailed("unpaired", "this browser is not paired with the machine");
      case "offline":
        if (this.#channel === undefined) throw new WayFailed("offline", status.why);
        return;
      case "connecting":
      case "up":
      case "reconnecting":
        return;
    }
  }

  /** Waits until something about the way has changed. */
  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiters.push(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #wakeWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.#clock.after(ms, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      const abort = () => {
        stop();
        reject(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  #dial(): void {
    if (this.#isClosed || this.#isDialling) return;
    this.#stopRetry?.();
    this.#isDialling = true;
    const index = this.#attempts % this.#options.psks.length;
    const psk = this.#options.psks[index];
    if (psk === undefined) return;
    const { url, device, node, openSocket, random } = this.#options;
    let channel: Channel | undefined;
    const ours = () => channel !== undefined && this.#channel === channel;
    connect(
      { url, device, node, psk, openSocket, clock: this.#clock, ...(random ? { random } : {}) },
      {
        greeted: () => {
          if (!ours()) return;
          this.#attempts = index;
          if (index === 0) this.#options.onConfirmed?.();
          this.#reconnection.up(this.#clock.wall());
          this.#changed();
          this.#ping(PONG_WITHIN);
        },
        roundTrip: (ms) => {
          if (!ours()) return;
          this.#reconnection.roundTrip(ms);
          this.#changed();
          this.#stopPong?.();
          this.#stopPing?.();
          this.#stopPing = this.#clock.after(PING_EVERY, () => this.#ping(PONG_WITHIN));
        },
        goingAway: (code) => {
          if (!ours()) return;
          if (code !== GOAWAY.age) this.#reconnection.farewell();
          this.#drain();
        },
        streamEnded: () => ours() && this.#wakeWaiters(),
        ended: (end) => {
          if (ours()) this.#ended(end);
        },
      },
    ).then(
      (connected) => {
        this.#isDialling = false;
        if (this.#isClosed) return connected.close();
        channel = connected;
        this.#channel = connected;
        this.#wakeWaiters();
      },
      (error: unknown) => {
        this.#isDialling = false;
        const failed = error instanceof ConnectFailed ? error : undefined;
        const isAboutSecret = failed?.kind === "not-proved" || failed?.kind === "hung-up";
        if (isAboutSecret) this.#attempts++;
        this.#lost(failed?.message ?? "the session could not be begun", failed?.hint);
      },
    );
  }

  #ended(end: SessionEnd): void {
    this.#channel = undefined;
    if (end.kind === "closed" && end.by === "peer" && end.code === CLOSE.revoked) {
      this.#stopAll();
      this.#reconnection.revoked();
      this.#options.onRevoked?.();
      this.#changed();
      return;
    }
    if (end.kind === "closed" && end.by === "peer" && end.code === CLOSE.shutdown) {
      this.#reconnection.farewell();
    }
    this.#lost(describeEnd(end));
  }

  #lost(why: string, hint?: ConnectFailed["hint"]): void {
    if (this.#isClosed) return;
    this.#stopAll();
    const now = this.#clock.wall();
    const wait = this.#reconnection.lost(now, why, hint);
    this.#nextTryAt = now + wait;
    this.#stopRetry = this.#clock.after(wait, () => this.#dial());
    const { dueAt } = this.#reconnection;
    if (dueAt !== undefined) {
      this.#stopTick = this.#clock.after(Math.max(dueAt - now, 0), () => {
        this.#reconnection.tick(this.#clock.wall(), this.#nextTryAt);
        this.#changed();
      });
    }
    this.#changed();
  }

  /** Leaves a session that takes no more streams, and opens another. */
  #drain(): void {
    const old = this.#channel;
    if (old === undefined) return;
    this.#channel = undefined;
    const began = this.#clock.now();
    const look = () => {
      if (!old.isOpen) return;
      if (old.streams === 0 || this.#clock.now() - began >= DRAIN) old.close();
      else this.#clock.after(500, look);
    };
    look();
    this.#stopAll();
    this.#dial();
  }

  #ping(within: number): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    this.#stopPing?.();
    this.#stopPong?.();
    channel.ping();
    this.#awaitPong(channel, within, this.#clock.now());
  }

  /** Whatever was heard since is a sign of life: an answer may wait behind a flood. */
  #awaitPong(channel: Channel, within: number, since: number): void {
    this.#stopPong = this.#clock.after(within, () => {
      if (channel.heardAt > since) this.#awaitPong(channel, within, this.#clock.now());
      else channel.abandon();
    });
  }

  #changed(): void {
    this.#wakeWaiters();
    for (const listener of this.#listeners) listener(this.status);
  }

  #stopAll(): void {
    for (const stop of [this.#stopRetry, this.#stopTick, this.#stopPing, this.#stopPong]) stop?.();
  }
}
