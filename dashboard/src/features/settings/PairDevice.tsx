// Lets another device in: a code to type or a picture for a phone's camera, both always live.
import { useEffect, useState } from "react";
import { answer, type Device, type Schemas } from "../../api/client";
import { reasonOf } from "../../api/problem";
import { type MachineView, machineToAct, onMachineEvent } from "../../machines/fleet";
import { Button } from "../../ui/Button";
import { Command } from "../../ui/Command";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { Select } from "../../ui/Field";
import { duration } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { QrCode } from "../../ui/QrCode";
import { Segments } from "../../ui/Segments";
import { Text } from "../../ui/Text";
import { attempt } from "../../ui/toasts";

type Role = Schemas["Role"];
type How = "code" | "qr";

/** Somebody has a phone in hand. */
const QR_FOR_MS = 10 * 60_000;
/** docs/protocol.md 5.4. */
const CODE_FOR_MS = 120_000;
/** After a failure. */
const AGAIN_MS = 5_000;

interface PairDeviceDialogProps {
  machine: MachineView;
  onClose: () => void;
}

export function PairDeviceDialog({ machine, onClose }: PairDeviceDialogProps) {
  const { machineId } = machine;
  const [role, setRole] = useState<Role>("owner");
  const [how, setHow] = useState<How>("code");
  const [paired, setPaired] = useState<{ deviceId: string; name: string } | null>(null);
  useEffect(
    () =>
      onMachineEvent((id, event) => {
        if (id === machineId && event.kind === "device-paired") setPaired(event);
      }),
    [machineId],
  );

  if (paired !== null) {
    return <Welcome {...paired} machineId={machineId} onClose={onClose} />;
  }
  return (
    <Dialog onClose={onClose} title="Pair a device">
      <div className="grid gap-4">
        <div className="w-fit">
          <Segments
            label="How"
            onChange={setHow}
            options={[
              { value: "code", label: "By a code" },
              { value: "qr", label: "By a QR code" },
            ]}
            value={how}
          />
        </div>
        {how === "code" ? (
          <ByCode key={role} machineId={machineId} role={role} />
        ) : (
          <ByQr key={role} machineId={machineId} role={role} />
        )}
        <Select
          hint="Operators run and stop things. Observers watch. Owners also add and remove devices."
          label="What it may do"
          onChange={(event) => setRole(event.target.value as Role)}
          value={role}
        >
          <option value="owner">Owner: everything</option>
          <option value="operator">Operator: run and stop</option>
          <option value="observer">Observer: watch</option>
        </Select>
      </div>
    </Dialog>
  );
}

interface ByProps {
  machineId: string;
  role: Role;
}

/** A code that is always live: an expired one is followed by the next. */
function ByCode({ machineId, role }: ByProps) {
  const { minted, left, problem } = useRenewed(CODE_FOR_MS, () =>
    answer(machineToAct(machineId).POST("/v1/pairing-codes", { body: { role } })),
  );
  const code = minted?.code.replace(" ", "-");
  const { pages = [], addresses = [] } = minted ?? {};
  return (
    <>
      <output className="grid justify-items-center gap-1 rounded-lg border border-line bg-well py-5">
        <span className="font-mono text-3xl font-semibold tracking-wider text-primary tabular-nums">
          {code ?? "····-····"}
        </span>
        <span className="text-xs text-secondary tabular-nums">
          {minted === null ? "Asking for a code" : `good for ${left} s, then the next is shown`}
        </span>
      </output>
      {problem && <Notice tone="error">{problem}</Notice>}
      {pages.length > 0 && (
        <div className="grid gap-1.5">
          <p className="text-sm font-medium text-body">In a browser, open this page and type it</p>
          {pages.map((page) => (
            <Command key={page} label="Address">
              {page}
            </Command>
          ))}
        </div>
      )}
      {minted !== null && (
        <div className="grid gap-1.5">
          <p className="text-sm font-medium text-body">
            {addresses.length > 0
              ? "On another computer, run"
              : "On this machine itself, run (it has joined no relay)"}
          </p>
          {(addresses.length > 0 ? addresses : [""]).map((address) => (
            <Command key={address}>{`gantline add ${code} ${address}`.trim()}</Command>
          ))}
        </div>
      )}
    </>
  );
}

