// Connects a client of the TypeScript SDK to a server, makes the given calls, and prints the results.
//
// One argument, JSON: `nodeModules` (the folder of the SDKs), `sdk` (v1 or v2), `mode` (how v2 negotiates),
// `sse` or `http` ({url, headers}) or `stdio` ({command, args, env}), and `calls` ([[tool, arguments], …]). The
// argument "$ticketId" stands for the ticket that an earlier call returned. Prints the `revision`, the `tools` and the
// `results`; exits with 3 and the reason if it is refused.

import { connected, run } from "./common.mjs";

await run(async () => {
  const { client, transport } = await connected();
  const { tools } = await client.listTools();
  return {
    revision: client.getNegotiatedProtocolVersion?.() ?? transport._protocolVersion, // v1: only in its transport
    tools: tools.map((tool) => tool.name),
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
});
