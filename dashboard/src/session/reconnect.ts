// When to try again, and what to tell people meanwhile. Pure: it is told what happened and when.

import type { Hint } from "./io/pipe.ts";

export type Status =
  | { readonly state: "connecting" }
  | {
      readonly state: "up";
      readonly path: "relay";
      readonly rttMs: number | null;
      readonly since: number;
    }
  | {
      readonly state: "reconnecting";
      readonly since: number;
      readonly why: string;
      /** The machine's node said that it ends: what ran there goes on. */
      readonly restarts?: boolean;
    }
  | {
      readonly state: "offline";
      readonly since: number;
      readonly why: string;
      readonly nextTryAt: number;
      readonly restarts?: boolean;
    }
  | { readonly state: "revoked" }
  | { readonly state: "unpaired" };

/** The bound of the first wait, and of the longest, in milliseconds. */
const FIRST = 1_000;
const LONGEST = 30_000;
/** A session that stood for so long counts as one that stands. */
const STOOD = 10_000;
/** For so long a connection that broke is being taken up; then the machine is offline. What was
 * typed is given up at the same moment. */
const PATIENT = 5_000;

/** Times are milliseconds since 1970, as they are shown. */
export class Reconnection {
  #status: Status = { state: "connecting" };
  #bound = FIRST;
  #restarts = false;
  readonly #random: () => number;

  /** `random` draws evenly from 0 up to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  get status(): Status {
    return this.#status;
  }

  up(now: number): void {
    this.#restarts = false;
    this.#status = { state: "up", path: "relay", rttMs: null, since: now };
  }

  roundTrip(ms: number): void {
    if (this.#status.state === "up") this.#status = { ...this.#status, rttMs: ms };
  }

  /** The machine said that it has removed this device. Nothing follows. */
  revoked(): void {
    this.#status = { state: "revoked" };
  }

  /** The machine's node said that it ends. */
  farewell(): void {
    this.#restarts = true;
  }

  /** An attempt failed, or what stood broke. Returns how long to wait. */
  lost(now: number, why: string, hint?: Hint): number {
    const before = this.#status;
    if (before.state === "up" && now - before.since >= STOOD) this.#bound = FIRST;
    // Who is told to come back later does not begin with a short wait.
    if (hint === "rate" || hint === "busy") this.#bound = LONGEST;
    const wait = Math.round(this.#random() * this.#bound);
    this.#bound = Math.min(2 * this.#bound, LONGEST);
    this.#status = waiting(before, now, why, now + wait);
    if (this.#restarts) this.#status = { ...this.#status, restarts: true } as Status;
    return wait;
  }

  /** Somebody wants it now, or the network is back: the next wait is short again. */
  hurry(): void {
    this.#bound = FIRST;
  }

  /** When `tick` has something to do. */
  get dueAt(): number | undefined {
    return this.#status.state === "reconnecting" ? this.#status.since + PATIENT : undefined;
  }

  /** Time passed. `nextTryAt` is when the next attempt begins, or has begun. */
  tick(now: number, nextTryAt: number): void {
    if (this.dueAt === undefined || now < this.dueAt || this.#status.state !== "reconnecting")
      return;
    this.#status = { ...this.#status, state: "offline", nextTryAt };
  }
}

function waiting(before: Status, now: number, why: string, nextTryAt: number): Status {
  switch (before.state) {
    case "up":
      return { state: "reconnecting", since: now, why };
    case "connecting":
      return { state: "offline", since: now, why, nextTryAt };
    case "reconnecting":
      return now - before.since < PATIENT
        ? { ...before, why }
        : { state: "offline", since: before.since, why, nextTryAt };
    case "offline":
      return { ...before, why, nextTryAt };
    case "revoked":
    case "unpaired":
      return before;
  }
}
