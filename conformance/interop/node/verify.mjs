import { createInterface } from 'node:readline'

import { createRemoteJWKSet, jwtVerify } from 'jose'

const [issuer, audience, seconds] = process.argv.slice(2) // seconds: how often it may fetch, instead of its defaults
const floors = seconds ? { cacheMaxAge: seconds * 1000, cooldownDuration: seconds * 1000 } : {}
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), floors)
for await (const token of createInterface({ input: process.stdin })) {
  const { payload } = await jwtVerify(token, keys, {
    issuer, audience, typ: 'at+jwt', algorithms: ['ES256', 'RS256'],
    requiredClaims: ['exp', 'sub', 'client_id', 'jti'],
  })
  console.log(payload.sub)
}
