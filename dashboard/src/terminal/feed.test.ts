// @vitest-environment node
// A viewer against a model of a node: whatever breaks whenever, no output is doubled or silently
// missing, and nothing typed is applied twice.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Bytes, concat, utf8 } from "../session/wire/bytes.ts";
import { type Act, HOLD, TerminalFeed } from "./feed.ts";
import type { NodeMessage, Position, ViewerMessage } from "./protocol.ts";

const SIZE = { cols: 80, rows: 24 };
const EPOCH = 7n;

function feed(mode: "drive" | "read-only" = "drive"): TerminalFeed {
  return new TerminalFeed({ viewer: new Uint8Array(16), mode, size: SIZE });
}

function attached(offset: bigint, more: Partial<Extract<NodeMessage, { type: "attached" }>> = {}) {
  const position = { epoch: EPOCH, offset };
  return { type: "attached", position, driver: true, size: SIZE, applied: 0n, ...more } as const;
}

function snapshot(offset: bigint, text = "", last = true, epoch = EPOCH) {
  const position = { epoch, offset };
  return { type: "snapshot", position, size: SIZE, last, bytes: utf8(text) } as const;
}

function output(offset: bigint, text: string) {
  return { type: "output", offset, bytes: utf8(text) } as const;
}

function sent(acts: readonly Act[]): ViewerMessage[] {
  return acts.flatMap((act) => (act.type === "send" ? [act.message] : []));
}

/** A viewer that has attached at `offset`, with a screen. */
function standing(offset = 0n): TerminalFeed {
  const viewer = feed();
  viewer.hear(attached(offset), 0);
  viewer.hear(snapshot(offset), 0);
  return viewer;
}

describe("output", () => {
  test("a viewer that comes back names where it was, and goes on there", () => {
    const viewer = standing(100n);
    expect(viewer.hear(output(100n, "hello"), 0)).toEqual([
      { type: "show", bytes: utf8("hello"), upto: 105n },
    ]);
    viewer.lose();
    const position = { epoch: EPOCH, offset: 105n };
    expect(viewer.attach()).toMatchObject({ type: "attach", position });
    viewer.hear(attached(105n), 0);
    expect(viewer.hear(output(105n, "!"), 0)).toMatchObject([{ type: "show", upto: 106n }]);
  });

  test("that does not follow on what was before is a fault, and never shown", () => {
    for (const offset of [99n, 101n]) {
      expect(standing(100n).hear(output(offset, "x"), 0)).toMatchObject([{ type: "fault" }]);
    }
    const viewer = feed();
    viewer.hear(attached(0n), 0);
    expect(viewer.hear(output(0n, "before any screen"), 0)).toMatchObject([{ type: "fault" }]);
  });

  test("that was skipped is marked with how much, and a new screen follows", () => {
    const viewer = standing(10n);
    expect(viewer.hear({ type: "skipped", from: 10n, to: 3_000_010n }, 0)).toEqual([
      { type: "skipped", from: 10n, to: 3_000_010n, bytes: 3_000_000 },
    ]);
    expect(viewer.hear(output(3_000_010n, "x"), 0)).toMatchObject([{ type: "fault" }]);
    expect(viewer.hear(snapshot(3_000_010n, "screen"), 0)).toMatchObject([{ type: "redraw" }]);
    expect(viewer.hear(output(3_000_010n, "x"), 0)).toMatchObject([{ type: "show" }]);
  });

  test("a screen is drawn only once it is whole, and a half one is forgotten", () => {
    const viewer = feed();
    viewer.hear(attached(5n), 0);
    expect(viewer.hear(snapshot(5n, "ha", false), 0)).toEqual([]);
    viewer.lose();
    expect(viewer.attach()).not.toHaveProperty("position");
    viewer.hear(attached(9n), 0);
    expect(viewer.hear(snapshot(9n, "who", false), 0)).toEqual([]);
    expect(viewer.hear(snapshot(9n, "le", true), 0)).toEqual([
      { type: "redraw", size: SIZE, bytes: utf8("whole"), upto: 9n },
    ]);
  });

  test("a screen without end is a fault", () => {
    const viewer = feed();
    viewer.hear(attached(0n), 0);
    const part: NodeMessage = { ...snapshot(0n, "", false), bytes: new Uint8Array(65_536) };
    for (let count = 0; count < 128; count++) expect(viewer.hear(part, 0)).toEqual([]);
    expect(viewer.hear(part, 0)).toMatchObject([{ type: "fault" }]);
  });

  test("that is less than a step is acknowledged too, once nothing more comes", () => {
    const viewer = standing();
    viewer.hear(output(0n, "x".repeat(40_000)), 0);
    viewer.hear(output(40_000n, "the rest"), 0);
    expect(sent(viewer.shown(40_000n))).toEqual([{ type: "ack", offset: 40_000n }]);
    expect(viewer.shown(40_008n)).toEqual([]);
    expect(sent(viewer.settled())).toEqual([{ type: "ack", offset: 40_008n }]);
    expect(viewer.settled()).toEqual([]);
    viewer.hear(output(40_008n, "more"), 0);
    expect(viewer.settled()).toEqual([]);
    viewer.shown(40_012n);
    viewer.lose();
    expect(viewer.settled()).toEqual([]);
  });

  test("is acknowledged in steps once it is shown, and not before", () => {
    const viewer = standing();
    const text = "x".repeat(20_000);
    viewer.hear(output(0n, text), 0);
    viewer.hear(output(20_000n, text), 0);
    expect(viewer.shown(20_000n)).toEqual([]);
    expect(sent(viewer.shown(40_000n))).toEqual([{ type: "ack", offset: 40_000n }]);
    expect(viewer.shown(40_000n)).toEqual([]);
    // A late word about what an earlier process has shown is not about this one.
    expect(viewer.shown(999_999n)).toEqual([]);
  });
});

