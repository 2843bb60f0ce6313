// The API of one machine, typed by its OpenAPI document, over whatever way leads there.
import createClient, { type Middleware } from "openapi-fetch";
import type { Way } from "../machines/way";
import { ApiProblem, Unreachable } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Agent = Schemas["Agent"];
export type AgentId = Schemas["AgentId"];
export type AgentState = Schemas["AgentState"];
export type Device = Schemas["Device"];
export type Machine = Schemas["Machine"];
export type Status = Schemas["Status"];
export type MachineEvent = Schemas["Event"];
export type Signal = Schemas["Signal"];

export type MachineApi = ReturnType<typeof machineApi>;

/** Pauses before a request is sent again that changes something and had no answer. */
const AGAIN_AFTER_MS = [300, 1500];

export function machineApi(way: Way) {
  const client = createClient<paths>({
    baseUrl: location.origin,
    fetch: (request) => sendUntilAnswered(way, request),
  });
  client.use(withKey);
  return client;
}

/** The answer's data; a problem is thrown. */
export async function answer<Data>(
  pending: Promise<{ data?: Data; error?: unknown; response: Response }>,
): Promise<Data> {
  const { data, error, response } = await pending;
  if (response.ok) return data as Data;
  throw new ApiProblem(readProblem(error, response));
}

/** The same for a request that was not made by the typed client; an answer without a body is null. */
export async function readAnswer<Data>(response: Response): Promise<Data> {
  const text = await response.text();
  let body: unknown = null;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (response.ok) throw error;
  }
  if (response.ok) return body as Data;
  throw new ApiProblem(readProblem(body, response));
}

// Sent again with the same key a request acts once, so that a lost answer costs nothing.
const withKey: Middleware = {
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("idempotency-key", drawKey());
    return request;
  },
};

async function sendUntilAnswered(way: Way, request: Request): Promise<Response> {
  for (const pause of AGAIN_AFTER_MS) {
    try {
      return await way.fetch(request.clone());
    } catch (error) {
      if (request.signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  try {
    return await way.fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Unreachable(`The machine did not answer: ${why}`);
  }
}

function readProblem(body: unknown, response: Response): Schemas["Problem"] {
  if (typeof body === "object" && body !== null && "title" in body && "code" in body) {
    return body as Schemas["Problem"];
  }
  return {
    type: "about:blank",
    title: response.statusText || `Status ${response.status}`,
    status: response.status,
    code: "other",
  };
}

function drawKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
