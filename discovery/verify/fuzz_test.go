package verify

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// FuzzVerify: nothing panics, nothing is accepted but the tokens that were
// signed, and Explain says the same.
func FuzzVerify(f *testing.F) {
	jwks, attacks := readAttacks(f)
	good := map[string]bool{}
	for _, a := range attacks {
		f.Add(a.token)
		good[a.token] = a.refuse == ""
	}
	v := attackVerifier(f, jwks)
	f.Fuzz(func(t *testing.T, raw string) {
		claims, err := v.Verify(t.Context(), raw)
		if (err == nil) != good[raw] || (claims == nil) == (err == nil) {
			t.Fatalf("%q: %+v, %v", raw, claims, err)
		}
		report := v.Explain(t.Context(), raw)
		if bad := slices.IndexFunc(report, func(c Check) bool { return !c.OK }); (bad >= 0) != (err != nil) || bad >= 0 && report[bad].Name != err.(*Error).Check {
			t.Fatalf("%q: %v, and yet %+v", raw, err, report)
		}
	})
}

// FuzzSigned goes past the signature: header and payload are foreign, the
// signature is right. What is accepted keeps every promise.
func FuzzSigned(f *testing.F) {
	_, attacks := readAttacks(f)
	for _, a := range attacks {
		if part := strings.Split(a.token, "."); len(part) == 3 && a.refuse != "form" {
			f.Add(string(unb64(part[0])), string(unb64(part[1])))
		}
	}
	f.Add(head("EdDSA", "ed1").String(), claims().String())
	forge := &testForge{ed: ed25519.NewKeyFromSeed(make([]byte, 32))}
	v := attackVerifier(f, keySet(jose.JSONWebKey{Key: forge.ed.Public(), KeyID: "ed1", Algorithm: "EdDSA"}))
	f.Fuzz(func(t *testing.T, header, payload string) {
		c, err := v.Verify(t.Context(), forge.tokenText(forge.ed, header, payload))
		if err != nil {
			return
		}
		if c.Issuer != issuerURL || c.Subject == "" || c.ClientID == "" || c.ID == "" || len(c.Audience) == 0 ||
			c.ExpiresAt.Before(noon.Add(-v.leeway)) || c.IssuedAt.After(noon.Add(v.leeway)) || c.IssuedAt.IsZero() {
			t.Fatalf("%q %q: %+v", header, payload, c)
		}
	})
}
