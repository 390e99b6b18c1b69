package main

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

type listedKey struct {
	Kid, Alg, State string
	SignsFrom       string `json:"signs_from"`
	GoneAt          string `json:"gone_at"`
}

func (d *desk) keys() (list []listedKey) {
	d.Helper()
	d.json(&list, "", "keys", "list")
	return list
}

// key returns the one key of an algorithm in a state.
func (d *desk) key(alg, state string) (found listedKey) {
	d.Helper()
	for _, k := range d.keys() {
		if k.Alg == alg && k.State == state {
			if found.Kid != "" {
				d.Fatalf("two %s %s keys", alg, state)
			}
			found = k
		}
	}
	if found.Kid == "" {
		d.Fatalf("no %s %s key", alg, state)
	}
	return found
}

func thumbprintOf(t *testing.T, public crypto.PublicKey) string {
	t.Helper()
	jwk := jose.JSONWebKey{Key: public}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// TestKeysExportPublic: all formats have the keys that the server publishes.
func TestKeysExportPublic(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.serve("--issuer", someIssuer, "--algorithms", "ES256,RS256,ES384,PS256,EdDSA")
	published := fetchSet(t, s)
	listed := d.keys()
	text := d.ok("", "keys", "export")
	for _, k := range listed {
		before, rest, ok := strings.Cut(text, "\n-----BEGIN PUBLIC KEY-----")
		want := "# kid: " + k.Kid + "\n# alg: " + k.Alg + "\n# state: " + k.State + "\n# signs from: " + k.SignsFrom
		if !ok || before != want {
			t.Fatalf("a block begins with\n%s\nwant\n%s", before, want)
		}
		block, after := pem.Decode([]byte("-----BEGIN PUBLIC KEY-----" + rest))
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil || thumbprintOf(t, public) != k.Kid {
			t.Fatalf("the block of %s is of another key: %v", k.Kid, err)
		}
		text = string(after)
	}
	if text != "" || len(listed) != 10 {
		t.Errorf("%d keys, and after them %q", len(listed), text)
	}

	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(d.ok("", "keys", "export", "--format", "jwks")), &set); err != nil || len(set.Keys) != len(published.Keys) {
		t.Fatalf("jwks: %d keys, %v; published are %d", len(set.Keys), err, len(published.Keys))
	}
	for i, k := range set.Keys {
		if k.KeyID != listed[i].Kid || len(published.Key(k.KeyID)) != 1 || !k.IsPublic() || k.Algorithm != listed[i].Alg || k.Use != "sig" {
			t.Errorf("exported %+v, listed %+v", k, listed[i])
		}
	}
	var one jose.JSONWebKey
	if err := json.Unmarshal([]byte(d.ok("", "keys", "export", listed[1].Kid, "--format", "jwk")), &one); err != nil || one.KeyID != listed[1].Kid || !one.IsPublic() {
		t.Errorf("jwk: %+v, %v", one, err)
	}
	d.fails(exitUsage, "", []string{"keys", "export", "--format", "jwk"}, "10 are in the key set", "--format jwks")
	d.fails(exitNotFound, "", []string{"keys", "export", "nothing"}, "nothing", "not in the key set")
	d.fails(exitUsage, "", []string{"keys", "export", "--format", "der"}, "--format")

	out := filepath.Join(t.TempDir(), "key.pem")
	d.ok("", "keys", "export", listed[0].Kid, "--out", out)
	if got := read(t, out); !strings.HasPrefix(got, "# kid: "+listed[0].Kid) || strings.Count(got, "BEGIN") != 1 {
		t.Errorf("--out wrote %q", got)
	}
	d.fails(exitUsage, "", []string{"keys", "export", "--out", out}, "there already")
	var programs []struct {
		Kid, Pem string
		Jwk      jose.JSONWebKey
	}
	if d.json(&programs, "", "keys", "export"); len(programs) != 10 || programs[3].Jwk.KeyID != programs[3].Kid || !strings.Contains(programs[3].Pem, "PUBLIC KEY") {
		t.Errorf("--json has %+v", programs)
	}
}

// TestKeysExportPrivate: a private half goes to a new file of its owner's
// alone, recorded, and nowhere else.
func TestKeysExportPrivate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.serve("--issuer", someIssuer, "--algorithms", "ES256,EdDSA,RS256").stop(t)
	dir := t.TempDir()
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		k := d.key(alg, "signing")
		out := filepath.Join(dir, alg+".pem")
		r := d.run("", "keys", "export", k.Kid, "--private", "--out", out, "--yes")
		if r.code != exitOK || strings.Contains(r.out+r.err, "BEGIN") || !strings.Contains(r.err, "act=keys.export") || !strings.Contains(r.err, "kid="+k.Kid) {
			t.Fatalf("export of %s ended with %d, printed %q, logged %q", alg, r.code, r.out, r.err)
		}
		if info, err := os.Stat(out); err != nil || info.Mode() != 0o600 {
			t.Errorf("the file's mode is %v, %v", info.Mode(), err)
		}
		block, rest := pem.Decode([]byte(read(t, out)))
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil || len(rest) != 0 || thumbprintOf(t, private.(crypto.Signer).Public()) != k.Kid {
			t.Errorf("%s: not the key: %v", alg, err)
		}
		jwk := filepath.Join(dir, alg+".jwk")
		d.ok("", "keys", "export", k.Kid, "--private", "--format", "jwk", "--out", jwk, "--yes")
		var key jose.JSONWebKey
		if err := json.Unmarshal([]byte(read(t, jwk)), &key); err != nil || key.IsPublic() || key.KeyID != k.Kid || key.Algorithm != alg {
			t.Errorf("%s: jwk of %s, public %v: %v", alg, key.KeyID, key.IsPublic(), err)
		}
	}
	kid := d.key("ES256", "signing").Kid
	before := files(t, dir)
	export := func(more ...string) []string { return append([]string{"keys", "export", "--private"}, more...) }
	there := filepath.Join(dir, "ES256.pem")
	fresh := filepath.Join(dir, "fresh")
	d.fails(exitUsage, "", export(kid, "--yes"), "never written to standard output", "--out")
	d.fails(exitUsage, "", export("--out", fresh, "--yes"), "one by one")
	d.fails(exitUsage, "", export(kid, "--out", there, "--yes"), "there already")
	d.fails(exitUsage, "", export(kid, "--out", fresh), "--yes")
	d.fails(exitUsage, "", export(kid, "--out", fresh, "--yes", "--format", "jwks"), "jwks is for public keys")
	d.fails(exitNotFound, "", export("nothing", "--out", fresh, "--yes"), "nothing")
	d.ok("", "keys", "recover", "--force") // which drops the private halves
	d.fails(exitUsage, "", export(kid, "--out", fresh, "--yes"), "was dropped")
	if after := files(t, dir); len(after) != len(before) || after["ES256.pem"] != before["ES256.pem"] {
		t.Error("an export that was refused wrote something")
	}
}

func fetchSet(t *testing.T, s *running) (set jose.JSONWebKeySet) {
	t.Helper()
	resp, err := http.Get("http://" + s.logged("public") + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
