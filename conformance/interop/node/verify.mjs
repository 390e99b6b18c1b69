import { createInterface } from 'node:readline'

import { createRemoteJWKSet, jwtVerify } from 'jose'

const [issuer, audience, maxAge = '300'] = process.argv.slice(2) // seconds that keys are kept
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { cacheMaxAge: maxAge * 1000 })
for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer, audience, typ: 'at+jwt', algorithms: ['ES256', 'RS256'],
      requiredClaims: ['exp', 'sub', 'client_id', 'jti'],
    })
    console.log(payload.sub)
  } catch (error) {
    console.log('refused:', error.message)
  }
}
