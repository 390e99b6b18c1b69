package verify

import (
	"context"
	"encoding/asn1"
	"encoding/base64"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var update = flag.Bool("update", false, "write the attack files anew")

// An attack is a token and what must become of it: the name of the check that
// refuses it, or "" for a token that is to be accepted.
type attack struct {
	name, refuse, why string
	token             string
}

// attacks are the tokens of the files in testdata/attacks: those that were
// measured against other verifiers, and more of their kind.
func (f *forge) attacks() []attack {
	var all []attack
	for _, group := range [][]attack{f.good(), f.badForm(), f.badHeader(), f.badKey(), f.badSignature(), f.badClaims(), f.badDates()} {
		all = append(all, group...)
	}
	return all
}

func (f *forge) good() []attack {
	c := claims()
	return []attack{
		{"rs256", "", "a good token", f.rs(c)},
		{"es256", "", "a good token", f.es(c)},
		{"eddsa", "", "a good token", f.token(f.ed, head("EdDSA", "ed1"), c)},
		{"typ-media-type", "", "RFC 7515 §4.1.9: the prefix may be there", f.rsHead(head("RS256", "rs1").with("typ", `"application/at+jwt"`))},
		{"typ-upper-case", "", "media types have no case", f.rsHead(head("RS256", "rs1").with("typ", `"AT+JWT"`))},
		{"aud-array", "", "RFC 7519 §4.1.3", f.rs(c.with("aud", `["https://other.example",`+quote(audience)+`]`))},
		{"jku-ignored", "", "nobody goes there", f.rsHead(head("RS256", "rs1").with("jku", `"https://evil.example/keys"`))},
		{"x5u-ignored", "", "nobody goes there", f.rsHead(head("RS256", "rs1").with("x5u", `"https://evil.example/cert"`))},
		{"exp-fraction", "", "RFC 7519 §2", f.rs(c.with("exp", at(time.Minute)+".5"))},
		{"exp-exponent", "", "a legal JSON number", f.rs(c.with("exp", "1.8e9"))},
		{"no-scope", "", "RFC 9068 §2.2.3: optional", f.rs(c.without("scope"))},
		{"unknown-members", "", "RFC 7519 §4, RFC 7515 §4: ignored", f.token(f.rsa, head("RS256", "rs1").with("x", `{"y":[1]}`), c.with("x", `{"y":[null]}`))},
		{"other-case-beside", "", "another name, another claim", f.rs(c.and("SUB", `"admin"`))},
		{"nbf-past", "", "already valid", f.rs(c.with("nbf", at(-time.Hour)))},
		{"roles-of-objects", "", "RFC 9068 §2.2.3.1: SCIM shapes are legal", f.rs(c.with("roles", `[{"value":"admin"}]`))},
		{"escaped-name", "", "the same member, written differently", f.tokenText(f.rsa, head("RS256", "rs1").String(), strings.Replace(c.String(), `"sub"`, `"\u0073ub"`, 1))},
	}
}

func (f *forge) badForm() []attack {
	good := f.rs(claims())
	part := strings.Split(good, ".")
	// A token whose signature has a + or / in the other alphabet.
	other := good
	for i := 0; !strings.ContainsAny(other, "-_"); i++ {
		other = f.rs(claims().with("n", fmt.Sprint(i)))
	}
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	return []attack{
		{"empty", "form", "no token at all", ""},
		{"dots-0", "form", "one part", part[0]},
		{"dots-1", "form", "two parts", part[0] + "." + part[1]},
		{"dots-3", "form", "four parts", good + "." + part[2]},
		{"dots-4", "form", "five parts, as a JWE has", part[0] + "." + part[0] + "." + part[1] + "." + part[1] + "." + part[2]},
		{"dots-10000", "form", "linear time", strings.Repeat(".", 10000)},
		{"header-empty", "form", "RFC 7515 §7.1", "." + part[1] + "." + part[2]},
		{"payload-empty", "claims", "a legal JWS, but no JWT", f.rs(text(""))},
		{"signature-empty", "form", "no signature", part[0] + "." + part[1] + "."},
		{"json-flattened", "form", "RFC 7519 §1: compact only", `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`},
		{"json-general", "form", "RFC 7519 §1: compact only", `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":"` + part[2] + `"}]}`},
		{"signature-padded", "form", "RFC 7515 §2: no padding", good + "=="},
		{"header-padded", "form", "RFC 7515 §2: no padding", part[0] + "=." + part[1] + "." + part[2]},
		{"standard-alphabet", "form", "RFC 7515 §2: base64url", strings.NewReplacer("-", "+", "_", "/").Replace(other)},
		{"trailing-bits", "form", "RFC 4648 §3.5: unused bits are zero", good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])},
		{"trailing-newline", "form", "Go's base64 skips it", good + "\n"},
		{"trailing-crlf", "form", "Go's base64 skips it", good + "\r\n"},
		{"newline-inside", "form", "Go's base64 skips it", part[0] + "." + part[1][:20] + "\n" + part[1][20:] + "." + part[2]},
		{"space-before", "form", "not base64url", " " + good},
		{"space-after", "form", "not base64url", good + " "},
		{"tab-inside", "form", "not base64url", part[0] + "." + part[1] + ".\t" + part[2]},
		{"question-mark", "form", "not base64url", good[:len(good)-4] + "?" + good[len(good)-4:]},
		{"non-ascii", "form", "not base64url", good + "é"},
		{"nul-after", "form", "not base64url", good + "\x00"},
		{"bearer-twice", "form", "the scheme is no part of the token", "Bearer " + good},
	}
}

