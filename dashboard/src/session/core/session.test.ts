// @vitest-environment node
// What a session promises, whatever the pipe and the peer do.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { End, ends, keyPairs, settle } from "../testing/ends.ts";
import { type Bytes, concat, equal, utf8 } from "../wire/bytes.ts";
import { CLOSE, GOAWAY, RESET } from "./codes.ts";
import { SESSION_WINDOW, STREAM_WINDOW } from "./credit.ts";
import type { Event } from "./event.ts";
import { encodeFrame, type Frame, MAX_DATA } from "./frame.ts";
import { MAX_STREAMS } from "./receive.ts";
import { MAX_PLAINTEXT, padded, RECORDS_PER_KEY, Sealer } from "./record.ts";
import { Session } from "./session.ts";

const GET = { method: "GET", path: "/", fields: [] } as const;

/** Bytes that tell where they belong. */
function pattern(length: number, from = 0): Bytes {
  return Uint8Array.from({ length }, (_, at) => (from + at) % 251);
}

function opened(end: End): number {
  const number = end.session.open(GET);
  if (typeof number !== "number") throw new Error(number);
  return number;
}

function dataOf(events: readonly Event[], stream: number): Bytes {
  const parts = events.flatMap((event) =>
    event.type === "data" && event.stream === stream ? [event.bytes] : [],
  );
  return concat(...parts);
}

