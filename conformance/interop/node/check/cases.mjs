// What a client that refreshes must do. Each case starts signed in; `t` is made
// by check.mjs: store (shared by all tabs), front, tab (another tab's client).
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

import { answer, cutOff, down, lost, refuse, rewrite } from './front.mjs'

const busy = (status, after) => answer(status, '', after === undefined ? {} : { 'Retry-After': String(after) })
const presented = (t) => t.front.refreshes.map((r) => r.token)

/** The tokens in the store are the ones that the real server gave last, and good. */
async function settled(t, accessToken) {
  const held = t.store.read()
  assert.equal(held?.access_token, accessToken, 'the token that was returned is not the stored one')
  const last = t.front.refreshes.findLast((r) => r.answer)?.answer
  if (last) assert.equal(held.refresh_token, last.refresh_token, 'the stored refresh token is not the one that the server gave')
  assert.notEqual(await t.session.accessToken(accessToken), accessToken, 'the session does not go on')
}

/** Renews once and says that one token was presented, however often. */
async function survives(t, times) {
  const before = t.store.read()
  const got = await t.session.accessToken(before.access_token)
  assert.deepEqual(presented(t), Array(times).fill(before.refresh_token), 'the stored token, each time')
  await settled(t, got)
}

const outWith = async (t, promise) => {
  await assert.rejects(promise, undefined, 'it must say that nobody is signed in')
  assert.equal(t.store.read(), null, 'the tokens must be gone')
}

