// How fast this browser opens and seals records, and what it could have instead.
import { createServer, type Server } from "node:http";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "../e2e/dashboard/browser.ts";
import type { Figures } from "./cipher.worker.ts";
import { print, spread, told } from "./table.ts";

const ROUNDS = Number(process.env["GANTLINE_BENCH_ROUNDS"] ?? 5);

let server: Server;

beforeAll(async () => {
  const script = await bundle(new URL("cipher.worker.ts", import.meta.url).pathname);
  server = createServer(({ url }, response) => {
    const isScript = url === "/worker.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : "<!doctype html><title>cipher</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterAll(() => server?.close());

test("records in a worker", async () => {
  const browser = await launch();
  const page = await browser.newPage();
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  await page.goto(`http://127.0.0.1:${address.port}/`);
  const rounds: Figures[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await page.evaluate(measure));
  await browser.close();
  const names = Object.keys(rounds[0] ?? {});
  const rows = names.map((name) => [
    name,
    told(spread(rounds.map((round) => round[name] ?? Number.NaN)), 0),
  ]);
  print("Records of 16 KiB in a worker of the browser", ["", "MB/s"], rows);
  expect(names).toContain("a session, receive");
}, 120_000);

function measure(): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if ("error" in data) reject(new Error(data.error));
      else resolve(data);
    };
    worker.postMessage(null);
  });
}

/** One script, made as the dashboard's own are. */
async function bundle(entry: string): Promise<string> {
  const made = await build({
    configFile: false,
    logLevel: "warn",
    build: {
      write: false,
      target: "baseline-widely-available",
      lib: { entry, formats: ["es"], fileName: "worker" },
    },
  });
  const [output] = [made].flat();
  if (output === undefined || !("output" in output)) throw new Error("nothing was built");
  const [chunk] = output.output;
  return chunk.code;
}
