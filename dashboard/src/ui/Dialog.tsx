// A modal dialog on the browser's own element, which keeps focus inside and gives it back.
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { IconButton } from "./Button";
import { classes } from "./classes";

interface DialogProps {
  title: string;
  description?: ReactNode;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

export function Dialog({ title, description, onClose, children, wide }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // Closed while it is still in the page, it gives the focus back to where it was.
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    // The close button comes first in the page, but is not what the dialog is for.
    dialog?.querySelector<HTMLElement>("form :is(input, select, textarea)[data-first]")?.focus();
    return () => dialog?.close();
  }, []);

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same, by the browser's own hand.
    <dialog
      aria-labelledby={heading}
      className={classes(
        "m-auto max-h-[min(88dvh,44rem)] w-full overflow-y-auto overscroll-contain rounded-lg border border-line bg-raised p-0 shadow-2xl shadow-black/30",
        "max-sm:mb-0 max-sm:max-w-full max-sm:rounded-b-none",
        wide ? "sm:max-w-2xl" : "sm:max-w-lg",
      )}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
      ref={element}
    >
      <div className="p-5">
        <header className="mb-4 flex items-start gap-3">
          <div className="min-w-0 flex-1">
            <h2 className="text-lg font-semibold text-primary" id={heading}>
              {title}
            </h2>
            {description && <p className="mt-1 text-sm text-secondary">{description}</p>}
          </div>
          <IconButton className="-mt-1 -mr-1" icon="close" label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

export function DialogButtons({ children }: { children: ReactNode }) {
  return <footer className="mt-6 flex flex-wrap justify-end gap-2">{children}</footer>;
}
