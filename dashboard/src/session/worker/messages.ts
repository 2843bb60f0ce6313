// What a page and its session worker say to each other.

import type { Fields } from "../core/body.ts";
import type { MachineId } from "../identity/keys.ts";
import type { Name } from "../identity/name.ts";
import type { PageRelay } from "../io/url.ts";
import type { KnownMachine } from "../keyring/keyring.ts";
import type { SafetyNumber } from "../pairing/safety.ts";
import type { Status } from "../reconnect.ts";

/** Questions that have one answer. */
export interface Calls {
  machines: { ask: Record<never, never>; answer: readonly KnownMachine[] };
  pairByCode: {
    ask: { relay: PageRelay; machine: MachineId; code: string; deviceName: Name };
    answer: NewlyPaired;
  };
  pairByLink: { ask: { relay: PageRelay; link: string; deviceName: Name }; answer: NewlyPaired };
  safetyNumber: { ask: { machine: MachineId }; answer: SafetyNumber };
  rename: { ask: { machine: MachineId; name: Name }; answer: undefined };
  forget: { ask: { machine: MachineId }; answer: undefined };
}

export interface NewlyPaired {
  readonly machine: KnownMachine;
  readonly safety: SafetyNumber;
}

export type CallName = keyof Calls;

export type ToWorker =
  | { readonly [Name in CallName]: CallMessage<Name> }[CallName]
  /** Opens a way; all that belongs to it travels on its port. */
  | {
      readonly type: "way";
      readonly relay: PageRelay;
      readonly machine: MachineId;
      readonly port: MessagePort;
    };

export interface CallMessage<Name extends CallName> {
  readonly type: "call";
  readonly id: number;
  readonly name: Name;
  readonly ask: Calls[Name]["ask"];
}

export type FromWorker =
  | { readonly type: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: CallFailure };

/** Why a question has no answer; the kind is that of the error that was thrown. */
export interface CallFailure {
  readonly name: string;
  readonly kind: string;
  readonly message: string;
}

/** On the port of a way, to the worker. */
export type ToWay =
  | {
      readonly type: "request";
      readonly port: MessagePort;
      readonly method: string;
      readonly path: string;
      readonly fields: Fields;
      readonly hasBody: boolean;
    }
  | { readonly type: "conversation"; readonly port: MessagePort; readonly path: string }
  | { readonly type: "retry" }
  | { readonly type: "check" }
  | { readonly type: "close" };

/** On the port of a way, from the worker. */
export interface FromWay {
  readonly type: "status";
  readonly status: Status;
}
