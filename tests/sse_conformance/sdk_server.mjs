// The TypeScript SDK's own server over HTTP+SSE, wired as in its example simpleSseServer.js, with the transport's own
// protection against DNS rebinding switched on as well.
//
// One argument: the folder of the SDK. Prints its address to stdout and exits when stdin closes.

import { createRequire } from "node:module";

const load = createRequire(`${process.argv[2]}/`);
const { createMcpExpressApp } = load("@modelcontextprotocol/sdk/server/express.js");
const { McpServer } = load("@modelcontextprotocol/sdk/server/mcp.js");
const { SSEServerTransport } = load("@modelcontextprotocol/sdk/server/sse.js");

let calls = 0;
const transports = new Map();
const app = createMcpExpressApp();

function makeServer() {
  const server = new McpServer({ name: "sdk", version: "0" });
  const description = "Return how often this tool was called: reveals a request that is run twice.";
  server.registerTool("count", { description, annotations: { readOnlyHint: true } }, () => ({
    content: [{ type: "text", text: String(++calls) }],
  }));
  return server;
}

app.get("/sse", async (request, response) => {
  const host = request.headers.host;
  const transport = new SSEServerTransport("/messages", response, {
    enableDnsRebindingProtection: true,
    allowedHosts: [host],
    allowedOrigins: [`http://${host}`],
  });
  transports.set(transport.sessionId, transport);
  transport.onclose = () => transports.delete(transport.sessionId);
  await makeServer().connect(transport);
});

app.post("/messages", async (request, response) => {
  const transport = transports.get(request.query.sessionId);
  if (transport) await transport.handlePostMessage(request, response, request.body);
  else response.status(404).send("Session not found");
});

const http = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}`));
process.stdin.on("end", () => process.exit(0)).resume();
