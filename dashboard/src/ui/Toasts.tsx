// Where the short messages are shown.
import { useStore } from "zustand";
import { IconButton } from "./Button";
import { classes } from "./classes";
import { Icon } from "./Icon";
import { Text } from "./Text";
import { dismissToast, toasts } from "./toasts";

export function Toasts() {
  const list = useStore(toasts, (state) => state.list);
  return (
    <div
      aria-live="polite"
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-end gap-2 sm:bottom-4"
    >
      {list.map(({ id, tone, text }) => (
        <div
          className="pointer-events-auto flex max-w-md items-center gap-2.5 rounded-lg border border-line bg-raised py-1.5 pr-1.5 pl-3 text-sm text-primary shadow-lg shadow-black/20"
          key={id}
        >
          <span className={classes(tone === "ok" ? "text-ok" : "text-error")}>
            <Icon name={tone === "ok" ? "check" : "warn"} />
          </span>
          <span className="min-w-0 flex-1 wrap-anywhere">
            <Text>{text}</Text>
          </span>
          <IconButton icon="close" label="Dismiss" onClick={() => dismissToast(id)} />
        </div>
      ))}
    </div>
  );
}
