// Buttons: one look for each weight, and 44 px to touch where fingers are.
import type { ComponentProps, ReactNode } from "react";
import { classes } from "./classes";
import { Icon, type IconName } from "./Icon";

type Weight = "primary" | "plain" | "quiet" | "danger";

const LOOK: Record<Weight, string> = {
  primary: "bg-accent text-on-accent hover:opacity-90 font-medium",
  plain: "border border-line bg-raised text-primary hover:bg-hover",
  quiet: "text-secondary hover:bg-hover hover:text-primary",
  danger: "border border-error/50 text-error hover:bg-error/10",
};

export interface ButtonProps extends ComponentProps<"button"> {
  weight?: Weight;
  icon?: IconName;
  children: ReactNode;
}

export function Button({ weight = "plain", icon, children, className, ...rest }: ButtonProps) {
  return (
    <button
      className={classes(
        "inline-flex h-8 shrink-0 items-center justify-center gap-1.5 rounded px-3 text-sm whitespace-nowrap transition-colors",
        "coarse:h-11 coarse:px-4 disabled:cursor-default disabled:opacity-55",
        LOOK[weight],
        className,
      )}
      type="button"
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  icon: IconName;
  label: string;
  pressed?: boolean;
}

export function IconButton({ icon, label, pressed, className, ...rest }: IconButtonProps) {
  return (
    <button
      aria-label={label}
      aria-pressed={pressed}
      className={classes(
        "inline-flex size-8 shrink-0 items-center justify-center rounded transition-colors coarse:size-11",
        pressed ? "bg-well text-accent" : "text-secondary hover:bg-hover hover:text-primary",
        "disabled:cursor-default disabled:opacity-55",
        className,
      )}
      title={label}
      type="button"
      {...rest}
    >
      <Icon name={icon} />
    </button>
  );
}
