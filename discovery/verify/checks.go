package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/hallmark-auth/hallmark/discovery"
)

// An attempt is one token on its way through the checks, with what they have
// found so far.
type attempt struct {
	*Verifier
	raw     string
	now     time.Time
	parts   [3][]byte // decoded
	header  map[string]any
	payload map[string]any
	alg     string
	kid     string
	key     discovery.Key
	claims  Claims
}

// material is what a check needs from those before it.
type material uint8

const (
	bounded material = 1 << iota
	parts
	header
	payload
	name // of the key
	key
)

type check struct {
	name    string
	section string
	needs   material
	gives   material
	run     func(context.Context, *attempt) error
	show    func(*attempt) string // what was found, for Explain
}

// checks is everything that is asked of a token, in order: what costs least
// first, what may cost a fetch last.
var checks = [...]check{
	{"size", "policy", 0, bounded, checkSize, func(a *attempt) string { return fmt.Sprintf("%d bytes", len(a.raw)) }},
	{"form", "RFC 7515 §7.1", bounded, parts, checkForm, nil},
	{"header", "RFC 7515 §4", parts, header, checkHeader, nil},
	{"typ", "RFC 9068 §4", header, 0, checkType, func(a *attempt) string { return fmt.Sprint(a.header["typ"]) }},
	{"alg", "RFC 8725 §3.1", header, 0, checkAlgorithm, func(a *attempt) string { return a.alg }},
	{"crit", "RFC 7515 §4.1.11", header, 0, checkExtensions, nil},
	{"kid", "RFC 7515 §4.1.4", header, name, checkKeyID, func(a *attempt) string { return a.kid }},
	{"claims", "RFC 7519 §7.2", parts, payload, checkPayload, nil},
	{"iss", "RFC 9068 §4", payload, 0, checkIssuer, func(a *attempt) string { return a.claims.Issuer }},
	{"aud", "RFC 9068 §4", payload, 0, checkAudience, func(a *attempt) string { return strings.Join(a.claims.Audience, ", ") }},
	{"exp", "RFC 9068 §4", payload, 0, checkExpiry, func(a *attempt) string { return stamp(a.claims.ExpiresAt) }},
	{"nbf", "RFC 7519 §4.1.5", payload, 0, checkNotBefore, nil},
	{"iat", "RFC 9068 §2.2", payload, 0, checkIssuedAt, func(a *attempt) string { return stamp(a.claims.IssuedAt) }},
	{"sub", "RFC 9068 §2.2", payload, 0, checkSubject, func(a *attempt) string { return a.claims.Subject }},
	{"client_id", "RFC 9068 §2.2", payload, 0, checkClient, func(a *attempt) string { return a.claims.ClientID }},
	{"jti", "RFC 9068 §2.2", payload, 0, checkID, func(a *attempt) string { return a.claims.ID }},
	{"scope", "RFC 9068 §2.2.3", payload, 0, checkScope, func(a *attempt) string { return strings.Join(a.claims.Scope, " ") }},
	{"session", "RFC 9068 §2.2.1", payload, 0, checkSession, nil},
	{"key", "RFC 8725 §3.1", name, key, checkKey, func(a *attempt) string { return a.key.Algorithm + " " + a.key.ID }},
	{"signature", "RFC 7515 §5.2", parts | key, 0, checkSignature, nil},
}

// verify runs the checks up to the first failure.
func (v *Verifier) verify(ctx context.Context, raw string) (*Claims, *Error) {
	a := attempt{Verifier: v, raw: raw, now: v.now()}
	for i := range checks {
		if err := checks[i].run(ctx, &a); err != nil {
			return nil, &Error{
				Check: checks[i].name, Section: checks[i].section,
				Unavailable: errors.Is(err, errUnavailable), err: err,
			}
		}
	}
	a.takeRest()
	return &a.claims, nil
}

// A Check is what Explain found out about one aspect of a token.
type Check struct {
	Name    string // of the header parameter, the claim, or the aspect
	OK      bool
	Skipped bool   // not looked at, because an earlier check failed that it builds on
	Detail  string // what was found, or why the check failed; may be empty
	Section string // what asks for it: "RFC 9068 §4"
}

// Explain puts a token through the checks of Verify, in the same order, and
// goes on after a failure where that makes sense. Verify accepts the token if
// and only if all are OK. Details quote the token: they are for people whom it
// belongs to, not for clients.
func (v *Verifier) Explain(ctx context.Context, raw string) []Check {
	a := attempt{Verifier: v, raw: raw, now: v.now()}
	var have material
	report := make([]Check, 0, len(checks))
	for _, c := range checks {
		found := Check{Name: c.name, Section: c.section}
		if found.Skipped = have&c.needs != c.needs; found.Skipped {
			found.Detail = "not checked, since an earlier check failed"
			report = append(report, found)
			continue
		}
		if err := c.run(ctx, &a); err != nil {
			found.Detail = err.Error()
		} else {
			found.OK = true
			have |= c.gives
			if c.show != nil {
				found.Detail = printable(c.show(&a))
			}
		}
		report = append(report, found)
	}
	return report
}

// printable makes foreign text fit for a terminal.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
