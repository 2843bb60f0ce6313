// Where a relay is and how it is recognised, in one piece of text: `host[:port][~pin]`.

import { WireError } from "../wire/bytes.ts";
import { fromBase64Url } from "../wire/text.ts";
import { type MachineId, parseMachineId } from "./keys.ts";
import { type HostName, parseHost } from "./name.ts";

export interface RelayAddress {
  readonly host: HostName;
  readonly port: number;
  /** SHA-256 of the only key that its certificate may have, 43 characters of base64url. A browser
   * can't check it: there the Web PKI says who the relay is. */
  readonly pin?: string;
}

export const MAX_RELAY_ADDRESS = 305;
const WHAT = "relay address";
const HTTPS = 443;

/** Only the canonical text is taken, so that one relay has one text. */
export function parseRelayAddress(text: string): RelayAddress {
  if (text.length > MAX_RELAY_ADDRESS) throw new WireError(WHAT, "it is too long");
  const parts = /^(?:\[([^\]]*)\]|([^:~[\]]*))(?::(\d+))?(?:~(.*))?$/s.exec(text);
  if (parts === null) throw new WireError(WHAT, "it is not host[:port][~pin]");
  const [, bracketed, plain, portText, pin] = parts;
  const host = parseHost(bracketed ?? plain ?? "");
  const port = portText === undefined ? HTTPS : Number(portText);
  if (port < 1 || port > 65_535) throw new WireError(WHAT, "its port is none");
  if (pin !== undefined && (pin.length !== 43 || fromBase64Url(pin, WHAT).length !== 32)) {
    throw new WireError(WHAT, "its pin is not 32 bytes in base64url");
  }
  const address = pin === undefined ? { host, port } : { host, port, pin };
  if (formatRelayAddress(address) !== text) {
    throw new WireError(WHAT, "it is not written canonically");
  }
  return address;
}

export function formatRelayAddress(relay: RelayAddress): string {
  return relay.pin === undefined ? authority(relay) : `${authority(relay)}~${relay.pin}`;
}

/** Host and port as they stand in a URL of HTTPS. */
export function authority(relay: RelayAddress): string {
  const host = relay.host.includes(":") ? `[${relay.host}]` : relay.host;
  return relay.port === HTTPS ? host : `${host}:${relay.port}`;
}

/** What a person types to name a machine that is not known yet: `<machine id>.<relay address>`. */
export interface MachineAddress {
  readonly machine: MachineId;
  readonly relay: RelayAddress;
}

export function parseMachineAddress(text: string): MachineAddress {
  const dot = text.indexOf(".");
  if (dot < 0) throw new WireError("machine address", "it is not <machine id>.<relay>");
  return {
    machine: parseMachineId(text.slice(0, dot)),
    relay: parseRelayAddress(text.slice(dot + 1)),
  };
}
