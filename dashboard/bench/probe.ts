// From a key to its glyph, as the page itself sees it; the same for every terminal that draws with
// elements, ours or not.
import type { CDPSession, Page } from "playwright-core";

declare global {
  interface Window {
    keyProbe: { next: () => Promise<number>; glyphs: () => number };
  }
}

const WITHIN_MS = 10_000;

/** A terminal that is typed into, in a page that is looked at. */
export class Typist {
  readonly name: string;
  readonly page: Page;
  readonly #session: CDPSession;

  private constructor(name: string, page: Page, session: CDPSession) {
    this.name = name;
    this.page = page;
    this.#session = session;
  }

  /** The terminal is open, empty, and echoes what is typed. */
  static async at(name: string, page: Page): Promise<Typist> {
    await page.locator(".xterm-rows").waitFor();
    await page.evaluate(install);
    return new Typist(name, page, await page.context().newCDPSession(page));
  }

  /** Types `count` keys one after the other; each took so many milliseconds to be on the screen. */
  async type(count: number): Promise<number[]> {
    await this.page.bringToFront();
    await this.page.locator(".xterm textarea").focus();
    // The first key after a change of pages pays for it.
    await this.#press("a");
    const taken: number[] = [];
    for (let key = 0; key < count; key++) {
      // Any phase of the screen's frames.
      await new Promise((resolve) => setTimeout(resolve, 20 + 40 * Math.random()));
      taken.push(await this.#press(String.fromCharCode(98 + (key % 25))));
    }
    await this.#clear();
    return taken;
  }

  async #press(key: string): Promise<number> {
    const seen = this.page.evaluate(() => window.keyProbe.next());
    await this.page.evaluate(() => undefined);
    const code = {
      key,
      code: `Key${key.toUpperCase()}`,
      windowsVirtualKeyCode: key.charCodeAt(0) - 32,
    };
    await this.#session.send("Input.dispatchKeyEvent", { type: "keyDown", text: key, ...code });
    await this.#session.send("Input.dispatchKeyEvent", { type: "keyUp", ...code });
    return await within(seen, `${this.name}: the key ${key} is not on the screen`);
  }

  /** Erases the line, as the terminal's own driver does. */
  async #clear(): Promise<void> {
    await this.page.keyboard.press("Control+u");
    await this.page.waitForFunction(() => window.keyProbe.glyphs() === 0);
  }
}

async function within(seen: Promise<number>, what: string): Promise<number> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), WITHIN_MS);
  });
  return Promise.race([seen, late]).finally(() => clearTimeout(timer));
}

/** Runs in the page. A key counts from the time that the browser gives it; its glyph counts as drawn
 * when the frame in which the terminal puts it among its elements has been painted. */
function install(): void {
  const rows = document.querySelector(".xterm-rows");
  if (rows === null) throw new Error("this terminal does not draw with elements");
  const glyphs = () => (rows.textContent ?? "").replace(/\s/g, "").length;
  const painted = new MessageChannel();
  let pressedAt = 0;
  let before = 0;
  let tell: ((taken: number) => void) | undefined;
  window.addEventListener(
    "keydown",
    (event) => {
      pressedAt = event.timeStamp;
      before = glyphs();
    },
    true,
  );
  new MutationObserver(() => {
    // Terminals draw when a frame begins; the next task comes after its painting.
    if (tell !== undefined && pressedAt > 0 && glyphs() > before) painted.port2.postMessage(null);
  }).observe(rows, { subtree: true, childList: true, characterData: true });
  painted.port1.onmessage = () => {
    tell?.(performance.now() - pressedAt);
    tell = undefined;
    pressedAt = 0;
  };
  window.keyProbe = {
    glyphs,
    next: () =>
      new Promise((resolve) => {
        tell = resolve;
      }),
  };
}
