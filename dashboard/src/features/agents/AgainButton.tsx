// Starts an agent that has ended once more.
import type { Agent } from "../../api/client";
import type { MachineView } from "../../machines/fleet";

interface AgainButtonProps {
  machine: MachineView;
  agent: Agent;
}

export function AgainButton(_props: AgainButtonProps) {
  return null;
}
