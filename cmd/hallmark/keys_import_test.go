package main

import (
	"crypto"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/keys"
)

// A foreign key is one of another issuer's.
type foreign struct {
	key     crypto.Signer
	alg     keys.Algorithm
	kid     string // its thumbprint
	pem     string // of the public half
	private string // PEM of both
}

func foreignKey(t *testing.T, alg keys.Algorithm) foreign {
	t.Helper()
	key, err := keys.GenerateKey(alg, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.PublicPEM(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private, err := keys.PrivatePEM(key)
	if err != nil {
		t.Fatal(err)
	}
	return foreign{key, alg, thumbprintOf(t, key.Public()), string(public), string(private)}
}

// sign signs a token of the other issuer's under a kid of its own.
func (f foreign) sign(t *testing.T, kid string) *jose.JSONWebSignature {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(f.alg), Key: jose.JSONWebKey{Key: f.key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(`{"sub":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

// state is what a dry run must leave as it is.
func (d *desk) state() (ring string, all map[string]string) {
	d.Helper()
	return d.ok("", "keys", "list", "--json"), files(d.T, d.data)
}

// dry runs a command with --dry-run, which prints what it would do and does nothing.
func (d *desk) dry(args ...string) string {
	d.Helper()
	list, before := d.state()
	r := d.run("", append(args, "--dry-run")...)
	after, now := d.state()
	if r.code != exitOK || !strings.Contains(r.out, "ould ") || !strings.Contains(r.out, "Nothing was done.") || strings.Contains(r.err, "act=") {
		d.Errorf("hallmark %s --dry-run ended with %d, printed %q, logged %q", strings.Join(args, " "), r.code, r.out, r.err)
	}
	if after != list || len(before) != len(now) || before["kek"] != now["kek"] || before["kek.seen"] != now["kek.seen"] {
		d.Errorf("hallmark %s --dry-run changed something", strings.Join(args, " "))
	}
	var any []json.RawMessage
	out := d.ok("", append(args, "--dry-run", "--json")...)
	if err := json.Unmarshal([]byte(out), &any); err != nil {
		any = []json.RawMessage{json.RawMessage(out)}
	}
	for _, one := range any {
		var v struct {
			DryRun  bool `json:"dry_run"`
			Version int
		}
		if err := json.Unmarshal(one, &v); err != nil || !v.DryRun || v.Version != 0 {
			d.Errorf("hallmark %s --dry-run --json: %v, %s", strings.Join(args, " "), err, one)
		}
	}
	return r.out
}

// TestKeysImportPublic: another issuer's tokens verify with this key set, under
// the kid that they have, until the time that was named.
func TestKeysImportPublic(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.serve("--issuer", someIssuer, "--algorithms", "ES256")
	f, dir := foreignKey(t, keys.RS256), t.TempDir()
	jwk, err := json.Marshal(jose.JSONWebKey{Key: f.key.Public(), KeyID: "2024-01:old", Algorithm: "RS256", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "old.jwk")
	write(t, path, string(jwk))
	if out := d.dry("keys", "import", path); !strings.Contains(out, "2024-01:old would be published until ") {
		t.Errorf("--dry-run prints %q", out)
	}
	r := d.run("", "keys", "import", path, "--until", "48h")
	if r.code != exitOK || !strings.Contains(r.out, "2024-01:old is published until ") || !strings.Contains(r.err, "act=keys.import") || !strings.Contains(r.err, "kid=2024-01:old") {
		t.Fatalf("import ended with %d, printed %q, logged %q", r.code, r.out, r.err)
	}
	eventually(t, "the key is published", func() bool {
		set := fetchSet(t, s)
		found := set.Key("2024-01:old")
		if len(found) != 1 {
			return false
		}
		if _, err := f.sign(t, "2024-01:old").Verify(found[0]); err != nil {
			t.Errorf("the other issuer's token: %v", err)
		}
		return true
	})
	for _, k := range d.keys() {
		gone, _ := time.Parse(time.RFC3339, k.GoneAt)
		if until := time.Until(gone); k.Kid == "2024-01:old" && (k.State != "retired" || until < 47*time.Hour || until > 49*time.Hour) {
			t.Errorf("it is %s, and gone in %v", k.State, until)
		}
	}
	d.fails(exitConflict, "", []string{"keys", "import", path}, "is there already")

	// From standard input, under a kid that the file does not say; of a pair, the public half alone.
	pair := foreignKey(t, keys.EdDSA)
	if out := d.ok(pair.private, "keys", "import", "-", "--kid", "ed", "--until", time.Now().Add(time.Hour).Format(time.RFC3339)); !strings.Contains(out, "EdDSA: ed is published") || !strings.Contains(out, "the public half alone is taken") {
		t.Errorf("a pair: %q", out)
	}
	if err := d.run("", "keys", "export", "ed", "--private", "--out", filepath.Join(dir, "x"), "--yes"); err.code != exitUsage {
		t.Errorf("the private half was stored: %+v", err)
	}
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: foreignKey(t, keys.ES256).key.Public(), KeyID: "a"}, {Key: foreignKey(t, keys.ES384).key.Public(), KeyID: "b"}}})
	var imported []struct{ Kid, Alg string }
	if d.json(&imported, string(set), "keys", "import", "-"); len(imported) != 2 || imported[1].Kid != "b" || imported[1].Alg != "ES384" {
		t.Errorf("a set: %v", imported)
	}
	// What is revoked does not come back.
	d.ok("", "keys", "revoke", "a", "--reason", "it leaked", "--yes")
	d.fails(exitConflict, string(set), []string{"keys", "import", "-"}, "revoked")
}

// TestKeysImportPrivate: a key pair is announced, or signs at once.
func TestKeysImportPrivate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA").stop(t)
	dir := t.TempDir()
	next, path := foreignKey(t, keys.ES256), filepath.Join(dir, "next.pem")
	write(t, path, next.private)
	d.dry("keys", "import", path, "--private")
	d.dry("keys", "import", path, "--private", "--now")
	signing := d.key("ES256", "signing")
	if out := d.ok("", "keys", "import", path, "--private"); !strings.Contains(out, "ES256: "+next.kid+" signs from ") || strings.Contains(out, "refuses") {
		t.Errorf("announced: %q", out)
	}
	if now := d.key("ES256", "signing"); now != signing {
		t.Errorf("%s signs instead of %s", now.Kid, signing.Kid)
	}
	for _, k := range d.keys() {
		from, _ := time.Parse(time.RFC3339, k.SignsFrom)
		if wait := time.Until(from); k.Kid == next.kid && (k.State != "waiting" || wait < 24*time.Hour || wait > 26*time.Hour) {
			t.Errorf("%s, signs in %v", k.State, wait)
		}
	}
	ed := foreignKey(t, keys.EdDSA)
	if out := d.ok(ed.private, "keys", "import", "-", "--private", "--now"); !strings.Contains(out, "refuses its tokens until it fetches") {
		t.Errorf("at once: %q", out)
	}
	if k := d.key("EdDSA", "signing"); k.Kid != ed.kid {
		t.Errorf("%s signs", k.Kid)
	}
	s := d.serve("--issuer", someIssuer)
	if set := fetchSet(t, s); len(set.Key(ed.kid)) != 1 || len(set.Key(next.kid)) != 1 {
		t.Error("they are not published")
	}
}

func TestKeysImportRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256").stop(t)
	rsa, ec := foreignKey(t, keys.RS256), foreignKey(t, keys.ES256)
	list, before := d.state()
	for _, tt := range []struct {
		code  int
		stdin string
		args  string
		part  string
	}{
		{exitUsage, "", "-", "no key in it"},
		{exitUsage, `{"kty":"oct","k":"c2VjcmV0"}`, "-", "a symmetric key"},
		{exitUsage, strings.Repeat("#", keys.MaxKeyFile+1), "-", "more than 65536 bytes"},
		{exitUsage, "", "/no/such/file", "no such file"},
		{exitUsage, rsa.pem, "-", "RS256 or PS256"},
		{exitUsage, ec.pem, "- --alg RS256", "the key is for ES256"},
		{exitUsage, ec.pem, "- --private", "a public key only"},
		{exitUsage, ec.pem, "- --now", "--now is for --private"},
		{exitUsage, ec.private, "- --private --until 1h", "--until and --kid are for public keys"},
		{exitUsage, ec.pem + rsa.pem, "- --kid x --alg ES256", "needs an EC key"},
		{exitUsage, ec.pem + foreignKey(t, keys.ES256).pem, "- --kid x", "it has 2 keys"},
		{exitUsage, ec.pem, "- --until tomorrow", "neither a time"},
		{exitUsage, ec.pem, "- --until=-1h", "neither a time"},
		{exitUsage, ec.pem, "- --until 2020-01-01T00:00:00Z", "a time in the future"},
		{exitUsage, ec.pem, "- --kid a/b", "letters, digits"},
		{exitNotFound, rsa.private, "- --private --alg RS256", "add the algorithm"},
	} {
		d.fails(tt.code, tt.stdin, append([]string{"keys", "import"}, strings.Split(tt.args, " ")...), tt.part)
	}
	if after, now := d.state(); after != list || now["kek.seen"] != before["kek.seen"] {
		t.Error("an import that was refused changed something")
	}
}

// eventually waits for what takes a poll.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so in time: %s", what)
		}
	}
}
