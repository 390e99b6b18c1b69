package verify

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// FuzzVerify begins with what the forge makes: nothing panics, nothing is
// accepted but the tokens that are good there, and Explain says the same.
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

// FuzzEdited begins with a good token each time, which FuzzVerify loses sight
// of: whatever is taken out and put in, nothing else is accepted.
func FuzzEdited(f *testing.F) {
	jwks, attacks := readAttacks(f)
	var good []string
	for _, a := range attacks {
		if a.refuse == "" {
			good = append(good, a.token)
		}
	}
	for i, token := range good {
		dot := strings.IndexByte(token, '.')
		f.Add(uint8(i), uint16(0), uint16(0), "")
		f.Add(uint8(i), uint16(dot), uint16(1), "..")
		f.Add(uint8(i), uint16(len(token)-1), uint16(1), "A")
		f.Add(uint8(i), uint16(len(token)), uint16(0), "=")
		f.Add(uint8(i), uint16(0), uint16(dot), token[:dot-1])
		f.Add(uint8(i), uint16(0), uint16(dot), good[(i+1)%len(good)][:dot])
	}
	v := attackVerifier(f, jwks)
	f.Fuzz(func(t *testing.T, which uint8, at, remove uint16, insert string) {
		token := good[int(which)%len(good)]
		from := int(at) % (len(token) + 1)
		edited := token[:from] + insert + token[min(from+int(remove), len(token)):]
		if _, err := v.Verify(t.Context(), edited); (err == nil) != slices.Contains(good, edited) {
			t.Fatalf("%q: %v", edited, err)
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
