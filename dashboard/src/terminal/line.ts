// A viewer on the way to its machine: begins the conversation, begins it again when it breaks, and
// carries what the feed wants sent. The owner gets what is to be shown.

import { type Clock, systemClock } from "../session/io/clock.ts";
import { ConversationRefused } from "../session/io/conversation.ts";
import { concat } from "../session/wire/bytes.ts";
import { type Act, type FeedOptions, TerminalFeed } from "./feed.ts";
import { decodeNodeMessage, encodeViewerMessage, type Size } from "./protocol.ts";

/** What is used of a way to a machine. */
export interface LineWay {
  duplex(path: string): LineDuplex;
  readonly status: { readonly state: string };
  onStatus(listener: (status: { readonly state: string }) => void): () => void;
  /** Makes sure that what carries the conversation still stands. */
  check?(): void;
}

interface LineDuplex {
  readonly incoming: ReadableStream<Uint8Array>;
  send(message: Uint8Array): Promise<void>;
  close(): void;
}

/** What the owner is told. */
export type LineAct =
  | Exclude<Act, { type: "send" | "fault" }>
  /** The conversation is away; it is being taken up. */
  | { readonly type: "away"; readonly why: string }
  /** There is nothing to come back to: no such agent, or no right to see it. */
  | { readonly type: "refused"; readonly status: number; readonly problem: unknown };

/** Messages that wait to be sent; a conversation that takes none of them is broken. Input is bounded
 * by the feed, long before. */
const WAITING = 4_096;
/** The bound of the first wait and of the longest, in milliseconds: a person looks at this. */
const FIRST = 250;
const LONGEST = 5_000;
/** A key that is not acknowledged for so long makes the way look whether it still stands. */
const UNANSWERED = 1_500;
/** After so long what was shown is acknowledged, however little it is. */
const SETTLED = 250;
/** Statuses after which it is no use to try again. */
const FINAL = [400, 401, 403, 404, 405, 409];

export class TerminalLine {
  readonly feed: TerminalFeed;
  readonly #way: LineWay;
  readonly #path: string;
  readonly #tell: (act: LineAct) => void;
  readonly #clock: Clock;
  readonly #stopListening: () => void;
  #duplex: LineDuplex | undefined;
  #waiting = 0;
  #bound = FIRST;
  #isOver = false;
  #stopRetry: (() => void) | undefined;
  #stopTick: (() => void) | undefined;
  #stopWatch: (() => void) | undefined;
  #stopSettling: (() => void) | undefined;

  constructor(
    way: LineWay,
    agent: string,
    options: FeedOptions,
    tell: (act: LineAct) => void,
    clock: Clock = systemClock,
  ) {
    this.feed = new TerminalFeed(options);
    this.#way = way;
    this.#path = `/v1/agents/${encodeURIComponent(agent)}/terminal`;
    this.#tell = tell;
    this.#clock = clock;
    this.#stopListening = way.onStatus((status) => {
      if (status.state === "up" && this.#duplex === undefined) this.#begin();
    });
    this.#begin();
  }

  /** Somebody typed. */
  type(bytes: Uint8Array): void {
    this.#do(this.feed.type(concat(bytes), this.#clock.now()));
    this.#awaitTick();
    this.#watch();
  }

  resize(size: Size): void {
    this.#do(this.feed.resize(size));
  }

  take(): void {
    this.#do(this.feed.take());
  }

  /** The owner has shown everything up to this offset. */
  shown(upto: bigint): void {
    this.#do(this.feed.shown(upto));
    this.#stopSettling ??= this.#clock.after(SETTLED, () => {
      this.#stopSettling = undefined;
      this.#do(this.feed.settled());
    });
  }

  /** Leaves; the agent goes on. */
  close(): void {
    if (this.#isOver) return;
    this.#send({ type: "detach" });
    this.#end();
    this.#duplex?.close();
    this.#duplex = undefined;
  }

  #begin(): void {
    this.#stopRetry?.();
    if (this.#isOver || this.#duplex !== undefined) return;
    const duplex = this.#way.duplex(this.#path);
    this.#duplex = duplex;
    this.#waiting = 0;
    this.#send(this.feed.attach());
    this.#hear(duplex).then(
      () => this.#lost(duplex, "the conversation has ended"),
      (error: unknown) => this.#broke(duplex, error),
    );
  }

  async #hear(duplex: LineDuplex): Promise<void> {
    const reader = duplex.incoming.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#duplex !== duplex) return;
        const message = decodeNodeMessage(concat(value));
        if (message.type === "attached") this.#bound = FIRST;
        this.#do(this.feed.hear(message, this.#clock.now()));
        if (message.type === "exited") return;
      }
    } finally {
      reader.cancel().catch(() => undefined);
    }
  }

  #broke(duplex: LineDuplex, error: unknown): void {
    if (error instanceof ConversationRefused && FINAL.includes(error.status)) {
      if (this.#duplex !== duplex || this.#isOver) return;
      this.#end();
      this.#tell({ type: "refused", status: error.status, problem: error.problem });
      return;
    }
    this.#lost(duplex, error instanceof Error ? error.message : "the conversation broke");
  }

  #lost(duplex: LineDuplex, why: string): void {
    if (this.#duplex !== duplex || this.#isOver) return;
    this.#duplex = undefined;
    this.feed.lose();
    if (this.feed.exit !== undefined) {
      this.#end();
      return;
    }
    this.#tell({ type: "away", why });
    this.#awaitTick();
    // While the way is away, its being up again is the sign to begin.
    this.#stopRetry = this.#clock.after(Math.random() * this.#bound, () => {
      if (this.#way.status.state === "up") this.#begin();
    });
    this.#bound = Math.min(2 * this.#bound, LONGEST);
  }

  #do(acts: readonly Act[]): void {
    for (const act of acts) {
      switch (act.type) {
        case "send":
          this.#send(act.message);
          break;
        case "fault":
          this.#leave(act.why);
          return;
        default:
          this.#tell(act);
      }
    }
  }

  #send(message: Parameters<typeof encodeViewerMessage>[0]): void {
    const duplex = this.#duplex;
    if (duplex === undefined) return;
    if (this.#waiting >= WAITING) {
      this.#leave("it takes nothing any more");
      return;
    }
    this.#waiting++;
    duplex.send(encodeViewerMessage(message)).then(
      () => {
        if (this.#duplex === duplex) this.#waiting--;
      },
      // Whoever listens learns it too.
      () => undefined,
    );
  }

  #leave(why: string): void {
    const duplex = this.#duplex;
    if (duplex === undefined) return;
    this.#lost(duplex, why);
    duplex.close();
  }

  #awaitTick(): void {
    const { dueAt } = this.feed;
    if (dueAt === undefined || this.#isOver) return;
    this.#stopTick?.();
    this.#stopTick = this.#clock.after(Math.max(dueAt - this.#clock.now(), 0), () => {
      this.#do(this.feed.tick(this.#clock.now()));
      this.#awaitTick();
    });
  }

  #watch(): void {
    const since = this.feed.unansweredSince;
    if (since === undefined || this.#isOver) return;
    this.#stopWatch?.();
    this.#stopWatch = this.#clock.after(UNANSWERED, () => {
      if (this.feed.unansweredSince === since) this.#way.check?.();
      else this.#watch();
    });
  }

  #end(): void {
    this.#isOver = true;
    this.#stopListening();
    for (const stop of [this.#stopRetry, this.#stopTick, this.#stopWatch, this.#stopSettling])
      stop?.();
  }
}
