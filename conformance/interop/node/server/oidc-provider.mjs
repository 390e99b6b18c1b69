// node-oidc-provider as the token server of an operator's own clients: with a
// password grant, rotating refresh tokens and access tokens for two APIs. The
// settings are in the file that is named; its wrong list has what is done badly
// on purpose. What operators do by hand is asked for at a second port.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { errors, Provider } from 'oidc-provider'
import { passwordGrant } from './password.mjs'
import { storage } from './storage.mjs'

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const digest = (text) => createHash('sha256').update(text).digest()
const wrong = new Set(settings.wrong)
const users = new Map(Object.entries(settings.users).map(([name, password]) => [name, digest(password)]))
const nobody = randomBytes(32)

// check takes as long for a name that nobody has.
const check = (name, password) => timingSafeEqual(users.get(name) ?? nobody, digest(password)) && users.has(name)

const newKey = async () => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...await exportJWK(privateKey), alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') }
}

let keys = [await newKey()]
const { d, p, q, dp, dq, qi, ...old } = wrong.has('keys') ? await newKey() : {}
const stored = new Map()
const methods = ['client_secret_basic', 'client_secret_post', 'none']

// apiOf is the API that a client's tokens are for when it names none.
const apiOf = (client) => settings.apis[client.clientId] ?? settings.apis.default

const api = (resource) => {
  if (!settings.resources.includes(resource)) {
    throw new errors.InvalidTarget()
  }
  return { scope: settings.scopes.join(' '), audience: resource, accessTokenFormat: settings.format }
}

const make = () => {
  const provider = new Provider(settings.issuer, {
    adapter: storage(stored, wrong.has('adapter')),
    clients: settings.clients,
    clientAuthMethods: [...methods, 'private_key_jwt'],
    clientBasedCORS: (ctx, origin, client) => client?.clientAuthMethod === 'none',
    cookies: { keys: [randomBytes(16).toString('hex')] },
    jwks: { keys },
    scopes: settings.scopes,
    responseTypes: ['code'],
    findAccount: (ctx, id) => users.has(id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
    discovery: { introspection_endpoint_auth_methods_supported: methods, revocation_endpoint_auth_methods_supported: methods },
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: !wrong.has('rotation'),
    ttl: { AccessToken: 600, RefreshToken: 86400, Grant: 86400 },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      revocation: { enabled: true },
      introspection: {
        enabled: true,
        // A client asks about its own tokens, an API about those for it.
        allowedPolicy: (ctx, client, token) =>
          wrong.has('introspection') || token.clientId === client.clientId || settings.introspects[client.clientId] === (token.aud ?? ''),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => oneOf ?? apiOf(client),
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => api(resource),
      },
    },
  })
  provider.on('server_error', (ctx, error) => console.error(error))
  if (wrong.has('keys')) { // a copy of the set from before its key
    provider.use(async (ctx, next) => {
      await next()
      if (ctx.path === '/jwks') {
        ctx.body = { keys: [old] }
      }
    })
  }
  passwordGrant(provider, { check, apiOf, api })
  return provider.callback()
}

let serve = make()
createServer((req, res) => serve(req, res)).listen(settings.port, '127.0.0.1')

const hands = {
  // The new key is in the set for two seconds before it signs: the first one does.
  async rotate() {
    keys = [...keys, await newKey()]
    serve = make()
    setTimeout(() => {
      keys = [keys.at(-1), ...keys.slice(0, -1)]
      serve = make()
    }, 2000)
  },
  // The keys and what was stored outlive the process.
  async restart() {
    serve = make()
  },
  async disable(name) {
    users.delete(name)
  },
}
createServer(async (req, res) => {
  const [, hand, ...rest] = req.url.split('/')
  await hands[hand](decodeURIComponent(rest.join('/')))
  res.end()
}).listen(settings.hands, '127.0.0.1')
