// A dedicated worker that holds the keys of this origin and speaks with machines.

import type { OpenSocket, Socket } from "../io/pipe.ts";
import { Keyring } from "../keyring/keyring.ts";
import { Hub } from "./hub.ts";
import type { ToWorker } from "./messages.ts";

const openSocket: OpenSocket = (url) => new WebSocket(url) as Socket;
const keyring = Keyring.open();
// Whoever asks for it learns why there is none.
keyring.catch(() => undefined);
const hub = new Hub({ keyring, openSocket });

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  hub.take(data, (answer) => self.postMessage(answer));
});
self.addEventListener("online", () => hub.networkChanged());
