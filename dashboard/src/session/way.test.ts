// @vitest-environment node
// When a way comes back, what it says meanwhile, and what becomes of requests, in virtual time.

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { CLOSE, GOAWAY, RESET } from "./core/codes.ts";
import { systemRandom } from "./identity/keys.ts";
import { Reconnection } from "./reconnect.ts";
import { settled, VirtualClock } from "./testing/clock.ts";
import { MemoryMachine } from "./testing/machine.ts";
import { SessionWay, type WayOptions } from "./way.ts";

let clock: VirtualClock;
let machine: MemoryMachine;

beforeEach(() => {
  clock = new VirtualClock();
  machine = new MemoryMachine(clock);
});

function wayTo(more: Partial<WayOptions> = {}): SessionWay {
  return new SessionWay({
    url: "ws://machine.invalid/v1/session",
    device: machine.device,
    node: machine.key.public,
    psks: [machine.psk],
    openSocket: machine.openSocket,
    clock,
    chance: () => 0.999_999,
    ...more,
  });
}

/** A way whose session stands. */
async function standing(more: Partial<WayOptions> = {}): Promise<SessionWay> {
  const way = wayTo(more);
  await clock.pass(20);
  expect(way.status.state).toBe("up");
  return way;
}

function get(path = "/v1/machine", init: RequestInit = {}): Request {
  return new Request(`http://machine.invalid${path}`, init);
}