func (f *forge) badHeader() []attack {
	h := head("RS256", "rs1")
	embedded := string(must(jose.JSONWebKey{Key: f.attacker.Public(), KeyID: "es1", Algorithm: "ES256"}.MarshalJSON()))
	none := func(alg string) string { return b64(head(alg, "rs1").String()) + "." + b64(claims().String()) + "." }
	with := func(name, raw string) string { return f.rsHead(h.with(name, raw)) }
	return []attack{
		{"alg-none", "form", "RFC 9068 §4; it has no signature", none("none")},
		{"alg-none-signed", "alg", "RFC 9068 §4", f.rsHead(head("none", "rs1"))},
		{"alg-none-capital", "alg", "any spelling", f.rsHead(head("None", "rs1"))},
		{"alg-none-mixed", "alg", "any spelling", f.rsHead(head("nOnE", "rs1"))},
		{"alg-missing", "alg", "RFC 7515 §4.1.1", f.rsHead(h.without("alg"))},
		{"alg-empty", "alg", "RFC 7515 §4.1.1", with("alg", `""`)},
		{"alg-null", "alg", "RFC 7515 §4.1.1", with("alg", `null`)},
		{"alg-array", "alg", "RFC 7515 §4.1.1", with("alg", `["RS256"]`)},
		{"alg-lower-case", "alg", "names have a case", with("alg", `"rs256"`)},
		{"alg-rs1", "alg", "SHA-1", with("alg", `"RS1"`)},
		{"alg-es256k", "alg", "not on the list", f.esHead(head("ES256K", "es1"))},
		{"hs256-with-pem", "alg", "RFC 8725 §2.1: the public key as a secret", f.hmacWith(f.publicPEM())},
		{"hs256-with-pem-cut", "alg", "without the last newline", f.hmacWith([]byte(strings.TrimSpace(string(f.publicPEM()))))},
		{"hs256-with-modulus", "alg", "the modulus as a secret", f.hmacWith(f.rsa.N.Bytes())},
		{"hs256-with-nothing", "alg", "an empty secret", f.hmacWith(nil)},
		{"alg-twice", "header", "RFC 7515 §4", f.rsHead(h.and("alg", `"none"`))},
		{"kid-twice", "header", "RFC 7515 §4", f.rsHead(h.and("kid", `"es1"`))},
		{"header-array", "header", "RFC 7515 §4", f.rsHead(text(`["RS256"]`))},
		{"header-trailing", "header", "one object, nothing after it", f.rsHead(text(h.String() + "x"))},
		{"header-bom", "header", "RFC 8259 §8.1", f.rsHead(text("\ufeff" + h.String()))},
		{"header-bad-utf8", "header", "RFC 8725 §3.7", f.rsHead(text(strings.Replace(h.String(), "rs1", "rs1\xff", 1)))},
		{"header-deep", "header", "bounded stack", f.rsHead(h.with("x", strings.Repeat("[", 2000)+strings.Repeat("]", 2000)))},
		{"typ-jwt", "typ", "RFC 9068 §4", with("typ", `"JWT"`)},
		{"typ-missing", "typ", "RFC 9068 §4", f.rsHead(h.without("typ"))},
		{"typ-dpop", "typ", "RFC 8725 §3.11: another kind of token", with("typ", `"dpop+jwt"`)},
		{"typ-logout", "typ", "RFC 8725 §3.11: another kind of token", with("typ", `"logout+jwt"`)},
		{"typ-number", "typ", "RFC 7515 §4.1.9", with("typ", `1`)},
		{"typ-array", "typ", "RFC 7515 §4.1.9", with("typ", `["at+jwt"]`)},
		{"typ-other-case-name", "typ", "encoding/json would take Typ for typ", f.rsHead(h.without("typ").with("Typ", `"at+jwt"`))},
		{"typ-text-prefix", "typ", "another media type", with("typ", `"text/at+jwt"`)},
		{"crit-unknown", "crit", "RFC 7515 §4.1.11", f.rsHead(h.with("crit", `["x"]`).with("x", `1`))},
		{"crit-empty", "crit", "RFC 7515 §4.1.11: must not be empty", with("crit", `[]`)},
		{"crit-string", "crit", "RFC 7515 §4.1.11", with("crit", `"b64"`)},
		{"crit-registered", "crit", "RFC 7515 §4.1.11: alg must not be there", with("crit", `["alg"]`)},
		{"crit-null", "crit", "it is there", with("crit", `null`)},
		{"b64-false", "crit", "RFC 7797 §6", f.rsHead(h.with("crit", `["b64"]`).with("b64", `false`))},
		{"b64-false-uncritical", "crit", "RFC 7797 §6: crit is missing", with("b64", `false`)},
		{"zip", "crit", "RFC 8725 §3.6: nothing is inflated", with("zip", `"DEF"`)},
		{"cty-jwt", "crit", "a token inside", f.token(f.rsa, h.with("cty", `"JWT"`), claims())},
		{"cty-media-type", "crit", "a token inside", f.token(f.rsa, h.with("cty", `"application/JWT"`), claims())},
		{"kid-missing", "kid", "the key would be a guess", f.rsHead(h.without("kid"))},
		{"kid-empty", "kid", "the key would be a guess", with("kid", `""`)},
		{"kid-number", "kid", "RFC 7515 §4.1.4", with("kid", `1`)},
		{"kid-null", "kid", "RFC 7515 §4.1.4", with("kid", `null`)},
		{"kid-object", "kid", "RFC 7515 §4.1.4", with("kid", `{"a":"rs1"}`)},
		{"kid-array", "kid", "RFC 7515 §4.1.4", with("kid", `["rs1"]`)},
		{"kid-long", "kid", "nobody has such a key", with("kid", quote(strings.Repeat("k", 5000)))},
		{"jwk-embedded", "signature", "RFC 8725 §3.10: signed with the key that it brings", f.token(f.attacker, head("ES256", "es1").with("jwk", embedded), claims())},
		{"jwk-embedded-no-kid", "kid", "signed with the key that it brings", f.token(f.attacker, head("ES256", "es1").without("kid").with("jwk", embedded), claims())},
	}
}

