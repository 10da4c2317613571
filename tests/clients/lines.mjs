// Speaks MCP over STDIO with what Node itself has for lines: `readline`, which also ends them at U+2028 and U+2029.
//
// One argument, JSON: `command`, `args`, `env`, and `messages`. Prints the lines that were no JSON, and the response to
// each request by its id.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const told = JSON.parse(process.argv[2]);
const server = spawn(told.command, told.args, { env: told.env, stdio: ["pipe", "pipe", "inherit"] });
const broken = [];
const responses = {};
let awaited = told.messages.filter((message) => "id" in message).length;
createInterface({ input: server.stdout }).on("line", (line) => {
  try {
    const message = JSON.parse(line);
    responses[message.id] = message;
    awaited -= 1;
  } catch {
    broken.push(line.slice(0, 200));
    awaited = 0;
  }
  if (awaited === 0) {
    server.stdin.end();
  }
});
for (const message of told.messages) {
  server.stdin.write(`${JSON.stringify(message)}\n`);
}
server.on("exit", () => console.log(JSON.stringify({ broken, responses })));
