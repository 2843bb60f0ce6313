// Picks a signal and sends it.
import type { Agent, Signal } from "../../api/client";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Notice } from "../../ui/Notice";
import { plain } from "../../ui/plain";
import { useTask } from "../../ui/useTask";
import { sendSignal } from "./acts";
import { titleOf } from "./agent";

const SIGNALS: readonly { signal: Signal; what: string; danger?: boolean }[] = [
  { signal: "INT", what: "interrupt, as Ctrl-C does" },
  { signal: "TERM", what: "end, please" },
  { signal: "HUP", what: "many programs read their configuration again" },
  { signal: "QUIT", what: "end, and write a core dump" },
  { signal: "KILL", what: "end now; it can't be caught", danger: true },
  { signal: "STOP", what: "pause" },
  { signal: "CONT", what: "go on" },
  { signal: "TSTP", what: "pause, as Ctrl-Z does" },
  { signal: "USR1", what: "whatever the program makes of it" },
  { signal: "USR2", what: "whatever the program makes of it" },
  { signal: "WINCH", what: "the window's size changed" },
];

interface SignalDialogProps {
  machine: string;
  agent: Agent;
  onClose: () => void;
}

export function SignalDialog({ machine, agent, onClose }: SignalDialogProps) {
  const task = useTask();
  const send = async (signal: Signal) => {
    if (await task.run(() => sendSignal(machine, agent.agentId, signal))) onClose();
  };
  return (
    <Dialog
      description="It goes to the agent's whole process group."
      onClose={onClose}
      title={`Send a signal to ${plain(titleOf(agent), 64)}`}
    >
      <ul className="grid gap-1">
        {SIGNALS.map(({ signal, what, danger }) => (
          <li className="flex items-center gap-3" key={signal}>
            <Button
              className="w-20 font-mono"
              disabled={task.running}
              onClick={() => void send(signal)}
              weight={danger ? "danger" : "plain"}
            >
              {signal}
            </Button>
            <span className="text-sm text-secondary">{what}</span>
          </li>
        ))}
      </ul>
      {task.problem && (
        <div className="mt-3">
          <Notice title="It was not sent." tone="error">
            {task.problem}
          </Notice>
        </div>
      )}
    </Dialog>
  );
}