func (f *forge) badKey() []attack {
	kid := func(kid string) string { return f.esHead(head("ES256", kid)) }
	return []attack{
		{"unpublished-key", "key", "signed by somebody else", f.token(f.attacker, head("ES256", "evil"), claims())},
		{"kid-case", "key", "RFC 7515 §4.1.4: kids have a case", kid("ES1")},
		{"kid-traversal", "key", "RFC 8725 §3.10", kid("../../../../dev/null")},
		{"kid-file-url", "key", "RFC 8725 §3.10", kid("file:///dev/null")},
		{"kid-sql", "key", "RFC 8725 §3.10", kid("' or 1=1--")},
		{"kid-shell", "key", "RFC 8725 §3.10", kid("$(id)|sleep 10")},
		{"kid-nul", "key", "RFC 8725 §3.10", kid("es1\x00")},
		{"kid-percent-nul", "key", "RFC 8725 §3.10", kid("es1%00")},
		{"alg-es256-kid-rs1", "key", "RFC 8725 §3.1: the algorithm is the key's", f.esHead(head("ES256", "rs1"))},
		{"alg-rs256-kid-es1", "key", "RFC 8725 §3.1: the algorithm is the key's", f.rsHead(head("RS256", "es1"))},
		{"alg-ps256-kid-rs1", "key", "the key is for RS256", f.rsHead(head("PS256", "rs1"))},
		{"alg-rs384-kid-rs1", "key", "the key is for RS256", f.rsHead(head("RS384", "rs1"))},
		{"alg-es384-kid-es1", "key", "the key is for ES256", f.esHead(head("ES384", "es1"))},
	}
}

