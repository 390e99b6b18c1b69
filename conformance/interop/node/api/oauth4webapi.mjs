// An API with oauth4webapi: ISSUER, AUDIENCE and PORT are in the environment.
import { createServer } from 'node:http'

import * as oauth from 'oauth4webapi'

const { ISSUER, AUDIENCE, PORT, JWKS_MAX_AGE = '300' } = process.env
const issuer = new URL(ISSUER)
const options = {
  [oauth.allowInsecureRequests]: issuer.protocol === 'http:', // the issuer's URL says which it is
  [oauth.clockTolerance]: 5, // seconds; 30 by default
}

// The library keeps the keys for 300 s with what was discovered. Who wants it shorter discovers anew.
let found = { until: 0 }
async function authorizationServer() {
  if (Date.now() >= found.until) {
    const answer = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' })
    found = { as: await oauth.processDiscoveryResponse(issuer, answer), until: Date.now() + JWKS_MAX_AGE * 1000 }
  }
  return found.as
}

createServer(async (req, res) => {
  try {
    const request = new Request(new URL(req.url, 'http://api'), { headers: req.headers })
    const claims = await oauth.validateJwtAccessToken(await authorizationServer(), request, AUDIENCE, {
      ...options, signingAlgorithms: ['ES256', 'RS256'],
    })
    res.end(claims.sub)
  } catch {
    res.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
  }
}).listen(PORT, '127.0.0.1')
