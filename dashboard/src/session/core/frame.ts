// Frames, the contents of a record: `type u8 | stream u32 | length u16 | payload`.

import { type Bytes, fromUtf8, isZero, Reader, WireError, Writer } from "../wire/bytes.ts";
import {
  type Head,
  type Hello,
  type Open,
  readHead,
  readHello,
  readOpen,
  writeHead,
  writeHello,
  writeOpen,
} from "./body.ts";
import { MAX_PLAINTEXT } from "./record.ts";

export const FRAME_HEADER = 7;
/** The most DATA that one record can carry. */
export const MAX_DATA = MAX_PLAINTEXT - FRAME_HEADER;
/** The longest explanation in a CLOSE, in bytes. */
export const MAX_REASON = 256;

export type Frame =
  | { readonly type: "HELLO"; readonly hello: Hello }
  | { readonly type: "OPEN"; readonly stream: number; readonly open: Open }
  | { readonly type: "HEAD"; readonly stream: number; readonly head: Head }
  | { readonly type: "DATA"; readonly stream: number; readonly bytes: Bytes }
  | { readonly type: "FIN"; readonly stream: number; readonly total: bigint }
  | { readonly type: "RESET"; readonly stream: number; readonly code: number }
  /** Stream 0 is the whole session. */
  | { readonly type: "CREDIT"; readonly stream: number; readonly limit: bigint }
  | { readonly type: "PING"; readonly number: bigint }
  | { readonly type: "PONG"; readonly number: bigint }
  | { readonly type: "REKEY" }
  | { readonly type: "GOAWAY"; readonly code: number; readonly last: number }
  | { readonly type: "CLOSE"; readonly code: number; readonly reason: string }
  /** A type from 80 on that this version doesn't know. */
  | { readonly type: "ignored"; readonly kind: number };

const TYPES = {
  HELLO: 0x01,
  OPEN: 0x02,
  HEAD: 0x03,
  DATA: 0x04,
  FIN: 0x05,
  RESET: 0x06,
  CREDIT: 0x07,
  PING: 0x08,
  PONG: 0x09,
  REKEY: 0x0a,
  GOAWAY: 0x0b,
  CLOSE: 0x0c,
} as const;
const PAD = 0x00;
const OPTIONAL = 0x80;

export function encodeFrame(frame: Frame): Bytes {
  switch (frame.type) {
    case "HELLO":
      return whole(TYPES.HELLO, 0, writeHello(frame.hello));
    case "OPEN":
      return whole(TYPES.OPEN, frame.stream, writeOpen(frame.open));
    case "HEAD":
      return whole(TYPES.HEAD, frame.stream, writeHead(frame.head));
    case "DATA":
      return whole(TYPES.DATA, frame.stream, frame.bytes);
    case "FIN":
      return whole(TYPES.FIN, frame.stream, new Writer(8).u64(frame.total).finish());
    case "RESET":
      return whole(TYPES.RESET, frame.stream, new Writer(4).u32(frame.code).finish());
    case "CREDIT":
      return whole(TYPES.CREDIT, frame.stream, new Writer(8).u64(frame.limit).finish());
    case "PING":
      return whole(TYPES.PING, 0, new Writer(8).u64(frame.number).finish());
    case "PONG":
      return whole(TYPES.PONG, 0, new Writer(8).u64(frame.number).finish());
    case "REKEY":
      return whole(TYPES.REKEY, 0, new Uint8Array(0));
    case "GOAWAY":
      return whole(TYPES.GOAWAY, 0, new Writer(8).u32(frame.code).u32(frame.last).finish());
    case "CLOSE": {
      const reason = new TextEncoder().encode(frame.reason);
      return whole(TYPES.CLOSE, 0, new Writer().u32(frame.code).put(reason).finish());
    }
    case "ignored":
      return whole(frame.kind | OPTIONAL, 0, new Uint8Array(0));
  }
}

