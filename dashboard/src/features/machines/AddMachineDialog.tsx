// Pairs with a machine: one command there, one paste here.
import { useState } from "react";
import type { Source } from "../../machines/source";
import { Button } from "../../ui/Button";
import { Command } from "../../ui/Command";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { TextField } from "../../ui/Field";
import { Notice } from "../../ui/Notice";
import { useMedia } from "../../ui/useMedia";
import { useTask } from "../../ui/useTask";
import { readKey } from "./key";

interface AddMachineDialogProps {
  source: Source;
  onClose: () => void;
}

export function AddMachineDialog({ source, onClose }: AddMachineDialogProps) {
  const [safetyNumber, setSafetyNumber] = useState<string | null>(null);
  if (safetyNumber !== null) return <PairedDialog number={safetyNumber} onClose={onClose} />;
  return (
    <Dialog onClose={onClose} title="Add machine">
      <PairForm onCancel={onClose} onPaired={setSafetyNumber} source={source} />
    </Dialog>
  );
}

/** What both ends can compare. */
export function PairedDialog({ number, onClose }: { number: string; onClose: () => void }) {
  return (
    <Dialog onClose={onClose} title="Paired">
      <div className="grid gap-3">
        <p>
          These six words stand for the keys of this pairing. The machine has the same ones, unless
          somebody sat in between.
        </p>
        <p className="rounded border border-line bg-well px-3 py-2.5 font-mono text-base text-primary">
          {number}
        </p>
      </div>
      <DialogButtons>
        <Button onClick={onClose} weight="primary">
          Done
        </Button>
      </DialogButtons>
    </Dialog>
  );
}

interface PairFormProps {
  source: Source;
  onPaired: (safetyNumber: string) => void;
  onCancel?: () => void;
}

/** Confined to one machine, eight digits will do; else the whole line that the machine shows. */
export function PairForm({ source, onPaired, onCancel }: PairFormProps) {
  const [text, setText] = useState("");
  const task = useTask();
  // A link that the page was opened with is in no field: it is a secret, and there is nothing to type.
  const key = readKey(source.invitation ?? text, source.only);
  const confined = source.only !== null;
  const phone = useMedia("(pointer: coarse)");

  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if ("error" in key) return;
        void task.run(async () => onPaired((await source.pair(key)).safetyNumber));
      }}
    >
      {source.invitation !== null && (
        <Notice title="You were invited" tone="info">
          The link that you opened lets this {source.device} in, if you want that.
        </Notice>
      )}
      {source.invitation === null && (
        <ol className="grid gap-4">
          <li>
            <p className="mb-1.5 text-sm font-medium text-body">1. On that machine</p>
            <Command>gantline pair</Command>
            <p className="mt-1 text-xs text-floor">
              {phone ? (
                <>
                  With <code className="font-mono">gantline pair --qr</code> it shows a QR code:
                  point this phone's camera at that, and nothing has to be typed.
                </>
              ) : (
                <>
                  For a phone: <code className="font-mono">gantline pair --qr</code> shows a QR code
                  to point its camera at.
                </>
              )}
            </p>
          </li>
          <li>
            <TextField
              data-first
              error={text !== "" && "error" in key && key.error !== null ? key.error : null}
              hint={
                confined
                  ? "Eight digits, good for two minutes. A new code is shown by the same command."
                  : "The line that begins with gantline add, or a link that somebody sent you."
              }
              inputMode={confined ? "numeric" : "text"}
              label={confined ? "2. The code that it shows" : "2. The line that it shows"}
              mono
              onChange={(event) => setText(event.target.value)}
              placeholder={confined ? "1234-5678" : "gantline add 1234-5678 k5xq3n….relay.example"}
              value={text}
            />
          </li>
        </ol>
      )}
      {task.problem && (
        <Notice title="Nothing was paired." tone="error">
          <p className="first-letter:uppercase">
            {task.problem}.{" "}
            {source.invitation === null
              ? "Three wrong tries burn a code; gantline pair shows a new one."
              : "Ask whoever sent the link for another."}
          </p>
        </Notice>
      )}
      <DialogButtons>
        {onCancel && (
          <Button onClick={onCancel} weight="quiet">
            Cancel
          </Button>
        )}
        <Button disabled={"error" in key || task.running} type="submit" weight="primary">
          {task.running ? "Pairing…" : "Pair"}
        </Button>
      </DialogButtons>
    </form>
  );
}
