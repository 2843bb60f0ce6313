// What this page knows of all machines. The nodes are the truth: this is kept current by their events.
import { createStore } from "zustand/vanilla";
import {
  type Agent,
  answer,
  type Machine,
  type MachineApi,
  machineApi,
  type Schemas,
} from "../api/client";
import { ApiProblem, reasonOf } from "../api/problem";
import { urls } from "../api/urls";
import { followEvents } from "./events";
import type { Way, WayStatus } from "./way";

/** What is known of a machine before it was reached. */
export interface Known {
  readonly machineId: string;
  readonly name: string;
  readonly alias: string | null;
  readonly role: Schemas["Role"];
  /** Whether it is the machine that serves this page. */
  readonly isLocal: boolean;
}

/** What is shown of a machine. */
export interface MachineView extends Known {
  readonly status: WayStatus;
  readonly info: Machine | null;
  /** Null until they were listed once; then as they were when last heard of. */
  readonly agents: ReadonlyMap<string, Agent> | null;
  /** Whether the events stand, so that what is shown is what is. */
  readonly live: boolean;
  /** When what is shown was last known to be true. */
  readonly asOf: number | null;
  readonly problem: string | null;
}

export interface FleetState {
  readonly machines: ReadonlyMap<string, MachineView>;
  /** Whether it is known which machines there are. */
  readonly listed: boolean;
}

export const fleet = createStore<FleetState>(() => ({ machines: new Map(), listed: false }));

const members = new Map<string, Member>();
/** Cuts every pause before a reconnection short: the network is back, or somebody said "Retry". */
export const waker: EventTarget = new EventTarget();

export function wakeAll(): void {
  for (const { way } of members.values()) if (way.status.state !== "up") way.retry?.();
  waker.dispatchEvent(new Event("wake"));
}

export function machinesListed(): void {
  fleet.setState({ listed: true });
}

/** Takes the way over. What is known of a machine that is there already is renewed. */
export function addMachine(known: Known, way: Way): void {
  const before = members.get(known.machineId);
  if (before?.way === way) {
    before.show(known);
    return;
  }
  before?.stop();
  const member = new Member(known, way);
  members.set(known.machineId, member);
  member.start();
}

export function dropMachine(machineId: string): void {
  members.get(machineId)?.stop();
  members.delete(machineId);
  fleet.setState(({ machines }) => {
    const rest = new Map(machines);
    rest.delete(machineId);
    return { machines: rest };
  });
}

/** For what a screen does at a machine. */
export function machine(
  machineId: string,
): { api: MachineApi; way: Way; reload: () => void } | undefined {
  return members.get(machineId);
}

/** The same for an act: there is somebody to tell that the machine is gone. */
export function machineToAct(machineId: string): MachineApi {
  const member = members.get(machineId);
  if (member === undefined) throw new Error("This machine is no longer in the fleet.");
  return member.api;
}

/** What a gateway's stream of all machines tells. */
export function machineHeard(machineId: string, event: Schemas["Event"]): void {
  members.get(machineId)?.heard(event);
}

/** Events of this machine were lost; without an id, of all. */
export function machineMissed(machineId: string | undefined): void {
  if (machineId === undefined) for (const member of members.values()) member.reload();
  else members.get(machineId)?.reload();
}

export function machineStands(machineId: string): void {
  void members.get(machineId)?.opened();
}

export function machinesBroken(why: string): void {
  for (const member of members.values()) member.broken(why);
}

class Member {
  readonly way: Way;
  readonly api: MachineApi;
  readonly #known: Known;
  readonly #stop = new AbortController();
  /** Agents that changed since they were last asked for; asked for together. */
  readonly #changed = new Set<string>();
  #asking = false;
  #listing: Promise<void> | null = null;
  #startedAt: string | number | null = null;

  constructor(known: Known, way: Way) {
    this.#known = known;
    this.way = way;
    this.api = machineApi(way);
  }

