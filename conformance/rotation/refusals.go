package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// control is the positive control: without it, every refusal would look good.
func (r *Rehearsal) control(ctx context.Context) (goOn bool, err error) {
	const id, question = "valid", "is a valid token accepted"
	// It may have fetched the keys while it starts.
	a, _, err := r.until(ctx, min(r.cfg.Patience, requestTime), func() string { return r.token(r.k1) }, answer.accepted)
	if err != nil {
		return false, err
	}
	if a.accepted() {
		r.found(id, question, OK, a.String(), "")
		return true, nil
	}
	fetched := "it never fetched the key set"
	if n := r.issuer.fetches.Load(); n > 0 {
		fetched = fmt.Sprintf("it fetched the key set %d times", n)
	}
	r.found(id, question, Fail, fmt.Sprintf("it does not accept a valid token: it answered %s; %s", a, fetched),
		fmt.Sprintf("let it trust issuer %s with audience %s, algorithm %s and start it again while this runs; --scope, --audience, --method and --alg say what else it wants", r.cfg.Issuer, r.target.Audience, r.target.Algorithm))
	return false, nil
}

// A lie is a token that must be refused.
type lie struct {
	id, question string
	tokens       func() []string
	advice       string
}

func (r *Rehearsal) lies() []lie {
	one := func(make func() string) func() []string { return func() []string { return []string{make()} } }
	changed := func(change func(*verify.Claims)) func() []string {
		return one(func() string { return r.with(change) })
	}
	return []lie{
		{"no-token", "is a request without a token refused", one(func() string { return "" }), "name a URL that needs a token"},
		{"tampered", "are tokens refused that were altered, or signed by a stranger under a published kid", func() []string {
			return []string{r.altered(), r.token(r.stranger.named(r.k1.KeyID))}
		}, "verify the signature with the key that kid names (RFC 7515 §5.2)"},
		{"wrong-audience", "is a token for another audience refused", changed(func(c *verify.Claims) { c.Audience = []string{"urn:hallmark:another-audience"} }),
			"compare aud with the API's own name (RFC 9068 §4)"},
		{"wrong-issuer", "is a token of another issuer refused", changed(func(c *verify.Claims) { c.Issuer += ".another.example" }),
			"compare iss byte for byte (RFC 9068 §4)"},
		{"expired", "is an expired token refused", changed(func(c *verify.Claims) {
			c.IssuedAt, c.AuthTime, c.ExpiresAt = c.IssuedAt.Add(-2*time.Hour), c.AuthTime.Add(-2*time.Hour), c.ExpiresAt.Add(-2*time.Hour)
		}), "compare exp with the clock, with a leeway of a minute or so (RFC 7519 §4.1.4)"},
		{"alg-none", "is a token refused that says it needs no signature", one(r.unsigned), "take the algorithm from the key, never from the token (RFC 8725 §3.1)"},
		{"alg-hs256", "is a token refused whose HMAC key is the public key", one(r.confused), "take the algorithm from the key, never from the token (RFC 8725 §3.1)"},
	}
}

// refusals tells whether the API checks what it is given. If it does not look
// at signatures, nothing can be learned from what it accepts.
func (r *Rehearsal) refusals(ctx context.Context) (goOn bool, err error) {
	goOn = true
	for _, l := range r.lies() {
		var answers []answer
		for _, token := range l.tokens() {
			a, err := r.ask(ctx, token)
			if err != nil {
				return false, err
			}
			answers = append(answers, a)
		}
		switch taken, odd := slices.IndexFunc(answers, answer.accepted), slices.IndexFunc(answers, func(a answer) bool { return !a.refused() }); {
		case taken >= 0:
			r.found(l.id, l.question, Fail, "it accepts what must be refused ("+l.id+"): it answered "+answers[taken].String(), l.advice)
			goOn = goOn && l.id != "no-token" && l.id != "tampered"
		case odd >= 0:
			r.found(l.id, l.question, Warn, "it answered "+answers[odd].String(), "answer a token that is not good with 401 (RFC 6750 §3.1)")
		default:
			r.found(l.id, l.question, OK, answers[0].String(), "")
		}
	}
	if !goOn {
		r.found("rotation", "does it follow a rotation", Skipped, "an API that does not verify signatures accepts any key", "let it verify, then ask again")
	}
	return goOn, nil
}