describe("input", () => {
  test("is numbered, sent at once, and sent again only if it was not applied", () => {
    const viewer = standing();
    expect(sent(viewer.type(utf8("a"), 0))).toEqual([{ type: "input", seq: 1n, bytes: utf8("a") }]);
    viewer.type(utf8("b"), 0);
    viewer.type(utf8("c"), 0);
    viewer.hear({ type: "input-ack", seq: 1n }, 0);
    viewer.lose();
    expect(sent(viewer.hear(attached(0n, { applied: 2n }), 1_000))).toEqual([
      { type: "input", seq: 3n, bytes: utf8("c") },
    ]);
  });

  test("that was typed into nothing is held for five seconds, and never sent later", () => {
    const viewer = standing();
    viewer.lose();
    viewer.type(utf8("early"), 0);
    viewer.type(utf8("late"), 3_000);
    expect(viewer.dueAt).toBe(HOLD);
    expect(viewer.tick(HOLD - 1)).toEqual([]);
    expect(viewer.tick(HOLD)).toEqual([{ type: "gave-up", bytes: 5 }]);
    expect(sent(viewer.hear(attached(0n), HOLD + 1))).toMatchObject([{ bytes: utf8("late") }]);
  });

  test("that was sent and not acknowledged is not sent again after five seconds either", () => {
    const viewer = standing();
    viewer.type(utf8("rm"), 0);
    viewer.lose();
    const acts = viewer.hear(attached(0n), 60_000);
    expect(sent(acts)).toEqual([]);
    expect(acts).toContainEqual({ type: "gave-up", bytes: 2 });
  });

  test("that was meant for another process is dropped, and said", () => {
    const viewer = standing();
    viewer.type(utf8("exit"), 0);
    viewer.lose();
    const acts = viewer.hear(attached(0n, { position: { epoch: 8n, offset: 0n } }), 10);
    expect(sent(acts)).toEqual([]);
    expect(acts).toContainEqual({ type: "gave-up", bytes: 4 });
  });

  test("is bounded, and what is beyond is said to be lost", () => {
    const viewer = standing();
    viewer.lose();
    const acts = viewer.type(new Uint8Array(400_000), 0);
    const lost = acts.reduce((sum, act) => sum + (act.type === "gave-up" ? act.bytes : 0), 0);
    expect(lost).toBeGreaterThanOrEqual(400_000 - 262_144);
    const again = sent(viewer.hear(attached(0n), 0)).reduce(
      (sum, message) => sum + (message.type === "input" ? message.bytes.length : 0),
      0,
    );
    expect(again + lost).toBe(400_000);
    expect(again).toBeLessThanOrEqual(262_144);
  });

  test("of a viewer that only watches goes nowhere", () => {
    const viewer = feed("read-only");
    viewer.hear(attached(0n, { driver: false }), 0);
    expect(viewer.type(utf8("x"), 0)).toEqual([]);
    expect(viewer.take()).toEqual([]);
  });
});

