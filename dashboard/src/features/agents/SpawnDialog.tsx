// Starts an agent.
import { useMemo, useState } from "react";
import { useStore } from "zustand";
import type { Schemas } from "../../api/client";
import { fleet, type MachineView } from "../../machines/fleet";
import { Button } from "../../ui/Button";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { Checkbox, Select, TextArea, TextField } from "../../ui/Field";
import { Notice } from "../../ui/Notice";
import { plain } from "../../ui/plain";
import { useTask } from "../../ui/useTask";
import { spawn } from "./acts";
import { splitCommand } from "./command-line";
import { parseEnv } from "./env";

interface SpawnDialogProps {
  /** The machine that is chosen at first. */
  machine?: string | undefined;
  onClose: () => void;
  onSpawned: (machine: string, agent: string) => void;
}

export function SpawnDialog({ machine, onClose, onSpawned }: SpawnDialogProps) {
  const machines = useStore(fleet, (state) => state.machines);
  const able = useMemo(() => [...machines.values()].filter(canSpawn), [machines]);
  const [where, setWhere] = useState(machine ?? able[0]?.machineId ?? "");
  const [line, setLine] = useState("");
  const [shell, setShell] = useState(false);
  const [name, setName] = useState("");
  const [cwd, setCwd] = useState("");
  const [env, setEnv] = useState("");
  const [restart, setRestart] = useState<Schemas["RestartPolicy"]>("no");
  const task = useTask();

  const split = splitCommand(line);
  const parsedEnv = parseEnv(env);
  const commandError = !shell && "error" in split ? split.error : null;
  const ready = line.trim() !== "" && commandError === null && where !== "" && "env" in parsedEnv;

  const submit = async () => {
    if (!ready || !("env" in parsedEnv)) return;
    const argv = shell ? [line] : "words" in split ? split.words : [];
    const request: Schemas["SpawnRequest"] = { argv, shell, restart };
    if (name.trim() !== "") request.name = name.trim();
    if (cwd.trim() !== "") request.cwd = cwd.trim();
    if (Object.keys(parsedEnv.env).length > 0) request.env = parsedEnv.env;
    await task.run(async () => {
      const agent = await spawn(where, request);
      onClose();
      onSpawned(where, agent.agentId);
    });
  };

  return (
    <Dialog
      description="A command in a terminal of its own. It goes on when you close this page."
      onClose={onClose}
      title="New agent"
    >
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {able.length > 1 && (
          <Select label="Machine" onChange={(event) => setWhere(event.target.value)} value={where}>
            {able.map((view) => (
              <option key={view.machineId} value={view.machineId}>
                {plain(view.name, 64)}
              </option>
            ))}
          </Select>
        )}
        <TextField
          data-first
          error={commandError}
          hint={
            !shell && "shellish" in split && split.shellish
              ? "There is something in it that only a shell understands."
              : undefined
          }
          label="Command"
          mono
          onChange={(event) => setLine(event.target.value)}
          placeholder="bash"
          required
          value={line}
        />
        <Checkbox
          checked={shell}
          hint="For pipes, variables, wildcards: the line is a script."
          label="Run it in a shell"
          onChange={(event) => setShell(event.target.checked)}
        />
        <div className="flex flex-wrap gap-3">
          <TextField
            label="Name"
            maxLength={64}
            onChange={(event) => setName(event.target.value)}
            placeholder="optional"
            value={name}
          />
          <Select
            label="When it ends"
            onChange={(event) => setRestart(event.target.value as Schemas["RestartPolicy"])}
            value={restart}
          >
            <option value="no">leave it ended</option>
            <option value="on-failure">restart on failure</option>
            <option value="always">always restart</option>
          </Select>
        </div>
        <details className="group">
          <summary className="w-fit rounded py-1 text-sm text-secondary hover:text-primary coarse:py-3">
            Directory and environment
          </summary>
          <div className="mt-2 grid gap-3">
            <TextField
              label="Directory"
              mono
              onChange={(event) => setCwd(event.target.value)}
              placeholder="home directory"
              value={cwd}
            />
            <TextArea
              error={"error" in parsedEnv ? parsedEnv.error : null}
              hint="Added to the node's environment. A line for each: NAME=value"
              label="Environment"
              mono
              onChange={(event) => setEnv(event.target.value)}
              rows={3}
              value={env}
            />
          </div>
        </details>
        {task.problem && (
          <Notice title="It was not started." tone="error">
            <p className="first-letter:uppercase">{task.problem}</p>
          </Notice>
        )}
        <DialogButtons>
          <Button onClick={onClose} weight="quiet">
            Cancel
          </Button>
          <Button disabled={!ready || task.running} type="submit" weight="primary">
            {task.running ? "Starting…" : "Start"}
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}

export function canSpawn({ role, status }: MachineView): boolean {
  return role !== "observer" && status.state === "up";
}
