// A certified provider of OpenID Connect, with consent pages, that a test can look into and disturb.
// The first argument is a JSON object: port and clients. "ready" on stdout means that it listens.
import http from "node:http";
import { Provider } from "oidc-provider";

const settings = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${settings.port}`;
const asked = [];
const redirects = new Set();
let fault = null;

const provider = new Provider(issuer, {
  clients: settings.clients,
  clientAuthMethods: ["client_secret_basic", "client_secret_post"],
  cookies: { keys: ["a key of the tests"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
  conformIdTokenClaims: false,
  scopes: ["openid", "offline_access", "email", "profile", "calendar"],
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    introspection: { enabled: true },
    userinfo: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_context, client, code) => client.grantTypeAllowed("refresh_token") && code.scopes.has("offline_access"),
  ttl: { AccessToken: 3600, RefreshToken: 86400 * 30, Grant: 86400 * 30, Session: 3600, Interaction: 600, IdToken: 3600, AuthorizationCode: 60 },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@provider.example`, email_verified: true, name: id, preferred_username: id }),
  }),
});
provider.proxy = false;
provider.Client.prototype.redirectUriAllowed = (address) => redirects.has(address);
const handle = provider.callback();

const page = (title, body) =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><main><h1>${title}</h1>${body}</main></body></html>`;

const body = (request) =>
  new Promise((resolve) => {
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => resolve(text));
  });

// The pages of a provider: who are you, and what do you allow? "account" signs in, "scopes" may leave some out.
async function interact(request, response, uid) {
  const details = await provider.interactionDetails(request, response);
  const { prompt, params, session } = details;
  if (request.method === "GET") {
    const wanted = (params.scope ?? "").split(" ").filter(Boolean);
    const fields =
      prompt.name === "login"
        ? `<p><label>Account <input name="account" autofocus required></label></p><p><button>Sign in</button></p>`
        : wanted.map((name) => `<p><label><input type="checkbox" name="scope" value="${name}" checked> ${name}</label></p>`).join("") +
          `<p><button>Allow</button></p>`;
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(
      page(
        prompt.name === "login" ? "Sign in" : `Allow access as ${session?.accountId}`,
        `<form method="post" action="/interaction/${uid}">${fields}</form><form method="post" action="/interaction/${uid}"><button name="deny" value="1">Deny</button></form>`,
      ),
    );
    return;
  }
  const form = new URLSearchParams(await body(request));
  let result;
  if (form.get("deny")) {
    result = { error: "access_denied", error_description: "The person said no." };
  } else if (prompt.name === "login") {
    result = { login: { accountId: form.get("account") } };
  } else {
    const grant = details.grantId
      ? await provider.Grant.find(details.grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const allowed = form.getAll("scope");
    const refused = (params.scope ?? "").split(" ").filter((name) => name && !allowed.includes(name));
    if (allowed.length) grant.addOIDCScope(allowed.join(" "));
    if (refused.length) grant.rejectOIDCScope(refused.join(" "));
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: prompt.name !== "login" });
}

// /_test/asked lists requests, /_test/register takes a redirect address, /_test/fault {path, kind, times} disturbs the next ones.
async function control(request, response, path) {
  if (path === "/_test/fault") fault = JSON.parse((await body(request)) || "null");
  if (path === "/_test/register") redirects.add(JSON.parse(await body(request)));
  if (path === "/_test/forget") asked.length = 0;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(asked));
}

function disturb(request, response) {
  request.resume();
  if (--fault.times <= 0) fault = { ...fault, path: null };
  if (fault.kind === "silence") return;
  if (fault.kind === "hangup") return void request.socket.destroy();
  if (fault.kind === "garbage") return void response.end("<html>It works!</html>");
  response.statusCode = Number(fault.kind);
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(fault.body ?? { error: "server_error" }));
}

http
  .createServer(async (request, response) => {
    const path = new URL(request.url, issuer).pathname;
    try {
      if (path.startsWith("/_test/")) return await control(request, response, path);
      asked.push(`${request.method} ${path}`);
      if (fault?.path && path === fault.path) {
        if (fault.kind !== "hold") return disturb(request, response);
        while (fault?.kind === "hold") await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const uid = path.match(/^\/interaction\/([^/]+)$/)?.[1];
      return uid ? await interact(request, response, uid) : handle(request, response);
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    }
  })
  .listen(settings.port, "127.0.0.1", () => console.log("ready"));
