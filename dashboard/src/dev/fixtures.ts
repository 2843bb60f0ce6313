// `npm run dev`: the app on what was recorded of a real node, so that it can be looked at without one.
// Nothing of this is in a build.

import type { Agent, Device, Machine } from "../api/client";
import type { Vitals } from "../api/gateway";
import { addMachine, machinesListed } from "../machines/fleet";
import type { Paired, Source } from "../machines/source";
import type { Duplex, Way, WayStatus } from "../machines/way";

/** What scripts/record.mjs writes. */
export interface Recording {
  machine: Machine;
  agents: Agent[];
  devices: Device[];
  vitals: Vitals | null;
  /** By agent: what a viewer heard, base64, and when, in milliseconds. */
  terminals: Record<string, { at: number; message: string }[]>;
}

const RTT: Record<number, WayStatus> = {
  0: { state: "up", path: "loopback", rttMs: null, since: Date.now() },
  1: { state: "up", path: "relay", rttMs: 23.4, since: Date.now() },
  2: {
    state: "offline",
    since: Date.now() - 3 * 3_600_000,
    why: "The relay says that this machine is offline.",
    nextTryAt: Date.now() + 12_000,
  },
};

class RecordedWay implements Way {
  readonly kind = "session";
  readonly status: WayStatus;
  readonly #recording: Recording;

  constructor(recording: Recording, status: WayStatus) {
    this.#recording = recording;
    this.status = status;
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { machine, agents, devices, vitals } = this.#recording;
    if (this.status.state !== "up") throw new Error("recorded as offline");
    if (request.method !== "GET") return problem(403, "This is a recording: nothing is done.");
    if (pathname === "/v1/machine") return Response.json(machine);
    if (pathname === "/v1/agents") return Response.json(agents);
    if (pathname === "/v1/devices") return Response.json(devices);
    if (pathname === "/v1/events") return stream(request, []);
    if (pathname === "/v1/vitals") return vitals ? stream(request, [vitals]) : problem(404, "none");
    const agent = agents.find(({ agentId }) => pathname === `/v1/agents/${agentId}`);
    return agent ? Response.json(agent) : problem(404, "It was not recorded.");
  }

  duplex(path: string): Duplex {
    const agent = path.split("/")[3] ?? "";
    const heard = this.#recording.terminals[agent] ?? [];
    const timers: ReturnType<typeof setTimeout>[] = [];
    const incoming = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const { at, message } of heard) {
          const bytes = Uint8Array.from(atob(message), (character) => character.charCodeAt(0));
          timers.push(setTimeout(() => controller.enqueue(bytes), at));
        }
      },
    });
    return {
      incoming,
      send: async () => undefined,
      close: () => timers.forEach(clearTimeout),
    };
  }

  onStatus(): () => void {
    return () => undefined;
  }

  close(): void {}
}

export class RecordedSource implements Source {
  readonly only = null;
  readonly invitation = null;
  readonly device = "machine";

  async start(): Promise<void> {
    const recordings = import.meta.glob<Recording>("../../fixtures/*.json", { import: "default" });
    for (const [at, load] of Object.values(recordings).entries()) {
      const recording = asOfNow(await load());
      const { machineId, name, alias, role } = recording.machine;
      addMachine(
        { machineId, name, alias: alias ?? null, role, isLocal: at === 0 },
        new RecordedWay(recording, RTT[at] ?? { state: "connecting" }),
      );
    }
    machinesListed();
  }

  async pair(): Promise<Paired> {
    throw new Error("This is a recording: nothing is paired.");
  }

  async rename(): Promise<void> {}

  async forget(): Promise<void> {}
}

/** As if it had been recorded a moment ago. */
function asOfNow(recording: Recording): Recording {
  const since = Date.now() - (recording.vitals?.at ?? Date.now());
  const moved = JSON.stringify(recording, (name, value: unknown) =>
    /^(at|lastSeen|\w+At)$/.test(name) && typeof value === "number" && value > 1e12
      ? value + since
      : value,
  );
  return JSON.parse(moved) as Recording;
}

function stream(request: Request, events: unknown[]): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const encoder = new TextEncoder();
      controller.enqueue(encoder.encode(":\n\n"));
      for (const event of events) {
        controller.enqueue(encoder.encode(`data: ${JSON.stringify(event)}\n\n`));
      }
      const beat = setInterval(() => controller.enqueue(encoder.encode(":\n\n")), 15_000);
      request.signal.addEventListener("abort", () => {
        clearInterval(beat);
        controller.error(request.signal.reason);
      });
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function problem(status: number, title: string): Response {
  const body = { type: "about:blank", title, status, code: "other" };
  return Response.json(body, { status });
}
