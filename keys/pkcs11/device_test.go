//go:build pkcs11

package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/storage"
)

// modules are where distributions have SoftHSM.
var modules = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"}

// softHSM makes a token in a directory of the test's own.
func softHSM(t *testing.T) (cfg Config, dir string) {
	t.Helper()
	for _, path := range modules {
		if _, err := os.Stat(path); err == nil {
			cfg.Module = path
			break
		}
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil || cfg.Module == "" {
		if os.Getenv("HALLMARK_REQUIRE_PEERS") != "" {
			t.Fatalf("required and not here: SoftHSM 2 (softhsm2): %v", err)
		}
		t.Skip("not here: SoftHSM 2 (softhsm2)")
	}
	dir = t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "tokens"), 0o700), os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nlog.level = ERROR\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "hall mark", "--so-pin", "4321", "--pin", "1234").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cfg.Token, cfg.PIN = "hall mark", func() (storage.Secret, error) { return storage.NewSecret("1234"), nil }
	return cfg, dir
}

func device(t *testing.T, cfg Config) *Device {
	t.Helper()
	d := New(cfg)
	t.Cleanup(func() { d.Close() })
	return d
}

func made(t *testing.T, d *Device, a keys.Algorithm) keys.External {
	t.Helper()
	k, err := d.Generate(a, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k.(keys.External)
}

// check signs with a key and verifies.
func check(t *testing.T, a keys.Algorithm, k crypto.Signer) {
	t.Helper()
	sum256, sum384 := sha256.Sum256([]byte("x")), sha512.Sum384([]byte("x"))
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	digest, opts := sum256[:], crypto.SignerOpts(crypto.SHA256)
	switch a {
	case keys.ES384:
		digest, opts = sum384[:], crypto.SHA384
	case keys.PS256:
		opts = pss
	}
	signature, err := k.Sign(rand.Reader, digest, opts)
	good := false
	switch public := k.Public().(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(public, digest, signature)
	case *rsa.PublicKey:
		if a == keys.PS256 {
			good = rsa.VerifyPSS(public, crypto.SHA256, digest, signature, pss) == nil
		} else {
			good = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
		}
	}
	if err != nil || !good {
		t.Errorf("%s: signed %v, verified %v", a, err, good)
	}
}

// TestPKCS11Keys: keys of each algorithm are made in the token, are found again
// by their handle, stay inside, and go when they are told to.
func TestPKCS11Keys(t *testing.T) {
	cfg, _ := softHSM(t)
	d := device(t, cfg)
	for _, a := range []keys.Algorithm{keys.ES256, keys.ES384, keys.RS256, keys.PS256} {
		k := made(t, d, a)
		check(t, a, k)
		found, err := d.Open(k.Handle)
		if err != nil {
			t.Fatal(err)
		}
		check(t, a, found)
		type equal interface{ Equal(crypto.PublicKey) bool }
		if !found.Public().(equal).Equal(k.Public()) {
			t.Errorf("%s: another key was found", a)
		}
		if strings.Contains(k.Handle, "1234") || !strings.HasPrefix(k.Handle, "pkcs11:token=hall%20mark;") {
			t.Errorf("handle %s", k.Handle)
		}
		stays(t, d, k)
		for range 2 {
			if err := d.Destroy(k.Handle); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
		if _, err := d.Open(k.Handle); err == nil || !strings.Contains(err.Error(), "no such key pair") {
			t.Errorf("%s is there yet: %v", a, err)
		}
		if _, err := k.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err == nil {
			t.Errorf("%s signs after its end", a)
		}
	}
	if _, err := d.Generate(keys.EdDSA, 0); err == nil || !strings.Contains(err.Error(), "EdDSA: no such keys are made") {
		t.Errorf("EdDSA: %v", err)
	}
	other := formatHandle("other", newID())
	if _, err := d.Open(other); err == nil || d.Destroy(other) == nil {
		t.Error("a key of another token")
	}
}

// stays asks for what must not leave the token.
func stays(t *testing.T, d *Device, k keys.External) {
	t.Helper()
	id, err := parseHandle(k.Handle, d.cfg.Token)
	if err != nil {
		t.Fatal(err)
	}
	private, err := find(d.conn, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []crypto11.AttributeType{crypto11.CkaValue, crypto11.CkaPrivateExponent, crypto11.CkaPrime1} {
		if is, err := d.conn.GetAttributes(private, []crypto11.AttributeType{a}); err == nil && is[a] != nil && len(is[a].Value) > 0 {
			t.Errorf("the token gave out attribute %x", a)
		}
	}
	if err := confined(d.conn, private); err != nil {
		t.Error(err)
	}
}

// TestPKCS11Confined: a key that could leave the token is not used, and not left there.
func TestPKCS11Confined(t *testing.T) {
	cfg, _ := softHSM(t)
	d := device(t, cfg)
	made(t, d, keys.ES256)
	public, private, err := templates(newID(), "loose")
	if err != nil {
		t.Fatal(err)
	}
	if err := private.Set(crypto11.CkaExtractable, true); err != nil {
		t.Fatal(err)
	}
	loose, err := d.conn.GenerateRSAKeyPairWithAttributes(public, private, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if err := confined(d.conn, loose); err == nil || !strings.Contains(err.Error(), "would give") {
		t.Errorf("%v", err)
	}
}

// TestPKCS11Together: many sign at once, with fewer places in the token.
func TestPKCS11Together(t *testing.T) {
	cfg, _ := softHSM(t)
	k := made(t, device(t, cfg), keys.ES256)
	var wg sync.WaitGroup
	for range 3 * maxOperations {
		wg.Go(func() { check(t, keys.ES256, k) })
	}
	wg.Wait()
}

// TestPKCS11Away: a token that was away is used again when it is back, by keys
// that were open before, without a restart.
func TestPKCS11Away(t *testing.T) {
	cfg, dir := softHSM(t)
	d := device(t, cfg)
	k := made(t, d, keys.ES256)
	check(t, keys.ES256, k)
	here, away := filepath.Join(dir, "tokens"), filepath.Join(dir, "away")
	if err := errors.Join(os.Rename(here, away), os.Mkdir(here, 0o700)); err != nil {
		t.Fatal(err)
	}
	loseSessions(t, cfg.Module)
	for range 3 {
		if _, err := k.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err == nil {
			t.Fatal("it signs without the token")
		}
	}
	if _, err := d.Generate(keys.ES256, 0); err == nil {
		t.Fatal("a key was made without the token")
	}
	if err := errors.Join(os.Remove(here), os.Rename(away, here)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(pause)
	check(t, keys.ES256, k)
}

// loseSessions makes the module forget its sessions and its login, as after a
// reset of the device.
func loseSessions(t *testing.T, module string) {
	t.Helper()
	ctx := pkcs11.New(module) // the same module in this process
	defer ctx.Destroy()
	slots, err := ctx.GetSlotList(true)
	if err != nil || len(slots) == 0 {
		t.Fatal(slots, err)
	}
	for _, slot := range slots {
		_ = ctx.CloseAllSessions(slot) // one slot has the token
	}
}

// TestPKCS11SessionsLost: a new connection is made in the midst of signing.
func TestPKCS11SessionsLost(t *testing.T) {
	cfg, _ := softHSM(t)
	d := device(t, cfg)
	k := made(t, d, keys.ES256)
	for range 2 {
		time.Sleep(pause)
		loseSessions(t, cfg.Module)
		check(t, keys.ES256, k)
	}
	time.Sleep(pause)
	loseSessions(t, cfg.Module)
	if err := d.Destroy(k.Handle); err != nil {
		t.Error(err)
	}
	time.Sleep(pause)
	if _, err := d.Open(k.Handle); !errors.Is(err, errAbsent) {
		t.Errorf("who was not logged in took it for removed: %v", err)
	}
}

// TestPKCS11WrongPIN: a wrong PIN is tried once, since a token locks after a few.
func TestPKCS11WrongPIN(t *testing.T) {
	cfg, _ := softHSM(t)
	asked := 0
	cfg.PIN = func() (storage.Secret, error) { asked++; return storage.NewSecret("9999"), nil }
	d := device(t, cfg)
	for range 3 {
		_, err := d.Generate(keys.ES256, 0)
		if err == nil || !strings.Contains(err.Error(), "PIN_INCORRECT") || strings.Contains(err.Error(), "9999") {
			t.Errorf("%v", err)
		}
		d.since = time.Time{}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestPKCS11Nowhere: what is not there is said by name, and asked for again.
func TestPKCS11Nowhere(t *testing.T) {
	cfg, dir := softHSM(t)
	for want, change := range map[string]func(*Config){
		"failed to open module": func(c *Config) { c.Module = filepath.Join(dir, "none.so") },
		`the token "none"`:      func(c *Config) { c.Token = "none" },
		"no such file": func(c *Config) {
			c.PIN = func() (storage.Secret, error) { return keys.ReadPINFile(filepath.Join(dir, "none")) }
		},
	} {
		c := cfg
		change(&c)
		if _, err := device(t, c).Generate(keys.ES256, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// TestPKCS11Hangs: a module that does not come back keeps nobody waiting for
// long, and no more than a few threads; a panic is an error.
func TestPKCS11Hangs(t *testing.T) {
	cfg, _ := softHSM(t)
	d := device(t, cfg)
	k := made(t, d, keys.ES256)
	over := make(chan bool)
	hang := func(*crypto11.Context) error { <-over; return nil }
	for i := range maxOperations + 3 {
		want := "did not answer"
		if i >= maxOperations {
			want = "busy"
		}
		if err := d.use(time.Millisecond, hang); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", i, err)
		}
	}
	close(over)
	check(t, keys.ES256, k)
	if err := d.use(signTime, func(*crypto11.Context) error { panic("boom") }); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("%v", err)
	}
	check(t, keys.ES256, k)
}

// TestPKCS11Late: a key that is made when nobody waits for it any more does not stay.
func TestPKCS11Late(t *testing.T) {
	cfg, _ := softHSM(t)
	d := device(t, cfg)
	made(t, d, keys.ES256)
	count := func() int {
		pairs, err := d.conn.FindAllKeyPairs()
		if err != nil {
			t.Fatal(err)
		}
		return len(pairs)
	}
	id := newID()
	slow := func(c *crypto11.Context, id []byte, bits int) (crypto11.Signer, error) {
		time.Sleep(50 * time.Millisecond)
		return generators()[keys.ES256](c, id, bits)
	}
	if _, err := d.generate(slow, id, 0, time.Millisecond); err == nil {
		t.Error("it waited")
	}
	for range maxOperations { // until it is over
		d.places <- struct{}{}
	}
	for range maxOperations {
		<-d.places
	}
	if n := count(); n != 1 {
		t.Errorf("%d key pairs are in the token", n)
	}
	broken := func(c *crypto11.Context, id []byte, bits int) (crypto11.Signer, error) {
		return nil, fmt.Errorf("no %x", bytes.Repeat(id, 0))
	}
	if _, err := d.generate(broken, id, 0, signTime); err == nil || count() != 1 {
		t.Error("a key of no use stays")
	}
}
