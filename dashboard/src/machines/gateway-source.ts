// The machines that the node of this one knows: listed once, then kept current by its one stream.
import { readAnswer } from "../api/client";
import type { AddedMachine, GatewayEvent, MachineKey, MachineSummary } from "../api/gateway";
import { urls } from "../api/urls";
import { EventsRefused, followEvents } from "./events";
import {
  addMachine,
  dropMachine,
  fleet,
  type Known,
  machineHeard,
  machineMissed,
  machineStands,
  machinesBroken,
  machinesListed,
  waker,
} from "./fleet";
import { fetchWithToken, GatewayWay } from "./gateway";
import type { Paired, Source } from "./source";
import type { WayStatus } from "./way";

/** A machine that was away for less is said to be reconnecting, not offline. */
const RECONNECTING_MS = 10_000;

export class GatewaySource implements Source {
  readonly only = null;
  readonly invitation = null;
  readonly device = "machine";
  readonly #token: string;
  readonly #onLocked: () => void;
  readonly #stop = new AbortController();
  readonly #ways = new Map<string, GatewayWay>();
  /** How many events have told of a machine, and which was the last to tell of each. */
  #events = 0;
  readonly #told = new Map<string, number>();

  /** `onLocked`: the token is of an earlier start of the node. */
  constructor(token: string, onLocked: () => void) {
    this.#token = token;
    this.#onLocked = onLocked;
  }

  start(): void {
    void followEvents(
      { fetch: (request) => this.#fetch(request) },
      urls.machineEvents(),
      {
        onOpen: () => void this.#list(),
        onEvent: (data) => this.#heard(data as GatewayEvent),
        onMissed: (data) => machineMissed((data as { machineId?: string }).machineId),
        onBroken: (why, error) => this.#broken(why, error),
      },
      this.#stop.signal,
      waker,
    );
  }

  async pair(key: MachineKey): Promise<Paired> {
    const asked = this.#events;
    const { machine, safetyNumber } = await this.#ask<AddedMachine>("POST", urls.machines(), key);
    this.#showAnswer(machine, asked);
    return { machineId: machine.machineId, safetyNumber };
  }

  async rename(machineId: string, name: string): Promise<void> {
    const asked = this.#events;
    const body = { name };
    const machine = await this.#ask<MachineSummary>("PATCH", urls.machine(machineId), body);
    this.#showAnswer(machine, asked);
  }

  async forget(machineId: string): Promise<void> {
    await this.#ask<null>("DELETE", urls.machine(machineId));
    this.#drop(machineId);
  }

  async #list(): Promise<void> {
    const asked = this.#events;
    try {
      const found = await this.#ask<MachineSummary[]>("GET", urls.machines());
      const ids = new Set(found.map((summary) => summary.machineId));
      for (const id of fleet.getState().machines.keys()) {
        if (!ids.has(id) && !this.#isToldSince(asked, id)) this.#drop(id);
      }
      for (const summary of found) this.#showAnswer(summary, asked);
      machinesListed();
    } catch (error) {
      machinesBroken(error instanceof Error ? error.message : String(error));
    }
  }

  #heard({ machineId, event }: GatewayEvent): void {
    switch (event.kind) {
      case "machine-changed":
        this.#tell(event.machine.machineId);
        this.#show(event.machine);
        break;
      case "machine-forgotten":
        this.#tell(event.machineId);
        this.#drop(event.machineId);
        break;
      case "agent-changed":
      case "agent-removed":
      case "device-paired":
      case "device-removed":
      case "link-up":
      case "link-down":
      case "other":
        machineHeard(machineId, event);
        break;
    }
  }

  #tell(machineId: string): void {
    this.#events += 1;
    this.#told.set(machineId, this.#events);
  }

  /** Whether an event told of a machine after `asked` had been heard: it knows better than an answer. */
  #isToldSince(asked: number, machineId: string): boolean {
    return (this.#told.get(machineId) ?? 0) > asked;
  }

  #showAnswer(summary: MachineSummary, asked: number): void {
    if (!this.#isToldSince(asked, summary.machineId)) this.#show(summary);
  }

  #show(summary: MachineSummary): void {
    const known: Known = {
      machineId: summary.machineId,
      name: summary.name,
      alias: summary.alias ?? null,
      role: summary.role,
      isLocal: summary.isLocal ?? false,
    };
    let way = this.#ways.get(summary.machineId);
    if (way === undefined) {
      way = new GatewayWay(this.#token, summary.machineId);
      this.#ways.set(summary.machineId, way);
    }
    addMachine(known, way);
    const before = way.status.state;
    const status = statusOf(summary, way.status);
    way.tell(status);
    if (status.state === "up" && before !== "up") machineStands(summary.machineId);
  }

  #drop(machineId: string): void {
    this.#ways.delete(machineId);
    dropMachine(machineId);
  }

  #broken(why: string, error: unknown): void {
    if (error instanceof EventsRefused && error.status === 401) {
      this.#stop.abort();
      this.#onLocked();
      return;
    }
    machinesBroken(why);
    const now = Date.now();
    const text = "The node of this machine does not answer.";
    const { machines } = fleet.getState();
    for (const [machineId, way] of this.#ways) {
      const since = awaySince(way.status, now);
      // This page is on the same machine, which is up: only its node is not.
      const restarts = machines.get(machineId)?.isLocal ? { restarts: true } : {};
      way.tell(
        now - since < RECONNECTING_MS
          ? { state: "reconnecting", since, why: text, ...restarts }
          : { state: "offline", since, why: text, nextTryAt: now, ...restarts },
      );
    }
  }

  async #ask<Answer>(method: string, url: string, body?: unknown): Promise<Answer> {
    const headers = new Headers();
    if (method !== "GET") headers.set("idempotency-key", crypto.randomUUID());
    if (body !== undefined) headers.set("content-type", "application/json");
    const init: RequestInit = { method, headers };
    if (body !== undefined) init.body = JSON.stringify(body);
    return readAnswer<Answer>(await this.#fetch(new Request(url, init)));
  }

  #fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    return fetchWithToken(this.#token, pathname + search, request, this.#stop.signal);
  }
}

function statusOf(summary: MachineSummary, before: WayStatus): WayStatus {
  const now = Date.now();
  const wasUp = before.state === "up" || before.state === "reconnecting";
  switch (summary.state) {
    case "connected":
      return {
        state: "up",
        path: summary.path,
        rttMs: summary.rttUs === undefined ? null : summary.rttUs / 1000,
        since: before.state === "up" ? before.since : now,
      };
    case "revoked":
      return { state: "revoked" };
    case "offline": {
      const why = summary.why ?? "No path leads there at the moment.";
      const since =
        before.state === "connecting" ? (summary.lastSeen ?? now) : awaySince(before, now);
      if (wasUp && now - since < RECONNECTING_MS) return { state: "reconnecting", since, why };
      return { state: "offline", since, why, nextTryAt: summary.nextTryAt ?? now };
    }
    case "idle":
    case "connecting":
    case "other":
      if (!wasUp) return before.state === "offline" ? before : { state: "connecting" };
      return { state: "reconnecting", since: awaySince(before, now), why: "The connection broke." };
  }
}

/** Since when a machine is away that is so at this moment. */
function awaySince(before: WayStatus, now: number): number {
  return before.state === "reconnecting" || before.state === "offline" ? before.since : now;
}
