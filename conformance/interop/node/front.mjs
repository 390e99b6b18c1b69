// A site's front end as it was written for Simple JWT: it knows the host of the
// token paths and the API, and nothing about who answers there.
import axios from 'axios'

/** What a page keeps, and asks the API with. own: every request refreshes for itself, as on many sites. */
export function frontEnd({ auth, api, own }) {
  const page = { stored: {}, signedOut: false, refreshes: 0, auth } // stored: as localStorage has it
  let refreshing = null

  page.http = axios.create({ baseURL: api })

  page.http.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${page.stored.access}`
    return config
  })

  page.refresh = async () => {
    page.refreshes++
    const { data } = await axios.post(`${page.auth}/api/token/refresh/`, { refresh: page.stored.refresh })
    page.stored = { ...page.stored, ...data } // with ROTATE_REFRESH_TOKENS there is a new refresh token, too
  }

  page.http.interceptors.response.use(
    (response) => response,
    async (error) => {
      const { config, response } = error
      if (response?.status !== 401 || response.data.code !== 'token_not_valid' || config.retried) throw error
      config.retried = true
      try {
        if (own) await page.refresh()
        else await (refreshing ??= page.refresh().finally(() => { refreshing = null }))
      } catch (e) {
        if (e.response?.status === 401) page.signedOut = true
        throw e
      }
      return page.http(config)
    },
  )

  page.signIn = async (username, password) => {
    page.stored = (await axios.post(`${page.auth}/api/token/`, { username, password })).data
  }
  return page
}

export const decoded = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
