// openid-client asks about tokens (RFC 7662), as the client that got them and
// as the API that they are for.
import * as client from 'openid-client'
import { refusal, report, task } from './peer.mjs'

/** The test's server has no TLS. */
const configure = (id, authentication) => client.discovery(
  new URL(task.issuer), id, undefined, authentication, { execute: [client.allowInsecureRequests] },
)
const app = await configure(task.client_id, client.ClientSecretBasic(task.client_secret))
const api = await configure(task.api_id, client.ClientSecretPost(task.api_secret))
const stranger = await configure(task.stranger_id, client.ClientSecretBasic(task.stranger_secret))
const nobody = await configure(task.public_id, client.None())

const { access_token, refresh_token } = await client.genericGrantRequest(app, 'password', { username: task.username, password: task.password })
const ask = (config, token, hint) => client.tokenIntrospection(config, token, hint && { token_type_hint: hint })
const members = async (...question) => Object.keys(await ask(...question)).sort().join(' ')

const told = await ask(api, access_token)
const claims = JSON.parse(Buffer.from(access_token.split('.')[1], 'base64url'))
const found = {
  active: told.active, token_type: told.token_type,
  as_in_the_token: Object.keys(claims).every((name) => JSON.stringify(claims[name]) === JSON.stringify(told[name])),
  wrong_hint: (await ask(api, access_token, 'refresh_token')).active,
  own_access: (await ask(app, access_token)).active,
  own_refresh: (await ask(app, refresh_token)).active,
  refresh_of_another: await members(api, refresh_token),
  access_for_another: await members(stranger, access_token),
  rubbish: await members(api, 'rubbish'),
  public_client: await refusal(ask(nobody, access_token), (e) => `${e.status} ${e.cause?.[0]?.scheme}`),
}
await client.tokenRevocation(app, refresh_token)
found.access_after = await members(api, access_token)
found.refresh_after = await members(app, refresh_token)
report(found)
