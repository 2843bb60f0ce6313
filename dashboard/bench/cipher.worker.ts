// In a worker of Chromium, where sessions have their place: how fast records are opened and sealed.
import { Opener, Sealer } from "../src/session/core/record.ts";
import { CipherState } from "../src/session/noise/cipher.ts";
import { ends, settle } from "../src/session/testing/ends.ts";
import type { Bytes } from "../src/session/wire/bytes.ts";

const RECORD = 16_384;
const BATCH = 64;
/** How long each is measured. */
const MS = 400;

/** MB/s of plaintext, by what was measured. */
export type Figures = Record<string, number>;

self.addEventListener("message", () => {
  measure().then(
    (figures) => self.postMessage(figures),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
});

async function measure(): Promise<Figures> {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const plain = new Uint8Array(RECORD).fill(1);
  const figures: Figures = {};
  const sealer = new Sealer(new CipherState(key.slice()));
  const sealed = Array.from({ length: BATCH }, () => sealer.seal(plain, false).subarray(2));
  figures["noble, seal"] = await rate(() => {
    const again = new Sealer(new CipherState(key.slice()));
    for (let record = 0; record < BATCH; record++) again.seal(plain, false);
  });
  figures["noble, open"] = await rate(() => {
    const opener = new Opener(new CipherState(key.slice()));
    for (const record of sealed) opener.open(record);
  });
  figures["a session, receive"] = receiving();
  Object.assign(figures, await webCrypto(key, plain));
  return figures;
}

/** Runs `batch` over and over. */
async function rate(batch: () => void | Promise<void>): Promise<number> {
  await batch();
  const begun = performance.now();
  let batches = 0;
  while (performance.now() - begun < MS) {
    await batch();
    batches++;
  }
  return (batches * BATCH * RECORD) / 1e3 / (performance.now() - begun);
}

/** All that lies between a pipe and a stream's reader: records, frames, credit. What the sender takes
 * does not count. */
function receiving(): number {
  const { device, node } = ends();
  const number = device.session.open({ method: "GET", path: "/", fields: [] });
  if (typeof number !== "number") throw new Error(number);
  settle(device, node);
  node.session.answer(number, { status: 200, fields: [] });
  let taken = 0;
  let bytes = 0;
  while (taken < MS) {
    node.session.write(number, new Uint8Array(node.session.writable(number)));
    const sent = node.say(0);
    const begun = performance.now();
    device.session.receive(0, sent, (event) => {
      if (event.type !== "data") return;
      bytes += event.bytes.length;
      device.session.consumed(number, event.bytes.length);
    });
    taken += performance.now() - begun;
    node.hear(0, device.say(0));
    node.events.length = 0;
  }
  return bytes / 1e3 / taken;
}

/** The browser's own, where it has it. Several at a time, since each answer comes later. */
async function webCrypto(key: Bytes, plain: Bytes): Promise<Figures> {
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey(
      "raw-secret" as "raw",
      key,
      "ChaCha20-Poly1305",
      false,
      ["encrypt", "decrypt"],
    );
  } catch {
    return {};
  }
  const params = { name: "ChaCha20-Poly1305", iv: new Uint8Array(12) };
  const sealed = await crypto.subtle.encrypt(params, imported, plain);
  const many = (each: () => Promise<ArrayBuffer>) => async () => {
    await Promise.all(Array.from({ length: BATCH }, each));
  };
  return {
    "WebCrypto, seal": await rate(many(() => crypto.subtle.encrypt(params, imported, plain))),
    "WebCrypto, open": await rate(many(() => crypto.subtle.decrypt(params, imported, sealed))),
  };
}
