// Signs in a client of the TypeScript SDK and makes the calls that it is given, one at a time.
//
// One argument, JSON: `nodeModules`, `sdk` (v1 or v2), `wire` (sse or http), `url` of the server, and `browser`, a program
// that takes the address where a person signs in. Each line of stdin is a call, [tool, arguments]; each line of stdout is
// its result, as in MCP. A client of this SDK leaves it to its host to wait for the person: the call fails meanwhile,
// and the host repeats it.

import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { failure, load, told } from "../../clients/common.mjs";

const modules = {
  v1: ["index", "auth", "sse", "streamableHttp"].map((name) => `sdk/client/${name}.js`),
  v2: ["client"],
}[told.sdk];
const sdk = Object.assign({}, ...modules.map((name) => load(`@modelcontextprotocol/${name}`)));
const Transport = { sse: sdk.SSEClientTransport, http: sdk.StreamableHTTPClientTransport }[told.wire];

let returned; // resolves with the query of the next request for `callback`, with which a person comes back
const callback = createServer((request, response) => {
  response.end("You are signed in.");
  returned?.(new URL(request.url, "http://127.0.0.1").searchParams);
});
await new Promise((resolve) => callback.listen(0, "127.0.0.1", resolve));
const redirectUrl = `http://127.0.0.1:${callback.address().port}/callback`;

const saved = {};
const authProvider = {
  redirectUrl,
  clientMetadata: {
    client_name: told.sdk,
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  },
  clientInformation: () => saved.client,
  saveClientInformation: (client) => (saved.client = client),
  tokens: () => saved.tokens,
  saveTokens: (tokens) => (saved.tokens = tokens),
  codeVerifier: () => saved.verifier,
  saveCodeVerifier: (verifier) => (saved.verifier = verifier),
  saveDiscoveryState: (state) => (saved.discovery = state),
  discoveryState: () => saved.discovery,
  redirectToAuthorization(url) {
    saved.person = new Promise((resolve, reject) => {
      returned = resolve;
      execFile(told.browser, [url.href], (error) => error && reject(error));
    });
  },
};

let transport = new Transport(new URL(told.url), { authProvider });
let client = made();

function made() {
  return new sdk.Client({ name: "test", version: "0" }, { versionNegotiation: { mode: "auto" } }); // v1 has no such option
}

async function connected() {
  try {
    return await client.connect(transport);
  } catch (error) {
    if (!(error instanceof sdk.UnauthorizedError)) throw error;
  }
  await signedIn();
  client = made();
  transport = new Transport(new URL(told.url), { authProvider });
  await client.connect(transport);
}

async function signedIn() {
  const query = await saved.person;
  await transport.finishAuth(told.sdk === "v1" ? query.get("code") : query);
}

async function called([name, args]) {
  const call = () => client.callTool({ name, arguments: args });
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof sdk.UnauthorizedError)) return failure(String(error));
  }
  await signedIn();
  return call();
}

await connected();
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await called(JSON.parse(line))));
}
await client.close().catch(() => {});
process.exit();
