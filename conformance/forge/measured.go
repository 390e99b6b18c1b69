package forge

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Measured returns the thirty-five tokens that seventeen other verifiers were
// put to the test with, by the names that they have there. No other verifier
// judged all of them as it is said here.
func (f *Forge) Measured() []Token {
	return append(f.measuredGood(), f.measuredBad()...)
}

func (f *Forge) measuredGood() []Token {
	c, h := f.Claims(), Head("RS256", RSAKeyID)
	return []Token{
		{"rs256-at+jwt", "", "a good token", f.rs(c)},
		{"es256-at+jwt", "", "a good token", f.es(c)},
		{"rs256-typ-application-at+jwt", "", "RFC 7515 §4.1.9: the prefix may be there", f.rsHead(h.With("typ", `"application/at+jwt"`))},
		{"rs256-typ-AT+JWT", "", "media types have no case", f.rsHead(h.With("typ", `"AT+JWT"`))},
		{"rs256-aud-array", "", "RFC 7519 §4.1.3", f.rs(c.With("aud", `["https://other.example",`+Quote(f.audience)+`]`))},
		{"jku-ignored", "", "nobody goes there", f.rsHead(h.With("jku", `"https://evil.example/keys"`))},
		{"exp-float", "", "RFC 7519 §2", f.rs(c.With("exp", f.at(time.Minute)+".5"))},
	}
}

func (f *Forge) measuredBad() []Token {
	c, h := f.Claims(), Head("RS256", RSAKeyID)
	with := func(name, raw string) string { return f.rs(c.With(name, raw)) }
	good, es := f.rs(c), f.es(c)
	none := b64(Head("none", RSAKeyID).String()) + "." + b64(c.String()) + "."
	s := signature(es)
	der := must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:])}))
	other := good // a token that differs in the other alphabet
	for i := 0; !strings.ContainsAny(other, "-_"); i++ {
		other = f.rs(c.With("n", fmt.Sprint(i)))
	}
	return []Token{
		{"rs256-typ-JWT", "typ", "RFC 9068 §4", f.rsHead(h.With("typ", `"JWT"`))},
		{"rs256-no-typ", "typ", "RFC 9068 §4", f.rsHead(h.Without("typ"))},
		{"rs256-aud-string-other", "aud", "RFC 9068 §4", with("aud", `"https://other.example"`)},
		{"rs256-no-aud", "aud", "RFC 9068 §2.2", f.rs(c.Without("aud"))},
		{"rs256-wrong-iss", "iss", "RFC 9068 §4", with("iss", `"https://evil.example"`)},
		{"rs256-iss-trailing-slash", "iss", "byte for byte", with("iss", Quote(f.issuer+"/"))},
		{"rs256-expired", "exp", "RFC 7519 §4.1.4", with("exp", f.at(-time.Hour))},
		{"rs256-no-exp", "exp", "RFC 9068 §2.2", f.rs(c.Without("exp"))},
		{"rs256-nbf-future", "nbf", "RFC 7519 §4.1.5", with("nbf", f.at(time.Hour))},
		{"rs256-no-kid", "kid", "policy: the key would be a guess", f.rsHead(h.Without("kid"))},
		{"unpublished-key", "key", "signed by somebody else", f.Sign(f.Attacker, Head("ES256", "evil"), c)},
		{"alg-none", "form", "RFC 9068 §4; it has no signature", none},
		{"hs256-rsa-pub-pem", "alg", "RFC 8725 §2.1: the public key as a secret", f.hmacWith(f.publicPEM())},
		{"crit-unknown", "crit", "RFC 7515 §4.1.11", f.rsHead(h.With("crit", `["x"]`).With("x", `1`))},
		{"dup-claim-sub", "claims", "RFC 7519 §4: readers disagree which counts", f.rs(c.And("sub", `"admin"`))},
		{"exp-as-string", "exp", "RFC 7519 §2: a number", with("exp", Quote(f.at(time.Minute)))},
		{"no-sub", "sub", "RFC 9068 §2.2", f.rs(c.Without("sub"))},
		{"no-client_id", "client_id", "RFC 9068 §2.2", f.rs(c.Without("client_id"))},
		{"no-jti", "jti", "RFC 9068 §2.2", f.rs(c.Without("jti"))},
		{"no-iat", "iat", "RFC 9068 §2.2", f.rs(c.Without("iat"))},
		{"iat-future-1h", "iat", "policy: issued in an hour", with("iat", f.at(time.Hour))},
		{"alg-es256-kid-rs1", "key", "RFC 8725 §3.1: the algorithm is the key's", f.esHead(Head("ES256", RSAKeyID))},
		{"es256-der-sig", "signature", "RFC 7518 §3.4: R ‖ S, not DER", resign(es, der)},
		{"es256-zero-sig", "signature", "FIPS 186-5 §6.4.2: 0 < r, s < n", resign(es, make([]byte, 64))},
		{"sig-with-padding", "form", "RFC 7515 §2: no padding", good + "=="},
		{"jti-empty-scope-array", "jti", "policy: both are wrong", f.rs(c.With("jti", `""`).With("scope", `["orders"]`))},
		{"trailing-newline", "form", "Go's base64 skips it", good + "\n"},
		{"std-b64-alphabet", "form", "RFC 7515 §2: base64url", strings.NewReplacer("-", "+", "_", "/").Replace(other)},
	}
}
