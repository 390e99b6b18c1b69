package forge

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// A KeySet is one that an issuer might publish by mistake, or when somebody
// else has taken its place. Its first key is a good one; the other is BadKeyID.
type KeySet struct {
	Name  string // fit for a file's name
	Skip  string // why discovery does not use the other key; empty: it does
	Whole bool   // it uses nothing of the set
	Why   string
	Token string // signed by the other key, where that is possible
	JWKS  string
}

// BadKeyID is the kid of the key that a KeySet is about.
const BadKeyID = "bad"

// KeySets returns key sets to be careful with.
func (f *Forge) KeySets() []KeySet {
	s := newSource("key sets")
	var all []KeySet
	for _, group := range [][]KeySet{f.purposes(), f.rsaKeys(s), f.curveKeys(s), f.edwardsKeys(), f.secrets(), f.sets()} {
		all = append(all, group...)
	}
	return all
}

// set is a key set with a member beside the good key, and a token for it.
func (f *Forge) set(name, skip, why string, member Object, signed func(head Object) string) KeySet {
	alg := "ES256"
	for _, m := range member {
		if m[0] == "kty" && m[1] == `"RSA"` {
			alg = "RS256"
		}
		if m[0] == "kty" && m[1] == `"OKP"` {
			alg = "EdDSA"
		}
	}
	good := string(must(jose.JSONWebKey{Key: f.EC.Public(), KeyID: ECKeyID, Algorithm: "ES256", Use: "sig"}.MarshalJSON()))
	return KeySet{Name: name, Skip: skip, Why: why, Token: signed(Head(alg, BadKeyID)), JWKS: `{"keys":[` + good + `,` + member.String() + `]}`}
}

// member is a public key as a member of a key set.
func member(public any, alg string) (o Object) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(must(jose.JSONWebKey{Key: public, KeyID: BadKeyID, Algorithm: alg, Use: "sig"}.MarshalJSON()), &members); err != nil {
		panic(err)
	}
	for name, value := range members {
		o = append(o, [2]string{name, string(value)})
	}
	slices.SortFunc(o, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return o
}

func (f *Forge) byRSA(head Object) string      { return f.Sign(f.RSA, head, f.Claims()) }
func (f *Forge) byEd(head Object) string       { return f.Sign(f.Ed, head, f.Claims()) }
func (f *Forge) byAttacker(head Object) string { return f.Sign(f.Attacker, head, f.Claims()) }

// purposes are good keys that are for something else.
func (f *Forge) purposes() []KeySet {
	rs, ec := member(f.RSA.Public(), "RS256"), member(f.Attacker.Public(), "ES256")
	bare := rs.Without("use")
	return []KeySet{
		f.set("plain", "", "a good key", rs, f.byRSA),
		f.set("use-missing", "", "RFC 7517 §4.2: optional", bare, f.byRSA),
		f.set("alg-missing", "", "RFC 7517 §4.4: optional, RS256 is meant", rs.Without("alg"), f.byRSA),
		f.set("key-ops-verify", "", "RFC 7517 §4.3", bare.With("key_ops", `["verify"]`), f.byRSA),
		f.set("certificate-ignored", "", "RFC 7517 §4.7: the key is what counts", rs.With("x5c", `["MAA="]`).With("x5u", `"https://evil.example"`), f.byRSA),
		f.set("use-enc", "use is not sig", "RFC 7517 §4.2", rs.With("use", `"enc"`), f.byRSA),
		f.set("use-upper-case", "use is not sig", "RFC 7517 §4.2: it has a case", rs.With("use", `"SIG"`), f.byRSA),
		f.set("use-array", "use is not sig", "RFC 7517 §4.2: a string", rs.With("use", `["sig"]`), f.byRSA),
		f.set("key-ops-encrypt", "key_ops does not have verify", "RFC 7517 §4.3", bare.With("key_ops", `["encrypt"]`), f.byRSA),
		f.set("key-ops-sign", "key_ops does not have verify", "RFC 7517 §4.3", bare.With("key_ops", `["sign"]`), f.byRSA),
		f.set("key-ops-empty", "key_ops does not have verify", "RFC 7517 §4.3", bare.With("key_ops", `[]`), f.byRSA),
		f.set("key-ops-string", "key_ops does not have verify", "RFC 7517 §4.3: an array", bare.With("key_ops", `"verify"`), f.byRSA),
		f.set("key-ops-twice", "key_ops has duplicates", "RFC 7517 §4.3", bare.With("key_ops", `["verify","verify"]`), f.byRSA),
		f.set("alg-encryption", "alg is not one", "RFC 7518 §4.1", rs.With("alg", `"RSA-OAEP"`), f.byRSA),
		f.set("alg-none", "alg is not one", "RFC 8725 §3.1", rs.With("alg", `"none"`), f.byRSA),
		f.set("alg-hmac", "alg is not one", "RFC 8725 §2.1: a public key is no secret", rs.With("alg", `"HS256"`), f.byRSA),
		f.set("alg-of-another-type", "alg is not one", "RFC 8725 §3.1", ec.With("alg", `"RS256"`), f.byAttacker),
		f.set("alg-of-another-curve", "alg is not one", "RFC 7518 §3.4", ec.With("alg", `"ES384"`), f.byAttacker),
		f.set("alg-unknown", "alg is not one", "no such algorithm", ec.With("alg", `"ES521"`), f.byAttacker),
		f.set("kid-missing", "kid is missing", "the key would be a guess", ec.Without("kid"), f.byAttacker),
		f.set("kid-number", "kid is missing", "RFC 7517 §4.5: a string", ec.With("kid", "1"), f.byAttacker),
		f.set("kty-missing", "kty is missing", "RFC 7517 §4.1", ec.Without("kty"), f.byAttacker),
		f.set("kty-other", "n is missing", "RFC 7517 §4.1: an EC key that says RSA", ec.With("kty", `"RSA"`), f.byAttacker),
		f.set("kty-unknown", "is not supported", "RFC 7517 §5: ignored", ec.With("kty", `"AKP"`), f.byAttacker),
	}
}

