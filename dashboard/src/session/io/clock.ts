// Time as a session takes it: milliseconds that never go back, and a call later. In tests, virtual.

export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Milliseconds since 1970, for people. */
  wall(): number;
  /** Calls `act` once, after so many milliseconds, unless the returned function is called first. */
  after(ms: number, act: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};
