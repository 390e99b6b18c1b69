package operator_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

func TestEditClient(t *testing.T) {
	d := newDesk(t)
	before, _, err := d.AddClient(t.Context(), newApp("web", storage.AuthBasic))
	if err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	after, err := d.EditClient(t.Context(), "web", operator.ClientEdit{Name: new("Web app")})
	if err != nil || after.Name != "Web app" || !slices.Equal(after.Audiences, []string{"api"}) {
		t.Fatalf("%+v, %v", after, err)
	}
	d.recorded(t, "act=client.edit", "client_id=web", "changed=[name]", "audiences=[api]")

	policy := after.ClientPolicy
	policy.Audiences, policy.DefaultAudiences = []string{"https://api.example.com", "https://api.example.com"}, nil
	policy.AccessLifetime, policy.Rotate, policy.Scopes = time.Minute, false, []string{"a", "a"}
	after, err = d.EditClient(t.Context(), "web", operator.ClientEdit{Policy: &policy})
	if err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=client.edit", "audiences=[https://api.example.com]",
		`changed="[access_lifetime audiences default_audiences rotate scopes]"`, `grants="[password refresh_token]"`)
	got, err := d.store.ClientByID(t.Context(), "web")
	for _, c := range []storage.Client{after, got} { // in the normal form of AddClient
		if err != nil || c.Name != "Web app" || c.Rotate || c.AccessLifetime != time.Minute || !slices.Equal(c.Scopes, []string{"a"}) ||
			!slices.Equal(c.DefaultAudiences, []string{"https://api.example.com"}) || !slices.Equal(c.Audiences, c.DefaultAudiences) {
			t.Errorf("%+v, %v", c, err)
		}
		if c.AuthMethod != before.AuthMethod || c.Number != before.Number || !slices.Equal(c.Secrets, before.Secrets) {
			t.Errorf("%+v: more has changed than was asked for", c)
		}
	}
	if len(policy.Scopes) != 2 {
		t.Error("the caller's policy was changed")
	}
}

// An edit is held to what AddClient holds a new client to.
func TestEditClientRefuses(t *testing.T) {
	tests := map[string]struct {
		method        storage.AuthMethod
		edit          func(*operator.ClientEdit)
		field, advice string
	}{
		"long name": {storage.AuthNone, func(e *operator.ClientEdit) {
			e.Name, e.Policy = new(strings.Repeat("n", 257)), nil
		}, "name", "at most 256 bytes"},
		"no password grant": {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.Grants = []string{"refresh_token"} }, "grants", "add password"},
		"no audience":       {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.Audiences = nil }, "audiences", "at least one"},
		"scope":             {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.Scopes = []string{"a b"} }, "scopes", "is no scope"},
		"default scope":     {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.DefaultScopes = []string{"a"} }, "default_scopes", "must be in scopes too"},
		"claim":             {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.Claims = []string{"sub"} }, "claims", "server's own"},
		"algorithm":         {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.Algorithm = "HS256" }, "algorithm", "has no keys here"},
		"access":            {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.AccessLifetime = 25 * time.Hour }, "access_lifetime", "keep-after"},
		"idle": {storage.AuthNone, func(e *operator.ClientEdit) {
			e.Policy.IdleLifetime, e.Policy.AbsoluteLifetime = 2*time.Hour, time.Hour
		}, "idle_lifetime", "absolute"},
		"origin":         {storage.AuthNone, func(e *operator.ClientEdit) { e.Policy.Origins = []string{"*"} }, "origins", "scheme://host"},
		"origin, secret": {storage.AuthBasic, func(e *operator.ClientEdit) { e.Policy.Origins = []string{"https://a.example"} }, "origins", "public"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			before, _, err := d.AddClient(t.Context(), newApp("app", tt.method))
			if err != nil {
				t.Fatal(err)
			}
			d.log.Reset()
			policy := before.ClientPolicy
			edit := operator.ClientEdit{Policy: &policy}
			tt.edit(&edit)
			_, err = d.EditClient(t.Context(), "app", edit)
			advised(t, err, tt.field, tt.advice)
			d.silent(t)
		})
	}
	d := newDesk(t)
	d.app(t)
	d.log.Reset()
	_, err := d.EditClient(t.Context(), "app", operator.ClientEdit{Name: new("\n"), Policy: &storage.ClientPolicy{}})
	if got := problems(err); !slices.Equal(got, []string{"name", "grants", "audiences"}) {
		t.Errorf("complains about %q: all at once", got)
	}
	if _, err := d.EditClient(t.Context(), "nobody", operator.ClientEdit{Name: new("\n")}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown client: %v", err)
	}
	d.silent(t)
	if got, err := d.Client(t.Context(), "app"); err != nil || got.Name != "" || len(got.Grants) != 2 {
		t.Errorf("half done: %+v, %v", got, err)
	}
}

