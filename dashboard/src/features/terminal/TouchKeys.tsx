// Typing on a phone: a box to compose in, and the keys that its keyboard lacks.
import { type ReactNode, useEffect, useRef, useState } from "react";
import { IconButton } from "../../ui/Button";
import { classes } from "../../ui/classes";
import { Icon } from "../../ui/Icon";
import { type ExtraKey, type Modifiers, sequenceOf, withModifiers } from "./keys";
import type { Pane } from "./pane";

type Key = { key: ExtraKey; shown?: string; label?: string } | "CTRL" | "ALT";

const ROWS: readonly (readonly Key[])[] = [
  [
    { key: "ESC" },
    { key: "/", label: "Slash" },
    { key: "-", label: "Hyphen" },
    { key: "HOME" },
    { key: "UP", shown: "↑", label: "Up" },
    { key: "END" },
    { key: "PGUP" },
  ],
  [
    { key: "TAB" },
    "CTRL",
    "ALT",
    { key: "LEFT", shown: "←", label: "Left" },
    { key: "DOWN", shown: "↓", label: "Down" },
    { key: "RIGHT", shown: "→", label: "Right" },
    { key: "PGDN" },
  ],
];

const NONE: Modifiers = { ctrl: false, alt: false };

export function TouchKeys({ pane }: { pane: Pane }) {
  const [held, setHeld] = useState(NONE);
  const [raw, setRaw] = useState(false);
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const sticky = useRef(NONE);
  sticky.current = held;

  useEffect(() => {
    pane.transform = (typed) => {
      const modifiers = sticky.current;
      if (!modifiers.ctrl && !modifiers.alt) return typed;
      setHeld(NONE);
      return withModifiers(typed, modifiers);
    };
    return () => {
      pane.transform = (typed) => typed;
    };
  }, [pane]);

  const press = (key: ExtraKey) => {
    const { applicationCursorKeysMode } = pane.xterm.terminal.modes;
    pane.type(sequenceOf(key, held, applicationCursorKeysMode));
    setHeld(NONE);
  };

  // What stands in the box is pasted, so that a program can tell it from typed keys; then it is sent.
  const send = () => {
    if ((held.ctrl || held.alt) && text.length === 1) {
      pane.type(withModifiers(text, held));
      setHeld(NONE);
    } else {
      if (text !== "") pane.xterm.terminal.paste(text);
      pane.type("\r");
    }
    setText("");
    box.current?.focus();
  };

  return (
    <div className="border-t border-line bg-raised p-1.5">
      <div className="mb-1.5 flex items-end gap-1.5">
        <IconButton
          icon="keyboard"
          label={raw ? "Compose a line" : "Type key by key"}
          onClick={() => {
            setRaw(!raw);
            if (raw) box.current?.focus();
            else pane.focus();
          }}
          pressed={raw}
        />
        {raw ? (
          <button
            className="h-11 flex-1 rounded border border-edge bg-bg px-3 text-left text-sm text-secondary"
            onClick={() => pane.focus()}
            type="button"
          >
            Each key goes to the terminal
          </button>
        ) : (
          <textarea
            aria-label="Line to send"
            autoCapitalize="off"
            autoComplete="off"
            autoCorrect="off"
            className="min-h-11 flex-1 resize-none rounded border border-edge bg-bg px-3 py-2.5 font-mono text-lg text-primary field-sizing-content focus-visible:outline-offset-0"
            enterKeyHint="send"
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
              event.preventDefault();
              send();
            }}
            placeholder="Command"
            ref={box}
            rows={1}
            spellCheck={false}
            value={text}
          />
        )}
        <button
          aria-label="Send"
          className="inline-flex size-11 shrink-0 items-center justify-center rounded bg-accent text-on-accent"
          onClick={send}
          type="button"
        >
          <Icon name="send" />
        </button>
      </div>
      {ROWS.map((row) => (
        <div className="mt-1 grid grid-cols-7 gap-1" key={row === ROWS[0] ? "first" : "second"}>
          {row.map((key) =>
            key === "CTRL" || key === "ALT" ? (
              <Cap
                key={key}
                onPress={() =>
                  setHeld(
                    key === "CTRL" ? { ...held, ctrl: !held.ctrl } : { ...held, alt: !held.alt },
                  )
                }
                pressed={key === "CTRL" ? held.ctrl : held.alt}
              >
                {key}
              </Cap>
            ) : (
              <Cap
                key={key.key}
                {...(key.label === undefined ? {} : { label: key.label })}
                onPress={() => press(key.key)}
              >
                {key.shown ?? key.key}
              </Cap>
            ),
          )}
        </div>
      ))}
    </div>
  );
}

interface CapProps {
  children: ReactNode;
  label?: string;
  pressed?: boolean;
  onPress: () => void;
}

function Cap({ children, label, pressed, onPress }: CapProps) {
  return (
    <button
      aria-label={label}
      aria-pressed={pressed}
      className={classes(
        "h-11 rounded border border-line font-sans select-none",
        label === undefined ? "text-xs" : "text-base",
        pressed ? "bg-accent text-on-accent" : "bg-well text-body active:bg-hover",
      )}
      onClick={onPress}
      // The keyboard stays where it is.
      onPointerDown={(event) => event.preventDefault()}
      type="button"
    >
      {children}
    </button>
  );
}
