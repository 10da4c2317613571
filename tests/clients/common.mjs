// What the programs for Node share: the calls, the report, and how they end, as in tests/interop/drivers/common.py. They
// wait for a restart of the server only if their argument has `restart`.

import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";

const AFTER_MS = 20000; // a client may take this long for a call after the restart before it counts as hung
const RECOVERY_MS = 20000; // likewise to recover, if it must: `recovers` in the argument
const BETWEEN_MS = 200;

export const told = JSON.parse(process.argv[2]);
export const load = createRequire(`${told.nodeModules}/`);

/** Run a program: `connect` returns {revision, tools, call, close}; `call` returns a result as in MCP. */
export async function run(connect) {
  let client;
  try {
    client = await connect();
  } catch (error) {
    return end(3, { refused: { code: error.code, status: error.status, text: reasons(error) } });
  }
  const { revision, tools } = client;
  const seen = { revision, tools, results: await results(client, told.calls) };
  if (told.restart) {
    console.log(JSON.stringify(seen));
    await new Promise((resolve) => process.stdin.resume().once("end", resolve));
    const deadline = told.recovers ? Date.now() + RECOVERY_MS : 0;
    while ((seen.after = await repeated(client)).isError && Date.now() < deadline) await setTimeout(BETWEEN_MS);
    await client.close().catch(() => {}); // its connection may have ended
    client = await connect();
    seen.again = await repeated(client);
  }
  await client.close();
  end(0, seen);
}

/** Return a client of the TypeScript SDK that `told.sdk` names, connected as `told` says, and its transport. */
export async function connected() {
  const modules = {
    v1: ["index", "sse", "streamableHttp", "stdio"].map((name) => `sdk/client/${name}.js`),
    v2: ["client", "client/stdio"],
  }[told.sdk];
  const sdk = Object.assign({}, ...modules.map((name) => load(`@modelcontextprotocol/${name}`)));
  const client = new sdk.Client(
    { name: "test", version: "0" },
    told.mode ? { versionNegotiation: { mode: told.mode } } : undefined,
  );
  const wire = ["sse", "http", "stdio"].find((name) => told[name]);
  const where = told[wire];
  const transport = {
    sse: () => new sdk.SSEClientTransport(new URL(where.url), { requestInit: { headers: where.headers } }),
    http: () => new sdk.StreamableHTTPClientTransport(new URL(where.url), { requestInit: { headers: where.headers } }),
    stdio: () => new sdk.StdioClientTransport(where),
  }[wire]();
  await client.connect(transport);
  return { client, transport };
}

async function results(client, calls) {
  const made = [];
  let ticketId;
  for (const [name, given] of calls) {
    const args = Object.fromEntries(Object.entries(given).map(([k, v]) => [k, v === "$ticketId" ? ticketId : v]));
    const result = await client.call(name, args);
    ticketId = result.content[0].text.match(/TCK-[0-9]+/)?.[0] ?? ticketId;
    made.push(result);
  }
  return made;
}

// What a client throws is the text of a result with `isError`, too.
async function repeated(client) {
  const hung = setTimeout(AFTER_MS, failure("TimeoutError: "));
  const called = results(client, told.calls.slice(0, 1)).then(([result]) => result);
  return Promise.race([called.catch((error) => failure(reasons(error))), hung]);
}

/** Return a result with the text of an error. */
export function failure(text) {
  return { content: [{ type: "text", text }], isError: true };
}

function reasons(error) {
  return error.cause ? `${error}; ${reasons(error.cause)}` : String(error);
}

function end(code, report) {
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(code));
}
