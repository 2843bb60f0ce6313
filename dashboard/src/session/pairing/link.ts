// The link, or QR code, that carries a pairing where a person can't type a code.

import { type MachineId, parseMachineId } from "../identity/keys.ts";
import {
  formatRelayAddress,
  MAX_RELAY_ADDRESS,
  parseRelayAddress,
  type RelayAddress,
} from "../identity/relay.ts";
import { type Bytes, WireError } from "../wire/bytes.ts";
import { fromBase64Url, toBase64Url } from "../wire/text.ts";

export interface PairingLink {
  readonly machine: MachineId;
  /** A secret of 32 bytes. */
  readonly token: Bytes;
  readonly relay: RelayAddress;
}

const WHAT = "pairing link";
const TOKEN_TEXT = 43;
const MAX = 2 + 26 + 1 + TOKEN_TEXT + 1 + MAX_RELAY_ADDRESS;

/** Reads a fragment, or a whole URL that has one. Whoever opens a page by it clears it at once. */
export function parseLink(text: string): PairingLink {
  const fragment = text.slice(text.lastIndexOf("#") + 1);
  if (fragment.length > MAX) throw new WireError(WHAT, "it is too long");
  const parts = /^([^.]*)\.([^.]*)\.([^.]*)\.(.*)$/s.exec(fragment);
  const [, version, machine = "", token = "", relay = ""] = parts ?? [];
  if (version === undefined) {
    throw new WireError(WHAT, "it is not 1.<machine id>.<token>.<relay>");
  }
  if (version !== "1") throw new WireError(WHAT, "its version is not 1");
  if (token.length !== TOKEN_TEXT) throw new WireError(WHAT, "its token is not 32 bytes");
  return {
    machine: parseMachineId(machine),
    token: fromBase64Url(token, WHAT),
    relay: parseRelayAddress(relay),
  };
}

/** The fragment, without `#`, for whoever is to carry it. */
export function revealLink(link: PairingLink): string {
  return `1.${link.machine}.${toBase64Url(link.token)}.${formatRelayAddress(link.relay)}`;
}
