// The machines that this browser has paired with, each reached by a session of its own.
import type { MachineKey } from "../api/gateway";
import { machinesListed } from "./fleet";
import type { Paired, Source } from "./source";

export class RelaySource implements Source {
  readonly device = "browser";
  readonly only: string | null;
  readonly #domain: string;

  constructor(domain: string, only: string | null) {
    this.#domain = domain;
    this.only = only;
  }

  async start(_fragment: string): Promise<void> {
    machinesListed();
  }

  async pair(_key: MachineKey): Promise<Paired> {
    throw new Error(`not written yet: ${this.#domain}`);
  }

  async rename(_machineId: string, _name: string): Promise<void> {}

  async forget(_machineId: string): Promise<void> {}
}
