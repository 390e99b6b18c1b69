package discovery

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/conformance/forge"
)

// One private key of each type serves all tests.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521   = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edKey  = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestNewKeySet(t *testing.T) {
	keys := []jose.JSONWebKey{
		{Key: rsaKey().Public(), KeyID: "r", Algorithm: "RS256"},
		{Key: p256().Public(), KeyID: "e", Algorithm: "ES256", Use: "enc"}, // what the caller says of the use does not count
		{Key: edKey().Public(), KeyID: "o", Algorithm: "EdDSA"},
		{Key: p384().Public(), KeyID: "m", Algorithm: "ES384"},
		{Key: rsaKey().Public(), KeyID: "s", Algorithm: "PS256"},
	}
	d, err := NewKeySet(keys)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(keys)
	if again := must(NewKeySet(keys)); !bytes.Equal(d.Bytes(), again.Bytes()) {
		t.Error("the order of the keys shows")
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(d.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ kid, members string }{
		{"e", "alg crv kid kty use x y"}, {"m", "alg crv kid kty use x y"}, {"o", "alg crv kid kty use x"},
		{"r", "alg e kid kty n use"}, {"s", "alg e kid kty n use"},
	} {
		jwk := set.Keys[i]
		if members := strings.Join(slices.Sorted(maps.Keys(jwk)), " "); jwk["kid"] != want.kid || members != want.members || jwk["use"] != "sig" {
			t.Errorf("key %d: got %v", i, jwk)
		}
	}
	parsed, err := ParseKeySet(d.Bytes())
	if err != nil || parsed.Len() != len(keys) || len(parsed.Skipped) != 0 {
		t.Fatalf("read again: %+v, %v", parsed, err)
	}
	for _, key := range keys {
		got, ok := parsed.Key(key.KeyID)
		if !ok || got.Algorithm != key.Algorithm || !got.Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Key) {
			t.Errorf("key %s: got %+v", key.KeyID, got)
		}
	}
	if _, ok := parsed.Key("E"); ok {
		t.Error("kids are compared without their case")
	}
}

func TestNewKeySetRefuses(t *testing.T) {
	good := jose.JSONWebKey{Key: p256().Public(), KeyID: "e", Algorithm: "ES256"}
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	for name, key := range map[string]jose.JSONWebKey{
		"private RSA":     {Key: rsaKey(), KeyID: "k", Algorithm: "RS256"},
		"private EC":      {Key: p256(), KeyID: "k", Algorithm: "ES256"},
		"private Ed25519": {Key: edKey(), KeyID: "k", Algorithm: "EdDSA"},
		"symmetric":       {Key: []byte("not a secret"), KeyID: "k", Algorithm: "HS256"},
		"nothing":         {KeyID: "k", Algorithm: "ES256"},
		"no kid":          {Key: p256().Public(), Algorithm: "ES256"},
		"no algorithm":    {Key: p256().Public(), KeyID: "k"},
		"wrong algorithm": {Key: p256().Public(), KeyID: "k", Algorithm: "ES384"},
		"repeated kid":    {Key: p384().Public(), KeyID: "e", Algorithm: "ES384"},
		"weak":            {Key: weak, KeyID: "k", Algorithm: "RS256"},
	} {
		if d, err := NewKeySet([]jose.JSONWebKey{good, key}); err == nil {
			t.Errorf("%s: rendered %s", name, d.Bytes())
		}
	}
	if d, err := NewKeySet(nil); err == nil {
		t.Errorf("no keys: rendered %s", d.Bytes())
	}
}

// jwk is a public key as a JSON object, with changes; nil deletes.
func jwk(public crypto.PublicKey, kid string, changes map[string]any) map[string]any {
	var object map[string]any
	if err := json.Unmarshal(must(jose.JSONWebKey{Key: public, KeyID: kid}.MarshalJSON()), &object); err != nil {
		panic(err)
	}
	for name, value := range changes {
		if object[name] = value; value == nil {
			delete(object, name)
		}
	}
	return object
}

