// @vitest-environment node
// Another implementation must say the same bytes: every file under crypto/vectors.

import { describe, expect, test } from "vitest";
import { readFrames } from "./core/frame.ts";
import { acceptSession, DeviceHandshake, sessionPrologue } from "./core/handshake.ts";
import { ciphertextLength, HEADER, Opener, padded, Sealer } from "./core/record.ts";
import { machineIdOf, parseMachineId, type StaticKey, staticKey } from "./identity/keys.ts";
import { parseAlias, parseName } from "./identity/name.ts";
import { formatRelayAddress } from "./identity/relay.ts";
import { Handshake, IK_PSK2, type Pattern, type Setup, XX_PSK0 } from "./noise/handshake.ts";
import { CodeAttempts, parseCode } from "./pairing/code.ts";
import { CPace, generator, isk, littleEndian, scalarMultVerified } from "./pairing/cpace.ts";
import { parseLink, revealLink } from "./pairing/link.ts";
import { type Paired, PairingRun } from "./pairing/run.ts";
import { safetyNumber } from "./pairing/safety.ts";
import { hex, script, vectorFile } from "./testing/vectors.ts";
import { type Bytes, concat, equal, utf8 } from "./wire/bytes.ts";
import { lv } from "./wire/lv.ts";
import { toHex } from "./wire/text.ts";

interface NoiseVector {
  protocol_name: string;
  init_prologue: string;
  init_static?: string;
  init_ephemeral: string;
  init_remote_static?: string;
  init_psks?: string[];
  resp_static?: string;
  resp_ephemeral: string;
  handshake_hash: string;
  messages: { payload: string; ciphertext: string }[];
}

const PUBLIC_PATTERNS: readonly Pattern[] = [
  pattern("IN", false, ["e", "s"], ["e", "ee", "se"]),
  pattern("IK", true, ["e", "es", "s", "ss"], ["e", "ee", "se"]),
  pattern("XX", false, ["e"], ["e", "ee", "s", "es"], ["s", "se"]),
  pattern("NNpsk0", false, ["psk", "e"], ["e", "ee"]),
  pattern("XXpsk3", false, ["e"], ["e", "ee", "s", "es"], ["s", "se", "psk"]),
  IK_PSK2,
  XX_PSK0,
];

function pattern(name: string, knowsResponder: boolean, ...messages: Pattern["messages"]): Pattern {
  return { name: `Noise_${name}_25519_ChaChaPoly_SHA256`, knowsResponder, messages };
}

const noise = [
  ...vectorFile<{ vectors: NoiseVector[] }>("noise-25519-chachapoly-sha256.json").vectors,
  ...vectorFile<{ vectors: NoiseVector[] }>("noise-xxpsk0.json").vectors,
];

describe("Noise", () => {
  test("there is a vector for each pattern", () => {
    const names = new Set(noise.map((vector) => vector.protocol_name));
    expect(names).toEqual(new Set(PUBLIC_PATTERNS.map(({ name }) => name)));
  });

  test.each(noise)("$protocol_name", (vector) => {
    const found = PUBLIC_PATTERNS.find(({ name }) => name === vector.protocol_name);
    if (found === undefined) throw new Error("a vector of an unknown pattern");
    const ends = [end(vector, found, "initiator"), end(vector, found, "responder")] as const;
    const steps = found.messages.length;
    vector.messages.slice(0, steps).forEach(({ payload, ciphertext }, turn) => {
      const [writer, reader] = turn % 2 === 0 ? ends : [ends[1], ends[0]];
      const message = writer.write(hex(payload));
      expect(toHex(message)).toBe(ciphertext);
      expect(toHex(reader.read(message))).toBe(payload);
    });
    const [ours, theirs] = [ends[0].split(), ends[1].split()];
    expect(toHex(ours.hash)).toBe(vector.handshake_hash);
    expect(toHex(theirs.hash)).toBe(vector.handshake_hash);
    vector.messages.slice(steps).forEach(({ payload, ciphertext }, turn) => {
      const isInitiator = (steps + turn) % 2 === 0;
      const seals = isInitiator ? ours.initiator : ours.responder;
      const opens = isInitiator ? theirs.initiator : theirs.responder;
      const sealed = seals.seal(hex(payload));
      expect(toHex(sealed)).toBe(ciphertext);
      expect(toHex(opens.open(sealed))).toBe(payload);
    });
  });
});

