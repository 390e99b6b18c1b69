package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// AuthKey is private_key_jwt (OIDC Core §9).
const AuthKey = "private_key_jwt"

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2

// A KeyClient is a client of private_key_jwt. Assertions name the key's kid and
// algorithm, if it has them.
type KeyClient struct {
	ID  string
	Key jose.JSONWebKey
}

// ParseClientKey reads a private key: a JWK, or PEM of PKCS #8, PKCS #1 or SEC 1.
func ParseClientKey(text []byte) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	if block, _ := pem.Decode(text); block != nil {
		pkcs8, err8 := x509.ParsePKCS8PrivateKey(block.Bytes)
		pkcs1, err1 := x509.ParsePKCS1PrivateKey(block.Bytes)
		sec1, err := x509.ParseECPrivateKey(block.Bytes)
		switch {
		case err8 == nil:
			key.Key = pkcs8
		case err1 == nil:
			key.Key = pkcs1
		case err == nil:
			key.Key = sec1
		}
	} else if err := json.Unmarshal(text, &key); err != nil {
		return key, errors.New("it is neither PEM nor a JWK")
	}
	if len(keyAlgorithms(key)) == 0 {
		return key, errors.New("it holds no private RSA or Ed25519 key, and none of P-256, P-384 or P-521")
	}
	return key, nil
}

// keyAlgorithms are those that a private key can sign with, the usual one first.
func keyAlgorithms(key jose.JSONWebKey) []string {
	switch k := key.Key.(type) {
	case *rsa.PrivateKey:
		return []string{"RS256", "PS256", "RS384", "PS384", "RS512", "PS512"}
	case *ecdsa.PrivateKey:
		if alg := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]; alg != "" {
			return []string{alg}
		}
	case ed25519.PrivateKey:
		return []string{"EdDSA"}
	}
	return nil
}

// assertionAlg is the key's own algorithm, or the first of its kind that the
// server lists.
func (p *Probe) assertionAlg() string {
	key := p.target.JWT.Key
	if key.Algorithm != "" {
		return key.Algorithm
	}
	can := keyAlgorithms(key)
	if len(can) == 0 {
		panic(stop{undecided("the key of client %s is no private key", p.target.JWT.ID)})
	}
	listed := p.list("token_endpoint_auth_signing_alg_values_supported", can...)
	if i := slices.IndexFunc(can, func(alg string) bool { return slices.Contains(listed, alg) }); i >= 0 {
		return can[i]
	}
	return can[0]
}

// An assertion authenticates a client (RFC 7523 §2.2). A case changes what it
// is about.
type assertion struct {
	header, claims map[string]any
	key            any                         // nil: the signature is empty
	params         params                      // beside it
	rewrite        func(compact string) string // after it was signed; may be nil
}

// assertion is a valid one for the audience that works here.
func (p *Probe) assertion() assertion {
	c, now := p.target.JWT, time.Now().Unix()
	a := assertion{
		header: map[string]any{"alg": p.assertionAlg(), "typ": "JWT"}, key: c.Key.Key,
		claims: map[string]any{
			"iss": c.ID, "sub": c.ID, "aud": p.target.Issuer, "iat": now, "exp": now + 60, "jti": random("jti"),
		},
		params: params{{"client_assertion_type", assertionType}},
	}
	if c.Key.KeyID != "" {
		a.header["kid"] = c.Key.KeyID
	}
	if p.assertions != nil {
		a.claims["aud"] = p.assertions.aud
	}
	return a
}

// compact signs a, with whatever its header says.
func (a assertion) compact() string {
	if a.rewrite != nil {
		return a.rewrite(a.signed())
	}
	return a.signed()
}

