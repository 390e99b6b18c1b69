// simple-oauth2: a client without discovery.
import { ResourceOwnerPassword } from 'simple-oauth2'
import { refusal, report, rotation, task } from './peer.mjs'

const { pathname } = new URL(task.issuer)
const path = (endpoint) => pathname.replace(/\/$/, '') + endpoint

const configure = (secret) => new ResourceOwnerPassword({
  client: { id: task.client_id, secret },
  auth: { tokenHost: task.issuer, tokenPath: path('/oauth2/token'), revokePath: path('/oauth2/revoke') },
  options: {
    authorizationMethod: task.method.startsWith('client_secret_basic') ? 'header' : 'body', // a public client, too
    credentialsEncodingMode: task.method === 'client_secret_basic_loose' ? 'loose' : 'strict',
  },
})
const client = configure(task.client_secret ?? '')
const signIn = (password, with_ = client) => with_.getToken({ username: task.username, password })

async function callAPI({ token }) {
  const response = await fetch(task.api, { headers: { Authorization: `Bearer ${token.access_token}` } })
  return (await response.json()).sub
}

async function revoke(token) {
  await token.revoke('refresh_token', { json: true }) // its default insists on a body of JSON, which RFC 7009 §2.2 leaves empty
  return refusal(token.refresh(), code)
}

const code = (e) => e.data?.payload?.error ?? e.message

const first = await signIn(task.password)
const found = { api: await callAPI(first) }
await rotation()
const second = await first.refresh()
found.api_after = await callAPI(second)
found.old_after = await callAPI(first)
found.rotated = second.token.refresh_token !== first.token.refresh_token && second.token.access_token !== first.token.access_token
found.wrong_password = await refusal(signIn('not the password'), code)
if (task.client_secret) found.wrong_secret = await refusal(signIn(task.password, configure('not-the-secret')), code)
found.revoked = await revoke(second)
report(found)