function end(vector: NoiseVector, found: Pattern, role: Setup["role"]): Handshake {
  const isInitiator = role === "initiator";
  const secret = isInitiator ? vector.init_static : vector.resp_static;
  return new Handshake({
    pattern: found,
    role,
    prologue: hex(vector.init_prologue),
    random: script(isInitiator ? vector.init_ephemeral : vector.resp_ephemeral),
    ...(secret === undefined ? {} : { staticKey: staticKey(hex(secret)) }),
    ...(vector.init_remote_static === undefined ? {} : { remote: hex(vector.init_remote_static) }),
    ...(vector.init_psks?.[0] === undefined ? {} : { psk: hex(vector.init_psks[0]) }),
  });
}

describe("CPace", () => {
  const file = vectorFile<{
    G_Coffee25519: Record<string, string>;
    G_Coffee25519_points: {
      Valid: { s: string; X: string; "G.scalar_mult_vfy(s,X)": string };
      "Invalid Y1": string;
      "Invalid Y2": string;
    };
  }>("cpace-ristretto255-sha512.json");
  const run = new Proxy(file.G_Coffee25519, {
    get: (all, name: string) => hex(all[name] ?? ""),
  }) as unknown as Record<
    "PRS" | "CI" | "sid" | "g" | "ya" | "yb" | "ADa" | "ADb" | "Ya" | "Yb" | "K" | "ISK_IR",
    Bytes
  >;

  test("the run of the draft", () => {
    const g = generator(run.PRS, run.CI, run.sid);
    expect(g.toBytes()).toEqual(run.g);
    const wide = (scalar: Bytes) => script(toHex(concat(scalar, new Uint8Array(32))));
    const a = new CPace("initiator", run.PRS, run.CI, run.sid, wide(run.ya));
    const b = new CPace("responder", run.PRS, run.CI, run.sid, wide(run.yb));
    expect(a.share).toEqual(run.Ya);
    expect(b.share).toEqual(run.Yb);
    expect(scalarMultVerified(littleEndian(run.ya), run.Yb)).toEqual(run.K);
    expect(a.finish(b.share, [run.ADa, run.ADb])).toEqual(run.ISK_IR);
    expect(b.finish(a.share, [run.ADa, run.ADb])).toEqual(run.ISK_IR);
    const transcript = concat(lv(run.Ya, run.ADa), lv(run.Yb, run.ADb));
    expect(isk(run.sid, run.K, transcript)).toEqual(run.ISK_IR);
  });

  test("valid and invalid points", () => {
    const { Valid: valid } = file.G_Coffee25519_points;
    const scalar = littleEndian(hex(valid.s));
    const product = scalarMultVerified(scalar, hex(valid.X));
    expect(toHex(product)).toBe(valid["G.scalar_mult_vfy(s,X)"].toLowerCase());
    for (const name of ["Invalid Y1", "Invalid Y2"] as const) {
      const point = hex(file.G_Coffee25519_points[name]);
      expect(() => scalarMultVerified(scalar, point), name).toThrow("not a valid one");
    }
  });
});