func (f *forge) badSignature() []attack {
	good := f.es(claims())
	s, n := signature(good), f.ec.Curve.Params().N
	zero, one := new(big.Int), big.NewInt(1)
	half := func(i int) *big.Int { return new(big.Int).SetBytes(s[32*i : 32*i+32]) }
	der := must(asn1.Marshal(struct{ R, S *big.Int }{half(0), half(1)}))
	flipped := slices.Clone(s)
	flipped[40] ^= 1
	rs := f.rs(claims())
	swap := strings.Split(rs, ".")
	other := strings.Split(f.rs(claims().with("sub", `"admin"`)), ".")
	otherHead := strings.Split(f.rsHead(head("RS256", "rs1").with("x", "1")), ".")
	list := []attack{
		{"es256-der", "signature", "RFC 7518 §3.4: R ‖ S, not DER", resign(good, der)},
		{"es256-short", "signature", "63 bytes", resign(good, s[:63])},
		{"es256-long", "signature", "65 bytes", resign(good, append(slices.Clone(s), 0))},
		{"es256-zero-inside", "signature", "65 bytes, the same numbers", resign(good, slices.Concat(s[:32], []byte{0}, s[32:]))},
		{"es256-zero-before", "signature", "65 bytes, the same numbers", resign(good, slices.Concat([]byte{0}, s))},
		{"es256-wide", "signature", "96 bytes, as P-384 has", resign(good, slices.Concat(make([]byte, 16), s[:32], make([]byte, 16), s[32:]))},
		{"es256-bit-flipped", "signature", "one bit", resign(good, flipped)},
		{"es256-attacker", "signature", "the kid of another's key", f.token(f.attacker, head("ES256", "es1"), claims())},
		{"rs256-truncated", "signature", "one byte short", resign(rs, signature(rs)[1:])},
		{"rs256-extended", "signature", "a zero before it", resign(rs, append([]byte{0}, signature(rs)...))},
		{"rs256-zero", "signature", "all zero", resign(rs, make([]byte, 256))},
		{"rs256-one", "signature", "1 to any power", resign(rs, append(make([]byte, 255), 1))},
		{"payload-swapped", "signature", "another token's claims", swap[0] + "." + other[1] + "." + swap[2]},
		{"header-swapped", "signature", "another token's header", otherHead[0] + "." + swap[1] + "." + swap[2]},
		{"eddsa-zero", "signature", "all zero", resign(f.token(f.ed, head("EdDSA", "ed1"), claims()), make([]byte, 64))},
	}
	for name, rs := range map[string][2]*big.Int{
		"es256-zero-zero": {zero, zero}, "es256-zero-s": {half(0), zero}, "es256-zero-r": {zero, half(1)},
		"es256-r-n": {n, half(1)}, "es256-s-n": {half(0), n}, "es256-n-n": {n, n}, "es256-one-one": {one, one},
		"es256-s-plus-n": {half(0), new(big.Int).SetBytes(slices.Repeat([]byte{0xff}, 32))},
	} {
		list = append(list, attack{name, "signature", "FIPS 186-5 §6.4.2: 0 < r, s < n", resign(good, pair(rs[0], rs[1]))})
	}
	return list
}

