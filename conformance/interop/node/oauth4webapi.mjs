// oauth4webapi: a client, and a resource server with its RFC 9068 verifier.
import * as oauth from 'oauth4webapi'
import { refusal, report, rotation, task } from './peer.mjs'

const loopback = { [oauth.allowInsecureRequests]: true } // the test's server has no TLS
const issuer = new URL(task.issuer)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback }))
const client = { client_id: task.client_id }
const methods = { none: oauth.None, client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost }
const auth = methods[task.method](task.client_secret)

async function signIn(password, as_ = auth) {
  const params = { username: task.username, password }
  const response = await oauth.genericTokenEndpointRequest(as, client, as_, 'password', params, loopback)
  return oauth.processGenericTokenEndpointResponse(as, client, response)
}

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(as, client, auth, token, loopback)
  return oauth.processRefreshTokenResponse(as, client, response)
}

/** Verifies as an API would. The key set is kept with `as`. */
async function subject(token, audience = task.audience) {
  const request = new Request('https://api.example/', { headers: { Authorization: `Bearer ${token}` } })
  return (await oauth.validateJwtAccessToken(as, request, audience, loopback)).sub
}

async function callAPI(token) {
  const response = await oauth.protectedResourceRequest(token, 'GET', new URL(task.api), undefined, undefined, loopback)
  return (await response.json()).sub
}

async function revoke(token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, loopback))
  return refusal(refresh(token), code)
}

const code = (e) => e.error ?? e.cause?.[0]?.scheme ?? e.message

const first = await signIn(task.password)
const found = { subject: await subject(first.access_token), api: await callAPI(first.access_token) }
await rotation()
const second = await refresh(first.refresh_token)
found.subject_after = await subject(second.access_token)
found.api_after = await callAPI(second.access_token)
found.old_after = await subject(first.access_token)
found.rotated = second.refresh_token !== first.refresh_token && second.access_token !== first.access_token
found.stranger = await refusal(subject(second.access_token, 'https://stranger.example'), (e) => e.code)
found.wrong_password = await refusal(signIn('not the password'), code)
if (task.client_secret) found.wrong_secret = await refusal(signIn(task.password, methods[task.method]('not-the-secret')), code)
found.revoked = await revoke(second.refresh_token)
report(found)
