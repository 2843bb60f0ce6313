// How it looks, for this browser: kept in localStorage, which may not be there.
import { createStore } from "zustand/vanilla";

export interface Appearance {
  theme: "system" | "light" | "dark";
  /** Of terminals, in CSS pixels. */
  fontSize: number;
  /** Terminals tell a screen reader what is written. */
  screenReader: boolean;
}

const KEY = "gantline.appearance";
const FIRST: Appearance = { theme: "system", fontSize: 13, screenReader: false };
export const FONT_SIZES = [10, 11, 12, 13, 14, 15, 16, 18, 20, 24] as const;

export const appearance = createStore<Appearance>(() => read());

export function changeAppearance(part: Partial<Appearance>): void {
  appearance.setState(part);
  try {
    localStorage.setItem(KEY, JSON.stringify(appearance.getState()));
  } catch {
    // It lasts as long as the page.
  }
  applyTheme();
}

export function applyTheme(): void {
  const { theme } = appearance.getState();
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

function read(): Appearance {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return FIRST;
    const { theme, fontSize, screenReader } = kept as Partial<Appearance>;
    return {
      theme: theme === "light" || theme === "dark" ? theme : "system",
      fontSize: FONT_SIZES.find((size) => size === fontSize) ?? FIRST.fontSize,
      screenReader: screenReader === true,
    };
  } catch {
    return FIRST;
  }
}