/** A link that works once, as a picture; it is taken back when nobody looks at it any more. */
function ByQr({ machineId, role }: ByProps) {
  const { minted, left, problem } = useRenewed(
    QR_FOR_MS,
    () => {
      const body = { role, uses: 1, validForMs: QR_FOR_MS };
      return answer(machineToAct(machineId).POST("/v1/invitations", { body }));
    },
    ({ invitationId }) => {
      const params = { path: { id: invitationId } };
      answer(machineToAct(machineId).DELETE("/v1/invitations/{id}", { params })).catch(
        // It was used, or it expires by itself.
        () => undefined,
      );
    },
  );
  return (
    <>
      {problem ? (
        <Notice tone="error">{problem}</Notice>
      ) : (
        <div className="grid min-h-64 content-center">
          {minted && <QrCode label="QR code that pairs a phone" text={minted.link} />}
        </div>
      )}
      {minted && (
        <div className="grid justify-items-center gap-2 text-center">
          <p className="text-sm">Point the camera of a phone at it, and open the page.</p>
          <p className="text-xs text-secondary tabular-nums">
            Good for one device and {duration(left * 1000)}, while this window is open. Whoever sees
            it gets in.
          </p>
          <Button
            icon="copy"
            onClick={() =>
              attempt(navigator.clipboard.writeText(minted.link), "The link was copied.")
            }
            weight="quiet"
          >
            Copy it as a link
          </Button>
        </div>
      )}
    </>
  );
}

interface WelcomeProps {
  machineId: string;
  deviceId: string;
  name: string;
  onClose: () => void;
}

function Welcome({ machineId, deviceId, name, onClose }: WelcomeProps) {
  const [device, setDevice] = useState<Device | null>(null);
  useEffect(() => {
    let over = false;
    answer(machineToAct(machineId).GET("/v1/devices")).then(
      (devices) => {
        if (!over) setDevice(devices.find((each) => each.deviceId === deviceId) ?? null);
      },
      // The list below says what is wrong.
      () => undefined,
    );
    return () => {
      over = true;
    };
  }, [machineId, deviceId]);
  return (
    <Dialog onClose={onClose} title="Paired">
      <div className="grid gap-3">
        <p>
          <strong className="font-medium text-primary">
            <Text limit={64}>{name}</Text>
          </strong>{" "}
          can reach this machine now.
        </p>
        {device?.safetyNumber !== undefined && (
          <>
            <p>It shows the same six words, unless somebody sat in between:</p>
            <p className="rounded border border-line bg-well px-3 py-2.5 font-mono text-base text-primary">
              <Text limit={64}>{device.safetyNumber}</Text>
            </p>
          </>
        )}
      </div>
      <DialogButtons>
        <Button onClick={onClose} weight="primary">
          Done
        </Button>
      </DialogButtons>
    </Dialog>
  );
}

/** What was minted last; once it has expired it is minted anew. `giveUp` is told what nobody needs. */
function useRenewed<Minted>(
  validForMs: number,
  mint: () => Promise<Minted>,
  giveUp?: (minted: Minted) => void,
) {
  // By the clock here: the machine's may be another.
  const [live, setLive] = useState<{ minted: Minted; until: number } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  const left = useCountdown(live?.until ?? null);
  const expired = live !== null && left === 0;

  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever wants another kind has a new key.
  useEffect(() => {
    if (live !== null && !expired) return;
    let over = false;
    let again: ReturnType<typeof setTimeout> | undefined;
    const until = Date.now() + validForMs;
    mint().then(
      (minted) => {
        if (over) {
          giveUp?.(minted);
          return;
        }
        setLive({ minted, until });
        setProblem(null);
      },
      (error: unknown) => {
        if (over) return;
        setProblem(reasonOf(error));
        again = setTimeout(() => setRound((round) => round + 1), AGAIN_MS);
      },
    );
    return () => {
      over = true;
      clearTimeout(again);
    };
  }, [expired, round]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: told once of each.
  useEffect(() => () => void (live && giveUp?.(live.minted)), [live]);
  return { minted: live?.minted ?? null, left, problem };
}

function useCountdown(until: number | null): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (until === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? 0 : Math.max(0, Math.round((until - now) / 1000));
}
