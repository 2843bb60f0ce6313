// @vitest-environment node
// The bytes of every message are those of every other implementation.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Deframer } from "../session/io/conversation.ts";
import { hex, vectorFile } from "../session/testing/vectors.ts";
import { type Bytes, concat } from "../session/wire/bytes.ts";
import { toHex } from "../session/wire/text.ts";
import {
  decodeNodeMessage,
  type Exit,
  encodeViewerMessage,
  type NodeMessage,
  type Size,
  type ViewerMessage,
} from "./protocol.ts";

interface Place {
  epoch: string;
  offset: string;
}

interface Refused {
  about: string;
  bytes: string;
  zeros: number;
}

const file = vectorFile<{
  viewer: { message: { type: string } & Record<string, unknown>; bytes: string; framed: string }[];
  node: { message: { type: string } & Record<string, unknown>; bytes: string }[];
  viewer_refused: Refused[];
  node_refused: Refused[];
  lengths_refused: string[];
}>("terminal.json");

const number = (text: unknown): bigint => BigInt(`0x${String(text)}`);
const place = (at: Place) => ({ epoch: number(at.epoch), offset: number(at.offset) });

describe("what a viewer says", () => {
  test.each(file.viewer)("$message.type", ({ message, bytes, framed }) => {
    const encoded = encodeViewerMessage(viewerMessage(message));
    expect(toHex(encoded)).toBe(bytes);
    expect(toHex(new Uint8Array([0, 0, encoded.length >> 8, encoded.length & 0xff]))).toBe(
      framed.slice(0, 8),
    );
    expect(framed.slice(8)).toBe(bytes);
  });

  test("what its reader would refuse is not written", () => {
    const size = { cols: 80, rows: 24 };
    const bad: ViewerMessage[] = [
      { type: "attach", viewer: new Uint8Array(15), mode: "drive", size },
      { type: "input", seq: 0n, bytes: Uint8Array.of(1) },
      { type: "input", seq: 1n, bytes: new Uint8Array(0) },
      { type: "input", seq: 1n, bytes: new Uint8Array(65_537) },
      { type: "resize", size: { cols: 0, rows: 24 } },
      { type: "resize", size: { cols: 80, rows: 1_001 } },
      { type: "resize", size: { cols: 80.5, rows: 24 } },
    ];
    for (const message of bad) expect(() => encodeViewerMessage(message)).toThrow();
  });
});

describe("what a node says", () => {
  test.each(file.node)("$message.type", ({ message, bytes }) => {
    expect(decodeNodeMessage(hex(bytes))).toEqual(nodeMessage(message));
  });

  test.each(file.node_refused)("is refused: $about", ({ bytes, zeros }) => {
    expect(() => decodeNodeMessage(concat(hex(bytes), new Uint8Array(zeros)))).toThrow();
  });

  test("any bytes are a message or an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decodeNodeMessage(Uint8Array.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ name: "WireError" });
        }
      }),
    );
  });
});

describe("messages on a stream", () => {
  test("are found however the stream is cut", () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 8 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(3_000), { maxLength: 20 }), (sent, cuts) => {
        const stream = concat(...sent.map((one) => framed(Uint8Array.from(one))));
        expect(cut(stream, cuts).map(toHex)).toEqual(
          sent.map((one) => toHex(Uint8Array.from(one))),
        );
      }),
    );
  });

  test("are found byte by byte, also the longest", () => {
    const longest = new Uint8Array(65_600).fill(7);
    const stream = framed(longest);
    const found = cut(stream, [...stream.keys()]);
    expect(found).toHaveLength(1);
    expect(found[0]?.length).toBe(65_600);
  });

  test.each(file.lengths_refused)("a length that may not be ends it: %s", (length) => {
    const deframer = new Deframer();
    deframer.push(hex(length));
    for (let again = 0; again < 2; again++) expect(() => deframer.next()).toThrow();
  });

  test("may not end inside a message", () => {
    const deframer = new Deframer();
    deframer.push(framed(Uint8Array.of(1, 2, 3)).slice(0, 6));
    expect(deframer.next()).toBeUndefined();
    expect(() => deframer.finish()).toThrow();
  });
});

function framed(message: Bytes): Bytes {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, message.length);
  return concat(length, message);
}

function cut(stream: Bytes, cuts: readonly number[]): Bytes[] {
  const deframer = new Deframer();
  const found: Bytes[] = [];
  const ends = [...cuts.filter((end) => end < stream.length), stream.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    deframer.push(stream.slice(start, end));
    start = end;
    for (let message = deframer.next(); message !== undefined; message = deframer.next()) {
      found.push(message);
    }
  }
  deframer.finish();
  return found;
}

function viewerMessage(said: { type: string } & Record<string, unknown>): ViewerMessage {
  switch (said.type) {
    case "ATTACH": {
      const at = said["position"] as Place | null;
      const attach = {
        type: "attach",
        viewer: hex(String(said["viewer"])),
        mode: said["mode"] as "drive" | "read-only",
        size: said["size"] as Size,
      } as const;
      return at === null ? attach : { ...attach, position: place(at) };
    }
    case "INPUT":
      return { type: "input", seq: number(said["seq"]), bytes: hex(String(said["bytes"])) };
    case "RESIZE":
      return { type: "resize", size: said["size"] as Size };
    case "ACK":
      return { type: "ack", offset: number(said["offset"]) };
    case "TAKE":
      return { type: "take" };
    case "DETACH":
      return { type: "detach" };
    default:
      throw new Error(`a vector of an unknown message: ${said.type}`);
  }
}

function nodeMessage(said: { type: string } & Record<string, unknown>): NodeMessage {
  switch (said.type) {
    case "ATTACHED":
      return {
        type: "attached",
        position: place(said["position"] as Place),
        driver: said["driver"] as boolean,
        size: said["size"] as Size,
        applied: number(said["applied"]),
      };
    case "SNAPSHOT":
      return {
        type: "snapshot",
        position: place(said["position"] as Place),
        size: said["size"] as Size,
        last: said["last"] as boolean,
        bytes: hex(String(said["bytes"])),
      };
    case "OUTPUT":
      return { type: "output", offset: number(said["offset"]), bytes: hex(String(said["bytes"])) };
    case "SKIPPED":
      return { type: "skipped", from: number(said["from"]), to: number(said["to"]) };
    case "SIZE":
      return { type: "size", size: said["size"] as Size, driver: said["driver"] as boolean };
    case "INPUT_ACK":
      return { type: "input-ack", seq: number(said["seq"]) };
    case "EXITED":
      return {
        type: "exited",
        exit: exit(said["exit"] as { code?: number; signal?: number } | null),
      };
    case "ignored":
      return { type: "ignored", kind: said["kind"] as number };
    default:
      throw new Error(`a vector of an unknown message: ${said.type}`);
  }
}

function exit(said: { code?: number; signal?: number } | null): Exit {
  if (said?.code !== undefined) return { kind: "code", code: said.code };
  if (said?.signal !== undefined) return { kind: "signal", signal: said.signal };
  return { kind: "lost" };
}
