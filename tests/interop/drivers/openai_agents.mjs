// OpenAI's agents library for Node: its MCP servers, without an agent and so without a model.

import { load, run, told } from "../../clients/common.mjs";

const { MCPServerSSE, MCPServerStreamableHttp } = load("@openai/agents");

await run(async () => {
  const Server = { sse: MCPServerSSE, http: MCPServerStreamableHttp }[told.wire];
  const server = new Server({ url: told.url, requestInit: { headers: told.headers } });
  await server.connect();
  const tools = await server.listTools();
  return {
    revision: server.underlying.transport._protocolVersion,
    tools: tools.map((tool) => tool.name),
    call: (name, args) => server.callToolResult(name, args),
    close: () => server.close(),
  };
});
