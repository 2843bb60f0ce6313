// A pipe on a WebSocket to a relay (protocol, 4.2): bytes both ways, and an end of each direction.

import { type Bytes, concat } from "../wire/bytes.ts";

/** What is used of a WebSocket; the browser's is one. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: (() => void) | null;
  send(bytes: Bytes): void;
  close(): void;
}

/** Opens a WebSocket, without a subprotocol. */
export type OpenSocket = (url: string) => Socket;

/** A relay's word on why there is no pipe, or none any more. In clear, so anybody on the way may have
 * said it: it may be shown and may time the next attempt, and no key is ever deleted because of it. */
export type Hint = "offline" | "unknown" | "rate" | "busy" | "version" | "other";

/** What becomes of a pipe. `ended` and `broke` come once, and nothing after them. */
export interface PipeEvents {
  opened(): void;
  bytes(bytes: Bytes): void;
  /** The peer will send nothing more. */
  ended(): void;
  /** The pipe is gone in both directions. `why` is for people. */
  broke(why: string, hint: Hint | undefined): void;
}

const MAX_MESSAGE = 65_536;
const HINTS: readonly Hint[] = ["offline", "unknown", "rate", "busy", "version"];
const FIRST_HINT = 4001;

export class Pipe {
  readonly #socket: Socket;
  #events: PipeEvents | undefined;
  #peerHasEnded = false;
  #hasEnded = false;
  #isOpen = false;

  constructor(url: string, openSocket: OpenSocket, events: PipeEvents) {
    this.#events = events;
    this.#socket = openSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#isOpen = true;
      this.#events?.opened();
    };
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#closed(code);
    // A close follows, with all there is to know.
    this.#socket.onerror = () => {};
  }

  /** Bytes that were sent and have not left this machine. */
  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  /** Sends all of `parts`, in as few messages as may be. */
  send(parts: readonly Bytes[]): void {
    if (!this.#isOpen || this.#hasEnded) return;
    for (const message of messages(parts)) this.#socket.send(message);
  }

  /** Ends our direction; what the peer still says is heard. */
  end(): void {
    if (!this.#isOpen || this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket.send(new Uint8Array(0));
    if (this.#peerHasEnded) this.#socket.close();
  }

  /** Leaves the pipe at once; nothing more is heard. */
  abort(): void {
    this.#events = undefined;
    this.#socket.close();
  }

  #receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer) || data.byteLength > MAX_MESSAGE || this.#peerHasEnded) {
      this.#break("the relay broke the protocol", undefined);
      this.#socket.close();
    } else if (data.byteLength > 0) {
      this.#events?.bytes(new Uint8Array(data));
    } else {
      this.#peerHasEnded = true;
      this.#events?.ended();
      if (this.#hasEnded) this.#socket.close();
    }
  }

  #closed(code: number): void {
    this.#isOpen = false;
    const hint = hintOf(code);
    if (hint !== undefined) this.#break(`the relay says: ${hint}`, hint);
    else if (code === 1001) this.#break("the relay stops", undefined);
    else this.#break("the connection to the relay is gone", undefined);
  }

  #break(why: string, hint: Hint | undefined): void {
    const events = this.#events;
    this.#events = undefined;
    events?.broke(why, hint);
  }
}

function hintOf(code: number): Hint | undefined {
  if (code < FIRST_HINT || code > 4255) return undefined;
  return HINTS[code - FIRST_HINT] ?? "other";
}

/** Joins parts into messages; a part that is larger than one is cut. */
function* messages(parts: readonly Bytes[]): Generator<Bytes, void> {
  let held: Bytes[] = [];
  let length = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + MAX_MESSAGE - length);
      held.push(piece);
      length += piece.length;
      at += piece.length;
      if (length === MAX_MESSAGE) {
        yield concat(...held);
        held = [];
        length = 0;
      }
    }
  }
  if (length > 0) yield held.length === 1 && held[0] ? held[0] : concat(...held);
}