func (f *forge) badClaims() []attack {
	c := claims()
	with := func(name, raw string) string { return f.rs(c.with(name, raw)) }
	list := []attack{
		{"sub-twice", "claims", "RFC 7519 §4: readers disagree which counts", f.rs(c.and("sub", `"admin"`))},
		{"iss-twice", "claims", "RFC 7519 §4", f.rs(c.and("iss", quote(issuerURL)))},
		{"exp-twice", "claims", "RFC 7519 §4", f.rs(c.and("exp", at(time.Hour)))},
		{"sub-twice-escaped", "claims", "the same name, written differently", f.rs(text(strings.Replace(c.String(), `{`, `{"\u0073ub":"admin",`, 1)))},
		{"nested-twice", "claims", "at any depth", with("x", `{"a":1,"a":2}`)},
		{"payload-array", "claims", "RFC 7519 §7.2", f.rs(text("[" + c.String() + "]"))},
		{"payload-string", "claims", "RFC 7519 §7.2", f.rs(text(`"sub"`))},
		{"payload-trailing", "claims", "one object, nothing after it", f.rs(text(c.String() + "garbage"))},
		{"payload-two-objects", "claims", "one object, nothing after it", f.rs(text(c.String() + c.String()))},
		{"payload-bom", "claims", "RFC 8259 §8.1", f.rs(text("\ufeff" + c.String()))},
		{"payload-bad-utf8", "claims", "RFC 8725 §3.7", f.rs(text(strings.Replace(c.String(), "user-1", "user-1\xff", 1)))},
		{"payload-surrogate", "claims", "RFC 7493 §2.1", with("sub", `"user-1\ud800"`)},
		{"payload-deep", "claims", "bounded stack", with("x", strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000))},
		{"payload-nested-token", "claims", "a token inside", f.rs(text(f.rs(c)))},
		{"payload-not-json", "claims", "RFC 7519 §7.2", f.rs(text("sub=user-1"))},
		{"iss-wrong", "iss", "RFC 9068 §4", with("iss", `"https://evil.example"`)},
		{"iss-trailing-slash", "iss", "byte for byte", with("iss", quote(issuerURL+"/"))},
		{"iss-upper-case", "iss", "byte for byte", with("iss", `"https://AUTH.example.com"`)},
		{"iss-prefix", "iss", "byte for byte", with("iss", quote(issuerURL+".evil.example"))},
		{"iss-missing", "iss", "RFC 9068 §2.2", f.rs(c.without("iss"))},
		{"iss-array", "iss", "RFC 7519 §4.1.1", with("iss", "["+quote(issuerURL)+"]")},
		{"iss-other-case-name", "iss", "encoding/json would take ISS for iss", f.rs(c.without("iss").and("ISS", quote(issuerURL)))},
		{"aud-other", "aud", "RFC 9068 §4", with("aud", `"https://other.example"`)},
		{"aud-missing", "aud", "RFC 9068 §2.2", f.rs(c.without("aud"))},
		{"aud-empty", "aud", "nobody", with("aud", `[]`)},
		{"aud-others", "aud", "RFC 9068 §4", with("aud", `["https://other.example","x"]`)},
		{"aud-number", "aud", "RFC 7519 §4.1.3", with("aud", `1`)},
		{"aud-null", "aud", "RFC 7519 §4.1.3", with("aud", `null`)},
		{"aud-mixed", "aud", "RFC 7519 §4.1.3: strings", with("aud", "["+quote(audience)+",1]")},
		{"aud-longer", "aud", "not a prefix match", with("aud", quote(audience+"/x"))},
		{"aud-shorter", "aud", "not a prefix match", with("aud", quote(audience[:len(audience)-1]))},
		{"aud-object", "aud", "RFC 7519 §4.1.3", with("aud", `{`+quote(audience)+`:1}`)},
		{"scope-array", "scope", "RFC 8693 §4.2: a string", with("scope", `["orders"]`)},
		{"scope-null", "scope", "RFC 8693 §4.2: a string", with("scope", `null`)},
		{"auth-time-string", "session", "RFC 9068 §2.2.1", with("auth_time", `"`+at(0)+`"`)},
		{"sid-number", "session", "a string", with("sid", `7`)},
	}
	for _, name := range []string{"sub", "client_id", "jti"} { // RFC 9068 §2.2
		list = append(list,
			attack{name + "-missing", name, "RFC 9068 §2.2", f.rs(c.without(name))},
			attack{name + "-empty", name, "RFC 9068 §2.2", with(name, `""`)},
			attack{name + "-number", name, "RFC 9068 §2.2: a string", with(name, `1`)},
			attack{name + "-null", name, "RFC 9068 §2.2: a string", with(name, `null`)},
		)
	}
	return append(list,
		attack{"jti-empty-scope-array", "jti", "both are wrong", f.rs(c.with("jti", `""`).with("scope", `["orders"]`))},
		attack{"sub-other-case-name", "sub", "encoding/json would take SUB for sub", f.rs(c.without("sub").and("SUB", `"admin"`))},
	)
}

