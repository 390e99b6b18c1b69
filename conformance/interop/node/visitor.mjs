// Somebody who has the site's front end open while other things change. The first
// line of standard input is the task; each further one is {"do": …}, answered by
// one line: what was found so far, and which tokens there are now.
import { Agent } from 'node:http'
import { createInterface } from 'node:readline'

import axios from 'axios'

import { decoded, frontEnd } from './front.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { parallel, ...task } = JSON.parse((await lines.next()).value)
// A proxy that is reloaded closes the connections that it kept. Browsers ask again on
// a new one, Node does not: here none is kept.
axios.defaults.httpAgent = new Agent({ keepAlive: false })
const page = frontEnd(task)
const found = { good: 0, over: 0, bad: [] } // bad: what the front end was not written for

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const told = (e) => (e.response ? `${e.response.status} ${JSON.stringify(e.response.data)}` : `${e}`)
const isOver = (token) => decoded(token).exp * 1000 <= Date.now()

// What the API answers before the front end deals with it: 401 is usual where the
// access token that was sent is over, and nowhere else.
const send = axios.getAdapter('http')
page.http.defaults.adapter = async (config) => {
  try {
    return await send(config)
  } catch (e) {
    const token = config.headers.Authorization.slice('Bearer '.length)
    if (e.response?.status === 401 && isOver(token)) found.over++
    else found.bad.push(`${config.url}: ${told(e)} for ${JSON.stringify(decoded(token))}`)
    throw e
  }
}

async function requests(n) {
  await Promise.all(Array.from({ length: n }, () => page.http.get('/api/me/').then(
    ({ data }) => { if (data.username === page.username) found.good++; else found.bad.push(`it is ${data.username}'s page`) },
    (e) => { if (e.config?.url !== '/api/me/') found.bad.push(`a refresh: ${told(e)}`) }, // the others are counted above
  )))
}

let open = false
let browsing
async function browse() {
  while (open) {
    await requests(parallel)
    await wait(700)
  }
}

const acts = {
  async signIn({ username, password }) {
    page.username = username
    await page.signIn(username, password)
  },
  async browse() {
    open = true
    browsing = browse()
  },
  async rest() {
    open = false
    await browsing
  },
  async reload() { // as pages do that refresh when they are loaded
    await page.refresh()
    await requests(10)
  },
  async comeBack() { // much later
    while (!isOver(page.stored.access)) await wait(100)
    await requests(10)
  },
  async move({ auth }) { page.auth = auth }, // a new build of the front end, with what is in localStorage
  async look() {},
}

const head = (token) => token && JSON.parse(Buffer.from(token.split('.')[0], 'base64url'))
for await (const line of lines) {
  const { do: act, ...args } = JSON.parse(line)
  await acts[act](args).catch((e) => found.bad.push(`${act}: ${told(e)}`))
  const { access, refresh } = page.stored
  console.log(JSON.stringify({ ...found, signedOut: page.signedOut, refreshes: page.refreshes, access, refresh, accessAlg: head(access)?.alg, refreshTyp: head(refresh)?.typ }))
}
process.exit()
