package main

import (
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
)

// TestDeviceSettings: half a device is refused, and all of it where this build
// has none, by serve and by operators' commands alike; the PIN is in a private
// file or nowhere.
func TestDeviceSettings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin := filepath.Join(d.data, "pin")
	if err := os.WriteFile(pin, []byte("1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := []string{"--pkcs11-module=/none.so", "--pkcs11-token=hallmark", "--pkcs11-pin-file=" + pin}
	for i, part := range []string{"pkcs11-module", "pkcs11-token", "pkcs11-pin-file"} {
		d.fails(exitUsage, "", safe(whole[i]), "--"+part+" without --pkcs11-", "give all three, or none")
	}
	says := func(want string, args ...string) {
		t.Helper()
		if r := d.run("", safe(args...)...); r.code != exitUsage && r.code != exitUnusable || !strings.Contains(r.err, want) {
			t.Errorf("want %q, got %+v", want, r)
		}
	}
	says("--seen-file and --pkcs11-pin-file are one file", append(whole, "--seen-file="+pin)...)
	if err := os.Chmod(pin, 0o644); err != nil {
		t.Fatal(err)
	}
	says("--pkcs11-pin-file: PIN: others can use", whole...)
	if err := os.Chmod(pin, 0o600); err != nil {
		t.Fatal(err)
	}
	d.env["HALLMARK_PKCS11_PIN"] = "1234"
	d.fails(exitUsage, "", safe(), "HALLMARK_PKCS11_PIN is not a setting", "HALLMARK_PKCS11_PIN_FILE")
	delete(d.env, "HALLMARK_PKCS11_PIN")
	if hasPKCS11 {
		d.ok("", safe(whole...)...) // the module is not opened before it is needed
		return
	}
	d.fails(exitUsage, "", safe(whole...), "this build has no PKCS#11", "-tags pkcs11")
	startedOnce(t, d)
	d.fails(exitUsage, "", append([]string{"keys", "rotate"}, whole...), "this build has no PKCS#11", "-tags pkcs11")
	d.fails(exitUsage, "", []string{"keys", "rotate", whole[0]}, "give all three, or none")
	d.ok("", "keys", "rotate", "--pkcs11-retire")
}

// startedOnce makes the keys of a store as a server's first start does.
func startedOnce(t *testing.T, d *desk) {
	t.Helper()
	withRotator(t, d, func(r *keys.Rotator) {
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// withRotator opens the keys in a desk's data.
func withRotator(t *testing.T, d *desk, act func(*keys.Rotator), change ...func(*keys.RotatorConfig)) {
	t.Helper()
	p := &process{getenv: func(string) string { return "" }}
	o, err := p.openStore(t.Context(), filepath.Join(d.data, "hallmark.db"), 1, p.logger(Logging{LogLevel: "error"}))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	cfg := keys.RotatorConfig{Schedule: keys.DefaultSchedule()}
	for _, c := range change {
		c(&cfg)
	}
	if err := o.openKeys(t.Context(), p, Place{Data: d.data}, cfg); err != nil {
		t.Fatal(err)
	}
	act(o.keys)
}

// TestKeysElsewhere: where private halves are in a device, a server that was
// told of none does not start, operators make no keys in the store, and
// --pkcs11-retire is how to go on without the device.
func TestKeysElsewhere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	halves := map[string]crypto.Signer{}
	elsewhere := func(c *keys.RotatorConfig) {
		c.Generate = func(a keys.Algorithm, bits int) (crypto.Signer, error) {
			key, err := keys.GenerateKey(a, bits)
			handle := "elsewhere:" + string(rune('a'+len(halves)))
			halves[handle] = key
			return keys.External{Signer: key, Handle: handle}, err
		}
		c.Open = func(handle string) (crypto.Signer, error) { return halves[handle], nil }
	}
	withRotator(t, d, func(r *keys.Rotator) {
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}, elsewhere)
	serve := []string{"serve", "--issuer", someIssuer, "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--log-level=error"}
	r := d.run("", serve...)
	r.check(t, exitUnusable, serve, "PKCS#11 token", "--pkcs11-module", "--pkcs11-retire")
	d.ok("", "keys", "list")
	kid := signingKey(t, d)
	d.fails(exitUsage, "", []string{"keys", "export", kid, "--private", "--yes", "--out", filepath.Join(d.data, "out")}, "kept outside")
	// A leaked key is revoked from here all the same; the next one has to wait for a server.
	d.fails(exitUnusable, "", []string{"keys", "revoke", kid, "--reason", "a trial", "--yes"}, "the key ring is stored", "--pkcs11-module")
	if now := signingKey(t, d); now == kid {
		t.Error("the revoked key signs")
	}
	d.fails(exitUnusable, "", []string{"keys", "recover", "--force"}, "this process was not told where", "--pkcs11-retire")
	d.ok("", "keys", "recover", "--force", "--pkcs11-retire")
	withRotator(t, d, func(r *keys.Rotator) {
		ring, _, err := r.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ring.Signer("", keys.Instant{Wall: time.Now()}); !ok {
			t.Error("nobody signs")
		}
		for _, k := range ring.Keys() {
			if k.External() {
				t.Errorf("%s is elsewhere yet", k)
			}
		}
	})
}

// signingKey is the kid of the default line's signer.
func signingKey(t *testing.T, d *desk) (kid string) {
	t.Helper()
	withRotator(t, d, func(r *keys.Rotator) {
		ring, now, err := r.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		k, _ := ring.Signer("", now)
		kid = k.ID
	})
	return kid
}
