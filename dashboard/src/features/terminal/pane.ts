// One pane: a viewer of an agent's terminal and the screen that it draws on.
import type { Way } from "../../machines/way";
import { TerminalLine } from "../../terminal/line.ts";
import type { Exit, Size } from "../../terminal/protocol.ts";
import { plain } from "../../ui/plain";
import { Xterm, type XtermOptions } from "./xterm";

export interface PaneState {
  readonly connection:
    | { state: "connecting" }
    | { state: "open" }
    /** `since`: what is shown is as of then. */
    | { state: "away"; since: number; why: string }
    | { state: "refused"; status: number };
  readonly size: Size | null;
  readonly driver: boolean;
  /** The latest stretch of output that is not shown. */
  readonly skipped: { from: bigint; to: bigint; epoch: bigint | null } | null;
  readonly exit: Exit | null;
  /** How many typed bytes were thrown away. */
  readonly dropped: number;
  readonly title: string;
}

export interface PaneOptions
  extends Pick<XtermOptions, "fontSize" | "screenReader" | "dark" | "onLink" | "onKey"> {
  readOnly: boolean;
  /** Decides the size at once: the terminal was started from here. */
  takes: boolean;
}

const STANDARD: Size = { cols: 80, rows: 24 };
/** A window that is being dragged changes at each frame. */
const SETTLED_MS = 60;

export class Pane {
  readonly xterm: Xterm;
  readonly #line: TerminalLine;
  readonly #options: PaneOptions;
  readonly #watch: ResizeObserver;
  readonly #listeners = new Set<() => void>();
  #settling: ReturnType<typeof setTimeout> | null = null;
  #takes: boolean;
  #dim = false;
  #dark: boolean;
  #epoch: bigint | null = null;
  #state: PaneState = {
    connection: { state: "connecting" },
    size: null,
    driver: false,
    skipped: null,
    exit: null,
    dropped: 0,
    title: "",
  };
  /** Changes what a person typed before it is sent: sticky keys of a phone. */
  transform: (text: string) => string = (text) => text;

  constructor(host: HTMLElement, way: Way, agent: string, options: PaneOptions) {
    this.#options = options;
    this.#takes = options.takes;
    this.#dark = options.dark;
    this.xterm = new Xterm(host, {
      ...options,
      onType: (text) => this.type(this.transform(text)),
      onBytes: (bytes) => this.#line.type(bytes),
      onTitle: (title) => this.#tell({ title: plain(title, 120) }),
    });
    this.#line = new TerminalLine(
      way,
      agent,
      {
        viewer: crypto.getRandomValues(new Uint8Array(16)),
        mode: options.readOnly ? "read-only" : "drive",
        size: this.xterm.fits() ?? STANDARD,
      },
      (act) => this.#act(act),
    );
    this.#watch = new ResizeObserver(() => {
      if (this.#settling !== null) clearTimeout(this.#settling);
      this.#settling = setTimeout(() => this.#windowChanged(), SETTLED_MS);
    });
    this.#watch.observe(host);
  }

  get state(): PaneState {
    return this.#state;
  }

  onState = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  type(text: string): void {
    if (!this.#options.readOnly) this.#line.type(new TextEncoder().encode(text));
  }

  /** This window is to decide the terminal's size. */
  drive(): void {
    this.#windowChanged();
    this.#line.take();
    this.focus();
  }

  focus(): void {
    this.xterm.terminal.focus();
  }

  look(fontSize: number, screenReader: boolean, dark: boolean): void {
    const { options } = this.xterm.terminal;
    this.#dark = dark;
    this.xterm.look(dark, this.#dim);
    if (options.screenReaderMode !== screenReader) options.screenReaderMode = screenReader;
    if (options.fontSize === fontSize) return;
    options.fontSize = fontSize;
    this.#windowChanged();
  }

  seenSkipped(): void {
    this.#tell({ skipped: null });
  }

  seenDropped(): void {
    this.#tell({ dropped: 0 });
  }

  close(): void {
    this.#watch.disconnect();
    if (this.#settling !== null) clearTimeout(this.#settling);
    this.#listeners.clear();
    this.#line.close();
    this.xterm.dispose();
  }

  #act(act: Parameters<ConstructorParameters<typeof TerminalLine>[3]>[0]): void {
    switch (act.type) {
      case "attached":
        this.#epoch = this.#line.feed.position?.epoch ?? this.#epoch;
        this.#tell({ connection: { state: "open" }, exit: null });
        this.#dimCursor(false);
        if (this.#takes) {
          this.#takes = false;
          this.#line.take();
        }
        break;
      case "show":
        this.xterm.write(act.bytes, () => this.#line.shown(act.upto));
        break;
      case "redraw":
        this.#epoch = this.#line.feed.position?.epoch ?? null;
        this.xterm.redraw(act.size, act.bytes, () => this.#line.shown(act.upto));
        break;
      case "size":
        this.xterm.resize(act.size);
        this.#tell({ size: act.size, driver: act.driver });
        break;
      case "skipped":
        this.#tell({ skipped: { from: act.from, to: act.to, epoch: this.#epoch } });
        break;
      case "gave-up":
        this.#tell({ dropped: this.#state.dropped + act.bytes });
        break;
      case "exited":
        this.#tell({ exit: act.exit });
        this.#dimCursor(true);
        break;
      case "away": {
        const { connection } = this.#state;
        const since = connection.state === "away" ? connection.since : Date.now();
        this.#tell({ connection: { state: "away", since, why: act.why } });
        this.#dimCursor(true);
        break;
      }
      case "refused":
        this.#tell({ connection: { state: "refused", status: act.status } });
        break;
    }
  }

  #windowChanged(): void {
    this.#settling = null;
    const size = this.xterm.fits();
    if (size !== null) this.#line.resize(size);
  }

  #dimCursor(dim: boolean): void {
    if (this.#dim === dim) return;
    this.#dim = dim;
    this.xterm.look(this.#dark, dim);
  }

  #tell(part: Partial<PaneState>): void {
    this.#state = { ...this.#state, ...part };
    for (const listener of this.#listeners) listener();
  }
}
