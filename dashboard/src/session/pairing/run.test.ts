// @vitest-environment node
// A pairing with whoever sits in between: nothing that he says pairs, throws unheard, or spends more
// of a code than a person has allowed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { machineIdOf, parseMachineId, staticKey, systemRandom } from "../identity/keys.ts";
import { parseName } from "../identity/name.ts";
import { pair } from "../io/pair.ts";
import type { Socket } from "../io/pipe.ts";
import { VirtualClock } from "../testing/clock.ts";
import { hex, script, vectorFile } from "../testing/vectors.ts";
import type { Bytes } from "../wire/bytes.ts";
import { AskForNewCode, CodeAttempts, parseCode } from "./code.ts";
import { parseLink, revealLink } from "./link.ts";
import { type Paired, PairingError, PairingRun } from "./run.ts";

const name = parseName("a browser");

interface Vector {
  code: string;
  inputs: {
    device_static: string;
    device_name: string;
    machine_id: string;
    draws: { device_nonce: string; device_share: string; device_ephemeral: string };
  };
  messages: { from: string; sent: string }[];
}

const vector = vectorFile<Vector>("pairing-code.json");
const fromNode = vector.messages.flatMap(({ from, sent }) => (from === "node" ? [hex(sent)] : []));

/** The run of the vector file, with a device that makes its draws. */
function run(machineId = vector.inputs.machine_id): PairingRun {
  const { device_nonce, device_share, device_ephemeral } = vector.inputs.draws;
  return PairingRun.byCode(
    parseMachineId(machineId),
    new CodeAttempts(vector.code),
    staticKey(hex(vector.inputs.device_static)),
    parseName(vector.inputs.device_name),
    script(device_nonce, device_share, device_ephemeral),
  );
}

/** Feeds a run what the node says, as long as it wants more. */
function play(device: PairingRun, messages: readonly Bytes[]): Paired | undefined {
  let paired: Paired | undefined;
  for (const message of messages) {
    let rest = message;
    while (device.needs > 0 && rest.length >= device.needs) {
      const length = device.needs;
      paired = device.receive(rest.slice(0, length)).paired ?? paired;
      rest = rest.slice(length);
    }
  }
  return paired;
}

describe("somebody in between", () => {
  test("who lets everything through is harmless", () => {
    expect(play(run(), fromNode)).toBeDefined();
  });

  test("who changes one bit of any message pairs nothing", () => {
    fc.assert(
      fc.property(fc.nat(fromNode.length - 1), fc.nat(), fc.nat(7), (which, at, bit) => {
        const changed = fromNode.map((message) => message.slice());
        const target = changed[which] ?? new Uint8Array(1);
        const place = at % target.length;
        target[place] = (target[place] ?? 0) ^ (1 << bit);
        let paired: Paired | undefined;
        try {
          paired = play(run(), changed);
        } catch (error) {
          expect(error).toBeInstanceOf(PairingError);
        }
        expect(paired).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });

  test("who answers with any bytes pairs nothing, and the run ends", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (pieces) => {
        const device = run();
        try {
          expect(
            play(
              device,
              pieces.map((piece) => Uint8Array.from(piece)),
            ),
          ).toBeUndefined();
        } catch (error) {
          expect(error).toBeInstanceOf(PairingError);
          expect(device.needs).toBe(0);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("who leads to another machine is found out, also with the right code", () => {
    const other = machineIdOf(staticKey(systemRandom(32)).public);
    // The code is bound to the machine: the node's proof does not open.
    expect(() => play(run(other), fromNode)).toThrow(PairingError);
  });

  test.each([
    [1, "not-open"],
    [2, "wrong"],
    [3, "busy"],
    [4, "broken"],
    [5, "other"],
    [255, "other"],
  ])("who says status %i is only quoted", (status, refusal) => {
    expect(() => play(run(), [Uint8Array.of(status)])).toThrow(
      expect.objectContaining({ kind: "refused", refusal }),
    );
  });

  test("who names a grant of any length is refused before it is read", () => {
    for (const length of [0, 16, 3_072 + 17, 16_400, 0xffff]) {
      const device = run();
      play(device, fromNode.slice(0, 3));
      expect(device.needs).toBe(1);
      device.receive(Uint8Array.of(0));
      expect(() => device.receive(Uint8Array.of(length >> 8, length & 0xff))).toThrow(PairingError);
    }
  });
});

describe("a code", () => {
  test("is read as people type it, and nothing else is one", () => {
    for (const typed of ["01234567", "0123 4567", " 0 1-2 3-4 5-6 7 "]) {
      expect(parseCode(typed)).toBe("01234567");
    }
    for (const typed of ["", "0123456", "012345678", "0123456a", "０1234567", " ".repeat(40)]) {
      expect(() => parseCode(typed)).toThrow();
    }
  });

  test("is good for two tries, and none is spent while there is no pipe", async () => {
    const clock = new VirtualClock();
    const attempts = new CodeAttempts("01234567");
    const begin = () =>
      PairingRun.byCode(
        parseMachineId(vector.inputs.machine_id),
        attempts,
        staticKey(systemRandom(32)),
        name,
        systemRandom,
      );
    const closing = (): Socket => socket((self) => self.onclose?.({ code: 4001 }));
    for (let round = 0; round < 3; round++) {
      const paired = pair("ws://machine.invalid/", begin, closing, clock);
      const refused = expect(paired).rejects.toMatchObject({ name: "NoPipe" });
      await clock.pass(10);
      await refused;
    }
    expect(attempts.left).toBe(2);
    const silent = (): Socket => socket((self) => self.onopen?.());
    for (const left of [1, 0]) {
      const paired = pair("ws://machine.invalid/", begin, silent, clock);
      const refused = expect(paired).rejects.toMatchObject({ kind: "cut-off" });
      await clock.pass(20_000);
      await refused;
      expect(attempts.left).toBe(left);
    }
    const paired = pair("ws://machine.invalid/", begin, silent, clock);
    const refused = expect(paired).rejects.toBeInstanceOf(AskForNewCode);
    await clock.pass(10);
    await refused;

    function socket(opened: (self: Socket) => void): Socket {
      const self: Socket = {
        binaryType: "",
        bufferedAmount: 0,
        onopen: null,
        onmessage: null,
        onclose: null,
        onerror: null,
        send: () => undefined,
        close: () => undefined,
      };
      clock.after(1, () => opened(self));
      return self;
    }
  });
});

describe("a link", () => {
  const link = {
    machine: parseMachineId(vector.inputs.machine_id),
    token: systemRandom(32),
    relay: { host: parseLinkHost("relay.example"), port: 8443 },
  };

  test("is read from a fragment or a whole URL, and is the same again", () => {
    const fragment = revealLink(link);
    for (const text of [fragment, `https://relay.example:8443/pair#${fragment}`]) {
      expect(revealLink(parseLink(text))).toBe(fragment);
    }
    for (let length = 0; length < fragment.indexOf("relay") + 1; length++) {
      expect(() => parseLink(fragment.slice(0, length))).toThrow();
    }
  });

  test("of another version, or with any text, is an error", () => {
    expect(() => parseLink(revealLink(link).replace(/^1/, "2"))).toThrow("version");
    fc.assert(
      fc.property(fc.string({ maxLength: 500 }), (text) => {
        expect(() => parseLink(text)).toThrow();
      }),
    );
  });
});

function parseLinkHost(host: string) {
  return parseLink(`1.${vector.inputs.machine_id}.${"A".repeat(43)}.${host}`).relay.host;
}
