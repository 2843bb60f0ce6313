// At a node's own address, without what lets this page in.
import { Command } from "../../ui/Command";

const WHY = {
  none: "This page is open to the user of this machine alone.",
  spent: "That link was used already, or is older than a minute.",
  old: "The node was started anew since this page was opened.",
};

export function LockedPage({ why }: { why: keyof typeof WHY }) {
  return (
    <main className="mx-auto grid max-w-lg gap-4 p-4 sm:p-10">
      <h1 className="text-xl font-semibold text-primary">Open it from the command line</h1>
      <p>{WHY[why]} In a terminal on this machine:</p>
      <Command>gantline open</Command>
    </main>
  );
}
