package conformance

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// atClaimCases are about what an access token says, beyond the claims that
// every one must have.
func atClaimCases() []Case {
	return group("at",
		Case{
			ID: "at-alg", Section: "RFC 9068 §2.1", Level: Must, Needs: signsIn(), Run: atAlg,
			Expected: "The token is signed, and with a key pair.",
			Means:    "Anybody can write a token for any user; with a shared secret, every resource server can.",
		},
		Case{
			ID: "at-no-embedded-key", Section: "RFC 8725 §3.10", Level: BCP, Needs: signsIn(),
			Run:      headerWithout("jwk", "jku", "x5u", "x5c"),
			Expected: "The header has neither a key nor the address of one.",
			Means:    "It teaches verifiers to take the key from the token, and then an attacker's token brings the attacker's key.",
		},
		Case{
			ID: "at-no-crit", Section: "RFC 7515 §4.1.11; RFC 7797 §6", Level: BCP, Needs: signsIn(),
			Run:      headerWithout("crit", "b64", "zip"),
			Expected: "The header asks for no extension.",
			Means:    "Half of the verifiers refuse such a token, and the other half ignores what it calls critical.",
		},
		Case{
			ID: "at-iss", Section: "RFC 9068 §2.2, §4", Level: Must, Needs: signsIn(), Run: atIss,
			Expected: "iss is the issuer of the metadata, character by character.",
			Means:    "Resource servers compare the two and refuse every token.",
		},
		Case{
			ID: "at-numeric-dates", Section: "RFC 7519 §2", Level: Must, Needs: signsIn(), Run: atDates,
			Expected: "exp, iat, nbf and auth_time are numbers of seconds, not strings or milliseconds.",
			Means:    "Verifiers refuse the token, or take it for one that never ends.",
		},
		Case{
			ID: "at-scope", Section: "RFC 9068 §2.2.3; RFC 8693 §4.2", Level: Should, Needs: signsIn(NeedScope), Run: atScope,
			Expected: "scope is a string with the scopes that were granted, no more and no fewer.",
			Means:    "Resource servers see other rights than the user gave, or none.",
		},
		Case{
			ID: "at-groups-roles", Section: "RFC 9068 §2.2.3.1; RFC 7643 §2.4", Level: Should, Needs: signsIn(), Run: atGroups,
			Expected: "groups, roles and entitlements are arrays of strings, or of objects with a value.",
			Means:    "A resource server that reads a string where it expects a list may find every short name in it.",
		},
		Case{
			ID: "at-auth-time", Section: "RFC 9068 §2.2.1", Level: Should, Needs: signsIn(), Run: atAuthTime,
			Expected: "auth_time is not after iat, acr is a string and amr an array of strings; refreshing changes none of them.",
			Means:    "A resource server that asks for a recent login takes a refresh for one.",
		},
		Case{
			ID: "at-deterministic-distinct", Section: "RFC 9068 §2.2", Level: BCP, Needs: signsIn(), Run: atDistinct,
			Expected: "Two tokens of the same second differ, and so do their jti.",
			Means:    "Whoever revokes or counts one of the two tokens does it to both.",
		},
	)
}

func atAlg(ctx context.Context, p *Probe) Verdict {
	alg, _ := p.accessToken(ctx).header["alg"].(string)
	switch {
	case alg == "" || strings.EqualFold(alg, "none"):
		return fail("alg is %q: nothing is signed", alg)
	case strings.HasPrefix(alg, "HS"): // RFC 9068 §2.1: asymmetric ones are RECOMMENDED
		return Verdict{Warn, "alg is " + alg + ": whoever can verify a token can write one"}
	}
	return pass()
}

func headerWithout(names ...string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		header := p.accessToken(ctx).header
		for _, name := range names {
			if _, there := header[name]; there {
				return fail("the header has %s", name)
			}
		}
		return pass()
	}
}

func atIss(ctx context.Context, p *Probe) Verdict {
	if got := p.accessToken(ctx).text("iss"); got != p.doc.text("issuer") {
		return fail("iss is %q, the metadata's issuer %q", got, p.doc.text("issuer"))
	}
	return pass()
}