test("logins of a node: Noise_IN and what is sealed after it", () => {
  interface Login {
    exporter: string;
    host: string;
    prologue: string;
    node_static: string;
    node_public: string;
    machine_id: string;
    node_ephemeral: string;
    relay_ephemeral: string;
    hello: string;
    l1: string;
    l2: string;
    messages: { from: string; plaintext: string; sent: string }[];
  }
  const [IN] = PUBLIC_PATTERNS;
  if (IN === undefined) throw new Error("no pattern");
  for (const login of vectorFile<{ cases: Login[] }>("login.json").cases) {
    const prologue = lv(utf8("gantline/login/1"), utf8(login.host), hex(login.exporter));
    expect(toHex(prologue)).toBe(login.prologue);
    const key = staticKey(hex(login.node_static));
    expect(toHex(key.public)).toBe(login.node_public);
    expect(machineIdOf(key.public)).toBe(login.machine_id);
    const hello = concat(Uint8Array.of(1, 1, login.host.length), utf8(login.host));
    expect(toHex(hello)).toBe(login.hello);
    const setup = { pattern: IN, prologue };
    const node = new Handshake({
      ...setup,
      role: "initiator",
      staticKey: key,
      random: script(login.node_ephemeral),
    });
    const relay = new Handshake({
      ...setup,
      role: "responder",
      random: script(login.relay_ephemeral),
    });
    const l1 = node.write(new Uint8Array(0));
    expect(toHex(l1)).toBe(login.l1);
    relay.read(l1);
    const l2 = relay.write(new Uint8Array(0));
    expect(toHex(l2)).toBe(login.l2);
    node.read(l2);
    const { initiator, responder } = node.split();
    for (const message of login.messages) {
      const sealed = (message.from === "node" ? initiator : responder).seal(hex(message.plaintext));
      const length = Uint8Array.of(sealed.length >> 8, sealed.length & 0xff);
      expect(toHex(concat(length, sealed))).toBe(message.sent);
    }
  }
});

interface PairingVector {
  code?: string;
  link?: string;
  token?: string;
  sid: string;
  inputs: {
    device_name: string;
    device_static: string;
    draws: { device_nonce: string; device_share: string; device_ephemeral: string };
    machine_id: string;
    node_static: string;
  };
  messages: { from: string; sent: string }[];
  paired: Record<string, string | string[]>;
}

describe("pairing", () => {
  test("a whole run by code", () => {
    const vector = vectorFile<PairingVector>("pairing-code.json");
    const { draws, machine_id } = vector.inputs;
    const random = script(draws.device_nonce, draws.device_share, draws.device_ephemeral);
    const key = staticKey(hex(vector.inputs.device_static));
    const name = parseName(vector.inputs.device_name);
    const attempts = new CodeAttempts(vector.code ?? "");
    const run = PairingRun.byCode(parseMachineId(machine_id), attempts, key, name, random);
    expectPaired(play(vector, run), vector, key);
  });

  test("a whole run by link", () => {
    const vector = vectorFile<PairingVector>("pairing-link.json");
    const { draws } = vector.inputs;
    const random = script(draws.device_nonce, draws.device_ephemeral);
    const key = staticKey(hex(vector.inputs.device_static));
    const link = parseLink(vector.link ?? "");
    expect(toHex(link.token)).toBe(vector.token);
    expect(revealLink(link)).toBe(vector.link);
    const run = PairingRun.byLink(link, key, parseName(vector.inputs.device_name), random);
    expectPaired(play(vector, run), vector, key);
  });
});

