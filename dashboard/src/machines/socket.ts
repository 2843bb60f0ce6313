// A conversation on a WebSocket: one binary message is one message.
import type { Duplex } from "./way";

/** Beyond this much unsent a sender waits: what a person types never gets there. */
const UNSENT_LIMIT = 1 << 20;

export function duplexOf(socket: WebSocket, signal: AbortSignal): Duplex {
  socket.binaryType = "arraybuffer";
  const opened = new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("close", () => reject(new Error("the conversation was not opened")));
  });
  opened.catch(() => undefined);
  const close = () => socket.close();
  signal.addEventListener("abort", close);

  // A WebSocket can't be told to wait. The node sends no more than a viewer has acknowledged, which
  // bounds what gathers here.
  let over = false;
  const incoming = new ReadableStream<Uint8Array>({
    start(controller) {
      const end = (why: Error | null) => {
        if (over) return;
        over = true;
        signal.removeEventListener("abort", close);
        // Without a size wanted it has failed already: nobody is left to be told.
        if (controller.desiredSize === null) return;
        if (why === null) controller.close();
        else controller.error(why);
      };
      socket.addEventListener("message", ({ data }) => {
        if (over) return;
        if (data instanceof ArrayBuffer) controller.enqueue(new Uint8Array(data));
        else end(new Error("a text message where only binary ones are spoken"));
      });
      socket.addEventListener("close", ({ wasClean, reason }) =>
        end(wasClean ? null : new Error(reason || "the connection broke")),
      );
    },
    cancel() {
      // What ends the socket now is this.
      over = true;
      signal.removeEventListener("abort", close);
      socket.close();
    },
  });

  return {
    incoming,
    async send(message) {
      await opened;
      while (socket.bufferedAmount > UNSENT_LIMIT && socket.readyState === WebSocket.OPEN) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (socket.readyState !== WebSocket.OPEN) throw new Error("the conversation is over");
      socket.send(message as Uint8Array<ArrayBuffer>);
    },
    close,
  };
}
