// Shows that every case checks something: page/client.js with one thing wrong
// at a time fails the case that is named beside it.
//
//	node mutants.mjs DEMO.json
import { readFile } from 'node:fs/promises'

import { cases } from './cases.mjs'
import { check } from './check.mjs'

const giveUp = "if (got.code !== 'invalid_grant') throw got"
const again = 'return response.status === 401 ? send(await accessToken(token)) : response'

// [the case that must fail, what is wrong, the text of client.js, what stands there instead]
const mutants = [
  ['good-token', 'always refreshes', 'return age >= 0 &&', 'return age < 0 &&'],
  ['after-its-end', 'uses a token for ever', 'age < expires_in - Math.min(30, expires_in / 2)', 'true'],
  ['after-its-end', 'looks inside the token', 'asked_at, expires_in }) {', "asked_at, expires_in }) {\n    JSON.parse(Buffer.from(store.read().access_token.split('.')[1], 'base64url'))"],
  ['clock', 'trusts its clock more than the API', 'return response.status === 401 ?', 'return response.status === 401 && !fresh(store.read()) ?'],
  ['single-flight', 'shares no flight', 'flight ??= renew', 'flight = renew'],
  ['tabs', 'takes a changed store for a logout', 'if (now.access_token !== held.access_token) return now', 'if (now.access_token !== held.access_token) throw new SignedOut()'],
  ['read-again', 'remembers its tokens', 'const held = store.read() // each time', 'const held = attempt.held ??= store.read() // each time'],
  ['lost-answer', 'signs out when an answer is lost', '.catch(() => { throw new Unavailable() })', ".catch(() => { throw new Refused({ error: 'invalid_grant' }) })"],
  ['lost-answer', 'does not try again', '!(e instanceof Unavailable) ||', 'true ||'],
  ['cut-off', 'takes half an answer for a refusal', '.catch(() => ({})) // cut off', ".catch(() => { throw new Refused({ error: 'invalid_grant' }) }) // cut off"],
  ['unreachable', 'tries twice at most', 'pause = Math.min(2 * pause, 10_000)', 'pause = Infinity'],
  ['lost-and-found', 'reads once before all attempts', 'const held = store.read() // each time', 'const held = attempt.held ??= store.read() // each time'],
  ['busy', 'does not wait', 'new Unavailable(1000 * ', 'new Unavailable(0 * '],
  ['busy', 'gives up on 503', 'if (response.status < 500 && response.status !== 429 && body.error)', 'if (response.status !== 429)'],
  ['busy', 'signs out on 503', giveUp, "if (got.code !== 'invalid_grant' && !(got instanceof Unavailable)) throw got"],
  ['too-many', 'gives up on 429', '&& response.status !== 429 ', ''],
  ['not-ours', "believes a proxy's 200", 'if (!access_token) throw new Unavailable()', ''],
  ['not-ours', 'is at a loss without JSON', '.catch(() => ({})) // cut off', '// cut off'],
  ['patience', 'never gives up', '|| performance.now() + wait > until) throw', ') throw'],
  ['patience', 'hammers', 'pause = Math.min(2 * pause, 10_000)', 'pause = 50'],
  ['patience', 'signs out when its patience ends', '> until) throw e', '> until) { store.write(null); throw e }'],
  ['long-wait', 'sits out what it is told', 'performance.now() + wait > until', 'performance.now() > until'],
  ['invalid-grant', 'keeps a dead token', 'store.write(null) // the one', '// the one'],
  ['invalid-grant', 'goes on after invalid_grant', giveUp, "throw got.code === 'invalid_grant' ? new Unavailable() : got"],
  ['invalid-grant-newer', 'believes invalid_grant', 'const now = store.read() // and again', "if (got.code === 'invalid_grant') { store.write(null); throw new SignedOut() }\n    const now = store.read() // and again"],
  ['our-mistake', 'repeats what is refused', '&& body.error) throw', "&& body.error === 'invalid_grant') throw"],
  ['our-mistake', 'signs out on any refusal', giveUp, 'if (!got.code) throw got'],
  ['logged-out-meanwhile', 'brings a session back', 'if (!now) throw new SignedOut()\n    if (now.access', 'if (now && now.access'],
  ['signed-in-meanwhile', 'overwrites the other tab', 'if (now.access_token !== held.access_token) return now', ''],
  ['nobody', 'asks with nothing', 'if (!held) throw new SignedOut()', "if (!held) return tokens({ grant_type: 'refresh_token', refresh_token: '' })"],
  ['stored-first', 'uses tokens before they are stored', 'store.write(got) // before', 'setTimeout(() => store.write(got), 50) // before'],
  ['kept', 'drops the old token first', 'const got = await tokens({ grant', 'store.write({ ...held, refresh_token: null })\n    const got = await tokens({ grant'],
  ['api-401', 'leaves a 401 to its caller', again, 'return response'],
  ['api-401', 'sends the refused token again', 'accessToken(token))', 'accessToken())'],
  ['api-401-always', 'goes on while the API says 401', again, `const next = await accessToken(token)
        const second = response.status === 401 ? await send(next) : response
        return second.status === 401 ? send(await accessToken(next)) : second`],
  ['wrong-password', 'keeps quiet about a refusal', 'username, password }))', 'username, password }).catch(() => null))'],
  ['logout', 'does not tell the server', "post('/oauth2/revoke', {", "false && post('/oauth2/revoke', {"],
  ['logout', 'waits before it forgets', '      store.write(null)\n      return', '      setTimeout(() => store.write(null), 100)\n      return'],
  ['logout-unreachable', 'stays signed in when the server is away', '      store.write(null)\n      return', "      await post('/oauth2/revoke', { token: held.refresh_token })\n      store.write(null)\n      return"],
]

const source = await readFile(new URL('../page/client.js', import.meta.url), 'utf8')
const demo = JSON.parse(await readFile(process.argv[2]))
const complaints = []

async function run([id, wrong, from, to]) {
  if (source.split(from).length !== 2) return complaints.push(`"${wrong}" does not fit: client.js has its text ${source.split(from).length - 1} times`)
  const { createSession } = await import(`data:text/javascript,${encodeURIComponent(source.replace(from, () => to))}#${encodeURIComponent(wrong)}`)
  const why = await check(createSession, demo, id, 12_000)
  if (!why) complaints.push(`the case ${id} passes a client that ${wrong}`)
  else console.log(`${id} fails a client that ${wrong}`)
}

for (const id of Object.keys(cases)) {
  if (!mutants.some(([caught]) => caught === id)) complaints.push(`the case ${id} has no mutant`)
}
const waiting = [...mutants.filter(([id]) => id !== 'clock')]
await Promise.all(Array.from({ length: 4 }, async () => {
  for (let mutant; (mutant = waiting.shift());) await run(mutant)
}))
for (const mutant of mutants.filter(([id]) => id === 'clock')) await run(mutant) // it turns everybody's clock
console.log(complaints.length ? complaints.join('\n') : `all ${mutants.length} mutants were caught`)
process.exit(complaints.length ? 1 : 0)
