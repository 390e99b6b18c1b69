package conformance_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance"
)

// signer is the client that authenticates with a key.
const signer = "signer"

func (is *issuer) jwtClient() conformance.KeyClient {
	return conformance.KeyClient{ID: signer, Key: is.signer}
}

// byKey authenticates a client by an assertion (RFC 7523 §3); ok is false where
// there is none.
func (is *issuer) byKey(form url.Values) (id string, ok bool) {
	if !form.Has("client_assertion") && !form.Has("client_assertion_type") {
		return "", false
	}
	must := func(holds bool, mutations ...string) {
		if !holds && !slices.ContainsFunc(mutations, is.mutated) {
			panic(refusal{401, "invalid_client", "assertion"})
		}
	}
	must(!is.mutated("assert-refused"))
	must(form.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "assert-any-type")
	header, claims := is.signedBy(form.Get("client_assertion"), must)
	text := func(name string) string { s, _ := claims[name].(string); return s }
	number := func(name string) (time.Time, bool) {
		n, ok := claims[name].(float64)
		return time.Unix(int64(n), 0), ok
	}

	typ, _ := header["typ"].(string)
	must(slices.Contains([]string{"", "JWT", "client-authentication+jwt"}, typ), "assert-any-typ", "assert-own-token")
	must(typ != "" || !is.mutated("assert-typ-wanted"))
	if is.mutated("assert-own-token") && typ == "at+jwt" {
		return signer, true
	}
	must(text("sub") == signer, "assert-any-sub")
	must(text("iss") == signer, "assert-any-iss")
	is.intendedFor(claims["aud"], must)
	exp, isNumber := number("exp")
	must(isNumber, "assert-no-exp")
	must(!isNumber || exp.After(time.Now()), "assert-expired")
	must(!isNumber || exp.Before(time.Now().Add(time.Hour)), "assert-for-a-day")
	nbf, isNumber := number("nbf")
	leeway := 10 * time.Second
	if is.mutated("assert-nbf-exact") {
		leeway = 0
	}
	must(!isNumber || nbf.Before(time.Now().Add(leeway)), "assert-nbf-ignored")
	must(text("jti") != "", "assert-no-jti")
	must(text("jti") == "" || !is.jtis[text("jti")], "assert-replay")
	is.jtis[text("jti")] = true
	must(!form.Has("client_id") || form.Get("client_id") == signer, "assert-other-id")
	return signer, true
}

// intendedFor keeps RFC 7523 §3: the issuer, or the token endpoint.
func (is *issuer) intendedFor(aud any, must func(bool, ...string)) {
	var all []any
	switch v := aud.(type) {
	case []any:
		all = v
		if len(v) > 1 && v[0] == is.url && is.mutated("assert-aud-array-500") {
			panic(refusal{500, "server_error", "aud"})
		}
	default:
		all = []any{v}
	}
	if slices.Contains(all, any(is.url+"/token")) && is.mutated("assert-aud-token-500") {
		panic(refusal{500, "server_error", "aud"})
	}
	names := []any{is.url, is.url + "/token"}
	if is.mutated("assert-aud-token-only") {
		names = names[1:]
	}
	must(slices.ContainsFunc(all, func(a any) bool { return slices.Contains(names, a) }), "assert-any-aud")
}

// signedBy checks the signature with the client's key, and reads the rest.
func (is *issuer) signedBy(compact string, must func(bool, ...string)) (header, claims members) {
	is.see(compact)
	parts := strings.Split(compact, ".")
	must(len(parts) == 3 && !strings.Contains(compact, " "))
	for i, into := range []*members{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(err == nil && json.Unmarshal(text, into) == nil)
	}
	key := any(is.signer.Public().Key)
	switch {
	case header["alg"] == "none" && is.mutated("assert-unsigned"), is.mutated("assert-any-key"):
		return header, claims
	case header["jwk"] != nil && is.mutated("assert-header-jwk"):
		var jwk jose.JSONWebKey
		json.Unmarshal([]byte(asJSON(header["jwk"])), &jwk)
		key = jwk.Key
	case header["typ"] == "at+jwt" && is.mutated("assert-own-token"):
		key = is.key.Public().Key
	}
	algs := []jose.SignatureAlgorithm{jose.ES256, jose.RS256}
	if header["alg"] == "HS256" && is.mutated("assert-hs") {
		der, _ := x509.MarshalPKIXPublicKey(key) // of a key that it marshals
		key, algs = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), []jose.SignatureAlgorithm{jose.HS256}
	}
	signed, err := jose.ParseSignedCompact(compact, algs)
	must(err == nil)
	_, err = signed.Verify(key)
	must(err == nil)
	return header, claims
}
