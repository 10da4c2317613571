// Mastra's MCP client: its tools, called directly, without an agent and so without a model.

import { failure, load, run, told } from "../../clients/common.mjs";

const { MCPClient, getMcpCallToolContent } = load("@mastra/mcp");

await run(async () => {
  const protocolVersion = told.mode ?? undefined;
  const server = { url: new URL(told.url), requestInit: { headers: told.headers }, protocolVersion };
  const client = new MCPClient({ servers: { tickets: server } });
  const { toolsets, errors } = await client.listToolsetsWithErrors();
  if (errors.tickets) throw new Error(errors.tickets);
  const tools = toolsets.tickets;
  return {
    revision: client.mcpClientsById.get("tickets").negotiatedProtocolVersion,
    tools: Object.keys(tools),
    async call(name, args) {
      try {
        return { content: getMcpCallToolContent(await tools[name].execute(args, {})) };
      } catch (error) {
        return failure(String(error));
      }
    },
    close: () => client.disconnect(),
  };
});
