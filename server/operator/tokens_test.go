package operator_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

// someToken has a token's form; its bytes are all zero.
var someToken = "hmo_" + strings.Repeat("A", 43)

// The life of a token: made, used, expired, removed.
func TestToken(t *testing.T) {
	d := newDesk(t)
	clock := start
	d.Now = func() time.Time { return clock }
	made, secret, err := d.AddToken(t.Context(), "ci", []string{"users", "read", "users"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=token.add", "name=ci", `scopes="[users read]"`, "expires_at=2026-11-23T10:00:00")
	text := secret.Reveal()
	if len(text) != 47 || !strings.HasPrefix(text, "hmo_") || strings.Trim(text[4:], base64URL) != "" {
		t.Errorf("a token of %d characters, or of others than base64url's", len(text))
	}

	got, err := d.Authenticate(t.Context(), text)
	if err != nil || got.Name != "ci" || !slices.Equal(got.Scopes, []string{"users", "read"}) {
		t.Errorf("%+v, %v", got, err)
	}
	at := start.Truncate(time.Microsecond)
	if !got.CreatedAt.Equal(at) || !got.ExpiresAt.Equal(at.Add(time.Hour)) || got.Digest != secret.Digest() || made.Digest != got.Digest {
		t.Errorf("stored %+v, returned %+v", got, made)
	}
	clock = at.Add(time.Hour - time.Microsecond)
	if _, err := d.Authenticate(t.Context(), text); err != nil {
		t.Errorf("at the end of its life: %v", err)
	}
	clock = at.Add(time.Hour)
	if _, err := d.Authenticate(t.Context(), text); !errors.Is(err, operator.ErrToken) || !strings.Contains(err.Error(), `"ci" expired at 2026-11-23T10:00:00Z`) {
		t.Errorf("expired: %v", err)
	}
	if list, err := d.ListTokens(t.Context()); err != nil || len(list) != 1 || list[0].Name != "ci" {
		t.Errorf("listed %+v, %v", list, err)
	}

	clock = start
	d.silent(t)
	if err := d.RemoveToken(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=token.remove", "name=ci")
	if _, err := d.Authenticate(t.Context(), text); !errors.Is(err, operator.ErrToken) || strings.Contains(err.Error(), text) {
		t.Errorf("removed: %v", err)
	}
	if err := d.RemoveToken(t.Context(), "ci"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	d.silent(t)
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestAddTokenRefuses(t *testing.T) {
	const hour = time.Hour
	read := []string{"read"}
	tests := map[string]struct {
		name          string
		scopes        []string
		lifetime      time.Duration
		field, advice string // empty: it is made
	}{
		"good":                {"ci", operator.Scopes(), hour, "", ""},
		"name of 64":          {strings.Repeat("n", 64), read, hour, "", ""},
		"name of 65":          {strings.Repeat("n", 65), read, hour, "name", "1 to 64 visible"},
		"no name":             {"", read, hour, "name", "visible"},
		"name with a space":   {"a b", read, hour, "name", "visible"},
		"name with a break":   {"a\n", read, hour, "name", "visible"},
		"name not ASCII":      {"é", read, hour, "name", "visible"},
		"no scope":            {"ci", nil, hour, "scopes", "at least one, and none but read, users, clients, sessions, keys"},
		"empty scope":         {"ci", []string{""}, hour, "scopes", `""`},
		"unknown scope":       {"ci", []string{"read", "root"}, hour, "scopes", `"root"`},
		"scope in capitals":   {"ci", []string{"Read"}, hour, "scopes", "none but read"},
		"no lifetime":         {"ci", read, 0, "lifetime", "at least one"},
		"negative lifetime":   {"ci", read, -hour, "lifetime", "at least one"},
		"under a second":      {"ci", read, time.Second - 1, "lifetime", "whole seconds"},
		"a second":            {"ci", read, time.Second, "", ""},
		"a second and a half": {"ci", read, 1500 * time.Millisecond, "lifetime", "whole seconds"},
		"ten years":           {"ci", read, 87600 * hour, "", ""},
		"more than that":      {"ci", read, 87600*hour + time.Second, "lifetime", "ten years"},
		"as long as can be":   {"ci", read, 1<<63 - 1, "lifetime", "ten years"},
		"name with a hyphen":  {"deploy-1/x", read, hour, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			_, secret, err := d.AddToken(t.Context(), tt.name, tt.scopes, tt.lifetime)
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				_, err = d.Authenticate(t.Context(), secret.Reveal())
				if err != nil {
					t.Errorf("not good: %v", err)
				}
				return
			}
			advised(t, err, tt.field, tt.advice)
			d.silent(t)
			if list, _ := d.ListTokens(t.Context()); len(list) > 0 || !secret.Empty() {
				t.Error("a refused token was made")
			}
		})
	}
	d := newDesk(t)
	_, _, err := d.AddToken(t.Context(), "", nil, 0)
	if got := problems(err); !slices.Equal(got, []string{"name", "scopes", "lifetime"}) {
		t.Errorf("complains about %q: all at once", got)
	}
	if _, _, err := d.AddToken(t.Context(), "ci", read, hour); err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	_, _, err = d.AddToken(t.Context(), "ci", read, hour)
	conflicted(t, err, "name", "choose another name")
	d.silent(t)
}

// What is not byte for byte a token is not looked up: on a closed store, a
// look-up would be told by its error.
func TestMalformedTokens(t *testing.T) {
	d := newDesk(t)
	d.store.Close()
	for name, presented := range map[string]string{
		"nothing":         "",
		"prefix":          "hmo_",
		"no prefix":       someToken[4:],
		"other prefix":    "hmr_" + someToken[4:],
		"capitals":        "HMO_" + someToken[4:],
		"space in front":  " " + someToken,
		"break at end":    someToken + "\n",
		"break inside":    someToken[:20] + "\n" + someToken[21:],
		"short":           someToken[:46],
		"long":            someToken + "A",
		"padding":         someToken + "=",
		"padding inside":  someToken[:46] + "=",
		"other alphabet":  someToken[:46] + "+",
		"unused bits set": someToken[:46] + "B",
		"huge":            "hmo_" + strings.Repeat("A", 1<<20),
	} {
		_, err := d.Authenticate(t.Context(), presented)
		if !errors.Is(err, operator.ErrToken) || !strings.Contains(err.Error(), "malformed") || len(err.Error()) > 100 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only what has the one form that is written gets as far as the store, which
// knows none of them.
func FuzzAuthenticate(f *testing.F) {
	f.Add(someToken)
	f.Add(someToken[:46] + "B")
	f.Add("hmo_" + strings.Repeat("_-", 21) + "8")
	f.Add(someToken[:20] + "\r" + someToken[21:])
	f.Add("Bearer " + someToken)
	f.Add("")
	d := newDesk(f)
	f.Fuzz(func(t *testing.T, presented string) {
		_, err := d.Authenticate(t.Context(), presented)
		if !errors.Is(err, operator.ErrToken) {
			t.Fatalf("%v", err)
		}
		enc, prefixed := strings.CutPrefix(presented, "hmo_")
		b, bad := base64.RawURLEncoding.Strict().DecodeString(enc)
		form := prefixed && bad == nil && len(b) == 32 && len(enc) == 43
		if form != strings.HasSuffix(err.Error(), "unknown") || form == strings.HasSuffix(err.Error(), "malformed") {
			t.Fatalf("%q: %v", presented, err)
		}
		if len(presented) > 8 && strings.Contains(err.Error(), presented) {
			t.Fatalf("the error tells what was presented: %v", err)
		}
	})
}

func TestScopes(t *testing.T) {
	operator.Scopes()[0] = "root" // a caller's own copy
	if got := operator.Scopes(); !slices.Equal(got, []string{"read", "users", "clients", "sessions", "keys", "audit"}) {
		t.Errorf("scopes %q", got)
	}
}
