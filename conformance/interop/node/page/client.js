// The reference client: a first-party page that signs in with a password and
// stays signed in. It needs nothing but fetch, and runs under Node as well.

/** The server refused, and would again: a wrong password, or a mistake of ours. `code` is OAuth's. */
export class Refused extends Error {
  constructor({ error, error_description }) {
    super(error_description ?? error)
    this.code = error
  }
}

/** Nobody is signed in (any more): show the login form. */
export class SignedOut extends Error {}

/** No answer for now. Nothing is lost: try again later, in `retryAfter` ms at the earliest. */
export class Unavailable extends Error {
  constructor(retryAfter = 0) {
    super('the server cannot be reached')
    this.retryAfter = retryAfter
  }
}

/** Tokens where all tabs of an origin see them. read returns what was written, or null. */
export const localStore = (key) => ({
  read: () => JSON.parse(localStorage.getItem(key)),
  write: (tokens) => tokens ? localStorage.setItem(key, JSON.stringify(tokens)) : localStorage.removeItem(key),
})

/** One tab at a time, where the browser can do that. It saves requests; nothing depends on it. */
export const webLock = (name) => globalThis.navigator?.locks
  ? (work) => navigator.locks.request(name, work)
  : (work) => work()

export function createSession({ issuer, clientID, store = localStore('hallmark'), alone = webLock('hallmark'), patience = 60_000 }) {
  let flight = null // the refresh that is under way in this tab

  async function post(path, params, options) {
    const response = await fetch(issuer + path, {
      method: 'POST', body: new URLSearchParams({ client_id: clientID, ...params }),
      redirect: 'error', signal: AbortSignal.timeout(15_000), ...options,
    }).catch(() => { throw new Unavailable() })
    const body = await response.json().catch(() => ({})) // cut off, or some proxy's page: no answer
    if (response.ok) return body
    if (response.status < 500 && response.status !== 429 && body.error) throw new Refused(body)
    throw new Unavailable(1000 * response.headers.get('Retry-After') || 0)
  }

  async function tokens(params) {
    const asked_at = Date.now() // before the request: what it takes counts against us
    const { access_token, refresh_token = params.refresh_token, expires_in } = await post('/oauth2/token', params)
    if (!access_token) throw new Unavailable()
    return { access_token, refresh_token, expires_in, asked_at }
  }

  // By our own clock alone. One that was set back makes a token stale, not immortal.
  function fresh({ asked_at, expires_in }) {
    const age = (Date.now() - asked_at) / 1000
    return age >= 0 && age < expires_in - Math.min(30, expires_in / 2)
  }

  async function attempt(refused) {
    const held = store.read() // each time: another tab may have been faster
    if (!held) throw new SignedOut()
    if (held.access_token !== refused && fresh(held)) return held
    const got = await tokens({ grant_type: 'refresh_token', refresh_token: held.refresh_token }).catch((e) => e)
    const now = store.read() // and again: what others stored meanwhile counts, a logout included
    if (!now) throw new SignedOut()
    if (now.access_token !== held.access_token) return now
    if (got.access_token) {
      store.write(got) // before anybody uses them
      return got
    }
    if (got.code !== 'invalid_grant') throw got
    store.write(null) // the one answer that ends a session
    throw new SignedOut()
  }

  // The same token again while there is no answer: within the server's retry
  // window it gets the same successor, whether or not the first one got through.
  async function renew(refused) {
    const until = performance.now() + patience
    for (let pause = 500; ; pause = Math.min(2 * pause, 10_000)) {
      try {
        return await alone(() => attempt(refused))
      } catch (e) {
        const wait = Math.max(e.retryAfter, pause * (0.5 + Math.random()))
        if (!(e instanceof Unavailable) || performance.now() + wait > until) throw e
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
  }

  /** A token for the API; another one than `refused`, which the API did not take. */
  async function accessToken(refused) {
    const held = store.read()
    if (held && held.access_token !== refused && fresh(held)) return held.access_token
    flight ??= renew(refused).finally(() => { flight = null })
    const { access_token } = await flight
    return access_token === refused ? accessToken(refused) : access_token // we joined an older flight
  }

  return {
    async login(username, password) {
      store.write(await tokens({ grant_type: 'password', username, password }))
    },

    accessToken,

    /** fetch with the token, and once more with another one if the API says 401. */
    async callAPI(url, init) {
      const send = (token) => {
        const headers = new Headers(init?.headers)
        headers.set('Authorization', `Bearer ${token}`)
        return fetch(url, { ...init, headers })
      }
      const token = await accessToken()
      const response = await send(token)
      return response.status === 401 ? send(await accessToken(token)) : response
    },

    /** Signs out here and in all tabs at once, then tells the server; false if it did not hear. */
    async logout() {
      const held = store.read()
      store.write(null)
      return !held || post('/oauth2/revoke', { token: held.refresh_token }, { keepalive: true }).then(() => true, () => false)
    },
  }
}