/** Feeds a run the node's messages and holds what it says to the device's. */
function play(vector: PairingVector, run: PairingRun): Paired {
  const [first, ...rest] = vector.messages;
  expect(toHex(run.opening)).toBe(first?.sent);
  let said = "";
  let paired: Paired | undefined;
  for (const { from, sent } of rest) {
    if (from === "device") {
      expect(said).toBe(sent);
      said = "";
      continue;
    }
    let bytes = hex(sent);
    while (bytes.length > 0) {
      const length = run.needs;
      expect(length).toBeGreaterThan(0);
      const step = run.receive(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
      said += toHex(step.send);
      paired = step.paired ?? paired;
    }
  }
  expect(run.needs).toBe(0);
  if (paired === undefined) throw new Error("nothing was paired");
  return paired;
}

function expectPaired(paired: Paired, vector: PairingVector, device: StaticKey): void {
  const safety = safetyNumber(paired.node, device.public, paired.psk);
  expect({
    device_id: paired.device,
    machine_id: paired.machine,
    node_name: paired.name,
    node_public: toHex(paired.node),
    psk: toHex(paired.psk),
    relays: paired.relays.map(formatRelayAddress),
    role: paired.role,
    safety_digits: safety.digits,
    safety_words: safety.words,
  }).toEqual(vector.paired);
}

test("a session: both handshake messages, every record, sealed and opened", () => {
  const vector = vectorFile<{
    device_static: string;
    device_ephemeral: string;
    node_static: string;
    node_ephemeral: string;
    node_public: string;
    prologue: string;
    psk: string;
    preface_and_s1: string;
    s2: string;
    steps: { from: string; plaintext: string; record: string; frames: { type: string }[] }[];
  }>("session.json");
  const device = staticKey(hex(vector.device_static));
  const node = staticKey(hex(vector.node_static));
  expect(toHex(node.public)).toBe(vector.node_public);
  expect(toHex(sessionPrologue(node.public))).toBe(vector.prologue);
  const psk = hex(vector.psk);
  const ours = new DeviceHandshake(device, node.public, psk, script(vector.device_ephemeral));
  expect(toHex(ours.opening)).toBe(vector.preface_and_s1);
  const answer = acceptSession(node, ours.opening, () => psk, script(vector.node_ephemeral));
  expect(toHex(answer.s2)).toBe(vector.s2);
  expect(equal(answer.device, device.public)).toBe(true);
  const keys = { device: ours.keys(answer.s2), node: answer.keys };
  const sealers = { device: new Sealer(keys.device.send), node: new Sealer(keys.node.send) };
  const openers = { device: new Opener(keys.node.receive), node: new Opener(keys.device.receive) };
  for (const { from, plaintext, record, frames } of vector.steps) {
    if (from !== "device" && from !== "node") throw new Error("a record of nobody");
    const bytes = hex(record);
    expect(ciphertextLength(bytes[0] ?? 0, bytes[1] ?? 0)).toBe(bytes.length - HEADER);
    const opened = openers[from].open(bytes.subarray(HEADER));
    expect(toHex(opened)).toBe(plaintext);
    const read = [...readFrames(opened)];
    expect(read.map(({ type }) => type)).toEqual(frames.map(({ type }) => type));
    const rekey = read.some(({ type }) => type === "REKEY");
    expect(toHex(sealers[from].seal(hex(plaintext), rekey))).toBe(record);
    if (rekey) openers[from].rekey();
  }
});

describe("the rest", () => {
  const misc = vectorFile<{
    lv: { values: string[]; encoded: string }[];
    machine_ids: { id: string; public: string }[];
    not_aliases: string[];
    not_machine_ids: string[];
    not_names: string[];
    padding: { frames: number; plaintext: number }[];
    pairing_code_spellings: string[];
    safety_numbers: {
      node_public: string;
      device_public: string;
      psk: string;
      words: string[];
      digits: string[];
    }[];
  }>("misc.json");

  test("lv, machine ids, padding, safety numbers", () => {
    for (const { values, encoded } of misc.lv) expect(toHex(lv(...values.map(hex)))).toBe(encoded);
    for (const { id, public: key } of misc.machine_ids) expect(machineIdOf(hex(key))).toBe(id);
    for (const { frames, plaintext } of misc.padding) expect(padded(frames)).toBe(plaintext);
    for (const { node_public, device_public, psk, ...expected } of misc.safety_numbers) {
      expect(safetyNumber(hex(node_public), hex(device_public), hex(psk))).toEqual(expected);
    }
  });

  test("texts that are none", () => {
    for (const text of misc.not_names) expect(() => parseName(text), text).toThrow();
    for (const text of misc.not_aliases) expect(() => parseAlias(text), text).toThrow();
    for (const text of misc.not_machine_ids) expect(() => parseMachineId(text), text).toThrow();
  });

  test("spellings of a code", () => {
    expect(misc.pairing_code_spellings.map(parseCode)).toEqual(Array(3).fill("01234567"));
  });
});
