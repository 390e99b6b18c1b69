// A front end that was written for Simple JWT, and what it finds. The task is one
// line of JSON on standard input, what it found the same on standard output.
import { createInterface } from 'node:readline'

import axios from 'axios'

import { decoded, frontEnd } from './front.mjs'

const { auth, api, username, password, own, seconds } = JSON.parse((await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next()).value)
const page = frontEnd({ auth, api, own })

const outcome = (promise) => promise.then(({ status, data }) => `${status} ${JSON.stringify(data)}`, (e) => `${e.response.status} ${JSON.stringify(e.response.data)}`)
const verify = (token) => outcome(axios.post(`${auth}/api/token/verify/`, { token }))

const found = {}
found.wrong = await outcome(axios.post(`${auth}/api/token/`, { username, password: 'wrong' }))
found.missing = await outcome(axios.post(`${auth}/api/token/`, { username }))
await page.signIn(username, password)
const { exp, token_type: type, user_id: id } = decoded(page.stored.refresh)
found.decoded = `${type} ${id} ${exp * 1000 > Date.now() + 60_000} ${decoded(page.stored.access).token_type} ${decoded(page.stored.access).user_id}`
found.me = (await page.http.get('/me')).data

await new Promise((resolve) => setTimeout(resolve, (seconds + 1) * 1000)) // until the access token is over
found.expired = await verify(page.stored.access)
const ten = await Promise.all(Array.from({ length: 10 }, () => outcome(page.http.get('/me'))))
found.ten = [...new Set(ten)].join(', ')
found.refreshes = page.refreshes
found.fresh = await verify(page.stored.access)
found.refresh = await verify(page.stored.refresh)

found.out = await outcome(axios.post(`${auth}/api/token/blacklist/`, { refresh: page.stored.refresh }))
page.stored.access = 'rubbish'
found.after = await outcome(page.http.get('/me'))
found.signedOut = page.signedOut
console.log(JSON.stringify(found))
process.exit()