// A client's name can be changed where its policy would no longer be let in,
// and where the keys are not at hand.
func TestRenameAnyClient(t *testing.T) {
	d := newDesk(t)
	d.app(t)
	if _, err := d.store.ChangeClient(t.Context(), "app", storage.ClientChange{Policy: &storage.ClientPolicy{}}); err != nil {
		t.Fatal(err)
	}
	d.Keys = nil
	if c, err := d.EditClient(t.Context(), "app", operator.ClientEdit{Name: new("App")}); err != nil || c.Name != "App" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A secret is replaced without a gap: both are good until the old one is dropped.
func TestSecretRotation(t *testing.T) {
	d := newDesk(t)
	_, first, err := d.AddClient(t.Context(), newApp("web", storage.AuthBasic))
	if err != nil {
		t.Fatal(err)
	}
	d.log.Reset()
	good := func(want ...storage.Secret) {
		t.Helper()
		c, err := d.store.ClientByID(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		var digests []storage.Digest
		for _, s := range want {
			digests = append(digests, s.Digest())
		}
		if !slices.Equal(c.Secrets, digests) {
			t.Errorf("%d secrets are good, or others than the %d wanted", len(c.Secrets), len(want))
		}
	}
	c, second, err := d.AddSecret(t.Context(), "web", false)
	if err != nil || len(c.Secrets) != 2 || len(second.Reveal()) != 43 {
		t.Fatalf("%d secrets, %v", len(c.Secrets), err)
	}
	d.recorded(t, "act=client.add_secret", "client_id=web", "replace=false", "secrets=2")
	good(first, second)

	_, none, err := d.AddSecret(t.Context(), "web", false)
	conflicted(t, err, "secrets", "two secrets are in use: drop the old one first")
	if !none.Empty() {
		t.Error("a secret that is not stored was returned")
	}
	d.silent(t)
	good(first, second)

	if c, err = d.DropOldSecrets(t.Context(), "web"); err != nil || len(c.Secrets) != 1 {
		t.Fatalf("%d secrets, %v", len(c.Secrets), err)
	}
	d.recorded(t, "act=client.drop_secrets", "client_id=web", "secrets=1")
	good(second)
	if _, err = d.DropOldSecrets(t.Context(), "web"); err != nil {
		t.Errorf("nothing to drop: %v", err)
	}
	good(second)

	_, third, err := d.AddSecret(t.Context(), "web", false)
	if err != nil {
		t.Fatal(err)
	}
	good(second, third)
	d.log.Reset()
	_, fourth, err := d.AddSecret(t.Context(), "web", true) // a leak: all others end
	if err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=client.add_secret", "replace=true", "secrets=1")
	good(fourth)
}

func TestSecretsRefused(t *testing.T) {
	d := newDesk(t)
	d.app(t)
	d.log.Reset()
	_, _, err := d.AddSecret(t.Context(), "app", false)
	advised(t, err, "auth_method", "the client is public")
	_, err = d.DropOldSecrets(t.Context(), "app")
	advised(t, err, "auth_method", "the client is public")
	_, _, addErr := d.AddSecret(t.Context(), "nobody", true)
	_, dropErr := d.DropOldSecrets(t.Context(), "nobody")
	_, findErr := d.Client(t.Context(), "nobody")
	for _, err := range []error{addErr, dropErr, findErr, d.RemoveClient(t.Context(), "nobody")} {
		if !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("unknown client: %v", err)
		}
	}
	d.silent(t)
}

func TestRemoveClient(t *testing.T) {
	d := newDesk(t)
	alice, client := d.alice(t, secret(t)), d.app(t)
	token := d.login(t, alice, client)
	d.log.Reset()
	if err := d.RemoveClient(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	d.recorded(t, "act=client.remove", "client_id=app")
	if _, err := d.Client(t.Context(), "app"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	if err := d.refresh(t, token, client); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("refresh: %v", err)
	}
}
