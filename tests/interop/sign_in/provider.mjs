// An OpenID provider of an organisation: the certified `oidc-provider`, with pages where people sign in and consent.
//
// Clients may register themselves; access tokens are JWTs for one resource (RFC 8707, RFC 9068); every use of a refresh
// token renews it. A person says on the page of consent which scopes the client gets.
//
// One argument, JSON: `nodeModules`, `resources` (the first is that of a token asked for without one), `people` ({subject:
// claims of their access tokens}), `programs` ([{id, secret}]), `lifeS` (of access tokens) and `earlyS` (how much
// earlier `exp` is, so that a server with a leeway refuses a token when its client expects it). Prints its address, then
// a line of JSON for each event. `/health` says that it listens.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const told = JSON.parse(process.argv[2]);
const { Provider, errors } = await import(pathToFileURL(`${told.nodeModules}/oidc-provider/lib/index.js`));
const SCOPES = ["tickets:read", "tickets:write"];

const server = createServer().listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  const answer = provider.callback();
  report(provider);
  server.on("request", (request, response) => {
    const path = new URL(request.url, issuer).pathname;
    if (path === "/health") return response.end();
    return path.startsWith("/interaction/") ? page(provider, request, response) : answer(request, response);
  });
  console.log(`OpenID provider ${issuer}`);
});

function configuration() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }] },
    cookies: { keys: ["only-for-tests"] },
    scopes: ["openid", "offline_access", ...SCOPES], // a client may register those of resources only if they are here
    clientAuthMethods: ["none", "client_secret_basic", "client_secret_post"],
    clients: told.programs.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
    rotateRefreshToken: true,
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"), // asked for by offline_access or not
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, subject) => ({ accountId: subject, claims: () => ({ sub: subject }) }),
    extraTokenClaims: (_, token) => told.people[token.accountId],
    formats: { customizers: { jwt: (_, token, { payload }) => void (payload.exp -= told.earlyS) } },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_, client, asked) => asked ?? told.resources[0],
        useGrantedResource: () => true,
        getResourceServerInfo(_, resource) {
          if (!told.resources.includes(resource)) throw new errors.InvalidTarget();
          return { scope: SCOPES.join(" "), audience: resource, accessTokenTTL: told.lifeS, accessTokenFormat: "jwt" };
        },
      },
    },
  };
}

// The pages: a form with the name of the person, then one with a box for each scope of the resource.
async function page(provider, request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const resources = Object.entries(prompt.details.missingResourceScopes ?? {});
  if (request.method !== "POST") {
    const box = (scope) => `<input type="checkbox" name="scope" value="${scope}">`;
    const fields = { login: [`<input name="subject">`], consent: resources.flatMap(([, scopes]) => scopes.map(box)) };
    response.setHeader("content-type", "text/html");
    return response.end(`<form method="post">${fields[prompt.name].join("")}<button>Continue</button></form>`);
  }
  let body = "";
  for await (const part of request) body += part;
  const form = new URLSearchParams(body);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: form.get("subject") } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(" "));
  for (const [resource, scopes] of resources) {
    for (const scope of scopes) {
      if (form.getAll("scope").includes(scope)) grant.addResourceScope(resource, scope);
      else grant.rejectResourceScope(resource, scope);
    }
  }
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

function report(provider) {
  const say = (event, more) => console.log(JSON.stringify({ event, ...more }));
  provider.on("registration_create.success", (_, client) => say("registered", { client: client.clientName }));
  provider.on("authorization.success", ({ oidc: { params } }) => say("signed_in", { asked: params.scope, resource: params.resource }));
  provider.on("grant.success", ({ oidc: { params }, body }) => say(params.grant_type, { scope: body.scope }));
  for (const failed of ["registration_create.error", "authorization.error", "grant.error", "server_error"]) {
    provider.on(failed, (_, error) => say(failed, { text: `${error}: ${error.error_description}` }));
  }
}
