// A link that a program has put behind other text: where it really leads, before it is opened.
import { Button } from "../../ui/Button";
import { Dialog, DialogButtons } from "../../ui/Dialog";
import { Notice } from "../../ui/Notice";
import { Text } from "../../ui/Text";
import { isOpenable, open } from "./xterm";

export function LinkDialog({ url, onClose }: { url: string; onClose: () => void }) {
  const able = isOpenable(url);
  return (
    <Dialog onClose={onClose} title={able ? "Open this link?" : "This link is not opened"}>
      <div className="grid gap-3">
        <p className="rounded border border-line bg-well px-3 py-2 font-mono text-sm text-primary wrap-anywhere">
          <Text limit={2048}>{url}</Text>
        </p>
        {!able && <Notice tone="warn">Only addresses of the web are.</Notice>}
      </div>
      <DialogButtons>
        <Button onClick={onClose} weight={able ? "quiet" : "primary"}>
          {able ? "Cancel" : "Close"}
        </Button>
        {able && (
          <Button
            onClick={() => {
              open(url);
              onClose();
            }}
            weight="primary"
          >
            Open
          </Button>
        )}
      </DialogButtons>
    </Dialog>
  );
}
