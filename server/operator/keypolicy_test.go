package operator_test

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// material is a key pair that was made elsewhere.
func material(t *testing.T, alg keys.Algorithm) []keys.Material {
	t.Helper()
	private, err := keys.GenerateKey(alg, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return []keys.Material{{Algorithm: alg, Public: private.Public(), Private: private}}
}

func TestChangeKeyPolicy(t *testing.T) {
	d := newDesk(t)
	if _, err := d.KeyPolicy(t.Context()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("no ring yet: %v", err)
	}
	d.seed(t)
	before := d.list(t)
	c, err := d.ChangeKeyPolicy(t.Context(), operator.PolicyEdit{
		Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA}, RotateEvery: 200 * time.Hour, Access: 10 * time.Minute,
	})
	if err != nil || !c.Changed || c.Version != 2 || c.CutServer || c.CutClients != nil {
		t.Fatalf("%+v, %v", c, err)
	}
	d.recorded(t, "act=keys.policy", `algorithms="[ES256 EdDSA]"`, "rotate_every=200h", "version=2")
	if s, err := d.KeyPolicy(t.Context()); err != nil || !s.Equal(c.After) || s.RotateEvery != 200*time.Hour || s.KeepAfter != c.Before.KeepAfter {
		t.Errorf("the policy is %+v, %v", s, err)
	}
	// Announced: PublishAhead before the new line signs and the old one ends.
	ahead := c.After.PublishAhead
	for name, lines := range map[keys.Algorithm][]operator.Line{keys.EdDSA: c.Added, keys.RS256: c.Removed} {
		if len(lines) != 1 || lines[0].Algorithm != name || lines[0].At.Sub(start) < ahead || lines[0].At.Sub(start) > ahead+time.Hour {
			t.Errorf("%s: %+v", name, lines)
		}
	}
	waits := line(before, keys.ES256, keys.Waiting)[0]
	if len(c.Moved) != 1 || c.Moved[0].Kid != waits || c.Moved[0].Before.Sub(c.Moved[0].SignsFrom) != 520*time.Hour {
		t.Errorf("moved %+v", c.Moved)
	}
	if c, err := d.ChangeKeyPolicy(t.Context(), operator.PolicyEdit{RotateEvery: 200 * time.Hour}); err != nil || c.Changed {
		t.Errorf("again: %+v, %v", c, err)
	}
	d.silent(t)
}

