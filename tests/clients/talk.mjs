// Connects a client of the TypeScript SDK to a server, makes the given calls, and prints the results.
//
// One argument, JSON: `nodeModules` (the folder of the SDKs), `sdk` (v1 or v2), `mode` (how v2 negotiates),
// `sse` or `http` ({url, headers}) or `stdio` ({command, args, env}), and `calls` ([[tool, arguments], …]). The
// argument "$ticketId" stands for the ticket that an earlier call returned. Prints the `revision`, the `tools` and the
// `results`; exits with 3 and the reason if it is refused.

import { createRequire } from "node:module";

const told = JSON.parse(process.argv[2]);
const load = createRequire(`${told.nodeModules}/`);
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

try {
  await client.connect(transport);
} catch (error) {
  console.log(JSON.stringify({ refused: { code: error.code, status: error.status, text: String(error) } }));
  process.exit(3);
}
const { tools } = await client.listTools();
const results = [];
let ticketId;
for (const [name, given] of told.calls) {
  const args = Object.fromEntries(Object.entries(given).map(([k, v]) => [k, v === "$ticketId" ? ticketId : v]));
  const result = await client.callTool({ name, arguments: args });
  ticketId = result.structuredContent?.ticketId ?? ticketId;
  results.push(result);
}
const revision = client.getNegotiatedProtocolVersion?.() ?? transport._protocolVersion; // v1: only in its transport
await client.close();
console.log(JSON.stringify({ revision, tools: tools.map((tool) => tool.name), results }));
