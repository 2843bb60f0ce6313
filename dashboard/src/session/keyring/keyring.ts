// A browser's device key and its pairings, in IndexedDB. Secrets lie there sealed with an AES-GCM key
// that the browser holds and does not give out: what lies on the disk opens nothing without this
// browser's profile. A script that runs in the page can use the key all the same.

import {
  type DeviceId,
  type MachineId,
  parseMachineId,
  type Random,
  type Role,
  type StaticKey,
  staticKey,
  systemRandom,
} from "../identity/keys.ts";
import { type Name, parseName } from "../identity/name.ts";
import { formatRelayAddress, parseRelayAddress, type RelayAddress } from "../identity/relay.ts";
import type { Paired } from "../pairing/run.ts";
import { type Bytes, utf8 } from "../wire/bytes.ts";

/** A machine that this browser is paired with. */
export interface KnownMachine {
  readonly machine: MachineId;
  /** What it is called here. */
  readonly name: Name;
  readonly role: Role;
  readonly device: DeviceId;
  readonly relays: readonly RelayAddress[];
  /** Milliseconds since 1970. */
  readonly pairedAt: number;
  /** When the machine said that it has removed this browser. */
  readonly revokedAt: number | undefined;
}

/** What a session with a machine needs. It stays with whoever opens sessions. */
export interface MachineSecrets {
  readonly node: Bytes;
  /** The newest pairing secret first; behind it the earlier one, until a session with the newest has
   * opened. */
  readonly psks: readonly Bytes[];
}

/** The keys can't be kept or read: why, and what to do. */
export class KeyringError extends Error {
  override readonly name = "KeyringError";
  readonly kind: "no-storage" | "full" | "unreadable" | "unknown-machine";

  constructor(kind: KeyringError["kind"], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

interface Sealed {
  readonly iv: Bytes;
  readonly sealed: ArrayBuffer;
}

interface MachineRecord {
  readonly machine: string;
  readonly name: string;
  readonly node: Bytes;
  readonly device: string;
  readonly role: Role;
  readonly relays: readonly string[];
  readonly psk: Sealed;
  readonly earlier: Sealed | undefined;
  readonly pairedAt: number;
  readonly revokedAt: number | undefined;
}

const DATABASE = "gantline";
const VERSION = 1;
const KEYS = "keys";
const MACHINES = "machines";
const WRAPPING = "wrapping";
const DEVICE = "device";

export class Keyring {
  readonly #database: IDBDatabase;
  readonly #wrapping: CryptoKey;
  readonly #random: Random;

  private constructor(database: IDBDatabase, wrapping: CryptoKey, random: Random) {
    this.#database = database;
    this.#wrapping = wrapping;
    this.#random = random;
  }

  /** Opens the keyring of this origin, or begins one. */
  static async open(random: Random = systemRandom): Promise<Keyring> {
    const database = await openDatabase();
    const fresh = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]);
    const wrapping = await addOnce(database, WRAPPING, fresh);
    return new Keyring(database, wrapping, random);
  }

