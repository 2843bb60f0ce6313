// What can be done with an agent, and the dialogs that this takes.
import { useState } from "react";
import type { Agent } from "../../api/client";
import type { MachineView } from "../../machines/fleet";
import { navigate } from "../../navigation";
import { onlyPane, paths } from "../../routes";
import { Menu, type MenuItem } from "../../ui/Menu";
import { plain } from "../../ui/plain";
import { attempt } from "../../ui/toasts";
import { remove, stop } from "./acts";
import { isOver, titleOf } from "./agent";
import { SignalDialog } from "./SignalDialog";

interface AgentMenuProps {
  machine: MachineView;
  agent: Agent;
  className?: string;
}

export function AgentMenu({ machine, agent, className }: AgentMenuProps) {
  const [open, setOpen] = useState<"signal" | null>(null);
  const { machineId, role } = machine;
  const { agentId } = agent;
  const title = plain(titleOf(agent), 64);
  const over = isOver(agent);
  const may = role !== "observer" && machine.status.state === "up";

  const look: MenuItem[] = [
    {
      label: "Open terminal",
      icon: "terminal",
      act: () => navigate(paths.terminal(onlyPane({ machine: machineId, agent: agentId }))),
    },
    {
      label: "Copy id",
      icon: "copy",
      hint: agentId,
      act: () => attempt(navigator.clipboard.writeText(agentId), "The id was copied."),
    },
  ];
  const run: MenuItem[] = !may
    ? []
    : over
      ? []
      : [
          { label: "Stop", icon: "stop", act: () => attempt(stop(machineId, agentId)) },
          { label: "Send signal…", icon: "signal", act: () => setOpen("signal") },
        ];
  const end: MenuItem[] =
    may && over
      ? [
          {
            label: "Remove, with its log",
            icon: "trash",
            danger: true,
            act: () => attempt(remove(machineId, agentId), `${title} was removed.`),
          },
        ]
      : [];

  return (
    <>
      <Menu
        {...(className === undefined ? {} : { className })}
        items={[look, run, end]}
        label={`Acts for ${title}`}
      />
      {open === "signal" && (
        <SignalDialog agent={agent} machine={machineId} onClose={() => setOpen(null)} />
      )}
    </>
  );
}
