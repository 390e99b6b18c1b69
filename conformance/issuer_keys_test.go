package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

type members = map[string]any

// rsaMembers is the public half of RFC 7638 §3.1: an RSA key that need not be
// made for each issuer.
func rsaMembers() members {
	return members{
		"kty": "RSA", "kid": "2011-04-29", "use": "sig", "alg": "RS256", "e": "AQAB",
		"n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
	}
}

// lengthened is a binary member with a zero octet before it.
func lengthened(key members, name string) string {
	octets, _ := base64.RawURLEncoding.DecodeString(key[name].(string))
	return base64.RawURLEncoding.EncodeToString(append([]byte{0}, octets...))
}

func encoded(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// product multiplies Mersenne primes 2^e-1: quick to make, and hard enough to
// factor for a case that only looks for the easy ways.
func product(exponents ...uint) *big.Int {
	one, n := big.NewInt(1), big.NewInt(1)
	for _, e := range exponents {
		n.Mul(n, new(big.Int).Sub(new(big.Int).Lsh(one, e), one))
	}
	return n
}

// faulty has the fingerprint of ROCA: modulo each small prime it is a power of
// 65537.
func faulty() *big.Int {
	primes := big.NewInt(1)
	for p := int64(3); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			primes.Mul(primes, big.NewInt(p))
		}
	}
	n := new(big.Int).Lsh(big.NewInt(1), 2048)
	n.Sub(n, new(big.Int).Mod(n, primes))
	n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), primes))
	for divided := true; divided; { // by no other small number
		n.Add(n, primes)
		divided = false
		for p := int64(2); p < 2000; p++ {
			divided = divided || new(big.Int).Mod(n, big.NewInt(p)).Sign() == 0
		}
	}
	return n
}

// spoilKeys does what a mutation does to the numbers and the uses of keys.
func (is *issuer) spoilKeys(keys []any) []any {
	first, second, third := keys[0].(members), keys[1].(members), keys[2].(members)
	for _, m := range []struct {
		mutation string
		key      members
		values   members
	}{
		{"coord-long", second, members{"x": lengthened(second, "x")}},
		{"off-curve", second, members{"x": second["y"], "y": second["x"]}},
		{"rsa-1279", third, members{"n": encoded(product(1279))}},
		{"rsa-e-3", third, members{"e": "Aw"}},
		{"rsa-e-even", third, members{"e": "AQAA"}},
		{"rsa-factor", third, members{"n": encoded(product(2203, 2))}}, // 2^2-1 is 3
		{"no-rs256", third, members{"alg": "PS256"}},
		{"rs256-promised", third, members{"alg": "PS256"}},
		{"no-use", second, members{"use": nil}},
		{"enc-key-unsaid", second, members{"use": nil}},
		{"only-enc", first, members{"use": "enc"}},
		{"only-enc", second, members{"use": "enc"}},
		{"only-enc", third, members{"use": "enc"}},
		{"no-alg", second, members{"alg": nil}},
		{"alg-of-others", second, members{"alg": "ES384"}},
		{"use-and-ops", second, members{"key_ops": []string{"verify"}}},
		{"ops-only", second, members{"use": nil, "key_ops": []string{"verify"}}},
		{"ops-twice", second, members{"use": nil, "key_ops": []string{"verify", "verify"}}},
		{"alg-key-none", second, members{"alg": "none"}},
		{"alg-key-hs", third, members{"alg": "HS256"}},
		{"kid-slash", second, members{"kid": "../keys"}},
		{"kid-endless", second, members{"kid": strings.Repeat("k", 129)}},
		{"fat-keys", second, members{"x5u": "https://issuer.example/" + strings.Repeat("x", 64<<10)}},
	} {
		if is.mutated(m.mutation) {
			changed(m.key, m.values)
		}
	}
	switch {
	case is.mutated("rsa-roca"):
		third["n"] = encoded(faulty())
	case is.mutated("rsa-shared"):
		third["n"] = encoded(product(1279, 1279))
		keys = append(keys, changed(rsaMembers(), members{"kid": "another", "n": encoded(product(1279, 2203))}))
	case is.mutated("enc-key"), is.mutated("enc-key-unsaid"):
		keys = append(keys, changed(rsaMembers(), members{"kid": "another", "use": "enc", "alg": "RSA-OAEP-256"}))
	case is.mutated("many-keys"):
		for i := range 20 {
			keys = append(keys, changed(rsaMembers(), members{"kid": strings.Repeat("k", i+1)}))
		}
	case is.mutated("keys-flap") && is.requests%2 == 1:
		slices.Reverse(keys)
	case is.mutated("keys-rotate") && is.requests > 12:
		slices.Reverse(keys)
	}
	is.certify(first)
	return keys
}

// changed sets members; nil takes one away.
func changed(key, values members) members {
	maps.Copy(key, values)
	maps.DeleteFunc(key, func(_ string, v any) bool { return v == nil })
	return key
}

// certify adds a certificate, of the key or of another one.
func (is *issuer) certify(key members) {
	private := is.key.Key.(*ecdsa.PrivateKey)
	if is.mutated("x5c-other") {
		private, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if !is.mutated("x5c") && !is.mutated("x5c-other") && !is.mutated("x5c-url") && !is.mutated("x5t-other") {
		return
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(der)
	key["x5c"] = []string{base64.StdEncoding.EncodeToString(der)}
	key["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case is.mutated("x5c-url"):
		key["x5c"] = []string{base64.RawURLEncoding.EncodeToString(der) + "-"}
	case is.mutated("x5t-other"):
		key["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[1:])
	}
}

// jwksRefused answers requests that are none for the keys. It reports whether
// it did.
func (is *issuer) jwksRefused(w http.ResponseWriter, r *http.Request) bool {
	if !is.mutated("jwks-no-cors") {
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}
	status := 0
	switch {
	case r.Method == http.MethodOptions && !is.mutated("jwks-no-preflight"):
		status = 204
	case r.Method == http.MethodPut && is.mutated("jwks-put"):
		is.key.KeyID, status = "other", 405
	case r.Method != http.MethodGet && r.Method != http.MethodHead && !is.mutated("jwks-any-method"):
		status = 405
	case r.Header.Get("Authorization") != "" && is.mutated("jwks-guarded"):
		status = 401
	default:
		return false
	}
	w.Header().Set("Allow", "GET, HEAD, OPTIONS")
	w.WriteHeader(status)
	return true
}