// rsaKeys are RSA keys that others can sign with, or that cost too much.
func (f *Forge) rsaKeys(s source) []KeySet {
	p, q := f.RSA.Primes[0], f.RSA.Primes[1]
	one := newRSAKey(p, q, 1)
	three := newRSAKey(s.prime(1024, 3), s.prime(1024, 3), 3)
	small := newRSAKey(s.prime(512, 65537), s.prime(512, 65537), 65537)
	roca := newRSAKey(s.rocaPrime(), s.rocaPrime(), 65537)
	huge := new(big.Int).SetBit(new(big.Int).SetBytes(s.bytes(1025)), 8199, 1)
	good := member(f.RSA.Public(), "RS256")
	number := func(n *big.Int) string {
		return Quote(b64(string(n.FillBytes(make([]byte, max(1, (n.BitLen()+7)/8))))))
	}
	with := func(name, skip, why string, k rsaKey) KeySet {
		return f.set(name, skip, why, good.With("n", number(k.n)).With("e", number(k.e)), func(head Object) string {
			if k.d == nil {
				return f.byRSA(head)
			}
			signed := b64(head.String()) + "." + b64(f.Claims().String())
			return signed + "." + b64(string(k.sign(signed)))
		})
	}
	odd := func(n, e *big.Int) rsaKey { return rsaKey{n: n, e: e} }
	n, exponent := f.RSA.N, big.NewInt(65537)
	const badExponent = "the RSA exponent is not an odd number from 65537"
	return []KeySet{
		with("rsa-1024", "has 1024 bits, fewer than 2048", "RFC 7518 §3.3", small),
		with("rsa-2047", "has 2047 bits, fewer than 2048", "RFC 7518 §3.3", odd(new(big.Int).Rsh(n, 1), exponent)),
		with("rsa-8200", "the RSA modulus is too long", "verification must stay cheap", odd(huge, exponent)),
		with("rsa-even", "the RSA modulus is even", "anybody can factor it", odd(new(big.Int).Lsh(n, 1), exponent)),
		with("rsa-exponent-1", badExponent, "a signature is the padded hash", one),
		with("rsa-exponent-3", badExponent, "NIST SP 800-56B §6.2", three),
		with("rsa-exponent-even", badExponent, "it has no inverse", odd(n, big.NewInt(65538))),
		with("rsa-exponent-zero", badExponent, "everything to the power of 0", odd(n, big.NewInt(0))),
		with("rsa-exponent-33-bits", badExponent, "crypto/rsa takes 31", odd(n, big.NewInt(1<<32+1))),
		with("rsa-roca", "the ROCA weakness", "CVE-2017-15361, RFC 8725 §3.5", roca),
		f.set("rsa-n-padded", "n: not canonical", "RFC 7518 §2: base64url without padding", good.With("n", Quote(b64(string(n.Bytes()))+"==")), f.byRSA),
		f.set("rsa-n-array", "n is missing", "RFC 7518 §6.3.1.1: a string", good.With("n", "["+number(n)+"]"), f.byRSA),
	}
}

