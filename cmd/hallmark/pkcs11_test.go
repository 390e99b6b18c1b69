//go:build pkcs11

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/go-jose/go-jose/v4"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage/sqlite"
)

const softHSMModule = "/usr/lib/softhsm/libsofthsm2.so"

// A vault is a SoftHSM token, and a program that keeps its keys in it.
type vault struct {
	*program
	dir    string
	device []string // the settings
}

// newVault makes a token and builds the program with PKCS#11. The settings are
// those that docs/keys.md gives.
func newVault(t *testing.T) *vault {
	t.Helper()
	if _, err := os.Stat(softHSMModule); err != nil {
		lacking(t, "SoftHSM 2 (softhsm2)", err)
	}
	v := &vault{dir: t.TempDir()}
	conf, pin := filepath.Join(v.dir, "softhsm2.conf"), filepath.Join(v.dir, "pin")
	err := errors.Join(os.Mkdir(filepath.Join(v.dir, "tokens"), 0o700), os.WriteFile(pin, []byte("1234\n"), 0o600),
		os.WriteFile(conf, []byte("directories.tokendir = "+v.dir+"/tokens\nlog.level = ERROR\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "hallmark", "--so-pin", "4321", "--pin", "1234").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	binary := filepath.Join(v.dir, "hallmark")
	if out, err := exec.Command("go", "build", "-tags", "pkcs11", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	v.program = &program{T: t, binary: binary, data: filepath.Join(v.dir, "data"), listen: "127.0.0.1:0"}
	v.device = v.documented(pin)
	v.args = v.device
	return v
}

// documented returns the flags in docs/keys.md, with a place for the PIN.
func (v *vault) documented(pin string) []string {
	v.Helper()
	text, err := os.ReadFile(filepath.Join(repo(v.T), "docs", "keys.md"))
	if err != nil {
		v.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^hallmark serve .*(--pkcs11-module .*)$`).FindSubmatch(text)
	if line == nil {
		v.Fatal("docs/keys.md has no line with --pkcs11-module")
	}
	return strings.Fields(strings.ReplaceAll(string(line[1]), "/etc/hallmark/pin", pin))
}

// inToken returns the ids of the private keys in the token, in hex.
func (v *vault) inToken() (ids []string) {
	v.Helper()
	c, err := crypto11.Configure(&crypto11.Config{Path: softHSMModule, TokenLabel: "hallmark", Pin: "1234", MaxSessions: 3})
	if err != nil {
		v.Fatal(err)
	}
	defer c.Close()
	pairs, err := c.FindAllKeyPairs()
	if err != nil {
		v.Fatal(err)
	}
	for _, pair := range pairs {
		id, err := c.GetAttribute(pair, crypto11.CkaId)
		if err != nil {
			v.Fatal(err)
		}
		ids = append(ids, fmt.Sprintf("%x", id.Value))
	}
	slices.Sort(ids)
	return ids
}

// A stored ring as whoever has the key-encryption key can read it.
type openedRing struct {
	Keys []struct {
		ID     string         `json:"kid"`
		Handle string         `json:"handle"`
		JWK    map[string]any `json:"jwk"`
	} `json:"keys"`
}

// private names the keys whose private half is in the ring.
func (r openedRing) private() (kids []string) {
	for _, k := range r.Keys {
		if k.JWK["d"] != nil {
			kids = append(kids, k.ID)
		}
	}
	return kids
}

// ids are those of the keys in the token that the ring has handles of, in hex.
func (r openedRing) ids() (ids []string) {
	for _, k := range r.Keys {
		if _, id, ok := strings.Cut(k.Handle, ";id="); ok {
			ids = append(ids, strings.ReplaceAll(id, "%", ""))
		}
	}
	slices.Sort(ids)
	return ids
}

func (v *vault) open(sealed []byte) (ring openedRing) {
	v.Helper()
	kek, err := keys.ReadKEKFile(filepath.Join(v.data, "kek"))
	if err != nil {
		v.Fatal(err)
	}
	jwe, err := jose.ParseEncryptedCompact(string(sealed), []jose.KeyAlgorithm{jose.A256GCMKW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		v.Fatal(err)
	}
	plain, err := jwe.Decrypt(kek)
	if err == nil {
		err = json.Unmarshal(plain, &ring)
	}
	if err != nil {
		v.Fatal(err)
	}
	return ring
}

// ring is the stored one.
func (v *vault) ring() openedRing {
	v.Helper()
	store, err := sqlite.Open(v.Context(), filepath.Join(v.data, "hallmark.db"), (&process{stderr: &bytes.Buffer{}}).logger(Logging{}))
	if err != nil {
		v.Fatal(err)
	}
	defer store.Close()
	sealed, _, err := store.LoadRing(v.Context())
	if err != nil {
		v.Fatal(err)
	}
	return v.open(sealed)
}

// eventually waits for what other processes do.
func (v *vault) eventually(what string, is func() bool) {
	v.Helper()
	for deadline := time.Now().Add(60 * time.Second); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.Fatalf("not in a minute: %s; the server wrote\n%s", what, v.out.String())
		}
	}
}

// signedBy verifies a token with our verifier and with go-jose, and returns its kid.
func (v *vault) signedBy(token any) string {
	v.Helper()
	raw, _ := token.(string)
	if _, err := verifier(v).Verify(v.Context(), raw); err != nil {
		v.Fatalf("our verifier: %v", err)
	}
	resp, err := http.Get(v.Issuer + "/.well-known/jwks.json")
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		v.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.RS256, jose.PS256})
	if err != nil {
		v.Fatal(err)
	}
	if _, err := jws.Verify(set); err != nil {
		v.Fatalf("go-jose: %v", err)
	}
	return jws.Signatures[0].Header.KeyID
}

func verifier(v *vault) *verify.Verifier {
	v.Helper()
	api, err := verify.New(v.Context(), v.Issuer, demoAudience)
	if err != nil {
		v.Fatal(err)
	}
	return api
}

// flags are an operator's, for the same data and token.
func (v *vault) flags(command ...string) []string {
	return append(append(command, "--data", v.data), v.device...)
}

// TestPKCS11Program: the real program makes its keys in the token and signs
// with them, after a restart too. A revoked key leaves the token, and the
// database, all of it and unsealed, never had a private half.
func TestPKCS11Program(t *testing.T) {
	v := newVault(t)
	v.args = append(v.args, "--algorithms=ES256,PS256")
	v.start()
	defer func() { v.kill() }()
	kid := v.signedBy(v.login()["access_token"])
	if ids := v.inToken(); len(ids) != 4 || !slices.Equal(ids, v.ring().ids()) {
		t.Errorf("in the token are %v, in the ring %v", ids, v.ring().ids())
	}
	v.kill()
	v.start()
	if got := v.signedBy(v.login()["access_token"]); got != kid {
		t.Errorf("after a restart %s signs, not %s", got, kid)
	}
	for _, act := range [][]string{{"keys", "revoke", kid, "--reason", "a test", "--yes"}, {"keys", "rotate", "--now"}} {
		if code, out := v.operate(v.flags(act...)...); code != 0 {
			t.Fatalf("%v ended with %d: %s", act, code, out)
		}
	}
	if ids := v.inToken(); !slices.Equal(ids, v.ring().ids()) {
		t.Errorf("after the revocation in the token are %v, in the ring %v", ids, v.ring().ids())
	}
	v.eventually("another key signs", func() bool { return v.signedBy(v.login()["access_token"]) != kid })
	for _, k := range v.ring().Keys {
		if k.ID == kid && k.Handle != "" {
			t.Errorf("the revoked key has its handle")
		}
	}
	v.kill()
	v.neverHadAny()
	// Without the device nothing can be signed, so it does not start.
	blind := exec.Command(v.binary, "serve", "--demo", "--data", v.data, "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0")
	if out, err := blind.CombinedOutput(); err == nil || !strings.Contains(string(out), "--pkcs11-module") {
		t.Errorf("without the device: %v, %s", err, out)
	}
	v.start()
}

// neverHadAny opens every ring that was ever written and is anywhere in the
// database's files.
func (v *vault) neverHadAny() {
	v.Helper()
	n := 0
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(filepath.Join(v.data, "hallmark.db"+suffix))
		if err != nil && suffix == "" {
			v.Fatal(err)
		}
		for _, sealed := range regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+`).FindAll(content, -1) {
			jwe, err := jose.ParseEncryptedCompact(string(sealed), []jose.KeyAlgorithm{jose.A256GCMKW}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil || jwe == nil || !v.opens(jwe) { // cut by a page's end
				continue
			}
			n++
			if kids := v.open(sealed).private(); len(kids) > 0 {
				v.Errorf("the database has private halves of %v", kids)
			}
		}
		if bytes.Contains(content, []byte("PRIVATE KEY")) {
			v.Error("the database has a private key in PEM")
		}
	}
	if n == 0 || v.ring().private() != nil {
		v.Errorf("%d rings were looked at, and the last one has private halves of %v", n, v.ring().private())
	}
	v.Logf("looked at %d rings", n)
}

func (v *vault) opens(jwe *jose.JSONWebEncryption) bool {
	kek, err := keys.ReadKEKFile(filepath.Join(v.data, "kek"))
	if err != nil {
		v.Fatal(err)
	}
	_, err = jwe.Decrypt(kek)
	return err == nil
}

// TestPKCS11Turnover: a store that begins with its keys in memory goes over to
// the token as they turn over, every few seconds and in two processes that share
// it; dropped private halves leave the token; and no token fails.
func TestPKCS11Turnover(t *testing.T) {
	v := newVault(t)
	v.seed()
	v.args = append(v.args, "--access-lifetime=5s")
	v.start()
	defer func() { v.kill() }()
	second := v.second()
	seen := map[string]bool{}
	began := v.ring().private()
	if len(began) == 0 {
		t.Fatal("the ring does not begin in memory")
	}
	session := v.login()
	enough := func() bool {
		session = v.refresh(session["refresh_token"])
		for _, token := range []any{session["access_token"], second()} {
			seen[v.signedBy(token)] = true
		}
		return len(seen) >= 5
	}
	v.eventually("five keys have signed", enough)
	v.eventually("no private half is in the store", func() bool { enough(); return len(v.ring().private()) == 0 })
	// Turnover goes on meanwhile, so the two are compared until nothing came between.
	v.eventually("the token has the ring's keys and no others", func() bool {
		before := v.ring().ids()
		in := v.inToken()
		return slices.Equal(before, in) && slices.Equal(before, v.ring().ids())
	})
	gone := 0
	for _, k := range v.ring().Keys {
		if seen[k.ID] && k.Handle == "" {
			gone++
		}
	}
	if gone == 0 {
		t.Errorf("of %v none was dropped", slices.Sorted(maps.Keys(seen)))
	}
}

// seed makes a ring in memory that turns over every five seconds.
func (v *vault) seed() {
	v.Helper()
	if err := os.Mkdir(v.data, 0o700); err != nil {
		v.Fatal(err)
	}
	d := &desk{T: v.T, data: v.data}
	withRotator(v.T, d, func(r *keys.Rotator) {
		if err := r.Start(v.Context()); err != nil {
			v.Fatal(err)
		}
	}, func(c *keys.RotatorConfig) {
		c.Schedule = keys.Schedule{
			Algorithms: []keys.Algorithm{keys.ES256}, RotateEvery: 5 * time.Second, PublishAhead: 4 * time.Second, KeepAfter: 70 * time.Second,
			MaxAge: time.Second, Poll: 500 * time.Millisecond, Skew: 500 * time.Millisecond,
		}
	})
}

// second starts another process on the same store and token, and returns what
// gets an access token from it.
func (v *vault) second() (sign func() any) {
	v.Helper()
	free := freeAddress(v.T)
	args := v.flags("serve", "--issuer", v.Issuer, "--listen", free, "--ops-listen=127.0.0.1:0", "--access-lifetime=5s")
	cmd := exec.Command(v.binary, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if v.Failed() {
			v.Logf("the second process wrote\n%s", out.String())
		}
	})
	other := &program{T: v.T, demo: v.demo}
	other.Issuer = "http://" + free
	v.eventually("the second process serves", func() bool {
		resp, err := http.Get(other.Issuer + "/.well-known/jwks.json")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	session := other.login()
	return func() any {
		session = other.post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fmt.Sprint(session["refresh_token"])}})
		return session["access_token"]
	}
}
