// A site's front end as it was written for Simple JWT: it knows the host of the
// token paths and the API, and nothing about who answers there. The task is one
// line of JSON on standard input, what it found the same on standard output.
import { createInterface } from 'node:readline'

import axios from 'axios'

const { auth, api, username, password, own, seconds } = JSON.parse((await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next()).value)

let stored = {} // as localStorage has it
let signedOut = false
let refreshing = null
let refreshes = 0

const http = axios.create({ baseURL: api })

http.interceptors.request.use((config) => {
  config.headers.Authorization = `Bearer ${stored.access}`
  return config
})

async function refresh() {
  refreshes++
  const { data } = await axios.post(`${auth}/api/token/refresh/`, { refresh: stored.refresh })
  stored = { ...stored, ...data } // with ROTATE_REFRESH_TOKENS there is a new refresh token, too
}

http.interceptors.response.use(
  (response) => response,
  async (error) => {
    const { config, response } = error
    if (response?.status !== 401 || response.data.code !== 'token_not_valid' || config.retried) throw error
    config.retried = true
    try {
      if (own) await refresh() // the interceptor of many sites: every request refreshes for itself
      else await (refreshing ??= refresh().finally(() => { refreshing = null }))
    } catch (e) {
      if (e.response?.status === 401) signedOut = true
      throw e
    }
    return http(config)
  },
)

const decoded = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
const outcome = (promise) => promise.then(({ status, data }) => `${status} ${JSON.stringify(data)}`, (e) => `${e.response.status} ${JSON.stringify(e.response.data)}`)
const verify = (token) => outcome(axios.post(`${auth}/api/token/verify/`, { token }))

const found = {}
found.wrong = await outcome(axios.post(`${auth}/api/token/`, { username, password: 'wrong' }))
found.missing = await outcome(axios.post(`${auth}/api/token/`, { username }))
stored = (await axios.post(`${auth}/api/token/`, { username, password })).data
const { exp, token_type: type, user_id: id } = decoded(stored.refresh)
found.decoded = `${type} ${id} ${exp * 1000 > Date.now() + 60_000} ${decoded(stored.access).token_type} ${decoded(stored.access).user_id}`
found.me = (await http.get('/me')).data

await new Promise((resolve) => setTimeout(resolve, (seconds + 1) * 1000)) // until the access token is over
found.expired = await verify(stored.access)
const ten = await Promise.all(Array.from({ length: 10 }, () => outcome(http.get('/me'))))
found.ten = [...new Set(ten)].join(', ')
found.refreshes = refreshes
found.fresh = await verify(stored.access)
found.refresh = await verify(stored.refresh)

found.out = await outcome(axios.post(`${auth}/api/token/blacklist/`, { refresh: stored.refresh }))
stored.access = 'rubbish'
found.after = await outcome(http.get('/me'))
found.signedOut = signedOut
console.log(JSON.stringify(found))
process.exit()