describe("the size", () => {
  test("is told when the window changes, and again when it changed while nobody listened", () => {
    const viewer = standing();
    const size = { cols: 100, rows: 30 };
    expect(sent(viewer.resize(size))).toEqual([{ type: "resize", size }]);
    viewer.lose();
    const later = { cols: 120, rows: 40 };
    viewer.attach();
    expect(viewer.resize(later)).toEqual([]);
    expect(sent(viewer.hear(attached(0n), 0))).toEqual([{ type: "resize", size: later }]);
  });

  test("belongs to the driver, and is taken over on request", () => {
    const viewer = standing();
    expect(viewer.drives).toBe(true);
    const size = { cols: 40, rows: 10 };
    expect(viewer.hear({ type: "size", size, driver: false }, 0)).toEqual([
      { type: "size", size, driver: false },
    ]);
    expect(viewer.hear({ type: "size", size, driver: false }, 0)).toEqual([]);
    expect(sent(viewer.take())).toEqual([{ type: "take" }]);
  });
});

test("an end is told as it was, and takes no more input", () => {
  const viewer = standing();
  const exit = { kind: "lost" } as const;
  expect(viewer.hear({ type: "exited", exit }, 0)).toEqual([{ type: "exited", exit }]);
  expect(viewer.type(utf8("x"), 0)).toEqual([]);
});

test("whatever breaks whenever, output is exact and input is applied once", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ act: fc.constant("type" as const), n: fc.nat(5) }) },
    { weight: 4, arbitrary: fc.record({ act: fc.constant("print" as const), n: fc.nat(40) }) },
    { weight: 4, arbitrary: fc.record({ act: fc.constant("deliver" as const), n: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ act: fc.constant("break" as const), n: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("skip" as const), n: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("wait" as const), n: fc.nat(4_000) }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant("restart" as const), n: fc.nat(1) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const model = new Model();
      for (const { act, n } of steps) model.step(act, n);
      model.settle();
    }),
    { numRuns: 300 },
  );
});

/** A node with one process, a viewer, and a conversation that may break with what is under way. */
class Model {
  readonly #viewer = feed();
  #now = 0;
  #epoch = 1n;
  #log = "";
  /** Where the log that is still kept begins. */
  #kept = 0;
  #applied = 0n;
  /** What was typed, by its number, and how often it was applied. */
  readonly #typed = new Map<bigint, number>();
  #typedBytes = 0;
  #appliedBytes = 0;
  #gaveUp = 0;
  #toNode: ViewerMessage[] | undefined;
  #toViewer: NodeMessage[] = [];
  #cursor: number | undefined;
  /** What the viewer shows: text of the epoch, with holes that were said. */
  #shown = { epoch: 0n, upto: 0 };

  step(act: string, n: number): void {
    switch (act) {
      case "type": {
        const bytes = utf8("k".repeat(n + 1));
        this.#typedBytes += bytes.length;
        this.#do(this.#viewer.type(bytes, this.#now));
        return;
      }
      case "print":
        this.#log += "o".repeat(n + 1);
        this.#flush();
        return;
      case "deliver":
        for (let count = 0; count <= n; count++) this.#deliver();
        return;
      case "break":
        this.#break(n);
        return;
      case "skip":
        this.#kept = Math.min(this.#kept + n, this.#log.length);
        return;
      case "wait":
        this.#now += n;
        this.#do(this.#viewer.tick(this.#now));
        return;
      case "restart":
        this.#break(0);
        this.#epoch++;
        this.#log = "";
        this.#kept = 0;
        this.#applied = 0n;
    }
  }

