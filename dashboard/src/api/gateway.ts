// What the node of this machine says of the machines that it reaches for its user, and of itself.
import type { Schemas } from "./client";

export type MachineSummary = Schemas["MachineSummary"];
export type AddedMachine = Schemas["AddedMachine"];
export type PagePlace = Schemas["PagePlace"];
export type Vitals = Schemas["Vitals"];
export type AgentVitals = Schemas["AgentVitals"];

export interface GatewayEvent {
  machineId: string;
  event: Schemas["Event"];
}

/** What opens a machine's door for a new device. */
export type MachineKey = { code: string; address: string } | { link: string };
