package verify

import (
	"context"
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
	raw        string
	now        time.Time
	signed     string // header and payload, as they stand
	headerText string
	parts      [3][]byte // decoded
	members    discovery.Members
	header     header
	settled    bool // the header is that of a token that was good
	thorough   bool // nothing is settled
	payload    discovery.Members
	authority  *authority // whose token it says it is; the first until then
	key        discovery.Key
	set        *discovery.KeySet // that has the key
	claims     *Claims
}

func (v *Verifier) attempt(raw string, now time.Time) *attempt {
	return &attempt{Verifier: v, raw: raw, now: now, authority: v.authorities[0], claims: new(Claims)}
}

// material is what a check needs from those before it.
type material uint8

const (
	bounded material = 1 << iota
	parts
	members // of the header
	payload
	name // of the key
	key
	genuine
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
	{"header", "RFC 7515 §4", parts, members, checkHeader, nil},
	{"alg", "RFC 8725 §3.1", members, 0, checkAlgorithm, func(a *attempt) string { return a.header.alg }},
	{"crit", "RFC 7515 §4.1.11", members, 0, checkExtensions, nil},
	{"kid", "RFC 7515 §4.1.4", members, name, checkKeyID, func(a *attempt) string { return a.header.kid }},
	{"claims", "RFC 7519 §7.2", parts, payload, checkPayload, nil},
	{"iss", "RFC 9068 §4", payload, 0, checkIssuer, func(a *attempt) string { return a.claims.Issuer }},
	{"typ", "RFC 9068 §4", members, 0, checkType, func(a *attempt) string { return fmt.Sprint(a.header.typ) }},
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
	{"signature", "RFC 7515 §5.2", parts | key, genuine, checkSignature, nil},
	{"revoked", "RFC 7009 §2", genuine | payload, 0, checkRevoked, nil},
}

// asked leaves out what nobody asks about.
func (v *Verifier) asked() []check {
	if v.revoked == nil {
		return checks[:len(checks)-1]
	}
	return checks[:]
}

// verify runs the checks up to the first failure, if it does not remember the
// token.
func (v *Verifier) verify(ctx context.Context, raw string) (*Claims, *Error) {
	now, sum := v.now(), sumOf(raw)
	if claims := v.seen.find(sum, now, v.leeway); claims != nil {
		if v.revoked == nil || !v.revoked(claims) {
			return claims, nil
		}
		v.seen.forget(sum)
		return nil, v.refused(&checks[len(checks)-1], errRevoked)
	}
	a := v.attempt(raw, now)
	asked := v.asked()
	for i := range asked {
		c := &asked[i]
		if a.settled && (c.gives|c.needs)&members != 0 && c.name != "typ" { // which depends on the issuer
			continue
		}
		if err := c.run(ctx, a); err != nil {
			return nil, v.refused(c, err)
		}
	}
	if !a.settled {
		v.headers.remember(a.headerText, a.header)
	}
	v.seen.remember(sum, a)
	return a.claims, nil
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
	a := v.attempt(raw, v.now())
	a.thorough = true
	var have material
	report := make([]Check, 0, len(checks))
	for _, c := range v.asked() {
		found := Check{Name: c.name, Section: c.section}
		if found.Skipped = have&c.needs != c.needs; found.Skipped {
			found.Detail = "not checked, since an earlier check failed"
			report = append(report, found)
			continue
		}
		if err := c.run(ctx, a); err != nil {
			found.Detail = err.Error()
		} else {
			found.OK = true
			have |= c.gives
			if c.show != nil {
				found.Detail = printable(c.show(a))
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