  start(): void {
    this.show({});
    this.way.onStatus((status) => {
      const { status: before, live, asOf } = this.#view();
      const up = status.state === "up";
      this.show({ status, live: live && up, asOf: live && !up ? Date.now() : asOf });
      if (up && before.state !== "up") wakeAll();
    });
    // A gateway tells of all its machines in one stream, which gatewaySource follows.
    if (this.way.kind === "session") {
      void followEvents(
        this.way,
        urls.events(),
        {
          onOpen: () => void this.opened(),
          onEvent: (data) => this.heard(data as Schemas["Event"]),
          onMissed: () => this.reload(),
          onBroken: (why) => this.broken(why),
        },
        this.#stop.signal,
        waker,
      );
    }
  }

  stop(): void {
    this.#stop.abort();
    this.way.close();
  }

  reload = (): void => {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = null;
    });
  };

  show(part: Partial<MachineView>): void {
    if (this.#stop.signal.aborted) return;
    fleet.setState(({ machines }) => {
      const next = new Map(machines);
      next.set(this.#known.machineId, { ...this.#view(), ...part });
      return { machines: next };
    });
  }

  #view(): MachineView {
    return (
      fleet.getState().machines.get(this.#known.machineId) ?? {
        ...this.#known,
        status: this.way.status,
        info: null,
        agents: null,
        live: false,
        asOf: null,
        problem: null,
      }
    );
  }

  broken(why: string): void {
    const { live, asOf } = this.#view();
    this.show({ live: false, problem: why, asOf: live ? Date.now() : asOf });
  }

  /** Events are heard again. Whether they go on where they broke off, the machine's start tells. */
  async opened(): Promise<void> {
    try {
      const info = await answer(this.api.GET("/v1/machine", { signal: this.#stop.signal }));
      const sameRun = info.startedAt === this.#startedAt;
      this.#startedAt = info.startedAt;
      this.show({ info, alias: info.alias ?? null, role: info.role });
      if (sameRun && this.#view().agents !== null) {
        this.show({ live: true, problem: null, asOf: Date.now() });
      } else {
        this.reload();
      }
    } catch (error) {
      this.show({ problem: reasonOf(error) });
    }
  }

  async #list(): Promise<void> {
    try {
      const found = await answer(this.api.GET("/v1/agents", { signal: this.#stop.signal }));
      const agents = new Map(found.map((agent) => [agent.agentId, agent]));
      this.show({ agents, live: true, problem: null, asOf: Date.now() });
    } catch (error) {
      this.show({ problem: reasonOf(error) });
    }
  }

  heard(event: Schemas["Event"]): void {
    switch (event.kind) {
      case "agent-changed": {
        const known = this.#view().agents?.get(event.agentId);
        if (known !== undefined) this.#put({ ...known, state: event.state });
        this.#changed.add(event.agentId);
        void this.#ask();
        break;
      }
      case "agent-removed":
        this.#remove(event.agentId);
        break;
      case "device-paired":
      case "device-removed":
      case "link-up":
      case "link-down":
      case "machine-changed":
      case "machine-forgotten":
      case "other":
        break;
    }
    for (const listener of listeners) listener(this.#known.machineId, event);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (this.#changed.size > 0) {
        const ids = [...this.#changed];
        this.#changed.clear();
        await Promise.all(ids.map((id) => this.#askFor(id)));
      }
    } finally {
      this.#asking = false;
    }
  }

  async #askFor(id: string): Promise<void> {
    try {
      const params = { path: { id } };
      const signal = this.#stop.signal;
      this.#put(await answer(this.api.GET("/v1/agents/{id}", { params, signal })));
    } catch (error) {
      // A broken stream of events tells of everything else.
      if (error instanceof ApiProblem && error.problem.status === 404) this.#remove(id);
    }
  }

  #put(agent: Agent): void {
    const agents = new Map(this.#view().agents);
    agents.set(agent.agentId, agent);
    this.show({ agents });
  }

  #remove(id: string): void {
    const agents = new Map(this.#view().agents);
    agents.delete(id);
    this.show({ agents });
  }
}

type Heard = (machineId: string, event: Schemas["Event"]) => void;
const listeners = new Set<Heard>();

/** What the fleet itself has no use for, such as devices. */
export function onMachineEvent(listener: Heard): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
