// Bytes over a message port, with credit: whoever sends waits until the reader has taken enough, so
// that nothing gathers between a page and its worker.

import type { Fields, Head } from "../core/body.ts";
import { ConversationRefused } from "../io/conversation.ts";
import type { Body } from "../request.ts";
import { WayFailed } from "../way.ts";
import { type Bytes, concat } from "../wire/bytes.ts";

/** What travels on the port of one request or conversation. */
export type PortMessage =
  | { readonly type: "head"; readonly status: number; readonly fields: Fields }
  /** Bytes, given away; in a conversation one whole message. */
  | { readonly type: "bytes"; readonly bytes: ArrayBuffer }
  | { readonly type: "end" }
  | { readonly type: "failed"; readonly failure: Failure }
  /** So many more bytes may be sent. */
  | { readonly type: "credit"; readonly bytes: number }
  /** Nobody wants the rest. */
  | { readonly type: "cancel" };

/** An error as it crosses a port. */
export type Failure =
  | { readonly type: "way"; readonly kind: WayFailed["kind"]; readonly message: string }
  | { readonly type: "refused"; readonly status: number; readonly problem: unknown }
  | { readonly type: "other"; readonly message: string };

/** Bytes on their way through a port, each way. The reader gives credit as it takes them. */
const WINDOW = 262_144;

export function failureOf(error: unknown): Failure {
  if (error instanceof WayFailed) return { type: "way", kind: error.kind, message: error.message };
  if (error instanceof ConversationRefused) {
    return { type: "refused", status: error.status, problem: error.problem };
  }
  return { type: "other", message: error instanceof Error ? error.message : String(error) };
}

export function errorOf(failure: Failure): Error {
  switch (failure.type) {
    case "way":
      return new WayFailed(failure.kind, failure.message);
    case "refused":
      return new ConversationRefused(failure.status, failure.problem);
    case "other":
      return new WayFailed("broke", failure.message);
  }
}

/** One end of such a port. */
export class PortEnd implements Body {
  readonly #port: MessagePort;
  readonly #arrived: Bytes[] = [];
  #head: Head | undefined;
  #hasEnded = false;
  #failed: Error | undefined;
  #isCancelled = false;
  #credit = WINDOW;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  /** The other end wants nothing more. */
  onCancel: (() => void) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<PortMessage>) => this.#hear(data);
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  sendHead(head: Head): void {
    this.#say({ type: "head", status: head.status, fields: head.fields });
  }

  /** Sends bytes, which are given away if they own all of their memory. Waits for credit. One writer
   * only. */
  async write(bytes: Bytes): Promise<void> {
    while (this.#credit <= 0 && !this.#isCancelled) {
      await new Promise<void>((wake) => {
        this.#wakeWriter = wake;
      });
    }
    if (this.#isCancelled) throw new WayFailed("closed", "nobody wants the rest");
    this.#credit -= bytes.length;
    const isWhole = bytes.length === bytes.buffer.byteLength;
    const { buffer } = isWhole ? bytes : bytes.slice();
    this.#port.postMessage({ type: "bytes", bytes: buffer } satisfies PortMessage, [buffer]);
  }

  end(): void {
    this.#say({ type: "end" });
  }

  fail(error: unknown): void {
    this.#say({ type: "failed", failure: failureOf(error) });
  }

  /** The answer's head. Throws what the other end failed with. */
  async head(): Promise<Head> {
    for (;;) {
      if (this.#head !== undefined) return this.#head;
      if (this.#failed !== undefined) throw this.#failed;
      await this.#waitToRead();
    }
  }

  /** The next bytes; `undefined` at the end. Throws what the other end failed with. */
  async read(): Promise<Bytes | undefined> {
    for (;;) {
      const bytes = this.#arrived.shift();
      if (bytes !== undefined) {
        this.#say({ type: "credit", bytes: bytes.length });
        return bytes;
      }
      if (this.#failed !== undefined) throw this.#failed;
      if (this.#hasEnded) return undefined;
      await this.#waitToRead();
    }
  }

  /** Wants nothing more. */
  cancel(reason = new WayFailed("closed", "it was given up")): void {
    this.#say({ type: "cancel" });
    this.break(reason);
  }

  /** Nothing more comes. */
  break(error: Error): void {
    this.#failed ??= error;
    this.#wakeReader?.();
  }

  /** Leaves the port; what was said before still arrives. */
  close(): void {
    this.#isCancelled = true;
    this.#wakeWriter?.();
    this.#port.close();
  }

  #hear(message: PortMessage): void {
    switch (message.type) {
      case "head":
        this.#head = { status: message.status, fields: message.fields };
        break;
      case "bytes":
        this.#arrived.push(new Uint8Array(message.bytes));
        break;
      case "end":
        this.#hasEnded = true;
        break;
      case "failed":
        this.#failed ??= errorOf(message.failure);
        break;
      case "credit":
        this.#credit += message.bytes;
        this.#wakeWriter?.();
        return;
      case "cancel":
        this.#isCancelled = true;
        this.#wakeWriter?.();
        this.onCancel?.();
        return;
    }
    this.#wakeReader?.();
  }

  #say(message: PortMessage): void {
    this.#port.postMessage(message);
  }

  #waitToRead(): Promise<void> {
    return new Promise((wake) => {
      this.#wakeReader = wake;
    });
  }
}

/** Copies bytes whose memory is somebody else's, so that they can be given away. */
export function owned(bytes: Uint8Array): Bytes {
  return concat(bytes);
}
