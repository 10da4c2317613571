// The client of the demonstration: creates tickets, some concurrently, and reports what it sees. See demo.py.
//
// One argument, JSON: `nodeModules`, `url`, `headers`, `tickets` (how many), `atOnce` and `ticket` (common to all).
// On stdout one JSON line for each event. A ticket with an unknown outcome is requested once more with the
// same idempotencyKey, as a model would do.

import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const config = JSON.parse(process.argv[2]);
const load = createRequire(`${config.nodeModules}/`);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = load("@modelcontextprotocol/sdk/client/sse.js");

const say = (what, more = {}) => process.stdout.write(`${JSON.stringify({ what, ...more })}\n`);
let session;

async function fetchAndWatch(url, init) {
  const response = await fetch(url, init);
  if (init?.method === "POST" || !response.ok) return response;
  say("stream");
  return response;
}

const client = new Client({ name: "demo", version: "0" });
const transport = new SSEClientTransport(new URL(config.url), {
  requestInit: { headers: config.headers },
  eventSourceInit: { fetch: fetchAndWatch },
});
transport.onerror = (error) => error.event && say("lost"); // without `event` a POST failed
await client.connect(transport);

async function create(number) {
  const args = { ...config.ticket, summary: `Demo ${number}`, idempotencyKey: `demo-${process.pid}-${number}` };
  for (const attempt of [1, 2]) {
    if (attempt === 2) await pause(1000);
    try {
      const result = await client.callTool({ name: "create_ticket", arguments: args }, undefined, { timeout: 20_000 });
      if (!result.isError) return say("created", { number, attempt, ticket: result.structuredContent.ticketId });
      say("refused", { number, attempt, text: result.content[0].text });
    } catch (error) {
      say("refused", { number, attempt, text: error.message, kind: error.data?.kind });
    }
  }
  say("given up", { number });
}

let next = 1;
async function worker() {
  while (next <= config.tickets) {
    await create(next++);
    await pause(200);
  }
}
await Promise.all(Array.from({ length: config.atOnce }, worker));
await client.close();
process.exit(0);