// TestChangeKeyPolicyRefuses: unsafe ones with every sum, and what clients name.
func TestChangeKeyPolicyRefuses(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	for i := range 12 {
		n := newApp(fmt.Sprintf("rsa%02d", i), storage.AuthNone)
		n.Algorithm, n.AccessLifetime = "RS256", time.Hour
		if _, _, err := d.AddClient(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	d.log.Reset()
	_, err := d.ChangeKeyPolicy(t.Context(), operator.PolicyEdit{
		Algorithms: []keys.Algorithm{keys.ES256, keys.ES256, "HS256"}, RotateEvery: time.Minute, PublishAhead: 2 * time.Minute, KeepAfter: time.Minute, RSABits: 1024,
	})
	if got := problems(err); !slices.Equal(got, []string{"rotate_every", "publish_ahead", "keep_after", "rsa_bits", "algorithms", "algorithms"}) {
		t.Errorf("%v: %v", got, err)
	}
	alone := operator.PolicyEdit{Algorithms: []keys.Algorithm{keys.ES256}}
	_, err = d.ChangeKeyPolicy(t.Context(), alone)
	if !slices.Equal(problems(err), []string{"algorithms"}) || !strings.Contains(err.Error(), "RS256 is what 12 clients") || !strings.Contains(err.Error(), "rsa09 and 2 more") {
		t.Errorf("%v", err)
	}
	d.silent(t)
	alone.Force = true
	alone.KeepAfter = 30 * time.Minute
	alone.Access = 28 * time.Minute
	c, err := d.ChangeKeyPolicy(t.Context(), alone)
	if err != nil || len(c.CutClients) != 12 || !c.CutServer {
		t.Errorf("forced: %+v, %v", c, err)
	}
	d.recorded(t, "forced=true")
}

func TestImportKeys(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	public := append(material(t, keys.ES256), material(t, keys.PS256)...)
	public[1].Kid = "theirs"
	done, err := d.ImportPublicKeys(t.Context(), public, time.Time{})
	if err != nil || len(done) != 2 || done[1].Kid != "theirs" || done[0].Private {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := d.log.String(); strings.Count(got, "act=keys.import") != 2 || !strings.Contains(got, "kid=theirs alg=PS256 private=false") {
		t.Errorf("records %q", got)
	}
	d.log.Reset()
	for _, i := range done {
		if stay := i.Gone.Sub(start); stay < 25*time.Hour || stay > 26*time.Hour {
			t.Errorf("%s stays for %v, want keep-after", i.Kid, stay)
		}
	}
	if _, err := d.ImportPublicKeys(t.Context(), append(material(t, keys.ES256), public[1]), time.Time{}); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("one that is there: %v", err)
	}
	if _, err := d.ImportPublicKeys(t.Context(), public[:1], start.Add(-time.Hour)); !slices.Equal(problems(err), []string{"key"}) {
		t.Errorf("until a time that is over: %v", err)
	}
	if _, err := d.ImportPrivateKey(t.Context(), keys.Material{Algorithm: keys.ES256, Public: public[0].Public}, false); !slices.Equal(problems(err), []string{"key"}) {
		t.Errorf("half a pair: %v", err)
	}
	for why, m := range weak() {
		m.Kid = "weak"
		if _, err := d.ImportPublicKeys(t.Context(), []keys.Material{m}, time.Time{}); !slices.Equal(problems(err), []string{"key"}) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if n := len(d.list(t)); n != 6 {
		t.Errorf("%d keys: one that was refused is there", n)
	}
	d.silent(t)

	pair := material(t, keys.ES256)[0]
	one, err := d.ImportPrivateKey(t.Context(), pair, false)
	if wait := one.SignsFrom.Sub(start); err != nil || !one.Private || wait < 25*time.Hour || wait > 26*time.Hour {
		t.Errorf("%+v, %v", one, err)
	}
	d.recorded(t, "act=keys.import", "kid="+one.Kid, "private=true", "at_once=false")
	if got := line(d.list(t), keys.ES256, keys.Waiting); !slices.Contains(got, one.Kid) {
		t.Errorf("waiting are %v", got)
	}
}

// weak are keys that a ring takes and verifiers do not: anybody can sign for them.
func weak() map[string]keys.Material {
	product := big.NewInt(1) // CVE-2017-15361: a power of 65537 modulo the product of the small primes
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), product)
	k := new(big.Int).SetBit(new(big.Int), 2047-product.BitLen()+1, 1)
	roca := &rsa.PublicKey{N: n.Add(n, k.Mul(k, product)), E: 65537}
	neutral := make(ed25519.PublicKey, ed25519.PublicKeySize)
	neutral[0] = 1
	return map[string]keys.Material{
		"ROCA": {Algorithm: keys.RS256, Public: roca}, "low-order": {Algorithm: keys.EdDSA, Public: neutral},
	}
}

// TestExportKeys: one by one, recorded, and never what is not there.
func TestExportKeys(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	kid := d.list(t)[0].ID
	if found, err := d.PublishedKeys(t.Context(), ""); err != nil || len(found) != 4 {
		t.Errorf("%d keys, %v", len(found), err)
	}
	d.silent(t)
	jwk, err := d.ExportPrivateKey(t.Context(), kid)
	if err != nil || jwk.IsPublic() || jwk.KeyID != kid {
		t.Errorf("%s, %v", jwk.KeyID, err)
	}
	d.recorded(t, "act=keys.export", "kid="+kid, "private=true")
	for _, wrong := range []string{"", "unknown"} {
		if jwk, err := d.ExportPrivateKey(t.Context(), wrong); err == nil || jwk.Key != nil {
			t.Errorf("kid %q: %v", wrong, err)
		}
	}
	if _, err := d.RecoverKeys(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	if jwk, err := d.ExportPrivateKey(t.Context(), kid); !slices.Equal(problems(err), []string{"kid"}) || jwk.Key != nil {
		t.Errorf("a dropped half: %v", err)
	}
	d.silent(t)
}
