// The machines that this browser has paired with, each reached by a session of its own, which a worker
// holds with the keys.
import type { Schemas } from "../api/client";
import type { MachineKey } from "../api/gateway";
import type { MachineId } from "../session/identity/keys.ts";
import { parseName } from "../session/identity/name.ts";
import type { KnownMachine } from "../session/keyring/keyring.ts";
import workerUrl from "../session/worker/entry.ts?worker&url";
import { SessionWorker } from "../session/worker/proxy.ts";
import { addMachine, dropMachine, machinesListed } from "./fleet";
import type { Paired, Source } from "./source";
import { scriptUrl } from "./trusted";
import type { Way } from "./way";

type RelayPlace = Extract<Schemas["PagePlace"], { servedBy: "relay" }>;

export class RelaySource implements Source {
  readonly device = "browser";
  readonly only: string | null;
  readonly invitation: string | null;
  readonly #authority: string;
  readonly #worker: SessionWorker;

  /** `fragment`: what stood in the page's address; a pairing link leaves its secret there. */
  constructor(place: RelayPlace, fragment: string) {
    this.only = place.machineId ?? null;
    this.invitation = /^\d+\.[a-z2-7]{26}\./.test(fragment) ? fragment : null;
    this.#authority = place.domain + (location.port === "" ? "" : `:${location.port}`);
    this.#worker = new SessionWorker(new Worker(scriptUrl(workerUrl), { type: "module" }), {
      authority: this.#authority,
      isSecure: location.protocol === "https:",
    });
  }

  async start(): Promise<void> {
    for (const known of await this.#worker.machines()) {
      if (this.only === null || known.machine === this.only) this.#add(known);
    }
    machinesListed();
  }

  async pair(key: MachineKey): Promise<Paired> {
    const name = parseName(browserName());
    const { machine, safety } =
      "link" in key
        ? await this.#worker.pairByLink(key.link, name)
        : await this.#worker.pairByCode(this.#machineOf(key.address), key.code, name);
    // Another pairing is another secret: the way with the old one is left.
    this.#drop(machine.machine);
    this.#add(machine);
    return { machineId: machine.machine, safetyNumber: safety.words.join(" ") };
  }

  async rename(machineId: string, name: string): Promise<void> {
    await this.#worker.rename(machineId as MachineId, parseName(name));
    const renamed = (await this.#worker.machines()).find(({ machine }) => machine === machineId);
    if (renamed !== undefined) this.#add(renamed);
  }

  async forget(machineId: string): Promise<void> {
    await this.#worker.forget(machineId as MachineId);
    this.#drop(machineId);
  }

  readonly #ways = new Map<string, Way>();

  #drop(machineId: string): void {
    this.#ways.delete(machineId);
    dropMachine(machineId);
  }

  #add({ machine, name, role }: KnownMachine): void {
    const way = this.#ways.get(machine) ?? (this.#worker.way(machine) satisfies Way);
    this.#ways.set(machine, way);
    addMachine({ machineId: machine, name, alias: null, role, isLocal: false }, way);
  }

  /** `<machine id>[.<relay>[:port][~pin]]`; a page reaches machines of its own relay alone. */
  #machineOf(address: string): MachineId {
    const [, machine = "", relay] = /^([a-z2-7]{26})(?:\.([^~]*).*)?$/.exec(address) ?? [];
    if (relay !== undefined && relay.replace(/:443$/, "") !== this.#authority) {
      throw new Error(`That machine is at another relay. Open the dashboard of ${relay}.`);
    }
    if (this.only !== null && machine !== this.only) {
      throw new Error("That is another machine; this address belongs to one alone.");
    }
    return machine as MachineId;
  }
}

/** What the machine will call this browser: `Chromium on Linux`. */
function browserName(): string {
  const agent = navigator.userAgent;
  const browsers: [RegExp, string][] = [
    [/Firefox\//, "Firefox"],
    [/Edg\//, "Edge"],
    [/OPR\//, "Opera"],
    [/Chrome\//, "Chrome"],
    [/Safari\//, "Safari"],
  ];
  const systems: [RegExp, string][] = [
    [/Android/, "Android"],
    [/iPhone|iPad/, "iOS"],
    [/Windows/, "Windows"],
    [/Mac OS/, "macOS"],
    [/Linux/, "Linux"],
  ];
  const find = (list: [RegExp, string][]) => list.find(([pattern]) => pattern.test(agent))?.[1];
  return `${find(browsers) ?? "Browser"} on ${find(systems) ?? "a device"}`;
}
