// What stands between the client under test and a real server, and plays the
// bad days: answers that get lost, servers that are busy, refusals.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

// A step decides about one request to the token endpoint: it gets pass, which
// asks the real server and returns its answer, and returns what to answer;
// null answers nothing and cuts the connection.

export const lost = async (pass) => { await pass(); return null } // the server did it; nobody hears
export const down = async () => null // it never got there
export const cutOff = async (pass) => ({ ...await pass(), cut: true })
export const answer = (status, body, headers = {}) => async () => ({ status, body, headers })
export const refuse = (error) => answer(400, JSON.stringify({ error }), { 'Content-Type': 'application/json' })

/** A step that changes what the real server answered. */
export const rewrite = (change) => async (pass) => {
  const real = await pass()
  return { ...real, body: JSON.stringify({ ...JSON.parse(real.body), ...change }) }
}

/** A front is the issuer to its client. It has an API of its own at /api. */
export async function createFront(issuer) {
  const front = {
    plan: [], // steps for the next refreshes, then they pass
    login: [], // the same for sign-ins
    accepts: () => true, // whether the API takes an access token
    refreshes: [], // {token, stored, answer}: presented; in the store when it arrived
    revoked: [], apiCalls: 0,
    stored: () => null,
  }
  async function pass(path, text) {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    for (;;) {
      const real = await fetch(issuer + path, { method: 'POST', body: text, headers })
      if (real.status !== 503) {
        return { status: real.status, body: await real.text(), headers: { 'Content-Type': real.headers.get('Content-Type') ?? 'text/plain' } }
      }
      await sleep(1000 * real.headers.get('Retry-After')) // a real server that is busy is not the client's bad day
    }
  }
  async function token(text) {
    const form = new URLSearchParams(text)
    if (form.get('grant_type') !== 'refresh_token') {
      return (front.login.shift() ?? ((go) => go()))(() => pass('/oauth2/token', text))
    }
    const record = { token: form.get('refresh_token'), stored: front.stored(), at: performance.now() }
    front.refreshes.push(record)
    const step = front.plan.shift() ?? ((go) => go())
    return step(async () => {
      const real = await pass('/oauth2/token', text)
      record.answer = JSON.parse(real.body)
      return real
    })
  }
  const server = createServer(async (req, res) => {
    let text = ''
    for await (const chunk of req) text += chunk
    const out = req.url === '/api' ? api(req.headers.authorization) : req.url === '/oauth2/token' ? await token(text) : await revoke(text)
    if (!out) return void res.destroy()
    res.writeHead(out.status, { ...out.headers, 'Content-Length': Buffer.byteLength(out.body) })
    if (!out.cut) return void res.end(out.body)
    res.write(out.body.slice(0, out.body.length / 2), () => res.destroy())
  })
  function api(authorization) {
    front.apiCalls++
    const status = front.accepts(authorization?.replace('Bearer ', '')) ? 200 : 401
    return { status, body: '{}', headers: { 'Content-Type': 'application/json' } }
  }
  async function revoke(text) {
    front.revoked.push(new URLSearchParams(text).get('token'))
    return (front.plan.shift() ?? ((go) => go()))(() => pass('/oauth2/revoke', text))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  front.issuer = `http://127.0.0.1:${server.address().port}`
  front.close = () => { server.closeAllConnections(); server.close() }
  return front
}
