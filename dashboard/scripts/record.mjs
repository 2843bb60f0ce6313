// Records a real node for `npm run dev`: node scripts/record.mjs fixtures/NAME.json
//
// GANTLINE_HOME names the node's state; what runs there is in the recording, so use a node for it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SECONDS = 4;
const [file] = process.argv.slice(2);
const run = join(process.env.GANTLINE_HOME ?? "", "run");
if (file === undefined) throw new Error("where to?");

const { address } = JSON.parse(readFileSync(join(run, "loopback.json"), "utf8"));
const token = readFileSync(join(run, "loopback.token"), "utf8").trim();
const headers = { authorization: `Bearer ${token}` };
const ask = async (path) => {
  const response = await fetch(`http://${address}${path}`, { headers });
  return response.ok ? response.json() : null;
};

const agents = await ask("/v1/agents");
const terminals = Object.fromEntries(
  await Promise.all(agents.map(async ({ agentId }) => [agentId, await watch(agentId)])),
);
const recording = {
  machine: await ask("/v1/machine"),
  agents,
  devices: await ask("/v1/devices"),
  vitals: await look(),
  terminals,
};
writeFileSync(file, `${JSON.stringify(recording, null, 1)}\n`);
process.exit(0);

async function watch(agent) {
  const begun = Date.now();
  const heard = [];
  const url = `ws://${address}/v1/agents/${agent}/terminal`;
  const socket = new WebSocket(url, ["gantline.v1", `gantline.bearer.${token}`]);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("error", () => undefined);
  socket.addEventListener("open", () => {
    const attach = Buffer.alloc(23);
    attach[0] = 1;
    attach[1] = 7;
    attach[17] = 1;
    attach.writeUInt16BE(100, 18);
    attach.writeUInt16BE(30, 20);
    socket.send(attach);
  });
  socket.addEventListener("message", ({ data }) => {
    heard.push({ at: Date.now() - begun, message: Buffer.from(data).toString("base64") });
  });
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  socket.close();
  return heard;
}

async function look() {
  const stop = AbortSignal.timeout(SECONDS * 1000);
  try {
    const response = await fetch(`http://${address}/v1/vitals`, { headers, signal: stop });
    if (!response.ok) return null;
    let last = null;
    for await (const part of response.body) {
      const data = /^data: (.*)$/m.exec(Buffer.from(part).toString("utf8"))?.[1];
      if (data !== undefined) last = JSON.parse(data);
      if (last?.agents.length > 0) break;
    }
    return last;
  } catch {
    return null;
  }
}
