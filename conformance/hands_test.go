package conformance_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/conformance"
)

// What could not be watched proves nothing, and says what to give.
func TestHandsThatShowNothing(t *testing.T) {
	t.Parallel()
	for id, tc := range map[string]struct {
		mutation string
		change   func(*conformance.Target, *conformance.Options)
		want     conformance.Outcome
		part     string
	}{
		"rt-crash-consistency":     {mutation: "crash-unnoticed", want: conformance.Inconclusive, part: "quiet moment"},
		"rt-expired":               {change: func(_ *conformance.Target, o *conformance.Options) { o.MaxWait = time.Second }, want: conformance.Skipped, part: "--max-wait"},
		"rt-idle-expiry":           {change: func(t *conformance.Target, _ *conformance.Options) { t.RefreshIdle = t.RefreshLifetime }, want: conformance.Inconclusive, part: "--rt-idle"},
		"rt-lifetime-not-extended": {change: func(t *conformance.Target, _ *conformance.Options) { t.RefreshLifetime = time.Minute }, want: conformance.Inconclusive, part: "before it should"},
		"rot-old-removed":          {change: func(_ *conformance.Target, o *conformance.Options) { o.MaxWait = time.Second }, want: conformance.Skipped, part: "--max-wait"},
		"rot-never-unpublished":    {mutation: "opaque", want: conformance.NA, part: "not a signed JWT"},
		"rot-alg-switch":           {mutation: "algs-unlisted", want: conformance.NA, part: "id_token_signing_alg_values_supported"},
		"rt-race-multi-node":       {change: func(t *conformance.Target, _ *conformance.Options) { t.SecondNode = "http://127.0.0.1:1" }, want: conformance.Inconclusive, part: "no answer"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			target, o := newIssuer(t, tc.mutation).target(), conformance.Options{Only: []string{id}, MaxWait: 2 * time.Minute}
			if tc.change != nil {
				tc.change(&target, &o)
			}
			if r := run(t, target, o).Results[0]; r.Outcome != tc.want || !strings.Contains(r.Why, tc.part) {
				t.Errorf("%s %q, want %s %q", r.Outcome, r.Why, tc.want, tc.part)
			}
		})
	}
}

// A node somewhere else is not loaded either, though the issuer is on loopback.
func TestFarNode(t *testing.T) {
	t.Parallel()
	target := newIssuer(t).target()
	target.SecondNode = "https://node.example"
	if r := only(t, target, "rt-race-multi-node"); r.Outcome != conformance.Skipped || !strings.Contains(r.Why, "--i-own-this-server") {
		t.Errorf("%s %q", r.Outcome, r.Why)
	}
}

// The user has the old password again, whatever became of the run.
func TestPasswordIsChangedBack(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(interrupt func()) error{
		"the hook fails":         func(func()) error { return errors.New("exit status 1") },
		"the run is interrupted": func(interrupt func()) error { interrupt(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is := newIssuer(t)
			target, passwords := is.target(), []string{}
			change := target.Hooks.ChangePassword
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			target.Hooks.ChangePassword = func(ctx context.Context, name, password string) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				passwords = append(passwords, password)
				if err := change(ctx, name, password); err != nil || len(passwords) > 1 {
					return err
				}
				return after(interrupt)
			}
			conformance.Run(ctx, target, conformance.Options{Only: []string{"pw-password-change-revokes"}})
			if len(passwords) != 2 || passwords[1] != target.Victim.Password {
				t.Errorf("the password was changed %d times", len(passwords))
			}
		})
	}
}

// A node is spoken to in the issuer's name, and in the clear on loopback only.
func TestSecondNode(t *testing.T) {
	t.Parallel()
	target := newIssuer(t).target()
	for _, node := range []string{"http://node.example", "127.0.0.1:8080", "ftp://127.0.0.1", "https://user:pw@127.0.0.1", "https://127.0.0.1/path", "https://127.0.0.1?q"} {
		target.SecondNode = node
		if _, err := conformance.Run(t.Context(), target, conformance.Options{Only: []string{"rt-race-multi-node"}}); err == nil || !strings.Contains(err.Error(), "second node") || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", node, err)
		}
	}
}

// Rows that no request can decide, and what decides them for this server.
func TestRowsDecidedElsewhere(t *testing.T) {
	t.Parallel()
	built := conformance.Cases()
	for id, test := range map[string][2]string{
		"rot-real-verifiers": {"interop/turnover_test.go", "func TestTurnover("}, // and, for anybody's API: hallmark doctor verifier
		"rot-clock-skew":     {"../keys/sim_replica_test.go", "of the slowest clock"},
	} {
		text, err := os.ReadFile(test[0])
		if err != nil || !strings.Contains(string(text), test[1]) {
			t.Errorf("%s: %s has no %q: %v", id, test[0], test[1], err)
		}
		if slices.ContainsFunc(built, func(c conformance.Case) bool { return c.ID == id }) {
			t.Errorf("%s: there is a case", id)
		}
	}
}
