// What can be done with a machine, and the dialogs that this takes.
import { useState } from "react";
import { useStore } from "zustand";
import type { MachineView } from "../../machines/fleet";
import { place } from "../../machines/place";
import type { Source } from "../../machines/source";
import { navigate } from "../../navigation";
import { paths } from "../../routes";
import { Button } from "../../ui/Button";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { TextField } from "../../ui/Field";
import { Menu, type MenuItem } from "../../ui/Menu";
import { Notice } from "../../ui/Notice";
import { plain } from "../../ui/plain";
import { attempt } from "../../ui/toasts";
import { useTask } from "../../ui/useTask";
import { canSpawn } from "../agents/SpawnDialog";

export function MachineMenu({ machine, onSpawn }: { machine: MachineView; onSpawn: () => void }) {
  const [open, setOpen] = useState<"rename" | "forget" | null>(null);
  const source = useStore(place, (state) => (state.state === "ready" ? state.source : null));
  const { machineId, role } = machine;
  const name = plain(machine.name, 64);
  const close = () => setOpen(null);

  const use: MenuItem[] = [
    { label: "New agent", icon: "plus", disabled: !canSpawn(machine), act: onSpawn },
  ];
  if (role === "owner") {
    use.push({
      label: "Devices",
      icon: "device",
      act: () => navigate(paths.settings("devices", machineId)),
    });
  }
  const keep: MenuItem[] = [
    {
      label: "Copy machine id",
      icon: "copy",
      act: () => attempt(navigator.clipboard.writeText(machineId), "The id was copied."),
    },
  ];
  const mine = source !== null && !machine.isLocal;
  if (mine) keep.unshift({ label: "Rename…", icon: "pencil", act: () => setOpen("rename") });
  const end: MenuItem[] = mine
    ? [{ label: "Forget…", icon: "trash", danger: true, act: () => setOpen("forget") }]
    : [];

  return (
    <>
      <Menu
        header={<span className="font-mono">{machineId}</span>}
        items={[use, keep, end]}
        label={`Acts for ${name}`}
      />
      {source && open === "rename" && (
        <RenameDialog machine={machine} onClose={close} source={source} />
      )}
      {source && open === "forget" && (
        <ForgetDialog machine={machine} onClose={close} source={source} />
      )}
    </>
  );
}

interface DialogProps {
  machine: MachineView;
  source: Source;
  onClose: () => void;
}

function RenameDialog({ machine, source, onClose }: DialogProps) {
  const [name, setName] = useState(machine.name);
  const task = useTask();
  return (
    <Dialog
      description="It is called so for you; the machine itself does not change."
      onClose={onClose}
      title="Rename machine"
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void task
            .run(() => source.rename(machine.machineId, name.trim()))
            .then((done) => done && onClose());
        }}
      >
        <TextField
          data-first
          error={task.problem}
          label="Name"
          maxLength={64}
          onChange={(event) => setName(event.target.value)}
          required
          value={name}
        />
        <DialogButtons>
          <Button onClick={onClose} weight="quiet">
            Cancel
          </Button>
          <Button disabled={task.running || name.trim() === ""} type="submit" weight="primary">
            Rename
          </Button>
        </DialogButtons>
      </form>
    </Dialog>
  );
}

function ForgetDialog({ machine, source, onClose }: DialogProps) {
  const task = useTask();
  const name = plain(machine.name, 64);
  return (
    <Dialog onClose={onClose} title={`Forget ${name}?`}>
      <p>
        The keys for {name} are deleted here; nothing there stops. To come back you have to pair
        again. {name} still lists this device: remove it there as well, with{" "}
        <code className="font-mono text-sm">gantline device revoke</code>.
      </p>
      {task.problem && <Notice tone="error">{task.problem}</Notice>}
      <DialogButtons>
        <Button onClick={onClose} weight="quiet">
          Cancel
        </Button>
        <Button
          disabled={task.running}
          onClick={() =>
            void task.run(() => source.forget(machine.machineId)).then((done) => done && onClose())
          }
          weight="danger"
        >
          Forget
        </Button>
      </DialogButtons>
    </Dialog>
  );
}
