// openid-client: the strict client, by its discovery.
import * as client from 'openid-client'
import { refusal, report, rotation, task } from './peer.mjs'

const methods = { none: client.None, client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost }

/** The test's server has no TLS. */
const configure = (secret) => client.discovery(
  new URL(task.issuer), task.client_id, undefined, methods[task.method](secret),
  { algorithm: task.discovery, execute: [client.allowInsecureRequests] },
)
const config = await configure(task.client_secret)

const signIn = (password, with_ = config) => client.genericGrantRequest(with_, 'password', { username: task.username, password })
const refresh = (token) => client.refreshTokenGrant(config, token)

async function callAPI(token) {
  const response = await client.fetchProtectedResource(config, token, new URL(task.api), 'GET')
  return (await response.json()).sub
}

async function revoke(token) {
  await client.tokenRevocation(config, token)
  return refusal(refresh(token), code)
}

const code = (e) => e.error ?? e.cause?.[0]?.scheme ?? e.message

const first = await signIn(task.password)
const found = { api: await callAPI(first.access_token) }
await rotation()
const second = await refresh(first.refresh_token)
found.api_after = await callAPI(second.access_token)
found.old_after = await callAPI(first.access_token)
found.rotated = second.refresh_token !== first.refresh_token && second.access_token !== first.access_token
found.wrong_password = await refusal(signIn('not the password'), code)
if (task.client_secret) found.wrong_secret = await refusal(signIn(task.password, await configure('not-the-secret')), code)
found.revoked = await revoke(second.refresh_token)
report(found)