  /** This browser's static key; drawn when it is first asked for. */
  async deviceKey(): Promise<StaticKey> {
    const drawn = await this.#seal(this.#random(32), DEVICE);
    const kept = await addOnce(this.#database, DEVICE, drawn);
    return staticKey(await this.#unseal(kept, DEVICE));
  }

  async machines(): Promise<KnownMachine[]> {
    const store = this.#database.transaction(MACHINES).objectStore(MACHINES);
    const records = await settled<MachineRecord[]>(store.getAll());
    return records.map(known);
  }

  async machine(machine: MachineId): Promise<KnownMachine | undefined> {
    const record = await this.#record(machine);
    return record && known(record);
  }

  async secrets(machine: MachineId): Promise<MachineSecrets> {
    const record = await this.#record(machine);
    if (record === undefined) {
      throw new KeyringError("unknown-machine", "this browser is not paired with the machine");
    }
    const sealed = record.earlier === undefined ? [record.psk] : [record.psk, record.earlier];
    const psks = sealed.map((one) => this.#unseal(one, machine));
    return { node: record.node, psks: await Promise.all(psks) };
  }

  /** Keeps a pairing, and is sure that it is kept; only then may it be announced. The earlier secret
   * of the same machine stays beside it until `confirm`. */
  async keep(paired: Paired, now: number): Promise<KnownMachine> {
    const { machine } = paired;
    const psk = await this.#seal(paired.psk, machine);
    const before = await this.#record(machine);
    const record: MachineRecord = {
      machine,
      name: before?.name ?? paired.name,
      node: paired.node,
      device: paired.device,
      role: paired.role,
      relays: paired.relays.map(formatRelayAddress),
      psk,
      // One that never opened a session is no better than none.
      earlier: before?.revokedAt === undefined ? (before?.earlier ?? before?.psk) : undefined,
      pairedAt: now,
      revokedAt: undefined,
    };
    await this.#put(record);
    return known(record);
  }

  /** A session with the newest secret has opened: the earlier one is forgotten. */
  confirm(machine: MachineId): Promise<void> {
    return this.#change(machine, (record) => ({ ...record, earlier: undefined }));
  }

  /** The machine said, inside a session, that it has removed this browser. The entry stays, marked. */
  markRevoked(machine: MachineId, now: number): Promise<void> {
    return this.#change(machine, (record) => ({ ...record, revokedAt: record.revokedAt ?? now }));
  }

  rename(machine: MachineId, name: Name): Promise<void> {
    return this.#change(machine, (record) => ({ ...record, name }));
  }

  /** Gives the keys of a machine up. The machine still lists this browser. */
  async forget(machine: MachineId): Promise<void> {
    await this.#write((store) => store.delete(machine));
  }

  close(): void {
    this.#database.close();
  }

  async #record(machine: MachineId): Promise<MachineRecord | undefined> {
    const store = this.#database.transaction(MACHINES).objectStore(MACHINES);
    return settled<MachineRecord | undefined>(store.get(machine));
  }

  async #change(
    machine: MachineId,
    change: (record: MachineRecord) => MachineRecord,
  ): Promise<void> {
    await this.#write((store) => {
      // In one transaction: another tab may change it too.
      const read: IDBRequest<MachineRecord | undefined> = store.get(machine);
      read.onsuccess = () => {
        if (read.result !== undefined) store.put(change(read.result));
      };
    });
  }

  async #put(record: MachineRecord): Promise<void> {
    await this.#write((store) => store.put(record));
  }

  #write(write: (store: IDBObjectStore) => void): Promise<void> {
    return committed(this.#database, MACHINES, write);
  }

  async #seal(secret: Bytes, owner: string): Promise<Sealed> {
    const iv = this.#random(12);
    const sealed = await crypto.subtle.encrypt(aesGcm(iv, owner), this.#wrapping, secret);
    return { iv, sealed };
  }

  async #unseal({ iv, sealed }: Sealed, owner: string): Promise<Bytes> {
    try {
      const secret = await crypto.subtle.decrypt(aesGcm(iv, owner), this.#wrapping, sealed);
      return new Uint8Array(secret);
    } catch (error) {
      throw new KeyringError(
        "unreadable",
        "a key that this browser keeps can't be read: clear this site's data and pair again",
        error,
      );
    }
  }
}

/** The owner is bound to the secret, so that no record can take another's place. */
function aesGcm(iv: Bytes, owner: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: utf8(`gantline/keyring/1\0${owner}`) };
}

function known(record: MachineRecord): KnownMachine {
  return {
    machine: parseMachineId(record.machine),
    name: parseName(record.name),
    role: record.role,
    device: record.device as DeviceId,
    relays: record.relays.map(parseRelayAddress),
    pairedAt: record.pairedAt,
    revokedAt: record.revokedAt,
  };
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(
        new KeyringError(
          "no-storage",
          "this browser keeps nothing for this site: allow it to store data, or leave the private window",
          cause,
        ),
      );
    let request: IDBOpenDBRequest;
    try {
      request = indexedDB.open(DATABASE, VERSION);
    } catch (error) {
      fail(error);
      return;
    }
    request.onupgradeneeded = () => {
      request.result.createObjectStore(KEYS);
      request.result.createObjectStore(MACHINES, { keyPath: "machine" });
    };
    request.onsuccess = () => {
      // A later version of this page in another tab wants to change the database.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => fail(request.error);
  });
}

/** Keeps `value` unless there is one already; returns the one that is kept. Two tabs that begin
 * together come to have the same. */
async function addOnce<T>(database: IDBDatabase, key: string, value: T): Promise<T> {
  let kept = value;
  await committed(database, KEYS, (store) => {
    const read: IDBRequest<T | undefined> = store.get(key);
    read.onsuccess = () => {
      if (read.result === undefined) store.put(value, key);
      else kept = read.result;
    };
  });
  return kept;
}

/** Writes, and waits until the disk has it. */
function committed(
  database: IDBDatabase,
  name: string,
  write: (store: IDBObjectStore) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(name, "readwrite", { durability: "strict" });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(writeFailed(transaction.error));
    write(transaction.objectStore(name));
  });
}

function writeFailed(error: DOMException | null): KeyringError {
  return error?.name === "QuotaExceededError"
    ? new KeyringError("full", "there is no room for another key: free some space", error)
    : new KeyringError("no-storage", "this browser did not keep the key", error);
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () =>
      reject(new KeyringError("no-storage", "this browser did not read the key", request.error));
  });
}
