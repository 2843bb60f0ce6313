// A state: an icon, a word and a colour, so that none of them has to be understood alone.
import { classes } from "./classes";
import { Icon, type IconName } from "./Icon";

export type Tone = "ok" | "info" | "warn" | "error" | "muted";

const COLOUR: Record<Tone, string> = {
  ok: "text-ok",
  info: "text-info",
  warn: "text-warn",
  error: "text-error",
  muted: "text-secondary",
};

export function StateMark({ icon, word, tone }: { icon: IconName; word: string; tone: Tone }) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1.5 text-sm whitespace-nowrap",
        COLOUR[tone],
      )}
    >
      <Icon name={icon} size={14} />
      {word}
    </span>
  );
}