func (f *forge) badDates() []attack {
	c := claims()
	with := func(name, raw string) string { return f.rs(c.with(name, raw)) }
	list := []attack{
		{"exp-past", "exp", "RFC 7519 §4.1.4", with("exp", at(-time.Hour))},
		{"exp-at-leeway", "exp", "RFC 7519 §4.1.4: before, not at", with("exp", at(-time.Minute))},
		{"nbf-future", "nbf", "RFC 7519 §4.1.5", with("nbf", at(time.Hour))},
		{"nbf-string", "nbf", "RFC 7519 §2", with("nbf", `"`+at(-time.Hour)+`"`)},
		{"nbf-null", "nbf", "RFC 7519 §2", with("nbf", `null`)},
		{"nbf-1e300", "nbf", "not before the end of time", with("nbf", "1e300")},
		{"nbf-negative-fraction", "nbf", "RFC 7519 §2", with("nbf", "-0.5")},
		{"iat-future", "iat", "issued in an hour", with("iat", at(time.Hour))},
	}
	for _, name := range []string{"exp", "iat"} {
		list = append(list, attack{name + "-missing", name, "RFC 9068 §2.2", f.rs(c.without(name))})
		for shape, raw := range map[string]string{
			"string": `"` + at(time.Minute) + `"`, "null": "null", "array": "[" + at(time.Minute) + "]", "true": "true",
			"negative": "-1", "huge": "1e400", "1e300": "1e300", "negative-fraction": "-0.5", "2-63": "9223372036854775808", "2-64": "18446744073709551616", "milliseconds": at(time.Minute) + "000",
		} {
			list = append(list, attack{name + "-" + shape, name, "RFC 7519 §2: seconds, a number", with(name, raw)})
		}
		for shape, raw := range map[string]string{"nan": "NaN", "hex": "0x7fffffff", "plus": "+" + at(0), "zeros": "0" + at(0), "dot": at(0) + "."} {
			list = append(list, attack{name + "-" + shape, "claims", "RFC 8259 §6: not a JSON number", with(name, raw)})
		}
	}
	return list
}

// attackVerifier is what the files are made for.
func attackVerifier(t testing.TB, jwks []byte) *Verifier {
	t.Helper()
	v, err := New(context.Background(), issuerURL, audience, WithKeySet(jwks), WithClock(clock), WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// readAttacks reads the files: a line that says what must happen, and then the
// token, to the last byte.
func readAttacks(t testing.TB) (jwks []byte, attacks []attack) {
	t.Helper()
	jwks, err := os.ReadFile("testdata/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/attacks/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, token, found := strings.Cut(string(must(os.ReadFile(file))), "\n")
		verdict, why, explained := strings.Cut(line, ": ")
		check, refuse := strings.CutPrefix(verdict, "reject by ")
		if !found || !explained || !refuse && verdict != "accept" {
			t.Fatalf("%s does not say what must happen: %q", file, line)
		}
		if !refuse {
			check = ""
		}
		attacks = append(attacks, attack{filepath.Base(file), check, why, token})
	}
	return jwks, attacks
}

func TestAttacks(t *testing.T) {
	if *update {
		writeAttacks(t)
	}
	jwks, attacks := readAttacks(t)
	v := attackVerifier(t, jwks)
	var accepted int
	for _, a := range attacks {
		claims, err := v.Verify(t.Context(), a.token)
		if a.refuse == "" {
			accepted++
			if err != nil || claims.Subject != "user-1" {
				t.Errorf("%s: %v, %v; must be accepted: %s", a.name, claims, err, a.why)
			}
		} else if err == nil {
			t.Errorf("%s was accepted: %s", a.name, a.why)
		} else if got := err.(*Error).Check; got != a.refuse {
			t.Errorf("%s: refused by %s, not by %s: %v", a.name, got, a.refuse, err)
		}
	}
	if accepted < 10 || len(attacks)-accepted < 150 {
		t.Errorf("only %d files, %d to accept: are they all there?", len(attacks), accepted)
	}
}

func writeAttacks(t *testing.T) {
	f := newForge(t)
	if err := os.RemoveAll("testdata/attacks"); err != nil {
		t.Fatal(err)
	}
	write := func(file, content string) {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("testdata/keys.json", string(f.jwks))
	written := map[string]bool{}
	for _, a := range f.attacks() {
		verdict := "accept"
		if a.refuse != "" {
			verdict = "reject by " + a.refuse
		}
		if name := strings.ToLower(a.name); written[name] {
			t.Fatalf("two attacks are called %s", name)
		}
		written[strings.ToLower(a.name)] = true
		write(filepath.Join("testdata/attacks", a.name), verdict+": "+a.why+"\n"+a.token)
	}
}

// The parts of a token that is accepted are canonical: there is one spelling,
// so that a token can be recognised by its bytes.
func TestAcceptedTokensAreCanonical(t *testing.T) {
	_, attacks := readAttacks(t)
	for _, a := range attacks {
		if a.refuse != "" {
			continue
		}
		for part := range strings.SplitSeq(a.token, ".") {
			if b, err := base64.RawURLEncoding.DecodeString(part); err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
				t.Errorf("%s: %q is not canonical", a.name, part)
			}
		}
	}
}
