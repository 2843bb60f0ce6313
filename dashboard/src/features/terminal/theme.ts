// Terminals' colours, of the page's own tokens where there is one.
import type { ITheme } from "@xterm/xterm";

type Ansi = Pick<
  ITheme,
  | "black"
  | "red"
  | "green"
  | "yellow"
  | "blue"
  | "magenta"
  | "cyan"
  | "white"
  | "brightBlack"
  | "brightRed"
  | "brightGreen"
  | "brightYellow"
  | "brightBlue"
  | "brightMagenta"
  | "brightCyan"
  | "brightWhite"
>;

const DARK: Ansi = {
  black: "#27272a",
  red: "#f87171",
  green: "#4ade80",
  yellow: "#fbbf24",
  blue: "#60a5fa",
  magenta: "#e879f9",
  cyan: "#22d3ee",
  white: "#d4d4d8",
  brightBlack: "#8e8e97",
  brightRed: "#fca5a5",
  brightGreen: "#86efac",
  brightYellow: "#fde047",
  brightBlue: "#93c5fd",
  brightMagenta: "#f0abfc",
  brightCyan: "#67e8f9",
  brightWhite: "#fafafa",
};

const LIGHT: Ansi = {
  black: "#18181b",
  red: "#b91c1c",
  green: "#15803d",
  yellow: "#92400e",
  blue: "#1d4ed8",
  magenta: "#a21caf",
  cyan: "#0e7490",
  white: "#52525b",
  brightBlack: "#63636b",
  brightRed: "#dc2626",
  brightGreen: "#166534",
  brightYellow: "#854d0e",
  brightBlue: "#2563eb",
  brightMagenta: "#c026d3",
  brightCyan: "#155e75",
  brightWhite: "#27272a",
};

/** `dim`: the connection is not there, and so the cursor is not alive. */
export function themeOf(dark: boolean, dim: boolean): ITheme {
  const background = dark ? "#0a0a0a" : "#ffffff";
  const foreground = dark ? "#e4e4e7" : "#18181b";
  return {
    ...(dark ? DARK : LIGHT),
    background,
    foreground,
    cursor: dim ? (dark ? "#52525b" : "#a1a1aa") : foreground,
    cursorAccent: background,
    selectionBackground: dark ? "#1e3a5f" : "#bfdbfe",
  };
}
