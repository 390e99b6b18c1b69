// A Fastify API with fastify-jwt-jwks: ISSUER, AUDIENCE and PORT are in the environment.
import fastify from 'fastify'
import jwtJwks from 'fastify-jwt-jwks'

const { ISSUER, AUDIENCE, PORT, JWKS_MAX_AGE = '300' } = process.env
const api = fastify()
await api.register(jwtJwks, {
  jwksUrl: `${ISSUER}/.well-known/jwks.json`,
  issuer: ISSUER,
  audience: AUDIENCE,
  checkTyp: 'at+jwt',
  requiredClaims: ['exp', 'aud', 'sub', 'client_id', 'jti'],
  secretsTtl: JWKS_MAX_AGE * 1000, // a week by default, also for a kid that was not found
})
api.get('/me', { preValidation: api.authenticate }, (request) => request.user.sub)
await api.listen({ port: PORT, host: '127.0.0.1' })
