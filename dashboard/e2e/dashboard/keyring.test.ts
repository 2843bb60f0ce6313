// What a browser keeps of its keys: in Chromium's own IndexedDB, across a reload and a restart, and
// what lies in its profile on the disk.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { staticKey } from "../../src/session/identity/keys.ts";
import { Machine } from "../session/programs.ts";
import { launchIn, Person } from "./browser.ts";
import { paired } from "./entrance.ts";

let machine: Machine;
let profile: string;

beforeAll(async () => {
  machine = await Machine.start();
  profile = mkdtempSync(join(tmpdir(), "gantline-profile-"));
});

afterAll(async () => {
  await machine?.stop();
  rmSync(profile, { recursive: true, force: true });
});

describe("the keys of a browser", () => {
  test("are kept sealed, by a key that nobody can take out, and last", async () => {
    let person = await Person.in(await launchIn(profile));
    let page = await paired(person, machine);
    const [known] = devices();
    if (known === undefined) throw new Error("the machine knows no device");

    const kept = await lookInto(page);
    expect(kept.wrapping).toEqual({
      algorithm: "AES-GCM",
      extractable: false,
      usages: ["decrypt", "encrypt"],
      exported: ["InvalidAccessError", "InvalidAccessError"],
    });
    // These are the keys in question: the machine knows the one, and has the other too.
    expect(hex(staticKey(bytes(kept.opened.secret)).public)).toBe(known.key);
    expect(kept.opened.psk).toBe(known.psk);
    for (const secret of [kept.opened.secret, known.psk]) {
      expect(kept.everything, "a secret lies open in the database").not.toContain(secret);
    }

    await page.reload();
    await page.getByRole("heading", { name: "Fleet" }).waitFor();
    await person.leave();
    // The browser has ended, and has written what it keeps.
    const secrets = [kept.opened.secret, known.psk].map((secret) => Buffer.from(secret, "hex"));
    expect(filesWith(secrets)).toEqual([]);
    // They would be found if they were there: what they are sealed as is.
    expect(filesWith([Buffer.from(kept.sealed, "hex")])).not.toEqual([]);

    person = await Person.in(await launchIn(profile));
    page = await person.open(machine.home);
    await page.getByRole("heading", { name: "Fleet" }).waitFor();
    expect(devices()).toHaveLength(1);
    await person.leave();
  });
});

/** What the node keeps of its devices, keys and secrets in hexadecimal digits. */
function devices(): { key: string; psk: string }[] {
  return (JSON.parse(machine.readState("devices.json")) as { devices: [] }).devices;
}

/** Reads the database as a script of the page could. */
function lookInto(page: Page) {
  return page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const hex = (bytes: ArrayBuffer | ArrayBufferView) => {
      const view = ArrayBuffer.isView(bytes)
        ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        : new Uint8Array(bytes);
      return [...view].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    };
    /** Every byte and every text of a value, one behind the other. */
    const spell = (value: unknown): string => {
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return `${hex(value)} `;
      if (typeof value === "string") return `${value} ${hex(new TextEncoder().encode(value))} `;
      if (value === null || typeof value !== "object") return `${String(value)} `;
      return Object.entries(value)
        .map(([name, each]) => `${name} ${spell(each)}`)
        .join("");
    };
    const database = await settled(indexedDB.open("gantline"));
    const values = new Map<string, unknown>();
    for (const name of database.objectStoreNames) {
      const store = database.transaction(name).objectStore(name);
      const [keys, all] = await Promise.all([settled(store.getAllKeys()), settled(store.getAll())]);
      keys.forEach((key, at) => {
        values.set(`${name}/${String(key)}`, all[at]);
      });
    }
    database.close();
    const wrapping = values.get("keys/wrapping") as CryptoKey;
    const exported = await Promise.all(
      (["raw", "jwk"] as const).map((format) =>
        crypto.subtle.exportKey(format, wrapping).then(
          () => "exported",
          (error: Error) => error.name,
        ),
      ),
    );
    interface Sealed {
      iv: Uint8Array<ArrayBuffer>;
      sealed: ArrayBuffer;
    }
    const open = async ({ iv, sealed }: Sealed, owner: string) =>
      hex(
        await crypto.subtle.decrypt(
          {
            name: "AES-GCM",
            iv,
            additionalData: new TextEncoder().encode(`gantline/keyring/1\0${owner}`),
          },
          wrapping,
          sealed,
        ),
      );
    const record = [...values].find(([name]) => name.startsWith("machines/"))?.[1] as {
      machine: string;
      psk: Sealed;
    };
    return {
      wrapping: {
        algorithm: wrapping.algorithm.name,
        extractable: wrapping.extractable,
        usages: [...wrapping.usages].sort(),
        exported,
      },
      opened: {
        secret: await open(values.get("keys/device") as Sealed, "device"),
        psk: await open(record.psk, record.machine),
      },
      sealed: hex((values.get("keys/device") as Sealed).sealed),
      everything: [...values].map(([name, value]) => `${name} ${spell(value)}`).join("\n"),
    };
  });
}

/** Files of the profile that have one of these in them. */
function filesWith(needles: readonly Buffer[]): string[] {
  return (readdirSync(profile, { recursive: true }) as string[])
    .map((name) => join(profile, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .filter((path) => {
      const content = readFileSync(path);
      return needles.some((needle) => content.includes(needle));
    });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function bytes(digits: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(digits, "hex"));
}
