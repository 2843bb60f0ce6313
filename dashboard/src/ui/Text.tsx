// Text that others wrote: names, titles, commands, reasons.
import { plain } from "./plain";

export function Text({ children, limit }: { children: string; limit?: number }) {
  return <bdi>{plain(children, limit)}</bdi>;
}
