// Agents that were started from this page a moment ago: their first viewer decides the size.

const fresh = new Set<string>();

export function startedHere(machine: string, agent: string): void {
  fresh.add(`${machine}.${agent}`);
}

/** Once for each. */
export function wasStartedHere(machine: string, agent: string): boolean {
  return fresh.delete(`${machine}.${agent}`);
}
