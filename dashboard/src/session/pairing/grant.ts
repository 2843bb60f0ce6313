// P8: what a node gives a device that it has paired with.

import { isPadded, padded } from "../core/record.ts";
import { type DeviceId, type Role, roleFromByte } from "../identity/keys.ts";
import { MAX_RELAY_ADDRESS, parseRelayAddress, type RelayAddress } from "../identity/relay.ts";
import { type Bytes, fromUtf8, isZero, Reader, WireError } from "../wire/bytes.ts";
import { toHex } from "../wire/text.ts";

export interface Grant {
  readonly device: DeviceId;
  readonly psk: Bytes;
  readonly role: Role;
  readonly relays: readonly RelayAddress[];
}

const WHAT = "grant";
const MAX_RELAYS = 8;
/** The longest grant, padded. */
export const MAX_GRANT = padded(50 + MAX_RELAYS * (2 + MAX_RELAY_ADDRESS));

export function readGrant(plaintext: Bytes): Grant {
  if (!isPadded(plaintext.length) || plaintext.length > MAX_GRANT) {
    throw new WireError(WHAT, "its length is not a padded one");
  }
  const reader = new Reader(plaintext, WHAT);
  const device = toHex(reader.take(16)) as DeviceId;
  const psk = reader.take(32).slice();
  const role = roleFromByte(reader.u8());
  const count = reader.u8();
  if (count > MAX_RELAYS) throw new WireError(WHAT, "it names more than eight relays");
  const relays = Array.from({ length: count }, () =>
    parseRelayAddress(fromUtf8(reader.take(reader.u16()), WHAT)),
  );
  if (!isZero(reader.rest())) throw new WireError(WHAT, "its padding is not zero");
  return { device, psk, role, relays };
}
