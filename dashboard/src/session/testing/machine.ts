// A machine and its relay in memory, with the node's side of the session core in it: for tests of
// time, which no real machine would wait for.

import type { Open } from "../core/body.ts";
import { acceptSession } from "../core/handshake.ts";
import { Session } from "../core/session.ts";
import { type StaticKey, staticKey, systemRandom } from "../identity/keys.ts";
import type { Socket } from "../io/pipe.ts";
import { type Bytes, concat } from "../wire/bytes.ts";
import type { VirtualClock } from "./clock.ts";
import { End } from "./ends.ts";

const OPENING = 98;

export class MemoryMachine {
  readonly key: StaticKey = staticKey(systemRandom(32));
  readonly device: StaticKey = staticKey(systemRandom(32));
  readonly psk: Bytes = systemRandom(32);
  readonly #clock: VirtualClock;
  /** Pipes that were dialled, also those that came to nothing. */
  readonly pipes: MemoryPipe[] = [];
  /** What becomes of a pipe that is dialled now. */
  mood: "answers" | "silent" | { refuses: number } | "hangs-up" = "answers";
  /** Answers a request; by default with 200 and its path as the body. */
  serve: (pipe: MemoryPipe, stream: number, open: Open) => void = (pipe, stream, { path }) =>
    pipe.answer(stream, 200, path);

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  readonly openSocket = (): Socket => {
    const pipe = new MemoryPipe(this, this.#clock);
    this.pipes.push(pipe);
    return pipe.socket;
  };

  /** The pipe that was dialled last. */
  get pipe(): MemoryPipe {
    const last = this.pipes.at(-1);
    if (last === undefined) throw new Error("nobody has dialled");
    return last;
  }
}

export class MemoryPipe {
  readonly #machine: MemoryMachine;
  readonly #clock: VirtualClock;
  #held: Bytes = new Uint8Array(0);
  #end: End | undefined;
  #isGone = false;
  /** Whether what the machine says still arrives. */
  isDeaf = false;
  readonly socket: Socket;

  constructor(machine: MemoryMachine, clock: VirtualClock) {
    this.#machine = machine;
    this.#clock = clock;
    this.socket = {
      binaryType: "",
      bufferedAmount: 0,
      onopen: null,
      onmessage: null,
      onclose: null,
      onerror: null,
      send: (bytes) => this.#hear(bytes.slice()),
      close: () => this.breaks(1000),
    };
    const { mood } = machine;
    clock.after(1, () => {
      if (typeof mood === "object") this.breaks(mood.refuses);
      else if (!this.#isGone) this.socket.onopen?.();
    });
  }

  /** The node's side of the session. */
  get session(): Session {
    if (this.#end === undefined) throw new Error("there is no session");
    return this.#end.session;
  }

  get end(): End {
    if (this.#end === undefined) throw new Error("there is no session");
    return this.#end;
  }

  /** The relay ends the WebSocket. */
  breaks(code: number): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#clock.after(0, () => this.socket.onclose?.({ code }));
  }

  answer(stream: number, status: number, body: string): void {
    this.session.answer(stream, { status, fields: [] });
    this.session.write(stream, new TextEncoder().encode(body));
    this.session.finish(stream);
  }

  /** Sends what the node has to say. */
  speak(): void {
    this.#send(this.end.say(this.#clock.now()));
  }

  #hear(bytes: Bytes): void {
    if (this.#isGone || this.#machine.mood === "silent") return;
    if (bytes.length === 0) {
      this.#end?.session.endOfInput();
      return;
    }
    if (this.#end !== undefined) {
      for (const event of this.#end.hear(this.#clock.now(), bytes)) {
        if (event.type === "opened") this.#machine.serve(this, event.stream, event.open);
        if (event.type === "data") this.session.consumed(event.stream, event.bytes.length);
      }
      this.speak();
      return;
    }
    this.#held = concat(this.#held, bytes);
    if (this.#held.length < OPENING) return;
    if (this.#machine.mood === "hangs-up") {
      this.#send(new Uint8Array(0), true);
      return;
    }
    const { key, psk } = this.#machine;
    const opening = this.#held.slice(0, OPENING);
    try {
      const { s2, keys } = acceptSession(key, opening, () => psk, systemRandom);
      this.#end = new End(new Session("node", keys, this.#clock.now()));
      this.#send(s2);
    } catch {
      // As a node does that can't open S1.
      this.#send(new Uint8Array(0), true);
    }
  }

  #send(bytes: Bytes, isEnd = false): void {
    if (this.isDeaf || (bytes.length === 0 && !isEnd)) return;
    this.#clock.after(1, () => {
      if (!this.#isGone) this.socket.onmessage?.({ data: bytes.slice().buffer });
    });
  }
}
