// Who may reach a machine: the paired devices.
import { useCallback, useEffect, useState } from "react";
import { answer, type Device } from "../../api/client";
import { reasonOf } from "../../api/problem";
import { type MachineView, machineToAct, onMachineEvent } from "../../machines/fleet";
import { Button } from "../../ui/Button";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { dateAndTime, duration } from "../../ui/format";
import { Icon } from "../../ui/Icon";
import { Notice } from "../../ui/Notice";
import { plain } from "../../ui/plain";
import { Text } from "../../ui/Text";
import { useNow } from "../../ui/useNow";
import { useTask } from "../../ui/useTask";
import { PairDeviceDialog } from "./PairDevice";

export function Devices({ machine }: { machine: MachineView }) {
  const { machineId } = machine;
  const [devices, setDevices] = useState<readonly Device[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [pairing, setPairing] = useState(false);
  const [revoking, setRevoking] = useState<Device | null>(null);
  const up = machine.status.state === "up";

  const list = useCallback(async () => {
    try {
      setDevices(await answer(machineToAct(machineId).GET("/v1/devices")));
      setProblem(null);
    } catch (error) {
      setProblem(reasonOf(error));
    }
  }, [machineId]);
  useEffect(() => {
    if (!up) return;
    void list();
    return onMachineEvent((id, event) => {
      if (id !== machineId) return;
      if (event.kind === "device-paired" || event.kind === "device-removed") void list();
    });
  }, [up, machineId, list]);

  return (
    <div className="grid gap-3">
      <div className="flex items-center gap-3 max-sm:flex-col max-sm:items-stretch">
        <p className="flex-1 text-sm text-secondary">
          Each has keys of its own for <Text limit={64}>{machine.name}</Text>. The six words below
          it stand for them: the device shows the same ones, unless somebody sat in between.
        </p>
        <Button disabled={!up} icon="plus" onClick={() => setPairing(true)}>
          Pair a device
        </Button>
      </div>
      {problem && <Notice tone="error">{problem}</Notice>}
      <ul className="rounded-lg border border-line bg-raised">
        {devices === null && <li className="h-14 px-3 py-4 text-sm text-secondary">Asking…</li>}
        {devices?.length === 0 && (
          <li className="px-3 py-4 text-sm text-secondary">
            No device is paired: this machine is reached from itself alone.
          </li>
        )}
        {devices?.map((device) => (
          <DeviceRow device={device} key={device.deviceId} onRevoke={() => setRevoking(device)} />
        ))}
      </ul>
      {pairing && <PairDeviceDialog machine={machine} onClose={() => setPairing(false)} />}
      {revoking && (
        <RevokeDialog device={revoking} machine={machine} onClose={() => setRevoking(null)} />
      )}
    </div>
  );
}

function DeviceRow({ device, onRevoke }: { device: Device; onRevoke: () => void }) {
  const now = useNow();
  return (
    <li className="flex items-center gap-3 border-line px-3 py-2 not-first:border-t">
      <span className="text-secondary">
        <Icon name="device" />
      </span>
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium text-primary">
          <Text limit={64}>{device.name}</Text>
          <span className="ml-2 text-xs font-normal text-secondary">{device.role}</span>
        </p>
        <p className="text-xs text-floor">
          {device.pending
            ? "Paired, and never seen since"
            : device.lastSeen === undefined
              ? "Never seen"
              : `Seen ${duration(now - device.lastSeen)} ago`}
          {` · paired ${dateAndTime(device.createdAt)}`}
        </p>
        {device.safetyNumber !== undefined && (
          <p className="font-mono text-xs wrap-anywhere text-secondary" title="Safety number">
            <span className="sr-only">Safety number: </span>
            <Text limit={64}>{device.safetyNumber}</Text>
          </p>
        )}
      </div>
      <Button onClick={onRevoke} weight="danger">
        Remove<span className="sr-only"> {plain(device.name, 64)}</span>
      </Button>
    </li>
  );
}

interface RevokeDialogProps {
  machine: MachineView;
  device: Device;
  onClose: () => void;
}

function RevokeDialog({ machine, device, onClose }: RevokeDialogProps) {
  const task = useTask();
  const revoke = async () => {
    const params = { path: { id: device.deviceId } };
    const gone = await task.run(async () => {
      await answer(machineToAct(machine.machineId).DELETE("/v1/devices/{id}", { params }));
    });
    if (gone) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Remove ${plain(device.name, 64)}?`}>
      <p>
        Its sessions with <Text limit={64}>{machine.name}</Text> end at once. To come back, it has
        to be paired again.
      </p>
      {task.problem && <Notice tone="error">{task.problem}</Notice>}
      <DialogButtons>
        <Button onClick={onClose} weight="quiet">
          Cancel
        </Button>
        <Button disabled={task.running} onClick={() => void revoke()} weight="danger">
          Remove
        </Button>
      </DialogButtons>
    </Dialog>
  );
}
