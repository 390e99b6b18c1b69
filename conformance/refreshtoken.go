package conformance

import (
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
)

// refreshTokenCases are about what a refresh token is, and what stands beside
// it in a request and its answer.
func refreshTokenCases() []Case {
	return group("rt",
		Case{
			ID: "rt-charset", Section: "RFC 6749 App. A.17", Level: Must, Needs: signsIn(), Run: refreshCharset,
			Expected: "A refresh token is made of printable ASCII characters only.",
			Means:    "Clients that store or send the token as text change it on the way, and their users are signed out.",
		},
		Case{
			ID: "rt-entropy", Section: "RFC 6749 §10.10; RFC 9700 §4.14", Level: Must, Needs: signsIn(), Run: refreshEntropy,
			Expected: "In a sample of refresh tokens at least 128 bits change without a pattern that shows.",
			Means:    "An attacker can guess the tokens of users, or compute them from one of his own.",
		},
		Case{
			ID: "rt-is-not-access", Section: "RFC 6749 §6; RFC 8725 §3.12", Level: Must, Needs: signsIn(), Run: refreshIsNotAccess,
			Expected: "An access token, or an ID token, in place of a refresh token is 400 invalid_grant.",
			Means:    "Every API that is called can keep the user signed in for itself, with a token that was to last minutes.",
		},
		Case{
			ID: "rt-extra-params", Section: "RFC 6749 §3.2", Level: Must, Needs: signsIn(), Run: refreshExtra,
			Expected: "username, password and code beside a refresh token do not count: the token refreshes for its own user, or is refused as invalid_request, which warns.",
			Means:    "A client signs somebody else in without the checks of a sign-in, or is refused because it sends too much.",
		},
		Case{
			ID: "rt-no-id-token-widening", Section: "OIDC Core §12.2", Level: Must, Needs: signsIn(), Run: refreshIDToken,
			Expected: "An ID token that comes with a refresh has the iss, sub, aud and auth_time of the first one; a grant without openid brings none.",
			Means:    "An app is told of another user or a later sign-in than the real one, or who the user is without having been allowed to know.",
		},
	)
}

func refreshCharset(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	t := p.refreshable(ctx, c)
	next := p.control(ctx, "the valid refresh of client "+c.ID, p.as(c, refreshForm(t.refresh)))
	for _, token := range []string{t.refresh, next.refresh} {
		if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fail("a refresh token has a character that is not printable ASCII")
		}
	}
	return pass()
}

const (
	entropySample = 10
	minEntropy    = 128 // RFC 6749 §10.10
)

func refreshEntropy(ctx context.Context, p *Probe) Verdict {
	var sample []string
	for range entropySample {
		sample = append(sample, p.refreshable(ctx, p.target.Client).refresh)
	}
	if bits := changingBits(sample); bits < minEntropy {
		return fail("of %d refresh tokens only some %.0f bits change, and RFC 6749 §10.10 wants %d", len(sample), bits, minEntropy)
	}
	return pass()
}

// changingBits is an upper bound, so that nobody is wronged: each place with
// three or more characters in the sample counts as if it could have any of the
// tokens' alphabet. A place that is random hardly ever has fewer; fixed parts,
// counters and clocks nearly always do.
func changingBits(sample []string) float64 {
	shortest := len(sample[0])
	for _, token := range sample {
		shortest = min(shortest, len(token))
	}
	alphabet, places := map[byte]bool{}, 0
	for i := range shortest {
		here := map[byte]bool{}
		for _, token := range sample {
			here[token[i]] = true
		}
		if len(here) < 3 {
			continue
		}
		places++
		for c := range here {
			alphabet[c] = true
		}
	}
	if places == 0 {
		return 0
	}
	return float64(places) * math.Log2(float64(alphabetSize(len(alphabet))))
}

// alphabetSize completes what a sample shows of an alphabet: a few tokens need
// not have all of its characters.
func alphabetSize(seen int) int {
	for _, size := range []int{10, 16, 32, 36, 64} {
		if seen <= size {
			return size
		}
	}
	return 94
}

func refreshIsNotAccess(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	p.refreshes(ctx, c)
	t := p.signIn(ctx, c)
	for _, token := range []string{t.access, t.text("id_token")} {
		if token == "" { // there need not be an ID token
			continue
		}
		if v := refused("invalid_grant")(p.send(ctx, p.as(c, refreshForm(token)))); v.Outcome != Pass {
			return v
		}
	}
	return pass()
}

// refreshExtra sends right credentials where there are any that are nobody's:
// wrong ones cannot show that they are used.
func refreshExtra(ctx context.Context, p *Probe) Verdict {
	c, other := p.target.Client, User{random("nobody"), random("wrong")}
	if p.target.has(NeedVictim) {
		other = p.target.Victim
	}
	p.refreshes(ctx, c)
	t := p.refreshable(ctx, c)
	body := refreshForm(t.refresh).and("username", other.Name).and("password", other.Password).and("code", random("code"))
	a := p.send(ctx, p.as(c, body))
	next, ok := newTokens(a, body)
	switch {
	case !ok && a.status == 400 && a.code() == "invalid_request": // RFC 6749 §3.2 is about what a server does not know
		return Verdict{Warn, "the refresh is refused because of what stands beside the token"}
	case !ok:
		return fail("the refresh does not work because of what stands beside the token")
	}
	before, isJWT := parseJWT(t.access)
	after, _ := parseJWT(next.access)
	if isJWT && before.text("sub") != after.text("sub") {
		return fail("the access token is of %q, the refresh token of %q", after.text("sub"), before.text("sub"))
	}
	return pass()
}

func refreshIDToken(ctx context.Context, p *Probe) Verdict {
	c := p.target.Client
	t := p.refreshable(ctx, c)
	next := p.control(ctx, "the valid refresh of client "+c.ID, p.as(c, refreshForm(t.refresh)))
	before, had := parseJWT(t.text("id_token"))
	after, has := parseJWT(next.text("id_token"))
	if has && !slices.Contains(t.scope, "openid") && !had { // OIDC Core §3.1.2.1 leaves this open
		return Verdict{Warn, "the grant is without openid, and its refresh brings an ID token"}
	}
	if !had || !has { // none is needed on a refresh
		return pass()
	}
	for _, aud := range before.audiences() {
		if !slices.Contains(after.audiences(), aud) {
			return fail("aud of the ID token is %q, and %q after the refresh", before.audiences(), after.audiences())
		}
	}
	for _, claim := range []string{"iss", "sub", "auth_time"} {
		if one, two := before.claims[claim], after.claims[claim]; !reflect.DeepEqual(one, two) && (claim != "auth_time" || two != nil) {
			return fail("%s of the ID token is %v, and %v after the refresh", claim, one, two)
		}
	}
	return pass()
}
