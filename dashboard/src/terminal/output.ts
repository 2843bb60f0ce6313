// An agent's output as it was, from any place on: asks again after a break from the very byte where it
// was, so that nothing is doubled, and what is no longer kept is said (docs/protocol.md, 10.4).

import { type Clock, systemClock } from "../session/io/clock.ts";
import { type Bytes, concat } from "../session/wire/bytes.ts";
import type { Position } from "./protocol.ts";

/** What is used of a way to a machine. */
export interface OutputWay {
  fetch(request: Request): Promise<Response>;
}

export interface OutputOptions {
  /** Where to begin; the first byte that is kept if it is left out. */
  readonly from?: Position;
  /** Go on with what comes, until the agent has ended. */
  readonly follow?: boolean;
  /** Ends the reading, at once. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

export type OutputPiece =
  | { readonly type: "bytes"; readonly position: Position; readonly bytes: Bytes }
  /** These are no longer kept, and are not there to be had. */
  | { readonly type: "gap"; readonly from: bigint; readonly to: bigint };

/** The machine has no such output: no agent, no right, or another life of the process. */
export class OutputRefused extends Error {
  override readonly name = "OutputRefused";
  readonly status: number;
  readonly problem: unknown;

  constructor(status: number, problem: unknown) {
    super(`the machine refused the output with status ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** The bound of the first wait after a break, and of the longest, in milliseconds. */
const FIRST = 250;
const LONGEST = 5_000;
/** Statuses that pass: the node is busy, or about to stop. */
const PASSING = [429, 502, 503, 504];

/** Reads until the end, or until `signal`; throws `OutputRefused`, or the signal's reason. */
export async function* readOutput(
  way: OutputWay,
  agent: string,
  options: OutputOptions,
): AsyncGenerator<OutputPiece, void> {
  const { signal, clock = systemClock } = options;
  let at = options.from;
  let bound = FIRST;
  for (;;) {
    signal.throwIfAborted();
    try {
      const response = await way.fetch(request(agent, at, options));
      if (response.ok) {
        for await (const piece of piecesOf(response, at)) {
          if (piece.type === "bytes") {
            const { epoch, offset } = piece.position;
            at = { epoch, offset: offset + BigInt(piece.bytes.length) };
            bound = FIRST;
          }
          yield piece;
        }
        return;
      }
      const problem: unknown = await response.json().catch(() => undefined);
      if (!PASSING.includes(response.status)) throw new OutputRefused(response.status, problem);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof OutputRefused || error instanceof BadAnswer) throw error;
    }
    await pause(clock, Math.random() * bound, signal);
    bound = Math.min(2 * bound, LONGEST);
  }
}

function request(agent: string, at: Position | undefined, options: OutputOptions): Request {
  const query = new URLSearchParams();
  if (at !== undefined) {
    query.set("from", String(at.offset));
    query.set("epoch", at.epoch.toString(16).padStart(16, "0"));
  }
  if (options.follow === true) query.set("follow", "true");
  const path = `/v1/agents/${encodeURIComponent(agent)}/output?${query}`;
  return new Request(`http://machine.invalid${path}`, { signal: options.signal });
}

/** An answer whose fields say nothing that makes sense. */
class BadAnswer extends Error {
  override readonly name = "BadAnswer";
}

async function* piecesOf(
  response: Response,
  asked: Position | undefined,
): AsyncGenerator<OutputPiece, void> {
  const epoch = field(response, "gantline-epoch", /^[0-9a-f]{16}$/, (text) => BigInt(`0x${text}`));
  let offset = field(response, "gantline-offset", /^\d{1,20}$/, BigInt);
  const gap = response.headers.get("gantline-gap");
  if (gap !== null) {
    const [, from, to] = /^(\d{1,20})-(\d{1,20})$/.exec(gap) ?? [];
    if (from === undefined || to === undefined) throw new BadAnswer("its gap is none");
    yield { type: "gap", from: BigInt(from), to: BigInt(to) };
  } else if (asked !== undefined && (asked.epoch !== epoch || asked.offset !== offset)) {
    throw new BadAnswer("the output begins elsewhere than was asked for");
  }
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return;
      const bytes = concat(value);
      yield { type: "bytes", position: { epoch, offset }, bytes };
      offset += BigInt(bytes.length);
    }
  } finally {
    reader?.cancel().catch(() => undefined);
  }
}

function field<T>(response: Response, name: string, shape: RegExp, read: (text: string) => T): T {
  const text = response.headers.get(name) ?? "";
  if (!shape.test(text)) throw new BadAnswer(`its ${name} is none`);
  return read(text);
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(ms, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
    const abort = () => {
      stop();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
  });
}
