package operator_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

func TestRevokeKey(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	before := d.list(t)
	kid, next := line(before, keys.ES256, keys.Signing)[0], line(before, keys.ES256, keys.Waiting)[0]

	done, err := d.RevokeKey(t.Context(), kid, "seen in a log")
	if err != nil || done.Kid != kid || done.Signing != (operator.Signer{Algorithm: keys.ES256, Kid: next}) || !done.Promoted || done.Fresh {
		t.Fatalf("revoke: %+v, %v", done, err)
	}
	bounds := keys.DefaultSchedule().Emergency()
	if done.AcceptedFor != bounds[0].AcceptedFor || done.AcceptedFor != 10*time.Minute+5*time.Second || !slices.Equal(done.Bounds, bounds) {
		t.Errorf("bounds %v, %+v", done.AcceptedFor, done.Bounds)
	}
	d.recorded(t, "act=keys.revoke", "kid="+kid, `why="seen in a log"`)
	list := d.list(t)
	if !slices.Equal(line(list, keys.ES256, keys.Revoked), []string{kid}) || !slices.Equal(line(list, keys.ES256, keys.Signing), []string{next}) {
		t.Errorf("after revoking %s, with %s waiting: %v", kid, next, list)
	}
	if done, err := d.RevokeKey(t.Context(), kid, ""); err != nil || done.Promoted || done.Signing.Kid != next {
		t.Errorf("revoked again: %+v, %v", done, err)
	}
	// One that waits; then nobody waits, and the next signer is made for it.
	waits := line(d.list(t), keys.ES256, keys.Waiting)[0]
	if done, err := d.RevokeKey(t.Context(), waits, ""); err != nil || done.Promoted || done.Signing.Kid != next {
		t.Errorf("one that waits: %+v, %v", done, err)
	}
	d.log.Reset()
	if _, err := d.RevokeKey(t.Context(), "unknown", ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown kid: %v", err)
	}
	if _, err := d.RevokeKey(t.Context(), kid, strings.Repeat("x", 201)); !slices.Equal(problems(err), []string{"reason"}) {
		t.Errorf("a long reason: %v", err)
	}
	if _, err := d.RevokeAllKeys(t.Context(), "two\nlines"); !slices.Equal(problems(err), []string{"reason"}) {
		t.Errorf("a reason of two lines: %v", err)
	}
	d.silent(t)
}

func TestRevokeAllKeys(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	before := d.list(t)
	done, err := d.RevokeAllKeys(t.Context(), "the host was stolen")
	if err != nil || len(done.Revoked) != 4 || len(done.Signing) != 2 || done.Version != 2 {
		t.Fatalf("revoke all: %+v, %v", done, err)
	}
	d.recorded(t, "act=keys.revoke_all", `why="the host was stolen"`, "version=2", done.Revoked[3])
	list := d.list(t)
	for i, alg := range []keys.Algorithm{keys.ES256, keys.RS256} {
		signs := line(list, alg, keys.Signing)
		if len(line(list, alg, keys.Revoked)) != 2 || len(line(list, alg, keys.Waiting)) != 1 || done.Signing[i] != (operator.Signer{Algorithm: alg, Kid: signs[0]}) {
			t.Errorf("%s: %v", alg, list)
		}
		if slices.Contains(line(before, alg, keys.Waiting), signs[0]) {
			t.Error("a key that may have leaked signs")
		}
	}
}

// TestKeysDryRun: every act comes to what it would, and neither stores nor
// records anything.
func TestKeysDryRun(t *testing.T) {
	d := newDesk(t)
	d.seed(t)
	before := d.list(t)
	sealed, version, err := d.store.LoadRing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dry := d.DryRun()
	kid, waits := line(before, keys.ES256, keys.Signing)[0], line(before, keys.ES256, keys.Waiting)[0]
	if done, err := dry.RotateKeys(t.Context(), keys.ES256, true); err != nil || done[0].Next != waits || done[0].Unannounced < 24*time.Hour {
		t.Errorf("rotate: %+v, %v", done, err)
	}
	if done, err := dry.RevokeKey(t.Context(), kid, ""); err != nil || done.Signing.Kid != waits || !done.Promoted {
		t.Errorf("revoke: %+v, %v", done, err)
	}
	if done, err := dry.RevokeAllKeys(t.Context(), ""); err != nil || len(done.Revoked) != 4 || done.Version != 0 {
		t.Errorf("revoke all: %+v, %v", done, err)
	}
	if done, err := dry.RecoverKeys(t.Context(), true); err != nil || len(done.Kept) != 4 || done.Version != 0 {
		t.Errorf("recover: %+v, %v", done, err)
	}
	if done, err := dry.ChangeKeyPolicy(t.Context(), operator.PolicyEdit{Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA}}); err != nil || len(done.Added) != 1 || done.Version != 0 {
		t.Errorf("policy: %+v, %v", done, err)
	}
	if done, err := dry.ImportPublicKeys(t.Context(), material(t, keys.ES256), time.Time{}); err != nil || done[0].Kid == "" {
		t.Errorf("import: %+v, %v", done, err)
	}
	if done, err := dry.ImportPrivateKey(t.Context(), material(t, keys.ES256)[0], true); err != nil || done.SignsFrom.IsZero() {
		t.Errorf("import a pair: %+v, %v", done, err)
	}
	if _, err := dry.RevokeKey(t.Context(), "unknown", ""); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown kid: %v", err)
	}
	if after, v, err := d.store.LoadRing(t.Context()); err != nil || v != version || !slices.Equal(after, sealed) {
		t.Errorf("something was stored: version %d after %d, %v", v, version, err)
	}
	d.silent(t)
}
