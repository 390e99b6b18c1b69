// Two tabs of a real browser with page/, whose origin is not the issuer's.
// Every step prints its name; an error in the console that a step did not
// announce is a failure.
import assert from 'node:assert/strict'

import { chromium } from 'playwright-core'

import { task } from './peer.mjs'

const context = await chromium.launchPersistentContext('', {
  executablePath: task.chromium, headless: true, chromiumSandbox: false, timeout: 60_000,
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
context.setDefaultTimeout(20_000)

const complaints = []
context.on('console', (m) => m.type() === 'error' && complaints.push(m.text()))
context.on('weberror', (e) => complaints.push(`thrown: ${e.error().message}`))

const endpoint = `${task.issuer}/oauth2/token`
let asked = [] // refresh requests and their answers since the step began
context.on('request', (r) => {
  if (r.url() === endpoint && r.postData()?.includes('grant_type=refresh_token')) asked.push(r)
})

const steps = []
const step = (name, run, announced = []) => steps.push({ name, run, announced })

/** A tab that shows the page, and its origin's tokens. */
async function open(origin, query = '') {
  const tab = await context.newPage()
  await tab.goto(`${origin}/${query}`)
  return tab
}
const stored = (tab) => tab.evaluate(() => JSON.parse(localStorage.getItem('hallmark')))
const refresh = (tab, refused) => tab.evaluate((refused) => session.accessToken(refused), refused)
const signIn = async (tab) => {
  await tab.evaluate(([username, password]) => session.login(username, password), [task.username, task.password])
  return stored(tab)
}
const form = async (tab, password) => {
  await tab.fill('#username', task.username)
  await tab.fill('#password', password)
  await tab.click('#login button')
}
const refreshTokens = async () => Promise.all(asked.map(async (r) => (await (await r.response()).json()).refresh_token))
const raw = (tab, token, times) => tab.evaluate(([endpoint, client_id, refresh_token, times]) => Promise.all(
  Array.from({ length: times }, async () => {
    const response = await fetch(endpoint, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', client_id, refresh_token }) })
    const body = await response.json()
    return [response.status, body.error ?? body.refresh_token]
  }),
), [endpoint, task.client_id, token, times])
const works = async (tab) => assert.equal(await tab.evaluate(async () => (await session.callAPI('me')).status), 200)

let one, two
step('a wrong password is said to be wrong', async () => {
  one = await open(task.page)
  await form(one, 'not the password')
  await one.getByText('The user name or password is wrong.').waitFor()
  assert.equal(await stored(one), null)
}, [/status of 400/])

step('signs in across origins', async () => {
  assert.notEqual(new URL(task.page).origin, new URL(task.issuer).origin)
  await form(one, task.password)
  await one.getByText(task.subject).waitFor()
  assert.ok(await one.locator('#login').isHidden())
})

step('a second tab is signed in, too', async () => {
  two = await open(task.page)
  await two.getByText(task.subject).waitFor()
})

// One asks for both, as a rule: a browser under load may show a tab late what
// the other stored. Then both ask, and get the same refresh token.
step('two tabs that refresh at once stay signed in', async () => {
  const before = await stored(one)
  const got = await Promise.all([refresh(one, before.access_token), refresh(two, before.access_token)])
  assert.ok(asked.length === 1 || asked.length === 2, `${asked.length} requests`)
  const after = await stored(two)
  assert.notEqual(after.refresh_token, before.refresh_token)
  assert.ok(got.includes(after.access_token))
  if (asked.length === 1) assert.equal(got[0], got[1])
  await works(one)
  await works(two)
})

step('two tabs without locks get the same refresh token', async () => {
  const tabs = [await open(task.page, '?unlocked'), await open(task.page, '?unlocked')]
  const before = await signIn(tabs[0])
  await context.route(endpoint, async (route) => { // both are on their way before one is let through
    while (asked.length < 2) await new Promise((r) => setTimeout(r, 10))
    await route.continue()
  })
  await Promise.all(tabs.map((tab) => refresh(tab, before.access_token)))
  await context.unroute(endpoint)
  const tokens = await refreshTokens()
  assert.equal(tokens.length, 2)
  assert.equal(tokens[0], tokens[1])
  assert.equal((await stored(two)).refresh_token, tokens[0])
  for (const tab of [one, ...tabs]) await works(tab)
  for (const tab of tabs) await tab.close()
})

step('ten refreshes at once get the same refresh token', async () => {
  const { refresh_token } = await signIn(one)
  const got = (await Promise.all([raw(one, refresh_token, 5), raw(two, refresh_token, 5)])).flat()
  assert.equal(got.length, 10)
  assert.equal(new Set(got.map(String)).size, 1)
  assert.equal(got[0][0], 200)
  assert.notEqual(got[0][1], refresh_token)
  await refresh(two, (await stored(two)).access_token)
  assert.equal((await stored(one)).refresh_token, got[0][1])
})

step('a lost answer costs nothing', async () => {
  const before = await signIn(one)
  let served
  await one.route(endpoint, async (route) => {
    served = await (await route.fetch()).json() // the server has rotated
    await route.abort('connectionreset')
  }, { times: 1 })
  await refresh(one, before.access_token)
  assert.equal(asked.length, 2)
  for (const r of asked) assert.equal(new URLSearchParams(r.postData()).get('refresh_token'), before.refresh_token)
  assert.equal((await stored(one)).refresh_token, served.refresh_token)
  await works(one)
}, [/ERR_CONNECTION_RESET/])

step('a preflight is answered, and headers can be read', async () => {
  const [status, id] = await one.evaluate(async (endpoint) => {
    const response = await fetch(endpoint, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' })
    return [response.status, response.headers.get('Request-Id')]
  }, endpoint)
  assert.equal(status, 415)
  assert.ok(id)
}, [/status of 415/])

step('logging out in one tab shows the login form in the other', async () => {
  const { refresh_token } = await stored(one)
  const [revocation] = await Promise.all([one.waitForRequest(`${task.issuer}/oauth2/revoke`), one.click('#logout')])
  assert.equal(new URLSearchParams(revocation.postData()).get('token'), refresh_token)
  await one.locator('body[data-heard=true]').waitFor()
  await two.locator('#login').waitFor()
  await one.locator('#login').waitFor()
  assert.equal(await stored(two), null)
  assert.deepEqual(await raw(two, refresh_token, 1), [[400, 'invalid_grant']])
}, [/status of 400/])

step('a page of an unregistered origin reads nothing', async () => {
  const stranger = await open(task.stranger)
  await form(stranger, task.password)
  await stranger.getByText('the server cannot be reached; try again later').waitFor()
  assert.equal(await stored(stranger), null)
  assert.equal(await raw(stranger, 'x', 1).then(() => 'read', (e) => /Failed to fetch/.test(e.message)), true)
}, [/blocked by CORS policy/, /ERR_FAILED/])

try {
  for (const { name, run, announced } of steps) {
    asked = []
    await run()
    for (const pattern of announced) assert.ok(complaints.some((c) => pattern.test(c)), `the console lacks ${pattern}: ${complaints}`)
    assert.deepEqual(complaints.splice(0).filter((c) => !announced.some((pattern) => pattern.test(c))), [], name)
    console.log(name)
  }
} finally {
  await context.close()
}
process.exit(0)
