// What a session has to say, as sealed records: control first, then one stream after the other.

import type { Bytes } from "../wire/bytes.ts";
import { OUR_HELLO } from "./body.ts";
import { SESSION_WINDOW } from "./credit.ts";
import { dataHeader, encodeFrame, FRAME_HEADER } from "./frame.ts";
import { MAX_PLAINTEXT } from "./record.ts";
import { MAX_GROWN, type State } from "./state.ts";
import type { Stream } from "./stream.ts";

/** The most DATA of one stream in a row while others wait. */
const FAIR_DATA = 4096;
/** The step of the padding of records above 1,024 bytes. */
const PADDING_STEP = 1024;
/** The size of a frame whose payload is one u64. */
const NUMBER_FRAME = FRAME_HEADER + 8;

/** Whether `sealRecord` would write anything now. */
export function hasSomethingToSay(state: State, now: number): boolean {
  switch (state.phase.type) {
    case "open":
      return (
        state.maySpeak &&
        (!state.hasGreeted ||
          state.control.length > 0 ||
          state.pong !== undefined ||
          state.creditDue.length > 0 ||
          state.receiveWindow.isDue ||
          state.ready.length > 0 ||
          state.isRekeyDue ||
          state.isKeyOld(now))
      );
    case "closing":
      return state.phase.frame !== undefined && state.maySpeak;
    case "over":
      return false;
  }
}

/** The next record. */
export function sealRecord(state: State, now: number): Bytes {
  const rekey = state.isRekeyDue || state.isKeyOld(now) || state.sealer.isLastOfKey;
  const record = new Frames(MAX_PLAINTEXT - (rekey ? FRAME_HEADER : 0));
  if (!state.hasGreeted) {
    record.put(encodeFrame({ type: "HELLO", hello: OUR_HELLO }));
    state.hasGreeted = true;
  }
  if (state.phase.type === "closing") {
    if (state.phase.frame !== undefined) record.put(state.phase.frame);
    const sealed = state.sealer.seal(record.finish(), false);
    state.phase = { ...state.phase, frame: undefined };
    return sealed;
  }
  record.put(state.takeControl(record.room));
  // A frame waits its turn behind the control frames that were queued before it.
  if (state.control.length === 0) {
    putCredits(state, now, record);
    putData(state, record);
  }
  if (rekey) record.put(encodeFrame({ type: "REKEY" }));
  const sealed = state.sealer.seal(record.finish(), rekey);
  state.isRekeyDue = false;
  state.keyBegan = rekey ? undefined : (state.keyBegan ?? now);
  return sealed;
}

/** The frames of one record. */
class Frames {
  readonly #buffer: Bytes = new Uint8Array(MAX_PLAINTEXT);
  #length = 0;

  private readonly end: number;

  constructor(end: number) {
    this.end = end;
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return this.end - this.#length;
  }

  put(frames: Bytes): void {
    this.#buffer.set(frames, this.#length);
    this.#length += frames.length;
  }

  putData(number: number, stream: Stream, length: number): void {
    this.put(dataHeader(number, length));
    stream.dequeue(length, this.#buffer, this.#length);
    this.#length += length;
  }

  finish(): Bytes {
    return this.#buffer.subarray(0, this.#length);
  }
}

function putCredits(state: State, now: number, record: Frames): void {
  if (state.pong !== undefined && record.room >= NUMBER_FRAME) {
    record.put(encodeFrame({ type: "PONG", number: state.pong }));
    state.pong = undefined;
  }
  if (state.receiveWindow.isDue && record.room >= NUMBER_FRAME) {
    const limit = BigInt(state.receiveWindow.grant());
    record.put(encodeFrame({ type: "CREDIT", stream: 0, limit }));
  }
  while (record.room >= NUMBER_FRAME) {
    const number = state.creditDue.shift();
    if (number === undefined) return;
    const stream = state.streams.get(number);
    if (stream === undefined) continue;
    stream.isCreditDue = false;
    if (!stream.takesCredit) continue;
    if (stream.receiveWindow.isFast(now)) {
      state.grown += stream.grow(MAX_GROWN - state.grown);
      state.receiveWindow.widen(SESSION_WINDOW + state.grown);
    }
    const limit = BigInt(stream.receiveWindow.grant());
    record.put(encodeFrame({ type: "CREDIT", stream: number, limit }));
  }
}

/** DATA and FIN of the stream whose turn it is. */
function putData(state: State, record: Frames): void {
  const number = state.ready.shift();
  const stream = number === undefined ? undefined : state.streams.get(number);
  if (number === undefined || stream === undefined) return;
  const length = dataLength(stream, record.length, record.room, state.ready.length > 0);
  if (length > 0) {
    record.putData(number, stream, length);
    state.unsent -= length;
  }
  if (stream.unsent > 0) {
    state.ready.push(number);
    return;
  }
  if (stream.sending === "finishing") {
    if (record.room < NUMBER_FRAME) {
      state.ready.push(number);
      return;
    }
    record.put(encodeFrame({ type: "FIN", stream: number, total: BigInt(stream.sent) }));
    stream.sending = "ended";
  }
  stream.isReady = false;
  state.sweep(number);
}

/** How much DATA a stream puts into a record that holds `used` bytes and has room for `room`. */
function dataLength(stream: Stream, used: number, room: number, othersWait: boolean): number {
  const space = Math.max(room - FRAME_HEADER, 0);
  const most = othersWait ? Math.min(space, FAIR_DATA) : space;
  if (stream.unsent <= most || !othersWait) return Math.min(stream.unsent, most);
  // It has more than its turn: end on a step of the padding instead of wasting one.
  const beyond = (used + FRAME_HEADER + most) % PADDING_STEP;
  return beyond < most ? most - beyond : most;
}