func number(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

func TestParseKey(t *testing.T) {
	n := rsaKey().N
	huge := new(big.Int).SetBit(big.NewInt(1), 8192, 1)
	x, y := string(must(p256().PublicKey.Bytes())[1:33]), string(must(p256().PublicKey.Bytes())[33:])
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	type m = map[string]any
	for name, test := range map[string]struct {
		key  crypto.PublicKey
		with m
		want string // the algorithm, or what the error says
	}{
		"RSA":                  {rsaKey().Public(), nil, "RS256"},
		"RSA for PS256":        {rsaKey().Public(), m{"alg": "PS256"}, "PS256"},
		"RSA for PS512":        {rsaKey().Public(), m{"alg": "PS512"}, "PS512"},
		"P-256":                {p256().Public(), nil, "ES256"},
		"P-384":                {p384().Public(), nil, "ES384"},
		"P-384, named":         {p384().Public(), m{"alg": "ES384", "key_ops": []string{"verify"}}, "ES384"},
		"Ed25519, named":       {edKey().Public(), m{"alg": "EdDSA"}, "EdDSA"},
		"P-384 for ES256":      {p384().Public(), m{"alg": "ES256"}, "alg is not"},
		"Ed25519 for ES256":    {edKey().Public(), m{"alg": "ES256"}, "alg is not"},
		"Ed25519 as EC":        {edKey().Public(), m{"kty": "EC"}, "crv is not"},
		"P-521":                {p521().Public(), m{"alg": "ES512", "use": "sig"}, "ES512"},
		"Ed25519":              {edKey().Public(), nil, "EdDSA"},
		"Ed25519, full name":   {edKey().Public(), m{"alg": "Ed25519"}, "Ed25519"},
		"key_ops":              {p256().Public(), m{"key_ops": []string{"verify"}}, "ES256"},
		"with certificates":    {p256().Public(), m{"x5c": []string{"rubbish"}, "x5t": 7}, "ES256"},
		"leading zero in n":    {rsaKey().Public(), m{"n": encode("\x00" + string(n.Bytes()))}, "RS256"},
		"exponent 2^31-1":      {rsaKey().Public(), m{"e": number(big.NewInt(1<<31 - 1))}, "RS256"},
		"no kty":               {p256().Public(), m{"kty": nil}, "kty is missing"},
		"kty not a string":     {p256().Public(), m{"kty": 1}, "kty is missing"},
		"unknown kty":          {p256().Public(), m{"kty": "AKP"}, "not supported"},
		"symmetric":            {p256().Public(), m{"kty": "oct", "k": "AAAA"}, "published: it has k"},
		"symmetric without k":  {p256().Public(), m{"kty": "oct"}, "not supported"},
		"no kid":               {p256().Public(), m{"kid": nil}, "kid is missing"},
		"empty kid":            {p256().Public(), m{"kid": ""}, "kid is missing"},
		"kid not a string":     {p256().Public(), m{"kid": 1}, "kid is missing"},
		"unknown alg":          {p256().Public(), m{"alg": "ES256K"}, "alg is not"},
		"alg of another type":  {rsaKey().Public(), m{"alg": "ES256"}, "alg is not"},
		"alg of another curve": {p256().Public(), m{"alg": "ES384"}, "alg is not"},
		"symmetric alg":        {rsaKey().Public(), m{"alg": "HS256"}, "alg is not"},
		"no alg":               {rsaKey().Public(), m{"alg": "none"}, "alg is not"},
		"alg not a string":     {rsaKey().Public(), m{"alg": []string{"RS256"}}, "alg is not"},
		"encryption alg":       {rsaKey().Public(), m{"alg": "RSA-OAEP"}, "alg is not"},
		"use enc":              {p256().Public(), m{"use": "enc"}, "use is not sig"},
		"use not a string":     {p256().Public(), m{"use": []string{"sig"}}, "use is not sig"},
		"key_ops encrypt":      {p256().Public(), m{"key_ops": []string{"encrypt"}}, "key_ops does not"},
		"key_ops empty":        {p256().Public(), m{"key_ops": []string{}}, "key_ops does not"},
		"key_ops not a list":   {p256().Public(), m{"key_ops": "verify"}, "key_ops does not"},
		"key_ops twice":        {p256().Public(), m{"key_ops": []string{"verify", "verify"}}, "key_ops has duplicates"},
		"private EC":           {p256().Public(), m{"d": "AQ"}, "published: it has d"},
		"private RSA, a part":  {rsaKey().Public(), m{"qi": "AQ"}, "published: it has qi"},
		"private AKP":          {p256().Public(), m{"priv": "AQ"}, "published: it has priv"},
		"1024 bits":            {rsaKey().Public(), m{"n": number(new(big.Int).SetBit(big.NewInt(1), 1023, 1))}, "has 1024 bits"},
		"2047 bits":            {rsaKey().Public(), m{"n": number(new(big.Int).SetBit(big.NewInt(1), 2046, 1))}, "has 2047 bits"},
		"8193 bits":            {rsaKey().Public(), m{"n": number(huge)}, "too long"},
		"16384 bits":           {rsaKey().Public(), m{"n": number(new(big.Int).Mul(huge, huge))}, "too long"},
		"even modulus":         {rsaKey().Public(), m{"n": number(new(big.Int).Lsh(n, 1))}, "even"},
		"ROCA":                 {rsaKey().Public(), m{"n": number(roca())}, "ROCA"},
		"exponent 1":           {rsaKey().Public(), m{"e": "AQ"}, "exponent"},
		"exponent 3":           {rsaKey().Public(), m{"e": "Aw"}, "exponent"},
		"exponent 65535":       {rsaKey().Public(), m{"e": number(big.NewInt(65535))}, "exponent"},
		"exponent 65536":       {rsaKey().Public(), m{"e": number(big.NewInt(65536))}, "exponent"},
		"exponent 65538":       {rsaKey().Public(), m{"e": number(big.NewInt(65538))}, "exponent"},
		"exponent 2^31+1":      {rsaKey().Public(), m{"e": number(big.NewInt(1<<31 + 1))}, "exponent"},
		"exponent of 8192 bit": {rsaKey().Public(), m{"e": number(huge)}, "exponent"},
		"no n":                 {rsaKey().Public(), m{"n": nil}, "n is missing"},
		"n not a string":       {rsaKey().Public(), m{"n": 5}, "n is missing"},
		"no e":                 {rsaKey().Public(), m{"e": nil}, "e is missing"},
		"padded e":             {rsaKey().Public(), m{"e": "AQAB="}, "e: not canonical"},
		"trailing bits in e":   {rsaKey().Public(), m{"e": "AQABAB"}, "e: not canonical"},
		"unknown curve":        {p256().Public(), m{"crv": "secp256k1"}, "crv is not"},
		"no curve":             {p256().Public(), m{"crv": nil}, "crv is not"},
		"wrong curve":          {p256().Public(), m{"crv": "P-384"}, "length of a coordinate"},
		"short x":              {p256().Public(), m{"x": encode(x[1:])}, "length of a coordinate"},
		"long y":               {p256().Public(), m{"y": encode("\x00" + y)}, "length of a coordinate"},
		"no y":                 {p256().Public(), m{"y": nil}, "y is missing"},
		"off the curve":        {p256().Public(), m{"x": encode(y), "y": encode(x)}, "not on the curve"},
		"origin":               {p256().Public(), m{"x": encode(strings.Repeat("\x00", 32)), "y": encode(strings.Repeat("\x00", 32))}, "not on the curve"},
		"over the field":       {p256().Public(), m{"x": encode(strings.Repeat("\xff", 32))}, "not on the curve"},
		"Ed448":                {edKey().Public(), m{"crv": "Ed448"}, "crv is not"},
		"short Ed25519":        {edKey().Public(), m{"x": encode(x[1:])}, "32 bytes"},
		"line break in x":      {edKey().Public(), m{"x": encode(x) + "\n"}, "line break"},
	} {
		t.Run(name, func(t *testing.T) {
			bad, good := jwk(test.key, "k", test.with), jwk(p384().Public(), "other", nil)
			set, err := ParseKeySet(must(json.Marshal(m{"keys": []any{bad, good}})))
			if err != nil {
				t.Fatalf("the whole set is refused: %v", err)
			}
			if _, ok := set.Key("other"); !ok {
				t.Error("the other key is gone")
			}
			if key, ok := set.Key("k"); ok {
				if key.Algorithm != test.want || len(set.Skipped) != 0 {
					t.Errorf("got %+v, skipped %v; want %q", key, set.Skipped, test.want)
				}
			} else if len(set.Skipped) != 1 || errors.Is(set.Skipped[0], ErrPrivate) != strings.Contains(test.want, "published") || !strings.Contains(set.Skipped[0].Error(), test.want) {
				t.Errorf("skipped %v; want %q", set.Skipped, test.want)
			}
		})
	}
}

// RFC 8037 A.2, as it is printed but for the kid.
func TestPublishedEd25519Key(t *testing.T) {
	set, err := ParseKeySet([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a2","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	key, ok := set.Key("a2")
	if public, _ := key.Public.(ed25519.PublicKey); !ok || key.Algorithm != "EdDSA" || hex.EncodeToString(public) !=
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" { // RFC 8032 §7.1, test 1
		t.Errorf("got %+v", key)
	}
}

// roca makes a modulus with the fingerprint: a power of 65537 modulo the
// product of the small primes.
func roca() *big.Int {
	product := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	k := new(big.Int).SetBit(new(big.Int), 2047-product.BitLen()+1, 1)
	return n.Add(n, k.Mul(k, product))
}

func TestParseKeySetForm(t *testing.T) {
	a, b := string(must(json.Marshal(jwk(p256().Public(), "a", nil)))), string(must(json.Marshal(jwk(p384().Public(), "b", nil))))
	a2 := string(must(json.Marshal(jwk(p384().Public(), "a", nil))))
	for name, test := range map[string]struct{ text, kids, want string }{
		"one":                      {`{"keys":[` + a + `]}`, "a", ""},
		"other members":            {`{"keys":[` + a + `],"x":1,"Keys":[]}`, "a", ""},
		"twice the same":           {`{"keys":[` + a + `,` + a + `,` + b + `]}`, "a b", ""},
		"one kid, two keys":        {`{"keys":[` + a + `,` + a2 + `,` + b + `]}`, "b", ""},
		"one kid, three times":     {`{"keys":[` + a + `,` + a2 + `,` + a + `,` + b + `]}`, "b", ""},
		"only ambiguous":           {`{"keys":[` + a + `,` + a2 + `]}`, "", ErrNoKeys.Error()},
		"empty":                    {`{"keys":[]}`, "", ErrNoKeys.Error()},
		"only unknown":             {`{"keys":[{"kty":"AKP","kid":"x"}]}`, "", ErrNoKeys.Error()},
		"no keys":                  {`{}`, "", "keys is not an array"},
		"other case":               {`{"Keys":[` + a + `]}`, "", "keys is not an array"},
		"a key alone":              {a, "", "keys is not an array"},
		"null":                     {`{"keys":null}`, "", "keys is not an array"},
		"an object":                {`{"keys":{"a":` + a + `}}`, "", "keys is not an array"},
		"not an object among them": {`{"keys":[` + a + `,null]}`, "", "member 1 of keys"},
		"repeated keys":            {`{"keys":[` + a + `],"keys":[` + b + `]}`, "", "twice"},
		"repeated in a key":        {`{"keys":[{"kid":"z",` + a[1:] + `]}`, "", "twice"},
		"trailing":                 {`{"keys":[` + a + `]} x`, "", "bytes after"},
		"truncated":                {`{"keys":[` + a, "", "not valid JSON"},
		"nothing":                  {``, "", "not a JSON object"},
		"HTML":                     {`<!doctype html>`, "", "not a JSON object"},
	} {
		set, err := ParseKeySet([]byte(test.text))
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if kids := strings.Join(slices.Sorted(maps.Keys(set.keys)), " "); kids != test.kids {
			t.Errorf("%s: got keys %q", name, kids)
		}
	}
	if _, err := ParseKeySet([]byte(`{"keys":[{"kty":"AKP","kid":"x"}]}`)); !errors.Is(err, ErrNoKeys) || !strings.Contains(err.Error(), "AKP") {
		t.Errorf("the cause is missing: %v", err)
	}
}

// FuzzParseKeySet: whatever comes in, the keys that come out are usable.
func FuzzParseKeySet(f *testing.F) {
	for _, key := range []crypto.PublicKey{rsaKey().Public(), p256().Public(), p521().Public(), edKey().Public()} {
		f.Add(must(json.Marshal(map[string]any{"keys": []any{jwk(key, "a", nil), jwk(key, "b", map[string]any{"use": "sig", "key_ops": []string{"verify"}})}})))
	}
	for _, file := range must(filepath.Glob("verify/testdata/keysets/*")) {
		f.Add([]byte(must(forge.ParseKeySet(file, string(must(os.ReadFile(file))))).JWKS))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := ParseKeySet(data)
		if err != nil {
			return
		}
		if set.Len() == 0 {
			t.Fatal("a set without keys was accepted")
		}
		for kid, key := range set.keys {
			if kid == "" || kid != key.ID || !slices.Contains(algorithms(key.Public), key.Algorithm) {
				t.Fatalf("%q: %+v", kid, key)
			}
			switch public := key.Public.(type) {
			case *rsa.PublicKey:
				if bits := public.N.BitLen(); bits < 2048 || bits > 8192 || public.E < 65537 {
					t.Fatalf("RSA key of %d bits, exponent %d", bits, public.E)
				}
			case *ecdsa.PublicKey:
				if _, err := public.ECDH(); err != nil { // which looks whether the point is on the curve
					t.Fatal(err)
				}
			case ed25519.PublicKey:
				if everything := append([]byte{1}, make([]byte, 63)...); ed25519.Verify(public, []byte(kid), everything) {
					t.Fatalf("anybody signs by key %x", public)
				}
			}
		}
	})
}
