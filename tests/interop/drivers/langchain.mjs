// LangChain's adapters for Node: MCP tools as LangChain tools, which throw if the result is an error.

import { failure, load, run, told } from "../../clients/common.mjs";

const { MultiServerMCPClient } = load("@langchain/mcp-adapters");

await run(async () => {
  const server = { transport: told.wire, url: told.url, headers: told.headers };
  const client = new MultiServerMCPClient({ tickets: server });
  const tools = Object.fromEntries((await client.getTools()).map((tool) => [tool.name, tool]));
  const { transport } = await client.getClient("tickets");
  return {
    revision: transport._protocolVersion,
    tools: Object.keys(tools),
    async call(name, args) {
      try {
        return { content: [await tools[name].invoke(args)] };
      } catch (error) {
        return failure(String(error));
      }
    },
    close: () => client.close(),
  };
});
