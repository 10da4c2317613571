// Connects a client of the TypeScript SDK to a server, makes the given calls, and prints the results.
//
// One argument, JSON: `nodeModules` (the folder of the SDKs), `sdk` (v1 or v2), `mode` (how v2 negotiates),
// `sse` or `http` ({url, headers}) or `stdio` ({command, args, env}), and `calls` ([[tool, arguments], …]). The
// argument "$ticketId" stands for the ticket that an earlier call returned. Prints the `revision`, the `tools` and the
// `results`; exits with 3 and the reason if it is refused.

import { load, run, told } from "./common.mjs";

const modules = {
  v1: ["index", "sse", "streamableHttp", "stdio"].map((name) => `sdk/client/${name}.js`),
  v2: ["client", "client/stdio"],
}[told.sdk];
const sdk = Object.assign({}, ...modules.map((name) => load(`@modelcontextprotocol/${name}`)));

await run(async () => {
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
  const { tools } = await client.listTools();
  return {
    revision: client.getNegotiatedProtocolVersion?.() ?? transport._protocolVersion, // v1: only in its transport
    tools: tools.map((tool) => tool.name),
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
});
