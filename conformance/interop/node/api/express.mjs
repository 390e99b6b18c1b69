// An Express API with express-oauth2-jwt-bearer: ISSUER, AUDIENCE and PORT are in the environment.
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'

const { ISSUER, AUDIENCE, PORT, JWKS_MAX_AGE = '300' } = process.env
const api = express()
api.use(auth({
  issuerBaseURL: ISSUER,
  audience: AUDIENCE,
  strict: true, // all that RFC 9068 asks for
  cacheMaxAge: JWKS_MAX_AGE * 1000, // 600,000 by default
}))
api.get('/me', (req, res) => res.type('text').send(req.auth.payload.sub))
api.listen(PORT, '127.0.0.1')
