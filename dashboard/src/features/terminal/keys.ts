// Keys that the dashboard takes from a terminal, and those that a phone's keyboard does not have.

export type OwnKey = "palette" | "release" | "search" | "copy" | "paste";

/** Nothing that a program in a terminal is used to get: Ctrl-C, W, R and F are the terminal's. */
export function ownKey(event: KeyboardEvent): OwnKey | null {
  if (event.type !== "keydown") return null;
  const mac = isMac();
  if (mac && event.metaKey && !event.ctrlKey && !event.altKey) {
    if (event.key === "k") return "palette";
    if (event.key === "f") return "search";
    if (event.key === "c") return "copy";
    if (event.key === "v") return "paste";
  }
  if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return null;
  switch (event.code) {
    case "Space":
      return "palette";
    case "KeyE":
      return "release";
    case "KeyF":
      return "search";
    case "KeyC":
      return "copy";
    case "KeyV":
      return "paste";
    default:
      return null;
  }
}

export function isMac(): boolean {
  return /mac|iphone|ipad/i.test(navigator.userAgent);
}

export const CHORDS = {
  palette: () => (isMac() ? "⌘ K" : "Ctrl Shift Space"),
  release: () => "Ctrl Shift E",
  search: () => (isMac() ? "⌘ F" : "Ctrl Shift F"),
};

export type ExtraKey =
  | "ESC"
  | "/"
  | "-"
  | "HOME"
  | "UP"
  | "END"
  | "PGUP"
  | "TAB"
  | "LEFT"
  | "DOWN"
  | "RIGHT"
  | "PGDN";
export interface Modifiers {
  ctrl: boolean;
  alt: boolean;
}

/** What a keyboard would have sent. `application`: the program asked for arrows of its own kind. */
export function sequenceOf(key: ExtraKey, { ctrl, alt }: Modifiers, application: boolean): string {
  const modifier = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);
  const arrow = (letter: string) =>
    modifier > 1 ? `\x1b[1;${modifier}${letter}` : `\x1b${application ? "O" : "["}${letter}`;
  const page = (digit: number) => (modifier > 1 ? `\x1b[${digit};${modifier}~` : `\x1b[${digit}~`);
  switch (key) {
    case "ESC":
      return alt ? "\x1b\x1b" : "\x1b";
    case "TAB":
      return alt ? "\x1b\t" : "\t";
    case "/":
    case "-":
      return withModifiers(key, { ctrl, alt });
    case "UP":
      return arrow("A");
    case "DOWN":
      return arrow("B");
    case "RIGHT":
      return arrow("C");
    case "LEFT":
      return arrow("D");
    case "HOME":
      return arrow("H");
    case "END":
      return arrow("F");
    case "PGUP":
      return page(5);
    case "PGDN":
      return page(6);
  }
}

/** A typed character with sticky modifiers: Ctrl makes a control character, Alt puts ESC in front. */
export function withModifiers(text: string, { ctrl, alt }: Modifiers): string {
  const first = text.charAt(0);
  let typed = text;
  if (ctrl && text.length === 1) {
    const code = first.toUpperCase().charCodeAt(0);
    if (code >= 0x40 && code <= 0x5f) typed = String.fromCharCode(code & 0x1f);
    else if (first === " ") typed = "\0";
    else if (first === "/" || first === "-") typed = "\x1f";
  }
  return alt ? `\x1b${typed}` : typed;
}
