// Says that what serves this page serves a newer one, and reloads it when a person wants that.
import { useEffect } from "react";
import { useStore } from "zustand";
import { classes } from "../ui/classes";
import { Icon } from "../ui/Icon";
import { toast } from "../ui/toasts";
import { build } from "./build";

/** It covers no terminal and changes the size of none; the address brings everything back. */
export function UpdateButton({ className }: { className: string }) {
  const { isOld } = useStore(build);
  useEffect(() => {
    if (isOld) toast("ok", "There is a newer version of this page. Reload it when it suits you.");
  }, [isOld]);
  if (!isOld) return null;
  return (
    <button
      className={classes(className, "bg-accent/15 font-medium text-accent")}
      onClick={() => location.reload()}
      title="There is a newer version of this page; terminals come back as they are"
      type="button"
    >
      <Icon name="restart" size={20} />
      Update
    </button>
  );
}
