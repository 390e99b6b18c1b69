// The grant of RFC 6749 §4.3, which node-oidc-provider does not have of its own,
// registered as its manual says under "Custom Grant Types".
import { errors } from 'oidc-provider'

const parameters = ['username', 'password', 'scope', 'resource']

export const passwordGrant = (provider, { check, apiOf, api }) => {
  provider.registerGrantType('password', async (ctx) => {
    const { client, params } = ctx.oidc
    if (!params.username || !params.password) {
      throw new errors.InvalidRequest('username and password are required')
    }
    const resource = params.resource ?? apiOf(client)
    if (Array.isArray(resource)) {
      throw new errors.InvalidTarget('a token is for one resource')
    }
    const info = api(resource)
    const allowed = new Set(client.scope.split(' '))
    const scopes = params.scope ? [...ctx.oidc.requestParamScopes] : [...allowed]
    const missing = scopes.filter((scope) => !allowed.has(scope))
    if (missing.length > 0) {
      throw new errors.InvalidScope('not for this client', missing.join(' '))
    }
    if (!check(params.username, params.password)) {
      throw new errors.InvalidGrant('wrong username or password')
    }
    const about = { accountId: params.username, client, gty: 'password', scope: scopes.join(' ') }
    const grant = new provider.Grant({ accountId: params.username, clientId: client.clientId })
    grant.addResourceScope(resource, about.scope)
    about.grantId = await grant.save()

    const token = new provider.AccessToken(about)
    token.resourceServer = new provider.ResourceServer(resource, info)
    const refresh = client.grantTypeAllowed('refresh_token') && new provider.RefreshToken({ ...about, resource, rotations: 0 })
    ctx.body = {
      access_token: await token.save(),
      expires_in: token.expiration,
      refresh_token: refresh ? await refresh.save() : undefined,
      scope: token.scope,
      token_type: token.tokenType,
    }
  }, parameters, 'resource')
}
