package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/storage"
)

const (
	demoUser     = "demo"
	demoAudience = "urn:example:demo-api" // RFC 6963; the same whatever port is listened on
	demoPath     = "/demo/me"
	demoScope    = "read"
)

// A demo is what serve --demo adds to a server: a user, a public client and an
// API, and demo.json, which remembers the credentials for the next start and
// for scripts.
type demo struct {
	Issuer    string `json:"issuer"`
	Operators string `json:"operators"` // URL of the operators' listener
	ClientID  string `json:"client_id"`
	Username  string `json:"username"`
	Password  string `json:"password"`

	path string
	dead string // why the credentials sign nobody in; empty: they do
}

// refuse keeps a demo, with its printed password, away from a store that
// people use.
func (d *demo) refuse(ctx context.Context, users operator.UserList) error {
	found, err := users.Users(ctx, "", 2)
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	_, err = os.Stat(d.path)
	remembered := err == nil
	for _, u := range found {
		switch {
		case u.Name != d.Username:
			return fail(exitConflict, "--demo: the store has another user than the demo's (%q), and a demo prints a password: start without --demo, or with another --data", u.Name)
		case !remembered:
			return fail(exitConflict, "--demo: the store has a user, and %s, which remembers the demo's password, is gone: restore it, or start with another --data", d.path)
		}
	}
	return nil
}

// prepare makes what is missing. The file comes first: a start that was
// interrupted here is finished by the next one, and two at once agree on it.
func (d *demo) prepare(ctx context.Context, o *operator.Operator) error {
	if err := d.keep(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	_, _, err := o.AddClient(ctx, operator.NewClient{
		ID: d.ClientID, Name: "Demo", AuthMethod: storage.AuthNone, ClientPolicy: d.policy(),
	})
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		return fmt.Errorf("demo: %w", err)
	}
	_, err = o.User(ctx, d.Username)
	if errors.Is(err, storage.ErrNotFound) {
		_, err = o.AddUser(ctx, operator.NewUser{
			Name: d.Username, Password: storage.NewSecret(d.Password),
			Claims: storage.UserClaims{Roles: []string{"demonstrator"}},
		})
	}
	if err != nil && !errors.Is(err, storage.ErrConflict) { // another process was faster
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// policy is what the demo's client may do: call the demo API, and look after
// its user's account.
func (d *demo) policy() storage.ClientPolicy {
	return storage.ClientPolicy{
		Grants: []string{storage.GrantPassword, storage.GrantRefreshToken},
		Scopes: []string{"read", "write", "sessions"}, DefaultScopes: []string{"read", "write"},
		Audiences: []string{demoAudience, d.Issuer}, DefaultAudiences: []string{demoAudience}, Claims: []string{"roles"},
		RetryWindow: storage.DefaultRetryWindow, Rotate: true,
	}
}

// follow lets the client of a demo that listens on another port now look after
// accounts there.
func (d *demo) follow(ctx context.Context, o *office) error {
	client, err := o.store.ClientByID(ctx, d.ClientID)
	if err == nil && !slices.Contains(client.Audiences, d.Issuer) {
		policy := d.policy()
		_, err = o.store.ChangeClient(ctx, d.ClientID, storage.ClientChange{Policy: &policy})
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// try finds out whether the credentials still sign in: operators may have
// changed what the file remembers.
func (d *demo) try(ctx context.Context, o *office) error {
	user, err := o.User(ctx, d.Username)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	result, err := o.pool.Verify(ctx, user.PasswordHash, storage.NewSecret(d.Password), nil)
	switch {
	case err != nil:
		return fmt.Errorf("demo: %w", err)
	case user.Disabled:
		d.dead = fmt.Sprintf("The user %[1]s of %[2]s is disabled: let it sign in again with user enable %[1]s", d.Username, d.path)
	case !result.Match:
		d.dead = fmt.Sprintf("The password of the user %s was changed, and %s does not hold the new one: sign in with that", d.Username, d.path)
	}
	return nil
}

// prepareDemo makes the demo's user and client.
func (g *instance) prepareDemo(ctx context.Context) error {
	if g.demo == nil {
		return nil
	}
	g.demo.Issuer, g.demo.Operators = g.cfg.Issuer, g.ops.url()
	if err := g.demo.prepare(ctx, &g.Operator); err != nil {
		return err
	}
	if err := g.demo.follow(ctx, g.office); err != nil {
		return err
	}
	return g.demo.try(ctx, g.office)
}

// apiURL is where the demo API is found: beside the issuer, below its host.
func (d *demo) apiURL() string {
	u, err := url.Parse(d.Issuer)
	if err != nil {
		return d.Issuer + demoPath
	}
	return u.Scheme + "://" + u.Host + demoPath
}

// print shows what to paste.
func (d *demo) print(w io.Writer) error {
	if d.dead != "" {
		_, err := fmt.Fprintf(w, "Hallmark demo, issuer %s\n\n%s, or start a new demo with another --data.\n", d.Issuer, d.dead)
		return err
	}
	_, err := fmt.Fprintf(w, `Hallmark demo, issuer %[1]s

Get tokens:
  TOKENS=$(curl -s %[1]s/oauth2/token -d client_id=%[2]s -d grant_type=password -d username=%[3]s -d password=%[4]s); echo "$TOKENS"
  ACCESS=$(echo "$TOKENS" | sed 's/.*"access_token":"\([^"]*\)".*/\1/') REFRESH=$(echo "$TOKENS" | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/')

Call the demo API, which verifies the token by itself:
  curl -s %[5]s -H "Authorization: Bearer $ACCESS"

Refresh:
  curl -s %[1]s/oauth2/token -d client_id=%[2]s -d grant_type=refresh_token -d refresh_token=$REFRESH

Verify, check by check:
  %[6]s verify --issuer %[1]s --audience %[7]s $ACCESS

The same credentials are in %[8]s.
`, d.Issuer, d.ClientID, d.Username, d.Password, d.apiURL(), ownName(), demoAudience, d.path)
	return err
}

// ownName is how to call this program from the shell it was started in.
func ownName() string {
	path, err := os.Executable()
	if err != nil || strings.Contains(path, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/hallmark"
	}
	if found, err := exec.LookPath("hallmark"); err == nil && found == path {
		return "hallmark"
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
