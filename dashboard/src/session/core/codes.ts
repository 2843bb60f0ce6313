// Why a stream was reset, a session closed, or no more streams are taken. Numbers that are not here
// are accepted and mean "for another reason".

export const CLOSE = {
  done: 0,
  protocol: 1,
  version: 2,
  /** This device was removed from the machine. Nothing but this lets a device delete a pairing. */
  revoked: 3,
  expired: 4,
  overload: 5,
  shutdown: 6,
  internal: 7,
} as const;

export const RESET = {
  cancelled: 0,
  /** Refused before anything was done; asking again is safe. */
  refused: 1,
  answered: 2,
  broken: 3,
  internal: 4,
} as const;

export const GOAWAY = { shutdown: 0, restart: 1, age: 2 } as const;

const CLOSE_TEXTS = [
  "done",
  "protocol violation",
  "no common version",
  "this device was removed from the machine",
  "the session reached its greatest age",
  "overloaded",
  "shutting down",
  "internal error",
];

const RESET_TEXTS = [
  "cancelled",
  "refused before anything was done",
  "answered a reset",
  "the source broke off",
  "internal error",
];

export function closeText(code: number): string {
  return CLOSE_TEXTS[code] ?? `code ${code}`;
}

export function resetText(code: number): string {
  return RESET_TEXTS[code] ?? `code ${code}`;
}
