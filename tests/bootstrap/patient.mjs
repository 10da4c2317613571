// A client of the TypeScript SDK that starts the STDIO server of a checkout and asks until its call was carried out.
//
// One argument, JSON: `nodeModules`, `server` ({command, args, env, cwd}), `timeout` (ms) and `call` ({name, arguments}).
// Prints how long connecting and listing took, every text that the call was answered with, and the last result.

import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";

const told = JSON.parse(process.argv[2]);
const load = createRequire(`${told.nodeModules}/`);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");

const client = new Client({ name: "patient", version: "0" });
const began = Date.now();
const options = { timeout: told.timeout };
await client.connect(new StdioClientTransport({ ...told.server, stderr: "inherit" }), options);
const { tools } = await client.listTools(undefined, options);
const ready = Date.now() - began;

const texts = [];
let result;
do {
  result = await client.callTool(told.call, undefined, options);
  texts.push(result.content[0].text);
  if (result.isError) await setTimeout(1000);
} while (result.isError && result.structuredContent.error.kind === "setting_up");
await client.close();
console.log(JSON.stringify({ ready, tools: tools.length, texts, result }));
