package conformance

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A dpopKey is a client's key for DPoP, made for one case.
type dpopKey struct{ private *ecdsa.PrivateKey }

func newDPoPKey() dpopKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(stop{undecided("no key: %v", err)})
	}
	return dpopKey{private}
}

// thumbprint is what a token that is bound to the key names it by (RFC 9449 §6.1).
func (k dpopKey) thumbprint() string {
	sum, err := (&jose.JSONWebKey{Key: k.private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(stop{undecided("no thumbprint: %v", err)})
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// proof is a valid proof for a POST to address (RFC 9449 §4.2).
func (k dpopKey) proof(address, nonce string, now time.Time) string {
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.private}, options)
	if err != nil {
		panic(stop{undecided("no proof: %v", err)})
	}
	claims := map[string]any{"jti": rand.Text(), "htm": http.MethodPost, "htu": address, "iat": now.Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	text, _ := json.Marshal(claims)
	signed, err := signer.Sign(text)
	if err != nil {
		panic(stop{undecided("no proof: %v", err)})
	}
	compact, _ := signed.CompactSerialize() // a fresh signature always serializes
	return compact
}

// bound gets an access token of c that is bound to a key; where DPoP is not
// offered the case does not apply.
func (p *Probe) bound(ctx context.Context, c Client) (tokens, dpopKey) {
	p.documents(ctx) // the evidence
	if !slices.Contains(p.list("dpop_signing_alg_values_supported"), "ES256") {
		panic(stop{absent("dpop_signing_alg_values_supported is missing, or does not list ES256")})
	}
	key, nonce := newDPoPKey(), ""
	for range 2 {
		q := p.as(c, p.passwordForm(p.target.User))
		q.header.Set("DPoP", key.proof(p.doc.text("token_endpoint"), nonce, time.Now()))
		a := p.send(ctx, q)
		if nonce = a.header.Get("DPoP-Nonce"); a.code() == "use_dpop_nonce" && nonce != "" { // RFC 9449 §8
			continue
		}
		if t, ok := newTokens(a, q.body); ok && strings.EqualFold(a.text("token_type"), "DPoP") {
			return t, key
		}
		break
	}
	panic(stop{undecided("client %s gets no token that is bound to its key", c.ID)})
}

// wrongBinding says what is wrong about cnf, as a claim or in an introspection.
func (k dpopKey) wrongBinding(cnf any) string {
	members, ok := cnf.(map[string]any)
	switch {
	case !ok:
		return "there is no cnf"
	case members["jkt"] != k.thumbprint():
		return "cnf has no jkt, or it is not that of the key"
	}
	return ""
}