func (a assertion) signed() string {
	claims, _ := json.Marshal(a.claims) // maps of what JSON has
	alg, _ := a.header["alg"].(string)
	if a.key == nil {
		header, _ := json.Marshal(a.header)
		return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
	}
	var options jose.SignerOptions
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		if name != "alg" {
			options.WithHeader(jose.HeaderKey(name), a.header[name])
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: a.key}, &options)
	if err != nil {
		panic(stop{undecided("no assertion: %v", err)})
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		panic(stop{undecided("no assertion: %v", err)})
	}
	text, _ := signed.CompactSerialize() // a fresh signature always serializes
	return text
}

// byAssertion is a token request that is authenticated with compact.
func (p *Probe) byAssertion(form, with params, compact string) call {
	body := append(slices.Clone(form), with...).and("client_assertion", compact)
	return call{method: http.MethodPost, header: http.Header{}, body: body, encode: formEncoded}
}

// assertionUse is how the client of private_key_jwt gets a token here.
type assertionUse struct {
	aud  string
	form params
}

// asserts proves that a valid assertion authenticates the client.
func (p *Probe) asserts(ctx context.Context) tokens {
	t, ok := p.tryAssertion(ctx)
	if !ok {
		panic(stop{undecided("a valid assertion does not authenticate client %s, so a refusal would prove nothing", p.target.JWT.ID)})
	}
	return t
}

// tryAssertion gets a token by a valid assertion. RFC 7523 §3 leaves open which
// names the server has for itself: the issuer's is tried first, then the token
// endpoint's; and with a user or without.
func (p *Probe) tryAssertion(ctx context.Context) (tokens, bool) {
	uses := []assertionUse{}
	if p.assertions != nil {
		uses = append(uses, *p.assertions)
	} else {
		var forms []params
		if p.target.has(NeedUser) {
			forms = append(forms, p.passwordForm(p.target.User))
		}
		forms = append(forms, p.machineForm())
		for _, aud := range []string{p.target.Issuer, p.doc.text("token_endpoint")} {
			for _, form := range forms {
				uses = append(uses, assertionUse{aud, form})
			}
		}
	}
	for _, use := range uses {
		a := p.assertion()
		a.claims["aud"] = use.aud
		if t, ok := newTokens(p.send(ctx, p.byAssertion(use.form, a.params, a.compact())), use.form); ok {
			p.assertions = &use
			return t, true
		}
	}
	return tokens{}, false
}

// machineForm is a request of the client_credentials grant (RFC 6749 §4.4.2).
func (p *Probe) machineForm() params {
	form := params{{"grant_type", "client_credentials"}}
	if p.target.Scope != "" {
		form = form.and("scope", p.target.Scope)
	}
	return form
}

// asserted sends a valid assertion as change makes it.
func (p *Probe) asserted(ctx context.Context, change func(*assertion)) answer {
	a := p.assertion()
	change(&a)
	return p.send(ctx, p.byAssertion(p.assertions.form, a.params, a.compact()))
}

// disclaimed wants a client that is not authenticated (RFC 7521 §4.2.1).
func disclaimed(a answer, codes ...string) Verdict {
	return refusedWith([]int{400, 401}, append(codes, "invalid_client")...)(a)
}

// A variant is one way in which an assertion is not valid.
type variant struct {
	what   string
	change func(*assertion)
}

// eachDisclaimed is a valid assertion, then invalid ones, each refused.
func eachDisclaimed(variants func(*Probe) []variant, codes ...string) func(context.Context, *Probe) Verdict {
	return func(ctx context.Context, p *Probe) Verdict {
		p.asserts(ctx)
		for _, v := range variants(p) {
			if verdict := disclaimed(p.asserted(ctx, v.change), codes...); verdict.Outcome != Pass {
				return fail("%s: %s", v.what, verdict.Why)
			}
		}
		return pass()
	}
}

// claim sets a claim; nil takes it away.
func claim(what, name string, value any) variant {
	return variant{what, func(a *assertion) {
		if a.claims[name] = value; value == nil {
			delete(a.claims, name)
		}
	}}
}

func (c KeyClient) String() string { return fmt.Sprintf("client %s", c.ID) } // never the key
