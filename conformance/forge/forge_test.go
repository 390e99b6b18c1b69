package forge

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newForge(seed string) *Forge {
	return New(KeysFrom(seed), "https://auth.example.com", "https://api.example.com", noon)
}

// seeded is made once, since finding primes takes a while.
var seeded = sync.OnceValue(func() *Forge { return newForge("seed") })

// TestSeed: one seed makes the same bytes each time, another one makes others.
func TestSeed(t *testing.T) {
	a, b, other := seeded(), newForge("seed"), newForge("another seed")
	if !slices.Equal(a.Tokens(), b.Tokens()) || !slices.Equal(a.KeySets(), b.KeySets()) || !bytes.Equal(a.JWKS(), b.JWKS()) {
		t.Error("the same seed makes other tokens")
	}
	if a.RSA.Equal(other.RSA) || a.EC.Equal(other.EC) || a.EC.Equal(a.Attacker) || a.Attacker.Equal(other.Attacker) || a.Ed.Equal(other.Ed) {
		t.Error("another seed makes the same keys")
	}
}

// TestMeasured: these are the tokens that the others were measured with, all
// of them and no other, and the ones to be accepted are what they were.
func TestMeasured(t *testing.T) {
	want := strings.Fields(`
		rs256-at+jwt es256-at+jwt rs256-typ-application-at+jwt rs256-typ-AT+JWT rs256-typ-JWT rs256-no-typ rs256-aud-array
		rs256-aud-string-other rs256-no-aud rs256-wrong-iss rs256-iss-trailing-slash rs256-expired rs256-no-exp rs256-nbf-future
		rs256-no-kid unpublished-key alg-none hs256-rsa-pub-pem crit-unknown jku-ignored dup-claim-sub exp-as-string no-sub
		no-client_id no-jti no-iat iat-future-1h alg-es256-kid-rs1 es256-der-sig es256-zero-sig sig-with-padding
		jti-empty-scope-array exp-float trailing-newline std-b64-alphabet`)
	accept := strings.Fields("rs256-at+jwt es256-at+jwt rs256-typ-application-at+jwt rs256-typ-AT+JWT rs256-aud-array jku-ignored exp-float")
	var names []string
	for _, token := range seeded().Measured() {
		names = append(names, token.Name)
		if slices.Contains(accept, token.Name) != (token.Refuse == "") {
			t.Errorf("%s: refused by %q", token.Name, token.Refuse)
		}
	}
	slices.Sort(want)
	slices.Sort(names)
	if len(want) != 35 || !slices.Equal(names, want) {
		t.Errorf("%d tokens: %q", len(names), names)
	}
}

// TestFiles: what is written is what is read, and no two are one file, where
// file names have no case either.
func TestFiles(t *testing.T) {
	f := seeded()
	seen := map[string]bool{}
	for _, token := range f.Tokens() {
		if got, err := ParseToken(token.Name, token.File()); err != nil || got != token {
			t.Errorf("%s: got %+v, %v", token.Name, got, err)
		}
		if name := strings.ToLower(token.Name); seen[name] || strings.ContainsAny(name, "/\\:") {
			t.Errorf("%s cannot be a file's name, or is there twice", name)
		}
		seen[strings.ToLower(token.Name)] = true
	}
	clear(seen)
	for _, set := range f.KeySets() {
		if got, err := ParseKeySet(set.Name, set.File()); err != nil || got != set {
			t.Errorf("%s: got %+v, %v", set.Name, got, err)
		}
		if seen[set.Name] {
			t.Errorf("%s is there twice", set.Name)
		}
		seen[set.Name] = true
	}
	for _, file := range []string{"", "accept", "accept: x", "refuse by : x\ny", "reject: x\ny"} {
		if _, err := ParseToken("x", file); err == nil {
			t.Errorf("read %q", file)
		}
	}
	for _, file := range []string{"", "accept\nx\ny", "accept, since: x\nx\ny\nz", "skip the key\nx\ny\nz", "skip the key, since: \nx\ny\nz"} {
		if _, err := ParseKeySet("x", file); err == nil {
			t.Errorf("read %q", file)
		}
	}
}
