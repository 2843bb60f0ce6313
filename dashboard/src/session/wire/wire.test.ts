// @vitest-environment node
// Texts and queues that strangers fill.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseHost, parseName } from "../identity/name.ts";
import { formatRelayAddress, parseMachineAddress, parseRelayAddress } from "../identity/relay.ts";
import { type Bytes, concat, utf8 } from "./bytes.ts";
import { ByteQueue } from "./queue.ts";
import { fromBase32, fromBase64Url, fromHex, toBase32, toBase64Url, toHex } from "./text.ts";

describe("bytes as text", () => {
  const ways = [
    { to: toHex, from: fromHex },
    { to: toBase32, from: fromBase32 },
    { to: toBase64Url, from: fromBase64Url },
  ];

  test.each(ways)("come back as they were", ({ to, from }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(from(to(bytes), "test")).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  test.each(ways)("have one text only", ({ to, from }) => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9_=-]{0,12}$/), (text) => {
        let bytes: Bytes;
        try {
          bytes = from(text, "test");
        } catch {
          return;
        }
        expect(to(bytes)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a queue of bytes", () => {
  test("gives back what it was given, in order, whatever the pieces", () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 3_000 }) }),
      fc.record({ take: fc.integer({ min: 0, max: 6_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new ByteQueue();
        let model: number[] = [];
        let next = 0;
        for (const one of steps) {
          if ("push" in one) {
            const bytes = Uint8Array.from({ length: one.push }, () => next++ % 251);
            queue.push(bytes);
            model.push(...bytes);
          } else {
            const taken = queue.take(one.take);
            if (taken === undefined) expect(one.take === 0 || model.length === 0).toBe(true);
            else {
              expect([...taken]).toEqual(model.slice(0, taken.length));
              model = model.slice(taken.length);
            }
          }
          expect(queue.length).toBe(model.length);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("of single bytes that were cut from large buffers keeps none of these", () => {
    const queue = new ByteQueue();
    for (let count = 0; count < 10_000; count++) queue.push(new Uint8Array(16_384).subarray(7, 8));
    const buffers = new Set<ArrayBuffer>();
    for (let piece = queue.take(65_536); piece !== undefined; piece = queue.take(65_536)) {
      buffers.add(piece.buffer);
    }
    const held = [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    expect(held).toBeLessThanOrEqual(16_384);
  });
});

describe("names and addresses", () => {
  test("a hostile name can't reach a screen", () => {
    for (const bad of [
      "a\u001b[31m",
      "a\nb",
      "a\u202eb",
      "\u200d",
      "\u2800",
      "a\u{e0041}",
      "\ud800",
    ]) {
      expect(() => parseName(bad), JSON.stringify(bad)).toThrow();
    }
    for (const good of ["ada", "büro", "می\u200cخواهم", "❤\ufe0f", "机器", "a<b>&amp;"]) {
      expect(parseName(good)).toBe(good);
    }
    expect(parseName("x".repeat(64))).toHaveLength(64);
  });

  test("any text is a name or an error", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          expect(utf8(parseName(text)).length).toBeLessThanOrEqual(64);
        } catch (error) {
          expect(error).toMatchObject({ name: "WireError" });
        }
      }),
    );
  });

  test("a host is written in one way only", () => {
    const bad = ["", "Relay.example", "relay.example.", "a..b", "a:8443", "[::1]", "0:0::1", "a/b"];
    bad.push("1.2.3", "0x7f", "a.0x1f", "a.1", "::ffff:7f00:1", "fe80::1%eth0", "01.2.3.4", "-a");
    for (const host of bad) expect(() => parseHost(host), host).toThrow();
    const good = [
      "localhost",
      "relay.example",
      "127.0.0.1",
      "::1",
      "::ffff:127.0.0.1",
      "2001:db8::1",
    ];
    for (const host of good) expect(parseHost(host)).toBe(host);
  });

  test("a relay has one text", () => {
    const pin = toBase64Url(new Uint8Array(32).fill(7));
    const good = ["relay.example", "relay.example:8443", "[::1]:8443", `127.0.0.1~${pin}`];
    for (const text of good) expect(formatRelayAddress(parseRelayAddress(text))).toBe(text);
    const bad = [
      "relay.example:443",
      "relay.example:08443",
      "relay.example:0",
      "relay.example:65536",
    ];
    bad.push("::1", "[::1", "[relay.example]", "a~", `a~${pin}x`, "a:1:2", "a b", "");
    for (const text of bad) expect(() => parseRelayAddress(text), text).toThrow();
    const address = parseMachineAddress("7ysfeacgl67lygdarvjsj6cdsq.relay.example:8443");
    expect(address.relay.port).toBe(8443);
  });
});

test("concat makes memory of its own", () => {
  const source = Uint8Array.of(1, 2, 3);
  const joined = concat(source.subarray(1));
  source.fill(9);
  expect([...joined]).toEqual([2, 3]);
});
