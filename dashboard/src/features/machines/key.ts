// Reads what opens a machine's door out of what a person typed or pasted.
import type { MachineKey } from "../../api/gateway";

/** The error is null while there is not enough yet to be wrong. */
export type ReadKey = MachineKey | { error: string | null };

/** `only`: the machine that is meant if just a code is there. */
export function readKey(text: string, only: string | null): ReadKey {
  const line = text.trim().replace(/^(?:\$\s*)?gantline\s+add\s+/, "");
  if (line === "") return { error: null };
  if (/^(https?:\/\/\S+#)?\d+\.[a-z2-7]{26}\.\S+$/.test(line)) return { link: line };

  const words = line.split(/\s+/);
  const last = words.at(-1) ?? "";
  const hasAddress = /[a-z]/i.test(last);
  const digits = (hasAddress ? words.slice(0, -1) : words).join("").replaceAll("-", "");
  if (!/^\d*$/.test(digits)) return { error: "That is neither such a line nor a link." };
  if (digits.length > 8) return { error: "A code has eight digits." };
  if (!hasAddress) {
    if (digits.length < 8) return { error: null };
    if (only !== null) return { code: digits, address: only };
    return { error: "Behind the code there has to be where the machine is." };
  }
  if (digits.length < 8) return { error: "In front there has to be a code of eight digits." };
  if (!/^[a-z2-7]{26}\./.test(last) && !(only !== null && last === only)) {
    return { error: "An address begins with the machine's id, of 26 characters." };
  }
  return { code: digits, address: last };
}
