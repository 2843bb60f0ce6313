// Changes what an agent is, also while it runs. What is left empty is taken away.
import { type FormEvent, useState } from "react";
import type { Agent, Schemas } from "../../api/client";
import { Button } from "../../ui/Button";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { Select, TextField } from "../../ui/Field";
import { Notice } from "../../ui/Notice";
import { plain } from "../../ui/plain";
import { Text } from "../../ui/Text";
import { useTask } from "../../ui/useTask";
import { edit } from "./acts";
import { commandOf, titleOf } from "./agent";

interface AgentSettingsProps {
  machine: string;
  agent: Agent;
  onClose: () => void;
}

export function AgentSettings({ machine, agent, onClose }: AgentSettingsProps) {
  const { limits } = agent;
  const [name, setName] = useState<string>(agent.name ?? "");
  const [restart, setRestart] = useState<Schemas["RestartPolicy"]>(agent.restart ?? "no");
  const [cwd, setCwd] = useState<string>(agent.cwd ?? "");
  const [grace, setGrace] = useState(String((agent.stop?.graceMs ?? 10_000) / 1000));
  const [memory, setMemory] = useState(limits?.memoryMb?.toString() ?? "");
  const [cpu, setCpu] = useState(limits?.cpuPercent?.toString() ?? "");
  const task = useTask();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const next: Schemas["ResourceLimits"] = { ...limits };
    delete next.memoryMb;
    delete next.cpuPercent;
    if (memory !== "") next.memoryMb = Number(memory);
    if (cpu !== "") next.cpuPercent = Number(cpu);
    const stop = {
      signal: agent.stop?.signal ?? "TERM",
      graceMs: Math.round(Number(grace) * 1000),
    };
    // In a merge patch null takes away; the generated types know no null.
    const patch = {
      name: name.trim() || null,
      restart,
      cwd: cwd.trim() || null,
      stop,
      limits: next,
    };
    const body = patch as unknown as Schemas["AgentPatch"];
    if (await task.run(() => edit(machine, agent.agentId, body))) onClose();
  };

  return (
    <Dialog
      description={
        <span className="font-mono text-xs wrap-anywhere">
          <Text limit={300}>{commandOf(agent)}</Text>
        </span>
      }
      onClose={onClose}
      title={`Settings of ${plain(titleOf(agent), 64)}`}
    >
      <form className="grid gap-3" onSubmit={(event) => void submit(event)}>
        <div className="flex flex-wrap gap-3">
          <TextField
            data-first
            hint="At once"
            label="Name"
            maxLength={64}
            onChange={(event) => setName(event.target.value)}
            placeholder={agent.agentId}
            value={name}
          />
          <Select
            hint="At once"
            label="When it ends"
            onChange={(event) => setRestart(event.target.value as Schemas["RestartPolicy"])}
            value={restart}
          >
            <option value="no">leave it ended</option>
            <option value="on-failure">restart on failure</option>
            <option value="always">always restart</option>
          </Select>
        </div>
        <TextField
          hint="From the next start on"
          label="Directory"
          mono
          onChange={(event) => setCwd(event.target.value)}
          placeholder="home directory"
          value={cwd}
        />
        <div className="flex flex-wrap gap-3">
          <Amount
            hint="Until it is killed"
            label="Seconds to stop"
            onChange={setGrace}
            value={grace}
          />
          <Amount
            hint="At most, from the next start"
            label="Memory, MiB"
            onChange={setMemory}
            value={memory}
          />
          <Amount hint="At most, of one core" label="CPU, percent" onChange={setCpu} value={cpu} />
        </div>
        {agent.limitsNotEnforced !== undefined && (
          <Notice title="Limits are not enforced here." tone="warn">
            <Text>{agent.limitsNotEnforced}</Text>
          </Notice>
        )}
        {task.problem && (
          <Notice title="Nothing was changed." tone="error">
            {task.problem}
          </Notice>
        )}
        <DialogButtons>
          <Button onClick={onClose} weight="quiet">
            Cancel
          </Button>
          <Button disabled={task.running} type="submit" weight="primary">
            Save
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}

interface AmountProps {
  label: string;
  hint?: string;
  value: string;
  onChange: (value: string) => void;
}

function Amount({ label, hint, value, onChange }: AmountProps) {
  return (
    <TextField
      hint={hint ?? "Next start on"}
      inputMode="numeric"
      label={label}
      min={0}
      onChange={(event) => onChange(event.target.value)}
      placeholder="none"
      type="number"
      value={value}
    />
  );
}
