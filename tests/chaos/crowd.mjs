// Many indistinguishable clients of the TypeScript SDK in one process: one key, one host, the same request ids.
//
// The first line on stdin is JSON: `nodeModules`, `url`, `headers`, `marks` (one text for each client), `ticket`
// (created first by each client, with its mark as summary) and `patience` (ms). Each later line is a round: every
// client requests the ticket with its mark. On stdout one JSON line once all are accepted, and one with the results.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const config = JSON.parse((await lines.next()).value);
const load = createRequire(`${config.nodeModules}/`);
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { SSEClientTransport } = load("@modelcontextprotocol/sdk/client/sse.js");
const say = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);
const options = { timeout: config.patience };

class Member {
  constructor(mark) {
    this.mark = mark;
    this.client = new Client({ name: "same", version: "0" });
    this.transport = new SSEClientTransport(new URL(config.url), { requestInit: { headers: config.headers } });
  }

  async join() {
    await this.client.connect(this.transport);
    const ticket = { ...config.ticket, summary: this.mark };
    await this.client.callTool({ name: "create_ticket", arguments: ticket }, undefined, options);
    const send = this.transport.send.bind(this.transport);
    this.transport.send = async (message) => {
      await send(message);
      if (message.method === "tools/call") this.accepted();
    };
  }

  // Return two promises: the call was accepted, and the result: nothing, or what is wrong.
  ask() {
    const accepted = new Promise((go) => (this.accepted = go));
    const ended = this.client
      .callTool({ name: "get_ticket_list", arguments: { searchQuery: this.mark } }, undefined, options)
      .then((result) => this.judge(result))
      .catch((error) => ({ code: error.code, kind: error.data?.kind, text: String(error) }));
    return [Promise.race([accepted, ended]), ended];
  }

  judge(result) {
    const { columns = [], rows = [] } = result.structuredContent ?? {};
    const found = rows.map((row) => row[columns.indexOf("summary")]);
    return found.length === 1 && found[0] === this.mark ? null : { foreign: found, text: result.content?.[0]?.text };
  }
}

const members = config.marks.map((mark) => new Member(mark));
await Promise.all(members.map((member) => member.join()));
say("joined");
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const asked = members.map((member) => member.ask());
  await Promise.all(asked.map(([accepted]) => accepted));
  say("accepted");
  const ended = await Promise.all(asked.map(([, result]) => result));
  say(ended.map((wrong, n) => wrong && { client: n, ...wrong }).filter(Boolean));
}
process.exit(0);
