// @vitest-environment node
// Output over breaks: a model of a log, an answer that breaks anywhere, and a reader who must have all.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../session/testing/clock.ts";
import { utf8 } from "../session/wire/bytes.ts";
import { type OutputPiece, OutputRefused, type OutputWay, readOutput } from "./output.ts";

const EPOCH = "00000000000000ff";

/** A log, and a way on which each answer breaks after so many bytes. */
function logOf(text: string, breaks: readonly number[], kept = 0): OutputWay & { asked: string[] } {
  const left = [...breaks];
  const asked: string[] = [];
  return {
    asked,
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      asked.push(pathname + new URL(request.url).search);
      const wanted = Number(searchParams.get("from") ?? 0);
      const from = Math.max(wanted, kept);
      const most = left.shift();
      if (most === 0) throw new Error("no way");
      const headers = new Headers({ "gantline-epoch": EPOCH, "gantline-offset": String(from) });
      if (from > wanted) headers.set("gantline-gap", `${wanted}-${from}`);
      const rest = text.slice(from);
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          const whole = most === undefined || most >= rest.length;
          const part = utf8(whole ? rest : rest.slice(0, most));
          if (part.length > 0) controller.enqueue(part);
          if (whole) controller.close();
        },
        pull(controller) {
          controller.error(new Error("broke"));
        },
      });
      return new Response(body, { headers });
    },
  };
}

async function readAll(way: OutputWay, clock: VirtualClock, from?: bigint): Promise<OutputPiece[]> {
  const pieces: OutputPiece[] = [];
  const { signal } = new AbortController();
  const position = from === undefined ? {} : { from: { epoch: 0xffn, offset: from } };
  const reading = (async () => {
    for await (const piece of readOutput(way, "ag-abcde", { ...position, signal, clock })) {
      pieces.push(piece);
    }
  })();
  reading.catch(() => undefined);
  await clock.pass(600_000);
  await reading;
  return pieces;
}

function textOf(pieces: readonly OutputPiece[]): string {
  return pieces
    .map((piece) => (piece.type === "bytes" ? new TextDecoder().decode(piece.bytes) : ""))
    .join("");
}

describe("output", () => {
  test("is whole and never doubled, wherever it breaks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(60),
        fc.array(fc.nat(20), { maxLength: 8 }),
        async (length, breaks) => {
          const text = Array.from({ length }, (_, at) => String.fromCharCode(97 + (at % 26))).join(
            "",
          );
          const pieces = await readAll(logOf(text, breaks), new VirtualClock());
          expect(textOf(pieces)).toBe(text);
          let at = 0n;
          for (const piece of pieces) {
            if (piece.type !== "bytes") continue;
            expect(piece.position.offset).toBe(at);
            at += BigInt(piece.bytes.length);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("that is no longer kept is said to be gone", async () => {
    const pieces = await readAll(logOf("0123456789", [], 4), new VirtualClock(), 1n);
    expect(pieces[0]).toEqual({ type: "gap", from: 1n, to: 4n });
    expect(textOf(pieces)).toBe("456789");
  });

  test("is asked for by the life that it is of", async () => {
    const way = logOf("0123456789", [3]);
    await readAll(way, new VirtualClock());
    expect(way.asked).toEqual([
      "/v1/agents/ag-abcde/output",
      `/v1/agents/ag-abcde/output?from=3&epoch=${EPOCH}`,
    ]);
  });

  test("of another life, or of nobody, is refused and not asked for again", async () => {
    let asks = 0;
    const way = {
      async fetch() {
        asks++;
        return Response.json({ code: "conflict" }, { status: 409 });
      },
    };
    await expect(readAll(way, new VirtualClock())).rejects.toBeInstanceOf(OutputRefused);
    expect(asks).toBe(1);
  });

  test("that begins elsewhere than was asked for is never taken for the rest", async () => {
    const way = {
      fetch: async () =>
        new Response("x", { headers: { "gantline-epoch": EPOCH, "gantline-offset": "9" } }),
    };
    await expect(readAll(way, new VirtualClock(), 1n)).rejects.toThrow("elsewhere");
  });

  test("that nobody wants any more is given up at once", async () => {
    const abort = new AbortController();
    const way = { fetch: () => Promise.reject(new Error("no way")) };
    const options = { signal: abort.signal, clock: new VirtualClock() };
    const first = readOutput(way, "ag-abcde", options).next();
    abort.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
  });
});
