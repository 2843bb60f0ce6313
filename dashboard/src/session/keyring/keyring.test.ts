// @vitest-environment node
// What a browser keeps, and what nobody finds who reads its files.

import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, test } from "vitest";
import { type DeviceId, machineIdOf, staticKey, systemRandom } from "../identity/keys.ts";
import { parseName } from "../identity/name.ts";
import { parseRelayAddress } from "../identity/relay.ts";
import type { Paired } from "../pairing/run.ts";
import { toHex } from "../wire/text.ts";
import { Keyring } from "./keyring.ts";

const node = staticKey(systemRandom(32)).public;
const machine = machineIdOf(node);

function paired(more: Partial<Paired> = {}): Paired {
  return {
    machine,
    node,
    name: parseName("closet server"),
    device: "00".repeat(16) as DeviceId,
    psk: systemRandom(32),
    role: "owner",
    relays: [parseRelayAddress("relay.example:8443")],
    ...more,
  };
}

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

test("a browser has one key, in every tab and after every start", async () => {
  const [first, second] = await Promise.all([Keyring.open(), Keyring.open()]);
  const keys = await Promise.all([first.deviceKey(), second.deviceKey(), first.deviceKey()]);
  const again = await (await Keyring.open()).deviceKey();
  expect(new Set([...keys, again].map((key) => toHex(key.secret))).size).toBe(1);
});

describe("a pairing", () => {
  test("is there after a start, with its secret", async () => {
    const one = paired();
    await (await Keyring.open()).keep(one, 1_000);
    const keyring = await Keyring.open();
    expect(await keyring.machines()).toEqual([
      {
        machine,
        name: "closet server",
        role: "owner",
        device: one.device,
        relays: [{ host: "relay.example", port: 8443 }],
        pairedAt: 1_000,
        revokedAt: undefined,
      },
    ]);
    expect(await keyring.secrets(machine)).toEqual({ node, psks: [one.psk] });
  });

  test("made anew keeps the earlier secret until a session with the new one has opened", async () => {
    const keyring = await Keyring.open();
    const [first, second, third] = [paired(), paired({ role: "observer" }), paired()];
    await keyring.keep(first, 1);
    await keyring.rename(machine, parseName("my server"));
    await keyring.keep(second, 2);
    expect((await keyring.secrets(machine)).psks).toEqual([second.psk, first.psk]);
    // The second never opened one: the first is still the one that works.
    await keyring.keep(third, 3);
    expect((await keyring.secrets(machine)).psks).toEqual([third.psk, first.psk]);
    await keyring.confirm(machine);
    expect((await keyring.secrets(machine)).psks).toEqual([third.psk]);
    expect(await keyring.machine(machine)).toMatchObject({ name: "my server", pairedAt: 3 });
  });

  test("that the machine has ended is marked and kept, until a person forgets it", async () => {
    const keyring = await Keyring.open();
    await keyring.keep(paired(), 1);
    await keyring.markRevoked(machine, 2);
    await keyring.markRevoked(machine, 3);
    expect(await keyring.machine(machine)).toMatchObject({ revokedAt: 2 });
    await keyring.forget(machine);
    expect(await keyring.machines()).toEqual([]);
    await expect(keyring.secrets(machine)).rejects.toMatchObject({ kind: "unknown-machine" });
  });
});

test("what lies on the disk shows no secret, and the key that opens it can't be taken out", async () => {
  const keyring = await Keyring.open();
  const one = paired();
  await keyring.keep(one, 1);
  const device = await keyring.deviceKey();
  const stored = await everything();
  expect(stored.records).toBeGreaterThan(2);
  for (const secret of [one.psk, device.secret]) expect(stored.hex).not.toContain(toHex(secret));
  expect(stored.hex).toContain(toHex(node));
  const [wrapping] = stored.keys;
  if (wrapping === undefined) throw new Error("there is no wrapping key");
  expect(wrapping.extractable).toBe(false);
  await expect(crypto.subtle.exportKey("raw", wrapping)).rejects.toThrow();
});

test("a secret that was moved to another machine's entry is refused", async () => {
  const keyring = await Keyring.open();
  const other = staticKey(systemRandom(32)).public;
  await keyring.keep(paired(), 1);
  await keyring.keep(paired({ node: other, machine: machineIdOf(other) }), 1);
  const database = await openStored();
  await new Promise((resolve) => {
    const store = database.transaction("machines", "readwrite").objectStore("machines");
    const read = store.get(machine);
    read.onsuccess = () => {
      store.put({ ...read.result, machine: machineIdOf(other) }).onsuccess = resolve;
    };
  });
  await expect(keyring.secrets(machineIdOf(other))).rejects.toMatchObject({ kind: "unreadable" });
});

function openStored(): Promise<IDBDatabase> {
  return new Promise((resolve) => {
    const request = indexedDB.open("gantline");
    request.onsuccess = () => resolve(request.result);
  });
}

/** All bytes of all records, and the keys beside them. */
async function everything(): Promise<{ hex: string; records: number; keys: CryptoKey[] }> {
  const database = await openStored();
  const values: unknown[] = [];
  for (const name of database.objectStoreNames) {
    await new Promise<void>((resolve) => {
      const all = database.transaction(name).objectStore(name).getAll();
      all.onsuccess = () => {
        values.push(...all.result);
        resolve();
      };
    });
  }
  const keys: CryptoKey[] = [];
  const parts: string[] = [];
  const walk = (value: unknown): void => {
    if (value instanceof CryptoKey) keys.push(value);
    else if (value instanceof ArrayBuffer) parts.push(toHex(new Uint8Array(value)));
    else if (value instanceof Uint8Array) parts.push(toHex(value));
    else if (typeof value === "object" && value !== null) Object.values(value).forEach(walk);
  };
  values.forEach(walk);
  return { hex: parts.join("|"), records: values.length, keys };
}
