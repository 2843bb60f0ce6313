// What machines use and what their agents wrote last, of those that somebody looks at.
import { createStore } from "zustand/vanilla";
import type { AgentVitals, Vitals } from "../api/gateway";
import { urls } from "../api/urls";
import { EventsRefused, followEvents } from "./events";
import { machine, waker } from "./fleet";

export interface SeenVitals {
  readonly at: number;
  readonly machine: Vitals["machine"];
  readonly agents: ReadonlyMap<string, AgentVitals>;
}

export const vitals = createStore<{ readonly of: ReadonlyMap<string, SeenVitals> }>(() => ({
  of: new Map(),
}));

/**
 * A browser opens six connections to one place. One is for the events of all machines, and two are
 * left for requests; the looked-at machines beyond these take turns.
 */
const STREAMS_AT_A_GATEWAY = 3;
const TURN_MS = 6_000;

interface Watch {
  watchers: number;
  stop: AbortController | null;
  since: number;
}

const watched = new Map<string, Watch>();
let turning: ReturnType<typeof setInterval> | null = null;

/** Until the returned function is called. */
export function watchVitals(machineId: string): () => void {
  const watch = watched.get(machineId) ?? { watchers: 0, stop: null, since: 0 };
  watched.set(machineId, watch);
  watch.watchers += 1;
  turn();
  return () => {
    watch.watchers -= 1;
    if (watch.watchers > 0) return;
    watch.stop?.abort();
    watched.delete(machineId);
    turn();
  };
}

function turn(): void {
  const waiting = [...watched].filter(([, watch]) => watch.stop === null);
  const open = [...watched].filter(([id, watch]) => watch.stop !== null && limited(id));
  for (const [id, watch] of waiting) {
    if (!limited(id)) start(id, watch);
  }
  const places = STREAMS_AT_A_GATEWAY - open.length;
  const next = waiting.filter(([id]) => limited(id)).sort(([, a], [, b]) => a.since - b.since);
  const oldest = open
    .filter(([, watch]) => Date.now() - watch.since >= TURN_MS)
    .sort(([, a], [, b]) => a.since - b.since)
    .slice(0, Math.max(0, next.length - places));
  for (const [, watch] of oldest) {
    watch.stop?.abort();
    watch.stop = null;
  }
  for (const [id, watch] of next.slice(0, places + oldest.length)) start(id, watch);

  const crowded = [...watched.values()].some((watch) => watch.stop === null);
  if (crowded && turning === null) turning = setInterval(turn, TURN_MS);
  if (!crowded && turning !== null) {
    clearInterval(turning);
    turning = null;
  }
}

function limited(machineId: string): boolean {
  return machine(machineId)?.way.kind === "gateway";
}

function start(machineId: string, watch: Watch): void {
  const way = machine(machineId)?.way;
  if (way === undefined) return;
  const stop = new AbortController();
  watch.stop = stop;
  watch.since = Date.now();
  void followEvents(
    way,
    urls.vitals(),
    {
      onOpen: () => undefined,
      onEvent: (data) => take(machineId, data as Vitals),
      onMissed: () => undefined,
      onBroken: (_why, error) => {
        // An older node, or a role that may not: nothing is shown.
        if (error instanceof EventsRefused && error.status !== 502) stop.abort();
      },
    },
    stop.signal,
    waker,
  );
}

function take(machineId: string, heard: Vitals): void {
  const agents = new Map(heard.agents.map((agent) => [agent.agentId, agent]));
  vitals.setState(({ of }) => {
    const next = new Map(of);
    next.set(machineId, { at: heard.at, machine: heard.machine, agents });
    return { of: next };
  });
}
