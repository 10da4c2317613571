// The TypeScript SDK with the trivial tool, on Node's own HTTP server: /sse, /messages and /mcp.
//
// typescript.mjs PORT; MCP_TEST_NODE_MODULES is the folder of the packages.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const load = createRequire(`${process.env.MCP_TEST_NODE_MODULES}/`);
const { McpServer } = load("@modelcontextprotocol/sdk/server/mcp.js");
const { SSEServerTransport } = load("@modelcontextprotocol/sdk/server/sse.js");
const { StreamableHTTPServerTransport } = load("@modelcontextprotocol/sdk/server/streamableHttp.js");
const { z } = load("zod");

const transports = new Map(); // by session

async function connected(transport) {
  const server = new McpServer({ name: "echo", version: "0" });
  server.registerTool("echo", { inputSchema: { text: z.string() } }, async ({ text }) => ({
    content: [{ type: "text", text }],
  }));
  await server.connect(transport);
  return transport;
}

function streamable() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => transports.set(id, transport),
    onsessionclosed: (id) => transports.delete(id),
  });
  return connected(transport);
}

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  if (pathname === "/sse") {
    const transport = new SSEServerTransport("/messages", response);
    transports.set(transport.sessionId, transport);
    await connected(transport);
  } else if (pathname === "/messages") {
    await transports.get(searchParams.get("sessionId")).handlePostMessage(request, response);
  } else {
    const known = transports.get(request.headers["mcp-session-id"]);
    await (known ?? (await streamable())).handleRequest(request, response);
  }
}).listen(Number(process.argv[2]), "127.0.0.1");
