// How long the page's thread was kept by single tasks: by the clock, and of a processor, which a busy
// machine does not change.
import type { Browser, Page } from "playwright-core";

/** In milliseconds. */
export interface Longest {
  readonly clock: number;
  readonly processor: number;
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Microseconds. */
  dur?: number;
  tdur?: number;
  args?: { name?: string };
}

/** Runs `work`, and returns its longest task on the main threads of the browser's pages. */
export async function longestTask(
  browser: Browser,
  page: Page,
  work: () => Promise<void>,
): Promise<Longest> {
  await browser.startTracing(page, { categories: ["toplevel", "__metadata"] });
  await work();
  const trace = await browser.stopTracing();
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const thread = ({ pid, tid }: TraceEvent) => `${pid}.${tid}`;
  const pages = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain")
      .map(thread),
  );
  const tasks = traceEvents.filter((event) => event.ph === "X" && pages.has(thread(event)));
  const most = (figures: (number | undefined)[]) =>
    figures.reduce<number>((most, figure) => Math.max(most, figure ?? 0), 0) / 1_000;
  return {
    clock: most(tasks.map(({ dur }) => dur)),
    processor: most(tasks.map(({ tdur }) => tdur)),
  };
}
