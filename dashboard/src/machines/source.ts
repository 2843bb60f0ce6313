// Where the machines of this page come from, and what a person can do about which there are.
import type { MachineKey } from "../api/gateway";

export interface Paired {
  machineId: string;
  /** Six words, to compare with those that the machine shows. */
  safetyNumber: string;
}

export interface Source {
  /** Null when this page can have more machines; else the one that it is confined to. */
  readonly only: string | null;
  /** A pairing link that this page was opened with. */
  readonly invitation: string | null;
  /** Whose device this page acts as when it pairs: for words. */
  readonly device: "browser" | "machine";
  pair(key: MachineKey): Promise<Paired>;
  /** What this user calls it. */
  rename(machineId: string, name: string): Promise<void>;
  /** Gives this side's keys up; the machine still lists the device. */
  forget(machineId: string): Promise<void>;
}
