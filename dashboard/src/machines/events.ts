// Server-sent events, resumed by Last-Event-ID until they are no longer wanted.
import type { Way } from "./way";

export interface EventListener {
  /**
   * The stream stands. Whether it goes on where the last one broke off, the listener has to ask: ids
   * of one run of the node are not those of another.
   */
  onOpen: () => void;
  /** The parsed data of an event. */
  onEvent: (data: unknown) => void;
  /** Events were lost: ask for the state. */
  onMissed: (data: unknown) => void;
  onBroken: (why: string, error: unknown) => void;
}

/** Longer than two heartbeats: the stream is dead, whatever the connection says. */
const SILENCE_MS = 40_000;
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 30_000;
/** An event is small; a line beyond this is not one of ours. */
const LINE_LIMIT = 1 << 20;

/** Runs until `signal` aborts. `wake` cuts the pause between two tries short. */
export async function followEvents(
  way: Pick<Way, "fetch">,
  url: string,
  listener: EventListener,
  signal: AbortSignal,
  wake: EventTarget,
): Promise<void> {
  let last: string | null = null;
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener("abort", stop);
    try {
      const headers = new Headers({ accept: "text/event-stream" });
      if (last !== null) headers.set("last-event-id", last);
      const response = await way.fetch(new Request(url, { headers, signal: attempt.signal }));
      if (!response.ok || response.body === null) throw new EventsRefused(response.status);
      listener.onOpen();
      pause = FIRST_PAUSE_MS;
      for await (const message of readEvents(response.body, stop)) {
        if (message.data === "") continue;
        const data: unknown = JSON.parse(message.data);
        if (message.event === "missed") listener.onMissed(data);
        else listener.onEvent(data);
        if (message.id !== null) last = message.id;
      }
      throw new Error("the stream of events ended");
    } catch (error) {
      if (signal.aborted) return;
      listener.onBroken(error instanceof Error ? error.message : String(error), error);
    } finally {
      signal.removeEventListener("abort", stop);
      attempt.abort();
    }
    await rest(pause * (0.5 + Math.random() / 2), signal, wake);
    pause = Math.min(pause * 2, LAST_PAUSE_MS);
  }
}

/** The stream was not opened: an answer other than 200. */
export class EventsRefused extends Error {
  override readonly name = "EventsRefused";
  readonly status: number;

  constructor(status: number) {
    super(`The events were refused with status ${status}.`);
    this.status = status;
  }
}

export interface SseMessage {
  event: string;
  data: string;
  id: string | null;
}

/** `stop` is called, and has to break the body, when nothing was heard for too long. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  stop: () => void,
): AsyncGenerator<SseMessage> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let message = blank();
  try {
    while (true) {
      const timer = setTimeout(stop, SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      if (rest.length > LINE_LIMIT) throw new Error("an event is too long");
      for (const line of lines) {
        if (line === "") {
          if (message.data !== "" || message.event !== "message") yield message;
          message = blank();
        } else {
          take(message, line);
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function take(message: SseMessage, line: string) {
  const colon = line.indexOf(":");
  if (colon === 0) return;
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (field === "event") message.event = value;
  else if (field === "id") message.id = value;
  else if (field === "data") message.data += message.data === "" ? value : `\n${value}`;
}

function blank(): SseMessage {
  return { event: "message", data: "", id: null };
}

function rest(ms: number, signal: AbortSignal, wake: EventTarget): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      wake.removeEventListener("wake", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    wake.addEventListener("wake", done);
  });
}
