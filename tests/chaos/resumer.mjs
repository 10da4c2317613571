// One client of the TypeScript SDK over Streamable HTTP that makes one call and is cut off during it.
//
// The first line on stdin is JSON: `nodeModules`, `url`, `headers`, `tool`, `arguments` and `patience` (ms). The second
// starts the call. On stdout one JSON line once it is connected, one once it could resume, and one with the result.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const config = JSON.parse((await lines.next()).value);
const load = createRequire(`${config.nodeModules}/`);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = load("@modelcontextprotocol/sdk/client/streamableHttp.js");
const say = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);

const transport = new StreamableHTTPClientTransport(new URL(config.url), { requestInit: { headers: config.headers } });
const client = new Client({ name: "resumer", version: "0" });
await client.connect(transport);
const answers = [];
const take = transport.onmessage;
transport.onmessage = (message, extra) => {
  if (message.method === undefined) answers.push(message.id);
  take(message, extra);
};
say({ connected: transport.protocolVersion });

await lines.next();
let isPrimed = false;
const onresumptiontoken = () => {
  if (!isPrimed) say("could resume");
  isPrimed = true;
};
const outcome = await client
  .callTool({ name: config.tool, arguments: config.arguments }, undefined, { timeout: config.patience, onresumptiontoken })
  .then((result) => ({ result }))
  .catch((error) => ({ error: { code: error.code, kind: error.data?.kind, text: String(error) } }));
await client.listTools(); // the session works, and a second response would have arrived
say({ ...outcome, answers: answers.length - 1 });
process.exit(0);
