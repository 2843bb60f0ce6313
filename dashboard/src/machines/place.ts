// Where this page is, and so which machines it has and whom it trusts for its code.
import { createStore } from "zustand/vanilla";
import { readAnswer } from "../api/client";
import type { PagePlace } from "../api/gateway";
import { ApiProblem, reasonOf } from "../api/problem";
import { urls } from "../api/urls";
import type { Source } from "./source";

export type PlaceState =
  | { state: "asking" }
  | { state: "unreachable"; why: string }
  /** At a node, without a token that works. */
  | { state: "locked"; why: "none" | "spent" | "old" }
  | { state: "ready"; place: PagePlace; source: Source };

export const place = createStore<PlaceState>(() => ({ state: "asking" }));

const TOKEN = "gantline.token";

/** What stood in the fragment of the address. It is taken away before anything else is done. */
export function takeFragment(): string {
  const fragment = location.hash.slice(1);
  if (fragment !== "") history.replaceState(history.state, "", location.pathname + location.search);
  return fragment;
}

export async function findPlace(fragment: string): Promise<void> {
  place.setState({ state: "asking" }, true);
  try {
    if (import.meta.env.DEV) {
      const { RecordedSource } = await import("../dev/fixtures");
      const source = new RecordedSource();
      await source.start();
      const recorded = { servedBy: "node", version: "recorded" } as const;
      place.setState({ state: "ready", place: recorded, source }, true);
      return;
    }
    const found = await readAnswer<PagePlace>(await fetch(urls.place(), { cache: "no-store" }));
    switch (found.servedBy) {
      case "node":
        await atNode(found, fragment);
        break;
      case "relay": {
        // The session code is loaded only where it is needed.
        const { RelaySource } = await import("./relay-source");
        const source = new RelaySource(found, fragment);
        await source.start();
        place.setState({ state: "ready", place: found, source }, true);
        break;
      }
      case "other":
        throw new Error("This page is older than what serves it: reload it.");
    }
  } catch (error) {
    place.setState({ state: "unreachable", why: reasonOf(error) }, true);
  }
}

async function atNode(found: PagePlace, fragment: string): Promise<void> {
  const once = /^once=([\w-]{43})$/.exec(fragment)?.[1];
  if (once !== undefined) {
    try {
      sessionStorage.setItem(TOKEN, await trade(once));
    } catch (error) {
      if (!(error instanceof ApiProblem && error.problem.status === 401)) throw error;
      if (sessionStorage.getItem(TOKEN) === null) return locked("spent");
    }
  }
  const token = sessionStorage.getItem(TOKEN);
  if (token === null) return locked("none");
  const { GatewaySource } = await import("./gateway-source");
  const source = new GatewaySource(token, () => {
    sessionStorage.removeItem(TOKEN);
    locked("old");
  });
  source.start();
  place.setState({ state: "ready", place: found, source }, true);
}

async function trade(oneTimeToken: string): Promise<string> {
  const response = await fetch(urls.pageToken(), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ oneTimeToken }),
  });
  return (await readAnswer<{ token: string }>(response)).token;
}

function locked(why: "none" | "spent" | "old"): void {
  place.setState({ state: "locked", why }, true);
}
