// What a session reports while it reads, and how it ends.

import type { Bytes } from "../wire/bytes.ts";
import type { Head, Hello, Open } from "./body.ts";

export type Event =
  /** The peer said what it speaks; always the first event. */
  | { readonly type: "hello"; readonly hello: Hello }
  /** The peer opened a stream and waits for an answer. */
  | { readonly type: "opened"; readonly stream: number; readonly open: Open }
  /** The peer answered a stream. */
  | { readonly type: "answered"; readonly stream: number; readonly head: Head }
  /** Bytes of a stream. Give each one back with `consumed`, even if the stream has ended by then. */
  | { readonly type: "data"; readonly stream: number; readonly bytes: Bytes }
  /** The peer's direction of a stream is complete. */
  | { readonly type: "finished"; readonly stream: number }
  /** The stream ended early, in both directions. Unless `finished` came before, what arrived may be
   * incomplete. */
  | { readonly type: "reset"; readonly stream: number; readonly code: number }
  /** More can be written: on this stream, or on all. */
  | { readonly type: "writable"; readonly stream: number | "all" }
  /** The peer answered our latest ping. */
  | { readonly type: "pong"; readonly roundTripMs: number }
  /** The peer takes no new streams; those of ours above `last` are not acted upon. */
  | { readonly type: "going-away"; readonly code: number; readonly last: number };

/** Why a session is over. Streams that had not ended are incomplete. */
export type SessionEnd =
  /** CLOSE was said. Its reason is for people, and hostile text. */
  | {
      readonly kind: "closed";
      readonly by: "us" | "peer";
      readonly code: number;
      readonly reason: string;
    }
  /** Bytes on the pipe were not sealed by the peer. Nothing of that record was used. */
  | { readonly kind: "tampered" }
  /** The peer broke a rule. */
  | { readonly kind: "protocol"; readonly why: string }
  /** The peers have no version in common. */
  | { readonly kind: "version"; readonly min: number; readonly max: number }
  /** The peer makes us send more than it reads. */
  | { readonly kind: "overload" }
  /** The pipe ended although the session had not. */
  | { readonly kind: "cut-off" }
  /** This end went wrong, or its counters are used up. */
  | { readonly kind: "internal"; readonly why: string };

export function describeEnd(end: SessionEnd): string {
  switch (end.kind) {
    case "closed":
      return `the session was closed by ${end.by === "us" ? "this end" : "the machine"} (code ${end.code})`;
    case "tampered":
      return "the session was tampered with on the way";
    case "protocol":
      return `the machine broke the protocol: ${end.why}`;
    case "version":
      return `the machine speaks versions ${end.min} to ${end.max} of the protocol, this program speaks 1`;
    case "overload":
      return "the machine does not read what it asked for";
    case "cut-off":
      return "the connection was cut off";
    case "internal":
      return `this end went wrong: ${end.why}`;
  }
}