// rocaPrime is a prime as Infineon's library made them: a power of 65537
// modulo the product of all small primes.
func (s source) rocaPrime() *big.Int {
	product := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	power := new(big.Int).Exp(big.NewInt(65537), new(big.Int).SetBytes(s.bytes(32)), product)
	for {
		k := new(big.Int).SetBytes(s.bytes(128))
		k.SetBit(k, 1023, 1).SetBit(k, 1022, 1)
		p := k.Sub(k, new(big.Int).Mod(k, product)).Add(k, power)
		if p.BitLen() == 1024 && p.Bit(1022) == 1 && p.ProbablyPrime(20) {
			return p
		}
	}
}

// secrets are keys that are no secret any more.
func (f *Forge) secrets() []KeySet {
	const published = "a private key is published"
	private := member(f.Attacker.Public(), "ES256").With("d", Quote(b64(string(must(f.Attacker.Bytes())))))
	return []KeySet{
		f.set("private-ec", published, "RFC 7517 §9.2: everybody can sign", private, f.byAttacker),
		f.set("private-rsa", published, "RFC 7517 §9.2: everybody can sign", member(f.RSA.Public(), "RS256").With("d", Quote(b64(string(f.RSA.D.Bytes())))), f.byRSA),
		f.set("private-okp", published, "RFC 7517 §9.2: everybody can sign", member(f.Ed.Public(), "EdDSA").With("d", Quote(b64(string(f.Ed.Seed())))), f.byEd),
		f.set("symmetric", published, "RFC 7517 §9.2: everybody can sign", Object{{"kty", `"oct"`}, {"kid", Quote(BadKeyID)}, {"alg", `"HS256"`}, {"k", Quote(b64("known to all who can read this set"))}}, f.byAttacker),
	}
}

// sets are wrong as a whole.
func (f *Forge) sets() []KeySet {
	plain := f.set("", "", "", member(f.RSA.Public(), "RS256"), f.byRSA)
	twice := f.set("kid-twice", "another key has the same kid", "RFC 7517 §4.5: it would be a guess which is meant", member(f.Attacker.Public(), "ES256"), f.byAttacker)
	twice.JWKS = strings.TrimSuffix(twice.JWKS, "]}") + "," + member(f.RSA.Public(), "RS256").String() + "]}"
	list := []KeySet{twice}
	for i, change := range [][3]string{
		{"bytes after the JSON object", "one object, nothing after it", plain.JWKS + "{}"},
		{"is there twice", "RFC 7517 §4: readers disagree which counts", strings.Replace(plain.JWKS, `"keys":`, `"keys":[],"keys":`, 1)},
		{"is there twice", "RFC 7517 §4: readers disagree which counts", strings.Replace(plain.JWKS, `"e":`, `"e":"Aw","e":`, 1)},
		{"keys is not an array", "RFC 7517 §5.1", `{"keys":{}}`},
		{"keys is not an array", "member names have a case", strings.Replace(plain.JWKS, `"keys"`, `"Keys"`, 1)},
		{"is not an object", "RFC 7517 §5.1", `{"keys":["` + ECKeyID + `"]}`},
		{"not a JSON object", "RFC 7517 §5", strings.TrimSuffix(strings.TrimPrefix(plain.JWKS, `{"keys":`), "}")},
		{"no usable key", "an empty set replaces nothing", `{"keys":[]}`},
		{"not valid JSON", "cut off on its way", plain.JWKS[:len(plain.JWKS)/2]},
	} {
		list = append(list, KeySet{Name: fmt.Sprintf("set-%d", i+1), Skip: change[0], Whole: true, Why: change[1], Token: plain.Token, JWKS: change[2]})
	}
	return list
}
