// The messages between a viewer and a node about one agent's terminal (docs/protocol.md, section 9).

import { type Bytes, Reader, WireError, Writer } from "../session/wire/bytes.ts";

/** A place in an agent's output: `epoch` is one life of its process, `offset` counts its bytes. */
export interface Position {
  readonly epoch: bigint;
  readonly offset: bigint;
}

/** Character cells, 1 to 1,000 each way. */
export interface Size {
  readonly cols: number;
  readonly rows: number;
}

export type ViewerMessage =
  /** The first message. `viewer` is 16 bytes that are kept across reconnects. */
  | {
      readonly type: "attach";
      readonly viewer: Bytes;
      readonly mode: "drive" | "read-only";
      readonly size: Size;
      /** How far the viewer has the output; without it, it asks for a snapshot. */
      readonly position?: Position;
    }
  | { readonly type: "input"; readonly seq: bigint; readonly bytes: Bytes }
  | { readonly type: "resize"; readonly size: Size }
  /** All output before `offset` is shown. */
  | { readonly type: "ack"; readonly offset: bigint }
  /** Make this viewer the driver. */
  | { readonly type: "take" }
  | { readonly type: "detach" };

/** How a process ended. `lost`: nobody saw it, which is never a success. */
export type Exit =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: number }
  | { readonly kind: "lost" };

export type NodeMessage =
  | {
      readonly type: "attached";
      readonly position: Position;
      readonly driver: boolean;
      readonly size: Size;
      /** The last input of this viewer that was applied in this epoch; 0 for none. */
      readonly applied: bigint;
    }
  /** A part of the screen: bytes that draw it on an empty terminal of `size`. */
  | {
      readonly type: "snapshot";
      readonly position: Position;
      readonly size: Size;
      readonly last: boolean;
      readonly bytes: Bytes;
    }
  | { readonly type: "output"; readonly offset: bigint; readonly bytes: Bytes }
  /** Output that this viewer does not get; a snapshot at `to` follows. */
  | { readonly type: "skipped"; readonly from: bigint; readonly to: bigint }
  | { readonly type: "size"; readonly size: Size; readonly driver: boolean }
  /** All input up to this number was applied, once. */
  | { readonly type: "input-ack"; readonly seq: bigint }
  | { readonly type: "exited"; readonly exit: Exit }
  /** A type from 80 on that this version doesn't know. */
  | { readonly type: "ignored"; readonly kind: number };

export const MAX_PAYLOAD = 65_536;
export const MAX_MESSAGE = 65_600;
const MAX_CELLS = 1_000;
const OPTIONAL = 0x80;
const VIEWER = 16;

export function encodeViewerMessage(message: ViewerMessage): Bytes {
  const out = new Writer();
  switch (message.type) {
    case "attach":
      if (message.viewer.length !== VIEWER) throw new WireError("viewer", "it has not 16 bytes");
      out
        .u8(0x01)
        .put(message.viewer)
        .u8(message.mode === "drive" ? 0 : 1);
      putSize(out, message.size);
      if (message.position === undefined) return out.u8(0).finish();
      return out.u8(1).u64(message.position.epoch).u64(message.position.offset).finish();
    case "input":
      checkPayload(message.bytes, "INPUT");
      return out.u8(0x02).u64(checkSeq(message.seq, "INPUT")).put(message.bytes).finish();
    case "resize":
      return putSize(out.u8(0x03), message.size).finish();
    case "ack":
      return out.u8(0x04).u64(message.offset).finish();
    case "take":
      return out.u8(0x05).finish();
    case "detach":
      return out.u8(0x06).finish();
  }
}

/** Reads one message of a node. Throws `WireError`: end the conversation. */
export function decodeNodeMessage(bytes: Bytes): NodeMessage {
  const what = "message from a node";
  if (bytes.length > MAX_MESSAGE) throw new WireError(what, "it is too long");
  const reader = new Reader(bytes, what);
  const kind = reader.u8();
  // Types of later versions are dropped with all of their body.
  if (kind >= OPTIONAL) return { type: "ignored", kind };
  const message = readBody(kind, reader);
  reader.finish();
  return message;
}

export function isSize(size: Size): boolean {
  return [size.cols, size.rows].every(
    (cells) => Number.isInteger(cells) && cells >= 1 && cells <= MAX_CELLS,
  );
}

function readBody(kind: number, reader: Reader): NodeMessage {
  switch (kind) {
    case 0x11:
      return {
        type: "attached",
        position: readPosition(reader),
        driver: readFlag(reader),
        size: readSize(reader),
        applied: reader.u64(),
      };
    case 0x12: {
      const [position, size] = [readPosition(reader), readSize(reader)];
      const last = readFlag(reader);
      const bytes = reader.rest();
      if (bytes.length > MAX_PAYLOAD) throw new WireError("SNAPSHOT", "it is too long");
      return { type: "snapshot", position, size, last, bytes };
    }
    case 0x13: {
      const offset = reader.u64();
      const bytes = reader.rest();
      checkPayload(bytes, "OUTPUT");
      return { type: "output", offset, bytes };
    }
    case 0x14: {
      const [from, to] = [reader.u64(), reader.u64()];
      if (from >= to) throw new WireError("SKIPPED", "it skips nothing");
      return { type: "skipped", from, to };
    }
    case 0x15:
      return { type: "size", size: readSize(reader), driver: readFlag(reader) };
    case 0x16:
      return { type: "input-ack", seq: checkSeq(reader.u64(), "INPUT_ACK") };
    case 0x17:
      return { type: "exited", exit: readExit(reader) };
    default:
      throw new WireError("message from a node", `its type ${kind} is unknown`);
  }
}

function readPosition(reader: Reader): Position {
  return { epoch: reader.u64(), offset: reader.u64() };
}

function readSize(reader: Reader): Size {
  return checkSize({ cols: reader.u16(), rows: reader.u16() });
}

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new WireError("flag", "it is neither 0 nor 1");
  return flag === 1;
}

function readExit(reader: Reader): Exit {
  const [kind, value] = [reader.u8(), reader.i32()];
  if (kind === 0) return { kind: "code", code: value };
  if (kind === 1) return { kind: "signal", signal: value };
  if (kind === 2 && value === 0) return { kind: "lost" };
  throw new WireError("EXITED", "it says neither code, nor signal, nor lost");
}

function putSize(out: Writer, size: Size): Writer {
  const { cols, rows } = checkSize(size);
  return out.u16(cols).u16(rows);
}

function checkSize(size: Size): Size {
  if (!isSize(size)) throw new WireError("size", "columns and rows are not within 1 and 1,000");
  return size;
}

function checkSeq(seq: bigint, what: string): bigint {
  if (seq === 0n) throw new WireError(what, "its number is 0");
  return seq;
}

function checkPayload(bytes: Bytes, what: string): void {
  if (bytes.length === 0 || bytes.length > MAX_PAYLOAD) {
    throw new WireError(what, "it has not 1 to 65,536 bytes");
  }
}
