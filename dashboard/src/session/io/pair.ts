// One pairing run over a pipe to a machine.

import { type Paired, PairingError, type PairingRun } from "../pairing/run.ts";
import { type Bytes, concat } from "../wire/bytes.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type OpenSocket, Pipe } from "./pipe.ts";

/** A node gives a pairing ten seconds. */
const PATIENCE = 10_000;

/** Why a run came to nothing before it was begun: nothing of the code was spent. */
export class NoPipe extends Error {
  override readonly name = "NoPipe";
}

/**
 * Lets a run speak. It is made only once the pipe is there, since it counts from its first message:
 * `begin` is called then. Throws `NoPipe` before that and `PairingError` after it.
 */
export function pair(
  url: string,
  begin: () => PairingRun,
  openSocket: OpenSocket,
  clock: Clock = systemClock,
): Promise<Paired> {
  return new Promise((resolve, reject) => {
    let run: PairingRun | undefined;
    let held: Bytes = new Uint8Array(0);
    const leave = () => {
      stopWaiting();
      pipe.end();
      clock.after(0, () => pipe.abort());
    };
    const fail = (error: unknown) => {
      leave();
      reject(error);
    };
    const gone = (why: string) =>
      run === undefined
        ? new NoPipe(why)
        : new PairingError("cut-off", `the pairing broke off: ${why}`);
    const stopWaiting = clock.after(PATIENCE, () =>
      fail(gone("the machine did not answer in time")),
    );
    const pipe = new Pipe(url, openSocket, {
      opened() {
        try {
          run = begin();
          pipe.send([run.opening]);
        } catch (error) {
          fail(error);
        }
      },
      bytes(bytes) {
        if (run === undefined) return;
        held = concat(held, bytes);
        try {
          while (run.needs > 0 && held.length >= run.needs) {
            const message = held.slice(0, run.needs);
            held = held.slice(run.needs);
            const { send, paired } = run.receive(message);
            pipe.send([send]);
            if (paired === undefined) continue;
            leave();
            resolve(paired);
            return;
          }
        } catch (error) {
          fail(error);
        }
      },
      ended: () => fail(gone("the machine hung up")),
      broke: (why) => fail(gone(why)),
    });
  });
}
