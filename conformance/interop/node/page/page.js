// A page with a login form, and an API of its own origin at /me. Its tokens
// come from another origin, the issuer's.
import { createSession, localStore, Refused, SignedOut } from './client.js'

const { issuer, client_id } = await (await fetch('config.json')).json()
const store = localStore('hallmark')
const unlocked = new URLSearchParams(location.search).has('unlocked') // as in a browser without Web Locks
const session = createSession({ issuer, clientID: client_id, store, alone: unlocked ? (work) => work() : undefined })
const at = (id) => document.getElementById(id)

/** Shows the login form or who is signed in, as the store says. */
async function show() {
  at('login').hidden = Boolean(store.read())
  at('home').hidden = !store.read()
  at('who').textContent = ''
  if (!store.read()) return
  try {
    const response = await session.callAPI('me')
    at('who').textContent = (await response.json()).sub
  } catch (e) {
    if (e instanceof SignedOut) return show()
    at('who').textContent = e.message
  }
}

at('login').addEventListener('submit', async (event) => {
  event.preventDefault()
  at('error').textContent = ''
  try {
    await session.login(at('username').value, at('password').value)
    at('login').reset()
    show()
  } catch (e) {
    at('error').textContent = e instanceof Refused ? e.message : `${e.message}; try again later`
  }
})
at('logout').addEventListener('click', async () => {
  const heard = session.logout()
  show()
  document.body.dataset.heard = await heard
})
addEventListener('storage', show) // another tab signed in, out, or refreshed
globalThis.session = session // for a look from the browser's console
show()
