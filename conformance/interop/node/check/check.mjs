// Checks a client that refreshes, against a running server:
//
//   node check.mjs CLIENT.js DEMO.json [CASE…]
//
// CLIENT.js exports createSession({ issuer, clientID, store, patience }), which
// returns login(username, password), accessToken(refused), callAPI(url, init)
// and logout(), as page/client.js does. The store is synchronous: read() and
// write(tokens or null) of {access_token, refresh_token, …}. patience is for how
// long, in ms, accessToken may try while there is no answer. DEMO.json has the
// server's issuer, client_id, username and password: serve --demo writes it.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { cases } from './cases.mjs'
import { createFront } from './front.mjs'

const patience = 5000 // enough for the retries that the cases ask for

/** Runs a case; returns undefined, or why it failed. */
export async function check(createSession, demo, id, bound = 30_000) {
  const front = await createFront(demo.issuer)
  let kept = null
  const store = { read: () => JSON.parse(kept), write: (tokens) => { kept = JSON.stringify(tokens ?? null) } }
  front.stored = store.read
  const tab = () => createSession({ issuer: front.issuer, clientID: demo.client_id, store, patience })
  const t = { demo, front, patience, store, tab, session: tab() }
  t.signIn = () => t.session.login(demo.username, demo.password)
  let timer
  try {
    await t.signIn()
    t.others = store.read() // of another sign-in
    await t.signIn()
    await Promise.race([cases[id][1](t), new Promise((_, late) => { timer = setTimeout(() => late(new Error('it does not come to an end')), bound) })])
  } catch (error) {
    return error
  } finally {
    clearTimeout(timer)
    front.close()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [client, file, ...only] = process.argv.slice(2)
  const { createSession } = await import(pathToFileURL(resolve(client)))
  const demo = JSON.parse(await readFile(file))
  let failed = 0
  for (const id of only.length ? only : Object.keys(cases)) {
    const why = await check(createSession, demo, id)
    console.log(`${why ? 'FAIL' : 'ok  '}  ${id}: ${cases[id][0]}`)
    if (why) console.log(`      ${why.message}`), failed++
  }
  console.log(failed ? `${failed} failed` : 'all passed')
  process.exit(failed ? 1 : 0)
}
