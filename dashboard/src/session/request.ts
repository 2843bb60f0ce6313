// Requests and answers of a browser's `fetch` as a session carries them.

import type { Fields, Head } from "./core/body.ts";
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

/** A request that may have to be made more than once. */
export class OutgoingRequest {
  readonly open: { readonly method: string; readonly path: string; readonly fields: Fields };
  readonly #request: Request;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** What the body has said so far, without the first `#dropped` pieces. */
  #kept: Bytes[] = [];
  #keptBytes = 0;
  #dropped = 0;
  #isWhole = false;
  #filling: Promise<void> | undefined;

  constructor(request: Request) {
    const { pathname, search } = new URL(request.url);
    const fields = Array.from(request.headers, ([name, value]): [string, string] => [name, value]);
    const isSafe = SAFE.includes(request.method);
    if (!isSafe && !request.headers.has(KEY)) fields.push([KEY, toHex(systemRandom(16))]);
    this.open = { method: request.method, path: pathname + search, fields };
    this.#request = request;
    if (request.body === null) this.#isWhole = true;
    else this.#reader = request.body?.getReader();
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
    if (this.#reader === undefined) {
      // Firefox has no `Request.body`: what there is comes at once.
      this.#isWhole = true;
      this.#keep(new Uint8Array(await this.#request.arrayBuffer()));
      return;
    }
    const { done, value } = await this.#reader.read();
    if (done) this.#isWhole = true;
    else this.#keep(concat(value));
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

/** The answer of a stream. What is not read of its body makes the machine wait. */
export function responseOf(head: Head, stream: ChannelStream, ended: () => void): Response {
  const headers = new Headers();
  for (const [name, value] of head.fields) headers.append(name, value);
  const init = { status: head.status, headers };
  if (WITHOUT_BODY.includes(head.status)) {
    ended();
    // There is nothing to read, but the stream has an end to come to.
    stream.read().catch(() => undefined);
    return new Response(null, init);
  }
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await stream.read();
          if (bytes === undefined) {
            ended();
            controller.close();
          } else {
            controller.enqueue(bytes);
          }
        } catch (error) {
          ended();
          controller.error(error);
        }
      },
      cancel() {
        ended();
        stream.cancel();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, init);
}
