// Labelled inputs.
import { type ComponentProps, type ReactNode, useId } from "react";
import { classes } from "./classes";

const BOX =
  "w-full rounded border border-edge bg-bg px-2.5 text-base text-primary coarse:text-lg focus-visible:outline-offset-0";

interface Labelled {
  label: string;
  hint?: ReactNode;
  error?: string | null | undefined;
}

export function TextField({
  label,
  hint,
  error,
  mono,
  className,
  ...rest
}: Labelled & { mono?: boolean } & ComponentProps<"input">) {
  const id = useId();
  return (
    <Frame error={error} hint={hint} id={id} label={label}>
      <input
        aria-describedby={`${id}-hint`}
        aria-invalid={error ? true : undefined}
        autoCapitalize="off"
        autoComplete="off"
        autoCorrect="off"
        className={classes(BOX, "h-9 coarse:h-11", mono && "font-mono", className)}
        id={id}
        spellCheck={false}
        {...rest}
      />
    </Frame>
  );
}

export function TextArea({
  label,
  hint,
  error,
  mono,
  className,
  ...rest
}: Labelled & { mono?: boolean } & ComponentProps<"textarea">) {
  const id = useId();
  return (
    <Frame error={error} hint={hint} id={id} label={label}>
      <textarea
        aria-describedby={`${id}-hint`}
        aria-invalid={error ? true : undefined}
        className={classes(BOX, "py-1.5", mono && "font-mono text-sm", className)}
        id={id}
        spellCheck={false}
        {...rest}
      />
    </Frame>
  );
}

export function Select({
  label,
  hint,
  error,
  children,
  ...rest
}: Labelled & ComponentProps<"select">) {
  const id = useId();
  return (
    <Frame error={error} hint={hint} id={id} label={label}>
      <select
        aria-describedby={`${id}-hint`}
        className={classes(BOX, "h-9 coarse:h-11")}
        id={id}
        {...rest}
      >
        {children}
      </select>
    </Frame>
  );
}

export function Checkbox({ label, hint, ...rest }: Labelled & ComponentProps<"input">) {
  const id = useId();
  return (
    <div className="flex items-start gap-2.5">
      <input
        aria-describedby={hint ? `${id}-hint` : undefined}
        className="mt-0.5 size-4 shrink-0 accent-accent coarse:mt-0 coarse:size-6"
        id={id}
        type="checkbox"
        {...rest}
      />
      <div>
        <label className="text-body" htmlFor={id}>
          {label}
        </label>
        {hint && (
          <p className="text-xs text-floor" id={`${id}-hint`}>
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

function Frame({
  id,
  label,
  hint,
  error,
  children,
}: Labelled & { id: string; children: ReactNode }) {
  return (
    <div className="min-w-0 flex-1">
      <label className="mb-1 block text-sm font-medium text-body" htmlFor={id}>
        {label}
      </label>
      {children}
      <p className={classes("mt-1 text-xs", error ? "text-error" : "text-floor")} id={`${id}-hint`}>
        {error ?? hint}
      </p>
    </div>
  );
}
