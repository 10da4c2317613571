// The AI SDK's MCP client: its tools, called directly, without a model.

import { load, run, told } from "../../clients/common.mjs";

const { createMCPClient } = load("@ai-sdk/mcp");

await run(async () => {
  const client = await createMCPClient({ transport: { type: told.wire, url: told.url, headers: told.headers } });
  const tools = await client.tools();
  return {
    revision: client.initializeResult.protocolVersion,
    tools: Object.keys(tools),
    call: (name, args) => tools[name].execute(args, {}),
    close: () => client.close(),
  };
});
