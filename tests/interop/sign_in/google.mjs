// Google, as far as sign-in sees it: the certified `oidc-provider` with Google's habits.
//
// Clients are confidential and registered by hand, with exact redirect addresses; none registers itself. PKCE is accepted
// and not required. Access tokens are opaque, and useless to anyone but Google. ID tokens (RS256) say `email`,
// `email_verified`, `name` and, for accounts that an organisation manages, its domain as `hd`. A refresh token is only for
// who asks for it by `access_type=offline`. Who is signed in already comes back without a page, unless the request says
// `prompt=select_account`.
//
// One argument, JSON: `nodeModules`, `port` (0 for any), `client` ({id, secret, redirectUris}) and `people` ({subject:
// claims}). The issuer is on `localhost`, so that a server on 127.0.0.1 is another site to a browser. Prints its address,
// then a line of JSON for each event. `/health` says that it listens.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const told = JSON.parse(process.argv[2]);
const { Provider, interactionPolicy } = await import(pathToFileURL(`${told.nodeModules}/oidc-provider/lib/index.js`));

const server = createServer().listen(told.port, "127.0.0.1", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  const answer = provider.callback();
  report(provider);
  server.on("request", (request, response) => {
    const path = new URL(request.url, issuer).pathname;
    if (path === "/health") return response.end();
    return path.startsWith("/signin/") ? page(provider, request, response) : answer(request, response);
  });
  console.log(`OpenID provider http://127.0.0.1:${server.address().port}`);
});

function configuration() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const policy = interactionPolicy.base();
  policy.add(new interactionPolicy.Prompt({ name: "select_account", requestable: true }), 0);
  policy.remove("consent"); // see loadExistingGrant
  return {
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "one", alg: "RS256", use: "sig" }] },
    cookies: { keys: ["only-for-tests"] },
    clients: [{
      client_id: told.client.id,
      client_secret: told.client.secret,
      redirect_uris: told.client.redirectUris,
      response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "client_secret_post",
    }],
    scopes: ["openid", "email", "profile"],
    claims: { openid: ["sub"], email: ["email", "email_verified", "hd"], profile: ["name"] },
    conformIdTokenClaims: false, // else the claims of a scope would be at userinfo alone
    extraParams: ["access_type"],
    issueRefreshToken: (ctx) => ctx.oidc.params.access_type === "offline",
    pkce: { required: () => false },
    expiresWithSession: () => false, // a code outlives what its browser does next
    ttl: { AccessToken: 3600, IdToken: 3600, AuthorizationCode: 300, Session: 3600, Interaction: 600, Grant: 3600 },
    routes: { authorization: "/o/oauth2/v2/auth", token: "/token", userinfo: "/v1/userinfo", jwks: "/oauth2/v3/certs" },
    features: { devInteractions: { enabled: false }, userinfo: { enabled: true } },
    interactions: { policy, url: (_, { uid }) => `/signin/${uid}` },
    findAccount: (_, subject) => ({ accountId: subject, claims: () => ({ sub: subject, ...told.people[subject] }) }),
    async loadExistingGrant({ oidc }) {
      // Google asks for no consent worth a page where a client only learns who somebody is.
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
  };
}

// The page: a form with the address of an account. Unknown ones get it again; whoever cancels is sent back.
async function page(provider, request, response) {
  await provider.interactionDetails(request, response);
  let body = "";
  for await (const part of request) body += part;
  const form = new URLSearchParams(body);
  if (form.has("cancel")) return provider.interactionFinished(request, response, { error: "access_denied" });
  const subject = Object.keys(told.people).find((one) => told.people[one].email === form.get("email"));
  if (subject) {
    const done = { login: { accountId: subject }, select_account: {} };
    return provider.interactionFinished(request, response, done);
  }
  response.setHeader("content-type", "text/html; charset=utf-8");
  return response.end(`<!doctype html><html lang="en"><title>Sign in</title><form method="post">
    <label>E-mail <input name="email" type="email" autofocus></label>
    <button>Next</button> <button name="cancel" value="yes">Cancel</button></form></html>`);
}

function report(provider) {
  const say = (event, more) => console.log(JSON.stringify({ event, ...more }));
  provider.on("authorization.success", ({ oidc: { params } }) => say("signed_in", { asked: params.scope, prompt: params.prompt }));
  provider.on("grant.success", ({ oidc: { params }, body }) => say(params.grant_type, { answered: Object.keys(body) }));
  for (const failed of ["authorization.error", "grant.error", "server_error"]) {
    provider.on(failed, (_, error) => say(failed, { text: `${error}: ${error.error_description}` }));
  }
}
