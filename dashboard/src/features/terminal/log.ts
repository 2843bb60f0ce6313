// An agent's output as a file, as far as it is kept.
import { urls } from "../../api/urls";
import { machine } from "../../machines/fleet";

export interface Stretch {
  from: bigint;
  to: bigint;
  epoch: bigint;
}

export async function saveLog(machineId: string, agent: string, part?: Stretch): Promise<void> {
  const way = machine(machineId)?.way;
  if (way === undefined) throw new Error("This machine is no longer in the fleet.");
  const url = new URL(urls.output(agent));
  if (part !== undefined) {
    url.searchParams.set("from", String(part.from));
    url.searchParams.set("to", String(part.to));
    url.searchParams.set("epoch", part.epoch.toString(16).padStart(16, "0"));
  }
  const response = await way.fetch(new Request(url));
  if (!response.ok) throw new Error(`The log can't be had: status ${response.status}.`);
  const file = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = file;
  link.download = `${agent}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
}