/** What comes of a promise while virtual time passes. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | Error> {
  let result: T | Error = new Error("it did not happen in time");
  promise.then(
    (value) => {
      result = value;
    },
    (error: Error) => {
      result = error;
    },
  );
  await clock.pass(ms);
  return result;
}

async function textOf(way: SessionWay, request: Request, ms = 50): Promise<string | Error> {
  return within(
    ms,
    way.fetch(request).then((answer) => answer.text()),
  );
}

describe("a way that stands", () => {
  test("measures the round trip, and asks for a sign of life every 20 s", async () => {
    const way = await standing();
    expect(way.status).toMatchObject({ state: "up", path: "relay", rttMs: 1 });
    await clock.pass(200_000);
    expect(way.status.state).toBe("up");
    expect(machine.pipes).toHaveLength(1);
  });

  test("whose machine falls silent is noticed within two signs of life", async () => {
    const way = await standing();
    machine.pipe.isDeaf = true;
    machine.mood = "silent";
    await clock.pass(30_000);
    expect(way.status.state).not.toBe("up");
  });

  test("that is doubted is looked at within 1.5 s", async () => {
    const way = await standing();
    machine.pipe.isDeaf = true;
    way.check();
    await clock.pass(1_400);
    expect(way.status.state).toBe("up");
    await clock.pass(200);
    expect(way.status.state).toBe("reconnecting");
  });

  test("carries a body both ways, and makes requests wait for one of 128 streams", async () => {
    const way = await standing();
    machine.serve = () => undefined;
    const asked = Array.from({ length: 130 }, () => way.fetch(get("/held")));
    await clock.pass(10);
    expect(machine.pipe.end.events.filter(({ type }) => type === "opened")).toHaveLength(128);
    for (const event of machine.pipe.end.events) {
      if (event.type === "opened") machine.pipe.answer(event.stream, 200, "late");
    }
    machine.serve = (pipe, stream) => pipe.answer(stream, 200, "late");
    machine.pipe.speak();
    const answers = await within(100, Promise.all(asked));
    expect(answers).toHaveLength(130);
  });

  test("goes over to another session when the machine takes no more streams", async () => {
    const way = await standing();
    machine.serve = (pipe, stream) => {
      pipe.session.answer(stream, { status: 200, fields: [] });
    };
    const events = await within(20, way.fetch(get("/v1/events")));
    const old = machine.pipe;
    old.session.goAway(GOAWAY.age);
    old.speak();
    await clock.pass(20);
    expect(machine.pipes).toHaveLength(2);
    machine.serve = (pipe, stream) => pipe.answer(stream, 200, "new");
    expect(await textOf(way, get())).toBe("new");
    // What was open goes on, and the old session ends with it.
    expect(old.session.isOpen).toBe(true);
    if (events instanceof Error) throw events;
    const rest = events.text();
    old.session.finish(1);
    old.speak();
    await clock.pass(2_000);
    expect(await rest).toBe("");
    expect(old.session.isOpen).toBe(false);
    expect(way.status.state).toBe("up");
  });
});

describe("a way that breaks", () => {
  test("is taken up at once, and says nothing worse than reconnecting", async () => {
    const way = await standing();
    const told: string[] = [];
    way.onStatus(({ state }) => told.push(state));
    machine.pipe.breaks(1006);
    await clock.pass(1_100);
    expect(way.status.state).toBe("up");
    expect(told[0]).toBe("reconnecting");
    expect(told).not.toContain("offline");
  });

  test("is offline after five seconds, and says when it tries again", async () => {
    const way = await standing();
    machine.mood = { refuses: 4001 };
    machine.pipe.breaks(4001);
    await clock.pass(4_900);
    expect(way.status.state).toBe("reconnecting");
    await clock.pass(200);
    const { status } = way;
    if (status.state !== "offline") throw new Error(status.state);
    expect(status.why).toContain("offline");
    expect(status.nextTryAt).toBeGreaterThan(clock.wall() - 1_000);
    expect(status.nextTryAt).toBeLessThanOrEqual(clock.wall() + 30_000);
    machine.mood = "answers";
    way.retry();
    await clock.pass(20);
    expect(way.status.state).toBe("up");
  });

  test("whose first attempt fails is offline with why, and goes on trying", async () => {
    machine.mood = { refuses: 4002 };
    const way = wayTo();
    await clock.pass(10);
    expect(way.status).toMatchObject({ state: "offline", why: "the relay says: unknown" });
    machine.mood = "answers";
    await clock.pass(31_000);
    expect(way.status.state).toBe("up");
  });

  test("a request that was under way is made again with its key, and its answer arrives", async () => {
    const way = await standing();
    const keys: string[] = [];
    machine.serve = (_, __, { fields }) => {
      keys.push(...fields.flatMap(([name, value]) => (name === "idempotency-key" ? [value] : [])));
    };
    const asked = way.fetch(get("/v1/agents", { method: "POST", body: "{}" }));
    await clock.pass(10);
    machine.pipe.breaks(1006);
    machine.serve = (pipe, stream, { fields }) => {
      keys.push(...fields.flatMap(([name, value]) => (name === "idempotency-key" ? [value] : [])));
      pipe.answer(stream, 201, "made");
    };
    const answer = await within(2_000, asked);
    if (answer instanceof Error) throw answer;
    expect(await within(10, answer.text())).toBe("made");
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  test("a request whose first attempt still runs is asked for again until it has its answer", async () => {
    const way = await standing();
    machine.serve = () => undefined;
    const asked = way.fetch(get("/v1/agents", { method: "POST", body: "{}" }));
    await clock.pass(10);
    machine.pipe.breaks(1006);
    let asks = 0;
    machine.serve = (pipe, stream) => pipe.answer(stream, ++asks < 3 ? 409 : 201, "");
    const answer = await within(5_000, asked);
    if (answer instanceof Error) throw answer;
    expect(answer.status).toBe(201);
  });

  test("a request that the machine gives up itself is not made again", async () => {
    const way = await standing();
    let asks = 0;
    machine.serve = (pipe, stream) => {
      asks++;
      pipe.session.reset(stream, RESET.internal);
    };
    expect(await textOf(way, get())).toMatchObject({ kind: "broke" });
    expect(asks).toBe(1);
  });

  test("a request that was refused before anything was done is made again", async () => {
    const way = await standing();
    let asks = 0;
    machine.serve = (pipe, stream) => {
      if (++asks === 1) pipe.session.reset(stream, RESET.refused);
      else pipe.answer(stream, 200, "second");
    };
    expect(await textOf(way, get())).toBe("second");
  });

  test("a body that breaks off in the middle is an error, never a short answer", async () => {
    const way = await standing();
    machine.serve = (pipe, stream) => {
      pipe.session.answer(stream, { status: 200, fields: [] });
      pipe.session.write(stream, new Uint8Array(10));
    };
    const answer = await within(20, way.fetch(get()));
    if (answer instanceof Error) throw answer;
    machine.pipe.breaks(1006);
    expect(await within(100, answer.text())).toBeInstanceOf(Error);
  });

  test("a node that says that it ends is told from one that is just gone", async () => {
    const way = await standing();
    const old = machine.pipe;
    machine.mood = { refuses: 4001 };
    old.session.goAway(GOAWAY.shutdown);
    old.speak();
    await clock.pass(50);
    old.breaks(1006);
    await clock.pass(20_000);
    expect(way.status).toMatchObject({ state: "offline", restarts: true });
    machine.mood = "answers";
    way.retry();
    await clock.pass(50);
    expect(way.status.state).toBe("up");
    machine.mood = { refuses: 4001 };
    machine.pipe.breaks(1006);
    await clock.pass(50);
    expect(way.status).toMatchObject({ state: "reconnecting" });
    expect(way.status).not.toHaveProperty("restarts");
  });

  test("a request while the machine is offline fails at once, with why", async () => {
    machine.mood = { refuses: 4001 };
    const way = wayTo();
    await clock.pass(10);
    expect(await textOf(way, get(), 0)).toMatchObject({ kind: "offline" });
  });

  test("a request that is given up while it waits leaves nothing behind", async () => {
    machine.mood = "silent";
    const way = wayTo();
    const abort = new AbortController();
    const asked = within(0, way.fetch(get("/", { signal: abort.signal })));
    abort.abort(new Error("left"));
    expect(await asked).toMatchObject({ message: "left" });
  });
});

describe("a machine that", () => {
  test("has removed this device is believed, and never dialled again", async () => {
    let revoked = 0;
    const way = await standing({ onRevoked: () => revoked++ });
    machine.pipe.session.close(CLOSE.revoked);
    machine.pipe.speak();
    await clock.pass(10);
    expect(way.status).toEqual({ state: "revoked" });
    await clock.pass(600_000);
    expect([revoked, machine.pipes.length]).toEqual([1, 1]);
    expect(await textOf(way, get())).toMatchObject({ kind: "revoked" });
  });

  test("only a relay says is unknown is dialled for ever, and no key is given up", async () => {
    let revoked = 0;
    machine.mood = { refuses: 4002 };
    const way = wayTo({ onRevoked: () => revoked++ });
    await clock.pass(3_600_000);
    expect(revoked).toBe(0);
    expect(machine.pipes.length).toBeGreaterThan(60);
    expect(way.status.state).toBe("offline");
  });

  test("still has the earlier secret is reached with that, and the new one is kept", async () => {
    let confirmed = 0;
    const way = wayTo({
      psks: [systemRandom(32), machine.psk],
      onConfirmed: () => confirmed++,
    });
    await clock.pass(5_000);
    expect(way.status.state).toBe("up");
    expect(confirmed).toBe(0);
  });

  test("has another key than the one that was paired is never spoken with", async () => {
    const way = wayTo({ node: systemRandom(32) });
    await clock.pass(60_000);
    expect(way.status.state).toBe("offline");
  });

  test("never answers is given ten seconds", async () => {
    machine.mood = "silent";
    const way = wayTo();
    await clock.pass(9_900);
    expect(way.status.state).toBe("connecting");
    await clock.pass(200);
    expect(way.status).toMatchObject({ state: "offline" });
  });

  test("hangs up without a word is tried again", async () => {
    machine.mood = "hangs-up";
    const way = wayTo();
    await clock.pass(100);
    expect(way.status).toMatchObject({ why: "the machine hung up without a word" });
  });
});

test("a way that is closed says CLOSE, and nothing more", async () => {
  const way = await standing();
  way.close();
  await clock.pass(10);
  expect(machine.pipe.session.end).toMatchObject({ kind: "closed", by: "peer", code: CLOSE.done });
  await clock.pass(600_000);
  expect(machine.pipes).toHaveLength(1);
  await settled();
});

describe("waits", () => {
  test("are drawn from 0 up to a bound that doubles from 1 s to 30 s", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })),
        (draws) => {
          let at = 0;
          const reconnection = new Reconnection(() => draws[at++] ?? 0);
          let bound = 1_000;
          draws.forEach((draw, count) => {
            const wait = reconnection.lost(count, "gone");
            expect(wait).toBe(Math.round(draw * bound));
            bound = Math.min(2 * bound, 30_000);
          });
        },
      ),
    );
  });

  test("begin anew only after a session that stood for ten seconds", () => {
    const reconnection = new Reconnection(() => 0.5);
    for (let count = 0; count < 8; count++) reconnection.lost(0, "gone");
    reconnection.up(0);
    expect(reconnection.lost(9_999, "gone")).toBe(15_000);
    reconnection.up(20_000);
    expect(reconnection.lost(30_000, "gone")).toBe(500);
  });

  test("are long when the relay says that it is too much", () => {
    const reconnection = new Reconnection(() => 0.5);
    expect(reconnection.lost(0, "gone", "rate")).toBe(15_000);
  });
});
