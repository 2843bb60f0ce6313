// Starts an agent that has ended once more.
import type { Agent } from "../../api/client";
import type { MachineView } from "../../machines/fleet";
import { Button } from "../../ui/Button";
import { attempt } from "../../ui/toasts";
import { start } from "./acts";

interface AgainButtonProps {
  machine: MachineView;
  agent: Agent;
}

export function AgainButton({ machine, agent }: AgainButtonProps) {
  if (machine.role === "observer") return null;
  return (
    <Button
      disabled={machine.status.state !== "up"}
      icon="play"
      onClick={() => attempt(start(machine.machineId, agent.agentId))}
    >
      Restart
    </Button>
  );
}