describe("bytes arrive as they were sent", () => {
  test("however the pipe cuts them", () => {
    const cuts = fc.array(fc.nat(40_000), { maxLength: 30 });
    fc.assert(
      fc.property(fc.array(fc.nat(9_000), { maxLength: 8 }), cuts, cuts, (lengths, there, back) => {
        const { device, node } = ends();
        const stream = opened(device);
        let sent = 0;
        for (const length of lengths) {
          expect(device.session.write(stream, pattern(length, sent))).toBe(true);
          sent += length;
        }
        device.session.finish(stream);
        const heard = node.hear(0, device.say(0), there);
        expect(equal(dataOf(heard, stream), pattern(sent))).toBe(true);
        expect(heard.at(-1)).toEqual({ type: "finished", stream });
        expect(node.session.answer(stream, { status: 200, fields: [["a", "b"]] })).toBe(true);
        node.session.write(stream, pattern(sent));
        node.session.finish(stream);
        const answer = device.hear(0, node.say(0), back);
        expect(answer).toContainEqual({
          type: "answered",
          stream,
          head: { status: 200, fields: [["a", "b"]] },
        });
        expect(equal(dataOf(answer, stream), pattern(sent))).toBe(true);
        expect([device.session.streams, node.session.streams]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });

  test("byte by byte", () => {
    const { device, node } = ends();
    const stream = opened(device);
    device.session.write(stream, pattern(3_000));
    const bytes = device.say(0);
    const heard = node.hear(0, bytes, [...bytes.keys()]);
    expect(equal(dataOf(heard, stream), pattern(3_000))).toBe(true);
  });
});

describe("credit", () => {
  test("a sender is neither stuck nor let through, by a model that only counts", () => {
    const step = fc.oneof(
      fc.record({ act: fc.constant("write" as const), stream: fc.nat(3), bytes: fc.nat(400_000) }),
      fc.record({ act: fc.constant("read" as const), stream: fc.nat(3), bytes: fc.nat(400_000) }),
      fc.record({ act: fc.constant("pass" as const), stream: fc.nat(3), bytes: fc.nat(1) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { device, node } = ends();
        const numbers = [0, 1, 2, 3].map(() => opened(device));
        const model = numbers.map(() => ({ written: 0, arrived: 0, read: 0 }));
        const pass = () => {
          for (const event of node.hear(0, device.say(0))) {
            const one = event.type === "data" ? model[numbers.indexOf(event.stream)] : undefined;
            if (event.type === "data" && one !== undefined) {
              expect(event.bytes[0]).toBe(one.arrived % 251);
              one.arrived += event.bytes.length;
            }
          }
          device.hear(0, node.say(0));
        };
        for (const { act, stream, bytes } of steps) {
          const number = numbers[stream] ?? 1;
          const one = model[stream] ?? { written: 0, arrived: 0, read: 0 };
          if (act === "write") {
            const piece = pattern(Math.min(bytes, device.session.writable(number)), one.written);
            expect(device.session.write(number, piece)).toBe(true);
            one.written += piece.length;
          } else if (act === "read") {
            const dealt = Math.min(bytes, one.arrived - one.read);
            node.session.consumed(number, dealt);
            one.read += dealt;
          } else pass();
          for (const each of model) {
            // Windows grow to 4 MiB at most, so no more than that is ever unread.
            expect(each.arrived - each.read).toBeLessThanOrEqual(SESSION_WINDOW);
          }
        }
        pass();
        pass();
        model.forEach((one, at) => {
          expect(one.arrived).toBe(one.written);
          const number = numbers[at] ?? 1;
          const hasRoom = one.arrived - one.read < STREAM_WINDOW;
          const total = model.reduce((sum, each) => sum + each.arrived - each.read, 0);
          if (hasRoom && total < SESSION_WINDOW) {
            expect(device.session.writable(number)).toBeGreaterThan(0);
          }
        });
        expect(node.session.end).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  test("what is thrown away after a reset is given back, and the session does not starve", () => {
    const { device, node } = ends();
    for (let round = 0; round < 40; round++) {
      const stream = opened(device);
      device.session.finish(stream);
      node.hear(0, device.say(0));
      node.session.answer(stream, { status: 200, fields: [] });
      const room = node.session.writable(stream);
      expect(room).toBe(STREAM_WINDOW);
      node.session.write(stream, pattern(room));
      const onItsWay = node.say(0);
      device.session.reset(stream, RESET.cancelled);
      device.hear(0, onItsWay);
      settle(device, node);
    }
    expect(device.session.end).toBeUndefined();
  });

  test("one byte beyond a limit ends the session", () => {
    const { device, node, sealer } = hostileNode();
    const stream = opened(device);
    device.session.finish(stream);
    device.say(0);
    const data = (length: number): Frame => ({ type: "DATA", stream, bytes: pattern(length) });
    node(sealer, { type: "HEAD", stream, head: { status: 200, fields: [] } });
    for (let left = STREAM_WINDOW; left > 0; left -= 4_096) node(sealer, data(4_096));
    expect(device.session.end).toBeUndefined();
    node(sealer, data(1));
    expect(device.session.end).toMatchObject({ kind: "protocol" });
  });
});

describe("a hostile machine", () => {
  const HEADED: Frame = { type: "HEAD", stream: 1, head: { status: 200, fields: [] } };
  const hi: Frame = { type: "DATA", stream: 1, bytes: utf8("hi") };
  const broken: [string, Frame[]][] = [
    ["a second HELLO", [{ type: "HELLO", hello: { min: 1, max: 1, features: [] } }]],
    ["DATA before HEAD", [hi]],
    ["FIN before HEAD", [{ type: "FIN", stream: 1, total: 0n }]],
    ["a second HEAD", [HEADED, HEADED]],
    ["a FIN that counts wrong", [HEADED, hi, { type: "FIN", stream: 1, total: 3n }]],
    ["a FIN that counts beyond 2^53", [HEADED, { type: "FIN", stream: 1, total: 2n ** 63n }]],
    ["DATA after FIN", [HEADED, { type: "FIN", stream: 1, total: 0n }, hi]],
    ["DATA of a stream that never was", [{ type: "DATA", stream: 9, bytes: utf8("x") }]],
    ["RESET of a stream that never was", [{ type: "RESET", stream: 9, code: 0 }]],
    ["an OPEN of ours", [{ type: "OPEN", stream: 3, open: GET }]],
    ["a CREDIT that falls", [{ type: "CREDIT", stream: 1, limit: 1n }]],
    ["a CREDIT beyond 2^53", [{ type: "CREDIT", stream: 0, limit: 2n ** 53n }]],
    ["a PONG that nobody asked for", [{ type: "PONG", number: 1n }]],
    ["a PONG of 0", [{ type: "PONG", number: 0n }]],
    [
      "a GOAWAY that is taken back",
      [
        { type: "GOAWAY", code: 0, last: 1 },
        { type: "GOAWAY", code: 0, last: 3 },
      ],
    ],
    ["a frame behind REKEY", [{ type: "REKEY" }, { type: "PING", number: 1n }]],
    [
      "an OPEN that does not rise",
      [
        { type: "OPEN", stream: 4, open: GET },
        { type: "OPEN", stream: 4, open: GET },
      ],
    ],
  ];

  test.each(broken)("is told that it broke the protocol: %s", (_, frames) => {
    const { device, node, sealer } = hostileNode();
    device.session.finish(opened(device));
    device.say(0);
    node(sealer, ...frames);
    expect(device.session.end).toMatchObject({ kind: "protocol" });
    expect(device.session.transmit(0, 1)).toHaveLength(1);
    expect(device.session.isOver).toBe(true);
  });

  test("a machine that speaks another version is told so", () => {
    const keys = keyPairs();
    const device = new End(new Session("device", keys.device, 0));
    const hello: Frame = { type: "HELLO", hello: { min: 2, max: 7, features: [] } };
    device.hear(0, new Sealer(keys.node.send).seal(encodeFrame(hello), false));
    expect(device.session.end).toEqual({ kind: "version", min: 2, max: 7 });
  });

  test("whose words end with CLOSE 3 has removed this device", () => {
    const { device, node, sealer } = hostileNode();
    node(sealer, { type: "CLOSE", code: CLOSE.revoked, reason: "bye" });
    expect(device.session.end).toEqual({
      kind: "closed",
      by: "peer",
      code: CLOSE.revoked,
      reason: "bye",
    });
    expect(device.session.hasSomethingToSay(0)).toBe(false);
  });

  test("nothing that it sends in good records throws or grows without bound", () => {
    const { frame } = frames();
    fc.assert(
      fc.property(fc.array(fc.array(frame, { maxLength: 6 }), { maxLength: 12 }), (records) => {
        const { device, sealer } = hostileNode();
        for (let count = 0; count < 3; count++) opened(device);
        device.session.ping(0);
        device.say(0);
        for (const parts of records) {
          const plaintext = concat(...parts).subarray(0, MAX_PLAINTEXT);
          device.hear(0, sealer.seal(plaintext, false));
          device.say(0);
        }
        expect(device.session.streams).toBeLessThanOrEqual(2 * MAX_STREAMS);
        if (device.session.end !== undefined) expect(device.session.isOver).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("any bytes at all end in an error or in nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 10 }), (pieces) => {
        const { device } = ends();
        for (const piece of pieces) device.hear(0, Uint8Array.from(piece));
        const { end } = device.session;
        if (end !== undefined) expect(["tampered", "protocol"]).toContain(end.kind);
      }),
      { numRuns: 300 },
    );
  });

  test("every length of a record but those that may be is refused before it is read", () => {
    const keys = keyPairs();
    const refused: number[] = [];
    for (let length = 0; length <= 0xffff; length++) {
      // The keys are wiped with each session; no length is read that would need them.
      const device = new End(new Session("device", { ...keys.device }, 0));
      device.hear(0, Uint8Array.of(length >> 8, length & 0xff));
      if (device.session.end?.kind === "protocol") refused.push(length);
    }
    expect(refused).toHaveLength(65_536 - (16_400 - 16));
    expect(refused.some((length) => length > 16 && length <= 16_400)).toBe(false);
  });

  test.each([1, 127, 129, 1_025, 1_152, 2_047, 16_383])(
    "a record of %i bytes is not padded, and ends the session",
    (length) => {
      const { device, keys } = hostileNode();
      const sealed = keys.node.send.seal(new Uint8Array(length));
      device.hear(0, concat(Uint8Array.of(sealed.length >> 8, sealed.length & 0xff), sealed));
      expect(device.session.end).toMatchObject({ kind: "protocol" });
    },
  );

  test("bytes that hide in the padding end the session", () => {
    const { device, sealer } = hostileNode();
    const plaintext = new Uint8Array(128);
    plaintext[127] = 1;
    device.hear(0, sealer.seal(plaintext, false));
    expect(device.session.end).toMatchObject({ kind: "protocol" });
  });

  test("one bit changed anywhere ends the session without a word", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(7), (at, bit) => {
        const { device, node } = ends();
        node.hear(0, device.say(0));
        const stream = opened(device);
        node.hear(0, device.say(0));
        node.session.answer(stream, { status: 200, fields: [] });
        const bytes = node.say(0);
        // The length in front is in clear: changed, it is a wrong length or waits for more.
        const place = 2 + (at % (bytes.length - 2));
        bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
        expect(device.hear(0, bytes)).toEqual([]);
        expect(device.session.end).toEqual({ kind: "tampered" });
        expect(device.session.hasSomethingToSay(0)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  test("a record that is replayed, left out or moved ends the session", () => {
    for (const order of [[0, 0], [1, 0], [1]]) {
      const { device, node } = ends();
      node.hear(0, device.say(0));
      const said = [0, 1].map(() => {
        node.session.ping(0);
        return node.say(0);
      });
      device.hear(0, concat(...order.map((at) => said[at] ?? new Uint8Array(0))));
      expect(device.session.end).toEqual({ kind: "tampered" });
    }
  });

  test("a machine that makes us answer and does not read ends at 4 MiB", () => {
    const { device, node, sealer } = hostileNode();
    let stream = 0;
    const openAndReset = (): Frame[] => {
      stream += 2;
      return [
        { type: "OPEN", stream, open: GET },
        { type: "RESET", stream, code: 0 },
      ];
    };
    // A device refuses each stream, and answers each with a frame.
    for (let round = 0; round < 10_000 && device.session.end === undefined; round++) {
      for (const event of node(sealer, ...Array.from({ length: 100 }, openAndReset).flat())) {
        if (event.type === "opened") device.session.reset(event.stream, RESET.refused);
      }
    }
    expect(device.session.end).toEqual({ kind: "overload" });
  });
});

describe("keys and ages", () => {
  test("the 65,536th record of a key ends with REKEY, and the session goes on", () => {
    const { device, node } = ends();
    for (let record = 0; record < RECORDS_PER_KEY + 2; record++) {
      device.session.ping(0);
      node.hear(0, device.say(0));
      if (record % 1_000 === 0) device.hear(0, node.say(0));
    }
    expect(node.session.end).toBeUndefined();
    const stream = opened(device);
    expect(node.hear(0, device.say(0))).toContainEqual({ type: "opened", stream, open: GET });
  }, 60_000);

  test("a peer that does not change its key is refused at the next record", () => {
    const { device, keys } = hostileNode();
    const cipher = keys.node.send;
    // As many records as a key may seal, by a sealer that does not count.
    const plaintext = new Uint8Array(128);
    for (let record = 1; record <= RECORDS_PER_KEY; record++) {
      const sealed = cipher.seal(plaintext);
      const header = Uint8Array.of(sealed.length >> 8, sealed.length & 0xff);
      device.hear(0, concat(header, sealed));
      if (device.session.end !== undefined) {
        expect(record).toBe(RECORDS_PER_KEY);
        break;
      }
    }
    expect(device.session.end).toMatchObject({ kind: "protocol" });
  }, 60_000);

  test("a key is changed after ten minutes, also in silence", () => {
    const { device, node } = ends();
    node.hear(0, device.say(0));
    expect(device.session.deadline).toBe(600_000);
    device.session.onDeadline(600_000);
    const record = device.say(600_000);
    expect(record.length).toBe(2 + 128 + 16);
    node.hear(600_000, record);
    device.session.ping(600_000);
    node.hear(600_000, device.say(600_000));
    expect(node.session.end).toBeUndefined();
  });

  test("after 23 h 50 min no streams are taken, after 24 h it is over", () => {
    const { device, node } = ends();
    settle(device, node);
    const minute = 60_000;
    let now = 0;
    for (const at of [1_429, 1_430, 1_439]) {
      now = at * minute;
      for (const end of [device, node]) end.session.onDeadline(now);
      settle(device, node, now);
      expect(device.session.open(GET) === "going-away").toBe(at >= 1_430);
      settle(device, node, now);
    }
    device.session.onDeadline(1_440 * minute);
    node.hear(1_440 * minute, device.say(1_440 * minute));
    expect(node.session.end).toMatchObject({ kind: "closed", code: CLOSE.expired });
  });

  test("a stream that comes after GOAWAY is refused, and asking again is safe", () => {
    const { device, node } = ends();
    settle(device, node);
    node.session.goAway(GOAWAY.restart);
    const stream = opened(device);
    node.hear(0, device.say(0));
    expect(device.hear(0, node.say(0))).toContainEqual({
      type: "reset",
      stream,
      code: RESET.refused,
    });
  });

  test("a pipe that ends without CLOSE cuts the session off", () => {
    const { device } = ends();
    device.session.endOfInput();
    expect(device.session.end).toEqual({ kind: "cut-off" });
  });

  test("no more than 128 streams are opened, and a place is used again when it is free", () => {
    const { device, node } = ends();
    const numbers = Array.from({ length: MAX_STREAMS }, () => opened(device));
    expect(device.session.open(GET)).toBe("too-many");
    device.session.reset(numbers[0] ?? 1, RESET.cancelled);
    settle(device, node);
    expect(typeof device.session.open(GET)).toBe("number");
    settle(device, node);
    expect(node.session.end).toBeUndefined();
  });
});

/** A device, and somebody with the node's keys who says what he likes. */
function hostileNode() {
  const keys = keyPairs();
  const device = new End(new Session("device", keys.device, 0));
  const sealer = new Sealer(keys.node.send);
  const node = (by: Sealer, ...said: Frame[]): Event[] => {
    let record: Bytes[] = [];
    const heard: Event[] = [];
    const flush = () => {
      if (record.length > 0) heard.push(...device.hear(0, by.seal(concat(...record), false)));
      record = [];
    };
    for (const frame of said.map(encodeFrame)) {
      if (record.reduce((sum, one) => sum + one.length, frame.length) > MAX_PLAINTEXT) flush();
      record.push(frame);
    }
    flush();
    return heard;
  };
  node(sealer, { type: "HELLO", hello: { min: 1, max: 1, features: [] } });
  return { device, node, sealer, keys };
}

/** Frames of every kind, good and bad. */
function frames() {
  const stream = fc.integer({ min: 0, max: 8 });
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const long = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const raw = fc
    .record({
      kind: fc.integer({ min: 0, max: 255 }),
      stream,
      body: fc.uint8Array({ maxLength: 40 }),
    })
    .map(({ kind, stream: number, body }) =>
      concat(Uint8Array.of(kind, 0, 0, 0, number, 0, body.length), body),
    );
  const good: fc.Arbitrary<Frame> = fc.oneof(
    stream.map((number): Frame => ({ type: "OPEN", stream: number, open: GET })),
    stream.map(
      (number): Frame => ({ type: "HEAD", stream: number, head: { status: 200, fields: [] } }),
    ),
    fc
      .tuple(stream, fc.integer({ min: 1, max: 300 }))
      .map(([number, length]): Frame => ({ type: "DATA", stream: number, bytes: pattern(length) })),
    fc
      .tuple(stream, long)
      .map(([number, total]): Frame => ({ type: "FIN", stream: number, total })),
    fc
      .tuple(stream, word)
      .map(([number, code]): Frame => ({ type: "RESET", stream: number, code })),
    fc
      .tuple(stream, long)
      .map(([number, limit]): Frame => ({ type: "CREDIT", stream: number, limit })),
    long.map((number): Frame => ({ type: "PING", number })),
    long.map((number): Frame => ({ type: "PONG", number })),
    fc.tuple(word, word).map(([code, last]): Frame => ({ type: "GOAWAY", code, last })),
    fc.constant<Frame>({ type: "ignored", kind: 0x90 }),
  );
  return {
    frame: fc.oneof({ weight: 5, arbitrary: good.map(encodeFrame) }, { weight: 1, arbitrary: raw }),
  };
}

test("a record holds as much as it may, and is padded as it must be", () => {
  expect(padded(MAX_PLAINTEXT)).toBe(MAX_PLAINTEXT);
  const { device, node } = ends();
  const stream = opened(device);
  node.hear(0, device.say(0));
  device.session.write(stream, pattern(MAX_DATA));
  const record = device.say(0);
  expect(record.length).toBe(2 + MAX_PLAINTEXT + 16);
  expect(dataOf(node.hear(0, record), stream)).toHaveLength(MAX_DATA);
});
