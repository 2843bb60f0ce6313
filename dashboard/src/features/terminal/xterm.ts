// The terminal on the screen: xterm.js, mute, in order, at the size that the node says.
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import type { Size } from "../../terminal/protocol.ts";
import { documentWithoutInlineStyles, openWithoutInlineStyles } from "./styles";
import { themeOf } from "./theme";

export interface XtermOptions {
  fontSize: number;
  screenReader: boolean;
  dark: boolean;
  /** A link that output itself has named, whose text may be a lie. */
  onLink: (url: string) => void;
  /** A key that is ours: true if it was, and the terminal doesn't get it. */
  onKey: (event: KeyboardEvent) => boolean;
  onType: (text: string) => void;
  onBytes: (bytes: Uint8Array) => void;
  onTitle: (title: string) => void;
}

type Step = { bytes: Uint8Array; shown: () => void } | { act: () => void };

const SCROLLBACK = 10_000;
const WRITE = 8_192;
const nothing = () => undefined;

export class Xterm {
  readonly terminal: Terminal;
  readonly search = new SearchAddon({ highlightLimit: 500 });
  readonly #fit = new FitAddon();
  readonly #steps: Step[] = [];
  #writing = 0;
  #gone = false;

  constructor(host: HTMLElement, options: XtermOptions) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: false,
      cursorInactiveStyle: "outline",
      documentOverride: documentWithoutInlineStyles(),
      drawBoldTextInBrightColors: false,
      fontFamily: getComputedStyle(host).fontFamily,
      fontSize: options.fontSize,
      letterSpacing: 0,
      lineHeight: 1.15,
      linkHandler: { activate: (_event, url) => options.onLink(url) },
      macOptionIsMeta: true,
      minimumContrastRatio: 4.5,
      rightClickSelectsWord: true,
      screenReaderMode: options.screenReader,
      scrollback: SCROLLBACK,
      theme: themeOf(options.dark, false),
    });
    const { terminal } = this;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.search);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = "11";
    // What the screen shows as an address is the address.
    terminal.loadAddon(new WebLinksAddon((_event, url) => open(url)));
    muteAnswers(terminal);
    terminal.attachCustomKeyEventHandler((event) => !options.onKey(event));
    terminal.onData(options.onType);
    terminal.onBinary((binary) =>
      options.onBytes(Uint8Array.from(binary, (character) => character.charCodeAt(0))),
    );
    terminal.onTitleChange(options.onTitle);
    openWithoutInlineStyles(() => terminal.open(host));
    // On touch screens the page's own text can be selected and enlarged.
    if (!matchMedia("(pointer: coarse)").matches && drawsByHardware()) this.#drawByHardware();
  }

  /** The size that would fill the window; null while it has none. */
  fits(): Size | null {
    const size = this.#fit.proposeDimensions();
    if (size === undefined || !(size.cols >= 2 && size.rows >= 1)) return null;
    return { cols: Math.min(size.cols, 1000), rows: Math.min(size.rows, 1000) };
  }

  write(bytes: Uint8Array, shown: () => void): void {
    // Xterm looks at the clock between two writes only: small ones keep the page answering.
    for (let at = 0; at < bytes.length || at === 0; at += WRITE) {
      const last = at + WRITE >= bytes.length;
      this.#steps.push({ bytes: bytes.subarray(at, at + WRITE), shown: last ? shown : nothing });
    }
    this.#go();
  }

  redraw(size: Size, bytes: Uint8Array, shown: () => void): void {
    this.#steps.push({
      act: () => {
        this.terminal.reset();
        this.terminal.resize(size.cols, size.rows);
      },
    });
    this.write(bytes, shown);
  }

  resize({ cols, rows }: Size): void {
    this.#steps.push({ act: () => this.terminal.resize(cols, rows) });
    this.#go();
  }

  look(dark: boolean, dim: boolean): void {
    this.terminal.options.theme = themeOf(dark, dim);
  }

  dispose(): void {
    this.#gone = true;
    this.terminal.dispose();
  }

  /** Its code comes when it is of use. Until then, and where it can't be had, elements do. */
  #drawByHardware(): void {
    import("@xterm/addon-webgl").then(
      ({ WebglAddon }) => {
        if (this.#gone) return;
        const webgl = new WebglAddon();
        webgl.onContextLoss(() => webgl.dispose());
        this.terminal.loadAddon(webgl);
      },
      () => undefined,
    );
  }

  /** Xterm writes later, but resizes at once: what has an order waits for what was before it. */
  #go(): void {
    while (!this.#gone) {
      const step = this.#steps[0];
      if (step === undefined) return;
      if ("act" in step) {
        if (this.#writing > 0) return;
        this.#steps.shift();
        step.act();
      } else {
        this.#steps.shift();
        this.#writing += 1;
        this.terminal.write(step.bytes, () => {
          this.#writing -= 1;
          step.shown();
          this.#go();
        });
      }
    }
  }
}

/** Only what a browser fetches; nothing that runs something. */
export function isOpenable(url: string): boolean {
  return /^https?:\/\//i.test(url);
}

export function open(url: string): void {
  if (isOpenable(url)) window.open(url, "_blank", "noopener,noreferrer");
}

/** The node answers what programs ask of their terminal; a second answer would be typed. */
function muteAnswers({ parser }: Terminal): void {
  const swallow = () => true;
  for (const prefix of ["", ">", "="]) {
    parser.registerCsiHandler({ ...(prefix && { prefix }), final: "c" }, swallow);
  }
  for (const prefix of ["", "?"]) {
    parser.registerCsiHandler({ ...(prefix && { prefix }), final: "n" }, swallow);
    parser.registerCsiHandler(
      { ...(prefix && { prefix }), intermediates: "$", final: "p" },
      swallow,
    );
  }
  parser.registerCsiHandler({ prefix: ">", final: "q" }, swallow);
  parser.registerCsiHandler({ prefix: "?", final: "u" }, swallow);
  // Titles may be pushed and popped (22, 23); all else asks, or acts upon a window.
  parser.registerCsiHandler({ final: "t" }, ([act]) => act !== 22 && act !== 23);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  parser.registerDcsHandler({ intermediates: "+", final: "q" }, swallow);
  parser.registerEscHandler({ final: "Z" }, swallow);
  for (const osc of [4, 10, 11, 12]) {
    parser.registerOscHandler(osc, (data) => /(^|;)\?/.test(data));
  }
}

/** A software renderer of WebGL is slower than the page's own drawing. */
function drawsByHardware(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  if (context === null) return false;
  const info = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = info === null ? "" : context.getParameter(info.UNMASKED_RENDERER_WEBGL);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|software|basic render/i.test(String(renderer));
}
