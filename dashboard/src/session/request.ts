// Requests and answers of a browser's `fetch` as a session carries them.

import type { Fields, Head, Open } from "./core/body.ts";
import { systemRandom } from "./identity/keys.ts";
import type { ChannelStream } from "./io/stream.ts";
import { type Bytes, concat } from "./wire/bytes.ts";
import { toHex } from "./wire/text.ts";

const SAFE = ["GET", "HEAD", "OPTIONS"];
const KEY = "idempotency-key";
/** So much of a body is kept for a second attempt, in bytes; the API takes no more in one request. */
const MOST_KEPT = 8_388_608;
/** Statuses of answers without a body. */
const WITHOUT_BODY = [204, 205, 304];

/** A request, as it is asked for. */
export interface Ask {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly fields: Fields;
  /** The next piece of the body, and `undefined` at its end; or none at all. */
  readonly body: (() => Promise<Bytes | undefined>) | undefined;
}

/** A body that is read piece by piece. What is not read makes its sender wait. */
export interface Body {
  read(): Promise<Bytes | undefined>;
  cancel(): void;
}

export function askOf(request: Request): Ask {
  const { pathname, search } = new URL(request.url);
  const fields = Array.from(request.headers, ([name, value]): [string, string] => [name, value]);
  return { method: request.method, path: pathname + search, fields, body: bodyOf(request) };
}

function bodyOf(request: Request): Ask["body"] {
  if (request.body === null) return undefined;
  const reader = request.body?.getReader();
  if (reader !== undefined) {
    return async () => {
      const { done, value } = await reader.read();
      return done ? undefined : concat(value);
    };
  }
  // Firefox has no `Request.body`: what there is comes at once.
  let isRead = false;
  return async () => {
    if (isRead) return undefined;
    isRead = true;
    return new Uint8Array(await request.arrayBuffer());
  };
}

/** A request that may have to be made more than once. */
export class OutgoingRequest {
  readonly open: Open;
  readonly #body: Ask["body"];
  /** What the body has said so far, without the first `#dropped` pieces. */
  #kept: Bytes[] = [];
  #keptBytes = 0;
  #dropped = 0;
  #isWhole: boolean;
  #filling: Promise<void> | undefined;

  constructor(ask: Ask) {
    const isSafe = SAFE.includes(ask.method);
    const hasKey = isSafe || ask.fields.some(([name]) => name === KEY);
    const fields: Fields = hasKey
      ? ask.fields
      : [...ask.fields, [KEY, toHex(systemRandom(16))] as const];
    this.open = { method: ask.method, path: ask.path, fields };
    this.#body = ask.body;
    this.#isWhole = ask.body === undefined;
  }

  /** Whether the same request can be made again: all of its body is still there. It acts once, by
   * its method or its key. */
  get canRepeat(): boolean {
    return this.#dropped === 0;
  }

  /** Sends the body, from its beginning. Throws what breaks the stream or the body. */
  async send(stream: ChannelStream): Promise<void> {
    try {
      for (let index = 0; ; index++) {
        const bytes = await this.#piece(index);
        if (bytes === undefined) break;
        await stream.write(bytes);
      }
    } catch (error) {
      stream.cancel();
      throw error;
    }
    stream.finish();
  }

  async #piece(index: number): Promise<Bytes | undefined> {
    while (this.#dropped + this.#kept.length <= index && !this.#isWhole) {
      // An attempt that broke may still wait for the same piece.
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
      await this.#filling;
    }
    return this.#kept[index - this.#dropped];
  }

  async #fill(): Promise<void> {
    const bytes = await this.#body?.();
    if (bytes === undefined) this.#isWhole = true;
    else this.#keep(bytes);
  }

  #keep(bytes: Bytes): void {
    this.#keptBytes += bytes.length;
    if (this.#keptBytes > MOST_KEPT) {
      this.#dropped += this.#kept.length;
      this.#kept = [];
    }
    this.#kept.push(bytes);
  }
}

/** An answer as the browser's `fetch` gives it. `ended` is called once nothing more is read. */
export function responseOf(head: Head, body: Body, ended: () => void): Response {
  const headers = new Headers();
  for (const [name, value] of head.fields) headers.append(name, value);
  const init = { status: head.status, headers };
  if (WITHOUT_BODY.includes(head.status)) {
    // There is nothing to read, but an end to come to.
    body
      .read()
      .catch(() => undefined)
      .finally(ended);
    return new Response(null, init);
  }
  return new Response(streamOf(body, ended), init);
}

/** A body as a stream of the browser's. */
export function streamOf(body: Body, ended: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await body.read();
          if (bytes !== undefined) return controller.enqueue(bytes);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        ended();
      },
      cancel() {
        body.cancel();
        ended();
      },
    },
    { highWaterMark: 0 },
  );
}