  /** In the end everything arrives, and the books are straight. */
  settle(): void {
    if (this.#toNode === undefined) this.#begin();
    while (this.#toViewer.length > 0 || (this.#toNode?.length ?? 0) > 0) this.#deliver();
    expect(this.#viewer.isThrough).toBe(true);
    expect(this.#shown).toEqual({ epoch: this.#epoch, upto: this.#log.length });
    // Each byte was applied, or was given up and said; what was sent into a conversation that
    // broke can be both, for nobody knows.
    expect(this.#appliedBytes + this.#gaveUp).toBeGreaterThanOrEqual(this.#typedBytes);
    for (const times of this.#typed.values()) expect(times).toBeLessThanOrEqual(1);
  }

  #begin(): void {
    this.#toNode = [];
    this.#toViewer = [];
    this.#cursor = undefined;
    this.#toNode.push(this.#viewer.attach());
  }

  #break(n: number): void {
    // Some of what is under way still arrives at the node.
    for (let count = 0; count < n; count++) this.#atNode();
    this.#toNode = undefined;
    this.#toViewer = [];
    this.#cursor = undefined;
    this.#viewer.lose();
  }

  #deliver(): void {
    if (this.#toNode === undefined) {
      this.#begin();
      return;
    }
    this.#atNode();
    const message = this.#toViewer.shift();
    if (message !== undefined) this.#do(this.#viewer.hear(message, this.#now));
  }

  #atNode(): void {
    const message = this.#toNode?.shift();
    if (message === undefined) return;
    if (message.type === "attach") this.#attach(message.position);
    if (message.type !== "input") return;
    if (message.seq > this.#applied) {
      this.#applied = message.seq;
      this.#appliedBytes += message.bytes.length;
      this.#typed.set(message.seq, (this.#typed.get(message.seq) ?? 0) + 1);
    }
    this.#toViewer.push({ type: "input-ack", seq: message.seq });
  }

  #attach(named: Position | undefined): void {
    const end = this.#log.length;
    const at =
      named?.epoch === this.#epoch && named.offset <= end ? Number(named.offset) : undefined;
    const goesOn = at !== undefined && at >= this.#kept ? at : end;
    this.#cursor = goesOn;
    const position = { epoch: this.#epoch, offset: BigInt(goesOn) };
    this.#toViewer.push(attached(0n, { position, applied: this.#applied }));
    if (at !== undefined && at < this.#kept && at < goesOn) {
      this.#toViewer.push({ type: "skipped", from: BigInt(at), to: BigInt(goesOn) });
    }
    if (at !== goesOn) this.#toViewer.push(snapshot(BigInt(goesOn), "", true, this.#epoch));
    this.#flush();
  }

  #flush(): void {
    if (this.#cursor === undefined || this.#cursor >= this.#log.length) return;
    this.#toViewer.push(output(BigInt(this.#cursor), this.#log.slice(this.#cursor)));
    this.#cursor = this.#log.length;
  }

  #do(acts: readonly Act[]): void {
    for (const act of acts) {
      switch (act.type) {
        case "send":
          this.#toNode?.push(act.message);
          break;
        case "redraw":
          this.#shown = { epoch: this.#epoch, upto: Number(act.upto) };
          break;
        case "show":
          // Just what follows, and just what the log has there.
          expect(Number(act.upto) - act.bytes.length).toBe(this.#shown.upto);
          expect(new TextDecoder().decode(act.bytes)).toBe(
            this.#log.slice(this.#shown.upto, Number(act.upto)),
          );
          this.#shown = { epoch: this.#epoch, upto: Number(act.upto) };
          break;
        case "gave-up":
          this.#gaveUp += act.bytes;
          break;
        case "fault":
          throw new Error(act.why);
        case "skipped":
        case "size":
        case "attached":
        case "exited":
          break;
      }
    }
  }
}

test("many small pieces of a screen are joined in order", () => {
  const viewer = feed();
  viewer.hear(attached(0n), 0);
  const parts: Bytes[] = Array.from({ length: 50 }, (_, at) => utf8(`${at},`));
  let drawn: readonly Act[] = [];
  parts.forEach((bytes, at) => {
    drawn = viewer.hear({ ...snapshot(0n), bytes, last: at === 49 }, 0);
  });
  expect(drawn).toMatchObject([{ type: "redraw", bytes: concat(...parts) }]);
});
