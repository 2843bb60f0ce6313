// A menu at a button, in the top layer: arrows move, letters jump, Escape closes.
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { IconButton } from "./Button";
import { classes } from "./classes";
import { Icon, type IconName } from "./Icon";

export interface MenuItem {
  label: string;
  icon?: IconName;
  hint?: string;
  danger?: boolean;
  disabled?: boolean;
  act: () => void;
}

interface MenuProps {
  label: string;
  /** Groups, with a line between them. */
  items: readonly (readonly MenuItem[])[];
  icon?: IconName;
  className?: string;
  header?: ReactNode;
}

export function Menu({ label, items, icon = "more", className, header }: MenuProps) {
  const [open, setOpen] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    const menu = list.current;
    const button = trigger.current;
    if (!open || menu === null || button === null) return;
    menu.showPopover();
    place(menu, button);
    menu.querySelector<HTMLElement>("[role=menuitem]:not(:disabled)")?.focus();
    const close = () => setOpen(false);
    window.addEventListener("resize", close);
    window.addEventListener("scroll", close, true);
    return () => {
      window.removeEventListener("resize", close);
      window.removeEventListener("scroll", close, true);
    };
  }, [open]);

  const leave = () => {
    setOpen(false);
    trigger.current?.focus();
  };

  return (
    <>
      <IconButton
        aria-controls={open ? id : undefined}
        aria-expanded={open}
        aria-haspopup="menu"
        className={className}
        icon={icon}
        label={label}
        onClick={() => setOpen(!open)}
        ref={trigger}
      />
      {open && (
        <div
          aria-label={label}
          className="fixed inset-auto m-0 max-h-[80dvh] min-w-48 overflow-y-auto rounded-lg border border-line bg-raised p-1 text-body shadow-xl shadow-black/25"
          id={id}
          onKeyDown={(event) => onKey(event, leave)}
          onToggle={(event) => {
            if (event.newState === "closed") setOpen(false);
          }}
          popover="auto"
          ref={list}
          role="menu"
          tabIndex={-1}
        >
          {header && <div className="px-2.5 py-1.5 text-xs text-floor">{header}</div>}
          {items
            .filter((group) => group.length > 0)
            .map((group, index) => (
              <div
                className={classes(index > 0 && "mt-1 border-t border-line pt-1")}
                key={group.map((item) => item.label).join()}
                role="none"
              >
                {group.map((item) => (
                  <button
                    className={classes(
                      "flex h-8 w-full items-center gap-2.5 rounded px-2.5 text-left text-sm coarse:h-11",
                      "hover:bg-hover focus-visible:bg-hover focus-visible:outline-offset-[-2px] disabled:opacity-55",
                      item.danger ? "text-error" : "text-body",
                    )}
                    disabled={item.disabled}
                    key={item.label}
                    onClick={() => {
                      leave();
                      item.act();
                    }}
                    role="menuitem"
                    tabIndex={-1}
                    type="button"
                  >
                    {item.icon && <Icon name={item.icon} />}
                    <span className="flex-1">{item.label}</span>
                    {item.hint && <span className="text-xs text-floor">{item.hint}</span>}
                  </button>
                ))}
              </div>
            ))}
        </div>
      )}
    </>
  );
}

/** Below the button where there is room, else above; never beyond the window. */
function place(menu: HTMLElement, button: HTMLElement) {
  const at = button.getBoundingClientRect();
  const box = menu.getBoundingClientRect();
  const below = at.bottom + 4;
  const top =
    below + box.height <= window.innerHeight - 8 ? below : Math.max(8, at.top - 4 - box.height);
  const left = Math.min(Math.max(8, at.right - box.width), window.innerWidth - box.width - 8);
  menu.style.top = `${top}px`;
  menu.style.left = `${left}px`;
}

function onKey(event: KeyboardEvent<HTMLElement>, leave: () => void) {
  const items = [
    ...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)"),
  ];
  const here = items.indexOf(document.activeElement as HTMLElement);
  const to = (index: number) => items[(index + items.length) % items.length]?.focus();
  switch (event.key) {
    case "ArrowDown":
      to(here + 1);
      break;
    case "ArrowUp":
      to(here - 1);
      break;
    case "Home":
      to(0);
      break;
    case "End":
      to(-1);
      break;
    case "Escape":
    case "Tab":
      leave();
      break;
    default: {
      if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return;
      const letter = event.key.toLowerCase();
      const turned = [...items.slice(here + 1), ...items.slice(0, here + 1)];
      const next = turned.find((item) => item.textContent?.toLowerCase().startsWith(letter));
      if (next === undefined) return;
      next.focus();
    }
  }
  event.preventDefault();
  event.stopPropagation();
}