func atDates(ctx context.Context, p *Probe) Verdict {
	token := p.accessToken(ctx)
	for _, name := range []string{"exp", "iat", "nbf", "auth_time"} {
		value, there := token.claims[name]
		if !there {
			continue
		}
		date, isNumber := value.(json.Number)
		seconds, err := date.Float64() // RFC 7519 §2 allows fractions
		switch {
		case !isNumber || err != nil:
			return fail("%s is not a number", name)
		case seconds > 1e11: // the year 5138
			return fail("%s is %v: milliseconds, it seems", name, date)
		}
	}
	return pass()
}

func atScope(ctx context.Context, p *Probe) Verdict {
	t := p.signIn(ctx, p.target.Client)
	claim, there := p.jwtOf(t).claims["scope"]
	text, isText := claim.(string)
	switch {
	case !there:
		return fail("there is no claim scope")
	case !isText:
		return fail("scope is not a string")
	}
	got := strings.Fields(text)
	slices.Sort(got)
	granted := slices.Sorted(slices.Values(t.scope))
	if !slices.Equal(got, granted) {
		return fail("scope is %q, granted was %q", got, granted)
	}
	return pass()
}

func atGroups(ctx context.Context, p *Probe) Verdict {
	token, some := p.accessToken(ctx), false
	for _, name := range []string{"groups", "roles", "entitlements"} {
		value, there := token.claims[name]
		if !there {
			continue
		}
		some = true
		list, isList := value.([]any)
		if !isList {
			return fail("%s is not an array", name)
		}
		for _, v := range list {
			object, _ := v.(map[string]any)
			if _, isText := v.(string); !isText && object["value"] == nil {
				return fail("%s holds something that is neither a string nor an object with a value", name)
			}
		}
	}
	if !some {
		return absent("the token has none of groups, roles and entitlements")
	}
	return pass()
}

// atAuthTime also refreshes, where there is a refresh token.
func atAuthTime(ctx context.Context, p *Probe) Verdict {
	t := p.signIn(ctx, p.target.Client)
	token := p.jwtOf(t)
	names := []string{"auth_time", "acr", "amr"}
	if !slices.ContainsFunc(names, func(name string) bool { return token.claims[name] != nil }) {
		return absent("the token has none of auth_time, acr and amr")
	}
	at, isDate := token.date("auth_time")
	iat, _ := token.date("iat")
	_, isText := token.claims["acr"].(string)
	_, isList := answer{json: token.claims}.list("amr")
	switch {
	case token.claims["auth_time"] != nil && (!isDate || at > iat):
		return fail("auth_time is %v, iat %d", token.claims["auth_time"], iat)
	case token.claims["acr"] != nil && !isText:
		return fail("acr is not a string")
	case token.claims["amr"] != nil && !isList:
		return fail("amr is not an array of strings")
	case t.refresh == "":
		return pass()
	}
	next := p.jwtOf(p.control(ctx, "refreshing", p.as(p.target.Client, refreshForm(t.refresh))))
	for _, name := range names {
		if !reflect.DeepEqual(token.claims[name], next.claims[name]) {
			return fail("%s is %v, and %v after a refresh", name, token.claims[name], next.claims[name])
		}
	}
	return pass()
}

// atDistinct asks for some at once, until two tokens are of one second.
func atDistinct(ctx context.Context, p *Probe) Verdict {
	p.accessToken(ctx) // n/a when it is no JWT
	seen := map[string]bool{}
	dates := map[int64]bool{}
	for range 3 {
		together := false
		for _, a := range p.race(ctx, 3, p.as(p.target.Client, p.passwordForm(p.target.User))) {
			t, ok := newTokens(a, nil)
			if !ok {
				return undecided("one of three requests that come at once gets no token")
			}
			token := p.jwtOf(t)
			jti, hasID := token.claims["jti"].(string)
			iat, hasDate := token.date("iat")
			if seen[token.compact] || hasID && seen[jti] {
				return fail("two tokens are the same, or have one jti")
			}
			together = together || hasDate && dates[iat]
			seen[token.compact], seen[jti], dates[iat] = true, true, true
		}
		if together {
			return pass()
		}
	}
	return undecided("no two tokens came within a second")
}
