// A conversation on a stream, in whole messages: `length u32 | message` in DATA (protocol, 9).

import { type Bytes, concat, Reader, WireError, Writer } from "../wire/bytes.ts";
import type { ChannelStream } from "./stream.ts";

/** The greatest length of a message. */
export const MAX_MESSAGE = 65_600;
const LENGTH = 4;
/** The greatest answer that says why there is no conversation. */
const MAX_PROBLEM = 65_536;

export interface Conversation {
  /** The other side's messages, each whole. Errors when it breaks off. */
  readonly incoming: ReadableStream<Uint8Array>;
  /** Resolves when the message was taken; waits while the other side takes nothing. */
  send(message: Uint8Array): Promise<void>;
  /** Ends it in order. */
  close(): void;
}

/** The machine answered with a problem instead (RFC 9457). */
export class ConversationRefused extends Error {
  override readonly name = "ConversationRefused";
  readonly status: number;
  /** The body of the answer, usually a problem as JSON. */
  readonly problem: unknown;

  constructor(status: number, problem: unknown) {
    super(`the machine refused the conversation with status ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** Speaks on the stream that `open` comes to. */
export function openConversation(
  open: (signal: AbortSignal) => Promise<ChannelStream>,
): Conversation {
  const closed = new AbortController();
  const opened = begin(open, closed.signal);
  opened.catch(() => undefined);
  const deframer = new Deframer();
  let sending: Promise<void> = opened.then(() => undefined);
  sending.catch(() => undefined);
  return {
    incoming: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const stream = await opened;
            for (;;) {
              const message = deframer.next();
              if (message !== undefined) return controller.enqueue(message);
              const bytes = await stream.read();
              if (bytes === undefined) {
                deframer.finish();
                return controller.close();
              }
              deframer.push(bytes);
            }
          } catch (error) {
            opened.then((stream) => stream.cancel()).catch(() => undefined);
            controller.error(error);
          }
        },
        cancel() {
          closed.abort(new Error("the conversation was left"));
          opened.then((stream) => stream.cancel()).catch(() => undefined);
        },
      },
      { highWaterMark: 0 },
    ),
    send(message) {
      if (message.length === 0 || message.length > MAX_MESSAGE) {
        return Promise.reject(new WireError("message", `it has ${message.length} bytes`));
      }
      const framed = new Writer(LENGTH + message.length).u32(message.length).put(message).finish();
      const mine = Promise.all([opened, sending]).then(([stream]) => stream.write(framed));
      sending = mine.catch(() => undefined);
      return mine;
    },
    close() {
      sending
        .then(async () => (await opened).finish())
        .catch(() => undefined)
        .finally(() => closed.abort(new Error("the conversation was closed")));
    },
  };
}

async function begin(
  open: (signal: AbortSignal) => Promise<ChannelStream>,
  signal: AbortSignal,
): Promise<ChannelStream> {
  const stream = await open(signal);
  const { status } = await stream.head();
  if (status < 400) return stream;
  throw new ConversationRefused(status, await problemOf(stream));
}

async function problemOf(stream: ChannelStream): Promise<unknown> {
  const parts: Bytes[] = [];
  let length = 0;
  for (;;) {
    const bytes = await stream.read();
    if (bytes === undefined) break;
    length += bytes.length;
    if (length > MAX_PROBLEM) {
      stream.cancel();
      return undefined;
    }
    parts.push(bytes);
  }
  try {
    return JSON.parse(new TextDecoder().decode(concat(...parts))) as unknown;
  } catch {
    return undefined;
  }
}

/** Cuts a stream into messages, however it was cut before. Keeps one unfinished message at most, and
 * for that only what has arrived. */
export class Deframer {
  #pieces: Bytes[] = [];
  #length = 0;
  /** How much is needed before there is anything new to see. */
  #needed = LENGTH;

  push(bytes: Bytes): void {
    this.#pieces.push(bytes);
    this.#length += bytes.length;
  }

  /** The next whole message. Throws `WireError` for a length out of bounds, again and again. */
  next(): Bytes | undefined {
    if (this.#length < this.#needed) return undefined;
    const held =
      this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : concat(...this.#pieces);
    const length = new Reader(held, "message").u32();
    if (length === 0 || length > MAX_MESSAGE) {
      throw new WireError("message", `its length is ${length}`);
    }
    this.#needed = LENGTH + length;
    this.#pieces = [held];
    if (held.length < this.#needed) return undefined;
    const message = held.slice(LENGTH, this.#needed);
    this.#pieces = [held.subarray(this.#needed)];
    this.#length -= this.#needed;
    this.#needed = LENGTH;
    return message;
  }

  /** Asserts that the stream may end here. */
  finish(): void {
    if (this.#length > 0) throw new WireError("message", "it is cut short");
  }
}
