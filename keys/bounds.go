package keys

import "time"

// A Bound says how long a kind of verifier may accept tokens of a key after it
// was revoked: every process takes the key from its key set within a poll, and
// then the verifier's own copy has to age.
type Bound struct {
	Verifier    string        // which kind, in words
	AcceptedFor time.Duration // 0: until it is restarted
}

// Emergency returns the bound of each kind of verifier: of those that honour
// the key set's max-age, of those that go by a time of their own, and of those
// that never look again.
func (s Schedule) Emergency() []Bound {
	bounds := []Bound{{"honours max-age, also behind a shared cache", s.honoured()}}
	for _, t := range []struct {
		of   string
		keep time.Duration
	}{
		{"keeps the key set for 5 minutes (oauth4webapi, PyJWT, mod_auth_openidc at least)", 5 * time.Minute},
		{"keeps the key set for 10 minutes (jose, jwks-rsa)", 10 * time.Minute},
		{"keeps the key set for 15 minutes (jwx at least)", 15 * time.Minute},
		{"keeps the key set for an hour (keyfunc, mod_auth_openidc by default)", time.Hour},
		{"keeps the key set for a day", 24 * time.Hour},
		{"keeps a key for 7 days (fastify-jwt-jwks)", 7 * 24 * time.Hour},
	} {
		bounds = append(bounds, Bound{t.of, s.kept(t.keep)})
	}
	return append(bounds,
		Bound{"looks again only when a token fails (go-oidc)", 0},
		Bound{"reads keys when it starts (HAProxy, a static PEM)", 0})
}

// honoured is the bound of a verifier that honours max-age. A cache on the way
// may hand out a copy that is as old as that already.
func (s Schedule) honoured() time.Duration { return s.Poll + 2*s.MaxAge }

// kept is the bound of a verifier that keeps the key set for a time of its
// own, and may have got it from such a cache.
func (s Schedule) kept(t time.Duration) time.Duration { return s.Poll + s.MaxAge + t }
