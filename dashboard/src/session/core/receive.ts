// What arrives: records are opened, their frames checked against every rule, and told as events.

import { type Hello, speaksWith } from "./body.ts";
import { RESET } from "./codes.ts";
import type { Event } from "./event.ts";
import { type Frame, readFrames } from "./frame.ts";
import { NoCommonVersion, Rule, type State } from "./state.ts";
import { Stream } from "./stream.ts";

/** Streams that each side may have open. */
export const MAX_STREAMS = 128;

/** Opens one record and acts on its frames. Throws what ends the session. */
export function receiveRecord(
  state: State,
  now: number,
  ciphertext: Uint8Array,
  emit: (event: Event) => void,
): void {
  const plaintext = state.opener.open(ciphertext);
  if (state.peer === "silent") state.peer = "proved";
  // A node that closes early waited for just this: that the device proves itself.
  if (!state.isOpen) return;
  for (const frame of readFrames(plaintext)) {
    receiveFrame(state, now, frame, emit);
    if (state.phase.type === "closing") return;
  }
}

function receiveFrame(state: State, now: number, frame: Frame, emit: (event: Event) => void): void {
  if (state.peer !== "greeted" && frame.type !== "HELLO" && frame.type !== "ignored") {
    throw new Rule("the first frame is not HELLO");
  }
  switch (frame.type) {
    case "HELLO":
      receiveHello(state, frame.hello);
      emit({ type: "hello", hello: frame.hello });
      return;
    case "OPEN":
      if (receiveOpen(state, frame.stream)) {
        emit({ type: "opened", stream: frame.stream, open: frame.open });
      }
      return;
    case "HEAD": {
      const stream = receiving(state, frame.stream);
      if (stream.receiving === "discarding") return;
      if (stream.receiving !== "headless") throw new Rule("a HEAD where none belongs");
      stream.receiving = "flowing";
      emit({ type: "answered", stream: frame.stream, head: frame.head });
      return;
    }
    case "DATA":
      receiveData(state, frame, emit);
      return;
    case "FIN":
      receiveFin(state, frame, emit);
      return;
    case "RESET":
      receiveReset(state, frame, emit);
      return;
    case "CREDIT":
      receiveCredit(state, frame, emit);
      return;
    case "PING":
      state.pong = frame.number;
      return;
    case "PONG":
      receivePong(state, now, frame.number, emit);
      return;
    case "REKEY":
      state.opener.rekey();
      return;
    case "GOAWAY":
      if (state.served.ours !== undefined && frame.last > state.served.ours) {
        throw new Rule("a GOAWAY takes back an earlier one");
      }
      state.served.ours = frame.last;
      emit({ type: "going-away", code: frame.code, last: frame.last });
      return;
    case "CLOSE": {
      const { code, reason } = frame;
      state.become({ type: "over", end: { kind: "closed", by: "peer", code, reason } });
      return;
    }
    case "ignored":
      return;
  }
}

function receiveHello(state: State, hello: Hello): void {
  if (state.peer === "greeted") throw new Rule("a second HELLO");
  if (!speaksWith(hello)) throw new NoCommonVersion(hello.min, hello.max);
  state.peer = "greeted";
}

/** Takes a new stream in; says whether somebody is to answer it. */
function receiveOpen(state: State, number: number): boolean {
  if (state.isOurs(number)) throw new Rule("an OPEN of a stream that is ours to open");
  if (number <= state.last.theirs) throw new Rule("an OPEN whose stream does not rise");
  if (state.open.theirs >= MAX_STREAMS) throw new Rule("more streams than are allowed");
  state.last.theirs = number;
  state.open.theirs++;
  state.streams.set(number, new Stream("headless", "flowing"));
  if (state.served.theirs === undefined) return true;
  state.refuse(number);
  return false;
}

function receiveData(
  state: State,
  frame: Extract<Frame, { type: "DATA" }>,
  emit: (event: Event) => void,
): void {
  const length = frame.bytes.length;
  state.receiveWindow.receive(length);
  const stream = receiving(state, frame.stream);
  if (stream.receiving !== "flowing" && stream.receiving !== "discarding") {
    throw new Rule("DATA where none belongs");
  }
  stream.receiveWindow.receive(length);
  if (stream.receiving === "discarding") {
    state.receiveWindow.consume(length);
    return;
  }
  // The peer may just have used up its limit.
  state.queueCredit(frame.stream, stream);
  emit({ type: "data", stream: frame.stream, bytes: frame.bytes });
}

function receiveFin(
  state: State,
  frame: Extract<Frame, { type: "FIN" }>,
  emit: (event: Event) => void,
): void {
  const stream = receiving(state, frame.stream);
  const was = stream.receiving;
  const { received } = stream.receiveWindow;
  if (was === "headless") throw new Rule("a FIN before the HEAD");
  if (frame.total !== BigInt(received)) {
    throw new Rule(`a FIN names ${frame.total} bytes, of which ${received} arrived`);
  }
  stream.receiving = "ended";
  state.stopCrediting(frame.stream, stream);
  if (was === "flowing") emit({ type: "finished", stream: frame.stream });
  state.sweep(frame.stream);
}

function receiveReset(
  state: State,
  frame: Extract<Frame, { type: "RESET" }>,
  emit: (event: Event) => void,
): void {
  known(state, frame.stream);
  const stream = state.streams.get(frame.stream);
  // It may cross our own end of the stream: then there is nothing left to do.
  if (stream === undefined) return;
  const was = stream.receiving;
  stream.receiving = "ended";
  state.stopCrediting(frame.stream, stream);
  if (stream.sending !== "ended") {
    state.stopSending(frame.stream, stream);
    state.push({ type: "RESET", stream: frame.stream, code: RESET.answered });
  }
  state.sweep(frame.stream);
  if (was !== "discarding") emit({ type: "reset", stream: frame.stream, code: frame.code });
}

function receiveCredit(
  state: State,
  frame: Extract<Frame, { type: "CREDIT" }>,
  emit: (event: Event) => void,
): void {
  if (frame.stream === 0) {
    if (state.sendWindow.raise(frame.limit)) emit({ type: "writable", stream: "all" });
    return;
  }
  known(state, frame.stream);
  const stream = state.streams.get(frame.stream);
  if (stream === undefined || !stream.sendWindow.raise(frame.limit)) return;
  if (stream.sending === "headless" || stream.sending === "flowing") {
    emit({ type: "writable", stream: frame.stream });
  }
}

function receivePong(
  state: State,
  now: number,
  number: bigint,
  emit: (event: Event) => void,
): void {
  const { ping } = state;
  if (number === 0n || number > BigInt(ping.number)) throw new Rule("a PONG answers no PING");
  if (number < BigInt(ping.number) || ping.sentAt === undefined) return;
  emit({ type: "pong", roundTripMs: Math.max(now - ping.sentAt, 0) });
  ping.sentAt = undefined;
}

/** The stream that a frame speaks of and that has not ended in the peer's direction. */
function receiving(state: State, number: number): Stream {
  const stream = state.streams.get(number);
  if (stream === undefined || stream.receiving === "ended") {
    throw new Rule("a frame for a stream that is not open");
  }
  return stream;
}

/** Checks that a stream was opened at some time. */
function known(state: State, number: number): void {
  if (number > (state.isOurs(number) ? state.last.ours : state.last.theirs)) {
    throw new Rule("a frame for a stream that was never opened");
  }
}
