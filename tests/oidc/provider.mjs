// A certified OpenID provider with test accounts: signs in whoever is clicked, hands out keys and groups as it is told.
//
// It prints its issuer as one line of JSON. POST /control takes {jwks, accounts, redirectUris, tokenSeconds} and goes on with
// these, and answers how often its keys were asked for; it and everything else listen on 127.0.0.1 only.
import http from "node:http";
import { Provider, interactionPolicy } from "oidc-provider";

const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const STRONG = "urn:test:strong";
const state = { jwks: undefined, accounts: {}, redirectUris: ["http://127.0.0.1:8787/sign-in/callback"], tokenSeconds: 600 };
let issuer = "";
let keySetsAsked = 0;
let handler;

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (ctx, body) => { ctx.type = "html"; ctx.body = `<!doctype html><html lang="en"><title>Test provider</title><main>${body}</main></html>`; };

// As it ships, plus: who is asked for a strong sign-in and has only a weak one is asked again.
function policy() {
  const prompts = interactionPolicy.base();
  prompts.get("login").checks.add(new interactionPolicy.Check("weak", "a stronger sign-in is asked for", (ctx) => {
    const asked = (ctx.oidc.params.acr_values || "").split(" ").includes(STRONG);
    return asked && ctx.oidc.session.acr !== STRONG ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT;
  }));
  return prompts;
}

function provider() {
  const made = new Provider(issuer, {
    acrValues: [STRONG],
    adapter: undefined,
    claims: { openid: ["sub", "acr", "amr", "auth_time"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups", "_claim_names"] },
    clients: [
      {
        client_id: "sluicegate", client_secret: "the secret of the reviewer service", redirect_uris: state.redirectUris,
        grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], require_auth_time: true,
        backchannel_logout_uri: state.logoutUri, backchannel_logout_session_required: state.logoutUri ? true : undefined,
      },
      {
        client_id: "sluicegate-cli", token_endpoint_auth_method: "none", redirect_uris: [], response_types: [],
        grant_types: [DEVICE, "refresh_token"], require_auth_time: true,
      },
    ],
    conformIdTokenClaims: false,
    cookies: { keys: ["only for tests"] },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form, out, err) => page(ctx, `${err ? `<p>${escaped(err.name)}</p>` : ""}${form}<button form="op.deviceInputForm" type="submit">Go on</button>`),
        userCodeConfirmSource: (ctx, form, client, device, code) => page(ctx, `<p>Is it ${escaped(code)}?</p>${form}<button form="op.deviceConfirmForm" type="submit">Yes</button>`),
        successSource: (ctx) => page(ctx, "<p>Signed in. Go back to the terminal.</p>"),
      },
    },
    findAccount: (ctx, id) => id in state.accounts ? { accountId: id, claims: () => ({ sub: id, ...state.accounts[id] }) } : undefined,
    interactions: { policy: policy(), url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: async () => true,
    jwks: state.jwks,
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid profile email groups offline_access");
      await grant.save();
      return grant;
    },
    pkce: { required: () => true },
    renderError: (ctx, out) => page(ctx, `<p>${escaped(out.error)}: ${escaped(out.error_description)}</p>`),
    routes: {},
    scopes: ["openid", "profile", "email", "groups", "offline_access"],
    ttl: { AccessToken: 300, AuthorizationCode: 60, DeviceCode: 300, Grant: 3600, IdToken: () => state.tokenSeconds, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  });
  made.use(async (ctx, next) => {
    if (!ctx.path.startsWith("/interaction/")) return next();
    if (ctx.method === "GET") {
      const people = Object.keys(state.accounts).map((id) => `<button name="login" value="${escaped(id)}">${escaped(id)}</button>`);
      return page(ctx, `<form method="post">${people.join("")}</form>`);
    }
    const login = new URLSearchParams(await read(ctx.req)).get("login");
    const { params } = await made.interactionDetails(ctx.req, ctx.res);
    const strong = (params.acr_values || "").split(" ").includes(STRONG);
    const result = { login: { accountId: login, acr: strong ? STRONG : "urn:test:weak", amr: strong ? ["pwd", "hwk"] : ["pwd"], remember: true } };
    ctx.respond = false;
    await made.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  });
  return made.callback();
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

const server = http.createServer(async (request, response) => {
  if (request.url === "/jwks") keySetsAsked += 1;
  if (request.url !== "/control") return handler(request, response);
  try {
    Object.assign(state, JSON.parse(await read(request)));
    handler = provider();
    response.end(JSON.stringify({ keySetsAsked }));
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  handler = (request, response) => { response.statusCode = 503; response.end(); };
  console.log(JSON.stringify({ issuer }));
});
// It ends with whoever started it, however that ended.
process.stdin.resume().on("end", () => process.exit(0));
