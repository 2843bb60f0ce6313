// A sentence or two that must not be missed: an icon, a word and a colour.
import type { ReactNode } from "react";
import { classes } from "./classes";
import { Icon, type IconName } from "./Icon";

type Tone = "info" | "ok" | "warn" | "error";

const LOOK: Record<Tone, { icon: IconName; colour: string }> = {
  info: { icon: "info", colour: "border-info/40 text-info" },
  ok: { icon: "check", colour: "border-ok/40 text-ok" },
  warn: { icon: "warn", colour: "border-warn/40 text-warn" },
  error: { icon: "fail", colour: "border-error/40 text-error" },
};

interface NoticeProps {
  tone: Tone;
  title?: string;
  children?: ReactNode;
  action?: ReactNode;
}

export function Notice({ tone, title, children, action }: NoticeProps) {
  const { icon, colour } = LOOK[tone];
  return (
    <div
      className={classes(
        "flex flex-wrap items-start justify-end gap-2.5 rounded border bg-raised px-3 py-2",
        colour,
      )}
      role={tone === "error" ? "alert" : "status"}
    >
      <span className="mt-0.5">
        <Icon name={icon} />
      </span>
      <div className="min-w-0 flex-1 basis-52 text-sm wrap-anywhere">
        {title && <p className="font-medium">{title}</p>}
        {children && <div className="text-body">{children}</div>}
      </div>
      {action}
    </div>
  );
}