/** The header of a DATA frame whose `length` bytes follow. */
export function dataHeader(stream: number, length: number): Bytes {
  return new Writer(FRAME_HEADER).u8(TYPES.DATA).u32(stream).u16(length).finish();
}

/** The frames of one record's plaintext, one by one, so that those before a bad one take effect. */
export function* readFrames(plaintext: Bytes): Generator<Frame, void> {
  const reader = new Reader(plaintext, "frame");
  let endedBy: string | undefined;
  while (reader.remaining > 0) {
    const kind = reader.u8();
    if (kind === PAD) {
      if (!isZero(reader.rest())) throw new WireError("padding", "it is not all zero");
      return;
    }
    if (endedBy !== undefined) {
      throw new WireError(endedBy, "it is not the last frame of its record");
    }
    const stream = reader.u32();
    const frame = decode(kind, stream, reader.take(reader.u16()));
    if (frame.type === "REKEY" || frame.type === "CLOSE") endedBy = frame.type;
    yield frame;
  }
}

function decode(kind: number, stream: number, payload: Bytes): Frame {
  switch (kind) {
    case TYPES.HELLO:
      wholeSession("HELLO", stream);
      return { type: "HELLO", hello: readHello(payload) };
    case TYPES.OPEN:
      return { type: "OPEN", stream: oneStream("OPEN", stream), open: readOpen(payload) };
    case TYPES.HEAD:
      return { type: "HEAD", stream: oneStream("HEAD", stream), head: readHead(payload) };
    case TYPES.DATA:
      if (payload.length === 0) throw new WireError("DATA", "it is empty");
      return { type: "DATA", stream: oneStream("DATA", stream), bytes: payload };
    case TYPES.FIN:
      return { type: "FIN", stream: oneStream("FIN", stream), total: number("FIN", payload) };
    case TYPES.RESET: {
      const body = new Reader(payload, "RESET");
      const code = body.u32();
      body.finish();
      return { type: "RESET", stream: oneStream("RESET", stream), code };
    }
    case TYPES.CREDIT:
      return { type: "CREDIT", stream, limit: number("CREDIT", payload) };
    case TYPES.PING:
      wholeSession("PING", stream);
      return { type: "PING", number: number("PING", payload) };
    case TYPES.PONG:
      wholeSession("PONG", stream);
      return { type: "PONG", number: number("PONG", payload) };
    case TYPES.REKEY:
      wholeSession("REKEY", stream);
      new Reader(payload, "REKEY").finish();
      return { type: "REKEY" };
    case TYPES.GOAWAY: {
      wholeSession("GOAWAY", stream);
      const body = new Reader(payload, "GOAWAY");
      const [code, last] = [body.u32(), body.u32()];
      body.finish();
      return { type: "GOAWAY", code, last };
    }
    case TYPES.CLOSE: {
      wholeSession("CLOSE", stream);
      const body = new Reader(payload, "CLOSE");
      const code = body.u32();
      if (body.remaining > MAX_REASON) throw new WireError("CLOSE", "its text is too long");
      return { type: "CLOSE", code, reason: fromUtf8(body.rest(), "CLOSE") };
    }
    default:
      if (kind < OPTIONAL) throw new WireError("frame", `its type ${kind} is unknown`);
      return { type: "ignored", kind };
  }
}

function whole(kind: number, stream: number, payload: Bytes): Bytes {
  return new Writer(FRAME_HEADER + payload.length)
    .u8(kind)
    .u32(stream)
    .u16(payload.length)
    .put(payload)
    .finish();
}

function oneStream(what: string, stream: number): number {
  if (stream === 0) throw new WireError(what, "it names no stream");
  return stream;
}

function wholeSession(what: string, stream: number): void {
  if (stream !== 0) throw new WireError(what, "it names a stream");
}

function number(what: string, payload: Bytes): bigint {
  const body = new Reader(payload, what);
  const value = body.u64();
  body.finish();
  return value;
}
