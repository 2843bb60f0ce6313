// Every URL of the API that is not called through the typed client, in one place.

export const urls = {
  place: () => at("/v1/place"),
  pageToken: () => at("/v1/page-token"),
  events: () => at("/v1/events"),
  vitals: () => at("/v1/vitals"),
  terminal: (agent: string) => `/v1/agents/${encodeURIComponent(agent)}/terminal`,
  output: (agent: string) => at(`/v1/agents/${encodeURIComponent(agent)}/output`),
  /** The machines that the node of this machine reaches for its user. */
  machines: () => at("/v1/machines"),
  machine: (machine: string) => at(`/v1/machines/${encodeURIComponent(machine)}`),
  machineEvents: () => at("/v1/machines/events"),
  /** The same path at another machine, by way of this one's node. */
  through: (machine: string, path: string) =>
    path.replace(/^\/v1(?=[/?]|$)/, `/v1/machines/${encodeURIComponent(machine)}`),
};

function at(path: string): string {
  return new URL(path, location.origin).href;
}
