package vectors

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery/verify"
)

// TestKeysSignTokens: with claims of an access token instead of "foo", what the
// keys of the good vectors sign is accepted, so that nothing but the claims
// stands between those and their acceptance.
func TestKeysSignTokens(t *testing.T) {
	signed := 0
	for _, g := range load(t, "json_web_signature_test.json") {
		if g.symmetric() || judge(t, g.keySet(), g.Tests[0]) != good {
			continue
		}
		var key jose.JSONWebKey
		if err := json.Unmarshal(g.Private, &key); err != nil {
			t.Fatal(err)
		}
		options := (&jose.SignerOptions{}).WithType("at+jwt")
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
		if err != nil {
			t.Fatal(err)
		}
		token := issue(t, signer, "token-1", time.Now())
		verifier, err := verify.New(t.Context(), issuer, audience, verify.WithKeySet(g.keySet()))
		if err != nil {
			t.Fatal(err)
		}
		defer verifier.Close()
		if _, err := verifier.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", key.Algorithm, err)
		}
		signed++
	}
	if signed < 7 {
		t.Errorf("%d keys were tried", signed)
	}
}

// issue makes an access token.
func issue(t testing.TB, signer jose.Signer, id string, now time.Time) string {
	t.Helper()
	payload, err := json.Marshal(verify.Claims{
		Issuer: issuer, Subject: "user-1", Audience: []string{audience}, ClientID: "web", ID: id,
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), Scope: []string{"orders", "profile"}, SessionID: "session-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
