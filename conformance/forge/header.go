package forge

import (
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// badHeader are signed by the issuer, over headers that no access token has.
func (f *Forge) badHeader() []Token {
	h := Head("RS256", RSAKeyID)
	with := func(name, raw string) string { return f.rsHead(h.With(name, raw)) }
	return []Token{
		{"alg-none-signed", "alg", "RFC 9068 §4", f.rsHead(Head("none", RSAKeyID))},
		{"alg-none-capital", "alg", "any spelling", f.rsHead(Head("None", RSAKeyID))},
		{"alg-none-mixed", "alg", "any spelling", f.rsHead(Head("nOnE", RSAKeyID))},
		{"alg-missing", "alg", "RFC 7515 §4.1.1", f.rsHead(h.Without("alg"))},
		{"alg-empty", "alg", "RFC 7515 §4.1.1", with("alg", `""`)},
		{"alg-null", "alg", "RFC 7515 §4.1.1", with("alg", `null`)},
		{"alg-array", "alg", "RFC 7515 §4.1.1", with("alg", `["RS256"]`)},
		{"alg-lower-case", "alg", "names have a case", with("alg", `"rs256"`)},
		{"alg-rs1", "alg", "SHA-1", with("alg", `"RS1"`)},
		{"alg-es256k", "alg", "not on the list", f.esHead(Head("ES256K", ECKeyID))},
		{"hs256-with-pem-cut", "alg", "without the last newline", f.hmacWith([]byte(strings.TrimSpace(string(f.publicPEM()))))},
		{"hs256-with-modulus", "alg", "the modulus as a secret", f.hmacWith(f.RSA.N.Bytes())},
		{"hs256-with-nothing", "alg", "an empty secret", f.hmacWith(nil)},
		{"alg-twice", "header", "RFC 7515 §4", f.rsHead(h.And("alg", `"none"`))},
		{"kid-twice", "header", "RFC 7515 §4", f.rsHead(h.And("kid", `"es1"`))},
		{"header-array", "header", "RFC 7515 §4", f.rsHead(Raw(`["RS256"]`))},
		{"header-trailing", "header", "one object, nothing after it", f.rsHead(Raw(h.String() + "x"))},
		{"header-bom", "header", "RFC 8259 §8.1", f.rsHead(Raw("\ufeff" + h.String()))},
		{"header-bad-utf8", "header", "RFC 8725 §3.7", f.rsHead(Raw(strings.Replace(h.String(), RSAKeyID, "rs1\xff", 1)))},
		{"header-deep", "header", "bounded stack", f.rsHead(h.With("x", strings.Repeat("[", 2000)+strings.Repeat("]", 2000)))},
		{"typ-dpop", "typ", "RFC 8725 §3.11: another kind of token", with("typ", `"dpop+jwt"`)},
		{"typ-logout", "typ", "RFC 8725 §3.11: another kind of token", with("typ", `"logout+jwt"`)},
		{"typ-number", "typ", "RFC 7515 §4.1.9", with("typ", `1`)},
		{"typ-array", "typ", "RFC 7515 §4.1.9", with("typ", `["at+jwt"]`)},
		{"typ-other-case-name", "typ", "encoding/json would take Typ for typ", f.rsHead(h.Without("typ").With("Typ", `"at+jwt"`))},
		{"typ-text-prefix", "typ", "another media type", with("typ", `"text/at+jwt"`)},
		{"crit-empty", "crit", "RFC 7515 §4.1.11: must not be empty", with("crit", `[]`)},
		{"crit-string", "crit", "RFC 7515 §4.1.11", with("crit", `"b64"`)},
		{"crit-registered", "crit", "RFC 7515 §4.1.11: alg must not be there", with("crit", `["alg"]`)},
		{"crit-null", "crit", "it is there", with("crit", `null`)},
		{"b64-false", "crit", "RFC 7797 §6", f.rsHead(h.With("crit", `["b64"]`).With("b64", `false`))},
		{"b64-false-uncritical", "crit", "RFC 7797 §6: crit is missing", with("b64", `false`)},
		{"zip", "crit", "RFC 8725 §3.6: nothing is inflated", with("zip", `"DEF"`)},
		{"cty-jwt", "crit", "a token inside", f.Sign(f.RSA, h.With("cty", `"JWT"`), f.Claims())},
		{"cty-media-type", "crit", "a token inside", f.Sign(f.RSA, h.With("cty", `"application/JWT"`), f.Claims())},
		{"kid-empty", "kid", "the key would be a guess", with("kid", `""`)},
		{"kid-number", "kid", "RFC 7515 §4.1.4", with("kid", `1`)},
		{"kid-null", "kid", "RFC 7515 §4.1.4", with("kid", `null`)},
		{"kid-object", "kid", "RFC 7515 §4.1.4", with("kid", `{"a":"rs1"}`)},
		{"kid-array", "kid", "RFC 7515 §4.1.4", with("kid", `["rs1"]`)},
		{"kid-long", "kid", "nobody has such a key", with("kid", Quote(strings.Repeat("k", 5000)))},
	}
}

// badKey name a key that is not there, or not for them.
func (f *Forge) badKey() []Token {
	kid := func(kid string) string { return f.esHead(Head("ES256", kid)) }
	return []Token{
		{"kid-case", "key", "RFC 7515 §4.1.4: kids have a case", kid("ES1")},
		{"kid-traversal", "key", "RFC 8725 §3.10", kid("../../../../dev/null")},
		{"kid-file-url", "key", "RFC 8725 §3.10", kid("file:///dev/null")},
		{"kid-sql", "key", "RFC 8725 §3.10", kid("' or 1=1--")},
		{"kid-shell", "key", "RFC 8725 §3.10", kid("$(id)|sleep 10")},
		{"kid-nul", "key", "RFC 8725 §3.10", kid("es1\x00")},
		{"kid-percent-nul", "key", "RFC 8725 §3.10", kid("es1%00")},
		{"alg-rs256-kid-es1", "key", "RFC 8725 §3.1: the algorithm is the key's", f.rsHead(Head("RS256", ECKeyID))},
		{"alg-ps256-kid-rs1", "key", "the key is for RS256", f.rsHead(Head("PS256", RSAKeyID))},
		{"alg-rs384-kid-rs1", "key", "the key is for RS256", f.rsHead(Head("RS384", RSAKeyID))},
		{"alg-es384-kid-es1", "key", "the key is for ES256", f.esHead(Head("ES384", ECKeyID))},
	}
}

// ownKey are signed by the attacker, and bring the key that they are signed
// with, or say where it is (RFC 8725 §3.10).
func (f *Forge) ownKey() []Token {
	public := jose.JSONWebKey{Key: f.Attacker.Public(), KeyID: ECKeyID, Algorithm: "ES256"}
	chain := Quote(base64.StdEncoding.EncodeToString(f.certificate()))
	list := []Token{
		{"jwk-embedded-no-kid", "kid", "signed with the key that it brings", f.Sign(f.Attacker, Head("ES256", "").Without("kid").With("jwk", string(must(public.MarshalJSON()))), f.Claims())},
	}
	for _, member := range [][2]string{
		{"jwk", string(must(public.MarshalJSON()))},
		{"jku", `"https://evil.example/keys"`},
		{"x5u", `"https://evil.example/certificate"`},
		{"x5c", "[" + chain + "]"},
	} {
		for kid, refuse := range map[string]string{ECKeyID: "signature", "evil": "key"} {
			list = append(list, Token{
				member[0] + "-own-" + kid, refuse, "RFC 8725 §3.10: signed with the key that it brings",
				f.Sign(f.Attacker, Head("ES256", kid).With(member[0], member[1]), f.Claims()),
			})
		}
	}
	slices.SortFunc(list, func(a, b Token) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// certificate is the attacker's, issued by the attacker.
func (f *Forge) certificate() []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: f.now, NotAfter: f.now.AddDate(1, 0, 0)}
	return must(x509.CreateCertificate(nil, template, template, f.Attacker.Public(), f.Attacker))
}
