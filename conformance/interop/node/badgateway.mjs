// @badgateway/oauth2-client: finds the endpoints and the authentication method
// by itself, unless it is told which.
import { OAuth2Client } from '@badgateway/oauth2-client'
import { refusal, report, rotation, task } from './peer.mjs'

const configure = (clientSecret) => new OAuth2Client({
  server: task.issuer, clientId: task.client_id, clientSecret,
  authenticationMethod: task.method === 'none' ? undefined : task.method,
})
const client = configure(task.client_secret)
const signIn = (password, with_ = client) => with_.password({ username: task.username, password })

async function callAPI(token) {
  const response = await fetch(task.api, { headers: { Authorization: `Bearer ${token.accessToken}` } })
  return (await response.json()).sub
}

async function revoke(token) {
  await client.revoke(token, 'refresh_token')
  return refusal(client.refreshToken(token), code)
}

const code = (e) => e.oauth2Code ?? e.message

const first = await signIn(task.password)
const found = { api: await callAPI(first) }
await rotation()
const second = await client.refreshToken(first)
found.api_after = await callAPI(second)
found.old_after = await callAPI(first)
found.rotated = second.refreshToken !== first.refreshToken && second.accessToken !== first.accessToken
found.wrong_password = await refusal(signIn('not the password'), code)
if (task.client_secret) found.wrong_secret = await refusal(signIn(task.password, configure('not-the-secret')), code)
found.revoked = await revoke(second)
report(found)
