// Three callers on the TypeScript SDK in one process, each with its own session; read by tests/chaos/callers.py.
//
// The first line on stdin is JSON: `nodeModules`, `url`, `headers`, `twice` (every nth call is posted twice at the same
// time, as an intermediary may do), `patience` (ms) and `scripts`. Each later line is a number and releases all
// waves up to it. On stdout one JSON line for each attempt, and one for each response that contradicts an earlier one
// to the same request. A call that got an error is repeated once.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const config = JSON.parse((await lines.next()).value);
const load = createRequire(`${config.nodeModules}/`);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = load("@modelcontextprotocol/sdk/client/sse.js");
const TIMED_OUT = -32001;
const SHOWN = 200; // characters of a response that a report quotes

let open = -1;
let waiting = [];
async function listen() {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    open = Number(line.value);
    waiting.filter(([wave]) => wave <= open).forEach(([, go]) => go());
    waiting = waiting.filter(([wave]) => wave > open);
  }
}
const released = (wave) => (wave <= open ? undefined : new Promise((go) => waiting.push([wave, go])));
const say = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);

let posted = 0;
function fetchSometimesTwice(url, init) {
  const isCall = init?.method === "POST" && init.body.includes('"tools/call"');
  if (!isCall || ++posted % config.twice !== 0) return fetch(url, init);
  return Promise.any([fetch(url, init), fetch(url, init)]);
}

async function connect(caller) {
  const client = new Client({ name: caller, version: "0" });
  const transport = new SSEClientTransport(new URL(config.url), {
    requestInit: { headers: config.headers },
    fetch: fetchSometimesTwice,
  });
  const answered = new Map();
  transport.onmessage = (message) => {
    if (message.method !== undefined) return;
    const said = JSON.stringify(message);
    const earlier = answered.get(message.id) ?? said;
    if (earlier !== said) say({ caller, contradiction: `${earlier.slice(0, SHOWN)} … ${said.slice(0, SHOWN)}` });
    answered.set(message.id, said);
  };
  await client.connect(transport);
  return client;
}

async function attempt(client, call, args) {
  const started = performance.now();
  const outcome = await client
    .callTool({ name: call.tool, arguments: args }, undefined, { timeout: config.patience })
    .then((result) => ({ result }))
    .catch((thrown) => {
      const error = thrown.errors?.[0] ?? thrown; // of the two POSTs sent at the same time
      if (error.code === TIMED_OUT) return { unresolved: true };
      return { error: { message: error.message, kind: error.data?.kind ?? error.cause?.code } };
    });
  return { ...outcome, seconds: (performance.now() - started) / 1000 };
}

async function run({ caller, calls }) {
  const client = await connect(caller);
  let ticketId;
  for (const call of calls) {
    await released(call.wave);
    const args = Object.fromEntries(
      Object.entries(call.arguments).map(([name, value]) => [name, value === "$ticketId" ? ticketId : value]),
    );
    for (const number of [1, 2]) {
      const outcome = await attempt(client, call, args);
      say({ caller, number: call.number, attempt: number, ...outcome });
      if (outcome.unresolved) return; // without a response the caller stops
      ticketId = outcome.result?.structuredContent?.ticketId ?? ticketId;
      if (outcome.result && !outcome.result.isError) break;
    }
  }
  await client.close();
}

void listen();
await Promise.all(config.scripts.map(run));
process.exit(0);
