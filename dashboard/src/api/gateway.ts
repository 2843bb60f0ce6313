// What the node of this machine says of the machines that it reaches for its user, and of itself.
import type { Schemas } from "./client";

export type MachineSummary = {
  machineId: string;
  name: string;
  alias?: string;
  role: Schemas["Role"];
  isLocal: boolean;
} & Reach;

export type Reach =
  | { state: "idle"; lastSeen?: number }
  | { state: "connecting" }
  | { state: "connected"; path: "loopback" | "lan" | "relay"; rttUs?: number; since?: number }
  | { state: "offline"; lastSeen?: number; why?: string; nextTryAt?: number }
  | { state: "revoked" }
  | { state: "other" };

export interface GatewayEvent {
  machineId: string;
  event: Schemas["Event"] | MachineChanged | MachineForgotten;
}
interface MachineChanged {
  kind: "machine-changed";
  machine: MachineSummary;
}
interface MachineForgotten {
  kind: "machine-forgotten";
  machineId: string;
}

export type PagePlace =
  | { servedBy: "node"; version: string }
  | { servedBy: "relay"; domain: string; machineId?: string; operator?: string; version: string }
  | { servedBy: "other" };

/** What opens a machine's door for a new device. */
export type MachineKey = { code: string; address: string } | { link: string };

export interface AddedMachine {
  machine: MachineSummary;
  /** Six words, to compare with those that the machine shows. */
  safetyNumber: string;
}

export interface Vitals {
  at: number;
  machine: {
    cpuPercent: number;
    cores: number;
    memoryUsed: number;
    memoryTotal: number;
    processes: number;
  };
  agents: AgentVitals[];
}

export interface AgentVitals {
  agentId: string;
  cpuPercent: number;
  memory: number;
  processes: number;
  lastLine?: string;
}