export const cases = {
  'good-token': ['uses a token that is good, and asks nobody', async (t) => {
    const { access_token } = t.store.read()
    assert.equal(await t.session.accessToken(), access_token)
    assert.equal(await t.session.accessToken(), access_token)
    assert.equal(t.front.refreshes.length, 0)
  }],
  'after-its-end': ['uses no token after the end that expires_in says, and does not look inside it', async (t) => {
    t.front.login = [rewrite({ expires_in: 2, access_token: 'opaque' })]
    await t.signIn()
    await sleep(2100)
    const got = await t.session.accessToken()
    assert.notEqual(got, 'opaque')
    await settled(t, got)
  }],
  'clock': ['survives a clock that jumps a year ahead or back', async (t) => {
    const real = Date.now
    try {
      for (const jump of [365, -365]) {
        Date.now = () => real() + jump * 86400_000
        const token = await t.session.accessToken()
        t.front.accepts = (presented) => presented !== token
        assert.equal((await t.session.callAPI(`${t.front.issuer}/api`)).status, 200)
      }
    } finally {
      Date.now = real
    }
    assert.ok(t.store.read())
  }],
  'single-flight': ['refreshes once, however many ask at once', async (t) => {
    const refused = t.store.read().access_token
    const got = await Promise.all(Array.from({ length: 10 }, () => t.session.accessToken(refused)))
    assert.equal(t.front.refreshes.length, 1)
    assert.equal(new Set(got).size, 1)
    await settled(t, got[0])
  }],
  'tabs': ['keeps all of five tabs signed in that refresh at once', async (t) => {
    const tabs = [t.session, ...Array.from({ length: 4 }, () => t.tab())]
    for (let round = 0; round < 3; round++) {
      const refused = t.store.read().access_token
      for (const got of await Promise.all(tabs.map((tab) => tab.accessToken(refused)))) assert.notEqual(got, refused)
    }
    await settled(t, t.store.read().access_token)
  }],
  'read-again': ['takes what another tab has stored, and asks nobody', async (t) => {
    const first = await t.session.accessToken(t.store.read().access_token)
    const second = await t.tab().accessToken(first)
    assert.equal(await t.session.accessToken(first), second)
    assert.equal(await t.session.accessToken(), second)
    assert.equal(t.front.refreshes.length, 2)
    await settled(t, await t.session.accessToken(second))
    for (const { token, stored } of t.front.refreshes) assert.equal(token, stored.refresh_token, 'it presented a token that it remembered')
  }],
  'lost-answer': ['presents the same token again when the answer was lost', async (t) => {
    t.front.plan = [lost]
    await survives(t, 2)
  }],
  'cut-off': ['takes half an answer for none', async (t) => {
    t.front.plan = [cutOff]
    await survives(t, 2)
  }],
  'unreachable': ['tries again when it does not get through', async (t) => {
    t.front.plan = [down, down]
    await survives(t, 3)
  }],
  'lost-and-found': ['reads again before each attempt: another tab had more luck', async (t) => {
    const { access_token } = t.store.read()
    t.front.plan = [async () => {
      setTimeout(() => t.store.write(t.others), 100)
      return null
    }]
    assert.equal(await t.session.accessToken(access_token), t.others.access_token)
    assert.equal(t.front.refreshes.length, 1)
  }],
  'busy': ['waits as long as a 503 says, and stays signed in', async (t) => {
    t.front.plan = [busy(503, 2)]
    await survives(t, 2)
    assert.ok(t.front.refreshes[1].at - t.front.refreshes[0].at >= 1990, 'it did not wait')
  }],
  'too-many': ['waits as long as a 429 says, and stays signed in', async (t) => {
    t.front.plan = [answer(429, '{"error":"slow_down"}', { 'Content-Type': 'application/json', 'Retry-After': '2' })]
    await survives(t, 2)
    assert.ok(t.front.refreshes[1].at - t.front.refreshes[0].at >= 1990, 'it did not wait')
  }],
  'not-ours': ["takes a proxy's page for no answer, whatever its status", async (t) => {
    const html = { 'Content-Type': 'text/html' }
    t.front.plan = [answer(502, '<h1>Bad Gateway</h1>', html), answer(200, '<h1>Welcome to our WiFi</h1>', html)]
    await survives(t, 3)
  }],
  'patience': ['gives up for now, not for good, and does not hammer', async (t) => {
    const before = t.store.read()
    t.front.plan = Array(100).fill(busy(503))
    const began = performance.now()
    await assert.rejects(t.session.accessToken(before.access_token))
    assert.ok(performance.now() - began < 2 * t.patience, 'it tried for too long')
    assert.deepEqual(t.store.read(), before)
    assert.ok(t.front.refreshes.length > 1 && t.front.refreshes.length < 12, `it asked ${t.front.refreshes.length} times`)
    t.front.plan = []
    await settled(t, await t.session.accessToken(before.access_token))
  }],
  'long-wait': ['does not sit out a Retry-After of an hour', async (t) => {
    const before = t.store.read()
    t.front.plan = [busy(503, 3600)]
    await assert.rejects(t.session.accessToken(before.access_token))
    assert.equal(t.front.refreshes.length, 1)
    assert.deepEqual(t.store.read(), before)
  }],
  'invalid-grant': ['signs out on invalid_grant, at once and for good', async (t) => {
    t.store.write({ ...t.store.read(), refresh_token: 'of-a-session-that-is-over' })
    await outWith(t, t.session.accessToken(t.store.read().access_token))
    await outWith(t, t.session.accessToken())
    assert.equal(t.front.refreshes.length, 1)
  }],
  'invalid-grant-newer': ['looks into the store before it believes invalid_grant', async (t) => {
    t.front.plan = [async () => {
      t.store.write(t.others)
      return refuse('invalid_grant')()
    }]
    assert.equal(await t.session.accessToken(t.store.read().access_token), t.others.access_token)
    assert.deepEqual(t.store.read(), t.others)
    assert.equal(t.front.refreshes.length, 1)
  }],
  'our-mistake': ['neither repeats what is refused for a mistake nor signs out', async (t) => {
    const before = t.store.read()
    for (const code of ['invalid_client', 'unauthorized_client', 'invalid_request', 'invalid_scope']) {
      t.front.refreshes.length = 0
      t.front.plan = Array(100).fill(refuse(code))
      await assert.rejects(t.session.accessToken(before.access_token))
      assert.equal(t.front.refreshes.length, 1, code)
      assert.deepEqual(t.store.read(), before)
    }
  }],
  'logged-out-meanwhile': ['does not bring back a session that another tab logged out of', async (t) => {
    t.front.plan = [async (pass) => {
      t.store.write(null)
      return pass()
    }]
    await outWith(t, t.session.accessToken(t.store.read().access_token))
    await outWith(t, t.session.accessToken())
  }],
  'signed-in-meanwhile': ['does not overwrite what another tab signed in with', async (t) => {
    t.front.plan = [async (pass) => {
      const real = await pass()
      t.store.write(t.others)
      return real
    }]
    assert.equal(await t.session.accessToken(t.store.read().access_token), t.others.access_token)
    assert.deepEqual(t.store.read(), t.others)
  }],
  'nobody': ['asks nobody when nobody is signed in', async (t) => {
    t.store.write(null)
    await outWith(t, t.session.accessToken())
    assert.equal(t.front.refreshes.length, 0)
  }],
  'stored-first': ['stores tokens before anybody gets to use them', async (t) => {
    const got = await t.session.accessToken(t.store.read().access_token)
    assert.equal(t.store.read()?.access_token, got)
  }],
  'kept': ['keeps the old token until the new one is there', async (t) => {
    t.front.plan = [down]
    await t.session.accessToken(t.store.read().access_token)
    for (const { token, stored } of t.front.refreshes) assert.equal(stored?.refresh_token, token)
  }],
  'api-401': ['renews once when the API says 401, and repeats the call', async (t) => {
    const { access_token } = t.store.read()
    t.front.accepts = (token) => token !== access_token
    assert.equal((await t.session.callAPI(`${t.front.issuer}/api`)).status, 200)
    assert.deepEqual([t.front.apiCalls, t.front.refreshes.length], [2, 1])
  }],
  'api-401-always': ['believes an API that says 401 to a new token, too', async (t) => {
    t.front.accepts = () => false
    assert.equal((await t.session.callAPI(`${t.front.issuer}/api`)).status, 401)
    assert.deepEqual([t.front.apiCalls, t.front.refreshes.length], [2, 1])
  }],
  'wrong-password': ['says that a password is wrong, and stores nothing', async (t) => {
    t.store.write(null)
    await outWith(t, t.session.login(t.demo.username, 'not the password'))
  }],
  'logout': ['logs out: the tokens are gone at once, and the server is told', async (t) => {
    const { refresh_token } = t.store.read()
    const done = t.session.logout()
    await sleep(0)
    assert.equal(t.store.read(), null)
    await done
    assert.deepEqual(t.front.revoked, [refresh_token])
  }],
  'logout-unreachable': ['logs out when the server is away, too', async (t) => {
    t.front.plan = Array(100).fill(down)
    await t.session.logout().catch(() => {})
    await outWith(t, t.session.accessToken())
  }],
}
