// Short messages about acts whose place on the screen is gone: a menu that closed, a dialog.
import { createStore } from "zustand/vanilla";

export interface Toast {
  id: number;
  tone: "ok" | "error";
  text: string;
}

export const toasts = createStore<{ list: readonly Toast[] }>(() => ({ list: [] }));

const SHOWN_MS = { ok: 3_000, error: 8_000 };
const AT_MOST = 4;
let last = 0;

export function toast(tone: "ok" | "error", text: string): void {
  last += 1;
  const id = last;
  toasts.setState(({ list }) => ({ list: [...list, { id, tone, text }].slice(-AT_MOST) }));
  setTimeout(() => dismissToast(id), SHOWN_MS[tone]);
}

export function dismissToast(id: number): void {
  toasts.setState(({ list }) => ({ list: list.filter((toast) => toast.id !== id) }));
}

/** Says what went wrong, if anything does. */
export function attempt(act: Promise<unknown>, done?: string): void {
  act.then(
    () => done !== undefined && toast("ok", done),
    (error: unknown) => toast("error", error instanceof Error ? error.message : String(error)),
  );
}
