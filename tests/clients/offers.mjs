// Reads what a server offers besides tools with a client of the TypeScript SDK, and prints it as JSON.
//
// One argument, JSON: `nodeModules`, `sdk`, `mode`, and `sse`, `http` or `stdio`, as for talk.mjs. Prints the names of
// the `prompts`, the text of one in Japanese (`prompt`), the URI `templates`, a `ticket`, a `list`, the values that
// complete a person and a ticket (`people`, `tickets`), and the `error` for an unknown ticket.

import { connected } from "./common.mjs";

const { client } = await connected();
const complete = async (ref, name, value) => (await client.complete({ ref, argument: { name, value } })).completion.values;
const text = async (uri) => (await client.readResource({ uri })).contents[0].text;
const given = await client.getPrompt({ name: "escalation", arguments: { ticketId: "TCK-0041", language: "ja" } });
const report = {
  prompts: (await client.listPrompts()).prompts.map((prompt) => prompt.name),
  prompt: given.messages[0].content.text,
  templates: (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate),
  ticket: await text("ticket://TCK-0041"),
  list: await text("tickets://master/statuses"),
  people: await complete({ type: "ref/prompt", name: "escalation" }, "toId", "okoro"),
  tickets: await complete({ type: "ref/resource", uri: "ticket://{id}" }, "id", "TCK-004"),
  error: await text("ticket://TCK-9999").catch((error) => `${error.code} ${error.message}`),
};
await client.close();
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
