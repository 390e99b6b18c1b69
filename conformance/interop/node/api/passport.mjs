// An Express API with passport-jwt and jwks-rsa: ISSUER, AUDIENCE and PORT are in the environment.
import express from 'express'
import { passportJwtSecret } from 'jwks-rsa'
import passport from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

const { ISSUER, AUDIENCE, PORT, JWKS_MAX_AGE = '300' } = process.env
passport.use(new Strategy({
  jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['ES256', 'RS256'],
  secretOrKeyProvider: passportJwtSecret({
    jwksUri: `${ISSUER}/.well-known/jwks.json`,
    cacheMaxEntries: 20, // 5 by default: fewer than an issuer may publish
    cacheMaxAge: JWKS_MAX_AGE * 1000, // for each key; 600,000 by default
    rateLimit: true, // or each token with an invented kid is a request to the issuer
    jwksRequestsPerMinute: 60,
  }),
}, (claims, done) => done(null, ['exp', 'sub', 'client_id', 'jti'].every((name) => claims[name]) && claims)))

const api = express()
api.use(passport.authenticate('jwt', { session: false }))
api.get('/me', (req, res) => res.type('text').send(req.user.sub))
api.listen(PORT, '127.0.0.1')
